/* See tcp.h. */
#include "net/tcp.h"

#include <stdlib.h>
#include <string.h>

#include <event2/event.h>
#include <event2/util.h>

#include "base/buf.h"
#include "base/parse.h"
#include "net/resolve.h"
#include "net/socket_internal.h"

#define REST_READS  16
#define TOGETHER_MS 4 /* answers to what was asked within so long are read together */

struct address {
    union {
        struct sockaddr any;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } to; /* not sockaddr_storage, which is four times as large */
    size_t len;
};

struct ts_tcp {
    struct ts_loop *loop;
    const struct ts_tcp_handler *handler;
    void *ctx;
    struct ts_lookup *lookup;
    size_t address_count;
    size_t next_address;
    evutil_socket_t fd; /* -1: none */
    struct event *readable;
    struct event *writable;
    struct ts_timer *timer; /* connect deadline; once has_ended, the turn that reports it */
    ts_mono deadline;
    struct ts_buf output;
    struct ts_error err;
    enum ts_tcp_end end;
    bool is_connected;
    bool has_ended;
    bool in_callback;
    bool freed;   /* by its own callback */
    bool resting; /* until the timer fires */
    bool has_rested;
    size_t room;
    struct address addresses[]; /* one, or for a name TS_TCP_TRIES_MAX */
};

static void try_next_address(struct ts_tcp *t);

static void drop_socket(struct ts_tcp *t)
{
    if (t->readable != NULL) {
        event_free(t->readable);
        t->readable = NULL;
    }
    if (t->writable != NULL) {
        event_free(t->writable);
        t->writable = NULL;
    }
    if (t->fd >= 0) {
        (void)evutil_closesocket(t->fd);
        t->fd = -1;
    }
}

/* A socket that is closed with bytes unread answers with a reset. */
static void take_rest(struct ts_tcp *t)
{
    char bytes[TS_TCP_READ_MAX];
    for (int i = 0; i < REST_READS; i++) {
        if (ts_socket_receive(t->fd, bytes, sizeof(bytes)) <= 0) {
            return;
        }
    }
}

static void destroy(struct ts_tcp *t)
{
    if (t->has_rested && t->is_connected && t->fd >= 0) {
        take_rest(t);
    }
    ts_lookup_cancel(t->lookup);
    drop_socket(t);
    ts_timer_free(t->timer);
    ts_buf_done(&t->output);
    free(t);
}

void ts_tcp_free(struct ts_tcp *t)
{
    if (t == NULL) {
        return;
    }
    if (t->in_callback) {
        t->freed = true;
        return;
    }
    destroy(t);
}

/* After a callback: false if it freed the connection. */
static bool survives(struct ts_tcp *t)
{
    t->in_callback = false;
    if (t->freed) {
        destroy(t);
        return false;
    }
    return true;
}

/* Notes the end; the timer reports it, so that no callback runs from inside a start. */
static void end_with(struct ts_tcp *t, enum ts_tcp_end end, enum ts_code code, const char *text)
{
    drop_socket(t);
    t->has_ended = true;
    t->is_connected = false;
    t->end = end;
    (void)ts_error_set(&t->err, code, "%s", text);
    ts_timer_after(t->timer, 0);
}

static void end_with_errno(struct ts_tcp *t, int error, const char *what)
{
    enum ts_tcp_end end = ts_socket_end_of(error);
    drop_socket(t);
    t->has_ended = true;
    t->is_connected = false;
    t->end = end;
    (void)ts_error_errno(&t->err, error, "%s", what);
    t->err.code = end == TS_TCP_ERROR     ? TS_E_SYSTEM
                  : end == TS_TCP_TIMEOUT ? TS_E_TIMEOUT
                                          : TS_E_UNAVAILABLE;
    ts_timer_after(t->timer, 0);
}

static void on_timer(void *ctx)
{
    struct ts_tcp *t = ctx;
    if (t->resting && !t->has_ended) {
        t->resting = false;
        (void)event_add(t->readable, NULL);
        return;
    }
    if (!t->has_ended) {
        ts_lookup_cancel(t->lookup);
        t->lookup = NULL;
        drop_socket(t);
        t->has_ended = true;
        t->end = TS_TCP_TIMEOUT;
        (void)ts_error_set(&t->err, TS_E_TIMEOUT, "no connection within the time allowed");
        try_next_address(t);
        if (!t->has_ended) {
            return;
        }
    }
    ts_timer_stop(t->timer);
    t->in_callback = true;
    t->handler->on_closed(t->ctx, t->end, &t->err);
    (void)survives(t);
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct ts_tcp *t = arg;
    char bytes[TS_TCP_READ_MAX];
    ptrdiff_t n = ts_socket_receive(fd, bytes, sizeof(bytes));
    if (n == -2) {
        return;
    }
    if (n == -1) {
        end_with_errno(t, ts_socket_error(), "connection lost");
    } else if (n == 0) {
        end_with(t, TS_TCP_EOF, TS_E_UNAVAILABLE, "the other side closed the connection");
    } else {
        t->in_callback = true;
        t->handler->on_data(t->ctx, bytes, (size_t)n);
        (void)survives(t);
    }
}

