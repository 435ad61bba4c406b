/* The service machine, told as stories; then random walks that hold its invariants. */
#include "unit.h"

#include <stdio.h>

#include "base/macros.h"
#include "core/machine.h"
#include "core/planner.h"

/* A gateway-like service: one probe for everything. Times in ms. */
static struct ts_svc_spec gateway_spec(void)
{
    struct ts_svc_spec spec = {
        .name = "gateway",
        .probe_count = 1,
        .restart = TS_RESTART_ALWAYS,
        .backoff_first_ms = 10000,
        .backoff_max_ms = 60000,
        .budget = 3,
        .budget_window_ms = 3600000,
        .stable_after_ms = 600000,
        .act_after_ms = 30000,
        .ready_timeout_ms = 240000,
        .stop_grace_ms = 90000,
        .alert_after_ms = 10000,
        .login_failures_max = 2,
        .twofa_wait_ms = 200000,
        .windows = true,
    };
    static struct ts_probe_spec api = {
        .name = "api",
        .kind = TS_PROBE_IBAPI,
        .purposes = TS_PURPOSE_STARTUP | TS_PURPOSE_LIVENESS | TS_PURPOSE_READINESS,
        .interval_ms = 1000,
        .timeout_ms = 1000,
        .rise = 1,
        .fall = 2,
    };
    spec.probes = &api;
    return spec;
}

struct world {
    struct ts_svc_spec spec;
    struct ts_env env;
    struct ts_svc s;
    ts_mono now;
    struct ts_actions out; /* of the last step */
    unsigned notices[TS_NOTICE_COUNT];
    unsigned starts;
    unsigned stops;
};

static struct world new_world(void)
{
    struct world w = {.spec = gateway_spec(),
                      .env = {.engine_up = true,
                              .deps_ready = true,
                              .dependents_stopped = true,
                              .window_end = TS_NEVER},
                      .now = {1000000}};
    w.s = ts_machine_init(w.now);
    return w;
}

static void step(struct world *w, const struct ts_obs *obs)
{
    w->out.count = 0;
    w->s = ts_machine_step(&w->spec, &w->env, w->s, obs, w->now, &w->out);
    const char *broken = ts_machine_invalid(&w->s);
    if (broken != NULL) {
        fail_msg("after observation %d in %s (%s), running %d: %s", (int)obs->kind,
                 ts_phase_name(w->s.phase), ts_why_name(w->s.why), (int)w->s.running, broken);
    }
    for (size_t i = 0; i < w->out.count; i++) {
        switch (w->out.list[i].kind) {
        case TS_ACT_START: w->starts++; break;
        case TS_ACT_STOP: w->stops++; break;
        case TS_ACT_NOTICE: w->notices[w->out.list[i].notice]++; break;
        case TS_ACT_INSPECT: break;
        }
    }
}

static void see(struct world *w, enum ts_obs_kind kind)
{
    step(w, &(struct ts_obs){.kind = kind});
}

static void inspect(struct world *w, bool running, int exit_code)
{
    step(w,
         &(struct ts_obs){
             .kind = TS_OBS_CONTAINER, .exists = true, .running = running, .exit_code = exit_code});
}

static void probe(struct world *w, enum ts_probe_reason reason)
{
    step(w, &(struct ts_obs){.kind = TS_OBS_PROBE, .reason = reason});
}

static void op_done(struct world *w, enum ts_op_result result)
{
    step(w, &(struct ts_obs){.kind = TS_OBS_OP_DONE, .op_id = w->s.op_id, .result = result});
}

static void signal_seen(struct world *w, enum ts_signal signal)
{
    step(w, &(struct ts_obs){.kind = TS_OBS_SIGNAL, .signal = signal});
}

static void later(struct world *w, int64_t ms)
{
    w->now.ms += ms;
    see(w, TS_OBS_TICK);
}

static void assert_phase(const struct world *w, enum ts_phase phase, enum ts_why why)
{
    if (w->s.phase != phase || w->s.why != why) {
        fail_msg("is %s (%s), want %s (%s)", ts_phase_name(w->s.phase), ts_why_name(w->s.why),
                 ts_phase_name(phase), ts_why_name(why));
    }
}

