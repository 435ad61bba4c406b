#include "unit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/macros.h"
#include "gameplan.h"
#include "queries.h"
#include "say.h"
#include "settings.h"

/* "NAME=value" rows, ended by NULL. */
static const char *from_rows(void *ctx, const char *name)
{
    const char *const *rows = ctx;
    size_t len = strlen(name);
    for (; *rows != NULL; rows++) {
        if (strncmp(*rows, name, len) == 0 && (*rows)[len] == '=') {
            return *rows + len + 1;
        }
    }
    return NULL;
}

static bool read_settings(const char *a, const char *b, struct bot_settings *s, enum bot_exit *how,
                          struct ts_error *err)
{
    const char *rows[] = {a, b, NULL};
    return bot_settings_read(from_rows, rows, s, how, err);
}

static void test_runs_only_with_dry_run_spelled_true(void **state)
{
    (void)state;
    static const char *const refused[] = {"DRY_RUN=",      "DRY_RUN=false",    "DRY_RUN=True",
                                          "DRY_RUN=TRUE",  "DRY_RUN=1",        "DRY_RUN=yes",
                                          "DRY_RUN=true ", "DRY_RUN=\"true\"", "OTHER=true"};
    struct bot_settings s;
    struct ts_error err;
    enum bot_exit how;
    for (size_t i = 0; i < TS_ARRAY_LEN(refused); i++) {
        how = BOT_EXIT_OK;
        assert_false(read_settings(refused[i], NULL, &s, &how, &err));
        assert_int_equal(how, BOT_EXIT_NOT_DRY_RUN);
        assert_int_equal(err.code, TS_E_DENIED);
    }
    assert_true(read_settings("DRY_RUN=true", NULL, &s, &how, &err));
    assert_int_equal(how, BOT_EXIT_OK);
}

static void test_refuses_every_mode_but_paper(void **state)
{
    (void)state;
    static const struct {
        const char *row;
        bool ok;
    } rows[] = {
        {"TRADING_MODE=paper", true},  {"TRADING_MODE=", true},       {"X=", true},
        {"TRADING_MODE=live", false},  {"TRADING_MODE=Paper", false}, {"TRADING_MODE=both", false},
        {"TRADING_MODE=paper ", false}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct bot_settings s;
        struct ts_error err;
        enum bot_exit how;
        assert_int_equal(read_settings("DRY_RUN=true", rows[i].row, &s, &how, &err), rows[i].ok);
        assert_int_equal(how, rows[i].ok ? BOT_EXIT_OK : BOT_EXIT_NOT_PAPER);
    }
}

static void test_safety_is_checked_before_anything_else(void **state)
{
    (void)state;
    struct bot_settings s;
    struct ts_error err;
    enum bot_exit how;
    assert_false(read_settings("DRY_RUN=false", "GATEWAY_PORT=nonsense", &s, &how, &err));
    assert_int_equal(how, BOT_EXIT_NOT_DRY_RUN);
}

static void test_settings_have_defaults(void **state)
{
    (void)state;
    struct bot_settings s;
    struct ts_error err;
    enum bot_exit how;
    assert_true(read_settings("DRY_RUN=true", NULL, &s, &how, &err));
    assert_string_equal(s.gateway_host, "gateway");
    assert_int_equal(s.gateway_port, 4004);
    assert_int_equal(s.health_port, 8080);
    assert_int_equal(s.symbol_count, 1);
    assert_string_equal(s.symbols[0], "SPY");
    assert_string_equal(s.gameplan_file, "/data/gameplan.json");
    assert_int_equal(s.connect_interval_ms, 5000);
}

