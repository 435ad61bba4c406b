/* Opening, schema, statements, transactions. The tables' own calls are in the other files. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "store/store_internal.h"

#define FILE_NAME       "tradestack.db"
#define BUSY_TIMEOUT_MS 200
#define PATH_BYTES      512

/* migrations[n] brings a file of schema version n to n + 1. What has been released never changes;
 * a new version is a new entry. */
static const char *const migrations[] = {
    "CREATE TABLE services(name TEXT PRIMARY KEY, container_id TEXT, wanted INT, held INT,"
    " hold_why TEXT, latch TEXT, latch_blocks INT, detail TEXT, backoff_step INT,"
    " backoff_until INT, restarts_total INT, restarts TEXT, login_failures INT, intent TEXT,"
    " policy_name TEXT, policy_retries INT);"
    "CREATE TABLE meta(key TEXT PRIMARY KEY, value TEXT);"
    "CREATE TABLE history(id INTEGER PRIMARY KEY AUTOINCREMENT, at INT, service TEXT, event TEXT,"
    " state_from TEXT, state_to TEXT, reason TEXT, text TEXT);"
    "CREATE INDEX history_at ON history(at);"
    "CREATE TABLE snapshots(service TEXT, container_id TEXT, at INT, json TEXT,"
    " PRIMARY KEY(service, container_id));"
    "CREATE TABLE outbox(id INTEGER PRIMARY KEY AUTOINCREMENT, channel TEXT, created INT,"
    " priority INT, severity INT, body TEXT);"
    "CREATE INDEX outbox_order ON outbox(channel, priority DESC, id);"
    "CREATE TABLE incidents(key TEXT PRIMARY KEY, opened INT, told INT, severity INT, body TEXT);"
    "CREATE TABLE messages(channel TEXT, message_id TEXT, key TEXT, first TEXT, edit TEXT,"
    " closing INT, PRIMARY KEY(channel, message_id));",
    "CREATE TABLE moves(id INTEGER PRIMARY KEY AUTOINCREMENT, began INT, ended INT, plan TEXT,"
    " state TEXT);",
};
#define SCHEMA_VERSION ((int)TS_ARRAY_LEN(migrations))

static const char *const sql_text[TS_STATEMENT_COUNT] = {
#define ROW(symbol, sql) [symbol] = sql,
    TS_STATEMENTS(ROW)
#undef ROW
};

bool ts_store_fail(struct ts_store *s, const char *what, struct ts_error *err)
{
    int rc = sqlite3_extended_errcode(s->db);
    s->ok = false;
    enum ts_code code = (rc & 0xff) == SQLITE_BUSY ? TS_E_CONFLICT : TS_E_SYSTEM;
    return ts_error_set_detail(err, code, rc, "state file: %s: %s", what, sqlite3_errmsg(s->db));
}

sqlite3_stmt *ts_store_query(struct ts_store *s, enum ts_statement which, struct ts_error *err)
{
    sqlite3_stmt **q = &s->statements[which];
    if (s->in_transaction && which != Q_ROLLBACK && sqlite3_get_autocommit(s->db) != 0) {
        /* SQLite took the transaction back by itself; this call would be outside of it. */
        ts_error_set(err, TS_E_SYSTEM, "state file: the transaction failed before");
        return NULL;
    }
    if (*q == NULL && sqlite3_prepare_v3(s->db, sql_text[which], -1, SQLITE_PREPARE_PERSISTENT, q,
                                         NULL) != SQLITE_OK) {
        ts_store_fail(s, "prepare", err);
        return NULL;
    }
    (void)sqlite3_reset(*q);
    (void)sqlite3_clear_bindings(*q);
    return *q;
}

void ts_store_bind(sqlite3_stmt *q, int at, const char *text)
{
    (void)sqlite3_bind_text(q, at, text == NULL ? "" : text, -1, SQLITE_STATIC);
}

void ts_store_bind_int(sqlite3_stmt *q, int at, int64_t value)
{
    (void)sqlite3_bind_int64(q, at, value);
}

int ts_store_step(struct ts_store *s, sqlite3_stmt *q, struct ts_error *err)
{
    int rc = sqlite3_step(q);
    if (rc == SQLITE_ROW) {
        return 1;
    }
    if (rc != SQLITE_DONE) {
        ts_store_fail(s, "write or read", err);
    } else if (sqlite3_stmt_readonly(q) == 0 && sqlite3_get_autocommit(s->db) != 0) {
        s->ok = true;
    }
    (void)sqlite3_reset(q);
    return rc == SQLITE_DONE ? 0 : -1;
}

