/* The journal of moves. */
#include <stdlib.h>
#include <string.h>

#include "store/store_internal.h"

bool ts_store_move_add(struct ts_store *s, ts_wall began, const char *plan, const char *state,
                       int64_t *ret_id, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MOVE_ADD, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, began.ms);
    ts_store_bind(q, 2, plan);
    ts_store_bind(q, 3, state);
    if (!ts_store_run(s, q, err)) {
        return false;
    }
    *ret_id = sqlite3_last_insert_rowid(s->db);
    q = ts_store_query(s, Q_MOVE_PRUNE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, *ret_id - TS_STORE_MOVES_MAX);
    return ts_store_run(s, q, err);
}

bool ts_store_move_save(struct ts_store *s, int64_t id, const char *state, ts_wall ended,
                        struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MOVE_STATE, err);
    if (q == NULL) {
        return false;
    }
    ts_store_bind_int(q, 1, id);
    ts_store_bind(q, 2, state);
    ts_store_bind_int(q, 3, ended.ms);
    return ts_store_run(s, q, err);
}

bool ts_store_move_last(struct ts_store *s, struct ts_store_move *ret, struct ts_error *err)
{
    sqlite3_stmt *q = ts_store_query(s, Q_MOVE_LAST, err);
    if (q == NULL) {
        return false;
    }
    int row = ts_store_step(s, q, err);
    if (row == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND, "no move is remembered");
    }
    if (row < 0) {
        return false;
    }
    *ret = (struct ts_store_move){
        .id = sqlite3_column_int64(q, 0),
        .began = {sqlite3_column_int64(q, 1)},
        .ended = {sqlite3_column_int64(q, 2)},
        .plan = ts_store_column_copy(q, 3),
        .state = ts_store_column_copy(q, 4),
    };
    (void)sqlite3_reset(q);
    if (ret->plan == NULL || ret->state == NULL) {
        ts_store_move_clear(ret);
        return ts_error_nomem(err);
    }
    return true;
}

void ts_store_move_clear(struct ts_store_move *move)
{
    free(move->plan);
    free(move->state);
    memset(move, 0, sizeof(*move));
}
