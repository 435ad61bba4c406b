/* The probe of kind ibapi against a gateway that misbehaves on request. The fake speaks just enough
 * of the protocol (TWS API, server version 178, text messages). */
#include "net_fixture.h"

#include "base/buf.h"
#include "base/macros.h"
#include "ibapi/codec.h"
#include "probe/probe.h"

#define VERSION     178
#define MAX_STARTS  16
#define INTERVAL_MS 20
#define TIMEOUT_MS  120

struct gateway {
    struct evconnlistener *listener;
    struct bufferevent *peer;
    uint16_t port;
    bool accepts_only;       /* closes each connection at once */
    bool rejects;            /* answers the hello, then closes */
    const char *accounts;    /* NULL: sends none */
    bool ignores_time;       /* hangs */
    int32_t taken_id;        /* this client id is in use; 0: none */
    int32_t ids[MAX_STARTS]; /* client ids that came */
    size_t starts;
    size_t accepted;
    bool got_hello;
};

static struct gateway gateway;
static struct ts_prober *prober;
static struct ts_probe *probe;
static struct ts_probe_result results[64];
static size_t result_count;
static size_t stop_at;

static void gateway_send(struct ts_buf *out)
{
    assert_false(out->failed);
    if (gateway.peer != NULL) {
        assert_int_equal(bufferevent_write(gateway.peer, out->data, out->len), 0);
    }
    ts_buf_done(out);
}

static void add_message(struct ts_buf *out, const char *const *fields, size_t count)
{
    size_t begin = ts_ib_begin(out);
    for (size_t i = 0; i < count; i++) {
        ts_ib_add(out, fields[i]);
    }
    ts_ib_end(out, begin);
}

#define SEND(...)                                                                                  \
    do {                                                                                           \
        const char *const fields_[] = {__VA_ARGS__};                                               \
        struct ts_buf out_ = ts_buf_init(4096);                                                    \
        add_message(&out_, fields_, TS_ARRAY_LEN(fields_));                                        \
        gateway_send(&out_);                                                                       \
    } while (0)

static void send_error(int64_t code)
{
    struct ts_buf out = ts_buf_init(4096);
    ts_ib_add_error(&out, VERSION, -1, code, "told by the fake", 0);
    gateway_send(&out);
}

static void hang_up(void)
{
    if (gateway.peer != NULL) {
        bufferevent_free(gateway.peer);
        gateway.peer = NULL;
    }
}

static void on_sent_then_close(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    (void)ctx;
    hang_up();
}

static void close_when_sent(void)
{
    bufferevent_setcb(gateway.peer, NULL, on_sent_then_close, NULL, NULL);
}

static void on_start(const struct ts_ib_fields *m)
{
    int32_t id = (int32_t)ts_ib_int(m, 2, -1);
    assert_true(gateway.starts < MAX_STARTS);
    gateway.ids[gateway.starts++] = id;
    if (id == gateway.taken_id) {
        send_error(326);
        close_when_sent();
        return;
    }
    if (gateway.accounts != NULL) {
        SEND("15", "1", gateway.accounts);
        SEND("9", "1", "1");
    }
}

static void on_message(const struct ts_ib_fields *m)
{
    switch (ts_ib_int(m, 0, 0)) {
    case TS_IB_C_START: on_start(m); break;
    case TS_IB_C_TIME:
        if (!gateway.ignores_time) {
            SEND("49", "1", "1795475292");
        }
        break;
    default: fail_msg("the probe sent message %s", m->f[0]);
    }
}

static void on_hello(struct evbuffer *in)
{
    int32_t low;
    int32_t high;
    size_t taken;
    size_t n = evbuffer_get_length(in);
    const char *bytes = (const char *)evbuffer_pullup(in, -1);
    if (ts_ib_parse_hello(bytes, n, &low, &high, &taken) != TS_IB_HELLO_OK) {
        return;
    }
    assert_int_equal(low, 100);
    assert_int_equal(high, 178);
    evbuffer_drain(in, taken);
    gateway.got_hello = true;
    SEND("178", "20261124 03:00:00 UTC");
    if (gateway.rejects) {
        close_when_sent();
    }
}

