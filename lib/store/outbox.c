/* Alerts that wait to be sent, and the incidents that they are about. */
#include "base/parse.h"
#include "store/store_internal.h"

bool ts_store_outbox_add(struct ts_store *s, const struct ts_store_letter *letter, int64_t *ret_id,
                         struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_ADD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, letter->channel);
    ts_store_bind_int(q, 2, letter->created.ms);
    ts_store_bind_int(q, 3, letter->priority);
    ts_store_bind(q, 4, letter->body);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(s->db);
    q = ts_store_query(s, Q_OUTBOX_PRUNE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, letter->channel);
    ts_store_bind_int(q, 2, TS_STORE_OUTBOX_MAX);
    return ts_store_run(s, q, err);
}

bool ts_store_outbox_remove(struct ts_store *s, int64_t id, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_REMOVE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, id);
    return ts_store_run(s, q, err);
}

bool ts_store_outbox_read(struct ts_store *s, const char *channel, uint32_t limit,
                          void (*each)(void *ctx, const struct ts_store_letter *letter), void *ctx,
                          struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_READ, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    ts_store_bind_int(q, 2, limit);
    int row;
    while ((row = ts_store_step(s, q, err)) > 0) {
        struct ts_store_letter letter = {
            .id = sqlite3_column_int64(q, 0),
            .created = {sqlite3_column_int64(q, 2)},
            .priority = sqlite3_column_int(q, 3),
            .body = ts_store_column_text(q, 4),
        };
        ts_store_column(q, 1, letter.channel, sizeof(letter.channel));
        each(ctx, &letter);
    }
    return row == 0;
}

bool ts_store_outbox_count(struct ts_store *s, const char *channel, int64_t *ret,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_COUNT, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    if (ts_store_step(s, q, err) <= 0) {
        return false;
    }
    *ret = sqlite3_column_int64(q, 0);
    (void)sqlite3_reset(q);
    return true;
}

bool ts_store_incident_put(struct ts_store *s, const struct ts_store_incident *incident,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_INCIDENT_PUT, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, incident->key);
    ts_store_bind_int(q, 2, incident->opened.ms);
    ts_store_bind_int(q, 3, incident->told.ms);
    ts_store_bind_int(q, 4, incident->severity);
    return ts_store_run(s, q, err);
}

bool ts_store_incident_get(struct ts_store *s, const char *key, struct ts_store_incident *ret,
                           struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_INCIDENT_GET, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    int row = ts_store_step(s, q, err);
    if (row == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND, "no open incident %s", key);
    }
    if (row < 0) {
        return false;
    }
    ts_copy_cut(ret->key, sizeof(ret->key), key);
    ret->opened = (ts_wall){sqlite3_column_int64(q, 0)};
    ret->told = (ts_wall){sqlite3_column_int64(q, 1)};
    ret->severity = sqlite3_column_int(q, 2);
    (void)sqlite3_reset(q);
    return true;
}

bool ts_store_incident_close(struct ts_store *s, const char *key, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_INCIDENT_CLOSE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    return ts_store_run(s, q, err);
}

bool ts_store_message_set(struct ts_store *s, const char *key, const char *channel,
                          const char *message_id, struct ts_error *err)
{
    enum ts_statement which = message_id[0] == '\0' ? Q_MESSAGE_DROP : Q_MESSAGE_SET;
    sqlite3_stmt *q = ts_store_query(s, which, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    ts_store_bind(q, 2, channel);
    if (which == Q_MESSAGE_SET) {
        ts_store_bind(q, 3, message_id);
    }
    return ts_store_run(s, q, err);
}

bool ts_store_message_get(struct ts_store *s, const char *key, const char *channel, char *ret,
                          size_t size, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MESSAGE_GET, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, key);
    ts_store_bind(q, 2, channel);
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
