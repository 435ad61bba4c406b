/* See events.h: the stream. */
#include "engine/events.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"
#include "engine/values.h"

#define NANO INT64_C(1000000000)

struct ts_events {
    struct ts_engine *engine;
    struct ts_http_req *req; /* NULL once ended */
    const struct ts_events_handler *handler;
    void *ctx;
    char project[TS_CONTAINER_SERVICE];
    struct ts_values values;
    int64_t last_nano;
    struct ts_error err;
    bool in_callback;
    bool stopped; /* by its own callback */
};

static void destroy(struct ts_events *ev)
{
    ts_http_cancel(ev->req);
    ts_values_done(&ev->values);
    free(ev);
}

void ts_events_stop(struct ts_events *ev)
{
    if (ev == NULL) {
        return;
    }
    if (ev->in_callback) {
        ev->stopped = true;
        return;
    }
    destroy(ev);
}

/* After a callback: false if it stopped the stream. */
static bool survives(struct ts_events *ev)
{
    ev->in_callback = false;
    if (ev->stopped) {
        destroy(ev);
        return false;
    }
    return true;
}

int64_t ts_events_last_nano(const struct ts_events *ev)
{
    return ev->last_nano;
}

static void end(struct ts_events *ev, const struct ts_error *why)
{
    struct ts_error err = *why;
    ts_http_cancel(ev->req);
    ev->req = NULL;
    ts_engine_explain(ev->engine, "event stream", &err);
    ev->in_callback = true;
    ev->handler->on_end(ev->ctx, &err);
    (void)survives(ev);
}

static bool on_value(void *ctx, const json_t *value)
{
    struct ts_events *ev = ctx;
    struct ts_engine_event event;
    bool known = false;
    if (!ts_event_parse(value, ev->project, &event, &known, &ev->err)) {
        return false;
    }
    if (!known) {
        return true;
    }
    if (event.time_nano > ev->last_nano) {
        ev->last_nano = event.time_nano;
    }
    ev->in_callback = true;
    ev->handler->on_event(ev->ctx, &event);
    ev->in_callback = false;
    return !ev->stopped;
}

static void on_data(void *ctx, const char *bytes, size_t n)
{
    struct ts_events *ev = ctx;
    struct ts_error err;
    ev->err.code = TS_E_NONE;
    if (ts_values_feed(&ev->values, bytes, n, on_value, ev, &err)) {
        return;
    }
    if (ev->stopped) {
        destroy(ev);
    } else {
        end(ev, ev->err.code != TS_E_NONE ? &ev->err : &err);
    }
}

static void on_headers(void *ctx, const struct ts_http_reply *reply)
{
    struct ts_events *ev = ctx;
    if (reply->status != 200) {
        return; /* judged when its body is there */
    }
    ev->in_callback = true;
    ev->handler->on_open(ev->ctx);
    (void)survives(ev);
}

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct ts_events *ev = ctx;
    struct ts_error why;
    ev->req = NULL;
    if (err != NULL) {
        end(ev, err);
    } else if (!ts_engine_judge(ev->engine, reply, &why)) {
        end(ev, &why);
    } else {
        (void)ts_error_set(&why, TS_E_UNAVAILABLE, "the engine closed it");
        end(ev, &why);
    }
}

/* Not by the project's label: a second stream would be needed for what starts beside it. exec_* is
 * left out, as every health check would make three of them. health_status must be among the names:
 * engines take it as a prefix, as their event is named "health_status: healthy". */
static json_t *filters(void)
{
    return json_pack("{s:[s], s:[s,s,s,s,s,s,s,s,s,s,s,s,s]}", "type", "container", "event",
                     "create", "start", "restart", "kill", "oom", "die", "stop", "pause", "unpause",
                     "rename", "update", "health_status", "destroy");
}

static bool add_query(struct ts_buf *path, int64_t since_nano)
{
    json_t *wanted TS_CLEANUP(ts_json_drop) = filters();
    (void)ts_buf_adds(path, "/events?");
    if (since_nano > 0) {
        int64_t from = since_nano + 1; /* the engine's "since" includes that very moment */
        (void)ts_buf_addf(path, "since=%lld.%09lld&", (long long)(from / NANO),
                          (long long)(from % NANO));
    }
    return wanted != NULL && ts_engine_add_filters(path, wanted);
}

static bool open_stream(struct ts_events *ev, int64_t since_nano, struct ts_error *err)
{
    struct ts_buf path = ts_buf_init(TS_ENGINE_PATH_MAX);
    struct ts_buf url = ts_buf_init(TS_ENGINE_PATH_MAX);
    bool ok = add_query(&path, since_nano) || ts_error_nomem(err);
    ok = ok && ts_engine_url(ev->engine, path.data, false, &url, err);
    if (ok) {
        struct ts_http_call call = ts_engine_http_call(ev->engine, "GET", url.data);
        call.stream = true;
        call.on_headers = on_headers;
        call.on_data = on_data;
        ev->req = ts_http_start(ev->engine->http, &call, on_done, ev, err);
    }
    ts_buf_done(&path);
    ts_buf_done(&url);
    return ev->req != NULL;
}

struct ts_events *ts_events_start(struct ts_engine *e, const char *project, int64_t since_nano,
                                  const struct ts_events_handler *handler, void *ctx,
                                  struct ts_error *err)
{
    if (e->api_minor == 0) {
        (void)ts_error_set(err, TS_E_CONFLICT, "engine %.60s: not negotiated with yet", e->address);
        return NULL;
    }
    struct ts_events *ev = calloc(1, sizeof(*ev));
    if (ev == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    ev->engine = e;
    ev->handler = handler;
    ev->ctx = ctx;
    ev->values = ts_values_init();
    ev->last_nano = since_nano;
    bool ok = ts_copy(ev->project, sizeof(ev->project), project) ||
              ts_error_set(err, TS_E_INVALID, "the project's name is too long");
    if (!ok || !open_stream(ev, since_nano, err)) {
        destroy(ev);
        return NULL;
    }
    return ev;
}
