/*
 * The client's side of an IB API session as a PURE machine: bytes and time in; bytes to send,
 * a verdict and a deadline out. No socket, no clock.
 *
 * Steps: hello, version, startApi, then accounts and next id, then the gateway's time. After that
 * the session is held: the time is asked every ping interval, connectivity notices are heeded.
 * Readiness is never less than: handshake done, at least one account, a next id, a time. A list of
 * accounts that becomes empty while the session is held ends it (nobody is logged in any more).
 *
 * Everything that came from the gateway and is kept here as text is printable ASCII.
 */
#ifndef TS_IBAPI_SESSION_H
#define TS_IBAPI_SESSION_H

#include "base/clock.h"
#include "ibapi/codec.h"
#include "ibapi/farms.h"
#include "model/model.h"

#define TS_IB_ACCOUNTS_MAX 64
#define TS_IB_ACCOUNT_MAX  32 /* bytes, NUL included */
#define TS_IB_DETAIL_MAX   160

/* Stands as the last account when there are more than fit. It is no paper account, so whoever
 * checks them all errs on the safe side. */
#define TS_IB_ACCOUNTS_UNSEEN "(and more)"

struct ts_ib_conf {
    int32_t client_id;
    int32_t version_min; /* 0: 100 */
    int32_t version_max; /* 0: 178; above 200 is cut to 200 */
    int64_t timeout_ms;  /* of each step and of each ping */
    int64_t ping_ms;     /* between pings; 0: none after the first */
};

enum ts_ib_step {
    TS_IB_WAIT_HELLO,    /* for the server's version */
    TS_IB_WAIT_ACCOUNTS, /* for accounts and next id */
    TS_IB_WAIT_TIME,     /* for the first time */
    TS_IB_HELD,
    TS_IB_ENDED
};

struct ts_ib_session {
    struct ts_ib_conf conf;
    enum ts_ib_step step;
    /* The verdict. TS_PR_PENDING until the first. Once ended it stays. */
    enum ts_probe_reason reason;
    /* For OK: farms that are broken, or "". */
    char detail[TS_IB_DETAIL_MAX];
    ts_mono deadline; /* call ts_ib_session_tick() then */

    int32_t server_version;
    bool has_next_id;
    bool upstream_down;
    char upstream_notice[TS_IB_DETAIL_MAX]; /* the last that said so */
    char accounts[TS_IB_ACCOUNTS_MAX][TS_IB_ACCOUNT_MAX];
    size_t account_count;
    int64_t server_time_s; /* of the last answer; 0 before the first */

    bool got_bytes;
    bool ping_out;
    ts_mono began;
    ts_mono ping_at;  /* when the present ping was sent */
    int64_t took_ms;  /* of the last round trip; until ready: since the connection */
    uint32_t changes; /* grows with every change of the verdict */
    uint32_t accounts_changes;
    uint32_t pongs;
    struct ts_ib_farms farms;
    struct ts_ib_reader reader;
};

/* Every message after the handshake, for the bot. fields is borrowed for the call. May empty the
 * session with _done(). */
typedef void ts_ib_on_message(void *ctx, const struct ts_ib_fields *fields);

/* On a fresh connection; appends the hello to out. The session must be emptied with _done(). */
void ts_ib_session_begin(struct ts_ib_session *s, const struct ts_ib_conf *conf, ts_mono now,
                         struct ts_buf *out);
void ts_ib_session_done(struct ts_ib_session *s);
/* Received bytes. on_message may be NULL. */
void ts_ib_session_feed(struct ts_ib_session *s, const void *bytes, size_t n, ts_mono now,
                        struct ts_buf *out, ts_ib_on_message *on_message, void *ctx);
/* Time has passed. */
void ts_ib_session_tick(struct ts_ib_session *s, ts_mono now, struct ts_buf *out);
/* The other side closed or broke the connection. */
void ts_ib_session_closed(struct ts_ib_session *s, ts_mono now);

#endif
