/* The methods that exchange containers: an order is prepared (what is there, what is to change),
 * begun, and followed until its end by whoever waits. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api.h"
#include "base/json.h"
#include "base/parse.h"

#define FOLLOWERS_MAX 16

/* An order that is being prepared, and its client. */
struct ts_move_call {
    struct ts_move_call *next;
    struct ts_daemon *daemon;
    struct ts_call *call; /* NULL: the client has gone, and nothing was begun */
    json_t *parameters;
    enum ts_move_kind kind;
    struct ts_gather *gather;
    struct ts_move *move; /* planned, not begun */
    json_t *remove;       /* ids of what was made and is not needed */
    struct ts_engine_op *op;
    void (*then)(struct ts_move_call *mc); /* when all of those are gone */
    struct ts_error error;
};

/* A client that follows the move that is on. */
struct ts_move_follower {
    struct ts_move_follower *next;
    struct ts_daemon *daemon;
    struct ts_call *call;
    ts_mono step_began;
};

static const char *param(const struct ts_move_call *mc, const char *name)
{
    return ts_json_str_or(mc->parameters, name, "");
}

/* --- refusing what would get in its way */

bool ts_api_move_refuses(struct ts_daemon *d, struct ts_call *call, const char *service)
{
    char line[TS_MOVE_TEXT];
    char began[TS_WALL_TEXT];
    char reason[TS_MOVE_TEXT + 160];
    bool concerned = ts_move_is_on(d) && (service[0] == '\0' || ts_move_concerns(d, service));
    if (!concerned) {
        return false;
    }
    ts_move_line(d, line, sizeof(line));
    ts_wall_format(d->move->began, began);
    (void)snprintf(reason, sizeof(reason), "containers are being exchanged, by %s since %s: %s",
                   d->move->by, began, line);
    ts_api_refuse(d, call, service, reason,
                  d->move->state.way == TS_MOVE_BACK
                      ? "wait until it is over: tradestackctl watch"
                      : "wait until it is over (tradestackctl watch), or go back: tradestackctl "
                        "rollback");
    return true;
}

/* --- followers */

static void on_follower_gone(void *ctx)
{
    struct ts_move_follower *f = ctx;
    for (struct ts_move_follower **at = &f->daemon->move_followers; *at != NULL;
         at = &(*at)->next) {
        if (*at == f) {
            *at = f->next;
            break;
        }
    }
    free(f);
}

static bool follow(struct ts_daemon *d, struct ts_call *call)
{
    size_t n = 0;
    for (const struct ts_move_follower *f = d->move_followers; f != NULL; f = f->next) {
        n++;
    }
    struct ts_move_follower *f = n < FOLLOWERS_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL) {
        return false;
    }
    *f = (struct ts_move_follower){
        .next = d->move_followers, .daemon = d, .call = call, .step_began = ts_loop_now(d->loop)};
    d->move_followers = f;
    ts_call_on_gone(call, on_follower_gone, f);
    return true;
}

void ts_api_move_step(struct ts_move *m, const char *name, const char *text, bool done, bool ok,
                      const char *detail)
{
    struct ts_daemon *d = m->daemon;
    struct ts_move_follower *next;
    for (struct ts_move_follower *f = d->move_followers; f != NULL; f = next) {
        next = f->next; /* one that does not read is cut off, and gone */
        if (!done) {
            f->step_began = ts_loop_now(d->loop);
        }
        int64_t took = ts_mono_diff(f->step_began, ts_loop_now(d->loop));
        (void)ts_call_progress(f->call,
                               json_pack("{s:{s:s, s:s, s:b, s:b, s:I, s:s}}", "step", "service",
                                         name, "step", text, "done", (int)done, "ok", (int)ok,
                                         "took_ms", (json_int_t)took, "detail", detail));
    }
}

static json_t *failure(const struct ts_move *m)
{
    bool halted = m->state.way == TS_MOVE_HALTED;
    return json_pack("{s:s, s:s, s:s, s:o}", "outcome", ts_move_way_name(m->state.way), "reason",
                     m->why, "cure",
                     halted ? "tradestackctl rollback goes back; tradestackctl migrate --accept "
                              "keeps it as it stands"
                            : "the former containers run again; mend the cause and try again",
                     "log", m->log != NULL ? json_incref(m->log) : json_array());
}

