#include "unit.h"

#include <stdio.h>
#include <time.h>

#include "base/macros.h"
#include "model/calendar.h"

#define MINUTE_MS INT64_C(60000)
#define HOUR_MS   (60 * MINUTE_MS)
#define DAY_MS    (24 * HOUR_MS)

/* "2026-03-08 06:59" (UTC), by the C library. */
static ts_wall at(const char *text)
{
    struct tm tm = {0};
    assert_int_equal(sscanf(text, "%d-%d-%d %d:%d", &tm.tm_year, &tm.tm_mon, &tm.tm_mday,
                            &tm.tm_hour, &tm.tm_min),
                     5);
    tm.tm_year -= 1900;
    tm.tm_mon -= 1;
    return (ts_wall){(int64_t)timegm(&tm) * 1000};
}

static const char *text_of(ts_wall t)
{
    static char text[2][32];
    static int next;
    char *out = text[next++ % 2];
    time_t s = (time_t)(t.ms / 1000);
    struct tm tm;
    (void)strftime(out, sizeof(text[0]), "%Y-%m-%d %H:%M", gmtime_r(&s, &tm));
    return out;
}

/* The C library's own idea of the zone: a POSIX rule, so no zone files are needed. */
static struct tm eastern(ts_wall t)
{
    time_t s = (time_t)(t.ms / 1000);
    struct tm tm;
    assert_non_null(localtime_r(&s, &tm));
    return tm;
}

static int set_eastern(void **state)
{
    (void)state;
    setenv("TZ", "EST5EDT,M3.2.0/2,M11.1.0/2", 1);
    tzset();
    return 0;
}

static int unset_zone(void **state)
{
    (void)state;
    unsetenv("TZ");
    tzset();
    return 0;
}

static void test_offset_agrees_with_the_c_library_every_hour_for_forty_years(void **state)
{
    (void)state;
    for (ts_wall t = at("2007-01-01 00:00"); t.ms < at("2047-01-01 00:00").ms; t.ms += HOUR_MS) {
        int want = (int)(eastern(t).tm_gmtoff / 60);
        if (ts_calendar_offset_min(TS_ZONE_US_EASTERN, t) != want) {
            fail_msg("%s: not %d", text_of(t), want);
        }
        assert_int_equal(ts_calendar_offset_min(TS_ZONE_UTC, t), 0);
    }
}

static void test_offset_changes_on_the_known_instants(void **state)
{
    (void)state;
    static const struct {
        const char *utc;
        int offset;
    } rows[] = {
        {"2007-03-11 06:59", -300}, {"2007-03-11 07:00", -240}, {"2024-03-10 06:59", -300},
        {"2024-03-10 07:00", -240}, {"2024-11-03 05:59", -240}, {"2024-11-03 06:00", -300},
        {"2026-03-08 06:59", -300}, {"2026-03-08 07:00", -240}, {"2026-11-01 05:59", -240},
        {"2026-11-01 06:00", -300}, {"2026-12-31 23:59", -300}, {"2027-01-01 00:00", -300},
        {"2096-02-29 12:00", -300}, {"2100-03-14 07:00", -240}, {"2100-11-07 06:00", -300},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (ts_calendar_offset_min(TS_ZONE_US_EASTERN, at(rows[i].utc)) != rows[i].offset) {
            fail_msg("%s: not %d", rows[i].utc, rows[i].offset);
        }
    }
}

static const struct ts_window nightly = {"nightly",          127,           23 * 60 + 45, 60 + 45,
                                         TS_ZONE_US_EASTERN, 10 * MINUTE_MS};
static const struct ts_window weekend = {"weekend",          1 << 5,        23 * 60, 3 * 60,
                                         TS_ZONE_US_EASTERN, 10 * MINUTE_MS};