/* Created, started, answered: ready. */
static void bring_up(struct world *w)
{
    inspect(w, false, 0);
    see(w, TS_OBS_CMD_START);
    op_done(w, TS_OPR_DONE);
    inspect(w, true, 0);
    probe(w, TS_PR_OK);
    assert_phase(w, TS_PHASE_READY, TS_WHY_READY);
}

static void test_start_waits_for_dependencies_then_for_the_api(void **state)
{
    (void)state;
    struct world w = new_world();
    w.env.deps_ready = false;
    inspect(&w, false, 0);
    assert_phase(&w, TS_PHASE_STOPPED, TS_WHY_NOT_STARTED);
    see(&w, TS_OBS_CMD_START);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_DEPENDENCY);
    assert_int_equal(w.starts, 0);
    w.env.deps_ready = true;
    later(&w, 10);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
    assert_int_equal(w.starts, 1);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, true, 0);
    probe(&w, TS_PR_CLOSED); /* the relay accepts: that is not ready */
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
    probe(&w, TS_PR_OK);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
    assert_int_equal(w.notices[TS_NOTICE_READY], 1);
}

static void test_a_running_container_is_adopted_not_restarted(void **state)
{
    (void)state;
    struct world w = new_world();
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .running = true, .after_gap = true});
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_ADOPTED);
    assert_int_equal(w.s.wanted, TS_WANTED_UP);
    probe(&w, TS_PR_OK);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
    assert_int_equal(w.starts + w.stops, 0);
}

static void crash(struct world *w)
{
    inspect(w, false, 1);
}

static void test_crashes_back_off_then_give_up_once_until_reset(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    crash(&w); /* the first restart is immediate */
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_DIED);
    assert_int_equal(w.starts, 2);
    op_done(&w, TS_OPR_DONE);
    crash(&w);
    assert_phase(&w, TS_PHASE_BACKOFF, TS_WHY_DIED);
    later(&w, 9999);
    assert_int_equal(w.starts, 2);
    later(&w, 1);
    assert_int_equal(w.starts, 3);
    op_done(&w, TS_OPR_DONE);
    crash(&w);
    later(&w, 19999); /* doubled */
    assert_int_equal(w.starts, 3);
    later(&w, 1);
    assert_int_equal(w.starts, 4);
    op_done(&w, TS_OPR_DONE);
    crash(&w); /* three restarts were the budget */
    assert_phase(&w, TS_PHASE_FAILED, TS_WHY_BUDGET);
    later(&w, 100000);
    later(&w, 100000);
    assert_int_equal(w.starts, 4);
    assert_int_equal(w.notices[TS_NOTICE_FAILED], 1);
    see(&w, TS_OBS_CMD_RESET);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
    assert_int_equal(w.starts, 5);
}

static void test_a_remembered_backoff_is_shown_and_waited_for(void **state)
{
    (void)state;
    struct world w = new_world();
    w.s.wanted = TS_WANTED_UP; /* what a new daemon reads from the store */
    w.s.backoff_until = ts_mono_add(w.now, 10000);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .after_gap = true, .exit_code = 1});
    assert_phase(&w, TS_PHASE_BACKOFF, TS_WHY_WANTED);
    later(&w, 9999);
    assert_int_equal(w.starts, 0);
    later(&w, 1);
    assert_int_equal(w.starts, 1);
}

static void test_jitter_lengthens_the_delay_by_its_share(void **state)
{
    (void)state;
    struct world w = new_world();
    w.spec.backoff_jitter_pct = 50;
    w.env.jitter = 10000;
    bring_up(&w);
    crash(&w);
    op_done(&w, TS_OPR_DONE);
    crash(&w);
    assert_int_equal(ts_mono_diff(w.now, w.s.backoff_until), 15000);
}

static void test_stable_time_resets_the_backoff(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    crash(&w);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, true, 0);
    probe(&w, TS_PR_OK);
    assert_int_equal(w.s.backoff_step, 1);
    later(&w, w.spec.stable_after_ms);
    assert_int_equal(w.s.backoff_step, 0);
}

