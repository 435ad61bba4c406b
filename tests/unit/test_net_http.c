#include "net_fixture.h"

#include <curl/curl.h>

#include "base/parse.h"
#include "net/http.h"

static struct ts_http *http;

static int http_setup(void **state)
{
    if (loop_setup(state) != 0) {
        return -1;
    }
    struct ts_error err;
    http = ts_http_new(fixture_loop, &err);
    return http == NULL ? -1 : 0;
}

static int http_teardown(void **state)
{
    ts_http_free(http);
    return loop_teardown(state);
}

struct result {
    struct ts_http_req *req;
    int done;
    bool has_reply;
    bool failed;
    int status;
    char body[4096];
    char header[128]; /* X-Test */
    struct ts_error err;
    /* streams */
    int heads;
    char data[400000];
    size_t len;
    size_t biggest;
    bool cancel_in_headers;
    bool cancel_in_data;
    struct ts_http_req **cancel_other;
};

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct result *r = ctx;
    r->done++;
    r->req = NULL;
    r->failed = err != NULL;
    r->has_reply = reply != NULL;
    if (err != NULL) {
        r->err = *err;
    }
    if (reply != NULL) {
        r->status = reply->status;
        assert_int_equal(strlen(reply->body), reply->len);
        ts_copy_cut(r->body, sizeof(r->body), reply->body);
        const char *h = ts_http_header(reply, "x-test");
        ts_copy_cut(r->header, sizeof(r->header), h == NULL ? "(none)" : h);
    }
    ts_loop_stop(fixture_loop);
}

