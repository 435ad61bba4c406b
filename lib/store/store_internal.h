/* Shared by the store's files: prepared statements with bound values. */
#ifndef TS_STORE_INTERNAL_H
#define TS_STORE_INTERNAL_H

#include <sqlite3.h>

#include "store/store.h"

/* Every statement, prepared once. X(symbol, SQL) */
#define TS_STATEMENTS(X)                                                                           \
    X(Q_BEGIN, "BEGIN IMMEDIATE")                                                                  \
    X(Q_COMMIT, "COMMIT")                                                                          \
    X(Q_ROLLBACK, "ROLLBACK")                                                                      \
    X(Q_SERVICE_SAVE,                                                                              \
      "INSERT OR REPLACE INTO services(name, container_id, wanted, held, hold_why, latch,"         \
      " latch_blocks, detail, backoff_step, backoff_until, restarts_total, restarts,"              \
      " login_failures, intent, policy_name, policy_retries)"                                      \
      " VALUES(?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16)")                           \
    X(Q_SERVICE_LOAD,                                                                              \
      "SELECT container_id, wanted, held, hold_why, latch, latch_blocks, detail, backoff_step,"    \
      " backoff_until, restarts_total, restarts, login_failures, intent, policy_name,"             \
      " policy_retries FROM services WHERE name=?1")                                               \
    X(Q_META_SET, "INSERT OR REPLACE INTO meta(key, value) VALUES(?1, ?2)")                        \
    X(Q_META_GET, "SELECT value FROM meta WHERE key=?1")                                           \
    X(Q_HISTORY_ADD, "INSERT INTO history(at, service, event, state_from, state_to, reason, text)" \
                     " VALUES(?1,?2,?3,?4,?5,?6,?7)")                                              \
    X(Q_HISTORY_PRUNE, "DELETE FROM history WHERE id <= ?1")                                       \
    X(Q_HISTORY_READ,                                                                              \
      "SELECT * FROM (SELECT id, at, service, event, state_from, state_to, reason, text"           \
      " FROM history WHERE at >= ?1 ORDER BY id DESC LIMIT ?2) ORDER BY id")                       \
    X(Q_SNAPSHOT_SAVE,                                                                             \
      "INSERT OR REPLACE INTO snapshots(service, container_id, at, json) VALUES(?1,?2,?3,?4)")     \
    X(Q_SNAPSHOT_PRUNE,                                                                            \
      "DELETE FROM snapshots WHERE service=?1 AND container_id NOT IN"                             \
      " (SELECT container_id FROM snapshots WHERE service=?1 ORDER BY at DESC LIMIT 3)")           \
    X(Q_SNAPSHOT_LOAD, "SELECT json FROM snapshots WHERE service=?1 ORDER BY at DESC LIMIT 1")     \
    X(Q_OUTBOX_ADD,                                                                                \
      "INSERT INTO outbox(channel, created, priority, severity, body) VALUES(?1,?2,?3,?4,?5)")     \
    X(Q_OUTBOX_PRUNE, "DELETE FROM outbox WHERE id IN (SELECT id FROM outbox WHERE channel=?1"     \
                      " ORDER BY priority DESC, severity DESC, id DESC LIMIT -1 OFFSET ?2)")       \
    X(Q_OUTBOX_REMOVE, "DELETE FROM outbox WHERE id=?1")                                           \
    X(Q_OUTBOX_REMOVE_TO, "DELETE FROM outbox WHERE channel=?1 AND id<=?2")                        \
    X(Q_OUTBOX_READ,                                                                               \
      "SELECT id, channel, created, priority, severity, body FROM outbox WHERE channel=?1"         \
      " ORDER BY priority DESC, id LIMIT ?2")                                                      \
    X(Q_OUTBOX_PICK,                                                                               \
      "SELECT * FROM (SELECT id, channel, created, priority, severity, body FROM outbox"           \
      " WHERE channel=?1 ORDER BY priority DESC, severity DESC, id DESC LIMIT ?2) ORDER BY id")    \
    X(Q_OUTBOX_COUNT, "SELECT count(*), max(id) FROM outbox WHERE channel=?1")                     \
    X(Q_OUTBOX_EXPIRE, "DELETE FROM outbox WHERE created < ?1")                                    \
    X(Q_INCIDENT_PUT, "INSERT OR REPLACE INTO incidents(key, opened, told, severity, body) "       \
                      "VALUES(?1,?2,?3,?4,?5)")                                                    \
    X(Q_INCIDENT_PRUNE, "DELETE FROM incidents WHERE rowid <= last_insert_rowid() - ?1")           \
    X(Q_INCIDENT_EACH, "SELECT key, opened, told, severity, body FROM incidents ORDER BY rowid")   \
    X(Q_INCIDENT_CLOSE, "DELETE FROM incidents WHERE key=?1")                                      \
    X(Q_MESSAGE_ADD,                                                                               \
      "INSERT OR REPLACE INTO messages(channel, message_id, key, first, edit, closing)"            \
      " VALUES(?1,?2,?3,?4,'',0)")                                                                 \
    X(Q_MESSAGE_PRUNE, "DELETE FROM messages WHERE rowid <= last_insert_rowid() - ?1")             \
    X(Q_MESSAGE_EDIT,                                                                              \
      "UPDATE messages SET edit=?3, closing=?4 WHERE channel=?1 AND key=?2 AND closing=0"          \
      " AND (?4=1 OR rowid=(SELECT max(rowid) FROM messages WHERE channel=?1 AND key=?2))")        \
    X(Q_EDIT_NEXT,                                                                                 \
      "SELECT message_id, first, edit, closing FROM messages WHERE channel=?1 AND edit<>''"        \
      " ORDER BY rowid LIMIT 1")                                                                   \
    X(Q_EDIT_DONE, "UPDATE messages SET edit='' WHERE channel=?1 AND message_id=?2 AND edit=?3")   \
    X(Q_MESSAGE_FORGET, "DELETE FROM messages WHERE channel=?1 AND message_id=?2")                 \
    X(Q_MOVE_ADD, "INSERT INTO moves(began, ended, plan, state) VALUES(?1, 0, ?2, ?3)")            \
    X(Q_MOVE_PRUNE, "DELETE FROM moves WHERE id <= ?1")                                            \
    X(Q_MOVE_STATE, "UPDATE moves SET state=?2, ended=?3 WHERE id=?1")                             \
    X(Q_MOVE_LAST, "SELECT id, began, ended, plan, state FROM moves ORDER BY id DESC LIMIT 1")

