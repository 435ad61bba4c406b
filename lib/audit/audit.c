/* See audit.h: the trail as a whole. */
#include "audit/audit.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_internal.h"
#include "base/parse.h"

#define PIECE_BYTES (256 * 1024)
#define READ_MAX    ((int64_t)8 * 1024 * 1024)

static_assert(PIECE_BYTES >= 2 * TS_AUDIT_LINE_MAX, "a piece holds whole lines");

struct ts_audit {
    struct ts_audit_file file;
    int64_t seq;
    char hash[TS_SHA256_HEX];
};

struct ts_audit_check {
    const struct ts_audit_file *file;
    struct ts_audit_chain chain;
    int64_t at;  /* the next line begins there */
    int64_t end; /* as it was when the check began … */
    int64_t seq; /* … and the entry that was written last then */
    char hash[TS_SHA256_HEX];
    char piece[PIECE_BYTES];
};

/* Feeds the lines of one piece. False: the end, or a failure; at is behind the last whole line. */
static bool feed_piece(struct ts_audit_check *c, ts_audit_fn *each, void *ctx, struct ts_error *err)
{
    int64_t left = c->end - c->at;
    size_t want = left < PIECE_BYTES ? (size_t)left : PIECE_BYTES;
    int64_t got = ts_audit_file_read(c->file, c->at, c->piece, want, err);
    size_t used = 0;
    if (got <= 0) {
        return false;
    }
    for (;;) {
        const char *line = c->piece + used;
        const char *end = memchr(line, '\n', (size_t)got - used);
        if (end == NULL) {
            break;
        }
        ts_audit_chain_feed(&c->chain, line, (size_t)(end - line), each, ctx);
        used += (size_t)(end - line) + 1;
    }
    if (used == 0 && (size_t)got == PIECE_BYTES) { /* longer than any line of ours */
        ts_audit_chain_feed(&c->chain, c->piece, (size_t)got, each, ctx);
        used = (size_t)got;
    }
    c->at += (int64_t)used;
    return used > 0 && c->at < c->end;
}

