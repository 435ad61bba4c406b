/* The move: the order of its steps; then every step with every failure and a restart in between, on
 * a world of containers that is looked at in the end. */
#include "unit.h"

#include <stdio.h>

#include "base/macros.h"
#include "core/move.h"

enum { GATEWAY, MONITOR, BOT, PARTS };
static const char *const names[] = {"gateway", "monitor", "bot"};

/* The usual stack: monitor and guarded bot depend on the gateway. */
static void stack(struct ts_move_part parts[PARTS], bool changes)
{
    memset(parts, 0, PARTS * sizeof(*parts));
    for (size_t i = 0; i < PARTS; i++) {
        parts[i] = (struct ts_move_part){
            .has_now = true, .has_next = changes, .changes = changes, .starts = true};
    }
    parts[BOT].guarded = true;
    parts[BOT].dep_count = parts[BOT].now_dep_count = 1; /* deps[0] is the gateway */
    parts[MONITOR].dep_count = parts[MONITOR].now_dep_count = 1;
}

static void tell(const struct ts_move_plan *plan, char *out, size_t size)
{
    size_t n = 0;
    out[0] = '\0';
    for (size_t i = 0; i < plan->count; i++) {
        const struct ts_move_step *s = &plan->steps[i];
        bool about_all = s->deed == TS_MOVE_SETTLE;
        n += (size_t)snprintf(out + n, size - n, "%s%s%s%s", i == 0 ? "" : ", ",
                              ts_move_deed_name(s->deed), about_all ? "" : " ",
                              about_all ? "" : names[s->part]);
    }
}

static void expect_plan(const struct ts_move_part *parts, const struct ts_move_options *options,
                        const char *want)
{
    struct ts_move_plan plan;
    char text[1200];
    assert_true(ts_move_lay_out(parts, PARTS, options, &plan));
    tell(&plan, text, sizeof(text));
    assert_string_equal(text, want);
}

static const struct ts_move_options rollout = {.cleans = true};
static const struct ts_move_options migration = {.stops_all_first = true};

static void test_a_changed_bot_leaves_the_rest_alone(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, false);
    parts[BOT].changes = parts[BOT].has_next = true;
    expect_plan(parts, &rollout,
                "keep bot, make bot, stop bot, aside bot, place bot, start bot, check bot, settle, "
                "clean bot");
}

static void test_dependents_stop_first_and_start_again(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, false);
    parts[GATEWAY].changes = parts[GATEWAY].has_next = true;
    expect_plan(parts, &rollout,
                "keep monitor, keep bot, keep gateway, make gateway, stop monitor, stop bot, stop "
                "gateway, aside gateway, place gateway, "
                "start gateway, start monitor, start bot, check bot, settle, clean gateway");
}

static void test_services_are_exchanged_one_after_the_other(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, true);
    parts[BOT].has_next = false; /* the file has it no more */
    expect_plan(parts, &rollout,
                "keep monitor, keep bot, keep gateway, make gateway, make monitor, stop monitor, "
                "stop bot, stop gateway, aside gateway, "
                "place gateway, start gateway, aside monitor, place monitor, start monitor, "
                "aside bot, settle, clean gateway, clean monitor, clean bot");
}

static void test_a_migration_stops_all_first_and_keeps_what_was(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, true);
    parts[BOT].has_now = false; /* never started before */
    expect_plan(parts, &migration,
                "keep monitor, keep gateway, make gateway, make monitor, make bot, stop monitor, "
                "stop gateway, aside gateway, "
                "aside monitor, place gateway, start gateway, place monitor, start monitor, "
                "place bot, start bot, check bot, settle");
}

static void test_what_is_not_to_run_is_exchanged_and_not_started(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, false);
    parts[BOT].changes = parts[BOT].has_next = true;
    parts[BOT].starts = false;
    expect_plan(parts, &rollout,
                "keep bot, make bot, stop bot, aside bot, place bot, settle, clean bot");
}

static void test_stops_go_by_what_runs_now_and_starts_by_what_comes(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, true);
    parts[BOT].has_now = parts[BOT].has_next = parts[BOT].changes = false;
    parts[MONITOR].dep_count = 0; /* the new one needs nobody, the old one does */
    parts[GATEWAY].dep_count = 1;
    parts[GATEWAY].deps[0] = MONITOR;
    expect_plan(
        parts, &migration,
        "keep monitor, keep gateway, make monitor, make gateway, stop monitor, stop gateway, "
        "aside monitor, aside "
        "gateway, place monitor, start monitor, place gateway, start gateway, settle");
}

