/*
 * The phases. Every step: apply the observation to the facts (machine_facts.c), then run the
 * present phase's function until none changes the phase any more.
 */
#include "core/machine_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define MAX_PHASE_CHANGES   8   /* in one step; more is a mistake in the functions below */
#define LOST_START_RETRY_MS 100 /* after a 304 for a container that does not run (T3) */
#define LOST_START_RETRIES  100
#define STOP_RETRIES        3
#define TRIP_GRACE_MS       2000 /* a tripped interlock: SIGTERM to SIGKILL */
#define ENGINE_RETRY_MS     2000 /* after a start or stop with unknown outcome */

struct ts_svc ts_machine_init(ts_mono now)
{
    struct ts_svc s;
    memset(&s, 0, sizeof(s));
    s.phase = TS_PHASE_UNKNOWN;
    s.entered_at = now;
    s.deadline = TS_NEVER;
    s.started_at = now;
    s.backoff_until = now;
    s.twofa_until = now;
    for (size_t i = 0; i < TS_MAX_PROBES; i++) {
        s.probes[i].reason = TS_PR_PENDING;
        s.probes[i].since = now;
    }
    return s;
}

static struct ts_action *add_action(struct ts_step *st, enum ts_action_kind kind)
{
    static struct ts_action spill; /* never read: an overflow loses a notice, not the memory */
    struct ts_action *a =
        st->out->count < TS_MAX_ACTIONS ? &st->out->list[st->out->count++] : &spill;
    *a = (struct ts_action){.kind = kind};
    return a;
}

void ts_step_notice(struct ts_step *st, enum ts_notice notice)
{
    struct ts_action *a = add_action(st, TS_ACT_NOTICE);
    a->notice = notice;
    a->why = st->s.latch != TS_WHY_NONE ? st->s.latch : st->s.why;
    ts_detail_copy(a->detail, st->s.detail);
}

/* The only place that sets the phase. */
static void enter(struct ts_step *st, enum ts_phase phase, enum ts_why why, ts_mono deadline,
                  const char *detail)
{
    struct ts_svc *s = &st->s;
    if (s->phase != phase) {
        s->entered_at = st->now;
        s->told = false;
        s->op_retries = 0;
    }
    s->phase = phase;
    s->why = why;
    s->deadline = deadline;
    if (detail != s->detail) {
        ts_detail_copy(s->detail, detail);
    }
}

void ts_step_latch(struct ts_step *st, enum ts_why why, bool blocks, const char *detail)
{
    struct ts_svc *s = &st->s;
    if (s->latch != TS_WHY_NONE && (s->latch_blocks || !blocks)) {
        return; /* the first reason stays; only a safety rule outranks a failure */
    }
    s->latch = why;
    s->latch_blocks = blocks;
    ts_detail_copy(s->detail, detail);
    ts_step_notice(st, blocks ? TS_NOTICE_BLOCKED : TS_NOTICE_FAILED);
}

/* Latches that must not leave the container running: more tries or more trading do harm. */
static bool latch_stops(const struct ts_svc *s)
{
    return s->latch_blocks || s->latch == TS_WHY_LOGIN_FAILED || s->latch == TS_WHY_LOCKED_OUT ||
           s->latch == TS_WHY_FATAL_CONFIG;
}

static bool want_up(const struct ts_svc *s)
{
    return s->wanted == TS_WANTED_UP && !s->held && s->latch == TS_WHY_NONE;
}

static uint32_t new_op(struct ts_svc *s, enum ts_op op)
{
    s->op = op;
    return ++s->op_id;
}

static void issue_start(struct ts_step *st)
{
    struct ts_action *a = add_action(st, TS_ACT_START);
    a->op_id = new_op(&st->s, TS_OP_START);
}

static void issue_stop(struct ts_step *st)
{
    struct ts_action *a = add_action(st, TS_ACT_STOP);
    a->op_id = new_op(&st->s, TS_OP_STOP);
    a->grace_ms = st->s.latch_blocks ? TRIP_GRACE_MS : st->spec->stop_grace_ms;
}

