#include "net_fixture.h"

#include "base/parse.h"
#include "engine/archive.h"

#define BLOCK ((size_t)512)

/* --- making archives --- */

struct archive {
    char *bytes;
    size_t len;
};

static char *grow(struct archive *a, size_t n)
{
    a->bytes = realloc(a->bytes, a->len + n + 1); /* never 0 */
    assert_non_null(a->bytes);
    char *at = a->bytes + a->len;
    memset(at, 0, n);
    a->len += n;
    return at;
}

/* Writes the checksum of the header that begins at `at`. */
static void sign(struct archive *a, size_t at)
{
    char *h = a->bytes + at;
    unsigned sum = 0;
    memset(h + 148, ' ', 8);
    for (size_t i = 0; i < BLOCK; i++) {
        sum += (unsigned char)h[i];
    }
    (void)snprintf(h + 148, 7, "%06o", sum);
    h[154] = '\0';
}

/* A ustar header that says `size`, with nothing behind it. */
static void put_header(struct archive *a, char type, const char *name, size_t size)
{
    size_t at = a->len;
    char *h = grow(a, BLOCK);
    memcpy(h, name, strlen(name));
    memcpy(h + 100, "0000644", 8);
    (void)snprintf(h + 124, 12, "%011o", (unsigned)size);
    h[156] = type;
    memcpy(h + 257,
           "ustar\0"
           "00",
           8);
    sign(a, at);
}

static void put(struct archive *a, char type, const char *name, const void *content, size_t n)
{
    put_header(a, type, name, n);
    char *at = grow(a, (n + BLOCK - 1) / BLOCK * BLOCK);
    memcpy(at, content, n);
}

static void put_text(struct archive *a, char type, const char *name, const char *content)
{
    put(a, type, name, content, strlen(content));
}

static void put_end(struct archive *a)
{
    (void)grow(a, 2 * BLOCK);
}

static void drop(struct archive *a)
{
    free(a->bytes);
    *a = (struct archive){0};
}

/* In memory of exactly that size, so that a sanitizer sees what is read beyond it. */
static bool read_exact(const char *bytes, size_t n, struct ts_tar_entry *ret, struct ts_error *err)
{
    char *exact = malloc(n == 0 ? 1 : n);
    assert_non_null(exact);
    memcpy(exact, bytes, n);
    struct ts_tar_entry entry;
    bool ok = ts_tar_first(exact, n, &entry, err);
    if (ok) {
        assert_int_equal(entry.bytes != NULL, entry.kind == TS_TAR_FILE);
        if (entry.bytes != NULL) {
            assert_true(entry.bytes >= exact && entry.bytes + entry.len <= exact + n);
            entry.bytes = bytes + (entry.bytes - exact);
        } else {
            assert_int_equal(entry.len, 0);
        }
        *ret = entry;
    } else {
        assert_int_equal(err->code, TS_E_PROTOCOL);
    }
    free(exact);
    return ok;
}

static void assert_file(const struct archive *a, const char *content)
{
    struct ts_tar_entry e;
    struct ts_error err;
    if (!read_exact(a->bytes, a->len, &e, &err)) {
        fail_msg("%s", err.msg);
    }
    assert_int_equal(e.kind, TS_TAR_FILE);
    assert_int_equal(e.len, strlen(content));
    assert_memory_equal(e.bytes, content, e.len);
}

/* Drops it. */
static void assert_refused(struct archive *a, const char *says)
{
    struct ts_tar_entry e;
    struct ts_error err;
    assert_false(read_exact(a->bytes, a->len, &e, &err));
    if (strstr(err.msg, says) == NULL) {
        fail_msg("\"%s\" instead of \"%s\"", err.msg, says);
    }
    drop(a);
}

/* --- reading them --- */