static void test_the_shipped_windows_on_known_dates(void **state)
{
    (void)state;
    static struct ts_model m = {.window_count = 2};
    m.windows[0] = nightly;
    m.windows[1] = weekend;
    static const struct {
        const char *now; /* UTC */
        const char *on;  /* "" none */
        const char *ends;
        bool in_slack;
        const char *next;
        const char *begins;
    } rows[] = {
        /* winter: 23:45 EST is 04:45 UTC; 24 November 2026 is a Tuesday */
        {"2026-11-24 04:44", "", "", false, "nightly", "2026-11-24 04:45"},
        {"2026-11-24 04:45", "nightly", "2026-11-24 06:55", false, "nightly", "2026-11-25 04:45"},
        {"2026-11-24 06:44", "nightly", "2026-11-24 06:55", false, "nightly", "2026-11-25 04:45"},
        {"2026-11-24 06:45", "nightly", "2026-11-24 06:55", true, "nightly", "2026-11-25 04:45"},
        {"2026-11-24 06:55", "", "", false, "nightly", "2026-11-25 04:45"},
        /* summer: 03:45 UTC */
        {"2026-07-15 03:44", "", "", false, "nightly", "2026-07-15 03:45"},
        {"2026-07-15 03:45", "nightly", "2026-07-15 05:55", false, "nightly", "2026-07-16 03:45"},
        /* Friday 27 November, 23:00 EST, to Saturday 03:00: the nightly one lies within */
        {"2026-11-28 03:59", "", "", false, "weekend", "2026-11-28 04:00"},
        {"2026-11-28 04:00", "weekend", "2026-11-28 08:10", false, "nightly", "2026-11-28 04:45"},
        {"2026-11-28 05:00", "weekend", "2026-11-28 08:10", false, "nightly", "2026-11-29 04:45"},
        {"2026-11-28 08:09", "weekend", "2026-11-28 08:10", true, "nightly", "2026-11-29 04:45"},
        {"2026-11-28 08:10", "", "", false, "nightly", "2026-11-29 04:45"},
        /* the clocks go back on 1 November 2026, 02:00 EDT: 01:45 comes twice, the last counts */
        {"2026-11-01 05:50", "nightly", "2026-11-01 06:55", false, "nightly", "2026-11-02 04:45"},
        {"2026-11-01 06:50", "nightly", "2026-11-01 06:55", true, "nightly", "2026-11-02 04:45"},
        /* and forward on 8 March: 01:45 EST is 06:45 UTC, the next begin is an hour earlier */
        {"2026-03-08 06:44", "nightly", "2026-03-08 06:55", false, "nightly", "2026-03-09 03:45"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_window_view v = ts_calendar_look(&m, at(rows[i].now));
        const char *on = v.on != NULL ? v.on->name : "";
        const char *ends = v.on != NULL ? text_of(v.ends) : "";
        const char *next = v.next != NULL ? v.next->name : "";
        if (strcmp(on, rows[i].on) != 0 || strcmp(ends, rows[i].ends) != 0 ||
            v.in_slack != rows[i].in_slack || strcmp(next, rows[i].next) != 0 ||
            strcmp(text_of(v.begins), rows[i].begins) != 0) {
            fail_msg("%s: on '%s' until '%s'%s, then '%s' at %s", rows[i].now, on, ends,
                     v.in_slack ? " (slack)" : "", next, text_of(v.begins));
        }
    }
}

static void test_a_time_that_the_clocks_skip_counts_as_the_skip(void **state)
{
    (void)state;
    static struct ts_model m = {.window_count = 1};
    m.windows[0] = (struct ts_window){"w", 127, 2 * 60 + 15, 2 * 60 + 45, TS_ZONE_US_EASTERN, 0};
    assert_non_null(ts_calendar_look(&m, at("2026-03-07 07:30")).on);
    struct ts_window_view v = ts_calendar_look(&m, at("2026-03-08 06:59"));
    assert_null(v.on);
    assert_string_equal(text_of(v.begins), "2026-03-08 07:00");
    assert_null(ts_calendar_look(&m, at("2026-03-08 07:00")).on);
    assert_string_equal(text_of(ts_calendar_look(&m, at("2026-03-08 07:00")).begins),
                        "2026-03-09 06:15");
}

/* Written from the other side: what do the zone's clocks show now? Only right where they are not
 * put back or forward within the window, so those days are left out. */
static bool clocks_say_on(const struct ts_window *w, ts_wall t)
{
    struct tm now = eastern(t);
    int minute = now.tm_hour * 60 + now.tm_min;
    unsigned today = 1U << (unsigned)now.tm_wday;
    unsigned yesterday = 1U << (unsigned)((now.tm_wday + 6) % 7);
    if (w->from_min < w->to_min) {
        return (w->days & today) != 0 && minute >= w->from_min && minute < w->to_min;
    }
    return ((w->days & today) != 0 && minute >= w->from_min) ||
           ((w->days & yesterday) != 0 && minute < w->to_min);
}

static bool clocks_change_around(ts_wall t)
{
    return eastern((ts_wall){t.ms - DAY_MS}).tm_isdst != eastern((ts_wall){t.ms + DAY_MS}).tm_isdst;
}

static void test_windows_agree_with_the_zones_clocks_for_ten_years(void **state)
{
    (void)state;
    static const struct ts_window windows[] = {
        {"n", 127, 23 * 60 + 45, 60 + 45, TS_ZONE_US_EASTERN, 0},
        {"w", 1 << 5, 23 * 60, 3 * 60, TS_ZONE_US_EASTERN, 0},
        {"d", 1 | 8, 9 * 60 + 30, 16 * 60, TS_ZONE_US_EASTERN, 0},
        {"l", 64, 12 * 60, 11 * 60 + 59, TS_ZONE_US_EASTERN, 0},
        {"0", 2, 0, 24 * 60 - 1, TS_ZONE_US_EASTERN, 0},
    };
    static struct ts_model m = {.window_count = 1};
    for (size_t i = 0; i < TS_ARRAY_LEN(windows); i++) {
        m.windows[0] = windows[i];
        for (ts_wall t = at("2020-01-01 00:07"); t.ms < at("2030-01-01 00:00").ms;
             t.ms += 37 * MINUTE_MS) {
            bool on = ts_calendar_look(&m, t).on != NULL;
            if (!clocks_change_around(t) && on != clocks_say_on(&windows[i], t)) {
                fail_msg("window %s at %s UTC: %d", windows[i].name, text_of(t), on);
            }
        }
    }
}

static void test_what_is_said_of_ends_and_begins_comes_true(void **state)
{
    (void)state;
    static struct ts_model m = {.window_count = 2};
    m.windows[0] = nightly;
    m.windows[1] = weekend;
    size_t changes = 0;
    ts_wall end = at("2030-01-01 00:00");
    for (ts_wall t = at("2025-01-01 00:00"); t.ms < end.ms;) {
        struct ts_window_view v = ts_calendar_look(&m, t);
        assert_non_null(v.next);
        assert_true(v.begins.ms > t.ms);
        assert_true(v.begins.ms - t.ms <= 8 * DAY_MS);
        ts_wall begin = v.begins;
        assert_ptr_equal(ts_calendar_look(&m, (ts_wall){begin.ms - 1}).next, v.next);
        assert_non_null(ts_calendar_look(&m, begin).on);
        if (v.on != NULL) {
            assert_non_null(ts_calendar_look(&m, (ts_wall){v.ends.ms - 1}).on);
            assert_null(ts_calendar_look(&m, v.ends).on);
            changes++;
            t = v.ends;
        } else {
            t = begin;
        }
    }
    assert_in_range(changes, 5 * 365, 5 * 366 + 1); /* one a night: Friday's two are one */
}

static void test_without_windows_nothing_is_on(void **state)
{
    (void)state;
    static const struct ts_model m = {.window_count = 0};
    struct ts_window_view v = ts_calendar_look(&m, at("2026-11-24 05:00"));
    assert_null(v.on);
    assert_null(v.next);
}

static void test_utc_windows_and_long_slack_reach_over_days(void **state)
{
    (void)state;
    static struct ts_model m = {.window_count = 1};
    m.windows[0] =
        (struct ts_window){"u", 1 << 1, 23 * 60 + 59, 23 * 60 + 58, TS_ZONE_UTC, 6 * HOUR_MS};
    /* Monday 23 November, 23:59, to Tuesday 23:58, and six hours more */
    assert_null(ts_calendar_look(&m, at("2026-11-23 23:58")).on);
    assert_non_null(ts_calendar_look(&m, at("2026-11-23 23:59")).on);
    assert_true(ts_calendar_look(&m, at("2026-11-25 05:57")).in_slack);
    assert_null(ts_calendar_look(&m, at("2026-11-25 05:58")).on);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_offset_agrees_with_the_c_library_every_hour_for_forty_years),
        cmocka_unit_test(test_offset_changes_on_the_known_instants),
        cmocka_unit_test(test_the_shipped_windows_on_known_dates),
        cmocka_unit_test(test_a_time_that_the_clocks_skip_counts_as_the_skip),
        cmocka_unit_test(test_windows_agree_with_the_zones_clocks_for_ten_years),
        cmocka_unit_test(test_what_is_said_of_ends_and_begins_comes_true),
        cmocka_unit_test(test_without_windows_nothing_is_on),
        cmocka_unit_test(test_utc_windows_and_long_slack_reach_over_days),
    };
    cmocka_set_message_output(CM_OUTPUT_TAP);
    return cmocka_run_group_tests(tests, set_eastern, unset_zone);
}
