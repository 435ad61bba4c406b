/* Strict parsers for text that users and peers write: the whole string must match, no leading or
 * trailing space, no silent overflow. On failure the output is untouched. */
#ifndef TS_BASE_PARSE_H
#define TS_BASE_PARSE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/macros.h"

/* Decimal integer with an optional minus sign, min <= value <= max. */
bool ts_parse_i64(const char *s, int64_t min, int64_t max, int64_t *ret) TS_MUST_CHECK;
/* The same for n bytes that need not be NUL-terminated. */
bool ts_parse_i64n(const char *s, size_t n, int64_t min, int64_t max, int64_t *ret) TS_MUST_CHECK;
/* A span with its unit: "250ms", "2s", "5m", "1h", "1d", also chained ("1m30s"). "0" needs none.
 * Gives milliseconds. */
bool ts_parse_span_ms(const char *s, int64_t *ret_ms) TS_MUST_CHECK;
/* "true", "yes", "on" / "false", "no", "off"; lower case only. */
bool ts_parse_bool(const char *s, bool *ret) TS_MUST_CHECK;
/* RFC 3339 with up to nine digits of a second and any offset, to nanoseconds since 1970; Go's zero
 * time (year 1) gives 0. False if it is no such text or outside 1970..2261. */
bool ts_time_parse(const char *text, size_t n, int64_t *ret_nano) TS_MUST_CHECK;
/* Copies s into dst of `size` bytes. False, dst untouched, if it does not fit. */
bool ts_copy(char *dst, size_t size, const char *s) TS_MUST_CHECK;
/* Copies what fits, never splitting a UTF-8 sequence; for text meant for people. */
void ts_copy_cut(char *dst, size_t size, const char *s);

#endif
