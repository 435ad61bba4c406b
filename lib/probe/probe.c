/* The prober's timer, and what all kinds have in common. See probe.h. */
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/probe_internal.h"

/* Until a probe has passed once it is tried again after this share of the time since its start, but
 * not sooner than that. */
#define EAGER_SHARE 8
#define EAGER_MS    100
/* More that are due at once begin in the turns that follow, so that a thousand ports do not keep
 * the loop from everything else. */
#define BEGIN_MAX 64

struct ts_prober {
    struct ts_prober_deps deps;
    struct ts_timer *timer;
    ts_mono armed; /* when it fires: no later than the earliest of all is due */
    struct ts_probe *probes;
    struct ts_probe *cursor; /* the next one to look at while on_timer() walks the list */
    bool walking;
};

static const struct ts_probe_ops *ops_of(enum ts_probe_kind kind)
{
    switch (kind) {
    case TS_PROBE_TCP: return ts_probe_tcp_ops();
    case TS_PROBE_HTTP: return ts_probe_http_ops();
    case TS_PROBE_LOG: return ts_probe_log_ops();
    case TS_PROBE_IBAPI: return ts_probe_ibapi_ops();
    case TS_PROBE_ENGINE:
    case TS_PROBE_KIND_COUNT: break;
    }
    return NULL;
}

static void set_timer(struct ts_prober *prober, ts_mono when)
{
    prober->armed = when;
    ts_timer_at(prober->timer, when);
}

/* One timer for the earliest of all; while the list is walked, that is found at the end. */
static void arm(struct ts_probe *p)
{
    if (!p->prober->walking && p->due.ms < p->prober->armed.ms) {
        set_timer(p->prober, p->due);
    }
}

static ts_mono earliest(const struct ts_prober *prober)
{
    ts_mono first = TS_NEVER;
    for (const struct ts_probe *p = prober->probes; p != NULL; p = p->next) {
        if (p->running) {
            first = ts_mono_min(first, p->due);
        }
    }
    return first;
}

static void run_due(struct ts_probe *p)
{
    p->due = TS_NEVER;
    if (p->trying) {
        p->ops->on_due(p);
        return;
    }
    p->trying = true;
    p->began = ts_loop_now(p->prober->deps.loop);
    p->ops->begin(p);
}

static void on_timer(void *ctx)
{
    struct ts_prober *prober = ctx;
    ts_mono now = ts_loop_now(prober->deps.loop);
    size_t begun = 0;
    prober->walking = true;
    prober->cursor = prober->probes;
    while (prober->cursor != NULL && begun < BEGIN_MAX) {
        struct ts_probe *p = prober->cursor;
        prober->cursor = p->next; /* before p is run: it may free itself and others */
        if (p->running && ts_mono_reached(p->due, now)) {
            run_due(p);
            begun++;
        }
    }
    prober->walking = false;
    set_timer(prober, earliest(prober));
}

