/* What the operating system offers; implemented once per platform. */
#ifndef TS_NET_ADDRESS_INTERNAL_H
#define TS_NET_ADDRESS_INTERNAL_H

#include <stdbool.h>

/* Unix sockets (false: named pipes). */
bool ts_net_has_unix_sockets(void);

#endif
