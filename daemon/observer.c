/*
 * See observer.h. Every service is given to the machine as running and held: it then does all the
 * judging (rise, fall, startup, windows, when to tell) and never asks for an action.
 */
#include "observer.h"
#include "base/usual.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sender.h"
#include "base/parse.h"
#include "model/calendar.h"
#include "platform/pinger.h"
#include "platform/platform.h"
#include "probe/probe.h"
#include "supervisor.h"

#define PING_TIMEOUT_MS 2000
#define SUPERVISOR      "supervisor"

struct eye {
    struct observer *observer;
    size_t service;
    size_t probe;
    struct ts_probe *probe_object;
};

struct observer {
    struct ts_model *model;
    struct ts_log *log;
    struct ts_loop *loop;
    struct ts_platform *platform;
    struct ts_http *http;
    struct ts_store *store;
    bool sync_failed;
    struct ts_sender *sender;
    struct ts_prober *prober;
    struct ts_super *super;
    struct ts_pinger *pinger;
    struct ts_timer *tick; /* one line a component */
    struct ts_timer *turn;
    struct eye *eyes;
    size_t eye_count;
    uint32_t supervisor_fails;
    bool supervisor_told;
    int64_t supervisor_took_ms;
    char supervisor_why[80];
    char host[TS_NAME_MAX];
};

/* --- lines */

static bool port_responds(enum ts_probe_reason reason)
{
    switch (reason) {
    case TS_PR_PENDING:
    case TS_PR_REFUSED:
    case TS_PR_UNREACHABLE:
    case TS_PR_CONNECT_TIMEOUT:
    case TS_PR_SELF_CONNECT:
    case TS_PR_NO_ADDRESS:
    case TS_PR_ERROR: return false;
    default: return true;
    }
}

static void print_line(struct observer *o, const char *component, const char *status,
                       bool port_responding, bool api_ready, int64_t latency_ms, const char *reason,
                       const char *detail)
{
    char when[TS_WALL_TEXT];
    char clean[512];
    ts_wall_format(ts_loop_wall(o->loop), when);
    ts_alert_clean(clean, sizeof(clean), SIZE_MAX, detail, false);
    json_t *line = json_pack("{s:s, s:s, s:s, s:b, s:b, s:I, s:s, s:s}", "timestamp", when,
                             "component", component, "status", status, "port_responding",
                             (int)port_responding, "api_ready", (int)api_ready, "latency_ms",
                             (json_int_t)latency_ms, "reason", reason, "detail", clean);
    char *text = line == NULL ? NULL : json_dumps(line, JSON_COMPACT);
    json_decref(line);
    if (text != NULL) {
        (void)puts(text);
        (void)fflush(stdout);
        free(text);
    }
}

/* The probe that says most: the first that is not content, else the first. */
static size_t telling_probe(const struct ts_svc_spec *spec, const struct ts_svc *s)
{
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (!ts_probe_reason_ready(s->probes[i].reason)) {
            return i;
        }
    }
    return 0;
}

static void print_service(struct observer *o, size_t i)
{
    const struct ts_svc_spec *spec = ts_super_spec(o->super, i);
    const struct ts_svc *s = ts_super_state(o->super, i);
    const struct ts_probe_state *p = &s->probes[telling_probe(spec, s)];
    const char *status = s->phase == TS_PHASE_READY      ? "healthy"
                         : s->phase == TS_PHASE_STARTING ? "starting"
                                                         : "unhealthy";
    print_line(o, spec->name, status, port_responds(p->reason), ts_probe_reason_ready(p->reason),
               p->took_ms, ts_probe_reason_name(p->reason),
               p->detail[0] != '\0' ? p->detail : ts_probe_reason_text(p->reason));
}

static void on_tick(void *ctx)
{
    struct observer *o = ctx;
    ts_wall wall = ts_loop_wall(o->loop);
    struct ts_window_view view = ts_calendar_look(o->model, wall);
    ts_super_set_window(o->super, view.on != NULL,
                        view.on != NULL ? ts_mono_add(ts_loop_now(o->loop), view.ends.ms - wall.ms)
                                        : TS_NEVER);
    for (size_t i = 0; i < ts_super_count(o->super); i++) {
        print_service(o, i);
    }
    if (o->pinger != NULL) {
        ts_pinger_start(o->pinger, PING_TIMEOUT_MS);
    }
    ts_timer_after(o->tick, o->model->observe_interval_ms);
}

