#include "unit.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"
#include "base/json.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/parse.h"
#include "base/secret.h"
#include "os.h"

static void test_error_wrap_puts_context_in_front(void **state)
{
    (void)state;
    struct ts_error err;
    assert_false(ts_error_set_detail(&err, TS_E_TIMEOUT, 28, "no answer in %d ms", 500));
    assert_false(ts_error_wrap(&err, "inspect %s", "gateway"));
    assert_string_equal(err.msg, "inspect gateway: no answer in 500 ms");
    assert_int_equal(err.code, TS_E_TIMEOUT);
    assert_int_equal(err.detail, 28);
}

static void test_error_text_is_cut_to_fit(void **state)
{
    (void)state;
    struct ts_error err;
    char longer[600];
    memset(longer, 'x', sizeof(longer) - 1);
    longer[sizeof(longer) - 1] = '\0';
    (void)ts_error_set(&err, TS_E_INVALID, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
    (void)ts_error_wrap(&err, "%s", longer);
    assert_int_equal(strlen(err.msg), sizeof(err.msg) - 1);
}

static void test_spans_need_units_in_falling_order(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms; /* -1: refused */
    } rows[] = {
        {"0", 0},         {"250ms", 250},  {"2s", 2000},
        {"1m30s", 90000}, {"1h", 3600000}, {"366d", INT64_C(366) * 86400000},
        {"", -1},         {"5", -1},       {"5 s", -1},
        {"s", -1},        {"30s1m", -1},   {"-1s", -1},
        {"1s1s", -1},     {"367d", -1},    {"99999999999999999999s", -1},
        {" 1s", -1},      {"1S", -1},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        int64_t ms = -1;
        bool ok = ts_parse_span_ms(rows[i].text, &ms);
        if (ok != (rows[i].ms >= 0) || ms != rows[i].ms) {
            fail_msg("\"%s\" gave %lld", rows[i].text, (long long)ms);
        }
    }
}

static void test_integers_are_strict(void **state)
{
    (void)state;
    int64_t v = 7;
    assert_true(ts_parse_i64("-9223372036854775808", INT64_MIN, INT64_MAX, &v));
    assert_true(v == INT64_MIN);
    assert_true(ts_parse_i64("9223372036854775807", INT64_MIN, INT64_MAX, &v));
    assert_true(v == INT64_MAX);
    v = 7;
    assert_false(ts_parse_i64("9223372036854775808", INT64_MIN, INT64_MAX, &v));
    assert_false(ts_parse_i64("65536", 0, 65535, &v));
    assert_false(ts_parse_i64("+1", 0, 10, &v));
    assert_false(ts_parse_i64("1 ", 0, 10, &v));
    assert_false(ts_parse_i64("-", -10, 10, &v));
    assert_true(v == 7);
}

static void test_cut_never_splits_a_character(void **state)
{
    (void)state;
    char out[6];
    ts_copy_cut(out, sizeof(out), "ab\xe2\x82\xac\xe2\x82\xac"); /* "ab€€" */
    assert_string_equal(out, "ab\xe2\x82\xac");
    char small[5];
    ts_copy_cut(small, sizeof(small), "ab\xe2\x82\xac");
    assert_string_equal(small, "ab");
}

static void test_buffer_refuses_what_exceeds_its_limit(void **state)
{
    (void)state;
    struct ts_buf b = ts_buf_init(10);
    assert_true(ts_buf_adds(&b, "12345"));
    assert_true(ts_buf_addf(&b, "%05d", 42));
    assert_false(ts_buf_adds(&b, "x"));
    assert_true(b.failed);
    assert_string_equal(ts_buf_text(&b), "1234500042");
    ts_buf_clear(&b);
    assert_true(ts_buf_adds(&b, "abc"));
    ts_buf_consume(&b, 2);
    assert_string_equal(ts_buf_text(&b), "c");
    ts_buf_done(&b);
    assert_string_equal(ts_buf_text(&b), "");
}

static void test_json_names_the_path_of_what_is_wrong(void **state)
{
    (void)state;
    struct ts_error err;
    const char *text = "{\"State\":{\"Health\":{\"Status\":3},\"Error\":null}}";
    json_t *v = ts_json_parse(text, strlen(text), &err);
    assert_non_null(v);
    const char *s = "kept";
    assert_false(ts_json_str(v, "State.Health.Status", &s, &err));
    assert_string_equal(err.msg, "State.Health.Status: want a string, have an integer");
    assert_string_equal(s, "kept");
    assert_null(ts_json_at(v, "State.Error"));
    assert_null(ts_json_at(v, "State.Health.Status.Deeper"));
    assert_int_equal(ts_json_i64_or(v, "State.Health.Status", 0), 3);
    json_decref(v);
    assert_null(ts_json_parse("{\"a\":1,\"a\":2}", 13, &err));
    assert_null(ts_json_parse("{}x", 3, &err));
    assert_null(ts_json_parse("NaN", 3, &err));
}

