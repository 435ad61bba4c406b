/* The IB API client: a session on a real connection to a small gateway in the same loop. */
#include "net_fixture.h"

#include "base/macros.h"
#include "ibapi/client.h"

/* --- a gateway with one client at a time */

struct gateway {
    struct evconnlistener *listener;
    struct bufferevent *peer;
    struct ts_buf hello;
    struct ts_ib_reader reader;
    uint16_t port;
    bool greeted;
    bool closes; /* whoever connects, at once */
    bool mute;   /* no more answers */
    int64_t last_request;
    int starts;
};

static void gw_send(struct gateway *g, const char *fields)
{
    struct ts_buf b = ts_buf_init(4096);
    size_t begin = ts_ib_begin(&b);
    for (const char *c = fields; *c != '\0'; c++) {
        (void)ts_buf_add(&b, *c == '|' ? "" : c, 1);
    }
    (void)ts_buf_add(&b, "", 1);
    ts_ib_end(&b, begin);
    bufferevent_write(g->peer, b.data, b.len);
    ts_buf_done(&b);
}

static void gw_drop(struct gateway *g, bool with_reset)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    if (g->peer != NULL) {
        if (with_reset) {
            assert_int_equal(
                setsockopt(bufferevent_getfd(g->peer), SOL_SOCKET, SO_LINGER, &now, sizeof(now)),
                0);
        }
        bufferevent_free(g->peer);
        ts_ib_reader_done(&g->reader);
        ts_buf_done(&g->hello);
        g->peer = NULL;
    }
}

static void gw_request(struct gateway *g, const struct ts_ib_fields *m)
{
    g->last_request = ts_ib_int(m, 0, 0);
    if (g->mute) {
        return;
    }
    if (g->last_request == TS_IB_C_START) {
        g->starts++;
        gw_send(g, "15|1|DU1234567");
        gw_send(g, "9|1|1");
    } else if (g->last_request == TS_IB_C_TIME) {
        gw_send(g, "49|1|1795475292");
    } else if (g->last_request == TS_IB_C_POSITIONS) {
        gw_send(g, "62|1");
        gw_send(g, "62|1");
    }
}

static void gw_on_read(struct bufferevent *bev, void *ctx)
{
    struct gateway *g = ctx;
    struct ts_error err;
    char chunk[4096];
    size_t n = bufferevent_read(bev, chunk, sizeof(chunk));
    if (!g->greeted) {
        int32_t low;
        int32_t high;
        size_t taken;
        assert_true(ts_buf_add(&g->hello, chunk, n));
        if (ts_ib_parse_hello(g->hello.data, g->hello.len, &low, &high, &taken) == TS_IB_HELLO_OK) {
            g->greeted = true;
            gw_send(g, "178|20261123 23:10:00 UTC");
        }
        return;
    }
    assert_true(ts_ib_reader_feed(&g->reader, chunk, n, &err));
    const char *payload;
    size_t len;
    while (ts_ib_reader_next(&g->reader, &payload, &len) == TS_IB_NEXT_FRAME) {
        struct ts_ib_fields m;
        assert_true(ts_ib_split(payload, len, &m));
        gw_request(g, &m);
    }
}

static void gw_on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    (void)what;
    gw_drop(ctx, false);
}

static void gw_on_accept(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from,
                         int len, void *ctx)
{
    (void)l;
    (void)from;
    (void)len;
    struct gateway *g = ctx;
    if (g->closes) {
        (void)evutil_closesocket(fd);
        return;
    }
    gw_drop(g, false);
    g->peer = bufferevent_socket_new(ts_loop_base(fixture_loop), fd, BEV_OPT_CLOSE_ON_FREE);
    assert_non_null(g->peer);
    g->greeted = false;
    g->hello = ts_buf_init(4096);
    g->reader = ts_ib_reader_init(4096);
    bufferevent_setcb(g->peer, gw_on_read, NULL, gw_on_event, g);
    bufferevent_enable(g->peer, EV_READ | EV_WRITE);
}

