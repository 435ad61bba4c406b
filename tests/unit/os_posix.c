/* See os.h. */
#include "os.h"

#include <ftw.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <event2/listener.h>

void os_temp_dir(char out[OS_PATH])
{
    (void)snprintf(out, OS_PATH, "/tmp/ts-test-XXXXXX");
    if (mkdtemp(out) == NULL) {
        abort();
    }
}

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

void os_remove(const char *path)
{
    (void)nftw(path, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

void os_set_env(const char *name, const char *value)
{
    if ((value != NULL ? setenv(name, value, 1) : unsetenv(name)) != 0) {
        abort();
    }
}

void os_set_private(const char *path, bool is_private)
{
    if (chmod(path, is_private ? 0600 : 0644) != 0) {
        abort();
    }
}

void os_local_path(char out[OS_PATH])
{
    os_temp_dir(out);
    (void)strcat(out, "/socket");
}

struct os_local {
    struct evconnlistener *listener;
    char path[OS_PATH];
    void (*accept)(void *ctx, evutil_socket_t fd);
    void *ctx;
};

static void on_accept(struct evconnlistener *listener, evutil_socket_t fd, struct sockaddr *from,
                      int len, void *ctx)
{
    (void)listener;
    (void)from;
    (void)len;
    struct os_local *l = ctx;
    l->accept(l->ctx, fd);
}

static struct sockaddr_un address_of(const char *path)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (strlen(path) >= sizeof(at.sun_path)) {
        abort();
    }
    memcpy(at.sun_path, path, strlen(path) + 1);
    return at;
}

struct os_local *os_local_listen(struct ts_loop *loop, const char *path,
                                 void (*accept)(void *ctx, evutil_socket_t fd), void *ctx)
{
    struct os_local *l = calloc(1, sizeof(*l));
    const struct sockaddr_un at = address_of(path);
    if (l == NULL) {
        abort();
    }
    l->accept = accept;
    l->ctx = ctx;
    memcpy(l->path, path, strlen(path) + 1);
    l->listener = evconnlistener_new_bind(ts_loop_base(loop), on_accept, l,
                                          LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC, 16,
                                          (const struct sockaddr *)&at, (int)sizeof(at));
    if (l->listener == NULL) {
        abort();
    }
    return l;
}

void os_local_stop(struct os_local *l)
{
    evconnlistener_free(l->listener);
    *strrchr(l->path, '/') = '\0';
    os_remove(l->path);
    free(l);
}

evutil_socket_t os_local_dial(const char *path)
{
    const struct sockaddr_un at = address_of(path);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&at, sizeof(at)) != 0) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

bool os_local_is_gone(const char *path)
{
    return access(path, F_OK) != 0;
}
