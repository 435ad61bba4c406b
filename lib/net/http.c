/*
 * See http.h. The client and its loop glue: curl says which sockets and which time it waits for,
 * libevent waits, and what happened is handed on only after curl has returned, so a callback may
 * start and cancel whatever it likes. One request's own business is in http_req.c.
 */
#include "net/http.h"

#include <stdlib.h>

#include <curl/curl.h>
#include <event2/event.h>

#include "net/http_internal.h"

/* Idle connections kept for the next call. */
#define KEEP_CONNECTIONS 8L

struct watch {
    struct ts_http *h;
    struct event *event;
};

/* Tells what has come. curl may have finished hundreds at once: then the rest waits for the next
 * turn. */
static void settle(struct ts_http *h)
{
    h->behind = false;
    for (bool first = true;; first = false) {
        if (!first && ts_loop_breathe(h->loop)) {
            h->behind = true;
            ts_timer_after(h->more, 0);
            return;
        }
        struct ts_http_req *r = h->ready;
        if (r != NULL) {
            h->ready = r->next_ready;
            if (h->ready == NULL) {
                h->ready_last = &h->ready;
            }
            r->is_ready = false;
            ts_http_req_deliver(r);
            continue;
        }
        int left = 0;
        CURLMsg *msg = curl_multi_info_read(h->multi, &left);
        if (msg == NULL) {
            return;
        }
        if (msg->msg == CURLMSG_DONE) {
            CURLcode result = msg->data.result; /* gone once the handle is removed */
            void *owner = NULL;
            (void)curl_easy_getinfo(msg->easy_handle, CURLINFO_PRIVATE, (char **)&owner);
            ts_http_req_finish(owner, result);
        }
    }
}

static void on_fd(evutil_socket_t fd, short what, void *arg)
{
    struct ts_http *h = arg;
    int flags =
        ((what & EV_READ) ? CURL_CSELECT_IN : 0) | ((what & EV_WRITE) ? CURL_CSELECT_OUT : 0);
    int running = 0;
    (void)curl_multi_socket_action(h->multi, (curl_socket_t)fd, flags, &running);
    settle(h);
    (void)ts_loop_breathe(h->loop);
}

static void on_timer(void *ctx)
{
    struct ts_http *h = ctx;
    int running = 0;
    (void)curl_multi_socket_action(h->multi, CURL_SOCKET_TIMEOUT, 0, &running);
    settle(h);
}

static void on_more(void *ctx)
{
    settle(ctx);
}

static void unwatch(struct watch *w)
{
    if (w != NULL) {
        if (w->event != NULL) {
            event_free(w->event);
        }
        free(w);
    }
}

/* CURLMOPT_SOCKETFUNCTION. The return value -1 makes curl fail all calls, which is right when
 * memory is gone: they would hang otherwise. */
static int curl_wants_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *per_socket)
{
    (void)easy;
    struct ts_http *h = ctx;
    struct watch *w = per_socket;
    if (what == CURL_POLL_REMOVE) {
        (void)curl_multi_assign(h->multi, fd, NULL);
        unwatch(w);
        return 0;
    }
    if (w == NULL) {
        w = calloc(1, sizeof(*w));
        if (w == NULL || curl_multi_assign(h->multi, fd, w) != CURLM_OK) {
            free(w);
            return -1;
        }
        w->h = h;
    }
    short events = (short)(((what & CURL_POLL_IN) ? EV_READ : 0) |
                           ((what & CURL_POLL_OUT) ? EV_WRITE : 0) | EV_PERSIST);
    if (w->event != NULL) {
        event_free(w->event);
    }
    w->event = event_new(ts_loop_base(h->loop), (evutil_socket_t)fd, events, on_fd, h);
    return w->event != NULL && event_add(w->event, NULL) == 0 ? 0 : -1;
}

/* CURLMOPT_TIMERFUNCTION. Only arms: calling into curl from here is forbidden. */
static int curl_wants_timer(CURLM *multi, long ms, void *ctx)
{
    (void)multi;
    struct ts_http *h = ctx;
    if (ms < 0) {
        ts_timer_stop(h->timer);
    } else {
        ts_timer_after(h->timer, ms);
    }
    return 0;
}

struct ts_http *ts_http_new(struct ts_loop *loop, struct ts_error *err)
{
    struct ts_http *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    h->loop = loop;
    h->ready_last = &h->ready;
    if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK) {
        free(h);
        ts_error_set(err, TS_E_SYSTEM, "libcurl cannot be initialised");
        return NULL;
    }
    h->timer = ts_timer_new(loop, on_timer, h, err);
    h->more = h->timer == NULL ? NULL : ts_timer_new(loop, on_more, h, err);
    h->multi = curl_multi_init();
    if (h->more == NULL || h->multi == NULL) {
        ts_http_free(h);
        ts_error_nomem(err);
        return NULL;
    }
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETFUNCTION, curl_wants_socket);
    (void)curl_multi_setopt(h->multi, CURLMOPT_SOCKETDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERFUNCTION, curl_wants_timer);
    (void)curl_multi_setopt(h->multi, CURLMOPT_TIMERDATA, h);
    (void)curl_multi_setopt(h->multi, CURLMOPT_MAXCONNECTS, KEEP_CONNECTIONS);
    /* A shared HTTP/2 connection would let one hung call hold up the others. */
    (void)curl_multi_setopt(h->multi, CURLMOPT_PIPELINING, CURLPIPE_NOTHING);
    return h;
}

void ts_http_free(struct ts_http *h)
{
    if (h == NULL) {
        return;
    }
    while (h->all != NULL) {
        ts_http_cancel(h->all);
    }
    if (h->multi != NULL) {
        (void)curl_multi_cleanup(h->multi);
    }
    ts_timer_free(h->timer);
    ts_timer_free(h->more);
    curl_global_cleanup();
    free(h);
}
