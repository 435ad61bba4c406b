#include "net_fixture.h"

#include "base/json.h"
#include "base/parse.h"
#include "engine/events.h"
#include "engine/values.h"

#define OURS "\"com.docker.compose.project\":\"proj\","

static const char docker[] =
    "{\"status\":\"die\",\"id\":\"abc\",\"from\":\"tiny:1\",\"Type\":\"container\",\"Action\":"
    "\"die\","
    "\"Actor\":{\"ID\":\"abc\",\"Attributes\":{\"com.docker.compose.project\":\"proj\","
    "\"com.docker.compose.service\":\"bot\",\"com.docker.compose.oneoff\":\"False\","
    "\"exitCode\":\"137\",\"name\":\"proj-bot-1\"}},\"scope\":\"local\",\"time\":1700000000,"
    "\"timeNano\":1700000000123456789}";

static struct ts_engine_event parse(const char *text, bool *ret_known)
{
    struct ts_error err;
    struct ts_engine_event ev;
    memset(&ev, 0, sizeof(ev));
    json_t *v = ts_json_parse(text, strlen(text), &err);
    if (v == NULL || !ts_event_parse(v, "proj", &ev, ret_known, &err)) {
        fail_msg("%s: %s", text, err.msg);
    }
    json_decref(v);
    return ev;
}

static void test_a_die_event_carries_who_when_and_how(void **state)
{
    (void)state;
    bool known = false;
    struct ts_engine_event ev = parse(docker, &known);
    assert_true(known);
    assert_int_equal(ev.action, TS_EVENT_DIE);
    assert_string_equal(ev.id, "abc");
    assert_string_equal(ev.service, "bot");
    assert_string_equal(ev.name, "proj-bot-1");
    assert_int_equal(ev.exit_code, 137);
    assert_false(ev.oneoff);
    assert_true(ev.time_nano == INT64_C(1700000000123456789));
    assert_string_equal(ts_event_action_name(ev.action), "die");
}

static void test_every_form_of_an_event_is_understood(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ts_event_action action;
        int64_t exit_code;
        int signal;
        enum ts_health health;
    } rows[] = {
        /* API 1.52 and later: no status, id, from */
        {"{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"a\"}}", TS_EVENT_START,
         -1, 0, TS_HEALTH_NONE},
        /* the oldest form */
        {"{\"status\":\"stop\",\"id\":\"a\",\"time\":5}", TS_EVENT_STOP, -1, 0, TS_HEALTH_NONE},
        {"{\"Action\":\"kill\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{" OURS
         "\"signal\":\"15\"}}}",
         TS_EVENT_KILL, -1, 15, TS_HEALTH_NONE},
        {"{\"Action\":\"kill\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{" OURS
         "\"signal\":\"SIGHUP\"}}}",
         TS_EVENT_KILL, -1, 1, TS_HEALTH_NONE},
        {"{\"Action\":\"health_status: healthy\",\"Actor\":{\"ID\":\"a\"}}", TS_EVENT_HEALTH, -1, 0,
         TS_HEALTH_HEALTHY},
        {"{\"Action\":\"health_status: unhealthy\",\"Actor\":{\"ID\":\"a\"}}", TS_EVENT_HEALTH, -1,
         0, TS_HEALTH_UNHEALTHY},
        /* Podman */
        {"{\"Action\":\"health_status\",\"HealthStatus\":\"unhealthy\",\"Actor\":{\"ID\":\"a\"}}",
         TS_EVENT_HEALTH, -1, 0, TS_HEALTH_UNHEALTHY},
        {"{\"Action\":\"died\",\"Actor\":{\"ID\":\"a\",\"Attributes\":{" OURS
         "\"containerExitCode\":\"3\"}}}",
         TS_EVENT_DIE, 3, 0, TS_HEALTH_NONE},
        {"{\"Action\":\"remove\",\"Actor\":{\"ID\":\"a\"}}", TS_EVENT_DESTROY, -1, 0,
         TS_HEALTH_NONE},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        bool known = false;
        struct ts_engine_event ev = parse(rows[i].text, &known);
        assert_true(known);
        assert_string_equal(ev.id, "a");
        assert_int_equal(ev.action, rows[i].action);
        assert_int_equal(ev.exit_code, rows[i].exit_code);
        assert_int_equal(ev.signal, rows[i].signal);
        assert_int_equal(ev.health, rows[i].health);
    }
}

