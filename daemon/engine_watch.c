/*
 * The connection to the engine: negotiate, listen to events, list; do it again after every loss.
 * Events are hints: each leads to an inspect, and now and then everything is listed anyway.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"
#include "doctor/reach.h"

#define DEFAULT_UNIT   "docker.service"
#define RETRY_FIRST_MS 250
#define RETRY_MAX_MS   5000
#define OWN_EVENT_MS   1500 /* after our own action, its events may still be under way */
#define ENGINE_STOP_HINT_MS                                                                        \
    30000 /* a stopping engine stops its containers this long before it goes */

static void connect_engine(struct ts_daemon *d);

static int64_t retry_delay(uint32_t tries)
{
    int64_t ms = RETRY_FIRST_MS;
    for (uint32_t i = 0; i < tries && ms < RETRY_MAX_MS; i++) {
        ms *= 2;
    }
    return ms < RETRY_MAX_MS ? ms : RETRY_MAX_MS;
}

static void stop_link(struct ts_daemon *d)
{
    struct ts_engine_link *l = &d->link;
    ts_engine_cancel(l->op);
    ts_engine_cancel(l->listing);
    l->op = NULL;
    l->listing = NULL;
    if (l->events != NULL) {
        l->last_event_nano = ts_events_last_nano(l->events);
        ts_events_stop(l->events);
        l->events = NULL;
    }
    ts_timer_stop(l->resync);
    ts_strays_pause(d);
    ts_restore_pause(d);
    ts_move_pause(d);
}

/* Whatever is seen next of a container, by an event's inspect or by the list: it is after a gap. */
static void mark_gap(struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        d->units[i]->after_gap = true;
    }
}

/* When the engine itself ends, it stops its containers first, which looks like a stop by hand. */
void ts_engine_watch_forgive(struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        bool recent = ts_mono_diff(s->entered_at, ts_loop_now(d->loop)) < ENGINE_STOP_HINT_MS;
        if (s->phase == TS_PHASE_HELD && s->hold_why == TS_WHY_MANUAL_STOP && recent) {
            ts_unit_post(d->units[i], &(struct ts_obs){.kind = TS_OBS_MANUAL_START});
        }
    }
}

void ts_engine_watch_lost(struct ts_daemon *d, const struct ts_error *err)
{
    struct ts_engine_link *l = &d->link;
    stop_link(d);
    ts_copy_cut(l->detail, sizeof(l->detail), err->msg);
    ts_api_rescanned(d, err); /* who waits for a list is told why there is none */
    if (l->up) {
        l->up = false;
        l->since = ts_loop_wall(d->loop);
        l->since_mono = ts_loop_now(d->loop);
        l->tries = 0;
        TS_LOG(d->log, TS_MSG_ENGINE_DOWN,
               TS_FIELDS(TS_STR("engine", ts_engine_address(d->engine))),
               "engine lost: %s; containers are left as they are", err->msg);
        ts_memory_event(d, "", "engine.down", err->msg);
        ts_super_set_engine_up(d->super, false);
        ts_api_changed(d, SIZE_MAX);
        ts_engine_watch_forgive(d);
        mark_gap(d);
        ts_timer_after(l->alert, d->model->engine_alert_after_ms);
    }
    ts_host_engine_is_down(d->host, ts_engine_address(d->engine), d->model->engine_start);
    ts_timer_after(l->retry, retry_delay(l->tries));
    if (l->tries < 16) {
        l->tries++;
    }
    ts_daemon_kick(d);
}

static void on_alert_due(void *ctx)
{
    struct ts_daemon *d = ctx;
    if (!d->link.up) {
        d->link.told = true;
        if (ts_host_engine_unit(d->host) == TS_ENGINE_UNIT_STOPPED) {
            TS_LOG(d->log, TS_MSG_ENGINE_STOPPED, TS_NO_FIELDS, "%s", d->link.detail);
        }
        ts_notice_engine(d, false);
    }
}

static void became_up(struct ts_daemon *d)
{
    struct ts_engine_link *l = &d->link;
    char span[TS_SPAN_TEXT];
    ts_span_format(ts_mono_diff(l->since_mono, ts_loop_now(d->loop)), span);
    l->up = true;
    l->since = ts_loop_wall(d->loop);
    l->since_mono = ts_loop_now(d->loop);
    l->tries = 0;
    l->detail[0] = '\0';
    ts_timer_stop(l->alert);
    TS_LOG(d->log, TS_MSG_ENGINE_UP,
           TS_FIELDS(TS_STR("engine", ts_engine_address(d->engine)),
                     TS_I64("api_minor", ts_engine_api_minor(d->engine))),
           "engine answers (API 1.%d), after %s", ts_engine_api_minor(d->engine), span);
    ts_memory_event(d, "", "engine.up", "");
    if (l->told) {
        l->told = false;
        ts_notice_engine(d, true);
    }
    ts_super_set_engine_up(d->super, true);
    ts_api_changed(d, SIZE_MAX);
}

