/* What each observation changes in the facts and wishes. No phase is set here. */
#include "core/machine_internal.h"

#include <string.h>

void ts_step_new_run(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    s->started_at = st->now;
    s->started_ok = false;
    s->was_ready = false;
    s->twofa = false;
    s->stop_hint = false;
    s->verified = false;
    s->suspended = false;
    for (size_t i = 0; i < TS_MAX_PROBES; i++) {
        memset(&s->probes[i], 0, sizeof(s->probes[i]));
        s->probes[i].reason = TS_PR_PENDING;
        s->probes[i].since = st->now;
    }
    /* Without startup probes there is nothing to wait for. */
    bool has_startup = false;
    for (size_t i = 0; i < st->spec->probe_count; i++) {
        has_startup = has_startup || (st->spec->probes[i].purposes & TS_PURPOSE_STARTUP) != 0;
    }
    s->started_ok = !has_startup;
}

/* A start was refused: what somebody asks for next is judged as it is then. A trip stays. */
static void clear_refusal(struct ts_svc *s)
{
    if (s->block == TS_BLOCK_REFUSED) {
        s->latch = TS_WHY_NONE;
        s->block = TS_BLOCK_NONE;
    }
}

static void apply_container(struct ts_step *st)
{
    const struct ts_obs *obs = st->obs;
    struct ts_svc *s = &st->s;
    bool was_running = s->running;
    s->seen = true;
    s->stale = !st->env->engine_up;
    s->exists = obs->exists;
    s->running = obs->exists && obs->running;
    s->paused = s->running && obs->paused;
    s->oom = obs->oom;
    s->exit_code = obs->exit_code;
    if (obs->after_gap) {
        s->stop_hint = false; /* an engine that ends stops everything: that is nobody's wish */
    }
    if (obs->new_container) {
        clear_refusal(s); /* another configuration: the interlock judges it anew */
    }
    s->verified = s->verified && !obs->new_container;
    if (s->running && (!was_running || obs->new_run)) {
        ts_step_new_run(st);
    }
    if (s->running && s->wanted == TS_WANTED_NONE) {
        s->wanted = TS_WANTED_UP; /* adopted: it runs, so it is to run */
    }
}

/* More logins now would lock the account or need a person: stop and say so. */
static void login_stop(struct ts_step *st, enum ts_why why, const char *detail)
{
    ts_step_latch(st, why, TS_BLOCK_NONE, detail);
}

static void apply_signal(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    const char *detail = st->obs->detail;
    switch (st->obs->signal) {
    case TS_SIG_LOGIN_OK:
        s->login_failures = 0;
        s->twofa = false;
        break;
    case TS_SIG_LOGIN_FAILED:
    case TS_SIG_TWOFA_TIMEOUT: /* IB counts an unanswered second factor as a failed login */
        s->twofa = false;
        s->login_failures++;
        if (s->login_failures >= st->spec->login_failures_max) {
            login_stop(st, TS_WHY_LOGIN_FAILED, detail);
        }
        break;
    case TS_SIG_LOCKED_OUT: login_stop(st, TS_WHY_LOCKED_OUT, detail); break;
    case TS_SIG_FATAL_CONFIG: login_stop(st, TS_WHY_FATAL_CONFIG, detail); break;
    case TS_SIG_TWOFA_WAIT:
        if (!s->twofa) {
            ts_step_notice(st, TS_NOTICE_TWOFA);
        }
        s->twofa = true;
        s->twofa_until = ts_mono_add(st->now, st->spec->twofa_wait_ms);
        break;
    case TS_SIG_SESSION_CLASH: ts_step_notice(st, TS_NOTICE_SESSION_CLASH); break;
    case TS_SIG_TRIPWIRE: /* the interlock's: it trips or not */
    case TS_SIGNAL_COUNT: break;
    }
}

static void apply_start_done(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    switch (st->obs->result) {
    case TS_OPR_DONE:
        s->op_retries = 0;
        if (!s->running) {
            s->exists = true;
            s->running = true; /* until an inspect says otherwise */
            ts_step_new_run(st);
            s->verified = true; /* judged right before; and again by the inspect that follows */
        }
        break;
    case TS_OPR_REFUSED: ts_step_latch(st, st->obs->why, TS_BLOCK_REFUSED, st->obs->detail); break;
    case TS_OPR_UNSURE:
    case TS_OPR_ALREADY:
    case TS_OPR_FAILED:
    case TS_OPR_UNKNOWN:
    case TS_OP_RESULT_COUNT: break; /* step_starting() judges these */
    }
}

