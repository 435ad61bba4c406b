/*
 * One step: apply the observation to the facts (machine_facts.c), then run the present phase's
 * function (machine_phases.c) until none changes the phase any more. Here is what the phases share:
 * the one setter, actions, latches, the restart budget, and the ways out of a phase.
 */
#include "core/machine_internal.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

#define MAX_PHASE_CHANGES 8    /* in one step; more is a mistake in the functions below */
#define MANUAL_NOTICE_MS  5000 /* an engine that ends stops its containers this long before */

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

struct ts_action *ts_step_add_action(struct ts_step *st, enum ts_action_kind kind)
{
    static struct ts_action spill; /* never read: an overflow loses a notice, not the memory */
    struct ts_action *a =
        st->out->count < TS_MAX_ACTIONS ? &st->out->list[st->out->count++] : &spill;
    *a = (struct ts_action){.kind = kind};
    return a;
}

void ts_step_notice(struct ts_step *st, enum ts_notice notice)
{
    struct ts_action *a = ts_step_add_action(st, TS_ACT_NOTICE);
    a->notice = notice;
    a->why = st->s.latch != TS_WHY_NONE ? st->s.latch : st->s.why;
    ts_detail_copy(a->detail, st->s.detail);
}

/* The only place that sets the phase. */
void ts_step_enter(struct ts_step *st, enum ts_phase phase, enum ts_why why, ts_mono deadline,
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

void ts_step_latch(struct ts_step *st, enum ts_why why, enum ts_block block, const char *detail)
{
    static const enum ts_notice notices[] = {[TS_BLOCK_NONE] = TS_NOTICE_FAILED,
                                             [TS_BLOCK_REFUSED] = TS_NOTICE_BLOCKED,
                                             [TS_BLOCK_TRIPPED] = TS_NOTICE_TRIPPED};
    struct ts_svc *s = &st->s;
    if (s->latch != TS_WHY_NONE && s->block >= block) {
        return; /* the first reason stays; only what is worse outranks it */
    }
    s->latch = why == TS_WHY_NONE ? TS_WHY_INTERLOCK : why;
    s->block = block;
    ts_detail_copy(s->latch_detail, detail);
    ts_detail_copy(s->detail, detail);
    ts_step_notice(st, notices[block]);
}

/* Latches that must not leave the container running: more tries or more trading do harm. */
bool ts_step_latch_stops(const struct ts_svc *s)
{
    return s->block != TS_BLOCK_NONE || s->latch == TS_WHY_LOGIN_FAILED ||
           s->latch == TS_WHY_LOCKED_OUT || s->latch == TS_WHY_FATAL_CONFIG;
}

bool ts_step_want_up(const struct ts_svc *s)
{
    return s->wanted == TS_WANTED_UP && !s->held && s->latch == TS_WHY_NONE;
}

static uint32_t new_op(struct ts_svc *s, enum ts_op op)
{
    s->op = op;
    return ++s->op_id;
}

void ts_step_issue_start(struct ts_step *st)
{
    struct ts_action *a = ts_step_add_action(st, TS_ACT_START);
    a->op_id = new_op(&st->s, TS_OP_START);
}

void ts_step_issue_stop(struct ts_step *st)
{
    struct ts_action *a = ts_step_add_action(st, TS_ACT_STOP);
    a->op_id = new_op(&st->s, TS_OP_STOP);
    bool at_once = st->s.block != TS_BLOCK_NONE || st->s.suspended;
    a->grace_ms = at_once ? st->spec->trip_grace_ms : st->spec->stop_grace_ms;
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
bool ts_step_take_restart(struct ts_step *st, const char *detail)
{
    struct ts_svc *s = &st->s;
    if (ts_machine_attempts(st->spec, s, st->now) >= st->spec->budget) {
        ts_step_latch(st, TS_WHY_BUDGET, TS_BLOCK_NONE, detail);
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

void ts_step_come_up(struct ts_step *st, enum ts_why why)
{
    const struct ts_svc *s = &st->s;
    bool at_once = ts_mono_reached(s->backoff_until, st->now);
    ts_step_enter(st, at_once ? TS_PHASE_WAITING : TS_PHASE_BACKOFF, why,
                  at_once ? TS_NEVER : s->backoff_until, why == TS_WHY_WANTED ? "" : s->detail);
}

/* Where a service rests that does not run and is not to be started. */
void ts_step_enter_rest(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->latch != TS_WHY_NONE) {
        ts_step_enter(st, s->block != TS_BLOCK_NONE ? TS_PHASE_BLOCKED : TS_PHASE_FAILED, s->latch,
                      TS_NEVER, s->latch_detail);
    } else if (s->held) {
        ts_step_enter(st, TS_PHASE_HELD, s->hold_why, TS_NEVER, "");
    } else {
        enum ts_why why = s->wanted == TS_WANTED_NONE ? TS_WHY_NOT_STARTED : TS_WHY_COMMAND;
        ts_step_enter(st, TS_PHASE_STOPPED, why, TS_NEVER, "");
    }
}

void ts_step_enter_stopping(struct ts_step *st, enum ts_why why, bool restart)
{
    struct ts_svc *s = &st->s;
    s->restart_after_stop = restart;
    ts_step_enter(st, TS_PHASE_STOPPING, why, TS_NEVER, s->detail);
}

void ts_step_enter_starting(struct ts_step *st, enum ts_why why)
{
    bool fresh = why == TS_WHY_ADOPTED || why == TS_WHY_WANTED || why == TS_WHY_COMMAND;
    ts_step_enter(st, TS_PHASE_STARTING, why, ts_mono_add(st->now, st->spec->ready_timeout_ms),
                  fresh ? "" : st->s.detail);
}

/* After a crash or a failed start: back off, or give up. */
void ts_step_enter_backoff(struct ts_step *st, enum ts_why why, const char *detail)
{
    if (!ts_step_take_restart(st, detail)) {
        ts_step_enter_rest(st);
        return;
    }
    ts_step_enter(st, TS_PHASE_BACKOFF, why, st->s.backoff_until, detail);
    ts_step_notice(st, TS_NOTICE_DOWN);
}

/* The container does not run though it did, and we did not stop it. */
void ts_step_on_exit(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    char detail[TS_DETAIL_MAX];
    (void)snprintf(detail, sizeof(detail), "exit code %d", s->exit_code);
    if (!s->exists) {
        ts_step_enter(st, TS_PHASE_ABSENT, TS_WHY_MISSING, TS_NEVER, "");
        ts_step_notice(st, TS_NOTICE_MISSING);
    } else if (s->stop_hint && !s->held) {
        s->held = true;
        s->hold_why = TS_WHY_MANUAL_STOP;
        ts_step_enter(st, TS_PHASE_HELD, TS_WHY_MANUAL_STOP, ts_mono_add(st->now, MANUAL_NOTICE_MS),
                      detail);
    } else if (!ts_step_want_up(s)) {
        ts_step_enter_rest(st);
    } else if (st->obs->kind == TS_OBS_CONTAINER && st->obs->new_container && st->obs->never_ran) {
        ts_step_come_up(st, TS_WHY_WANTED); /* exchanged, not crashed */
    } else if (st->obs->kind == TS_OBS_CONTAINER && st->obs->after_gap) {
        ts_step_come_up(st, TS_WHY_ENGINE_RESTART); /* not its fault: costs no budget */
    } else if (st->spec->restart == TS_RESTART_NEVER ||
               (st->spec->restart == TS_RESTART_ON_FAILURE && s->exit_code == 0)) {
        ts_step_enter(st, TS_PHASE_STOPPED, TS_WHY_COMPLETED, TS_NEVER, detail);
    } else {
        ts_step_enter_backoff(st, s->oom ? TS_WHY_OOM : TS_WHY_DIED, detail);
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
                         .finished = TS_OP_NONE};
    st.s.stale = st.s.stale || !env->engine_up;
    ts_step_apply(&st);
    for (int i = 0; i < MAX_PHASE_CHANGES; i++) {
        enum ts_phase before = st.s.phase;
        ts_step_phase(&st);
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

bool ts_machine_unverified(const struct ts_svc_spec *spec, const struct ts_svc *s)
{
    return spec->guarded && s->running && !s->verified;
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
    if (s->verified && !s->running) {
        return "verified without running";
    }
    if (s->block != TS_BLOCK_NONE && s->latch == TS_WHY_NONE) {
        return "blocked without a reason";
    }
    bool rests = s->phase == TS_PHASE_BLOCKED || s->phase == TS_PHASE_FAILED ||
                 s->phase == TS_PHASE_HELD || s->phase == TS_PHASE_STOPPED;
    if (s->op == TS_OP_START && rests) {
        return "at rest with a start under way";
    }
    return NULL;
}