/* --- alerts */

static void post(struct observer *o, struct ts_alert *a, const char *service)
{
    ts_copy_cut(a->service, sizeof(a->service), service);
    (void)snprintf(a->key, sizeof(a->key), "observer/%s", service);
    ts_copy_cut(a->host, sizeof(a->host), o->host);
    (void)snprintf(a->project, sizeof(a->project), "%s", o->model->project);
    a->at = ts_loop_wall(o->loop);
    if (a->since.ms == 0) {
        a->since = a->at;
    }
    (void)ts_sender_post(o->sender, a);
}

static void on_notice(void *ctx, size_t i, const struct ts_action *action)
{
    enum ts_notice notice = action->notice;
    struct observer *o = ctx;
    const struct ts_svc_spec *spec = ts_super_spec(o->super, i);
    const struct ts_svc *s = ts_super_state(o->super, i);
    const struct ts_probe_state *p = &s->probes[telling_probe(spec, s)];
    struct ts_alert a = {.kind = TS_ALERT_OPEN, .severity = TS_SEVERITY_WARNING};
    if (notice == TS_NOTICE_READY) {
        a.kind = TS_ALERT_RESOLVED;
        a.severity = TS_SEVERITY_OK;
        (void)snprintf(a.title, sizeof(a.title), "health monitor: %s healthy", spec->name);
        TS_LOG(o->log, TS_MSG_OBSERVER, TS_FIELDS(TS_STR("service", spec->name)),
               "%s health check passed", spec->name);
    } else if (notice == TS_NOTICE_NOT_READY) {
        (void)snprintf(a.title, sizeof(a.title), "health monitor: %s unhealthy", spec->name);
        (void)snprintf(a.what, sizeof(a.what), "%s%s%s", ts_probe_reason_text(p->reason),
                       p->detail[0] != '\0' ? ": " : "", p->detail);
        (void)snprintf(a.doing, sizeof(a.doing),
                       "The health monitor only watches; see `tradestackctl status`.");
        a.since =
            (ts_wall){ts_loop_wall(o->loop).ms - ts_mono_diff(s->entered_at, ts_loop_now(o->loop))};
    } else {
        return;
    }
    post(o, &a, spec->name);
}

static void tell_supervisor(struct observer *o, bool ok)
{
    struct ts_alert a = {.kind = ok ? TS_ALERT_RESOLVED : TS_ALERT_OPEN,
                         .severity = ok ? TS_SEVERITY_OK : TS_SEVERITY_CRITICAL};
    (void)snprintf(a.title, sizeof(a.title), "the supervisor tradestackd %s",
                   ok ? "answers again" : "does not answer");
    if (!ok) {
        (void)snprintf(a.what, sizeof(a.what), "%u questions in a row: %s.", o->supervisor_fails,
                       o->supervisor_why);
        (void)snprintf(a.doing, sizeof(a.doing),
                       "The containers go on without it. On the machine: " TS_USUAL_SERVICE_STATUS);
        TS_LOG(o->log, TS_MSG_SUPERVISOR_SILENT, TS_NO_FIELDS, "the supervisor does not answer: %s",
               o->supervisor_why);
    }
    o->supervisor_told = !ok;
    post(o, &a, SUPERVISOR);
}

static void on_pong(void *ctx, bool ok, int64_t took_ms, const char *why)
{
    struct observer *o = ctx;
    o->supervisor_took_ms = took_ms;
    ts_copy_cut(o->supervisor_why, sizeof(o->supervisor_why), why);
    o->supervisor_fails = ok ? 0 : o->supervisor_fails + 1;
    print_line(o, SUPERVISOR, ok ? "healthy" : "unhealthy", ok, ok, took_ms, ok ? "ok" : "silent",
               why);
    if (ok && o->supervisor_told) {
        tell_supervisor(o, true);
    } else if (!ok && !o->supervisor_told && o->supervisor_fails >= o->model->observe_fall) {
        tell_supervisor(o, false);
    }
}

/* --- the machine's other ports: an observer has no hands */