static void test_a_bad_value_ends_the_bot(void **state)
{
    (void)state;
    static const char *const rows[] = {"GATEWAY_PORT=0",
                                       "GATEWAY_PORT=65536",
                                       "GATEWAY_PORT=4002x",
                                       "HEALTH_PORT=-1",
                                       "CLIENT_ID=-1",
                                       "CLIENT_ID=2147483648",
                                       "CONNECT_INTERVAL=5",
                                       "CONNECT_INTERVAL=10ms",
                                       "QUERY_INTERVAL=2h",
                                       "SYMBOLS=spy",
                                       "SYMBOLS=SPY,",
                                       "SYMBOLS=,SPY",
                                       "SYMBOLS=SPY;QQQ",
                                       "SYMBOLS= SPY",
                                       "SYMBOLS=ABCDEFGHIJKLMNOP",
                                       "SYMBOLS=A,B,C,D,E,F,G,H,I"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct bot_settings s;
        struct ts_error err;
        enum bot_exit how;
        if (read_settings("DRY_RUN=true", rows[i], &s, &how, &err)) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_int_equal(how, BOT_EXIT_SETTINGS);
        assert_int_equal(err.code, TS_E_INVALID);
    }
}

static void test_symbols_are_split_at_commas(void **state)
{
    (void)state;
    struct bot_settings s;
    struct ts_error err;
    enum bot_exit how;
    assert_true(read_settings("DRY_RUN=true", "SYMBOLS=SPY,BRK B,BF.B", &s, &how, &err));
    assert_int_equal(s.symbol_count, 3);
    assert_string_equal(s.symbols[1], "BRK B");
    assert_string_equal(s.symbols[2], "BF.B");
}

static void test_gameplans(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ts_code want; /* TS_E_NONE: taken */
        const char *says;  /* part of the error */
    } rows[] = {
        {"{\"strategy\":\"C\"}", TS_E_NONE, ""},
        {" {\"strategy\":\"C\",\"date\":\"2024-02-29\",\"symbols\":[\"SPY\"],\"notes\":\"x\"}\n",
         TS_E_NONE, ""},
        {"{\"strategy\":\"A\"}", TS_E_DENIED, "strategy \"A\" is refused"},
        {"{\"strategy\":\"c\"}", TS_E_INVALID, "one capital letter"},
        {"{\"strategy\":\"\"}", TS_E_INVALID, "one capital letter"},
        {"{\"strategy\":3}", TS_E_INVALID, "one capital letter"},
        {"{\"strategy\":null}", TS_E_INVALID, "one capital letter"},
        {"{}", TS_E_INVALID, "missing"},
        {"{\"date\":\"2026-02-10\"}", TS_E_INVALID, "missing"},
        {"{\"strategy\":\"C\",\"quantity\":5}", TS_E_INVALID, "unknown key \"quantity\""},
        {"{\"strategy\":\"A\",\"strategy\":\"C\"}", TS_E_INVALID, "duplicate"},
        {"{\"strategy\":\"C\",\"date\":\"2026-02-30\"}", TS_E_INVALID, "date"},
        {"{\"strategy\":\"C\",\"date\":\"2025-02-29\"}", TS_E_INVALID, "date"},
        {"{\"strategy\":\"C\",\"date\":\"26-02-10\"}", TS_E_INVALID, "date"},
        {"{\"strategy\":\"C\",\"date\":\"2026-1-010\"}", TS_E_INVALID, "date"},
        {"{\"strategy\":\"C\",\"date\":20260210}", TS_E_INVALID, "date"},
        {"{\"strategy\":\"C\",\"symbols\":[]}", TS_E_INVALID, "symbols"},
        {"{\"strategy\":\"C\",\"symbols\":\"SPY\"}", TS_E_INVALID, "symbols"},
        {"{\"strategy\":\"C\",\"symbols\":[\"SPY\",\"spy\"]}", TS_E_INVALID, "number 2"},
        {"{\"strategy\":\"C\",\"symbols\":[\"SPY\",7]}", TS_E_INVALID, "number 2"},
        {"{\"strategy\":\"C\",\"symbols\":[\"S\\u0000Y\"]}", TS_E_INVALID, ""},
        {"{\"strategy\":\"C\",\"notes\":NaN}", TS_E_INVALID, "JSON"},
        {"{\"strategy\":\"C\"} {\"strategy\":\"A\"}", TS_E_INVALID, "JSON"},
        {"[{\"strategy\":\"C\"}]", TS_E_INVALID, "one object"},
        {"\"C\"", TS_E_INVALID, ""},
        {"", TS_E_INVALID, "JSON"},
        {"{\"strategy\":\"C\"", TS_E_INVALID, "JSON"},
        {"{'strategy':'C'}", TS_E_INVALID, "JSON"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct bot_gameplan plan;
        struct ts_error err = {.code = TS_E_NONE};
        bool ok = bot_gameplan_parse(rows[i].text, strlen(rows[i].text), &plan, &err);
        if (ok != (rows[i].want == TS_E_NONE) || err.code != rows[i].want ||
            strstr(err.msg, rows[i].says) == NULL) {
            fail_msg("%s gave %s: %s", rows[i].text, ts_code_name(err.code), err.msg);
        }
    }
}

