/*
 * What the machine must remember <-> the store. Monotonic times become wall times on the way out
 * and back: a back-off that was to last a minute still does after the daemon was killed.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

static ts_wall to_wall(struct ts_daemon *d, ts_mono t)
{
    return (ts_wall){ts_loop_wall(d->loop).ms + ts_mono_diff(ts_loop_now(d->loop), t)};
}

static ts_mono to_mono(struct ts_daemon *d, ts_wall t)
{
    return (ts_mono){ts_loop_now(d->loop).ms + (t.ms - ts_loop_wall(d->loop).ms)};
}

/* A clock that was set cannot put a remembered restart into the future, nor a back-off far off. */
static ts_mono past_mono(struct ts_daemon *d, ts_wall t)
{
    return ts_mono_min(to_mono(d, t), ts_loop_now(d->loop));
}

void ts_memory_failed(struct ts_daemon *d, const char *text)
{
    if (d->platform == NULL) { /* still being built: the first write after that fails, too */
        return;
    }
    if (!d->store_told) {
        d->store_told = true;
        TS_LOG(d->log, TS_MSG_STORE_FAILED, TS_NO_FIELDS, "%s; supervision goes on, from memory",
               text);
        ts_notice_store(d, false, text);
        ts_api_changed(d, SIZE_MAX);
    }
}

static void store_works(struct ts_daemon *d)
{
    if (d->store_told && ts_trail_next(d).ms == TS_NEVER.ms) {
        d->store_told = false;
        TS_LOG(d->log, TS_MSG_STORE_OK, TS_NO_FIELDS, "the state file can be written again");
        ts_notice_store(d, true, "");
        ts_api_changed(d, SIZE_MAX);
    }
}

void ts_memory_look(struct ts_daemon *d)
{
    if (d->store_told && ts_store_ok(d->store)) {
        store_works(d);
    }
}

static const char *intent_of(const struct ts_svc *s)
{
    switch (s->op) {
    case TS_OP_START: return "start";
    case TS_OP_STOP: return s->restart_after_stop ? "restart" : "stop";
    case TS_OP_NONE: return "";
    }
    return "";
}

static bool save(struct ts_daemon *d, size_t i, const struct ts_svc *s, struct ts_error *err)
{
    const struct ts_unit *u = d->units[i];
    struct ts_store_service row = {
        .wanted = u->comes_back ? (int)TS_WANTED_UP : (int)s->wanted,
        .held = s->held,
        .block = (int)s->block,
        .backoff_step = s->backoff_step,
        .backoff_until = to_wall(d, s->backoff_until),
        .restarts_total = s->restarts_total,
        .login_failures = s->login_failures,
        .policy_retries = u->old_retries,
    };
    ts_copy_cut(row.name, sizeof(row.name), u->service);
    ts_copy_cut(row.container_id, sizeof(row.container_id), u->id);
    ts_copy_cut(row.hold_why, sizeof(row.hold_why), ts_why_name(s->hold_why));
    if (s->latch != TS_WHY_NONE) {
        ts_copy_cut(row.latch, sizeof(row.latch), ts_why_name(s->latch));
        ts_copy_cut(row.detail, sizeof(row.detail), s->latch_detail);
    }
    ts_copy_cut(row.intent, sizeof(row.intent), intent_of(s));
    ts_copy_cut(row.policy_name, sizeof(row.policy_name), u->old_policy);
    for (uint32_t r = 0; r < s->restart_count && r < TS_STORE_RESTARTS_MAX; r++) {
        row.restarts[row.restart_count++] = to_wall(d, s->restarts[r]);
    }
    return ts_store_service_save(d->store, &row, err);
}

static void describe(struct ts_daemon *d, const struct ts_transition *t, char *out, size_t size)
{
    const struct ts_svc *s = ts_super_state(d->super, t->service);
    char reason[2 * TS_DETAIL_MAX];
    ts_reason_text(t->why, s->detail, reason, sizeof(reason));
    (void)snprintf(out, size, "%s: %s%s%s (%s)", d->units[t->service]->service,
                   t->from == t->to ? "still " : ts_phase_name(t->from),
                   t->from == t->to ? "" : " -> ", ts_phase_name(t->to), reason);
}

