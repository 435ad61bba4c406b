/*
 * One step of a move: look at its container, do the next thing that it needs, look again. What
 * belongs to the supervised project is stopped and started by its machine, and so through the
 * interlock; everything else by the engine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "move/remake.h"

#define CALL_MS        60000 /* a rename, a removal, a policy: with an engine that is slow */
#define MAKE_MS        120000
#define STOP_MARGIN_MS 30000 /* beyond the grace */
#define STEADY_MS      60000 /* the bot's start lines, as the operators wait for them; and all ready */
#define VALID_MS       120000 /* the same, and every point validated */
#define REFUSALS       2      /* of the engine, until they count */

/* What was seen of the step's container. */
struct look {
    bool exists;
    bool running;
    const struct ts_container *c; /* NULL unless it exists */
    json_t *raw;
};

static const struct ts_move_step *step_of(const struct ts_move *m)
{
    return &m->plan.steps[m->state.at];
}

static bool is_back(const struct ts_move *m)
{
    return m->state.way == TS_MOVE_BACK;
}

/* Which of the two the step is about. */
static struct ts_move_side *side_of(struct ts_move *m)
{
    struct ts_move_place *p = &m->places[step_of(m)->part];
    switch (step_of(m)->deed) {
    case TS_MOVE_KEEP:
    case TS_MOVE_STOP:
    case TS_MOVE_ASIDE:
    case TS_MOVE_CLEAN: return &p->now;
    case TS_MOVE_START:
    case TS_MOVE_CHECK: return p->next.is ? &p->next : &p->now;
    case TS_MOVE_MAKE:
    case TS_MOVE_PLACE:
    case TS_MOVE_SETTLE:
    case TS_MOVE_DEED_COUNT: break;
    }
    return &p->next;
}

struct ts_unit *ts_move_unit(const struct ts_move *m, size_t part, const struct ts_move_side *side)
{
    struct ts_daemon *d = m->daemon;
    size_t i = side->ours ? ts_super_find(d->super, m->places[part].service) : SIZE_MAX;
    bool stands = i != SIZE_MAX && side->id[0] != '\0' && strcmp(d->units[i]->id, side->id) == 0;
    return stands ? d->units[i] : NULL;
}

static const struct ts_svc_spec *spec_of(const struct ts_move *m, size_t part)
{
    const struct ts_svc_spec *own = ts_model_find(m->daemon->model, m->places[part].service);
    return own != NULL ? own : &m->daemon->model->defaults;
}

static uint32_t grace_of(const struct ts_move *m, const struct ts_move_side *side)
{
    int64_t own = side->grace_s >= 0 ? side->grace_s : 10;
    int64_t spec = (spec_of(m, step_of(m)->part)->stop_grace_ms + 999) / 1000;
    int64_t grace = own > spec ? own : spec; /* a gateway's log-out is not cut off by a default */
    return (uint32_t)(grace < 600 ? grace : 600);
}

static int64_t limit_of(const struct ts_move *m, const struct ts_move_step *step)
{
    const struct ts_svc_spec *spec = spec_of(m, step->part);
    int64_t stops = spec->stop_grace_ms + STOP_MARGIN_MS;
    int64_t own = m->places[step->part].now.grace_s * 1000 + STOP_MARGIN_MS;
    bool starts = (step->deed == TS_MOVE_START) != is_back(m); /* or, for these two, stops */
    switch (step->deed) {
    case TS_MOVE_MAKE: return MAKE_MS;
    case TS_MOVE_KEEP: return spec->ready_timeout_ms;
    case TS_MOVE_STOP:
    case TS_MOVE_START: return starts ? spec->ready_timeout_ms : stops > own ? stops : own;
    case TS_MOVE_CHECK: return STEADY_MS;
    case TS_MOVE_SETTLE: return m->kind == TS_MOVE_MIGRATE ? VALID_MS : STEADY_MS;
    case TS_MOVE_ASIDE:
    case TS_MOVE_PLACE:
    case TS_MOVE_CLEAN:
    case TS_MOVE_DEED_COUNT: break;
    }
    return CALL_MS;
}

int64_t ts_move_limit_ms(const struct ts_move *m)
{
    return limit_of(m, step_of(m));
}

int64_t ts_move_downtime_ms(const struct ts_move *m)
{
    int64_t sum = 0;
    for (size_t i = 0; i < m->plan.count; i++) {
        enum ts_move_deed deed = m->plan.steps[i].deed;
        bool counts = deed == TS_MOVE_STOP || deed == TS_MOVE_START;
        sum += counts ? limit_of(m, &m->plan.steps[i]) : 0;
    }
    return sum;
}