static void test_a_hang_is_seen_at_once_and_acted_on_late(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    probe(&w, TS_PR_SILENT);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY); /* one failure is no loss */
    w.now.ms += 1000;
    probe(&w, TS_PR_SILENT);
    assert_phase(&w, TS_PHASE_NOT_READY, TS_WHY_PROBE);
    later(&w, 10000);
    assert_int_equal(w.notices[TS_NOTICE_NOT_READY], 1);
    later(&w, 18999);
    assert_int_equal(w.stops, 0);
    later(&w, 1);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LIVENESS);
    assert_int_equal(w.stops, 1);
    op_done(&w, TS_OPR_DONE);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_LIVENESS);
    assert_int_equal(w.starts, 2);
}

static void test_upstream_loss_never_restarts(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    for (int i = 0; i < 100; i++) {
        w.now.ms += 60000;
        probe(&w, TS_PR_UPSTREAM_DOWN);
    }
    assert_phase(&w, TS_PHASE_NOT_READY, TS_WHY_PROBE);
    assert_int_equal(w.stops, 0);
    assert_int_equal(w.notices[TS_NOTICE_NOT_READY], 1);
    probe(&w, TS_PR_OK);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
}

static void test_a_window_holds_back_notice_and_restart_until_its_end(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    w.env.window_on = true;
    w.env.window_end = ts_mono_add(w.now, 3600000);
    for (int i = 0; i < 59; i++) {
        w.now.ms += 60000;
        probe(&w, TS_PR_CLOSED);
    }
    assert_phase(&w, TS_PHASE_NOT_READY, TS_WHY_WINDOW);
    assert_int_equal(w.stops + w.notices[TS_NOTICE_NOT_READY], 0);
    w.now.ms += 60000;
    w.env.window_on = false;
    w.env.window_end = TS_NEVER;
    probe(&w, TS_PR_CLOSED);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LIVENESS);
}

static void test_second_factor_suspends_restarts(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, true, 0);
    w.now.ms += 200000;
    signal_seen(&w, TS_SIG_TWOFA_WAIT);
    signal_seen(&w, TS_SIG_TWOFA_WAIT);
    assert_int_equal(w.notices[TS_NOTICE_TWOFA], 1);
    later(&w, 60000); /* ready_timeout is over, the wait is not */
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
    assert_int_equal(w.stops, 0);
    later(&w, 140000);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_START_TIMEOUT);
}

static void test_login_failures_stop_the_container_and_stay_stopped(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    signal_seen(&w, TS_SIG_LOGIN_FAILED);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
    signal_seen(&w, TS_SIG_LOGIN_FAILED);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LOGIN_FAILED);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, false, 0);
    assert_phase(&w, TS_PHASE_FAILED, TS_WHY_LOGIN_FAILED);
    later(&w, 86400000);
    assert_int_equal(w.starts, 1);
    assert_int_equal(w.notices[TS_NOTICE_FAILED], 1);
}

static void test_lock_out_stops_at_the_first_sign(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    signal_seen(&w, TS_SIG_LOCKED_OUT);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LOCKED_OUT);
    assert_int_equal(w.stops, 1);
}

static void test_a_stop_by_hand_is_respected_and_told_once(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    see(&w, TS_OBS_MANUAL_STOP);
    inspect(&w, false, 143);
    assert_phase(&w, TS_PHASE_HELD, TS_WHY_MANUAL_STOP);
    later(&w, 4999);
    assert_int_equal(w.notices[TS_NOTICE_MANUAL_STOP], 0);
    assert_false(ts_machine_is_lost(&w.s)); /* a restart by hand begins like this */
    later(&w, 1);
    assert_int_equal(w.notices[TS_NOTICE_MANUAL_STOP], 1);
    assert_true(ts_machine_is_lost(&w.s));
    later(&w, 86400000);
    inspect(&w, false, 143);
    assert_int_equal(w.starts, 1);
    assert_int_equal(w.notices[TS_NOTICE_MANUAL_STOP], 1);
    see(&w, TS_OBS_CMD_START);
    assert_int_equal(w.starts, 2);
}

