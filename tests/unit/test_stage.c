/* Staging: which of Compose's requests pass, which are answered in the engine's place. */
#include "unit.h"

#include <stdio.h>

#include "base/macros.h"
#include "stage.h"

static struct ts_buf out;
static enum ctl_stage_deed deed;
static struct ts_error err;

/* The head of a request with the headers that Docker's client sends. */
static const char *judged(const char *line, const char *headers)
{
    char head[1024];
    int n = snprintf(head, sizeof(head), "%s HTTP/1.1\r\nHost: api.moby.localhost\r\n%s\r\n", line,
                     headers);
    ts_buf_done(&out);
    out = ts_buf_init(4096);
    assert_true(ctl_stage_judge(head, (size_t)n, "docker", ".next-a1", &out, &deed, &err));
    return ts_buf_text(&out);
}

static int forget(void **state)
{
    (void)state;
    ts_buf_done(&out);
    return 0;
}

static void test_a_new_container_waits_under_another_name(void **state)
{
    (void)state;
    const char *sent = judged("POST /v1.43/containers/create?name=ibkr-gateway",
                              "Content-Length: 2\r\nContent-Type: application/json\r\n");
    assert_int_equal(deed, CTL_STAGE_PASS);
    assert_string_equal(sent, "POST /v1.43/containers/create?name=ibkr-gateway.next-a1 HTTP/1.1\r\n"
                              "Host: api.moby.localhost\r\nContent-Length: 2\r\n"
                              "Content-Type: application/json\r\nConnection: close\r\n\r\n");
    sent = judged("POST /containers/create?platform=linux&name=a&x=name=b", "");
    assert_non_null(strstr(sent, "?platform=linux&name=a.next-a1&x=name=b HTTP/1.1"));
}

static void test_a_container_without_a_name_is_no_stagable_one(void **state)
{
    static const char head[] = "POST /v1.43/containers/create?rename=a HTTP/1.1\r\n\r\n";
    (void)state;
    out = ts_buf_init(4096);
    assert_false(ctl_stage_judge(head, strlen(head), "docker", ".next-a1", &out, &deed, &err));
    assert_int_equal(err.code, TS_E_PROTOCOL);
}

static void test_the_projects_containers_are_hidden_and_no_others(void **state)
{
    (void)state;
    const char *sent =
        judged("GET /v1.43/containers/json?all=1&filters=%7B%22label%22%3A%7B%22com.docker.compose."
               "project%3Ddocker%22%3Atrue%7D%7D",
               "");
    assert_int_equal(deed, CTL_STAGE_HIDE);
    assert_non_null(strstr(sent, "200 OK"));
    assert_non_null(strstr(sent, "\r\n\r\n[]\n"));
    (void)judged("GET /containers/json?filters={\"label\":[\"com.docker.compose.project=docker\"]}",
                 "");
    assert_int_equal(deed, CTL_STAGE_HIDE);
    (void)judged(
        "GET /containers/json?filters={\"label\":[\"com.docker.compose.project=docker2\"]}", "");
    assert_int_equal(deed, CTL_STAGE_PASS);
    (void)judged("GET /v1.43/containers/json?all=1", "");
    assert_int_equal(deed, CTL_STAGE_PASS);
    (void)judged("GET /v1.43/networks?filters={\"label\":[\"com.docker.compose.project=docker\"]}",
                 "");
    assert_int_equal(deed, CTL_STAGE_PASS);
}

static void test_what_makes_things_passes(void **state)
{
    static const char *const lines[] = {
        "GET /_ping",
        "HEAD /_ping",
        "GET /v1.43/containers/abc/json",
        "POST /v1.43/networks/create",
        "POST /v1.43/networks/abc/connect",
        "POST /v1.43/volumes/create",
        "POST /v1.43/images/create?fromImage=a&tag=b",
        "POST /v1.43/build?t=a",
        "PUT /v1.43/containers/abc/archive?path=%2F",
    };
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(lines); i++) {
        char want[128];
        const char *sent = judged(lines[i], "Connection: keep-alive\r\n");
        assert_int_equal(deed, CTL_STAGE_PASS);
        (void)snprintf(want, sizeof(want), "%s HTTP/1.1\r\n", lines[i]);
        assert_int_equal(strncmp(sent, want, strlen(want)), 0);
        assert_non_null(strstr(sent, "\r\nConnection: close\r\n\r\n"));
        assert_null(strstr(sent, "keep-alive"));
    }
}