static void on_read(struct bufferevent *bev, void *ctx)
{
    (void)ctx;
    struct evbuffer *in = bufferevent_get_input(bev);
    if (!gateway.got_hello) {
        on_hello(in);
    }
    while (gateway.got_hello && gateway.peer == bev && evbuffer_get_length(in) >= 4) {
        unsigned char head[4];
        char payload[512];
        struct ts_ib_fields m;
        assert_int_equal(evbuffer_copyout(in, head, 4), 4);
        size_t len = (size_t)head[2] << 8 | head[3];
        assert_true(len <= sizeof(payload));
        if (evbuffer_get_length(in) < 4 + len) {
            return;
        }
        evbuffer_drain(in, 4);
        assert_int_equal(evbuffer_remove(in, payload, len), (int)len);
        assert_true(ts_ib_split(payload, len, &m));
        on_message(&m);
    }
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)what;
    (void)ctx;
    if (bev == gateway.peer) {
        hang_up();
    }
}

static void on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from, int len,
                      void *ctx)
{
    (void)l;
    (void)from;
    (void)len;
    (void)ctx;
    hang_up();
    gateway.accepted++;
    gateway.got_hello = false;
    if (gateway.accepts_only) {
        (void)evutil_closesocket(fd);
        return;
    }
    gateway.peer = bufferevent_socket_new(ts_loop_base(fixture_loop), fd, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(gateway.peer);
    bufferevent_setcb(gateway.peer, on_read, NULL, on_event, NULL);
    bufferevent_enable(gateway.peer, EV_READ | EV_WRITE);
}

static void gateway_listen(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET,
                             .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
                             .sin_port = htons(gateway.port)};
    socklen_t len = sizeof(at);
    gateway.listener =
        evconnlistener_new_bind(ts_loop_base(fixture_loop), on_accept, NULL,
                                LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC | LEV_OPT_REUSEABLE,
                                16, (struct sockaddr *)&at, (int)len);
    assert_non_null(gateway.listener);
    assert_int_equal(
        getsockname(evconnlistener_get_fd(gateway.listener), (struct sockaddr *)&at, &len), 0);
    gateway.port = ntohs(at.sin_port);
}

static void gateway_deafen(void)
{
    evconnlistener_free(gateway.listener);
    gateway.listener = NULL;
}

static void on_result(void *ctx, const struct ts_probe_result *result)
{
    (void)ctx;
    assert_true(result_count < TS_ARRAY_LEN(results));
    results[result_count++] = *result;
    if (result_count == stop_at) {
        ts_loop_stop(fixture_loop);
    }
}

/* The next result that is not like the last one; pings in between repeat that. */
static const struct ts_probe_result *next_verdict(void)
{
    enum ts_probe_reason before =
        result_count > 0 ? results[result_count - 1].reason : TS_PR_PENDING;
    do {
        stop_at = result_count + 1;
        run_until_stopped();
    } while (results[result_count - 1].reason == before);
    return &results[result_count - 1];
}

static void assert_next(enum ts_probe_reason reason)
{
    const struct ts_probe_result *r = next_verdict();
    if (r->reason != reason) {
        fail_msg("%s (%s), wanted %s", ts_probe_reason_name(r->reason), r->detail,
                 ts_probe_reason_name(reason));
    }
}

static bool is_paper(void *ctx, const char *account)
{
    (void)ctx;
    return strncmp(account, "DU", 2) == 0;
}

static int setup(void **state)
{
    struct ts_error err;
    if (loop_setup(state) != 0) {
        return -1;
    }
    gateway = (struct gateway){.accounts = "DU1,DU2"};
    result_count = 0;
    gateway_listen();
    const struct ts_prober_deps deps = {.loop = fixture_loop, .is_paper = is_paper};
    prober = ts_prober_new(&deps, &err);
    static const struct ts_probe_spec spec = {.name = "api",
                                              .kind = TS_PROBE_IBAPI,
                                              .interval_ms = INTERVAL_MS,
                                              .timeout_ms = TIMEOUT_MS,
                                              .client_id = 9700,
                                              .version_min = 100,
                                              .version_max = 178};
    probe = ts_probe_new(prober, &spec, on_result, NULL, &err);
    return probe == NULL ? -1 : 0;
}