bool ts_store_run(struct ts_store *s, sqlite3_stmt *q, struct ts_error *err)
{
    return q != NULL && ts_store_step(s, q, err) >= 0;
}

const char *ts_store_column_text(sqlite3_stmt *q, int at)
{
    const unsigned char *text = sqlite3_column_text(q, at);
    return text == NULL ? "" : (const char *)text;
}

void ts_store_column(sqlite3_stmt *q, int at, char *dst, size_t size)
{
    ts_copy_cut(dst, size, ts_store_column_text(q, at));
}

char *ts_store_column_copy(sqlite3_stmt *q, int at)
{
    return strdup(ts_store_column_text(q, at));
}

static bool exec(struct ts_store *s, const char *sql, const char *what, struct ts_error *err)
{
    return sqlite3_exec(s->db, sql, NULL, NULL, NULL) == SQLITE_OK || ts_store_fail(s, what, err);
}

/* One integer that a pragma gives. */
static bool pragma_int(struct ts_store *s, const char *sql, int *ret, struct ts_error *err)
{
    sqlite3_stmt *q = NULL;
    bool ok =
        sqlite3_prepare_v2(s->db, sql, -1, &q, NULL) == SQLITE_OK && sqlite3_step(q) == SQLITE_ROW;
    if (ok) {
        *ret = sqlite3_column_int(q, 0);
    } else {
        ts_store_fail(s, sql, err);
    }
    (void)sqlite3_finalize(q);
    return ok;
}

enum open_result { OPEN_OK, OPEN_FAILED, OPEN_DAMAGED };

/* Only what SQLite says about the content counts as damage; a disk that cannot be read does not. */
static enum open_result verdict(struct ts_store *s)
{
    int rc = sqlite3_errcode(s->db);
    return rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? OPEN_DAMAGED : OPEN_FAILED;
}

static enum open_result check_soundness(struct ts_store *s, struct ts_error *err)
{
    sqlite3_stmt *q = NULL;
    enum open_result result = OPEN_OK;
    if (sqlite3_prepare_v2(s->db, "PRAGMA quick_check(1)", -1, &q, NULL) != SQLITE_OK ||
        sqlite3_step(q) != SQLITE_ROW) {
        result = verdict(s);
        ts_store_fail(s, "check", err);
    } else if (strcmp(ts_store_column_text(q, 0), "ok") != 0) {
        result = OPEN_DAMAGED;
        ts_error_set(err, TS_E_SYSTEM, "state file: damaged: %.150s", ts_store_column_text(q, 0));
    }
    (void)sqlite3_finalize(q);
    return result;
}

static bool migrate(struct ts_store *s, int version, struct ts_error *err)
{
    char done[64];
    (void)snprintf(done, sizeof(done), "PRAGMA user_version=%d; COMMIT", version + 1);
    return exec(s, "BEGIN IMMEDIATE", "new schema", err) &&
           exec(s, migrations[version], "new schema", err) && exec(s, done, "new schema", err);
}

static bool prepare_schema(struct ts_store *s, struct ts_error *err)
{
    int version;
    if (!pragma_int(s, "PRAGMA user_version", &version, err)) {
        return false;
    }
    if (version > SCHEMA_VERSION || version < 0) {
        return ts_error_set(err, TS_E_INVALID,
                            "state file: written by a newer tradestackd (schema %d, we know %d); "
                            "install that version again or move the file away",
                            version, SCHEMA_VERSION);
    }
    for (; version < SCHEMA_VERSION; version++) {
        if (!migrate(s, version, err)) {
            return false;
        }
    }
    return true;
}

static void close_db(struct ts_store *s)
{
    for (size_t i = 0; i < TS_STATEMENT_COUNT; i++) {
        (void)sqlite3_finalize(s->statements[i]);
        s->statements[i] = NULL;
    }
    (void)sqlite3_close(s->db);
    s->db = NULL;
}

/* EXCLUSIVE locking: the file belongs to one daemon, and the lock needs no shared memory.
 * synchronous=NORMAL: a commit is handed to the operating system; ts_store_sync() makes it last. */
