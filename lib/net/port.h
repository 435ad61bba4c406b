/* Ports of this machine. */
#ifndef TS_NET_PORT_H
#define TS_NET_PORT_H

#include <stdbool.h>
#include <stdint.h>

#include "base/loop.h"

/* Could somebody listen there now? ip: numeric; "" and "0.0.0.0" mean every address. True also when
 * that cannot be found out (an address of another machine). */
bool ts_port_is_free(struct ts_loop *loop, const char *ip, uint16_t port);

#endif
