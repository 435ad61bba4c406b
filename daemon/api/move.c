/* The methods that exchange containers: an order is prepared (what is there, what is to change),
 * begun, and followed until its end by whoever waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/move.h"
#include "base/json.h"
#include "base/parse.h"
#include "move/backups.h"

static const char *param(const struct ts_move_call *mc, const char *name)
{
    return ts_json_str_or(mc->parameters, name, "");
}

/* --- preparing */

static void free_call(struct ts_move_call *mc)
{
    for (struct ts_move_call **at = &mc->daemon->move_calls; *at != NULL; at = &(*at)->next) {
        if (*at == mc) {
            *at = mc->next;
            break;
        }
    }
    ts_gather_cancel(mc->gather);
    ts_engine_cancel(mc->op);
    ts_move_drop(mc->move);
    json_decref(mc->parameters);
    json_decref(mc->remove);
    json_decref(mc->captured);
    json_decref(mc->networks);
    free(mc);
}

static void on_call_gone(void *ctx)
{
    struct ts_move_call *mc = ctx;
    mc->call = NULL; /* what is begun is brought to its end: nothing is left lying about */
}

struct ts_move_call *ts_api_move_new(struct ts_daemon *d, struct ts_call *call,
                                     const json_t *parameters)
{
    struct ts_error err;
    struct ts_move_call *mc = calloc(1, sizeof(*mc));
    if (mc == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return NULL;
    }
    mc->next = d->move_calls;
    mc->daemon = d;
    mc->call = call;
    mc->parameters = json_deep_copy(parameters);
    mc->remove = json_array();
    d->move_calls = mc;
    ts_call_on_gone(call, on_call_gone, mc);
    return mc;
}

/* The call is answered by the caller; the order is over. */
struct ts_call *ts_api_move_release(struct ts_move_call *mc)
{
    struct ts_call *call = mc->call;
    if (call != NULL) {
        ts_call_on_gone(call, NULL, NULL);
    }
    free_call(mc);
    return call;
}

void ts_api_move_fail(struct ts_move_call *mc)
{
    struct ts_daemon *d = mc->daemon;
    struct ts_error err = mc->error;
    struct ts_call *call = ts_api_move_release(mc);
    if (call == NULL) {
        return;
    }
    if (err.code == TS_E_CONFLICT || err.code == TS_E_INVALID || err.code == TS_E_LIMIT) {
        ts_api_refuse(d, call, "", err.msg, "");
    } else {
        ts_api_failed(call, &err);
    }
}

static void on_removed(void *ctx, enum ts_outcome outcome_, const struct ts_error *err)
{
    struct ts_move_call *mc = ctx;
    (void)outcome_;
    mc->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        TS_LOG(mc->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_NO_FIELDS,
               "a container that was made for an exchange is left behind: %s", err->msg);
    }
    ts_api_move_remove(mc);
}

void ts_api_move_remove(struct ts_move_call *mc)
{
    struct ts_error err;
    while (mc->op == NULL && json_array_size(mc->remove) > 0) {
        const char *id = json_string_value(json_array_get(mc->remove, 0));
        mc->op = ts_container_remove(mc->daemon->engine, id == NULL ? "" : id, TS_REMOVE_STOPPED,
                                     on_removed, mc, &err);
        (void)json_array_remove(mc->remove, 0);
    }
    if (mc->op == NULL) {
        mc->then(mc);
    }
}

/* Everything that was made under the tag. */
static void mark_staged(struct ts_move_call *mc, const json_t *what)
{
    char suffix[TS_MOVE_TAG + 16];
    size_t i;
    json_t *c;
    (void)snprintf(suffix, sizeof(suffix), TS_MOVE_NEXT "%s", mc->tag);
    json_array_clear(mc->remove);
    json_array_foreach(ts_json_at(what, "containers"), i, c)
    {
        const char *name = ts_json_str_or(c, "Name", "");
        size_t n = strlen(name);
        if (n > strlen(suffix) && strcmp(name + n - strlen(suffix), suffix) == 0) {
            (void)json_array_append_new(mc->remove, json_string(ts_json_str_or(c, "Id", "")));
        }
    }
}

