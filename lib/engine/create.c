/* See create.h: create, then one connect per further network, each a step of one op. */
#include "engine/create.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"

struct creation {
    char id[TS_ENGINE_ID];
    char networks[TS_PLAN_NETWORKS_MAX][TS_ENGINE_NAME];
    json_t *bodies[TS_PLAN_NETWORKS_MAX]; /* of the connect requests, "Container" to be added */
    size_t count;
    size_t next;
    struct ts_error failure; /* while the half-made container is removed */
};

static void free_creation(void *extra)
{
    struct creation *c = extra;
    for (size_t i = 0; i < c->count; i++) {
        json_decref(c->bodies[i]);
    }
    free(c);
}

static void on_removed(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    (void)reply;
    struct creation *c = op->extra;
    if (err != NULL) {
        (void)ts_error_wrap(&c->failure, "half-made %.12s is left behind", c->id);
    }
    op->done.created(op->ctx, NULL, &c->failure);
}

/* Removes what was created and reports the reason afterwards. */
static void undo(struct ts_engine_op *op, const struct ts_error *why)
{
    struct creation *c = op->extra;
    c->failure = *why;
    struct ts_error ignored;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&path, "/containers/%s?v=0&force=1", c->id);
    const struct ts_engine_request request = {
        .method = "DELETE", .path = ts_buf_text(&path), .deadline_ms = op->engine->action_ms};
    if (!ts_engine_op_next(op, &request, on_removed, &ignored)) {
        on_removed(op, NULL, &ignored);
    }
    ts_buf_done(&path);
}

static void on_connected(struct ts_engine_op *op, const struct ts_http_reply *reply,
                         const struct ts_error *err);

static bool connect_next(struct ts_engine_op *op, struct ts_error *err)
{
    struct creation *c = op->extra;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_adds(&path, "/networks/");
    (void)ts_engine_escape(&path, c->networks[c->next]);
    (void)ts_buf_adds(&path, "/connect");
    bool ok = json_object_set_new(c->bodies[c->next], "Container", json_string(c->id)) == 0 ||
              ts_error_nomem(err);
    const struct ts_engine_request request = {.method = "POST",
                                              .path = ts_buf_text(&path),
                                              .body = c->bodies[c->next],
                                              .deadline_ms = op->engine->action_ms};
    c->next++;
    ok = ok && ts_engine_op_next(op, &request, on_connected, err);
    ts_buf_done(&path);
    return ok;
}

static void go_on(struct ts_engine_op *op)
{
    struct creation *c = op->extra;
    struct ts_error why;
    if (c->next == c->count) {
        op->done.created(op->ctx, c->id, NULL);
    } else if (!connect_next(op, &why)) {
        undo(op, &why);
    }
}

static void on_connected(struct ts_engine_op *op, const struct ts_http_reply *reply,
                         const struct ts_error *err)
{
    (void)reply;
    struct creation *c = op->extra;
    if (err != NULL) {
        struct ts_error why = *err;
        (void)ts_error_wrap(&why, "network %.60s", c->networks[c->next - 1]);
        undo(op, &why);
        return;
    }
    go_on(op);
}

static void on_created(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    struct creation *c = op->extra;
    struct ts_error why;
    if (err != NULL) {
        op->done.created(op->ctx, NULL, err);
        return;
    }
    json_t *v TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    const char *id = v == NULL ? "" : ts_json_str_or(v, "Id", "");
    if (!ts_engine_check_id(id, &why) || !ts_copy(c->id, sizeof(c->id), id)) {
        (void)ts_error_set(&why, TS_E_PROTOCOL, "the engine gave no id for what it created");
        ts_engine_explain(op->engine, op->what, &why);
        op->done.created(op->ctx, NULL, &why);
        return;
    }
    go_on(op);
}

static struct creation *copy_plan(const struct ts_create_plan *plan, struct ts_error *err)
{
    struct creation *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < plan->later_count; i++) {
        memcpy(c->networks[i], plan->later[i].name, sizeof(c->networks[i]));
        c->bodies[i] = json_pack("{s:O}", "EndpointConfig", plan->later[i].endpoint);
        c->count++;
        if (c->bodies[i] == NULL) {
            free_creation(c);
            (void)ts_error_nomem(err);
            return NULL;
        }
    }
    return c;
}

struct ts_engine_op *ts_container_create(struct ts_engine *e, const struct ts_create_plan *plan,
                                         ts_container_created *done, void *ctx,
                                         struct ts_error *err)
{
    if (!ts_engine_check_id(plan->name, err)) {
        (void)ts_error_wrap(err, "create");
        return NULL;
    }
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "create %.64s", plan->name);
    if (op == NULL) {
        return NULL;
    }
    op->done.created = done;
    op->extra = copy_plan(plan, err);
    if (op->extra == NULL) {
        ts_engine_op_free(op);
        return NULL;
    }
    op->free_extra = free_creation;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&path, "/containers/create?name=%s", plan->name);
    const struct ts_engine_request request = {.method = "POST",
                                              .path = ts_buf_text(&path),
                                              .body = plan->body,
                                              .deadline_ms = e->action_ms};
    op = ts_engine_op_start(op, &request, on_created, err);
    ts_buf_done(&path);
    return op;
}