/* --- restart bookkeeping ----------------------------------------------------------------- */

uint32_t ts_machine_attempts(const struct ts_svc_spec *spec, const struct ts_svc *s, ts_mono now)
{
    uint32_t n = 0;
    for (uint32_t i = 0; i < s->restart_count; i++) {
        n += ts_mono_diff(s->restarts[i], now) < spec->budget_window_ms;
    }
    return n;
}

static void forget_old_restarts(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    uint32_t keep = ts_machine_attempts(st->spec, s, st->now);
    if (keep > TS_MAX_RESTARTS - 1) {
        keep = TS_MAX_RESTARTS - 1;
    }
    memmove(s->restarts, s->restarts + (s->restart_count - keep), keep * sizeof(s->restarts[0]));
    s->restart_count = keep;
}

/* The first restart is immediate; then first, 2 x first, 4 x first … up to max, plus jitter. */
static int64_t backoff_ms(const struct ts_step *st)
{
    const struct ts_svc_spec *spec = st->spec;
    if (st->s.backoff_step == 0) {
        return 0;
    }
    int64_t delay = spec->backoff_first_ms;
    for (uint32_t i = 1; i < st->s.backoff_step && delay < spec->backoff_max_ms; i++) {
        delay *= 2;
    }
    if (delay > spec->backoff_max_ms) {
        delay = spec->backoff_max_ms;
    }
    return delay + delay * spec->backoff_jitter_pct / 100 * st->env->jitter / 10000;
}

/* Takes one restart from the budget. False: it is used up, and the service is latched. */
static bool take_restart(struct ts_step *st, const char *detail)
{
    struct ts_svc *s = &st->s;
    if (ts_machine_attempts(st->spec, s, st->now) >= st->spec->budget) {
        ts_step_latch(st, TS_WHY_BUDGET, false, detail);
        return false;
    }
    forget_old_restarts(st);
    s->restarts[s->restart_count++] = st->now;
    s->restarts_total++;
    s->backoff_until = ts_mono_add(st->now, backoff_ms(st));
    if (s->backoff_step < 32) {
        s->backoff_step++;
    }
    return true;
}

/* --- leaving a phase --------------------------------------------------------------------- */

static void enter_waiting(struct ts_step *st, enum ts_why why)
{
    enter(st, TS_PHASE_WAITING, why, TS_NEVER, why == TS_WHY_WANTED ? "" : st->s.detail);
}

/* Where a service rests that does not run and is not to be started. */
static void enter_rest(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->latch != TS_WHY_NONE) {
        enter(st, s->latch_blocks ? TS_PHASE_BLOCKED : TS_PHASE_FAILED, s->latch, TS_NEVER,
              s->detail);
    } else if (s->held) {
        enter(st, TS_PHASE_HELD, s->hold_why, TS_NEVER, "");
    } else {
        enum ts_why why = s->wanted == TS_WANTED_NONE ? TS_WHY_NOT_STARTED : TS_WHY_COMMAND;
        enter(st, TS_PHASE_STOPPED, why, TS_NEVER, "");
    }
}

static void enter_stopping(struct ts_step *st, enum ts_why why, bool restart)
{
    struct ts_svc *s = &st->s;
    s->restart_after_stop = restart;
    enter(st, TS_PHASE_STOPPING, why, TS_NEVER, s->detail);
}

static void enter_starting(struct ts_step *st, enum ts_why why)
{
    bool fresh = why == TS_WHY_ADOPTED || why == TS_WHY_WANTED || why == TS_WHY_COMMAND;
    enter(st, TS_PHASE_STARTING, why, ts_mono_add(st->now, st->spec->ready_timeout_ms),
          fresh ? "" : st->s.detail);
}

/* After a crash or a failed start: back off, or give up. */
static void enter_backoff(struct ts_step *st, enum ts_why why, const char *detail)
{
    if (!take_restart(st, detail)) {
        enter_rest(st);
        return;
    }
    enter(st, TS_PHASE_BACKOFF, why, st->s.backoff_until, detail);
    ts_step_notice(st, TS_NOTICE_DOWN);
}

