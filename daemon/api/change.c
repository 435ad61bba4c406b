/*
 * Methods that change something: each posts observations, as if the world had told them, and
 * answers when the machine has come to an end with them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "base/parse.h"
#include "doctor/validate.h"

#define WAIT_DEFAULT_MS 300000
#define WAIT_MAX_MS     (24 * 3600 * 1000LL)
#define OPS_MAX         16

enum goal { GOAL_READY, GOAL_DOWN };

/* A client that waits for services to get somewhere. */
struct ts_wait {
    struct ts_wait *next;
    struct ts_daemon *daemon;
    struct ts_call *call;
    enum goal goal;
    ts_mono began;
    struct ts_timer *deadline;
    size_t count; /* of the arrays */
    bool *in;     /* which services it is about */
    enum ts_phase *shown;
    bool *seen_begin; /* restart: it has left ready */
    bool answered;
};

void ts_api_log_command(struct ts_daemon *d, struct ts_call *call, const char *what,
                        const char *service)
{
    struct ts_error ignored; /* told by the trail itself; a stop must work with a full disk too */
    const struct ts_peer *peer = ts_call_peer(call);
    char text[200];
    (void)snprintf(text, sizeof(text), "%s %s, by uid %lld (pid %d)", what,
                   service[0] != '\0' ? service : "all", peer->known ? (long long)peer->uid : -1,
                   peer->pid);
    TS_LOG(d->log, TS_MSG_OPERATOR,
           TS_FIELDS(TS_STR("command", what), TS_STR("service", service),
                     TS_I64("uid", peer->known ? (int64_t)peer->uid : -1),
                     TS_I64("pid", peer->pid)),
           "%s", text);
    const struct ts_trail_note note = {
        .event = "command", .service = service, .outcome = "taken", .peer = peer, .text = text};
    (void)ts_trail_add(d, &note, NULL, &ignored);
    ts_memory_event(d, service, "operator.command", text);
}

void ts_api_refuse(struct ts_daemon *d, struct ts_call *call, const char *service,
                   const char *reason, const char *cure)
{
    struct ts_error ignored;
    const struct ts_trail_note note = {.event = "command",
                                       .service = service,
                                       .outcome = "refused",
                                       .peer = ts_call_peer(call),
                                       .text = reason};
    (void)ts_trail_add(d, &note, NULL, &ignored);
    ts_call_error(call, "Refused", json_pack("{s:s, s:s}", "reason", reason, "cure", cure));
}

/* --- operations that wait */

static void free_op(void *arg)
{
    struct ts_wait *op = arg;
    for (struct ts_wait **at = &op->daemon->waits; *at != NULL; at = &(*at)->next) {
        if (*at == op) {
            *at = op->next;
            break;
        }
    }
    ts_timer_free(op->deadline);
    free(op->in);
    free(op->shown);
    free(op->seen_begin);
    free(op);
}

static void end_op(struct ts_wait *op)
{
    op->answered = true;
    ts_call_on_gone(op->call, NULL, NULL);
    ts_loop_defer(op->daemon->loop, free_op, op);
}

static void on_op_gone(void *ctx)
{
    /* Freed now: nobody walks the list here, and at the daemon's end nothing may be left to the
     * loop. An answered operation has no call any more and does not come here. */
    free_op(ctx);
}

static void on_op_deadline(void *ctx)
{
    struct ts_wait *op = ctx;
    char line[400];
    if (op->answered) {
        return;
    }
    ts_status_line(op->daemon, line, sizeof(line));
    ts_call_error(op->call, "TimedOut", json_pack("{s:s}", "detail", line));
    end_op(op);
}

static json_t *step_of(struct ts_wait *op, size_t i, bool done, bool ok)
{
    struct ts_daemon *d = op->daemon;
    json_t *service = ts_status_service(d, i);
    const char *detail = ts_json_str_or(service, "detail", "");
    json_t *step = json_pack(
        "{s:{s:s, s:s, s:b, s:b, s:I, s:s}}", "step", "service", d->units[i]->service, "step",
        ts_phase_name(ts_super_state(d->super, i)->phase), "done", (int)done, "ok", (int)ok,
        "took_ms", (json_int_t)ts_mono_diff(op->began, ts_loop_now(d->loop)), "detail", detail);
    json_decref(service);
    return step;
}

