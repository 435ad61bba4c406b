/*
 * Calls on containers. See engine.h for what all of them have in common (ids, errors, callbacks).
 */
#ifndef TS_ENGINE_CONTAINERS_H
#define TS_ENGINE_CONTAINERS_H

#include <jansson.h>

#include "engine/engine.h"
#include "engine/inspect.h"

#define TS_CONTAINERS_MAX 4096 /* in one list; more is TS_E_LIMIT */

/* An action has three outcomes: err is set; done; or nothing to do (304: it runs already, or does
 * not run). "Already" may be stale, when the engine has not yet noticed an exit: inspect and try
 * again rather than take it for success. */
enum ts_outcome { TS_OUTCOME_DONE, TS_OUTCOME_ALREADY };
typedef void ts_engine_acted(void *ctx, enum ts_outcome outcome, const struct ts_error *err);

struct ts_container_ref {
    char id[TS_ENGINE_ID];
    char name[TS_ENGINE_NAME];          /* cut to fit */
    char service[TS_CONTAINER_SERVICE]; /* "" also if it is too long for one */
    bool oneoff;
    int64_t number;                  /* 0 if not said */
    enum ts_container_status status; /* running, if the engine says something else than we know */
};

/* The containers of a Compose project, stopped ones too. refs is borrowed for the call. */
typedef void ts_containers_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                                  const struct ts_error *err);
struct ts_engine_op *ts_containers_list(struct ts_engine *e, const char *project,
                                        ts_containers_listed *done, void *ctx,
                                        struct ts_error *err) TS_MUST_CHECK;

/* The running containers, of whatever project, that were made from one of these images (ids) or
 * from an image made from it. */
struct ts_engine_op *ts_containers_list_made_from(struct ts_engine *e, const char *const *image_ids,
                                                  size_t count, ts_containers_listed *done,
                                                  void *ctx, struct ts_error *err) TS_MUST_CHECK;

/* container and raw (the whole answer) are borrowed for the call; json_incref() keeps raw. */
typedef void ts_container_inspected(void *ctx, const struct ts_container *container, json_t *raw,
                                    const struct ts_error *err);
struct ts_engine_op *ts_container_inspect(struct ts_engine *e, const char *id,
                                          ts_container_inspected *done, void *ctx,
                                          struct ts_error *err) TS_MUST_CHECK;

struct ts_engine_op *ts_container_start(struct ts_engine *e, const char *id, ts_engine_acted *done,
                                        void *ctx, struct ts_error *err) TS_MUST_CHECK;

/* Stop signal, then SIGKILL after grace_s seconds (0..86400; always sent, because engines differ
 * in what they do without it). The call's deadline is the grace plus the action deadline. */
struct ts_engine_op *ts_container_stop(struct ts_engine *e, const char *id, uint32_t grace_s,
                                       ts_engine_acted *done, void *ctx,
                                       struct ts_error *err) TS_MUST_CHECK;
/* Stop and start in one; a stopped container is started. */
struct ts_engine_op *ts_container_restart(struct ts_engine *e, const char *id, uint32_t grace_s,
                                          ts_engine_acted *done, void *ctx,
                                          struct ts_error *err) TS_MUST_CHECK;

/* signal: "SIGKILL", "HUP", "15". TS_E_CONFLICT: it does not run. */
struct ts_engine_op *ts_container_kill(struct ts_engine *e, const char *id, const char *signal,
                                       ts_engine_acted *done, void *ctx,
                                       struct ts_error *err) TS_MUST_CHECK;

/* Changes the engine's restart policy in place: no re-creation, Compose's config hash stays. */
struct ts_engine_op *ts_container_set_policy(struct ts_engine *e, const char *id,
                                             const struct ts_restart_policy *policy,
                                             ts_engine_acted *done, void *ctx,
                                             struct ts_error *err) TS_MUST_CHECK;

/* Removes a container; its volumes stay, except WHOLE, which removes the anonymous ones with it.
 * FORCE and WHOLE kill it first; STOPPED: a running one is TS_E_CONFLICT. */
enum ts_remove { TS_REMOVE_STOPPED, TS_REMOVE_FORCE, TS_REMOVE_WHOLE };
struct ts_engine_op *ts_container_remove(struct ts_engine *e, const char *id, enum ts_remove how,
                                         ts_engine_acted *done, void *ctx,
                                         struct ts_error *err) TS_MUST_CHECK;

struct ts_engine_op *ts_container_rename(struct ts_engine *e, const char *id, const char *name,
                                         ts_engine_acted *done, void *ctx,
                                         struct ts_error *err) TS_MUST_CHECK;

#endif