/* The container does not run though it did, and we did not stop it. */
static void on_exit(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    char detail[TS_DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "exit code %d", s->exit_code);
    if (!s->exists) {
        enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
        ts_step_notice(st, TS_NOTICE_MISSING);
    } else if (s->stop_hint && !s->held) {
        s->held = true;
        s->hold_why = TS_WHY_MANUAL_STOP;
        enter(st, TS_PHASE_HELD, TS_WHY_MANUAL_STOP, TS_NEVER, detail);
        ts_step_notice(st, TS_NOTICE_MANUAL_STOP);
    } else if (!want_up(s)) {
        enter_rest(st);
    } else if (st->obs->kind == TS_OBS_CONTAINER && st->obs->after_gap) {
        enter_waiting(st, TS_WHY_ENGINE_RESTART); /* not its fault: costs no budget */
    } else if (st->spec->restart == TS_RESTART_NEVER ||
               (st->spec->restart == TS_RESTART_ON_FAILURE && s->exit_code == 0)) {
        enter(st, TS_PHASE_STOPPED, TS_WHY_COMPLETED, TS_NEVER, detail);
    } else {
        enter_backoff(st, s->oom ? TS_WHY_OOM : TS_WHY_DIED, detail);
    }
}

/* --- the phases; each returns with a changed phase or leaves it --------------------------- */

/* What every running service reacts to, whatever its probes say. True: the phase has changed. */
static bool step_running(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (!s->running) {
        if (s->op == TS_OP_NONE) {
            on_exit(st);
            return true;
        }
        return false;
    }
    if (s->latch != TS_WHY_NONE && latch_stops(s)) {
        s->stop_now = true;
        enter_stopping(st, s->latch, false);
        return true;
    }
    if (s->held) {
        return false;
    }
    if (s->wanted == TS_WANTED_DOWN) {
        enter_stopping(st, TS_WHY_COMMAND, false);
        return true;
    }
    if (s->restart_after_stop) {
        enter_stopping(st, s->stop_why, true);
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
        enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
    } else if (s->running) {
        enter_starting(st, TS_WHY_ADOPTED);
    } else if (want_up(s)) {
        enter_waiting(st, TS_WHY_WANTED);
    } else {
        enter_rest(st);
    }
}

/* Is the resting phase the one that latch and hold ask for? */
static bool rests_right(const struct ts_svc *s)
{
    if (s->latch != TS_WHY_NONE) {
        return s->phase == (s->latch_blocks ? TS_PHASE_BLOCKED : TS_PHASE_FAILED) &&
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
    if (s->latch == TS_WHY_NONE || latch_stops(s)) {
        enter_starting(st, TS_WHY_ADOPTED);
    } else if (s->wanted == TS_WANTED_DOWN && !s->held) {
        enter_stopping(st, TS_WHY_COMMAND, false);
    } else if (ts_step_all_ready(st)) { /* it came back by itself */
        s->latch = TS_WHY_NONE;
        enter_starting(st, TS_WHY_ADOPTED);
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
            enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
        }
    } else if (want_up(s) && (asked || !completed)) {
        enter_waiting(st, TS_WHY_WANTED);
    } else if (!rests_right(s)) {
        enter_rest(st);
    }
}

static void step_waiting(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->running) {
        enter_starting(st, TS_WHY_ADOPTED);
        return;
    }
    if (!s->exists) {
        on_exit(st);
        return;
    }
    if (!want_up(s)) {
        enter_rest(st);
        return;
    }
    if (!st->env->engine_up || !st->env->deps_ready) {
        enum ts_why why = st->env->engine_up ? TS_WHY_DEPENDENCY : TS_WHY_ENGINE;
        enter(st, TS_PHASE_WAITING, why, TS_NEVER, "");
        return;
    }
    if (!ts_mono_reached(s->backoff_until, st->now)) {
        s->deadline = s->backoff_until;
        return;
    }
    enum ts_why why =
        s->why == TS_WHY_DEPENDENCY || s->why == TS_WHY_ENGINE ? TS_WHY_WANTED : s->why;
    issue_start(st);
    enter_starting(st, why);
}

