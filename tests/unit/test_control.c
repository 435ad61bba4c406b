/* Frames, Varlink messages, and the server on a real socket. */
#include "unit.h"

#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/json.h"
#include "control/client.h"
#include "control/frame.h"
#include "control/server.h"
#include "control/varlink.h"

static void test_frames_come_whole_however_they_are_split(void **state)
{
    (void)state;
    static const char bytes[] = "{\"a\":1}\0{}\0{\"b\"";
    for (size_t cut = 0; cut < sizeof(bytes); cut++) {
        struct ts_frames f = ts_frames_init(64);
        struct ts_error err;
        size_t len;
        size_t got = 0;
        const size_t ends[] = {cut, sizeof(bytes) - 1};
        size_t from = 0;
        for (size_t i = 0; i < 2; i++) {
            assert_true(ts_frames_feed(&f, bytes + from, ends[i] - from, &err));
            from = ends[i];
            while (ts_frames_next(&f, &len) != NULL) {
                assert_int_equal(len, got == 0 ? 7 : 2);
                got++;
            }
        }
        assert_int_equal(got, 2);
        ts_frames_done(&f);
    }
}

static void test_a_message_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct ts_frames f = ts_frames_init(8);
    struct ts_error err;
    assert_false(ts_frames_feed(&f, "0123456789", 10, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    ts_frames_done(&f);
}

static void test_malformed_calls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"method\":1}",
                                      "{\"method\":\"a.B\",\"parameters\":[]}",
                                      "{\"method\":\"a.B\",\"more\":\"yes\"}",
                                      "{\"method\":\"a.B\",\"method\":\"a.C\"}",
                                      "{\"method\":\"a.B\"} x"};
    for (size_t i = 0; i < TS_ARRAY_LEN(bad); i++) {
        struct ts_varlink_call call;
        struct ts_error err;
        if (ts_varlink_parse_call(bad[i], strlen(bad[i]), &call, &err)) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

/* --- a server and raw clients in one loop */

struct scene {
    struct ts_loop *loop;
    struct ts_control *server;
    struct ts_timer *step;
    struct ts_call *waiting;
    char path[64];
    int fd;
    int handled;
    int gone;
    int phase;
    char got[16384];
    size_t got_len;
};

static void on_echo(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct scene *s = ctx;
    s->handled++;
    ts_call_reply(call, json_pack("{s:O}", "echo", json_object_get(parameters, "x")));
}

static void on_gone(void *ctx)
{
    ((struct scene *)ctx)->gone++;
}

static void on_wait(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct scene *s = ctx;
    (void)parameters;
    s->waiting = call;
    ts_call_on_gone(call, on_gone, s);
}

/* Talks until it is cut off for not reading. */
static void on_flood(void *ctx, struct ts_call *call, const json_t *parameters)
{
    char *text = malloc(1 << 20);
    (void)parameters;
    memset(text, 'x', (1 << 20) - 1);
    text[(1 << 20) - 1] = '\0';
    ts_call_on_gone(call, on_gone, ctx);
    for (int i = 0; i < 64; i++) {
        if (!ts_call_progress(call, json_pack("{s:s}", "text", text))) {
            break;
        }
    }
    free(text);
}

static const struct ts_control_method methods[] = {{"Echo", TS_RIGHT_READ, on_echo},
                                                   {"Wait", TS_RIGHT_OPERATE, on_wait},
                                                   {"Flood", TS_RIGHT_READ, on_flood}};

static void open_scene(struct scene *s, void (*step)(void *ctx))
{
    struct ts_error err;
    memset(s, 0, sizeof(*s));
    (void)snprintf(s->path, sizeof(s->path), "/tmp/ts-control-%d.sock", (int)getpid());
    s->loop = ts_loop_new(ts_clock_real(), &err);
    const struct ts_control_conf conf = {.path = s->path,
                                         .listen_fd = -1,
                                         .methods = methods,
                                         .method_count = TS_ARRAY_LEN(methods),
                                         .ctx = s};
    s->server = ts_control_new(s->loop, &conf, &err);
    assert_non_null(s->server);
    s->step = ts_timer_new(s->loop, step, s, &err);
    ts_timer_after(s->step, 1);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    (void)snprintf(addr.sun_path, sizeof(addr.sun_path), "%s", s->path);
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK, 0);
    assert_int_equal(connect(s->fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
}

static void close_scene(struct scene *s)
{
    struct ts_error err;
    assert_true(ts_loop_run(s->loop, NULL, NULL, &err));
    (void)close(s->fd);
    ts_timer_free(s->step);
    ts_control_free(s->server);
    ts_loop_free(s->loop);
    assert_int_not_equal(access(s->path, F_OK), 0); /* the socket file is gone */
}

static void say(struct scene *s, const char *bytes, size_t n)
{
    assert_int_equal(send(s->fd, bytes, n, MSG_NOSIGNAL), (ssize_t)n);
}
#define SAY(s, literal) say(s, literal, sizeof(literal))

/* Reads what is there; false once the server has closed. */
static bool hear(struct scene *s)
{
    ssize_t n = recv(s->fd, s->got + s->got_len, sizeof(s->got) - s->got_len - 1, 0);
    if (n > 0) {
        s->got_len += (size_t)n;
    }
    return n != 0;
}

static size_t messages_heard(const struct scene *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->got_len; i++) {
        n += s->got[i] == '\0';
    }
    return n;
}

static void step_pipeline(void *ctx)
{
    struct scene *s = ctx;
    if (s->phase++ == 0) {
        SAY(s, "{\"method\":\"io.tradestack.Supervisor.Echo\",\"parameters\":{\"x\":1}}\0"
               "{\"method\":\"io.tradestack.Supervisor.Nothing\"}\0"
               "{\"method\":\"org.varlink.service.GetInfo\"}\0"
               "{\"method\":\"io.tradestack.Supervisor.Echo\",\"parameters\":{\"x\":2}}");
    }
    (void)hear(s);
    if (messages_heard(s) >= 4 || s->phase > 1000) {
        ts_loop_stop(s->loop);
    }
    ts_timer_after(s->step, 1);
}

static void test_pipelined_calls_are_answered_in_order(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, step_pipeline);
    close_scene(&s);
    const char *at = s.got;
    assert_string_equal(at, "{\"parameters\":{\"echo\":1}}");
    at += strlen(at) + 1;
    assert_non_null(strstr(at, "org.varlink.service.MethodNotFound"));
    at += strlen(at) + 1;
    assert_non_null(strstr(at, "\"interfaces\""));
    at += strlen(at) + 1;
    assert_string_equal(at, "{\"parameters\":{\"echo\":2}}");
}