static void test_what_is_needed_later_stops_last_though_nobody_says_so_now(void **state)
{
    struct ts_move_part parts[PARTS];
    (void)state;
    stack(parts, true);
    parts[BOT].has_now = false;
    parts[MONITOR].now_dep_count = 0; /* of another project, or made without its dependencies */
    expect_plan(parts, &migration,
                "keep monitor, keep gateway, make gateway, make monitor, make bot, stop monitor, "
                "stop gateway, aside gateway, "
                "aside monitor, place gateway, start gateway, place monitor, start monitor, "
                "place bot, start bot, check bot, settle");
}

static void test_a_circle_or_too_many_are_refused(void **state)
{
    struct ts_move_part parts[TS_MOVE_PARTS_MAX + 1] = {{0}};
    struct ts_move_plan plan;
    (void)state;
    stack(parts, true);
    parts[GATEWAY].dep_count = 1;
    parts[GATEWAY].deps[0] = BOT;
    assert_false(ts_move_lay_out(parts, PARTS, &rollout, &plan));
    memset(parts, 0, sizeof(parts));
    assert_false(ts_move_lay_out(parts, TS_MOVE_PARTS_MAX + 1, &rollout, &plan));
    for (size_t i = 0; i < TS_MOVE_PARTS_MAX; i++) {
        parts[i] = (struct ts_move_part){
            .has_now = true, .has_next = true, .changes = true, .starts = true, .guarded = true};
    }
    assert_true(ts_move_lay_out(parts, TS_MOVE_PARTS_MAX, &rollout, &plan));
}

/* --- the world: what has the name, what runs */

struct place {
    bool now_exists, now_runs, now_has_name;
    bool next_exists, next_runs, next_has_name;
};

struct world {
    struct ts_move_part parts[PARTS];
    struct ts_move_plan plan;
    struct ts_move_env env;
    struct ts_move_state s;
    struct place places[PARTS];
    ts_mono now;
    unsigned performed;
    unsigned turns;
    unsigned stuck;
    bool ended;
};

static struct world new_world(const struct ts_move_options *options)
{
    struct world w = {.env = {.limit_ms = 60000}, .now = {1000}};
    stack(w.parts, true);
    w.parts[BOT].has_now = !options->stops_all_first;
    assert_true(ts_move_lay_out(w.parts, PARTS, options, &w.plan));
    for (size_t i = 0; i < PARTS; i++) {
        bool has = w.parts[i].has_now;
        w.places[i] = (struct place){.now_exists = has, .now_runs = has, .now_has_name = has};
    }
    w.s = ts_move_begin(w.now);
    return w;
}

/* Two containers with one name or a port held twice is what a real engine would refuse. */
static void check_place(const struct place *p)
{
    assert_false(p->now_has_name && p->next_has_name);
    assert_false(p->now_runs && p->next_runs);
    assert_false(p->now_runs && !p->now_has_name);
    assert_false(p->next_runs && !p->next_has_name);
}

static void deed_forward(struct world *w, const struct ts_move_step *step)
{
    struct place *p = &w->places[step->part];
    switch (step->deed) {
    case TS_MOVE_MAKE: p->next_exists = true; break;
    case TS_MOVE_STOP: p->now_runs = false; break;
    case TS_MOVE_ASIDE: p->now_has_name = false; break;
    case TS_MOVE_PLACE: p->next_has_name = true; break;
    case TS_MOVE_START: p->next_runs = true; break;
    case TS_MOVE_CLEAN: p->now_exists = false; break;
    default: break;
    }
}

static void deed_back(struct world *w, const struct ts_move_step *step)
{
    struct place *p = &w->places[step->part];
    switch (step->deed) {
    case TS_MOVE_MAKE: p->next_exists = false; break;
    case TS_MOVE_KEEP:
    case TS_MOVE_STOP: p->now_runs = true; break;
    case TS_MOVE_ASIDE: p->now_has_name = true; break;
    case TS_MOVE_PLACE: p->next_has_name = false; break;
    case TS_MOVE_START: p->next_runs = false; break;
    default: break;
    }
}

static void perform(struct world *w)
{
    const struct ts_move_step *step = &w->plan.steps[w->s.at];
    w->performed++;
    if (w->s.way == TS_MOVE_BACK) {
        deed_back(w, step);
    } else {
        deed_forward(w, step);
    }
    for (size_t i = 0; i < PARTS; i++) {
        check_place(&w->places[i]);
    }
}

