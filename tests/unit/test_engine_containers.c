#include "data.h"
#include "net_fixture.h"

#include "base/json.h"
#include "base/parse.h"
#include "engine/containers.h"
#include "engine/create.h"

/* --- reading inspect answers --- */

static void test_a_real_inspect_answer_is_read(void **state)
{
    (void)state;
    json_t *raw = load_data("inspect_bot.json");
    struct ts_container c;
    struct ts_error err;
    assert_true(ts_container_parse(raw, &c, &err));
    assert_int_equal(strlen(c.id), 64);
    assert_string_equal(c.name, "proj-bot-1");
    assert_string_equal(c.service, "bot");
    assert_string_equal(c.project, "proj");
    assert_string_equal(c.image, "tiny:1");
    assert_int_equal(strlen(c.image_id), 71);
    assert_string_equal(c.config_hash, "abc");
    assert_string_equal(c.config_files, "/srv/p/docker-compose.yml");
    assert_int_equal(c.number, 1);
    assert_false(c.oneoff);
    assert_int_equal(c.status, TS_CONTAINER_RUNNING);
    assert_int_equal(c.pid, 7873);
    assert_true(c.started_at.ms == INT64_C(1795483999819));
    assert_true(c.finished_at.ms == 0);
    assert_int_equal(c.health, TS_HEALTH_HEALTHY);
    assert_string_equal(c.policy.name, "unless-stopped");
    assert_int_equal(c.stop_timeout_s, 7);
    assert_int_equal(c.dep_count, 2);
    assert_string_equal(c.deps[0].service, "gateway");
    assert_int_equal(c.deps[0].condition, TS_DEP_HEALTHY);
    assert_true(c.deps[0].restart);
    assert_string_equal(c.deps[1].service, "db");
    assert_int_equal(c.deps[1].condition, TS_DEP_STARTED);
    assert_false(c.deps[1].restart);
    assert_int_equal(c.port_count, 1);
    assert_int_equal(c.ports[0].container_port, 4002);
    assert_int_equal(c.ports[0].host_port, 14002);
    assert_string_equal(c.ports[0].host_ip, "127.0.0.1");
    assert_string_equal(c.ports[0].protocol, "tcp");
    assert_int_equal(c.network_count, 2);
    assert_string_equal(c.networks[0].name, "n1");
    assert_string_equal(c.networks[0].ip, "10.213.0.2");
    assert_false(c.ports_cut || c.networks_cut || c.tty || c.oom_killed);
    json_decref(raw);
    ts_container_done(&c);
}

static void test_a_copy_owns_what_it_shows(void **state)
{
    (void)state;
    json_t *raw = load_data("inspect_bot.json");
    struct ts_container c;
    struct ts_container copy;
    struct ts_error err;
    assert_true(ts_container_parse(raw, &c, &err));
    assert_true(ts_container_copy(&c, &copy, &err));
    json_decref(raw);
    ts_container_done(&c);
    ts_container_done(&c); /* a second time is fine */
    assert_string_equal(copy.deps[1].service, "db");
    assert_int_equal(copy.ports[0].host_port, 14002);
    assert_string_equal(copy.networks[1].name, "n2");
    assert_string_equal(copy.config_files, "/srv/p/docker-compose.yml");
    assert_string_equal(copy.env_files, "");
    ts_container_done(&copy);
}

/* The container with State and labels given; false if it is refused. */
static bool parse_text(const char *state, const char *labels, struct ts_container *ret,
                       struct ts_error *err)
{
    char text[4096];
    (void)snprintf(text, sizeof(text),
                   "{\"Id\":\"abc\",\"Name\":\"/x\",\"State\":{%s},\"Config\":{\"Labels\":{%s}}}",
                   state, labels);
    json_t *v = json_loads(text, JSON_ALLOW_NUL, NULL);
    if (v == NULL) {
        fail_msg("test data: %s", text);
    }
    bool ok = ts_container_parse(v, ret, err);
    json_decref(v);
    return ok;
}

