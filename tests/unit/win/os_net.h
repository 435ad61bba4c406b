/* Sockets for tests. */
#ifndef TS_TESTS_OS_NET_H
#define TS_TESTS_OS_NET_H

#include <winsock2.h>
#include <ws2tcpip.h>

#include <stdint.h>

#define SHUT_RD   SD_RECEIVE
#define SHUT_WR   SD_SEND
#define SHUT_RDWR SD_BOTH

/* As much as the socket takes. */
static inline size_t os_send(intptr_t fd, const char *bytes, size_t n)
{
    int sent = send((SOCKET)fd, bytes, (int)n, 0);
    return sent < 0 ? 0 : (size_t)sent;
}

#endif
