/*
 * For tests of lib/net and what stands on it: a real loop that is run until something happened (a
 * guard ends a test that would hang), and a small scripted HTTP server on it. The server answers
 * each request by its path with bytes given beforehand, so it can also hang and lie.
 */
#ifndef TS_TESTS_NET_FIXTURE_H
#define TS_TESTS_NET_FIXTURE_H

#include "unit.h"

#include <ctype.h>
#include <stdio.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/loop.h"
#include "os.h"
#include "os_net.h"

#define GUARD_MS     8000
#define MAX_PEERS    32
#define MAX_REQUESTS 32

static struct ts_loop *fixture_loop;
static bool fixture_guard_fired;

static void fixture_on_guard(void *ctx)
{
    (void)ctx;
    fixture_guard_fired = true;
    ts_loop_stop(fixture_loop);
}

/* Runs the loop until somebody stops it. */
static inline void run_until_stopped(void)
{
    struct ts_error err;
    struct ts_timer *guard = ts_timer_new(fixture_loop, fixture_on_guard, NULL, &err);
    assert_non_null(guard);
    ts_timer_after(guard, GUARD_MS);
    fixture_guard_fired = false;
    assert_true(ts_loop_run(fixture_loop, NULL, NULL, &err));
    ts_timer_free(guard);
    if (fixture_guard_fired) {
        fail_msg("nothing happened within %d ms", GUARD_MS);
    }
}

static void fixture_on_pause(void *ctx)
{
    (void)ctx;
    ts_loop_stop(fixture_loop);
}

/* Lets the loop run for a while: to see that something does NOT happen. */
static inline void run_for(int64_t ms)
{
    struct ts_error err;
    struct ts_timer *t = ts_timer_new(fixture_loop, fixture_on_pause, NULL, &err);
    assert_non_null(t);
    ts_timer_after(t, ms);
    run_until_stopped();
    ts_timer_free(t);
}

struct answer {
    const char *path;  /* exact, or a prefix when it ends in "*" */
    const char *bytes; /* NULL: hang */
    size_t len;        /* 0: strlen(bytes) */
    bool close;        /* after the answer */
};

struct server {
    struct evconnlistener *listener; /* one of these two */
    struct os_local *local;
    struct bufferevent *peers[MAX_PEERS];
    size_t peer_count; /* connections ever accepted */
    const struct answer *answers;
    size_t answer_count;
    char requests[MAX_REQUESTS][2048]; /* as received, body included */
    size_t request_count;
    char path[OS_PATH];
    uint16_t port;
};

static void server_on_written(struct bufferevent *bev, void *ctx)
{
    struct server *s = ctx;
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i] == bev) {
            bufferevent_free(bev);
            s->peers[i] = NULL;
        }
    }
}

/* What stands behind the header's name, which is given in lower case with its colon; NULL: it is
 * not there. */
static inline const char *find_header(const char *head, const char *name)
{
    for (const char *at = strchr(head, '\n'); at != NULL; at = strchr(at, '\n')) {
        size_t n = 0;
        at++;
        while (name[n] != '\0' && tolower((unsigned char)at[n]) == name[n]) {
            n++;
        }
        if (name[n] == '\0') {
            return at + n;
        }
    }
    return NULL;
}

/* Takes one whole request off the input; false while it is incomplete. */
static bool server_take(struct server *s, struct bufferevent *bev)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    struct evbuffer_ptr end = evbuffer_search(in, "\r\n\r\n", 4, NULL);
    if (end.pos < 0) {
        return false;
    }
    size_t total = (size_t)end.pos + 4;
    char head[2048] = "";
    ev_ssize_t have = evbuffer_copyout(in, head, total < sizeof(head) ? total : sizeof(head) - 1);
    assert_true(have > 0);
    const char *length = find_header(head, "content-length:");
    total += length != NULL ? strtoul(length, NULL, 10) : 0;
    if (evbuffer_get_length(in) < total) {
        return false;
    }
    char *request = s->requests[s->request_count % MAX_REQUESTS];
    size_t keep = total < sizeof(s->requests[0]) ? total : sizeof(s->requests[0]) - 1;
    memset(request, 0, sizeof(s->requests[0]));
    (void)evbuffer_copyout(in, request, keep);
    evbuffer_drain(in, total);
    s->request_count++;
    return true;
}

