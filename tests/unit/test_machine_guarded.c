/*
 * An exhaustive run over the machine of a guarded service: every state that any sequence of events
 * can reach, each with every event. Shown: it never counts as ready, and is never started, without
 * a passing verdict that is newer than the last change of what runs.
 *
 * What is not part of the question is folded: numbers of operations, counters beyond the point from
 * which they change nothing, texts. A time is past, to come, or never; what is to come may come for
 * one deadline before the other. So there is a finite number of states.
 */
#include "unit.h"

#include <stdio.h>

#include "base/macros.h"
#include "core/machine.h"

#define STATES_MAX (1U << 19)
#define TABLE_SIZE (1U << 21)
#define KEY_WORDS  6
#define LATE_MS    (INT64_C(1) << 40)

static const ts_mono now = {INT64_C(1) << 50};

/* What the world knows beside the machine. */
struct ghost {
    bool passed;  /* a verdict has passed what runs, and nothing has changed since */
    bool tripped; /* it broke a rule, and the CRO has not said that it may go on */
};

struct node {
    struct ts_svc s;
    struct ghost g;
};

struct event {
    struct ts_obs obs;
    bool deadline_comes; /* before it */
    bool backoff_ends;
};

static struct ts_svc_spec spec = {
    .name = "bot",
    .guarded = true,
    .restart = TS_RESTART_ALWAYS,
    .backoff_first_ms = 1000,
    .backoff_max_ms = 1000,
    .budget = 2,
    .budget_window_ms = 3600000,
    .stable_after_ms = 60000,
    .act_after_ms = 1000,
    .ready_timeout_ms = 30000,
    .stop_grace_ms = 10000,
    .trip_grace_ms = 2000,
    .alert_after_ms = 10000,
    .login_failures_max = 1,
};

static struct node *nodes;
static uint32_t *table; /* index + 1 of a node, by its key; 0: free */
static uint32_t node_count;
static size_t steps;

static void fold_time(ts_mono *t)
{
    if (t->ms != INT64_MAX) {
        t->ms = t->ms <= now.ms ? now.ms - LATE_MS : now.ms + LATE_MS;
    }
}

static void fold(struct ts_svc *s)
{
    fold_time(&s->deadline);
    fold_time(&s->backoff_until);
    s->twofa_until = now;
    s->hold_why = s->held ? s->hold_why : TS_WHY_NONE;
    s->stop_why = s->restart_after_stop || s->suspended ? s->stop_why : TS_WHY_NONE;
    s->entered_at = now; /* only for what is told of a phase that lasts */
    s->told = false;
    s->started_at = now;
    s->was_ready = false; /* only for probes, of which there is none */
    s->stale = false;
    s->oom = false;
    s->restarts_total = 0;
    s->op_id = 0;
    s->exit_code = 0;
    s->login_failures = 0;
    s->backoff_step = s->backoff_step > 1 ? 1 : s->backoff_step;
    s->op_retries = 0; /* of a hundred; then the start counts as failed, as it may anyway */
    uint32_t keep = 0;
    for (uint32_t i = 0; i < s->restart_count; i++) { /* those of long ago count no more */
        if (s->restarts[i].ms >= now.ms) {
            s->restarts[keep++] = now;
        }
    }
    s->restart_count = keep;
    memset(s->detail, 0, sizeof(s->detail));
    memset(s->probes, 0, sizeof(s->probes));
}

static void pass_time(struct ts_svc *s, const struct event *e)
{
    if (e->deadline_comes && s->deadline.ms != INT64_MAX) {
        s->deadline.ms = now.ms - LATE_MS;
    }
    if (e->backoff_ends) {
        s->backoff_until.ms = now.ms - LATE_MS;
        s->restart_count = 0;
    }
}

static uint64_t bits(uint64_t into, uint64_t value, unsigned width)
{
    assert_true(value < (UINT64_C(1) << width));
    return into << width | value;
}