static void gw_start(struct gateway *g)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    g->listener = evconnlistener_new_bind(ts_loop_base(fixture_loop), gw_on_accept, g,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                          (const struct sockaddr *)&at, sizeof(at));
    assert_non_null(g->listener);
    assert_int_equal(getsockname(evconnlistener_get_fd(g->listener), (struct sockaddr *)&at, &len),
                     0);
    g->port = ntohs(at.sin_port);
}

static void gw_stop(struct gateway *g)
{
    gw_drop(g, false);
    evconnlistener_free(g->listener);
}

/* --- who uses the client */

enum deed { NOTHING, STOP, FREE, START_ANEW };
enum place { NOWHERE, ON_STATE, ON_ACCOUNTS, ON_MESSAGE };

struct user {
    struct ts_ibapi_client *client;
    struct gateway *g;
    enum place place;
    enum deed deed;
    int states;
    int ends;
    int accounts;
    int messages;
    int deeds;
    enum ts_probe_reason reason;
    enum ts_probe_reason wanted; /* the loop is left when it comes */
    int64_t took_ms;
    uint32_t pongs;
    bool in_call;
};

static const struct ts_ib_conf conf = {.client_id = 7, .timeout_ms = 2000, .ping_ms = 60000};

static void start_with(struct user *u, const struct ts_ib_conf *with)
{
    struct ts_error err;
    u->in_call = true;
    assert_true(ts_ibapi_client_start(u->client, "127.0.0.1", u->g->port, with, &err));
    u->in_call = false;
    assert_true(ts_ibapi_client_running(u->client));
}

/* Does what the test wants done in this callback. */
static void maybe_do(struct user *u, enum place place)
{
    assert_false(u->in_call);
    if (u->place != place) {
        return;
    }
    u->place = NOWHERE;
    u->deeds++;
    switch (u->deed) {
    case NOTHING: break;
    case STOP: ts_ibapi_client_stop(u->client); break;
    case FREE:
        ts_ibapi_client_free(u->client);
        u->client = NULL;
        break;
    case START_ANEW: start_with(u, &conf); return;
    }
    ts_loop_stop(fixture_loop);
}

static void on_state(void *ctx, const struct ts_ib_session *session, bool ended)
{
    struct user *u = ctx;
    u->states++;
    u->ends += ended;
    u->reason = session->reason;
    u->took_ms = session->took_ms;
    u->pongs = session->pongs;
    assert_int_equal(ts_ibapi_client_running(u->client), !ended);
    if (session->reason == u->wanted) {
        ts_loop_stop(fixture_loop);
    }
    maybe_do(u, ON_STATE);
}

static void on_accounts(void *ctx, const struct ts_ib_session *session)
{
    struct user *u = ctx;
    u->accounts++;
    assert_string_equal(session->accounts[0], "DU1234567");
    maybe_do(u, ON_ACCOUNTS);
}

static void on_message(void *ctx, const struct ts_ib_fields *fields)
{
    struct user *u = ctx;
    if (ts_ib_int(fields, 0, 0) == TS_IB_S_POSITION_END) {
        u->messages++;
        maybe_do(u, ON_MESSAGE);
    }
}

static const struct ts_ibapi_handler handler = {on_state, on_accounts, on_message};

static void use(struct user *u, struct gateway *g)
{
    struct ts_error err;
    *g = (struct gateway){0};
    *u = (struct user){.g = g, .wanted = TS_PR_OK};
    gw_start(g);
    u->client = ts_ibapi_client_new(fixture_loop, &handler, u, &err);
    assert_non_null(u->client);
}

static void leave(struct user *u, struct gateway *g)
{
    ts_ibapi_client_free(u->client);
    gw_stop(g);
}

static void run_until(struct user *u, enum ts_probe_reason wanted)
{
    u->wanted = wanted;
    run_until_stopped();
    assert_int_equal(u->reason, wanted);
}

static void become_ready(struct user *u, struct gateway *g)
{
    use(u, g);
    start_with(u, &conf);
    run_until(u, TS_PR_OK);
}

/* --- */