static void test_a_gameplan_brings_its_symbols(void **state)
{
    (void)state;
    static const char text[] = "{\"strategy\":\"C\",\"symbols\":[\"QQQ\",\"IWM\"]}";
    struct bot_gameplan plan;
    struct ts_error err;
    assert_true(bot_gameplan_parse(text, strlen(text), &plan, &err));
    assert_false(plan.is_default);
    assert_int_equal(plan.plan.symbol_count, 2);
    assert_string_equal(plan.plan.symbols[1], "IWM");
}

struct folder {
    char dir[64];
    char file[96];
};

static struct folder folder_new(void)
{
    struct folder f = {.dir = "/tmp/bot-XXXXXX"};
    assert_non_null(mkdtemp(f.dir));
    (void)snprintf(f.file, sizeof(f.file), "%s/gameplan.json", f.dir);
    return f;
}

static void folder_done(const struct folder *f)
{
    (void)unlink(f->file);
    (void)rmdir(f->dir);
}

static void test_no_file_means_the_default_plan(void **state)
{
    (void)state;
    struct folder f = folder_new();
    struct bot_gameplan plan;
    struct ts_error err;
    assert_true(bot_gameplan_load(f.file, &plan, &err));
    assert_true(plan.is_default);
    folder_done(&f);
}

static void test_what_is_no_plain_file_is_refused(void **state)
{
    (void)state;
    struct folder f = folder_new();
    struct bot_gameplan plan;
    struct ts_error err;
    assert_int_equal(mkfifo(f.file, 0600), 0);
    assert_false(bot_gameplan_load(f.file, &plan, &err));
    assert_non_null(strstr(err.msg, "no regular file"));
    assert_int_equal(unlink(f.file), 0);
    assert_int_equal(mkdir(f.file, 0700), 0);
    assert_false(bot_gameplan_load(f.file, &plan, &err));
    assert_int_equal(rmdir(f.file), 0);
    folder_done(&f);
}

static void test_a_file_has_a_size_limit(void **state)
{
    (void)state;
    static const int sizes[] = {TS_GAMEPLAN_MAX, TS_GAMEPLAN_MAX + 1};
    struct folder f = folder_new();
    for (size_t i = 0; i < TS_ARRAY_LEN(sizes); i++) {
        struct bot_gameplan plan;
        struct ts_error err;
        FILE *out = fopen(f.file, "w");
        assert_non_null(out);
        assert_true(fprintf(out, "%-*s", sizes[i], "{\"strategy\":\"C\"}") == sizes[i]);
        assert_int_equal(fclose(out), 0);
        assert_int_equal(bot_gameplan_load(f.file, &plan, &err), sizes[i] <= TS_GAMEPLAN_MAX);
    }
    folder_done(&f);
}

static void test_lines_have_the_form_that_operators_expect(void **state)
{
    (void)state;
    char line[BOT_LINE_MAX + 64];
    bot_say_format((ts_wall){INT64_C(1770733800) * 1000 + 999}, BOT_INFO, "Bot startup initiated",
                   line);
    assert_string_equal(line, "[2026-02-10 14:30:00] INFO - Bot startup initiated");
    bot_say_format((ts_wall){0}, BOT_ERROR, "two\nlines\x1b[31m", line);
    assert_string_equal(line, "[1970-01-01 00:00:00] ERROR - two?lines?[31m");
}

