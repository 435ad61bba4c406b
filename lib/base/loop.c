/* See loop.h. */
#include "base/loop.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/timers_internal.h"
#include "base/timeval.h"

#define PRIORITIES 2 /* TS_LOOP_URGENT, and what is not said otherwise */
#define PORTION_MS 3 /* of a turn's time for what comes in hundreds */

struct deferred {
    struct deferred *next;
    void (*fn)(void *arg);
    void *arg;
};

/* Timers of one priority, above one of libevent's. */
struct alarm {
    struct ts_loop *loop;
    struct event *event; /* for the earliest of timers … */
    ts_mono at;          /* … as it is set */
    struct ts_timers timers;
};

struct ts_loop {
    const struct ts_clock *clock;
    struct event_base *base;
    struct alarm alarms[PRIORITIES];
    struct deferred *first;
    struct deferred **last;
    ts_mono now;
    ts_wall wall;
    bool in_turn;    /* outside of one every look at the clock is a new one */
    bool time_known; /* this turn has read it */
    bool stopping;
};

/*
 * Precise timers: with libevent's usual coarse clock (4 ms) a timer fires early, finds that its
 * time has not come and waits again, up to four times. Two priorities, so that who asks for the
 * status does not wait for a burst of answers (TS_LOOP_URGENT).
 */
static struct event_base *new_base(void)
{
    struct event_config *config = event_config_new();
    if (config == NULL) {
        return NULL;
    }
    (void)event_config_set_flag(config, EVENT_BASE_FLAG_PRECISE_TIMER);
    struct event_base *base = event_base_new_with_config(config);
    event_config_free(config);
    if (base != NULL) {
        (void)event_base_priority_init(base, PRIORITIES);
    }
    return base;
}

static void read_clock(struct ts_loop *loop)
{
    if (!loop->time_known || !loop->in_turn) {
        loop->now = loop->clock->mono(loop->clock->ctx);
        loop->wall = loop->clock->wall(loop->clock->ctx);
        loop->time_known = true;
    }
}

/* Runs what is due. What a callback sets, though it be for now, comes in a later turn. */
static void on_alarm(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct alarm *a = arg;
    struct ts_timer *t;
    a->at = TS_NEVER;
    read_clock(a->loop);
    ts_timers_take_due(&a->timers, a->loop->now);
    while ((t = ts_timers_next_due(&a->timers)) != NULL) {
        t->when = TS_NEVER;
        t->fn(t->ctx);
    }
}

/* Before each wait. The clock is read anew: the turn may have taken its time. */
static void set_alarm(struct alarm *a)
{
    ts_mono first = ts_timers_first(&a->timers);
    if (first.ms == a->at.ms) {
        return;
    }
    a->at = first;
    if (first.ms == TS_NEVER.ms) {
        (void)evtimer_del(a->event);
        return;
    }
    int64_t ms = ts_mono_diff(ts_loop_now(a->loop), first);
    ms = ms < 0 ? 0 : ms;
    const struct timeval tv = ts_timeval_ms(ms);
    (void)evtimer_add(a->event, &tv);
}

static void free_alarms(struct ts_loop *loop)
{
    for (int i = 0; i < PRIORITIES; i++) {
        if (loop->alarms[i].event != NULL) {
            event_free(loop->alarms[i].event);
        }
        ts_timers_done(&loop->alarms[i].timers);
    }
}

static bool make_alarms(struct ts_loop *loop)
{
    for (int i = 0; i < PRIORITIES; i++) {
        struct alarm *a = &loop->alarms[i];
        a->loop = loop;
        a->at = TS_NEVER;
        a->event = evtimer_new(loop->base, on_alarm, a);
        if (a->event == NULL) {
            return false;
        }
        (void)event_priority_set(a->event, i);
    }
    return true;
}

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
    loop->base = new_base();
    if (loop->base == NULL || !make_alarms(loop)) {
        free_alarms(loop);
        if (loop->base != NULL) {
            event_base_free(loop->base);
        }
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
    free_alarms(loop);
    event_base_free(loop->base);
    free(loop);
}

struct event_base *ts_loop_base(struct ts_loop *loop)
{
    return loop->base;
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
        for (int i = 0; i < PRIORITIES; i++) {
            set_alarm(&loop->alarms[i]);
        }
        loop->in_turn = true;
        loop->time_known = false;
        if (event_base_loop(loop->base, EVLOOP_ONCE | EVLOOP_NO_EXIT_ON_EMPTY) < 0) {
            loop->in_turn = false;
            return ts_error_set(err, TS_E_SYSTEM, "the event loop failed");
        }
        if (turn != NULL) {
            turn(ctx);
        }
        run_deferred(loop);
        loop->in_turn = false;
    }
    return true;
}

void ts_loop_stop(struct ts_loop *loop)
{
    loop->stopping = true;
    (void)event_base_loopbreak(loop->base);
}

bool ts_loop_breathe(struct ts_loop *loop)
{
    read_clock(loop);
    bool enough = ts_mono_diff(loop->now, loop->clock->mono(loop->clock->ctx)) >= PORTION_MS;
    if (enough) {
        (void)event_base_loopbreak(loop->base); /* what is left stays active for the next turn */
    }
    return enough;
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

static struct ts_timer *new_timer(struct alarm *a, void (*fn)(void *ctx), void *ctx,
                                  struct ts_error *err)
{
    struct ts_timer *t = calloc(1, sizeof(*t));
    if (t == NULL || !ts_timers_add(&a->timers)) {
        free(t);
        ts_error_nomem(err);
        return NULL;
    }
    *t = (struct ts_timer){.loop = a->loop,
                           .queue = &a->timers,
                           .fn = fn,
                           .ctx = ctx,
                           .when = TS_NEVER,
                           .at = SIZE_MAX};
    return t;
}

struct ts_timer *ts_timer_new(struct ts_loop *loop, void (*fn)(void *ctx), void *ctx,
                              struct ts_error *err)
{
    return new_timer(&loop->alarms[PRIORITIES - 1], fn, ctx, err);
}

struct ts_timer *ts_timer_new_urgent(struct ts_loop *loop, void (*fn)(void *ctx), void *ctx,
                                     struct ts_error *err)
{
    return new_timer(&loop->alarms[TS_LOOP_URGENT], fn, ctx, err);
}

void ts_timer_at(struct ts_timer *t, ts_mono when)
{
    t->when = when;
    ts_timers_place(t->queue, t);
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
        ts_timers_drop(t->queue, t);
        free(t);
    }
}
