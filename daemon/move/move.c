/* The move's turn: what was seen is given to the machine (core/move.h), what it decides is
 * journalled, then done and told. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "doctor/validate.h"

#define POLL_MS    100  /* a step that is not there yet is looked at again */
#define JOURNAL_MS 1000 /* a journal that could not be written is tried again */

static const char *const kinds[TS_MOVE_KIND_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
    TS_MOVE_KINDS(ROW)
#undef ROW
};

const char *ts_move_kind_name(enum ts_move_kind kind)
{
    return (unsigned)kind < TS_MOVE_KIND_COUNT ? kinds[kind] : "?";
}

bool ts_move_kind_parse(const char *name, enum ts_move_kind *ret)
{
    for (unsigned i = 0; i < TS_MOVE_KIND_COUNT; i++) {
        if (strcmp(kinds[i], name) == 0) {
            *ret = (enum ts_move_kind)i;
            return true;
        }
    }
    return false;
}

/* --- life */

void ts_move_drop(struct ts_move *m)
{
    if (m == NULL) {
        return;
    }
    ts_move_cancel(m);
    ts_logs_stop(m->log_reader);
    ts_timer_free(m->timer);
    for (size_t i = 0; i < TS_MOVE_PARTS_MAX; i++) {
        json_decref(m->places[i].now.snapshot);
        json_decref(m->places[i].next.snapshot);
    }
    json_decref(m->networks);
    json_decref(m->log);
    json_decref(m->outside);
    free(m);
}

void ts_move_free(struct ts_daemon *d)
{
    ts_move_drop(d->move);
    d->move = NULL;
}

bool ts_move_is_on(const struct ts_daemon *d)
{
    return d->move != NULL && ts_move_is_open(d->move->state.way);
}

void ts_move_service_changed(struct ts_daemon *d)
{
    if (ts_move_is_on(d)) {
        d->move->look_at = ts_loop_now(d->loop);
    }
}

void ts_move_hurry(struct ts_move *m)
{
    m->pending = true;
    m->look_at = ts_loop_now(m->daemon->loop);
}

static void on_timer(void *ctx)
{
    struct ts_move *m = ctx;
    ts_daemon_kick(m->daemon);
}

static bool adopt(struct ts_daemon *d, struct ts_move *m, struct ts_error *err)
{
    m->timer = ts_timer_new(d->loop, on_timer, m, err);
    return m->timer != NULL;
}

/* --- the journal */

static bool save(struct ts_move *m)
{
    struct ts_error err;
    json_t *v = ts_move_state_json(m);
    char *text = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);
    json_decref(v);
    bool ok = text != NULL ? ts_store_move_save(m->daemon->store, m->id, text, m->ended, &err)
                           : ts_error_nomem(&err);
    free(text);
    m->unsaved = !ok;
    if (!ok) {
        ts_memory_failed(m->daemon, err.msg);
    }
    return ok;
}

void ts_move_begun(struct ts_move *m)
{
    m->state.begun = true;
    (void)save(m);
}

bool ts_move_resume(struct ts_daemon *d, struct ts_error *err)
{
    struct ts_store_move row = {0};
    struct ts_error why;
    if (!ts_store_move_last(d->store, &row, &why)) {
        if (why.code != TS_E_NOT_FOUND) {
            ts_memory_failed(d, why.msg);
        }
        return true;
    }
    struct ts_move *m = ts_move_parse(d, row.plan, row.state, &why);
    if (m == NULL) { /* supervision is worth more than the move: it is told and left */
        TS_LOG(d->log, TS_MSG_MOVE_FAILED, TS_NO_FIELDS, "%s", why.msg);
        ts_store_move_clear(&row);
        return true;
    }
    m->id = row.id;
    m->began = row.began;
    m->ended = row.ended;
    ts_store_move_clear(&row);
    m->state.since = ts_loop_now(d->loop);
    m->state.retry_at = m->state.since;
    m->steady_since = TS_NEVER;
    if (!adopt(d, m, err)) {
        ts_move_drop(m);
        return false;
    }
    d->move = m;
    if (ts_move_is_on(d)) {
        char line[TS_MOVE_TEXT];
        ts_move_line(d, line, sizeof(line));
        TS_LOG(d->log, TS_MSG_MOVE, TS_FIELDS(TS_STR("tag", m->tag)), "goes on with the %s", line);
    }
    return true;
}

