/*
 * The gateway as the bot sees it: a helper container inside the bot's own network runs
 * `tradestackd --reach`. It is made from the health monitor's image, which holds that program, has
 * no rights, no volumes and no part in the project, and is removed whatever happens: at its end, at
 * its deadline, and by the next daemon if this one is killed meanwhile.
 */
#ifndef TS_DAEMON_REACH_H
#define TS_DAEMON_REACH_H

#include <stdint.h>

#include "base/error.h"
#include "model/model.h"

struct ts_daemon;
struct ts_reach;

struct ts_reach_request {
    const char *container; /* id: inside whose network */
    const char *image;     /* id */
    const char *program;   /* tradestackd in it */
    const char *host;
    uint16_t port;
};

struct ts_reach_result {
    bool ran;          /* else detail says why not */
    bool reached;      /* the API answered, and somebody is logged in */
    char resolved[64]; /* "" if the name is not known there */
    char reason[32];   /* of ts_reach_probe() */
    char detail[240];
    int64_t took_ms;
};

/* Runs once, in a later turn; the look is gone when it returns. */
typedef void ts_reach_done(void *ctx, const struct ts_reach_result *result);

/* request is copied. NULL: TS_E_INVALID (a host that is no name), TS_E_NOMEM, or as in
 * engine.h. */
struct ts_reach *ts_reach_start(struct ts_daemon *d, const struct ts_reach_request *request,
                                ts_reach_done *done, void *ctx, struct ts_error *err) TS_MUST_CHECK;
/* No callback any more; the helper is still removed. NULL is fine. */
void ts_reach_leave(struct ts_reach *r);
/* Removes helpers that an earlier run left behind. At every first list of the project. */
void ts_reach_clean(struct ts_daemon *d);
/* At the daemon's end, before the engine is freed: what is under way ends; the next run cleans. */
void ts_reach_stop(struct ts_daemon *d);

#endif