#define TS_STATEMENT_ENUM(symbol, sql) symbol,
enum ts_statement { TS_STATEMENTS(TS_STATEMENT_ENUM) TS_STATEMENT_COUNT };

struct ts_store {
    sqlite3 *db;
    bool in_transaction; /* from the caller's point of view */
    int changes_at_begin;
    int synced_changes; /* SQLite's count when all was on the disk */
    bool ok;
    uint64_t lost_count;
    sqlite3_stmt *statements[TS_STATEMENT_COUNT];
};

/* The statement, reset and without bindings. NULL with *err if it cannot be prepared. */
sqlite3_stmt *ts_store_query(struct ts_store *s, enum ts_statement which, struct ts_error *err);
/* The text is borrowed until the statement has run. */
void ts_store_bind(sqlite3_stmt *q, int at, const char *text);
void ts_store_bind_int(sqlite3_stmt *q, int at, int64_t value);
/* Runs a statement that gives no rows. q may be NULL (with *err set). */
bool ts_store_run(struct ts_store *s, sqlite3_stmt *q, struct ts_error *err) TS_MUST_CHECK;
/* Steps to the next row: 1 row, 0 end, -1 failed. Resets the statement at end and failure. */
int ts_store_step(struct ts_store *s, sqlite3_stmt *q, struct ts_error *err);
/* Copies a text column; "" for NULL. */
void ts_store_column(sqlite3_stmt *q, int at, char *dst, size_t size);
const char *ts_store_column_text(sqlite3_stmt *q, int at);
/* A malloc'ed copy of a text column; NULL if out of memory. */
char *ts_store_column_copy(sqlite3_stmt *q, int at);
bool ts_store_fail(struct ts_store *s, const char *what, struct ts_error *err);

/* files_*.c: the directory must be one into which not everybody may write. */
bool ts_store_check_dir(const char *dir, struct ts_error *err) TS_MUST_CHECK;
/* Makes an empty file that only we may read, or takes those rights from others. */
bool ts_store_make_private(const char *path, struct ts_error *err) TS_MUST_CHECK;
/* Renames the file and what SQLite keeps beside it, for whoever wants to look at it. */
bool ts_store_move_aside(const char *path, ts_wall now, struct ts_error *err) TS_MUST_CHECK;

#endif