static void test_a_refused_start_is_judged_anew_when_somebody_asks(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    op_done(&w, TS_OPR_REFUSED);
    assert_phase(&w, TS_PHASE_BLOCKED, TS_WHY_INTERLOCK);
    later(&w, 86400000);
    assert_int_equal(w.starts, 1);
    assert_int_equal(w.notices[TS_NOTICE_BLOCKED], 1);
    see(&w, TS_OBS_CMD_START);
    assert_int_equal(w.starts, 2);
    op_done(&w, TS_OPR_REFUSED);
    assert_phase(&w, TS_PHASE_BLOCKED, TS_WHY_INTERLOCK);
    step(&w, &(struct ts_obs){.kind = TS_OBS_CONTAINER, .exists = true, .new_container = true});
    assert_int_equal(w.starts, 3);
}

static void test_an_exchanged_container_is_no_crash(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    unsigned starts = w.starts;
    struct ts_obs obs = {
        .kind = TS_OBS_CONTAINER, .exists = true, .new_container = true, .never_ran = true};
    step(&w, &obs);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
    assert_int_equal(w.starts, starts + 1);
    assert_int_equal(w.s.restart_count, 0);
    assert_int_equal(w.notices[TS_NOTICE_DOWN], 0);

    w = new_world(); /* it has already ended by itself: that counts */
    w.spec.restart = TS_RESTART_ON_FAILURE;
    bring_up(&w);
    obs.never_ran = false;
    step(&w, &obs);
    assert_phase(&w, TS_PHASE_STOPPED, TS_WHY_COMPLETED);
}

static void trip(struct world *w, enum ts_why why)
{
    step(w, &(struct ts_obs){.kind = TS_OBS_TRIP, .why = why});
}

static void test_a_trip_stops_even_a_held_service_at_once(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    see(&w, TS_OBS_CMD_HOLD);
    w.env.dependents_stopped = false;
    trip(&w, TS_WHY_LIVE_ACCOUNT);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LIVE_ACCOUNT);
    assert_int_equal(w.stops, 1);
    op_done(&w, TS_OPR_DONE);
    assert_phase(&w, TS_PHASE_BLOCKED, TS_WHY_LIVE_ACCOUNT);
    assert_int_equal(w.notices[TS_NOTICE_TRIPPED], 1);
}

static void test_a_trip_during_a_start_is_stopped_as_soon_as_it_runs(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    inspect(&w, true, 0); /* seen before the call has come back */
    trip(&w, TS_WHY_LOG_TRIP);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LOG_TRIP);
    assert_int_equal(w.stops, 1); /* it waits for no start that is under way */
    op_done(&w, TS_OPR_DONE);
    assert_phase(&w, TS_PHASE_BLOCKED, TS_WHY_LOG_TRIP);
}

static void test_the_end_of_a_start_is_no_stop_without_effect(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    inspect(&w, true, 0);
    see(&w, TS_OBS_CMD_STOP);
    op_done(&w, TS_OPR_DONE); /* of the start */
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_COMMAND);
    assert_int_equal(w.stops, 1);
}

static void test_a_trip_outlives_everything_but_its_own_reset(void **state)
{
    (void)state;
    static const enum ts_obs_kind kinds[] = {
        TS_OBS_CMD_START, TS_OBS_CMD_RESTART, TS_OBS_CMD_RESET,
        TS_OBS_CMD_HOLD,  TS_OBS_CMD_UNHOLD,  TS_OBS_MANUAL_START,
        TS_OBS_CMD_STOP,  TS_OBS_VERIFIED,    TS_OBS_DEP_RETURNED};
    struct world w = new_world();
    bring_up(&w);
    trip(&w, TS_WHY_LOG_TRIP);
    op_done(&w, TS_OPR_DONE);
    unsigned starts = w.starts;
    for (size_t i = 0; i < TS_ARRAY_LEN(kinds); i++) {
        see(&w, kinds[i]);
        later(&w, 3600000);
        step(&w, &(struct ts_obs){.kind = TS_OBS_CONTAINER, .exists = true, .new_container = true});
        assert_phase(&w, TS_PHASE_BLOCKED, TS_WHY_LOG_TRIP);
    }
    assert_int_equal(w.starts, starts);
    see(&w, TS_OBS_CMD_SAFETY_RESET);
    see(&w, TS_OBS_CMD_START);
    assert_int_equal(w.starts, starts + 1);
}

