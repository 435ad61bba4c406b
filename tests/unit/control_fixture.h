/*
 * For tests of the control server: a server on a real socket, and visitors that talk to it, all in
 * one loop. The loop runs until a condition holds, looked at once a turn; a guard ends a test that
 * would hang. Who a visitor is, is said by the test.
 */
#ifndef TS_TESTS_CONTROL_FIXTURE_H
#define TS_TESTS_CONTROL_FIXTURE_H

#include "unit.h"

#include <stdio.h>

#include <event2/event.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/loop.h"
#include "control/server.h"
#include "control/varlink.h"
#include "os.h"
#include "os_net.h"

#define GUARD_MS    8000
#define HEARD_MAX   (16 << 20)
#define CALL(name)  "{\"method\":\"" TS_VARLINK_INTERFACE "." name "\"}"
#define CALL_(name) "{\"method\":\"" TS_VARLINK_INTERFACE "." name "\","

static const char fixture_description[] = "interface io.tradestack.Supervisor\n"
                                          "method Echo(x: ?int) -> (echo: ?int)\n"
                                          "method Wait() -> ()\n"
                                          "method Change(service: string, wait: ?bool) -> ()\n"
                                          "method Big() -> (text: string)\n"
                                          "method Flood() -> (text: string)\n";

struct scene {
    struct ts_loop *loop;
    struct ts_control *server;
    struct ts_timer *guard;
    struct ts_control_conf conf;
    struct ts_peer next_peer; /* who the next visitor is */
    char path[OS_PATH];
    bool (*until)(struct scene *s);
    /* What the handlers saw. */
    struct ts_call *waiting; /* the last Wait */
    int handled;
    int gone;
    int refused;
    int turn_most; /* calls handled in one turn, at most */
    int turn_before;
    int flood_pieces; /* how much Flood says at most, in MiB, before it waits; */
    bool flood_ended; /* it was told to end */
};

static struct scene *fixture_scene;

struct visitor {
    evutil_socket_t fd;
    struct event *event;
    struct ts_buf heard;
    size_t messages;
    bool closed; /* by the server */
};

static struct ts_peer fixture_peer(evutil_socket_t fd)
{
    (void)fd;
    return fixture_scene->next_peer;
}

static void fixture_refused(void *ctx, const struct ts_peer *peer, const char *method)
{
    (void)peer;
    (void)method;
    ((struct scene *)ctx)->refused++;
}

static void on_echo(void *ctx, struct ts_call *call, const json_t *parameters)
{
    json_t *x = json_object_get(parameters, "x");
    ((struct scene *)ctx)->handled++;
    (void)ts_call_progress(call, json_pack("{s:O*}", "echo", x)); /* only for who asked for more */
    ts_call_reply(call, json_pack("{s:O*}", "echo", x));
}

static void on_gone(void *ctx)
{
    ((struct scene *)ctx)->gone++;
}

static void on_wait(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct scene *s = ctx;
    (void)parameters;
    s->handled++;
    s->waiting = call;
    ts_call_on_gone(call, on_gone, s);
}

static void on_change(void *ctx, struct ts_call *call, const json_t *parameters)
{
    (void)parameters;
    ((struct scene *)ctx)->handled++;
    ts_call_reply(call, NULL);
}

static json_t *fixture_text(size_t n)
{
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, 'x', n);
    text[n] = '\0';
    json_t *o = json_pack("{s:s}", "text", text);
    free(text);
    return o;
}

static void on_big(void *ctx, struct ts_call *call, const json_t *parameters)
{
    (void)parameters;
    ((struct scene *)ctx)->handled++;
    ts_call_reply(call, fixture_text(100000));
}

/* Talks, at most until the client is being cut off, and does not answer. */
static void on_flood(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct scene *s = ctx;
    (void)parameters;
    s->handled++;
    ts_call_on_gone(call, on_gone, ctx);
    for (int i = 0; i < s->flood_pieces && !s->flood_ended; i++) {
        s->flood_ended = !ts_call_progress(call, fixture_text(1 << 20));
    }
}

static const struct ts_control_method fixture_methods[] = {{"Echo", TS_RIGHT_READ, on_echo},
                                                           {"Wait", TS_RIGHT_READ, on_wait},
                                                           {"Change", TS_RIGHT_OPERATE, on_change},
                                                           {"Big", TS_RIGHT_READ, on_big},
                                                           {"Flood", TS_RIGHT_READ, on_flood}};

static void fixture_on_guard(void *ctx)
{
    struct scene *s = ctx;
    s->until = NULL;
    ts_loop_stop(s->loop);
}

