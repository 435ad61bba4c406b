#include "net_fixture.h"

#include "net/tcp.h"

struct seen {
    struct ts_tcp *tcp;
    char data[65536];
    size_t len;
    int connected;
    int closed;
    enum ts_tcp_end end;
    struct ts_error err;
    bool free_on_connect;
    bool free_on_data;
};

static void on_connected(void *ctx)
{
    struct seen *s = ctx;
    s->connected++;
    if (s->free_on_connect) {
        ts_tcp_free(s->tcp);
        s->tcp = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    struct seen *s = ctx;
    assert_true(n > 0 && n <= TS_TCP_READ_MAX && s->len + n <= sizeof(s->data));
    memcpy(s->data + s->len, bytes, n);
    s->len += n;
    if (s->free_on_data) {
        ts_tcp_free(s->tcp);
        s->tcp = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    struct seen *s = ctx;
    s->closed++;
    s->end = end;
    s->err = *err;
    ts_tcp_free(s->tcp);
    s->tcp = NULL;
    ts_loop_stop(fixture_loop);
}

static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};

static void start(struct seen *s, const char *host, uint16_t port, uint32_t connect_ms)
{
    struct ts_error err;
    struct ts_tcp_call call = {host, port, connect_ms, 1024};
    s->tcp = ts_tcp_start(fixture_loop, &call, &handler, s, &err);
    assert_non_null(s->tcp);
    assert_int_equal(s->connected + s->closed, 0);
}

/* A loopback port on which nobody listens. */
static uint16_t dead_port(void)
{
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)evutil_closesocket(fd);
    return ntohs(at.sin_port);
}

static const struct answer echo[] = {{"/hello", "world", 0, false}, {"/bye", "bye", 0, true}};