static void answer_plan(struct ts_move_call *mc)
{
    const json_t *preview = ts_json_at(mc->parameters, "preview");
    json_t *plan = mc->move == NULL ? NULL : ts_move_describe(mc->move);
    if (plan != NULL && preview != NULL) {
        (void)json_object_set_new(plan, "checks", ts_preview_checks(mc->move, preview));
    }
    struct ts_call *call = ts_api_move_release(mc);
    if (call != NULL) {
        ts_call_reply(call, json_pack("{s:o*}", "plan", plan));
    } else {
        json_decref(plan);
    }
}

/* What is equal is gone, the rest is planned: it begins. */
static void begin(struct ts_move_call *mc)
{
    struct ts_daemon *d = mc->daemon;
    if (mc->call == NULL || ts_move_is_on(d)) { /* nobody waits for it any more */
        (void)ts_error_set(&mc->error, TS_E_CONFLICT, "another exchange began meanwhile");
        ts_api_move_fail(mc);
        return;
    }
    bool wait = ts_json_bool_or(mc->parameters, "wait", false);
    json_t *plan = ts_move_describe(mc->move);
    if (d->released) {
        ts_api_set_released(d, false);
        for (size_t i = 0; i < d->unit_count; i++) {
            ts_unit_post(d->units[i], &(struct ts_obs){.kind = TS_OBS_CMD_UNHOLD});
        }
    }
    if (!ts_move_start(d, mc->move, &mc->error)) {
        json_decref(plan);
        ts_api_move_fail(mc);
        return;
    }
    mc->move = NULL; /* taken */
    struct ts_call *call = ts_api_move_release(mc);
    if (!wait || !ts_call_progress(call, json_pack("{s:o}", "plan", plan))) {
        if (!wait) {
            json_decref(plan);
            ts_call_reply(call, ts_api_move_outcome(d));
        }
        return;
    }
    if (!ts_api_move_follow(d, call)) {
        ts_call_reply(call, ts_api_move_outcome(d));
    }
}

/* Kept before anything is stopped: written, read back, compared. */
static bool keep_backup(struct ts_move_call *mc, json_t *what)
{
    const struct ts_peer *peer = mc->call != NULL ? ts_call_peer(mc->call) : NULL;
    (void)snprintf(mc->move->by, sizeof(mc->move->by), "uid %lld",
                   peer != NULL && peer->known ? (long long)peer->uid : -1LL);
    return ts_backups_capture(mc->move, what, ts_json_at(mc->parameters, "files"), &mc->error);
}

static void plan(struct ts_move_call *mc, json_t *what)
{
    json_t *equal = NULL;
    const struct ts_move_order order = {
        .kind = mc->kind,
        .tag = mc->tag,
        .old_project = param(mc, "old_project"),
        .captured = mc->captured,
        .no_rollback = ts_json_bool_or(mc->parameters, "no_rollback", false),
    };
    bool plan_only = ts_json_bool_or(mc->parameters, "plan_only", false);
    const json_t *preview = ts_json_at(mc->parameters, "preview");
    if (plan_only && preview != NULL) {
        ts_preview_add(mc->daemon, preview, mc->tag, what);
    }
    mc->move = ts_move_plan(mc->daemon, &order, what, &equal, &mc->error);
    bool nothing = mc->move == NULL && mc->error.code == TS_E_NOT_FOUND;
    if (preview == NULL || !plan_only) { /* else nothing was made */
        mark_staged(mc, what);
    }
    if (mc->move != NULL && mc->networks != NULL) {
        (void)json_object_update_missing(mc->move->networks, mc->networks);
    }
    if (mc->move != NULL && !plan_only && keep_backup(mc, what)) {
        json_decref(mc->remove);
        mc->remove = json_incref(equal);
        mc->then = begin;
    } else if (nothing || (mc->move != NULL && plan_only)) {
        mc->then = answer_plan;
    } else {
        mc->then = ts_api_move_fail;
    }
    json_decref(equal);
    ts_api_move_remove(mc);
}

static void on_gathered(void *ctx, json_t *what, const struct ts_error *err)
{
    struct ts_move_call *mc = ctx;
    mc->gather = NULL;
    if (err != NULL) {
        mc->error = *err;
        ts_api_move_fail(mc);
    } else {
        plan(mc, what);
    }
}

