/* See move.h. */
#include "core/move.h"

#include <string.h>

#define RETRY_FIRST_MS 500
#define RETRY_MAX_MS   15000

/* --- the order of steps */

static bool add(struct ts_move_plan *plan, enum ts_move_deed deed, size_t part)
{
    if (plan->count == TS_MOVE_STEPS_MAX) {
        return false;
    }
    plan->steps[plan->count++] = (struct ts_move_step){.deed = deed, .part = part};
    return true;
}

/* Which needs an order goes by. */
enum needs { NEXT = 1, NOW = 2, BOTH = NEXT | NOW };

static bool all_in(const size_t *deps, size_t count, const bool *in)
{
    for (size_t d = 0; d < count; d++) {
        if (!in[deps[d]]) {
            return false;
        }
    }
    return true;
}

static bool deps_are_in(const struct ts_move_part *part, enum needs by, const bool *in)
{
    return ((by & NEXT) == 0 || all_in(part->deps, part->dep_count, in)) &&
           ((by & NOW) == 0 || all_in(part->now_deps, part->now_dep_count, in));
}

/* Dependencies first; among those that could be next what is guarded (in an order of stops: what is
 * not) comes last. False: a circle. */
static bool sort(const struct ts_move_part *parts, size_t count, enum needs by, size_t *order)
{
    bool in[TS_MOVE_PARTS_MAX] = {false};
    bool for_stops = by != NEXT;
    for (size_t n = 0; n < count; n++) {
        size_t best = SIZE_MAX;
        for (size_t i = 0; i < count; i++) {
            bool could = !in[i] && deps_are_in(&parts[i], by, in);
            bool last = parts[i].guarded != for_stops;
            if (could && (best == SIZE_MAX || ((parts[best].guarded != for_stops) && !last))) {
                best = i;
            }
        }
        if (best == SIZE_MAX) {
            return false;
        }
        in[best] = true;
        order[n] = best;
    }
    return true;
}

struct layout {
    const struct ts_move_part *parts;
    size_t count;
    size_t order[TS_MOVE_PARTS_MAX]; /* starts */
    size_t stops[TS_MOVE_PARTS_MAX]; /* stops, to be read from the end */
    bool stopped[TS_MOVE_PARTS_MAX];
    struct ts_move_plan *plan;
};

static bool stop(struct layout *l, size_t part)
{
    if (l->stopped[part] || !l->parts[part].has_now) {
        return true;
    }
    l->stopped[part] = true;
    return add(l->plan, TS_MOVE_STOP, part);
}

/* Does what has the part's place now depend on another one, over whatever distance? Ends: there is
 * no circle. */
static bool needs(const struct layout *l, size_t part, size_t other)
{
    for (size_t d = 0; d < l->parts[part].now_dep_count; d++) {
        size_t dep = l->parts[part].now_deps[d];
        if (dep == other || needs(l, dep, other)) {
            return true;
        }
    }
    return false;
}

/* Stops what depends on the part and then itself; part SIZE_MAX: everything. */
static bool stop_with_dependents(struct layout *l, size_t part)
{
    bool ok = true;
    for (size_t n = l->count; ok && n > 0; n--) {
        size_t i = l->stops[n - 1];
        if (part == SIZE_MAX || i == part || needs(l, i, part)) {
            ok = stop(l, i);
        }
    }
    return ok;
}

static bool exchange(struct layout *l, size_t i, bool stops_all_first)
{
    const struct ts_move_part *p = &l->parts[i];
    bool ok = stop_with_dependents(l, i);
    if (p->has_now && !stops_all_first) {
        ok = ok && add(l->plan, TS_MOVE_ASIDE, i);
    }
    if (p->has_next) {
        ok = ok && add(l->plan, TS_MOVE_PLACE, i);
    }
    return ok;
}