bool ts_move_start(struct ts_daemon *d, struct ts_move *take, struct ts_error *err)
{
    if (ts_validate_acts(d)) {
        return ts_error_set(
            err, TS_E_CONFLICT,
            "validate is stopping and starting the stack; try again when it is over");
    }
    take->state = ts_move_begin(ts_loop_now(d->loop));
    take->state.retry_at = take->state.since;
    take->steady_since = TS_NEVER;
    take->began = ts_loop_wall(d->loop);
    json_t *plan TS_CLEANUP(ts_json_drop) = ts_move_plan_json(take);
    json_t *state TS_CLEANUP(ts_json_drop) = ts_move_state_json(take);
    char *plan_text = plan == NULL ? NULL : json_dumps(plan, JSON_COMPACT);
    char *state_text = state == NULL ? NULL : json_dumps(state, JSON_COMPACT);
    bool ok = plan_text != NULL && state_text != NULL
                  ? adopt(d, take, err) && ts_store_move_add(d->store, take->began, plan_text,
                                                             state_text, &take->id, err)
                  : ts_error_nomem(err);
    free(plan_text);
    free(state_text);
    if (!ok) {
        return false;
    }
    ts_move_drop(d->move); /* the last one is over */
    d->move = take;
    char text[TS_MOVE_TEXT];
    (void)snprintf(text, sizeof(text), "%s began, by %s: %zu steps", ts_move_kind_name(take->kind),
                   take->by, take->plan.count);
    TS_LOG(d->log, TS_MSG_MOVE, TS_FIELDS(TS_STR("tag", take->tag)), "%s", text);
    ts_memory_event(d, "", "move.began", text);
    ts_notice_move(d, TS_MOVE_FORWARD, text);
    ts_api_changed(d, SIZE_MAX);
    ts_daemon_kick(d);
    return true;
}

void ts_move_pause(struct ts_daemon *d)
{
    if (d->move != NULL) {
        ts_move_cancel(d->move);
        ts_logs_stop(d->move->log_reader);
        d->move->log_reader = NULL;
    }
}

/* --- whose containers */

static const struct ts_move_place *place_of(const struct ts_daemon *d, const char *service,
                                            size_t *ret_part)
{
    for (size_t i = 0; ts_move_is_on(d) && i < d->move->count; i++) {
        const struct ts_move_place *p = &d->move->places[i];
        bool ours = p->now.ours || p->next.ours;
        if (ours && strcmp(p->service, service) == 0) {
            *ret_part = i;
            return p;
        }
    }
    return NULL;
}

bool ts_move_concerns(const struct ts_daemon *d, const char *service)
{
    size_t part;
    return place_of(d, service, &part) != NULL;
}

void ts_move_leave_down(struct ts_daemon *d, const char *service)
{
    size_t part;
    if (place_of(d, service, &part) != NULL && !d->move->places[part].left_down) {
        d->move->places[part].left_down = true;
        (void)save(d->move);
    }
}

bool ts_move_stands_for(const struct ts_daemon *d, const char *service, const char **ret_id)
{
    size_t part;
    const struct ts_move_place *p = place_of(d, service, &part);
    if (p == NULL) {
        return false;
    }
    bool placed = ts_move_is_placed(&d->move->plan, &d->move->state, part);
    const struct ts_move_side *side = placed ? &p->next : &p->now;
    *ret_id = side->is && side->ours ? side->id : "";
    return true;
}

/* --- the turn */

void ts_move_see(struct ts_move *m, enum ts_move_sight sight, const char *text)
{
    if (m->sighted && m->sight == TS_MOVE_TURN) {
        return; /* an operator's word is not lost */
    }
    m->sighted = true;
    m->sight = sight;
    ts_copy_cut(m->seen, sizeof(m->seen), text);
    ts_daemon_kick(m->daemon);
}

static struct ts_move_env env_of(const struct ts_move *m)
{
    return (struct ts_move_env){.limit_ms = ts_move_limit_ms(m),
                                .patience = ts_move_patience(m),
                                .no_rollback = m->no_rollback,
                                .must_run = m->down_outside};
}

static void end(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    m->ended = ts_loop_wall(d->loop);
    m->kept = m->state.way == TS_MOVE_DONE && m->kind == TS_MOVE_MIGRATE;
    json_decref(m->outside);
    m->outside = NULL;
    (void)save(m);
    ts_move_tell_end(m);
    ts_api_move_ended(m);
    ts_engine_watch_resync(d); /* what stands for each service is the list's again */
    ts_api_changed(d, SIZE_MAX);
}

/* Another step, or the other way. */
static void step_changed(struct ts_move *m)
{
    m->pending = false;
    m->restarts_known = false;
    m->down_outside = false;
    json_decref(m->outside);
    m->outside = NULL;
    m->steady_since = TS_NEVER;
    m->seen[0] = '\0';
    ts_engine_watch_resync(m->daemon); /* a name may have changed hands */
    ts_api_changed(m->daemon, SIZE_MAX);
}

/* On the way back a step was left without what it is for, or a later one has made up for it. */
static void leave_out(struct ts_move *m, bool reached)
{
    const struct ts_move_step *step = &m->plan.steps[m->state.at];
    struct ts_move_place *p = &m->places[step->part];
    if (!reached) {
        ts_copy_cut(p->left_out, sizeof(p->left_out),
                    m->seen[0] != '\0' ? m->seen : "nothing was seen of it");
    } else if (step->deed == TS_MOVE_STOP || step->deed == TS_MOVE_KEEP) {
        p->left_out[0] = '\0';
    }
}

