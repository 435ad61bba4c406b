/* The few socket operations whose form differs between platforms; one file implements each. */
#ifndef TS_NET_SOCKET_INTERNAL_H
#define TS_NET_SOCKET_INTERNAL_H

#include <stddef.h>

#include <event2/util.h>

#include "net/tcp.h"

struct sockaddr;

/* A stream socket that does not block, does not survive exec and sends small writes at once; -1
 * with the error in ts_socket_error(). */
evutil_socket_t ts_socket_open(int family);
/* 0: connected; 1: on its way, becomes writable when decided; -1: failed. */
int ts_socket_connect(evutil_socket_t fd, const struct sockaddr *to, size_t len);
/* Bytes moved, 0 at the end of input (receive), -1 failed, -2 would block. Never raises SIGPIPE. */
ptrdiff_t ts_socket_receive(evutil_socket_t fd, void *into, size_t n);
ptrdiff_t ts_socket_send(evutil_socket_t fd, const void *from, size_t n);
/* The last failure of the calling thread, and the one a finished connect left on the socket. */
int ts_socket_error(void);
int ts_socket_pending_error(evutil_socket_t fd);
/* Which end of a connection an error number means. */
enum ts_tcp_end ts_socket_end_of(int error);
/* Are both ends of the connection the same socket? */
bool ts_socket_is_self(evutil_socket_t fd);

#endif
