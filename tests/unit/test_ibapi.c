/* The IB API codec and session, against bytes that real clients and servers were seen to accept. */
#include "unit.h"

#include "base/macros.h"
#include "ibapi/codec.h"
#include "ibapi/session.h"

/* --- codec */

static void assert_bytes(const struct ts_buf *out, const char *want, size_t len)
{
    assert_false(out->failed);
    assert_int_equal(out->len, len);
    assert_memory_equal(out->data, want, len);
}
#define ASSERT_BYTES(out, literal) assert_bytes(out, literal, sizeof(literal) - 1)

static void test_requests_have_the_known_bytes(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(4096);
    ts_ib_add_hello(&out, 100, 178);
    ASSERT_BYTES(&out, "API\0\0\0\0\011v100..178");
    ts_buf_clear(&out);
    ts_ib_add_start(&out, 178, 7);
    ASSERT_BYTES(&out, "\0\0\0\010"
                       "71\0"
                       "2\0"
                       "7\0\0");
    ts_buf_clear(&out);
    ts_ib_add_start(&out, 178, 1001);
    ASSERT_BYTES(&out, "\0\0\0\013"
                       "71\0"
                       "2\0"
                       "1001\0\0");
    ts_buf_clear(&out);
    ts_ib_add_time_request(&out);
    ASSERT_BYTES(&out, "\0\0\0\005"
                       "49\0"
                       "1\0");
    ts_buf_done(&out);
}

static void test_error_layout_follows_the_version(void **state)
{
    (void)state;
    static const int32_t versions[] = {100, 165, 166, 178, 193, 194, 200};
    for (size_t i = 0; i < TS_ARRAY_LEN(versions); i++) {
        struct ts_buf out = ts_buf_init(4096);
        struct ts_ib_fields m;
        ts_ib_add_error(&out, versions[i], -1, 2104, "farm OK", 1795475292000);
        assert_true(ts_ib_split(out.data + 4, out.len - 4, &m));
        struct ts_ib_error e = ts_ib_parse_error(&m, versions[i]);
        assert_int_equal(e.req_id, -1);
        assert_int_equal(e.code, 2104);
        assert_string_equal(e.text, "farm OK");
        ts_buf_done(&out);
    }
}

static void test_hello_parser_takes_every_split_and_refuses_the_rest(void **state)
{
    (void)state;
    static const char hello[] = "API\0\0\0\0\011v100..178";
    int32_t low;
    int32_t high;
    size_t taken;
    for (size_t n = 1; n < sizeof(hello) - 1; n++) {
        assert_int_equal(ts_ib_parse_hello(hello, n, &low, &high, &taken), TS_IB_HELLO_MORE);
    }
    assert_int_equal(ts_ib_parse_hello(hello, sizeof(hello) - 1, &low, &high, &taken),
                     TS_IB_HELLO_OK);
    assert_int_equal(low, 100);
    assert_int_equal(high, 178);
    assert_int_equal(taken, sizeof(hello) - 1);
    assert_int_equal(ts_ib_parse_hello("API\0\0\0\0\006v178 +", 14, &low, &high, &taken),
                     TS_IB_HELLO_OK);
    assert_int_equal(low, 178);
    assert_int_equal(ts_ib_parse_hello("62\0", 3, &low, &high, &taken), TS_IB_HELLO_LEGACY);
    assert_int_equal(ts_ib_parse_hello("GET / HT", 8, &low, &high, &taken), TS_IB_HELLO_BAD);
    assert_int_equal(ts_ib_parse_hello("API\0\377\377\377\377", 8, &low, &high, &taken),
                     TS_IB_HELLO_BAD);
    assert_int_equal(ts_ib_parse_hello("API\0\0\0\0\003v..", 11, &low, &high, &taken),
                     TS_IB_HELLO_BAD);
}

static void test_fields_must_be_terminated_and_few(void **state)
{
    (void)state;
    struct ts_ib_fields m;
    char many[TS_IB_FIELDS_MAX + 1] = {0};
    assert_false(ts_ib_split("49", 2, &m));
    assert_false(ts_ib_split("", 0, &m));
    assert_false(ts_ib_split(many, sizeof(many), &m));
    assert_true(ts_ib_split("4\0\0x", 5, &m));
    assert_int_equal(m.count, 3);
    assert_string_equal(ts_ib_text(&m, 2), "x");
    assert_string_equal(ts_ib_text(&m, 9), "");
    assert_int_equal(ts_ib_int(&m, 2, -7), -7);
}