static void test_a_safety_reset_ends_a_back_off_and_an_unhold_shows_it(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    unsigned starts = w.starts;
    trip(&w, TS_WHY_LOG_TRIP);
    op_done(&w, TS_OPR_DONE);
    w.s.backoff_until = ts_mono_add(w.now, 10000); /* of a crash before it */
    see(&w, TS_OBS_CMD_SAFETY_RESET);
    assert_int_equal(w.starts, starts + 1);

    w = new_world();
    w.s.wanted = TS_WANTED_UP;
    w.s.backoff_until = ts_mono_add(w.now, 10000);
    see(&w, TS_OBS_CMD_HOLD);
    inspect(&w, false, 1);
    assert_phase(&w, TS_PHASE_HELD, TS_WHY_HOLD);
    see(&w, TS_OBS_CMD_UNHOLD);
    assert_phase(&w, TS_PHASE_BACKOFF, TS_WHY_WANTED);
    later(&w, 10000);
    assert_int_equal(w.starts, 1);
}

static void test_what_cannot_be_judged_waits_and_is_no_fault(void **state)
{
    (void)state;
    struct world w = new_world();
    w.spec.guarded = true;
    w.env.blind = true;
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_UNVERIFIED);
    later(&w, 3600000);
    assert_int_equal(w.starts, 0);
    w.env.blind = false;
    see(&w, TS_OBS_TICK);
    assert_int_equal(w.starts, 1);
    op_done(&w, TS_OPR_UNSURE);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_UNVERIFIED);
    assert_int_equal(w.s.restarts_total, 0);
    later(&w, 5000);
    assert_int_equal(w.starts, 2);
}

static void test_a_suspended_service_comes_back_by_itself(void **state)
{
    (void)state;
    struct world w = new_world();
    w.spec.guarded = true;
    bring_up(&w);
    step(&w, &(struct ts_obs){.kind = TS_OBS_SUSPEND, .why = TS_WHY_UNVERIFIED});
    w.env.blind = true;
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_UNVERIFIED);
    assert_int_equal(w.notices[TS_NOTICE_SUSPENDED], 1);
    op_done(&w, TS_OPR_DONE);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_UNVERIFIED);
    w.env.blind = false;
    see(&w, TS_OBS_TICK);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
}

/* It waits for its dependents to stop, cannot be verified any more, and then somebody starts it. */
static void test_a_stop_for_want_of_a_verdict_is_not_taken_back(void **state)
{
    (void)state;
    struct world w = new_world();
    w.spec.guarded = true;
    bring_up(&w);
    w.env.dependents_stopped = false;
    see(&w, TS_OBS_CMD_STOP);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_COMMAND);
    assert_int_equal(w.stops, 0);
    w.env.blind = true;
    step(&w, &(struct ts_obs){.kind = TS_OBS_SUSPEND, .why = TS_WHY_UNVERIFIED});
    see(&w, TS_OBS_CMD_START);
    assert_int_equal(w.s.phase, TS_PHASE_STOPPING);
    assert_int_equal(w.stops, 1);
    op_done(&w, TS_OPR_DONE);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_UNVERIFIED);
}

static void test_an_adopted_bot_is_not_ready_before_it_is_verified(void **state)
{
    (void)state;
    struct world w = new_world();
    w.spec.guarded = true;
    inspect(&w, true, 0);
    probe(&w, TS_PR_OK);
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_ADOPTED);
    see(&w, TS_OBS_VERIFIED);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .running = true, .new_run = true});
    probe(&w, TS_PR_OK);
    assert_true(w.s.phase != TS_PHASE_READY); /* another run: another verdict */
}

