/* Connections that only a POSIX kernel lets a test bring about. */
#include "net_fixture.h"

#include <sys/syscall.h>
#include <unistd.h>

#include "net/tcp.h"

/* Stands in front of libc's connect(): when asked, it first binds the socket to the address that
 * it is to connect to, which is how a self-connect comes about by chance. */
static bool force_self_connect;

int connect(int fd, __CONST_SOCKADDR_ARG to, socklen_t len)
{
    const struct sockaddr *address = to.__sockaddr__;
    if (force_self_connect) {
        assert_int_equal(bind(fd, address, len), 0);
    }
    return (int)syscall(SYS_connect, fd, address, len);
}

static enum ts_tcp_end seen_end;
static bool seen_connected;
static struct ts_tcp *tcp;

static void on_connected(void *ctx)
{
    (void)ctx;
    seen_connected = true;
    ts_loop_stop(fixture_loop);
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    (void)ctx;
    (void)err;
    seen_end = end;
    ts_tcp_free(tcp);
    ts_loop_stop(fixture_loop);
}

static void test_a_self_connect_is_not_taken_for_a_listener(void **state)
{
    (void)state;
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    struct ts_error err;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof(at);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (const struct sockaddr *)&at, sizeof(at)), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&at, &len), 0);
    (void)close(fd);
    const struct ts_tcp_call call = {"127.0.0.1", ntohs(at.sin_port), 1000, 1024};
    force_self_connect = true;
    tcp = ts_tcp_start(fixture_loop, &call, &handler, NULL, &err);
    force_self_connect = false;
    assert_non_null(tcp);
    run_until_stopped();
    assert_false(seen_connected);
    assert_int_equal(seen_end, TS_TCP_SELF_CONNECT);
}

static void test_a_reset_is_told_apart_from_a_close(void **state)
{
    (void)state;
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    static const struct answer none[] = {{"/", "", 0, false}};
    struct ts_error err;
    struct server server = {0};
    server_start_tcp(&server, none, 1);
    const struct ts_tcp_call call = {"127.0.0.1", server.port, 1000, 1024};
    seen_connected = false;
    tcp = ts_tcp_start(fixture_loop, &call, &handler, NULL, &err);
    assert_non_null(tcp);
    while (!seen_connected || server.peer_count == 0) {
        run_for(1);
    }
    struct linger hard = {.l_onoff = 1};
    assert_int_equal(
        setsockopt(bufferevent_getfd(server.peers[0]), SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)),
        0);
    bufferevent_free(server.peers[0]);
    server.peers[0] = NULL;
    run_until_stopped();
    assert_int_equal(seen_end, TS_TCP_RESET);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        LOOP_TEST(test_a_self_connect_is_not_taken_for_a_listener),
        LOOP_TEST(test_a_reset_is_told_apart_from_a_close),
    };
    return RUN_TESTS(tests);
}
