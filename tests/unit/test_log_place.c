/* No line goes unread because the clock was set while it was written. */
#include "unit.h"

#include "core/log_place.h"

#define S INT64_C(1000000000)

static ts_wall at(int64_t s)
{
    return (ts_wall){s * 1000};
}

static void test_it_goes_on_behind_the_last_line(void **state)
{
    (void)state;
    int64_t place = ts_log_place_after(0, 100 * S);
    place = ts_log_place_after(place, 101 * S);
    place = ts_log_place_after(place, 101 * S - 5); /* of the other stream */
    place = ts_log_place_after(place, 0);           /* without a stamp */
    assert_true(place == 101 * S);
    assert_true(ts_log_place_resume(place, 90 * S, at(200)) == 101 * S);
    assert_true(ts_log_place_resume(0, 90 * S, at(200)) == 90 * S);
}

static void test_a_clock_set_back_within_a_run_hides_nothing(void **state)
{
    (void)state;
    int64_t place = ts_log_place_after(0, 4000 * S);
    assert_true(ts_log_place_resume(place, 90 * S, at(401)) <= 401 * S); /* nothing said since */
    place = ts_log_place_after(place, 400 * S);
    assert_true(place == 400 * S);
    assert_true(ts_log_place_resume(place, 90 * S, at(402)) == 400 * S);
}

static void test_a_new_run_begins_behind_the_one_before(void **state)
{
    (void)state;
    int64_t begin = ts_log_place_begin(0, at(110), at(100), at(111));
    assert_true(begin > 100 * S && begin < 101 * S);
    /* what was read of it already is not read again */
    assert_true(ts_log_place_begin(110 * S, at(110), at(100), at(111)) == 110 * S);
    assert_true(ts_log_place_begin(99 * S, at(110), at(100), at(111)) == begin);
    /* its first run */
    assert_true(ts_log_place_begin(0, at(110), at(0), at(111)) < S);
}

static void test_a_clock_set_back_between_two_runs_hides_nothing(void **state)
{
    (void)state;
    int64_t begin = ts_log_place_begin(3999 * S, at(410), at(4000), at(411));
    assert_true(begin < 410 * S);
    assert_true(begin >= 408 * S); /* and brings little of what was said before */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_it_goes_on_behind_the_last_line),
        cmocka_unit_test(test_a_clock_set_back_within_a_run_hides_nothing),
        cmocka_unit_test(test_a_new_run_begins_behind_the_one_before),
        cmocka_unit_test(test_a_clock_set_back_between_two_runs_hides_nothing),
    };
    return RUN_TESTS(tests);
}
