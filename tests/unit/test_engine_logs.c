#include "net_fixture.h"

#include "base/parse.h"
#include "engine/logs.h"

struct lines {
    char text[8192]; /* "stream:text|", "T" behind a truncated one */
    size_t count;
    size_t stop_at; /* 0: never */
    size_t last_len;
    int64_t last_nano;
};

static bool on_line(void *ctx, const struct ts_log_line *line)
{
    struct lines *l = ctx;
    assert_int_equal(strlen(line->text), line->len);
    size_t used = strlen(l->text);
    (void)snprintf(l->text + used, sizeof(l->text) - used, "%u:%.40s%s|", line->stream, line->text,
                   line->truncated ? "T" : "");
    l->count++;
    l->last_len = line->len;
    l->last_nano = line->time_nano;
    return l->count != l->stop_at;
}

/* A frame into out; gives its length. */
static size_t put_frame(char *out, char stream, const char *text, size_t n)
{
    const char header[8] = {stream,         0,      0, 0, (char)(n >> 24), (char)(n >> 16),
                            (char)(n >> 8), (char)n};
    memcpy(out, header, 8);
    memcpy(out + 8, text, n);
    return n + 8;
}

static void test_frames_may_be_cut_anywhere(void **state)
{
    (void)state;
    char bytes[256];
    size_t n = put_frame(bytes, 1, "one\ntw", 6);
    n += put_frame(bytes + n, 2, "err\n", 4);
    n += put_frame(bytes + n, 1, "", 0);
    n += put_frame(bytes + n, 1, "o\r\nrest", 7);
    for (size_t first = 0; first <= n; first++) {
        for (size_t second = first; second <= n; second += 5) {
            struct ts_log_demux d;
            struct ts_error err;
            struct lines l = {0};
            ts_log_demux_init(&d, false, false);
            assert_true(ts_log_demux_feed(&d, bytes, first, on_line, &l, &err));
            assert_true(ts_log_demux_feed(&d, bytes + first, second - first, on_line, &l, &err));
            assert_true(ts_log_demux_feed(&d, bytes + second, n - second, on_line, &l, &err));
            ts_log_demux_finish(&d, on_line, &l);
            assert_string_equal(l.text, "0:one|1:err|0:two|0:rest|");
        }
    }
}

struct search {
    const char *word;
    size_t found;
    size_t pieces;
    size_t bytes;
    int64_t nano;
};

static bool look_for(void *ctx, const struct ts_log_line *line)
{
    struct search *s = ctx;
    s->found += strstr(line->text, s->word) != NULL;
    s->pieces++;
    s->bytes += line->len - (line->continued ? TS_LOG_OVERLAP : 0);
    s->nano = line->time_nano;
    assert_int_equal(line->continued, s->pieces > 1);
    return true;
}

/* The word at every place of a long line, the cuts between pieces and frames included. */
static void test_a_long_line_hides_nothing(void **state)
{
    (void)state;
    static const char stamp[] = "2026-11-24T10:02:51.857289446Z ";
    static char line[20000];
    static char bytes[20200];
    struct ts_error err;
    for (size_t at = 0; at + 5 < sizeof(line); at += at % 8192 > 8150 || at > 16300 ? 1 : 37) {
        size_t first = 16384 < sizeof(line) ? 16384 : sizeof(line);
        static char part[sizeof(stamp) + 16384];
        memset(line, 'x', sizeof(line));
        memcpy(line + at, "live", 4);
        line[sizeof(line) - 1] = '\n';
        memcpy(part, stamp, sizeof(stamp) - 1);
        memcpy(part + sizeof(stamp) - 1, line, first);
        size_t n = put_frame(bytes, 1, part, sizeof(stamp) - 1 + first);
        memcpy(part + sizeof(stamp) - 1, line + first, sizeof(line) - first);
        n += put_frame(bytes + n, 1, part, sizeof(stamp) - 1 + sizeof(line) - first);
        static struct ts_log_demux d;
        struct search s = {.word = "live"};
        ts_log_demux_init(&d, false, true);
        ts_log_demux_whole(&d);
        assert_true(ts_log_demux_feed(&d, bytes, n, look_for, &s, &err));
        if (s.found == 0 || s.pieces != 3 || s.bytes != sizeof(line) - 1) {
            fail_msg("at %zu: found %zu, %zu pieces, %zu bytes", at, s.found, s.pieces, s.bytes);
        }
        assert_true(s.nano == INT64_C(1795514571857289446));
    }
}

