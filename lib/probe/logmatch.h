/*
 * Patterns over a service's log lines: which of its signals does a line tell? Matching has limits
 * (base/pattern.h); a pattern that reaches them on a line is reported, once per pattern, and tried
 * again on the next line.
 */
#ifndef TS_PROBE_LOGMATCH_H
#define TS_PROBE_LOGMATCH_H

#include "base/error.h"
#include "model/model.h"

#define TS_LOGMATCH_LINE_MAX (8 * 1024) /* bytes of a line that are looked at */

struct ts_logmatch;

/* Compiles the patterns of the specs. NULL: TS_E_INVALID, TS_E_LIMIT, TS_E_NOMEM. */
struct ts_logmatch *ts_logmatch_new(const struct ts_signal_spec *specs, size_t count,
                                    struct ts_error *err) TS_MUST_CHECK;
void ts_logmatch_free(struct ts_logmatch *m);

struct ts_logmatch_found {
    uint32_t signals; /* bits of 1 << enum ts_signal */
    const char
        *gave_up; /* a pattern that reached its limit for the first time, or NULL; borrowed */
};

/* Looks at one line, without its end. */
struct ts_logmatch_found ts_logmatch_feed(struct ts_logmatch *m, const char *line, size_t n);

#endif
