/* See client.h. */
#include "ibapi/client.h"

#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "net/tcp.h"

#define OUTPUT_MAX (64 * 1024)

struct ts_ibapi_client {
    struct ts_loop *loop;
    const struct ts_ibapi_handler *handler;
    void *ctx;
    struct ts_tcp *tcp;
    struct ts_timer *timer;
    struct ts_ib_conf conf;
    struct ts_ib_session session;
    bool in_session;
    uint32_t generation; /* grows at stop and start: callbacks may call both */
    uint32_t seen_changes;
    uint32_t seen_accounts;
    uint32_t seen_pongs;
};

static void on_timer(void *ctx);

struct ts_ibapi_client *ts_ibapi_client_new(struct ts_loop *loop,
                                            const struct ts_ibapi_handler *handler, void *ctx,
                                            struct ts_error *err)
{
    struct ts_ibapi_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *c = (struct ts_ibapi_client){.loop = loop, .handler = handler, .ctx = ctx};
    c->timer = ts_timer_new(loop, on_timer, c, err);
    if (c->timer == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

void ts_ibapi_client_stop(struct ts_ibapi_client *c)
{
    c->generation++;
    ts_timer_stop(c->timer);
    ts_tcp_free(c->tcp);
    c->tcp = NULL;
    if (c->in_session) {
        ts_ib_session_done(&c->session);
        c->in_session = false;
    }
}

static void free_later(void *arg)
{
    free(arg);
}

void ts_ibapi_client_free(struct ts_ibapi_client *c)
{
    if (c != NULL) {
        ts_ibapi_client_stop(c);
        ts_timer_free(c->timer);
        c->timer = NULL;
        ts_loop_defer(c->loop, free_later, c); /* perhaps from inside a callback of ours */
    }
}

bool ts_ibapi_client_running(const struct ts_ibapi_client *c)
{
    return c->tcp != NULL;
}

/* The connection is over: tells it with a session that carries only the verdict. */
static void report_end(struct ts_ibapi_client *c, const struct ts_ib_session *verdict)
{
    struct ts_ib_session copy = *verdict;
    memset(&copy.reader, 0, sizeof(copy.reader)); /* that memory goes with the session */
    ts_ibapi_client_stop(c);
    c->handler->on_state(c->ctx, &copy, true);
}

static void tell_accounts(struct ts_ibapi_client *c)
{
    if (c->session.accounts_changes != c->seen_accounts) {
        c->seen_accounts = c->session.accounts_changes;
        if (c->handler->on_accounts != NULL) {
            c->handler->on_accounts(c->ctx, &c->session);
        }
    }
}

/* Sends what the session wants sent, tells what it has found, and arms its deadline. */
static void after_step(struct ts_ibapi_client *c, struct ts_buf *out)
{
    struct ts_error err;
    uint32_t generation = c->generation;
    bool sent = out->len == 0 || ts_tcp_write(c->tcp, out->data, out->len, &err);
    ts_buf_done(out);
    if (!sent && c->session.step != TS_IB_ENDED) {
        c->session.step = TS_IB_ENDED;
        c->session.reason = TS_PR_LOST;
        ts_copy_cut(c->session.detail, sizeof(c->session.detail), err.msg);
    }
    tell_accounts(c);
    if (generation != c->generation) {
        return;
    }
    if (c->session.step == TS_IB_ENDED) {
        report_end(c, &c->session);
        return;
    }
    if (c->session.changes != c->seen_changes || c->session.pongs != c->seen_pongs) {
        c->seen_changes = c->session.changes;
        c->seen_pongs = c->session.pongs;
        c->handler->on_state(c->ctx, &c->session, false);
    }
    if (generation == c->generation) {
        ts_timer_at(c->timer, c->session.deadline);
    }
}

static void on_timer(void *ctx)
{
    struct ts_ibapi_client *c = ctx;
    struct ts_buf out = ts_buf_init(OUTPUT_MAX);
    uint32_t generation = c->generation;
    ts_ib_session_tick(&c->session, ts_loop_now(c->loop), &out);
    bool asks = out.len > 0; /* a ping */
    after_step(c, &out);
    if (asks && generation == c->generation) {
        ts_tcp_read_together(c->tcp);
    }
}

static void on_connected(void *ctx)
{
    struct ts_ibapi_client *c = ctx;
    struct ts_buf out = ts_buf_init(OUTPUT_MAX);
    ts_ib_session_begin(&c->session, &c->conf, ts_loop_now(c->loop), &out);
    c->in_session = true;
    c->seen_changes = 0;
    c->seen_accounts = 0;
    c->seen_pongs = 0;
    after_step(c, &out);
}

/* Two account lists may come in one read; the first of them counts as well. */
static void on_message(void *ctx, const struct ts_ib_fields *m)
{
    struct ts_ibapi_client *c = ctx;
    uint32_t generation = c->generation;
    tell_accounts(c);
    if (generation == c->generation && c->handler->on_message != NULL) {
        c->handler->on_message(c->ctx, m);
    }
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    struct ts_ibapi_client *c = ctx;
    struct ts_buf out = ts_buf_init(OUTPUT_MAX);
    uint32_t generation = c->generation;
    ts_ib_session_feed(&c->session, bytes, n, ts_loop_now(c->loop), &out, on_message, c);
    if (generation != c->generation) { /* on_message stopped us */
        ts_buf_done(&out);
        return;
    }
    after_step(c, &out);
}

static enum ts_probe_reason connect_reason(enum ts_tcp_end end)
{
    switch (end) {
    case TS_TCP_REFUSED: return TS_PR_REFUSED;
    case TS_TCP_UNREACHABLE: return TS_PR_UNREACHABLE;
    case TS_TCP_TIMEOUT: return TS_PR_CONNECT_TIMEOUT;
    case TS_TCP_NO_NAME: return TS_PR_UNREACHABLE;
    case TS_TCP_SELF_CONNECT: return TS_PR_SELF_CONNECT;
    case TS_TCP_EOF:
    case TS_TCP_RESET: return TS_PR_CLOSED;
    case TS_TCP_ERROR: return TS_PR_ERROR;
    }
    return TS_PR_ERROR;
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    struct ts_ibapi_client *c = ctx;
    if (c->in_session) {
        ts_ib_session_closed(&c->session, ts_loop_now(c->loop));
        report_end(c, &c->session);
        return;
    }
    struct ts_ib_session failed;
    memset(&failed, 0, sizeof(failed));
    failed.conf = c->conf;
    failed.step = TS_IB_ENDED;
    failed.reason = connect_reason(end);
    ts_copy_cut(failed.detail, sizeof(failed.detail), err->msg);
    report_end(c, &failed);
}

bool ts_ibapi_client_start(struct ts_ibapi_client *c, const char *host, uint16_t port,
                           const struct ts_ib_conf *conf, struct ts_error *err)
{
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    ts_ibapi_client_stop(c);
    c->conf = *conf;
    const struct ts_tcp_call call = {.host = host,
                                     .port = port,
                                     .connect_ms = (uint32_t)conf->timeout_ms,
                                     .max_output = OUTPUT_MAX};
    c->tcp = ts_tcp_start(c->loop, &call, &handler, c, err);
    return c->tcp != NULL;
}

bool ts_ibapi_client_send(struct ts_ibapi_client *c, const struct ts_buf *requests,
                          struct ts_error *err)
{
    if (c->tcp == NULL || !c->in_session || c->session.step == TS_IB_ENDED ||
        c->session.server_version == 0) {
        return ts_error_set(err, TS_E_CONFLICT, "no IB API session");
    }
    if (requests->failed) {
        return ts_error_set(err, TS_E_LIMIT, "IB API request: too large");
    }
    return ts_tcp_write(c->tcp, requests->data, requests->len, err);
}
