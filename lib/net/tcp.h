/*
 * One outgoing TCP connection on the event loop: a numeric address at once, a name through the
 * system's hosts file and name servers (libevent's evdns, so a silent name server blocks nothing).
 *
 * Knows a trap of loopback: a connect to a port of the ephemeral range where nobody listens can
 * connect to itself and then looks alive. That is reported as TS_TCP_SELF_CONNECT.
 */
#ifndef TS_NET_TCP_H
#define TS_NET_TCP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

struct ts_tcp;

#define TS_TCP_READ_MAX  ((size_t)16 * 1024) /* on_data never gets more at once */
#define TS_TCP_TRIES_MAX 8 /* addresses of one name that are tried, one after the other */

enum ts_tcp_end {
    TS_TCP_REFUSED,      /* nothing listens */
    TS_TCP_UNREACHABLE,  /* no route, network or host down */
    TS_TCP_TIMEOUT,      /* no connection within connect_ms (a name's resolution included) */
    TS_TCP_NO_NAME,      /* the name could not be resolved */
    TS_TCP_SELF_CONNECT, /* connected to ourselves: nothing listens */
    TS_TCP_EOF,          /* the other side closed */
    TS_TCP_RESET,        /* the other side broke the connection */
    TS_TCP_ERROR         /* anything else; see the error */
};

/* Never from inside ts_tcp_start() or ts_tcp_write(). All may call ts_tcp_free(). */
struct ts_tcp_handler {
    void (*on_connected)(void *ctx);
    /* 1..TS_TCP_READ_MAX bytes, borrowed. */
    void (*on_data)(void *ctx, const void *bytes, size_t n);
    /* Once, and the last callback; err is never NULL. What was still to be sent is dropped. */
    void (*on_closed)(void *ctx, enum ts_tcp_end end, const struct ts_error *err);
};

struct ts_tcp_call {
    const char *host;    /* numeric address (IPv6 without brackets) or name; copied */
    uint16_t port;       /* 0 is refused */
    uint32_t connect_ms; /* until on_connected; 0 is refused */
    size_t max_output;   /* bytes waiting to be sent; 0: nothing can be written */
};

/* Starts connecting. The connection belongs to the caller, who frees it whatever happens; handler
 * is borrowed for its lifetime. NULL: TS_E_INVALID, TS_E_NOMEM. */
struct ts_tcp *ts_tcp_start(struct ts_loop *loop, const struct ts_tcp_call *call,
                            const struct ts_tcp_handler *handler, void *ctx,
                            struct ts_error *err) TS_MUST_CHECK;

/* Sends, or queues what the kernel does not take now. TS_E_LIMIT: more than max_output would wait
 * (nothing of it is sent then); TS_E_CONFLICT: not connected. */
bool ts_tcp_write(struct ts_tcp *t, const void *bytes, size_t n,
                  struct ts_error *err) TS_MUST_CHECK;
/* For a connection that has told what one wanted to know: nothing more is told before that time,
 * and so nobody is woken for the rest. Freed before, it first takes what has come, so that the
 * other side sees no reset. */
void ts_tcp_rest(struct ts_tcp *t, ts_mono until);
/* Right after a question was written: what is answered at once is read in one wake-up with all that
 * was asked in the same moment, 1 to 4 ms later. So much later is an end of the connection noticed
 * that comes just then. */
void ts_tcp_read_together(struct ts_tcp *t);
/* Bytes written but not yet taken by the kernel. */
size_t ts_tcp_queued(const struct ts_tcp *t);

/* Closes and frees; no callback runs any more. NULL is fine; allowed inside its own callbacks. */
void ts_tcp_free(struct ts_tcp *t);

/* "refused", "timeout", … Never NULL. */
const char *ts_tcp_end_name(enum ts_tcp_end end);

#endif