static void apply_op_done(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (s->op == TS_OP_NONE || st->obs->op_id != s->op_id) {
        return; /* late answer to something given up */
    }
    if (s->op == TS_OP_START) {
        apply_start_done(st);
    } else if (st->obs->result == TS_OPR_DONE || st->obs->result == TS_OPR_ALREADY) {
        s->running = false;
        s->paused = false;
    }
    st->finished = s->op;
    s->op = TS_OP_NONE;
}

static void hold(struct ts_svc *s, enum ts_why why)
{
    s->held = true;
    s->hold_why = why;
}

static void clear_failures(struct ts_svc *s, ts_mono now)
{
    if (s->block != TS_BLOCK_TRIPPED) {
        s->latch = TS_WHY_NONE;
        s->block = TS_BLOCK_NONE;
    }
    s->backoff_step = 0;
    s->backoff_until = now;
    s->restart_count = 0;
    s->login_failures = 0;
    s->op_retries = 0;
}

static void apply_command(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    switch (st->obs->kind) {
    case TS_OBS_CMD_START:
        s->wanted = TS_WANTED_UP;
        s->backoff_until = st->now;
        clear_refusal(s);
        if (s->hold_why == TS_WHY_MANUAL_STOP) {
            s->held = false;
        }
        break;
    case TS_OBS_CMD_STOP:
        s->wanted = TS_WANTED_DOWN;
        s->restart_after_stop = false;
        if (s->hold_why == TS_WHY_MANUAL_STOP) {
            s->held = false;
        }
        break;
    case TS_OBS_CMD_RESTART:
        s->wanted = TS_WANTED_UP;
        s->restart_after_stop = s->running;
        s->stop_now = s->running;
        s->stop_why = TS_WHY_COMMAND;
        s->backoff_until = st->now;
        clear_refusal(s);
        break;
    case TS_OBS_CMD_HOLD: hold(s, TS_WHY_HOLD); break;
    case TS_OBS_CMD_UNHOLD: s->held = false; break;
    case TS_OBS_CMD_RESET: clear_failures(s, st->now); break;
    case TS_OBS_CMD_SAFETY_RESET:
        if (s->block != TS_BLOCK_NONE) {
            s->latch = TS_WHY_NONE;
            s->block = TS_BLOCK_NONE;
            s->backoff_until = st->now; /* somebody has looked, and waits for it */
        }
        break;
    default: break;
    }
}

static void apply_trip(struct ts_step *st)
{
    ts_step_latch(st, st->obs->why, TS_BLOCK_TRIPPED, st->obs->detail);
    st->s.stop_now = st->s.running;
    st->s.verified = false;
}

/* Nothing is known to be wrong, so nothing is latched: it starts again once all can be seen. */
static void apply_suspend(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    if (!s->running || s->suspended) {
        return;
    }
    s->suspended = true; /* so a stop that is under way is not taken back either */
    s->stop_now = true;
    if (s->phase != TS_PHASE_STOPPING) {
        s->restart_after_stop = s->wanted == TS_WANTED_UP && !s->held;
        s->stop_why = TS_WHY_UNVERIFIED;
        ts_detail_copy(s->detail, st->obs->detail);
        ts_step_notice(st, TS_NOTICE_SUSPENDED);
    }
}

void ts_step_apply(struct ts_step *st)
{
    struct ts_svc *s = &st->s;
    switch (st->obs->kind) {
    case TS_OBS_TICK: break;
    case TS_OBS_CONTAINER: apply_container(st); break;
    case TS_OBS_PROBE: ts_step_apply_probe(st); break;
    case TS_OBS_SIGNAL: apply_signal(st); break;
    case TS_OBS_OP_DONE: apply_op_done(st); break;
    case TS_OBS_MANUAL_STOP: s->stop_hint = s->op == TS_OP_NONE; break;
    case TS_OBS_MANUAL_START:
        s->wanted = TS_WANTED_UP;
        s->held = s->held && s->hold_why != TS_WHY_MANUAL_STOP;
        break;
    case TS_OBS_CMD_START:
    case TS_OBS_CMD_STOP:
    case TS_OBS_CMD_RESTART:
    case TS_OBS_CMD_HOLD:
    case TS_OBS_CMD_UNHOLD:
    case TS_OBS_CMD_RESET:
    case TS_OBS_CMD_SAFETY_RESET: apply_command(st); break;
    case TS_OBS_DEP_RETURNED:
        if (s->running && !s->held && s->wanted == TS_WANTED_UP) {
            s->restart_after_stop = true;
            s->stop_now = true;
            s->stop_why = TS_WHY_DEP_RETURNED;
        }
        break;
    case TS_OBS_VERIFIED: s->verified = true; break;
    case TS_OBS_SUSPEND: apply_suspend(st); break;
    case TS_OBS_TRIP: apply_trip(st); break;
    case TS_OBS_KIND_COUNT: break;
    }
    s->verified = s->verified && s->running;
}
