/* The interlock's control methods: what it sees, approvals, the audit trail. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "base/parse.h"

#define AUDIT_DEFAULT 50
#define AUDIT_MAX     5000

static json_t *clean(const char *s)
{
    char out[2 * TS_ALERT_TEXT];
    ts_alert_clean(out, sizeof(out), SIZE_MAX, s, false);
    return json_string(out);
}

static json_t *time_text(ts_wall t)
{
    char out[TS_WALL_TEXT] = "";
    if (t.ms != 0) {
        ts_wall_format(t, out);
    }
    return json_string(out);
}

/* An approval or a reset that did not come about is worth a line of the trail as well. */
static void failed(struct ts_daemon *d, struct ts_call *call, const char *service,
                   const struct ts_error *err)
{
    struct ts_error ignored;
    const struct ts_trail_note note = {.event = "command",
                                       .service = service,
                                       .outcome = "refused",
                                       .peer = ts_call_peer(call),
                                       .text = err->msg};
    (void)ts_trail_add(d, &note, NULL, &ignored);
    ts_api_failed(call, err);
}

/* --- what is seen */

/* When the rule's evidence was seen last. */
static ts_wall seen_at(struct ts_daemon *d, const struct ts_unit *u, enum ts_rule rule)
{
    ts_wall at = {0};
    switch (rule) {
    case TS_RULE_CONFIG:
    case TS_RULE_DRY_RUN:
    case TS_RULE_MODE: return u->guard.box_at;
    case TS_RULE_GAMEPLAN: return u->guard.plan_at;
    case TS_RULE_LOG: return u->guard.log_line[0] != '\0' ? u->guard.log_at : u->guard.judged_at;
    case TS_RULE_GATEWAY:
    case TS_RULE_ACCOUNT:
        for (size_t i = 0; i < d->unit_count; i++) {
            const struct ts_guard *g = &d->units[i]->guard;
            ts_wall its = rule == TS_RULE_GATEWAY ? g->box_at
                          : g->accounts_live      ? ts_loop_wall(d->loop)
                                                  : g->accounts_at;
            if (d->units[i] != u && ts_guard_is_gateway(d->units[i]) && its.ms > at.ms) {
                at = its;
            }
        }
        return at;
    case TS_RULE_TRAIL: return u->guard.judged_at;
    case TS_RULE_COUNT: break;
    }
    return at;
}

static json_t *rules_of(struct ts_daemon *d, const struct ts_unit *u, const struct ts_judgement *j)
{
    json_t *rules = json_array();
    for (unsigned i = 0; i < TS_RULE_COUNT; i++) {
        enum ts_rule rule = (enum ts_rule)i;
        (void)json_array_append_new(
            rules,
            json_pack("{s:s, s:s, s:s, s:o, s:o}", "rule", ts_rule_name(rule), "requires",
                      ts_rule_text(rule), "finding", ts_finding_name(j->rules[i].finding),
                      "evidence", clean(j->rules[i].text), "seen", time_text(seen_at(d, u, rule))));
    }
    return rules;
}

static json_t *guarded_json(struct ts_daemon *d, struct ts_unit *u)
{
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    struct ts_judgement j;
    char cure[300];
    bool tripped = s->block == TS_BLOCK_TRIPPED;
    ts_guard_judge(u, &j);
    ts_guard_cure(u, cure, sizeof(cure));
    if (tripped && j.overall == TS_FINDING_PASS) {
        (void)snprintf(cure, sizeof(cure), "as CRO: tradestackctl safety reset %s --reason TEXT",
                       u->service);
    }
    return json_pack("{s:s, s:o, s:s, s:s, s:o, s:b, s:o, s:o, s:o}", "service", u->service,
                     "container", clean(u->known ? u->container.name : ""), "state",
                     ts_phase_name(s->phase), "verdict", ts_finding_name(j.overall), "judged",
                     time_text(u->guard.judged_at), "tripped", (int)tripped, "reason",
                     clean(tripped ? s->latch_detail : j.text), "next", clean(cure), "rules",
                     rules_of(d, u, &j));
}

void ts_api_safety_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    static const char *const states[] = {
        [TS_TRAIL_OK] = "ok", [TS_TRAIL_UNWRITABLE] = "unwritable", [TS_TRAIL_DAMAGED] = "damaged"};
    struct ts_daemon *d = ctx;
    json_t *services = json_array();
    (void)parameters;
    for (size_t i = 0; i < d->unit_count; i++) {
        if (ts_super_spec(d->super, i)->guarded) {
            (void)json_array_append_new(services, guarded_json(d, d->units[i]));
        }
    }
    ts_call_reply(call, json_pack("{s:s, s:o, s:b, s:o}", "trail", states[d->trail_state],
                                  "trail_detail", clean(d->trail_detail), "cro",
                                  d->model->cro_group[0] != '\0', "services", services));
}

/* --- reset */