static void tell_transition(struct ts_daemon *d, const struct ts_transition *t, const char *text,
                            int64_t id)
{
    const char *service = d->units[t->service]->service;
    uint32_t attempt =
        ts_machine_attempts(ts_super_spec(d->super, t->service),
                            ts_super_state(d->super, t->service), ts_loop_now(d->loop));
    char when[TS_WALL_TEXT];
    TS_LOG(d->log, TS_MSG_SERVICE_STATE,
           TS_FIELDS(TS_STR("service", service), TS_STR("state_from", ts_phase_name(t->from)),
                     TS_STR("state_to", ts_phase_name(t->to)),
                     TS_STR("reason", ts_why_name(t->why)),
                     TS_STR("container", d->units[t->service]->container.name),
                     TS_STR("container_id", d->units[t->service]->id), TS_I64("attempt", attempt)),
           "%s", text);
    ts_wall_format(ts_loop_wall(d->loop), when);
    json_t *event = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)id,
                              "at", when, "service", service, "event", "service.state",
                              "state_from", ts_phase_name(t->from), "state_to",
                              ts_phase_name(t->to), "reason", ts_why_name(t->why), "text", text);
    ts_api_event(d, event);
    json_decref(event);
}

static bool add_history(struct ts_daemon *d, const struct ts_transition *t, const char *text,
                        int64_t *ret_id, struct ts_error *err)
{
    struct ts_store_event event = {
        .at = ts_loop_wall(d->loop),
        .service = d->units[t->service]->service,
        .event = "service.state",
        .state_from = ts_phase_name(t->from),
        .state_to = ts_phase_name(t->to),
        .reason = ts_why_name(t->why),
        .text = text,
    };
    return ts_store_history_add(d->store, &event, ret_id, err);
}

void ts_memory_journal(void *ctx, const struct ts_transition *transitions, size_t transition_count,
                       const size_t *changed, size_t changed_count)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    char text[400];
    bool ok = ts_store_begin(d->store, &err);
    for (size_t i = 0; ok && i < changed_count; i++) {
        ok = save(d, changed[i], ts_super_state(d->super, changed[i]), &err);
    }
    for (size_t i = 0; i < transition_count; i++) {
        int64_t id = 0;
        describe(d, &transitions[i], text, sizeof(text));
        ok = ok && add_history(d, &transitions[i], text, &id, &err);
        tell_transition(d, &transitions[i], text, id);
    }
    ok = ok && ts_store_commit(d->store, &err);
    d->unsaved = d->unsaved || (!ok && changed_count > 0);
    if (ok) {
        store_works(d);
    } else {
        ts_store_rollback(d->store);
        ts_memory_failed(d, err.msg);
    }
}

void ts_memory_acting(void *ctx, bool begins)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    if (begins) {
        (void)!ts_store_begin(d->store,
                              &err); /* else each write is its own, and tells its failure */
    } else if (ts_store_in_transaction(d->store) && !ts_store_commit(d->store, &err)) {
        ts_memory_failed(d, err.msg);
    }
}

void ts_memory_sync(struct ts_daemon *d)
{
    struct ts_error err;
    if (!ts_store_sync(d->store, &err)) {
        d->unsaved = true;
        ts_memory_failed(d, err.msg);
    }
}

void ts_memory_retry(struct ts_daemon *d)
{
    size_t *all = d->unsaved ? calloc(d->unit_count + 1, sizeof(*all)) : NULL;
    if (all == NULL) {
        return;
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        all[i] = i;
    }
    d->unsaved = false; /* set again if it fails again */
    ts_memory_journal(d, NULL, 0, all, d->unit_count);
    free(all);
}

/* What the last restart can have had to wait for: a clock that was set makes it no longer. */
static int64_t longest_backoff(const struct ts_svc_spec *spec, uint32_t step)
{
    int64_t ms = spec->backoff_first_ms;
    for (uint32_t i = 2; i < step && ms < spec->backoff_max_ms; i++) {
        ms *= 2;
    }
    ms = ms < spec->backoff_max_ms ? ms : spec->backoff_max_ms;
    return ms + ms * spec->backoff_jitter_pct / 100;
}