static void test_a_lost_start_is_tried_again_and_no_success(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    op_done(&w, TS_OPR_ALREADY); /* 304, though it does not run */
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_WANTED);
    later(&w, 100);
    assert_int_equal(w.starts, 2);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, true, 0);
    probe(&w, TS_PR_OK);
    assert_phase(&w, TS_PHASE_READY, TS_WHY_READY);
    assert_int_equal(w.s.restarts_total, 0);
}

static void test_death_while_the_engine_was_away_costs_no_budget(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    w.env.engine_up = false;
    later(&w, 5000);
    w.env.engine_up = true;
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .after_gap = true, .exit_code = 255});
    assert_int_equal(w.starts, 2);
    assert_int_equal(w.s.restarts_total, 0);
    assert_int_equal(w.notices[TS_NOTICE_DOWN], 0);
}

static void test_what_died_with_the_engine_is_not_taken_for_a_hang(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    w.env.engine_up = false;
    probe(&w, TS_PR_REFUSED);
    probe(&w, TS_PR_REFUSED);
    later(&w, 10 * w.spec.act_after_ms);
    w.env.engine_up = true; /* back, and the container not looked at yet */
    see(&w, TS_OBS_TICK);
    assert_int_equal(w.stops, 0);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .after_gap = true, .exit_code = 255});
    assert_int_equal(w.starts, 2);
    assert_int_equal(w.s.restarts_total, 0);
}

static void test_what_hangs_over_an_engines_absence_is_restarted_after_a_look(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    w.env.engine_up = false;
    probe(&w, TS_PR_REFUSED);
    probe(&w, TS_PR_REFUSED);
    later(&w, 10 * w.spec.act_after_ms);
    w.env.engine_up = true;
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .running = true, .after_gap = true});
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_LIVENESS);
    assert_int_equal(w.stops, 1);
}

static void test_an_engine_that_ends_is_no_stop_by_hand(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    /* It tells that it stops the container, then nothing more until it is back. */
    see(&w, TS_OBS_MANUAL_STOP);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .after_gap = true, .exit_code = 143});
    assert_int_equal(w.starts, 2);
    assert_int_equal(w.notices[TS_NOTICE_MANUAL_STOP], 0);
}

static void test_an_engine_that_ends_after_its_containers_is_not_told_as_a_hand(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    see(&w, TS_OBS_MANUAL_STOP);
    inspect(&w, false, 143);
    assert_phase(&w, TS_PHASE_HELD, TS_WHY_MANUAL_STOP);
    later(&w, 1000);
    w.env.engine_up = false;
    see(&w, TS_OBS_MANUAL_START); /* the engine is lost: forgiven */
    later(&w, 86400000);
    assert_phase(&w, TS_PHASE_WAITING, TS_WHY_ENGINE);
    assert_int_equal(w.notices[TS_NOTICE_MANUAL_STOP], 0);
}

static void test_down_waits_for_dependents(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    w.env.dependents_stopped = false;
    see(&w, TS_OBS_CMD_STOP);
    assert_phase(&w, TS_PHASE_STOPPING, TS_WHY_COMMAND);
    assert_int_equal(w.stops, 0);
    w.env.dependents_stopped = true;
    later(&w, 10);
    assert_int_equal(w.stops, 1);
    op_done(&w, TS_OPR_DONE);
    inspect(&w, false, 0);
    assert_phase(&w, TS_PHASE_STOPPED, TS_WHY_COMMAND);
}

static void test_a_stop_without_effect_is_repeated_and_told(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    see(&w, TS_OBS_CMD_STOP);
    for (int i = 0; i < 3; i++) {
        op_done(&w, TS_OPR_UNKNOWN);
        later(&w, 2000);
    }
    assert_int_equal(w.stops, 4);
    assert_int_equal(w.notices[TS_NOTICE_STOP_FAILED], 1);
}

static void test_a_paused_container_is_left_alone(void **state)
{
    (void)state;
    struct world w = new_world();
    bring_up(&w);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_CONTAINER, .exists = true, .running = true, .paused = true});
    for (int i = 0; i < 100; i++) {
        w.now.ms += 60000;
        probe(&w, TS_PR_SILENT);
    }
    assert_phase(&w, TS_PHASE_NOT_READY, TS_WHY_PAUSED);
    assert_int_equal(w.stops, 0);
}