static bool at_goal(const struct ts_wait *op, size_t i)
{
    const struct ts_svc *s = ts_super_state(op->daemon->super, i);
    if (op->goal == GOAL_DOWN) {
        return !s->running && s->op == TS_OP_NONE && s->phase != TS_PHASE_STOPPING;
    }
    return (s->phase == TS_PHASE_READY && op->seen_begin[i]) ||
           (s->phase == TS_PHASE_STOPPED && s->why == TS_WHY_COMPLETED);
}

/* It will not get there by itself. */
static bool is_lost(const struct ts_wait *op, size_t i)
{
    const struct ts_svc *s = ts_super_state(op->daemon->super, i);
    const struct ts_unit *u = op->daemon->units[i];
    if (op->goal != GOAL_READY) {
        return false;
    }
    return ts_machine_is_lost(s) ||
           (s->phase == TS_PHASE_ABSENT && u->id[0] == '\0' && !ts_restore_under_way(u)) ||
           (s->phase == TS_PHASE_STOPPED && s->why != TS_WHY_COMPLETED);
}

static void refuse_lost(struct ts_wait *op, size_t i)
{
    struct ts_daemon *d = op->daemon;
    json_t *service = ts_status_service(d, i);
    char reason[600];
    (void)snprintf(reason, sizeof(reason), "%s is %s: %s", d->units[i]->service,
                   ts_phase_name(ts_super_state(d->super, i)->phase),
                   ts_json_str_or(service, "detail", ""));
    ts_call_error(
        op->call, "Refused",
        json_pack("{s:s, s:s}", "reason", reason, "cure", ts_json_str_or(service, "next", "")));
    json_decref(service);
    end_op(op);
}

/* Shows what changed; ends the operation when all is done or something is lost. */
static void check_op(struct ts_wait *op)
{
    struct ts_daemon *d = op->daemon;
    bool all = true;
    for (size_t i = 0; i < op->count && i < d->unit_count && !op->answered; i++) {
        if (!op->in[i]) {
            continue;
        }
        enum ts_phase phase = ts_super_state(d->super, i)->phase;
        op->seen_begin[i] = op->seen_begin[i] || phase != TS_PHASE_READY;
        bool done = at_goal(op, i);
        bool lost = is_lost(op, i);
        all = all && done;
        if (phase != op->shown[i]) {
            op->shown[i] = phase;
            if (!ts_call_progress(op->call, step_of(op, i, done || lost, !lost))) {
                return; /* on_op_gone follows */
            }
        }
        if (lost) {
            refuse_lost(op, i);
        }
    }
    if (all && !op->answered) {
        ts_call_reply(op->call, NULL);
        end_op(op);
    }
}

void ts_api_turn(struct ts_daemon *d)
{
    struct ts_wait *next;
    ts_streams_turn(d);
    for (struct ts_wait *op = d->waits; op != NULL; op = next) {
        next = op->next;
        if (!op->answered && !ts_super_pending(d->super)) {
            check_op(op);
        }
    }
}

