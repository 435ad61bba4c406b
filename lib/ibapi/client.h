/*
 * An IB API session on a connection of the event loop. One session: it does not reconnect by
 * itself; who holds it decides when to try again.
 */
#ifndef TS_IBAPI_CLIENT_H
#define TS_IBAPI_CLIENT_H

#include "base/loop.h"
#include "ibapi/session.h"

struct ts_ibapi_client;

/* Never from inside a ts_ibapi_client_…() call. All may call stop and free. */
struct ts_ibapi_handler {
    /* The verdict changed, or a ping was answered. session is borrowed for the call and holds
     * reason, detail, took_ms, accounts, server_version, server_time_s. `ended`: the connection is
     * closed and no callback follows until the next start. A connection that failed ends with
     * REFUSED, UNREACHABLE, CONNECT_TIMEOUT, SELF_CONNECT or ERROR. */
    void (*on_state)(void *ctx, const struct ts_ib_session *session, bool ended);
    /* A new account list came, possibly in the middle of a session. May be NULL. */
    void (*on_accounts)(void *ctx, const struct ts_ib_session *session);
    /* Every message after the handshake. May be NULL. */
    ts_ib_on_message *on_message;
};

/* handler is borrowed for the client's life. NULL: TS_E_NOMEM. */
struct ts_ibapi_client *ts_ibapi_client_new(struct ts_loop *loop,
                                            const struct ts_ibapi_handler *handler, void *ctx,
                                            struct ts_error *err) TS_MUST_CHECK;
/* Stops and frees. NULL is fine. */
void ts_ibapi_client_free(struct ts_ibapi_client *c);
/* Connects anew (a running session is dropped first). conf is copied. */
bool ts_ibapi_client_start(struct ts_ibapi_client *c, const char *host, uint16_t port,
                           const struct ts_ib_conf *conf, struct ts_error *err) TS_MUST_CHECK;
/* Closes without a callback. */
void ts_ibapi_client_stop(struct ts_ibapi_client *c);
bool ts_ibapi_client_running(const struct ts_ibapi_client *c);
/* Sends requests built with codec.h. TS_E_CONFLICT: no session; TS_E_LIMIT. */
bool ts_ibapi_client_send(struct ts_ibapi_client *c, const struct ts_buf *requests,
                          struct ts_error *err) TS_MUST_CHECK;

#endif
