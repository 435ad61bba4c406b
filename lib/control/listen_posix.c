/* The socket file: made, and replaced only when nobody can be using it. */
#include <errno.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "control/server_internal.h"

#define BACKLOG 64

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

int ts_control_listen(const char *path, struct ts_error *err)
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
