/* See supervisor.h. */
#include "supervisor.h"

#include <stdlib.h>
#include <string.h>

#define MAX_ROUNDS   16   /* env and tick rounds in one turn; the rest waits for the next */
#define TURN_OBS_MAX 32   /* observations, the same */
#define ACTIONS_MAX  4096 /* of one turn */

struct queued {
    size_t service;
    struct ts_obs obs;
};

struct pending_action {
    size_t service;
    struct ts_action action;
};

/* Of a service: what is told, and what the store keeps. */
struct shown {
    enum ts_phase phase;
    enum ts_why why;
    bool running;
    bool exists;
    ts_mono started_at;
    uint8_t verdicts[TS_MAX_PROBES];
    uint8_t reasons[TS_MAX_PROBES];
    /* kept */
    enum ts_wanted wanted;
    bool held;
    enum ts_why hold_why;
    enum ts_why latch;
    enum ts_block block;
    uint32_t backoff_step;
    ts_mono backoff_until;
    uint32_t restart_count;
    uint32_t restarts_total;
    uint32_t login_failures;
    enum ts_op op;
    uint32_t op_id;
};

struct ts_super {
    struct ts_super_ports ports;
    size_t count;
    struct ts_svc_spec *specs;
    struct ts_svc *states;
    struct shown *before; /* of those that are touched, as this turn began */
    struct ts_env *envs;
    struct ts_node *nodes;
    bool *touched; /* stepped in this turn */
    bool *blind;   /* guarded ones that the interlock cannot judge now */
    bool engine_up;
    bool window_on;
    ts_mono window_end;
    uint64_t random;

    struct queued *queue; /* grows up to TS_OBS_QUEUE_MAX */
    size_t queue_first;   /* where what waits begins */
    size_t queue_len;
    size_t queue_cap;
    bool overflowed;

    struct pending_action *actions;
    size_t action_count;
    size_t action_cap;
    bool again; /* the turn ended with work left */
};

struct ts_super *ts_super_new(const struct ts_super_ports *ports)
{
    struct ts_super *sup = calloc(1, sizeof(*sup));
    if (sup != NULL) {
        sup->ports = *ports;
        sup->window_end = TS_NEVER;
        sup->random = 0x9E3779B97F4A7C15u;
    }
    return sup;
}

static void free_services(struct ts_super *sup)
{
    free(sup->specs);
    free(sup->states);
    free(sup->before);
    free(sup->envs);
    free(sup->nodes);
    free(sup->touched);
    free(sup->blind);
}

void ts_super_free(struct ts_super *sup)
{
    if (sup != NULL) {
        free_services(sup);
        free(sup->queue);
        free(sup->actions);
        free(sup);
    }
}

/* New arrays for count services, in *ret. */
static bool allocate(struct ts_super *ret, size_t count, struct ts_error *err)
{
    size_t n = count > 0 ? count : 1;
    ret->count = count;
    ret->specs = calloc(n, sizeof(*ret->specs));
    ret->states = calloc(n, sizeof(*ret->states));
    ret->before = calloc(n, sizeof(*ret->before));
    ret->envs = calloc(n, sizeof(*ret->envs));
    ret->nodes = calloc(n, sizeof(*ret->nodes));
    ret->touched = calloc(n, sizeof(*ret->touched));
    ret->blind = calloc(n, sizeof(*ret->blind));
    if (ret->specs == NULL || ret->states == NULL || ret->before == NULL || ret->envs == NULL ||
        ret->nodes == NULL || ret->touched == NULL || ret->blind == NULL) {
        free_services(ret);
        ts_error_nomem(err);
        return false;
    }
    return true;
}

/* Observations on their way keep their service, or go with it. */
static void renumber_queue(struct ts_super *old, const struct ts_super *fresh)
{
    size_t kept = 0;
    for (size_t i = 0; i < old->queue_len; i++) {
        const struct queued *q = &old->queue[old->queue_first + i];
        size_t at = ts_super_find(fresh, old->specs[q->service].name);
        if (at != SIZE_MAX) {
            old->queue[kept] = *q;
            old->queue[kept].service = at;
            kept++;
        }
    }
    old->queue_first = 0;
    old->queue_len = kept;
}