void ts_api_move_prepare(struct ts_move_call *mc, const struct ts_gather_order *order)
{
    mc->gather = ts_gather_start(mc->daemon, order, on_gathered, mc, &mc->error);
    if (mc->gather == NULL) {
        ts_api_move_fail(mc);
    }
}

static bool is_tag(const char *tag)
{
    size_t n = strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789");
    return n > 0 && n < TS_MOVE_TAG && tag[n] == '\0';
}

bool ts_api_move_may_begin(struct ts_daemon *d, struct ts_call *call)
{
    struct ts_error err;
    if (ts_api_move_refuses(d, call, "")) {
        return false;
    }
    if (d->move_calls != NULL) {
        ts_api_refuse(d, call, "", "another exchange of containers is being prepared",
                      "try again in a moment");
        return false;
    }
    if (!d->link.up) {
        ts_error_set(&err, TS_E_UNAVAILABLE, "the container engine does not answer: %s",
                     d->link.detail);
        ts_api_failed(call, &err);
        return false;
    }
    return true;
}

/* What was set aside by the last one has to be decided upon before there is more of it. */
static bool is_accepted(struct ts_daemon *d, struct ts_call *call, const char *what)
{
    char reason[200];
    if (d->move == NULL || !d->move->kept) {
        return true;
    }
    (void)snprintf(reason, sizeof(reason),
                   "%s: the last migration is not accepted yet; its former containers are kept",
                   what);
    ts_api_refuse(
        d, call, "", reason,
        "tradestackctl migrate --accept removes them; tradestackctl rollback goes back to "
        "them");
    return false;
}

void ts_api_move_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    const char *kind = ts_json_str_or(parameters, "kind", "");
    enum ts_move_kind which = TS_MOVE_KIND_COUNT;
    bool known = ts_move_kind_parse(kind, &which) && which != TS_MOVE_ROLLBACK;
    if (!known || !is_tag(ts_json_str_or(parameters, "tag", ""))) {
        ts_call_error(call, "org.varlink.service.InvalidParameter",
                      json_pack("{s:s}", "parameter", known ? "tag" : "kind"));
        return;
    }
    if (!ts_api_move_may_begin(d, call) || !is_accepted(d, call, kind)) {
        return;
    }
    struct ts_move_call *mc = ts_api_move_new(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    mc->kind = which;
    ts_copy_cut(mc->tag, sizeof(mc->tag), param(mc, "tag"));
    if (!ts_json_bool_or(parameters, "plan_only", false)) {
        ts_api_log_command(d, call, kind, "");
    }
    const char *old = param(mc, "old_project");
    const struct ts_gather_order order = {
        .projects = {d->model->project, old[0] != '\0' ? old : NULL}};
    ts_api_move_prepare(mc, &order);
}

/* --- dropping what was made for nothing */

static void answer_dropped(struct ts_move_call *mc)
{
    struct ts_call *call = ts_api_move_release(mc);
    if (call != NULL) {
        ts_call_reply(call, NULL);
    }
}

static void on_gathered_to_drop(void *ctx, json_t *what, const struct ts_error *err)
{
    struct ts_move_call *mc = ctx;
    mc->gather = NULL;
    if (err != NULL) {
        mc->error = *err;
        ts_api_move_fail(mc);
        return;
    }
    mark_staged(mc, what);
    mc->then = answer_dropped;
    ts_api_move_remove(mc);
}

void ts_api_move_drop_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    const char *tag = ts_json_str_or(parameters, "tag", "");
    bool in_use = ts_move_is_on(d) && strcmp(d->move->tag, tag) == 0;
    if (!is_tag(tag) || in_use) {
        ts_call_error(call, "org.varlink.service.InvalidParameter",
                      json_pack("{s:s}", "parameter", "tag"));
        return;
    }
    struct ts_move_call *mc = ts_api_move_new(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    ts_copy_cut(mc->tag, sizeof(mc->tag), tag);
    const struct ts_gather_order order = {.projects = {d->model->project}};
    mc->gather = ts_gather_start(d, &order, on_gathered_to_drop, mc, &mc->error);
    if (mc->gather == NULL) {
        ts_api_move_fail(mc);
    }
}

void ts_api_move_free(struct ts_daemon *d)
{
    struct ts_move_call *next;
    for (struct ts_move_call *mc = d->move_calls; mc != NULL; mc = next) {
        next = mc->next;
        free_call(mc);
    }
}
