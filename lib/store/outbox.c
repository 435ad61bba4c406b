/* Alerts that wait to be sent. */
#include "base/parse.h"
#include "store/store_internal.h"

#define PRUNE_EVERY 50 /* letters; sorting them all for each new one would take its time */

bool ts_store_outbox_add(struct ts_store *s, const struct ts_store_letter *letter, int64_t *ret_id,
                         int64_t *ret_pruned, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_ADD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, letter->channel);
    ts_store_bind_int(q, 2, letter->created.ms);
    ts_store_bind_int(q, 3, letter->priority);
    ts_store_bind_int(q, 4, letter->severity);
    ts_store_bind(q, 5, letter->body);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(s->db);
    *ret_pruned = 0;
    if (*ret_id % PRUNE_EVERY != 0) {
        return true;
    }
    /* The letter is safe; what cannot be pruned now is pruned later. */
    struct ts_error ignored;
    q = ts_store_query(s, Q_OUTBOX_PRUNE, &ignored);
    if (q != NULL) {
        ts_store_bind(q, 1, letter->channel);
        ts_store_bind_int(q, 2, TS_STORE_OUTBOX_MAX);
        if (ts_store_run(s, q, &ignored)) {
            *ret_pruned = sqlite3_changes(s->db);
        }
    }
    return true;
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

bool ts_store_outbox_remove_to(struct ts_store *s, const char *channel, int64_t id,
                               struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_REMOVE_TO, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind(q, 1, channel);
    ts_store_bind_int(q, 2, id);
    return ts_store_run(s, q, err);
}

static bool read_letters(struct ts_store *s, enum ts_statement which, const char *channel,
                         uint32_t limit, ts_store_letter_fn *each, void *ctx, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, which, err);
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
            .severity = sqlite3_column_int(q, 4),
            .body = ts_store_column_text(q, 5),
        };
        ts_store_column(q, 1, letter.channel, sizeof(letter.channel));
        each(ctx, &letter);
    }
    return row == 0;
}

bool ts_store_outbox_read(struct ts_store *s, const char *channel, uint32_t limit,
                          ts_store_letter_fn *each, void *ctx, struct ts_error *err)
{
    return read_letters(s, Q_OUTBOX_READ, channel, limit, each, ctx, err);
}

bool ts_store_outbox_pick(struct ts_store *s, const char *channel, uint32_t limit,
                          ts_store_letter_fn *each, void *ctx, struct ts_error *err)
{
    return read_letters(s, Q_OUTBOX_PICK, channel, limit, each, ctx, err);
}

bool ts_store_outbox_count(struct ts_store *s, const char *channel, int64_t *ret, int64_t *ret_last,
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
    *ret_last = sqlite3_column_int64(q, 1);
    (void)sqlite3_reset(q);
    return true;
}

bool ts_store_outbox_expire(struct ts_store *s, ts_wall before, int64_t *ret, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_OUTBOX_EXPIRE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, before.ms);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    *ret = sqlite3_changes(s->db);
    return true;
}