struct ts_prober *ts_prober_new(const struct ts_prober_deps *deps, struct ts_error *err)
{
    struct ts_prober *prober = calloc(1, sizeof(*prober));
    if (prober == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    prober->deps = *deps;
    prober->armed = TS_NEVER;
    prober->timer = ts_timer_new(deps->loop, on_timer, prober, err);
    if (prober->timer == NULL) {
        free(prober);
        return NULL;
    }
    return prober;
}

void ts_prober_free(struct ts_prober *prober)
{
    if (prober != NULL) {
        ts_timer_free(prober->timer);
        free(prober);
    }
}

struct ts_probe *ts_probe_new(struct ts_prober *prober, const struct ts_probe_spec *spec,
                              ts_probe_on_result *on_result, void *ctx, struct ts_error *err)
{
    const struct ts_probe_ops *ops = ops_of(spec->kind);
    if (ops == NULL || spec->interval_ms <= 0 || spec->timeout_ms <= 0) {
        ts_error_set(err, TS_E_INVALID, "probe %s of kind %s cannot be run here", spec->name,
                     ts_probe_kind_name(spec->kind));
        return NULL;
    }
    struct ts_probe *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    p->prober = prober;
    p->ops = ops;
    p->spec = spec;
    p->on_result = on_result;
    p->ctx = ctx;
    p->due = TS_NEVER;
    if (spec->kind == TS_PROBE_LOG) {
        p->pattern = ts_pattern_new(spec->pattern, err);
        if (p->pattern == NULL) {
            ts_error_wrap(err, "probe %s: pattern", spec->name);
            free(p);
            return NULL;
        }
    }
    p->next = prober->probes;
    p->prev_next = &prober->probes;
    if (p->next != NULL) {
        p->next->prev_next = &p->next;
    }
    prober->probes = p;
    return p;
}

void ts_probe_stop(struct ts_probe *p)
{
    if (!p->running) {
        return;
    }
    p->ops->cancel(p);
    p->running = false;
    p->trying = false;
    p->due = TS_NEVER; /* the timer may fire for it once more */
}

void ts_probe_free(struct ts_probe *p)
{
    if (p == NULL) {
        return;
    }
    ts_probe_stop(p);
    if (p->prober->cursor == p) {
        p->prober->cursor = p->next;
    }
    *p->prev_next = p->next;
    if (p->next != NULL) {
        p->next->prev_next = p->prev_next;
    }
    ts_pattern_free(p->pattern);
    free(p->host);
    free(p);
}

void ts_probe_start(struct ts_probe *p, const struct ts_probe_target *target)
{
    ts_probe_stop(p);
    char *host = target != NULL ? strdup(target->host) : NULL; /* it may be the one to be freed */
    free(p->host);
    p->host = host;
    p->port = target != NULL ? target->port : 0;
    p->running = true;
    p->passed = false;
    p->started = ts_loop_now(p->prober->deps.loop);
    p->held = false;
    p->due = ts_loop_now(p->prober->deps.loop);
    if (p->ops->reset != NULL) {
        p->ops->reset(p);
    }
    arm(p);
}

bool ts_probe_running(const struct ts_probe *p)
{
    return p->running;
}

struct ts_probe_target ts_probe_target(const struct ts_probe *p)
{
    return (struct ts_probe_target){.host = p->host != NULL ? p->host : "", .port = p->port};
}

const struct ts_prober_deps *ts_probe_deps(const struct ts_probe *p)
{
    return &p->prober->deps;
}

struct ts_loop *ts_probe_loop(const struct ts_probe *p)
{
    return p->prober->deps.loop;
}

ts_mono ts_probe_deadline(const struct ts_probe *p)
{
    return ts_mono_add(p->began, p->spec->timeout_ms);
}

void ts_probe_wait(struct ts_probe *p, ts_mono until)
{
    p->due = until;
    arm(p);
}

/* The next multiple of the interval; sooner until it has passed once, because others wait for that:
 * known late by an eighth of its start at most. A log probe's verdict changes only when a line
 * comes. */
static ts_mono next_try(const struct ts_probe *p, ts_mono now)
{
    if (p->spec->kind == TS_PROBE_LOG || p->held) {
        return TS_NEVER;
    }
    ts_mono usual = ts_mono_next(now, p->spec->interval_ms);
    if (p->passed) {
        return usual;
    }
    int64_t eager = ts_mono_diff(p->started, now) / EAGER_SHARE;
    return ts_mono_min(usual, ts_mono_add(now, eager > EAGER_MS ? eager : EAGER_MS));
}

void ts_probe_finish(struct ts_probe *p, enum ts_probe_reason reason, const char *fmt, ...)
{
    ts_mono now = ts_loop_now(ts_probe_loop(p));
    struct ts_probe_result result = {.reason = TS_PR_OK};
    if (p->told != NULL) {
        result = *p->told;
    }
    result.reason = reason;
    result.took_ms = p->trying ? ts_mono_diff(p->began, now) : 0;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(result.detail, sizeof(result.detail), fmt, args);
    va_end(args);
    p->trying = false;
    p->passed = p->passed || ts_probe_reason_ready(reason);
    p->due = next_try(p, now);
    arm(p);
    p->on_result(p->ctx, &result);
}

void ts_probe_connect(struct ts_probe *p, const struct ts_tcp_handler *handler, size_t max_output)
{
    struct ts_error err;
    if (p->host == NULL || p->host[0] == '\0' || p->port == 0) {
        ts_probe_finish(p, TS_PR_NO_ADDRESS, "no published port and no address of the container");
        return;
    }
    p->connected = false;
    p->received = 0;
    struct ts_tcp_call call = {.host = p->host,
                               .port = p->port,
                               .connect_ms = (uint32_t)p->spec->timeout_ms,
                               .max_output = max_output};
    p->conn = ts_tcp_start(ts_probe_loop(p), &call, handler, p, &err);
    if (p->conn == NULL) {
        ts_probe_finish(p, TS_PR_ERROR, "%s", err.msg);
    }
}

void ts_probe_finish_closed(struct ts_probe *p, enum ts_tcp_end end, const struct ts_error *err)
{
    enum ts_probe_reason reason = TS_PR_ERROR;
    switch (end) {
    case TS_TCP_REFUSED: reason = TS_PR_REFUSED; break;
    case TS_TCP_UNREACHABLE:
    case TS_TCP_NO_NAME: reason = TS_PR_UNREACHABLE; break;
    case TS_TCP_TIMEOUT: reason = TS_PR_CONNECT_TIMEOUT; break;
    case TS_TCP_SELF_CONNECT: reason = TS_PR_SELF_CONNECT; break;
    case TS_TCP_EOF:
    case TS_TCP_RESET: reason = p->received == 0 ? TS_PR_CLOSED : TS_PR_PROTOCOL; break;
    case TS_TCP_ERROR: break;
    }
    ts_tcp_free(p->conn);
    p->conn = NULL;
    ts_probe_finish(p, reason, "%s port %u: %s", p->host, (unsigned)p->port, err->msg);
}