static void on_headers(void *ctx, const struct ts_http_reply *reply)
{
    struct result *r = ctx;
    r->heads++;
    r->status = reply->status;
    assert_int_equal(reply->len, 0);
    if (r->cancel_in_headers) {
        ts_http_cancel(r->req);
        r->req = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void on_data(void *ctx, const char *bytes, size_t n)
{
    struct result *r = ctx;
    assert_true(r->len + n <= sizeof(r->data));
    memcpy(r->data + r->len, bytes, n);
    r->len += n;
    r->biggest = n > r->biggest ? n : r->biggest;
    if (r->cancel_in_data) {
        ts_http_cancel(r->req);
        r->req = NULL;
    }
    if (r->cancel_other != NULL) {
        ts_http_cancel(*r->cancel_other);
        r->cancel_other = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static struct ts_http_call call_to(const struct server *s, const char *url)
{
    return (struct ts_http_call){.method = "GET",
                                 .url = url,
                                 .local = s->path,
                                 .deadline_ms = 3000,
                                 .max_body = sizeof(((struct result *)0)->body) - 1,
                                 .on_headers = on_headers,
                                 .on_data = on_data};
}

static void start(struct result *r, const struct ts_http_call *call)
{
    struct ts_error err;
    r->req = ts_http_start(http, call, on_done, r, &err);
    if (r->req == NULL) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(r->done, 0);
}

static void run(struct result *r, const struct ts_http_call *call)
{
    start(r, call);
    while (r->done == 0) {
        run_until_stopped();
    }
}

#define OK_HEAD "HTTP/1.1 200 OK\r\nX-Test:  some value \r\n"

static const struct answer answers[] = {
    {"/ok", OK_HEAD "Content-Length: 5\r\n\r\nhello", 0, false},
    {"/missing", "HTTP/1.1 404 Not Found\r\nContent-Length: 4\r\n\r\ngone", 0, false},
    {"/moved", "HTTP/1.1 301 Moved\r\nLocation: http://localhost/ok\r\nContent-Length: 0\r\n\r\n",
     0, false},
    {"/same", "HTTP/1.1 304 Not Modified\r\n\r\n", 0, false},
    {"/interim", "HTTP/1.1 103 Early\r\nX-Test: wrong\r\n\r\n" OK_HEAD "Content-Length: 0\r\n\r\n",
     0, false},
    {"/hang", NULL, 0, false},
    {"/half", OK_HEAD "Content-Length: 50\r\n\r\nhello", 0, false},
    {"/cut", OK_HEAD "Content-Length: 50\r\n\r\nhello", 0, true},
    {"/garbage", "SSH-2.0-OpenSSH_9\r\n\r\n", 0, true},
    {"/stream", OK_HEAD "Transfer-Encoding: chunked\r\n\r\n", 0, false},
    {"/stream-refused", "HTTP/1.1 400 Bad\r\nContent-Length: 3\r\n\r\nwhy", 0, false},
};

static void serve(struct server *s)
{
    server_start_local(s, answers, TS_ARRAY_LEN(answers));
}

static void test_an_answer_of_any_status_is_a_success(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        int status;
        const char *body;
        const char *header;
    } rows[] = {
        {"http://localhost/ok", 200, "hello", "some value"},
        {"http://localhost/missing", 404, "gone", "(none)"},
        {"http://localhost/moved", 301, "", "(none)"},
        {"http://localhost/same", 304, "", "(none)"},
        {"http://localhost/interim", 200, "", "some value"},
    };
    struct server server = {0};
    serve(&server);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct result r = {0};
        struct ts_http_call call = call_to(&server, rows[i].url);
        run(&r, &call);
        assert_false(r.failed);
        assert_int_equal(r.status, rows[i].status);
        assert_string_equal(r.body, rows[i].body);
        assert_string_equal(r.header, rows[i].header);
    }
    assert_int_equal(server.peer_count, 1); /* one kept connection for all of them */
    assert_int_equal(server.request_count, TS_ARRAY_LEN(rows));
    server_stop(&server);
}

static void test_method_headers_and_body_go_out_as_given(void **state)
{
    (void)state;
    static const char *const headers[] = {"X-A: 1", "Content-Type: application/json"};
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = call_to(&server, "http://localhost/ok");
    call.method = "PATCH";
    call.headers = headers;
    call.header_count = 2;
    call.body = "{\"a\":1}";
    call.body_len = 7;
    run(&r, &call);
    const char *got = server.requests[0];
    assert_int_equal(strncmp(got, "PATCH /ok HTTP/1.1\r\n", 20), 0);
    assert_non_null(strstr(got, "\r\nX-A: 1\r\n"));
    assert_non_null(strstr(got, "\r\nContent-Type: application/json\r\n"));
    assert_non_null(strstr(got, "\r\nContent-Length: 7\r\n"));
    assert_non_null(strstr(got, "\r\n\r\n{\"a\":1}"));
    assert_null(strstr(got, "Expect"));
    r = (struct result){0};
    call = call_to(&server, "http://localhost/ok");
    call.method = "POST";
    run(&r, &call);
    got = server.requests[1];
    assert_int_equal(strncmp(got, "POST /ok HTTP/1.1\r\n", 19), 0);
    assert_non_null(strstr(got, "\r\nContent-Length: 0\r\n"));
    assert_null(find_header(got, "content-type:"));
    server_stop(&server);
}

static void test_a_hung_call_ends_alone_and_at_its_deadline(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result hung = {0};
    struct ts_http_call call = call_to(&server, "http://localhost/hang?secret");
    call.deadline_ms = 120;
    start(&hung, &call);
    struct ts_http_call other = call_to(&server, "http://localhost/ok");
    /* The hung one has asked before the others come. */
    server.answers = (const struct answer[]){{"/hang?secret", NULL, 0, false}};
    server.answer_count = 1;
    while (server.request_count == 0) {
        run_for(1);
    }
    server.answers = answers;
    server.answer_count = TS_ARRAY_LEN(answers);
    for (int i = 0; i < 5; i++) {
        struct result r = {0};
        run(&r, &other);
        assert_int_equal(r.status, 200);
        assert_int_equal(hung.done, 0);
    }
    while (hung.done == 0) {
        run_until_stopped();
    }
    assert_true(hung.failed && !hung.has_reply);
    assert_int_equal(hung.err.code, TS_E_TIMEOUT);
    assert_int_equal(hung.err.detail, CURLE_OPERATION_TIMEDOUT);
    assert_non_null(strstr(hung.err.msg, "120 ms"));
    server_stop(&server);
}

static void test_failures_have_a_code_and_never_show_the_url(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        enum ts_code code;
        size_t max_body;
    } rows[] = {
        {"http://localhost/half", TS_E_TIMEOUT, 100},
        {"http://localhost/cut", TS_E_UNAVAILABLE, 100},
        {"http://localhost/garbage", TS_E_PROTOCOL, 100},
        {"http://localhost/ok", TS_E_LIMIT, 4},
    };
    struct server server = {0};
    serve(&server);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct result r = {0};
        struct ts_http_call call = call_to(&server, rows[i].url);
        call.deadline_ms = 100;
        call.max_body = rows[i].max_body;
        run(&r, &call);
        assert_true(r.failed && !r.has_reply);
        if (r.err.code != rows[i].code) {
            fail_msg("%s: %s: %s", rows[i].url, ts_code_name(r.err.code), r.err.msg);
        }
        assert_null(strstr(r.err.msg, "localhost"));
    }
    server_stop(&server);
    struct result r = {0};
    struct ts_http_call call = call_to(&server, "http://localhost/ok");
    call.local = OS_NOBODY;
    run(&r, &call);
    assert_int_equal(r.err.code, TS_E_UNAVAILABLE);
    assert_int_equal(r.err.detail, CURLE_COULDNT_CONNECT);
    assert_non_null(strstr(r.err.msg, OS_NOBODY_SAYS));
    r = (struct result){0};
    call.local = NULL;
    call.url = "http://127.0.0.1:1/secret";
    run(&r, &call);
    assert_int_equal(r.err.code, TS_E_UNAVAILABLE);
    assert_null(strstr(r.err.msg, "127.0.0.1"));
    assert_non_null(strstr(r.err.msg, "refused"));
}

