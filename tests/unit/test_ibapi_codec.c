/* The IB API codec, against bytes that real clients and servers were seen to accept. */
#include "unit.h"

#include "base/macros.h"
#include "ibapi/codec.h"

static void assert_bytes(const struct ts_buf *out, const char *want, size_t len)
{
    assert_false(out->failed);
    assert_int_equal(out->len, len);
    assert_memory_equal(out->data, want, len);
}
#define ASSERT_BYTES(out, literal) assert_bytes(out, literal, sizeof(literal) - 1)

/* The payload of the one frame in out, its fields joined by '|'. */
static const char *joined(const struct ts_buf *out)
{
    static char text[1024];
    assert_false(out->failed);
    assert_true(out->len > 4 && out->len - 4 < sizeof(text));
    assert_int_equal((unsigned char)out->data[2] * 256 + (unsigned char)out->data[3], out->len - 4);
    memcpy(text, out->data + 4, out->len - 4);
    for (size_t i = 0; i + 5 < out->len; i++) {
        text[i] = text[i] == '\0' ? '|' : text[i];
    }
    return text;
}

static void test_requests_have_the_known_bytes(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(4096);
    ts_ib_add_hello(&out, 100, 178);
    ASSERT_BYTES(&out, "\x41\x50\x49\x00\x00\x00\x00\x09\x76\x31\x30\x30\x2e\x2e\x31\x37\x38");
    ts_buf_clear(&out);
    ts_ib_add_hello(&out, 100, 176);
    ASSERT_BYTES(&out, "\x41\x50\x49\x00\x00\x00\x00\x09\x76\x31\x30\x30\x2e\x2e\x31\x37\x36");
    ts_buf_clear(&out);
    ts_ib_add_start(&out, 178, 7);
    ASSERT_BYTES(&out, "\x00\x00\x00\x08\x37\x31\x00\x32\x00\x37\x00\x00");
    ts_buf_clear(&out);
    ts_ib_add_start(&out, 178, 1001);
    ASSERT_BYTES(&out, "\x00\x00\x00\x0b\x37\x31\x00\x32\x00\x31\x30\x30\x31\x00\x00");
    ts_buf_clear(&out);
    ts_ib_add_time_request(&out);
    ASSERT_BYTES(&out, "\x00\x00\x00\x05\x34\x39\x00\x31\x00");
    ts_buf_done(&out);
}

static void test_requests_of_the_bot_have_the_known_fields(void **state)
{
    (void)state;
    static const struct ts_ib_contract spy = {"SPY", "STK", "SMART", "USD"};
    struct ts_buf out = ts_buf_init(4096);
    ts_ib_add_summary_request(&out, 9001, "NetLiquidation,TotalCashValue");
    assert_string_equal(joined(&out), "62|1|9001|All|NetLiquidation,TotalCashValue");
    ts_buf_clear(&out);
    ts_ib_add_summary_cancel(&out, 9001);
    assert_string_equal(joined(&out), "63|1|9001");
    ts_buf_clear(&out);
    ts_ib_add_positions_request(&out);
    assert_string_equal(joined(&out), "61|1");
    ts_buf_clear(&out);
    ts_ib_add_positions_cancel(&out);
    assert_string_equal(joined(&out), "64|1");
    ts_buf_clear(&out);
    ts_ib_add_data_type_request(&out, 3);
    assert_string_equal(joined(&out), "59|1|3");
    ts_buf_clear(&out);
    ts_ib_add_market_data_request(&out, 178, 5, &spy);
    assert_string_equal(joined(&out), "1|11|5|0|SPY|STK||0.0|||SMART||USD|||0||0|0|");
    ts_buf_clear(&out);
    ts_ib_add_market_data_request(&out, 113, 5, &spy); /* no regulatory snapshot yet */
    assert_string_equal(joined(&out), "1|11|5|0|SPY|STK||0.0|||SMART||USD|||0||0|");
    ts_buf_clear(&out);
    ts_ib_add_market_data_cancel(&out, 5);
    assert_string_equal(joined(&out), "2|2|5");
    ts_buf_done(&out);
}

