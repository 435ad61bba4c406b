/*
 * Windows only: a named pipe behind a socket. libevent and libcurl watch sockets, not pipes
 * (libevent#1117), so each pipe has a thread that moves bytes between it and one end of a local
 * socket pair; the other end is used like any connection. Closing that end ends the thread and
 * closes the pipe once what was sent has been written; when the pipe is closed, the socket is, once
 * all has been read.
 */
#ifndef TS_BASE_PIPE_WIN_H
#define TS_BASE_PIPE_WIN_H

#include <event2/util.h>

#include "base/win.h"

#define TS_PIPE_PATH 260 /* a pipe's name, NUL included */

/* Opens a pipe for overlapped use as a client that may be identified, not impersonated. False: the
 * Windows error is in *ret_error; ERROR_PIPE_BUSY: all its instances are taken, try again. */
bool ts_pipe_open(const char *path, HANDLE *ret, DWORD *ret_error);

/*
 * A socket that does not block, connected to the pipe. One whose instances are all taken is waited
 * for behind the socket, for at most busy_ms; when they stay taken, the socket is closed without a
 * byte. TS_E_NOT_FOUND: no such pipe; TS_E_DENIED; TS_E_SYSTEM.
 */
bool ts_pipe_dial(const char *path, DWORD busy_ms, evutil_socket_t *ret,
                  struct ts_error *err) TS_MUST_CHECK;

/* The same for a pipe that is open (overlapped): a server's end. Takes it, also on failure. */
bool ts_pipe_attach(HANDLE take_pipe, evutil_socket_t *ret, struct ts_error *err) TS_MUST_CHECK;

#endif
