/* What is pure of the control protocol: frames, Varlink messages, the interface's text. */
#include "unit.h"

#include "base/json.h"
#include "control/client.h"
#include "control/frame.h"
#include "control/interface.h"
#include "control/varlink.h"

static void test_frames_come_whole_however_they_are_split(void **state)
{
    (void)state;
    static const char bytes[] = "{\"a\":1}\0{}\0{\"b\"";
    for (size_t cut = 0; cut < sizeof(bytes); cut++) {
        struct ts_frames f = ts_frames_init(64);
        struct ts_error err;
        size_t len;
        size_t got = 0;
        const size_t ends[] = {cut, sizeof(bytes) - 1};
        size_t from = 0;
        for (size_t i = 0; i < 2; i++) {
            assert_true(ts_frames_feed(&f, bytes + from, ends[i] - from, &err));
            from = ends[i];
            while (ts_frames_next(&f, &len) != NULL) {
                assert_int_equal(len, got == 0 ? 7 : 2);
                got++;
            }
        }
        assert_int_equal(got, 2);
        ts_frames_done(&f);
    }
}

static void test_a_message_over_the_limit_is_refused(void **state)
{
    (void)state;
    struct ts_frames f = ts_frames_init(8);
    struct ts_error err;
    assert_false(ts_frames_feed(&f, "0123456789", 10, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    ts_frames_done(&f);
}

static void test_malformed_calls_are_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "[]",
                                      "{}",
                                      "{\"method\":1}",
                                      "{\"method\":\"a.B\",\"parameters\":[]}",
                                      "{\"method\":\"a.B\",\"more\":\"yes\"}",
                                      "{\"method\":\"a.B\",\"method\":\"a.C\"}",
                                      "{\"method\":\"a.B\"} x"};
    for (size_t i = 0; i < TS_ARRAY_LEN(bad); i++) {
        struct ts_varlink_call call;
        struct ts_error err;
        if (ts_varlink_parse_call(bad[i], strlen(bad[i]), &call, &err)) {
            fail_msg("accepted: %s", bad[i]);
        }
    }
}

static void test_replies_are_read_strictly(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        bool ok;
        bool continues;
        const char *error;
    } rows[] = {{"{}", true, false, ""},
                {"{\"parameters\":{},\"continues\":true}", true, true, ""},
                {"{\"parameters\":null,\"continues\":null}", true, false, ""},
                {"{\"error\":\"a.b.C\",\"parameters\":{\"x\":1}}", true, false, "a.b.C"},
                {"{\"parameters\":[]}", false, false, ""},
                {"{\"continues\":1}", false, false, ""},
                {"{\"error\":1}", false, false, ""},
                {"{\"error\":null}", true, false, ""},
                {"7", false, false, ""}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_varlink_reply reply;
        struct ts_error err;
        bool ok = ts_varlink_parse_reply(rows[i].text, strlen(rows[i].text), &reply, &err);
        if (ok != rows[i].ok) {
            fail_msg("%s: %d", rows[i].text, ok);
        }
        if (ok) {
            assert_int_equal(reply.continues, rows[i].continues);
            assert_string_equal(reply.error, rows[i].error);
            assert_true(json_is_object(reply.parameters));
            json_decref(reply.parameters);
        }
    }
}

static void test_what_is_written_can_be_read(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(4096);
    struct ts_varlink_call call;
    struct ts_varlink_reply reply;
    struct ts_error err;
    TS_CLEANUP(ts_json_drop) json_t *p = json_pack("{s:s}", "text", "a\n\u00e9");
    assert_true(ts_varlink_add_call(&out, "a.b.C", p, true));
    assert_int_equal(out.data[out.len - 1], '\0');
    assert_true(ts_varlink_parse_call(out.data, out.len - 1, &call, &err));
    assert_string_equal(call.method, "a.b.C");
    assert_true(call.more);
    assert_false(call.oneway);
    assert_true(json_equal(call.parameters, p));
    json_decref(call.parameters);
    ts_buf_clear(&out);
    assert_true(ts_varlink_add_reply(&out, p, true));
    assert_true(ts_varlink_parse_reply(out.data, out.len - 1, &reply, &err));
    assert_true(reply.continues && json_equal(reply.parameters, p));
    json_decref(reply.parameters);
    ts_buf_clear(&out);
    assert_true(ts_varlink_add_error(&out, "a.b.Bad", NULL));
    assert_true(ts_varlink_parse_reply(out.data, out.len - 1, &reply, &err));
    assert_string_equal(reply.error, "a.b.Bad");
    assert_int_equal(json_object_size(reply.parameters), 0);
    json_decref(reply.parameters);
    ts_buf_done(&out);
}