static enum open_result open_db(struct ts_store *s, const char *path, struct ts_error *err)
{
    static const char settings[] =
        "PRAGMA locking_mode=EXCLUSIVE; PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
        "PRAGMA wal_autocheckpoint=200; PRAGMA journal_size_limit=1048576;"
        "PRAGMA cache_size=-128; PRAGMA trusted_schema=OFF;";
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX;
    /* Pages are allocated one by one, not 20 in advance for each of two caches: 150 KiB less. A
     * second store finds SQLite running and this refused, which is as well. */
    (void)sqlite3_config(SQLITE_CONFIG_PAGECACHE, NULL, 0, 0);
    if (sqlite3_open_v2(path, &s->db, flags, NULL) != SQLITE_OK) {
        ts_store_fail(s, path, err);
        return OPEN_FAILED;
    }
    (void)sqlite3_busy_timeout(s->db, BUSY_TIMEOUT_MS);
    if (!exec(s, settings, "open", err)) {
        if (err->code == TS_E_CONFLICT) {
            ts_error_set(err, TS_E_CONFLICT, "%.150s: another tradestackd uses it", path);
        }
        return verdict(s);
    }
    enum open_result result = check_soundness(s, err);
    if (result == OPEN_OK && !prepare_schema(s, err)) {
        result = verdict(s);
    }
    return result;
}

struct ts_store *ts_store_open(const char *dir, ts_wall now, bool *ret_replaced,
                               struct ts_error *err)
{
    char path[PATH_BYTES];
    int n = snprintf(path, sizeof(path), "%s/" FILE_NAME, dir);
    *ret_replaced = false;
    if (n < 0 || (size_t)n >= sizeof(path)) {
        ts_error_set(err, TS_E_INVALID, "state directory %.100s…: path too long", dir);
        return NULL;
    }
    if (!ts_store_check_dir(dir, err) || !ts_store_make_private(path, err)) {
        return NULL;
    }
    struct ts_store *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    enum open_result result = open_db(s, path, err);
    if (result == OPEN_DAMAGED) {
        close_db(s);
        *ret_replaced = true;
        result = ts_store_move_aside(path, now, err) && ts_store_make_private(path, err)
                     ? open_db(s, path, err)
                     : OPEN_FAILED;
    }
    if (result != OPEN_OK) {
        ts_store_close(s);
        return NULL;
    }
    s->ok = true;
    return s;
}

void ts_store_trim(struct ts_store *s)
{
    (void)sqlite3_db_release_memory(s->db);
}

void ts_store_close(struct ts_store *s)
{
    if (s != NULL) {
        close_db(s);
        free(s);
    }
}

bool ts_store_ok(const struct ts_store *s)
{
    return s->ok;
}

bool ts_store_in_transaction(const struct ts_store *s)
{
    return s->in_transaction;
}

uint64_t ts_store_lost_count(const struct ts_store *s)
{
    return s->lost_count;
}

bool ts_store_begin(struct ts_store *s, struct ts_error *err)
{
    if (!ts_store_run(s, ts_store_query(s, Q_BEGIN, err), err)) {
        return false;
    }
    s->in_transaction = true;
    s->changes_at_begin = sqlite3_total_changes(s->db);
    return true;
}

void ts_store_rollback(struct ts_store *s)
{
    struct ts_error ignored;
    if (!s->in_transaction) {
        return;
    }
    s->lost_count++;
    if (sqlite3_get_autocommit(s->db) == 0) {
        sqlite3_stmt *q = ts_store_query(s, Q_ROLLBACK, &ignored);
        if (q != NULL) {
            (void)ts_store_step(s, q, &ignored);
        }
    }
    s->in_transaction = false;
}

bool ts_store_commit(struct ts_store *s, struct ts_error *err)
{
    if (!ts_store_run(s, ts_store_query(s, Q_COMMIT, err), err)) {
        ts_store_rollback(s);
        return false;
    }
    s->in_transaction = false;
    if (sqlite3_total_changes(s->db) != s->changes_at_begin) {
        s->ok = true; /* an empty transaction writes nothing */
    }
    return true;
}

bool ts_store_sync(struct ts_store *s, struct ts_error *err)
{
    sqlite3_file *log = NULL;
    int changes = sqlite3_total_changes(s->db);
    if (changes == s->synced_changes || s->in_transaction) {
        return true;
    }
    if (sqlite3_file_control(s->db, "main", SQLITE_FCNTL_JOURNAL_POINTER, &log) != SQLITE_OK ||
        log == NULL || log->pMethods == NULL) {
        s->ok = false;
        return ts_error_set(err, TS_E_SYSTEM, "state file: has no write-ahead log");
    }
    int rc = log->pMethods->xSync(log, SQLITE_SYNC_NORMAL | SQLITE_SYNC_DATAONLY);
    if (rc != SQLITE_OK) {
        s->ok = false;
        return ts_error_set_detail(err, TS_E_SYSTEM, rc, "state file: sync: %s",
                                   sqlite3_errstr(rc));
    }
    s->synced_changes = changes;
    return true;
}