static void key_of(const struct node *n, uint64_t key[KEY_WORDS])
{
    const struct ts_svc *s = &n->s;
    uint64_t a = 0;
    uint64_t b = 0;
    a = bits(a, s->phase, 4);
    a = bits(a, s->why, 6);
    a = bits(a, s->wanted, 2);
    a = bits(a, s->held, 1);
    a = bits(a, s->hold_why, 6);
    a = bits(a, s->latch, 6);
    a = bits(a, s->block, 2);
    a = bits(a, s->backoff_step, 2);
    a = bits(a, s->restart_count, 3);
    a = bits(a, s->login_failures, 1);
    a = bits(a, s->seen, 1);
    a = bits(a, s->stale, 1);
    a = bits(a, s->exists, 1);
    a = bits(a, s->running, 1);
    a = bits(a, s->paused, 1);
    a = bits(a, s->oom, 1);
    a = bits(a, s->stop_hint, 1);
    a = bits(a, s->started_ok, 1);
    a = bits(a, s->verified, 1);
    a = bits(a, s->was_ready, 1);
    b = bits(b, s->op, 2);
    b = bits(b, s->op_retries, 3);
    b = bits(b, s->restart_after_stop, 1);
    b = bits(b, s->stop_now, 1);
    b = bits(b, s->suspended, 1);
    b = bits(b, s->stop_why, 6);
    b = bits(b, s->told, 1);
    b = bits(b, s->twofa, 1);
    b = bits(b, n->g.passed, 1);
    b = bits(b, n->g.tripped, 1);
    key[0] = a;
    key[1] = b;
    key[2] = (uint64_t)s->deadline.ms;
    key[3] = (uint64_t)s->backoff_until.ms;
}

static uint32_t hash_of(const uint64_t key[KEY_WORDS])
{
    uint64_t h = 1469598103934665603U;
    for (size_t i = 0; i < KEY_WORDS; i++) {
        h = (h ^ key[i]) * 0x9E3779B97F4A7C15U;
        h ^= h >> 29;
    }
    return (uint32_t)(h % TABLE_SIZE);
}

static void add(const struct node *n)
{
    uint64_t key[KEY_WORDS];
    uint64_t other[KEY_WORDS];
    key_of(n, key);
    uint32_t at = hash_of(key);
    for (; table[at] != 0; at = (at + 1) % TABLE_SIZE) {
        key_of(&nodes[table[at] - 1], other);
        if (memcmp(key, other, sizeof(key)) == 0) {
            return;
        }
    }
    if (node_count == STATES_MAX) {
        fail_msg("more than %u states: the run is not exhaustive", STATES_MAX);
    }
    nodes[node_count] = *n;
    table[at] = ++node_count;
}

/* What the event means for what runs, told without looking at the machine's answer. */
static struct ghost next_ghost(const struct node *n, const struct ts_obs *obs)
{
    struct ghost g = n->g;
    bool start_done = obs->kind == TS_OBS_OP_DONE && n->s.op == TS_OP_START;
    switch (obs->kind) {
    case TS_OBS_CONTAINER:
        if (!obs->exists || !obs->running || obs->new_run || obs->new_container || !n->s.running) {
            g.passed = false;
        }
        break;
    case TS_OBS_OP_DONE:
        if (start_done && obs->result == TS_OPR_DONE) {
            /* perform.c judges right before; a container that runs already was judged or not by
             * what was told of that run. */
            g.passed = n->s.running ? n->g.passed : true;
        } else if (n->s.op == TS_OP_STOP &&
                   (obs->result == TS_OPR_DONE || obs->result == TS_OPR_ALREADY)) {
            g.passed = false;
        }
        break;
    case TS_OBS_VERIFIED: g.passed = n->s.running; break;
    case TS_OBS_TRIP:
        g.passed = false;
        g.tripped = true;
        break;
    case TS_OBS_CMD_SAFETY_RESET: g.tripped = false; break;
    default: break;
    }
    return g;
}

static void check(const struct node *before, const struct node *after, const struct ts_env *env,
                  const struct ts_obs *obs, const struct ts_actions *out)
{
    const struct ts_svc *s = &after->s;
    const char *broken = ts_machine_invalid(s);
    if (broken == NULL && s->phase == TS_PHASE_READY && !after->g.passed) {
        broken = "ready without a passing verdict newer than the last change";
    }
    if (broken == NULL && s->verified && !after->g.passed) {
        broken = "taken for verified without a verdict";
    }
    if (broken == NULL && after->g.tripped && s->block != TS_BLOCK_TRIPPED) {
        broken = "a trip was forgotten";
    }
    bool at_once = s->running && s->block == TS_BLOCK_TRIPPED && s->phase != TS_PHASE_STOPPING &&
                   s->op == TS_OP_NONE && s->phase != TS_PHASE_UNKNOWN;
    if (broken == NULL && at_once) {
        broken = "runs on after a trip";
    }
    for (size_t i = 0; broken == NULL && i < out->count; i++) {
        if (out->list[i].kind == TS_ACT_START &&
            (after->g.tripped || env->blind || !env->engine_up || s->block != TS_BLOCK_NONE)) {
            broken = "started though tripped, blind, blocked or without an engine";
        }
        if (out->list[i].kind == TS_ACT_STOP && after->g.tripped &&
            out->list[i].grace_ms != spec.trip_grace_ms) {
            broken = "a trip that waits longer than its grace";
        }
    }
    if (broken != NULL) {
        fail_msg("%s: %s (%s) -> observation %d -> %s (%s), running %d", broken,
                 ts_phase_name(before->s.phase), ts_why_name(before->s.why), (int)obs->kind,
                 ts_phase_name(s->phase), ts_why_name(s->why), (int)s->running);
    }
}

