/* See calendar.h. Days are counted from 1970-01-01, a Thursday. */
#include "model/calendar.h"

#define DAY_MS              INT64_C(86400000)
#define MINUTE_MS           INT64_C(60000)
#define STANDARD_MIN        (-300)
#define DAYLIGHT_MIN        (-240)
#define DAYLIGHT_START_MS   (7 * 60 * MINUTE_MS) /* 02:00 at UTC-5, in UTC of that day */
#define DAYLIGHT_END_MS     (6 * 60 * MINUTE_MS) /* 02:00 at UTC-4 */
#define LONGEST_WINDOW_DAYS 2                    /* 24 h and the longest slack, 6 h */

static int64_t floor_div(int64_t a, int64_t b)
{
    int64_t q = a / b;
    return a % b < 0 ? q - 1 : q;
}

/* 0 = Sunday. */
static int weekday_of(int64_t day)
{
    int64_t r = (day + 4) % 7;
    return (int)(r < 0 ? r + 7 : r);
}

/* The day number of a date (proleptic Gregorian). The year is counted from March, so that the leap
 * day is its last: 153 days are the five months March to July and again August to December. */
static int64_t day_of(int64_t year, int month, int day_of_month)
{
    int64_t y = month > 2 ? year : year - 1;
    int64_t from_march = (month + 9) % 12;
    int64_t leap_days = floor_div(y, 4) - floor_div(y, 100) + floor_div(y, 400);
    return y * 365 + leap_days + (153 * from_march + 2) / 5 + day_of_month - 1 - 719468;
}

/* The year that a day lies in. */
static int64_t year_of(int64_t day)
{
    int64_t year = 1970 + floor_div(day, 366); /* never too late */
    while (day_of(year + 1, 1, 1) <= day) {
        year++;
    }
    return year;
}

/* The n-th Sunday of a month. */
static int64_t sunday_of(int64_t year, int month, int n)
{
    int64_t first = day_of(year, month, 1);
    return first + (7 - weekday_of(first)) % 7 + 7 * (n - 1);
}

static int64_t daylight_start_ms(int64_t year)
{
    return sunday_of(year, 3, 2) * DAY_MS + DAYLIGHT_START_MS;
}

int ts_calendar_offset_min(enum ts_zone zone, ts_wall at)
{
    if (zone == TS_ZONE_UTC) {
        return 0;
    }
    int64_t year = year_of(floor_div(at.ms, DAY_MS));
    int64_t end_ms = sunday_of(year, 11, 1) * DAY_MS + DAYLIGHT_END_MS;
    return at.ms >= daylight_start_ms(year) && at.ms < end_ms ? DAYLIGHT_MIN : STANDARD_MIN;
}

/* The instant at which the zone's clocks show that minute of that local day: the first or, where
 * they show it twice, the last one; where they skip it, the instant of the skip. */
static int64_t instant_of(enum ts_zone zone, int64_t day, int minute, bool last)
{
    int64_t local_ms = day * DAY_MS + minute * MINUTE_MS;
    if (zone == TS_ZONE_UTC) {
        return local_ms;
    }
    int64_t daylight_ms = local_ms - DAYLIGHT_MIN * MINUTE_MS;
    int64_t standard_ms = local_ms - STANDARD_MIN * MINUTE_MS;
    bool shown_daylight = ts_calendar_offset_min(zone, (ts_wall){daylight_ms}) == DAYLIGHT_MIN;
    bool shown_standard = ts_calendar_offset_min(zone, (ts_wall){standard_ms}) == STANDARD_MIN;
    if (!shown_daylight && !shown_standard) {
        return daylight_start_ms(year_of(day));
    }
    if (shown_daylight && shown_standard) {
        return last ? standard_ms : daylight_ms;
    }
    return shown_daylight ? daylight_ms : standard_ms;
}

static bool begins_on(const struct ts_window *w, int64_t day)
{
    return (w->days & (1U << (unsigned)weekday_of(day))) != 0;
}

static int64_t begin_of(const struct ts_window *w, int64_t day)
{
    return instant_of(w->zone, day, w->from_min, false);
}

static int64_t end_of(const struct ts_window *w, int64_t day)
{
    int64_t last_day = w->to_min <= w->from_min ? day + 1 : day;
    return instant_of(w->zone, last_day, w->to_min, true);
}

static void look_at(const struct ts_window *w, ts_wall now, struct ts_window_view *view)
{
    int64_t local_ms = now.ms + ts_calendar_offset_min(w->zone, now) * MINUTE_MS;
    int64_t today = floor_div(local_ms, DAY_MS);
    for (int64_t day = today - LONGEST_WINDOW_DAYS; day <= today + 8; day++) {
        if (!begins_on(w, day)) {
            continue;
        }
        int64_t begin = begin_of(w, day);
        if (begin > now.ms) {
            if (view->next == NULL || begin < view->begins.ms) {
                view->next = w;
                view->begins = (ts_wall){begin};
            }
            return;
        }
        int64_t end = end_of(w, day);
        if (now.ms < end + w->slack_ms && (view->on == NULL || end + w->slack_ms > view->ends.ms)) {
            view->on = w;
            view->in_slack = now.ms >= end;
            view->ends = (ts_wall){end + w->slack_ms};
        }
    }
}

struct ts_window_view ts_calendar_look(const struct ts_model *m, ts_wall now)
{
    struct ts_window_view view = {0};
    for (size_t i = 0; i < m->window_count; i++) {
        look_at(&m->windows[i], now, &view);
    }
    return view;
}