static void no_journal(void *ctx, const struct ts_transition *t, size_t n, const size_t *changed,
                       size_t changed_count)
{
    struct observer *o = ctx;
    (void)changed;
    (void)changed_count;
    for (size_t i = 0; i < n; i++) {
        TS_LOG(o->log, TS_MSG_SERVICE_STATE,
               TS_FIELDS(TS_STR("service", ts_super_spec(o->super, t[i].service)->name),
                         TS_STR("state_to", ts_phase_name(t[i].to))),
               "%s: %s -> %s", ts_super_spec(o->super, t[i].service)->name,
               ts_phase_name(t[i].from), ts_phase_name(t[i].to));
    }
}

static void no_start(void *ctx, size_t service, uint32_t op_id)
{
    (void)ctx;
    (void)service;
    (void)op_id;
}

static void no_stop(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms)
{
    (void)ctx;
    (void)service;
    (void)op_id;
    (void)grace_ms;
}

static void no_look(void *ctx, size_t service)
{
    (void)ctx;
    (void)service;
}

/* --- probes */

static void kick(struct observer *o)
{
    ts_timer_at(o->turn, ts_loop_now(o->loop));
}

static void on_result(void *ctx, const struct ts_probe_result *result)
{
    const struct eye *eye = ctx;
    struct ts_obs obs = {.kind = TS_OBS_PROBE,
                         .probe = (uint32_t)eye->probe,
                         .reason = result->reason,
                         .took_ms = result->took_ms};
    ts_copy_cut(obs.detail, sizeof(obs.detail), result->detail);
    ts_super_post(eye->observer->super, eye->service, &obs);
    kick(eye->observer);
}

static bool add_eye(struct observer *o, size_t service, size_t probe, struct ts_error *err)
{
    const struct ts_probe_spec *spec = &o->model->services[service].probes[probe];
    struct eye *eye = &o->eyes[o->eye_count];
    if (spec->host[0] == '\0') {
        return ts_error_set(err, TS_E_INVALID,
                            "[probe %s/%s]: --observe asks no engine, so the probe needs a host",
                            o->model->services[service].name, spec->name);
    }
    *eye = (struct eye){.observer = o, .service = service, .probe = probe};
    eye->probe_object = ts_probe_new(o->prober, spec, on_result, eye, err);
    if (eye->probe_object == NULL) {
        return false;
    }
    o->eye_count++;
    const struct ts_probe_target target = {.host = spec->host, .port = spec->port};
    ts_probe_start(eye->probe_object, &target);
    return true;
}

static bool add_services(struct observer *o, struct ts_error *err)
{
    size_t n = o->model->service_count;
    struct ts_svc *initial = calloc(n + 1, sizeof(*initial));
    o->eyes = calloc(n * TS_MAX_PROBES + 1, sizeof(*o->eyes));
    bool ok = initial != NULL && o->eyes != NULL;
    if (!ok) {
        free(initial);
        ts_error_nomem(err);
        return false;
    }
    for (size_t i = 0; ok && i < n; i++) {
        initial[i] = ts_machine_init(ts_loop_now(o->loop));
        initial[i].held = true;
        initial[i].hold_why = TS_WHY_HOLD;
    }
    ok = ts_super_set_services(o->super, o->model->services, n, initial, ts_loop_now(o->loop), err);
    free(initial);
    for (size_t i = 0; ok && i < n; i++) {
        const struct ts_obs running = {
            .kind = TS_OBS_CONTAINER, .exists = true, .running = true, .after_gap = true};
        ts_super_post(o->super, i, &running);
        for (size_t p = 0; ok && p < o->model->services[i].probe_count; p++) {
            ok = add_eye(o, i, p, err);
        }
    }
    return ok;
}

static bool is_paper(void *ctx, const char *account)
{
    const struct observer *o = ctx;
    return ts_model_is_paper(o->model, account);
}

/* --- life */

static void on_stop(void *ctx)
{
    struct observer *o = ctx;
    ts_loop_stop(o->loop);
}

static void on_turn_due(void *ctx)
{
    (void)ctx;
}

/* What the turn wrote (alerts that are to be sent) is on the disk before it ends. */
static void sync_store(struct observer *o)
{
    struct ts_error err;
    bool ok = ts_store_sync(o->store, &err);
    if (!ok && !o->sync_failed) {
        TS_LOG(o->log, TS_MSG_STORE_FAILED, TS_NO_FIELDS, "%s; watching goes on, from memory",
               err.msg);
    }
    o->sync_failed = !ok;
}

static void turn(void *ctx)
{
    struct observer *o = ctx;
    ts_super_turn(o->super, ts_loop_now(o->loop));
    sync_store(o);
    ts_timer_at(o->turn,
                ts_super_pending(o->super) ? ts_loop_now(o->loop) : ts_super_next(o->super));
    ts_platform_alive(o->platform);
}

