/* See timers_internal.h. */
#include "base/timers_internal.h"

#include <stdlib.h>

#define NOWHERE SIZE_MAX

static void set(struct ts_timers *q, size_t at, struct ts_timer *t)
{
    q->heap[at] = t;
    t->at = at;
}

static void move_up(struct ts_timers *q, struct ts_timer *t)
{
    size_t at = t->at;
    while (at > 0 && t->when.ms < q->heap[(at - 1) / 2]->when.ms) {
        set(q, at, q->heap[(at - 1) / 2]);
        at = (at - 1) / 2;
    }
    set(q, at, t);
}

static void move_down(struct ts_timers *q, struct ts_timer *t)
{
    size_t at = t->at;
    for (;;) {
        size_t child = 2 * at + 1;
        if (child + 1 < q->count && q->heap[child + 1]->when.ms < q->heap[child]->when.ms) {
            child++;
        }
        if (child >= q->count || t->when.ms <= q->heap[child]->when.ms) {
            break;
        }
        set(q, at, q->heap[child]);
        at = child;
    }
    set(q, at, t);
}

static void leave_heap(struct ts_timers *q, struct ts_timer *t)
{
    struct ts_timer *last = q->heap[--q->count];
    if (last != t) {
        set(q, t->at, last);
        move_up(q, last);
        move_down(q, last);
    }
    t->at = NOWHERE;
}

static void leave_due(struct ts_timer *t)
{
    if (t->prev_next != NULL) {
        *t->prev_next = t->next;
        if (t->next != NULL) {
            t->next->prev_next = t->prev_next;
        }
        t->prev_next = NULL;
    }
}

bool ts_timers_add(struct ts_timers *q)
{
    if (q->made == q->room) {
        size_t room = q->room == 0 ? 16 : q->room * 2;
        struct ts_timer **heap = realloc(q->heap, room * sizeof(struct ts_timer *));
        if (heap == NULL) {
            return false;
        }
        q->heap = heap;
        q->room = room;
    }
    q->made++;
    return true;
}

void ts_timers_drop(struct ts_timers *q, struct ts_timer *t)
{
    leave_due(t);
    if (t->at != NOWHERE) {
        leave_heap(q, t);
    }
    q->made--;
}

void ts_timers_place(struct ts_timers *q, struct ts_timer *t)
{
    leave_due(t);
    if (t->when.ms == TS_NEVER.ms) {
        if (t->at != NOWHERE) {
            leave_heap(q, t);
        }
        return;
    }
    if (t->at == NOWHERE) {
        set(q, q->count++, t);
    }
    move_up(q, t);
    move_down(q, t);
}

ts_mono ts_timers_first(const struct ts_timers *q)
{
    return q->count == 0 ? TS_NEVER : q->heap[0]->when;
}

void ts_timers_take_due(struct ts_timers *q, ts_mono now)
{
    struct ts_timer **last = &q->due;
    while (*last != NULL) {
        last = &(*last)->next;
    }
    while (q->count > 0 && ts_mono_reached(q->heap[0]->when, now)) {
        struct ts_timer *t = q->heap[0];
        leave_heap(q, t);
        t->next = NULL;
        t->prev_next = last;
        *last = t;
        last = &t->next;
    }
}

struct ts_timer *ts_timers_next_due(struct ts_timers *q)
{
    struct ts_timer *t = q->due;
    if (t != NULL) {
        leave_due(t);
    }
    return t;
}

void ts_timers_done(struct ts_timers *q)
{
    free(q->heap);
    *q = (struct ts_timers){.heap = NULL};
}