static void test_headers_have_a_limit(void **state)
{
    (void)state;
    static char many[40000];
    int n = snprintf(many, sizeof(many), "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n");
    while (n < 30000) {
        n += snprintf(many + n, sizeof(many) - (size_t)n, "X-Pad: %0500d\r\n", 0);
    }
    (void)snprintf(many + n, sizeof(many) - (size_t)n, "\r\n");
    const struct answer large[] = {{"/", many, 0, false}};
    struct server server = {0};
    server_start_local(&server, large, 1);
    struct result r = {0};
    struct ts_http_call call = call_to(&server, "http://localhost/");
    run(&r, &call);
    assert_int_equal(r.err.code, TS_E_LIMIT);
    assert_non_null(strstr(r.err.msg, "headers"));
    server_stop(&server);
}

static void test_a_cancelled_call_is_never_heard_of_again(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = call_to(&server, "http://localhost/ok");
    start(&r, &call);
    ts_http_cancel(r.req);
    run_for(20);
    assert_int_equal(r.done, 0);
    call.url = "http://localhost/half";
    start(&r, &call);
    for (int n = 0; n < 250 && server.request_count == 0; n++) {
        run_for(20);
    }
    assert_int_equal(server.request_count, 1);
    ts_http_cancel(r.req);
    ts_http_cancel(NULL);
    run_for(20);
    assert_int_equal(r.done, 0);
    start(&r, &call); /* left to ts_http_free() */
    run_for(5);
    server_stop(&server);
}

static void test_wrong_calls_are_refused_at_once(void **state)
{
    (void)state;
    static const char *const broken[] = {"X: a\r\nY: b"};
    static const char *const no_colon[] = {"nothing"};
    const struct ts_http_call fine = {
        .method = "GET", .url = "http://h/", .deadline_ms = 1, .max_body = 1};
    struct ts_http_call rows[9];
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        rows[i] = fine;
    }
    rows[0].deadline_ms = 0;
    rows[1].max_body = 0;
    rows[2].url = "file:///etc/passwd";
    rows[3].https_only = true;
    rows[4].url = "http://";
    rows[5].headers = broken;
    rows[5].header_count = 1;
    rows[6].headers = no_colon;
    rows[6].header_count = 1;
    rows[7].stream = true; /* without on_data */
    rows[8].header_count = TS_HTTP_HEADERS_MAX + 1;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err;
        if (ts_http_start(http, &rows[i], on_done, NULL, &err) != NULL) {
            fail_msg("row %zu was taken", i);
        }
        assert_int_equal(err.code, TS_E_INVALID);
    }
}

static struct ts_http_call stream_to(const struct server *s, const char *url)
{
    struct ts_http_call call = call_to(s, url);
    call.stream = true;
    call.max_body = 0;
    return call;
}

static void test_a_stream_comes_as_it_is_sent(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = stream_to(&server, "http://localhost/stream");
    call.deadline_ms = 60; /* covers the headers only */
    start(&r, &call);
    run_until_stopped();
    assert_int_equal(r.heads, 1);
    assert_int_equal(r.status, 200);
    run_for(100);
    assert_int_equal(r.done, 0);
    server_send(&server, 0, "3\r\nabc\r\n", 8);
    run_until_stopped();
    assert_int_equal(r.len, 3);
    server_send(&server, 0, "2\r\nde\r\n", 7);
    run_until_stopped();
    assert_memory_equal(r.data, "abcde", 5);
    server_send(&server, 0, "0\r\n\r\n", 5);
    run_until_stopped();
    assert_int_equal(r.done, 1);
    assert_true(r.has_reply && !r.failed);
    assert_int_equal(r.heads, 1);
    server_stop(&server);
}