static void test_a_file_is_read_with_what_stands_before_it(void **state)
{
    (void)state;
    static const struct {
        char type;
        const char *content; /* of the addition; NULL: none */
    } rows[] = {
        {'0', NULL},
        {'x', "30 mtime=1700000000.123456789\n"},
        {'x', "11 path=ab\n32 SCHILY.xattr.user.a=\n=size=1\n"},
        {'g', "14 comment=ab\n"},
        {'g', ""},
        {'L', "a/very/long/name"},
        {'K', "a/long/target"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct archive a = {0};
        if (rows[i].content != NULL) {
            put_text(&a, rows[i].type, "addition", rows[i].content);
        }
        put_text(&a, '0', "status.json", "{\"a\": 1}\n");
        put_end(&a);
        assert_file(&a, "{\"a\": 1}\n");
        drop(&a);
    }
}

static void test_files_of_all_sizes_are_read(void **state)
{
    (void)state;
    char content[2 * BLOCK + 2];
    memset(content, 'x', sizeof(content));
    static const size_t sizes[] = {0, 1, BLOCK - 1, BLOCK, BLOCK + 1, 2 * BLOCK, 2 * BLOCK + 1};
    for (size_t i = 0; i < TS_ARRAY_LEN(sizes); i++) {
        struct archive a = {0};
        content[sizes[i]] = '\0';
        put_text(&a, '0', "f", content);
        put_end(&a);
        assert_file(&a, content);
        content[sizes[i]] = 'x';
        drop(&a);
    }
}

static void test_a_header_from_before_posix_is_taken(void **state)
{
    (void)state;
    struct ts_tar_entry e;
    struct ts_error err;
    struct archive a = {0};
    put_text(&a, '\0', "old", "text");
    memset(a.bytes + 257, 0, 8);
    sign(&a, 0);
    put_end(&a);
    assert_file(&a, "text");
    a.bytes[3] = '/';
    sign(&a, 0);
    assert_true(read_exact(a.bytes, a.len, &e, &err));
    assert_int_equal(e.kind, TS_TAR_DIR);
    drop(&a);
}

static void test_what_is_no_file_is_called_by_its_kind(void **state)
{
    (void)state;
    static const struct {
        char type;
        enum ts_tar_kind kind;
    } rows[] = {
        {'1', TS_TAR_OTHER}, {'2', TS_TAR_LINK},  {'3', TS_TAR_OTHER}, {'4', TS_TAR_OTHER},
        {'5', TS_TAR_DIR},   {'6', TS_TAR_OTHER}, {'7', TS_TAR_OTHER}, {'S', TS_TAR_OTHER},
        {'M', TS_TAR_OTHER}, {'?', TS_TAR_OTHER}, {-1, TS_TAR_OTHER},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct archive a = {0};
        struct ts_tar_entry e;
        struct ts_error err;
        put_text(&a, rows[i].type, "thing", "");
        put_text(&a, '0', "thing/within", "of no interest");
        put_end(&a);
        assert_true(read_exact(a.bytes, a.len, &e, &err));
        assert_int_equal(e.kind, rows[i].kind);
        drop(&a);
    }
}

static void test_an_archive_cut_anywhere_gives_no_file(void **state)
{
    (void)state;
    struct archive a = {0};
    put_text(&a, 'x', "PaxHeaders/f", "14 comment=ab\n");
    put_text(&a, '0', "f", "the content");
    size_t whole = a.len;
    put_end(&a);
    size_t read = 0;
    for (size_t n = 0; n <= a.len; n++) {
        struct ts_tar_entry e;
        struct ts_error err;
        if (read_exact(a.bytes, n, &e, &err)) {
            assert_true(n > whole);
            assert_int_equal(e.len, 11);
            read++;
        }
    }
    assert_int_equal(read, 2);
    drop(&a);
}

static void test_an_archive_with_any_header_byte_changed_is_refused(void **state)
{
    (void)state;
    struct archive a = {0};
    put_text(&a, '0', "f", "x");
    put_end(&a);
    for (size_t i = 0; i < BLOCK; i++) {
        struct ts_tar_entry e;
        struct ts_error err;
        a.bytes[i] ^= 1;
        assert_false(read_exact(a.bytes, a.len, &e, &err));
        a.bytes[i] ^= 1;
    }
    assert_file(&a, "x");
    drop(&a);
}

static void test_sizes_that_are_none_are_refused(void **state)
{
    (void)state;
    static const struct {
        char field[13];
        const char *says;
    } rows[] = {
        {"000000000008", "no number"},
        {"            ", "no number"},
        {"\0\0\0\0\0\0\0\0\0\0\0\0", "no number"},
        {"-0000000001\0", "no number"},
        {"0000 0000001", "no number"},
        {"0x000000001\0", "no number"},
        {"\x80\0\0\0\0\0\0\0\0\0\0\1", "no number"},
        {"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "no number"},
        {"777777777777", "cut off"},
        {"00000002001\0", "cut off"}, /* 1025: the file and its end are 1024 */
        {"00000002000\0", "cut off"}, /* the end taken for content */
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct archive a = {0};
        put_text(&a, '0', "f", "");
        put_end(&a);
        memcpy(a.bytes + 124, rows[i].field, 12);
        sign(&a, 0);
        assert_refused(&a, rows[i].says);
    }
    struct archive spaces = {0};
    put_text(&spaces, '0', "f", "x");
    put_end(&spaces);
    memcpy(spaces.bytes + 124, "          1 ", 12);
    sign(&spaces, 0);
    assert_file(&spaces, "x");
    drop(&spaces);
}

static void test_pax_records_that_matter_or_are_none_are_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "9 size=1\n",
        "11 path=ab\n9 size=1\n",
        "22 GNU.sparse.major=1\n",
        "path=ab\n",
        "11path=ab\n",
        "12 path=ab\n",
        "10 path=ab\n",
        "99999999999999999999999999 path=ab\n",
        "11 path=ab",
        "8 path\n\n",
        "0 \n",
        "3 \n",
        "11 path=ab\n\n",
        "11",
        "2",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        for (size_t j = 0; j < 2; j++) {
            struct archive a = {0};
            put_text(&a, "xg"[j], "addition", rows[i]);
            put_text(&a, '0', "f", "x");
            put_end(&a);
            assert_refused(&a, "PAX");
        }
    }
}