#define FARM_OK "Market data farm connection is OK:usfarm"

static void test_errors_have_the_known_bytes_of_each_layout(void **state)
{
    (void)state;
    static const struct {
        int32_t version;
        const char *bytes;
        size_t len;
    } rows[] = {
#define ROW(version, literal) {version, literal, sizeof(literal) - 1}
        ROW(100, "\x00\x00\x00\x35"
                 "4\0"
                 "2\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"),
        ROW(165, "\x00\x00\x00\x35"
                 "4\0"
                 "2\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"),
        ROW(166, "\x00\x00\x00\x36"
                 "4\0"
                 "2\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"
                 "\0"),
        ROW(178, "\x00\x00\x00\x36"
                 "4\0"
                 "2\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"
                 "\0"),
        ROW(193, "\x00\x00\x00\x36"
                 "4\0"
                 "2\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"
                 "\0"),
        ROW(194, "\x00\x00\x00\x42"
                 "4\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"
                 "\0"
                 "1795475292000\0"),
        ROW(200, "\x00\x00\x00\x42"
                 "4\0"
                 "-1\0"
                 "2104\0" FARM_OK "\0"
                 "\0"
                 "1795475292000\0"),
#undef ROW
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_buf out = ts_buf_init(4096);
        struct ts_ib_fields m;
        ts_ib_add_error(&out, rows[i].version, -1, 2104, FARM_OK, 1795475292000);
        assert_bytes(&out, rows[i].bytes, rows[i].len);
        assert_true(ts_ib_split(out.data + 4, out.len - 4, &m));
        struct ts_ib_error e = ts_ib_parse_error(&m, rows[i].version);
        assert_int_equal(e.req_id, -1);
        assert_int_equal(e.code, 2104);
        assert_string_equal(e.text, FARM_OK);
        ts_buf_done(&out);
    }
}

static void test_a_short_error_is_read_without_harm(void **state)
{
    (void)state;
    struct ts_ib_fields m;
    assert_true(ts_ib_split("4\0", 2, &m));
    struct ts_ib_error e = ts_ib_parse_error(&m, 178);
    assert_int_equal(e.req_id, -1);
    assert_int_equal(e.code, 0);
    assert_string_equal(e.text, "");
    assert_true(ts_ib_split("4\0"
                            "2\0"
                            "x\0"
                            "99999999999999999999\0"
                            "t",
                            29, &m));
    e = ts_ib_parse_error(&m, 178);
    assert_int_equal(e.req_id, -1);
    assert_int_equal(e.code, 0);
    assert_string_equal(e.text, "t");
}

struct hello_row {
    const char *bytes;
    size_t n;
    enum ts_ib_hello want;
    int32_t low;
    int32_t high;
    size_t taken;
};
/* clang-format's versions disagree about such macros. */
/* clang-format off */
#define HELLO(literal, want, low, high, taken)                                                     \
    {literal, sizeof(literal) - 1, want, low, high, taken}
/* clang-format on */

