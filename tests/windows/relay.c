/* The engine's named pipe for tests: relay PIPE PORT passes every client of the pipe on to a TCP
 * port of this machine, where a real engine listens. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/loop.h"
#include "os.h"
#include "os_net.h"

struct pair {
    struct bufferevent *client;
    struct bufferevent *engine;
};

static struct ts_loop *loop;
static uint16_t port;

static void free_pair(struct pair *p)
{
    bufferevent_free(p->client);
    bufferevent_free(p->engine);
    free(p);
}

static void on_data(struct bufferevent *from, void *ctx)
{
    struct pair *p = ctx;
    (void)bufferevent_write_buffer(from == p->client ? p->engine : p->client,
                                   bufferevent_get_input(from));
}

static void on_drained(struct bufferevent *bev, void *ctx)
{
    (void)bev;
    free_pair(ctx);
}

/* What was read before one side ended still reaches the other. */
static void on_event(struct bufferevent *from, short what, void *ctx)
{
    struct pair *p = ctx;
    struct bufferevent *to = from == p->client ? p->engine : p->client;
    if ((what & (BEV_EVENT_EOF | BEV_EVENT_ERROR)) == 0) {
        return;
    }
    if (evbuffer_get_length(bufferevent_get_output(to)) == 0) {
        free_pair(p);
        return;
    }
    (void)bufferevent_disable(from, EV_READ | EV_WRITE);
    bufferevent_setcb(to, NULL, on_drained, on_event, p);
}

static void on_client(void *ctx, evutil_socket_t fd)
{
    (void)ctx;
    const struct sockaddr_in at = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    struct pair *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        abort();
    }
    p->client = bufferevent_socket_new(ts_loop_base(loop), fd, BEV_OPT_CLOSE_ON_FREE);
    p->engine = bufferevent_socket_new(ts_loop_base(loop), -1, BEV_OPT_CLOSE_ON_FREE);
    bufferevent_setcb(p->client, on_data, NULL, on_event, p);
    bufferevent_setcb(p->engine, on_data, NULL, on_event, p);
    (void)bufferevent_enable(p->client, EV_READ | EV_WRITE);
    (void)bufferevent_enable(p->engine, EV_READ | EV_WRITE);
    (void)bufferevent_socket_connect(p->engine, (const struct sockaddr *)&at, (int)sizeof(at));
}

int main(int argc, char **argv)
{
    struct ts_error err;
    if (argc != 3) {
        (void)fprintf(stderr, "usage: relay PIPE PORT\n");
        return 2;
    }
    port = (uint16_t)strtoul(argv[2], NULL, 10);
    loop = ts_loop_new(ts_clock_real(), &err);
    if (loop == NULL) {
        return 1;
    }
    (void)os_local_listen(loop, argv[1], on_client, NULL);
    return ts_loop_run(loop, NULL, NULL, &err) ? 0 : 1;
}