static struct ts_audit_check *new_check(const struct ts_audit_file *file, struct ts_error *err)
{
    struct ts_audit_check *c = malloc(sizeof(*c));
    if (c == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    c->file = file;
    c->at = 0;
    c->end = file->size;
    ts_audit_chain_init(&c->chain);
    return c;
}

static bool read_all(struct ts_audit *a, struct ts_audit_report *report, ts_audit_fn *each,
                     void *ctx, struct ts_error *err)
{
    struct ts_audit_check *c = new_check(&a->file, err);
    if (c == NULL) {
        return false;
    }
    err->code = TS_E_NONE;
    while (feed_piece(c, each, ctx, err)) {
    }
    bool ok = err->code == TS_E_NONE;
    if (ok && c->at < c->end) { /* a torn line: a power cut while it was written */
        ok = ts_audit_file_cut(&a->file, c->at, err);
    }
    *report = c->chain.report;
    a->seq = c->chain.last_seq;
    memcpy(a->hash, c->chain.last_hash, TS_SHA256_HEX);
    free(c);
    return ok;
}

struct ts_audit *ts_audit_open(const char *dir, struct ts_audit_report *report, ts_audit_fn *each,
                               void *ctx, struct ts_error *err)
{
    struct ts_audit *a = calloc(1, sizeof(*a));
    if (a == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    if (!ts_audit_file_open(&a->file, dir, err) || !read_all(a, report, each, ctx, err)) {
        ts_audit_close(a);
        return NULL;
    }
    return a;
}

void ts_audit_close(struct ts_audit *a)
{
    if (a != NULL) {
        ts_audit_file_close(&a->file);
        free(a);
    }
}

bool ts_audit_append(struct ts_audit *a, const struct ts_audit_entry *entry, int64_t *ret_seq,
                     struct ts_error *err)
{
    struct ts_audit_entry e = *entry;
    struct ts_buf line = ts_buf_init(TS_AUDIT_LINE_MAX);
    char hash[TS_SHA256_HEX];
    e.seq = a->seq + 1;
    bool ok = ts_audit_file_is_ours(&a->file, err) &&
              ts_audit_write_line(&e, a->hash, &line, hash, err) &&
              ts_audit_file_append(&a->file, line.data, line.len, err);
    ts_buf_done(&line);
    if (!ok) {
        return ts_error_wrap(err, "audit trail");
    }
    a->seq = e.seq;
    memcpy(a->hash, hash, TS_SHA256_HEX);
    if (ret_seq != NULL) {
        *ret_seq = e.seq;
    }
    return true;
}

int64_t ts_audit_head(const struct ts_audit *a, char hash[TS_SHA256_HEX])
{
    memcpy(hash, a->hash, TS_SHA256_HEX);
    return a->seq;
}

/* Where the last `limit` lines begin within the text. */
static size_t begin_of_last(const char *text, size_t n, uint32_t limit)
{
    uint32_t seen = 0;
    for (size_t i = n; i > 0; i--) {
        if (text[i - 1] == '\n' && i != n && ++seen == limit) {
            return i;
        }
    }
    return 0;
}

bool ts_audit_read(struct ts_audit *a, uint32_t limit, ts_audit_fn *each, void *ctx,
                   struct ts_error *err)
{
    int64_t from = a->file.size > READ_MAX ? a->file.size - READ_MAX : 0;
    size_t n = (size_t)(a->file.size - from);
    char *text = malloc(n + 1);
    if (text == NULL) {
        return ts_error_nomem(err);
    }
    int64_t got = ts_audit_file_read(&a->file, from, text, n, err);
    size_t at = got > 0 && limit > 0 ? begin_of_last(text, (size_t)got, limit) : (size_t)n;
    while (got > 0 && at < (size_t)got) {
        const char *end = memchr(text + at, '\n', (size_t)got - at);
        size_t len = end == NULL ? (size_t)got - at : (size_t)(end - (text + at));
        struct ts_audit_line line;
        if (ts_audit_read_line(text + at, len, &line)) {
            each(ctx, &line.entry);
            json_decref(line.root);
        }
        at += len + 1;
    }
    free(text);
    return got >= 0;
}

struct ts_audit_check *ts_audit_check_new(const struct ts_audit *a, struct ts_error *err)
{
    struct ts_audit_check *c = new_check(&a->file, err);
    if (c != NULL) {
        c->seq = a->seq;
        memcpy(c->hash, a->hash, TS_SHA256_HEX);
    }
    return c;
}

/* A chain that somebody wrote anew is sound by itself, and ends with another entry than ours. */
static void judge_end(const struct ts_audit_check *c, struct ts_audit_report *report)
{
    if (report->sound && (report->head_seq != c->seq || strcmp(report->head_hash, c->hash) != 0)) {
        report->sound = false;
        (void)snprintf(report->problem, sizeof(report->problem),
                       "it does not end with entry %" PRId64 " as it was written: somebody has "
                       "written it anew",
                       c->seq);
    }
}

bool ts_audit_check_step(struct ts_audit_check *c, struct ts_audit_report *ret)
{
    struct ts_error err = {.code = TS_E_NONE};
    if (c->at == 0 && !ts_audit_file_is_ours(c->file, &err)) {
        *ret = c->chain.report;
        ret->sound = false;
        ts_copy_cut(ret->problem, sizeof(ret->problem), err.msg);
        return false;
    }
    bool more = feed_piece(c, NULL, NULL, &err);
    if (err.code != TS_E_NONE && c->chain.report.sound) {
        c->chain.report.sound = false;
        ts_copy_cut(c->chain.report.problem, sizeof(c->chain.report.problem), err.msg);
    }
    *ret = c->chain.report;
    if (!more) {
        judge_end(c, ret);
    }
    return more;
}

void ts_audit_check_free(struct ts_audit_check *c)
{
    free(c);
}
