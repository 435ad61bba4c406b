/* The phases: what each makes of the facts. Each function returns with a changed phase or leaves
 * it. */
#include <stdio.h>

#include "core/machine_internal.h"

#define LOST_START_RETRY_MS 100 /* after a 304 for a container that does not run (T3) */
#define LOST_START_RETRIES  100
#define STOP_RETRIES        3
#define ENGINE_RETRY_MS     2000 /* after a start or stop with unknown outcome */
#define UNSURE_RETRY_MS     5000 /* after a start that the interlock could not judge */

/* What every running service reacts to, whatever its probes say. True: the phase has changed. */
static bool step_running(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (!s->running) {
        if (s->op == TS_OP_NONE) {
            ts_step_on_exit(st);
            return true;
        }
        return false;
    }
    if (s->latch != TS_WHY_NONE && ts_step_latch_stops(s)) {
        s->stop_now = true;
        ts_step_enter_stopping(st, s->latch, false);
        return true;
    }
    if (s->suspended) {
        ts_step_enter_stopping(st, s->stop_why, s->restart_after_stop);
        return true;
    }
    if (s->held) {
        return false;
    }
    if (s->wanted == TS_WANTED_DOWN) {
        ts_step_enter_stopping(st, TS_WHY_COMMAND, false);
        return true;
    }
    if (s->restart_after_stop) {
        ts_step_enter_stopping(st, s->stop_why, true);
        return true;
    }
    return false;
}

static void step_unknown(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (!s->seen) {
        return;
    }
    if (!s->exists) {
        ts_step_enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
    } else if (s->running) {
        ts_step_enter_starting(st, TS_WHY_ADOPTED);
    } else if (ts_step_want_up(s)) {
        ts_step_come_up(st, TS_WHY_WANTED); /* a back-off is remembered */
    } else {
        ts_step_enter_rest(st);
    }
}

/* Is the resting phase the one that latch and hold ask for? */
static bool rests_right(const struct ts_svc *s)
{
    if (s->latch != TS_WHY_NONE) {
        return s->phase == (s->block != TS_BLOCK_NONE ? TS_PHASE_BLOCKED : TS_PHASE_FAILED) &&
               s->why == s->latch;
    }
    if (s->held) {
        return s->phase == TS_PHASE_HELD && s->why == s->hold_why;
    }
    return s->phase == TS_PHASE_STOPPED;
}

/* A failed service whose container still runs: given up restarting, not given up watching. */
static void step_rest_running(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->latch == TS_WHY_NONE || ts_step_latch_stops(s)) {
        ts_step_enter_starting(st, TS_WHY_ADOPTED);
    } else if (s->wanted == TS_WANTED_DOWN && !s->held) {
        ts_step_enter_stopping(st, TS_WHY_COMMAND, false);
    } else if (ts_step_all_ready(st)) { /* it came back by itself */
        s->latch = TS_WHY_NONE;
        ts_step_enter_starting(st, TS_WHY_ADOPTED);
    }
}

static bool stopped_by_hand_just_now(const struct ts_svc *s)
{
    return s->phase == TS_PHASE_HELD && s->why == TS_WHY_MANUAL_STOP && !s->told &&
           s->deadline.ms != TS_NEVER.ms;
}

bool ts_machine_is_lost(const struct ts_svc *s)
{
    return s->phase == TS_PHASE_FAILED || s->phase == TS_PHASE_BLOCKED ||
           (s->phase == TS_PHASE_HELD && !stopped_by_hand_just_now(s));
}

/* A stop by hand is told once it is sure that it was no engine on its way out. */
static void tell_manual_stop(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (stopped_by_hand_just_now(s) && ts_mono_reached(s->deadline, st->now)) {
        s->told = true;
        s->deadline = TS_NEVER;
        ts_step_notice(st, TS_NOTICE_MANUAL_STOP);
    }
}

/* STOPPED, HELD, FAILED, BLOCKED and ABSENT: at rest. */
static void step_rest(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    bool asked = st->obs->kind == TS_OBS_CMD_START || st->obs->kind == TS_OBS_CMD_RESTART;
    bool completed = s->phase == TS_PHASE_STOPPED && s->why == TS_WHY_COMPLETED;
    if (s->running) {
        step_rest_running(st);
    } else if (!s->exists) {
        if (s->phase != TS_PHASE_ABSENT) {
            ts_step_enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
        }
    } else if (ts_step_want_up(s) && (asked || !completed)) {
        ts_step_come_up(st, TS_WHY_WANTED);
    } else if (!rests_right(s)) {
        ts_step_enter_rest(st);
    } else {
        tell_manual_stop(st);
    }
}

