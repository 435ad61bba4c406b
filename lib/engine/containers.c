/* See containers.h. */
#include "engine/containers.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"

#define GRACE_MAX_S 86400

static const char *label_in(const json_t *labels, const char *name)
{
    const char *text = json_string_value(json_object_get(labels, name));
    return text == NULL ? "" : text;
}

/* The container's own name without its slash; others ("/web/db") come from links to it. */
static const char *own_name(const json_t *names)
{
    for (size_t i = 0; i < json_array_size(names); i++) {
        const char *name = json_string_value(json_array_get(names, i));
        if (name == NULL) {
            continue;
        }
        name += name[0] == '/' ? 1 : 0;
        if (strchr(name, '/') == NULL) {
            return name;
        }
    }
    return "";
}

/* One entry of the list. False: it has no usable id. Whatever else is odd about it is nothing to
 * lose the other containers for: labels are anybody's. */
static bool parse_ref(const json_t *item, struct ts_container_ref *ret)
{
    struct ts_error ignored;
    struct ts_container_ref ref = {0};
    const json_t *labels = ts_json_at(item, "Labels");
    const char *id = ts_json_str_or(item, "Id", "");
    if (!ts_engine_check_id(id, &ignored) || !ts_copy(ref.id, sizeof(ref.id), id)) {
        return false;
    }
    ts_copy_cut(ref.name, sizeof(ref.name), own_name(ts_json_at(item, "Names")));
    if (!ts_copy(ref.service, sizeof(ref.service),
                 label_in(labels, "com.docker.compose.service"))) {
        ref.service[0] = '\0'; /* cut, it would be another service */
    }
    if (!ts_container_status_parse(ts_json_str_or(item, "State", ""), &ref.status)) {
        ref.status = TS_CONTAINER_RUNNING; /* a word that we do not know: it may run */
    }
    ref.oneoff = strcmp(label_in(labels, "com.docker.compose.oneoff"), "True") == 0;
    int64_t number = 0;
    if (ts_parse_i64(label_in(labels, "com.docker.compose.container-number"), 1, INT32_MAX,
                     &number)) {
        ref.number = number;
    }
    *ret = ref;
    return true;
}

static struct ts_container_ref *parse_list(const json_t *list, size_t *ret_count,
                                           struct ts_error *err)
{
    size_t n = json_array_size(list);
    if (!json_is_array(list)) {
        (void)ts_error_set(err, TS_E_PROTOCOL, "the container list is no array");
        return NULL;
    }
    if (n > TS_CONTAINERS_MAX) {
        (void)ts_error_set(err, TS_E_LIMIT, "more than %d containers", TS_CONTAINERS_MAX);
        return NULL;
    }
    struct ts_container_ref *refs = calloc(n + 1, sizeof(*refs));
    if (refs == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < n; i++) {
        if (!parse_ref(json_array_get(list, i), &refs[i])) {
            free(refs);
            (void)ts_error_set(err, TS_E_PROTOCOL, "entry %zu of the container list makes no sense",
                               i);
            return NULL;
        }
    }
    *ret_count = n;
    return refs;
}

static void on_list(struct ts_engine_op *op, const struct ts_http_reply *reply,
                    const struct ts_error *err)
{
    if (err != NULL) {
        op->done.listed(op->ctx, NULL, 0, err);
        return;
    }
    struct ts_error why;
    json_t *v TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    size_t count = 0;
    struct ts_container_ref *refs = v == NULL ? NULL : parse_list(v, &count, &why);
    if (refs == NULL) {
        ts_engine_explain(op->engine, op->what, &why);
    }
    op->done.listed(op->ctx, refs, count, refs == NULL ? &why : NULL);
    free(refs);
}

/* Sends the list request of op, which is freed on failure. */
static struct ts_engine_op *start_list(struct ts_engine_op *op, const char *query,
                                       const json_t *filters, struct ts_error *err)
{
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_adds(&path, query);
    if (filters == NULL || !ts_engine_add_filters(&path, filters)) {
        ts_buf_done(&path);
        ts_engine_op_free(op);
        (void)ts_error_set(err, TS_E_INVALID, "what to list cannot be asked for");
        return NULL;
    }
    const struct ts_engine_request request = {.method = "GET", .path = path.data};
    op = ts_engine_op_start(op, &request, on_list, err);
    ts_buf_done(&path);
    return op;
}

