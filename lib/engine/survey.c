/* See survey.h. */
#include "engine/survey.h"

#include "base/json.h"
#include "engine/engine_internal.h"

static void on_answer(struct ts_engine_op *op, const struct ts_http_reply *reply,
                      const struct ts_error *err)
{
    struct ts_error why;
    if (err != NULL) {
        op->done.surveyed(op->ctx, NULL, err);
        return;
    }
    json_t *list TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    bool ok = json_is_array(list);
    if (list != NULL && !ok) {
        (void)ts_error_set(&why, TS_E_PROTOCOL, "the list is no array");
    }
    if (!ok) {
        ts_engine_explain(op->engine, op->what, &why);
    }
    op->done.surveyed(op->ctx, ok ? list : NULL, ok ? NULL : &why);
}

/* what: for people. take_filters may be NULL: none. */
static struct ts_engine_op *ask(struct ts_engine *e, const char *what, const char *query,
                                const json_t *filters, ts_engine_surveyed *done, void *ctx,
                                struct ts_error *err)
{
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "%s", what);
    if (op == NULL) {
        return NULL;
    }
    op->done.surveyed = done;
    (void)ts_buf_adds(&path, query);
    if (filters != NULL && !ts_engine_add_filters(&path, filters)) {
        ts_buf_done(&path);
        ts_engine_op_free(op);
        (void)ts_error_set(err, TS_E_INVALID, "what to list cannot be asked for");
        return NULL;
    }
    const struct ts_engine_request request = {.method = "GET", .path = ts_buf_text(&path)};
    op = ts_engine_op_start(op, &request, on_answer, err);
    ts_buf_done(&path);
    return op;
}

struct ts_engine_op *ts_survey_running(struct ts_engine *e, ts_engine_surveyed *done, void *ctx,
                                       struct ts_error *err)
{
    return ask(e, "list the running containers", "/containers/json", NULL, done, ctx, err);
}

struct ts_engine_op *ts_survey_labelled(struct ts_engine *e, const char *label,
                                        ts_engine_surveyed *done, void *ctx, struct ts_error *err)
{
    json_t *filters TS_CLEANUP(ts_json_drop) = json_pack("{s:[s]}", "label", label);
    if (filters == NULL) {
        (void)ts_error_set(err, TS_E_INVALID, "no such label can be");
        return NULL;
    }
    return ask(e, "list the containers with a label", "/containers/json?all=1&", filters, done, ctx,
               err);
}

struct ts_engine_op *ts_survey_images(struct ts_engine *e, ts_engine_surveyed *done, void *ctx,
                                      struct ts_error *err)
{
    return ask(e, "list the images", "/images/json", NULL, done, ctx, err);
}