static void test_nothing_and_too_much_are_refused(void **state)
{
    (void)state;
    struct archive a = {0};
    (void)grow(&a, 0);
    assert_refused(&a, "nothing in it");
    put_end(&a);
    assert_refused(&a, "nothing in it");
    put_text(&a, 'x', "addition", "11 path=ab\n");
    put_end(&a);
    assert_refused(&a, "nothing in it");
    put_text(&a, 'x', "addition", "11 path=ab\n");
    assert_refused(&a, "nothing in it");

    put_text(&a, '0', "f", "x");
    put_text(&a, '0', "g", "y");
    put_end(&a);
    assert_refused(&a, "more in it");
    put_text(&a, '0', "f", "x");
    put_end(&a);
    put_text(&a, '0', "g", "y");
    put_end(&a);
    assert_refused(&a, "more in it");
    put_text(&a, '0', "f", "x");
    put_text(&a, 'x', "addition", "11 path=ab\n");
    put_end(&a);
    assert_refused(&a, "more in it");

    memset(grow(&a, BLOCK), 'x', BLOCK);
    assert_refused(&a, "checksum");
}

/* --- the call, against a scripted engine --- */

static struct server server;
static struct ts_http *http;
static struct ts_engine *engine;
static int calls_done;
static bool call_failed;
static struct ts_error call_err;
static struct ts_container_file seen; /* without bytes */
static char seen_text[64];            /* the content's beginning */

static void note(const struct ts_error *err)
{
    calls_done++;
    call_failed = err != NULL;
    if (err != NULL) {
        call_err = *err;
    }
    ts_loop_stop(fixture_loop);
}

static void on_negotiated(void *ctx, int minor, const struct ts_error *err)
{
    (void)ctx;
    (void)minor;
    note(err);
}

static void on_read(void *ctx, const struct ts_container_file *file, const struct ts_error *err)
{
    assert_ptr_equal(ctx, &server);
    assert_int_equal(file == NULL, err != NULL);
    seen = (struct ts_container_file){.exists = false};
    seen_text[0] = '\0';
    if (file != NULL) {
        seen = *file;
        seen.bytes = NULL;
        (void)snprintf(seen_text, sizeof(seen_text), "%.*s", (int)(file->len < 60 ? file->len : 60),
                       file->bytes == NULL ? "" : file->bytes);
    }
    note(err);
}

static void wait_for(struct ts_engine_op *op)
{
    assert_non_null(op);
    int before = calls_done;
    run_until_stopped();
    assert_int_equal(calls_done, before + 1);
}

