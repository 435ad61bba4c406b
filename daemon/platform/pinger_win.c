/* See pinger_internal.h. */
#include "platform/pinger_internal.h"

#include "base/pipe_win.h"

#define BUSY_MS 1000 /* that all instances of the pipe may be taken */

evutil_socket_t ts_pinger_connect(const char *path)
{
    evutil_socket_t fd = -1;
    struct ts_error ignored;
    return ts_pipe_dial(path, BUSY_MS, &fd, &ignored) ? fd : -1;
}
