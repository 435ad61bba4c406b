/*
 * Structured log records: a message from the list in messages.h, a sentence for people, typed
 * fields for programs. lib/ logs nothing above debug; daemon/ and ctl/ decide what is worth a line.
 * There is no conversion for secrets, so logging one does not compile.
 */
#ifndef TS_BASE_LOG_H
#define TS_BASE_LOG_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "base/messages.h"

/* syslog's severities (RFC 5424, 6.2.1); only those in use. */
enum ts_log_level {
    TS_LOG_ERROR = 3,
    TS_LOG_WARNING = 4,
    TS_LOG_NOTICE = 5,
    TS_LOG_INFO = 6,
    TS_LOG_DEBUG = 7
};

enum ts_field_kind { TS_FIELD_STR, TS_FIELD_I64 };

struct ts_field {
    const char *name; /* lower_snake; borrowed for the call */
    enum ts_field_kind kind;
    const char *str; /* NULL shows as "" */
    int64_t i64;
};

#define TS_STR(field_name, value) ((struct ts_field){(field_name), TS_FIELD_STR, (value), 0})
#define TS_I64(field_name, value) ((struct ts_field){(field_name), TS_FIELD_I64, NULL, (value)})

struct ts_log_record {
    enum ts_msg msg;
    enum ts_log_level level;
    const char *name; /* of the message, "service.state" */
    ts_wall at;
    const char *text;
    const struct ts_field *fields;
    size_t field_count;
};

/* Gets a finished record; everything in it is borrowed for the call. */
typedef void ts_log_sink(void *ctx, const struct ts_log_record *record);

struct ts_log;

/* A log that drops everything until it has a sink. NULL if out of memory. */
struct ts_log *ts_log_new(const struct ts_clock *clock);
void ts_log_free(struct ts_log *log);
/* At most 4 sinks; false when full. */
bool ts_log_add_sink(struct ts_log *log, ts_log_sink *sink, void *ctx);
/* Records less important than this are dropped. Default TS_LOG_INFO. */
void ts_log_set_level(struct ts_log *log, enum ts_log_level level);

void ts_log_write(struct ts_log *log, enum ts_msg msg, const struct ts_field *fields, size_t count,
                  const char *fmt, ...) TS_PRINTF(5, 6);

/* TS_LOG(log, TS_MSG_X, TS_FIELDS(TS_STR("service", s), TS_I64("attempt", n)), "text %d", 1) */
#define TS_FIELDS(...)                                                                             \
    (const struct ts_field[]){__VA_ARGS__},                                                        \
        sizeof((const struct ts_field[]){__VA_ARGS__}) / sizeof(struct ts_field)
#define TS_NO_FIELDS                  NULL, 0
#define TS_LOG(log, msg, fields, ...) TS_LOG_EXPAND(log, msg, fields, __VA_ARGS__)
#define TS_LOG_EXPAND(log, msg, fields, count, ...)                                                \
    ts_log_write(log, msg, fields, count, __VA_ARGS__)

/* Sinks. ctx is a FILE *. Text: "<time> LEVEL text [name=value …]"; JSON: one object a line. */
ts_log_sink ts_log_sink_text;
ts_log_sink ts_log_sink_json;

const char *ts_log_level_name(enum ts_log_level level);

#endif
