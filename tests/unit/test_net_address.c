#include "unit.h"

#include "net/address.h"
#include "os_names.h"

static void test_addresses_are_taken_apart_and_printed(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        enum ts_address_kind kind;
        const char *host;
        uint16_t port;
        const char *path;
        const char *printed; /* NULL: as given */
    } rows[] = {
        {"unix:///var/run/docker.sock", TS_ADDRESS_UNIX, "", 0, "/var/run/docker.sock", NULL},
        {"npipe:////./pipe/docker_engine", TS_ADDRESS_NPIPE, "", 0, "//./pipe/docker_engine", NULL},
        {"tcp://127.0.0.1:2375", TS_ADDRESS_TCP, "127.0.0.1", 2375, "", NULL},
        {"tcp://host:2375/", TS_ADDRESS_TCP, "host", 2375, "", "tcp://host:2375"},
        {"gateway:4002", TS_ADDRESS_TCP, "gateway", 4002, "", "tcp://gateway:4002"},
        {"[::1]:4002", TS_ADDRESS_TCP, "::1", 4002, "", "tcp://[::1]:4002"},
        {"http://a.b-c_d/x?y=1", TS_ADDRESS_HTTP, "a.b-c_d", 80, "/x?y=1",
         "http://a.b-c_d:80/x?y=1"},
        {"https://h", TS_ADDRESS_HTTPS, "h", 443, "/", "https://h:443/"},
        {"https://h:65535/", TS_ADDRESS_HTTPS, "h", 65535, "/", NULL},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_address a;
        struct ts_error err;
        if (!ts_address_parse(rows[i].text, &a, &err)) {
            fail_msg("%s: %s", rows[i].text, err.msg);
        }
        assert_int_equal(a.kind, rows[i].kind);
        assert_string_equal(a.host, rows[i].host);
        assert_int_equal(a.port, rows[i].port);
        assert_string_equal(a.path, rows[i].path);
        char printed[TS_ADDRESS_TEXT];
        ts_address_print(&a, printed);
        assert_string_equal(printed, rows[i].printed == NULL ? rows[i].text : rows[i].printed);
        struct ts_address again;
        memset(&again, 0, sizeof(again));
        assert_true(ts_address_parse(printed, &again, &err));
        assert_string_equal(again.host, a.host);
        assert_int_equal(again.kind, a.kind);
    }
}

static void test_wrong_addresses_are_refused_with_a_reason(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        const char *says;
    } rows[] = {
        {"", "no host"},
        {"unix://", "absolute path"},
        {"unix://relative", "absolute path"},
        {"unix:///", "absolute path"},
        {"tcp://host", "host:port"},
        {"tcp://host:0", "1 to 65535"},
        {"tcp://host:65536", "1 to 65535"},
        {"tcp://host:12x", "1 to 65535"},
        {"tcp://:2375", "no host"},
        {"tcp://[::1:2375", "closing"},
        {"tcp://host:1/path", "no path"},
        {"tcp://user:pw@host:1", "user or password"},
        {"https://user@host/", "user or password"},
        {"ssh://host", "unknown kind"},
        {"host", "host:port"},
        {"http://ho st/", "space"},
        {"http://host\n/", "control"},
        {"http://host?x", "want \"/\""},
        {"http://ho\"st/", "host:port"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_address a = {.port = 77};
        struct ts_error err;
        if (ts_address_parse(rows[i].text, &a, &err)) {
            fail_msg("\"%s\" was taken", rows[i].text);
        }
        assert_int_equal(err.code, TS_E_INVALID);
        if (strstr(err.msg, rows[i].says) == NULL) {
            fail_msg("\"%s\": %s", rows[i].text, err.msg);
        }
        assert_int_equal(a.port, 77);
    }
}

static void test_too_long_addresses_are_refused(void **state)
{
    (void)state;
    struct ts_address a;
    struct ts_error err;
    char text[700] = "unix:///";
    memset(text + 8, 'x', 120);
    assert_false(ts_address_parse(text, &a, &err));
    assert_non_null(strstr(err.msg, "107"));
    memset(text, 'h', 300);
    memcpy(text + 300, ":1", 3);
    assert_false(ts_address_parse(text, &a, &err));
    assert_non_null(strstr(err.msg, "253"));
    memset(text, 'p', sizeof(text) - 1);
    memcpy(text, "http://h/", 9);
    assert_false(ts_address_parse(text, &a, &err));
    assert_non_null(strstr(err.msg, "255"));
}

static void test_what_this_system_does_not_have_is_known_but_refused(void **state)
{
    (void)state;
    struct ts_address a;
    struct ts_error err;
    assert_true(ts_address_parse(OS_FOREIGN, &a, &err));
    assert_false(ts_address_usable(&a, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_non_null(strstr(err.msg, OS_FOREIGN_SAYS));
    assert_true(ts_address_parse(OS_NATIVE, &a, &err));
    assert_true(ts_address_usable(&a, &err));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_addresses_are_taken_apart_and_printed),
        cmocka_unit_test(test_wrong_addresses_are_refused_with_a_reason),
        cmocka_unit_test(test_too_long_addresses_are_refused),
        cmocka_unit_test(test_what_this_system_does_not_have_is_known_but_refused),
    };
    return RUN_TESTS(tests);
}
