/* One file out of an engine's archive: read whole, or refused. */
#include "unit.h"

#include <stdio.h>

#include "engine/tar.h"

#define BLOCK 512

struct archive {
    char bytes[64 * BLOCK];
    size_t n;
};

static void seal(char *header)
{
    unsigned sum = 0;
    memset(header + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (unsigned char)header[i];
    }
    (void)snprintf(header + 148, 8, "%06o", sum);
}

/* An entry with that type and content. */
static void add(struct archive *a, char type, const char *name, const char *text, size_t n)
{
    char *header = a->bytes + a->n;
    memset(header, 0, BLOCK);
    (void)snprintf(header, 100, "%s", name);
    (void)snprintf(header + 100, 8, "%07o", 0644u);
    (void)snprintf(header + 124, 12, "%011zo", n);
    header[156] = type;
    memcpy(header + 257, "ustar\00000", 8);
    seal(header);
    a->n += BLOCK;
    memset(a->bytes + a->n, 0, (n + BLOCK - 1) / BLOCK * BLOCK);
    memcpy(a->bytes + a->n, text, n);
    a->n += (n + BLOCK - 1) / BLOCK * BLOCK;
}

static void finish(struct archive *a)
{
    memset(a->bytes + a->n, 0, 2 * (size_t)BLOCK);
    a->n += 2 * (size_t)BLOCK;
}

static void test_a_file_is_read_whatever_stands_before_it(void **state)
{
    (void)state;
    static const char headers[] = {'\0', 'x', 'g', 'L'};
    for (size_t i = 0; i < sizeof(headers); i++) {
        struct archive a = {.n = 0};
        struct ts_tar_entry e;
        struct ts_error err;
        if (headers[i] != '\0') {
            add(&a, headers[i], "PaxHeader", "30 mtime=1764000000.123456789\n", 30);
        }
        add(&a, '0', "gameplan.json", "{\"strategy\":\"C\"}", 16);
        finish(&a);
        assert_true(ts_tar_first(a.bytes, a.n, &e, &err));
        assert_int_equal(e.kind, TS_TAR_FILE);
        assert_int_equal(e.len, 16);
        assert_memory_equal(e.bytes, "{\"strategy\":\"C\"}", 16);
    }
}

static void test_what_is_no_file_is_called_by_its_name(void **state)
{
    (void)state;
    static const struct {
        char type;
        enum ts_tar_kind kind;
    } rows[] = {{'\0', TS_TAR_FILE}, {'7', TS_TAR_FILE},  {'2', TS_TAR_LINK},  {'5', TS_TAR_DIR},
                {'1', TS_TAR_OTHER}, {'3', TS_TAR_OTHER}, {'6', TS_TAR_OTHER}, {'S', TS_TAR_OTHER}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct archive a = {.n = 0};
        struct ts_tar_entry e;
        struct ts_error err;
        add(&a, rows[i].type, "x", "", 0);
        finish(&a);
        assert_true(ts_tar_first(a.bytes, a.n, &e, &err));
        assert_int_equal(e.kind, rows[i].kind);
    }
}

static bool refuses(const struct archive *a)
{
    struct ts_tar_entry e;
    struct ts_error err;
    return !ts_tar_first(a->bytes, a->n, &e, &err) && err.code == TS_E_PROTOCOL;
}

static void test_a_broken_archive_gives_no_file(void **state)
{
    (void)state;
    struct archive a = {.n = 0};
    assert_true(refuses(&a));
    finish(&a);
    assert_true(refuses(&a)); /* nothing in it */
    a.n = 0;
    add(&a, '0', "x", "text", 4);
    struct archive good = a;
    a.bytes[20] = 'y'; /* the checksum */
    assert_true(refuses(&a));
    a = good;
    memcpy(a.bytes + 124, "99999999999", 11); /* no octal number */
    seal(a.bytes);
    assert_true(refuses(&a));
    a = good;
    memcpy(a.bytes + 124, "77777777777", 11); /* beyond the end */
    seal(a.bytes);
    assert_true(refuses(&a));
    a = good;
    add(&a, '0', "second", "more", 4);
    finish(&a);
    assert_true(refuses(&a));
    a.n = 0;
    add(&a, 'x', "PaxHeader", "17 size=99999999\n", 17); /* another size than the header's */
    add(&a, '0', "x", "text", 4);
    finish(&a);
    assert_true(refuses(&a));
}

static void test_no_part_of_an_archive_is_taken_for_the_whole(void **state)
{
    (void)state;
    static char text[1500];
    struct archive a = {.n = 0};
    memset(text, 't', sizeof(text));
    add(&a, 'x', "PaxHeader", "30 mtime=1764000000.123456789\n", 30);
    add(&a, '0', "x", text, sizeof(text));
    size_t whole = a.n;
    finish(&a);
    for (size_t n = 0; n <= a.n; n++) {
        struct archive part = a;
        struct ts_tar_entry e;
        struct ts_error err;
        part.n = n;
        assert_int_equal(ts_tar_first(part.bytes, part.n, &e, &err), n >= whole);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_read_whatever_stands_before_it),
        cmocka_unit_test(test_what_is_no_file_is_called_by_its_name),
        cmocka_unit_test(test_a_broken_archive_gives_no_file),
        cmocka_unit_test(test_no_part_of_an_archive_is_taken_for_the_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