static void try_event(const struct node *n, const struct ts_env *env, const struct event *e)
{
    struct node next = *n;
    struct ts_actions out = {.count = 0};
    struct ts_obs obs = e->obs;
    obs.op_id = n->s.op_id;
    pass_time(&next.s, e);
    struct node before = next;
    next.g = next_ghost(&before, &obs);
    next.s = ts_machine_step(&spec, env, before.s, &obs, now, &out);
    steps++;
    check(&before, &next, env, &obs, &out);
    fold(&next.s);
    add(&next);
}

static size_t make_events(struct event *out)
{
    static const enum ts_obs_kind plain[] = {
        TS_OBS_TICK,      TS_OBS_MANUAL_STOP,  TS_OBS_MANUAL_START,     TS_OBS_CMD_START,
        TS_OBS_CMD_STOP,  TS_OBS_CMD_RESTART,  TS_OBS_CMD_HOLD,         TS_OBS_CMD_UNHOLD,
        TS_OBS_CMD_RESET, TS_OBS_DEP_RETURNED, TS_OBS_CMD_SAFETY_RESET, TS_OBS_VERIFIED};
    size_t n = 0;
    for (size_t i = 0; i < TS_ARRAY_LEN(plain); i++) {
        out[n++] = (struct event){.obs = {.kind = plain[i]}};
    }
    for (unsigned m = 1; m < 4; m++) {
        out[n++] = (struct event){.obs = {.kind = TS_OBS_TICK},
                                  .deadline_comes = (m & 1) != 0,
                                  .backoff_ends = (m & 2) != 0};
    }
    out[n++] = (struct event){.obs = {.kind = TS_OBS_TRIP, .why = TS_WHY_LOG_TRIP}};
    out[n++] = (struct event){.obs = {.kind = TS_OBS_SUSPEND, .why = TS_WHY_UNVERIFIED}};
    out[n++] = (struct event){.obs = {.kind = TS_OBS_SIGNAL, .signal = TS_SIG_FATAL_CONFIG}};
    for (unsigned r = 0; r < TS_OP_RESULT_COUNT; r++) {
        out[n++] =
            (struct event){.obs = {.kind = TS_OBS_OP_DONE, .result = r, .why = TS_WHY_INTERLOCK}};
    }
    for (unsigned m = 0; m < 32; m++) {
        struct ts_obs obs = {.kind = TS_OBS_CONTAINER,
                             .exists = true,
                             .running = (m & 1) != 0,
                             .new_run = (m & 2) != 0,
                             .new_container = (m & 4) != 0,
                             .after_gap = (m & 8) != 0,
                             .paused = (m & 16) != 0};
        if (obs.running || m < 16) {
            out[n++] = (struct event){.obs = obs};
        }
    }
    out[n++] = (struct event){.obs = {.kind = TS_OBS_CONTAINER}};
    return n;
}

static void explore(void)
{
    struct event events[64];
    size_t event_count = make_events(events);
    node_count = 0;
    memset(table, 0, TABLE_SIZE * sizeof(*table));
    struct node first = {.s = ts_machine_init(now)};
    fold(&first.s);
    add(&first);
    for (uint32_t at = 0; at < node_count; at++) {
        const struct node n = nodes[at];
        for (unsigned e = 0; e < 4; e++) {
            const struct ts_env env = {.engine_up = (e & 1) == 0,
                                       .deps_ready = true,
                                       .dependents_stopped = true,
                                       .blind = (e & 2) != 0,
                                       .window_end = TS_NEVER};
            for (size_t i = 0; i < event_count; i++) {
                try_event(&n, &env, &events[i]);
            }
        }
    }
}

static void test_no_sequence_of_events_runs_without_a_verdict(void **state)
{
    (void)state;
    nodes = calloc(STATES_MAX, sizeof(*nodes)); /* only what is used becomes memory */
    table = calloc(TABLE_SIZE, sizeof(*table));
    assert_true(nodes != NULL && table != NULL);
    explore();
    print_message("# %u states, %zu steps\n", node_count, steps);
    free(nodes);
    free(table);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_no_sequence_of_events_runs_without_a_verdict),
    };
    return RUN_TESTS(tests);
}