static void on_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                      const struct ts_error *err)
{
    struct ts_daemon *d = ctx;
    struct ts_error why;
    bool gap = !d->link.up;
    d->link.listing = NULL;
    if (err != NULL) {
        ts_engine_watch_lost(d, err);
        return;
    }
    if (!ts_units_apply_list(d, refs, count, &why)) {
        TS_LOG(d->log, TS_MSG_ENGINE_CALL_FAILED, TS_NO_FIELDS,
               "the project's containers cannot be supervised: %s", why.msg);
    }
    if (gap) {
        became_up(d);
    }
    ts_units_inspect_all(d, gap);
    if (gap) {
        ts_restore_after_gap(d);
        ts_reach_clean(d);
    }
    ts_guard_listed(d, count);
    ts_strays_listed(d, refs, count);
    ts_api_rescanned(d, NULL);
    ts_mono now = ts_loop_now(d->loop);
    ts_timer_at(d->link.resync, d->link.list_again ? now : ts_mono_next(now, d->model->resync_ms));
    ts_daemon_kick(d);
}

void ts_engine_watch_resync_in(struct ts_daemon *d, int64_t ms)
{
    if (d->link.events != NULL) {
        ts_timer_after(d->link.resync, ms);
    }
}

void ts_engine_watch_resync(struct ts_daemon *d)
{
    struct ts_error err;
    if (d->link.listing != NULL) {
        d->link.list_again = true; /* what it says may be from before the reason for this one */
        return;
    }
    if (d->link.events == NULL) {
        return;
    }
    d->link.list_again = false;
    d->link.listing = ts_containers_list(d->engine, d->model->project, on_listed, d, &err);
    if (d->link.listing == NULL) {
        ts_engine_watch_lost(d, &err);
    }
}

static void on_open(void *ctx)
{
    ts_engine_watch_resync(ctx);
}

/* A signal that means "stop", from somebody else (moby's own mark for unless-stopped goes wrong on
 * any signal; a HUP is no stop). */
static bool is_stop_signal(int signal)
{
    return signal == 15 || signal == 9 || signal == 2 || signal == 3;
}

/* Our starts make no kill and our stops no start, so each kind has its own time. */
static bool is_our_own(const struct ts_unit *u, bool event_starts)
{
    const struct ts_daemon *d = u->daemon;
    ts_mono at = u->acted_at[event_starts];
    bool lately = at.ms != 0 && ts_mono_diff(at, ts_loop_now(d->loop)) < OWN_EVENT_MS;
    return lately || (u->acting != NULL && u->acting_starts == event_starts);
}

static void on_event(void *ctx, const struct ts_engine_event *event)
{
    struct ts_daemon *d = ctx;
    struct ts_unit *u = ts_units_by_container(d, event->id);
    if (u == NULL && (event->action == TS_EVENT_START || event->action == TS_EVENT_UNPAUSE)) {
        ts_strays_look(d); /* of whichever project */
    }
    if (event->other && u == NULL) {
        return;
    }
    if (event->oneoff) {
        if (event->action == TS_EVENT_START) {
            ts_strays_started(d, event);
        }
        return;
    }
    if (event->action == TS_EVENT_DESTROY) { /* perhaps before we came: then it has no unit's id */
        ts_restore_removed(d, event->id, event->service);
    }
    if (u == NULL || event->action == TS_EVENT_CREATE || event->action == TS_EVENT_RENAME) {
        if (event->action != TS_EVENT_DESTROY) {
            ts_engine_watch_resync(d);
        }
        return;
    }
    /* Before the list has come these are of the gap: a starting engine stops what it finds. */
    bool ending = d->going_down || d->stopping; /* the machine's end is no hand's stop */
    if (event->action == TS_EVENT_KILL && d->link.up && !ending && is_stop_signal(event->signal) &&
        !is_our_own(u, false) && !ts_units_is_history(u, event)) {
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_MANUAL_STOP});
    }
    if (event->action == TS_EVENT_START && !is_our_own(u, true) &&
        !ts_units_has_ended_since(u, event)) {
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_MANUAL_START});
    }
    if (event->action == TS_EVENT_START) {
        u->listed = TS_CONTAINER_RUNNING;
        u->acted_at[0] = (ts_mono){0}; /* events keep their order: those of our stop have come */
    }
    if (event->action == TS_EVENT_DIE) {
        u->acted_at[1] = (ts_mono){0}; /* … those of our start */
    }
    if (event->action == TS_EVENT_DIE && d->link.up) {
        ts_units_ended(u, event);
    }
    u->oom_told = event->action == TS_EVENT_OOM || (u->oom_told && event->action != TS_EVENT_START);
    if (event->action != TS_EVENT_KILL) {
        ts_units_inspect(u);
    }
}

static void on_events_end(void *ctx, const struct ts_error *err)
{
    ts_engine_watch_lost(ctx, err);
}

static const struct ts_events_handler events_handler = {on_open, on_event, on_events_end};

static void on_described(void *ctx, const struct ts_engine_details *details,
                         const struct ts_error *err)
{
    struct ts_daemon *d = ctx;
    d->link.op = NULL;
    if (err == NULL) {
        (void)snprintf(d->link.version, sizeof(d->link.version), "%.60s", details->version);
    }
}