static struct ts_move_next see(struct world *w, enum ts_move_sight sight)
{
    struct ts_move_next next;
    w->s = ts_move_next(&w->plan, &w->env, w->s, sight, w->now, &next);
    w->turns += next.turned;
    w->stuck += next.stuck;
    w->ended = w->ended || next.ended;
    return next;
}

/* A killed daemon knows way, step and whether it was begun. */
static void restart(struct world *w)
{
    struct ts_move_state s = ts_move_begin(w->now);
    s.way = w->s.way;
    s.at = w->s.at;
    s.begun = w->s.begun;
    w->s = s;
}

static void run_on(struct world *w)
{
    for (unsigned i = 0; i < 500 && (w->s.way == TS_MOVE_FORWARD || w->s.way == TS_MOVE_BACK);
         i++) {
        perform(w);
        (void)see(w, TS_MOVE_REACHED);
    }
}

static void expect_moved(const struct world *w)
{
    assert_int_equal(w->s.way, TS_MOVE_DONE);
    assert_true(w->ended);
    for (size_t i = 0; i < PARTS; i++) {
        assert_true(w->places[i].next_has_name && w->places[i].next_runs && !w->places[i].now_runs);
    }
}

static void expect_returned(const struct world *w)
{
    assert_int_equal(w->s.way, TS_MOVE_RETURNED);
    assert_true(w->ended);
    for (size_t i = 0; i < PARTS; i++) {
        const struct place *p = &w->places[i];
        bool had = w->parts[i].has_now;
        assert_true(p->now_has_name == had && p->now_runs == had);
        assert_false(p->next_exists || p->next_runs || p->next_has_name);
    }
}

/* What happens at a step before it goes on. */
enum fault {
    FAULT_NONE,
    FAULT_TROUBLE,     /* once, then it works */
    FAULT_FAILED,      /* before the deed */
    FAULT_FAILED_LATE, /* after the deed had its effect */
    FAULT_LATE,        /* it never gets there */
    FAULT_TURN,        /* an operator's word */
    FAULT_COUNT
};

static void strike(struct world *w, enum fault fault)
{
    switch (fault) {
    case FAULT_TROUBLE:
        (void)see(w, TS_MOVE_TROUBLE);
        assert_false(see(w, TS_MOVE_TICK).perform);
        w->now = w->s.retry_at;
        assert_true(see(w, TS_MOVE_TICK).perform);
        break;
    case FAULT_FAILED: (void)see(w, TS_MOVE_FAILED); break;
    case FAULT_FAILED_LATE:
        perform(w);
        (void)see(w, TS_MOVE_FAILED);
        break;
    case FAULT_LATE:
        perform(w);
        w->now = ts_mono_add(w->s.since, w->env.limit_ms);
        (void)see(w, TS_MOVE_TICK);
        break;
    case FAULT_TURN: (void)see(w, TS_MOVE_TURN); break;
    case FAULT_NONE:
    case FAULT_COUNT: break;
    }
}

/* kill -9 before the deed, between deed and journal, or not at all. */
enum kill_at { KILL_NEVER, KILL_BEFORE, KILL_AFTER, KILL_COUNT };

static void step_with_kill(struct world *w, enum kill_at kill)
{
    if (kill == KILL_BEFORE) {
        restart(w);
    }
    perform(w);
    if (kill == KILL_AFTER) {
        restart(w);
        perform(w); /* the journal names it still */
    }
    (void)see(w, TS_MOVE_REACHED);
}

static void try_fault(const struct ts_move_options *options, size_t at, enum fault fault,
                      enum kill_at kill, size_t kill_back_at)
{
    struct world w = new_world(options);
    while (w.s.way == TS_MOVE_FORWARD && w.s.at < at) {
        step_with_kill(&w, kill);
    }
    bool accepted = w.plan.steps[at].deed == TS_MOVE_CLEAN;
    strike(&w, fault);
    for (unsigned i = 0; i < 500 && w.s.way == TS_MOVE_BACK; i++) {
        step_with_kill(&w, w.s.at == kill_back_at ? KILL_AFTER : KILL_NEVER);
    }
    run_on(&w);
    if (fault == FAULT_NONE || fault == FAULT_TROUBLE || accepted) {
        expect_moved(&w);
    } else {
        assert_int_equal(w.turns, 1);
        expect_returned(&w);
    }
}

