/*
 * Host name to addresses without blocking. POSIX: the hosts file, then the system's name servers,
 * over libevent's evdns; each look-up reads the configuration afresh, so a changed resolv.conf
 * needs no restart. Windows: the system's own resolver. Nothing is kept awake between look-ups.
 */
#ifndef TS_NET_RESOLVE_H
#define TS_NET_RESOLVE_H

#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

struct addrinfo;
struct ts_lookup;

/* Addresses (borrowed for the call), or NULL and err: TS_E_NOT_FOUND (no such name),
 * TS_E_UNAVAILABLE (the name servers did not answer), TS_E_NOMEM. */
typedef void ts_lookup_done(void *ctx, const struct addrinfo *addresses,
                            const struct ts_error *err);

/*
 * Looks up the stream addresses of a host; a numeric one works too. done runs once, in a later
 * turn, and the look-up is gone when it returns. There is no deadline but the resolver's own (about
 * 15 s a name server): the caller cancels. NULL: TS_E_NOMEM.
 */
struct ts_lookup *ts_lookup_start(struct ts_loop *loop, const char *host, uint16_t port,
                                  ts_lookup_done *done, void *ctx,
                                  struct ts_error *err) TS_MUST_CHECK;
/* done is not called any more. NULL is fine; not from inside done. */
void ts_lookup_cancel(struct ts_lookup *l);

#endif
