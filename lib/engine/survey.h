/*
 * What else is on the engine: its running containers with their ports, its images, our own helpers.
 * For doctor. See engine.h for what all calls have in common (errors, callbacks).
 */
#ifndef TS_ENGINE_SURVEY_H
#define TS_ENGINE_SURVEY_H

#include <jansson.h>

#include "engine/engine.h"

/* The answer as it came, an array; borrowed for the call, json_incref() keeps it. NULL on error. */
typedef void ts_engine_surveyed(void *ctx, json_t *list, const struct ts_error *err);

/* The running containers of all projects ("ContainerList": Id, Names, Image, Ports, Labels). */
struct ts_engine_op *ts_survey_running(struct ts_engine *e, ts_engine_surveyed *done, void *ctx,
                                       struct ts_error *err) TS_MUST_CHECK;

/* The containers with this label ("name=value"), stopped ones too. */
struct ts_engine_op *ts_survey_labelled(struct ts_engine *e, const char *label,
                                        ts_engine_surveyed *done, void *ctx,
                                        struct ts_error *err) TS_MUST_CHECK;

/* The images ("ImageList": Id, RepoTags, RepoDigests), without what is only a layer of another. */
struct ts_engine_op *ts_survey_images(struct ts_engine *e, ts_engine_surveyed *done, void *ctx,
                                      struct ts_error *err) TS_MUST_CHECK;

#endif
