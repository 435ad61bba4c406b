/* Actions become engine calls, and their ends observations. Nothing starts past the interlock. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

static void finish(struct ts_unit *u, enum ts_op_result result, const char *detail)
{
    struct ts_obs obs = {.kind = TS_OBS_OP_DONE, .op_id = u->acting_id, .result = result};
    ts_copy_cut(obs.detail, sizeof(obs.detail), detail);
    u->acting = NULL;
    u->epoch++;
    u->acted_at[u->acting_starts] = ts_loop_now(u->daemon->loop);
    ts_unit_post(u, &obs);
}

/* An answer's error as the machine understands it: did the engine say no, or do we not know? */
static enum ts_op_result result_of(const struct ts_error *err)
{
    switch (err->code) {
    case TS_E_TIMEOUT:
    case TS_E_PROTOCOL: return TS_OPR_UNKNOWN;
    case TS_E_UNAVAILABLE: return err->detail >= 500 ? TS_OPR_FAILED : TS_OPR_UNKNOWN;
    default: return TS_OPR_FAILED;
    }
}

/* The engine's reason alone: what is kept of it is short, and the cause stands at its end. What was
 * asked of whom is clear from where it is shown. */
static const char *reason_of(const struct ts_unit *u, const struct ts_error *err)
{
    char prefix[TS_ADDRESS_TEXT + 16];
    (void)snprintf(prefix, sizeof(prefix), "engine %.60s: ",
                   ts_engine_address(u->daemon->engine)); /* ts_engine_explain() */
    if (strncmp(err->msg, prefix, strlen(prefix)) != 0) {
        return err->msg;
    }
    const char *deed = err->msg + strlen(prefix);
    const char *reason = strstr(deed, ": ");
    return reason != NULL ? reason + 2 : deed;
}

static void fail(struct ts_unit *u, const char *what, const struct ts_error *err)
{
    struct ts_daemon *d = u->daemon;
    TS_LOG(d->log, TS_MSG_ENGINE_CALL_FAILED,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("code", ts_code_name(err->code))),
           "%s: %s failed: %s", u->service, what, err->msg);
    finish(u, result_of(err), reason_of(u, err));
    ts_units_inspect(u);
    if (err->code == TS_E_TIMEOUT || err->code == TS_E_UNAVAILABLE) {
        ts_engine_watch_resync(d); /* finds out whether the engine is gone */
    }
}

static void on_started(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    if (err != NULL) {
        fail(u, "start", err);
        return;
    }
    finish(u, outcome == TS_OUTCOME_DONE ? TS_OPR_DONE : TS_OPR_ALREADY,
           outcome == TS_OUTCOME_DONE ? "" : "the engine says that it runs already");
    ts_units_inspect(u);
}

/* --- a start: everything is looked at anew, judged, written down, and only then asked for */

static struct ts_guarded_start start_of(const struct ts_unit *u)
{
    return (struct ts_guarded_start){
        .service = u->service, .id = u->id, .image = u->container.image_id};
}

static void refuse(struct ts_unit *u, const struct ts_judgement *j)
{
    struct ts_daemon *d = u->daemon;
    bool sure = j->overall == TS_FINDING_FAIL;
    struct ts_obs obs = {.kind = TS_OBS_OP_DONE,
                         .op_id = u->acting_id,
                         .result = sure ? TS_OPR_REFUSED : TS_OPR_UNSURE,
                         .why = j->why};
    ts_detail_copy(obs.detail, j->text);
    u->acting = NULL;
    u->epoch++;
    if (sure) {
        const struct ts_guarded_start start = start_of(u);
        ts_guard_refused(d, &start, j);
    }
    ts_unit_post(u, &obs);
}

/* Another container has taken the place of the one that was looked at: what was seen of that one
 * allows nothing. True: so it is, and the start is over. */
static bool is_exchanged(struct ts_unit *u)
{
    if (strcmp(u->id, u->acting_on) == 0) {
        return false;
    }
    finish(u, TS_OPR_UNSURE, "it was exchanged for another container meanwhile");
    ts_units_inspect(u);
    return true;
}

