/*
 * How the daemon ends. A plain stop or restart leaves the containers running. When the machine
 * goes down (or with stop_on_exit) the stack is stopped first, in reverse order, each service with
 * its grace; what was to be up stays so in the store and comes back at the next boot.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

#define ALERTS_MS 5000 /* for alerts that wait, at the end */
#define EXTEND_MS 5000 /* asked for beyond what the stop may take */
#define LET_GO_MS 1000 /* we give way so long before the service manager loses its patience */

/* What stopping all that runs takes at most, one service after the other. */
static int64_t longest_stop(struct ts_daemon *d)
{
    int64_t longest = 0;
    for (size_t i = 0; i < d->unit_count; i++) {
        if (ts_super_state(d->super, i)->running) {
            longest += ts_super_spec(d->super, i)->stop_grace_ms;
        }
    }
    return longest;
}

/* Everything down. What a person holds, or has stopped by hand, and does not run is left alone. */
static void stop_stack(struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (s->wanted == TS_WANTED_UP && (s->running || !s->held)) {
            d->units[i]->comes_back = true;
            ts_unit_post(d->units[i], &(struct ts_obs){.kind = TS_OBS_CMD_STOP});
        }
    }
}

static bool is_stopped(struct ts_daemon *d)
{
    for (size_t i = 0; d->link.up && i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (d->units[i]->comes_back && (s->running || s->phase == TS_PHASE_STOPPING)) {
            return false;
        }
    }
    return !ts_super_pending(d->super);
}

/* --- the machine goes down */

static void let_go(struct ts_daemon *d, const char *how)
{
    char span[TS_SPAN_TEXT];
    d->holds_shutdown = false;
    ts_timer_stop(d->stop_timer);
    ts_span_format(ts_mono_diff(d->shutdown_at, ts_loop_now(d->loop)), span);
    TS_LOG(d->log, TS_MSG_SHUTDOWN, TS_NO_FIELDS, "%s, %s after the shutdown was announced", how,
           span);
    ts_memory_event(d, "", "machine.let-go", how);
    ts_host_let_go(d->host);
}

static void shutdown_begins(struct ts_daemon *d)
{
    char span[TS_SPAN_TEXT];
    char text[300];
    int64_t need = longest_stop(d);
    int64_t wait = need + ALERTS_MS;
    int64_t delay = ts_host_shutdown_delay_ms(d->host);
    if (delay > 0 && delay - LET_GO_MS < wait) { /* 0: nothing waits for us, until SIGTERM */
        wait = delay - LET_GO_MS;
    }
    ts_span_format(need, span);
    (void)snprintf(text, sizeof(text), "this machine goes down; %s",
                   d->released   ? "supervision is released, the containers are left to the engine"
                   : !d->link.up ? "the engine does not answer, so nothing can be stopped first"
                                 : "the stack is stopped in order first and comes back with it");
    d->going_down = true;
    d->holds_shutdown = true;
    d->shutdown_at = ts_loop_now(d->loop);
    TS_LOG(d->log, TS_MSG_SHUTDOWN, TS_FIELDS(TS_I64("grace_ms", need)), "%s (at most %s)", text,
           span);
    ts_memory_event(d, "", "machine.shutdown", text);
    ts_notice_shutdown(d, text);
    if (!d->released && d->link.up) {
        stop_stack(d);
    }
    ts_timer_after(d->stop_timer, wait);
    ts_daemon_kick(d);
}

static void shutdown_is_off(struct ts_daemon *d)
{
    d->going_down = false;
    d->holds_shutdown = false;
    ts_timer_stop(d->stop_timer);
    TS_LOG(d->log, TS_MSG_SHUTDOWN, TS_NO_FIELDS,
           "the shutdown was called off: the stack is started again");
    ts_memory_event(d, "", "machine.shutdown-off", "");
    for (size_t i = 0; i < d->unit_count; i++) {
        if (d->units[i]->comes_back) {
            d->units[i]->comes_back = false;
            ts_unit_post(d->units[i], &(struct ts_obs){.kind = TS_OBS_CMD_START});
        }
    }
}

void ts_ending_shutdown(void *ctx, bool begins)
{
    struct ts_daemon *d = ctx;
    if (begins && d->stopping) {
        ts_host_let_go(d->host);
    } else if (begins) {
        shutdown_begins(d);
    } else if (d->going_down && !d->stopping) {
        shutdown_is_off(d);
    }
}

/* --- the daemon ends */

static void on_time_is_up(void *ctx)
{
    struct ts_daemon *d = ctx;
    if (d->stopping) {
        ts_loop_stop(d->loop);
    } else if (d->holds_shutdown) {
        let_go(d, "not all has stopped in time: the machine goes on going down");
    }
}

static void end(void *ctx, bool going_down)
{
    struct ts_daemon *d = ctx;
    bool stack_too = (d->model->stop_on_exit || going_down) && !d->released && d->link.up;
    TS_LOG(d->log, TS_MSG_STOPPING, TS_NO_FIELDS, "tradestackd ends; %s",
           d->going_down             ? "the machine goes down"
           : going_down && stack_too ? "the machine goes down, so the stack is stopped first"
           : going_down ? "the machine goes down, and the engine already does: what is up comes "
                          "back with them"
           : stack_too  ? "the stack is stopped first (stop_on_exit)"
                        : "containers are left running");
    int64_t wait = ALERTS_MS + (stack_too || d->going_down ? longest_stop(d) : 0);
    if (going_down && !d->going_down) { /* unannounced: the engine may be stopping already */
        ts_engine_watch_forgive(d);
    }
    d->going_down = d->going_down || going_down;
    if (stack_too && !d->holds_shutdown) {
        stop_stack(d);
    }
    ts_platform_extend(d->platform, wait + EXTEND_MS);
    ts_timer_after(d->stop_timer, wait);
    ts_daemon_kick(d);
}

void ts_ending_asked(void *ctx)
{
    struct ts_daemon *d = ctx;
    if (d->stopping) {
        ts_loop_stop(d->loop); /* asked twice: at once */
        return;
    }
    d->stopping = true;
    ts_platform_stopping(d->platform);
    ts_host_ask_going_down(d->host, end);
}

void ts_ending_turn(struct ts_daemon *d)
{
    if (!ts_timer_armed(d->stop_timer) || !is_stopped(d) || !ts_sender_idle(d->sender)) {
        return;
    }
    if (d->stopping) {
        ts_loop_stop(d->loop);
    } else if (d->holds_shutdown) {
        let_go(d, d->released ? "nothing to stop" : "the stack has stopped");
    }
}

static void on_resume(void *ctx)
{
    struct ts_daemon *d = ctx;
    ts_engine_watch_unit(d); /* connects at once if it is not connected */
    ts_engine_watch_resync(d);
    ts_daemon_kick(d);
}

static void on_engine_unit(void *ctx)
{
    ts_engine_watch_unit(ctx);
}

bool ts_ending_start(struct ts_daemon *d, struct ts_error *err)
{
    const struct ts_host_handler handler = {ts_ending_shutdown, on_engine_unit, on_resume, d};
    d->stop_timer = ts_timer_new(d->loop, on_time_is_up, d, err);
    if (d->stop_timer == NULL) {
        return false;
    }
    d->host = ts_host_new(d->loop, d->log, ts_engine_watch_unit_name(d), &handler, err);
    return d->host != NULL;
}
