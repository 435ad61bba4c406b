/* See pattern.h. */
#include "base/pattern.h"

#include <stdlib.h>

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#define COMPILED_MAX_BYTES (64 * 1024)

struct ts_pattern {
    pcre2_code *code;
    pcre2_match_context *limits;
};

static bool compile(struct ts_pattern *p, const char *text, struct ts_error *err)
{
    int number = 0;
    PCRE2_SIZE at = 0;
    /* NEVER_UTF: log lines are arbitrary bytes, and a pattern must not turn on UTF checks. */
    p->code = pcre2_compile((PCRE2_SPTR)text, PCRE2_ZERO_TERMINATED,
                            PCRE2_NEVER_UTF | PCRE2_NEVER_UCP | PCRE2_NEVER_BACKSLASH_C |
                                PCRE2_DOLLAR_ENDONLY,
                            &number, &at, NULL);
    if (p->code == NULL) {
        char why[120];
        if (pcre2_get_error_message(number, (PCRE2_UCHAR *)why, sizeof(why)) < 0) {
            why[0] = '\0';
        }
        return ts_error_set_detail(err, TS_E_INVALID, number, "%s (at character %zu)", why, at + 1);
    }
    size_t size = 0;
    (void)pcre2_pattern_info(p->code, PCRE2_INFO_SIZE, &size);
    if (size > COMPILED_MAX_BYTES) {
        return ts_error_set(err, TS_E_LIMIT, "it needs %zu bytes compiled, at most %d are allowed",
                            size, COMPILED_MAX_BYTES);
    }
    return true;
}

struct ts_pattern *ts_pattern_new(const char *text, struct ts_error *err)
{
    struct ts_pattern *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    if (!compile(p, text, err)) {
        ts_pattern_free(p);
        return NULL;
    }
    p->limits = pcre2_match_context_create(NULL);
    if (p->limits == NULL) {
        ts_pattern_free(p);
        ts_error_nomem(err);
        return NULL;
    }
    (void)pcre2_set_match_limit(p->limits, TS_PATTERN_MATCH_LIMIT);
    (void)pcre2_set_depth_limit(p->limits, TS_PATTERN_DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(p->limits, TS_PATTERN_HEAP_LIMIT_KIB);
    return p;
}

void ts_pattern_free(struct ts_pattern *p)
{
    if (p != NULL) {
        pcre2_match_context_free(p->limits);
        pcre2_code_free(p->code);
        free(p);
    }
}

enum ts_match ts_pattern_find(struct ts_pattern *p, const char *line, size_t n, size_t *ret_at)
{
    *ret_at = 0;
    /* Not kept with the pattern: PCRE2 leaves 20 KiB of frames in it after a match. One pair:
     * nobody asks for groups. */
    pcre2_match_data *data = pcre2_match_data_create(1, NULL);
    if (data == NULL) {
        return TS_MATCH_LIMIT;
    }
    int rc = pcre2_match(p->code, (PCRE2_SPTR)line, n, 0, 0, data, p->limits);
    if (rc >= 0) {
        *ret_at = pcre2_get_ovector_pointer(data)[0];
    }
    pcre2_match_data_free(data);
    return rc >= 0 ? TS_MATCH_YES : rc == PCRE2_ERROR_NOMATCH ? TS_MATCH_NO : TS_MATCH_LIMIT;
}

enum ts_match ts_pattern_match(struct ts_pattern *p, const char *line, size_t n)
{
    size_t at;
    return ts_pattern_find(p, line, n, &at);
}
