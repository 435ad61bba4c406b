/* See loop.h. */
#include "base/loop.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/timeval.h"

struct deferred {
    struct deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

struct ts_loop {
    const struct ts_clock *clock;
    struct event_base *base;
    struct deferred *first;
    struct deferred **last;
    ts_mono now;
    ts_wall wall;
    bool time_known; /* this turn has read the clock */
    bool stopping;
};

struct ts_timer {
    struct ts_loop *loop;
    struct event *event;
    void (*fn)(void *ctx);
    void *ctx;
    ts_mono when;
};

struct ts_loop *ts_loop_new(const struct ts_clock *clock, struct ts_error *err)
{
    if (!ts_loop_prepare(err)) {
        return NULL;
    }
    struct ts_loop *loop = calloc(1, sizeof(*loop));
    if (loop == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    loop->clock = clock;
    loop->last = &loop->first;
    loop->base = event_base_new();
    if (loop->base == NULL) {
        free(loop);
        ts_error_set(err, TS_E_SYSTEM, "cannot create the event loop (file descriptors used up?)");
        return NULL;
    }
    return loop;
}

static void run_deferred(struct ts_loop *loop)
{
    while (loop->first != NULL) {
        struct deferred *d = loop->first;
        loop->first = d->next;
        if (loop->first == NULL) {
            loop->last = &loop->first;
        }
        d->fn(d->arg);
        free(d);
    }
}

void ts_loop_free(struct ts_loop *loop)
{
    if (loop == NULL) {
        return;
    }
    run_deferred(loop);
    /* Libraries (evdns) report cancelled work in a later turn and free it only then. */
    (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    run_deferred(loop);
    (void)event_base_loop(loop->base, EVLOOP_NONBLOCK);
    event_base_free(loop->base);
    free(loop);
}

struct event_base *ts_loop_base(struct ts_loop *loop)
{
    return loop->base;
}

static void read_clock(struct ts_loop *loop)
{
    if (!loop->time_known) {
        loop->now = loop->clock->mono(loop->clock->ctx);
        loop->wall = loop->clock->wall(loop->clock->ctx);
        loop->time_known = true;
    }
}

ts_mono ts_loop_now(struct ts_loop *loop)
{
    read_clock(loop);
    return loop->now;
}

ts_wall ts_loop_wall(struct ts_loop *loop)
{
    read_clock(loop);
    return loop->wall;
}

bool ts_loop_run(struct ts_loop *loop, void (*turn)(void *ctx), void *ctx, struct ts_error *err)
{
    loop->stopping = false;
    while (!loop->stopping) {
        /* The first callback that asks reads the clock, after the wait. */
        loop->time_known = false;
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0) {
            return ts_error_set(err, TS_E_SYSTEM, "the event loop failed");
        }
        if (turn != NULL) {
            turn(ctx);
        }
        run_deferred(loop);
    }
    return true;
}

void ts_loop_stop(struct ts_loop *loop)
{
    loop->stopping = true;
    (void)event_base_loopbreak(loop->base);
}

void ts_loop_defer(struct ts_loop *loop, void (*fn)(void *arg), void *arg)
{
    struct deferred *d = malloc(sizeof(*d));
    if (d == NULL) {
        return; /* arg leaks; the alternative is a use after free */
    }
    *d = (struct deferred){.fn = fn, .arg = arg};
    *loop->last = d;
    loop->last = &d->next;
    /* A turn may be waiting already when this is called from outside one. */
    event_base_loopcontinue(loop->base);
}

static void on_timeout(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ts_timer *t = arg;
    /* libevent's clock stands still in suspend and its rounding may fire a hair early. */
    if (!ts_mono_reached(t->when, ts_loop_now(t->loop))) {
        ts_timer_at(t, t->when);
        return;
    }
    t->when = TS_NEVER;
    t->fn(t->ctx);
}

struct ts_timer *ts_timer_new(struct ts_loop *loop, void (*fn)(void *ctx), void *ctx,
                              struct ts_error *err)
{
    struct ts_timer *t = calloc(1, sizeof(*t));
    if (t == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *t = (struct ts_timer){.loop = loop, .fn = fn, .ctx = ctx, .when = TS_NEVER};
    t->event = evtimer_new(loop->base, on_timeout, t);
    if (t->event == NULL) {
        free(t);
        ts_error_nomem(err);
        return NULL;
    }
    return t;
}

void ts_timer_at(struct ts_timer *t, ts_mono when)
{
    t->when = when;
    if (when.ms == TS_NEVER.ms) {
        (void)evtimer_del(t->event);
        return;
    }
    int64_t ms = ts_mono_diff(ts_loop_now(t->loop), when);
    if (ms < 0) {
        ms = 0;
    }
    const struct timeval tv = ts_timeval_ms(ms);
    (void)evtimer_add(t->event, &tv);
}

void ts_timer_after(struct ts_timer *t, int64_t ms)
{
    ts_timer_at(t, ts_mono_add(ts_loop_now(t->loop), ms));
}

void ts_timer_stop(struct ts_timer *t)
{
    ts_timer_at(t, TS_NEVER);
}

bool ts_timer_armed(const struct ts_timer *t)
{
    return t->when.ms != TS_NEVER.ms;
}

void ts_timer_free(struct ts_timer *t)
{
    if (t != NULL) {
        event_free(t->event);
        free(t);
    }
}
