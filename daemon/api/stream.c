/* Control clients that follow: status, events, a container's log. */
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"

#define STREAMS_MAX  32
#define LOG_TAIL     100
#define LOG_TAIL_MAX 10000

struct ts_stream {
    struct ts_stream *next;
    struct ts_daemon *daemon;
    struct ts_call *call;
    enum ts_stream_kind kind;
    bool stale; /* status: changed since it was last told */
};

static void on_gone(void *ctx)
{
    struct ts_stream *s = ctx;
    for (struct ts_stream **at = &s->daemon->streams; *at != NULL; at = &(*at)->next) {
        if (*at == s) {
            *at = s->next;
            break;
        }
    }
    free(s);
}

bool ts_stream_add(struct ts_daemon *d, struct ts_call *call, enum ts_stream_kind kind)
{
    size_t n = 0;
    for (const struct ts_stream *s = d->streams; s != NULL; s = s->next) {
        n++;
    }
    struct ts_stream *s = n < STREAMS_MAX ? calloc(1, sizeof(*s)) : NULL;
    if (s == NULL) {
        return false;
    }
    *s = (struct ts_stream){.next = d->streams, .daemon = d, .call = call, .kind = kind};
    d->streams = s;
    ts_call_on_gone(call, on_gone, s);
    return true;
}

void ts_streams_tell(struct ts_daemon *d, enum ts_stream_kind kind, json_t *value)
{
    for (struct ts_stream *s = d->streams; s != NULL; s = s->next) {
        if (s->kind == kind) {
            (void)ts_call_progress(s->call, json_incref(value));
        }
    }
}

void ts_api_event(struct ts_daemon *d, const json_t *event)
{
    if (d->streams == NULL) {
        return;
    }
    TS_CLEANUP(ts_json_drop) json_t *copy = json_deep_copy(event);
    TS_CLEANUP(ts_json_drop) json_t *value = json_pack("{s:O}", "event", copy);
    if (value != NULL) {
        ts_streams_tell(d, TS_STREAM_EVENTS, value);
    }
}

/* A change is told at the end of the turn, once, whatever number of services it concerned. */
void ts_api_changed(void *ctx, size_t service)
{
    struct ts_daemon *d = ctx;
    (void)service;
    for (struct ts_stream *s = d->streams; s != NULL; s = s->next) {
        s->stale = s->kind == TS_STREAM_STATUS;
    }
}

void ts_streams_turn(struct ts_daemon *d)
{
    json_t *value = NULL;
    for (struct ts_stream *s = d->streams; s != NULL; s = s->next) {
        if (!s->stale) {
            continue;
        }
        s->stale = false;
        if (value == NULL) {
            value = json_pack("{s:o}", "status", ts_status_all(d));
        }
        (void)ts_call_progress(s->call, json_incref(value));
    }
    json_decref(value);
}

/* --- logs */

struct log_stream {
    struct ts_daemon *daemon;
    struct ts_call *call;
    struct ts_logs *logs;
    bool gone;
};

static void free_log_stream(void *arg)
{
    struct log_stream *l = arg;
    ts_logs_stop(l->logs);
    free(l);
}

static void on_log_gone(void *ctx)
{
    /* Now: at the daemon's end the engine is freed before the loop runs what was deferred. */
    free_log_stream(ctx);
}

static void on_log_line(void *ctx, const struct ts_log_line *line)
{
    struct log_stream *l = ctx;
    char text[4096];
    char raw[2048];
    size_t n = line->len < sizeof(raw) - 1 ? line->len : sizeof(raw) - 1;
    if (l->gone) {
        return;
    }
    memcpy(raw, line->text, n);
    raw[n] = '\0';
    ts_alert_clean(text, sizeof(text), SIZE_MAX, raw, false);
    (void)ts_call_progress(
        l->call,
        json_pack("{s:s, s:s}", "stream", line->stream == 2 ? "stderr" : "stdout", "line", text));
}

static void on_log_end(void *ctx, const struct ts_error *err)
{
    struct log_stream *l = ctx;
    if (l->gone) {
        return;
    }
    l->gone = true;
    ts_call_on_gone(l->call, NULL, NULL);
    if (err != NULL) {
        ts_api_failed(l->call, err);
    } else {
        ts_call_reply(l->call, NULL);
    }
    ts_loop_defer(l->daemon->loop, free_log_stream, l);
}

static const struct ts_logs_handler log_handler = {on_log_line, on_log_end};

void ts_api_follow_logs(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    size_t i = ts_api_service(d, call, parameters);
    if (i == SIZE_MAX) {
        return;
    }
    int64_t tail = ts_json_i64_or(parameters, "tail", LOG_TAIL);
    struct ts_logs_options options = {
        .id = d->units[i]->id,
        .tty = d->units[i]->container.tty,
        .follow = ts_json_bool_or(parameters, "follow", false),
        .tail = tail < 0 || tail > LOG_TAIL_MAX ? LOG_TAIL_MAX : tail,
    };
    struct log_stream *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return;
    }
    *l = (struct log_stream){.daemon = d, .call = call};
    l->logs = ts_logs_start(d->engine, &options, &log_handler, l, &err);
    if (l->logs == NULL) {
        free(l);
        ts_api_failed(call, &err);
        return;
    }
    ts_call_on_gone(call, on_log_gone, l);
}