static void step_waiting(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->running) {
        ts_step_enter_starting(st, TS_WHY_ADOPTED);
        return;
    }
    if (!s->exists) {
        ts_step_on_exit(st);
        return;
    }
    if (!ts_step_want_up(s)) {
        ts_step_enter_rest(st);
        return;
    }
    if (!st->env->engine_up || !st->env->deps_ready) {
        enum ts_why why = st->env->engine_up ? TS_WHY_DEPENDENCY : TS_WHY_ENGINE;
        ts_step_enter(st, TS_PHASE_WAITING, why, TS_NEVER, "");
        return;
    }
    if (st->spec->guarded && st->env->blind) {
        ts_step_enter(st, TS_PHASE_WAITING, TS_WHY_UNVERIFIED, TS_NEVER, "");
        return;
    }
    if (!ts_mono_reached(s->backoff_until, st->now)) {
        s->deadline = s->backoff_until;
        return;
    }
    bool passing = s->why == TS_WHY_DEPENDENCY || s->why == TS_WHY_ENGINE ||
                   s->why == TS_WHY_UNVERIFIED; /* what held it back is over */
    enum ts_why why = passing ? TS_WHY_WANTED : s->why;
    ts_step_issue_start(st);
    ts_step_enter_starting(st, why);
}

/* A start call has come back and the container does not run. */
static void start_failed(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    enum ts_op_result result = st->obs->result;
    if (result == TS_OPR_ALREADY && s->op_retries < LOST_START_RETRIES) {
        uint32_t retries = s->op_retries + 1;
        s->backoff_until = ts_mono_add(st->now, LOST_START_RETRY_MS);
        ts_step_enter(st, TS_PHASE_WAITING, s->why, s->backoff_until, "");
        s->op_retries = retries;
        ts_step_add_action(st, TS_ACT_INSPECT);
    } else if (result == TS_OPR_UNKNOWN) {
        s->backoff_until = ts_mono_add(st->now, ENGINE_RETRY_MS);
        ts_step_enter(st, TS_PHASE_WAITING, TS_WHY_ENGINE, s->backoff_until, st->obs->detail);
        ts_step_add_action(st, TS_ACT_INSPECT);
    } else if (result == TS_OPR_UNSURE) {
        s->backoff_until = ts_mono_add(st->now, UNSURE_RETRY_MS);
        ts_step_enter(st, TS_PHASE_WAITING, TS_WHY_UNVERIFIED, s->backoff_until, st->obs->detail);
    } else {
        ts_step_enter_backoff(st, TS_WHY_START_FAILED, st->obs->detail);
    }
}

/* STARTING has lasted too long. */
static void start_timed_out(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    const struct ts_probe_state *p = ts_step_blocking_probe(st);
    if (p == NULL && ts_machine_unverified(st->spec, s)) {
        ts_step_enter(st, TS_PHASE_NOT_READY, TS_WHY_UNVERIFIED, TS_NEVER, "");
        return;
    }
    if (p != NULL && ts_probe_reason_alive(p->reason) && p->reason != TS_PR_PENDING) {
        /* It works, but cannot be used: a restart would not help. */
        ts_step_enter(st, TS_PHASE_NOT_READY, TS_WHY_PROBE, TS_NEVER, p->detail);
        return;
    }
    char detail[TS_DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "%.100s",
                   p == NULL ? "" : ts_probe_reason_text(p->reason));
    if (s->held || s->wanted != TS_WANTED_UP || st->spec->restart == TS_RESTART_NEVER) {
        ts_step_enter(st, TS_PHASE_NOT_READY, TS_WHY_START_TIMEOUT, TS_NEVER, detail);
    } else if (ts_step_take_restart(st, detail)) {
        s->stop_now = true;
        ts_detail_copy(s->detail, detail);
        ts_step_enter_stopping(st, TS_WHY_START_TIMEOUT, true);
        ts_step_notice(st, TS_NOTICE_RESTARTING);
    } else {
        ts_step_enter_rest(st);
    }
}