/* A start call has come back and the container does not run. */
static void start_failed(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    enum ts_op_result result = st->obs->result;
    if (result == TS_OPR_ALREADY && s->op_retries < LOST_START_RETRIES) {
        uint32_t retries = s->op_retries + 1;
        s->backoff_until = ts_mono_add(st->now, LOST_START_RETRY_MS);
        enter(st, TS_PHASE_WAITING, s->why, s->backoff_until, "");
        s->op_retries = retries;
        add_action(st, TS_ACT_INSPECT);
    } else if (result == TS_OPR_UNKNOWN) {
        s->backoff_until = ts_mono_add(st->now, ENGINE_RETRY_MS);
        enter(st, TS_PHASE_WAITING, TS_WHY_ENGINE, s->backoff_until, st->obs->detail);
        add_action(st, TS_ACT_INSPECT);
    } else {
        enter_backoff(st, TS_WHY_START_FAILED, st->obs->detail);
    }
}

/* STARTING has lasted too long. */
static void start_timed_out(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    const struct ts_probe_state *p = ts_step_blocking_probe(st);
    if (p != NULL && ts_probe_reason_alive(p->reason) && p->reason != TS_PR_PENDING) {
        /* It works, but cannot be used: a restart would not help. */
        enter(st, TS_PHASE_NOT_READY, TS_WHY_PROBE, TS_NEVER, p->detail);
        return;
    }
    char detail[TS_DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "%.100s",
                   p == NULL ? "" : ts_probe_reason_text(p->reason));
    if (s->held || s->wanted != TS_WANTED_UP || st->spec->restart == TS_RESTART_NEVER) {
        enter(st, TS_PHASE_NOT_READY, TS_WHY_START_TIMEOUT, TS_NEVER, detail);
    } else if (take_restart(st, detail)) {
        s->stop_now = true;
        ts_detail_copy(s->detail, detail);
        enter_stopping(st, TS_WHY_START_TIMEOUT, true);
        ts_step_notice(st, TS_NOTICE_RESTARTING);
    } else {
        enter_rest(st);
    }
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
        enter_rest(st);
        return;
    }
    if (step_running(st) || !s->running) {
        return;
    }
    if (ts_step_all_ready(st)) {
        s->was_ready = true;
        enter(st, TS_PHASE_READY, TS_WHY_READY, ts_mono_add(st->now, st->spec->stable_after_ms),
              "");
        ts_step_notice(st, TS_NOTICE_READY);
        return;
    }
    if (s->twofa && s->deadline.ms < s->twofa_until.ms) {
        s->deadline = s->twofa_until;
    }
    if (st->env->window_on && s->deadline.ms < st->env->window_end.ms) {
        s->deadline = st->env->window_end;
    }
    if (s->paused) {
        enter(st, TS_PHASE_NOT_READY, TS_WHY_PAUSED, TS_NEVER, "");
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
        enter(st, TS_PHASE_NOT_READY, s->paused ? TS_WHY_PAUSED : TS_WHY_PROBE, TS_NEVER,
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
    if (take_restart(st, detail)) {
        s->stop_now = true;
        ts_detail_copy(s->detail, detail);
        enter_stopping(st, TS_WHY_LIVENESS, true);
        ts_step_notice(st, TS_NOTICE_RESTARTING);
    } else {
        enter_rest(st);
    }
}

static void step_not_ready(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (step_running(st)) {
        return;
    }
    if (ts_step_all_ready(st)) {
        s->was_ready = true;
        enter(st, TS_PHASE_READY, TS_WHY_READY, ts_mono_add(st->now, st->spec->stable_after_ms),
              "");
        ts_step_notice(st, TS_NOTICE_READY);
        return;
    }
    ts_mono restart_at = restart_due(st);
    if (st->env->engine_up && ts_mono_reached(restart_at, st->now)) {
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
    ts_mono due = st->env->engine_up ? restart_at : TS_NEVER;
    enter(st, TS_PHASE_NOT_READY, not_ready_why(st), ts_mono_min(due, notice_at),
          p == NULL ? "" : p->detail);
}

static void step_backoff(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->running) {
        enter_starting(st, TS_WHY_ADOPTED);
    } else if (!s->exists) {
        on_exit(st);
    } else if (!want_up(s)) {
        enter_rest(st);
    } else if (ts_mono_reached(s->backoff_until, st->now)) {
        enter_waiting(st, s->why);
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
    s->stop_hint = false;
    if (!s->exists) {
        enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
    } else if (again && want_up(s)) {
        if (s->backoff_until.ms > st->now.ms) {
            enter(st, TS_PHASE_BACKOFF, why, s->backoff_until, s->detail);
        } else {
            enter_waiting(st, why);
        }
    } else if (want_up(s)) {
        enter_waiting(st, TS_WHY_WANTED); /* the wish changed meanwhile */
    } else {
        enter_rest(st);
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
    add_action(st, TS_ACT_INSPECT);
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
    if (s->op != TS_OP_NONE) {
        return; /* the call has its own deadline and always comes back */
    }
    if (!latch_stops(s) && (s->held || (s->wanted == TS_WANTED_UP && !s->restart_after_stop))) {
        s->restart_after_stop = false;
        enter_starting(st, TS_WHY_COMMAND); /* changed our mind before the stop was issued */
        return;
    }
    if (!st->env->engine_up || (!s->stop_now && !st->env->dependents_stopped)) {
        s->deadline = TS_NEVER;
        return;
    }
    if (st->obs->kind == TS_OBS_OP_DONE && st->phase_before == TS_PHASE_STOPPING) {
        stop_without_effect(st);
        return;
    }
    if (s->deadline.ms != TS_NEVER.ms && !ts_mono_reached(s->deadline, st->now)) {
        return;
    }
    issue_stop(st);
    s->deadline = TS_NEVER;
}

static void step_phase(struct ts_step *st)
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

struct ts_svc ts_machine_step(const struct ts_svc_spec *spec, const struct ts_env *env,
                              struct ts_svc s, const struct ts_obs *obs, ts_mono now,
                              struct ts_actions *out)
{
    struct ts_step st = {.spec = spec,
                         .env = env,
                         .obs = obs,
                         .now = now,
                         .s = s,
                         .out = out,
                         .phase_before = s.phase};
    ts_step_apply(&st);
    for (int i = 0; i < MAX_PHASE_CHANGES; i++) {
        enum ts_phase before = st.s.phase;
        step_phase(&st);
        if (st.s.phase == before) {
            break;
        }
    }
    return st.s;
}

ts_mono ts_machine_wakeup(const struct ts_svc *s)
{
    return s->deadline;
}

bool ts_machine_watches(const struct ts_svc *s)
{
    return s->running && s->seen && s->phase != TS_PHASE_UNKNOWN;
}

const char *ts_machine_invalid(const struct ts_svc *s)
{
    if ((unsigned)s->phase >= TS_PHASE_COUNT || (unsigned)s->why >= TS_WHY_COUNT) {
        return "phase or reason outside its enum";
    }
    if (s->phase == TS_PHASE_READY && (!s->running || s->paused)) {
        return "ready without running";
    }
    if (s->phase == TS_PHASE_BACKOFF && s->deadline.ms == TS_NEVER.ms) {
        return "back-off without a deadline";
    }
    if (s->restart_count > TS_MAX_RESTARTS) {
        return "more restarts than places";
    }
    bool rests = s->phase == TS_PHASE_BLOCKED || s->phase == TS_PHASE_FAILED ||
                 s->phase == TS_PHASE_HELD || s->phase == TS_PHASE_STOPPED;
    if (s->op == TS_OP_START && rests) {
        return "at rest with a start under way";
    }
    return NULL;
}
