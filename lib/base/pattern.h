/*
 * A compiled text pattern (PCRE2, bytes, no UTF mode) whose matching has limits: a pattern that
 * explodes on some line costs milliseconds and is reported, it does not hang the program.
 */
#ifndef TS_BASE_PATTERN_H
#define TS_BASE_PATTERN_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

struct ts_pattern;

#define TS_PATTERN_MATCH_LIMIT    20000 /* calls of PCRE2's internal match function */
#define TS_PATTERN_DEPTH_LIMIT    2000
#define TS_PATTERN_HEAP_LIMIT_KIB 256

enum ts_match {
    TS_MATCH_NO,
    TS_MATCH_YES,
    TS_MATCH_LIMIT /* gave up: a limit above was reached, or no memory */
};

/* Compiles it. NULL: TS_E_INVALID says what is wrong and at which character (from 1); TS_E_LIMIT
 * if it compiles to something huge; TS_E_NOMEM. */
struct ts_pattern *ts_pattern_new(const char *text, struct ts_error *err) TS_MUST_CHECK;
void ts_pattern_free(struct ts_pattern *p);
/* Looks for it anywhere in the n bytes. */
enum ts_match ts_pattern_match(struct ts_pattern *p, const char *line, size_t n);
/* The same; *ret_at is where it begins, 0 unless it was found. */
enum ts_match ts_pattern_find(struct ts_pattern *p, const char *line, size_t n, size_t *ret_at);

#endif