/* Answers the call now, or when the services in want[] have got to the goal. Takes want. */
static void answer(struct ts_daemon *d, struct ts_call *call, const json_t *parameters,
                   enum goal goal, bool *take_want, bool from_start)
{
    struct ts_error err;
    int64_t timeout = ts_json_i64_or(parameters, "timeout_ms", WAIT_DEFAULT_MS);
    struct ts_wait *op = NULL;
    if (!ts_json_bool_or(parameters, "wait", false)) {
        free(take_want);
        ts_call_reply(call, NULL);
        return;
    }
    op = calloc(1, sizeof(*op));
    if (op != NULL) {
        *op = (struct ts_wait){.next = d->waits,
                               .daemon = d,
                               .call = call,
                               .goal = goal,
                               .began = ts_loop_now(d->loop),
                               .count = d->unit_count,
                               .in = take_want};
        d->waits = op;
        op->shown = calloc(d->unit_count + 1, sizeof(*op->shown));
        op->seen_begin = calloc(d->unit_count + 1, sizeof(*op->seen_begin));
        op->deadline = ts_timer_new(d->loop, on_op_deadline, op, &err);
    }
    if (op == NULL || op->shown == NULL || op->seen_begin == NULL || op->deadline == NULL) {
        if (op == NULL) {
            free(take_want);
        } else {
            free_op(op);
        }
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return;
    }
    for (size_t i = 0; i < op->count; i++) {
        op->shown[i] = TS_PHASE_COUNT;
        op->seen_begin[i] = !from_start;
    }
    ts_timer_after(op->deadline, timeout < 1 || timeout > WAIT_MAX_MS ? WAIT_DEFAULT_MS : timeout);
    ts_call_on_gone(call, on_op_gone, op);
    ts_daemon_kick(d);
}

/* --- calls that wait until the engine has listed the project */

struct ts_rescan {
    struct ts_rescan *next;
    struct ts_daemon *daemon;
    struct ts_call *call;
    /* What answers the call then; NULL: the list itself is the answer. */
    void (*handle)(void *ctx, struct ts_call *call, const json_t *parameters);
    json_t *parameters;
};

static void on_rescan_gone(void *ctx)
{
    struct ts_rescan *r = ctx;
    for (struct ts_rescan **at = &r->daemon->rescans; *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    json_decref(r->parameters);
    free(r);
}

static bool wait_for_list(struct ts_daemon *d, struct ts_call *call, const json_t *parameters,
                          void (*handle)(void *, struct ts_call *, const json_t *))
{
    struct ts_rescan *r = calloc(1, sizeof(*r));
    struct ts_error err;
    if (r == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return false;
    }
    *r = (struct ts_rescan){.next = d->rescans,
                            .daemon = d,
                            .call = call,
                            .handle = handle,
                            .parameters = json_deep_copy(parameters)};
    d->rescans = r;
    ts_call_on_gone(call, on_rescan_gone, r);
    return true;
}

static void answer_rescan(struct ts_daemon *d, struct ts_rescan *r, const struct ts_error *err)
{
    if (err != NULL) {
        ts_api_failed(r->call, err);
        return;
    }
    if (r->handle != NULL) {
        r->handle(d, r->call, r->parameters);
        return;
    }
    json_t *list = json_array();
    for (size_t i = 0; i < d->unit_count; i++) {
        (void)json_array_append_new(list, json_string(d->units[i]->service));
    }
    ts_call_reply(r->call, json_pack("{s:o}", "services", list));
}

void ts_api_rescanned(struct ts_daemon *d, const struct ts_error *err)
{
    while (d->rescans != NULL) {
        struct ts_rescan *r = d->rescans;
        d->rescans = r->next;
        ts_call_on_gone(r->call, NULL, NULL);
        answer_rescan(d, r, err);
        json_decref(r->parameters);
        free(r);
    }
}

/* --- the methods */

static void post_to(struct ts_daemon *d, size_t i, enum ts_obs_kind kind)
{
    ts_unit_post(d->units[i], &(struct ts_obs){.kind = kind});
}

static void refuse(struct ts_daemon *d, struct ts_call *call, const char *service,
                   const char *reason, const char *verb)
{
    char why[TS_DETAIL_MAX * 4];
    char cure[160];
    (void)snprintf(why, sizeof(why), "%s %s", service, reason);
    (void)snprintf(cure, sizeof(cure), "tradestackctl %s %s", verb, service);
    ts_api_refuse(d, call, service, why, cure);
}

/* A service that cannot be started as it is. False: the call was answered. */
static bool may_start(struct ts_daemon *d, struct ts_call *call, size_t i)
{
    const struct ts_svc *s = ts_super_state(d->super, i);
    const char *name = d->units[i]->service;
    if (s->held && s->hold_why == TS_WHY_HOLD) {
        refuse(d, call, name, "is held by an operator", "unhold");
        return false;
    }
    char text[TS_DETAIL_MAX * 2];
    char reason[TS_DETAIL_MAX * 3];
    ts_reason_text(s->latch, s->latch_detail, text, sizeof(text));
    if (s->block == TS_BLOCK_TRIPPED) {
        (void)snprintf(reason, sizeof(reason), "broke a safety rule: %s", text);
        refuse(d, call, name, reason, "safety reset");
        return false;
    }
    if (s->latch != TS_WHY_NONE && s->block == TS_BLOCK_NONE) {
        (void)snprintf(reason, sizeof(reason), "has failed: %s", text);
        refuse(d, call, name, reason, "reset");
        return false;
    }
    return true; /* a start that was refused is judged anew */
}

/* The services meant by the call: one and its relatives, or all. NULL: the call was answered. */
static bool *select_services(struct ts_daemon *d, struct ts_call *call, const json_t *parameters,
                             void (*close_over)(const struct ts_node *, size_t, bool *))
{
    bool *want = calloc(d->unit_count + 1, sizeof(*want));
    struct ts_error err;
    if (want == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return NULL;
    }
    if (ts_json_str_or(parameters, "service", "")[0] == '\0') {
        for (size_t i = 0; i < d->unit_count; i++) {
            want[i] = true;
        }
        return want;
    }
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX) {
        free(want);
        return NULL;
    }
    want[i] = true;
    close_over(ts_super_nodes(d->super), d->unit_count, want);
    return want;
}

