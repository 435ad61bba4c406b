/* Sockets for tests. */
#ifndef TS_TESTS_OS_NET_H
#define TS_TESTS_OS_NET_H

#include <netinet/in.h>
#include <sys/socket.h>

/* As much as the socket takes; its end is no signal. */
static inline size_t os_send(int fd, const char *bytes, size_t n)
{
    ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
    return sent < 0 ? 0 : (size_t)sent;
}

#endif
