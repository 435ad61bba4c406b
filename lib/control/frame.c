/* See frame.h. */
#include "control/frame.h"

#include <string.h>

struct ts_frames ts_frames_init(size_t max_bytes)
{
    return (struct ts_frames){.buf = ts_buf_init(max_bytes + 1)};
}

void ts_frames_done(struct ts_frames *f)
{
    ts_buf_done(&f->buf);
}

static void drop_consumed(struct ts_frames *f)
{
    if (f->consumed > 0) {
        ts_buf_consume(&f->buf, f->consumed);
        f->consumed = 0;
        f->scanned = 0;
    }
}

bool ts_frames_feed(struct ts_frames *f, const void *bytes, size_t n, struct ts_error *err)
{
    drop_consumed(f);
    if (!ts_buf_add(&f->buf, bytes, n)) {
        return ts_error_set(err, TS_E_LIMIT, "a message of more than %zu bytes", f->buf.limit - 1);
    }
    return true;
}

const char *ts_frames_next(struct ts_frames *f, size_t *ret_len)
{
    drop_consumed(f);
    if (f->buf.len == f->scanned) {
        return NULL;
    }
    const char *end = memchr(f->buf.data + f->scanned, '\0', f->buf.len - f->scanned);
    if (end == NULL) {
        f->scanned = f->buf.len;
        return NULL;
    }
    *ret_len = (size_t)(end - f->buf.data);
    f->consumed = *ret_len + 1;
    return f->buf.data;
}
