/* What of clock.h is the same on every platform. */
#include "base/clock.h"

#include <stdio.h>

/* Civil date from days since the epoch, proleptic Gregorian; needs no libc and no time zone. */
static void civil_from_days(int64_t days, int *year, int *month, int *day)
{
    int64_t z = days + 719468;
    int64_t era = (z >= 0 ? z : z - 146096) / 146097;
    int64_t doe = z - era * 146097;
    int64_t yoe = (doe - doe / 1460 + doe / 36524 - doe / 146096) / 365;
    int64_t doy = doe - (365 * yoe + yoe / 4 - yoe / 100);
    int64_t mp = (5 * doy + 2) / 153;
    *day = (int)(doy - (153 * mp + 2) / 5 + 1);
    *month = (int)(mp < 10 ? mp + 3 : mp - 9);
    *year = (int)(yoe + era * 400 + (*month <= 2));
}

void ts_wall_format(ts_wall t, char out[TS_WALL_TEXT])
{
    int64_t ms = t.ms % 1000;
    int64_t s = t.ms / 1000;
    if (ms < 0) {
        ms += 1000;
        s -= 1;
    }
    int64_t days = s / 86400;
    int64_t rest = s % 86400;
    if (rest < 0) {
        rest += 86400;
        days -= 1;
    }
    int year;
    int month;
    int day;
    civil_from_days(days, &year, &month, &day);
    (void)snprintf(out, TS_WALL_TEXT, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", year, month, day,
                   (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60), (int)ms);
}

void ts_span_format(int64_t ms, char out[TS_SPAN_TEXT])
{
    long long v = ms < 0 ? 0 : (long long)ms;
    if (v < 1000) {
        (void)snprintf(out, TS_SPAN_TEXT, "%lld ms", v);
    } else if (v < 60 * 1000) {
        (void)snprintf(out, TS_SPAN_TEXT, "%lld.%lld s", v / 1000, v % 1000 / 100);
    } else if (v < 3600 * 1000) {
        (void)snprintf(out, TS_SPAN_TEXT, "%lld m %lld s", v / 60000, v / 1000 % 60);
    } else if (v < 86400 * 1000LL) {
        (void)snprintf(out, TS_SPAN_TEXT, "%lld h %lld m", v / 3600000, v / 60000 % 60);
    } else {
        (void)snprintf(out, TS_SPAN_TEXT, "%lld d %lld h", v / 86400000, v / 3600000 % 24);
    }
}