static void become_ready(struct ts_step *st)
{
    st->s.was_ready = true;
    ts_step_enter(st, TS_PHASE_READY, TS_WHY_READY, ts_mono_add(st->now, st->spec->stable_after_ms),
                  "");
    ts_step_notice(st, TS_NOTICE_READY);
}

static void step_starting(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    bool answered = st->obs->kind == TS_OBS_OP_DONE && s->op == TS_OP_NONE;
    if (answered && !s->running && s->latch == TS_WHY_NONE) {
        start_failed(st);
        return;
    }
    if (!s->running && s->latch != TS_WHY_NONE && s->op == TS_OP_NONE) {
        ts_step_enter_rest(st);
        return;
    }
    if (step_running(st) || !s->running) {
        return;
    }
    if (ts_step_all_ready(st)) {
        become_ready(st);
        return;
    }
    if (s->twofa && s->deadline.ms < s->twofa_until.ms) {
        s->deadline = s->twofa_until;
    }
    if (st->env->window_on && s->deadline.ms < st->env->window_end.ms) {
        s->deadline = st->env->window_end;
    }
    if (s->paused) {
        ts_step_enter(st, TS_PHASE_NOT_READY, TS_WHY_PAUSED, TS_NEVER, "");
    } else if (ts_mono_reached(s->deadline, st->now)) {
        start_timed_out(st);
    }
}

static void step_ready(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (step_running(st)) {
        return;
    }
    if (!ts_step_all_ready(st)) {
        const struct ts_probe_state *p = ts_step_blocking_probe(st);
        ts_step_enter(st, TS_PHASE_NOT_READY, s->paused ? TS_WHY_PAUSED : TS_WHY_PROBE, TS_NEVER,
                      p == NULL ? "" : p->detail);
        return;
    }
    if (ts_mono_reached(s->deadline, st->now)) {
        s->backoff_step = 0; /* stable */
        s->deadline = TS_NEVER;
    }
}

/* The time from which a dead liveness probe leads to a restart; TS_NEVER if to none. */
static ts_mono restart_due(const struct ts_step *st)
{
    const struct ts_svc *s = &st->s;
    const struct ts_probe_state *dead = ts_step_dead_probe(st);
    if (dead == NULL || s->held || s->paused || s->latch != TS_WHY_NONE ||
        s->wanted != TS_WANTED_UP || st->spec->restart == TS_RESTART_NEVER) {
        return TS_NEVER;
    }
    ts_mono due = ts_mono_add(dead->dead_since, st->spec->act_after_ms);
    if (s->twofa && due.ms < s->twofa_until.ms) {
        due = s->twofa_until;
    }
    if (st->env->window_on && due.ms < st->env->window_end.ms) {
        due = st->env->window_end;
    }
    return due;
}

static ts_mono notice_due(const struct ts_step *st)
{
    if (st->s.told) {
        return TS_NEVER;
    }
    ts_mono due = ts_mono_add(st->s.entered_at, st->spec->alert_after_ms);
    if (st->env->window_on && due.ms < st->env->window_end.ms) {
        due = st->env->window_end;
    }
    return due;
}

static enum ts_why not_ready_why(const struct ts_step *st)
{
    const struct ts_svc *s = &st->s;
    if (s->paused) {
        return TS_WHY_PAUSED;
    }
    if (ts_step_blocking_probe(st) == NULL && ts_machine_unverified(st->spec, s)) {
        return TS_WHY_UNVERIFIED;
    }
    if (st->env->window_on) {
        return TS_WHY_WINDOW;
    }
    if (s->twofa && !ts_mono_reached(s->twofa_until, st->now)) {
        return TS_WHY_TWOFA;
    }
    return s->why == TS_WHY_START_TIMEOUT ? s->why : TS_WHY_PROBE;
}

static void restart_dead(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    const struct ts_probe_state *dead = ts_step_dead_probe(st);
    char detail[TS_DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "%s", ts_probe_reason_text(dead->reason));
    if (ts_step_take_restart(st, detail)) {
        s->stop_now = true;
        ts_detail_copy(s->detail, detail);
        ts_step_enter_stopping(st, TS_WHY_LIVENESS, true);
        ts_step_notice(st, TS_NOTICE_RESTARTING);
    } else {
        ts_step_enter_rest(st);
    }
}