bool ts_super_set_services(struct ts_super *sup, const struct ts_svc_spec *specs, size_t count,
                           const struct ts_svc *initial, ts_mono now, struct ts_error *err)
{
    struct ts_super fresh;
    size_t cycle_at;
    if (count > TS_MAX_SERVICES) {
        return ts_error_set(err, TS_E_LIMIT, "%zu services; at most %d are supervised", count,
                            TS_MAX_SERVICES);
    }
    memset(&fresh, 0, sizeof(fresh));
    if (!allocate(&fresh, count, err)) {
        return false;
    }
    if (count > 0) {
        memcpy(fresh.specs, specs, count * sizeof(*specs));
    }
    if (!ts_plan_build(fresh.specs, count, fresh.nodes, &cycle_at)) {
        ts_error_set(err, TS_E_INVALID, "services depend on each other in a circle, through %s",
                     fresh.specs[cycle_at].name);
        free_services(&fresh);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        size_t at = ts_super_find(sup, specs[i].name);
        fresh.states[i] = at != SIZE_MAX    ? sup->states[at]
                          : initial != NULL ? initial[i]
                                            : ts_machine_init(now);
        fresh.blind[i] = at != SIZE_MAX ? sup->blind[at] : specs[i].guarded;
    }
    renumber_queue(sup, &fresh);
    free_services(sup);
    sup->count = count;
    sup->specs = fresh.specs;
    sup->states = fresh.states;
    sup->before = fresh.before;
    sup->envs = fresh.envs;
    sup->nodes = fresh.nodes;
    sup->touched = fresh.touched;
    sup->blind = fresh.blind;
    sup->again = true;
    return true;
}

void ts_super_post(struct ts_super *sup, size_t service, const struct ts_obs *obs)
{
    if (service >= sup->count) {
        return;
    }
    if (sup->queue_first + sup->queue_len == sup->queue_cap && sup->queue_first > 0) {
        memmove(sup->queue, sup->queue + sup->queue_first, sup->queue_len * sizeof(*sup->queue));
        sup->queue_first = 0;
    }
    /* The end of an operation is never dropped: nothing would tell it again. There is one a
     * service. */
    size_t limit = TS_OBS_QUEUE_MAX + (obs->kind == TS_OBS_OP_DONE ? TS_MAX_SERVICES : 0);
    if (sup->queue_len >= limit) {
        sup->overflowed = true;
        return;
    }
    if (sup->queue_len == sup->queue_cap) {
        size_t cap = sup->queue_cap == 0 ? 64 : sup->queue_cap * 2;
        struct queued *q = realloc(sup->queue, cap * sizeof(*sup->queue));
        if (q == NULL) {
            sup->overflowed = true;
            return;
        }
        sup->queue = q;
        sup->queue_cap = cap;
    }
    sup->queue[sup->queue_first + sup->queue_len++] =
        (struct queued){.service = service, .obs = *obs};
}

bool ts_super_pending(const struct ts_super *sup)
{
    return sup->queue_len > 0 || sup->again;
}

bool ts_super_overflowed(struct ts_super *sup)
{
    bool was = sup->overflowed;
    sup->overflowed = false;
    return was;
}

void ts_super_set_engine_up(struct ts_super *sup, bool up)
{
    sup->engine_up = up;
    sup->again = true;
}

void ts_super_set_window(struct ts_super *sup, bool on, ts_mono end)
{
    sup->again = sup->again || on != sup->window_on || end.ms != sup->window_end.ms;
    sup->window_on = on;
    sup->window_end = end;
}

void ts_super_set_blind(struct ts_super *sup, size_t service, bool blind)
{
    if (service < sup->count && sup->blind[service] != blind) {
        sup->blind[service] = blind;
        sup->again = true;
    }
}

/* xorshift64*: jitter needs to differ, not to be secret. */
static uint32_t next_jitter(struct ts_super *sup)
{
    sup->random ^= sup->random >> 12;
    sup->random ^= sup->random << 25;
    sup->random ^= sup->random >> 27;
    return (uint32_t)(((sup->random * 0x2545F4914F6CDD1Du) >> 33) % 10000);
}

static struct ts_env current_env(const struct ts_super *sup, size_t i)
{
    bool window = sup->window_on && sup->specs[i].windows;
    return (struct ts_env){
        .engine_up = sup->engine_up,
        .deps_ready = ts_plan_deps_ready(sup->nodes, sup->states, i),
        .dependents_stopped = ts_plan_dependents_stopped(sup->nodes, sup->states, i),
        .blind = sup->blind[i],
        .window_on = window,
        .window_end = window ? sup->window_end : TS_NEVER,
    };
}

static bool same_env(const struct ts_env *a, const struct ts_env *b)
{
    return a->engine_up == b->engine_up && a->deps_ready == b->deps_ready &&
           a->dependents_stopped == b->dependents_stopped && a->blind == b->blind &&
           a->window_on == b->window_on && a->window_end.ms == b->window_end.ms;
}