static void fixture_turn(void *ctx)
{
    struct scene *s = ctx;
    int now = s->handled - s->turn_before;
    s->turn_most = now > s->turn_most ? now : s->turn_most;
    s->turn_before = s->handled;
    if (s->until != NULL && s->until(s)) {
        ts_loop_stop(s->loop);
    }
}

static inline void run_until(struct scene *s, bool (*until)(struct scene *s))
{
    struct ts_error err;
    s->until = until;
    if (until(s)) {
        return;
    }
    ts_timer_after(s->guard, GUARD_MS);
    assert_true(ts_loop_run(s->loop, fixture_turn, s, &err));
    ts_timer_stop(s->guard);
    if (s->until == NULL) {
        fail_msg("it did not happen within %d ms", GUARD_MS);
    }
}

/* Lays the scene out; conf may be changed before start_server(). */
static inline void set_scene(struct scene *s)
{
    struct ts_error err;
    memset(s, 0, sizeof(*s));
    fixture_scene = s;
    os_local_path(s->path);
    s->loop = ts_loop_new(ts_clock_real(), &err);
    s->guard = ts_timer_new(s->loop, fixture_on_guard, s, &err);
    s->next_peer = (struct ts_peer){.known = true, .is_admin = true, .uid = 0};
    s->conf = (struct ts_control_conf){.path = s->path,
                                       .listen_fd = -1,
                                       .methods = fixture_methods,
                                       .method_count = TS_ARRAY_LEN(fixture_methods),
                                       .description = fixture_description,
                                       .on_refused = fixture_refused,
                                       .peer_of = fixture_peer,
                                       .ctx = s};
}

static inline void start_server(struct scene *s)
{
    struct ts_error err;
    s->server = ts_control_new(s->loop, &s->conf, &err);
    if (s->server == NULL) {
        fail_msg("%s", err.msg);
    }
}

static inline void end_scene(struct scene *s)
{
    ts_control_free(s->server);
    ts_timer_free(s->guard);
    ts_loop_free(s->loop);
}

static inline evutil_socket_t connect_to(const char *path)
{
    evutil_socket_t fd = os_local_dial(path);
    assert_true(fd >= 0);
    return fd;
}

static void visitor_on_readable(evutil_socket_t fd, short what, void *arg)
{
    struct visitor *v = arg;
    static char chunk[65536];
    (void)what;
    ev_ssize_t n = recv(fd, chunk, sizeof(chunk), 0);
    if (n <= 0) {
        v->closed = true;
        (void)event_del(v->event);
        return;
    }
    for (ev_ssize_t i = 0; i < n; i++) {
        v->messages += chunk[i] == '\0';
    }
    assert_true(ts_buf_add(&v->heard, chunk, (size_t)n));
}

/* Starts to read what the server says. */
static inline void visitor_listen(struct visitor *v)
{
    (void)event_add(v->event, NULL);
}

/* Somebody who does not read yet. The server learns who it is when it accepts, in a later turn. */
static inline void visit_deaf(struct scene *s, struct visitor *v)
{
    *v = (struct visitor){.fd = connect_to(s->path), .heard = ts_buf_init(HEARD_MAX)};
    v->event =
        event_new(ts_loop_base(s->loop), v->fd, EV_READ | EV_PERSIST, visitor_on_readable, v);
}

static inline void visit(struct scene *s, struct visitor *v)
{
    visit_deaf(s, v);
    visitor_listen(v);
}

static inline void leave(struct visitor *v)
{
    event_free(v->event);
    if (v->fd >= 0) {
        (void)evutil_closesocket(v->fd);
    }
    ts_buf_done(&v->heard);
}

static inline void say(struct visitor *v, const char *bytes, size_t n)
{
    assert_int_equal(os_send(v->fd, bytes, n), n);
}
#define SAY(v, literal) say(v, literal, sizeof(literal))

/* The index-th message heard, "" if there is none. */
static inline const char *heard(const struct visitor *v, size_t index)
{
    const char *at = ts_buf_text(&v->heard);
    const char *end = at + v->heard.len;
    for (; index > 0 && at < end; index--) {
        at += strlen(at) + 1;
    }
    return at < end ? at : "";
}

#define ASSERT_HEARD(v, index, part)                                                               \
    do {                                                                                           \
        if (strstr(heard(v, index), part) == NULL) {                                               \
            fail_msg("message %zu has no \"%s\": %s", (size_t)(index), part, heard(v, index));     \
        }                                                                                          \
    } while (0)

#endif
