/* The points of a validation that act: an alert, a restart of the whole stack, a start from
 * nothing. All through the machine, like an operator's commands, and so through the interlock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "doctor/validate_internal.h"
#include "move/move.h"

#define ALERT_MS  30000
#define STOP_MS   60000 /* beyond the longest grace */
#define REMOVE_MS 60000
#define START_MS  300000 /* the same as `up` */

static bool reached(const struct ts_validation *v, ts_mono when)
{
    return ts_mono_reached(when, ts_loop_now(v->daemon->loop));
}

static void within(struct ts_validation *v, int64_t ms)
{
    v->deadline = ts_mono_add(ts_loop_now(v->daemon->loop), ms);
}

static void tell(struct ts_validation *v, const char *id, bool ok, const char *what,
                 const char *cure, const char *evidence)
{
    const struct ts_say say = {
        id, ok ? TS_GRADE_PASS : TS_GRADE_ERROR, NULL, {0}, what, ok ? "" : cure};
    ts_exam_tell(&v->exam, &say, "%s", evidence);
}

/* --- alert */

static void tell_alert(struct ts_validation *v, bool ok, const char *evidence)
{
    tell(v, "alert", ok, "a test alert is delivered to every channel",
         "tradestackctl doctor (webhook); look into the channel", evidence);
}

bool ts_validate_begin_alert(struct ts_validation *v)
{
    struct ts_daemon *d = v->daemon;
    struct ts_error err;
    size_t queued = 0;
    v->channel_count = ts_sender_channel_count(d->sender);
    for (size_t i = 0; i < v->channel_count; i++) {
        v->delivered[i] = ts_sender_status(d->sender, i).delivered;
    }
    if (!ts_notice_test(d, "", &queued, &err)) {
        tell_alert(v, false, err.msg);
        return false;
    }
    v->step = TS_VALIDATE_ALERT;
    v->began = ts_loop_now(d->loop);
    within(v, ALERT_MS);
    ts_timer_after(v->tick, 0);
    return true;
}

static void look_at_alert(struct ts_validation *v)
{
    struct ts_daemon *d = v->daemon;
    struct ts_buf text = ts_buf_init(1024);
    bool all = ts_sender_channel_count(d->sender) == v->channel_count;
    bool lost = !all; /* reloaded meanwhile */
    for (size_t i = 0; all && i < v->channel_count; i++) {
        struct ts_channel_status s = ts_sender_status(d->sender, i);
        bool arrived = s.delivered > v->delivered[i] && s.pending == 0;
        lost = lost || s.state == TS_CHANNEL_REFUSED;
        all = all && arrived;
        (void)ts_buf_addf(&text, "%s%s: %s%s", i > 0 ? "; " : "", s.name,
                          arrived ? "delivered" : "NOT delivered: ", arrived ? "" : s.detail);
    }
    if (all || lost || reached(v, v->deadline)) {
        (void)ts_buf_addf(&text, ", after %lld ms",
                          (long long)ts_mono_diff(v->began, ts_loop_now(d->loop)));
        tell_alert(v, all, ts_buf_text(&text));
        ts_timer_stop(v->tick);
        ts_buf_done(&text);
        ts_validate_next(v);
        return;
    }
    ts_buf_done(&text);
}

/* --- restart and cold start */

/* An operator may have stopped it meanwhile: then it is left so. */
static bool is_ours(const struct ts_cycled *c)
{
    return c->service[0] != '\0';
}

static const char *cycle_id(const struct ts_validation *v)
{
    return v->cold ? "cold-start" : "restart";
}

static void tell_cycle(struct ts_validation *v, bool ok, const char *evidence)
{
    tell(v, cycle_id(v), ok,
         v->cold ? "from nothing (no containers), one command brings the whole stack up"
                 : "after a restart the whole stack is ready again",
         "tradestackctl status; tradestackctl doctor", evidence);
}

static struct ts_unit *unit_of(const struct ts_validation *v, const struct ts_cycled *c)
{
    size_t i = ts_super_find(v->daemon->super, c->service);
    return i == SIZE_MAX ? NULL : v->daemon->units[i];
}

static const struct ts_svc *state_of(const struct ts_unit *u)
{
    return ts_super_state(u->daemon->super, u->index);
}

/* Only a stack that is whole is taken down to see whether it comes back. "" or what is not. */
static const char *not_ready(const struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (s->phase != TS_PHASE_READY && s->wanted == TS_WANTED_UP) {
            return d->units[i]->service;
        }
    }
    return ts_move_is_on(d) ? "a move of the stack, which is under way,"
           : d->released    ? "supervision, which was released,"
           : d->link.up     ? ""
                            : "the engine";
}

