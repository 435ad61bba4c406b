/* What the kinds of probes share. A kind is one file and one row in probe.c. */
#ifndef TS_PROBE_PROBE_INTERNAL_H
#define TS_PROBE_PROBE_INTERNAL_H

#include "base/pattern.h"
#include "net/tcp.h"
#include "probe/probe.h"

#define TS_PROBE_STATUS_MAX 16 /* "HTTP/1.1 200 " and a little more */

struct ts_probe_ops {
    /* Once per ts_probe_start(): forget what is remembered of the last run. May be NULL. */
    void (*reset)(struct ts_probe *p);
    /* Begins a try (or, with a session held, a ping). Ends in ts_probe_finish(), at once or later.
     */
    void (*begin)(struct ts_probe *p);
    /* The instant given to ts_probe_wait() has come while a try runs. */
    void (*on_due)(struct ts_probe *p);
    /* Ends whatever is open; no try runs afterwards. */
    void (*cancel)(struct ts_probe *p);
};

struct ts_probe {
    struct ts_prober *prober;
    struct ts_probe *next;
    struct ts_probe **prev_next;
    const struct ts_probe_ops *ops;
    const struct ts_probe_spec *spec;
    char *host; /* NULL: none */
    uint16_t port;
    ts_probe_on_result *on_result;
    void *ctx;
    bool passed; /* at least once since it was started */
    ts_mono started;
    bool running;
    bool trying;
    ts_mono began;
    ts_mono due; /* of the next try, or what the running one waits for */

    /* tcp, http */
    struct ts_tcp *conn;
    bool connected;
    char status[TS_PROBE_STATUS_MAX]; /* the answer's first bytes */
    size_t status_len;
    size_t received;

    /* log */
    struct ts_pattern *pattern;
    bool matched;
    bool gave_up; /* on a line that took too long */

    /* ibapi */
    struct ts_probe_ib *ib;
    bool held; /* a session pings by itself: no tries meanwhile */

    const struct ts_probe_result *told; /* ibapi: what the session has told; else NULL */
};

const struct ts_probe_ops *ts_probe_tcp_ops(void);
const struct ts_probe_ops *ts_probe_http_ops(void);
const struct ts_probe_ops *ts_probe_log_ops(void);
const struct ts_probe_ops *ts_probe_ibapi_ops(void);

/* on_due is called at that time, unless the try ends before. */
void ts_probe_wait(struct ts_probe *p, ts_mono until);

/* Ends the try: the next one is planned, then on_result runs. The LAST thing a caller does with p,
 * which may be gone afterwards. Only from callbacks of the loop. */
void ts_probe_finish(struct ts_probe *p, enum ts_probe_reason reason, const char *fmt, ...)
    TS_PRINTF(3, 4);

const struct ts_prober_deps *ts_probe_deps(const struct ts_probe *p);
struct ts_loop *ts_probe_loop(const struct ts_probe *p);
/* The end of this try's time. */
ts_mono ts_probe_deadline(const struct ts_probe *p);

/* Starts the connection of a try. On failure the try is finished. */
void ts_probe_connect(struct ts_probe *p, const struct ts_tcp_handler *handler, size_t max_output);
/* What a connection's end means for a probe that has seen `received` bytes so far. */
void ts_probe_finish_closed(struct ts_probe *p, enum ts_tcp_end end, const struct ts_error *err);

#endif