/* What the engine says of the root of bot. */
static const char *root_head;

/* Negotiated with, and giving these bytes to the request for /data/a b of bot. */
static void engine_up(const char *bytes, size_t len, bool close)
{
    static struct answer answers[3];
    struct ts_error err;
    struct ts_engine_conf conf = {.address = {.kind = OS_LOCAL_KIND}, .call_ms = 3000};
    answers[0] = (struct answer){
        "/_ping", "HTTP/1.1 200 OK\r\nApi-Version: 1.41\r\nContent-Length: 2\r\n\r\nOK", 0, false};
    answers[1] =
        (struct answer){"/v1.41/containers/bot/archive?path=%2Fdata%2Fa%20b", bytes, len, close};
    answers[2] = (struct answer){"/v1.41/containers/bot/archive?path=%2F", root_head, 0, false};
    server_start_local(&server, answers, TS_ARRAY_LEN(answers));
    assert_true(ts_copy(conf.address.path, sizeof(conf.address.path), server.path));
    http = ts_http_new(fixture_loop, &err);
    engine = ts_engine_new(http, &conf, &err);
    assert_non_null(engine);
    calls_done = 0;
    wait_for(ts_engine_negotiate(engine, on_negotiated, NULL, &err));
    assert_false(call_failed);
}

#define ROOT_IS_THERE "HTTP/1.1 200 OK\r\nContent-Type: application/x-tar\r\n\r\n"

static void engine_down(void)
{
    ts_engine_free(engine);
    ts_http_free(http);
    server_stop(&server);
}

/* Reads the file from an engine that answers with status and body. */
static void read_from(const char *status, const char *body, size_t len)
{
    struct ts_error err;
    char head[128];
    (void)snprintf(head, sizeof(head), "HTTP/1.1 %s\r\nContent-Length: %zu\r\n\r\n", status, len);
    struct archive answer = {0};
    char *at = grow(&answer, strlen(head) + len);
    memcpy(at, head, strlen(head));
    memcpy(at + strlen(head), body, len);
    engine_up(answer.bytes, answer.len, false);
    wait_for(ts_container_read_file(engine, "bot", "/data/a b", on_read, &server, &err));
    engine_down();
    drop(&answer);
}

/* The same with a whole archive, which is dropped. */
static void read_archive(struct archive *a)
{
    put_end(a);
    read_from("200 OK", a->bytes, a->len);
    drop(a);
}

static void assert_failed(enum ts_code code, const char *says)
{
    assert_true(call_failed);
    if (call_err.code != code || strstr(call_err.msg, says) == NULL) {
        fail_msg("%s: %s", ts_code_name(call_err.code), call_err.msg);
    }
    assert_non_null(strstr(call_err.msg, "read /data/a b of bot"));
}

static void test_a_file_comes_as_its_bytes(void **state)
{
    (void)state;
    struct archive a = {0};
    put_text(&a, '0', "a b", "hello\n");
    read_archive(&a);
    assert_false(call_failed);
    assert_true(seen.exists);
    assert_int_equal(seen.kind, TS_TAR_FILE);
    assert_int_equal(seen.len, 6);
    assert_string_equal(seen_text, "hello\n");
}

static void test_links_and_folders_are_told_from_files(void **state)
{
    (void)state;
    struct archive a = {0};
    put_text(&a, '2', "a b", "");
    read_archive(&a);
    assert_true(!call_failed && seen.exists);
    assert_int_equal(seen.kind, TS_TAR_LINK);
    put_text(&a, '5', "a b/", "");
    put_text(&a, '0', "a b/c", "x");
    read_archive(&a);
    assert_true(!call_failed && seen.exists);
    assert_int_equal(seen.kind, TS_TAR_DIR);
    assert_int_equal(seen.len, 0);
}

