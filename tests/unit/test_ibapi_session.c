/* The IB API session: what a gateway may do, and the verdict on it. */
#include "unit.h"

#include <stdio.h>

#include "base/macros.h"
#include "ibapi/session.h"

static void assert_bytes(const struct ts_buf *out, const char *want, size_t len)
{
    assert_false(out->failed);
    assert_int_equal(out->len, len);
    assert_memory_equal(out->data, want, len);
}
#define ASSERT_BYTES(out, literal) assert_bytes(out, literal, sizeof(literal) - 1)

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

/* --- what the gateway can do, and the verdict on it: '|' ends a field, a step is a frame to feed
 */

enum happening { FRAME, CLOSE, WAIT, RAW };
struct step {
    enum happening what;
    const char *fields; /* FRAME, RAW */
};
#define STEPS_MAX 8
struct story {
    const char *name;
    struct step steps[STEPS_MAX];
    enum ts_probe_reason want;
    const char *detail; /* must be part of it */
};
/* clang-format's versions disagree about such macros. */
/* clang-format off */
#define HELLO    {FRAME, "178|20261123 23:10:00 UTC"}
#define ACCOUNTS {FRAME, "15|1|DU1234567"}
#define NEXT_ID  {FRAME, "9|1|1"}
#define TIME     {FRAME, "49|1|1795475292"}
#define READY    HELLO, ACCOUNTS, NEXT_ID, TIME
#define LOST     {FRAME, "4|2|-1|1100|Connectivity lost|"}
/* clang-format on */

static const struct story stories[] = {
    {"nothing at all", {{WAIT, NULL}}, TS_PR_SILENT, "hello"},
    {"a relay: accepted, closed", {{CLOSE, NULL}}, TS_PR_CLOSED, ""},
    {"half an answer, then closed", {{RAW, "178"}, {CLOSE, NULL}}, TS_PR_PROTOCOL, "middle"},
    {"half an answer, then silence", {{RAW, "178"}, {WAIT, NULL}}, TS_PR_SILENT, "hello"},
    {"hello, then closed", {HELLO, {CLOSE, NULL}}, TS_PR_REJECTED, "trusted"},
    {"hello, then silence", {HELLO, {WAIT, NULL}}, TS_PR_NOT_LOGGED_IN, "account"},
    {"no account", {HELLO, NEXT_ID, {WAIT, NULL}}, TS_PR_NOT_LOGGED_IN, "account"},
    {"empty accounts",
     {HELLO, NEXT_ID, {FRAME, "15|1| , ,"}, {WAIT, NULL}},
     TS_PR_NOT_LOGGED_IN,
     ""},
    {"no next id", {HELLO, ACCOUNTS, {WAIT, NULL}}, TS_PR_SILENT, "next id"},
    {"no time", {HELLO, ACCOUNTS, NEXT_ID, {WAIT, NULL}}, TS_PR_SILENT, "time"},
    {"closed before the time", {HELLO, ACCOUNTS, NEXT_ID, {CLOSE, NULL}}, TS_PR_REJECTED, ""},
    {"id in use", {HELLO, {FRAME, "4|2|-1|326|in use|"}, {CLOSE, NULL}}, TS_PR_CLIENT_ID, "326"},
    {"a version above ours", {{FRAME, "213|x"}}, TS_PR_PROTOCOL, "213"},
    {"a version below ours", {{FRAME, "99|x"}}, TS_PR_PROTOCOL, "100 to 178"},
    {"a version that is none", {{FRAME, "\x1b[2J|x"}}, TS_PR_PROTOCOL, "\"?[2J\""},
    {"an impossible length", {{RAW, "\xff\xff\xff\xff"}}, TS_PR_PROTOCOL, "length"},
    {"another protocol", {{RAW, "HTTP/1.1 400 Bad Request\r\n"}}, TS_PR_PROTOCOL, "length"},
    {"garbage in a held session", {READY, {RAW, "\xff\xff\xff\xff"}}, TS_PR_PROTOCOL, "length"},
    {"ready", {READY}, TS_PR_OK, ""},
    {"next id first", {HELLO, NEXT_ID, ACCOUNTS, TIME}, TS_PR_OK, ""},
    {"time that nobody asked for", {HELLO, TIME, {WAIT, NULL}}, TS_PR_NOT_LOGGED_IN, ""},
    {"lost when held", {READY, {CLOSE, NULL}}, TS_PR_LOST, ""},
    {"hang when held", {READY, {WAIT, NULL}, {WAIT, NULL}}, TS_PR_SILENT, "ping"},
    {"upstream lost", {READY, LOST}, TS_PR_UPSTREAM_DOWN, "1100: Connectivity lost"},
    {"upstream lost at connect",
     {HELLO, LOST, ACCOUNTS, NEXT_ID, TIME},
     TS_PR_UPSTREAM_DOWN,
     "1100"},
    {"lost and back before ready",
     {HELLO, LOST, {FRAME, "4|2|-1|1102|back|"}, ACCOUNTS, NEXT_ID, TIME},
     TS_PR_OK,
     ""},
    {"broken", {READY, {FRAME, "4|2|-1|2110|broken|"}}, TS_PR_UPSTREAM_DOWN, "2110"},
    {"back, data lost", {READY, LOST, {FRAME, "4|2|-1|1101|back|"}}, TS_PR_OK, ""},
    {"back, data kept", {READY, LOST, {FRAME, "4|2|-1|1102|back|"}}, TS_PR_OK, ""},
    {"lost twice, back once", {READY, LOST, LOST, {FRAME, "4|2|-1|1102|back|"}}, TS_PR_OK, ""},
    {"lost, and the time still comes",
     {READY, LOST, {WAIT, NULL}, TIME},
     TS_PR_UPSTREAM_DOWN,
     "1100: Connectivity lost"},
    {"the port moves", {READY, {FRAME, "4|2|-1|1300|port changed|"}}, TS_PR_LOST, "1300"},
    {"subscriptions", {READY, {FRAME, "4|2|3|354|not subscribed|"}}, TS_PR_OK, ""},
    {"a competing session", {READY, {FRAME, "4|2|3|10197|competing|"}}, TS_PR_OK, ""},
    {"a farm breaks",
     {READY, {FRAME, "4|2|-1|2103|Market data farm connection is broken:usfarm|"}},
     TS_PR_OK,
     "broken: usfarm (market data)"},
    {"a logout seen by its accounts",
     {READY, {FRAME, "15|1|"}},
     TS_PR_NOT_LOGGED_IN,
     "became empty"},
    {"a logout before the time",
     {HELLO, ACCOUNTS, NEXT_ID, {FRAME, "15|1|,"}},
     TS_PR_NOT_LOGGED_IN,
     "became empty"},
    {"text of another world",
     {READY,
      {FRAME, "4|2|-1|1100|\x1b[31mverbindung \xfc"
              "ber|"}},
     TS_PR_UPSTREAM_DOWN,
     "1100: ?[31mverbindung ?ber"},
};

