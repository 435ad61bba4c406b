/* The methods about backups, the return to one, and the end of what was set aside. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/move.h"
#include "backup/backup.h"
#include "base/json.h"
#include "base/parse.h"
#include "move/backups.h"

#define KEEP_DEFAULT 5

static const char *dir_of(const struct ts_daemon *d)
{
    return d->model->state_dir;
}

/* --- list, show, verify, prune */

static json_t *brief(struct ts_daemon *d, const char *name)
{
    struct ts_error err = {.code = TS_E_NONE};
    json_t *m TS_CLEANUP(ts_json_drop) = ts_backup_manifest(dir_of(d), name, &err);
    json_t *containers = json_array();
    int64_t bytes = 0;
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(m, "note.containers"), i, v)
    {
        (void)json_array_append_new(containers, json_string(ts_json_str_or(v, "container", "?")));
    }
    json_array_foreach(ts_json_at(m, "files"), i, v)
    {
        bytes += ts_json_i64_or(v, "bytes", 0);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:o, s:I, s:s}", "name", name, "at",
                     ts_json_str_or(m, "at", ""), "kind", ts_json_str_or(m, "kind", ""), "by",
                     ts_json_str_or(m, "note.by", ""), "containers", containers, "bytes",
                     (json_int_t)bytes, "problem", m == NULL ? err.msg : "");
}

void ts_api_backups_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    size_t i;
    json_t *name;
    (void)parameters;
    json_t *names TS_CLEANUP(ts_json_drop) = ts_backup_list(dir_of(d), &err);
    if (names == NULL) {
        ts_api_failed(call, &err);
        return;
    }
    json_t *list = json_array();
    json_array_foreach(names, i, name)
    {
        (void)json_array_append_new(list, brief(d, json_string_value(name)));
    }
    ts_call_reply(call, json_pack("{s:o}", "backups", list));
}

static void answer_problem(struct ts_daemon *d, struct ts_call *call, const struct ts_error *err)
{
    if (err->code == TS_E_NOT_FOUND || err->code == TS_E_INVALID || err->code == TS_E_PROTOCOL ||
        err->code == TS_E_CONFLICT) {
        ts_api_refuse(d, call, "", err->msg, "tradestackctl backups list");
    } else {
        ts_api_failed(call, err);
    }
}

void ts_api_backup_show_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    size_t i;
    json_t *v;
    const char *name = ts_json_str_or(parameters, "name", "");
    json_t *m TS_CLEANUP(ts_json_drop) = ts_backup_manifest(dir_of(d), name, &err);
    if (m == NULL) {
        answer_problem(d, call, &err);
        return;
    }
    json_t *containers = json_array();
    json_array_foreach(ts_json_at(m, "note.containers"), i, v)
    {
        bool ran = ts_json_bool_or(v, "ran", false);
        (void)json_array_append_new(containers,
                                    json_pack("{s:s, s:s, s:s, s:s, s:s, s:b}", "container",
                                              ts_json_str_or(v, "container", ""), "service",
                                              ts_json_str_or(v, "service", ""), "project",
                                              ts_json_str_or(v, "project", ""), "image",
                                              ts_json_str_or(v, "image", ""), "image_id",
                                              ts_json_str_or(v, "image_id", ""), "ran", (int)ran));
    }
    json_t *files = json_array();
    json_array_foreach(ts_json_at(m, "files"), i, v)
    {
        int64_t bytes = ts_json_i64_or(v, "bytes", 0);
        (void)json_array_append_new(
            files, json_pack("{s:s, s:I, s:s}", "name", ts_json_str_or(v, "name", ""), "bytes",
                             (json_int_t)bytes, "sha256", ts_json_str_or(v, "sha256", "")));
    }
    ts_call_reply(call, json_pack("{s:o, s:o, s:o}", "backup", brief(d, name), "containers",
                                  containers, "files", files));
}

void ts_api_backup_verify_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err = {.code = TS_E_NONE};
    const char *name = ts_json_str_or(parameters, "name", "");
    bool sound = ts_backup_verify(dir_of(d), name, &err);
    if (!sound && (err.code == TS_E_INVALID ||
                   (err.code == TS_E_NOT_FOUND && strstr(err.msg, "there is no backup") != NULL))) {
        answer_problem(d, call, &err);
        return;
    }
    ts_call_reply(call,
                  json_pack("{s:b, s:s}", "sound", (int)sound, "problem", sound ? "" : err.msg));
}

/* The way back of an exchange that is not over, or not accepted. */
static bool is_needed(const struct ts_daemon *d, const char *name)
{
    return d->move != NULL && (ts_move_is_on(d) || d->move->kept) &&
           strcmp(d->move->backup, name) == 0;
}