static void send_queued(struct ts_tcp *t)
{
    while (t->output.len > 0) {
        ptrdiff_t n = ts_socket_send(t->fd, t->output.data, t->output.len);
        if (n < 0) {
            if (n == -1) {
                end_with_errno(t, ts_socket_error(), "connection lost");
            }
            return;
        }
        ts_buf_consume(&t->output, (size_t)n);
    }
    (void)event_del(t->writable);
}

static void connected(struct ts_tcp *t)
{
    if (ts_socket_is_self(t->fd)) {
        end_with(t, TS_TCP_SELF_CONNECT, TS_E_UNAVAILABLE,
                 "connected to ourselves: nothing listens on that port");
        return;
    }
    t->is_connected = true;
    ts_timer_stop(t->timer);
    (void)event_del(t->writable);
    (void)event_add(t->readable, NULL);
    t->in_callback = true;
    t->handler->on_connected(t->ctx);
    (void)survives(t);
}

static void on_writable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct ts_tcp *t = arg;
    if (t->is_connected) {
        send_queued(t);
        return;
    }
    int error = ts_socket_pending_error(fd);
    if (error == 0) {
        connected(t);
        return;
    }
    end_with_errno(t, error, "cannot connect");
    try_next_address(t);
}

/* False: this address failed at once, t->err says why. */
static bool connect_to(struct ts_tcp *t, const struct address *a)
{
    t->fd = ts_socket_open(a->to.any.sa_family);
    if (t->fd < 0) {
        end_with_errno(t, ts_socket_error(), "cannot open a socket");
        return false;
    }
    struct event_base *base = ts_loop_base(t->loop);
    t->readable = event_new(base, t->fd, EV_READ | EV_PERSIST, on_readable, t);
    t->writable = event_new(base, t->fd, EV_WRITE | EV_PERSIST, on_writable, t);
    if (t->readable == NULL || t->writable == NULL) {
        end_with(t, TS_TCP_ERROR, TS_E_NOMEM, "out of memory");
        return false;
    }
    if (ts_socket_connect(t->fd, &a->to.any, a->len) < 0) {
        end_with_errno(t, ts_socket_error(), "cannot connect");
        return false;
    }
    /* A connection made at once is writable too: it is told in the next turn. */
    if (event_add(t->writable, NULL) != 0) {
        end_with(t, TS_TCP_ERROR, TS_E_SYSTEM, "cannot watch the socket");
        return false;
    }
    return true;
}

/* Goes on with the next address of the name, giving each its share of the time that is left, so
 * that a silent first one leaves some for the others. With none left, the last failure stands. */
static void try_next_address(struct ts_tcp *t)
{
    while (t->next_address < t->address_count) {
        t->has_ended = false;
        const struct address *a = &t->addresses[t->next_address];
        ts_mono now = ts_loop_now(t->loop);
        int64_t left = ts_mono_diff(now, t->deadline);
        int64_t share = left / (int64_t)(t->address_count - t->next_address);
        t->next_address++;
        if (connect_to(t, a)) {
            ts_timer_at(t->timer, ts_mono_add(now, share));
            return;
        }
    }
}

static void on_addresses(void *ctx, const struct addrinfo *addresses, const struct ts_error *err)
{
    struct ts_tcp *t = ctx;
    t->lookup = NULL;
    if (err != NULL) {
        end_with(t, TS_TCP_NO_NAME, err->code, err->msg);
        return;
    }
    for (; addresses != NULL && t->address_count < t->room; addresses = addresses->ai_next) {
        struct address *a = &t->addresses[t->address_count];
        if (addresses->ai_addrlen <= sizeof(a->to)) {
            memcpy(&a->to, addresses->ai_addr, addresses->ai_addrlen);
            a->len = addresses->ai_addrlen;
            t->address_count++;
        }
    }
    if (t->address_count == 0) {
        end_with(t, TS_TCP_NO_NAME, TS_E_NOT_FOUND, "the name has no address");
        return;
    }
    try_next_address(t);
}

