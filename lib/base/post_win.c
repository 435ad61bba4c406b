/* See post_win.h: a list under a lock, and a pair of sockets that wakes the loop. */
#include "base/post_win.h"

#include <stdlib.h>

#include <event2/event.h>

#include "base/win.h"

struct item {
    struct item *next;
    void *value;
};

struct ts_post {
    CRITICAL_SECTION lock;
    struct item *first;
    struct item **last;
    evutil_socket_t ends[2]; /* [0] is written from any thread, [1] read in the loop */
    struct event *event;
    void (*take)(void *ctx, void *item);
    void *ctx;
};

static struct item *next_item(struct ts_post *p)
{
    EnterCriticalSection(&p->lock);
    struct item *item = p->first;
    if (item != NULL) {
        p->first = item->next;
        if (p->first == NULL) {
            p->last = &p->first;
        }
    }
    LeaveCriticalSection(&p->lock);
    return item;
}

static void on_readable(evutil_socket_t fd, short what, void *arg)
{
    (void)what;
    struct ts_post *p = arg;
    char bytes[64];
    struct item *item;
    while (recv((SOCKET)fd, bytes, sizeof(bytes), 0) > 0) {
    }
    while ((item = next_item(p)) != NULL) {
        void *value = item->value;
        free(item);
        p->take(p->ctx, value);
    }
}

struct ts_post *ts_post_new(struct ts_loop *loop, void (*take)(void *ctx, void *item), void *ctx,
                            struct ts_error *err)
{
    struct ts_post *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    InitializeCriticalSection(&p->lock);
    p->last = &p->first;
    p->take = take;
    p->ctx = ctx;
    if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, p->ends) != 0) {
        p->ends[0] = -1;
        p->ends[1] = -1;
    }
    (void)evutil_make_socket_nonblocking(p->ends[0]);
    (void)evutil_make_socket_nonblocking(p->ends[1]);
    p->event = p->ends[1] < 0 ? NULL
                              : event_new(ts_loop_base(loop), p->ends[1], EV_READ | EV_PERSIST,
                                          on_readable, p);
    if (p->event == NULL || event_add(p->event, NULL) != 0) {
        ts_post_free(p, NULL);
        (void)ts_error_set(err, TS_E_SYSTEM, "cannot make what other threads wake the loop with");
        return NULL;
    }
    return p;
}

void ts_post_free(struct ts_post *p, void (*drop)(void *item))
{
    if (p == NULL) {
        return;
    }
    struct item *item;
    while ((item = next_item(p)) != NULL) {
        if (drop != NULL) {
            drop(item->value);
        }
        free(item);
    }
    if (p->event != NULL) {
        event_free(p->event);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(p->ends); i++) {
        if (p->ends[i] >= 0) {
            (void)evutil_closesocket(p->ends[i]);
        }
    }
    DeleteCriticalSection(&p->lock);
    free(p);
}

bool ts_post_send(struct ts_post *p, void *value)
{
    struct item *item = malloc(sizeof(*item));
    if (item == NULL) {
        return false;
    }
    *item = (struct item){.value = value};
    EnterCriticalSection(&p->lock);
    *p->last = item;
    p->last = &item->next;
    LeaveCriticalSection(&p->lock);
    (void)send((SOCKET)p->ends[0], "", 1, 0); /* a full socket wakes the loop as well */
    return true;
}
