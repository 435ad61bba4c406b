/*
 * Time. Two kinds that the type system keeps apart: ts_mono for every interval and deadline
 * (milliseconds on a clock that also counts suspend and is never set), ts_wall for showing and for
 * calendars (milliseconds since 1970-01-01 UTC). Only the loop reads the clock; all others are
 * given "now".
 */
#ifndef TS_BASE_CLOCK_H
#define TS_BASE_CLOCK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct {
    int64_t ms;
} ts_mono;

typedef struct {
    int64_t ms;
} ts_wall;

/* A deadline that never comes. */
#define TS_NEVER ((ts_mono){INT64_MAX})

struct ts_clock {
    ts_mono (*mono)(void *ctx);
    ts_wall (*wall)(void *ctx);
    void *ctx;
};

/* The machine's clock. Lives as long as the program. */
const struct ts_clock *ts_clock_real(void);

/* t + ms, saturating; TS_NEVER stays TS_NEVER. */
static inline ts_mono ts_mono_add(ts_mono t, int64_t ms)
{
    if (t.ms == INT64_MAX || (ms > 0 && t.ms > INT64_MAX - ms)) {
        return TS_NEVER;
    }
    return (ts_mono){t.ms + ms};
}

/* b - a in milliseconds. Both must be real times, not TS_NEVER. */
static inline int64_t ts_mono_diff(ts_mono a, ts_mono b)
{
    return b.ms - a.ms;
}

static inline bool ts_mono_reached(ts_mono deadline, ts_mono now)
{
    return deadline.ms <= now.ms;
}

static inline ts_mono ts_mono_min(ts_mono a, ts_mono b)
{
    return a.ms < b.ms ? a : b;
}

/* The next multiple of a span after `now`. Whatever looks at something again and again does so
 * then, so that looks of the same span are due in the same wake-up. */
static inline ts_mono ts_mono_next(ts_mono now, int64_t span_ms)
{
    return (ts_mono){(now.ms / span_ms + 1) * span_ms};
}

/* "2026-11-24T00:41:48.123Z" (RFC 3339, UTC) into out, which holds at least TS_WALL_TEXT bytes. */
#define TS_WALL_TEXT 32
void ts_wall_format(ts_wall t, char out[TS_WALL_TEXT]);

/* "850 ms", "12.3 s", "3 m 12 s", "2 h 5 m", "3 d 4 h": a span as a person says it. */
#define TS_SPAN_TEXT 32
void ts_span_format(int64_t ms, char out[TS_SPAN_TEXT]);

#endif
