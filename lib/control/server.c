/* See server.h. The listener and its clients; calls and replies are in call.c. */
#include "control/server_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#define BACKLOG         64
#define ACCEPT_PAUSE_MS 1000  /* after running out of file descriptors */
#define HALF_SENT_MS    10000 /* a call that began must be complete by then */

/* Everything of the client but its own memory; its call learns that it is gone. */
static void close_client(struct ts_client *client)
{
    struct ts_control *c = client->control;
    for (struct ts_client **at = &c->clients; *at != NULL; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            break;
        }
    }
    c->client_count--;
    client->control = NULL;
    if (client->call.active && client->call.gone != NULL) {
        void (*gone)(void *) = client->call.gone;
        client->call.gone = NULL;
        gone(client->call.gone_ctx);
    }
    client->call.active = false;
    ts_timer_free(client->deadline);
    ts_frames_done(&client->frames);
    bufferevent_free(client->bev);
}

static void free_client(void *arg)
{
    struct ts_client *client = arg;
    if (client->control != NULL) {
        close_client(client);
    }
    free(client);
}

void ts_client_drop(struct ts_client *client)
{
    if (!client->doomed) {
        client->doomed = true;
        (void)bufferevent_disable(client->bev, EV_READ | EV_WRITE);
        ts_loop_defer(client->control->loop, free_client, client);
    }
}

/* Gives the client's complete messages to the handlers, one after the other. */
void ts_client_pump(struct ts_client *client)
{
    while (!client->doomed && !client->call.active) {
        size_t len;
        const char *text = ts_frames_next(&client->frames, &len);
        if (text == NULL) {
            break;
        }
        ts_call_begin(client, text, len);
    }
    if (client->doomed) {
        return;
    }
    if (client->frames.buf.len > client->frames.consumed && !client->call.active) {
        if (!ts_timer_armed(client->deadline)) {
            ts_timer_after(client->deadline, HALF_SENT_MS);
        }
    } else {
        ts_timer_stop(client->deadline);
    }
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct ts_client *client = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char chunk[16384];
    int n;
    while (!client->doomed && (n = evbuffer_remove(in, chunk, sizeof(chunk))) > 0) {
        struct ts_error err;
        if (!ts_frames_feed(&client->frames, chunk, (size_t)n, &err)) {
            ts_client_drop(client);
            return;
        }
        ts_client_pump(client);
    }
}

static void on_closed(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    ts_client_drop(arg);
}

static void on_half_sent(void *arg)
{
    ts_client_drop(arg);
}

static struct ts_client *new_client(struct ts_control *c, int fd)
{
    struct ts_error err;
    struct ts_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        return NULL;
    }
    client->control = c;
    client->peer = ts_peer_of(fd);
    client->frames =
        ts_frames_init(TS_VARLINK_REQUEST_MAX * 2); /* a whole call and the begin of the next */
    client->call.client = client;
    client->deadline = ts_timer_new(c->loop, on_half_sent, client, &err);
    client->bev = bufferevent_socket_new(ts_loop_base(c->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (client->deadline == NULL || client->bev == NULL) {
        ts_timer_free(client->deadline);
        if (client->bev != NULL) {
            bufferevent_free(client->bev);
        }
        free(client);
        return NULL;
    }
    return client;
}

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
                      int len, void *arg)
{
    (void)listener;
    (void)addr;
    (void)len;
    struct ts_control *c = arg;
    struct ts_client *client = c->client_count < TS_CONTROL_CLIENTS_MAX ? new_client(c, fd) : NULL;
    if (client == NULL) {
        (void)close(fd);
        return;
    }
    client->next = c->clients;
    c->clients = client;
    c->client_count++;
    bufferevent_setcb(client->bev, on_readable, NULL, on_closed, client);
    bufferevent_setwatermark(client->bev, EV_READ, 0, TS_VARLINK_REQUEST_MAX);
    (void)bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

/* Out of file descriptors: the connection stays in the backlog, so asking again at once would
 * spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct ts_control *c = arg;
    (void)evconnlistener_disable(listener);
    ts_timer_after(c->accept_pause, ACCEPT_PAUSE_MS);
}

static void on_accept_again(void *arg)
{
    struct ts_control *c = arg;
    (void)evconnlistener_enable(c->listener);
}

/* Does a living server answer on this path? */
static bool is_answered(const struct sockaddr_un *addr)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return false;
    }
    bool yes = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 || errno == EAGAIN;
    (void)close(fd);
    return yes;
}

static int listen_on(const char *path, struct ts_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        ts_error_set(err, TS_E_INVALID, "control socket %s: the path has more than %zu bytes", path,
                     sizeof(addr.sun_path) - 1);
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (is_answered(&addr)) {
        ts_error_set(err, TS_E_CONFLICT, "control socket %s: another daemon answers there", path);
        return -1;
    }
    (void)unlink(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0 ||
        chmod(path, 0666) != 0 || listen(fd, BACKLOG) != 0) {
        ts_error_errno(err, errno, "listen on control socket %s", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}

void ts_control_set_groups(struct ts_control *c, const struct ts_control_conf *conf)
{
    c->has_operate_gid = conf->has_operate_gid;
    c->operate_gid = conf->operate_gid;
    c->has_read_gid = conf->has_read_gid;
    c->read_gid = conf->read_gid;
}

struct ts_control *ts_control_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                  struct ts_error *err)
{
    struct ts_control *c = calloc(1, sizeof(*c));
    int fd = conf->listen_fd;
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    c->loop = loop;
    c->methods = conf->methods;
    c->method_count = conf->method_count;
    c->on_refused = conf->on_refused;
    c->ctx = conf->ctx;
    ts_control_set_groups(c, conf);
    if (fd < 0) {
        fd = listen_on(conf->path, err);
        if (fd < 0) {
            free(c);
            return NULL;
        }
        c->path = strdup(conf->path);
    } else {
        (void)evutil_make_socket_nonblocking(fd);
    }
    c->accept_pause = ts_timer_new(loop, on_accept_again, c, err);
    c->listener = c->accept_pause == NULL
                      ? NULL
                      : evconnlistener_new(ts_loop_base(loop), on_accept, c,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (c->listener == NULL) {
        (void)close(fd);
        ts_control_free(c);
        ts_error_nomem(err);
        return NULL;
    }
    evconnlistener_set_error_cb(c->listener, on_accept_error);
    return c;
}

void ts_control_free(struct ts_control *c)
{
    if (c == NULL) {
        return;
    }
    while (c->clients != NULL) {
        struct ts_client *client = c->clients;
        bool loop_frees_it = client->doomed;
        c->clients = client->next;
        close_client(client);
        if (!loop_frees_it) {
            free(client);
        }
    }
    if (c->listener != NULL) {
        evconnlistener_free(c->listener);
    }
    ts_timer_free(c->accept_pause);
    if (c->path != NULL) {
        (void)unlink(c->path);
        free(c->path);
    }
    free(c);
}
