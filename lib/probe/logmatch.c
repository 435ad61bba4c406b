/* See logmatch.h. Here, too: the probe of kind log. */
#include "probe/logmatch.h"

#include <assert.h>
#include <stdlib.h>

#include "base/parse.h"
#include "probe/probe_internal.h"

static_assert(TS_SIGNAL_COUNT <= 32, "ts_logmatch_found.signals has 32 bits");

struct signal {
    struct ts_pattern *pattern;
    enum ts_signal signal;
    bool told; /* that it reached its limit */
    char text[TS_TEXT_MAX];
};

struct ts_logmatch {
    size_t count;
    struct signal signals[];
};

struct ts_logmatch *ts_logmatch_new(const struct ts_signal_spec *specs, size_t count,
                                    struct ts_error *err)
{
    struct ts_logmatch *m = calloc(1, sizeof(*m) + count * sizeof(m->signals[0]));
    if (m == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < count; i++) {
        struct signal *s = &m->signals[m->count++];
        s->signal = specs[i].signal;
        ts_copy_cut(s->text, sizeof(s->text), specs[i].pattern);
        s->pattern = ts_pattern_new(specs[i].pattern, err);
        if (s->pattern == NULL) {
            ts_error_wrap(err, "%s", ts_signal_name(specs[i].signal));
            ts_logmatch_free(m);
            return NULL;
        }
    }
    return m;
}

void ts_logmatch_free(struct ts_logmatch *m)
{
    if (m != NULL) {
        for (size_t i = 0; i < m->count; i++) {
            ts_pattern_free(m->signals[i].pattern);
        }
        free(m);
    }
}

static size_t looked_at(size_t n)
{
    return n < TS_LOGMATCH_LINE_MAX ? n : TS_LOGMATCH_LINE_MAX;
}

struct ts_logmatch_found ts_logmatch_feed(struct ts_logmatch *m, const char *line, size_t n)
{
    struct ts_logmatch_found found = {0};
    for (size_t i = 0; i < m->count; i++) {
        struct signal *s = &m->signals[i];
        enum ts_match match = ts_pattern_match(s->pattern, line, looked_at(n));
        if (match == TS_MATCH_YES) {
            found.signals |= 1U << (unsigned)s->signal;
        } else if (match == TS_MATCH_LIMIT && !s->told && found.gave_up == NULL) {
            s->told = true;
            found.gave_up = s->text;
        }
    }
    return found;
}

static void reset(struct ts_probe *p)
{
    p->matched = false;
    p->gave_up = false;
}

static void begin(struct ts_probe *p)
{
    if (p->matched) {
        ts_probe_finish(p, TS_PR_OK, "the pattern was seen");
    } else if (p->gave_up) {
        ts_probe_finish(p, TS_PR_ERROR, "the pattern takes too long on a line of this log");
    } else {
        ts_probe_finish(p, TS_PR_NO_MATCH, "waiting for /%.120s/", p->spec->pattern);
    }
}

static void nothing(struct ts_probe *p)
{
    (void)p;
}

void ts_probe_feed(struct ts_probe *p, const char *line, size_t n)
{
    if (!p->running || p->pattern == NULL || p->matched) {
        return;
    }
    enum ts_match match = ts_pattern_match(p->pattern, line, looked_at(n));
    if (match == TS_MATCH_YES || (match == TS_MATCH_LIMIT && !p->gave_up)) {
        p->matched = match == TS_MATCH_YES;
        p->gave_up = match == TS_MATCH_LIMIT;
        ts_probe_wait(p, ts_loop_now(ts_probe_loop(p))); /* the result comes in the next turn */
    }
}

const struct ts_probe_ops *ts_probe_log_ops(void)
{
    static const struct ts_probe_ops ops = {reset, begin, nothing, nothing};
    return &ops;
}