static void post(struct ts_unit *u, enum ts_obs_kind kind)
{
    ts_unit_post(u, &(struct ts_obs){.kind = kind});
}

static void stop_all(struct ts_validation *v)
{
    struct ts_daemon *d = v->daemon;
    int64_t grace = 0;
    v->cycled_count = 0;
    for (size_t i = 0; i < d->unit_count && v->cycled_count < TS_ARRAY_LEN(v->cycled); i++) {
        struct ts_unit *u = d->units[i];
        if (ts_super_state(d->super, i)->wanted != TS_WANTED_UP) {
            continue;
        }
        struct ts_cycled *c = &v->cycled[v->cycled_count++];
        *c = (struct ts_cycled){.validation = v, .started = u->container.started_at};
        ts_copy_cut(c->service, sizeof(c->service), u->service);
        (void)snprintf(c->id, sizeof(c->id), "%s", u->id);
        grace += ts_super_spec(d->super, i)->stop_grace_ms;
        u->comes_back = true; /* written down with its stop */
        post(u, TS_OBS_CMD_STOP);
    }
    within(v, grace + STOP_MS);
}

bool ts_validate_begin_cycle(struct ts_validation *v, bool cold)
{
    struct ts_daemon *d = v->daemon;
    const char *missing = not_ready(d);
    char text[200];
    v->cold = cold;
    if (missing[0] != '\0') {
        (void)snprintf(text, sizeof(text), "not begun: %.80s is not ready now", missing);
        tell_cycle(v, false, text);
        return false;
    }
    TS_LOG(d->log, TS_MSG_OPERATOR, TS_FIELDS(TS_STR("command", cycle_id(v))),
           "validate: the %s test stops the whole stack and starts it again", cycle_id(v));
    ts_memory_event(d, "", "validate.test", cycle_id(v));
    v->trouble[0] = '\0';
    v->step = TS_VALIDATE_STOPPING;
    v->began = ts_loop_now(d->loop);
    stop_all(v);
    ts_timer_after(v->tick, 0);
    return true;
}

static void start_all(struct ts_validation *v)
{
    for (size_t i = 0; i < v->cycled_count; i++) {
        struct ts_unit *u = unit_of(v, &v->cycled[i]);
        if (u != NULL) {
            post(u, TS_OBS_CMD_START);
            u->comes_back = false; /* the wish says so by itself again */
            ts_restore_wanted(u);
        }
    }
    v->step = TS_VALIDATE_STARTING;
    within(v, START_MS);
    ts_daemon_kick(v->daemon);
}

static void note(struct ts_validation *v, const char *what, const char *service, const char *why)
{
    size_t n = strlen(v->trouble);
    (void)snprintf(v->trouble + n, sizeof(v->trouble) - n, "%s%s %.60s: %.200s", n > 0 ? "; " : "",
                   what, service, why);
}

static void on_removed(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_cycled *c = ctx;
    (void)outcome;
    c->removing = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        note(c->validation, "cannot remove the container of", c->service, err->msg);
    }
}

static void remove_all(struct ts_validation *v)
{
    struct ts_error err;
    v->step = TS_VALIDATE_REMOVING;
    within(v, REMOVE_MS);
    for (size_t i = 0; i < v->cycled_count; i++) {
        struct ts_cycled *c = &v->cycled[i];
        if (!is_ours(c)) {
            continue;
        }
        c->removing =
            ts_container_remove(v->daemon->engine, c->id, TS_REMOVE_STOPPED, on_removed, c, &err);
        if (c->removing == NULL) {
            note(v, "cannot remove the container of", c->service, err.msg);
        }
    }
}

static void look_at_stop(struct ts_validation *v)
{
    bool all = true;
    bool late = reached(v, v->deadline);
    for (size_t i = 0; i < v->cycled_count; i++) {
        const struct ts_unit *u = unit_of(v, &v->cycled[i]);
        const struct ts_svc *s = u != NULL ? state_of(u) : NULL;
        bool down = s == NULL || !is_ours(&v->cycled[i]) ||
                    (!s->running && s->op == TS_OP_NONE && s->phase != TS_PHASE_STOPPING);
        if (!down && late) {
            note(v, "did not stop in time:", v->cycled[i].service, ts_phase_name(s->phase));
        }
        all = all && down;
    }
    if (all && v->cold) {
        remove_all(v);
    } else if (all || late) {
        start_all(v);
    }
}