/* Log lines, one after the other. */
static void keep_line(void *ctx, const char *text)
{
    (void)ts_buf_addf(ctx, "%s\n", text);
}

struct asked {
    struct ts_buf lines;
    struct ts_buf out;
    struct bot_queries queries;
};

static struct asked *asked_new(const char *symbols)
{
    static const struct bot_gameplan plan = {.is_default = true};
    struct asked *a = calloc(1, sizeof(*a));
    struct bot_settings s;
    struct ts_error err;
    enum bot_exit how;
    assert_non_null(a);
    assert_true(read_settings("DRY_RUN=true", symbols, &s, &how, &err));
    a->lines = ts_buf_init(4096);
    a->out = ts_buf_init(64 * 1024);
    bot_queries_init(&a->queries, &s, &plan, keep_line, &a->lines);
    bot_queries_reset(&a->queries, 176);
    return a;
}

static void asked_free(struct asked *a)
{
    bot_queries_done(&a->queries);
    ts_buf_done(&a->lines);
    ts_buf_done(&a->out);
    free(a);
}

#define ANSWER(a, ...)                                                                             \
    bot_queries_take(&(a)->queries,                                                                \
                     &(struct ts_ib_fields){                                                       \
                         {__VA_ARGS__}, sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)},   \
                     &(a)->out)

/* The message ids of the requests so far, as text. */
static void request_ids(const struct asked *a, char *ret, size_t size)
{
    struct ts_ib_reader reader = ts_ib_reader_init(TS_IB_FRAME_MODEST);
    struct ts_error err;
    const char *payload;
    size_t len;
    size_t used = 0;
    ret[0] = '\0';
    assert_true(ts_ib_reader_feed(&reader, a->out.data, a->out.len, &err));
    while (ts_ib_reader_next(&reader, &payload, &len) == TS_IB_NEXT_FRAME) {
        struct ts_ib_fields m;
        assert_true(ts_ib_split(payload, len, &m));
        used += (size_t)snprintf(ret + used, size - used, "%s ", m.f[0]);
        assert_true(used < size);
    }
    ts_ib_reader_done(&reader);
}

static void test_rounds_ask_for_what_reads_and_nothing_else(void **state)
{
    (void)state;
    struct asked *a = asked_new("SYMBOLS=SPY,QQQ");
    char ids[64];
    bot_queries_round(&a->queries, &a->out);
    request_ids(a, ids, sizeof(ids));
    assert_string_equal(ids, "62 61 59 1 1 "); /* summary, positions, data type, two quotes */
    ts_buf_clear(&a->out);
    ANSWER(a, "64", "1", "9001");
    ANSWER(a, "62", "1");
    request_ids(a, ids, sizeof(ids));
    assert_string_equal(ids, "63 64 "); /* both subscriptions cancelled */
    ts_buf_clear(&a->out);
    bot_queries_round(&a->queries, &a->out);
    request_ids(a, ids, sizeof(ids));
    assert_string_equal(ids, "62 61 "); /* quotes stay subscribed */
    asked_free(a);
}

