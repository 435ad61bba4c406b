/* The audit trail: nothing acknowledged is lost, nothing changed goes unseen. */
#include "unit.h"

#include <fcntl.h>
#include <ftw.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "audit/audit.h"

#define KILL_ROUNDS 8

static char dir[64];
static char path[96];
static struct ts_error err;

static int remove_one(const char *name, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(name);
}

static int make_dir(void **state)
{
    (void)state;
    strcpy(dir, "/tmp/ts-audit-XXXXXX");
    if (mkdtemp(dir) == NULL) {
        return -1;
    }
    (void)snprintf(path, sizeof(path), "%s/audit.jsonl", dir);
    return 0;
}

static int drop_dir(void **state)
{
    (void)state;
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
}

#define AUDIT_TEST(fn) cmocka_unit_test_setup_teardown(fn, make_dir, drop_dir)

static void count(void *ctx, const struct ts_audit_entry *e)
{
    int64_t *n = ctx;
    assert_int_equal(e->seq, *n + 1);
    assert_string_equal(e->service, "bot");
    (*n)++;
}

static struct ts_audit *open_trail(struct ts_audit_report *report)
{
    int64_t n = 0;
    struct ts_audit *a = ts_audit_open(dir, report, count, &n, &err);
    if (a == NULL) {
        fail_msg("%s", err.msg);
    }
    return a;
}

static struct ts_audit_entry entry(const char *text)
{
    return (struct ts_audit_entry){.at = {1764000000123},
                                   .event = "start",
                                   .service = "bot",
                                   .outcome = "allowed",
                                   .has_peer = true,
                                   .uid = 1000,
                                   .pid = 42,
                                   .user = "anna",
                                   .text = text};
}

static void append(struct ts_audit *a, const char *text)
{
    const struct ts_audit_entry e = entry(text);
    if (!ts_audit_append(a, &e, NULL, &err)) {
        fail_msg("%s", err.msg);
    }
}

/* A trail of five entries; its bytes in text. */
static size_t five(char *text, size_t size)
{
    static const char *const words[] = {"one", "two", "three", "four", "five"};
    struct ts_audit_report report;
    struct ts_audit *a = open_trail(&report);
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        append(a, words[i]);
    }
    ts_audit_close(a);
    FILE *f = fopen(path, "re");
    assert_non_null(f);
    size_t n = fread(text, 1, size, f);
    (void)fclose(f);
    return n;
}

static void rewrite(const char *text, size_t n)
{
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    assert_int_equal(fwrite(text, 1, n, f), n);
    (void)fclose(f);
}

static struct ts_audit_report check(void)
{
    struct ts_audit_report report;
    struct ts_audit *a = ts_audit_open(dir, &report, NULL, NULL, &err);
    if (a == NULL) {
        fail_msg("%s", err.msg);
    }
    ts_audit_close(a);
    return report;
}

static void keep_last(void *ctx, const struct ts_audit_entry *e)
{
    char *out = ctx;
    (void)snprintf(out, 400, "%lld %lld %s %s %s %d %u %lld %s %s %s", (long long)e->seq,
                   (long long)e->at.ms, e->event, e->service, e->outcome, (int)e->has_peer, e->uid,
                   (long long)e->pid, e->user, e->text,
                   json_string_value(json_object_get(e->data, "k")));
}

static void test_what_is_written_is_read_again(void **state)
{
    (void)state;
    struct ts_audit_report report;
    char got[400] = "";
    struct ts_audit *a = open_trail(&report);
    assert_true(report.sound);
    assert_int_equal(report.head_seq, 0);
    json_t *data = json_pack("{s:s}", "k", "v");
    struct ts_audit_entry e = entry("a \"text\" \xc3\xa4\n");
    e.data = data;
    int64_t seq = 0;
    assert_true(ts_audit_append(a, &e, &seq, &err));
    json_decref(data);
    assert_int_equal(seq, 1);
    assert_true(ts_audit_read(a, 10, keep_last, got, &err));
    assert_string_equal(got,
                        "1 1764000000123 start bot allowed 1 1000 42 anna a \"text\" \xc3\xa4\n v");
    ts_audit_close(a);
    report = check();
    assert_true(report.sound);
    assert_int_equal(report.head_seq, 1);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
}

