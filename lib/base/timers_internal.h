/*
 * Timers in order of their time; private to base/. A queue of our own above one timer of
 * libevent's: whatever is due in the same millisecond runs in the same wake-up, and setting a
 * timer again (each turn does) costs no call into libevent.
 */
#ifndef TS_BASE_TIMERS_INTERNAL_H
#define TS_BASE_TIMERS_INTERNAL_H

#include "base/loop.h"

struct ts_timer {
    struct ts_loop *loop;
    struct ts_timers *queue; /* where it belongs */
    void (*fn)(void *ctx);
    void *ctx;
    ts_mono when;          /* TS_NEVER: not running */
    size_t at;             /* index in the heap; SIZE_MAX: not in it */
    struct ts_timer *next; /* while it is due and not yet run */
    struct ts_timer **prev_next;
};

struct ts_timers {
    struct ts_timer **heap; /* the first is the earliest; children of i: 2i + 1, 2i + 2 */
    size_t count;
    size_t room; /* for as many as there are timers, so that setting one never fails */
    size_t made;
    struct ts_timer *due; /* taken out of the heap, in order */
};

/* One timer more exists. False: out of memory. */
bool ts_timers_add(struct ts_timers *q) TS_MUST_CHECK;
/* It exists no longer: taken out wherever it is. */
void ts_timers_drop(struct ts_timers *q, struct ts_timer *t);
/* Puts it where its time belongs; TS_NEVER: nowhere. */
void ts_timers_place(struct ts_timers *q, struct ts_timer *t);
ts_mono ts_timers_first(const struct ts_timers *q);
/* Moves what is due now to q->due. */
void ts_timers_take_due(struct ts_timers *q, ts_mono now);
/* The next of q->due, taken off; NULL: none. */
struct ts_timer *ts_timers_next_due(struct ts_timers *q);
void ts_timers_done(struct ts_timers *q);

#endif
