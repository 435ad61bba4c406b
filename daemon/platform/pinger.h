/* Asks a control socket "Ping", without blocking: is the supervisor's loop alive? */
#ifndef TS_DAEMON_PINGER_H
#define TS_DAEMON_PINGER_H

#include "base/error.h"
#include "base/loop.h"

struct ts_pinger;

/* ok, or why not; took_ms until the answer. Never from inside ts_pinger_start(). */
typedef void ts_pinger_done(void *ctx, bool ok, int64_t took_ms, const char *why);

struct ts_pinger *ts_pinger_new(struct ts_loop *loop, const char *path, ts_pinger_done *done,
                                void *ctx, struct ts_error *err) TS_MUST_CHECK;
void ts_pinger_free(struct ts_pinger *p);
/* One question. While a former one is under way it does nothing: that one still tells its end. */
void ts_pinger_start(struct ts_pinger *p, int64_t timeout_ms);

#endif