static void test_lines_are_made_fit_for_matching(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t n;
        const char *lines;
    } rows[] = {
#define ROW(in, out) {in, sizeof(in) - 1, out}
        ROW("a\r\nb\n", "0:a|0:b|"),
        ROW("10%\r20%\rdone\n", "0:10%|0:20%|0:done|"),
        ROW("\n\n", "0:|0:|"),
        ROW("x\0y\n", "0:xy|"),
        ROW("\x1b[1;31mred\x1b[0m\n", "0:red|"),
        ROW("\x1b]0;title\x07text\n", "0:text|"),
        ROW("\x1b]0;title\x1b\\text\n", "0:text|"),
        ROW("\x1b(Btext\x1b=\n", "0:text|"),
        ROW("\x1b[9999\nnext\n", "0:|0:next|"),
        ROW("tab\there\x07\x7f\n", "0:tab\there|"),
        ROW("caf\xc3\xa9\n", "0:caf\xc3\xa9|"),
        ROW("\x1b[0m", "0:|"),
        ROW("", ""),
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_log_demux d;
        struct ts_error err;
        struct lines l = {0};
        ts_log_demux_init(&d, true, false);
        assert_true(ts_log_demux_feed(&d, rows[i].in, rows[i].n, on_line, &l, &err));
        ts_log_demux_finish(&d, on_line, &l);
        if (strcmp(l.text, rows[i].lines) != 0) {
            fail_msg("row %zu: %s", i, l.text);
        }
    }
}

static void test_a_long_line_is_cut_and_said_to_be(void **state)
{
    (void)state;
    static char text[3 * TS_LOG_LINE_MAX];
    memset(text, 'x', sizeof(text));
    struct ts_log_demux d;
    struct ts_error err;
    struct lines l = {0};
    ts_log_demux_init(&d, true, false);
    assert_true(ts_log_demux_feed(&d, text, sizeof(text), on_line, &l, &err));
    assert_true(ts_log_demux_feed(&d, "\nnext\n", 1, on_line, &l, &err));
    assert_int_equal(l.last_len, TS_LOG_LINE_MAX);
    assert_int_equal(l.text[strlen(l.text) - 2], 'T');
    assert_true(ts_log_demux_feed(&d, "next\n", 5, on_line, &l, &err));
    assert_int_equal(l.last_len, 4);
}

static void test_time_stamps_are_taken_off(void **state)
{
    (void)state;
    static const char text[] = "2026-11-24T01:33:19.819299934Z up and on\nno stamp\n"
                               "2026-11-24T03:33:20+02:00 \n";
    struct ts_log_demux d;
    struct ts_error err;
    struct lines l = {.stop_at = 1};
    ts_log_demux_init(&d, true, true);
    assert_false(ts_log_demux_feed(&d, text, sizeof(text) - 1, on_line, &l, &err));
    assert_int_equal(err.code, TS_E_CANCELLED);
    assert_true(l.last_nano == INT64_C(1795483999819299934));
    l = (struct lines){0};
    ts_log_demux_init(&d, true, true);
    assert_true(ts_log_demux_feed(&d, text, sizeof(text) - 1, on_line, &l, &err));
    assert_string_equal(l.text, "0:up and on|0:no stamp|0:|");
    assert_true(l.last_nano == INT64_C(1795484000000000000));
}

static void test_what_is_no_frame_ends_the_log(void **state)
{
    (void)state;
    static const char *const rows[] = {"plain text", "\x03\0\0\0\0\0\0\x01x",
                                       "\x01\0\x01\0\0\0\0\x01x", "\x01\0\0\0\xff\0\0\0x"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_log_demux d;
        struct ts_error err;
        struct lines l = {0};
        ts_log_demux_init(&d, false, false);
        assert_false(ts_log_demux_feed(&d, rows[i], 9, on_line, &l, &err));
        assert_int_equal(err.code, TS_E_PROTOCOL);
        assert_false(ts_log_demux_feed(&d, "\x01\0\0\0\0\0\0\0", 8, on_line, &l, &err));
    }
}

/* The stream over a scripted engine. */