static void test_each_story_of_a_gateway_has_its_verdict(void **state)
{
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(stories); i++) {
        const struct story *s = &stories[i];
        struct play p;
        begin(&p);
        for (size_t n = 0;
             n < STEPS_MAX && (n == 0 || s->steps[n].what != FRAME || s->steps[n].fields != NULL);
             n++) {
            switch (s->steps[n].what) {
            case FRAME: frame(&p, s->steps[n].fields); break;
            case RAW: feed(&p, s->steps[n].fields, strlen(s->steps[n].fields)); break;
            case CLOSE: ts_ib_session_closed(&p.s, p.now); break;
            case WAIT: later(&p, 1000); break;
            }
        }
        if (p.s.reason != s->want || strstr(p.s.detail, s->detail) == NULL) {
            fail_msg("%s: %s, \"%s\"", s->name, ts_probe_reason_name(p.s.reason), p.s.detail);
        }
        end(&p);
    }
}

static void test_a_verdict_that_ended_the_session_stays(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    frame(&p, "178|x");
    frame(&p, "4|2|-1|326|in use|");
    uint32_t changes = p.s.changes;
    ts_buf_clear(&p.out);
    frame(&p, "15|1|DU1234567");
    frame(&p, "9|1|1");
    later(&p, 5000);
    ts_ib_session_closed(&p.s, p.now);
    assert_int_equal(p.s.reason, TS_PR_CLIENT_ID);
    assert_int_equal(p.s.changes, changes);
    assert_int_equal(p.out.len, 0);
    assert_int_equal(p.s.deadline.ms, TS_NEVER.ms);
    end(&p);
}