void ts_api_start_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    bool all = ts_json_str_or(parameters, "service", "")[0] == '\0';
    if (d->unit_count == 0 && !d->link.up) {
        (void)wait_for_list(d, call, parameters, ts_api_start_call); /* just started */
        return;
    }
    if (ts_api_move_refuses(d, call, ts_json_str_or(parameters, "service", ""))) {
        return;
    }
    bool *want = select_services(d, call, parameters, ts_plan_close_over_deps);
    if (want == NULL) {
        return;
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        bool held = s->held && s->hold_why == TS_WHY_HOLD && !d->released;
        if (want[i] && all && held) {
            want[i] = false; /* `up` leaves held services alone; status shows them */
        }
        if (want[i] && !d->released && !may_start(d, call, i)) {
            free(want);
            return;
        }
    }
    ts_api_log_command(d, call, "start", ts_json_str_or(parameters, "service", ""));
    for (size_t i = 0; i < d->unit_count; i++) {
        if (want[i] && d->released) {
            post_to(d, i, TS_OBS_CMD_UNHOLD);
        }
        if (want[i]) {
            post_to(d, i, TS_OBS_CMD_START);
            ts_restore_wanted(d->units[i]);
        }
    }
    ts_api_set_released(d, false);
    answer(d, call, parameters, GOAL_READY, want, false);
}

void ts_api_stop_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    bool *want = select_services(d, call, parameters, ts_plan_close_over_dependents);
    if (want == NULL) {
        return;
    }
    ts_api_log_command(d, call, "stop", ts_json_str_or(parameters, "service", ""));
    for (size_t i = 0; i < d->unit_count; i++) {
        if (want[i]) {
            ts_move_leave_down(d, d->units[i]->service);
            ts_validate_asked_down(d, d->units[i]->service);
            post_to(d, i, TS_OBS_CMD_STOP);
        }
    }
    answer(d, call, parameters, GOAL_DOWN, want, false);
}

void ts_api_restart_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX || ts_api_move_refuses(d, call, d->units[i]->service) ||
        !may_start(d, call, i)) {
        return;
    }
    bool *want = calloc(d->unit_count + 1, sizeof(*want));
    struct ts_error err;
    if (want == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return;
    }
    want[i] = true;
    ts_api_log_command(d, call, "restart", d->units[i]->service);
    post_to(d, i, TS_OBS_CMD_RESTART);
    ts_restore_wanted(d->units[i]);
    answer(d, call, parameters, GOAL_READY, want, ts_super_state(d->super, i)->running);
}

