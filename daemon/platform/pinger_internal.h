/* The part of pinger.c that differs between platforms: pinger_*.c. */
#ifndef TS_DAEMON_PINGER_INTERNAL_H
#define TS_DAEMON_PINGER_INTERNAL_H

#include <event2/util.h>

#define TS_PINGER_PATH 108 /* sun_path of Linux, NUL included */

/* A connection to the control socket that does not block, or -1: nobody can be reached there. */
evutil_socket_t ts_pinger_connect(const char *path);

#endif
