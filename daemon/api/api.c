/* The control interface: the table of methods, those that read, and the socket. */
#include "api/api.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"

#define EVENTS_DEFAULT 50
#define EVENTS_MAX     5000
#define REFUSALS_MAX   20 /* in the audit trail, in … */
#define REFUSALS_MS    60000

void ts_api_failed(struct ts_call *call, const struct ts_error *err)
{
    ts_call_error(call, "Failed",
                  json_pack("{s:s, s:s}", "code", ts_code_name(err->code), "reason", err->msg));
}

size_t ts_api_service(struct ts_daemon *d, struct ts_call *call, const json_t *parameters)
{
    const char *name = ts_json_str_or(parameters, "service", "");
    size_t i = ts_super_find(d->super, name);
    if (i == SIZE_MAX) {
        json_t *known = json_array();
        for (size_t k = 0; k < d->unit_count; k++) {
            (void)json_array_append_new(known, json_string(d->units[k]->service));
        }
        ts_call_error(call, "NoSuchService",
                      json_pack("{s:s, s:o}", "service", name, "known", known));
    }
    return i;
}

static void get_status(void *ctx, struct ts_call *call, const json_t *parameters)
{
    (void)parameters;
    ts_call_reply(call, ts_status_all(ctx));
}

static void ping(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    (void)parameters;
    ts_call_reply(call,
                  json_pack("{s:s, s:s, s:i}", "version", TS_VERSION, "mode",
                            d->released ? "released" : "supervise", "pid", (int)ts_platform_pid()));
}

static void watch(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    (void)parameters;
    json_t *first = json_pack("{s:o}", "status", ts_status_all(d));
    if (!ts_call_wants_more(call)) {
        ts_call_reply(call, first);
    } else if (ts_call_progress(call, first) && !ts_stream_add(d, call, TS_STREAM_STATUS)) {
        ts_call_error(call, "Failed",
                      json_pack("{s:s, s:s}", "code", "limit", "reason", "too many followers"));
    }
}

static json_t *event_json(const struct ts_store_event *e)
{
    char at[TS_WALL_TEXT];
    ts_wall_format(e->at, at);
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", (json_int_t)e->id, "at", at,
                     "service", e->service, "event", e->event, "state_from", e->state_from,
                     "state_to", e->state_to, "reason", e->reason, "text", e->text);
}

static void collect_event(void *ctx, const struct ts_store_event *e)
{
    json_t *o = event_json(e);
    if (o != NULL) {
        (void)json_array_append_new(ctx, o);
    }
}

/* "2026-11-24T00:41:48Z", or a span back from now ("2h"). */
static bool parse_since(struct ts_daemon *d, const char *text, ts_wall *ret)
{
    int64_t ms;
    int64_t nano;
    if (text[0] == '\0') {
        *ret = (ts_wall){0};
        return true;
    }
    if (ts_parse_span_ms(text, &ms)) {
        *ret = (ts_wall){ts_loop_wall(d->loop).ms - ms};
        return true;
    }
    if (ts_time_parse(text, strlen(text), &nano)) {
        *ret = (ts_wall){nano / 1000000};
        return true;
    }
    return false;
}

static void events(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    ts_wall since;
    int64_t limit = ts_json_i64_or(parameters, "limit", EVENTS_DEFAULT);
    bool follow = ts_json_bool_or(parameters, "follow", false);
    if (!parse_since(d, ts_json_str_or(parameters, "since", ""), &since) || limit < 0 ||
        limit > EVENTS_MAX) {
        ts_call_error(
            call, "org.varlink.service.InvalidParameter",
            json_pack("{s:s}", "parameter", limit < 0 || limit > EVENTS_MAX ? "limit" : "since"));
        return;
    }
    TS_CLEANUP(ts_json_drop) json_t *list = json_array();
    if (!ts_store_history_read(d->store, since, (uint32_t)limit, collect_event, list, &err)) {
        ts_api_failed(call, &err);
        return;
    }
    size_t n = json_array_size(list);
    for (size_t i = 0; i < n; i++) {
        if (i + 1 == n && !follow) {
            break;
        }
        if (!ts_call_progress(call, json_pack("{s:O}", "event", json_array_get(list, i)))) {
            return;
        }
    }
    if (!follow) {
        ts_call_reply(call, n == 0 ? json_object()
                                   : json_pack("{s:O}", "event", json_array_get(list, n - 1)));
    } else if (!ts_stream_add(d, call, TS_STREAM_EVENTS)) {
        ts_call_error(call, "Failed",
                      json_pack("{s:s, s:s}", "code", "limit", "reason", "too many followers"));
    }
}