static bool start(struct layout *l, size_t i)
{
    const struct ts_move_part *p = &l->parts[i];
    bool takes_part = p->changes ? p->has_next : l->stopped[i];
    if (!p->starts || !takes_part) {
        return true;
    }
    return add(l->plan, TS_MOVE_START, i) && (!p->guarded || add(l->plan, TS_MOVE_CHECK, i));
}

static bool prepare(struct layout *l, const struct ts_move_options *options)
{
    bool ok = true;
    for (size_t n = 0; ok && n < l->count; n++) {
        const struct ts_move_part *p = &l->parts[l->order[n]];
        ok = !p->changes || !p->has_next || add(l->plan, TS_MOVE_MAKE, l->order[n]);
    }
    if (!options->stops_all_first) {
        return ok;
    }
    ok = ok && stop_with_dependents(l, SIZE_MAX);
    for (size_t n = 0; ok && n < l->count; n++) {
        const struct ts_move_part *p = &l->parts[l->order[n]];
        ok = !p->changes || !p->has_now || add(l->plan, TS_MOVE_ASIDE, l->order[n]);
    }
    return ok;
}

/* Puts a KEEP for each STOP before all, in the same order. */
static bool put_keeps_first(struct ts_move_plan *plan)
{
    size_t keeps = 0;
    for (size_t i = 0; i < plan->count; i++) {
        keeps += plan->steps[i].deed == TS_MOVE_STOP;
    }
    if (plan->count + keeps > TS_MOVE_STEPS_MAX) {
        return false;
    }
    memmove(plan->steps + keeps, plan->steps, plan->count * sizeof(plan->steps[0]));
    plan->count += keeps;
    size_t at = 0;
    for (size_t i = keeps; i < plan->count; i++) {
        if (plan->steps[i].deed == TS_MOVE_STOP) {
            plan->steps[at++] = (struct ts_move_step){TS_MOVE_KEEP, plan->steps[i].part};
        }
    }
    return true;
}

bool ts_move_lay_out(const struct ts_move_part *parts, size_t count,
                     const struct ts_move_options *options, struct ts_move_plan *ret)
{
    struct layout l = {.parts = parts, .count = count, .plan = ret};
    ret->count = 0;
    bool ok = count <= TS_MOVE_PARTS_MAX && sort(parts, count, NEXT, l.order) &&
              (sort(parts, count, BOTH, l.stops) || sort(parts, count, NOW, l.stops)) &&
              prepare(&l, options);
    for (size_t n = 0; ok && n < count; n++) {
        size_t i = l.order[n];
        ok = (!parts[i].changes || exchange(&l, i, options->stops_all_first)) && start(&l, i);
    }
    ok = ok && add(ret, TS_MOVE_SETTLE, 0);
    for (size_t n = 0; ok && options->cleans && n < count; n++) {
        const struct ts_move_part *p = &parts[l.order[n]];
        ok = !p->changes || !p->has_now || add(ret, TS_MOVE_CLEAN, l.order[n]);
    }
    return ok && put_keeps_first(ret);
}

/* --- performing them */

struct ts_move_state ts_move_begin(ts_mono now)
{
    return (struct ts_move_state){.way = TS_MOVE_FORWARD, .since = now, .retry_at = TS_NEVER};
}

bool ts_move_is_open(enum ts_move_way way)
{
    return way == TS_MOVE_FORWARD || way == TS_MOVE_BACK || way == TS_MOVE_HALTED;
}

/* At CLEAN all has been accepted: there is nothing to go back from. */
static bool is_accepted(const struct ts_move_plan *plan, const struct ts_move_state *s)
{
    return s->at < plan->count && plan->steps[s->at].deed == TS_MOVE_CLEAN;
}

static void enter(struct ts_move_state *s, enum ts_move_way way, size_t at, ts_mono now,
                  struct ts_move_next *ret)
{
    s->way = way;
    s->at = at;
    s->begun = false;
    s->since = now;
    s->retry_at = TS_NEVER;
    s->troubles = 0;
    s->told_stuck = false;
    ret->perform = way == TS_MOVE_FORWARD || way == TS_MOVE_BACK;
    ret->ended = !ts_move_is_open(way);
}