static void keep_actions(struct ts_super *sup, size_t service, const struct ts_actions *out)
{
    for (size_t a = 0; a < out->count; a++) {
        if (sup->action_count == sup->action_cap) {
            size_t cap = sup->action_cap == 0 ? 32 : sup->action_cap * 2;
            struct pending_action *p =
                cap > ACTIONS_MAX * 8 ? NULL : realloc(sup->actions, cap * sizeof(*p));
            if (p == NULL) {
                sup->overflowed = true;
                return;
            }
            sup->actions = p;
            sup->action_cap = cap;
        }
        sup->actions[sup->action_count++] =
            (struct pending_action){.service = service, .action = out->list[a]};
    }
}

static struct shown shown_of(const struct ts_svc *s)
{
    struct shown v = {
        .phase = s->phase,
        .why = s->why,
        .running = s->running,
        .exists = s->exists,
        .started_at = s->started_at,
        .wanted = s->wanted,
        .held = s->held,
        .hold_why = s->hold_why,
        .latch = s->latch,
        .block = s->block,
        .backoff_step = s->backoff_step,
        .backoff_until = s->backoff_until,
        .restart_count = s->restart_count,
        .restarts_total = s->restarts_total,
        .login_failures = s->login_failures,
        .op = s->op,
        .op_id = s->op_id,
    };
    for (size_t i = 0; i < TS_MAX_PROBES; i++) {
        v.verdicts[i] = (uint8_t)s->probes[i].verdict;
        v.reasons[i] = (uint8_t)s->probes[i].reason;
    }
    return v;
}

static void step(struct ts_super *sup, size_t i, const struct ts_obs *obs, ts_mono now)
{
    struct ts_actions out = {.count = 0};
    struct ts_env env = current_env(sup, i);
    sup->envs[i] = env;
    env.jitter = next_jitter(sup);
    if (!sup->touched[i]) {
        sup->touched[i] = true;
        sup->before[i] = shown_of(&sup->states[i]);
    }
    sup->states[i] = ts_machine_step(&sup->specs[i], &env, sup->states[i], obs, now, &out);
    keep_actions(sup, i, &out);
}

/* A dependency came back: its dependents are looked at, or restarted if their policy says so. */
static void tell_dependents(struct ts_super *sup, size_t i, ts_mono now)
{
    const struct ts_obs returned = {.kind = TS_OBS_DEP_RETURNED};
    for (size_t j = 0; j < sup->count; j++) {
        if (ts_plan_restarts_with(sup->nodes, sup->specs, j, i)) {
            step(sup, j, &returned, now);
        }
    }
}

/* Ready again in a run of the dependent that has seen it ready before. */
static bool came_back(const struct shown *before, const struct ts_svc *after)
{
    return after->phase == TS_PHASE_READY && before->phase != TS_PHASE_READY &&
           (before->phase == TS_PHASE_NOT_READY || before->phase == TS_PHASE_STARTING) &&
           (before->phase == TS_PHASE_NOT_READY || before->why != TS_WHY_ADOPTED);
}

/* The rest waits for the next turn, so that a burst does not keep the loop from everything else;
 * the more waits, the more is taken, so that it does not pile up. */
static void drain_queue(struct ts_super *sup, ts_mono now)
{
    size_t most = TURN_OBS_MAX + sup->queue_len / 64;
    size_t n = sup->queue_len < most ? sup->queue_len : most;
    for (size_t i = 0; i < n; i++) {
        step(sup, sup->queue[sup->queue_first + i].service, &sup->queue[sup->queue_first + i].obs,
             now);
    }
    sup->queue_len -= n;
    sup->queue_first = sup->queue_len == 0 ? 0 : sup->queue_first + n;
}

/* Ticks whoever's deadline has come or whose surroundings changed. False: nobody. */
static bool tick_round(struct ts_super *sup, ts_mono now)
{
    const struct ts_obs tick = {.kind = TS_OBS_TICK};
    bool any = false;
    for (size_t i = 0; i < sup->count; i++) {
        struct ts_env env = current_env(sup, i);
        bool due = ts_mono_reached(ts_machine_wakeup(&sup->states[i]), now);
        if (!due && same_env(&env, &sup->envs[i])) {
            continue;
        }
        ts_mono deadline_before = ts_machine_wakeup(&sup->states[i]);
        enum ts_phase phase_before = sup->states[i].phase;
        step(sup, i, &tick, now);
        /* A deadline in the past that stays is not a reason to go round again. */
        any = any || phase_before != sup->states[i].phase || !due ||
              deadline_before.ms != ts_machine_wakeup(&sup->states[i]).ms;
    }
    return any;
}

static bool memory_differs(const struct shown *a, const struct shown *b)
{
    return a->wanted != b->wanted || a->held != b->held || a->hold_why != b->hold_why ||
           a->latch != b->latch || a->block != b->block || a->backoff_step != b->backoff_step ||
           a->backoff_until.ms != b->backoff_until.ms || a->restart_count != b->restart_count ||
           a->restarts_total != b->restarts_total || a->login_failures != b->login_failures ||
           a->op != b->op || a->op_id != b->op_id;
}

