#include "net_fixture.h"

#include "base/macros.h"
#include "probe/logmatch.h"
#include "probe/probe.h"

static struct ts_prober *prober;
static struct ts_probe_result results[64];
static size_t result_count;
static size_t stop_at; /* stops the loop when so many results are there */
static int64_t result_at_ms[64];

static void on_result(void *ctx, const struct ts_probe_result *result)
{
    (void)ctx;
    assert_true(result_count < TS_ARRAY_LEN(results));
    result_at_ms[result_count] = ts_loop_now(fixture_loop).ms;
    results[result_count++] = *result;
    if (result_count == stop_at) {
        ts_loop_stop(fixture_loop);
    }
}

static void wait_for_results(size_t n)
{
    stop_at = n;
    run_until_stopped();
}

static int setup(void **state)
{
    struct ts_error err;
    result_count = 0;
    if (loop_setup(state) != 0) {
        return -1;
    }
    struct ts_prober_deps deps = {.loop = fixture_loop};
    prober = ts_prober_new(&deps, &err);
    return prober == NULL ? -1 : 0;
}

static int teardown(void **state)
{
    ts_prober_free(prober);
    return loop_teardown(state);
}

#define PROBE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static struct ts_probe_spec spec_of(enum ts_probe_kind kind)
{
    static char path[] = "/health";
    struct ts_probe_spec spec = {
        .name = "p", .kind = kind, .interval_ms = 20, .timeout_ms = 150, .path = path};
    return spec;
}

static struct ts_probe *new_probe(const struct ts_probe_spec *spec)
{
    struct ts_error err;
    struct ts_probe *p = ts_probe_new(prober, spec, on_result, NULL, &err);
    if (p == NULL) {
        fail_msg("%s", err.msg);
    }
    return p;
}

/* The first result of a probe of a loopback port. */
static struct ts_probe_result first_result(const struct ts_probe_spec *spec, uint16_t port)
{
    struct ts_probe_target target = {"127.0.0.1", port};
    struct ts_probe *p = new_probe(spec);
    ts_probe_start(p, &target);
    assert_int_equal(result_count, 0); /* never from inside the call */
    wait_for_results(1);
    ts_probe_free(p);
    return results[0];
}

static void assert_result(struct ts_probe_result r, enum ts_probe_reason reason, const char *detail)
{
    if (r.reason != reason || strstr(r.detail, detail) == NULL) {
        fail_msg("%s (%s), wanted %s (%s)", ts_probe_reason_name(r.reason), r.detail,
                 ts_probe_reason_name(reason), detail);
    }
    assert_in_range(r.took_ms, 0, 2000);
}

/* A listener that does one of the things that relays and broken services do. */
enum manner { SAYS_NOTHING, CLOSES, RESETS, GREETS, SAYS_HALF };

struct liar {
    struct evconnlistener *listener;
    enum manner manner;
    evutil_socket_t peer;
    uint16_t port;
};

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
                      void *ctx)
{
    (void)l;
    (void)from;
    (void)len;
    struct liar *liar = ctx;
    struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    switch (liar->manner) {
    case SAYS_NOTHING: break;
    case RESETS:
        assert_int_equal(setsockopt(fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof(at_once)), 0);
        (void)evutil_closesocket(fd);
        return;
    case CLOSES: (void)evutil_closesocket(fd); return;
    case GREETS: assert_int_equal(send(fd, "hello\r\n", 7, 0), 7); break;
    case SAYS_HALF: assert_int_equal(send(fd, "HTTP/1", 6, 0), 6); break;
    }
    if (liar->peer > 0) {
        (void)evutil_closesocket(liar->peer);
    }
    liar->peer = fd;
}

static void liar_start(struct liar *liar, enum manner manner)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    *liar = (struct liar){.manner = manner};
    liar->listener = evconnlistener_new_bind(ts_loop_base(fixture_loop), on_accept, liar,
                                             LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                             (struct sockaddr *)&at, (int)len);
    assert_non_null(liar->listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(liar->listener), (struct sockaddr *)&at, &len), 0);
    liar->port = ntohs(at.sin_port);
}

static void liar_stop(struct liar *liar)
{
    evconnlistener_free(liar->listener);
    if (liar->peer > 0) {
        (void)evutil_closesocket(liar->peer);
    }
}