static void test_events_of_no_interest_are_passed_over(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"Type\":\"network\",\"Action\":\"connect\",\"Actor\":{\"ID\":\"a\"}}",
        "{\"Type\":\"container\",\"Action\":\"exec_start: /bin/true\",\"Actor\":{\"ID\":\"a\"}}",
        "{\"Type\":\"container\",\"Action\":\"exec_die\",\"Actor\":{\"ID\":\"a\"}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"a\",\"Attributes\":"
        "{\"com.docker.compose.project\":\"other\"}}}",
        "{\"Type\":\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"a\",\"Attributes\":"
        "{\"name\":\"of no project\"}}}",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        bool known = true;
        (void)parse(rows[i], &known);
        assert_false(known);
    }
}

static void test_what_starts_beside_the_project_is_told(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"a\",\"Attributes\":"
        "{\"com.docker.compose.project\":\"other\"}}}",
        "{\"Type\":\"container\",\"Action\":\"unpause\",\"Actor\":{\"ID\":\"a\",\"Attributes\":"
        "{\"name\":\"of no project\"}}}",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        bool known = false;
        struct ts_engine_event ev = parse(rows[i], &known);
        assert_true(known);
        assert_true(ev.other);
    }
    bool known = false;
    struct ts_engine_event ev = parse(docker, &known);
    assert_true(known);
    assert_false(ev.other);
}

static void test_what_is_no_event_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"Action\":5}",
        "{\"Action\":\"start\"}",
        "{\"Action\":\"start\",\"Actor\":{\"ID\":\"\"}}",
        "{\"Action\":\"start\",\"Actor\":{\"ID\":\"../x\"}}",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err;
        struct ts_engine_event ev;
        bool known = false;
        json_t *v = ts_json_parse(rows[i], strlen(rows[i]), &err);
        if (ts_event_parse(v, "proj", &ev, &known, &err)) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_int_equal(err.code, TS_E_PROTOCOL);
        json_decref(v);
    }
}

/* Labels are anybody's: an event is a hint about an id, and one odd label must not end the stream,
 * which would show it again after each new connection. */
static void test_an_event_with_odd_names_is_still_one(void **state)
{
    (void)state;
    char text[1200];
    char name[301];
    bool known = false;
    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    (void)snprintf(text, sizeof(text),
                   "{\"Type\":\"container\",\"Action\":\"start\",\"Actor\":{\"ID\":\"a\","
                   "\"Attributes\":{\"name\":\"%s\",\"com.docker.compose.service\":\"%s\"}}}",
                   name, name);
    struct ts_engine_event ev = parse(text, &known);
    assert_true(known);
    assert_string_equal(ev.id, "a");
    assert_int_equal(strlen(ev.name), sizeof(ev.name) - 1);
    assert_string_equal(ev.service, ""); /* cut, it could be another one's name */
}

struct collected {
    char ids[256];
    int stop_at;
    int count;
};

static bool collect(void *ctx, const json_t *value)
{
    struct collected *c = ctx;
    size_t used = strlen(c->ids);
    (void)snprintf(c->ids + used, sizeof(c->ids) - used, "%s,", ts_json_str_or(value, "a", "?"));
    c->count++;
    return c->count != c->stop_at;
}

static void test_values_may_be_joined_and_cut_anywhere(void **state)
{
    (void)state;
    static const char text[] =
        "{\"a\":\"1\"}{\"a\":\"}\\\"{\"}\n\x1e{\"a\":\"3\",\"b\":[{},[]]}\r\n"
        "{\"a\":\"\\\\\"}  ";
    for (size_t step = 1; step < sizeof(text); step++) {
        struct ts_values v = ts_values_init();
        struct collected c = {0};
        struct ts_error err;
        for (size_t i = 0; i < sizeof(text) - 1; i += step) {
            size_t n = sizeof(text) - 1 - i < step ? sizeof(text) - 1 - i : step;
            assert_true(ts_values_feed(&v, text + i, n, collect, &c, &err));
        }
        assert_string_equal(c.ids, "1,}\"{,3,\\,");
        ts_values_done(&v);
    }
}