static void start(void)
{
    const struct ts_probe_target target = {"127.0.0.1", gateway.port};
    ts_probe_start(probe, &target);
}

static int teardown(void **state)
{
    ts_probe_free(probe);
    ts_prober_free(prober);
    hang_up();
    if (gateway.listener != NULL) {
        evconnlistener_free(gateway.listener);
    }
    return loop_teardown(state);
}

static void test_a_good_session_is_held_and_pinged(void **state)
{
    (void)state;
    start();
    assert_int_equal(result_count, 0);
    assert_next(TS_PR_OK);
    assert_string_equal(results[0].accounts, "DU1,DU2");
    assert_int_equal(results[0].server_version, 178);
    assert_true(results[0].skew_known);
    assert_int_equal(gateway.ids[0], 9700);
    stop_at = result_count + 3; /* pings */
    run_until_stopped();
    assert_int_equal(results[result_count - 1].reason, TS_PR_OK);
    assert_int_equal(gateway.accepted, 1);
}

static void test_a_loss_is_told_at_once_and_mended_at_the_interval(void **state)
{
    (void)state;
    start();
    assert_next(TS_PR_OK);
    hang_up();
    assert_next(TS_PR_LOST);
    assert_int_equal(results[result_count - 1].took_ms, 0);
    assert_next(TS_PR_OK);
    assert_int_equal(gateway.accepted, 2);
    assert_int_equal(gateway.ids[1], 9700);
    hang_up();
    gateway_deafen();
    assert_next(TS_PR_LOST);
    assert_next(TS_PR_REFUSED);
    assert_string_equal(results[result_count - 1].accounts, ""); /* of a session that is over */
    gateway_listen();
    assert_next(TS_PR_OK);
}

static void test_a_gateway_that_hangs_is_silent(void **state)
{
    (void)state;
    start();
    assert_next(TS_PR_OK);
    gateway.ignores_time = true;
    assert_next(TS_PR_SILENT);
    gateway.ignores_time = false;
    assert_next(TS_PR_OK);
}

static void test_a_gateway_that_is_not_logged_in_gives_no_account(void **state)
{
    (void)state;
    gateway.accounts = NULL;
    start();
    assert_next(TS_PR_NOT_LOGGED_IN);
    assert_string_equal(results[0].accounts, "");
    gateway.accounts = "DU7";
    assert_next(TS_PR_OK);
    assert_string_equal(results[result_count - 1].accounts, "DU7");
}

static void test_the_relay_alone_and_a_refused_hello_are_told_apart(void **state)
{
    (void)state;
    gateway.accepts_only = true;
    start();
    assert_next(TS_PR_CLOSED);
    gateway.accepts_only = false;
    gateway.rejects = true;
    assert_next(TS_PR_REJECTED);
}

static void test_a_taken_client_id_is_followed_by_the_next(void **state)
{
    (void)state;
    gateway.taken_id = 9700;
    start();
    assert_next(TS_PR_CLIENT_ID);
    assert_next(TS_PR_OK);
    assert_int_equal(gateway.ids[0], 9700);
    assert_int_equal(gateway.ids[1], 9701);
    hang_up(); /* the id that worked is kept */
    assert_next(TS_PR_LOST);
    assert_next(TS_PR_OK);
    assert_int_equal(gateway.ids[2], 9701);
}

static void test_client_ids_do_not_grow_without_end(void **state)
{
    (void)state;
    start();
    for (size_t i = 0; i < 10; i++) {
        gateway.taken_id = 9700 + (int32_t)(i % 8);
        stop_at = result_count + 1;
        run_until_stopped();
        assert_int_equal(results[result_count - 1].reason, TS_PR_CLIENT_ID);
    }
    assert_int_equal(gateway.ids[7], 9707);
    assert_int_equal(gateway.ids[8], 9700);
}