/* --- session */

struct play {
    struct ts_ib_session s;
    struct ts_buf out;
    ts_mono now;
};

static void begin(struct play *p)
{
    const struct ts_ib_conf conf = {.client_id = 7, .timeout_ms = 1000, .ping_ms = 1000};
    p->now = (ts_mono){5000};
    p->out = ts_buf_init(65536);
    ts_ib_session_begin(&p->s, &conf, p->now, &p->out);
    ts_buf_clear(&p->out);
}

static void end(struct play *p)
{
    ts_ib_session_done(&p->s);
    ts_buf_done(&p->out);
}

static void feed(struct play *p, const char *bytes, size_t n)
{
    ts_ib_session_feed(&p->s, bytes, n, p->now, &p->out, NULL, NULL);
}

/* One frame whose fields are separated by '|'. */
static void frame(struct play *p, const char *fields)
{
    struct ts_buf b = ts_buf_init(8192);
    size_t begin_at = ts_ib_begin(&b);
    for (const char *c = fields; *c != '\0'; c++) {
        (void)ts_buf_add(&b, *c == '|' ? "" : c, 1);
    }
    (void)ts_buf_add(&b, "", 1);
    ts_ib_end(&b, begin_at);
    feed(p, b.data, b.len);
    ts_buf_done(&b);
}

static void later(struct play *p, int64_t ms)
{
    p->now.ms += ms;
    ts_ib_session_tick(&p->s, p->now, &p->out);
}

static void become_ready(struct play *p)
{
    frame(p, "178|20261123 23:10:00 UTC");
    frame(p, "15|1|DU1234567,");
    frame(p, "9|1|1");
    frame(p, "49|1|1795475292");
    assert_int_equal(p->s.reason, TS_PR_OK);
}

static void test_ready_needs_handshake_account_id_and_time(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    frame(&p, "4|2|-1|2104|early notice|"); /* frames before the version are skipped */
    assert_int_equal(p.s.step, TS_IB_WAIT_HELLO);
    frame(&p, "178|20261123 23:10:00 UTC");
    ASSERT_BYTES(&p.out, "\0\0\0\010"
                         "71\0"
                         "2\0"
                         "7\0\0");
    ts_buf_clear(&p.out);
    frame(&p, "9|1|1");
    assert_int_equal(p.s.reason, TS_PR_PENDING);
    frame(&p, "15|1|"); /* empty: not logged in yet */
    assert_int_equal(p.s.reason, TS_PR_PENDING);
    frame(&p, "15|1|DU1234567, DU7 ,,");
    assert_int_equal(p.s.account_count, 2);
    assert_string_equal(p.s.accounts[1], "DU7");
    assert_int_equal(p.s.reason, TS_PR_PENDING);
    frame(&p, "49|1|1795475292");
    assert_int_equal(p.s.reason, TS_PR_OK);
    assert_int_equal(p.s.server_time_s, 1795475292);
    end(&p);
}

static void test_every_byte_split_gives_the_same_session(void **state)
{
    (void)state;
    static const char bytes[] = "\0\0\0\x1a"
                                "178\0"
                                "20261123 23:10:00 UTC\0"
                                "\0\0\0\x0f"
                                "15\0"
                                "1\0"
                                "DU1234567\0"
                                "\0\0\0\x06"
                                "9\0"
                                "1\0"
                                "1\0"
                                "\0\0\0\x10"
                                "49\0"
                                "1\0"
                                "1795475292";
    for (size_t cut = 0; cut <= sizeof(bytes); cut++) {
        struct play p;
        begin(&p);
        feed(&p, bytes, cut);
        feed(&p, bytes + cut, sizeof(bytes) - cut);
        assert_int_equal(p.s.reason, TS_PR_OK);
        end(&p);
    }
}