ts_mono ts_move_patience(const struct ts_move *m)
{
    size_t i = ts_super_find(m->daemon->super, m->places[step_of(m)->part].service);
    const struct ts_svc *s = i == SIZE_MAX ? NULL : ts_super_state(m->daemon->super, i);
    bool waits = s != NULL && s->twofa && step_of(m)->deed == TS_MOVE_START && !is_back(m);
    return waits ? s->twofa_until : (ts_mono){0};
}

void ts_move_expected(const struct ts_move *m, char *out, size_t size)
{
    const struct ts_move_step *step = step_of(m);
    if (step->deed == TS_MOVE_SETTLE) {
        (void)snprintf(out, size, "all services stay ready%s",
                       m->kind == TS_MOVE_MIGRATE ? ", and the validation passes" : "");
        return;
    }
    (void)snprintf(out, size, "%s %s", ts_move_part_name(m, step->part),
                   ts_move_deed_text(step->deed, is_back(m)));
}

void ts_move_cancel(struct ts_move *m)
{
    ts_engine_cancel(m->op);
    m->op = NULL;
    ts_remake_cancel(m->remake);
    m->remake = NULL;
    ts_check_stop(m->check);
    m->check = NULL;
    ts_move_validate_stop(m);
}

/* --- engine calls */

/* No answer is no refusal. */
static bool is_passing(const struct ts_error *err)
{
    return err->code == TS_E_TIMEOUT || err->code == TS_E_UNAVAILABLE || err->code == TS_E_PROTOCOL;
}

/* What the engine refuses it may refuse because it is just done: whoever was killed in between has
 * asked before. So it is looked at again before a refusal counts. */
void ts_move_not_done(struct ts_move *m, const struct ts_error *err)
{
    bool again = is_passing(err) || m->state.troubles < REFUSALS;
    ts_move_see(m, again ? TS_MOVE_TROUBLE : TS_MOVE_FAILED, err->msg);
}

static void look_again(struct ts_move *m)
{
    ts_move_hurry(m);
    ts_daemon_kick(m->daemon);
}

void ts_move_acted(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_move *m = ctx;
    (void)outcome;
    m->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) { /* gone: the next look sees that */
        ts_move_not_done(m, err);
    } else {
        look_again(m);
    }
}

static void check_call(struct ts_move *m, const struct ts_error *err)
{
    if (m->op == NULL) {
        ts_move_not_done(m, err);
    }
}

static void rename_to(struct ts_move *m, const struct ts_move_side *s, const char *name)
{
    struct ts_error err;
    m->op = ts_container_rename(m->daemon->engine, s->id, name, ts_move_acted, m, &err);
    check_call(m, &err);
}

static void set_policy(struct ts_move *m, const struct ts_move_side *s,
                       const struct ts_restart_policy *policy)
{
    struct ts_error err;
    m->op = ts_container_set_policy(m->daemon->engine, s->id, policy, ts_move_acted, m, &err);
    check_call(m, &err);
}

static void remove_it(struct ts_move *m, const struct ts_move_side *s)
{
    struct ts_error err;
    m->op =
        ts_container_remove(m->daemon->engine, s->id, TS_REMOVE_STOPPED, ts_move_acted, m, &err);
    check_call(m, &err);
}

static void on_remade(void *ctx, const char *id, const struct ts_error *err)
{
    struct ts_move *m = ctx;
    m->remake = NULL;
    if (err != NULL) {
        ts_move_not_done(m, err);
        return;
    }
    (void)snprintf(side_of(m)->id, TS_ENGINE_ID, "%s", id);
    look_again(m);
}

static void remake(struct ts_move *m, const struct ts_move_side *s, const char *name)
{
    struct ts_error err;
    const struct ts_remake_order order = {
        .snapshot = s->snapshot, .name = name, .networks = m->networks};
    if (s->snapshot == NULL) {
        ts_move_see(m, TS_MOVE_FAILED, "the container is gone, and there is no snapshot of it");
        return;
    }
    m->remake = ts_remake_start(m->daemon, &order, on_remade, m, &err);
    if (m->remake == NULL) {
        ts_move_not_done(m, &err);
    }
}

/* --- stop and start */