/* A port where nobody listens. */
static uint16_t dead_port(void)
{
    struct liar liar;
    liar_start(&liar, CLOSES);
    liar_stop(&liar);
    return liar.port;
}

static void test_what_liars_do_is_told_apart(void **state)
{
    (void)state;
    static const struct {
        enum manner manner;
        enum ts_probe_kind kind;
        enum ts_probe_reason reason;
        const char *detail;
    } rows[] = {
        {SAYS_NOTHING, TS_PROBE_TCP, TS_PR_OK, "connected"},
        {GREETS, TS_PROBE_TCP, TS_PR_OK, "it speaks"},
        {CLOSES, TS_PROBE_TCP, TS_PR_CLOSED, "127.0.0.1 port"},
        {RESETS, TS_PROBE_TCP, TS_PR_CLOSED, "127.0.0.1 port"},
        {SAYS_NOTHING, TS_PROBE_HTTP, TS_PR_SILENT, "no answer to GET /health"},
        {CLOSES, TS_PROBE_HTTP, TS_PR_CLOSED, "127.0.0.1 port"},
        {RESETS, TS_PROBE_HTTP, TS_PR_CLOSED, "127.0.0.1 port"},
        {GREETS, TS_PROBE_HTTP, TS_PR_PROTOCOL, "not HTTP/1"},
        {SAYS_HALF, TS_PROBE_HTTP, TS_PR_PROTOCOL, "not even a whole status line"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct liar liar;
        struct ts_probe_spec spec = spec_of(rows[i].kind);
        result_count = 0;
        liar_start(&liar, rows[i].manner);
        assert_result(first_result(&spec, liar.port), rows[i].reason, rows[i].detail);
        liar_stop(&liar);
    }
}

static void test_a_dead_port_refuses(void **state)
{
    (void)state;
    struct ts_probe_spec tcp = spec_of(TS_PROBE_TCP);
    assert_result(first_result(&tcp, dead_port()), TS_PR_REFUSED, "127.0.0.1 port");
    struct ts_probe_spec http = spec_of(TS_PROBE_HTTP);
    result_count = 0;
    assert_result(first_result(&http, dead_port()), TS_PR_REFUSED, "127.0.0.1 port");
}

static void test_without_an_address_nothing_is_tried(void **state)
{
    (void)state;
    struct ts_probe_spec spec = spec_of(TS_PROBE_TCP);
    assert_result(first_result(&spec, 0), TS_PR_NO_ADDRESS, "no published port");
}

static void test_http_statuses(void **state)
{
    (void)state;
    static const struct {
        const char *answer;
        enum ts_probe_reason reason;
        const char *detail;
    } rows[] = {
        {"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", TS_PR_OK, "HTTP 200"},
        {"HTTP/1.0 204 \r\n\r\n", TS_PR_OK, "HTTP 204"},
        {"HTTP/1.1 200\r\n\r\n", TS_PR_OK, "HTTP 200"},
        {"HTTP/1.1 503 Not ready\r\n\r\n", TS_PR_HTTP_STATUS, "GET /health: HTTP 503"},
        {"HTTP/1.1 301 Moved\r\n\r\n", TS_PR_HTTP_STATUS, "HTTP 301"},
        {"HTTP/1.1 099 Odd\r\n\r\n", TS_PR_PROTOCOL, "not HTTP/1"},
        {"HTTP/1.1 2x0 Odd\r\n\r\n", TS_PR_PROTOCOL, "not HTTP/1"},
        {"HTTP/2 200 later\r\n\r\n", TS_PR_PROTOCOL, "not HTTP/1"},
        {"SSH-2.0-OpenSSH_9.2\r\n", TS_PR_PROTOCOL, "not HTTP/1"},
        {"HTTP/1.1 20", TS_PR_PROTOCOL, "127.0.0.1 port"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct server server = {0};
        const struct answer answer = {"/health", rows[i].answer, 0, true};
        struct ts_probe_spec spec = spec_of(TS_PROBE_HTTP);
        result_count = 0;
        server_start_tcp(&server, &answer, 1);
        assert_result(first_result(&spec, server.port), rows[i].reason, rows[i].detail);
        char host[32];
        (void)snprintf(host, sizeof(host), "Host: 127.0.0.1:%u\r\n", (unsigned)server.port);
        assert_non_null(strstr(server.requests[0], host));
        assert_non_null(strstr(server.requests[0], "Connection: close\r\n"));
        server_stop(&server);
    }
}

static void test_an_endless_answer_is_cut_off(void **state)
{
    (void)state;
    static char flood[2 * TS_PROBE_HTTP_MAX];
    memset(flood, 'x', sizeof(flood));
    memcpy(flood, "HTTP/1.1 200 OK\r\n\r\n", 19);
    struct server server = {0};
    const struct answer answer = {"/health", flood, sizeof(flood), false};
    server_start_tcp(&server, &answer, 1);
    struct ts_probe_spec spec = spec_of(TS_PROBE_HTTP);
    spec.interval_ms = 3600000;
    struct ts_probe_target target = {"127.0.0.1", server.port};
    struct ts_probe *p = new_probe(&spec);
    ts_probe_start(p, &target);
    wait_for_results(1);
    assert_int_equal(results[0].reason, TS_PR_OK);
    for (int i = 0; i < 400 && server.peers[0] != NULL; i++) { /* the next second, and a little */
        run_for(5);
    }
    assert_null(server.peers[0]); /* we closed, though the server would have gone on */
    ts_probe_free(p);
    server_stop(&server);
}

static void test_tries_go_on_and_fall_on_the_grid(void **state)
{
    (void)state;
    struct liar liar;
    liar_start(&liar, GREETS);
    struct ts_probe_spec spec = spec_of(TS_PROBE_TCP);
    struct ts_probe_target target = {"127.0.0.1", liar.port};
    struct ts_probe *p = new_probe(&spec);
    ts_probe_start(p, &target);
    wait_for_results(4);
    for (size_t i = 1; i < 4; i++) {
        assert_int_equal(results[i].reason, TS_PR_OK);
        int64_t began = result_at_ms[i] - results[i].took_ms;
        assert_in_range(began % spec.interval_ms, 0, 15); /* late at most, never early */
    }
    ts_probe_stop(p);
    assert_false(ts_probe_running(p));
    size_t before = result_count;
    run_for(60);
    assert_int_equal(result_count, before);
    ts_probe_start(p, &target);
    wait_for_results(before + 1);
    ts_probe_free(p);
    liar_stop(&liar);
}

static void test_until_it_has_passed_it_is_tried_more_often(void **state)
{
    (void)state;
    struct liar liar;
    liar_start(&liar, GREETS);
    struct ts_probe_spec spec = spec_of(TS_PROBE_TCP);
    struct ts_probe_target dead = {"127.0.0.1", dead_port()};
    struct ts_probe_target target = {"127.0.0.1", liar.port};
    spec.interval_ms = 86400000; /* not within this test, though it is due at its multiples */
    struct ts_probe *p = new_probe(&spec);
    result_count = 0;
    ts_probe_start(p, &dead);
    run_for(480);
    assert_true(result_count <= 6);
    if (result_count < 3) {
        wait_for_results(3);
    }
    ts_probe_start(p, &target);
    result_count = 0;
    wait_for_results(1);
    assert_int_equal(results[0].reason, TS_PR_OK);
    run_for(300);
    assert_int_equal(result_count, 1); /* the next one after a whole interval */
    ts_probe_free(p);
    liar_stop(&liar);
}

static void test_probes_of_one_interval_share_their_wake_ups(void **state)
{
    (void)state;
    struct liar liar;
    liar_start(&liar, GREETS);
    struct ts_probe_spec spec = spec_of(TS_PROBE_TCP);
    struct ts_probe_target target = {"127.0.0.1", liar.port};
    spec.interval_ms = 50;
    struct ts_probe *p[3];
    for (size_t i = 0; i < 3; i++) {
        p[i] = new_probe(&spec);
        ts_probe_start(p[i], &target);
        run_for(7); /* started at different times all the same */
    }
    result_count = 0;
    wait_for_results(12); /* four of each */
    size_t wake_ups = 0;
    int64_t last = -1;
    for (size_t i = 0; i < 12; i++) {
        int64_t began = result_at_ms[i] - results[i].took_ms;
        wake_ups += began != last ? 1 : 0;
        last = began;
    }
    assert_in_range(wake_ups, 4, 6); /* each on its own would be 12 */
    for (size_t i = 0; i < 3; i++) {
        ts_probe_free(p[i]);
    }
    liar_stop(&liar);
}

static struct ts_probe *doomed[3];

static void free_all(void *ctx, const struct ts_probe_result *result)
{
    (void)ctx;
    (void)result;
    result_count++;
    for (size_t i = 0; i < TS_ARRAY_LEN(doomed); i++) {
        ts_probe_free(doomed[i]);
        doomed[i] = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void test_a_result_may_free_every_probe(void **state)
{
    (void)state;
    struct ts_error err;
    struct ts_probe_spec spec = spec_of(TS_PROBE_TCP); /* without address: due in one turn */
    struct ts_probe_target nowhere = {"", 0};
    for (size_t i = 0; i < TS_ARRAY_LEN(doomed); i++) {
        doomed[i] = ts_probe_new(prober, &spec, free_all, NULL, &err);
        assert_non_null(doomed[i]);
        ts_probe_start(doomed[i], &nowhere);
    }
    run_until_stopped();
    run_for(40);
    assert_int_equal(result_count, 1);
}

static void test_a_result_may_restart_its_probe(void **state)
{
    (void)state;
    struct liar liar;
    liar_start(&liar, SAYS_NOTHING);
    struct ts_probe_spec spec = spec_of(TS_PROBE_HTTP);
    spec.timeout_ms = 30;
    struct ts_probe_target target = {"127.0.0.1", liar.port};
    struct ts_probe *p = new_probe(&spec);
    ts_probe_start(p, &target);
    run_for(5); /* a try runs; starting again ends it without a result */
    ts_probe_start(p, &target);
    wait_for_results(2);
    assert_int_equal(results[0].reason, TS_PR_SILENT);
    assert_in_range(results[0].took_ms, 30, 2000);
    ts_probe_free(p);
    liar_stop(&liar);
}

static void feed(struct ts_probe *p, const char *line)
{
    ts_probe_feed(p, line, strlen(line));
}

static void test_a_log_probe_waits_for_its_line(void **state)
{
    (void)state;
    struct ts_probe_spec spec = spec_of(TS_PROBE_LOG);
    char pattern[] = "ready in \\d+ ms$";
    spec.pattern = pattern;
    struct ts_probe *p = new_probe(&spec);
    feed(p, "ready in 3 ms"); /* not running yet: it belongs to the run before */
    ts_probe_start(p, NULL);
    wait_for_results(1);
    assert_result(results[0], TS_PR_NO_MATCH, "ready in");
    feed(p, "ready in 3 ms or so");
    run_for(50);
    assert_int_equal(result_count, 1);
    feed(p, "bot ready in 35 ms");
    assert_int_equal(result_count, 1); /* not from inside the call */
    wait_for_results(2);
    assert_int_equal(results[1].reason, TS_PR_OK);
    feed(p, "bot ready in 36 ms");
    run_for(30);
    assert_int_equal(result_count, 2);
    ts_probe_start(p, NULL); /* a new run of the container */
    wait_for_results(3);
    assert_int_equal(results[2].reason, TS_PR_NO_MATCH);
    ts_probe_free(p);
}

/* Backtracks exponentially: a quarter of a million steps on this line, far over our limit and far
 * below PCRE2's own. */
#define CATASTROPHE "^(a+)+$"
#define A_LINE      "aaaaaaaaaaaaaaaaaa!"

static void test_a_log_probe_tells_that_its_pattern_explodes(void **state)
{
    (void)state;
    struct ts_probe_spec spec = spec_of(TS_PROBE_LOG);
    char pattern[] = CATASTROPHE;
    spec.pattern = pattern;
    struct ts_probe *p = new_probe(&spec);
    ts_probe_start(p, NULL);
    feed(p, A_LINE);
    feed(p, A_LINE);
    wait_for_results(1);
    assert_result(results[0], TS_PR_ERROR, "takes too long");
    feed(p, "aaa");
    wait_for_results(2);
    assert_int_equal(results[1].reason, TS_PR_OK);
    ts_probe_free(p);
}

static void test_signals_are_found_in_lines(void **state)
{
    (void)state;
    static const struct ts_signal_spec specs[] = {
        {TS_SIG_LOGIN_OK, "Login has completed(?!: exiting)"},
        {TS_SIG_LOGIN_FAILED, "Login failed"},
        {TS_SIG_LOGIN_FAILED, "Login error message:"},
        {TS_SIG_FATAL_CONFIG, CATASTROPHE},
    };
    struct ts_error err;
    struct ts_logmatch *m = ts_logmatch_new(specs, TS_ARRAY_LEN(specs), &err);
    assert_non_null(m);
    static const struct {
        const char *line;
        uint32_t signals;
        const char *gave_up;
    } rows[] = {
        {"IBC: Login has completed", 1U << TS_SIG_LOGIN_OK, NULL},
        {"IBC: Login has completed: exiting via [File, Close] menu", 0, NULL},
        {"Login failed; Login error message: no", 1U << TS_SIG_LOGIN_FAILED, NULL},
        {"Login failed, Login has completed", 1U << TS_SIG_LOGIN_FAILED | 1U << TS_SIG_LOGIN_OK,
         NULL},
        {"", 0, NULL},
        {"\xFF\xFE Login failed \xC3", 1U << TS_SIG_LOGIN_FAILED, NULL},
        {A_LINE " Login failed", 1U << TS_SIG_LOGIN_FAILED, CATASTROPHE},
        {A_LINE, 0, NULL}, /* told once */
        {"aa", 1U << TS_SIG_FATAL_CONFIG, NULL},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_logmatch_found found = ts_logmatch_feed(m, rows[i].line, strlen(rows[i].line));
        if (found.signals != rows[i].signals ||
            (found.gave_up == NULL) != (rows[i].gave_up == NULL)) {
            fail_msg("%s: %x, %s", rows[i].line, found.signals,
                     found.gave_up != NULL ? found.gave_up : "fine");
        }
    }
    ts_logmatch_free(m);
}

static void test_only_the_first_bytes_of_a_line_are_looked_at(void **state)
{
    (void)state;
    static const struct ts_signal_spec specs[] = {{TS_SIG_LOGIN_OK, "x"}};
    static char line[TS_LOGMATCH_LINE_MAX + 1];
    struct ts_error err;
    struct ts_logmatch *m = ts_logmatch_new(specs, 1, &err);
    assert_non_null(m);
    memset(line, 'y', sizeof(line));
    line[TS_LOGMATCH_LINE_MAX] = 'x';
    assert_int_equal(ts_logmatch_feed(m, line, sizeof(line)).signals, 0);
    line[TS_LOGMATCH_LINE_MAX - 1] = 'x';
    assert_int_equal(ts_logmatch_feed(m, line, sizeof(line)).signals, 1U << TS_SIG_LOGIN_OK);
    ts_logmatch_free(m);
}

static void test_what_cannot_be_run_is_refused(void **state)
{
    (void)state;
    struct ts_error err;
    struct ts_probe_spec engine = spec_of(TS_PROBE_ENGINE);
    assert_null(ts_probe_new(prober, &engine, on_result, NULL, &err));
    assert_string_equal(err.msg, "probe p of kind engine cannot be run here");
    struct ts_probe_spec log = spec_of(TS_PROBE_LOG);
    char unfinished[] = "(";
    log.pattern = unfinished;
    assert_null(ts_probe_new(prober, &log, on_result, NULL, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_string_equal(err.msg, "probe p: pattern: missing closing parenthesis (at character 2)");
    static const struct ts_signal_spec bad[] = {{TS_SIG_LOGIN_OK, "*"}};
    assert_null(ts_logmatch_new(bad, 1, &err));
    assert_string_equal(err.msg,
                        "login-ok: quantifier does not follow a repeatable item (at character 1)");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(test_what_liars_do_is_told_apart),
        PROBE_TEST(test_a_dead_port_refuses),
        PROBE_TEST(test_without_an_address_nothing_is_tried),
        PROBE_TEST(test_http_statuses),
        PROBE_TEST(test_an_endless_answer_is_cut_off),
        PROBE_TEST(test_tries_go_on_and_fall_on_the_grid),
        PROBE_TEST(test_until_it_has_passed_it_is_tried_more_often),
        PROBE_TEST(test_probes_of_one_interval_share_their_wake_ups),
        PROBE_TEST(test_a_result_may_free_every_probe),
        PROBE_TEST(test_a_result_may_restart_its_probe),
        PROBE_TEST(test_a_log_probe_waits_for_its_line),
        PROBE_TEST(test_a_log_probe_tells_that_its_pattern_explodes),
        PROBE_TEST(test_signals_are_found_in_lines),
        PROBE_TEST(test_only_the_first_bytes_of_a_line_are_looked_at),
        PROBE_TEST(test_what_cannot_be_run_is_refused),
    };
    return RUN_TESTS(tests);
}
