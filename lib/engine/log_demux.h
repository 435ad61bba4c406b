/*
 * A container's log as the engine sends it, taken apart into lines. Pure.
 *
 * Without a TTY the bytes are frames: one byte stream (0 stdin, 1 stdout, 2 stderr), three zero
 * bytes, four bytes length (big endian), payload; a frame may be split and may split a line
 * anywhere. With a TTY the bytes are the text itself. Lines are made fit for matching and showing:
 * colour and cursor sequences (ECMA-48), NUL and other control characters are left out, a lone CR
 * ends a line as LF and CR LF do.
 */
#ifndef TS_ENGINE_LOG_DEMUX_H
#define TS_ENGINE_LOG_DEMUX_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/error.h"

#define TS_LOG_LINE_MAX ((size_t)8 * 1024) /* bytes delivered of one line at once */
#define TS_LOG_OVERLAP  ((size_t)256)      /* bytes that two pieces of a line have in common */
#define TS_LOG_FRAME_MAX                                                                           \
    (16 * 1024 * 1024) /* a longer frame is no frame: engines cut at 16 KiB                        \
                        */

enum ts_log_stream { TS_LOG_STDOUT, TS_LOG_STDERR };

struct ts_log_line {
    enum ts_log_stream stream; /* a TTY has stdout only */
    int64_t time_nano;         /* 0 unless time stamps were asked for */
    const char *text;          /* NUL-terminated behind len bytes, no line end; borrowed */
    size_t len;
    bool truncated; /* there was more of the line */
    bool continued; /* a further piece of a line (only with ts_log_demux_whole()) */
};

enum ts_log_escape { TS_LOG_PLAIN, TS_LOG_ESC, TS_LOG_CSI, TS_LOG_OSC, TS_LOG_OSC_ESC };

struct ts_log_splitter {
    char text[TS_LOG_LINE_MAX + 1];
    size_t len;
    bool has_any; /* something of the line came, even if it was left out */
    bool truncated;
    bool continued;
    int64_t time_nano; /* of the line whose further pieces these are */
    size_t frame_at;   /* where a frame began inside the line */
    bool frame_open;   /* … and may have begun with a time stamp */
    bool after_cr;
    enum ts_log_escape escape;
};

struct ts_log_demux {
    struct ts_log_splitter lines[2]; /* by enum ts_log_stream */
    bool is_tty;
    bool has_times;
    bool whole;
    unsigned char header[8];
    size_t header_len;
    uint32_t left; /* payload bytes of the present frame still to come */
    enum ts_log_stream stream;
    bool broken;
};

/* has_times: every line begins with the engine's time stamp and a space. */
void ts_log_demux_init(struct ts_log_demux *d, bool is_tty, bool has_times);

/* From now on what is behind TS_LOG_LINE_MAX bytes of a line is delivered too, in further pieces
 * that overlap, so that nothing can hide behind a long line or at the cut. */
void ts_log_demux_whole(struct ts_log_demux *d);

/*
 * Takes n bytes; on_line runs for every line they complete and returns false to stop.
 * False: TS_E_PROTOCOL (no frames: perhaps a TTY after all), or TS_E_CANCELLED when on_line
 * stopped it, after which d is not touched any more and may have been freed.
 */
bool ts_log_demux_feed(struct ts_log_demux *d, const void *bytes, size_t n,
                       bool (*on_line)(void *ctx, const struct ts_log_line *line), void *ctx,
                       struct ts_error *err) TS_MUST_CHECK;
/* Delivers what is left without a line end, at the end of the log. */
void ts_log_demux_finish(struct ts_log_demux *d,
                         bool (*on_line)(void *ctx, const struct ts_log_line *line), void *ctx);

#endif