void ts_api_backup_prune_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    int64_t keep = ts_json_i64_or(parameters, "keep", KEEP_DEFAULT);
    json_t *names TS_CLEANUP(ts_json_drop) = ts_backup_list(dir_of(d), &err);
    if (keep < 0) {
        ts_call_error(call, "org.varlink.service.InvalidParameter",
                      json_pack("{s:s}", "parameter", "keep"));
        return;
    }
    if (names == NULL) {
        ts_api_failed(call, &err);
        return;
    }
    ts_api_log_command(d, call, "backups prune", "");
    json_t *removed = json_array();
    int64_t excess = (int64_t)json_array_size(names) - keep;
    for (int64_t i = 0; i < excess; i++) {
        const char *name = json_string_value(json_array_get(names, (size_t)i));
        if (name == NULL || is_needed(d, name)) {
            continue;
        }
        if (!ts_backup_remove(dir_of(d), name, &err)) {
            json_decref(removed);
            ts_api_failed(call, &err);
            return;
        }
        (void)json_array_append_new(removed, json_string(name));
    }
    ts_call_reply(call, json_pack("{s:o}", "removed", removed));
}

/* --- rollback */

/* The one that is under way goes back. */
static void turn_back(struct ts_daemon *d, struct ts_call *call, const json_t *parameters)
{
    ts_api_log_command(d, call, "rollback", "");
    ts_move_turn_back(d);
    if (!ts_json_bool_or(parameters, "wait", false) || !ts_api_move_follow(d, call)) {
        ts_call_reply(call, ts_api_move_outcome(d));
    }
}

static bool newest(struct ts_daemon *d, char *ret, struct ts_error *err)
{
    json_t *names TS_CLEANUP(ts_json_drop) = ts_backup_list(dir_of(d), err);
    size_t n = json_array_size(names);
    if (names == NULL) {
        return false;
    }
    if (n == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND,
                            "there is no backup: one is made by each migrate and by each up that "
                            "changes something");
    }
    return ts_copy(ret, TS_BACKUP_NAME, json_string_value(json_array_get(names, n - 1)));
}

/* Who was captured, and whoever has such a name now. */
static json_t *names_of(const json_t *captured)
{
    json_t *names = json_array();
    size_t i;
    json_t *c;
    json_array_foreach(captured, i, c)
    {
        const char *name = ts_json_str_or(c, "inspect.Name", "");
        (void)json_array_append_new(names, json_string(ts_json_str_or(c, "inspect.Id", "")));
        (void)json_array_append_new(names, json_string(name + (name[0] == '/')));
    }
    return names;
}

static void make_tag(struct ts_daemon *d, char out[TS_MOVE_TAG])
{
    (void)snprintf(out, TS_MOVE_TAG, "r%lld", (long long)ts_loop_wall(d->loop).ms);
}

void ts_api_rollback_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    char name[TS_BACKUP_NAME];
    const char *wanted = ts_json_str_or(parameters, "backup", "");
    bool plan_only = ts_json_bool_or(parameters, "plan_only", false);
    if (wanted[0] == '\0' && ts_move_is_on(d) && !plan_only) {
        turn_back(d, call, parameters);
        return;
    }
    if (!ts_api_move_may_begin(d, call)) {
        return;
    }
    ts_copy_cut(name, sizeof(name), wanted);
    if (wanted[0] == '\0' && !newest(d, name, &err)) {
        answer_problem(d, call, &err);
        return;
    }
    struct ts_move_call *mc = ts_api_move_new(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    mc->kind = TS_MOVE_ROLLBACK;
    make_tag(d, mc->tag);
    if (!ts_backups_load(d, wanted[0] != '\0' ? wanted : name, &mc->captured, &mc->networks,
                         &err)) {
        call = ts_api_move_release(mc);
        answer_problem(d, call, &err);
        return;
    }
    if (!plan_only) {
        char text[TS_BACKUP_NAME + 32];
        (void)snprintf(text, sizeof(text), "rollback to %s", name);
        ts_api_log_command(d, call, text, "");
    }
    json_t *names TS_CLEANUP(ts_json_drop) = names_of(mc->captured);
    const struct ts_gather_order order = {.projects = {d->model->project}, .names = names};
    ts_api_move_prepare(mc, &order);
}

/* --- accepting */

static void answer_accepted(struct ts_move_call *mc)
{
    struct ts_daemon *d = mc->daemon;
    ts_move_forget_kept(d);
    struct ts_call *call = ts_api_move_release(mc);
    if (call != NULL) {
        ts_call_reply(call, NULL);
    }
}

void ts_api_move_accept_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    if (ts_move_is_on(d) && d->move->state.way == TS_MOVE_HALTED) {
        ts_move_accept_halted(d);
    }
    if (!ts_api_move_may_begin(d, call)) {
        return;
    }
    if (d->move == NULL || !d->move->kept) {
        ts_api_refuse(d, call, "", "there is no migration to be accepted", "");
        return;
    }
    struct ts_move_call *mc = ts_api_move_new(d, call, parameters);
    if (mc == NULL) {
        return;
    }
    ts_api_log_command(d, call, "migrate accept", "");
    for (size_t i = 0; i < d->move->count; i++) {
        if (d->move->parts[i].changes && d->move->places[i].now.is) {
            (void)json_array_append_new(mc->remove, json_string(d->move->places[i].now.id));
        }
    }
    mc->then = answer_accepted;
    ts_api_move_remove(mc);
}