static void test_what_touches_things_is_refused(void **state)
{
    static const char *const lines[] = {
        "POST /v1.43/containers/abc/stop",
        "POST /v1.43/containers/abc/start",
        "POST /v1.43/containers/abc/kill?signal=KILL",
        "POST /v1.43/containers/abc/rename?name=x",
        "POST /v1.43/containers/abc/restart",
        "POST /v1.43/containers/abc/update",
        "POST /v1.43/containers/prune",
        "DELETE /v1.43/containers/abc?force=1",
        "DELETE /v1.43/networks/abc",
        "DELETE /v1.43/volumes/abc",
        "POST /v1.43/networks/abc/disconnect",
        "POST /v1.43/exec/abc/start",
        "PUT /v1.43/plugins/a/archive",
        "PATCH /v1.43/containers/abc",
    };
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(lines); i++) {
        const char *sent = judged(lines[i], "");
        assert_int_equal(deed, CTL_STAGE_REFUSE);
        assert_non_null(strstr(sent, "HTTP/1.1 403 Forbidden\r\n"));
        assert_non_null(strstr(sent, "{\"message\":"));
    }
}

static void test_what_becomes_another_protocol_is_left_alone(void **state)
{
    (void)state;
    const char *sent = judged("POST /v1.43/session", "Connection: Upgrade\r\nUpgrade: h2c\r\n");
    assert_int_equal(deed, CTL_STAGE_PASS);
    assert_non_null(strstr(sent, "Connection: Upgrade\r\nUpgrade: h2c\r\n\r\n"));
    assert_null(strstr(sent, "close"));
}

static void test_nonsense_is_no_request(void **state)
{
    static const char *const heads[] = {"",
                                        "\r\n\r\n",
                                        "GET\r\n\r\n",
                                        "GET /\n\n",
                                        " / HTTP/1.1\r\n\r\n",
                                        "GET  HTTP/1.1\r\n\r\n",
                                        "GET / HTTP/2\r\n\r\n"};
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(heads); i++) {
        ts_buf_done(&out);
        out = ts_buf_init(4096);
        assert_false(
            ctl_stage_judge(heads[i], strlen(heads[i]), "docker", ".next-a", &out, &deed, &err));
        assert_int_equal(err.code, TS_E_PROTOCOL);
    }
}

static void test_too_long_a_head_is_refused(void **state)
{
    char line[400];
    char head[512];
    (void)state;
    memset(line, 'a', sizeof(line));
    int n = snprintf(head, sizeof(head), "GET /%.*s HTTP/1.1\r\n\r\n", (int)sizeof(line), line);
    ts_buf_done(&out);
    out = ts_buf_init(200);
    assert_false(ctl_stage_judge(head, (size_t)n, "docker", ".next-a", &out, &deed, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(test_a_new_container_waits_under_another_name, forget),
        cmocka_unit_test_teardown(test_a_container_without_a_name_is_no_stagable_one, forget),
        cmocka_unit_test_teardown(test_the_projects_containers_are_hidden_and_no_others, forget),
        cmocka_unit_test_teardown(test_what_makes_things_passes, forget),
        cmocka_unit_test_teardown(test_what_touches_things_is_refused, forget),
        cmocka_unit_test_teardown(test_what_becomes_another_protocol_is_left_alone, forget),
        cmocka_unit_test_teardown(test_nonsense_is_no_request, forget),
        cmocka_unit_test_teardown(test_too_long_a_head_is_refused, forget),
    };
    return RUN_TESTS(tests);
}
