/*
 * tcp: connects and waits a moment. A proxy in front of the container (docker-proxy, a relay) takes
 * every connection and closes it at once when nothing listens behind it, so a connection counts
 * only when it stays open or the service says something.
 */
#include "probe/probe_internal.h"

static void drop(struct ts_probe *p)
{
    ts_tcp_free(p->conn);
    p->conn = NULL;
}

static void on_connected(void *ctx)
{
    struct ts_probe *p = ctx;
    ts_mono settled = ts_mono_add(ts_loop_now(ts_probe_loop(p)), TS_PROBE_SETTLE_MS);
    p->connected = true;
    ts_probe_wait(p, ts_mono_min(settled, ts_probe_deadline(p)));
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    struct ts_probe *p = ctx;
    (void)bytes;
    (void)n;
    drop(p);
    ts_probe_finish(p, TS_PR_OK, "connected, and it speaks");
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    ts_probe_finish_closed(ctx, end, err);
}

static void begin(struct ts_probe *p)
{
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    ts_probe_connect(p, &handler, 0);
}

static void on_due(struct ts_probe *p)
{
    drop(p);
    ts_probe_finish(p, TS_PR_OK, "connected");
}

const struct ts_probe_ops *ts_probe_tcp_ops(void)
{
    static const struct ts_probe_ops ops = {NULL, begin, on_due, drop};
    return &ops;
}