static void test_a_new_error_layout_is_read(void **state)
{
    (void)state;
    const struct ts_ib_conf conf = {.client_id = 7, .version_max = 200, .timeout_ms = 1000};
    struct play p;
    p.now = (ts_mono){5000};
    p.out = ts_buf_init(65536);
    ts_ib_session_begin(&p.s, &conf, p.now, &p.out);
    ASSERT_BYTES(&p.out, "API\0\0\0\0\x09v100..200");
    frame(&p, "200|x");
    frame(&p, "15|1|DU1");
    frame(&p, "9|1|1");
    frame(&p, "49|1|1");
    assert_int_equal(p.s.reason, TS_PR_OK);
    frame(&p, "4|-1|1100|lost||1795475292000");
    assert_int_equal(p.s.reason, TS_PR_UPSTREAM_DOWN);
    end(&p);
}

static void test_no_version_with_binary_messages_is_offered(void **state)
{
    (void)state;
    const struct ts_ib_conf conf = {.client_id = 7, .version_max = 225, .timeout_ms = 1000};
    struct play p;
    p.now = (ts_mono){5000};
    p.out = ts_buf_init(65536);
    ts_ib_session_begin(&p.s, &conf, p.now, &p.out);
    ASSERT_BYTES(&p.out, "API\0\0\0\0\x09v100..200");
    frame(&p, "201|x");
    assert_int_equal(p.s.reason, TS_PR_PROTOCOL);
    end(&p);
}

static void test_pings_go_on_and_are_timed(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    p.now.ms += 30;
    become_ready(&p);
    assert_int_equal(p.s.took_ms, 30); /* since the connection */
    for (uint32_t i = 1; i <= 3; i++) {
        int64_t wait_ms = ts_mono_diff(p.now, p.s.deadline);
        assert_in_range(wait_ms, 1, 1000);
        ts_buf_clear(&p.out);
        later(&p, wait_ms - 1);
        assert_int_equal(p.out.len, 0);
        later(&p, 1);
        ASSERT_BYTES(&p.out, "\0\0\0\x05"
                             "49\0"
                             "1\0");
        p.now.ms += 40;
        frame(&p, "49|1|1795475293");
        assert_int_equal(p.s.took_ms, 40);
        assert_int_equal(p.s.pongs, i + 1);
    }
    assert_int_equal(p.s.changes, 1);
    end(&p);
}

static void test_frames_that_say_nothing_do_not_postpone_the_end(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    become_ready(&p);
    later(&p, 1000);
    for (int i = 0; i < 10 && p.s.reason == TS_PR_OK; i++) {
        frame(&p, "1|6|5|68|500.0|100|0");
        later(&p, 100);
    }
    assert_int_equal(p.s.reason, TS_PR_SILENT);
    end(&p);
}

static void test_more_accounts_than_fit_are_never_all_paper(void **state)
{
    (void)state;
    struct play p;
    char list[8192] = "15|1|";
    begin(&p);
    for (int i = 0; i < TS_IB_ACCOUNTS_MAX; i++) {
        (void)strcat(list, "DU1000000,");
    }
    frame(&p, "178|x");
    frame(&p, list);
    assert_int_equal(p.s.account_count, TS_IB_ACCOUNTS_MAX);
    assert_string_equal(p.s.accounts[TS_IB_ACCOUNTS_MAX - 1], "DU1000000");
    (void)strcat(list, " ,U7654321");
    frame(&p, list);
    assert_int_equal(p.s.account_count, TS_IB_ACCOUNTS_MAX);
    assert_string_equal(p.s.accounts[TS_IB_ACCOUNTS_MAX - 1], TS_IB_ACCOUNTS_UNSEEN);
    end(&p);
}

static void test_odd_account_lists(void **state)
{
    (void)state;
    static const struct {
        const char *list;
        const char *want; /* joined by '/' */
    } rows[] = {
        {"DU1", "DU1/"},
        {"DU1,DU2,", "DU1/DU2/"},
        {",, DU1 ,,\t,DU2  ", "DU1/DU2/"},
        {"DU1\x1b[31m,U\xfc", "DU1?[31m/U?/"},
        {"U123456789012345678901234567890123456789", "U123456789012345678901234567890/"},
        {"", ""},
        {" ", ""},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct play p;
        char fields[128];
        char got[128] = "";
        begin(&p);
        frame(&p, "178|x");
        (void)snprintf(fields, sizeof(fields), "15|1|%s", rows[i].list);
        frame(&p, fields);
        for (size_t n = 0; n < p.s.account_count; n++) {
            (void)strcat(strcat(got, p.s.accounts[n]), "/");
        }
        assert_string_equal(got, rows[i].want);
        end(&p);
    }
}