static void stop_unit(struct ts_move *m, struct ts_unit *u, const struct look *look)
{
    const struct ts_svc *s = ts_super_state(m->daemon->super, u->index);
    if (s->wanted != TS_WANTED_DOWN) {
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_CMD_STOP});
        m->pending = true;
    } else if (s->running || s->op != TS_OP_NONE || s->phase == TS_PHASE_STOPPING ||
               look->running) {
        (void)snprintf(m->seen, sizeof(m->seen), "it still runs");
        m->pending = true;
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void stop_it(struct ts_move *m, const struct ts_move_side *s, const struct look *look)
{
    struct ts_error err;
    struct ts_unit *u = ts_move_unit(m, step_of(m)->part, s);
    if (u != NULL) {
        stop_unit(m, u, look);
    } else if (!look->running) {
        ts_move_see(m, TS_MOVE_REACHED, "");
    } else {
        m->op = ts_container_stop(m->daemon->engine, s->id, grace_of(m, s), ts_move_acted, m, &err);
        check_call(m, &err);
    }
}

bool ts_move_is_lost(const struct ts_svc *s)
{
    return ts_machine_is_lost(s) || (s->phase == TS_PHASE_STOPPED && s->wanted == TS_WANTED_UP &&
                                     s->why == TS_WHY_COMPLETED && s->exit_code != 0);
}

bool ts_move_is_up(const struct ts_svc *s)
{
    return s->phase == TS_PHASE_READY ||
           (s->phase == TS_PHASE_STOPPED && s->why == TS_WHY_COMPLETED && s->exit_code == 0);
}

/* For something that does not come up by itself. */
static bool waits_in_vain(const struct ts_daemon *d, size_t i)
{
    const struct ts_svc *states = ts_super_states(d->super);
    size_t dep = states[i].why == TS_WHY_DEPENDENCY
                     ? ts_plan_first_unready(ts_super_nodes(d->super), states, i)
                     : SIZE_MAX;
    return dep != SIZE_MAX && ts_move_is_lost(&states[dep]);
}

void ts_move_tell_unit(struct ts_move *m, const struct ts_unit *u)
{
    json_t *v = ts_status_service(m->daemon, u->index);
    (void)snprintf(m->seen, sizeof(m->seen), "%s is %s: %.250s", u->service,
                   ts_json_str_or(v, "state", "?"), ts_json_str_or(v, "detail", ""));
    json_decref(v);
}

static void start_unit(struct ts_move *m, struct ts_unit *u)
{
    const struct ts_svc *s = ts_super_state(m->daemon->super, u->index);
    bool begins = !m->state.begun;
    if (begins) { /* another container: what the former one did is not held against it */
        ts_move_begun(m);
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_CMD_RESET});
    }
    size_t part = step_of(m)->part;
    if (!m->restarts_known) {
        m->restarts_known = true;
        m->restarts[part] = s->restarts_total;
    }
    if (begins || s->wanted != TS_WANTED_UP) {
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_CMD_START});
        m->pending = true;
        return;
    }
    ts_move_tell_unit(m, u);
    uint32_t died = s->restarts_total - m->restarts[part];
    if (ts_move_is_up(s)) {
        ts_move_see(m, TS_MOVE_REACHED, "");
    } else if (ts_move_is_lost(s) || waits_in_vain(m->daemon, u->index) ||
               (died >= TS_MOVE_DIED_MAX && !is_back(m))) {
        ts_move_see(m, TS_MOVE_FAILED, m->seen);
    } else {
        m->pending = true;
    }
}