static void test_the_state_is_taken_from_status_alone(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ts_container_status status;
    } rows[] = {
        {"\"Status\":\"paused\",\"Running\":true", TS_CONTAINER_PAUSED},
        {"\"Status\":\"restarting\",\"Running\":true", TS_CONTAINER_RESTARTING},
        {"\"Status\":\"exited\"", TS_CONTAINER_EXITED},
        {"\"Status\":\"created\"", TS_CONTAINER_CREATED},
        {"\"Status\":\"dead\"", TS_CONTAINER_DEAD},
        {"\"Status\":\"removing\"", TS_CONTAINER_REMOVING},
        {"\"Status\":\"stopped\"", TS_CONTAINER_EXITED},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_container c;
        struct ts_error err;
        assert_true(parse_text(rows[i].text, "", &c, &err));
        assert_int_equal(c.status, rows[i].status);
        assert_string_equal(c.policy.name, "no");
        assert_int_equal(c.stop_timeout_s, -1);
        assert_int_equal(c.health, TS_HEALTH_NONE);
        ts_container_done(&c);
    }
}

static void test_health_output_is_cleaned_and_cut(void **state)
{
    (void)state;
    struct ts_container c;
    struct ts_error err;
    assert_true(parse_text("\"Status\":\"running\",\"OOMKilled\":true,\"Error\":\"a\\u001b[1mb\","
                           "\"Health\":{\"Status\":\"unhealthy\",\"FailingStreak\":4,\"Log\":["
                           "{\"ExitCode\":0,\"Output\":\"old\"},"
                           "{\"ExitCode\":-1,\"Output\":\"line\\nnext\\t\\r\\n\"}]}",
                           "", &c, &err));
    assert_int_equal(c.health, TS_HEALTH_UNHEALTHY);
    assert_int_equal(c.failing_streak, 4);
    assert_int_equal(c.health_exit_code, -1);
    assert_string_equal(c.health_output, "line next");
    assert_string_equal(c.error, "a [1mb");
    assert_true(c.oom_killed);
    ts_container_done(&c);
    assert_true(parse_text("\"Status\":\"running\",\"Health\":{\"Status\":\"healthy\",\"Log\":["
                           "{\"Output\":\"be\\u0000hind\"}]}",
                           "", &c, &err));
    assert_string_equal(c.health_output, "be");
    ts_container_done(&c);
}

static void test_depends_on_labels_are_read_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *label;
        int count; /* -1: refused */
        const char *last;
        enum ts_dep_condition condition;
        bool restart;
    } rows[] = {
        {"", 0, "", TS_DEP_STARTED, false},
        {"a", 1, "a", TS_DEP_STARTED, false},
        {"a:service_healthy", 1, "a", TS_DEP_HEALTHY, false},
        {"a:service_started:false,b:service_completed_successfully:true", 2, "b", TS_DEP_COMPLETED,
         true},
        {"a:service_ready:false", -1, NULL, TS_DEP_STARTED, false},
        {":service_healthy:false", -1, NULL, TS_DEP_STARTED, false},
        {"a,,b", -1, NULL, TS_DEP_STARTED, false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char label[256];
        struct ts_container c;
        struct ts_error err;
        (void)snprintf(label, sizeof(label), "\"com.docker.compose.depends_on\":\"%s\"",
                       rows[i].label);
        bool ok = parse_text("\"Status\":\"running\"", label, &c, &err);
        assert_int_equal(ok, rows[i].count >= 0);
        if (!ok) {
            assert_int_equal(err.code, TS_E_PROTOCOL);
            continue;
        }
        assert_int_equal(c.dep_count, rows[i].count);
        if (c.dep_count > 0) {
            const struct ts_container_dep *d = &c.deps[c.dep_count - 1];
            assert_string_equal(d->service, rows[i].last);
            assert_int_equal(d->condition, rows[i].condition);
            assert_int_equal(d->restart, rows[i].restart);
        }
        ts_container_done(&c);
    }
}