static void test_every_changed_byte_is_found(void **state)
{
    (void)state;
    static char text[8192];
    size_t n = five(text, sizeof(text));
    for (size_t i = 0; i + 1 < n; i++) { /* the last line end alone is a torn line's */
        char was = text[i];
        text[i] = was == 'x' ? 'y' : 'x';
        rewrite(text, n);
        struct ts_audit_report report = check();
        if (report.sound) {
            fail_msg("byte %zu was changed unseen", i);
        }
        assert_true(report.bad_line >= 1 && report.problem[0] != '\0');
        text[i] = was;
    }
    rewrite(text, n);
    assert_true(check().sound);
}

static void test_missing_moved_and_repeated_lines_are_found(void **state)
{
    (void)state;
    static char text[8192];
    static char made[16384];
    size_t n = five(text, sizeof(text));
    const char *lines[6] = {text};
    for (int i = 1; i < 6; i++) {
        lines[i] = (const char *)memchr(lines[i - 1], '\n', n) + 1;
    }
    static const char *const orders[] = {"1234",  "0234",   "0134",   "0124",  "10234",
                                         "01243", "001234", "012344", "43210", "01234012"};
    for (size_t o = 0; o < TS_ARRAY_LEN(orders); o++) {
        size_t len = 0;
        for (const char *c = orders[o]; *c != '\0'; c++) {
            size_t part = (size_t)(lines[*c - '0' + 1] - lines[*c - '0']);
            memcpy(made + len, lines[*c - '0'], part);
            len += part;
        }
        rewrite(made, len);
        if (check().sound) {
            fail_msg("order %s was not seen", orders[o]);
        }
    }
}

static void test_a_cut_end_changes_the_head(void **state)
{
    (void)state;
    static char text[8192];
    size_t n = five(text, sizeof(text));
    struct ts_audit_report whole = check();
    text[n - 1] = '\0';
    rewrite(text, (size_t)(strrchr(text, '\n') + 1 - text));
    struct ts_audit_report cut = check();
    assert_true(cut.sound); /* by itself; whoever kept the head knows better */
    assert_int_equal(cut.head_seq, whole.head_seq - 1);
    assert_string_not_equal(cut.head_hash, whole.head_hash);
}

static void test_a_line_torn_by_a_power_cut_is_cut_off(void **state)
{
    (void)state;
    static char text[8192];
    size_t n = five(text, sizeof(text));
    for (size_t torn = 1; torn < 200; torn += 13) {
        rewrite(text, n - torn);
        struct ts_audit_report report = check();
        assert_true(report.sound);
        assert_int_equal(report.head_seq, 4);
        struct ts_audit *a = open_trail(&report);
        append(a, "again");
        ts_audit_close(a);
        assert_int_equal(check().head_seq, 5);
        assert_true(check().sound);
    }
}

static void test_a_break_stays_visible(void **state)
{
    (void)state;
    static char text[8192];
    size_t n = five(text, sizeof(text));
    char *at = strstr(text, "three");
    assert_non_null(at);
    at[0] = 'T';
    rewrite(text, n);
    struct ts_audit_report report;
    struct ts_audit *a = ts_audit_open(dir, &report, NULL, NULL, &err);
    assert_non_null(a);
    assert_false(report.sound);
    assert_int_equal(report.bad_line, 3);
    append(a, "after it");
    ts_audit_close(a);
    report = check();
    assert_int_equal(report.bad_line, 3);
    assert_int_equal(report.lines, 6);
    assert_int_equal(report.head_seq, 2);
}