static void step_nonsense(void *ctx)
{
    struct scene *s = ctx;
    if (s->phase++ == 0) {
        SAY(s, "no varlink");
    }
    if (!hear(s) || s->phase > 1000) {
        ts_loop_stop(s->loop);
    }
    ts_timer_after(s->step, 1);
}

static void test_nonsense_costs_the_client_its_connection(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, step_nonsense);
    close_scene(&s);
    assert_true(s.phase < 1000);
    assert_int_equal(s.handled, 0);
}

static void step_leave(void *ctx)
{
    struct scene *s = ctx;
    if (s->phase++ == 0) {
        SAY(s, "{\"method\":\"io.tradestack.Supervisor.Wait\"}");
    }
    if (s->waiting != NULL && s->gone == 0) {
        (void)shutdown(s->fd, SHUT_RDWR);
    }
    if (s->gone > 0 || s->phase > 1000) {
        ts_loop_stop(s->loop);
    }
    ts_timer_after(s->step, 1);
}

static void test_a_client_that_leaves_is_told_to_its_handler_once(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, step_leave);
    close_scene(&s);
    assert_int_equal(s.gone, 1);
}

static void step_flood(void *ctx)
{
    struct scene *s = ctx;
    if (s->phase++ == 0) {
        SAY(s, "{\"method\":\"io.tradestack.Supervisor.Flood\",\"more\":true}");
    }
    if (s->gone > 0 || s->phase > 1000) {
        ts_loop_stop(s->loop);
    }
    ts_timer_after(s->step, 1);
}

static void test_a_client_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s, step_flood);
    close_scene(&s);
    assert_int_equal(s.gone, 1);
}

static void test_a_second_server_on_the_same_path_is_refused(void **state)
{
    (void)state;
    struct ts_error err;
    struct ts_loop *loop = ts_loop_new(ts_clock_real(), &err);
    struct ts_control_conf conf = {.path = "/tmp/ts-control-twice.sock", .listen_fd = -1};
    struct ts_control *first = ts_control_new(loop, &conf, &err);
    assert_non_null(first);
    assert_null(ts_control_new(loop, &conf, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    ts_control_free(first);
    ts_loop_free(loop);
}

static void test_the_client_says_why_it_cannot_connect(void **state)
{
    (void)state;
    struct ts_error err;
    assert_null(ts_control_connect("/tmp/ts-no-such.sock", 100, &err));
    assert_int_equal(err.code, TS_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "/tmp/ts-no-such.sock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_whole_however_they_are_split),
        cmocka_unit_test(test_a_message_over_the_limit_is_refused),
        cmocka_unit_test(test_malformed_calls_are_refused),
        cmocka_unit_test(test_pipelined_calls_are_answered_in_order),
        cmocka_unit_test(test_nonsense_costs_the_client_its_connection),
        cmocka_unit_test(test_a_client_that_leaves_is_told_to_its_handler_once),
        cmocka_unit_test(test_a_client_that_does_not_read_is_cut_off),
        cmocka_unit_test(test_a_second_server_on_the_same_path_is_refused),
        cmocka_unit_test(test_the_client_says_why_it_cannot_connect),
    };
    return RUN_TESTS(tests);
}