static void start_outside(struct ts_move *m, const struct ts_move_side *s, const struct look *look)
{
    bool own_policy =
        s->policy.name[0] == '\0' || strcmp(look->c->policy.name, s->policy.name) == 0;
    m->down_outside = !look->running;
    if (!look->running) {
        ts_move_start_outside(m, look->raw);
    } else if (!own_policy) {
        set_policy(m, s, &s->policy); /* nobody but the engine restarts it */
    } else if (look->c->health == TS_HEALTH_STARTING || look->c->health == TS_HEALTH_UNHEALTHY) {
        (void)snprintf(m->seen, sizeof(m->seen), "its own health check says %s",
                       ts_health_name(look->c->health));
        m->pending = true;
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void start_it(struct ts_move *m, const struct ts_move_side *s, const struct look *look)
{
    struct ts_unit *u = ts_move_unit(m, step_of(m)->part, s);
    if (!look->exists) {
        ts_move_see(m, TS_MOVE_FAILED, "the container does not exist any more");
    } else if (m->places[step_of(m)->part].left_down) {
        ts_move_see(m, TS_MOVE_REACHED, "an operator has stopped it; it is left so");
    } else if (!s->ours) {
        start_outside(m, s, look);
    } else if (u == NULL || !u->known || strcmp(u->container.id, s->id) != 0) {
        m->pending = true; /* the list that makes it the service's container is under way */
        ts_engine_watch_resync(m->daemon);
    } else {
        start_unit(m, u);
    }
}

/* --- each deed, both ways */

static void make(struct ts_move *m, struct ts_move_side *s, const struct look *look)
{
    if (!is_back(m)) {
        if (look->exists) {
            (void)snprintf(s->id, sizeof(s->id), "%s", look->c->id);
            ts_move_see(m, TS_MOVE_REACHED, "");
        } else {
            remake(m, s, s->aside);
        }
    } else if (look->exists && !s->kept) {
        remove_it(m, s);
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void take_name(struct ts_move *m, const struct ts_move_side *s, const struct look *look,
                      const char *name)
{
    if (look->exists && strcmp(look->c->name, name) != 0) {
        rename_to(m, s, name);
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void set_aside(struct ts_move *m, const struct ts_move_side *s, const struct look *look)
{
    static const struct ts_restart_policy none = {.name = "no"};
    if (is_back(m) && !look->exists) {
        remake(m, s, s->name);
    } else if (!is_back(m) && look->exists && strcmp(look->c->policy.name, "no") != 0) {
        set_policy(m, s, &none); /* a restart of the engine must not start it */
    } else {
        take_name(m, s, look, is_back(m) ? s->name : s->aside);
    }
}

static void place(struct ts_move *m, const struct ts_move_side *s, const struct look *look)
{
    if (!look->exists && !is_back(m)) {
        ts_move_see(m, TS_MOVE_FAILED, "the new container does not exist any more");
    } else {
        take_name(m, s, look, is_back(m) ? s->aside : s->name);
    }
}

/* The restart policy that was taken over belongs to the container that is back. */
static void give_policy_back(struct ts_move *m, const struct ts_move_side *s)
{
    struct ts_unit *u = ts_move_unit(m, step_of(m)->part, s);
    if (u != NULL) {
        (void)snprintf(u->old_policy, sizeof(u->old_policy), "%s", s->policy.name);
        u->old_retries = s->policy.max_retries;
    }
}

static void stop_or_restart(struct ts_move *m, const struct ts_move_side *s,
                            const struct look *look)
{
    if (!is_back(m)) {
        stop_it(m, s, look);
    } else if (s->ran) {
        give_policy_back(m, s);
        start_it(m, s, look);
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void check(struct ts_move *m, const struct look *look)
{
    struct ts_error err;
    if (m->places[step_of(m)->part].left_down) {
        ts_move_see(m, TS_MOVE_REACHED, "an operator has stopped it; it is left so");
        return;
    }
    if (!look->running) {
        ts_move_see(m, TS_MOVE_FAILED, "it does not run any more");
        return;
    }
    m->check = ts_check_start(m, look->c, &err);
    if (m->check == NULL) {
        ts_move_not_done(m, &err);
    }
}

static void on_looked(void *ctx, const struct ts_container *c, json_t *raw,
                      const struct ts_error *err)
{
    struct ts_move *m = ctx;
    struct ts_move_side *s = side_of(m);
    m->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        ts_move_not_done(m, err);
        return;
    }
    const struct look look = {
        .exists = err == NULL && c->status != TS_CONTAINER_REMOVING,
        .running =
            err == NULL && (c->status == TS_CONTAINER_RUNNING || c->status == TS_CONTAINER_PAUSED ||
                            c->status == TS_CONTAINER_RESTARTING),
        .c = c,
        .raw = raw,
    };
    switch (step_of(m)->deed) {
    case TS_MOVE_MAKE: make(m, s, &look); break;
    case TS_MOVE_KEEP:
    case TS_MOVE_STOP: stop_or_restart(m, s, &look); break;
    case TS_MOVE_ASIDE: set_aside(m, s, &look); break;
    case TS_MOVE_PLACE: place(m, s, &look); break;
    case TS_MOVE_START:
        if (is_back(m)) {
            stop_it(m, s, &look);
        } else {
            start_it(m, s, &look);
        }
        break;
    case TS_MOVE_CHECK: check(m, &look); break;
    case TS_MOVE_CLEAN:
        if (look.exists) {
            remove_it(m, s);
        } else {
            ts_move_see(m, TS_MOVE_REACHED, "");
        }
        break;
    case TS_MOVE_SETTLE:
    case TS_MOVE_DEED_COUNT: break;
    }
}

void ts_move_perform(struct ts_move *m)
{
    struct ts_error err;
    struct ts_move_side *s = side_of(m);
    enum ts_move_deed deed = step_of(m)->deed;
    bool nothing =
        is_back(m) ? deed == TS_MOVE_CHECK || deed == TS_MOVE_SETTLE : deed == TS_MOVE_KEEP;
    if (nothing) {
        ts_move_see(m, TS_MOVE_REACHED, "");
    } else if (deed == TS_MOVE_SETTLE) {
        ts_move_settle(m);
    } else {
        /* One that is to be made has no id yet: perhaps an earlier try has made it. */
        const char *which = s->id[0] != '\0' ? s->id : s->aside;
        m->op = ts_container_inspect(m->daemon->engine, which, on_looked, m, &err);
        check_call(m, &err);
    }
}