static void test_every_step_with_every_fault_and_kill_ends_moved_or_returned(void **state)
{
    const struct ts_move_options *const kinds[] = {&rollout, &migration};
    unsigned runs = 0;
    (void)state;
    for (size_t k = 0; k < TS_ARRAY_LEN(kinds); k++) {
        size_t count = new_world(kinds[k]).plan.count;
        for (size_t at = 0; at < count; at++) {
            for (unsigned fault = 0; fault < FAULT_COUNT; fault++) {
                for (unsigned kill = 0; kill < KILL_COUNT; kill++) {
                    for (size_t back = 0; back <= at; back++) {
                        try_fault(kinds[k], at, (enum fault)fault, (enum kill_at)kill, back);
                        runs++;
                    }
                }
            }
        }
    }
    assert_true(runs > 4000);
}

static void test_no_rollback_halts_until_somebody_says_back(void **state)
{
    struct world w = new_world(&migration);
    (void)state;
    w.env.no_rollback = true;
    for (unsigned i = 0; i < 11; i++) {
        perform(&w);
        (void)see(&w, TS_MOVE_REACHED);
    }
    (void)see(&w, TS_MOVE_FAILED);
    assert_int_equal(w.s.way, TS_MOVE_HALTED);
    for (unsigned sight = 0; sight < TS_MOVE_SIGHT_COUNT; sight++) {
        if (sight != TS_MOVE_TURN) {
            w.now = ts_mono_add(w.now, 3600000);
            assert_false(see(&w, (enum ts_move_sight)sight).perform);
            assert_int_equal(w.s.way, TS_MOVE_HALTED);
        }
    }
    assert_true(see(&w, TS_MOVE_TURN).perform);
    run_on(&w);
    expect_returned(&w);
}

static void test_an_engine_that_is_away_makes_nothing_late(void **state)
{
    struct world w = new_world(&rollout);
    (void)state;
    w.now = ts_mono_add(w.now, w.env.limit_ms - 1);
    (void)see(&w, TS_MOVE_AWAY);
    w.now = ts_mono_add(w.now, w.env.limit_ms - 1);
    assert_true(see(&w, TS_MOVE_TICK).perform);
    assert_int_equal(w.s.way, TS_MOVE_FORWARD);
    run_on(&w);
    expect_moved(&w);
}

static void test_patience_outlasts_the_limit(void **state)
{
    struct world w = new_world(&rollout);
    (void)state;
    w.env.patience = ts_mono_add(w.now, 3 * w.env.limit_ms); /* somebody looks for their phone */
    w.now = ts_mono_add(w.now, 2 * w.env.limit_ms);
    (void)see(&w, TS_MOVE_TICK);
    assert_int_equal(w.s.way, TS_MOVE_FORWARD);
    assert_int_equal(ts_move_wakeup(&w.plan, &w.env, &w.s).ms, w.env.patience.ms);
    w.now = w.env.patience;
    assert_true(see(&w, TS_MOVE_TICK).late);
    assert_int_equal(w.s.way, TS_MOVE_BACK);
}

static void test_going_back_never_gives_up_and_says_so_once(void **state)
{
    struct world w = new_world(&rollout);
    (void)state;
    while (w.plan.steps[w.s.at].deed != TS_MOVE_ASIDE) {
        perform(&w);
        (void)see(&w, TS_MOVE_REACHED);
    }
    (void)see(&w, TS_MOVE_FAILED);
    size_t at = w.s.at;
    assert_int_equal(w.plan.steps[at].deed, TS_MOVE_ASIDE);
    for (unsigned i = 0; i < 300; i++) {
        (void)see(&w, i % 2 == 0 ? TS_MOVE_FAILED : TS_MOVE_TROUBLE);
        ts_mono due = ts_move_wakeup(&w.plan, &w.env, &w.s);
        assert_true(due.ms > w.now.ms && due.ms - w.now.ms <= 60000);
        w.now = due;
        (void)see(&w, TS_MOVE_TICK);
    }
    assert_int_equal(w.s.at, at);
    assert_int_equal(w.stuck, 1);
    run_on(&w);
    expect_returned(&w);
    assert_false(w.s.incomplete);
}