/* False: it is a name. */
static bool parse_numeric(const struct ts_tcp_call *call, struct address *a)
{
    struct sockaddr_in *v4 = &a->to.v4;
    struct sockaddr_in6 *v6 = &a->to.v6;
    if (evutil_inet_pton(AF_INET, call->host, &v4->sin_addr) == 1) {
        v4->sin_family = AF_INET;
        v4->sin_port = htons(call->port);
        a->len = sizeof(*v4);
    } else if (evutil_inet_pton(AF_INET6, call->host, &v6->sin6_addr) == 1) {
        v6->sin6_family = AF_INET6;
        v6->sin6_port = htons(call->port);
        a->len = sizeof(*v6);
    } else {
        return false;
    }
    return true;
}

struct ts_tcp *ts_tcp_start(struct ts_loop *loop, const struct ts_tcp_call *call,
                            const struct ts_tcp_handler *handler, void *ctx, struct ts_error *err)
{
    if (call->host == NULL || call->host[0] == '\0' || call->port == 0 || call->connect_ms == 0) {
        ts_error_set(err, TS_E_INVALID, "a connection needs a host, a port and a time limit");
        return NULL;
    }
    struct address numeric;
    memset(&numeric, 0, sizeof(numeric));
    bool is_numeric = parse_numeric(call, &numeric);
    size_t room = is_numeric ? 1 : TS_TCP_TRIES_MAX;
    struct ts_tcp *t = calloc(1, sizeof(*t) + room * sizeof(t->addresses[0]));
    if (t == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    t->room = room;
    t->loop = loop;
    t->handler = handler;
    t->ctx = ctx;
    t->fd = -1;
    t->output = ts_buf_init(call->max_output);
    t->deadline = ts_mono_add(ts_loop_now(loop), call->connect_ms);
    t->timer = ts_timer_new(loop, on_timer, t, err);
    if (t->timer == NULL) {
        destroy(t);
        return NULL;
    }
    ts_timer_at(t->timer, t->deadline);
    if (is_numeric) {
        t->addresses[t->address_count++] = numeric;
        try_next_address(t);
        return t;
    }
    t->lookup = ts_lookup_start(loop, call->host, call->port, on_addresses, t, err);
    if (t->lookup == NULL) {
        destroy(t);
        return NULL;
    }
    return t;
}

bool ts_tcp_write(struct ts_tcp *t, const void *bytes, size_t n, struct ts_error *err)
{
    if (!t->is_connected || t->freed) {
        return ts_error_set(err, TS_E_CONFLICT, "not connected");
    }
    if (n > t->output.limit - t->output.len) {
        return ts_error_set(err, TS_E_LIMIT,
                            "the other side reads too slowly: more than %zu bytes wait",
                            t->output.limit);
    }
    size_t sent = 0;
    if (t->output.len == 0) {
        ptrdiff_t now = ts_socket_send(t->fd, bytes, n);
        sent = now > 0 ? (size_t)now : 0; /* a failure shows again when the socket is writable */
        if (sent == n) {
            return true;
        }
    }
    if (!ts_buf_add(&t->output, (const char *)bytes + sent, n - sent)) {
        return ts_error_nomem(err);
    }
    if (event_add(t->writable, NULL) != 0) {
        return ts_error_set(err, TS_E_SYSTEM, "cannot watch the socket");
    }
    return true;
}

void ts_tcp_rest(struct ts_tcp *t, ts_mono until)
{
    if (t->is_connected && !t->freed) {
        t->resting = true;
        t->has_rested = true;
        (void)event_del(t->readable);
        ts_timer_at(t->timer, until);
    }
}

void ts_tcp_read_together(struct ts_tcp *t)
{
    ts_tcp_rest(t, ts_mono_next(ts_loop_now(t->loop), TOGETHER_MS));
}

size_t ts_tcp_queued(const struct ts_tcp *t)
{
    return t->output.len;
}

const char *ts_tcp_end_name(enum ts_tcp_end end)
{
    switch (end) {
    case TS_TCP_REFUSED: return "refused";
    case TS_TCP_UNREACHABLE: return "unreachable";
    case TS_TCP_TIMEOUT: return "timeout";
    case TS_TCP_NO_NAME: return "no-name";
    case TS_TCP_SELF_CONNECT: return "self-connect";
    case TS_TCP_EOF: return "eof";
    case TS_TCP_RESET: return "reset";
    case TS_TCP_ERROR: return "error";
    }
    return "?";
}