static void test_a_missing_file_is_told_from_a_missing_container(void **state)
{
    (void)state;
    static const struct {
        const char *body;
        bool file; /* is what is missing */
    } rows[] = {
        {"{\"message\":\"Could not find the file /data/a b in container bot\"}\n", true},
        {"{\"message\":\"could not find the file /data/a b in container bot\"}\n", true},
        {"{\"cause\":\"no such file or directory\",\"message\":\"no such file or directory\","
         "\"response\":404}",
         true},
        {"{\"message\":\"No such file or directory\"}", true},
        {"{\"message\":\"No such container: bot\"}", false},
        {"{\"message\":\"no container with name or ID \\\"bot\\\" found: no such container\"}",
         false},
        {"{\"message\":\"page not found\"}", false},
        {"{\"message\":\"No such container: Could not find the file \"}", false},
        {"{\"message\":\"the socket: no such file or directory\"}", false},
        {"{}", false},
        {"Could not find the file", false},
        {"", false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        root_head = rows[i].file ? ROOT_IS_THERE : NULL;
        read_from("404 Not Found", rows[i].body, strlen(rows[i].body));
        if (call_failed == rows[i].file) {
            fail_msg("row %zu", i);
        }
        assert_false(seen.exists);
        if (!rows[i].file) {
            assert_failed(TS_E_NOT_FOUND, "HTTP 404");
            assert_int_equal(call_err.detail, 404);
        }
    }
}

static void test_a_missing_file_is_not_believed_if_nothing_is_there(void **state)
{
    (void)state;
    static const char body[] =
        "{\"message\":\"Could not find the file /data/a b in container bot\"}";
    static const struct {
        const char *head;
        enum ts_code code;
        const char *says;
    } rows[] = {
        {"HTTP/1.1 404 Not Found\r\nContent-Length: 90\r\n\r\n", TS_E_NOT_FOUND, "mounts"},
        {"HTTP/1.1 500 Oops\r\nContent-Length: 90\r\n\r\n", TS_E_UNAVAILABLE, "HTTP 500"},
        {"HTTP/1.1 403 Forbidden\r\n\r\n", TS_E_DENIED, "HTTP 403"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        root_head = rows[i].head;
        read_from("404 Not Found", body, strlen(body));
        assert_failed(rows[i].code, rows[i].says);
    }
}

static void test_other_failures_stay_errors(void **state)
{
    (void)state;
    static const char body[] = "{\"message\":\"Could not find the file /data/a b\"}";
    read_from("500 Oops", body, strlen(body));
    assert_failed(TS_E_UNAVAILABLE, "HTTP 500");
    read_from("403 Forbidden", "", 0);
    assert_failed(TS_E_DENIED, "HTTP 403");
}

static void read_file_of(size_t size)
{
    struct archive a = {0};
    char *content = calloc(1, size);
    assert_non_null(content);
    put(&a, '0', "a b", content, size);
    free(content);
    read_archive(&a);
}

static void test_a_file_that_is_too_large_is_a_limit(void **state)
{
    (void)state;
    read_file_of(TS_CONTAINER_FILE_MAX);
    assert_true(!call_failed && seen.exists);
    assert_int_equal(seen.len, TS_CONTAINER_FILE_MAX);
    read_file_of(TS_CONTAINER_FILE_MAX + 1);
    assert_failed(TS_E_LIMIT, "1048576");
    read_file_of(TS_ENGINE_BODY_MAX + 1);
    assert_failed(TS_E_LIMIT, "");
}

static void test_an_answer_that_is_no_archive_is_refused(void **state)
{
    (void)state;
    static const char page[] = "<html>hello</html>";
    read_from("200 OK", page, strlen(page));
    assert_failed(TS_E_PROTOCOL, "cut off");
    read_from("200 OK", "", 0);
    assert_failed(TS_E_PROTOCOL, "nothing in it");
    read_from("304 Not Modified", "", 0);
    assert_failed(TS_E_PROTOCOL, "nothing in it");
}

static void test_an_archive_that_ends_early_is_refused(void **state)
{
    (void)state;
    struct ts_error err;
    struct archive a = {0};
    static const char head[] = "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n";
    memcpy(grow(&a, strlen(head)), head, strlen(head));
    put_text(&a, '0', "a b", "hello\n");
    engine_up(a.bytes, a.len, true);
    wait_for(ts_container_read_file(engine, "bot", "/data/a b", on_read, &server, &err));
    assert_failed(TS_E_PROTOCOL, "cut off");
    engine_down();
    drop(&a);
}

static void test_impossible_paths_and_ids_are_refused_at_once(void **state)
{
    (void)state;
    char longest[TS_CONTAINER_PATH_MAX + 2];
    memset(longest, 'a', sizeof(longest));
    longest[0] = '/';
    longest[TS_CONTAINER_PATH_MAX + 1] = '\0';
    const char *const paths[] = {"", "data", "./data", longest, NULL};
    struct ts_error err;
    engine_up("", 0, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(paths); i++) {
        assert_null(ts_container_read_file(engine, "bot", paths[i], on_read, &server, &err));
        assert_int_equal(err.code, TS_E_INVALID);
    }
    assert_null(ts_container_read_file(engine, "a/b", "/data", on_read, &server, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_int_equal(server.request_count, 1);
    engine_down();
}

/* Every byte of it escaped is the most that a request's path has to hold. */
static void test_the_longest_path_is_asked_for(void **state)
{
    (void)state;
    char longest[TS_CONTAINER_PATH_MAX + 1];
    memset(longest, '%', TS_CONTAINER_PATH_MAX);
    longest[0] = '/';
    longest[TS_CONTAINER_PATH_MAX] = '\0';
    struct ts_error err;
    engine_up(NULL, 0, false);
    static const struct answer answers[] = {
        {"/v1.41/containers/bot/archive?path=%2F%25%25*",
         "HTTP/1.1 404 No\r\nContent-Length: 49\r\n\r\n"
         "{\"message\":\"Could not find the file /%%%%%%%%%%\"}",
         0, false},
        {"/v1.41/containers/bot/archive?path=%2F", ROOT_IS_THERE, 0, false},
    };
    server.answers = answers;
    server.answer_count = TS_ARRAY_LEN(answers);
    wait_for(ts_container_read_file(engine, "bot", longest, on_read, &server, &err));
    assert_false(call_failed || seen.exists);
    const char *path = strstr(server.requests[1], "path=");
    assert_non_null(path);
    assert_int_equal(strcspn(path, " "), 5 + 3 * TS_CONTAINER_PATH_MAX);
    assert_int_equal(strncmp(server.requests[2], "HEAD ", 5), 0);
    engine_down();
}

static void test_a_cancelled_read_is_never_heard_of(void **state)
{
    (void)state;
    struct ts_error err;
    engine_up(NULL, 0, false);
    struct ts_engine_op *op =
        ts_container_read_file(engine, "bot", "/data/a b", on_read, &server, &err);
    assert_non_null(op);
    run_for(10);
    ts_engine_cancel(op);
    run_for(10);
    assert_int_equal(calls_done, 1);
    engine_down();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_file_is_read_with_what_stands_before_it),
        cmocka_unit_test(test_files_of_all_sizes_are_read),
        cmocka_unit_test(test_a_header_from_before_posix_is_taken),
        cmocka_unit_test(test_what_is_no_file_is_called_by_its_kind),
        cmocka_unit_test(test_an_archive_cut_anywhere_gives_no_file),
        cmocka_unit_test(test_an_archive_with_any_header_byte_changed_is_refused),
        cmocka_unit_test(test_sizes_that_are_none_are_refused),
        cmocka_unit_test(test_pax_records_that_matter_or_are_none_are_refused),
        cmocka_unit_test(test_nothing_and_too_much_are_refused),
        LOOP_TEST(test_a_file_comes_as_its_bytes),
        LOOP_TEST(test_links_and_folders_are_told_from_files),
        LOOP_TEST(test_a_missing_file_is_told_from_a_missing_container),
        LOOP_TEST(test_a_missing_file_is_not_believed_if_nothing_is_there),
        LOOP_TEST(test_other_failures_stay_errors),
        LOOP_TEST(test_a_file_that_is_too_large_is_a_limit),
        LOOP_TEST(test_an_answer_that_is_no_archive_is_refused),
        LOOP_TEST(test_an_archive_that_ends_early_is_refused),
        LOOP_TEST(test_impossible_paths_and_ids_are_refused_at_once),
        LOOP_TEST(test_the_longest_path_is_asked_for),
        LOOP_TEST(test_a_cancelled_read_is_never_heard_of),
    };
    return RUN_TESTS(tests);
}