static void test_secret_file_must_not_be_world_readable(void **state)
{
    (void)state;
    struct ts_error err;
    char dir[OS_PATH];
    char path[OS_PATH + 8];
    os_temp_dir(dir);
    (void)snprintf(path, sizeof(path), "%s/secret", dir);
    FILE *f = fopen(path, "wb");
    assert_non_null(f);
    assert_true(fputs("https://x/y\nrest\n", f) >= 0);
    (void)fclose(f);
    os_set_private(path, true);
    struct ts_secret *s = ts_secret_read(path, &err);
    assert_non_null(s);
    assert_string_equal(ts_secret_reveal(s), "https://x/y");
    ts_secret_free(s);
    os_set_private(path, false);
    assert_null(ts_secret_read(path, &err));
    assert_int_equal(err.code, TS_E_DENIED);
    assert_null(strstr(err.msg, "https"));
    os_remove(dir);
}

static void test_wall_and_span_text(void **state)
{
    (void)state;
    char text[TS_WALL_TEXT];
    ts_wall_format((ts_wall){INT64_C(1795480908123)}, text);
    assert_string_equal(text, "2026-11-24T00:41:48.123Z");
    ts_wall_format((ts_wall){INT64_C(951782400000)}, text);
    assert_string_equal(text, "2000-02-29T00:00:00.000Z");
    ts_wall_format((ts_wall){-1}, text);
    assert_string_equal(text, "1969-12-31T23:59:59.999Z");
    char span[TS_SPAN_TEXT];
    ts_span_format(192345, span);
    assert_string_equal(span, "3 m 12 s");
}

struct loop_story {
    struct ts_loop *loop;
    struct ts_timer *first;
    int fired;
    int deferred;
    int turns;
};

static void on_deferred(void *arg)
{
    struct loop_story *s = arg;
    s->deferred++;
    ts_loop_stop(s->loop);
}

static void on_second(void *ctx)
{
    struct loop_story *s = ctx;
    s->fired++;
    ts_timer_free(s->first); /* its own and another's timer may go in a callback */
    s->first = NULL;
    ts_loop_defer(s->loop, on_deferred, s);
}

static void on_first(void *ctx)
{
    struct loop_story *s = ctx;
    s->fired++;
}

static void on_turn(void *ctx)
{
    ((struct loop_story *)ctx)->turns++;
}

static void test_loop_runs_timers_then_turn_then_deferred(void **state)
{
    (void)state;
    struct ts_error err;
    struct loop_story s = {0};
    s.loop = ts_loop_new(ts_clock_real(), &err);
    assert_non_null(s.loop);
    s.first = ts_timer_new(s.loop, on_first, &s, &err);
    struct ts_timer *second = ts_timer_new(s.loop, on_second, &s, &err);
    assert_non_null(second);
    ts_timer_after(s.first, 1);
    ts_timer_after(second, 5);
    assert_true(ts_loop_run(s.loop, on_turn, &s, &err));
    assert_int_equal(s.fired, 2);
    assert_int_equal(s.deferred, 1);
    assert_true(s.turns >= 1); /* on a busy machine both timers are due in one turn */
    ts_timer_free(second);
    ts_loop_free(s.loop);
}

static void keep_record(void *ctx, const struct ts_log_record *record)
{
    (void)snprintf(ctx, 200, "%s|%s|%s=%s|%lld", record->name, record->text, record->fields[0].name,
                   record->fields[0].str, (long long)record->fields[1].i64);
}

static void test_log_carries_text_and_fields(void **state)
{
    (void)state;
    char got[200] = "";
    struct ts_log *log = ts_log_new(ts_clock_real());
    assert_true(ts_log_add_sink(log, keep_record, got));
    TS_LOG(log, TS_MSG_SERVICE_STATE, TS_FIELDS(TS_STR("service", "gateway"), TS_I64("attempt", 2)),
           "gateway: %s", "ready");
    assert_string_equal(got, "service.state|gateway: ready|service=gateway|2");
    got[0] = '\0';
    TS_LOG(log, TS_MSG_DEBUG, TS_NO_FIELDS, "not shown");
    assert_string_equal(got, "");
    ts_log_free(log);
}