static void test_late_answers_to_other_operations_are_ignored(void **state)
{
    (void)state;
    struct world w = new_world();
    inspect(&w, false, 0);
    see(&w, TS_OBS_CMD_START);
    step(&w, &(struct ts_obs){
                 .kind = TS_OBS_OP_DONE, .op_id = w.s.op_id + 7, .result = TS_OPR_REFUSED});
    assert_phase(&w, TS_PHASE_STARTING, TS_WHY_WANTED);
}

/* --- random walks */

static uint32_t random_below(uint64_t *seed, uint32_t n)
{
    *seed = *seed * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((*seed >> 33) % n);
}

static struct ts_obs random_obs(uint64_t *seed, const struct world *w)
{
    struct ts_obs obs = {.kind = random_below(seed, TS_OBS_KIND_COUNT)};
    obs.exists = random_below(seed, 10) != 0;
    obs.running = obs.exists && random_below(seed, 2) != 0;
    obs.paused = obs.running && random_below(seed, 10) == 0;
    obs.after_gap = random_below(seed, 8) == 0;
    obs.new_run = random_below(seed, 8) == 0;
    obs.new_container = random_below(seed, 20) == 0;
    obs.exit_code = (int)random_below(seed, 3);
    obs.probe = random_below(seed, 3);
    obs.reason = random_below(seed, TS_PROBE_REASON_COUNT);
    obs.signal = random_below(seed, TS_SIGNAL_COUNT);
    obs.op_id = w->s.op_id;
    obs.result = random_below(seed, TS_OP_RESULT_COUNT);
    obs.why = TS_WHY_INTERLOCK;
    return obs;
}

/* What must hold between one state and the next, whatever was observed. */
static void check_step(const struct world *before, const struct world *after)
{
    for (size_t i = 0; i < after->out.count; i++) {
        const struct ts_action *a = &after->out.list[i];
        if (a->kind == TS_ACT_START) {
            assert_true(after->env.engine_up && after->env.deps_ready);
            assert_int_equal(after->s.latch, TS_WHY_NONE);
            assert_false(after->s.held);
            assert_int_equal(after->s.wanted, TS_WANTED_UP);
            assert_true(before->s.op == TS_OP_NONE || before->s.op_id != after->s.op_id);
        }
    }
    assert_true(ts_machine_attempts(&after->spec, &after->s, after->now) <= after->spec.budget);
    assert_true(after->out.count < TS_MAX_ACTIONS);
}

/* With the world healed, a wanted service becomes ready. */
static void heal(struct world *w)
{
    w->env = (struct ts_env){
        .engine_up = true, .deps_ready = true, .dependents_stopped = true, .window_end = TS_NEVER};
    see(w, TS_OBS_CMD_UNHOLD);
    see(w, TS_OBS_CMD_RESET);
    see(w, TS_OBS_CMD_SAFETY_RESET);
    see(w, TS_OBS_CMD_START);
    bool running = w->s.running;
    for (int i = 0; i < 400 && w->s.phase != TS_PHASE_READY; i++) {
        w->now.ms += 1000;
        if (w->s.op == TS_OP_START) {
            running = true;
            op_done(w, TS_OPR_DONE);
        } else if (w->s.op == TS_OP_STOP) {
            running = false;
            op_done(w, TS_OPR_DONE);
        }
        inspect(w, running, 0);
        probe(w, TS_PR_OK);
    }
    assert_phase(w, TS_PHASE_READY, TS_WHY_READY);
}

static void test_random_walks_hold_the_invariants_and_can_be_healed(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 300; seed++) {
        uint64_t random = seed;
        struct world w = new_world();
        for (int i = 0; i < 1000; i++) {
            struct world before = w;
            struct ts_obs obs = random_obs(&random, &w);
            w.now.ms += random_below(&random, 20000);
            w.env.engine_up = random_below(&random, 10) != 0;
            w.env.deps_ready = random_below(&random, 5) != 0;
            w.env.dependents_stopped = random_below(&random, 5) != 0;
            w.env.window_on = random_below(&random, 10) == 0;
            w.env.window_end = w.env.window_on ? ts_mono_add(w.now, 60000) : TS_NEVER;
            step(&w, &obs);
            check_step(&before, &w);
        }
        heal(&w);
    }
}

