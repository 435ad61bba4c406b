/* See server_internal.h. The socket file: made, and replaced only when nobody can be using it. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/listener.h>

#include "control/server_internal.h"

#define BACKLOG         64
#define ACCEPT_PAUSE_MS 1000 /* after running out of file descriptors */

struct ts_listener {
    struct evconnlistener *listener;
    struct ts_timer *pause;
    char *path; /* to be removed; NULL when the socket was handed over */
    void (*accept)(void *ctx, evutil_socket_t fd);
    void *ctx;
};

/* Takes away what a dead daemon left behind. Anything that is no socket is not ours to remove, and
 * a socket that refuses no connection has somebody behind it. */
static bool clear_path(const struct sockaddr_un *addr, struct ts_error *err)
{
    const char *path = addr->sun_path;
    struct stat st;
    if (lstat(path, &st) != 0) {
        return errno == ENOENT || ts_error_errno(err, errno, "control socket %s", path);
    }
    if (!S_ISSOCK(st.st_mode)) {
        return ts_error_set(err, TS_E_CONFLICT,
                            "control socket %s: something that is no socket is there", path);
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0) {
        return ts_error_errno(err, errno, "make a socket");
    }
    int why = connect(fd, (const struct sockaddr *)addr, sizeof(*addr)) == 0 ? 0 : errno;
    (void)close(fd);
    if (why == ECONNREFUSED) {
        return unlink(path) == 0 || ts_error_errno(err, errno, "remove the old socket %s", path);
    }
    if (why == 0 || why == EAGAIN) {
        return ts_error_set(err, TS_E_CONFLICT, "control socket %s: another daemon answers there",
                            path);
    }
    return ts_error_errno(err, why, "control socket %s: does somebody answer there?", path);
}

/* A listening socket with its file, or -1. */
static int listen_at(const char *path, struct ts_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(addr.sun_path)) {
        ts_error_set(err, TS_E_INVALID, "control socket %s: the path has more than %zu bytes", path,
                     sizeof(addr.sun_path) - 1);
        return -1;
    }
    memcpy(addr.sun_path, path, strlen(path) + 1);
    if (!clear_path(&addr, err)) {
        return -1;
    }
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

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *addr,
                      int len, void *arg)
{
    (void)listener;
    (void)addr;
    (void)len;
    struct ts_listener *l = arg;
    l->accept(l->ctx, fd);
}

/* Out of file descriptors: the connection stays in the backlog, so asking again at once would
 * spin. */
static void on_accept_error(struct evconnlistener *listener, void *arg)
{
    struct ts_listener *l = arg;
    (void)evconnlistener_disable(listener);
    ts_timer_after(l->pause, ACCEPT_PAUSE_MS);
}

static void on_accept_again(void *arg)
{
    struct ts_listener *l = arg;
    (void)evconnlistener_enable(l->listener);
}

struct ts_listener *ts_listener_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                    void (*accept)(void *ctx, evutil_socket_t fd), void *ctx,
                                    struct ts_error *err)
{
    struct ts_listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    l->accept = accept;
    l->ctx = ctx;
    int fd = conf->listen_fd;
    if (fd >= 0) {
        (void)evutil_make_socket_nonblocking(fd);
    } else {
        fd = listen_at(conf->path, err);
        l->path = fd < 0 ? NULL : strdup(conf->path);
    }
    if (fd < 0) {
        free(l);
        return NULL;
    }
    l->pause = ts_timer_new(loop, on_accept_again, l, err);
    l->listener = l->pause == NULL
                      ? NULL
                      : evconnlistener_new(ts_loop_base(loop), on_accept, l,
                                           LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 0, fd);
    if (l->listener == NULL) {
        (void)close(fd);
        ts_listener_free(l);
        ts_error_nomem(err);
        return NULL;
    }
    evconnlistener_set_error_cb(l->listener, on_accept_error);
    return l;
}

void ts_listener_free(struct ts_listener *l)
{
    if (l == NULL) {
        return;
    }
    if (l->listener != NULL) {
        evconnlistener_free(l->listener);
    }
    ts_timer_free(l->pause);
    if (l->path != NULL) {
        (void)unlink(l->path);
        free(l->path);
    }
    free(l);
}

void ts_listener_set_groups(struct ts_listener *l, const struct ts_control_conf *conf)
{
    (void)l; /* who may do what is asked at each call */
    (void)conf;
}

void ts_listener_say(evutil_socket_t fd, const char *bytes, size_t n)
{
    (void)send(fd, bytes, n, MSG_NOSIGNAL | MSG_DONTWAIT);
}
