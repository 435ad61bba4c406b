/* The supervisor's queue: portions, order, and what is never dropped. */
#include "unit.h"

#include <stdio.h>
#include <string.h>

#include "supervisor.h"

static struct {
    uint32_t started; /* the operation's id; 0: none */
    size_t starts;
} seen;

static void on_journal(void *ctx, const struct ts_transition *transitions, size_t n,
                       const size_t *changed, size_t m)
{
    (void)ctx;
    (void)transitions;
    (void)n;
    (void)changed;
    (void)m;
}

static void on_start(void *ctx, size_t service, uint32_t op_id)
{
    (void)ctx;
    (void)service;
    seen.started = op_id;
    seen.starts++;
}

static void on_stop(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms)
{
    (void)ctx;
    (void)service;
    (void)op_id;
    (void)grace_ms;
}

static void on_service(void *ctx, size_t service)
{
    (void)ctx;
    (void)service;
}

static void on_notice(void *ctx, size_t service, const struct ts_action *action)
{
    (void)ctx;
    (void)service;
    (void)action;
}

static struct ts_super *new_super(ts_mono now)
{
    const struct ts_super_ports ports = {.journal = on_journal,
                                         .start = on_start,
                                         .stop = on_stop,
                                         .inspect = on_service,
                                         .notice = on_notice,
                                         .changed = on_service};
    static struct ts_svc_spec spec = {.name = "s", .ready_timeout_ms = 60000, .budget = 5};
    struct ts_error err;
    struct ts_super *sup = ts_super_new(&ports);
    assert_non_null(sup);
    assert_true(ts_super_set_services(sup, &spec, 1, NULL, now, &err));
    ts_super_set_engine_up(sup, true);
    memset(&seen, 0, sizeof(seen));
    return sup;
}

static size_t turn_until_idle(struct ts_super *sup, ts_mono now)
{
    size_t turns = 0;
    while (ts_super_pending(sup)) {
        ts_super_turn(sup, now);
        assert_true(++turns < 10000);
    }
    return turns;
}

static void test_end_of_an_operation_is_never_dropped(void **state)
{
    (void)state;
    ts_mono now = {1000};
    struct ts_super *sup = new_super(now);
    const struct ts_obs stopped = {.kind = TS_OBS_CONTAINER, .exists = true};
    const struct ts_obs start = {.kind = TS_OBS_CMD_START};
    const struct ts_obs tick = {.kind = TS_OBS_TICK};
    ts_super_post(sup, 0, &stopped);
    ts_super_post(sup, 0, &start);
    (void)turn_until_idle(sup, now);
    assert_int_equal(seen.starts, 1);
    for (size_t i = 0; i < TS_OBS_QUEUE_MAX + 10; i++) {
        ts_super_post(sup, 0, &tick);
    }
    assert_true(ts_super_overflowed(sup)); /* and told once */
    assert_false(ts_super_overflowed(sup));
    const struct ts_obs done = {
        .kind = TS_OBS_OP_DONE, .op_id = seen.started, .result = TS_OPR_DONE};
    ts_super_post(sup, 0, &done);
    assert_false(ts_super_overflowed(sup));
    (void)turn_until_idle(sup, now);
    assert_int_equal(ts_super_state(sup, 0)->op, TS_OP_NONE);
    assert_true(ts_super_state(sup, 0)->running);
    ts_super_free(sup);
}

static void test_burst_is_taken_in_portions_and_in_order(void **state)
{
    (void)state;
    ts_mono now = {1000};
    struct ts_super *sup = new_super(now);
    for (int i = 0; i < 1000; i++) {
        const struct ts_obs obs = {.kind = TS_OBS_CONTAINER, .exists = true, .exit_code = i};
        ts_super_post(sup, 0, &obs);
        if (i % 3 == 0) { /* taken from the front while more comes behind */
            ts_super_turn(sup, now);
        }
    }
    ts_super_turn(sup, now);
    assert_int_equal(ts_super_state(sup, 0)->exit_code, 999);
    for (int i = 0; i < 1000; i++) {
        const struct ts_obs obs = {.kind = TS_OBS_CONTAINER, .exists = true, .exit_code = i};
        ts_super_post(sup, 0, &obs);
    }
    ts_super_turn(sup, now);
    assert_true(ts_super_pending(sup));
    int reached = ts_super_state(sup, 0)->exit_code;
    assert_true(reached > 0 && reached < 200);
    assert_true(turn_until_idle(sup, now) > 5);
    assert_int_equal(ts_super_state(sup, 0)->exit_code, 999);
    ts_super_free(sup);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_end_of_an_operation_is_never_dropped),
        cmocka_unit_test(test_burst_is_taken_in_portions_and_in_order),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
