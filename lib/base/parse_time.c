/* See parse.h: time stamps. */
#include <string.h>

#include "base/parse.h"

#define NANO INT64_C(1000000000)

/* Days since 1970-01-01 of a date of the Gregorian calendar, counted from a March so that the leap
 * day comes last. */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2 ? 1 : 0;
    int64_t era = year / 400;
    int64_t year_of_era = year - era * 400;
    int64_t month_from_march = (month + 9) % 12;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

/* n digits at *at with a value in min..max; moves on. */
static bool take(const char **at, const char *end, size_t n, int64_t min, int64_t max, int64_t *ret)
{
    if ((size_t)(end - *at) < n || **at == '-' || !ts_parse_i64n(*at, n, min, max, ret)) {
        return false;
    }
    *at += n;
    return true;
}

static bool take_char(const char **at, const char *end, const char *any_of)
{
    if (*at == end || **at == '\0' || strchr(any_of, **at) == NULL) {
        return false;
    }
    (*at)++;
    return true;
}

static bool take_fraction(const char **at, const char *end, int64_t *ret_nano)
{
    int64_t nano = 0;
    int64_t unit = NANO;
    const char *first = *at;
    while (*at < end && **at >= '0' && **at <= '9') {
        unit /= 10;
        nano += (**at - '0') * unit; /* beyond nine digits unit is 0 */
        (*at)++;
    }
    *ret_nano = nano;
    return *at > first;
}

/* "Z" or "+02:00" to seconds east of UTC; must be all that is left. */
static bool take_zone(const char **at, const char *end, int64_t *ret_s)
{
    *ret_s = 0;
    if (take_char(at, end, "Zz")) {
        return *at == end;
    }
    if (*at == end) {
        return false;
    }
    int64_t sign = **at == '-' ? -1 : 1;
    int64_t hours = 0;
    int64_t minutes = 0;
    if (!take_char(at, end, "+-") || !take(at, end, 2, 0, 23, &hours) || !take_char(at, end, ":") ||
        !take(at, end, 2, 0, 59, &minutes)) {
        return false;
    }
    *ret_s = sign * (hours * 3600 + minutes * 60);
    return *at == end;
}

bool ts_time_parse(const char *text, size_t n, int64_t *ret_nano)
{
    const char *at = text;
    const char *end = text + n;
    int64_t year = 0;
    int64_t month = 0;
    int64_t day = 0;
    int64_t hour = 0;
    int64_t minute = 0;
    int64_t second = 0;
    int64_t nano = 0;
    int64_t zone = 0;
    bool ok = take(&at, end, 4, 1, 2261, &year) && take_char(&at, end, "-") &&
              take(&at, end, 2, 1, 12, &month) && take_char(&at, end, "-") &&
              take(&at, end, 2, 1, 31, &day) && take_char(&at, end, "Tt ") &&
              take(&at, end, 2, 0, 23, &hour) && take_char(&at, end, ":") &&
              take(&at, end, 2, 0, 59, &minute) && take_char(&at, end, ":") &&
              take(&at, end, 2, 0, 60, &second) &&
              (!take_char(&at, end, ".") || take_fraction(&at, end, &nano)) &&
              take_zone(&at, end, &zone);
    if (!ok || (year > 1 && year < 1970)) {
        return false;
    }
    if (year == 1) {
        *ret_nano = 0;
        return true;
    }
    int64_t s = days_of(year, month, day) * 86400 + hour * 3600 + minute * 60 + second - zone;
    if (s < 0) {
        return false;
    }
    *ret_nano = s * NANO + nano;
    return true;
}
