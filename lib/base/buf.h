/*
 * A growing byte buffer with an upper limit, used for text and for bytes. Appending past the limit
 * or running out of memory sets `failed` and leaves the buffer as it was; checking once at the end
 * is enough. data is always NUL-terminated when not NULL.
 */
#ifndef TS_BASE_BUF_H
#define TS_BASE_BUF_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

struct ts_buf {
    char *data;
    size_t len;
    size_t cap;
    size_t limit; /* bytes */
    bool failed;
};

/* An empty buffer for at most `limit` bytes. Allocates nothing. */
struct ts_buf ts_buf_init(size_t limit);
/* Frees the memory and empties the buffer; safe to call twice and on a zeroed struct. */
void ts_buf_done(struct ts_buf *b);
/* Empties it, keeps the memory. */
void ts_buf_clear(struct ts_buf *b);
/* Each returns false once `failed` is set. */
bool ts_buf_add(struct ts_buf *b, const void *bytes, size_t n);
bool ts_buf_adds(struct ts_buf *b, const char *s);
bool ts_buf_addf(struct ts_buf *b, const char *fmt, ...) TS_PRINTF(2, 3);
/* Drops the first n bytes (n <= len). */
void ts_buf_consume(struct ts_buf *b, size_t n);
/* The text so far, "" when empty. Valid until the next change. */
const char *ts_buf_text(const struct ts_buf *b);

#endif