static const struct ts_control_method methods[] = {
    {"GetStatus", TS_RIGHT_READ, get_status},
    {"Watch", TS_RIGHT_READ, watch},
    {"Events", TS_RIGHT_READ, events},
    {"Logs", TS_RIGHT_READ, ts_api_follow_logs},
    {"Ping", TS_RIGHT_READ, ping},
    {"Rescan", TS_RIGHT_OPERATE, ts_api_rescan_call},
    {"Start", TS_RIGHT_OPERATE, ts_api_start_call},
    {"Stop", TS_RIGHT_OPERATE, ts_api_stop_call},
    {"Restart", TS_RIGHT_OPERATE, ts_api_restart_call},
    {"Hold", TS_RIGHT_OPERATE, ts_api_hold_call},
    {"Unhold", TS_RIGHT_OPERATE, ts_api_unhold_call},
    {"Reset", TS_RIGHT_OPERATE, ts_api_reset_call},
    {"Release", TS_RIGHT_OPERATE, ts_api_release_call},
    {"Move", TS_RIGHT_OPERATE, ts_api_move_call},
    {"MoveDrop", TS_RIGHT_OPERATE, ts_api_move_drop_call},
    {"MoveAccept", TS_RIGHT_OPERATE, ts_api_move_accept_call},
    {"Rollback", TS_RIGHT_OPERATE, ts_api_rollback_call},
    {"Backups", TS_RIGHT_READ, ts_api_backups_call},
    {"BackupShow", TS_RIGHT_READ, ts_api_backup_show_call},
    {"BackupVerify", TS_RIGHT_READ, ts_api_backup_verify_call},
    {"BackupPrune", TS_RIGHT_OPERATE, ts_api_backup_prune_call},
    {"Reload", TS_RIGHT_OPERATE, ts_api_reload_call},
    {"AlertTest", TS_RIGHT_OPERATE, ts_api_alert_test_call},
    {"Safety", TS_RIGHT_READ, ts_api_safety_call},
    {"Approvals", TS_RIGHT_READ, ts_api_approvals_call},
    {"Audit", TS_RIGHT_READ, ts_api_audit_call},
    {"AuditVerify", TS_RIGHT_READ, ts_api_audit_verify_call},
    {"Project", TS_RIGHT_READ, ts_api_project_call},
    {"Doctor", TS_RIGHT_READ, ts_api_doctor_call},
    {"Validate", TS_RIGHT_OPERATE, ts_api_validate_call},
    {"SafetyReset", TS_RIGHT_APPROVE, ts_api_safety_reset_call},
    {"Approve", TS_RIGHT_APPROVE, ts_api_approve_call},
    {"Confirm", TS_RIGHT_APPROVE, ts_api_confirm_call},
    {"Revoke", TS_RIGHT_WITHDRAW, ts_api_revoke_call},
};

/* Into the trail, but not without bound: everybody who can reach the socket can be refused. */
static void note_refusal(struct ts_daemon *d, const struct ts_peer *peer, const char *method)
{
    char text[160];
    struct ts_error ignored;
    ts_mono now = ts_loop_now(d->loop);
    uint32_t before = d->refusals;
    if (ts_mono_diff(d->refusals_since, now) >= REFUSALS_MS) {
        d->refusals_since = now;
        d->refusals = 0;
    }
    if (++d->refusals > REFUSALS_MAX) {
        return;
    }
    bool more = d->refusals == 1 && before > REFUSALS_MAX;
    (void)snprintf(text, sizeof(text), "%.100s: not allowed%s", method,
                   more ? " (more of these came before than are kept)" : "");
    const struct ts_trail_note note = {
        .event = "command", .outcome = "refused", .peer = peer, .text = text};
    (void)ts_trail_add(d, &note, NULL, &ignored);
}

static void on_refused(void *ctx, const struct ts_peer *peer, const char *method)
{
    struct ts_daemon *d = ctx;
    TS_LOG(d->log, TS_MSG_CONTROL_REFUSED,
           TS_FIELDS(TS_I64("uid", peer->known ? (int64_t)peer->uid : -1), TS_I64("pid", peer->pid),
                     TS_STR("method", method)),
           "control: uid %lld may not call %s", peer->known ? (long long)peer->uid : -1LL, method);
    note_refusal(d, peer, method);
}

static void groups_of(struct ts_daemon *d, struct ts_control_conf *conf)
{
    const struct ts_model *m = d->model;
    conf->has_operate_gid =
        m->operate_group[0] != '\0' && ts_peer_group_id(m->operate_group, &conf->operate_gid);
    conf->has_approve_gid =
        m->cro_group[0] != '\0' && ts_peer_group_id(m->cro_group, &conf->approve_gid);
    /* A read group that does not exist lets nobody read, not everybody. */
    conf->has_read_gid = m->read_group[0] != '\0';
    if (conf->has_read_gid && !ts_peer_group_id(m->read_group, &conf->read_gid)) {
        conf->read_gid = UINT32_MAX;
    }
}

bool ts_api_start(struct ts_daemon *d, struct ts_error *err)
{
    struct ts_control_conf conf = {
        .path = d->model->socket,
        .listen_fd = ts_platform_listen_fd(),
        .methods = methods,
        .method_count = TS_ARRAY_LEN(methods),
        .on_refused = on_refused,
        .ctx = d,
    };
    groups_of(d, &conf);
    d->control = ts_control_new(d->loop, &conf, err);
    return d->control != NULL;
}

void ts_api_regroup(struct ts_daemon *d)
{
    struct ts_control_conf conf = {.path = NULL};
    groups_of(d, &conf);
    ts_control_set_groups(d->control, &conf);
}
