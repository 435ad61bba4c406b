/* See socket_internal.h and address_internal.h: Linux and other POSIX systems. */
#include "net/socket_internal.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <string.h>
#include <sys/socket.h>

#include "net/address_internal.h"

bool ts_net_has_unix_sockets(void)
{
    return true;
}

evutil_socket_t ts_socket_open(int family)
{
    int fd = socket(family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd >= 0) {
        int on = 1;
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
    }
    return fd;
}

int ts_socket_connect(evutil_socket_t fd, const struct sockaddr *to, size_t len)
{
    if (connect(fd, to, (socklen_t)len) == 0) {
        return 0;
    }
    return errno == EINPROGRESS || errno == EINTR ? 1 : -1;
}

static ptrdiff_t moved(ssize_t n)
{
    if (n >= 0) {
        return n;
    }
    return errno == EAGAIN || errno == EINTR ? -2 : -1;
}

ptrdiff_t ts_socket_receive(evutil_socket_t fd, void *into, size_t n)
{
    return moved(recv(fd, into, n, 0));
}

ptrdiff_t ts_socket_send(evutil_socket_t fd, const void *from, size_t n)
{
    return moved(send(fd, from, n, MSG_NOSIGNAL));
}

int ts_socket_error(void)
{
    return errno;
}

int ts_socket_pending_error(evutil_socket_t fd)
{
    int error = 0;
    socklen_t len = sizeof(error);
    return getsockopt(fd, SOL_SOCKET, SO_ERROR, &error, &len) == 0 ? error : errno;
}

enum ts_tcp_end ts_socket_end_of(int error)
{
    static const struct {
        int error;
        enum ts_tcp_end end;
    } rows[] = {
        {ECONNREFUSED, TS_TCP_REFUSED},
        {ETIMEDOUT, TS_TCP_TIMEOUT},
        {ENETUNREACH, TS_TCP_UNREACHABLE},
        {EHOSTUNREACH, TS_TCP_UNREACHABLE},
        {ENETDOWN, TS_TCP_UNREACHABLE},
        {EHOSTDOWN, TS_TCP_UNREACHABLE},
        {EADDRNOTAVAIL, TS_TCP_UNREACHABLE},
        {ECONNRESET, TS_TCP_RESET},
        {EPIPE, TS_TCP_RESET},
        {ECONNABORTED, TS_TCP_RESET},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].error == error) {
            return rows[i].end;
        }
    }
    return TS_TCP_ERROR;
}

bool ts_socket_is_self(evutil_socket_t fd)
{
    struct sockaddr_storage here;
    struct sockaddr_storage there;
    memset(&here, 0, sizeof(here));
    memset(&there, 0, sizeof(there));
    socklen_t here_len = sizeof(here);
    socklen_t there_len = sizeof(there);
    return getsockname(fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername(fd, (struct sockaddr *)&there, &there_len) == 0 && here_len == there_len &&
           memcmp(&here, &there, here_len) == 0;
}