static const struct answer *server_answer_for(const struct server *s, const char *request)
{
    const char *path = strchr(request, ' ');
    assert_non_null(path);
    path++;
    size_t n = strcspn(path, " ");
    for (size_t i = 0; i < s->answer_count; i++) {
        const char *want = s->answers[i].path;
        size_t len = strlen(want);
        if (len > 0 && want[len - 1] == '*' ? strncmp(path, want, len - 1) == 0
                                            : n == len && strncmp(path, want, n) == 0) {
            return &s->answers[i];
        }
    }
    fail_msg("the test's server has no answer for: %s", request);
    return NULL;
}

static void server_on_read(struct bufferevent *bev, void *ctx)
{
    struct server *s = ctx;
    while (server_take(s, bev)) {
        const struct answer *a =
            server_answer_for(s, s->requests[(s->request_count - 1) % MAX_REQUESTS]);
        if (a->bytes != NULL) {
            bufferevent_write(bev, a->bytes, a->len > 0 ? a->len : strlen(a->bytes));
        }
        if (a->close) {
            bufferevent_setcb(bev, NULL, server_on_written, NULL, s);
            return;
        }
    }
}

static void server_on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)what;
    server_on_written(bev, ctx);
}

static void server_take_peer(void *ctx, evutil_socket_t fd)
{
    struct server *s = ctx;
    assert_true(s->peer_count < MAX_PEERS);
    struct bufferevent *bev =
        bufferevent_socket_new(ts_loop_base(fixture_loop), fd, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(bev);
    s->peers[s->peer_count++] = bev;
    bufferevent_setcb(bev, server_on_read, NULL, server_on_event, s);
    bufferevent_enable(bev, EV_READ | EV_WRITE);
}

static void server_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from,
                             int len, void *ctx)
{
    (void)l;
    (void)from;
    (void)len;
    server_take_peer(ctx, fd);
}

static inline void server_start(struct server *s, const struct answer *answers, size_t count,
                                const struct sockaddr *at, size_t at_len)
{
    s->answers = answers;
    s->answer_count = count;
    s->listener =
        evconnlistener_new_bind(ts_loop_base(fixture_loop), server_on_accept, s,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16, at, (int)at_len);
    assert_non_null(s->listener);
}

/* On a free loopback port, in s->port. */
static inline void server_start_tcp(struct server *s, const struct answer *answers, size_t count)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    server_start(s, answers, count, (const struct sockaddr *)&at, sizeof(at));
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(evconnlistener_get_fd(s->listener), (struct sockaddr *)&at, &len),
                     0);
    s->port = ntohs(at.sin_port);
}

/* On a local socket or pipe, in s->path. */
static inline void server_start_local(struct server *s, const struct answer *answers, size_t count)
{
    s->answers = answers;
    s->answer_count = count;
    os_local_path(s->path);
    s->local = os_local_listen(fixture_loop, s->path, server_take_peer, s);
}

/* Sends to the peer that connected n-th, counted from 0. */
static inline void server_send(struct server *s, size_t n, const void *bytes, size_t len)
{
    assert_true(n < s->peer_count && s->peers[n] != NULL);
    bufferevent_write(s->peers[n], bytes, len);
}

static inline void server_stop(struct server *s)
{
    for (size_t i = 0; i < s->peer_count; i++) {
        if (s->peers[i] != NULL) {
            bufferevent_free(s->peers[i]);
        }
    }
    if (s->listener != NULL) {
        evconnlistener_free(s->listener);
    }
    if (s->local != NULL) {
        os_local_stop(s->local);
    }
    memset(s, 0, sizeof(*s));
}

static inline int loop_setup(void **state)
{
    (void)state;
    struct ts_error err;
    fixture_loop = ts_loop_new(ts_clock_real(), &err);
    return fixture_loop == NULL ? -1 : 0;
}

static inline int loop_teardown(void **state)
{
    (void)state;
    ts_loop_free(fixture_loop);
    fixture_loop = NULL;
    return 0;
}

#define LOOP_TEST(fn) cmocka_unit_test_setup_teardown(fn, loop_setup, loop_teardown)

#endif