/* The examples of FIPS 180-4. */
static void test_sha256_is_the_standard_one(void **state)
{
    (void)state;
    char hex[TS_SHA256_HEX];
    assert_true(ts_sha256_hex("abc", 3, hex));
    assert_string_equal(hex, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_true(ts_sha256_hex("", 0, hex));
    assert_string_equal(hex, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
    assert_true(ts_sha256_is_hex(hex));
    hex[3] = 'G';
    assert_false(ts_sha256_is_hex(hex));
    assert_false(ts_sha256_is_hex("e3b0"));
}

/* --- many timers, on a clock that only the test moves */

#define CROWD 200

static int64_t crowd_now;

static ts_mono crowd_mono(void *ctx)
{
    (void)ctx;
    return (ts_mono){crowd_now};
}

static ts_wall crowd_wall(void *ctx)
{
    (void)ctx;
    return (ts_wall){crowd_now};
}

static struct crowd {
    struct ts_loop *loop;
    struct member {
        struct ts_timer *timer;
        ts_mono when;
        int fired;
    } all[CROWD];
    int64_t last;
    size_t fired;
    size_t turns;
} crowd;

static void on_member(void *ctx)
{
    struct member *m = ctx;
    assert_true(m->when.ms >= crowd.last); /* in order of their times */
    assert_true(m->when.ms <= crowd_now);
    crowd.last = m->when.ms;
    m->fired++;
    crowd.fired++;
    struct member *other = &crowd.all[(size_t)(m - crowd.all) ^ 1U];
    if (m->when.ms % 3 == 0 && other->timer != NULL && other->fired == 0) {
        ts_timer_free(other->timer); /* due in the same turn, or not yet */
        other->timer = NULL;
    }
}

static void on_crowd_turn(void *ctx)
{
    struct crowd *c = ctx;
    crowd_now += 7;
    if (++c->turns == 100) {
        ts_loop_stop(c->loop);
    }
}

static void on_beat(void *ctx)
{
    struct ts_timer **beat = ctx;
    ts_timer_after(*beat, 0); /* for now, from inside: the next turn, so every turn ends */
}

static void test_timers_run_in_order_and_never_after_their_end(void **state)
{
    (void)state;
    const struct ts_clock clock = {crowd_mono, crowd_wall, NULL};
    struct ts_error err;
    size_t gone = 0;
    crowd.loop = ts_loop_new(&clock, &err);
    assert_non_null(crowd.loop);
    for (size_t i = 0; i < CROWD; i++) {
        struct member *m = &crowd.all[i];
        m->timer = ts_timer_new(crowd.loop, on_member, m, &err);
        assert_non_null(m->timer);
        ts_timer_at(m->timer, (ts_mono){1000});
        m->when.ms = (int64_t)(i * 7919 % 500);
        ts_timer_at(m->timer, m->when); /* set again: only the last counts */
    }
    for (size_t i = 0; i < CROWD; i += 10) { /* some are taken back */
        ts_timer_stop(crowd.all[i].timer);
        assert_false(ts_timer_armed(crowd.all[i].timer));
    }
    struct ts_timer *beat = NULL;
    beat = ts_timer_new(crowd.loop, on_beat, &beat, &err);
    assert_non_null(beat);
    ts_timer_after(beat, 0);
    assert_true(ts_loop_run(crowd.loop, on_crowd_turn, &crowd, &err));
    for (size_t i = 0; i < CROWD; i++) {
        struct member *m = &crowd.all[i];
        assert_int_equal(m->fired, m->timer != NULL && i % 10 != 0 ? 1 : 0);
        gone += m->timer == NULL;
        ts_timer_free(m->timer);
    }
    assert_true(gone > 10);
    ts_timer_free(beat);
    ts_loop_free(crowd.loop);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_error_wrap_puts_context_in_front),
        cmocka_unit_test(test_error_text_is_cut_to_fit),
        cmocka_unit_test(test_spans_need_units_in_falling_order),
        cmocka_unit_test(test_integers_are_strict),
        cmocka_unit_test(test_cut_never_splits_a_character),
        cmocka_unit_test(test_buffer_refuses_what_exceeds_its_limit),
        cmocka_unit_test(test_json_names_the_path_of_what_is_wrong),
        cmocka_unit_test(test_sha256_is_the_standard_one),
        cmocka_unit_test(test_secret_file_must_not_be_world_readable),
        cmocka_unit_test(test_wall_and_span_text),
        cmocka_unit_test(test_loop_runs_timers_then_turn_then_deferred),
        cmocka_unit_test(test_timers_run_in_order_and_never_after_their_end),
        cmocka_unit_test(test_log_carries_text_and_fields),
    };
    return RUN_TESTS(tests);
}