static json_t *outcome(struct ts_daemon *d)
{
    json_t *v = ts_move_json(d);
    if (json_is_null(v)) { /* over, and nothing is kept */
        char line[TS_MOVE_TEXT];
        char began[TS_WALL_TEXT];
        const struct ts_move *m = d->move;
        ts_move_line(d, line, sizeof(line));
        ts_wall_format(m->began, began);
        v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:s}", "kind",
                      ts_move_kind_name(m->kind), "way", ts_move_way_name(m->state.way), "summary",
                      line, "by", m->by, "began", began, "step", "", "at",
                      (json_int_t)m->state.at + 1, "steps", (json_int_t)m->plan.count, "reason",
                      m->why, "kept", 0, "next", "");
    }
    return json_pack("{s:o}", "move", v);
}

void ts_api_move_ended(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    while (d->move_followers != NULL) {
        struct ts_move_follower *f = d->move_followers;
        d->move_followers = f->next;
        ts_call_on_gone(f->call, NULL, NULL);
        if (m->state.way == TS_MOVE_DONE) {
            ts_call_reply(f->call, outcome(d));
        } else {
            ts_call_error(f->call, "MoveFailed", failure(m));
        }
        free(f);
    }
}

/* --- the last lines of what failed */

static void on_log_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_move *m = ctx;
    char text[TS_MOVE_TEXT];
    ts_alert_clean(text, sizeof(text), SIZE_MAX, line->text, false);
    if (json_array_size(m->log) < TS_MOVE_LOG_MAX) {
        (void)json_array_append_new(m->log, json_string(text));
    }
}

static void on_log_end(void *ctx, const struct ts_error *err)
{
    struct ts_move *m = ctx;
    (void)err;
    ts_logs_stop(m->log_reader);
    m->log_reader = NULL;
}

void ts_api_move_log(struct ts_move *m)
{
    static const struct ts_logs_handler handler = {on_log_line, on_log_end};
    const struct ts_move_step *step = &m->plan.steps[m->state.at];
    const struct ts_move_side *s = &m->places[step->part].next;
    struct ts_error err;
    if ((step->deed != TS_MOVE_START && step->deed != TS_MOVE_CHECK) || m->log_reader != NULL) {
        return;
    }
    s = s->is ? s : &m->places[step->part].now;
    const struct ts_logs_options options = {.id = s->id, .tail = TS_MOVE_LOG_MAX};
    json_decref(m->log);
    m->log = json_array();
    m->log_reader = ts_logs_start(m->daemon->engine, &options, &handler, m, &err);
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
    free(mc);
}

static void on_call_gone(void *ctx)
{
    struct ts_move_call *mc = ctx;
    mc->call = NULL; /* what is begun is brought to its end: nothing is left lying about */
}

static struct ts_move_call *new_call(struct ts_daemon *d, struct ts_call *call,
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
static struct ts_call *release(struct ts_move_call *mc)
{
    struct ts_call *call = mc->call;
    if (call != NULL) {
        ts_call_on_gone(call, NULL, NULL);
    }
    free_call(mc);
    return call;
}

static void answer_error(struct ts_move_call *mc)
{
    struct ts_daemon *d = mc->daemon;
    struct ts_error err = mc->error;
    struct ts_call *call = release(mc);
    if (call == NULL) {
        return;
    }
    if (err.code == TS_E_CONFLICT || err.code == TS_E_INVALID || err.code == TS_E_LIMIT) {
        ts_api_refuse(d, call, "", err.msg, "");
    } else {
        ts_api_failed(call, &err);
    }
}

static void remove_next(struct ts_move_call *mc);

static void on_removed(void *ctx, enum ts_outcome outcome_, const struct ts_error *err)
{
    struct ts_move_call *mc = ctx;
    (void)outcome_;
    mc->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        TS_LOG(mc->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_NO_FIELDS,
               "a container that was made for an exchange is left behind: %s", err->msg);
    }
    remove_next(mc);
}

