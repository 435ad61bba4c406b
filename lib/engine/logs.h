/*
 * A container's log, read and followed. Lines as in log_demux.h.
 */
#ifndef TS_ENGINE_LOGS_H
#define TS_ENGINE_LOGS_H

#include "engine/engine.h"
#include "engine/log_demux.h"

struct ts_logs;

/* From the loop, never from inside a start; each may call ts_logs_stop(). */
struct ts_logs_handler {
    void (*on_line)(void *ctx, const struct ts_log_line *line);
    /* Once, and the last. err is NULL when the log came to its end (the container stopped, or
     * follow was not asked for). Still to be freed with ts_logs_stop(). */
    void (*on_end)(void *ctx, const struct ts_error *err);
};

struct ts_logs_options {
    const char *id;     /* of the container */
    bool tty;           /* struct ts_container's tty: decides how the bytes are read */
    bool follow;        /* wait for more */
    int64_t since_nano; /* only lines after this time of the engine's clock; 0: from the start */
    int64_t tail;       /* only the last so many lines; negative: all */
    bool timestamps;    /* fill time_nano; needed to go on later with since_nano */
    bool whole;         /* long lines in pieces: ts_log_demux_whole() */
};

/* NULL: TS_E_INVALID (id), TS_E_CONFLICT (not negotiated), TS_E_NOMEM. handler is borrowed. */
struct ts_logs *ts_logs_start(struct ts_engine *e, const struct ts_logs_options *options,
                              const struct ts_logs_handler *handler, void *ctx,
                              struct ts_error *err) TS_MUST_CHECK;
/* Ends and frees it; no callback runs any more. NULL is fine; allowed in its own callbacks. */
void ts_logs_stop(struct ts_logs *l);

#endif