static void test_a_broken_stream_of_values_stays_broken(void **state)
{
    (void)state;
    static const char *const rows[] = {"<html>", "[1]",       "\"x\"", "1",
                                       "{]",     "{\"a\" 1}", "{a}",   "}"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_values v = ts_values_init();
        struct collected c = {0};
        struct ts_error err;
        if (ts_values_feed(&v, rows[i], strlen(rows[i]), collect, &c, &err)) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_int_equal(err.code, TS_E_PROTOCOL);
        assert_false(ts_values_feed(&v, "{}", 2, collect, &c, &err));
        assert_int_equal(c.count, 0);
        ts_values_done(&v);
    }
}

static void test_a_value_has_a_limit(void **state)
{
    (void)state;
    struct ts_values v = ts_values_init();
    struct collected c = {0};
    struct ts_error err;
    static char block[4096];
    memset(block, 'x', sizeof(block));
    assert_true(ts_values_feed(&v, "{\"a\":\"", 6, collect, &c, &err));
    bool ok = true;
    size_t fed = 0;
    while (ok && fed < (size_t)4 * TS_VALUE_MAX) {
        ok = ts_values_feed(&v, block, sizeof(block), collect, &c, &err);
        fed += sizeof(block);
    }
    assert_false(ok);
    assert_true(fed > TS_VALUE_MAX - sizeof(block) && fed <= TS_VALUE_MAX + sizeof(block));
    assert_int_equal(err.code, TS_E_LIMIT);
    ts_values_done(&v);
}

/* The stream over a scripted engine. */

struct watcher {
    struct ts_events *events;
    int opens;
    int ends;
    int count;
    struct ts_engine_event last;
    struct ts_error err;
    bool stop_on_event;
};

static void on_open(void *ctx)
{
    struct watcher *w = ctx;
    w->opens++;
    ts_loop_stop(fixture_loop);
}

