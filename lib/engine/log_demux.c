/* See log_demux.h. */
#include "engine/log_demux.h"

#include <string.h>

#include "base/parse.h"
#include "engine/inspect.h"

#define STAMP_MAX 40 /* bytes of a time stamp */

typedef bool on_line_fn(void *ctx, const struct ts_log_line *line);

void ts_log_demux_init(struct ts_log_demux *d, bool is_tty, bool has_times)
{
    memset(d, 0, sizeof(*d));
    d->is_tty = is_tty;
    d->has_times = has_times;
}

void ts_log_demux_whole(struct ts_log_demux *d)
{
    d->whole = true;
}

static struct ts_log_line line_of(const struct ts_log_demux *d, enum ts_log_stream stream)
{
    const struct ts_log_splitter *s = &d->lines[stream];
    struct ts_log_line line = {.stream = stream,
                               .time_nano = s->time_nano,
                               .text = s->text,
                               .len = s->len,
                               .truncated = s->truncated,
                               .continued = s->continued};
    if (d->has_times && !s->continued) {
        const char *space = memchr(s->text, ' ', s->len);
        size_t n = space == NULL ? s->len : (size_t)(space - s->text);
        if (ts_time_parse(s->text, n, &line.time_nano)) {
            n += space == NULL ? 0 : 1;
            line.text += n;
            line.len -= n;
        }
    }
    return line;
}

/* Delivers the line and begins the next. After a false of on_line, d may be gone. */
static bool end_line(struct ts_log_demux *d, enum ts_log_stream stream, on_line_fn *on_line,
                     void *ctx)
{
    struct ts_log_splitter *s = &d->lines[stream];
    s->text[s->len] = '\0';
    struct ts_log_line line = line_of(d, stream);
    s->len = 0;
    s->has_any = false;
    s->truncated = false;
    s->continued = false;
    s->time_nano = 0;
    s->frame_open = false;
    s->escape = TS_LOG_PLAIN;
    return on_line(ctx, &line);
}

/* Delivers what there is of a long line and goes on with its end, so that a word at the cut is
 * whole in one of the two. */
static bool end_piece(struct ts_log_demux *d, enum ts_log_stream stream, on_line_fn *on_line,
                      void *ctx)
{
    struct ts_log_splitter *s = &d->lines[stream];
    s->text[s->len] = '\0';
    s->truncated = true;
    struct ts_log_line line = line_of(d, stream);
    s->truncated = false;
    s->continued = true;
    s->time_nano = line.time_nano;
    s->frame_open = false;
    if (!on_line(ctx, &line)) {
        return false;
    }
    memmove(s->text, s->text + s->len - TS_LOG_OVERLAP, TS_LOG_OVERLAP);
    s->len = TS_LOG_OVERLAP;
    return true;
}

/* The engine cuts long lines into frames and puts a time stamp before each: inside a line it is
 * none of the container's. */
static void drop_inner_stamp(struct ts_log_splitter *s)
{
    int64_t nano;
    size_t n = s->len - s->frame_at;
    if (s->text[s->len - 1] == ' ') {
        s->frame_open = false;
        if (ts_time_parse(s->text + s->frame_at, n - 1, &nano)) {
            s->len = s->frame_at;
        }
    } else if (n > STAMP_MAX) {
        s->frame_open = false;
    }
}

/* Follows an escape sequence; true if the byte belongs to one. */
static bool in_escape(struct ts_log_splitter *s, unsigned char c)
{
    switch (s->escape) {
    case TS_LOG_PLAIN:
        if (c != 0x1b) {
            return false;
        }
        s->escape = TS_LOG_ESC;
        return true;
    case TS_LOG_ESC:
        /* "ESC [" a control sequence, "ESC ]" an operating system command; others: intermediates
         * up to 0x2f, then one final byte. */
        if (c == '[') {
            s->escape = TS_LOG_CSI;
        } else if (c == ']') {
            s->escape = TS_LOG_OSC;
        } else if (c < 0x20 || c > 0x2f) {
            s->escape = TS_LOG_PLAIN;
        }
        return true;
    case TS_LOG_CSI:
        if (c >= 0x40 && c <= 0x7e) {
            s->escape = TS_LOG_PLAIN;
        }
        return true;
    case TS_LOG_OSC: /* ends with BEL or ESC \ */
        if (c == 0x07) {
            s->escape = TS_LOG_PLAIN;
        } else if (c == 0x1b) {
            s->escape = TS_LOG_OSC_ESC;
        }
        return true;
    case TS_LOG_OSC_ESC: s->escape = TS_LOG_PLAIN; return true;
    }
    return false;
}

