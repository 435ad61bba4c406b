/* See networks.h. */
#include "engine/networks.h"

#include <string.h>

#include "base/json.h"
#include "engine/engine_internal.h"

/* Of an inspect answer, what a create request knows. */
static const char *const plan_keys[] = {"Name",       "Driver",  "Internal", "Attachable",
                                        "EnableIPv6", "Options", "Labels",   "IPAM"};

bool ts_network_is_builtin(const char *name)
{
    return strcmp(name, "bridge") == 0 || strcmp(name, "host") == 0 || strcmp(name, "none") == 0;
}

json_t *ts_network_plan(const json_t *inspect, struct ts_error *err)
{
    if (ts_json_str_or(inspect, "Name", "")[0] == '\0') {
        ts_error_set(err, TS_E_PROTOCOL, "no description of a network");
        return NULL;
    }
    json_t *body = json_pack("{s:b}", "CheckDuplicate", 1);
    bool ok = body != NULL;
    for (size_t i = 0; ok && i < TS_ARRAY_LEN(plan_keys); i++) {
        const json_t *v = json_object_get(inspect, plan_keys[i]);
        ok = v == NULL || json_is_null(v) ||
             json_object_set_new(body, plan_keys[i], json_deep_copy(v)) == 0;
    }
    if (!ok) {
        json_decref(body);
        ts_error_nomem(err);
        return NULL;
    }
    return body;
}

static void on_inspected(struct ts_engine_op *op, const struct ts_http_reply *reply,
                         const struct ts_error *err)
{
    struct ts_error why;
    if (err != NULL) {
        op->done.network_inspected(op->ctx, NULL, err);
        return;
    }
    json_t *raw TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    if (raw == NULL) {
        ts_engine_explain(op->engine, op->what, &why);
        op->done.network_inspected(op->ctx, NULL, &why);
        return;
    }
    op->done.network_inspected(op->ctx, raw, NULL);
}

struct ts_engine_op *ts_network_inspect(struct ts_engine *e, const char *name,
                                        ts_network_inspected *done, void *ctx, struct ts_error *err)
{
    if (!ts_engine_check_id(name, err)) {
        (void)ts_error_wrap(err, "inspect network");
        return NULL;
    }
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "inspect network %.64s", name);
    if (op == NULL) {
        return NULL;
    }
    op->done.network_inspected = done;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&path, "/networks/%s", name);
    const struct ts_engine_request request = {.method = "GET", .path = ts_buf_text(&path)};
    op = ts_engine_op_start(op, &request, on_inspected, err);
    ts_buf_done(&path);
    return op;
}

static void on_created(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    (void)reply;
    op->done.acted(op->ctx, TS_OUTCOME_DONE, err);
}

struct ts_engine_op *ts_network_create(struct ts_engine *e, const json_t *body,
                                       ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    struct ts_engine_op *op =
        ts_engine_op_new(e, ctx, err, "create network %.64s", ts_json_str_or(body, "Name", "?"));
    if (op == NULL) {
        return NULL;
    }
    op->done.acted = done;
    const struct ts_engine_request request = {
        .method = "POST", .path = "/networks/create", .body = body, .deadline_ms = e->action_ms};
    return ts_engine_op_start(op, &request, on_created, err);
}