static void on_event(void *ctx, const struct ts_engine_event *event)
{
    struct watcher *w = ctx;
    w->count++;
    w->last = *event;
    if (w->stop_on_event) {
        ts_events_stop(w->events);
        w->events = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void on_end(void *ctx, const struct ts_error *err)
{
    struct watcher *w = ctx;
    w->ends++;
    w->err = *err;
    ts_events_stop(w->events);
    w->events = NULL;
    ts_loop_stop(fixture_loop);
}

static const struct ts_events_handler handler = {on_open, on_event, on_end};

/* clang-format's versions disagree about such macros. */
/* clang-format off */
#define PING                                                                                       \
    {"/_ping", "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK", 0, false}
/* clang-format on */

static const struct answer open_stream[] = {
    PING, {"/v1.41/events?*", "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", 0, false}};
static const struct answer refusal[] = {
    PING,
    {"/v1.41/events?*",
     "HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n"
     "{\"message\":\"client version 1.41 is too old. Minimum is 5\"}",
     0, true}};

static struct server server;
static struct ts_http *http;
static struct ts_engine *engine;

static void on_negotiated(void *ctx, int minor, const struct ts_error *err)
{
    (void)ctx;
    (void)minor;
    assert_null(err);
    ts_loop_stop(fixture_loop);
}

static void engine_up(const struct answer *answers, size_t n)
{
    struct ts_error err;
    struct ts_engine_conf conf = {.address = {.kind = OS_LOCAL_KIND}};
    server_start_local(&server, answers, n);
    assert_true(ts_copy(conf.address.path, sizeof(conf.address.path), server.path));
    http = ts_http_new(fixture_loop, &err);
    engine = ts_engine_new(http, &conf, &err);
    assert_non_null(engine);
    assert_non_null(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
    run_until_stopped();
}

static void engine_down(void)
{
    ts_engine_free(engine);
    ts_http_free(http);
    server_stop(&server);
}

static void send_chunk(const char *text)
{
    char head[24];
    (void)snprintf(head, sizeof(head), "%zx\r\n", strlen(text));
    server_send(&server, 0, head, strlen(head));
    server_send(&server, 0, text, strlen(text));
    server_send(&server, 0, "\r\n", 2);
}

static void test_the_stream_tells_open_events_and_end(void **state)
{
    (void)state;
    engine_up(open_stream, TS_ARRAY_LEN(open_stream));
    struct watcher w = {0};
    struct ts_error err;
    w.events = ts_events_start(engine, "proj", INT64_C(1699999999999999999), &handler, &w, &err);
    assert_non_null(w.events);
    run_until_stopped();
    assert_int_equal(w.opens, 1);
    const char *request = server.requests[1];
    assert_non_null(strstr(request, "since=1700000000.000000000&"));
    assert_non_null(strstr(request, "filters=%7B%22type%22%3A%5B%22container%22%5D"));
    assert_null(strstr(request, "label")); /* what starts beside the project is told, too */
    assert_non_null(strstr(request, "%22health_status%22"));
    assert_null(strstr(request, "exec_"));
    char half[20];
    memcpy(half, docker, 19);
    half[19] = '\0';
    send_chunk(half);
    send_chunk(docker + 19);
    run_until_stopped();
    assert_int_equal(w.count, 1);
    assert_int_equal(w.last.exit_code, 137);
    assert_true(ts_events_last_nano(w.events) == INT64_C(1700000000123456789));
    server_send(&server, 0, "0\r\n\r\n", 5);
    run_until_stopped();
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.err.code, TS_E_UNAVAILABLE);
    engine_down();
}

static void test_garbage_ends_the_stream(void **state)
{
    (void)state;
    engine_up(open_stream, TS_ARRAY_LEN(open_stream));
    static const char *const rows[] = {"no json", "{\"neither\":1}"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct watcher w = {0};
        struct ts_error err;
        w.events = ts_events_start(engine, "proj", 0, &handler, &w, &err);
        run_until_stopped();
        assert_null(strstr(server.requests[i + 1], "since"));
        char head[24];
        (void)snprintf(head, sizeof(head), "%zx\r\n", strlen(rows[i]));
        server_send(&server, i, head, strlen(head));
        server_send(&server, i, rows[i], strlen(rows[i]));
        server_send(&server, i, "\r\n", 2);
        run_until_stopped();
        assert_int_equal(w.ends, 1);
        assert_int_equal(w.err.code, TS_E_PROTOCOL);
    }
    engine_down();
}

static void test_a_version_refusal_asks_for_a_new_negotiation(void **state)
{
    (void)state;
    engine_up(refusal, TS_ARRAY_LEN(refusal));
    struct watcher w = {0};
    struct ts_error err;
    assert_true(ts_engine_is_negotiated(engine));
    w.events = ts_events_start(engine, "proj", 0, &handler, &w, &err);
    run_until_stopped();
    assert_int_equal(w.opens, 0);
    assert_int_equal(w.ends, 1);
    assert_int_equal(w.err.code, TS_E_UNAVAILABLE);
    assert_int_equal(w.err.detail, 400);
    assert_false(ts_engine_is_negotiated(engine));
    assert_null(ts_events_start(engine, "proj", 0, &handler, &w, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    engine_down();
}

static void test_a_callback_may_stop_the_stream(void **state)
{
    (void)state;
    engine_up(open_stream, TS_ARRAY_LEN(open_stream));
    struct watcher w = {.stop_on_event = true};
    struct ts_error err;
    w.events = ts_events_start(engine, "proj", 0, &handler, &w, &err);
    run_until_stopped();
    char twice[2 * sizeof(docker)];
    (void)snprintf(twice, sizeof(twice), "%s%s", docker, docker);
    send_chunk(twice);
    run_until_stopped();
    run_for(20);
    assert_int_equal(w.count, 1);
    assert_int_equal(w.ends, 0);
    engine_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_die_event_carries_who_when_and_how),
        cmocka_unit_test(test_every_form_of_an_event_is_understood),
        cmocka_unit_test(test_events_of_no_interest_are_passed_over),
        cmocka_unit_test(test_what_starts_beside_the_project_is_told),
        cmocka_unit_test(test_what_is_no_event_is_refused),
        cmocka_unit_test(test_an_event_with_odd_names_is_still_one),
        cmocka_unit_test(test_values_may_be_joined_and_cut_anywhere),
        cmocka_unit_test(test_a_broken_stream_of_values_stays_broken),
        cmocka_unit_test(test_a_value_has_a_limit),
        LOOP_TEST(test_the_stream_tells_open_events_and_end),
        LOOP_TEST(test_garbage_ends_the_stream),
        LOOP_TEST(test_a_version_refusal_asks_for_a_new_negotiation),
        LOOP_TEST(test_a_callback_may_stop_the_stream),
    };
    return RUN_TESTS(tests);
}