static void on_negotiated(void *ctx, int api_minor, const struct ts_error *err)
{
    struct ts_daemon *d = ctx;
    struct ts_error why;
    (void)api_minor;
    d->link.op = NULL;
    if (err != NULL) {
        ts_engine_watch_lost(d, err);
        return;
    }
    d->link.op = ts_engine_describe(d->engine, on_described, d, &why);
    d->link.events = ts_events_start(d->engine, d->model->project, d->link.last_event_nano,
                                     &events_handler, d, &why);
    if (d->link.events == NULL) {
        ts_engine_watch_lost(d, &why);
    }
}

static bool is_docker_socket(const char *address)
{
    return strcmp(address, "unix:///run/docker.sock") == 0 ||
           strcmp(address, "unix:///var/run/docker.sock") == 0;
}

const char *ts_engine_watch_unit_name(const struct ts_daemon *d)
{
    if (strcmp(d->model->engine_unit, "none") == 0) {
        return "";
    }
    if (d->model->engine_unit[0] != '\0') {
        return d->model->engine_unit;
    }
    return is_docker_socket(ts_engine_address(d->engine)) ? DEFAULT_UNIT : "";
}

/* A connection to the socket of a service that somebody has stopped would start it again. */
static bool unit_allows(struct ts_daemon *d)
{
    struct ts_engine_link *l = &d->link;
    const char *unit = ts_host_engine_unit_name(d->host);
    switch (ts_host_engine_unit(d->host)) {
    case TS_ENGINE_UNIT_ASKING: return false;
    case TS_ENGINE_UNIT_STOPPING:
        (void)snprintf(l->detail, sizeof(l->detail), "%.60s is being stopped", unit);
        return false;
    case TS_ENGINE_UNIT_STOPPED:
        (void)snprintf(l->detail, sizeof(l->detail),
                       "%.60s was stopped; it is left so until somebody starts it "
                       "(systemctl start %.60s)",
                       unit, unit);
        return false;
    case TS_ENGINE_UNIT_UNKNOWN:
    case TS_ENGINE_UNIT_IDLE:
    case TS_ENGINE_UNIT_STARTING:
    case TS_ENGINE_UNIT_RUNNING:
    case TS_ENGINE_UNIT_FAILED: return true;
    }
    return true;
}

/* What else asks the engine (a log that is opened again) is kept from it as well. */
static bool may_connect(struct ts_daemon *d)
{
    bool may = unit_allows(d);
    ts_engine_pause(d->engine, may ? NULL : d->link.detail);
    return may;
}

void ts_engine_watch_unit(struct ts_daemon *d)
{
    struct ts_engine_link *l = &d->link;
    struct ts_error err;
    bool busy = l->up || l->op != NULL || l->events != NULL;
    if (l->retry == NULL) {
        return; /* not begun yet */
    }
    if (!may_connect(d)) {
        if (busy) {
            ts_error_set(&err, TS_E_UNAVAILABLE, "%s", l->detail);
            ts_engine_watch_lost(d, &err);
        }
    } else if (!busy) {
        l->tries = 0;
        connect_engine(d);
    }
}

static void connect_engine(struct ts_daemon *d)
{
    struct ts_error err;
    stop_link(d);
    if (!may_connect(d)) {
        ts_timer_after(d->link.retry, RETRY_MAX_MS); /* the unit's next state comes before */
        ts_api_changed(d, SIZE_MAX);
        return;
    }
    d->link.op = ts_engine_negotiate(d->engine, on_negotiated, d, &err);
    if (d->link.op == NULL) {
        ts_engine_watch_lost(d, &err);
    }
}

static void on_retry(void *ctx)
{
    connect_engine(ctx);
}

static void on_resync(void *ctx)
{
    struct ts_daemon *d = ctx;
    ts_memory_retry(d);
    ts_store_trim(d->store);
    ts_platform_give_back();
    ts_engine_watch_resync(d);
}

bool ts_engine_watch_start(struct ts_daemon *d, struct ts_error *err)
{
    struct ts_engine_link *l = &d->link;
    l->since = ts_loop_wall(d->loop);
    l->since_mono = ts_loop_now(d->loop);
    (void)snprintf(l->detail, sizeof(l->detail), "connecting");
    l->retry = ts_timer_new(d->loop, on_retry, d, err);
    l->resync = l->retry == NULL ? NULL : ts_timer_new(d->loop, on_resync, d, err);
    l->alert = l->resync == NULL ? NULL : ts_timer_new(d->loop, on_alert_due, d, err);
    if (l->alert == NULL) {
        return false;
    }
    ts_timer_after(l->alert, d->model->engine_alert_after_ms);
    connect_engine(d);
    return true;
}

void ts_engine_watch_stop(struct ts_daemon *d)
{
    struct ts_engine_link *l = &d->link;
    if (l->resync != NULL) {
        stop_link(d);
    }
    ts_timer_free(l->retry);
    ts_timer_free(l->resync);
    ts_timer_free(l->alert);
    *l = (struct ts_engine_link){.up = false};
}