static void test_a_message_over_the_buffer_s_limit_is_not_written(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(16);
    TS_CLEANUP(ts_json_drop) json_t *p = json_pack("{s:s}", "text", "more than fits in there");
    assert_false(ts_varlink_add_reply(&out, p, false));
    ts_buf_done(&out);
}

static const char interface[] = "# method Hidden() -> ()\n"
                                "interface a.b\n"
                                "method Two(first: string, second: ?int) -> (x: bool)\n"
                                "method None() -> ()\n"
                                "method Rows(\n  all: ?bool,\n  options: ?object\n) -> ()\n"
                                "method Odd(list: []string) -> ()\n";

static void test_parameters_must_fit_what_the_interface_says(void **state)
{
    (void)state;
    static const struct {
        const char *method;
        const char *parameters;
        const char *wrong; /* NULL: they fit */
    } rows[] = {{"Two", "{\"first\":\"a\"}", NULL},
                {"Two", "{\"first\":\"a\",\"second\":1}", NULL},
                {"Two", "{\"first\":\"a\",\"second\":null}", NULL},
                {"Two", "{}", "first"},
                {"Two", "{\"first\":null}", "first"},
                {"Two", "{\"first\":1}", "first"},
                {"Two", "{\"first\":\"a\",\"second\":\"1\"}", "second"},
                {"Two", "{\"first\":\"a\",\"second\":1.5}", "second"},
                {"Two", "{\"frist\":\"a\"}", "frist"},
                {"Two", "{\"first\":\"a\",\"third\":1}", "third"},
                {"None", "{}", NULL},
                {"None", "{\"x\":1}", "x"},
                {"Rows", "{\"all\":false,\"options\":{}}", NULL},
                {"Rows", "{\"all\":0}", "all"},
                {"Rows", "{\"options\":[]}", "options"},
                {"Odd", "{\"list\":[]}", "list"},
                {"Hidden", "{}", "Hidden"},
                {"Tw", "{}", "Tw"},
                {"", "{}", ""}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char wrong[32] = "";
        TS_CLEANUP(ts_json_drop) json_t *p = json_loads(rows[i].parameters, 0, NULL);
        assert_non_null(p);
        bool ok = ts_interface_accepts(interface, rows[i].method, p, wrong, sizeof(wrong));
        if (ok != (rows[i].wrong == NULL) || (!ok && strcmp(wrong, rows[i].wrong) != 0)) {
            fail_msg("%s %s: %d %s", rows[i].method, rows[i].parameters, ok, wrong);
        }
    }
}

static void test_our_interface_has_its_methods(void **state)
{
    (void)state;
    assert_true(ts_interface_has(ts_interface_text, "GetStatus"));
    assert_true(ts_interface_has(ts_interface_text, "Stop"));
    assert_false(ts_interface_has(ts_interface_text, "NoSuchService"));
}

static void test_the_client_says_why_it_cannot_connect(void **state)
{
    (void)state;
    struct ts_error err;
    assert_null(ts_control_connect("/tmp/ts-no-such.sock", 100, &err));
    assert_int_equal(err.code, TS_E_UNAVAILABLE);
    assert_non_null(strstr(err.msg, "/tmp/ts-no-such.sock"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frames_come_whole_however_they_are_split),
        cmocka_unit_test(test_a_message_over_the_limit_is_refused),
        cmocka_unit_test(test_malformed_calls_are_refused),
        cmocka_unit_test(test_replies_are_read_strictly),
        cmocka_unit_test(test_what_is_written_can_be_read),
        cmocka_unit_test(test_a_message_over_the_buffer_s_limit_is_not_written),
        cmocka_unit_test(test_parameters_must_fit_what_the_interface_says),
        cmocka_unit_test(test_our_interface_has_its_methods),
        cmocka_unit_test(test_the_client_says_why_it_cannot_connect),
    };
    return RUN_TESTS(tests);
}
