/*
 * Creating a container from a plan (snapshot.h makes one from an inspect answer).
 */
#ifndef TS_ENGINE_CREATE_H
#define TS_ENGINE_CREATE_H

#include "engine/engine.h"
#include "engine/snapshot.h"

/* id is borrowed for the call; NULL on error. */
typedef void ts_container_created(void *ctx, const char *id, const struct ts_error *err);

/*
 * Creates the container, connected to all its networks but not started. When a network cannot be
 * connected, the half-made container is removed again and the call fails with that reason.
 * TS_E_NOT_FOUND: the image or a network is missing; TS_E_CONFLICT: the name is taken.
 */
struct ts_engine_op *ts_container_create(struct ts_engine *e, const struct ts_create_plan *plan,
                                         ts_container_created *done, void *ctx,
                                         struct ts_error *err) TS_MUST_CHECK;

#endif
