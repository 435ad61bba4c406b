/* See pinger_internal.h. */
#include "platform/pinger_internal.h"

#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/parse.h"

evutil_socket_t ts_pinger_connect(const char *path)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    int fd = ts_copy(addr.sun_path, sizeof(addr.sun_path), path)
                 ? socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)
                 : -1;
    /* A local connect succeeds or fails at once; EAGAIN is a full backlog. */
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&addr, sizeof(addr)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}
