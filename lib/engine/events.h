/*
 * The engine's event stream: the containers of one Compose project, and what starts beside them.
 * One connection tells both.
 *
 * Events are a hint, not the truth: the engine remembers only the last 256, forgets them when it is
 * restarted, drops some for a slow reader, and says nothing of any of it. So list and inspect once
 * on_open has run, after every reconnect, and now and then in between.
 */
#ifndef TS_ENGINE_EVENTS_H
#define TS_ENGINE_EVENTS_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "engine/engine.h"
#include "engine/inspect.h"

struct ts_events;

enum ts_event_action {
    TS_EVENT_CREATE,
    TS_EVENT_START,
    TS_EVENT_RESTART,
    TS_EVENT_KILL, /* a signal was sent: see signal */
    TS_EVENT_OOM,
    TS_EVENT_DIE, /* see exit_code */
    TS_EVENT_STOP,
    TS_EVENT_PAUSE,
    TS_EVENT_UNPAUSE,
    TS_EVENT_RENAME,
    TS_EVENT_UPDATE,
    TS_EVENT_HEALTH, /* see health; Docker tells changes, Podman every check */
    TS_EVENT_DESTROY
};

struct ts_engine_event {
    enum ts_event_action action;
    char id[TS_ENGINE_ID];
    char service[TS_CONTAINER_SERVICE]; /* "" if it has no such label, or an impossible one */
    char name[TS_ENGINE_NAME];
    bool oneoff;
    bool other;        /* of another project or of none; only its start and unpause are told */
    int64_t exit_code; /* die; -1 if not said */
    int signal;        /* kill; 0 if not said or unknown */
    enum ts_health health;
    int64_t time_nano; /* since 1970, the engine's clock */
};

/*
 * One event object, in any form that engines have used: with Type/Action/Actor, with the older
 * status/id, Docker's "health_status: healthy", Podman's HealthStatus. Pure.
 * True with *ret_known false for an event of no interest (exec_*, attach, …, another type, another
 * project's unless something starts); TS_E_PROTOCOL for an object that is no event. Without any
 * attributes (engines of long ago) it counts as the project's.
 */
bool ts_event_parse(const json_t *value, const char *project, struct ts_engine_event *ret,
                    bool *ret_known, struct ts_error *err) TS_MUST_CHECK;

const char *ts_event_action_name(enum ts_event_action action);

/* From the loop, never from inside a start; each may call ts_events_stop(). */
struct ts_events_handler {
    void (*on_open)(void *ctx); /* the engine listens: what happens from now on will be told */
    void (*on_event)(void *ctx, const struct ts_engine_event *event);
    /* Once, and the last: the stream has ended; err says why (errors as in engine.h) and is never
     * NULL, since a stream has no proper end. Still to be freed with ts_events_stop(). */
    void (*on_end)(void *ctx, const struct ts_error *err);
};

/*
 * Opens the stream; it is not opened again by itself. since_nano: only what happened after this
 * time of the engine's clock (ts_events_last_nano() of the stream before); 0: from now on.
 * handler is borrowed. NULL: TS_E_CONFLICT (not negotiated), TS_E_INVALID, TS_E_NOMEM.
 */
struct ts_events *ts_events_start(struct ts_engine *e, const char *project, int64_t since_nano,
                                  const struct ts_events_handler *handler, void *ctx,
                                  struct ts_error *err) TS_MUST_CHECK;
/* The latest time told by the stream, or since_nano while there was none. */
int64_t ts_events_last_nano(const struct ts_events *ev);
/* Ends and frees it; no callback runs any more. NULL is fine; allowed in its own callbacks. */
void ts_events_stop(struct ts_events *ev);

#endif
