/*
 * A container's inspect answer turned back into the request that makes the same container again:
 * for one that was pruned, and for going back to the state before a deployment. Pure.
 *
 * Kept: everything that was asked for when it was created, Compose's labels (so that `docker
 * compose ps` and `down` still know it), named and anonymous volumes with their data, networks with
 * fixed addresses and aliases. Left out: ids, state, what the engine filled in itself.
 *
 * A snapshot holds the container's environment and so perhaps secrets: treat it like one.
 */
#ifndef TS_ENGINE_SNAPSHOT_H
#define TS_ENGINE_SNAPSHOT_H

#include <jansson.h>

#include "base/error.h"
#include "engine/inspect.h"

#define TS_PLAN_NETWORKS_MAX 16

struct ts_create_plan {
    char name[TS_ENGINE_NAME];
    json_t *body; /* owned; of POST /containers/create */
    /* Networks to connect between create and start: before API 1.44 a create request takes only
     * one, and connecting works with every version. */
    struct {
        char name[TS_ENGINE_NAME];
        json_t *endpoint; /* owned; EndpointConfig */
    } later[TS_PLAN_NETWORKS_MAX];
    size_t later_count;
};

struct ts_snapshot_options {
    const struct ts_restart_policy *policy; /* instead of the container's; NULL: keep */
    const char *image;                      /* instead of Config.Image, for instance the image id,
                                               which a moved tag cannot change; NULL: keep */
    const char *name;                       /* NULL: keep */
};

/* inspect is only read. The plan is the caller's, to be emptied with ts_create_plan_done().
 * TS_E_PROTOCOL: no inspect answer of a container; TS_E_LIMIT: too many networks; TS_E_NOMEM. */
bool ts_snapshot_plan(const json_t *inspect, const struct ts_snapshot_options *options,
                      struct ts_create_plan *ret, struct ts_error *err) TS_MUST_CHECK;

/* Safe on a zeroed plan and twice. */
void ts_create_plan_done(struct ts_create_plan *plan);

#endif