static void advance(const struct ts_move_plan *plan, struct ts_move_state *s, ts_mono now,
                    struct ts_move_next *ret)
{
    if (s->way == TS_MOVE_FORWARD) {
        bool last = s->at + 1 >= plan->count;
        enter(s, last ? TS_MOVE_DONE : TS_MOVE_FORWARD, last ? s->at : s->at + 1, now, ret);
    } else if (s->at > 0) {
        enter(s, TS_MOVE_BACK, s->at - 1, now, ret);
    } else {
        enter(s, TS_MOVE_RETURNED, 0, now, ret);
    }
}

/* The step cannot be done. */
static void turn(const struct ts_move_plan *plan, const struct ts_move_env *env,
                 struct ts_move_state *s, ts_mono now, struct ts_move_next *ret)
{
    if (is_accepted(plan, s)) {
        advance(plan, s, now, ret);
        return;
    }
    ret->turned = true;
    enter(s, env->no_rollback ? TS_MOVE_HALTED : TS_MOVE_BACK, s->at, now, ret);
}

static void pass_over(const struct ts_move_plan *plan, struct ts_move_state *s, ts_mono now,
                      struct ts_move_next *ret)
{
    s->incomplete = true;
    advance(plan, s, now, ret);
}

/* What is started anew on the way back has its place again: nothing else depends on its success. */
static bool may_be_passed_over(const struct ts_move_plan *plan, const struct ts_move_env *env,
                               const struct ts_move_state *s)
{
    enum ts_move_deed deed = plan->steps[s->at].deed;
    return (deed == TS_MOVE_STOP || deed == TS_MOVE_KEEP) && !env->must_run;
}

static ts_mono limit_of(const struct ts_move_env *env, const struct ts_move_state *s)
{
    ts_mono limit = ts_mono_add(s->since, env->limit_ms);
    return limit.ms > env->patience.ms ? limit : env->patience;
}

static void tick(const struct ts_move_plan *plan, const struct ts_move_env *env,
                 struct ts_move_state *s, ts_mono now, struct ts_move_next *ret)
{
    bool late = ts_mono_reached(limit_of(env, s), now);
    if (late && s->way == TS_MOVE_FORWARD) {
        ret->late = true;
        turn(plan, env, s, now, ret);
        return;
    }
    if (late && may_be_passed_over(plan, env, s)) {
        pass_over(plan, s, now, ret);
        return;
    }
    if (late && !s->told_stuck) {
        s->told_stuck = true;
        ret->stuck = true;
    }
    if (ts_mono_reached(s->retry_at, now)) {
        s->retry_at = TS_NEVER;
        ret->perform = true;
    }
}