static void test_a_broken_stream_ends_with_an_error(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = stream_to(&server, "http://localhost/stream");
    start(&r, &call);
    run_until_stopped();
    bufferevent_free(server.peers[0]);
    server.peers[0] = NULL;
    run_until_stopped();
    assert_int_equal(r.done, 1);
    assert_true(r.failed && r.has_reply);
    assert_int_equal(r.err.code, TS_E_UNAVAILABLE);
    server_stop(&server);
}

static void test_a_silent_stream_ends_when_asked_to(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = stream_to(&server, "http://localhost/stream");
    call.idle_timeout_ms = 50;
    run(&r, &call);
    assert_int_equal(r.err.code, TS_E_TIMEOUT);
    assert_non_null(strstr(r.err.msg, "50 ms"));
    server_stop(&server);
}

static void test_a_refused_stream_gives_its_body_to_done(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result r = {0};
    struct ts_http_call call = stream_to(&server, "http://localhost/stream-refused");
    run(&r, &call);
    assert_false(r.failed);
    assert_int_equal(r.status, 400);
    assert_string_equal(r.body, "why");
    assert_int_equal(r.len, 0);
    server_stop(&server);
}

static void test_a_flood_is_handed_over_in_bounded_pieces(void **state)
{
    (void)state;
    static char flood[300000];
    memset(flood, 'x', sizeof(flood));
    struct server server = {0};
    serve(&server);
    struct result *r = calloc(1, sizeof(*r));
    assert_non_null(r);
    struct ts_http_call call = stream_to(&server, "http://localhost/stream");
    start(r, &call);
    run_until_stopped();
    server_send(&server, 0, "493e0\r\n", 7);
    server_send(&server, 0, flood, sizeof(flood));
    server_send(&server, 0, "\r\n0\r\n\r\n", 7);
    while (r->done == 0) {
        run_until_stopped();
    }
    assert_int_equal(r->len, sizeof(flood));
    assert_true(r->biggest <= TS_HTTP_STREAM_CHUNK);
    free(r);
    server_stop(&server);
}

static void test_callbacks_may_cancel_themselves_and_others(void **state)
{
    (void)state;
    struct server server = {0};
    serve(&server);
    struct result a = {.cancel_in_headers = true};
    struct ts_http_call call = stream_to(&server, "http://localhost/stream");
    start(&a, &call);
    run_until_stopped();
    assert_int_equal(a.heads, 1);
    assert_null(a.req);
    struct result b = {0};
    struct result c = {0};
    start(&b, &call);
    run_until_stopped();
    start(&c, &call);
    run_until_stopped();
    b.cancel_in_data = true;
    b.cancel_other = &c.req;
    server_send(&server, 1, "3\r\nabc\r\n", 8);
    run_until_stopped();
    run_for(20);
    assert_int_equal(b.len, 3);
    assert_int_equal(a.done + b.done + c.done, 0);
    server_stop(&server);
}

#define HTTP_TEST(fn) cmocka_unit_test_setup_teardown(fn, http_setup, http_teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        HTTP_TEST(test_an_answer_of_any_status_is_a_success),
        HTTP_TEST(test_method_headers_and_body_go_out_as_given),
        HTTP_TEST(test_a_hung_call_ends_alone_and_at_its_deadline),
        HTTP_TEST(test_failures_have_a_code_and_never_show_the_url),
        HTTP_TEST(test_headers_have_a_limit),
        HTTP_TEST(test_a_cancelled_call_is_never_heard_of_again),
        HTTP_TEST(test_wrong_calls_are_refused_at_once),
        HTTP_TEST(test_a_stream_comes_as_it_is_sent),
        HTTP_TEST(test_a_broken_stream_ends_with_an_error),
        HTTP_TEST(test_a_silent_stream_ends_when_asked_to),
        HTTP_TEST(test_a_refused_stream_gives_its_body_to_done),
        HTTP_TEST(test_a_flood_is_handed_over_in_bounded_pieces),
        HTTP_TEST(test_callbacks_may_cancel_themselves_and_others),
    };
    return RUN_TESTS(tests);
}
