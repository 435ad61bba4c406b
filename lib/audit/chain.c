/* The chain: each line against the one before it. Pure. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit_internal.h"
#include "base/parse.h"

void ts_audit_chain_init(struct ts_audit_chain *c)
{
    memset(c, 0, sizeof(*c));
    memset(c->last_hash, '0', TS_SHA256_HEX - 1);
    memcpy(c->report.head_hash, c->last_hash, TS_SHA256_HEX);
    c->report.sound = true;
}

/* The first thing that is wrong is what is told. */
static void wrong(struct ts_audit_chain *c, const char *fmt, ...) TS_PRINTF(2, 3);
static void wrong(struct ts_audit_chain *c, const char *fmt, ...)
{
    va_list args;
    if (!c->report.sound) {
        return;
    }
    c->report.sound = false;
    c->report.bad_line = c->report.lines;
    int n = snprintf(c->report.problem, sizeof(c->report.problem), "line %" PRId64 " ",
                     c->report.lines);
    va_start(args, fmt);
    (void)vsnprintf(c->report.problem + n, sizeof(c->report.problem) - (size_t)n, fmt, args);
    va_end(args);
}

static void judge(struct ts_audit_chain *c, const struct ts_audit_line *line)
{
    int64_t want = c->last_seq + 1;
    int64_t seq = line->entry.seq;
    if (!line->sound) {
        wrong(c, "was changed (entry %" PRId64 ")", seq);
    } else if (seq > want) {
        wrong(c,
              "is entry %" PRId64 ": what stood before it, from entry %" PRId64 " on, is missing",
              seq, want);
    } else if (seq < want) {
        wrong(c, "is entry %" PRId64 " where %" PRId64 " belongs: moved or repeated", seq, want);
    } else if (strcmp(line->prev, c->last_hash) != 0) {
        wrong(c, "does not continue the one before it: one of them was exchanged");
    }
}

void ts_audit_chain_feed(struct ts_audit_chain *c, const char *text, size_t n, ts_audit_fn *each,
                         void *ctx)
{
    struct ts_audit_line line;
    c->report.lines++;
    if (!ts_audit_read_line(text, n, &line)) {
        wrong(c, "is no entry");
        /* What follows can still be chained: to the bytes that stand there. */
        (void)!ts_sha256_hex(text, n, c->last_hash);
        return;
    }
    judge(c, &line);
    c->last_seq = line.entry.seq;
    ts_copy_cut(c->last_hash, sizeof(c->last_hash), line.entry.hash);
    if (c->report.sound) {
        c->report.head_seq = line.entry.seq;
        memcpy(c->report.head_hash, c->last_hash, TS_SHA256_HEX);
        if (each != NULL) {
            each(ctx, &line.entry);
        }
    }
    json_decref(line.root);
}
