/* See parse.h. */
#include "base/parse.h"

#include <string.h>

bool ts_parse_i64n(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret)
{
    size_t i = 0;
    bool negative = n > 0 && s[0] == '-';
    if (negative) {
        i = 1;
    }
    if (i == n) {
        return false;
    }
    int64_t value = 0;
    for (; i < n; i++) {
        if (s[i] < '0' || s[i] > '9') {
            return false;
        }
        int digit = s[i] - '0';
        if (value < (INT64_MIN + digit) / 10) {
            return false;
        }
        value = value * 10 - digit; /* built up negative: INT64_MIN has no positive twin */
    }
    if (!negative) {
        if (value == INT64_MIN) {
            return false;
        }
        value = -value;
    }
    if (value < min || value > max) {
        return false;
    }
    *ret = value;
    return true;
}

bool ts_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret)
{
    return ts_parse_i64n(s, strlen(s), min, max, ret);
}

/* One unit's length in ms and its letters; 0 if s starts with none. */
static int64_t unit_at(const char *s, size_t *ret_len)
{
    static const struct {
        const char *name;
        int64_t ms;
    } units[] = {{"ms", 1}, {"s", 1000}, {"m", 60000}, {"h", 3600000}, {"d", 86400000}};
    for (size_t i = 0; i < TS_ARRAY_LEN(units); i++) {
        size_t len = strlen(units[i].name);
        if (strncmp(s, units[i].name, len) == 0) {
            *ret_len = len;
            return units[i].ms;
        }
    }
    return 0;
}

bool ts_parse_span_ms(const char *s, int64_t *ret_ms)
{
    const int64_t longest_ms = INT64_C(366) * 86400000;
    if (strcmp(s, "0") == 0) {
        *ret_ms = 0;
        return true;
    }
    int64_t total = 0;
    int64_t last_unit = INT64_MAX;
    while (*s != '\0') {
        size_t digits = strspn(s, "0123456789");
        int64_t value;
        if (!ts_parse_i64n(s, digits, 0, longest_ms, &value)) {
            return false;
        }
        s += digits;
        size_t unit_len = 0;
        int64_t unit = unit_at(s, &unit_len);
        if (unit == 0 || unit >= last_unit || value > (longest_ms - total) / unit) {
            return false;
        }
        total += value * unit;
        last_unit = unit;
        s += unit_len;
    }
    if (last_unit == INT64_MAX) {
        return false;
    }
    *ret_ms = total;
    return true;
}

bool ts_parse_bool(const char *s, bool *ret)
{
    if (strcmp(s, "true") == 0 || strcmp(s, "yes") == 0 || strcmp(s, "on") == 0) {
        *ret = true;
        return true;
    }
    if (strcmp(s, "false") == 0 || strcmp(s, "no") == 0 || strcmp(s, "off") == 0) {
        *ret = false;
        return true;
    }
    return false;
}

bool ts_copy(char *dst, size_t size, const char *s)
{
    size_t len = strlen(s);
    if (len >= size) {
        return false;
    }
    memcpy(dst, s, len + 1);
    return true;
}

void ts_copy_cut(char *dst, size_t size, const char *s)
{
    size_t len = strlen(s);
    if (len >= size) {
        len = size - 1;
        while (len > 0 && ((unsigned char)s[len] & 0xC0) == 0x80) {
            len--;
        }
    }
    memcpy(dst, s, len);
    dst[len] = '\0';
}