static void test_names_and_lists_that_do_not_fit_are_refused_not_cut(void **state)
{
    (void)state;
    struct ts_container c;
    struct ts_error err;
    char labels[3000] = "\"com.docker.compose.service\":\"";
    size_t used = strlen(labels);
    memset(labels + used, 's', TS_CONTAINER_SERVICE);
    memcpy(labels + used + TS_CONTAINER_SERVICE, "\"", 2);
    assert_false(parse_text("\"Status\":\"running\"", labels, &c, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    (void)snprintf(labels, sizeof(labels), "\"com.docker.compose.depends_on\":\"");
    for (int i = 0; i <= TS_CONTAINER_DEPS_MAX; i++) {
        used = strlen(labels);
        (void)snprintf(labels + used, sizeof(labels) - used, "%ss%d", i == 0 ? "" : ",", i);
    }
    used = strlen(labels);
    memcpy(labels + used, "\"", 2);
    assert_false(parse_text("\"Status\":\"running\"", labels, &c, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
}

static void test_what_is_no_container_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {"{}",
                                       "{\"Id\":\"abc\"}",
                                       "{\"Id\":\"\",\"State\":{\"Status\":\"running\"}}",
                                       "{\"Id\":\"a/b\",\"State\":{\"Status\":\"running\"}}",
                                       "{\"Id\":\"abc\",\"State\":{\"Status\":\"flying\"}}",
                                       "{\"Id\":5,\"State\":5}"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_container c;
        struct ts_error err;
        json_t *v = json_loads(rows[i], 0, NULL);
        assert_false(ts_container_parse(v, &c, &err));
        json_decref(v);
    }
}

static void test_the_effective_environment_is_the_last_entry(void **state)
{
    (void)state;
    static const struct {
        const char *config;
        bool ok;
        const char *value;
    } rows[] = {
        {"{\"Env\":[\"DRY_RUN=1\"]}", true, "1"},
        {"{\"Env\":[\"DRY_RUN=1\",\"DRY_RUN=0\"]}", true, "0"},
        {"{\"Env\":[\"DRY_RUN=\"]}", true, ""},
        {"{\"Env\":[\"DRY_RUN\"]}", true, NULL},
        {"{\"Env\":[\"DRY_RUN2=1\",\"XDRY_RUN=1\"]}", true, NULL},
        {"{\"Env\":[\"DRY_RUN=a=b\"]}", true, "a=b"},
        {"{\"Env\":null}", true, NULL},
        {"{}", true, NULL},
        {"{\"Env\":[5]}", false, NULL},
        {"{\"Env\":\"DRY_RUN=1\"}", false, NULL},
        {"{\"Env\":[\"DRY_RUN=1\\u0000DRY_RUN=0\"]}", false, NULL},
        {"null", false, NULL},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char text[256];
        (void)snprintf(text, sizeof(text), "{\"Config\":%s}", rows[i].config);
        json_t *v = json_loads(text, JSON_ALLOW_NUL, NULL);
        assert_non_null(v);
        struct ts_error err;
        const char *value = "untouched";
        bool ok = ts_container_env(v, "DRY_RUN", &value, &err);
        assert_int_equal(ok, rows[i].ok);
        if (!ok) {
            assert_int_equal(err.code, TS_E_PROTOCOL);
            assert_string_equal(value, "untouched");
        } else if (rows[i].value == NULL) {
            assert_null(value);
        } else {
            assert_string_equal(value, rows[i].value);
        }
        json_decref(v);
    }
}

static void test_time_stamps_are_read_to_the_nanosecond(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t nano; /* -1: refused */
    } rows[] = {
        {"1970-01-01T00:00:00Z", 0},
        {"0001-01-01T00:00:00Z", 0},
        {"2000-02-29T12:00:00Z", INT64_C(951825600000000000)},
        {"2026-11-24T01:33:19.819299934Z", INT64_C(1795483999819299934)},
        {"2026-11-24T01:33:19.8Z", INT64_C(1795483999800000000)},
        {"2026-11-24T01:33:19.8192999349Z", INT64_C(1795483999819299934)},
        {"2026-11-24T03:33:19+02:00", INT64_C(1795483999000000000)},
        {"2026-11-23T20:03:19-05:30", INT64_C(1795483999000000000)},
        {"2261-12-31T23:59:59.999999999Z", INT64_C(9214646399999999999)},
        {"1969-12-31T23:59:59Z", -1},
        {"1970-01-01T00:00:00+01:00", -1},
        {"2262-01-01T00:00:00Z", -1},
        {"2026-13-01T00:00:00Z", -1},
        {"2026-11-24", -1},
        {"2026-11-24T01:33:19", -1},
        {"2026-11-24T01:33:19.Z", -1},
        {"2026-11-24T01:33:19Zx", -1},
        {"2026-11-24T01:33:19+0200", -1},
        {"2026-1-24T01:33:19Z", -1},
        {"-026-11-24T01:33:19Z", -1},
        {"", -1},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        int64_t nano = -1;
        bool ok = ts_time_parse(rows[i].text, strlen(rows[i].text), &nano);
        if (ok != (rows[i].nano >= 0) || nano != rows[i].nano) {
            fail_msg("%s gave %lld", rows[i].text, (long long)nano);
        }
    }
}

/* --- calls, against a scripted engine --- */

static struct server server;
static struct ts_http *http;
static struct ts_engine *engine;
static int calls_done;
static bool call_failed;
static struct ts_error call_err;
static enum ts_outcome call_outcome;
static int call_minor;

static void note(const struct ts_error *err)
{
    calls_done++;
    call_failed = err != NULL;
    if (err != NULL) {
        call_err = *err;
    }
    ts_loop_stop(fixture_loop);
}

static void on_negotiated(void *ctx, int minor, const struct ts_error *err)
{
    (void)ctx;
    call_minor = minor;
    note(err);
}

static void on_acted(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    (void)ctx;
    call_outcome = outcome;
    note(err);
}

static void engine_up(const struct answer *answers, size_t n)
{
    struct ts_error err;
    struct ts_engine_conf conf = {
        .address = {.kind = OS_LOCAL_KIND}, .call_ms = 3000, .action_ms = 2000};
    server_start_local(&server, answers, n);
    assert_true(ts_copy(conf.address.path, sizeof(conf.address.path), server.path));
    http = ts_http_new(fixture_loop, &err);
    engine = ts_engine_new(http, &conf, &err);
    assert_non_null(engine);
    calls_done = 0;
}

static void engine_down(void)
{
    ts_engine_free(engine);
    ts_http_free(http);
    server_stop(&server);
}

static void wait_for(struct ts_engine_op *op)
{
    assert_non_null(op);
    int before = calls_done;
    run_until_stopped();
    assert_int_equal(calls_done, before + 1);
}

#define REPLY(code, text) "HTTP/1.1 " code "\r\nConnection: close\r\n\r\n" text
/* clang-format's versions disagree about such macros. */
/* clang-format off */
#define PING(version)                                                                              \
    {"/_ping", "HTTP/1.1 200 OK\r\nApi-Version: " version "\r\nContent-Length: 2\r\n\r\nOK", 0,    \
     false}
/* clang-format on */

static void test_the_highest_common_version_is_chosen(void **state)
{
    (void)state;
    static const struct {
        struct answer answers[2];
        int minor; /* 0: refused */
        enum ts_code code;
        const char *says;
    } rows[] = {
        {{PING("1.41")}, 41, TS_E_NONE, NULL},
        {{PING("1.40")}, 40, TS_E_NONE, NULL},
        {{PING("1.44")}, 44, TS_E_NONE, NULL},
        {{PING("1.52"), {"/version", REPLY("200 OK", "{\"MinAPIVersion\":\"1.44\"}"), 0, true}},
         44,
         TS_E_NONE,
         NULL},
        {{PING("1.54"), {"/version", REPLY("200 OK", "{\"ApiVersion\":\"1.54\"}"), 0, true}},
         44,
         TS_E_NONE,
         NULL},
        {{PING("1.60"), {"/version", REPLY("200 OK", "{\"MinAPIVersion\":\"1.45\"}"), 0, true}},
         0,
         TS_E_UNAVAILABLE,
         "newer tradestack"},
        {{PING("1.60"), {"/version", REPLY("200 OK", "{\"MinAPIVersion\":\"x\"}"), 0, true}},
         0,
         TS_E_PROTOCOL,
         "no API version"},
        {{PING("1.60"), {"/version", REPLY("200 OK", "<html>"), 0, true}},
         0,
         TS_E_PROTOCOL,
         "no JSON"},
        {{PING("1.39")}, 0, TS_E_UNAVAILABLE, "up to API 1.39"},
        {{PING("2.0")}, 0, TS_E_PROTOCOL, "no container engine"},
        {{{"/_ping", REPLY("200 OK", "hello"), 0, true}}, 0, TS_E_PROTOCOL, "no container engine"},
        {{{"/_ping", REPLY("503 No", ""), 0, true}}, 0, TS_E_UNAVAILABLE, "HTTP 503"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        engine_up(rows[i].answers, rows[i].answers[1].path == NULL ? 1 : 2);
        struct ts_error err;
        wait_for(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
        assert_int_equal(call_minor, rows[i].minor);
        assert_int_equal(ts_engine_api_minor(engine), rows[i].minor);
        assert_int_equal(call_failed, rows[i].minor == 0);
        if (call_failed) {
            if (call_err.code != rows[i].code || strstr(call_err.msg, rows[i].says) == NULL ||
                strstr(call_err.msg, server.path) == NULL) {
                fail_msg("row %zu: %s: %s", i, ts_code_name(call_err.code), call_err.msg);
            }
        }
        engine_down();
    }
}

static void negotiate(void)
{
    struct ts_error err;
    wait_for(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
    assert_false(call_failed);
}

static void test_statuses_become_outcomes_and_errors(void **state)
{
    (void)state;
    static const struct {
        const char *status;
        const char *body;
        bool failed;
        enum ts_outcome outcome;
        enum ts_code code;
        int detail;
        const char *says;
    } rows[] = {
        {"204 No Content", "", false, TS_OUTCOME_DONE, TS_E_NONE, 0, ""},
        {"304 Not Modified", "", false, TS_OUTCOME_ALREADY, TS_E_NONE, 0, ""},
        {"404 Not Found", "{\"message\":\"No such container: bot\"}", true, TS_OUTCOME_DONE,
         TS_E_NOT_FOUND, 404, "start bot: No such container: bot (HTTP 404)"},
        {"409 Conflict", "{}", true, TS_OUTCOME_DONE, TS_E_CONFLICT, 409, "present state"},
        {"500 Oops", "{\"message\":\"port is\\u001b[1m already\\nallocated\"}", true,
         TS_OUTCOME_DONE, TS_E_UNAVAILABLE, 500, "port is [1m already allocated"},
        {"502 Bad", "<html>", true, TS_OUTCOME_DONE, TS_E_UNAVAILABLE, 502, "engine failed"},
        {"403 Forbidden", "no", true, TS_OUTCOME_DONE, TS_E_DENIED, 403, "proxy"},
        {"400 Bad", "{\"message\":\"invalid\"}", true, TS_OUTCOME_DONE, TS_E_INVALID, 400,
         "invalid"},
        {"400 Bad", "{\"message\":\"client version 1.41 is too new. Maximum is 1.30\"}", true,
         TS_OUTCOME_DONE, TS_E_UNAVAILABLE, 400, "too new"},
        {"301 Moved", "", true, TS_OUTCOME_DONE, TS_E_PROTOCOL, 301, "unexpected"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char bytes[512];
        (void)snprintf(bytes, sizeof(bytes), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n%s",
                       rows[i].status, strlen(rows[i].body), rows[i].body);
        const struct answer answers[] = {PING("1.41"),
                                         {"/v1.41/containers/bot/start", bytes, 0, false}};
        engine_up(answers, 2);
        negotiate();
        struct ts_error err;
        wait_for(ts_container_start(engine, "bot", on_acted, NULL, &err));
        assert_int_equal(call_failed, rows[i].failed);
        if (!call_failed) {
            assert_int_equal(call_outcome, rows[i].outcome);
        } else if (call_err.code != rows[i].code || call_err.detail != rows[i].detail ||
                   strstr(call_err.msg, rows[i].says) == NULL) {
            fail_msg("row %zu: %s %d: %s", i, ts_code_name(call_err.code), call_err.detail,
                     call_err.msg);
        }
        bool version_refused =
            call_failed && call_err.detail == 400 && rows[i].code == TS_E_UNAVAILABLE;
        assert_int_equal(ts_engine_is_negotiated(engine), !version_refused);
        engine_down();
    }
}

#define DONE "HTTP/1.1 204 No Content\r\n\r\n"

static void test_actions_ask_for_what_they_say(void **state)
{
    (void)state;
    static const struct answer answers[] = {PING("1.41"), {"/v1.41/*", DONE, 0, false}};
    engine_up(answers, 2);
    negotiate();
    struct ts_error err;
    const struct ts_restart_policy policy = {"on-failure", 3};
    wait_for(ts_container_start(engine, "bot", on_acted, NULL, &err));
    wait_for(ts_container_stop(engine, "bot", 0, on_acted, NULL, &err));
    wait_for(ts_container_restart(engine, "bot", 7, on_acted, NULL, &err));
    wait_for(ts_container_kill(engine, "bot", "SIGHUP", on_acted, NULL, &err));
    wait_for(ts_container_set_policy(engine, "bot", &policy, on_acted, NULL, &err));
    wait_for(ts_container_remove(engine, "bot", TS_REMOVE_STOPPED, on_acted, NULL, &err));
    wait_for(ts_container_remove(engine, "bot", TS_REMOVE_FORCE, on_acted, NULL, &err));
    wait_for(ts_container_rename(engine, "bot", "bot_old", on_acted, NULL, &err));
    static const char *const want[] = {
        "POST /v1.41/containers/bot/start HTTP",
        "POST /v1.41/containers/bot/stop?t=0 HTTP",
        "POST /v1.41/containers/bot/restart?t=7 HTTP",
        "POST /v1.41/containers/bot/kill?signal=SIGHUP HTTP",
        "POST /v1.41/containers/bot/update HTTP",
        "DELETE /v1.41/containers/bot?v=0&force=0 HTTP",
        "DELETE /v1.41/containers/bot?v=0&force=1 HTTP",
        "POST /v1.41/containers/bot/rename?name=bot_old HTTP",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(want); i++) {
        if (strncmp(server.requests[i + 1], want[i], strlen(want[i])) != 0) {
            fail_msg("%s", server.requests[i + 1]);
        }
    }
    assert_non_null(
        strstr(server.requests[5],
               "\r\n\r\n{\"RestartPolicy\":{\"Name\":\"on-failure\",\"MaximumRetryCount\":3}}"));
    assert_non_null(strstr(server.requests[5], "Content-Type: application/json"));
    engine_down();
}

static void test_impossible_ids_are_refused_before_any_request(void **state)
{
    (void)state;
    static const struct answer answers[] = {PING("1.41")};
    static const char *const ids[] = {"", "a/b", "../x", "a?b", "a b", ".x", "a%2f", NULL};
    engine_up(answers, 1);
    struct ts_error err;
    assert_null(ts_container_start(engine, "bot", on_acted, NULL, &err));
    assert_int_equal(err.code, TS_E_CONFLICT); /* not negotiated */
    negotiate();
    for (size_t i = 0; i < TS_ARRAY_LEN(ids); i++) {
        assert_null(ts_container_start(engine, ids[i], on_acted, NULL, &err));
        assert_int_equal(err.code, TS_E_INVALID);
        assert_null(ts_container_inspect(engine, ids[i], NULL, NULL, &err));
        assert_null(ts_container_rename(engine, "bot", ids[i], on_acted, NULL, &err));
    }
    assert_null(ts_container_stop(engine, "bot", 90000, on_acted, NULL, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_int_equal(server.request_count, 1);
    engine_down();
}

#define SEVENTY "seventy-letters-seventy-letters-seventy-letters-seventy-letters-seven"
static char listed[512];

static void on_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                      const struct ts_error *err)
{
    (void)ctx;
    listed[0] = '\0';
    for (size_t i = 0; i < count; i++) {
        size_t used = strlen(listed);
        (void)snprintf(listed + used, sizeof(listed) - used, "%s/%s/%s/%lld/%s%s,", refs[i].id,
                       refs[i].service, refs[i].name, (long long)refs[i].number,
                       ts_container_status_name(refs[i].status), refs[i].oneoff ? "/oneoff" : "");
    }
    note(err);
}

static void test_a_list_gives_the_projects_containers(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        PING("1.41"),
        {"/v1.41/containers/"
         "json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.project%3Dp%22"
         "%5D%7D",
         REPLY("200 OK", "[{\"Id\":\"a1\",\"Names\":[\"/web/link\",\"/"
                         "p-bot-1\"],\"State\":\"running\",\"Labels\":{"
                         "\"com.docker.compose.service\":\"bot\",\"com.docker.compose.container-"
                         "number\":\"1\"}},"
                         "{\"Id\":\"b2\",\"Names\":[\"/p-x\"],\"State\":\"exited\",\"Labels\":{"
                         "\"com.docker.compose.oneoff\":\"True\"}}]"),
         0, true},
        {"/v1.41/containers/"
         "json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.project%3Dbad%"
         "22%5D%7D",
         REPLY("200 OK", "[{\"Id\":\"\"}]"), 0, true},
    };
    engine_up(answers, TS_ARRAY_LEN(answers));
    negotiate();
    struct ts_error err;
    wait_for(ts_containers_list(engine, "p", on_listed, NULL, &err));
    assert_false(call_failed);
    assert_string_equal(listed, "a1/bot/p-bot-1/1/running,b2//p-x/0/exited/oneoff,");
    wait_for(ts_containers_list(engine, "bad", on_listed, NULL, &err));
    assert_true(call_failed);
    assert_int_equal(call_err.code, TS_E_PROTOCOL);
    engine_down();
}

/* Whoever may start a container may give it any label: that must not take the others from sight. */
static void test_one_odd_container_spoils_no_list(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        PING("1.41"),
        {"/v1.41/containers/"
         "json?all=1&filters=%7B%22label%22%3A%5B%22com.docker.compose.project%3Dp%22"
         "%5D%7D",
         REPLY("200 OK",
               "[{\"Id\":\"a1\",\"Names\":[\"/p-x\"],\"State\":\"running\",\"Labels\":{"
               "\"com.docker.compose.service\":\"" SEVENTY "\"}},"
               "{\"Id\":\"a2\",\"Names\":[\"/" SEVENTY SEVENTY SEVENTY SEVENTY "\"],"
               "\"State\":\"flying\",\"Labels\":{\"com.docker.compose.service\":\"bot\"}},"
               "{\"Id\":\"b2\",\"Names\":[\"/p-y\"],\"State\":\"exited\",\"Labels\":{}}]"),
         0, true},
    };
    engine_up(answers, TS_ARRAY_LEN(answers));
    negotiate();
    struct ts_error err;
    wait_for(ts_containers_list(engine, "p", on_listed, NULL, &err));
    assert_false(call_failed);
    assert_non_null(strstr(listed, "a1//p-x/0/running,a2/bot/"));
    assert_non_null(strstr(listed, "/0/running,b2//p-y/0/exited,"));
    engine_down();
}

static char created_id[TS_ENGINE_ID];

static void on_created(void *ctx, const char *id, const struct ts_error *err)
{
    (void)ctx;
    created_id[0] = '\0';
    if (id != NULL) {
        assert_true(ts_copy(created_id, sizeof(created_id), id));
    }
    note(err);
}

static void test_create_connects_the_other_networks_or_cleans_up(void **state)
{
    (void)state;
    static const struct answer fine[] = {
        PING("1.41"),
        {"/v1.41/containers/create?name=proj-bot-1", REPLY("201 Created", "{\"Id\":\"new1\"}"), 0,
         true},
        {"/v1.41/networks/n2/connect", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", 0, false}};
    static const struct answer fails[] = {
        PING("1.41"),
        {"/v1.41/containers/create?name=proj-bot-1", REPLY("201 Created", "{\"Id\":\"new1\"}"), 0,
         true},
        {"/v1.41/networks/n2/connect", REPLY("404 No", "{\"message\":\"network n2 not found\"}"), 0,
         true},
        {"/v1.41/containers/new1?v=0&force=1", DONE, 0, false}};
    json_t *inspect = load_data("inspect_bot.json");
    struct ts_create_plan plan;
    struct ts_error err;
    assert_true(ts_snapshot_plan(inspect, &(struct ts_snapshot_options){0}, &plan, &err));
    json_decref(inspect);
    engine_up(fine, TS_ARRAY_LEN(fine));
    negotiate();
    wait_for(ts_container_create(engine, &plan, on_created, NULL, &err));
    assert_false(call_failed);
    assert_string_equal(created_id, "new1");
    assert_non_null(strstr(server.requests[2], "\"Container\":\"new1\""));
    assert_non_null(strstr(server.requests[2], "\"IPv4Address\":\"10.213.77.9\""));
    engine_down();
    engine_up(fails, TS_ARRAY_LEN(fails));
    negotiate();
    wait_for(ts_container_create(engine, &plan, on_created, NULL, &err));
    assert_true(call_failed);
    assert_int_equal(call_err.code, TS_E_NOT_FOUND);
    assert_non_null(strstr(call_err.msg, "network n2"));
    assert_int_equal(strncmp(server.requests[3], "DELETE ", 7), 0);
    engine_down();
    ts_create_plan_done(&plan);
}

static struct ts_engine_details details;

static void on_described(void *ctx, const struct ts_engine_details *d, const struct ts_error *err)
{
    (void)ctx;
    if (d != NULL) {
        details = *d;
    }
    note(err);
}

static void test_the_description_does_without_what_a_proxy_withholds(void **state)
{
    (void)state;
    static const struct answer answers[] = {
        PING("1.41"),
        {"/v1.41/version",
         "HTTP/1.1 200 OK\r\nLibpod-API-Version: 4.3.1\r\nConnection: close\r\n\r\n"
         "{\"Version\":\"4.3\",\"Os\":\"linux\",\"ApiVersion\":\"1.41\",\"MinAPIVersion\":\"1."
         "24\"}",
         0, true},
        {"/v1.41/info", REPLY("403 Forbidden", ""), 0, true}};
    engine_up(answers, TS_ARRAY_LEN(answers));
    negotiate();
    struct ts_error err;
    wait_for(ts_engine_describe(engine, on_described, NULL, &err));
    assert_false(call_failed);
    assert_string_equal(details.version, "4.3");
    assert_int_equal(details.api_min_minor, 24);
    assert_true(details.is_podman);
    assert_string_equal(details.system, "");
    engine_down();
}

static void test_cancelled_and_left_over_calls_are_never_heard_of(void **state)
{
    (void)state;
    static const struct answer answers[] = {PING("1.41"), {"/v1.41/*", NULL, 0, false}};
    engine_up(answers, 2);
    negotiate();
    struct ts_error err;
    struct ts_engine_op *op = ts_container_start(engine, "bot", on_acted, NULL, &err);
    assert_non_null(op);
    assert_non_null(ts_container_start(engine, "other", on_acted, NULL, &err));
    run_for(10);
    ts_engine_cancel(op);
    ts_engine_cancel(NULL);
    run_for(10);
    assert_int_equal(calls_done, 1);
    engine_down();
}

static void test_a_missing_engine_is_explained(void **state)
{
    (void)state;
    struct ts_error err;
    struct ts_engine_conf conf = {.address = {.kind = OS_LOCAL_KIND, .path = OS_NOBODY}};
    http = ts_http_new(fixture_loop, &err);
    engine = ts_engine_new(http, &conf, &err);
    calls_done = 0;
    wait_for(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
    assert_true(call_failed);
    assert_int_equal(call_err.code, TS_E_UNAVAILABLE);
    assert_non_null(strstr(call_err.msg, OS_NOBODY));
    assert_non_null(strstr(call_err.msg, "is the engine running?"));
    ts_engine_free(engine);
    ts_http_free(http);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_inspect_answer_is_read),
        cmocka_unit_test(test_a_copy_owns_what_it_shows),
        cmocka_unit_test(test_the_state_is_taken_from_status_alone),
        cmocka_unit_test(test_health_output_is_cleaned_and_cut),
        cmocka_unit_test(test_depends_on_labels_are_read_or_refused),
        cmocka_unit_test(test_names_and_lists_that_do_not_fit_are_refused_not_cut),
        cmocka_unit_test(test_what_is_no_container_is_refused),
        cmocka_unit_test(test_the_effective_environment_is_the_last_entry),
        cmocka_unit_test(test_time_stamps_are_read_to_the_nanosecond),
        LOOP_TEST(test_the_highest_common_version_is_chosen),
        LOOP_TEST(test_statuses_become_outcomes_and_errors),
        LOOP_TEST(test_actions_ask_for_what_they_say),
        LOOP_TEST(test_impossible_ids_are_refused_before_any_request),
        LOOP_TEST(test_a_list_gives_the_projects_containers),
        LOOP_TEST(test_one_odd_container_spoils_no_list),
        LOOP_TEST(test_create_connects_the_other_networks_or_cleans_up),
        LOOP_TEST(test_the_description_does_without_what_a_proxy_withholds),
        LOOP_TEST(test_cancelled_and_left_over_calls_are_never_heard_of),
        LOOP_TEST(test_a_missing_engine_is_explained),
    };
    return RUN_TESTS(tests);
}