static int64_t retry_ms(uint32_t troubles)
{
    int64_t ms = RETRY_FIRST_MS;
    for (uint32_t i = 1; i < troubles && ms < RETRY_MAX_MS; i++) {
        ms *= 2;
    }
    return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

static void trouble(struct ts_move_state *s, ts_mono now)
{
    s->troubles += s->troubles < 100;
    s->retry_at = ts_mono_add(now, retry_ms(s->troubles));
}

static void failed(const struct ts_move_plan *plan, const struct ts_move_env *env,
                   struct ts_move_state *s, ts_mono now, struct ts_move_next *ret)
{
    if (s->way == TS_MOVE_FORWARD) {
        turn(plan, env, s, now, ret);
    } else if (may_be_passed_over(plan, env, s)) {
        pass_over(plan, s, now, ret);
    } else {
        trouble(s, now);
    }
}

/* On an operator's word. */
static void turn_back(const struct ts_move_plan *plan, struct ts_move_state *s, ts_mono now,
                      struct ts_move_next *ret)
{
    if (s->way == TS_MOVE_HALTED || (s->way == TS_MOVE_FORWARD && !is_accepted(plan, s))) {
        ret->turned = true;
        enter(s, TS_MOVE_BACK, s->at, now, ret);
    }
}

struct ts_move_state ts_move_next(const struct ts_move_plan *plan, const struct ts_move_env *env,
                                  struct ts_move_state s, enum ts_move_sight sight, ts_mono now,
                                  struct ts_move_next *ret)
{
    *ret = (struct ts_move_next){.perform = false};
    if (!ts_move_is_open(s.way) || s.at >= plan->count) {
        return s;
    }
    if (sight == TS_MOVE_TURN) {
        turn_back(plan, &s, now, ret);
        return s;
    }
    if (s.way == TS_MOVE_HALTED) {
        return s;
    }
    switch (sight) {
    case TS_MOVE_TICK: tick(plan, env, &s, now, ret); break;
    case TS_MOVE_REACHED: advance(plan, &s, now, ret); break;
    case TS_MOVE_TROUBLE: trouble(&s, now); break;
    case TS_MOVE_FAILED: failed(plan, env, &s, now, ret); break;
    case TS_MOVE_AWAY:
        s.since = now; /* nothing can be done meanwhile, so nothing is late */
        s.retry_at = now;
        s.troubles = 0;
        break;
    case TS_MOVE_TURN:
    case TS_MOVE_SIGHT_COUNT: break;
    }
    return s;
}

ts_mono ts_move_wakeup(const struct ts_move_plan *plan, const struct ts_move_env *env,
                       const struct ts_move_state *s)
{
    if ((s->way != TS_MOVE_FORWARD && s->way != TS_MOVE_BACK) || s->at >= plan->count) {
        return TS_NEVER;
    }
    return s->told_stuck ? s->retry_at : ts_mono_min(limit_of(env, s), s->retry_at);
}

bool ts_move_is_placed(const struct ts_move_plan *plan, const struct ts_move_state *s, size_t part)
{
    for (size_t i = 0; i < plan->count; i++) {
        if (plan->steps[i].deed == TS_MOVE_PLACE && plan->steps[i].part == part) {
            /* Until the step is over either way, it is in doubt: what is there is the old one's
             * place going forward and the next one's going back. */
            return s->way == TS_MOVE_DONE ||
                   (s->way != TS_MOVE_RETURNED &&
                    (s->at > i || (s->at == i && s->way == TS_MOVE_BACK)));
        }
    }
    return false;
}

/* --- names */

static const struct {
    const char *name;
    const char *forward;
    const char *back;
} deeds[TS_MOVE_DEED_COUNT] = {
#define ROW(symbol, name, forward, back) [symbol] = {name, forward, back},
    TS_MOVE_DEEDS(ROW)
#undef ROW
};

static const char *const ways[TS_MOVE_WAY_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
    TS_MOVE_WAYS(ROW)
#undef ROW
};

const char *ts_move_deed_name(enum ts_move_deed deed)
{
    return (unsigned)deed < TS_MOVE_DEED_COUNT ? deeds[deed].name : "?";
}

const char *ts_move_deed_text(enum ts_move_deed deed, bool back)
{
    return (unsigned)deed >= TS_MOVE_DEED_COUNT ? "?"
           : back                               ? deeds[deed].back
                                                : deeds[deed].forward;
}

const char *ts_move_way_name(enum ts_move_way way)
{
    return (unsigned)way < TS_MOVE_WAY_COUNT ? ways[way] : "?";
}

bool ts_move_deed_parse(const char *name, enum ts_move_deed *ret)
{
    for (unsigned i = 0; i < TS_MOVE_DEED_COUNT; i++) {
        if (strcmp(deeds[i].name, name) == 0) {
            *ret = (enum ts_move_deed)i;
            return true;
        }
    }
    return false;
}

bool ts_move_way_parse(const char *name, enum ts_move_way *ret)
{
    for (unsigned i = 0; i < TS_MOVE_WAY_COUNT; i++) {
        if (strcmp(ways[i], name) == 0) {
            *ret = (enum ts_move_way)i;
            return true;
        }
    }
    return false;
}