/* --- planner */

static void test_cycles_are_found_and_named(void **state)
{
    (void)state;
    struct ts_svc_spec specs[3] = {{.name = "a", .dep_count = 1, .deps = {"b"}},
                                   {.name = "b", .dep_count = 1, .deps = {"c"}},
                                   {.name = "c", .dep_count = 1, .deps = {"elsewhere"}}};
    struct ts_node nodes[3];
    size_t at = 99;
    assert_true(ts_plan_build(specs, 3, nodes, &at));
    assert_int_equal(nodes[2].dep_count, 0);
    (void)snprintf(specs[2].deps[0], TS_NAME_MAX, "a");
    assert_false(ts_plan_build(specs, 3, nodes, &at));
    assert_true(at < 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_start_waits_for_dependencies_then_for_the_api),
        cmocka_unit_test(test_a_running_container_is_adopted_not_restarted),
        cmocka_unit_test(test_crashes_back_off_then_give_up_once_until_reset),
        cmocka_unit_test(test_a_remembered_backoff_is_shown_and_waited_for),
        cmocka_unit_test(test_a_safety_reset_ends_a_back_off_and_an_unhold_shows_it),
        cmocka_unit_test(test_jitter_lengthens_the_delay_by_its_share),
        cmocka_unit_test(test_stable_time_resets_the_backoff),
        cmocka_unit_test(test_a_hang_is_seen_at_once_and_acted_on_late),
        cmocka_unit_test(test_upstream_loss_never_restarts),
        cmocka_unit_test(test_a_window_holds_back_notice_and_restart_until_its_end),
        cmocka_unit_test(test_second_factor_suspends_restarts),
        cmocka_unit_test(test_login_failures_stop_the_container_and_stay_stopped),
        cmocka_unit_test(test_lock_out_stops_at_the_first_sign),
        cmocka_unit_test(test_a_stop_by_hand_is_respected_and_told_once),
        cmocka_unit_test(test_a_refused_start_is_judged_anew_when_somebody_asks),
        cmocka_unit_test(test_a_trip_during_a_start_is_stopped_as_soon_as_it_runs),
        cmocka_unit_test(test_the_end_of_a_start_is_no_stop_without_effect),
        cmocka_unit_test(test_an_exchanged_container_is_no_crash),
        cmocka_unit_test(test_a_trip_outlives_everything_but_its_own_reset),
        cmocka_unit_test(test_what_cannot_be_judged_waits_and_is_no_fault),
        cmocka_unit_test(test_a_suspended_service_comes_back_by_itself),
        cmocka_unit_test(test_a_stop_for_want_of_a_verdict_is_not_taken_back),
        cmocka_unit_test(test_an_adopted_bot_is_not_ready_before_it_is_verified),
        cmocka_unit_test(test_a_trip_stops_even_a_held_service_at_once),
        cmocka_unit_test(test_a_lost_start_is_tried_again_and_no_success),
        cmocka_unit_test(test_death_while_the_engine_was_away_costs_no_budget),
        cmocka_unit_test(test_what_died_with_the_engine_is_not_taken_for_a_hang),
        cmocka_unit_test(test_what_hangs_over_an_engines_absence_is_restarted_after_a_look),
        cmocka_unit_test(test_an_engine_that_ends_is_no_stop_by_hand),
        cmocka_unit_test(test_an_engine_that_ends_after_its_containers_is_not_told_as_a_hand),
        cmocka_unit_test(test_down_waits_for_dependents),
        cmocka_unit_test(test_a_stop_without_effect_is_repeated_and_told),
        cmocka_unit_test(test_a_paused_container_is_left_alone),
        cmocka_unit_test(test_late_answers_to_other_operations_are_ignored),
        cmocka_unit_test(test_random_walks_hold_the_invariants_and_can_be_healed),
        cmocka_unit_test(test_cycles_are_found_and_named),
    };
    return RUN_TESTS(tests);
}