static void test_becomes_ready_and_tells_the_accounts_first(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    become_ready(&u, &g);
    assert_int_equal(u.accounts, 1);
    assert_int_equal(u.states, 1);
    assert_int_equal(u.ends, 0);
    assert_int_equal(g.starts, 1);
    leave(&u, &g);
}

static void test_each_of_several_account_lists_in_one_read_is_told(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    become_ready(&u, &g);
    for (int i = 0; i < 3; i++) {
        gw_send(&g, "15|1|DU1234567");
    }
    for (int n = 0; n < 250 && u.accounts < 4; n++) {
        run_for(20);
    }
    assert_int_equal(u.accounts, 4);
    leave(&u, &g);
}

static void test_a_closed_or_broken_session_is_told_at_once(void **state)
{
    (void)state;
    for (int with_reset = 0; with_reset <= 1; with_reset++) {
        struct gateway g;
        struct user u;
        become_ready(&u, &g);
        gw_drop(&g, with_reset != 0);
        run_until(&u, TS_PR_LOST);
        assert_int_equal(u.ends, 1);
        leave(&u, &g);
    }
}

static void test_nobody_listens(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    use(&u, &g);
    evconnlistener_free(g.listener);
    start_with(&u, &conf);
    run_until(&u, TS_PR_REFUSED);
    assert_int_equal(u.ends, 1);
    ts_ibapi_client_free(u.client);
}

static void test_accepted_and_closed(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    use(&u, &g);
    g.closes = true;
    start_with(&u, &conf);
    run_until(&u, TS_PR_CLOSED);
    assert_int_equal(u.ends, 1);
    leave(&u, &g);
}

static void test_a_hang_is_told_after_ping_and_timeout(void **state)
{
    (void)state;
    const struct ts_ib_conf quick = {.client_id = 7, .timeout_ms = 100, .ping_ms = 50};
    struct gateway g;
    struct user u;
    use(&u, &g);
    start_with(&u, &quick);
    run_until(&u, TS_PR_OK);
    g.mute = true;
    run_until(&u, TS_PR_SILENT);
    assert_int_equal(u.ends, 1);
    leave(&u, &g);
}

static void test_each_ping_is_told(void **state)
{
    (void)state;
    const struct ts_ib_conf quick = {.client_id = 7, .timeout_ms = 2000, .ping_ms = 5};
    struct gateway g;
    struct user u;
    use(&u, &g);
    start_with(&u, &quick);
    for (uint32_t i = 1; i <= 3; i++) {
        run_until(&u, TS_PR_OK);
        assert_int_equal(u.pongs, i);
        assert_int_equal(u.states, i);
    }
    leave(&u, &g);
}

static void test_the_upstream_is_told_as_it_changes(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    become_ready(&u, &g);
    gw_send(&g, "4|2|-1|1100|lost|");
    run_until(&u, TS_PR_UPSTREAM_DOWN);
    gw_send(&g, "4|2|-1|1102|back|");
    run_until(&u, TS_PR_OK);
    assert_int_equal(u.ends, 0);
    leave(&u, &g);
}

