/*
 * A container made anew from its snapshot (its inspect answer), and before it the networks that it
 * was in and that are missing. Nothing is started.
 */
#ifndef TS_DAEMON_REMAKE_H
#define TS_DAEMON_REMAKE_H

#include <jansson.h>

#include "base/error.h"

struct ts_daemon;
struct ts_remake;

/* The container's id, or err; as in engine/create.h. The remake is gone when it returns. */
typedef void ts_remade(void *ctx, const char *id, const struct ts_error *err);

struct ts_remake_order {
    json_t *snapshot;       /* kept while it goes on */
    const char *name;       /* instead of its own; NULL: its own. Copied */
    const json_t *networks; /* name -> inspect answer, kept; what is not in it is looked for in the
                               store. May be NULL */
};

/* done runs in a later turn. NULL: refused at once, with *err set. The restart policy is "no": the
 * daemon decides what runs. */
struct ts_remake *ts_remake_start(struct ts_daemon *d, const struct ts_remake_order *order,
                                  ts_remade *done, void *ctx, struct ts_error *err);
/* Ends it without its callback; what was made stays. NULL is fine. */
void ts_remake_cancel(struct ts_remake *r);

/* A network was seen: kept for the day when it is missing. */
void ts_remake_keep_network(struct ts_daemon *d, json_t *raw);

#endif