static void test_what_does_not_come_up_again_is_passed_over(void **state)
{
    struct world w = new_world(&rollout);
    (void)state;
    while (w.plan.steps[w.s.at].deed != TS_MOVE_SETTLE) {
        perform(&w);
        (void)see(&w, TS_MOVE_REACHED);
    }
    (void)see(&w, TS_MOVE_FAILED);
    for (unsigned i = 0; i < 100 && w.s.way == TS_MOVE_BACK; i++) {
        if (w.plan.steps[w.s.at].deed == TS_MOVE_STOP && w.plan.steps[w.s.at].part == GATEWAY) {
            w.env.must_run = true; /* unless nobody else would start it */
            w.now = ts_mono_add(w.s.since, w.env.limit_ms);
            (void)see(&w, TS_MOVE_TICK);
            (void)see(&w, TS_MOVE_FAILED);
            assert_int_equal(w.plan.steps[w.s.at].part, GATEWAY);
            w.env.must_run = false;
            w.now = ts_mono_add(w.s.since, w.env.limit_ms);
            (void)see(&w, TS_MOVE_TICK);
        } else {
            perform(&w);
            (void)see(&w, TS_MOVE_REACHED);
        }
    }
    assert_int_equal(w.s.way, TS_MOVE_RETURNED);
    assert_true(w.s.incomplete);
    assert_true(w.places[GATEWAY].now_has_name && w.places[BOT].now_runs);
}

static void test_which_container_stands_for_a_part(void **state)
{
    struct world w = new_world(&rollout);
    (void)state;
    while (w.s.way == TS_MOVE_FORWARD) {
        assert_int_equal(ts_move_is_placed(&w.plan, &w.s, GATEWAY),
                         w.places[GATEWAY].next_has_name);
        perform(&w);
        (void)see(&w, TS_MOVE_REACHED);
    }
    assert_true(ts_move_is_placed(&w.plan, &w.s, GATEWAY));
    w = new_world(&rollout);
    w.s.at = 12;
    w.s.way = TS_MOVE_BACK;
    for (size_t i = 0; i < 12; i++) {
        deed_forward(&w, &w.plan.steps[i]);
    }
    while (w.s.way == TS_MOVE_BACK) {
        assert_int_equal(ts_move_is_placed(&w.plan, &w.s, GATEWAY),
                         w.places[GATEWAY].next_has_name);
        perform(&w);
        (void)see(&w, TS_MOVE_REACHED);
    }
    assert_false(ts_move_is_placed(&w.plan, &w.s, GATEWAY));
}

static void test_names_are_read_back(void **state)
{
    (void)state;
    for (unsigned i = 0; i < TS_MOVE_DEED_COUNT; i++) {
        enum ts_move_deed deed;
        assert_true(ts_move_deed_parse(ts_move_deed_name((enum ts_move_deed)i), &deed));
        assert_int_equal(deed, i);
        assert_non_null(ts_move_deed_text((enum ts_move_deed)i, true));
    }
    for (unsigned i = 0; i < TS_MOVE_WAY_COUNT; i++) {
        enum ts_move_way way;
        assert_true(ts_move_way_parse(ts_move_way_name((enum ts_move_way)i), &way));
        assert_int_equal(way, i);
    }
    enum ts_move_way way;
    assert_false(ts_move_way_parse("sideways", &way));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_changed_bot_leaves_the_rest_alone),
        cmocka_unit_test(test_dependents_stop_first_and_start_again),
        cmocka_unit_test(test_services_are_exchanged_one_after_the_other),
        cmocka_unit_test(test_a_migration_stops_all_first_and_keeps_what_was),
        cmocka_unit_test(test_what_is_not_to_run_is_exchanged_and_not_started),
        cmocka_unit_test(test_stops_go_by_what_runs_now_and_starts_by_what_comes),
        cmocka_unit_test(test_what_is_needed_later_stops_last_though_nobody_says_so_now),
        cmocka_unit_test(test_a_circle_or_too_many_are_refused),
        cmocka_unit_test(test_every_step_with_every_fault_and_kill_ends_moved_or_returned),
        cmocka_unit_test(test_no_rollback_halts_until_somebody_says_back),
        cmocka_unit_test(test_an_engine_that_is_away_makes_nothing_late),
        cmocka_unit_test(test_patience_outlasts_the_limit),
        cmocka_unit_test(test_going_back_never_gives_up_and_says_so_once),
        cmocka_unit_test(test_what_does_not_come_up_again_is_passed_over),
        cmocka_unit_test(test_which_container_stands_for_a_part),
        cmocka_unit_test(test_names_are_read_back),
    };
    return RUN_TESTS(tests);
}