static void test_requests_go_out_and_answers_come_in(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    struct ts_error err;
    struct ts_buf requests = ts_buf_init(64);
    ts_ib_add_positions_request(&requests);
    use(&u, &g);
    assert_false(ts_ibapi_client_send(u.client, &requests, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    start_with(&u, &conf);
    assert_false(ts_ibapi_client_send(u.client, &requests, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    run_until(&u, TS_PR_OK);
    assert_true(ts_ibapi_client_send(u.client, &requests, &err));
    u.place = ON_MESSAGE;
    run_until_stopped();
    assert_int_equal(g.last_request, TS_IB_C_POSITIONS);
    assert_int_equal(u.messages, 2);
    requests.failed = true;
    assert_false(ts_ibapi_client_send(u.client, &requests, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    ts_buf_done(&requests);
    leave(&u, &g);
}

/* Stopping or freeing inside any callback ends all callbacks; starting begins from the start. */
static void test_every_callback_may_end_the_client(void **state)
{
    (void)state;
    static const enum place places[] = {ON_STATE, ON_ACCOUNTS, ON_MESSAGE};
    static const enum deed deeds[] = {STOP, FREE};
    for (size_t i = 0; i < TS_ARRAY_LEN(places) * TS_ARRAY_LEN(deeds); i++) {
        struct gateway g;
        struct user u;
        struct ts_error err;
        use(&u, &g);
        start_with(&u, &conf);
        u.deed = deeds[i % TS_ARRAY_LEN(deeds)];
        if (places[i / TS_ARRAY_LEN(deeds)] == ON_MESSAGE) {
            struct ts_buf requests = ts_buf_init(64);
            ts_ib_add_positions_request(&requests);
            run_until(&u, TS_PR_OK);
            assert_true(ts_ibapi_client_send(u.client, &requests, &err));
            ts_buf_done(&requests);
        }
        u.place = places[i / TS_ARRAY_LEN(deeds)];
        run_until_stopped();
        int before = u.states + u.accounts + u.messages;
        run_for(20);
        assert_int_equal(u.deeds, 1);
        assert_int_equal(u.states + u.accounts + u.messages, before);
        assert_int_equal(u.ends, 0);
        assert_null(g.peer); /* the connection went with it */
        leave(&u, &g);
    }
}

static void test_every_callback_may_start_anew(void **state)
{
    (void)state;
    static const enum place places[] = {ON_STATE, ON_ACCOUNTS};
    for (size_t i = 0; i < TS_ARRAY_LEN(places); i++) {
        struct gateway g;
        struct user u;
        use(&u, &g);
        u.wanted = TS_PR_PENDING; /* do not leave the loop at the first */
        u.place = places[i];
        u.deed = START_ANEW;
        start_with(&u, &conf);
        for (int n = 0; n < 200 && (g.starts < 2 || u.reason != TS_PR_OK || u.accounts < 2); n++) {
            run_for(5);
        }
        assert_int_equal(u.reason, TS_PR_OK);
        assert_int_equal(g.starts, 2);
        assert_int_equal(u.accounts, 2);
        assert_int_equal(u.deeds, 1);
        assert_int_equal(u.ends, 0);
        leave(&u, &g);
    }
}

static void test_a_lost_session_may_be_started_anew_from_its_callback(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    become_ready(&u, &g);
    u.place = ON_STATE;
    u.deed = START_ANEW;
    gw_drop(&g, false);
    run_until(&u, TS_PR_OK);
    assert_int_equal(u.ends, 1);
    assert_int_equal(g.starts, 2);
    leave(&u, &g);
}

static void test_a_stopped_client_says_nothing_more(void **state)
{
    (void)state;
    struct gateway g;
    struct user u;
    use(&u, &g);
    start_with(&u, &conf);
    ts_ibapi_client_stop(u.client);
    assert_false(ts_ibapi_client_running(u.client));
    ts_ibapi_client_stop(u.client);
    run_for(20);
    assert_int_equal(u.states + u.accounts, 0);
    leave(&u, &g);
    ts_ibapi_client_free(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_becomes_ready_and_tells_the_accounts_first),
        LOOP_TEST(test_each_of_several_account_lists_in_one_read_is_told),
        LOOP_TEST(test_a_closed_or_broken_session_is_told_at_once),
        LOOP_TEST(test_nobody_listens),
        LOOP_TEST(test_accepted_and_closed),
        LOOP_TEST(test_a_hang_is_told_after_ping_and_timeout),
        LOOP_TEST(test_each_ping_is_told),
        LOOP_TEST(test_the_upstream_is_told_as_it_changes),
        LOOP_TEST(test_requests_go_out_and_answers_come_in),
        LOOP_TEST(test_every_callback_may_end_the_client),
        LOOP_TEST(test_every_callback_may_start_anew),
        LOOP_TEST(test_a_lost_session_may_be_started_anew_from_its_callback),
        LOOP_TEST(test_a_stopped_client_says_nothing_more),
    };
    return RUN_TESTS(tests);
}