struct ts_engine_op *ts_containers_list(struct ts_engine *e, const char *project,
                                        ts_containers_listed *done, void *ctx, struct ts_error *err)
{
    struct ts_engine_op *op =
        ts_engine_op_new(e, ctx, err, "list the containers of project %.40s", project);
    if (op == NULL) {
        return NULL;
    }
    op->done.listed = done;
    json_t *filters TS_CLEANUP(ts_json_drop) =
        json_pack("{s:[s++]}", "label", "com.docker.compose.project", "=", project);
    return start_list(op, "/containers/json?all=1&", filters, err);
}

struct ts_engine_op *ts_containers_list_made_from(struct ts_engine *e, const char *const *image_ids,
                                                  size_t count, ts_containers_listed *done,
                                                  void *ctx, struct ts_error *err)
{
    struct ts_engine_op *op =
        ts_engine_op_new(e, ctx, err, "list the containers made from %zu images", count);
    if (op == NULL) {
        return NULL;
    }
    op->done.listed = done;
    json_t *images = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(images, json_string(image_ids[i]));
    }
    json_t *filters TS_CLEANUP(ts_json_drop) = json_pack("{s:o}", "ancestor", images);
    return start_list(op, "/containers/json?", filters, err);
}

static void on_inspect(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    if (err != NULL) {
        op->done.inspected(op->ctx, NULL, NULL, err);
        return;
    }
    struct ts_error why;
    struct ts_container container TS_CLEANUP(ts_container_done) = {.dep_count = 0};
    json_t *raw TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    if (raw == NULL || !ts_container_parse(raw, &container, &why)) {
        ts_engine_explain(op->engine, op->what, &why);
        op->done.inspected(op->ctx, NULL, NULL, &why);
        return;
    }
    op->done.inspected(op->ctx, &container, raw, NULL);
}

/* The op of a call on one container; NULL if the id cannot be one. */
static struct ts_engine_op *op_on(struct ts_engine *e, const char *deed, const char *id, void *ctx,
                                  struct ts_error *err)
{
    if (!ts_engine_check_id(id, err)) {
        (void)ts_error_wrap(err, "%s", deed);
        return NULL;
    }
    return ts_engine_op_new(e, ctx, err, "%s %.64s", deed, id);
}

struct ts_engine_op *ts_container_inspect(struct ts_engine *e, const char *id,
                                          ts_container_inspected *done, void *ctx,
                                          struct ts_error *err)
{
    struct ts_engine_op *op = op_on(e, "inspect", id, ctx, err);
    if (op == NULL) {
        return NULL;
    }
    op->done.inspected = done;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&path, "/containers/%s/json", id);
    const struct ts_engine_request request = {.method = "GET", .path = ts_buf_text(&path)};
    op = ts_engine_op_start(op, &request, on_inspect, err);
    ts_buf_done(&path);
    return op;
}

static void on_acted(struct ts_engine_op *op, const struct ts_http_reply *reply,
                     const struct ts_error *err)
{
    enum ts_outcome outcome =
        reply != NULL && reply->status == 304 ? TS_OUTCOME_ALREADY : TS_OUTCOME_DONE;
    op->done.acted(op->ctx, outcome, err);
}

struct action {
    const char *deed; /* for people */
    const char *method;
    const char *verb;  /* behind /containers/{id} */
    const char *query; /* escaped; NULL: none */
    const json_t *body;
    uint32_t more_ms; /* beyond the usual deadline */
};

static struct ts_engine_op *act(struct ts_engine *e, const char *id, const struct action *a,
                                ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    struct ts_engine_op *op = op_on(e, a->deed, id, ctx, err);
    if (op == NULL) {
        return NULL;
    }
    op->done.acted = done;
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&path, "/containers/%s%s%s%s", id, a->verb, a->query == NULL ? "" : "?",
                      a->query == NULL ? "" : a->query);
    const struct ts_engine_request request = {.method = a->method,
                                              .path = ts_buf_text(&path),
                                              .body = a->body,
                                              .deadline_ms = e->action_ms + a->more_ms};
    op = ts_engine_op_start(op, &request, on_acted, err);
    ts_buf_done(&path);
    return op;
}

