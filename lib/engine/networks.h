/*
 * Calls on networks, and a network's inspect answer turned back into the request that makes the
 * same network again. See engine.h for what all calls have in common (errors, callbacks).
 */
#ifndef TS_ENGINE_NETWORKS_H
#define TS_ENGINE_NETWORKS_H

#include <jansson.h>

#include "engine/containers.h"
#include "engine/engine.h"

/* raw is borrowed for the call; json_incref() keeps it. */
typedef void ts_network_inspected(void *ctx, json_t *raw, const struct ts_error *err);

/* name: a network's name or id. */
struct ts_engine_op *ts_network_inspect(struct ts_engine *e, const char *name,
                                        ts_network_inspected *done, void *ctx,
                                        struct ts_error *err) TS_MUST_CHECK;

/* body: of ts_network_plan(). TS_E_CONFLICT: there is one of that name. */
struct ts_engine_op *ts_network_create(struct ts_engine *e, const json_t *body,
                                       ts_engine_acted *done, void *ctx,
                                       struct ts_error *err) TS_MUST_CHECK;

/* The body of POST /networks/create for the same network: driver, addresses, options and Compose's
 * labels; ids and what is connected are left out. The caller owns it. NULL: TS_E_PROTOCOL (no
 * inspect answer of a network), TS_E_NOMEM. */
json_t *ts_network_plan(const json_t *inspect, struct ts_error *err) TS_MUST_CHECK;

/* One that every engine has by itself, so that there is nothing to make anew. */
bool ts_network_is_builtin(const char *name);

#endif