static void test_one_live_account_among_paper_ones_is_enough(void **state)
{
    (void)state;
    gateway.accounts = "DU1,U7654321,DU2";
    start();
    assert_next(TS_PR_LIVE_ACCOUNT);
    assert_non_null(strstr(results[0].detail, "U7654321"));
    stop_at = result_count + 2; /* pings do not soften it */
    run_until_stopped();
    assert_int_equal(results[result_count - 1].reason, TS_PR_LIVE_ACCOUNT);
}

static void test_a_live_account_that_appears_later_is_told_at_once(void **state)
{
    (void)state;
    start();
    assert_next(TS_PR_OK);
    gateway.ignores_time = true; /* no ping's answer brings it to light */
    SEND("15", "1", "DU1,F555");
    assert_next(TS_PR_LIVE_ACCOUNT);
}

static void test_the_link_to_ib_is_followed(void **state)
{
    (void)state;
    start();
    assert_next(TS_PR_OK);
    send_error(1100);
    assert_next(TS_PR_UPSTREAM_DOWN);
    send_error(2104); /* farm notices change nothing */
    stop_at = result_count + 2;
    run_until_stopped();
    assert_int_equal(results[result_count - 1].reason, TS_PR_UPSTREAM_DOWN);
    send_error(1102);
    assert_next(TS_PR_OK);
    assert_int_equal(gateway.accepted, 1);
}

static void test_stop_closes_the_session(void **state)
{
    (void)state;
    start();
    assert_next(TS_PR_OK);
    ts_probe_stop(probe);
    size_t before = result_count;
    run_for(3 * INTERVAL_MS);
    assert_int_equal(result_count, before);
    assert_null(gateway.peer); /* it saw the end */
    start();
    stop_at = result_count + 1;
    run_until_stopped();
    assert_int_equal(results[result_count - 1].reason, TS_PR_OK);
}

static void stop_from_result(void *ctx, const struct ts_probe_result *result)
{
    (void)result;
    struct ts_probe **p = ctx;
    ts_probe_free(*p);
    *p = NULL;
    ts_loop_stop(fixture_loop);
}

static void test_a_result_may_free_its_probe(void **state)
{
    (void)state;
    struct ts_error err;
    const struct ts_probe_spec spec = {.name = "api",
                                       .kind = TS_PROBE_IBAPI,
                                       .interval_ms = INTERVAL_MS,
                                       .timeout_ms = TIMEOUT_MS,
                                       .client_id = 1,
                                       .version_min = 100,
                                       .version_max = 178};
    const struct ts_probe_target target = {"127.0.0.1", gateway.port};
    struct ts_probe *p = NULL;
    p = ts_probe_new(prober, &spec, stop_from_result, &p, &err);
    assert_non_null(p);
    ts_probe_start(p, &target);
    run_until_stopped();
    assert_null(p);
    run_for(3 * INTERVAL_MS);
}

#define PROBE_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

int main(void)
{
    const struct CMUnitTest tests[] = {
        PROBE_TEST(test_a_good_session_is_held_and_pinged),
        PROBE_TEST(test_a_loss_is_told_at_once_and_mended_at_the_interval),
        PROBE_TEST(test_a_gateway_that_hangs_is_silent),
        PROBE_TEST(test_a_gateway_that_is_not_logged_in_gives_no_account),
        PROBE_TEST(test_the_relay_alone_and_a_refused_hello_are_told_apart),
        PROBE_TEST(test_a_taken_client_id_is_followed_by_the_next),
        PROBE_TEST(test_client_ids_do_not_grow_without_end),
        PROBE_TEST(test_one_live_account_among_paper_ones_is_enough),
        PROBE_TEST(test_a_live_account_that_appears_later_is_told_at_once),
        PROBE_TEST(test_the_link_to_ib_is_followed),
        PROBE_TEST(test_stop_closes_the_session),
        PROBE_TEST(test_a_result_may_free_its_probe),
    };
    return RUN_TESTS(tests);
}