struct ts_engine_op *ts_container_start(struct ts_engine *e, const char *id, ts_engine_acted *done,
                                        void *ctx, struct ts_error *err)
{
    const struct action a = {.deed = "start", .method = "POST", .verb = "/start"};
    return act(e, id, &a, done, ctx, err);
}

static struct ts_engine_op *act_with_grace(struct ts_engine *e, const char *id, struct action a,
                                           uint32_t grace_s, ts_engine_acted *done, void *ctx,
                                           struct ts_error *err)
{
    if (grace_s > GRACE_MAX_S) {
        (void)ts_error_set(err, TS_E_INVALID, "%s: a grace of more than a day", a.deed);
        return NULL;
    }
    struct ts_buf query = ts_buf_init(32);
    (void)ts_buf_addf(&query, "t=%u", grace_s);
    a.query = ts_buf_text(&query);
    a.more_ms = grace_s * 1000;
    struct ts_engine_op *op = act(e, id, &a, done, ctx, err);
    ts_buf_done(&query);
    return op;
}

struct ts_engine_op *ts_container_stop(struct ts_engine *e, const char *id, uint32_t grace_s,
                                       ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    const struct action a = {.deed = "stop", .method = "POST", .verb = "/stop"};
    return act_with_grace(e, id, a, grace_s, done, ctx, err);
}

struct ts_engine_op *ts_container_restart(struct ts_engine *e, const char *id, uint32_t grace_s,
                                          ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    const struct action a = {.deed = "restart", .method = "POST", .verb = "/restart"};
    return act_with_grace(e, id, a, grace_s, done, ctx, err);
}

struct ts_engine_op *ts_container_kill(struct ts_engine *e, const char *id, const char *signal,
                                       ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    struct ts_buf query = ts_buf_init(64);
    (void)ts_buf_adds(&query, "signal=");
    if (!ts_engine_escape(&query, signal)) {
        ts_buf_done(&query);
        (void)ts_error_set(err, TS_E_INVALID, "kill: \"%.20s\" is no signal", signal);
        return NULL;
    }
    const struct action a = {
        .deed = "kill", .method = "POST", .verb = "/kill", .query = query.data};
    struct ts_engine_op *op = act(e, id, &a, done, ctx, err);
    ts_buf_done(&query);
    return op;
}

struct ts_engine_op *ts_container_set_policy(struct ts_engine *e, const char *id,
                                             const struct ts_restart_policy *policy,
                                             ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    json_t *body TS_CLEANUP(ts_json_drop) =
        json_pack("{s:{s:s, s:I}}", "RestartPolicy", "Name", policy->name, "MaximumRetryCount",
                  (json_int_t)policy->max_retries);
    if (body == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    const struct action a = {
        .deed = "set the restart policy of", .method = "POST", .verb = "/update", .body = body};
    return act(e, id, &a, done, ctx, err);
}

struct ts_engine_op *ts_container_remove(struct ts_engine *e, const char *id, enum ts_remove how,
                                         ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    const struct action a = {.deed = "remove",
                             .method = "DELETE",
                             .verb = "",
                             .query = how == TS_REMOVE_WHOLE   ? "v=1&force=1"
                                      : how == TS_REMOVE_FORCE ? "v=0&force=1"
                                                               : "v=0&force=0"};
    return act(e, id, &a, done, ctx, err);
}

struct ts_engine_op *ts_container_rename(struct ts_engine *e, const char *id, const char *name,
                                         ts_engine_acted *done, void *ctx, struct ts_error *err)
{
    if (!ts_engine_check_id(name, err)) {
        (void)ts_error_wrap(err, "rename to");
        return NULL;
    }
    struct ts_buf query = ts_buf_init(TS_ENGINE_NAME + 8);
    (void)ts_buf_addf(&query, "name=%s", name);
    const struct action a = {
        .deed = "rename", .method = "POST", .verb = "/rename", .query = ts_buf_text(&query)};
    struct ts_engine_op *op = act(e, id, &a, done, ctx, err);
    ts_buf_done(&query);
    return op;
}
