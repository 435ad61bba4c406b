/* The services table, small facts, history and snapshots. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"
#include "store/store_internal.h"

/* Restart times as text: "1795480908123 1795480911000". */
static void print_restarts(const struct ts_store_service *svc, struct ts_buf *out)
{
    for (uint32_t i = 0; i < svc->restart_count && i < TS_STORE_RESTARTS_MAX; i++) {
        (void)ts_buf_addf(out, "%s%lld", i == 0 ? "" : " ", (long long)svc->restarts[i].ms);
    }
}

static void parse_restarts(const char *text, struct ts_store_service *svc)
{
    svc->restart_count = 0;
    while (*text != '\0' && svc->restart_count < TS_STORE_RESTARTS_MAX) {
        size_t len = strcspn(text, " ");
        int64_t ms;
        if (ts_parse_i64n(text, len, 0, INT64_MAX, &ms)) {
            svc->restarts[svc->restart_count++] = (ts_wall){ms};
        }
        text += len;
        text += *text == ' ';
    }
}

bool ts_store_service_save(struct ts_store *s, const struct ts_store_service *svc,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_SERVICE_SAVE, err);
    if (q == NULL) {
        return false;
    }
    struct ts_buf restarts = ts_buf_init(4096);
    print_restarts(svc, &restarts);
    if (restarts.failed) {
        ts_buf_done(&restarts);
        return ts_error_nomem(err);
    }
    ts_store_bind(q, 1, svc->name);
    ts_store_bind(q, 2, svc->container_id);
    ts_store_bind_int(q, 3, svc->wanted);
    ts_store_bind_int(q, 4, svc->held);
    ts_store_bind(q, 5, svc->hold_why);
    ts_store_bind(q, 6, svc->latch);
    ts_store_bind_int(q, 7, svc->block);
    ts_store_bind(q, 8, svc->detail);
    ts_store_bind_int(q, 9, svc->backoff_step);
    ts_store_bind_int(q, 10, svc->backoff_until.ms);
    ts_store_bind_int(q, 11, svc->restarts_total);
    ts_store_bind(q, 12, ts_buf_text(&restarts));
    ts_store_bind_int(q, 13, svc->login_failures);
    ts_store_bind(q, 14, svc->intent);
    ts_store_bind(q, 15, svc->policy_name);
    ts_store_bind_int(q, 16, svc->policy_retries);
    bool ok = ts_store_run(s, q, err);
    ts_buf_done(&restarts);
    return ok;
}

static void read_service(sqlite3_stmt *q, struct ts_store_service *ret)
{
    ts_store_column(q, 0, ret->container_id, sizeof(ret->container_id));
    ret->wanted = sqlite3_column_int(q, 1);
    ret->held = sqlite3_column_int(q, 2) != 0;
    ts_store_column(q, 3, ret->hold_why, sizeof(ret->hold_why));
    ts_store_column(q, 4, ret->latch, sizeof(ret->latch));
    ret->block = sqlite3_column_int(q, 5);
    ts_store_column(q, 6, ret->detail, sizeof(ret->detail));
    ret->backoff_step = (uint32_t)sqlite3_column_int64(q, 7);
    ret->backoff_until = (ts_wall){sqlite3_column_int64(q, 8)};
    ret->restarts_total = (uint32_t)sqlite3_column_int64(q, 9);
    parse_restarts(ts_store_column_text(q, 10), ret);
    ret->login_failures = (uint32_t)sqlite3_column_int64(q, 11);
    ts_store_column(q, 12, ret->intent, sizeof(ret->intent));
    ts_store_column(q, 13, ret->policy_name, sizeof(ret->policy_name));
    ret->policy_retries = sqlite3_column_int64(q, 14);
}

bool ts_store_service_load(struct ts_store *s, const char *name, struct ts_store_service *ret,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_SERVICE_LOAD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, name);
    int row = ts_store_step(s, q, err);
    if (row == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND, "nothing is remembered of service %s", name);
    }
    if (row < 0) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    ts_copy_cut(ret->name, sizeof(ret->name), name);
    read_service(q, ret);
    (void)sqlite3_reset(q);
    return true;
}

bool ts_store_meta_set(struct ts_store *s, const char *key, const char *value, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_META_SET, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    ts_store_bind(q, 2, value);
    return ts_store_run(s, q, err);
}

/* The first column of the row that `q` finds, "" if there is none. */
static bool read_text(struct ts_store *s, sqlite3_stmt *q, char *ret, size_t size,
                      struct ts_error *err)
{
    int row = ts_store_step(s, q, err);
    if (row < 0) {
        return false;
    }
    ret[0] = '\0';
    if (row > 0) {
        ts_store_column(q, 0, ret, size);
        (void)sqlite3_reset(q);
    }
    return true;
}

bool ts_store_meta_get(struct ts_store *s, const char *key, char *ret, size_t size,
                       struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_META_GET, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    return read_text(s, q, ret, size, err);
}

bool ts_store_history_add(struct ts_store *s, const struct ts_store_event *event, int64_t *ret_id,
                          struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_HISTORY_ADD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, event->at.ms);
    ts_store_bind(q, 2, event->service);
    ts_store_bind(q, 3, event->event);
    ts_store_bind(q, 4, event->state_from);
    ts_store_bind(q, 5, event->state_to);
    ts_store_bind(q, 6, event->reason);
    ts_store_bind(q, 7, event->text);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(s->db);
    if (*ret_id % 500 != 0) {
        return true;
    }
    q = ts_store_query(s, Q_HISTORY_PRUNE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, *ret_id - TS_STORE_HISTORY_MAX);
    return ts_store_run(s, q, err);
}

bool ts_store_history_read(struct ts_store *s, ts_wall since, uint32_t limit,
                           void (*each)(void *ctx, const struct ts_store_event *event), void *ctx,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_HISTORY_READ, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, since.ms);
    ts_store_bind_int(q, 2, limit);
    int row;
    while ((row = ts_store_step(s, q, err)) > 0) {
        struct ts_store_event event = {
            .id = sqlite3_column_int64(q, 0),
            .at = {sqlite3_column_int64(q, 1)},
            .service = ts_store_column_text(q, 2),
            .event = ts_store_column_text(q, 3),
            .state_from = ts_store_column_text(q, 4),
            .state_to = ts_store_column_text(q, 5),
            .reason = ts_store_column_text(q, 6),
            .text = ts_store_column_text(q, 7),
        };
        each(ctx, &event);
    }
    return row == 0;
}

bool ts_store_snapshot_save(struct ts_store *s, const char *service, const char *container_id,
                            ts_wall at, const char *json, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_SNAPSHOT_SAVE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, service);
    ts_store_bind(q, 2, container_id);
    ts_store_bind_int(q, 3, at.ms);
    ts_store_bind(q, 4, json);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    q = ts_store_query(s, Q_SNAPSHOT_PRUNE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, service);
    return ts_store_run(s, q, err);
}

bool ts_store_snapshot_load(struct ts_store *s, const char *service, char **ret_json,
                            struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_SNAPSHOT_LOAD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, service);
    int row = ts_store_step(s, q, err);
    if (row == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND, "there is no snapshot of service %s", service);
    }
    if (row < 0) {
        return false;
    }
    char *json = ts_store_column_copy(q, 0);
    (void)sqlite3_reset(q);
    if (json == NULL) {
        return ts_error_nomem(err);
    }
    *ret_json = json;
    return true;
}