static void look_at_removal(struct ts_validation *v)
{
    bool all = true;
    bool late = reached(v, v->deadline);
    for (size_t i = 0; i < v->cycled_count; i++) {
        const struct ts_unit *u = unit_of(v, &v->cycled[i]);
        bool gone = v->cycled[i].removing == NULL &&
                    (u == NULL || !is_ours(&v->cycled[i]) || strcmp(u->id, v->cycled[i].id) != 0);
        all = all && gone;
    }
    if (all || late || v->trouble[0] != '\0') {
        start_all(v);
    }
}

static bool is_back(const struct ts_validation *v, const struct ts_cycled *c,
                    const struct ts_unit *u)
{
    const struct ts_svc *s = state_of(u);
    bool anew = v->cold ? strcmp(u->id, c->id) != 0 : u->container.started_at.ms > c->started.ms;
    return s->phase == TS_PHASE_READY && anew;
}

static void look_at_start(struct ts_validation *v)
{
    struct ts_buf text = ts_buf_init(2048);
    bool all = true;
    bool lost = false;
    for (size_t i = 0; i < v->cycled_count; i++) {
        const struct ts_cycled *c = &v->cycled[i];
        const struct ts_unit *u = unit_of(v, c);
        if (!is_ours(c)) {
            continue;
        }
        bool back = u != NULL && is_back(v, c, u);
        all = all && back;
        lost = lost || (u != NULL && ts_machine_is_lost(state_of(u)));
        (void)ts_buf_addf(&text, "%s%s %s", i > 0 ? "; " : "", c->service,
                          u == NULL ? "is gone" : ts_phase_name(state_of(u)->phase));
        if (v->cold && back) {
            (void)ts_buf_addf(&text, " in a new container (%.12s, before %.12s)", u->id, c->id);
        }
    }
    if (all || lost || reached(v, v->deadline)) {
        char span[TS_SPAN_TEXT];
        ts_span_format(ts_mono_diff(v->began, ts_loop_now(v->daemon->loop)), span);
        (void)ts_buf_addf(&text, "; stopped%s and started in %s%s%s", v->cold ? ", removed" : "",
                          span, v->trouble[0] != '\0' ? "; " : "", v->trouble);
        tell_cycle(v, all && v->trouble[0] == '\0', ts_buf_text(&text));
        ts_timer_stop(v->tick);
        ts_buf_done(&text);
        ts_validate_next(v);
        return;
    }
    ts_buf_done(&text);
}

void ts_validate_asked_down(struct ts_daemon *d, const char *service)
{
    struct ts_validation *v = d->validation;
    for (size_t i = 0; v != NULL && i < v->cycled_count; i++) {
        if (strcmp(v->cycled[i].service, service) == 0) {
            struct ts_unit *u = unit_of(v, &v->cycled[i]);
            if (u != NULL) {
                u->comes_back = false;
            }
            note(v, "an operator stopped", service, "it is left so");
            ts_engine_cancel(v->cycled[i].removing);
            v->cycled[i].removing = NULL;
            v->cycled[i].service[0] = '\0'; /* nobody's */
        }
    }
}

static bool is_cycling(const struct ts_validation *v)
{
    return v->step == TS_VALIDATE_STOPPING || v->step == TS_VALIDATE_REMOVING ||
           v->step == TS_VALIDATE_STARTING;
}

bool ts_validate_acts(const struct ts_daemon *d)
{
    return d->validation != NULL && is_cycling(d->validation);
}

/* The stack is to go down with the machine, and comes back with it: the wishes stand as they are
 * written down. */
static bool ends_anyway(struct ts_validation *v)
{
    if (!is_cycling(v) || (!v->daemon->going_down && !v->daemon->stopping)) {
        return false;
    }
    tell_cycle(v, false, "the machine or the daemon goes down; the stack comes back with it");
    v->options.cold_start_test = false;
    ts_timer_stop(v->tick);
    ts_validate_next(v);
    return true;
}

void ts_validate_look(struct ts_validation *v)
{
    if (ends_anyway(v)) {
        return;
    }
    switch (v->step) {
    case TS_VALIDATE_ALERT: look_at_alert(v); break;
    case TS_VALIDATE_STOPPING: look_at_stop(v); break;
    case TS_VALIDATE_REMOVING: look_at_removal(v); break;
    case TS_VALIDATE_STARTING: look_at_start(v); break;
    case TS_VALIDATE_LOOK:
    case TS_VALIDATE_OVER: break;
    }
}