static void simple_command(struct ts_daemon *d, struct ts_call *call, const json_t *parameters,
                           enum ts_obs_kind kind, const char *name)
{
    size_t i = ts_api_service(d, call, parameters);
    bool holds = kind == TS_OBS_CMD_HOLD; /* what stops is obeyed whatever else goes on */
    if (i == SIZE_MAX || (!holds && ts_api_move_refuses(d, call, d->units[i]->service))) {
        return;
    }
    if (holds) {
        ts_move_leave_down(d, d->units[i]->service);
    }
    ts_api_log_command(d, call, name, d->units[i]->service);
    if (kind == TS_OBS_CMD_HOLD) {
        ts_validate_asked_down(d, d->units[i]->service);
    }
    post_to(d, i, kind);
    ts_call_reply(call, NULL);
}

void ts_api_hold_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    simple_command(ctx, call, parameters, TS_OBS_CMD_HOLD, "hold");
}

void ts_api_unhold_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    simple_command(ctx, call, parameters, TS_OBS_CMD_UNHOLD, "unhold");
}

void ts_api_reset_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX || ts_api_move_refuses(d, call, d->units[i]->service)) {
        return;
    }
    if (ts_super_state(d->super, i)->block == TS_BLOCK_TRIPPED) {
        refuse(d, call, d->units[i]->service, "broke a safety rule; only the CRO can reset that",
               "safety reset");
        return;
    }
    ts_api_log_command(d, call, "reset", d->units[i]->service);
    post_to(d, i, TS_OBS_CMD_RESET);
    ts_call_reply(call, NULL);
}

void ts_api_set_released(struct ts_daemon *d, bool released)
{
    if (d->released != released) {
        d->released = released;
        ts_units_inspect_all(d, false); /* takes the restart policies over again */
        ts_memory_mark(d, "released", released ? "1" : "");
    }
}

void ts_api_release_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    (void)parameters;
    if (ts_api_move_refuses(d, call, "")) {
        return;
    }
    json_t *list = json_array();
    ts_api_log_command(d, call, "release", "");
    ts_api_set_released(d, true);
    for (size_t i = 0; i < d->unit_count; i++) {
        post_to(d, i, TS_OBS_CMD_HOLD);
        ts_perform_release_policy(d->units[i]);
        (void)json_array_append_new(list, json_string(d->units[i]->service));
    }
    ts_call_reply(call, json_pack("{s:o}", "services", list));
}

void ts_api_rescan_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    /* A daemon that has just started is still connecting: that ends with a list, or with why not.
     */
    bool trying = d->link.op != NULL || d->link.events != NULL ||
                  ts_host_engine_unit(d->host) == TS_ENGINE_UNIT_ASKING;
    if (!d->link.up && !trying) {
        ts_error_set(&err, TS_E_UNAVAILABLE, "the container engine does not answer: %s",
                     d->link.detail);
        ts_api_failed(call, &err);
        return;
    }
    if (!wait_for_list(d, call, parameters, NULL) || !d->link.up) {
        return;
    }
    /* A list under way may have begun before what the caller wants to be seen. */
    ts_engine_cancel(d->link.listing);
    d->link.listing = NULL;
    ts_engine_watch_resync(d);
}

void ts_api_reload_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    json_t *changed = NULL;
    json_t *errors = NULL;
    (void)parameters;
    ts_api_log_command(d, call, "reload", "");
    if (ts_daemon_reload(d, &changed, &errors)) {
        ts_call_reply(call, json_pack("{s:o}", "changed", changed));
    } else {
        ts_call_error(call, "BadConfig", json_pack("{s:o}", "errors", errors));
    }
}

void ts_api_alert_test_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    size_t queued;
    if (!ts_notice_test(d, ts_json_str_or(parameters, "channel", ""), &queued, &err)) {
        ts_api_failed(call, &err);
        return;
    }
    ts_api_log_command(d, call, "alert test", "");
    ts_call_reply(call, json_pack("{s:I}", "queued", (json_int_t)queued));
}

void ts_api_stop(struct ts_daemon *d)
{
    ts_control_free(d->control); /* each call that still waits goes with its client */
    d->control = NULL;
    ts_api_move_free(d);
}