static void remove_next(struct ts_move_call *mc)
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
    (void)snprintf(suffix, sizeof(suffix), TS_MOVE_NEXT "%s", param(mc, "tag"));
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
    json_t *plan = mc->move == NULL ? NULL : ts_move_describe(mc->move);
    struct ts_call *call = release(mc);
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
        answer_error(mc);
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
        answer_error(mc);
        return;
    }
    mc->move = NULL; /* taken */
    struct ts_call *call = release(mc);
    if (!wait || !ts_call_progress(call, json_pack("{s:o}", "plan", plan))) {
        if (!wait) {
            json_decref(plan);
            ts_call_reply(call, outcome(d));
        }
        return;
    }
    if (!follow(d, call)) {
        ts_call_reply(call, outcome(d));
    }
}

static void on_gathered(void *ctx, json_t *what, const struct ts_error *err)
{
    struct ts_move_call *mc = ctx;
    struct ts_daemon *d = mc->daemon;
    json_t *equal = NULL;
    mc->gather = NULL;
    if (err != NULL) {
        mc->error = *err;
        answer_error(mc);
        return;
    }
    const struct ts_move_order order = {
        .kind = mc->kind,
        .tag = param(mc, "tag"),
        .old_project = param(mc, "old_project"),
        .no_rollback = ts_json_bool_or(mc->parameters, "no_rollback", false),
    };
    bool plan_only = ts_json_bool_or(mc->parameters, "plan_only", false);
    mc->move = ts_move_plan(d, &order, what, &equal, &mc->error);
    bool nothing = mc->move == NULL && mc->error.code == TS_E_NOT_FOUND;
    mark_staged(mc, what);
    if (mc->move != NULL && !plan_only) {
        json_decref(mc->remove);
        mc->remove = json_incref(equal);
        (void)snprintf(mc->move->by, sizeof(mc->move->by), "uid %lld",
                       mc->call != NULL ? (long long)ts_call_peer(mc->call)->uid : -1LL);
        mc->then = begin;
    } else if (mc->move != NULL || nothing) {
        mc->then = answer_plan;
    } else {
        mc->then = answer_error;
    }
    json_decref(equal);
    remove_next(mc);
}

static bool is_tag(const char *tag)
{
    size_t n = strspn(tag, "abcdefghijklmnopqrstuvwxyz0123456789");
    return n > 0 && n < TS_MOVE_TAG && tag[n] == '\0';
}

static bool may_begin(struct ts_daemon *d, struct ts_call *call, const char *what)
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
    if (d->move != NULL && d->move->kept) {
        char reason[200];
        (void)snprintf(reason, sizeof(reason),
                       "%s: the last migration is not accepted yet; its former containers are kept",
                       what);
        ts_api_refuse(
            d, call, "", reason,
            "tradestackctl migrate --accept removes them; tradestackctl rollback goes back "
            "to them");
        return false;
    }
    return true;
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
    if (!may_begin(d, call, kind)) {
        return;
    }
    struct ts_move_call *mc = new_call(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    mc->kind = which;
    if (!ts_json_bool_or(parameters, "plan_only", false)) {
        ts_api_log_command(d, call, kind, "");
    }
    const char *old = param(mc, "old_project");
    const struct ts_gather_order order = {
        .projects = {d->model->project, old[0] != '\0' ? old : NULL}};
    mc->gather = ts_gather_start(d, &order, on_gathered, mc, &mc->error);
    if (mc->gather == NULL) {
        answer_error(mc);
    }
}

/* --- dropping what was made for nothing */

static void answer_dropped(struct ts_move_call *mc)
{
    struct ts_call *call = release(mc);
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
        answer_error(mc);
        return;
    }
    mark_staged(mc, what);
    mc->then = answer_dropped;
    remove_next(mc);
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
    struct ts_move_call *mc = new_call(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    const struct ts_gather_order order = {.projects = {d->model->project}};
    mc->gather = ts_gather_start(d, &order, on_gathered_to_drop, mc, &mc->error);
    if (mc->gather == NULL) {
        answer_error(mc);
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
