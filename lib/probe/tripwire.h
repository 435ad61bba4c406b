/*
 * Tripwires: log lines that say that a bot trades for real. The operators' rule is: if the log says
 * "live" or "production", stop at once. Words that merely contain these, and the usual ones around
 * them that mean something else (live market data, live=false), are no reason.
 */
#ifndef TS_PROBE_TRIPWIRE_H
#define TS_PROBE_TRIPWIRE_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"
#include "model/model.h"

struct ts_tripwire;

/* The patterns that the service's signals name, or the built-in ones if it names none and is
 * guarded. *ret is NULL with true for a service that has no tripwires at all. */
bool ts_tripwire_new(const struct ts_svc_spec *spec, struct ts_tripwire **ret,
                     struct ts_error *err) TS_MUST_CHECK;
void ts_tripwire_free(struct ts_tripwire *t);
/* Does the line (without its end; n bytes) trip it? A line on which a pattern gives up does.
 * *ret_at: where the words begin. */
bool ts_tripwire_trips(struct ts_tripwire *t, const char *line, size_t n, size_t *ret_at);

#endif