static void decide(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    struct ts_judgement j;
    struct ts_error why;
    if (is_exchanged(u)) {
        return;
    }
    ts_guard_judge(u, &j);
    bool guarded = ts_super_spec(d->super, u->index)->guarded;
    const struct ts_guarded_start start = start_of(u);
    if (j.overall != TS_FINDING_PASS || (guarded && !ts_guard_allowed(d, &start, &j))) {
        refuse(u, &j);
        return;
    }
    u->acting = ts_container_start(d->engine, u->id, on_started, u, &why);
    if (u->acting == NULL) {
        fail(u, "start", &why);
    }
}

static void on_plan(void *ctx, const struct ts_container_file *file, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    u->acting = NULL;
    if (is_exchanged(u)) {
        return;
    }
    ts_plan_take(u, file, err);
    if (err != NULL && u->guard.plan.state != TS_PLAN_BAD) {
        /* What an earlier look found is not good enough for a start. */
        u->guard.plan = (struct ts_plan_facts){.state = TS_PLAN_UNKNOWN};
        ts_detail_copy(u->guard.plan.detail, err->msg);
    }
    decide(u);
}

static void look_at_plan(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    struct ts_error err;
    if (!spec->guarded || spec->gameplan[0] == '\0') {
        decide(u);
        return;
    }
    u->acting = ts_container_read_file(d->engine, u->id, spec->gameplan, on_plan, u, &err);
    if (u->acting == NULL) {
        on_plan(u, NULL, &err);
    }
}

static void look_at_gateways(struct ts_unit *u);

static void on_gateway(void *ctx, const struct ts_container *c, json_t *raw,
                       const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    struct ts_daemon *d = u->daemon;
    struct ts_unit *gateway = u->looking_at < d->unit_count ? d->units[u->looking_at] : NULL;
    u->acting = NULL;
    if (err != NULL) {
        fail(u, "look at the gateway before the start", err);
        return;
    }
    if (gateway != NULL && strcmp(gateway->id, c->id) == 0) {
        ts_guard_saw(gateway, raw);
    }
    u->looking_at++;
    look_at_gateways(u);
}

/* Looks at the next gateway, one after the other; after the last one at the gameplan. */
static void look_at_gateways(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    bool guarded = ts_super_spec(d->super, u->index)->guarded;
    for (; guarded && u->looking_at < d->unit_count; u->looking_at++) {
        const struct ts_unit *it = d->units[u->looking_at];
        if (it != u && it->id[0] != '\0' && ts_guard_is_gateway(it)) {
            u->acting = ts_container_inspect(d->engine, it->id, on_gateway, u, &err);
            if (u->acting == NULL) {
                fail(u, "start", &err);
            }
            return;
        }
    }
    look_at_plan(u);
}

/* It was just seen, or made, to be at rest. The inspect that tells so may wait behind what is done
 * to the container, and whoever judges meanwhile must not take it for running. */
static void is_at_rest(struct ts_unit *u)
{
    bool same = strcmp(u->container.id, u->acting_on) == 0;
    if (same && (u->container.status == TS_CONTAINER_RUNNING ||
                 u->container.status == TS_CONTAINER_PAUSED)) {
        u->container.status = TS_CONTAINER_EXITED;
    }
}

/* The fresh look before the start: the container as the engine has it now is what is judged. */
static void on_looked(void *ctx, const struct ts_container *c, json_t *raw,
                      const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    u->acting = NULL;
    if (err != NULL) {
        fail(u, "look before the start", err);
        return;
    }
    if (is_exchanged(u)) {
        return;
    }
    ts_guard_saw(u, raw);
    if (c->status == TS_CONTAINER_RUNNING) { /* not by us: the inspect judges what runs */
        finish(u, TS_OPR_ALREADY, "it runs already");
        ts_units_inspect(u);
        return;
    }
    is_at_rest(u);
    u->looking_at = 0;
    look_at_gateways(u);
}

static struct ts_unit *begin(struct ts_daemon *d, size_t service, uint32_t op_id, bool starts)
{
    struct ts_unit *u = d->units[service];
    ts_engine_cancel(u->acting); /* the machine has at most one under way; be sure */
    u->acting = NULL;
    u->acting_id = op_id;
    u->acting_starts = starts;
    (void)snprintf(u->acting_on, sizeof(u->acting_on), "%s", u->id);
    u->epoch++;
    return u;
}

