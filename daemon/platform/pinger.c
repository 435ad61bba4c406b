/* See pinger.h. */
#include "platform/pinger.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/parse.h"
#include "control/varlink.h"
#include "platform/pinger_internal.h"

struct ts_pinger {
    struct ts_loop *loop;
    char path[TS_PINGER_PATH];
    ts_pinger_done *done;
    void *ctx;
    struct bufferevent *bev;
    struct ts_timer *deadline;
    ts_mono began;
    bool busy; /* asked, and the end not told yet */
};

static void close_connection(struct ts_pinger *p)
{
    if (p->bev != NULL) {
        bufferevent_free(p->bev);
        p->bev = NULL;
    }
    ts_timer_stop(p->deadline);
}

static void finish(struct ts_pinger *p, bool ok, const char *why)
{
    int64_t took = ts_mono_diff(p->began, ts_loop_now(p->loop));
    close_connection(p);
    p->busy = false;
    p->done(p->ctx, ok, took, why);
}

static void on_deadline(void *ctx)
{
    struct ts_pinger *p = ctx;
    finish(p, false,
           p->bev == NULL ? "its control socket cannot be reached"
                          : "it accepts, but does not answer");
}

static void on_reply(struct bufferevent *bev, void *ctx)
{
    struct evbuffer *in = bufferevent_get_input(bev);
    if (evbuffer_search(in, "\0", 1, NULL).pos >= 0) {
        finish(ctx, true, "");
    }
}

static void on_event(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    if ((what & (BEV_EVENT_ERROR | BEV_EVENT_EOF)) != 0) {
        finish(ctx, false,
               (what & BEV_EVENT_EOF) != 0 ? "it closed the connection"
                                           : "nobody listens on its control socket");
    }
}

struct ts_pinger *ts_pinger_new(struct ts_loop *loop, const char *path, ts_pinger_done *done,
                                void *ctx, struct ts_error *err)
{
    struct ts_pinger *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *p = (struct ts_pinger){.loop = loop, .done = done, .ctx = ctx};
    if (!ts_copy(p->path, sizeof(p->path), path)) {
        free(p);
        ts_error_set(err, TS_E_INVALID, "control socket path %.60s… is too long", path);
        return NULL;
    }
    p->deadline = ts_timer_new(loop, on_deadline, p, err);
    if (p->deadline == NULL) {
        free(p);
        return NULL;
    }
    return p;
}

void ts_pinger_free(struct ts_pinger *p)
{
    if (p != NULL) {
        close_connection(p);
        ts_timer_free(p->deadline);
        free(p);
    }
}

void ts_pinger_start(struct ts_pinger *p, int64_t timeout_ms)
{
    struct ts_buf call = ts_buf_init(1024);
    if (p->busy) { /* asked more often than the timeout, no question would ever fail */
        return;
    }
    p->busy = true;
    p->began = ts_loop_now(p->loop);
    ts_timer_after(p->deadline, timeout_ms);
    evutil_socket_t fd = ts_pinger_connect(p->path);
    if (fd < 0) { /* the deadline tells */
        return;
    }
    p->bev = bufferevent_socket_new(ts_loop_base(p->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (p->bev == NULL) {
        (void)evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(p->bev, on_reply, NULL, on_event, p);
    bufferevent_setwatermark(p->bev, EV_READ, 0, 65536);
    if (ts_varlink_add_call(&call, TS_VARLINK_INTERFACE ".Ping", NULL, false)) {
        (void)bufferevent_write(p->bev, call.data, call.len);
    }
    ts_buf_done(&call);
    (void)bufferevent_enable(p->bev, EV_READ | EV_WRITE);
}