/* Judged as it stands; the log line of the run that was stopped is what is being reset. */
static bool may_reset(struct ts_daemon *d, struct ts_call *call, struct ts_unit *u)
{
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    const char *service = u->service;
    struct ts_judgement j;
    char cure[300];
    if (s->block != TS_BLOCK_TRIPPED) {
        ts_api_refuse(d, call, service, "it has not tripped", "tradestackctl safety");
        return false;
    }
    if (s->running || s->op != TS_OP_NONE) {
        ts_api_refuse(d, call, service, "it is still being stopped", "try again in a moment");
        return false;
    }
    u->guard.log_line[0] = '\0';
    ts_guard_judge(u, &j);
    if (j.overall == TS_FINDING_FAIL && j.rule != TS_RULE_TRAIL) {
        ts_guard_cure(u, cure, sizeof(cure));
        ts_api_refuse(d, call, service, j.text, cure);
        return false;
    }
    return true;
}

void ts_api_safety_reset_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    const char *reason = ts_json_str_or(parameters, "reason", "");
    const char *service = ts_json_str_or(parameters, "service", "");
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX) {
        return;
    }
    if (reason[0] == '\0') {
        ts_api_refuse(d, call, service, "a reset needs a reason", "--reason TEXT");
        return;
    }
    if (!may_reset(d, call, d->units[i])) {
        return;
    }
    const struct ts_trail_note note = {.event = "safety.reset",
                                       .service = d->units[i]->service,
                                       .outcome = "done",
                                       .peer = ts_call_peer(call),
                                       .text = reason,
                                       .first = true};
    if (!ts_trail_renew(d, ts_call_peer(call), &err) || !ts_trail_add(d, &note, NULL, &err)) {
        failed(d, call, service, &err);
        return;
    }
    ts_memory_event(d, d->units[i]->service, "safety.reset", reason);
    ts_unit_post(d->units[i], &(struct ts_obs){.kind = TS_OBS_CMD_SAFETY_RESET});
    ts_guard_touch(d);
    ts_call_reply(call, NULL);
}

/* --- approvals */

static void reply_approval(struct ts_call *call, const struct ts_approval *a)
{
    ts_call_reply(call, json_pack("{s:o}", "approval", ts_approvals_json(a)));
}

static bool read_request(struct ts_daemon *d, struct ts_call *call, const json_t *parameters,
                         struct ts_approval *a)
{
    const struct ts_peer *peer = ts_call_peer(call);
    const char *service = ts_json_str_or(parameters, "service", "");
    int64_t span = ts_json_i64_or(parameters, "expires_ms", 0);
    memset(a, 0, sizeof(*a));
    a->uid = peer->uid;
    ts_peer_user_name(peer->uid, a->user, sizeof(a->user));
    a->created = ts_guard_now(d);
    if (span > 2 * TS_APPROVAL_SPAN_MAX || span < 0) {
        span = 0; /* refused below */
    }
    a->expires.ms = a->created.ms + span;
    if (!ts_approval_kind_parse(ts_json_str_or(parameters, "kind", ""), &a->kind)) {
        ts_api_refuse(d, call, service, "there is no such kind of approval",
                      "live, dry-run-off or gameplan");
        return false;
    }
    if (!ts_copy(a->service, sizeof(a->service), ts_json_str_or(parameters, "service", "")) ||
        !ts_copy(a->account, sizeof(a->account), ts_json_str_or(parameters, "account", "")) ||
        !ts_copy(a->gameplan, sizeof(a->gameplan), ts_json_str_or(parameters, "gameplan", "")) ||
        !ts_copy(a->reason, sizeof(a->reason), ts_json_str_or(parameters, "reason", ""))) {
        ts_api_refuse(d, call, service, "service, account, gameplan or reason is too long",
                      "shorten it");
        return false;
    }
    return true;
}

void ts_api_approve_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_approval a;
    struct ts_error err;
    int64_t id = 0;
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX || !read_request(d, call, parameters, &a)) {
        return;
    }
    if (!ts_super_spec(d->super, i)->guarded) {
        ts_api_refuse(d, call, a.service,
                      "the service is not guarded, so there is nothing to approve",
                      "tradestackctl safety shows those that are");
        return;
    }
    if (!ts_approvals_grant(d, &a, ts_call_peer(call), &id, &err)) {
        failed(d, call, a.service, &err);
        return;
    }
    reply_approval(call, ts_approvals_find(d, id));
}

static struct ts_approval *find(struct ts_daemon *d, struct ts_call *call, const json_t *parameters)
{
    struct ts_approval *a = ts_approvals_find(d, ts_json_i64_or(parameters, "id", 0));
    if (a == NULL) {
        ts_api_refuse(d, call, "", "there is no approval with that number",
                      "tradestackctl approvals");
    }
    return a;
}

