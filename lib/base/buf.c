/* See buf.h. */
#include "base/buf.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ts_buf ts_buf_init(size_t limit)
{
    return (struct ts_buf){.limit = limit};
}

void ts_buf_done(struct ts_buf *b)
{
    free(b->data);
    *b = ts_buf_init(b->limit);
}

void ts_buf_clear(struct ts_buf *b)
{
    b->len = 0;
    b->failed = false;
    if (b->data != NULL) {
        b->data[0] = '\0';
    }
}

/* Makes room for n more bytes and the NUL. */
static bool reserve(struct ts_buf *b, size_t n)
{
    if (b->failed || n > b->limit || b->len > b->limit - n) {
        b->failed = true;
        return false;
    }
    size_t need = b->len + n + 1;
    if (need <= b->cap) {
        return true;
    }
    size_t cap = b->cap < 64 ? 64 : b->cap;
    while (cap < need) {
        cap *= 2;
    }
    char *data = realloc(b->data, cap);
    if (data == NULL) {
        b->failed = true;
        return false;
    }
    b->data = data;
    b->cap = cap;
    return true;
}

bool ts_buf_add(struct ts_buf *b, const void *bytes, size_t n)
{
    if (!reserve(b, n)) {
        return false;
    }
    if (n > 0) {
        memcpy(b->data + b->len, bytes, n);
    }
    b->len += n;
    b->data[b->len] = '\0';
    return true;
}

bool ts_buf_adds(struct ts_buf *b, const char *s)
{
    return ts_buf_add(b, s, strlen(s));
}

bool ts_buf_addf(struct ts_buf *b, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    int n = vsnprintf(NULL, 0, fmt, ap);
    va_end(ap);
    if (n < 0 || !reserve(b, (size_t)n)) {
        b->failed = true;
        return false;
    }
    va_start(ap, fmt);
    (void)vsnprintf(b->data + b->len, (size_t)n + 1, fmt, ap);
    va_end(ap);
    b->len += (size_t)n;
    return true;
}

void ts_buf_consume(struct ts_buf *b, size_t n)
{
    if (n == 0) {
        return;
    }
    memmove(b->data, b->data + n, b->len - n + 1);
    b->len -= n;
}

const char *ts_buf_text(const struct ts_buf *b)
{
    return b->data != NULL ? b->data : "";
}