struct follower {
    struct ts_logs *logs;
    struct lines lines;
    int ends;
    bool failed;
    struct ts_error err;
    bool stop_on_line;
};

static void follow_line(void *ctx, const struct ts_log_line *line)
{
    struct follower *f = ctx;
    (void)on_line(&f->lines, line);
    if (f->stop_on_line) {
        ts_logs_stop(f->logs);
        f->logs = NULL;
    }
    ts_loop_stop(fixture_loop);
}

static void follow_end(void *ctx, const struct ts_error *err)
{
    struct follower *f = ctx;
    f->ends++;
    f->failed = err != NULL;
    if (err != NULL) {
        f->err = *err;
    }
    ts_logs_stop(f->logs);
    f->logs = NULL;
    ts_loop_stop(fixture_loop);
}

static const struct ts_logs_handler follow_handler = {follow_line, follow_end};

static void on_negotiated(void *ctx, int minor, const struct ts_error *err)
{
    (void)ctx;
    assert_null(err);
    assert_int_equal(minor, 41);
    ts_loop_stop(fixture_loop);
}

static const struct answer answers[] = {
    {"/_ping", "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK", 0, false},
    {"/v1.41/containers/gone/logs?*",
     "HTTP/1.1 404 Not Found\r\nContent-Length: 21\r\n\r\n{\"message\":\"no such\"}", 0, false},
#define FRAMES                                                                                     \
    "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"                                        \
    "b\r\n\x01\0\0\0\0\0\0\x08one\r\n5\r\n\ntwo\n\r\n"
    {"/v1.41/containers/*", FRAMES, sizeof(FRAMES) - 1, false},
};

static void test_a_log_is_followed_to_its_end(void **state)
{
    (void)state;
    struct server server = {0};
    server_start_local(&server, answers, TS_ARRAY_LEN(answers));
    struct ts_error err;
    struct ts_http *http = ts_http_new(fixture_loop, &err);
    struct ts_engine_conf conf = {.address = {.kind = OS_LOCAL_KIND}};
    assert_true(ts_copy(conf.address.path, sizeof(conf.address.path), server.path));
    struct ts_engine *engine = ts_engine_new(http, &conf, &err);
    struct follower f = {0};
    struct ts_logs_options o = {.id = "bot", .follow = true, .tail = 10, .since_nano = 1999999999};
    assert_null(ts_logs_start(engine, &o, &follow_handler, &f, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    assert_non_null(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
    run_until_stopped();

    f.logs = ts_logs_start(engine, &o, &follow_handler, &f, &err);
    assert_non_null(f.logs);
    while (f.lines.count < 2) {
        run_until_stopped();
    }
    assert_string_equal(f.lines.text, "0:one|0:two|");
    assert_non_null(strstr(server.requests[1], "follow=1"));
    assert_non_null(strstr(server.requests[1], "since=2.000000000"));
    assert_non_null(strstr(server.requests[1], "tail=10"));
    server_send(&server, 0, "0\r\n\r\n", 5);
    run_until_stopped();
    assert_true(f.ends == 1 && !f.failed);

    f = (struct follower){0};
    o.id = "gone";
    f.logs = ts_logs_start(engine, &o, &follow_handler, &f, &err);
    run_until_stopped();
    assert_true(f.ends == 1 && f.failed);
    assert_int_equal(f.err.code, TS_E_NOT_FOUND);

    f = (struct follower){.stop_on_line = true};
    o.id = "bot";
    f.logs = ts_logs_start(engine, &o, &follow_handler, &f, &err);
    run_until_stopped();
    run_for(20);
    assert_int_equal(f.lines.count, 1);
    assert_int_equal(f.ends, 0);
    o.id = "";
    assert_null(ts_logs_start(engine, &o, &follow_handler, &f, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    ts_engine_free(engine);
    ts_http_free(http);
    server_stop(&server);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_may_be_cut_anywhere),
        cmocka_unit_test(test_a_long_line_hides_nothing),
        cmocka_unit_test(test_lines_are_made_fit_for_matching),
        cmocka_unit_test(test_a_long_line_is_cut_and_said_to_be),
        cmocka_unit_test(test_time_stamps_are_taken_off),
        cmocka_unit_test(test_what_is_no_frame_ends_the_log),
        LOOP_TEST(test_a_log_is_followed_to_its_end),
    };
    return RUN_TESTS(tests);
}