void ts_api_confirm_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    struct ts_approval *a = find(d, call, parameters);
    if (a == NULL) {
        return;
    }
    (void)ts_approvals_look(d); /* one whose time is over is not confirmed */
    if (!ts_approvals_confirm(d, a, ts_call_peer(call), &err)) {
        failed(d, call, a->service, &err);
        return;
    }
    reply_approval(call, a);
}

void ts_api_revoke_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    char why[TS_REASON_MAX];
    const char *reason = ts_json_str_or(parameters, "reason", "");
    struct ts_approval *a = find(d, call, parameters);
    if (a == NULL) {
        return;
    }
    ts_copy_cut(why, sizeof(why), reason[0] != '\0' ? reason : "revoked");
    bool was_open = ts_approval_is_open(a);
    if (!ts_approvals_end(d, a, TS_APPROVAL_REVOKED, ts_call_peer(call), why, &err) && !was_open) {
        ts_api_failed(call, &err); /* else it holds, though the trail is to be written later */
        return;
    }
    reply_approval(call, a);
}

void ts_api_approvals_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    bool all = ts_json_bool_or(parameters, "all", false);
    json_t *list = json_array();
    (void)ts_approvals_look(d);
    for (size_t i = 0; i < d->approval_count; i++) {
        if (all || ts_approval_is_open(&d->approvals[i])) {
            (void)json_array_append_new(list, ts_approvals_json(&d->approvals[i]));
        }
    }
    ts_call_reply(call, json_pack("{s:o}", "approvals", list));
}

/* --- the trail */

static void collect(void *ctx, const struct ts_audit_entry *e)
{
    json_t *o =
        json_pack("{s:I, s:o, s:s, s:s, s:s, s:I, s:I, s:s, s:s, s:s}", "seq", (json_int_t)e->seq,
                  "at", time_text(e->at), "event", e->event, "service", e->service, "outcome",
                  e->outcome, "uid", e->has_peer ? (json_int_t)e->uid : (json_int_t)-1, "pid",
                  e->has_peer ? (json_int_t)e->pid : (json_int_t)-1, "user", e->user, "text",
                  e->text, "hash", e->hash);
    if (o != NULL && e->data != NULL) {
        (void)json_object_set_new(o, "data", json_deep_copy(e->data));
    }
    if (o != NULL) {
        (void)json_array_append_new(ctx, o);
    }
}

void ts_api_audit_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    int64_t limit = ts_json_i64_or(parameters, "limit", AUDIT_DEFAULT);
    TS_CLEANUP(ts_json_drop) json_t *list = json_array();
    if (limit < 0 || limit > AUDIT_MAX) {
        ts_call_error(call, "org.varlink.service.InvalidParameter",
                      json_pack("{s:s}", "parameter", "limit"));
        return;
    }
    if (!ts_trail_read(d, (uint32_t)limit, collect, list, &err)) {
        ts_api_failed(call, &err);
        return;
    }
    size_t n = json_array_size(list);
    for (size_t i = 0; i + 1 < n; i++) {
        if (!ts_call_progress(call, json_pack("{s:O}", "entry", json_array_get(list, i)))) {
            return;
        }
    }
    ts_call_reply(call, n == 0 ? json_object()
                               : json_pack("{s:O}", "entry", json_array_get(list, n - 1)));
}

/* A long trail is checked in pieces, one a turn. */
struct verifying {
    struct ts_daemon *daemon;
    struct ts_call *call;
    struct ts_audit_check *check;
    struct ts_timer *timer;
};

static void free_verifying(void *arg)
{
    struct verifying *v = arg;
    ts_audit_check_free(v->check);
    ts_timer_free(v->timer);
    free(v);
}

static void on_verify_step(void *ctx)
{
    struct verifying *v = ctx;
    struct ts_audit_report r;
    if (ts_audit_check_step(v->check, &r)) {
        ts_timer_after(v->timer, 0);
        return;
    }
    const struct ts_daemon *d = v->daemon;
    bool sound = r.sound && d->trail_state != TS_TRAIL_DAMAGED;
    ts_call_on_gone(v->call, NULL, NULL);
    ts_call_reply(v->call,
                  json_pack("{s:b, s:I, s:I, s:s, s:o}", "sound", (int)sound, "lines",
                            (json_int_t)r.lines, "head_seq", (json_int_t)r.head_seq, "head_hash",
                            r.head_hash, "problem", clean(r.sound ? d->trail_detail : r.problem)));
    free_verifying(v);
}

void ts_api_audit_verify_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    struct verifying *v = calloc(1, sizeof(*v));
    (void)parameters;
    if (v == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return;
    }
    *v = (struct verifying){.daemon = d, .call = call};
    v->check = ts_trail_check(d, &err);
    v->timer = v->check == NULL ? NULL : ts_timer_new(d->loop, on_verify_step, v, &err);
    if (v->timer == NULL) {
        free_verifying(v);
        ts_api_failed(call, &err);
        return;
    }
    ts_call_on_gone(call, free_verifying, v);
    ts_timer_after(v->timer, 0);
}