struct stopper {
    struct ts_ib_session *s;
    int messages;
    bool stop;
};

static void on_message(void *ctx, const struct ts_ib_fields *fields)
{
    struct stopper *t = ctx;
    (void)fields;
    t->messages++;
    if (t->stop) {
        ts_ib_session_done(t->s);
    }
}

static const char two_ticks[] = "\0\0\0\x04"
                                "2\0"
                                "6\0"
                                "\0\0\0\x04"
                                "2\0"
                                "6\0";

static void test_messages_after_the_handshake_are_handed_on(void **state)
{
    (void)state;
    struct play p;
    struct stopper t = {0};
    begin(&p);
    frame(&p, "178|x");
    ts_ib_session_feed(&p.s, two_ticks, sizeof(two_ticks) - 1, p.now, &p.out, on_message, &t);
    assert_int_equal(t.messages, 2);
    end(&p);
}

static void test_a_message_may_end_the_session(void **state)
{
    (void)state;
    struct play p;
    begin(&p);
    frame(&p, "178|x");
    struct stopper t = {.s = &p.s, .stop = true};
    ts_ib_session_feed(&p.s, two_ticks, sizeof(two_ticks) - 1, p.now, &p.out, on_message, &t);
    assert_int_equal(t.messages, 1);
    end(&p);
}

/* --- farms */

static void test_farms_are_kept_one_by_one(void **state)
{
    (void)state;
    static const struct {
        int64_t code;
        const char *text;
        const char *want;
    } rows[] = {
        {2104, "Market data farm connection is OK:usfarm", ""},
        {2103, "Market data farm connection is broken:usfarm", "broken: usfarm (market data)"},
        {2105, "HMDS data farm connection is broken:usfarm",
         "broken: usfarm (market data), usfarm (history)"},
        {2119, "Market data farm is connecting:usfarm", "broken: usfarm (history)"},
        {2107, "HMDS data farm connection is inactive but should be available upon demand.usfarm",
         ""},
        {2157, "Sec-def data farm connection is broken:secdefil", "broken: secdefil (contracts)"},
        {2158, "Sec-def data farm connection is OK:secdefil", ""},
        {2103, "A text of another kind. It names none", "broken: a farm (market data)"},
        {2104, "another again", ""},
    };
    struct ts_ib_farms farms = {0};
    char text[160];
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        assert_true(ts_ib_farms_take(&farms, rows[i].code, rows[i].text));
        ts_ib_farms_text(&farms, text, sizeof(text));
        assert_string_equal(text, rows[i].want);
    }
    assert_false(ts_ib_farms_take(&farms, 2109, "Order Event Warning:x"));
}

static void test_endless_farms_are_forgotten_not_overflown(void **state)
{
    (void)state;
    struct ts_ib_farms farms = {0};
    char text[64];
    for (int i = 0; i < 1000; i++) {
        (void)snprintf(text, sizeof(text), "broken:farm-%d-with-a-name-that-is-too-long", i);
        assert_true(ts_ib_farms_take(&farms, 2103, text));
    }
    assert_int_equal(farms.count, TS_IB_FARMS_MAX);
    ts_ib_farms_text(&farms, text, sizeof(text));
    assert_int_equal(strlen(text), sizeof(text) - 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ready_needs_handshake_account_id_and_time),
        cmocka_unit_test(test_every_byte_split_gives_the_same_session),
        cmocka_unit_test(test_an_account_list_that_changes_is_told),
        cmocka_unit_test(test_each_story_of_a_gateway_has_its_verdict),
        cmocka_unit_test(test_a_verdict_that_ended_the_session_stays),
        cmocka_unit_test(test_a_new_error_layout_is_read),
        cmocka_unit_test(test_no_version_with_binary_messages_is_offered),
        cmocka_unit_test(test_pings_go_on_and_are_timed),
        cmocka_unit_test(test_frames_that_say_nothing_do_not_postpone_the_end),
        cmocka_unit_test(test_more_accounts_than_fit_are_never_all_paper),
        cmocka_unit_test(test_odd_account_lists),
        cmocka_unit_test(test_messages_after_the_handshake_are_handed_on),
        cmocka_unit_test(test_a_message_may_end_the_session),
        cmocka_unit_test(test_farms_are_kept_one_by_one),
        cmocka_unit_test(test_endless_farms_are_forgotten_not_overflown),
    };
    return RUN_TESTS(tests);
}
