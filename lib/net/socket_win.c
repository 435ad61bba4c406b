/* See socket_internal.h and address_internal.h: Winsock. */
#include "net/socket_internal.h"

#include "base/win.h"

#include <string.h>
#include <ws2tcpip.h>

#include "net/address_internal.h"

bool ts_net_has_unix_sockets(void)
{
    return false;
}

evutil_socket_t ts_socket_open(int family)
{
    SOCKET fd = WSASocketW(family, SOCK_STREAM, IPPROTO_TCP, NULL, 0,
                           WSA_FLAG_OVERLAPPED | WSA_FLAG_NO_HANDLE_INHERIT);
    u_long on = 1;
    if (fd == INVALID_SOCKET) {
        return -1;
    }
    if (ioctlsocket(fd, (long)FIONBIO, &on) != 0) {
        (void)closesocket(fd);
        return -1;
    }
    int yes = 1;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, (const char *)&yes, sizeof(yes));
    return (evutil_socket_t)fd;
}

int ts_socket_connect(evutil_socket_t fd, const struct sockaddr *to, size_t len)
{
    if (connect((SOCKET)fd, to, (int)len) == 0) {
        return 0;
    }
    int why = WSAGetLastError();
    return why == WSAEWOULDBLOCK || why == WSAEINPROGRESS ? 1 : -1;
}

static ptrdiff_t moved(int n)
{
    if (n >= 0) {
        return n;
    }
    return WSAGetLastError() == WSAEWOULDBLOCK ? -2 : -1;
}

static int cut_size(size_t n)
{
    return n > INT32_MAX ? INT32_MAX : (int)n;
}

ptrdiff_t ts_socket_receive(evutil_socket_t fd, void *into, size_t n)
{
    return moved(recv((SOCKET)fd, into, cut_size(n), 0));
}

ptrdiff_t ts_socket_send(evutil_socket_t fd, const void *from, size_t n)
{
    return moved(send((SOCKET)fd, from, cut_size(n), 0));
}

int ts_socket_error(void)
{
    return WSAGetLastError();
}

int ts_socket_pending_error(evutil_socket_t fd)
{
    int error = 0;
    int len = sizeof(error);
    return getsockopt((SOCKET)fd, SOL_SOCKET, SO_ERROR, (char *)&error, &len) == 0
               ? error
               : WSAGetLastError();
}

enum ts_tcp_end ts_socket_end_of(int error)
{
    static const struct {
        int error;
        enum ts_tcp_end end;
    } rows[] = {
        {WSAECONNREFUSED, TS_TCP_REFUSED},      {WSAETIMEDOUT, TS_TCP_TIMEOUT},
        {WSAENETUNREACH, TS_TCP_UNREACHABLE},   {WSAEHOSTUNREACH, TS_TCP_UNREACHABLE},
        {WSAENETDOWN, TS_TCP_UNREACHABLE},      {WSAEHOSTDOWN, TS_TCP_UNREACHABLE},
        {WSAEADDRNOTAVAIL, TS_TCP_UNREACHABLE}, {WSAECONNRESET, TS_TCP_RESET},
        {WSAENETRESET, TS_TCP_RESET},           {WSAECONNABORTED, TS_TCP_RESET},
        {WSAESHUTDOWN, TS_TCP_RESET},
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
    int here_len = sizeof(here);
    int there_len = sizeof(there);
    return getsockname((SOCKET)fd, (struct sockaddr *)&here, &here_len) == 0 &&
           getpeername((SOCKET)fd, (struct sockaddr *)&there, &there_len) == 0 &&
           here_len == there_len && memcmp(&here, &there, (size_t)here_len) == 0;
}