static void test_connects_writes_and_reads(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_tcp(&server, echo, 2);
    struct seen s = {0};
    struct ts_error err;
    start(&s, "127.0.0.1", server.port, 1000);
    assert_false(ts_tcp_write(s.tcp, "x", 1, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    run_until_stopped();
    assert_int_equal(s.connected, 1);
    assert_true(ts_tcp_write(s.tcp, "GET /hello HTTP/1.0\r\n\r\n", 23, &err));
    run_until_stopped();
    assert_int_equal(s.len, 5);
    assert_memory_equal(s.data, "world", 5);
    ts_tcp_free(s.tcp);
    run_for(20);
    assert_int_equal(s.closed, 0);
    server_stop(&server);
}

static void test_the_others_close_is_told_once_after_the_data(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_tcp(&server, echo, 2);
    struct seen s = {0};
    struct ts_error err;
    start(&s, "127.0.0.1", server.port, 1000);
    run_until_stopped();
    assert_true(ts_tcp_write(s.tcp, "GET /bye HTTP/1.0\r\n\r\n", 21, &err));
    while (s.closed == 0) {
        run_until_stopped();
    }
    assert_int_equal(s.end, TS_TCP_EOF);
    assert_memory_equal(s.data, "bye", 3);
    run_for(20);
    assert_int_equal(s.closed, 1);
    server_stop(&server);
}

static void test_a_dead_port_is_refused(void **state)
{
    (void)state;
    struct seen s = {0};
    start(&s, "127.0.0.1", dead_port(), 1000);
    run_until_stopped();
    assert_int_equal(s.connected, 0);
    assert_int_equal(s.end, TS_TCP_REFUSED);
    assert_string_equal(ts_tcp_end_name(s.end), "refused");
    assert_int_equal(s.err.code, TS_E_UNAVAILABLE);
}

/* A listener whose queue is full answers no SYN: the nearest black hole. */
static void test_no_answer_ends_at_the_deadline(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    evutil_socket_t fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(listen(fd, 0), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    evutil_socket_t filler[4];
    for (size_t i = 0; i < TS_ARRAY_LEN(filler); i++) {
        filler[i] = socket(AF_INET, SOCK_STREAM, 0);
        assert_int_equal(evutil_make_socket_nonblocking(filler[i]), 0);
        (void)connect(filler[i], (const struct sockaddr *)&at, sizeof(at));
    }
    struct seen s = {0};
    start(&s, "127.0.0.1", ntohs(at.sin_port), 60);
    run_until_stopped();
    assert_int_equal(s.connected, 0);
    assert_int_equal(s.end, TS_TCP_TIMEOUT);
    assert_int_equal(s.err.code, TS_E_TIMEOUT);
    for (size_t i = 0; i < TS_ARRAY_LEN(filler); i++) {
        (void)evutil_closesocket(filler[i]);
    }
    (void)evutil_closesocket(fd);
}

static void test_names_of_the_hosts_file_are_found_and_every_address_is_tried(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_tcp(&server, echo, 2); /* IPv4 only; localhost may be ::1 first */
    struct seen s = {0};
    start(&s, "localhost", server.port, 2000);
    run_until_stopped();
    assert_int_equal(s.connected, 1);
    ts_tcp_free(s.tcp);
    server_stop(&server);
}

static void test_a_look_up_can_be_given_up(void **state)
{
    (void)state;
    struct seen s = {0};
    start(&s, "name.invalid", 80, 5000);
    ts_tcp_free(s.tcp);
    run_for(20);
    assert_int_equal(s.closed, 0);
    /* and one that is under way when the loop goes */
    start(&s, "other.invalid", 80, 5000);
    ts_tcp_free(s.tcp);
}

static void test_a_look_up_ends_at_the_deadline(void **state)
{
    (void)state;
    struct seen s = {0};
    start(&s, "name.invalid", 80, 30);
    run_until_stopped();
    /* Which of the two comes first depends on the machine's name servers. */
    assert_true(s.end == TS_TCP_TIMEOUT || s.end == TS_TCP_NO_NAME);
}

static void test_a_callback_may_free_its_connection(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_tcp(&server, echo, 2);
    struct seen s = {.free_on_connect = true};
    start(&s, "127.0.0.1", server.port, 1000);
    run_until_stopped();
    assert_null(s.tcp);
    s = (struct seen){.free_on_data = true};
    start(&s, "127.0.0.1", server.port, 1000);
    run_until_stopped();
    struct ts_error err;
    assert_true(ts_tcp_write(s.tcp, "GET /bye HTTP/1.0\r\n\r\n", 21, &err));
    run_until_stopped();
    assert_null(s.tcp);
    run_for(20);
    assert_int_equal(s.closed, 0);
    server_stop(&server);
}

static void test_the_output_queue_is_bounded_and_kept_in_order(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_tcp(&server, echo, 2);
    struct seen s = {0};
    static char block[1024];
    memset(block, 'b', sizeof(block));
    struct ts_error err;
    start(&s, "127.0.0.1", server.port, 1000);
    run_until_stopped();
    for (int n = 0; n < 1000 && server.peers[0] == NULL; n++) {
        run_for(5);
    }
    bufferevent_disable(server.peers[0], EV_READ);
    size_t written = 0;
    while (ts_tcp_write(s.tcp, block, sizeof(block), &err)) {
        written += sizeof(block);
        assert_true(written < 100000000);
    }
    assert_int_equal(err.code, TS_E_LIMIT);
    assert_true(ts_tcp_queued(s.tcp) > 0 && ts_tcp_queued(s.tcp) <= 1024);
    bufferevent_setwatermark(server.peers[0], EV_READ, written, 0);
    bufferevent_enable(server.peers[0], EV_READ);
    for (int i = 0; i < 500 && ts_tcp_queued(s.tcp) > 0; i++) {
        run_for(2);
    }
    assert_int_equal(ts_tcp_queued(s.tcp), 0);
    for (int i = 0;
         i < 500 && evbuffer_get_length(bufferevent_get_input(server.peers[0])) < written; i++) {
        run_for(2);
    }
    assert_int_equal(evbuffer_get_length(bufferevent_get_input(server.peers[0])), written);
    ts_tcp_free(s.tcp);
    server_stop(&server);
}

static void test_a_connection_that_rests_is_no_reset_when_it_goes(void **state)
{
    (void)state;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    evutil_socket_t listener = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(listener, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(listener, (struct sockaddr *)&at, &len), 0);
    assert_int_equal(listen(listener, 1), 0);
    struct seen s = {.connected = 0};
    start(&s, "127.0.0.1", ntohs(at.sin_port), 1000);
    run_until_stopped();
    assert_int_equal(s.connected, 1);
    evutil_socket_t peer = accept(listener, NULL, NULL);
    ts_tcp_rest(s.tcp, ts_mono_add(ts_loop_now(fixture_loop), 60000));
    assert_int_equal(send(peer, "rest", 4, 0), 4);
    run_for(20);
    assert_int_equal(s.len, 0); /* nobody is woken for it … */
    ts_tcp_rest(s.tcp, ts_mono_add(ts_loop_now(fixture_loop), 20));
    run_until_stopped();
    assert_int_equal(s.len, 4); /* … before the time */
    ts_mono together = ts_mono_next(ts_loop_now(fixture_loop), 4);
    ts_tcp_read_together(s.tcp);
    assert_int_equal(send(peer, "soon", 4, 0), 4);
    run_until_stopped();
    assert_int_equal(s.len, 8);
    assert_true(ts_loop_now(fixture_loop).ms >= together.ms);
    assert_int_equal(send(peer, "more", 4, 0), 4);
    ts_tcp_free(s.tcp);
    char byte;
    assert_int_equal(recv(peer, &byte, 1, 0), 0);
    (void)evutil_closesocket(peer);
    (void)evutil_closesocket(listener);
}

static void test_a_call_without_limits_is_refused(void **state)
{
    (void)state;
    static const struct ts_tcp_call calls[] = {
        {"", 1, 1, 0}, {NULL, 1, 1, 0}, {"h", 0, 1, 0}, {"h", 1, 0, 0}};
    for (size_t i = 0; i < TS_ARRAY_LEN(calls); i++) {
        struct ts_error err;
        assert_null(ts_tcp_start(fixture_loop, &calls[i], &handler, NULL, &err));
        assert_int_equal(err.code, TS_E_INVALID);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_connects_writes_and_reads),
        LOOP_TEST(test_the_others_close_is_told_once_after_the_data),
        LOOP_TEST(test_a_dead_port_is_refused),
        LOOP_TEST(test_no_answer_ends_at_the_deadline),
        LOOP_TEST(test_names_of_the_hosts_file_are_found_and_every_address_is_tried),
        LOOP_TEST(test_a_look_up_can_be_given_up),
        LOOP_TEST(test_a_look_up_ends_at_the_deadline),
        LOOP_TEST(test_a_callback_may_free_its_connection),
        LOOP_TEST(test_the_output_queue_is_bounded_and_kept_in_order),
        LOOP_TEST(test_a_connection_that_rests_is_no_reset_when_it_goes),
        LOOP_TEST(test_a_call_without_limits_is_refused),
    };
    return RUN_TESTS(tests);
}
