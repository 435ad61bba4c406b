/* What the operating system offers; implemented once per platform. */
#ifndef TS_NET_ADDRESS_INTERNAL_H
#define TS_NET_ADDRESS_INTERNAL_H

#include <stdbool.h>

bool ts_net_has_named_pipes(void);

#endif