static void test_a_full_disk_loses_only_what_was_not_acknowledged(void **state)
{
    (void)state;
    struct ts_audit_report report;
    struct ts_audit *a = open_trail(&report);
    append(a, "before");
    (void)signal(SIGXFSZ, SIG_IGN);
    struct rlimit was;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &was), 0);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    const struct rlimit full = {.rlim_cur = (rlim_t)st.st_size + 20, .rlim_max = was.rlim_max};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &full), 0);
    const struct ts_audit_entry e = entry("does not fit");
    bool ok = ts_audit_append(a, &e, NULL, &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &was), 0);
    assert_false(ok);
    assert_int_equal(err.code, TS_E_SYSTEM);
    append(a, "fits again");
    ts_audit_close(a);
    report = check();
    assert_true(report.sound);
    assert_int_equal(report.head_seq, 2);
}

static void test_a_file_that_was_exchanged_is_noticed(void **state)
{
    (void)state;
    struct ts_audit_report report;
    const struct ts_audit_entry e = entry("x");
    char other[128];
    (void)snprintf(other, sizeof(other), "%s/other", dir);
    struct ts_audit *a = open_trail(&report);
    append(a, "one");
    assert_int_equal(rename(path, other), 0);
    assert_false(ts_audit_append(a, &e, NULL, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    rewrite("", 0);
    assert_false(ts_audit_append(a, &e, NULL, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    assert_int_equal(rename(other, path), 0);
    append(a, "ours again");
    assert_int_equal(truncate(path, 3), 0);
    assert_false(ts_audit_append(a, &e, NULL, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    ts_audit_close(a);
}

static void test_only_a_private_regular_file_is_taken(void **state)
{
    (void)state;
    struct ts_audit_report report;
    assert_int_equal(symlink("/etc/hostname", path), 0);
    assert_null(ts_audit_open(dir, &report, NULL, NULL, &err));
    assert_int_equal(err.code, TS_E_DENIED);
    assert_int_equal(unlink(path), 0);
    rewrite("", 0);
    assert_int_equal(chmod(path, 0666), 0);
    assert_null(ts_audit_open(dir, &report, NULL, NULL, &err));
    assert_int_equal(err.code, TS_E_DENIED);
}

static void test_what_is_too_long_or_no_text_does_no_harm(void **state)
{
    (void)state;
    static char longer[TS_AUDIT_LINE_MAX + 1];
    struct ts_audit_report report;
    struct ts_audit *a = open_trail(&report);
    memset(longer, 'a', sizeof(longer) - 1);
    struct ts_audit_entry e = entry(longer);
    assert_false(ts_audit_append(a, &e, NULL, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    append(a, "no UTF-8: \xff\xfe");
    ts_audit_close(a);
    assert_true(check().sound);
    assert_int_equal(check().head_seq, 1);
}

static void test_the_newest_entries_are_read(void **state)
{
    (void)state;
    static char text[8192];
    (void)five(text, sizeof(text));
    static const struct {
        uint32_t limit;
        int64_t first;
        int64_t count;
    } rows[] = {{0, 0, 0}, {1, 5, 1}, {2, 4, 2}, {5, 1, 5}, {100, 1, 5}};
    struct ts_audit_report report;
    struct ts_audit *a = open_trail(&report);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        int64_t n = rows[i].first - 1;
        assert_true(ts_audit_read(a, rows[i].limit, count, &n, &err));
        assert_int_equal(n, rows[i].limit == 0 ? -1 : 5);
    }
    ts_audit_close(a);
}

static void test_a_check_in_pieces_finds_the_same(void **state)
{
    (void)state;
    struct ts_audit_report report;
    static char filler[1500];
    memset(filler, 'f', sizeof(filler) - 1);
    struct ts_audit *a = open_trail(&report);
    for (int i = 0; i < 600; i++) {
        append(a, filler);
    }
    for (int round = 0; round < 2; round++) {
        struct ts_audit_check *c = ts_audit_check_new(a, &err);
        assert_non_null(c);
        int steps = 1;
        while (ts_audit_check_step(c, &report)) {
            steps++;
        }
        ts_audit_check_free(c);
        assert_true(steps > 2);
        assert_int_equal(report.lines, 600);
        assert_int_equal(report.sound, round == 0);
        int fd = open(path, O_WRONLY | O_CLOEXEC);
        assert_int_equal(pwrite(fd, "F", 1, 700000), 1);
        (void)close(fd);
    }
    ts_audit_close(a);
}

/* Who may write the file can compute hashes, too; the open trail knows what it wrote last. */
static void test_a_trail_written_anew_is_seen_while_it_is_open(void **state)
{
    (void)state;
    static char text[8192];
    struct ts_audit_report report;
    size_t n = five(text, sizeof(text));
    struct ts_audit *a = ts_audit_open(dir, &report, NULL, NULL, &err);
    assert_non_null(a);
    rewrite("", 0);
    struct ts_audit *forger = ts_audit_open(dir, &report, NULL, NULL, &err);
    assert_non_null(forger);
    static const char *const words[] = {"one", "two", "three", "four", "fivE"};
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        append(forger, words[i]);
    }
    ts_audit_close(forger);
    assert_true(check().sound); /* by itself it is well made, and as long as the true one */
    struct ts_audit_check *c = ts_audit_check_new(a, &err);
    assert_non_null(c);
    while (ts_audit_check_step(c, &report)) {
    }
    ts_audit_check_free(c);
    assert_false(report.sound);
    assert_non_null(strstr(report.problem, "entry 5"));
    rewrite(text, n);
    c = ts_audit_check_new(a, &err);
    assert_non_null(c);
    while (ts_audit_check_step(c, &report)) {
    }
    ts_audit_check_free(c);
    assert_true(report.sound);
    ts_audit_close(a);
}

/* Appends and tells each entry that was acknowledged, until it is killed. */
static void append_for_ever(int out)
{
    struct ts_audit_report report;
    struct ts_audit *a = ts_audit_open(dir, &report, NULL, NULL, &err);
    for (;;) {
        const struct ts_audit_entry e = entry("acknowledged");
        int64_t seq = 0;
        if (a == NULL || !report.sound || !ts_audit_append(a, &e, &seq, &err) ||
            write(out, &seq, sizeof(seq)) != (ssize_t)sizeof(seq)) {
            _exit(1);
        }
    }
}

static void test_a_kill_loses_nothing_that_was_acknowledged(void **state)
{
    (void)state;
    int64_t last = 0;
    for (int round = 0; round < KILL_ROUNDS; round++) {
        int ends[2];
        assert_int_equal(pipe(ends), 0);
        pid_t pid = fork();
        if (pid == 0) {
            append_for_ever(ends[1]);
        }
        (void)close(ends[1]);
        (void)usleep(20000 + 3000 * (unsigned)round);
        (void)kill(pid, SIGKILL);
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        int64_t seq;
        while (read(ends[0], &seq, sizeof(seq)) == (ssize_t)sizeof(seq)) {
            last = seq;
        }
        (void)close(ends[0]);
        struct ts_audit_report report = check();
        assert_true(report.sound);
        assert_true(report.head_seq >= last);
    }
    assert_true(last > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        AUDIT_TEST(test_what_is_written_is_read_again),
        AUDIT_TEST(test_every_changed_byte_is_found),
        AUDIT_TEST(test_missing_moved_and_repeated_lines_are_found),
        AUDIT_TEST(test_a_cut_end_changes_the_head),
        AUDIT_TEST(test_a_line_torn_by_a_power_cut_is_cut_off),
        AUDIT_TEST(test_a_break_stays_visible),
        AUDIT_TEST(test_a_full_disk_loses_only_what_was_not_acknowledged),
        AUDIT_TEST(test_a_file_that_was_exchanged_is_noticed),
        AUDIT_TEST(test_only_a_private_regular_file_is_taken),
        AUDIT_TEST(test_what_is_too_long_or_no_text_does_no_harm),
        AUDIT_TEST(test_the_newest_entries_are_read),
        AUDIT_TEST(test_a_check_in_pieces_finds_the_same),
        AUDIT_TEST(test_a_trail_written_anew_is_seen_while_it_is_open),
        AUDIT_TEST(test_a_kill_loses_nothing_that_was_acknowledged),
    };
    return RUN_TESTS(tests);
}
