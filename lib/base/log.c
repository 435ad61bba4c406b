/* See log.h. */
#include "base/log.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <jansson.h>

#define MAX_SINKS      4
#define MAX_TEXT_BYTES 1024

struct ts_log {
    const struct ts_clock *clock;
    enum ts_log_level level;
    size_t sink_count;
    struct {
        ts_log_sink *fn;
        void *ctx;
    } sinks[MAX_SINKS];
};

static const struct message_row {
    enum ts_msg msg;
    const char *name;
    enum ts_log_level level;
} message_rows[] = {
#define ROW(number, symbol, msg_name, msg_level, meaning) {symbol, msg_name, msg_level},
    TS_MESSAGES(ROW)
#undef ROW
};

static const struct message_row *find_message(enum ts_msg msg)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(message_rows); i++) {
        if (message_rows[i].msg == msg) {
            return &message_rows[i];
        }
    }
    return &message_rows[0];
}

struct ts_log *ts_log_new(const struct ts_clock *clock)
{
    struct ts_log *log = calloc(1, sizeof(*log));
    if (log != NULL) {
        log->clock = clock;
        log->level = TS_LOG_INFO;
    }
    return log;
}

void ts_log_free(struct ts_log *log)
{
    free(log);
}

bool ts_log_add_sink(struct ts_log *log, ts_log_sink *sink, void *ctx)
{
    if (log->sink_count == MAX_SINKS) {
        return false;
    }
    log->sinks[log->sink_count].fn = sink;
    log->sinks[log->sink_count].ctx = ctx;
    log->sink_count++;
    return true;
}

void ts_log_set_level(struct ts_log *log, enum ts_log_level level)
{
    log->level = level;
}

void ts_log_write(struct ts_log *log, enum ts_msg msg, const struct ts_field *fields, size_t count,
                  const char *fmt, ...)
{
    const struct message_row *row = find_message(msg);
    if (row->level > log->level) {
        return;
    }
    char text[MAX_TEXT_BYTES];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    struct ts_log_record record = {
        .msg = msg,
        .level = row->level,
        .name = row->name,
        .at = log->clock->wall(log->clock->ctx),
        .text = text,
        .fields = fields,
        .field_count = count,
    };
    for (size_t i = 0; i < log->sink_count; i++) {
        log->sinks[i].fn(log->sinks[i].ctx, &record);
    }
}

const char *ts_log_level_name(enum ts_log_level level)
{
    switch (level) {
    case TS_LOG_ERROR: return "error";
    case TS_LOG_WARNING: return "warning";
    case TS_LOG_NOTICE: return "notice";
    case TS_LOG_INFO: return "info";
    case TS_LOG_DEBUG: return "debug";
    }
    return "unknown";
}

/* Untrusted text (a container's log line, an engine's answer) must not steer a terminal. */
static void put_clean(FILE *f, const char *s)
{
    for (; *s != '\0'; s++) {
        unsigned char c = (unsigned char)*s;
        (void)fputc(c < 0x20 || c == 0x7f ? '?' : c, f);
    }
}

void ts_log_sink_text(void *ctx, const struct ts_log_record *record)
{
    FILE *f = ctx;
    char when[TS_WALL_TEXT];
    ts_wall_format(record->at, when);
    (void)fprintf(f, "%s %-7s ", when, ts_log_level_name(record->level));
    put_clean(f, record->text);
    (void)fprintf(f, " [%s", record->name);
    for (size_t i = 0; i < record->field_count; i++) {
        const struct ts_field *field = &record->fields[i];
        (void)fprintf(f, " %s=", field->name);
        if (field->kind == TS_FIELD_I64) {
            (void)fprintf(f, "%lld", (long long)field->i64);
        } else {
            put_clean(f, field->str != NULL ? field->str : "");
        }
    }
    (void)fputs("]\n", f);
    (void)fflush(f);
}

void ts_log_sink_json(void *ctx, const struct ts_log_record *record)
{
    FILE *f = ctx;
    char when[TS_WALL_TEXT];
    ts_wall_format(record->at, when);
    json_t *o = json_object();
    (void)json_object_set_new(o, "timestamp", json_string(when));
    (void)json_object_set_new(o, "level", json_string(ts_log_level_name(record->level)));
    (void)json_object_set_new(o, "event", json_string(record->name));
    (void)json_object_set_new(o, "message", json_string(record->text));
    for (size_t i = 0; i < record->field_count; i++) {
        const struct ts_field *field = &record->fields[i];
        json_t *v = field->kind == TS_FIELD_I64 ? json_integer(field->i64)
                                                : json_string(field->str != NULL ? field->str : "");
        (void)json_object_set_new(o, field->name, v);
    }
    char *line = json_dumps(o, JSON_COMPACT);
    json_decref(o);
    if (line != NULL) {
        (void)fprintf(f, "%s\n", line);
        (void)fflush(f);
        free(line);
    }
}