static void test_a_hello_is_judged_by_its_bytes(void **state)
{
    (void)state;
    static const struct hello_row rows[] = {
        HELLO("", TS_IB_HELLO_MORE, 0, 0, 0),
        HELLO("API\0\0\0\0\x09v100..178", TS_IB_HELLO_OK, 100, 178, 17),
        HELLO("API\0\0\0\0\x09v100..178\0\0\0\x08", TS_IB_HELLO_OK, 100, 178, 17),
        HELLO("API\0\0\0\0\x04v178", TS_IB_HELLO_OK, 178, 178, 12),
        HELLO("API\0\0\0\0\x12v157..178 +PACEAPI", TS_IB_HELLO_OK, 157, 178, 26),
        HELLO("62\0", TS_IB_HELLO_LEGACY, 0, 0, 0), /* the npm package "ib" */
        HELLO("GET / HT", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("A", TS_IB_HELLO_MORE, 0, 0, 0),
        HELLO("Ax", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("\0", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\0", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\xff\xff\xff\xff", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\x01\x01", TS_IB_HELLO_BAD, 0, 0, 0), /* 257 bytes of options */
        HELLO("API\0\0\0\0\x03v..", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x01v", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x06v100..", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x08v100.178", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x09v178..100", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x08 v1..178", TS_IB_HELLO_BAD, 0, 0, 0),
        HELLO("API\0\0\0\0\x0av-1..99999", TS_IB_HELLO_BAD, 0, 0, 0),
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        int32_t low = 0;
        int32_t high = 0;
        size_t taken = 0;
        enum ts_ib_hello got = ts_ib_parse_hello(rows[i].bytes, rows[i].n, &low, &high, &taken);
        if (got != rows[i].want) {
            fail_msg("row %zu: %d instead of %d", i, (int)got, (int)rows[i].want);
        }
        if (got == TS_IB_HELLO_OK) {
            assert_int_equal(low, rows[i].low);
            assert_int_equal(high, rows[i].high);
            assert_int_equal(taken, rows[i].taken);
        }
    }
}

static void test_a_hello_may_come_in_any_pieces(void **state)
{
    (void)state;
    static const char hello[] = "API\0\0\0\0\x09v100..178";
    int32_t low;
    int32_t high;
    size_t taken;
    for (size_t n = 0; n < sizeof(hello) - 1; n++) {
        assert_int_equal(ts_ib_parse_hello(hello, n, &low, &high, &taken), TS_IB_HELLO_MORE);
    }
}

static void test_our_own_hello_is_understood(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(64);
    int32_t low = 0;
    int32_t high = 0;
    size_t taken = 0;
    ts_ib_add_hello(&out, 157, 200);
    assert_int_equal(ts_ib_parse_hello(out.data, out.len, &low, &high, &taken), TS_IB_HELLO_OK);
    assert_int_equal(low, 157);
    assert_int_equal(high, 200);
    assert_int_equal(taken, out.len);
    ts_buf_done(&out);
}

static void test_fields_end_with_nul_and_only_so_many_are_kept(void **state)
{
    (void)state;
    struct ts_ib_fields m;
    char many[TS_IB_FIELDS_MAX + 7] = {0};
    assert_false(ts_ib_split("49", 2, &m));
    assert_false(ts_ib_split("", 0, &m));
    assert_true(ts_ib_split(many, sizeof(many), &m));
    assert_int_equal(m.count, TS_IB_FIELDS_MAX);
    assert_true(ts_ib_split("4\0\0x", 5, &m));
    assert_int_equal(m.count, 3);
    assert_string_equal(ts_ib_text(&m, 2), "x");
    assert_string_equal(ts_ib_text(&m, 9), "");
    assert_int_equal(ts_ib_int(&m, 0, -7), 4);
    assert_int_equal(ts_ib_int(&m, 2, -7), -7);
    assert_int_equal(ts_ib_int(&m, 9, -7), -7);
}

static void test_a_reader_gives_whole_frames_whatever_the_pieces(void **state)
{
    (void)state;
    static const char bytes[] = "\0\0\0\x02"
                                "a\0"
                                "\0\0\0\x03"
                                "bc\0"
                                "\0\0\0\x01"
                                "\0"
                                "\0\0";
    for (size_t piece = 1; piece <= sizeof(bytes) - 1; piece++) {
        struct ts_ib_reader r = ts_ib_reader_init(16);
        struct ts_error err;
        const char *payload;
        size_t len;
        char got[16] = "";
        for (size_t at = 0; at < sizeof(bytes) - 1; at += piece) {
            size_t n = sizeof(bytes) - 1 - at < piece ? sizeof(bytes) - 1 - at : piece;
            assert_true(ts_ib_reader_feed(&r, bytes + at, n, &err));
            while (ts_ib_reader_next(&r, &payload, &len) == TS_IB_NEXT_FRAME) {
                assert_true(strlen(got) + len + 1 < sizeof(got));
                (void)strncat(got, payload, len);
                (void)strcat(got, "/");
            }
        }
        assert_string_equal(got, "a/bc//");
        assert_int_equal(ts_ib_reader_next(&r, &payload, &len), TS_IB_NEXT_MORE);
        ts_ib_reader_done(&r);
    }
}

static void test_a_reader_refuses_impossible_lengths_and_floods(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        enum ts_ib_next want;
    } rows[] = {
        {"\0\0\0\0", TS_IB_NEXT_BAD},
        {"\0\0\0\x11", TS_IB_NEXT_BAD}, /* one more than the limit */
        {"\0\0\0\x10", TS_IB_NEXT_MORE},
        {"\xff\xff\xff\xff", TS_IB_NEXT_BAD},
        {"\x80\0\0\x01", TS_IB_NEXT_BAD},
        {"HTTP", TS_IB_NEXT_BAD},
    };
    const char *payload;
    size_t len;
    struct ts_error err;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_ib_reader r = ts_ib_reader_init(16);
        assert_true(ts_ib_reader_feed(&r, rows[i].bytes, 4, &err));
        assert_int_equal(ts_ib_reader_next(&r, &payload, &len), rows[i].want);
        ts_ib_reader_done(&r);
    }
    static char much[128 * 1024];
    struct ts_ib_reader r = ts_ib_reader_init(16);
    assert_false(ts_ib_reader_feed(&r, much, sizeof(much), &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    ts_ib_reader_done(&r);
}

static void test_an_emptied_reader_can_still_be_asked(void **state)
{
    (void)state;
    struct ts_ib_reader r = ts_ib_reader_init(16);
    struct ts_error err;
    const char *payload;
    size_t len;
    assert_true(ts_ib_reader_feed(&r,
                                  "\0\0\0\x02"
                                  "a\0",
                                  6, &err));
    assert_int_equal(ts_ib_reader_next(&r, &payload, &len), TS_IB_NEXT_FRAME);
    ts_ib_reader_done(&r); /* a frame was borrowed */
    assert_int_equal(ts_ib_reader_next(&r, &payload, &len), TS_IB_NEXT_MORE);
    ts_ib_reader_done(&r);
}

static void test_text_for_people_is_printable_ascii(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        const char *out;
    } rows[] = {
        {"  DU1234567 \n", "DU1234567"},
        {"", ""},
        {" \t ", ""},
        {"a b", "a b"},
        {"\x1b[31mred", "?[31mred"},
        {"caf\xe9", "caf?"},
        {"\xc3\xa9", "??"},
        {"0123456789abcdef", "0123456789a"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char out[12];
        ts_ib_copy_printable(out, sizeof(out), rows[i].in);
        assert_string_equal(out, rows[i].out);
    }
}

static void test_a_full_buffer_is_noticed_at_the_end(void **state)
{
    (void)state;
    struct ts_buf out = ts_buf_init(8);
    ts_ib_add_start(&out, 178, 7);
    assert_true(out.failed);
    ts_buf_done(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_requests_have_the_known_bytes),
        cmocka_unit_test(test_requests_of_the_bot_have_the_known_fields),
        cmocka_unit_test(test_errors_have_the_known_bytes_of_each_layout),
        cmocka_unit_test(test_a_short_error_is_read_without_harm),
        cmocka_unit_test(test_a_hello_is_judged_by_its_bytes),
        cmocka_unit_test(test_a_hello_may_come_in_any_pieces),
        cmocka_unit_test(test_our_own_hello_is_understood),
        cmocka_unit_test(test_fields_end_with_nul_and_only_so_many_are_kept),
        cmocka_unit_test(test_a_reader_gives_whole_frames_whatever_the_pieces),
        cmocka_unit_test(test_a_reader_refuses_impossible_lengths_and_floods),
        cmocka_unit_test(test_an_emptied_reader_can_still_be_asked),
        cmocka_unit_test(test_text_for_people_is_printable_ascii),
        cmocka_unit_test(test_a_full_buffer_is_noticed_at_the_end),
    };
    return RUN_TESTS(tests);
}
