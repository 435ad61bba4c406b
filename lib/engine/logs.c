/* See logs.h. */
#include "engine/logs.h"

#include <stdlib.h>

#include "engine/engine_internal.h"

#define NANO INT64_C(1000000000)

struct ts_logs {
    struct ts_engine *engine;
    struct ts_http_req *req; /* NULL once ended */
    const struct ts_logs_handler *handler;
    void *ctx;
    struct ts_log_demux demux;
    bool in_callback;
    bool stopped; /* by its own callback */
};

static void destroy(struct ts_logs *l)
{
    ts_http_cancel(l->req);
    free(l);
}

void ts_logs_stop(struct ts_logs *l)
{
    if (l == NULL) {
        return;
    }
    if (l->in_callback) {
        l->stopped = true;
        return;
    }
    destroy(l);
}

static bool on_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_logs *l = ctx;
    l->in_callback = true;
    l->handler->on_line(l->ctx, line);
    l->in_callback = false;
    return !l->stopped;
}

static void end(struct ts_logs *l, const struct ts_error *why)
{
    struct ts_error err;
    ts_http_cancel(l->req);
    l->req = NULL;
    if (why != NULL) {
        err = *why;
        ts_engine_explain(l->engine, "container log", &err);
    }
    l->in_callback = true;
    l->handler->on_end(l->ctx, why == NULL ? NULL : &err);
    l->in_callback = false;
    if (l->stopped) {
        destroy(l);
    }
}

static void on_data(void *ctx, const char *bytes, size_t n)
{
    struct ts_logs *l = ctx;
    struct ts_error err;
    if (ts_log_demux_feed(&l->demux, bytes, n, on_line, l, &err)) {
        return;
    }
    if (l->stopped) {
        destroy(l);
    } else {
        end(l, &err);
    }
}

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct ts_logs *l = ctx;
    struct ts_error why;
    l->req = NULL;
    bool failed = err != NULL;
    if (failed) {
        why = *err;
    } else {
        failed = !ts_engine_judge(l->engine, reply, &why);
    }
    ts_log_demux_finish(&l->demux, on_line, l);
    if (l->stopped) {
        destroy(l);
    } else {
        end(l, failed ? &why : NULL);
    }
}

static bool add_path(struct ts_buf *path, const struct ts_logs_options *o)
{
    (void)ts_buf_addf(path, "/containers/%s/logs?stdout=1&stderr=1&follow=%d&timestamps=%d", o->id,
                      o->follow, o->timestamps);
    if (o->since_nano > 0) {
        int64_t from = o->since_nano + 1; /* "since" includes that very moment */
        (void)ts_buf_addf(path, "&since=%lld.%09lld", (long long)(from / NANO),
                          (long long)(from % NANO));
    }
    if (o->tail >= 0) {
        (void)ts_buf_addf(path, "&tail=%lld", (long long)o->tail);
    }
    return !path->failed;
}

static bool open_log(struct ts_logs *l, const struct ts_logs_options *o, struct ts_error *err)
{
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    struct ts_buf url = ts_buf_init(TS_ENGINE_PATH_MAX);
    bool ok = (add_path(&path, o) || ts_error_nomem(err)) &&
              ts_engine_url(l->engine, path.data, false, &url, err);
    if (ok) {
        struct ts_http_call call = ts_engine_http_call(l->engine, "GET", url.data);
        call.stream = true;
        call.on_data = on_data;
        l->req = ts_http_start(l->engine->http, &call, on_done, l, err);
    }
    ts_buf_done(&path);
    ts_buf_done(&url);
    return l->req != NULL;
}

struct ts_logs *ts_logs_start(struct ts_engine *e, const struct ts_logs_options *options,
                              const struct ts_logs_handler *handler, void *ctx,
                              struct ts_error *err)
{
    if (!ts_engine_check_id(options->id, err)) {
        (void)ts_error_wrap(err, "container log");
        return NULL;
    }
    if (e->api_minor == 0) {
        (void)ts_error_set(err, TS_E_CONFLICT, "engine %.60s: not negotiated with yet", e->address);
        return NULL;
    }
    struct ts_logs *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    l->engine = e;
    l->handler = handler;
    l->ctx = ctx;
    ts_log_demux_init(&l->demux, options->tty, options->timestamps);
    if (options->whole) {
        ts_log_demux_whole(&l->demux);
    }
    if (!open_log(l, options, err)) {
        destroy(l);
        return NULL;
    }
    return l;
}
