/*
 * Probes: looking at a service again and again, one try -> one result with a reason from the list
 * in model.h. They count nothing and decide nothing: thresholds and purposes are the machine's.
 *
 * A prober owns the one timer that all probes of a program share. Tries fall on multiples of their
 * interval on the loop's clock, so probes of the same interval are due in the same wake-up.
 * Until it has passed once after ts_probe_start() a probe is tried sooner: its service is starting,
 * and others wait for it.
 *
 * The kind "engine" is answered from the engine's inspect and has no probe here.
 */
#ifndef TS_PROBE_PROBE_H
#define TS_PROBE_PROBE_H

#include "base/error.h"
#include "base/loop.h"
#include "model/model.h"

#define TS_PROBE_DETAIL_MAX   160
#define TS_PROBE_ACCOUNTS_MAX 256
#define TS_PROBE_SETTLE_MS    100         /* tcp: a connection must stay open for this long */
#define TS_PROBE_HTTP_MAX     (64 * 1024) /* bytes of an answer that are read (and ignored) */

struct ts_prober;
struct ts_probe;

struct ts_probe_target {
    const char *host; /* numeric address or name; "": not known (TS_PR_NO_ADDRESS) */
    uint16_t port;    /* 0: not known */
};

struct ts_probe_result {
    enum ts_probe_reason reason;
    int64_t took_ms; /* of this try; 0 for what came unasked (TS_PR_LOST) */
    char detail[TS_PROBE_DETAIL_MAX];
    /* ibapi: what the session has told so far */
    char accounts[TS_PROBE_ACCOUNTS_MAX]; /* separated by commas, cut to fit; "" = none yet */
    bool accounts_cut;                    /* there are more than fit */
    int server_version;                   /* 0: not known */
    bool skew_known;
    int64_t skew_ms; /* the gateway's clock minus ours */
};

/* Never from inside a function of this header. May stop, restart or free this and other probes;
 * the result is borrowed for the call. */
typedef void ts_probe_on_result(void *ctx, const struct ts_probe_result *result);

struct ts_prober_deps {
    struct ts_loop *loop;
    /* ibapi: is this a paper account? Required for that kind. */
    bool (*is_paper)(void *ctx, const char *account);
    void *paper_ctx;
};

/* deps are copied, what they point to is borrowed. NULL: TS_E_NOMEM. */
struct ts_prober *ts_prober_new(const struct ts_prober_deps *deps,
                                struct ts_error *err) TS_MUST_CHECK;
/* Its probes must have been freed. NULL is fine. */
void ts_prober_free(struct ts_prober *prober);

/* A probe, not running. spec is borrowed for as long as the probe lives. NULL: TS_E_INVALID (kind
 * engine, bad pattern), TS_E_NOMEM. */
struct ts_probe *ts_probe_new(struct ts_prober *prober, const struct ts_probe_spec *spec,
                              ts_probe_on_result *on_result, void *ctx,
                              struct ts_error *err) TS_MUST_CHECK;
/* NULL is fine. on_result is not called any more. */
void ts_probe_free(struct ts_probe *p);

/* (Re)starts it for a container that runs now: the first try comes in the next turn. A log probe
 * begins to wait for its pattern anew. target is copied; log probes ignore it (NULL is fine). */
void ts_probe_start(struct ts_probe *p, const struct ts_probe_target *target);
/* No try, no timer, no session until the next start. */
void ts_probe_stop(struct ts_probe *p);
bool ts_probe_running(const struct ts_probe *p);
/* Where the last start sent it; host is "" before the first. Borrowed until the next start. */
struct ts_probe_target ts_probe_target(const struct ts_probe *p);

/* Gives a log probe that runs a line of the container's log (without its end). Other kinds and
 * stopped probes ignore it. */
void ts_probe_feed(struct ts_probe *p, const char *line, size_t n);

#endif
