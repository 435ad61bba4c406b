/* Open incidents, and the messages that show them. */
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "store/store_internal.h"

/* Drops the rows that were written longest ago. A failure is made up for by the next call. */
static void prune(struct ts_store *s, enum ts_statement which)
{
    struct ts_error ignored;
    sqlite3_stmt *q = ts_store_query(s, which, &ignored);
    if (q != NULL) {
        ts_store_bind_int(q, 1, TS_STORE_OPEN_MAX);
        (void)!ts_store_run(s, q, &ignored);
    }
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
    ts_store_bind(q, 5, incident->body);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    prune(s, Q_INCIDENT_PRUNE);
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

bool ts_store_incident_each(struct ts_store *s,
                            void (*each)(void *ctx, const struct ts_store_incident *incident),
                            void *ctx, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_INCIDENT_EACH, err);
    if (q == NULL) {
        return false;
    }
    int row;
    while ((row = ts_store_step(s, q, err)) > 0) {
        const struct ts_store_incident incident = {
            .key = ts_store_column_text(q, 0),
            .opened = {sqlite3_column_int64(q, 1)},
            .told = {sqlite3_column_int64(q, 2)},
            .severity = sqlite3_column_int(q, 3),
            .body = ts_store_column_text(q, 4),
        };
        each(ctx, &incident);
    }
    return row == 0;
}

bool ts_store_message_add(struct ts_store *s, const char *channel, const char *message_id,
                          const char *key, const char *first, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MESSAGE_ADD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    ts_store_bind(q, 2, message_id);
    ts_store_bind(q, 3, key);
    ts_store_bind(q, 4, first);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    prune(s, Q_MESSAGE_PRUNE);
    return true;
}

bool ts_store_message_edit(struct ts_store *s, const char *channel, const char *key,
                           const char *edit, bool closing, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MESSAGE_EDIT, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    ts_store_bind(q, 2, key);
    ts_store_bind(q, 3, edit);
    ts_store_bind_int(q, 4, closing);
    return ts_store_run(s, q, err);
}

bool ts_store_edit_next(struct ts_store *s, const char *channel, struct ts_store_edit *ret,
                        struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_EDIT_NEXT, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    int row = ts_store_step(s, q, err);
    if (row == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND, "no message of channel %s is to be edited",
                            channel);
    }
    if (row < 0) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    ts_store_column(q, 0, ret->message_id, sizeof(ret->message_id));
    ret->first = ts_store_column_copy(q, 1);
    ret->edit = ts_store_column_copy(q, 2);
    ret->closing = sqlite3_column_int(q, 3) != 0;
    (void)sqlite3_reset(q);
    if (ret->first == NULL || ret->edit == NULL) {
        ts_store_edit_clear(ret);
        return ts_error_nomem(err);
    }
    return true;
}

bool ts_store_edit_done(struct ts_store *s, const char *channel, const struct ts_store_edit *edit,
                        bool forget, struct ts_error *err)
{
    bool drop = forget || edit->closing;
    sqlite3_stmt *q = ts_store_query(s, drop ? Q_MESSAGE_FORGET : Q_EDIT_DONE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    ts_store_bind(q, 2, edit->message_id);
    if (!drop) {
        ts_store_bind(q, 3, edit->edit); /* a newer edit stays */
    }
    return ts_store_run(s, q, err);
}

void ts_store_edit_clear(struct ts_store_edit *edit)
{
    free(edit->first);
    free(edit->edit);
    memset(edit, 0, sizeof(*edit));
}