static void test_answers_become_lines(void **state)
{
    (void)state;
    struct asked *a = asked_new("SYMBOLS=SPY");
    bot_queries_round(&a->queries, &a->out);
    ANSWER(a, "63", "1", "9001", "DU1", "NetLiquidation", "100000.00", "USD");
    ANSWER(a, "63", "1", "9001", "DU1", "BuyingPower", "400000.00", "USD");
    ANSWER(a, "63", "1", "7", "DU1", "Alien", "1", "USD");
    ANSWER(a, "64", "1", "9001");
    ANSWER(a, "61", "3", "DU1", "756733", "SPY", "STK", "", "0", "", "", "ARCA", "USD", "SPY",
           "SPY", "10", "500.1");
    ANSWER(a, "61", "3", "DU1", "1", "QQQ", "STK", "", "0", "", "", "ARCA", "USD", "QQQ", "QQQ",
           "0.0", "0");
    ANSWER(a, "62", "1");
    ANSWER(a, "1", "6", "1001", "66", "500.10", "1", "0");
    ANSWER(a, "1", "6", "1001", "67", "-1", "0", "0");
    ANSWER(a, "1", "6", "1001", "68", "500.15", "1", "0");
    ANSWER(a, "1", "6", "1002", "68", "1.0", "1", "0");
    assert_string_equal(ts_buf_text(&a->lines),
                        "Account summary: NetLiquidation 100000.00 USD, BuyingPower 400000.00 USD\n"
                        "Positions: SPY 10\n"
                        "Market data (delayed): SPY bid 500.10, ask -, last 500.15\n");
    asked_free(a);
}

static void test_a_missing_answer_is_told(void **state)
{
    (void)state;
    struct asked *a = asked_new("SYMBOLS=SPY");
    bot_queries_round(&a->queries, &a->out);
    bot_queries_round(&a->queries, &a->out);
    assert_non_null(strstr(ts_buf_text(&a->lines), "answers are still missing"));
    asked_free(a);
}

static void test_hostile_answers_do_no_harm(void **state)
{
    (void)state;
    static const char longest[] = "11111111111111111111111111111111111111111111111111";
    struct asked *a = asked_new("SYMBOLS=SPY");
    bot_queries_round(&a->queries, &a->out);
    ANSWER(a, "63");
    ANSWER(a, "61", "3");
    ANSWER(a, "1", "6", "1001");
    ANSWER(a, "1", "6", "1001", "68", longest, "1", "0");
    ANSWER(a, "1", "6", "1001", "68", "%n%s", "1", "0");
    ANSWER(a, "1", "6", "-1", "68", "5", "1", "0");
    ANSWER(a, "1", "6", "9223372036854775807", "68", "5", "1", "0");
    for (int i = 0; i < 1000; i++) {
        ANSWER(a, "61", "3", "DU1", "1", longest, "STK", "", "0", "", "", "", "", "", "", longest,
               "");
    }
    ANSWER(a, "62", "1");
    assert_null(strstr(ts_buf_text(&a->lines), "Market data"));
    assert_non_null(strstr(ts_buf_text(&a->lines), ", …"));
    ANSWER(a, "4", "2", "1001", "10089", "Requested market data requires a subscription", "");
    ANSWER(a, "4", "2", "1001", "10089", "Requested market data requires a subscription", "");
    const char *said = strstr(ts_buf_text(&a->lines), "10089");
    assert_non_null(said);
    assert_null(strstr(said + 1, "10089")); /* once is enough */
    asked_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_runs_only_with_dry_run_spelled_true),
        cmocka_unit_test(test_refuses_every_mode_but_paper),
        cmocka_unit_test(test_safety_is_checked_before_anything_else),
        cmocka_unit_test(test_settings_have_defaults),
        cmocka_unit_test(test_a_bad_value_ends_the_bot),
        cmocka_unit_test(test_symbols_are_split_at_commas),
        cmocka_unit_test(test_gameplans),
        cmocka_unit_test(test_a_gameplan_brings_its_symbols),
        cmocka_unit_test(test_no_file_means_the_default_plan),
        cmocka_unit_test(test_what_is_no_plain_file_is_refused),
        cmocka_unit_test(test_a_file_has_a_size_limit),
        cmocka_unit_test(test_rounds_ask_for_what_reads_and_nothing_else),
        cmocka_unit_test(test_answers_become_lines),
        cmocka_unit_test(test_a_missing_answer_is_told),
        cmocka_unit_test(test_hostile_answers_do_no_harm),
        cmocka_unit_test(test_lines_have_the_form_that_operators_expect),
    };
    return RUN_TESTS(tests);
}