static void test_faults_have_their_reasons(void **state)
{
    (void)state;
    struct play p;
    begin(&p); /* nothing at all */
    later(&p, 1000);
    assert_int_equal(p.s.reason, TS_PR_SILENT);
    end(&p);
    begin(&p); /* relay: accepted, closed */
    ts_ib_session_closed(&p.s, p.now);
    assert_int_equal(p.s.reason, TS_PR_CLOSED);
    end(&p);
    begin(&p); /* hello, then closed */
    frame(&p, "178|x");
    ts_ib_session_closed(&p.s, p.now);
    assert_int_equal(p.s.reason, TS_PR_REJECTED);
    end(&p);
    begin(&p); /* no account in time */
    frame(&p, "178|x");
    frame(&p, "9|1|1");
    later(&p, 1000);
    assert_int_equal(p.s.reason, TS_PR_NOT_LOGGED_IN);
    end(&p);
    begin(&p);
    frame(&p, "178|x");
    frame(&p, "4|2|-1|326|in use|");
    assert_int_equal(p.s.reason, TS_PR_CLIENT_ID);
    end(&p);
    begin(&p); /* a version that we did not offer */
    frame(&p, "213|x");
    assert_int_equal(p.s.reason, TS_PR_PROTOCOL);
    end(&p);
    begin(&p);
    feed(&p, "\377\377\377\377", 4);
    assert_int_equal(p.s.reason, TS_PR_PROTOCOL);
    end(&p);
    begin(&p);
    feed(&p, "HTTP/1.1 400 Bad Request\r\n", 26);
    assert_int_equal(p.s.reason, TS_PR_PROTOCOL);
    end(&p);
}

static void test_a_held_session_notices_loss_hang_and_upstream(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    become_ready(&p);
    later(&p, 1000); /* ping */
    assert_true(p.s.ping_out);
    frame(&p, "49|1|1795475293");
    frame(&p, "4|2|-1|1100|Connectivity lost|");
    assert_int_equal(p.s.reason, TS_PR_UPSTREAM_DOWN);
    later(&p, 1000);
    frame(&p, "49|1|1795475294"); /* the gateway itself still answers */
    assert_int_equal(p.s.reason, TS_PR_UPSTREAM_DOWN);
    frame(&p, "4|2|-1|1102|restored|");
    assert_int_equal(p.s.reason, TS_PR_OK);
    frame(&p, "4|2|-1|2103|farm broken|");
    frame(&p, "4|2|3|354|not subscribed|");
    assert_int_equal(p.s.reason, TS_PR_OK);
    later(&p, 1000);
    later(&p, 1000); /* no answer to the ping */
    assert_int_equal(p.s.reason, TS_PR_SILENT);
    end(&p);
    begin(&p);
    become_ready(&p);
    ts_ib_session_closed(&p.s, p.now);
    assert_int_equal(p.s.reason, TS_PR_LOST);
    end(&p);
}

static void test_upstream_down_at_connect_is_not_ready(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    frame(&p, "178|x");
    frame(&p, "4|2|-1|2110|broken|");
    frame(&p, "15|1|DU1");
    frame(&p, "9|1|1");
    frame(&p, "49|1|1");
    assert_int_equal(p.s.reason, TS_PR_UPSTREAM_DOWN);
    end(&p);
}

static void test_an_account_list_that_changes_is_told(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    become_ready(&p);
    uint32_t before = p.s.accounts_changes;
    frame(&p, "15|1|DU1234567,U7654321");
    assert_int_equal(p.s.accounts_changes, before + 1);
    assert_string_equal(p.s.accounts[1], "U7654321");
    end(&p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_have_the_known_bytes),
        cmocka_unit_test(test_error_layout_follows_the_version),
        cmocka_unit_test(test_hello_parser_takes_every_split_and_refuses_the_rest),
        cmocka_unit_test(test_fields_must_be_terminated_and_few),
        cmocka_unit_test(test_ready_needs_handshake_account_id_and_time),
        cmocka_unit_test(test_every_byte_split_gives_the_same_session),
        cmocka_unit_test(test_faults_have_their_reasons),
        cmocka_unit_test(test_a_held_session_notices_loss_hang_and_upstream),
        cmocka_unit_test(test_upstream_down_at_connect_is_not_ready),
        cmocka_unit_test(test_an_account_list_that_changes_is_told),
    };
    return RUN_TESTS(tests);
}