static void step_not_ready(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (step_running(st)) {
        return;
    }
    if (ts_step_all_ready(st)) {
        become_ready(st);
        return;
    }
    ts_mono restart_at = restart_due(st);
    bool may_act = st->env->engine_up && !s->stale; /* the inspect comes first */
    if (may_act && ts_mono_reached(restart_at, st->now)) {
        restart_dead(st);
        return;
    }
    ts_mono notice_at = notice_due(st);
    if (ts_mono_reached(notice_at, st->now)) {
        s->told = true;
        notice_at = TS_NEVER;
        ts_step_notice(st, TS_NOTICE_NOT_READY);
    }
    const struct ts_probe_state *p = ts_step_blocking_probe(st);
    ts_mono due = may_act ? restart_at : TS_NEVER;
    ts_step_enter(st, TS_PHASE_NOT_READY, not_ready_why(st), ts_mono_min(due, notice_at),
                  p == NULL ? "" : p->detail);
}

static void step_backoff(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->running) {
        ts_step_enter_starting(st, TS_WHY_ADOPTED);
    } else if (!s->exists) {
        ts_step_on_exit(st);
    } else if (!ts_step_want_up(s)) {
        ts_step_enter_rest(st);
    } else if (ts_mono_reached(s->backoff_until, st->now)) {
        ts_step_come_up(st, s->why);
    } else {
        s->deadline = s->backoff_until;
    }
}

/* The stop has had its effect. */
static void stopped(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    bool again = s->restart_after_stop;
    enum ts_why why = s->why;
    s->restart_after_stop = false;
    s->stop_now = false;
    s->suspended = false;
    s->stop_hint = false;
    if (!s->exists) {
        ts_step_enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
    } else if (ts_step_want_up(s)) {
        ts_step_come_up(st,
                        again ? why : TS_WHY_WANTED); /* not again: the wish changed meanwhile */
    } else {
        ts_step_enter_rest(st);
        if (s->phase == TS_PHASE_STOPPED) {
            ts_step_notice(st, TS_NOTICE_STOPPED);
        }
    }
}

/* The stop call came back and the container still runs: try again, and say so at last. */
static void stop_without_effect(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    s->op_retries++;
    s->deadline = ts_mono_add(st->now, ENGINE_RETRY_MS);
    ts_detail_copy(s->detail, st->obs->detail);
    ts_step_add_action(st, TS_ACT_INSPECT);
    if (s->op_retries == STOP_RETRIES) {
        ts_step_notice(st, TS_NOTICE_STOP_FAILED);
    }
}

static void step_stopping(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (!s->running) {
        if (s->op == TS_OP_NONE) {
            stopped(st);
        }
        return;
    }
    bool overtakes = s->op == TS_OP_START && s->block == TS_BLOCK_TRIPPED && st->env->engine_up;
    if (s->op != TS_OP_NONE && !overtakes) {
        return; /* the call has its own deadline and always comes back; a trip waits for no start */
    }
    if (!ts_step_latch_stops(s) && !s->suspended &&
        (s->held || (s->wanted == TS_WANTED_UP && !s->restart_after_stop))) {
        s->restart_after_stop = false;
        ts_step_enter_starting(st,
                               TS_WHY_COMMAND); /* changed our mind before the stop was issued */
        return;
    }
    if (!st->env->engine_up || (!s->stop_now && !st->env->dependents_stopped)) {
        s->deadline = TS_NEVER;
        return;
    }
    if (st->finished == TS_OP_STOP) {
        stop_without_effect(st);
        return;
    }
    if (s->deadline.ms != TS_NEVER.ms && !ts_mono_reached(s->deadline, st->now)) {
        return;
    }
    ts_step_issue_stop(st);
    s->deadline = TS_NEVER;
}

void ts_step_phase(struct ts_step *st)
{
    switch (st->s.phase) {
    case TS_PHASE_UNKNOWN: step_unknown(st); break;
    case TS_PHASE_ABSENT:
    case TS_PHASE_STOPPED:
    case TS_PHASE_HELD:
    case TS_PHASE_FAILED:
    case TS_PHASE_BLOCKED: step_rest(st); break;
    case TS_PHASE_WAITING: step_waiting(st); break;
    case TS_PHASE_STARTING: step_starting(st); break;
    case TS_PHASE_READY: step_ready(st); break;
    case TS_PHASE_NOT_READY: step_not_ready(st); break;
    case TS_PHASE_BACKOFF: step_backoff(st); break;
    case TS_PHASE_STOPPING: step_stopping(st); break;
    case TS_PHASE_COUNT: break;
    }
}
