/* What the engine has, asked for one after the other: projects' containers, others by name, and
 * their networks. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "daemon.h"
#include "engine/networks.h"

struct ts_gather {
    struct ts_daemon *daemon;
    struct ts_engine_op *op;
    char *projects[3];
    size_t project; /* whose turn it is */
    json_t *ids;    /* containers that are still to be looked at */
    size_t at;      /* in ids; then in networks */
    json_t *networks;
    json_t *what;
    ts_gathered *done;
    void *ctx;
};

static void go_on(struct ts_gather *g);

static void free_gather(struct ts_gather *g)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(g->projects); i++) {
        free(g->projects[i]);
    }
    json_decref(g->ids);
    json_decref(g->networks);
    json_decref(g->what);
    free(g);
}

void ts_gather_cancel(struct ts_gather *g)
{
    if (g != NULL) {
        ts_engine_cancel(g->op);
        free_gather(g);
    }
}

static void finish(struct ts_gather *g, const struct ts_error *err)
{
    json_t *what TS_CLEANUP(ts_json_drop) = err == NULL ? json_incref(g->what) : NULL;
    ts_gathered *done = g->done;
    void *ctx = g->ctx;
    free_gather(g);
    done(ctx, what, err);
}

static void on_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                      const struct ts_error *err)
{
    struct ts_gather *g = ctx;
    g->op = NULL;
    if (err != NULL) {
        finish(g, err);
        return;
    }
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(g->ids, json_string(refs[i].id));
    }
    g->project++;
    go_on(g);
}

static bool is_known(const json_t *containers, const char *id)
{
    size_t i;
    json_t *c;
    json_array_foreach(containers, i, c)
    {
        if (strcmp(ts_json_str_or(c, "Id", ""), id) == 0) {
            return true;
        }
    }
    return false;
}

static void add_container(struct ts_gather *g, json_t *raw)
{
    const char *name;
    json_t *v;
    json_t *containers = json_object_get(g->what, "containers");
    if (is_known(containers, ts_json_str_or(raw, "Id", ""))) {
        return;
    }
    (void)json_array_append(containers, raw);
    json_object_foreach(ts_json_at(raw, "NetworkSettings.Networks"), name, v)
    {
        if (!ts_network_is_builtin(name)) {
            (void)json_object_set_new(g->networks, name, json_null());
        }
    }
}

/* Whoever is gone by now, or was never there, is left out. */
static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    struct ts_gather *g = ctx;
    (void)c;
    g->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        finish(g, err);
        return;
    }
    if (err == NULL) {
        add_container(g, raw);
    }
    g->at++;
    go_on(g);
}

static void on_network(void *ctx, json_t *raw, const struct ts_error *err)
{
    struct ts_gather *g = ctx;
    g->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        finish(g, err);
        return;
    }
    if (err == NULL) {
        (void)json_object_set(json_object_get(g->what, "networks"), ts_json_str_or(raw, "Name", ""),
                              raw);
    }
    void *first = json_object_iter(g->networks);
    (void)json_object_del(g->networks, json_object_iter_key(first));
    go_on(g);
}

static bool ask(struct ts_gather *g, struct ts_error *err)
{
    struct ts_engine *e = g->daemon->engine;
    void *network = json_object_iter(g->networks);
    if (g->project < TS_ARRAY_LEN(g->projects) && g->projects[g->project] != NULL) {
        g->op = ts_containers_list(e, g->projects[g->project], on_listed, g, err);
    } else if (g->at < json_array_size(g->ids)) {
        const char *id = json_string_value(json_array_get(g->ids, g->at));
        g->op = ts_container_inspect(e, id == NULL ? "" : id, on_inspected, g, err);
    } else if (network != NULL) {
        g->op = ts_network_inspect(e, json_object_iter_key(network), on_network, g, err);
    } else {
        finish(g, NULL);
        return true;
    }
    return g->op != NULL;
}

static void go_on(struct ts_gather *g)
{
    struct ts_error err;
    if (!ask(g, &err)) {
        finish(g, &err);
    }
}

struct ts_gather *ts_gather_start(struct ts_daemon *d, const struct ts_gather_order *order,
                                  ts_gathered *done, void *ctx, struct ts_error *err)
{
    struct ts_gather *g = calloc(1, sizeof(*g));
    if (g == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    g->daemon = d;
    g->done = done;
    g->ctx = ctx;
    g->ids = order->names != NULL ? json_deep_copy(order->names) : json_array();
    g->networks = json_object();
    g->what = json_pack("{s:[], s:{}}", "containers", "networks");
    for (size_t i = 0; i < TS_ARRAY_LEN(g->projects) && order->projects[i] != NULL; i++) {
        g->projects[i] = strdup(order->projects[i]);
    }
    if (g->ids == NULL || g->what == NULL || g->projects[0] == NULL) {
        free_gather(g);
        ts_error_nomem(err);
        return NULL;
    }
    g->op = ts_containers_list(d->engine, g->projects[0], on_listed, g, err);
    if (g->op == NULL) {
        free_gather(g);
        return NULL;
    }
    return g;
}