static void recall_row(struct ts_daemon *d, const struct ts_store_service *row, struct ts_svc *s)
{
    ts_mono now = ts_loop_now(d->loop);
    s->wanted = row->wanted == 1   ? TS_WANTED_UP
                : row->wanted == 2 ? TS_WANTED_DOWN
                                   : TS_WANTED_NONE;
    s->held = row->held;
    s->hold_why = ts_why_from_name(row->hold_why);
    s->latch = ts_why_from_name(row->latch);
    s->block = row->block == (int)TS_BLOCK_REFUSED   ? TS_BLOCK_REFUSED
               : row->block == (int)TS_BLOCK_TRIPPED ? TS_BLOCK_TRIPPED
                                                     : TS_BLOCK_NONE;
    s->block = s->latch == TS_WHY_NONE ? TS_BLOCK_NONE : s->block;
    ts_detail_copy(s->detail, row->detail);
    ts_detail_copy(s->latch_detail, row->detail);
    s->backoff_step = row->backoff_step;
    if (row->backoff_step > 0) { /* else there is none, whatever the clocks say by now */
        s->backoff_until = to_mono(d, row->backoff_until);
    }
    const struct ts_svc_spec *own = ts_model_find(d->model, row->name);
    int64_t longest = longest_backoff(own != NULL ? own : &d->model->defaults, row->backoff_step);
    s->backoff_until = ts_mono_min(s->backoff_until, ts_mono_add(now, longest));
    s->restarts_total = row->restarts_total;
    s->login_failures = row->login_failures;
    for (uint32_t i = 0; i < row->restart_count && i < TS_MAX_RESTARTS; i++) {
        s->restarts[s->restart_count++] = past_mono(d, row->restarts[i]);
    }
}

/* The audit trail is the second witness: a state file that was lost or exchanged frees nobody. */
static void recall_trip(struct ts_daemon *d, const char *service, struct ts_svc *s)
{
    enum ts_why why;
    char detail[TS_DETAIL_MAX];
    if (s->block != TS_BLOCK_TRIPPED && ts_trail_tripped(d, service, &why, detail)) {
        s->latch = why;
        s->block = TS_BLOCK_TRIPPED;
        ts_detail_copy(s->detail, detail);
        ts_detail_copy(s->latch_detail, detail);
    }
}

struct ts_svc ts_memory_recall(struct ts_daemon *d, const char *service)
{
    struct ts_svc s = ts_machine_init(ts_loop_now(d->loop));
    struct ts_store_service row;
    struct ts_error err;
    if (ts_store_service_load(d->store, service, &row, &err)) {
        recall_row(d, &row, &s);
    } else if (err.code != TS_E_NOT_FOUND) {
        ts_memory_failed(d, err.msg);
    }
    recall_trip(d, service, &s);
    return s;
}

void ts_memory_recall_policy(struct ts_unit *u)
{
    struct ts_store_service row;
    struct ts_error err;
    if (ts_store_service_load(u->daemon->store, u->service, &row, &err)) {
        ts_copy_cut(u->old_policy, sizeof(u->old_policy), row.policy_name);
        u->old_retries = row.policy_retries;
    }
}

void ts_memory_mark(struct ts_daemon *d, const char *key, const char *value)
{
    struct ts_error err;
    if (!ts_store_meta_set(d->store, key, value, &err)) {
        ts_memory_failed(d, err.msg);
    }
}

void ts_memory_event(struct ts_daemon *d, const char *service, const char *event, const char *text)
{
    struct ts_store_event row = {.at = ts_loop_wall(d->loop),
                                 .service = service,
                                 .event = event,
                                 .state_from = "",
                                 .state_to = "",
                                 .reason = "",
                                 .text = text};
    struct ts_error err;
    int64_t id = 0;
    char when[TS_WALL_TEXT];
    if (!ts_store_history_add(d->store, &row, &id, &err)) {
        ts_memory_failed(d, err.msg);
    }
    ts_wall_format(row.at, when);
    json_t *o = json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)id, "at",
                          when, "service", service, "event", event, "state_from", "", "state_to",
                          "", "reason", "", "text", text);
    ts_api_event(d, o);
    json_decref(o);
}
