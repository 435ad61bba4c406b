#include "unit.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <sqlite3.h>

#include "base/parse.h"
#include "store/store_internal.h"

#define WALL(ms_)   ((ts_wall){ms_})
#define KILL_ROUNDS 12

static char dir[64];
static struct ts_error err;

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/ts-store-XXXXXX");
    return mkdtemp(dir) == NULL ? -1 : 0;
}

static int drop_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define STORE_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)

#define OK(call)                                                                                   \
    do {                                                                                           \
        memset(&err, 0, sizeof(err));                                                              \
        if (!(call)) {                                                                             \
            fail_msg("%s: %s", #call, err.msg);                                                    \
        }                                                                                          \
    } while (0)

#define FAILS(call, code_)                                                                         \
    do {                                                                                           \
        memset(&err, 0, sizeof(err));                                                              \
        assert_false(call);                                                                        \
        assert_int_equal(err.code, code_);                                                         \
        assert_string_not_equal(err.msg, "");                                                      \
    } while (0)

static struct ts_store *open_store(void)
{
    bool replaced = true;
    struct ts_store *s = ts_store_open(dir, WALL(5000), &replaced, &err);
    if (s == NULL) {
        fail_msg("%s", err.msg);
    }
    assert_false(replaced);
    return s;
}

static void path_of(char out[128], const char *name)
{
    (void)snprintf(out, 128, "%s/%s", dir, name);
}

/* Runs SQL on the file as another program would. */
static void run_sql(const char *sql)
{
    char path[128];
    sqlite3 *db;
    path_of(path, "tradestack.db");
    assert_int_equal(sqlite3_open(path, &db), SQLITE_OK);
    assert_int_equal(sqlite3_exec(db, sql, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(db), SQLITE_OK);
}

/* --- opening */

static void test_file_is_ours_alone(void **state)
{
    (void)state;
    char path[128];
    struct stat st;
    path_of(path, "tradestack.db");
    int fd = open(path, O_CREAT | O_WRONLY, 0644);
    assert_true(fd >= 0);
    assert_int_equal(fchmod(fd, 0644), 0);
    (void)close(fd);
    ts_store_close(open_store());
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_bad_directories_are_refused(void **state)
{
    (void)state;
    bool replaced;
    assert_null(ts_store_open("/nonexistent/place", WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_SYSTEM);
    assert_int_equal(err.detail, ENOENT);
    assert_non_null(strstr(err.msg, "/nonexistent/place"));

    assert_null(ts_store_open("/dev/null", WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_INVALID);

    assert_int_equal(chmod(dir, 0777), 0);
    assert_null(ts_store_open(dir, WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_DENIED);
    assert_non_null(strstr(err.msg, "chmod o-w"));

    char long_dir[1024];
    memset(long_dir, 'x', sizeof(long_dir) - 1);
    long_dir[sizeof(long_dir) - 1] = '\0';
    assert_null(ts_store_open(long_dir, WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_INVALID);
}

static void test_second_owner_is_refused(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    bool replaced;
    assert_null(ts_store_open(dir, WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    assert_non_null(strstr(err.msg, "another tradestackd"));
    assert_false(replaced);
    ts_store_close(s);
    ts_store_close(open_store());
}

static void test_newer_schema_is_refused_and_left_alone(void **state)
{
    (void)state;
    ts_store_close(open_store());
    run_sql("PRAGMA user_version=999");
    bool replaced;
    assert_null(ts_store_open(dir, WALL(0), &replaced, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_non_null(strstr(err.msg, "newer"));
    assert_false(replaced);
    run_sql("PRAGMA user_version=2");
    ts_store_close(open_store());
}

static void overwrite(const char *name, off_t at, size_t count)
{
    char path[128];
    unsigned char junk[4096];
    memset(junk, 0xA5, sizeof(junk));
    path_of(path, name);
    int fd = open(path, O_WRONLY);
    assert_true(fd >= 0);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(pwrite(fd, junk, sizeof(junk), at + (off_t)(i * sizeof(junk))),
                         sizeof(junk));
    }
    (void)close(fd);
}

static void fill(struct ts_store *s, int rows)
{
    for (int i = 0; i < rows; i++) {
        int64_t id;
        const struct ts_store_event e = {
            .at = {i}, .service = "gateway", .event = "state", .text = "some text in the row"};
        OK(ts_store_history_add(s, &e, &id, &err));
    }
}

static void test_damaged_file_is_moved_aside(void **state)
{
    (void)state;
    static const struct {
        off_t at;
        size_t pages;
    } rows[] = {{0, 1}, {4096, 4}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_store *s = open_store();
        OK(ts_store_begin(s, &err));
        fill(s, 500);
        OK(ts_store_commit(s, &err));
        OK(ts_store_meta_set(s, "key", "old", &err));
        ts_store_close(s);
        overwrite("tradestack.db", rows[i].at, rows[i].pages);

        bool replaced = false;
        s = ts_store_open(dir, WALL(1795480908000 + (int64_t)i * 1000), &replaced, &err);
        assert_non_null(s);
        assert_true(replaced);
        char value[8];
        OK(ts_store_meta_get(s, "key", value, sizeof(value), &err));
        assert_string_equal(value, "");
        ts_store_close(s);
        char aside[128];
        char name[64];
        (void)snprintf(name, sizeof(name), "tradestack.db.damaged-%d", 1795480908 + (int)i);
        path_of(aside, name);
        assert_int_equal(access(aside, F_OK), 0);
    }
}

/* --- what is kept */

static void test_service_survives_reopening(void **state)
{
    (void)state;
    struct ts_store_service a = {
        .name = "trading-bot",
        .container_id = "0123456789abcdef",
        .wanted = 1,
        .held = true,
        .hold_why = "operator",
        .latch = "budget",
        .block = 2,
        .detail = "5 restarts in 10 minutes; it's \"over\" \xF0\x9F\x94\xB4",
        .backoff_step = 4,
        .backoff_until = {1795480908123},
        .restarts_total = 4000000000u,
        .restart_count = TS_STORE_RESTARTS_MAX,
        .login_failures = 2,
        .intent = "start",
        .policy_name = "unless-stopped",
        .policy_retries = -1,
    };
    for (int i = 0; i < TS_STORE_RESTARTS_MAX; i++) {
        a.restarts[i] = WALL(INT64_MAX - i);
    }
    struct ts_store_service b;
    struct ts_store *s = open_store();
    FAILS(ts_store_service_load(s, "trading-bot", &b, &err), TS_E_NOT_FOUND);
    assert_true(ts_store_ok(s));
    OK(ts_store_service_save(s, &a, &err));
    a.wanted = 2;
    OK(ts_store_service_save(s, &a, &err));
    ts_store_close(s);
    s = open_store();
    OK(ts_store_service_load(s, "trading-bot", &b, &err));
    assert_string_equal(b.name, a.name);
    assert_string_equal(b.container_id, a.container_id);
    assert_int_equal(b.wanted, 2);
    assert_true(b.held);
    assert_string_equal(b.hold_why, a.hold_why);
    assert_string_equal(b.latch, a.latch);
    assert_int_equal(b.block, 2);
    assert_string_equal(b.detail, a.detail);
    assert_int_equal(b.backoff_step, a.backoff_step);
    assert_int_equal(b.backoff_until.ms, a.backoff_until.ms);
    assert_int_equal(b.restarts_total, a.restarts_total);
    assert_int_equal(b.restart_count, a.restart_count);
    assert_memory_equal(b.restarts, a.restarts, sizeof(a.restarts));
    assert_int_equal(b.login_failures, a.login_failures);
    assert_string_equal(b.intent, a.intent);
    assert_string_equal(b.policy_name, a.policy_name);
    assert_int_equal(b.policy_retries, a.policy_retries);
    ts_store_close(s);
}

static void test_meta_is_replaced_and_defaults_to_nothing(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    char value[16] = "x";
    OK(ts_store_meta_get(s, "event", value, sizeof(value), &err));
    assert_string_equal(value, "");
    OK(ts_store_meta_set(s, "event", "1", &err));
    OK(ts_store_meta_set(s, "event", "it's '; DROP", &err));
    OK(ts_store_meta_get(s, "event", value, sizeof(value), &err));
    assert_string_equal(value, "it's '; DROP");
    ts_store_close(s);
}

struct seen {
    char text[600];
    size_t count;
    int64_t first_id;
};

static void see_event(void *ctx, const struct ts_store_event *e)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->text);
    if (seen->count++ == 0) {
        seen->first_id = e->id;
    }
    (void)snprintf(seen->text + at, sizeof(seen->text) - at, "%lld:%s,%s,%s,%s,%s,%s;",
                   (long long)e->at.ms, e->service, e->event, e->state_from, e->state_to, e->reason,
                   e->text);
}

static void test_history_gives_the_newest_oldest_first(void **state)
{
    (void)state;
    static const struct ts_store_event rows[] = {
        {.at = {10}, .service = "a", .event = "state", .state_from = "x", .state_to = "y"},
        {.at = {20}, .service = "b", .event = "state", .reason = "why", .text = "t"},
        {.at = {30}, .service = "", .event = "daemon", .text = NULL},
    };
    struct ts_store *s = open_store();
    int64_t last = 0;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        int64_t id;
        OK(ts_store_history_add(s, &rows[i], &id, &err));
        assert_true(id > last);
        last = id;
    }
    struct seen seen = {.count = 0};
    OK(ts_store_history_read(s, WALL(0), 2, see_event, &seen, &err));
    assert_string_equal(seen.text, "20:b,state,,,why,t;30:,daemon,,,,;");
    memset(&seen, 0, sizeof(seen));
    OK(ts_store_history_read(s, WALL(21), 100, see_event, &seen, &err));
    assert_string_equal(seen.text, "30:,daemon,,,,;");
    ts_store_close(s);
}

static void test_history_is_bounded(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    OK(ts_store_begin(s, &err));
    fill(s, TS_STORE_HISTORY_MAX + 600);
    OK(ts_store_commit(s, &err));
    struct seen seen = {.count = 0};
    OK(ts_store_history_read(s, WALL(0), UINT32_MAX, see_event, &seen, &err));
    assert_in_range(seen.count, TS_STORE_HISTORY_MAX, TS_STORE_HISTORY_MAX + 500);
    assert_true(seen.first_id > 1);
    ts_store_close(s);
}

static void test_only_the_last_snapshots_are_kept(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    char *json = NULL;
    FAILS(ts_store_snapshot_load(s, "gateway", &json, &err), TS_E_NOT_FOUND);
    for (int i = 1; i <= 9; i++) {
        char id[16];
        char text[32];
        (void)snprintf(id, sizeof(id), "id%d", i);
        (void)snprintf(text, sizeof(text), "{\"n\":%d}", i);
        OK(ts_store_snapshot_save(s, "gateway", id, WALL(i), text, &err));
    }
    OK(ts_store_snapshot_save(s, "trading-bot", "other", WALL(100), "{}", &err));
    OK(ts_store_snapshot_load(s, "gateway", &json, &err));
    assert_string_equal(json, "{\"n\":9}");
    free(json);
    ts_store_close(s);
    run_sql("CREATE TEMP TABLE t(x CHECK(x <= 4));"
            "INSERT INTO t SELECT count(*) FROM snapshots");
}

/* --- the outbox */

static void see_letter(void *ctx, const struct ts_store_letter *letter)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->text);
    seen->count++;
    (void)snprintf(seen->text + at, sizeof(seen->text) - at, "%s ", letter->body);
}

static int64_t put_letter(struct ts_store *s, const char *channel, const char *body, int priority,
                          int severity)
{
    struct ts_store_letter letter = {
        .created = {1}, .priority = priority, .severity = severity, .body = body};
    int64_t id;
    int64_t pruned;
    ts_copy_cut(letter.channel, sizeof(letter.channel), channel);
    OK(ts_store_outbox_add(s, &letter, &id, &pruned, &err));
    assert_int_equal(pruned, 0);
    return id;
}

static void expect_letters(struct ts_store *s, const char *channel, uint32_t limit,
                           const char *expected)
{
    struct seen seen = {.count = 0};
    OK(ts_store_outbox_read(s, channel, limit, see_letter, &seen, &err));
    assert_string_equal(seen.text, expected);
}

static void test_outbox_keeps_order_and_lets_urgent_ones_pass(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    put_letter(s, "a", "one", 0, 0);
    put_letter(s, "b", "other", 0, 0);
    int64_t two = put_letter(s, "a", "two", 0, 2);
    int64_t urgent = put_letter(s, "a", "urgent", 1, 2);
    expect_letters(s, "a", 10, "urgent one two ");
    expect_letters(s, "a", 2, "urgent one ");
    OK(ts_store_outbox_remove(s, urgent, &err));
    expect_letters(s, "a", 10, "one two ");
    OK(ts_store_outbox_remove_to(s, "a", two, &err));
    expect_letters(s, "a", 10, "");
    expect_letters(s, "b", 10, "other ");
    int64_t count;
    int64_t last;
    OK(ts_store_outbox_count(s, "a", &count, &last, &err));
    assert_int_equal(count, 0);
    assert_int_equal(last, 0);
    assert_true(put_letter(s, "a", "three", 0, 0) > urgent); /* ids are never used again */
    ts_store_close(s);
}

static void test_outbox_picks_what_matters_most(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    put_letter(s, "a", "critical", 0, 2);
    put_letter(s, "a", "urgent", 1, 0);
    put_letter(s, "a", "old", 0, 0);
    put_letter(s, "a", "warning", 0, 1);
    int64_t id = put_letter(s, "a", "new", 0, 0);
    struct seen seen = {.count = 0};
    OK(ts_store_outbox_pick(s, "a", 4, see_letter, &seen, &err));
    assert_string_equal(seen.text, "critical urgent warning new ");
    int64_t count;
    int64_t last;
    OK(ts_store_outbox_count(s, "a", &count, &last, &err));
    assert_int_equal(count, 5);
    assert_int_equal(last, id);
    ts_store_close(s);
}

static void test_outbox_is_bounded_and_says_what_gave_way(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    OK(ts_store_begin(s, &err));
    put_letter(s, "a", "critical", 0, 2);
    put_letter(s, "b", "other", 0, 0);
    int64_t added = 1;
    int64_t gave_way = 0;
    while (gave_way == 0 && added < 2 * TS_STORE_OUTBOX_MAX) {
        const struct ts_store_letter letter = {.channel = "a", .body = "x"};
        int64_t id;
        OK(ts_store_outbox_add(s, &letter, &id, &gave_way, &err));
        added++;
    }
    OK(ts_store_commit(s, &err));
    assert_in_range(added, TS_STORE_OUTBOX_MAX, TS_STORE_OUTBOX_MAX + 100);
    assert_int_equal(gave_way, added - TS_STORE_OUTBOX_MAX);
    expect_letters(s, "a", 2, "critical x ");
    int64_t count;
    int64_t last;
    OK(ts_store_outbox_count(s, "a", &count, &last, &err));
    assert_int_equal(count, TS_STORE_OUTBOX_MAX);
    expect_letters(s, "b", 2, "other ");
    ts_store_close(s);
}

static void test_outbox_drops_what_is_too_old(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    put_letter(s, "gone", "x", 0, 0);
    int64_t count;
    OK(ts_store_outbox_expire(s, WALL(1), &count, &err));
    assert_int_equal(count, 0);
    OK(ts_store_outbox_expire(s, WALL(2), &count, &err));
    assert_int_equal(count, 1);
    expect_letters(s, "gone", 2, "");
    ts_store_close(s);
}

/* --- incidents and messages */

static void see_incident(void *ctx, const struct ts_store_incident *i)
{
    struct seen *seen = ctx;
    size_t at = strlen(seen->text);
    seen->count++;
    (void)snprintf(seen->text + at, sizeof(seen->text) - at, "%s %lld %lld %d %s;", i->key,
                   (long long)i->opened.ms, (long long)i->told.ms, i->severity, i->body);
}

static void test_incidents_survive_until_closed(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    struct ts_store_incident a = {"gateway/down", {1}, {2}, 1, "{}"};
    const struct ts_store_incident b = {"bot/down", {3}, {4}, 2, "{}"};
    OK(ts_store_incident_put(s, &a, &err));
    OK(ts_store_incident_put(s, &b, &err));
    a.told = WALL(9);
    OK(ts_store_incident_put(s, &a, &err));
    ts_store_close(s);
    s = open_store();
    struct seen seen = {.count = 0};
    OK(ts_store_incident_each(s, see_incident, &seen, &err));
    assert_string_equal(seen.text, "bot/down 3 4 2 {};gateway/down 1 9 1 {};");
    OK(ts_store_incident_close(s, "bot/down", &err));
    OK(ts_store_incident_close(s, "never/was", &err));
    memset(&seen, 0, sizeof(seen));
    OK(ts_store_incident_each(s, see_incident, &seen, &err));
    assert_string_equal(seen.text, "gateway/down 1 9 1 {};");
    ts_store_close(s);
}

static void test_incidents_and_messages_are_bounded(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    OK(ts_store_begin(s, &err));
    for (int i = 0; i < TS_STORE_OPEN_MAX + 50; i++) {
        char name[24];
        (void)snprintf(name, sizeof(name), "%d", i);
        const struct ts_store_incident incident = {.key = name, .body = ""};
        OK(ts_store_incident_put(s, &incident, &err));
        OK(ts_store_message_add(s, "a", name, name, "{}", &err));
    }
    OK(ts_store_commit(s, &err));
    struct seen seen = {.count = 0};
    OK(ts_store_incident_each(s, see_incident, &seen, &err));
    assert_int_equal(seen.count, TS_STORE_OPEN_MAX);
    struct ts_store_edit edit = {.closing = false};
    OK(ts_store_message_edit(s, "a", "0", "{}", false, &err));
    FAILS(ts_store_edit_next(s, "a", &edit, &err), TS_E_NOT_FOUND);
    OK(ts_store_message_edit(s, "a", "1073", "{}", false, &err));
    OK(ts_store_edit_next(s, "a", &edit, &err));
    ts_store_edit_clear(&edit);
    ts_store_close(s);
}

static void expect_edit(struct ts_store *s, const char *message_id, const char *text, bool closing,
                        struct ts_store_edit *ret)
{
    OK(ts_store_edit_next(s, "a", ret, &err));
    assert_string_equal(ret->message_id, message_id);
    assert_string_equal(ret->first, "first");
    assert_string_equal(ret->edit, text);
    assert_int_equal(ret->closing, closing);
}

static void test_newer_edit_takes_the_place_of_the_older(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    struct ts_store_edit edit = {.closing = false};
    OK(ts_store_message_edit(s, "a", "k", "nobody", false, &err));
    OK(ts_store_message_add(s, "a", "100", "k", "first", &err));
    FAILS(ts_store_edit_next(s, "a", &edit, &err), TS_E_NOT_FOUND);
    OK(ts_store_message_edit(s, "a", "k", "try 2", false, &err));
    OK(ts_store_message_edit(s, "a", "k", "try 3", false, &err));
    expect_edit(s, "100", "try 3", false, &edit);
    /* While that one is on its way, the incident ends. */
    OK(ts_store_message_edit(s, "a", "k", "over", true, &err));
    OK(ts_store_edit_done(s, "a", &edit, false, &err));
    ts_store_edit_clear(&edit);
    expect_edit(s, "100", "over", true, &edit);
    /* The same trouble anew, in another message, leaves that edit alone. */
    OK(ts_store_message_add(s, "a", "200", "k", "first", &err));
    OK(ts_store_message_edit(s, "a", "k", "again", false, &err));
    OK(ts_store_edit_done(s, "a", &edit, false, &err));
    ts_store_edit_clear(&edit);
    expect_edit(s, "200", "again", false, &edit);
    OK(ts_store_edit_done(s, "a", &edit, true, &err)); /* it is gone from the channel */
    ts_store_edit_clear(&edit);
    OK(ts_store_message_edit(s, "a", "k", "late", false, &err));
    FAILS(ts_store_edit_next(s, "a", &edit, &err), TS_E_NOT_FOUND);
    ts_store_close(s);
}

/* --- transactions and trouble */

static void test_transaction_is_kept_whole_or_not_at_all(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    char value[8];
    OK(ts_store_begin(s, &err));
    assert_true(ts_store_in_transaction(s));
    OK(ts_store_meta_set(s, "k", "1", &err));
    assert_int_equal(ts_store_lost_count(s), 0);
    ts_store_rollback(s);
    assert_int_equal(ts_store_lost_count(s), 1);
    assert_false(ts_store_in_transaction(s));
    OK(ts_store_meta_get(s, "k", value, sizeof(value), &err));
    assert_string_equal(value, "");
    ts_store_rollback(s); /* without a transaction: nothing */
    assert_int_equal(ts_store_lost_count(s), 1);
    OK(ts_store_begin(s, &err));
    OK(ts_store_meta_set(s, "k", "2", &err));
    OK(ts_store_commit(s, &err));
    OK(ts_store_meta_get(s, "k", value, sizeof(value), &err));
    assert_string_equal(value, "2");
    ts_store_close(s);
}

static void test_nothing_is_kept_of_a_transaction_that_sqlite_took_back(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    char value[8];
    int64_t id;
    const struct ts_store_event e = {.at = {1}, .service = "a", .event = "e", .text = "t"};
    OK(ts_store_begin(s, &err));
    OK(ts_store_meta_set(s, "early", "1", &err));
    /* What it does by itself after some failures. */
    assert_int_equal(sqlite3_exec(s->db, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    FAILS(ts_store_meta_set(s, "late", "1", &err), TS_E_SYSTEM);
    FAILS(ts_store_history_add(s, &e, &id, &err), TS_E_SYSTEM);
    FAILS(ts_store_commit(s, &err), TS_E_SYSTEM);
    assert_int_equal(ts_store_lost_count(s), 1);
    assert_false(ts_store_in_transaction(s));
    OK(ts_store_meta_get(s, "early", value, sizeof(value), &err));
    assert_string_equal(value, "");
    OK(ts_store_meta_get(s, "late", value, sizeof(value), &err));
    assert_string_equal(value, "");
    OK(ts_store_begin(s, &err));
    OK(ts_store_commit(s, &err));
    ts_store_close(s);
}

/* A full disk, as far as SQLite can tell: no file may grow beyond `bytes` (RLIM_INFINITY: any). */
static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
}

static bool add_until_full(struct ts_store *s, int *ret_added)
{
    static char text[3000];
    memset(text, 'x', sizeof(text) - 1);
    for (int i = 0; i < 1000; i++) {
        int64_t id;
        const struct ts_store_event e = {.at = {i}, .service = "a", .event = "e", .text = text};
        if (!ts_store_history_add(s, &e, &id, &err)) {
            assert_string_not_equal(err.msg, "");
            return true;
        }
        ++*ret_added;
    }
    return false;
}

static size_t count_history(struct ts_store *s)
{
    struct seen seen = {.count = 0};
    OK(ts_store_history_read(s, WALL(0), UINT32_MAX, see_event, &seen, &err));
    return seen.count;
}

static void test_full_disk_is_an_error_and_passes(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    int added = 0;
    assert_true(ts_store_ok(s));
    limit_files(300 * 1024);
    bool full = add_until_full(s, &added);
    limit_files(RLIM_INFINITY);
    assert_true(full);
    assert_true(added > 10);
    assert_false(ts_store_ok(s));
    assert_int_equal(count_history(s), added); /* reading goes on */
    assert_false(ts_store_ok(s));
    int again = 0;
    assert_false(add_until_full(s, &again));
    assert_true(ts_store_ok(s));
    ts_store_close(s);
    s = open_store();
    assert_int_equal(count_history(s), added + again);
    ts_store_close(s);
}

static void test_transaction_on_a_full_disk_leaves_nothing(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    OK(ts_store_meta_set(s, "before", "yes", &err));
    limit_files(64 * 1024);
    OK(ts_store_begin(s, &err));
    int added = 0;
    bool full = add_until_full(s, &added); /* the cache is full, then the write-ahead log */
    bool later = ts_store_meta_set(s, "later", "yes", &err);
    bool committed = ts_store_commit(s, &err);
    limit_files(RLIM_INFINITY);
    assert_true(full);
    assert_false(committed && later);
    assert_false(committed);
    assert_false(ts_store_ok(s));
    assert_int_equal(ts_store_lost_count(s), 1);
    assert_int_equal(count_history(s), 0);
    char value[8];
    OK(ts_store_meta_get(s, "later", value, sizeof(value), &err));
    assert_string_equal(value, "");
    OK(ts_store_begin(s, &err));
    OK(ts_store_meta_set(s, "later", "now", &err));
    OK(ts_store_commit(s, &err));
    assert_true(ts_store_ok(s));
    OK(ts_store_meta_get(s, "before", value, sizeof(value), &err));
    assert_string_equal(value, "yes");
    ts_store_close(s);
}

static void test_store_opens_on_a_full_disk(void **state)
{
    (void)state;
    struct ts_store *s = open_store();
    OK(ts_store_meta_set(s, "k", "v", &err));
    ts_store_close(s);
    limit_files(0);
    bool replaced = true;
    s = ts_store_open(dir, WALL(1), &replaced, &err);
    bool wrote = s != NULL && ts_store_meta_set(s, "k", "w", &err);
    limit_files(RLIM_INFINITY);
    assert_non_null(s);
    assert_false(replaced);
    assert_false(wrote);
    OK(ts_store_meta_set(s, "k", "w", &err));
    ts_store_close(s);
}

/* Writes rows and says so after each commit, until it is killed. */
static void write_until_killed(int out)
{
    bool replaced;
    struct ts_store *s = ts_store_open(dir, WALL(1), &replaced, &err);
    for (int i = 0; s != NULL && !replaced; i++) {
        int64_t id = 0;
        int64_t last = 0;
        const struct ts_store_event e = {.at = {i}, .service = "a", .event = "e", .text = "t"};
        bool ok = ts_store_begin(s, &err);
        for (int k = 0; k <= i % 7; k++) {
            ok = ok && ts_store_history_add(s, &e, &id, &err);
            last = ok ? id : last;
        }
        ok = ok && ts_store_commit(s, &err);
        if (!ok || write(out, &last, sizeof(last)) != sizeof(last)) {
            break;
        }
    }
    _exit(1);
}

static void test_the_last_move_is_remembered(void **state)
{
    struct ts_store *s = open_store();
    struct ts_store_move move = {0};
    int64_t id = 0;
    (void)state;
    FAILS(ts_store_move_last(s, &move, &err), TS_E_NOT_FOUND);
    for (int64_t i = 1; i <= 3 * TS_STORE_MOVES_MAX; i++) {
        OK(ts_store_move_add(s, WALL(i), "{\"plan\":1}", "{\"at\":0}", &id, &err));
        assert_int_equal(id, i);
    }
    OK(ts_store_move_save(s, id, "{\"at\":7}", WALL(0), &err));
    ts_store_close(s);
    s = open_store();
    OK(ts_store_move_last(s, &move, &err));
    assert_int_equal(move.id, id);
    assert_int_equal(move.began.ms, id);
    assert_int_equal(move.ended.ms, 0);
    assert_string_equal(move.plan, "{\"plan\":1}");
    assert_string_equal(move.state, "{\"at\":7}");
    ts_store_move_clear(&move);
    OK(ts_store_move_save(s, id, "{\"at\":8}", WALL(99), &err));
    OK(ts_store_move_last(s, &move, &err));
    assert_int_equal(move.ended.ms, 99);
    ts_store_move_clear(&move);
    ts_store_move_clear(&move);
    ts_store_close(s);
    run_sql("CREATE TABLE t(n INTEGER CHECK(n=10)); INSERT INTO t SELECT count(*) FROM moves");
}

static void test_a_file_of_the_first_version_is_brought_up_to_date(void **state)
{
    struct ts_store_move move = {0};
    (void)state;
    ts_store_close(open_store());
    run_sql("DROP TABLE moves; PRAGMA user_version=1");
    struct ts_store *s = open_store();
    OK(ts_store_meta_set(s, "a", "b", &err));
    FAILS(ts_store_move_last(s, &move, &err), TS_E_NOT_FOUND);
    ts_store_close(s);
}

static void test_kill_9_loses_nothing_that_was_committed(void **state)
{
    (void)state;
    uint32_t seed = 20261124;
    int64_t last = 0;
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int pipes[2];
        assert_int_equal(pipe(pipes), 0);
        pid_t child = fork();
        assert_true(child >= 0);
        if (child == 0) {
            (void)close(pipes[0]);
            write_until_killed(pipes[1]);
        }
        (void)close(pipes[1]);
        seed = seed * 1664525u + 1013904223u;
        uint32_t acknowledged = 1 + (seed >> 16) % 60;
        for (uint32_t i = 0; i < acknowledged; i++) {
            assert_int_equal(read(pipes[0], &last, sizeof(last)), sizeof(last));
        }
        /* It is somewhere in its next transactions now. */
        assert_int_equal(kill(child, SIGKILL), 0);
        int64_t more;
        while (read(pipes[0], &more, sizeof(more)) == sizeof(more)) {
            last = more;
        }
        int status;
        assert_int_equal(waitpid(child, &status, 0), child);
        assert_true(WIFSIGNALED(status));
        (void)close(pipes[0]);

        struct ts_store *s = open_store(); /* checks it, too */
        size_t rows = count_history(s);
        assert_true(rows >= (size_t)last);
        assert_true(rows <= (size_t)last + 7); /* one transaction may be unacknowledged */
        ts_store_close(s);
        last = (int64_t)rows;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        STORE_TEST(test_file_is_ours_alone),
        STORE_TEST(test_bad_directories_are_refused),
        STORE_TEST(test_second_owner_is_refused),
        STORE_TEST(test_newer_schema_is_refused_and_left_alone),
        STORE_TEST(test_damaged_file_is_moved_aside),
        STORE_TEST(test_service_survives_reopening),
        STORE_TEST(test_meta_is_replaced_and_defaults_to_nothing),
        STORE_TEST(test_history_gives_the_newest_oldest_first),
        STORE_TEST(test_history_is_bounded),
        STORE_TEST(test_only_the_last_snapshots_are_kept),
        STORE_TEST(test_outbox_keeps_order_and_lets_urgent_ones_pass),
        STORE_TEST(test_outbox_picks_what_matters_most),
        STORE_TEST(test_outbox_is_bounded_and_says_what_gave_way),
        STORE_TEST(test_outbox_drops_what_is_too_old),
        STORE_TEST(test_incidents_survive_until_closed),
        STORE_TEST(test_incidents_and_messages_are_bounded),
        STORE_TEST(test_newer_edit_takes_the_place_of_the_older),
        STORE_TEST(test_transaction_is_kept_whole_or_not_at_all),
        STORE_TEST(test_nothing_is_kept_of_a_transaction_that_sqlite_took_back),
        STORE_TEST(test_full_disk_is_an_error_and_passes),
        STORE_TEST(test_transaction_on_a_full_disk_leaves_nothing),
        STORE_TEST(test_store_opens_on_a_full_disk),
        STORE_TEST(test_the_last_move_is_remembered),
        STORE_TEST(test_a_file_of_the_first_version_is_brought_up_to_date),
        STORE_TEST(test_kill_9_loses_nothing_that_was_committed),
    };
    return RUN_TESTS(tests);
}