static void keep(struct ts_log_splitter *s, unsigned char c)
{
    s->has_any = true;
    if (in_escape(s, c) || (c < 0x20 && c != '\t') || c == 0x7f) {
        return;
    }
    if (s->len == TS_LOG_LINE_MAX) {
        s->truncated = true;
        return;
    }
    s->text[s->len++] = (char)c;
    if (s->frame_open) {
        drop_inner_stamp(s);
    }
}

static bool take_text(struct ts_log_demux *d, enum ts_log_stream stream, const unsigned char *bytes,
                      size_t n, on_line_fn *on_line, void *ctx)
{
    struct ts_log_splitter *s = &d->lines[stream];
    for (size_t i = 0; i < n; i++) {
        bool was_cr = s->after_cr;
        s->after_cr = bytes[i] == '\r';
        if (bytes[i] == '\n' && was_cr) {
            continue; /* the CR ended the line already */
        }
        if (bytes[i] == '\n' || bytes[i] == '\r') {
            if (!end_line(d, stream, on_line, ctx)) {
                return false;
            }
        } else if (d->whole && s->len == TS_LOG_LINE_MAX && !end_piece(d, stream, on_line, ctx)) {
            return false;
        } else {
            keep(s, bytes[i]);
        }
    }
    return true;
}

static bool read_header(struct ts_log_demux *d, struct ts_error *err)
{
    const unsigned char *h = d->header;
    d->header_len = 0;
    d->left = (uint32_t)h[4] << 24 | (uint32_t)h[5] << 16 | (uint32_t)h[6] << 8 | h[7];
    if (h[0] > 2 || h[1] != 0 || h[2] != 0 || h[3] != 0 || d->left > TS_LOG_FRAME_MAX) {
        d->broken = true;
        return ts_error_set(err, TS_E_PROTOCOL, "the log is not in the engine's frames");
    }
    d->stream = h[0] == 2 ? TS_LOG_STDERR : TS_LOG_STDOUT;
    struct ts_log_splitter *s = &d->lines[d->stream];
    s->frame_open = d->has_times && s->has_any && s->len < TS_LOG_LINE_MAX;
    s->frame_at = s->len;
    return true;
}

bool ts_log_demux_feed(struct ts_log_demux *d, const void *bytes, size_t n, on_line_fn *on_line,
                       void *ctx, struct ts_error *err)
{
    const unsigned char *at = bytes;
    if (d->broken) {
        return ts_error_set(err, TS_E_PROTOCOL, "the log is broken");
    }
    if (d->is_tty) {
        return take_text(d, TS_LOG_STDOUT, at, n, on_line, ctx) ||
               ts_error_set(err, TS_E_CANCELLED, "stopped");
    }
    while (n > 0) {
        if (d->left == 0) {
            d->header[d->header_len++] = *at++;
            n--;
            if (d->header_len == sizeof(d->header) && !read_header(d, err)) {
                return false;
            }
            continue;
        }
        size_t part = n < d->left ? n : d->left;
        d->left -= (uint32_t)part;
        if (!take_text(d, d->stream, at, part, on_line, ctx)) {
            return ts_error_set(err, TS_E_CANCELLED, "stopped");
        }
        at += part;
        n -= part;
    }
    return true;
}

void ts_log_demux_finish(struct ts_log_demux *d, on_line_fn *on_line, void *ctx)
{
    for (int i = TS_LOG_STDOUT; i <= TS_LOG_STDERR; i++) {
        if (d->lines[i].has_any && !end_line(d, (enum ts_log_stream)i, on_line, ctx)) {
            return;
        }
    }
}