static bool shown_differs(const struct shown *a, const struct shown *b)
{
    return a->phase != b->phase || a->why != b->why || a->running != b->running ||
           a->exists != b->exists || a->started_at.ms != b->started_at.ms || memory_differs(a, b) ||
           memcmp(a->verdicts, b->verdicts, sizeof(a->verdicts)) != 0 ||
           memcmp(a->reasons, b->reasons, sizeof(a->reasons)) != 0;
}

static void journal(struct ts_super *sup)
{
    struct ts_transition *transitions = calloc(sup->count + 1, sizeof(*transitions));
    size_t *changed = calloc(sup->count + 1, sizeof(*changed));
    size_t transition_count = 0;
    size_t changed_count = 0;
    for (size_t i = 0; transitions != NULL && changed != NULL && i < sup->count; i++) {
        if (!sup->touched[i]) {
            continue;
        }
        const struct shown *a = &sup->before[i];
        const struct shown now = shown_of(&sup->states[i]);
        const struct shown *b = &now;
        if (a->phase != b->phase || a->why != b->why) {
            transitions[transition_count++] = (struct ts_transition){i, a->phase, b->phase, b->why};
        }
        if (memory_differs(a, b)) {
            changed[changed_count++] = i;
        }
    }
    if (transition_count > 0 || changed_count > 0) {
        sup->ports.journal(sup->ports.ctx, transitions, transition_count, changed, changed_count);
    }
    free(transitions);
    free(changed);
}

static void tell_acting(const struct ts_super *sup, bool begins)
{
    if (sup->ports.acting != NULL && sup->action_count > 0) {
        sup->ports.acting(sup->ports.ctx, begins);
    }
}

static void perform(struct ts_super *sup)
{
    const struct ts_super_ports *p = &sup->ports;
    tell_acting(sup, true);
    for (size_t i = 0; i < sup->action_count; i++) {
        const struct pending_action *pa = &sup->actions[i];
        switch (pa->action.kind) {
        case TS_ACT_START: p->start(p->ctx, pa->service, pa->action.op_id); break;
        case TS_ACT_STOP:
            p->stop(p->ctx, pa->service, pa->action.op_id, pa->action.grace_ms);
            break;
        case TS_ACT_INSPECT: p->inspect(p->ctx, pa->service); break;
        case TS_ACT_NOTICE: p->notice(p->ctx, pa->service, &pa->action); break;
        }
    }
    tell_acting(sup, false);
    sup->action_count = 0;
}

void ts_super_turn(struct ts_super *sup, ts_mono now)
{
    if (sup->count > 0) {
        memset(sup->touched, 0, sup->count * sizeof(*sup->touched));
    }
    sup->again = false;
    drain_queue(sup, now);
    int rounds = 0;
    while (tick_round(sup, now)) {
        if (++rounds == MAX_ROUNDS) {
            sup->again = true;
            break;
        }
    }
    for (size_t i = 0; i < sup->count; i++) {
        if (sup->touched[i] && came_back(&sup->before[i], &sup->states[i])) {
            tell_dependents(sup, i, now);
        }
    }
    journal(sup);
    perform(sup);
    for (size_t i = 0; i < sup->count; i++) {
        if (!sup->touched[i]) {
            continue;
        }
        const struct shown after = shown_of(&sup->states[i]);
        if (shown_differs(&sup->before[i], &after)) {
            sup->ports.changed(sup->ports.ctx, i);
        }
    }
}

ts_mono ts_super_next(const struct ts_super *sup)
{
    ts_mono next = TS_NEVER;
    for (size_t i = 0; i < sup->count; i++) {
        next = ts_mono_min(next, ts_machine_wakeup(&sup->states[i]));
    }
    return next;
}

size_t ts_super_count(const struct ts_super *sup)
{
    return sup->count;
}

size_t ts_super_find(const struct ts_super *sup, const char *name)
{
    for (size_t i = 0; i < sup->count; i++) {
        if (strcmp(sup->specs[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

const struct ts_svc_spec *ts_super_spec(const struct ts_super *sup, size_t service)
{
    return &sup->specs[service];
}

const struct ts_svc *ts_super_state(const struct ts_super *sup, size_t service)
{
    return &sup->states[service];
}

const struct ts_env *ts_super_env(const struct ts_super *sup, size_t service)
{
    return &sup->envs[service];
}

const struct ts_node *ts_super_nodes(const struct ts_super *sup)
{
    return sup->nodes;
}

const struct ts_svc *ts_super_states(const struct ts_super *sup)
{
    return sup->states;
}