static int64_t attempts(struct ts_daemon *d, size_t service)
{
    return ts_machine_attempts(ts_super_spec(d->super, service), ts_super_state(d->super, service),
                               ts_loop_now(d->loop));
}

void ts_perform_start(void *ctx, size_t service, uint32_t op_id)
{
    struct ts_daemon *d = ctx;
    struct ts_unit *u = begin(d, service, op_id, true);
    struct ts_error err;
    const struct ts_svc *s = ts_super_state(d->super, service);
    TS_LOG(d->log, TS_MSG_ACTION,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("action", "start"),
                     TS_STR("reason", ts_why_name(s->why)), TS_STR("container", u->container.name),
                     TS_STR("container_id", u->id), TS_I64("attempt", attempts(d, service))),
           "%s: start", u->service);
    if (u->fresh && !ts_super_spec(d->super, service)->guarded &&
        u->container.status != TS_CONTAINER_RUNNING) {
        decide(u); /* the look that made this turn is the fresh one */
        return;
    }
    u->acting = ts_container_inspect(d->engine, u->id, on_looked, u, &err);
    if (u->acting == NULL) {
        fail(u, "start", &err);
    }
}

static void on_stopped(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    (void)outcome;
    if (err != NULL) {
        fail(u, "stop", err);
        return;
    }
    is_at_rest(u);
    finish(u, TS_OPR_DONE, "");
    ts_units_inspect(u);
}

void ts_perform_stop(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms)
{
    struct ts_daemon *d = ctx;
    struct ts_unit *u = begin(d, service, op_id, false);
    struct ts_error err;
    uint32_t grace_s = (uint32_t)((grace_ms + 999) / 1000);
    TS_LOG(d->log, TS_MSG_ACTION,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("action", "stop"),
                     TS_STR("reason", ts_why_name(ts_super_state(d->super, service)->stop_why)),
                     TS_STR("container", u->container.name), TS_STR("container_id", u->id),
                     TS_I64("attempt", attempts(d, service)), TS_I64("grace_s", grace_s)),
           "%s: stop, with %u s to end by itself", u->service, grace_s);
    u->acting = ts_container_stop(d->engine, u->id, grace_s, on_stopped, u, &err);
    if (u->acting == NULL) {
        fail(u, "stop", &err);
    }
}

void ts_perform_inspect(void *ctx, size_t service)
{
    struct ts_daemon *d = ctx;
    ts_units_inspect(d->units[service]);
}

/* --- restart policies: one owner */

static void on_policy_set(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    (void)outcome;
    u->policy_pending = false; /* after a failure the next inspect tries again */
    if (err != NULL) {
        TS_LOG(u->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_FIELDS(TS_STR("service", u->service)),
               "%s: its restart policy could not be changed: %s", u->service, err->msg);
    }
}

void ts_perform_take_policy(struct ts_unit *u)
{
    static const struct ts_restart_policy none = {.name = "no"};
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    const struct ts_restart_policy *have = &u->container.policy;
    if (d->released || u->policy_pending || strcmp(have->name, "no") == 0 ||
        have->name[0] == '\0') {
        return;
    }
    (void)snprintf(u->old_policy, sizeof(u->old_policy), "%s", have->name);
    u->old_retries = have->max_retries;
    u->policy_pending = true;
    const size_t changed = u->index;
    ts_memory_journal(d, NULL, 0, &changed, 1); /* the old policy is safe before it is replaced */
    if (ts_container_set_policy(d->engine, u->id, &none, on_policy_set, u, &err) == NULL) {
        u->policy_pending = false;
    }
}

void ts_perform_release_policy(struct ts_unit *u)
{
    struct ts_error err;
    struct ts_restart_policy policy = {.max_retries = u->old_retries};
    if (u->old_policy[0] == '\0' || u->id[0] == '\0') {
        return;
    }
    (void)snprintf(policy.name, sizeof(policy.name), "%s", u->old_policy);
    u->policy_pending = true;
    if (ts_container_set_policy(u->daemon->engine, u->id, &policy, on_policy_set, u, &err) ==
        NULL) {
        TS_LOG(u->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_FIELDS(TS_STR("service", u->service)),
               "%s: give its restart policy back: %s", u->service, err.msg);
    }
}