/* What others say (logs, the engine) is not always text; the journal takes nothing else. */
static void clean(char *text, size_t size)
{
    char copy[TS_MOVE_TEXT];
    ts_alert_clean(copy, sizeof(copy), SIZE_MAX, text, false);
    ts_copy_cut(text, size, copy);
}

static void take(struct ts_move *m, enum ts_move_sight sight)
{
    struct ts_move_next next;
    const struct ts_move_state before = m->state;
    struct ts_move_env env = env_of(m);
    clean(m->seen, sizeof(m->seen));
    m->state = ts_move_next(&m->plan, &env, m->state, sight, ts_loop_now(m->daemon->loop), &next);
    bool moved = m->state.at != before.at || m->state.way != before.way;
    if (moved) {
        struct ts_move_state after = m->state;
        m->state = before;
        ts_move_cancel(m);
        if (before.way == TS_MOVE_BACK) {
            leave_out(m, sight == TS_MOVE_REACHED);
        }
        ts_move_tell_step(m, true, !next.turned, m->seen);
        m->state = after;
    }
    if (next.turned) {
        ts_move_explain_turn(m, &before, next.late);
        clean(m->why, sizeof(m->why));
        ts_api_move_log(m); /* the last lines of what failed, while it still exists */
    }
    if (moved && !next.ended) {
        (void)save(m);
        step_changed(m);
    }
    if (next.turned) {
        ts_move_tell_turn(m);
    }
    if (next.stuck) {
        char text[TS_MOVE_TEXT + 80];
        (void)snprintf(text, sizeof(text), "the way back takes too long: %s", m->seen);
        ts_notice_move(m->daemon, TS_MOVE_BACK, text);
    }
    if (next.ended) {
        end(m);
    } else if (m->state.way == TS_MOVE_HALTED && next.turned) {
        ts_api_move_ended(m);
    } else if (moved) {
        ts_move_tell_step(m, false, true, "");
    }
    if (next.perform) {
        ts_move_hurry(m);
    }
}

/* Is it our turn to act at all? */
static bool may_act(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    return d->link.up && !d->going_down && !d->stopping && !d->released &&
           m->state.way != TS_MOVE_HALTED;
}

static bool is_busy(const struct ts_move *m)
{
    return m->op != NULL || m->remake != NULL || m->check != NULL || m->validation != NULL;
}

static void arm(struct ts_move *m)
{
    struct ts_move_env env = env_of(m);
    ts_mono now = ts_loop_now(m->daemon->loop);
    ts_mono due = ts_move_wakeup(&m->plan, &env, &m->state);
    bool busy = is_busy(m);
    if (m->sighted) { /* in this very turn, whose end sets the time of the next */
        due = now;
    } else if (m->unsaved) {
        due = ts_mono_add(now, JOURNAL_MS);
    } else if (m->pending && !busy) {
        due = ts_mono_min(due, m->look_at);
    }
    ts_timer_at(m->timer, due);
}

void ts_move_turn(struct ts_daemon *d)
{
    struct ts_move *m = d->move;
    if (!ts_move_is_on(d)) {
        return;
    }
    if (m->sighted && m->sight == TS_MOVE_TURN) {
        take(m, TS_MOVE_TURN);
        m->sighted = false;
    }
    if (!may_act(m)) {
        if (m->state.way != TS_MOVE_HALTED) {
            take(m, TS_MOVE_AWAY);
        }
        ts_timer_stop(m->timer);
        return;
    }
    if (m->unsaved && !save(m)) {
        arm(m);
        return;
    }
    if (m->sighted) {
        m->sighted = false;
        take(m, m->sight);
    } else {
        take(m, TS_MOVE_TICK);
    }
    ts_mono now = ts_loop_now(d->loop);
    if (ts_move_is_on(d) && m->pending && !is_busy(m) && !m->unsaved &&
        ts_mono_reached(m->look_at, now)) {
        m->pending = false;
        m->look_at = ts_mono_add(now, POLL_MS);
        ts_move_perform(m);
    }
    if (ts_move_is_on(d)) {
        arm(m);
    }
}

/* --- an operator's word */

void ts_move_turn_back(struct ts_daemon *d)
{
    if (ts_move_is_on(d)) {
        d->move->sighted = false;
        ts_move_see(d->move, TS_MOVE_TURN, "an operator asked for it");
    }
}

void ts_move_accept_halted(struct ts_daemon *d)
{
    struct ts_move *m = d->move;
    if (ts_move_is_on(d) && m->state.way == TS_MOVE_HALTED) {
        m->state.way = TS_MOVE_DONE;
        m->ended = ts_loop_wall(d->loop);
        m->kept = true;
        (void)save(m);
        ts_memory_event(d, "", "move.done", "accepted as it stands");
        ts_engine_watch_resync(d);
        ts_api_changed(d, SIZE_MAX);
    }
}

void ts_move_forget_kept(struct ts_daemon *d)
{
    if (d->move != NULL && d->move->kept) {
        d->move->kept = false;
        (void)save(d->move);
        ts_api_changed(d, SIZE_MAX);
    }
}
