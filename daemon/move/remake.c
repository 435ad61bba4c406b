/* See remake.h. */
#include "move/remake.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "engine/create.h"
#include "engine/networks.h"

struct ts_remake {
    struct ts_daemon *daemon;
    struct ts_engine_op *op;
    json_t *snapshot;
    json_t *networks;
    char name[TS_ENGINE_NAME]; /* "": its own */
    const char *network;       /* in snapshot: the one that is being looked at */
    ts_remade *done;
    void *ctx;
};

static void network_key(const char *name, char *out, size_t size)
{
    (void)snprintf(out, size, "network/%s", name);
}

void ts_remake_keep_network(struct ts_daemon *d, json_t *raw)
{
    char key[TS_ENGINE_NAME + 16];
    network_key(ts_json_str_or(raw, "Name", ""), key, sizeof(key));
    ts_restore_keep(d, key, ts_json_str_or(raw, "Id", ""), raw);
}

static void free_remake(struct ts_remake *r)
{
    json_decref(r->snapshot);
    json_decref(r->networks);
    free(r);
}

void ts_remake_cancel(struct ts_remake *r)
{
    if (r != NULL) {
        ts_engine_cancel(r->op);
        free_remake(r);
    }
}

static void finish(struct ts_remake *r, const char *id, const struct ts_error *err)
{
    ts_remade *done = r->done;
    void *ctx = r->ctx;
    free_remake(r);
    done(ctx, id, err);
}

static void on_created(void *ctx, const char *id, const struct ts_error *err)
{
    struct ts_remake *r = ctx;
    r->op = NULL;
    finish(r, id, err);
}

static bool create(struct ts_remake *r, struct ts_error *err)
{
    static const struct ts_restart_policy none = {.name = "no"};
    struct ts_create_plan plan = {.body = NULL};
    /* The very image, not what its tag may mean by now. */
    const struct ts_snapshot_options options = {
        .policy = &none,
        .image = ts_json_str_or(r->snapshot, "Image", NULL),
        .name = r->name[0] != '\0' ? r->name : NULL,
    };
    r->op = ts_snapshot_plan(r->snapshot, &options, &plan, err)
                ? ts_container_create(r->daemon->engine, &plan, on_created, r, err)
                : NULL;
    ts_create_plan_done(&plan);
    return r->op != NULL;
}

static bool look_at_network(struct ts_remake *r, struct ts_error *err);

static void go_on(struct ts_remake *r)
{
    struct ts_error why;
    if (!look_at_network(r, &why)) {
        finish(r, NULL, &why);
    }
}

static void on_network_made(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_remake *r = ctx;
    (void)outcome;
    r->op = NULL;
    if (err != NULL && err->code != TS_E_CONFLICT) {
        finish(r, NULL, err);
        return;
    }
    TS_LOG(r->daemon->log, TS_MSG_RESTORED, TS_NO_FIELDS,
           "network %s was missing and has been made anew as it was", r->network);
    go_on(r);
}

static bool make_network(struct ts_remake *r, struct ts_error *err)
{
    char key[TS_ENGINE_NAME + 16];
    network_key(r->network, key, sizeof(key));
    json_t *seen = json_incref(json_object_get(r->networks, r->network));
    if (seen == NULL) {
        seen = ts_restore_kept(r->daemon, key, err);
    }
    json_t *body = seen == NULL ? NULL : ts_network_plan(seen, err);
    r->op =
        body == NULL ? NULL : ts_network_create(r->daemon->engine, body, on_network_made, r, err);
    json_decref(seen);
    json_decref(body);
    return r->op != NULL || ts_error_wrap(err, "network %.60s is missing", r->network);
}

static void on_network(void *ctx, json_t *raw, const struct ts_error *err)
{
    struct ts_remake *r = ctx;
    struct ts_error why;
    (void)raw;
    r->op = NULL;
    if (err == NULL) {
        go_on(r);
    } else if (err->code != TS_E_NOT_FOUND) {
        finish(r, NULL, err);
    } else if (!make_network(r, &why)) {
        finish(r, NULL, &why);
    }
}

/* The network after r->network (NULL: the first); after the last one the container itself. */
static bool look_at_network(struct ts_remake *r, struct ts_error *err)
{
    json_t *networks = ts_json_at(r->snapshot, "NetworkSettings.Networks");
    void *at = r->network == NULL
                   ? json_object_iter(networks)
                   : json_object_iter_next(networks, json_object_iter_at(networks, r->network));
    while (at != NULL && ts_network_is_builtin(json_object_iter_key(at))) {
        at = json_object_iter_next(networks, at);
    }
    if (at == NULL) {
        return create(r, err);
    }
    r->network = json_object_iter_key(at);
    r->op = ts_network_inspect(r->daemon->engine, r->network, on_network, r, err);
    return r->op != NULL;
}

struct ts_remake *ts_remake_start(struct ts_daemon *d, const struct ts_remake_order *order,
                                  ts_remade *done, void *ctx, struct ts_error *err)
{
    struct ts_remake *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    r->daemon = d;
    r->snapshot = json_incref(order->snapshot);
    r->networks = order->networks != NULL ? json_deep_copy(order->networks) : json_object();
    r->done = done;
    r->ctx = ctx;
    ts_copy_cut(r->name, sizeof(r->name), order->name != NULL ? order->name : "");
    if (!look_at_network(r, err)) {
        free_remake(r);
        return NULL;
    }
    return r;
}