static void on_refused(void *ctx, const char *channel, const char *text)
{
    struct observer *o = ctx;
    TS_LOG(o->log, TS_MSG_ALERT_REFUSED, TS_FIELDS(TS_STR("channel", channel)),
           "alert channel %s refuses: %s", channel, text);
}

static void on_delayed(void *ctx, const char *channel, const char *text, int64_t retry_ms)
{
    struct observer *o = ctx;
    TS_LOG(o->log, TS_MSG_ALERT_DELAYED,
           TS_FIELDS(TS_STR("channel", channel), TS_I64("retry_ms", retry_ms)),
           "alert to %s not delivered: %s; kept", channel, text);
}

static bool make(struct observer *o, struct ts_error *err)
{
    const struct ts_platform_handler handler = {.on_stop = on_stop, .ctx = o};
    const struct ts_sender_hooks hooks = {.refused = on_refused, .delayed = on_delayed, .ctx = o};
    const struct ts_super_ports ports = {.ctx = o,
                                         .journal = no_journal,
                                         .start = no_start,
                                         .stop = no_stop,
                                         .inspect = no_look,
                                         .notice = on_notice,
                                         .changed = no_look};
    const struct ts_prober_deps deps = {.loop = o->loop, .is_paper = is_paper, .paper_ctx = o};
    bool replaced;
    o->platform = ts_platform_new(o->loop, &handler, err);
    o->http = o->platform == NULL ? NULL : ts_http_new(o->loop, err);
    o->store = o->http == NULL
                   ? NULL
                   : ts_store_open(o->model->state_dir, ts_loop_wall(o->loop), &replaced, err);
    o->sender = o->store == NULL ? NULL : ts_sender_new(o->loop, o->http, o->store, &hooks, err);
    if (o->sender == NULL || !ts_sender_configure(o->sender, o->model, err)) {
        return false;
    }
    o->tick = ts_timer_new(o->loop, on_tick, o, err);
    o->turn = o->tick == NULL ? NULL : ts_timer_new(o->loop, on_turn_due, o, err);
    o->prober = o->turn == NULL ? NULL : ts_prober_new(&deps, err);
    o->super = ts_super_new(&ports);
    if (o->prober == NULL || o->super == NULL) {
        return false;
    }
    ts_super_set_engine_up(o->super, true);
    if (o->model->observe_supervisor[0] != '\0') {
        o->pinger = ts_pinger_new(o->loop, o->model->observe_supervisor, on_pong, o, err);
        if (o->pinger == NULL) {
            return false;
        }
    }
    if (o->model->service_count == 0) {
        return ts_error_set(err, TS_E_INVALID, "nothing to observe: no [service …] is configured");
    }
    return add_services(o, err);
}

static void unmake(struct observer *o)
{
    for (size_t i = 0; i < o->eye_count; i++) {
        ts_probe_free(o->eyes[i].probe_object);
    }
    free(o->eyes);
    ts_pinger_free(o->pinger);
    ts_prober_free(o->prober);
    ts_sender_free(o->sender);
    ts_http_free(o->http);
    ts_super_free(o->super);
    ts_timer_free(o->tick);
    ts_timer_free(o->turn);
    ts_store_close(o->store);
    ts_platform_free(o->platform);
    ts_model_free(o->model);
}

bool ts_observer_run(struct ts_model *take_model, struct ts_log *log, struct ts_loop *loop,
                     struct ts_error *err)
{
    struct observer o = {.model = take_model, .log = log, .loop = loop};
    ts_copy_cut(o.host, sizeof(o.host), take_model->host_name);
    if (o.host[0] == '\0') {
        ts_platform_host_name(o.host, sizeof(o.host));
    }
    bool ok = make(&o, err);
    if (ok) {
        TS_LOG(log, TS_MSG_STARTED, TS_FIELDS(TS_STR("version", TS_VERSION)),
               "tradestackd " TS_VERSION " observes %zu services", take_model->service_count);
        ts_platform_ready(o.platform);
        ts_timer_after(o.tick,
                       2000 < o.model->observe_interval_ms ? 2000 : o.model->observe_interval_ms);
        kick(&o);
        ok = ts_loop_run(loop, turn, &o, err);
    }
    unmake(&o);
    return ok;
}
