/*
 * The event loop: libevent underneath, run turn by turn. In a turn, callbacks only write down what
 * they saw; then the turn function decides; then deferred calls run. One thread.
 *
 * "Now" is read once per turn. Timers are one-shot.
 */
#ifndef TS_BASE_LOOP_H
#define TS_BASE_LOOP_H

#include "base/clock.h"
#include "base/error.h"

struct event_base;
struct ts_loop;
struct ts_timer;

/* What the platform wants done before the first socket; ts_loop_new() does it. */
bool ts_loop_prepare(struct ts_error *err) TS_MUST_CHECK;

/* A loop on the given clock (borrowed). NULL: TS_E_NOMEM or TS_E_SYSTEM. */
struct ts_loop *ts_loop_new(const struct ts_clock *clock, struct ts_error *err) TS_MUST_CHECK;
/* Runs what is still deferred and frees the loop. Everything made from it must be freed before. */
void ts_loop_free(struct ts_loop *loop);

/* libevent's priority for what answers people: it goes before all else that is ready. */
#define TS_LOOP_URGENT 0

/* For lib/ files that watch file descriptors themselves. Borrowed. */
struct event_base *ts_loop_base(struct ts_loop *loop);

/* This turn's time: the same value throughout one turn. */
ts_mono ts_loop_now(struct ts_loop *loop);
ts_wall ts_loop_wall(struct ts_loop *loop);

/* Runs turns until ts_loop_stop(): wait for events, call back, then turn(ctx). turn may be NULL.
 * False with TS_E_SYSTEM if the loop itself breaks. */
bool ts_loop_run(struct ts_loop *loop, void (*turn)(void *ctx), void *ctx,
                 struct ts_error *err) TS_MUST_CHECK;
/* Ends ts_loop_run() after the present turn. From callbacks and from the turn function. */
void ts_loop_stop(struct ts_loop *loop);

/* From a callback of a kind that comes in hundreds (answers of the engine), when it is through.
 * True: the turn has lasted for some milliseconds, so it ends, and whoever is more urgent comes
 * before the rest. */
bool ts_loop_breathe(struct ts_loop *loop);

/* Calls fn(arg) after the present turn: how an object is freed from inside its own callback. */
void ts_loop_defer(struct ts_loop *loop, void (*fn)(void *arg), void *arg);

/* A timer, not running. fn is called in a later turn, never from inside ts_timer_at(). */
struct ts_timer *ts_timer_new(struct ts_loop *loop, void (*fn)(void *ctx), void *ctx,
                              struct ts_error *err) TS_MUST_CHECK;
/* The same, and it goes with what is urgent (TS_LOOP_URGENT): for a client's next call, not for
 * deadlines, which must not overtake the answers that they are about. */
struct ts_timer *ts_timer_new_urgent(struct ts_loop *loop, void (*fn)(void *ctx), void *ctx,
                                     struct ts_error *err) TS_MUST_CHECK;
/* (Re)arms it. A time in the past fires in the next turn; TS_NEVER stops it. */
void ts_timer_at(struct ts_timer *t, ts_mono when);
void ts_timer_after(struct ts_timer *t, int64_t ms);
void ts_timer_stop(struct ts_timer *t);
bool ts_timer_armed(const struct ts_timer *t);
/* NULL is fine. Allowed inside the timer's own callback. */
void ts_timer_free(struct ts_timer *t);

#endif
