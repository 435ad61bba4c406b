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

static void fail(struct ts_unit *u, const char *what, const struct ts_error *err)
{
    struct ts_daemon *d = u->daemon;
    TS_LOG(d->log, TS_MSG_ENGINE_CALL_FAILED,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("code", ts_code_name(err->code))),
           "%s: %s failed: %s", u->service, what, err->msg);
    finish(u, result_of(err), err->msg);
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

static struct ts_env_fact fact(const json_t *inspect, const char *name, bool *ret_ok)
{
    struct ts_error err;
    const char *value = NULL;
    *ret_ok = ts_container_env(inspect, name, &value, &err) && *ret_ok;
    return (struct ts_env_fact){.is_set = value != NULL, .value = value};
}

struct ts_start_verdict ts_perform_judge(struct ts_daemon *d, const struct ts_svc_spec *spec,
                                         const json_t *inspect)
{
    bool readable = true;
    struct ts_start_facts facts = {.guarded = spec->guarded, .live_account_seen = d->live_account};
    facts.dry_run = fact(inspect, "DRY_RUN", &readable);
    facts.mode = fact(inspect, "TRADING_MODE", &readable);
    if (!readable && spec->guarded) {
        struct ts_start_verdict v = {.allowed = false, .why = TS_WHY_INTERLOCK};
        (void)snprintf(v.text, sizeof(v.text), "its environment cannot be read");
        return v;
    }
    return ts_interlock_judge(&facts);
}

/* The fresh look before the start: the container as the engine has it now is what is judged. */
static void on_looked(void *ctx, const struct ts_container *c, json_t *raw,
                      const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    struct ts_daemon *d = u->daemon;
    struct ts_error why;
    u->acting = NULL;
    if (err != NULL) {
        fail(u, "look before the start", err);
        return;
    }
    struct ts_start_verdict v = ts_perform_judge(d, ts_super_spec(d->super, u->index), raw);
    if (!v.allowed) {
        finish(u, TS_OPR_REFUSED, v.text);
        return;
    }
    if (c->status == TS_CONTAINER_RUNNING) {
        finish(u, TS_OPR_DONE, "");
        ts_units_inspect(u);
        return;
    }
    u->acting = ts_container_start(d->engine, u->id, on_started, u, &why);
    if (u->acting == NULL) {
        fail(u, "start", &why);
    }
}

static struct ts_unit *begin(struct ts_daemon *d, size_t service, uint32_t op_id, bool starts)
{
    struct ts_unit *u = d->units[service];
    ts_engine_cancel(u->acting); /* the machine has at most one under way; be sure */
    u->acting = NULL;
    u->acting_id = op_id;
    u->acting_starts = starts;
    u->epoch++;
    return u;
}

void ts_perform_start(void *ctx, size_t service, uint32_t op_id)
{
    struct ts_daemon *d = ctx;
    struct ts_unit *u = begin(d, service, op_id, true);
    struct ts_error err;
    TS_LOG(d->log, TS_MSG_ACTION,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("action", "start")), "%s: start",
           u->service);
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
                     TS_I64("grace_s", grace_s)),
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
