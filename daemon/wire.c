/* Builds the daemon from its model, runs its turns, reloads it. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "config/config.h"
#include "daemon.h"
#include "doctor/reach.h"
#include "doctor/validate.h"

#define START_MS       300000 /* checking a long audit trail on a slow disk */
#define TURN_SOON_MS   10     /* a deadline that has passed and changed nothing */
#define WINDOW_LOOK_MS 60000  /* wall clocks are set; look at the calendar at least this often */

/* --- turns */

static void on_turn_due(void *ctx)
{
    (void)ctx; /* the loop's turn does the work */
}

void ts_daemon_kick(struct ts_daemon *d)
{
    ts_timer_at(d->turn_timer, ts_loop_now(d->loop));
}

static void look_at_calendar(struct ts_daemon *d)
{
    ts_wall wall = ts_loop_wall(d->loop);
    struct ts_window_view view = ts_calendar_look(d->model, wall);
    bool was_on = d->window_name[0] != '\0';
    ts_mono now = ts_loop_now(d->loop);
    ts_mono end = view.on != NULL ? ts_mono_add(now, view.ends.ms - wall.ms) : TS_NEVER;
    int64_t next = WINDOW_LOOK_MS;
    if (view.on != NULL && view.ends.ms - wall.ms < next) {
        next = view.ends.ms - wall.ms + 1;
    } else if (view.next != NULL && view.begins.ms - wall.ms < next) {
        next = view.begins.ms - wall.ms + 1;
    }
    if ((view.on != NULL) != was_on) {
        ts_memory_event(d, "", view.on != NULL ? "window.begin" : "window.end",
                        view.on != NULL ? view.on->name : d->window_name);
    }
    ts_copy_cut(d->window_name, sizeof(d->window_name), view.on != NULL ? view.on->name : "");
    d->window_end = view.ends;
    /* The same end, however the two clocks drift within a second, is no change. */
    ts_super_set_window(d->super, view.on != NULL,
                        view.on != NULL ? (ts_mono){end.ms / 1000 * 1000} : TS_NEVER);
    ts_timer_after(d->window_timer, next);
}

static void on_window_due(void *ctx)
{
    look_at_calendar(ctx);
}

/* Where a container runs and since when is known to the inspect only, not to the machine: in the
 * same millisecond as the start, its answer changes nothing that the machine would tell. */
static void update_watches(struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        if (d->units[i]->fresh) {
            d->units[i]->fresh = false;
            ts_watch_update(d->units[i]);
        }
    }
}

static void turn(void *ctx)
{
    struct ts_daemon *d = ctx;
    ts_mono now = ts_loop_now(d->loop);
    char line[400];
    ts_super_turn(d->super, now);
    update_watches(d);
    if (ts_super_overflowed(d->super)) {
        ts_engine_watch_resync(d);
    }
    ts_memory_look(d);
    ts_move_turn(d);
    ts_api_turn(d); /* tells what the lines above have changed */
    ts_notice_stack(d);
    ts_status_line(d, line, sizeof(line));
    ts_platform_status(d->platform, line);
    ts_ending_turn(d);
    ts_memory_sync(d);
    bool pending = ts_super_pending(d->super);
    ts_mono next = pending ? now : ts_super_next(d->super);
    if (!pending) {
        ts_platform_alive(d->platform);
    }
    if (next.ms != TS_NEVER.ms && next.ms <= now.ms && !pending) {
        next = ts_mono_add(now, TURN_SOON_MS);
    }
    ts_timer_at(d->turn_timer, next);
}

/* A service differs: its probes and those who watch it. */
static void on_changed(void *ctx, size_t service)
{
    struct ts_daemon *d = ctx;
    ts_watch_update(d->units[service]);
    ts_move_service_changed(d);
    ts_api_changed(d, service);
}

/* --- hooks of the sender */

static void on_sent(void *ctx, const char *channel, const char *title, int64_t took_ms)
{
    struct ts_daemon *d = ctx;
    TS_LOG(d->log, TS_MSG_ALERT_SENT,
           TS_FIELDS(TS_STR("channel", channel), TS_I64("took_ms", took_ms)),
           "alert delivered to %s: %s", channel, title);
    ts_api_changed(d, SIZE_MAX);
}

static void on_delayed(void *ctx, const char *channel, const char *text, int64_t retry_ms)
{
    struct ts_daemon *d = ctx;
    char span[TS_SPAN_TEXT];
    ts_span_format(retry_ms, span);
    TS_LOG(d->log, TS_MSG_ALERT_DELAYED, TS_FIELDS(TS_STR("channel", channel)),
           "alert to %s not delivered: %s; kept, next try in %s", channel, text, span);
    ts_api_changed(d, SIZE_MAX);
}

static void on_refused(void *ctx, const char *channel, const char *text)
{
    struct ts_daemon *d = ctx;
    TS_LOG(d->log, TS_MSG_ALERT_REFUSED, TS_FIELDS(TS_STR("channel", channel)),
           "alert channel %s refuses: %s", channel, text);
    ts_memory_event(d, "", "alert.refused", text);
    ts_api_changed(d, SIZE_MAX);
}

static void on_dropped(void *ctx, const char *channel, const char *title, const char *text)
{
    struct ts_daemon *d = ctx;
    TS_LOG(d->log, TS_MSG_ALERT_DROPPED, TS_FIELDS(TS_STR("channel", channel)),
           "alert to %s given up (%s): %s", channel, text, title);
    ts_api_changed(d, SIZE_MAX);
}

static void on_outbox_failed(void *ctx, const char *text)
{
    ts_memory_failed(ctx, text);
}

static bool is_paper(void *ctx, const char *account)
{
    const struct ts_daemon *d = ctx;
    /* An approved live account is one that the gateway may serve. */
    return ts_model_is_paper(d->model, account) ||
           ts_approval_covers(d->approvals, d->approval_count, TS_APPROVE_LIVE, NULL, account,
                              ts_loop_wall(d->loop));
}

/* --- building */

static bool open_store(struct ts_daemon *d, struct ts_error *err)
{
    bool replaced;
    char boot[64];
    char clean[8];
    char released[8];
    char event_nano[32];
    struct ts_error ignored;
    d->store = ts_store_open(d->model->state_dir, ts_loop_wall(d->loop), &replaced, err);
    if (d->store == NULL) {
        return ts_error_wrap(err, "state directory %.120s", d->model->state_dir);
    }
    if (replaced) {
        TS_LOG(d->log, TS_MSG_STORE_FAILED, TS_NO_FIELDS,
               "the state file was damaged; it was moved aside and a new one begun");
    }
    bool known =
        ts_store_meta_get(d->store, "boot_id", boot, sizeof(boot), &ignored) && boot[0] != '\0';
    d->rebooted = known && strcmp(boot, d->boot_id) != 0;
    d->unclean = known &&
                 ts_store_meta_get(d->store, "clean_end", clean, sizeof(clean), &ignored) &&
                 clean[0] == '\0';
    d->released = ts_store_meta_get(d->store, "released", released, sizeof(released), &ignored) &&
                  released[0] != '\0';
    int64_t nano = 0;
    if (!d->rebooted &&
        ts_store_meta_get(d->store, "event_nano", event_nano, sizeof(event_nano), &ignored) &&
        ts_parse_i64(event_nano, 0, INT64_MAX, &nano)) {
        d->link.last_event_nano = nano;
    }
    ts_memory_mark(d, "boot_id", d->boot_id);
    ts_memory_mark(d, "clean_end", "");
    return true;
}

static bool make_engine(struct ts_daemon *d, struct ts_error *err)
{
    const char *env = getenv("DOCKER_HOST"); /* NOLINT(concurrency-mt-unsafe): one thread */
    const char *text = d->model->engine[0] != '\0'     ? d->model->engine
                       : env != NULL && env[0] != '\0' ? env
                                                       : TS_USUAL_ENGINE;
    struct ts_engine_conf conf = {.call_ms = (uint32_t)d->model->engine_timeout_ms};
    if (!ts_address_parse(text, &conf.address, err) || !ts_address_usable(&conf.address, err)) {
        return ts_error_wrap(err, "engine address %.100s", text);
    }
    d->engine = ts_engine_new(d->http, &conf, err);
    return d->engine != NULL;
}

static bool make_parts(struct ts_daemon *d, struct ts_error *err)
{
    const struct ts_sender_hooks hooks = {on_sent,    on_delayed,       on_refused,
                                          on_dropped, on_outbox_failed, d};
    const struct ts_super_ports ports = {
        .ctx = d,
        .journal = ts_memory_journal,
        .acting = ts_memory_acting,
        .start = ts_perform_start,
        .stop = ts_perform_stop,
        .inspect = ts_perform_inspect,
        .notice = ts_notice_send,
        .changed = on_changed,
    };
    const struct ts_prober_deps deps = {.loop = d->loop, .is_paper = is_paper, .paper_ctx = d};
    d->http = ts_http_new(d->loop, err);
    if (d->http == NULL || !make_engine(d, err)) {
        return false;
    }
    d->turn_timer = ts_timer_new(d->loop, on_turn_due, d, err);
    d->window_timer = d->turn_timer == NULL ? NULL : ts_timer_new(d->loop, on_window_due, d, err);
    d->super = ts_super_new(&ports);
    if (d->window_timer == NULL || d->super == NULL) {
        return ts_error_nomem(err);
    }
    d->prober = ts_prober_new(&deps, err);
    if (d->prober == NULL || !open_store(d, err)) {
        return false;
    }
    d->sender = ts_sender_new(d->loop, d->http, d->store, &hooks, err);
    return d->sender != NULL && ts_sender_configure(d->sender, d->model, err) &&
           ts_guard_start(d, err);
}

struct ts_daemon *ts_daemon_new(const char *config_path, struct ts_model *take_model,
                                struct ts_log *log, struct ts_loop *loop, struct ts_error *err)
{
    struct ts_daemon *d = calloc(1, sizeof(*d));
    if (d == NULL) {
        ts_model_free(take_model);
        ts_error_nomem(err);
        return NULL;
    }
    d->clock = ts_clock_real();
    d->config_path = config_path;
    d->model = take_model;
    d->log = log;
    d->loop = loop;
    d->started = ts_loop_wall(loop);
    d->started_mono = ts_loop_now(loop);
    ts_platform_boot_id(d->boot_id, sizeof(d->boot_id));
    ts_copy_cut(d->host_name, sizeof(d->host_name), d->model->host_name);
    if (d->host_name[0] == '\0') {
        ts_platform_host_name(d->host_name, sizeof(d->host_name));
    }
    ts_platform_extend(NULL, START_MS);
    if (!make_parts(d, err)) {
        ts_daemon_free(d);
        return NULL;
    }
    return d;
}

void ts_daemon_free(struct ts_daemon *d)
{
    if (d == NULL) {
        return;
    }
    ts_api_stop(d);
    ts_move_free(d);
    ts_validate_stop(d);
    ts_reach_stop(d);
    ts_restore_free(d);
    ts_units_free(d);
    if (d->engine != NULL) {
        ts_engine_watch_stop(d);
    }
    ts_prober_free(d->prober);
    ts_guard_stop(d);
    ts_sender_free(d->sender);
    ts_engine_free(d->engine);
    ts_http_free(d->http);
    ts_super_free(d->super);
    ts_timer_free(d->turn_timer);
    ts_timer_free(d->window_timer);
    ts_timer_free(d->stop_timer);
    ts_host_free(d->host);
    ts_store_close(d->store);
    ts_platform_free(d->platform);
    ts_model_free(d->model);
    free(d);
}

/* --- running */

static void on_reload(void *ctx)
{
    struct ts_daemon *d = ctx;
    json_t *changed = NULL;
    json_t *errors = NULL;
    (void)ts_daemon_reload(d, &changed, &errors);
    json_decref(changed);
    json_decref(errors);
}

bool ts_daemon_run(struct ts_daemon *d, struct ts_error *err)
{
    const struct ts_platform_handler handler = {ts_ending_asked, on_reload, d};
    char nano[32];
    d->platform = ts_platform_new(d->loop, &handler, err);
    if (d->platform == NULL || !ts_ending_start(d, err) || !ts_move_resume(d, err) ||
        !ts_api_start(d, err) || !ts_engine_watch_start(d, err)) {
        return false;
    }
    look_at_calendar(d);
    TS_LOG(d->log, TS_MSG_STARTED,
           TS_FIELDS(TS_STR("version", TS_VERSION), TS_STR("project", d->model->project),
                     TS_STR("engine", ts_engine_address(d->engine))),
           "tradestackd " TS_VERSION " supervises project %s on %s%s", d->model->project,
           ts_engine_address(d->engine), d->unclean ? " (the last run did not end in order)" : "");
    if (ts_sender_channel_count(d->sender) == 0) {
        TS_LOG(d->log, TS_MSG_NO_CHANNEL, TS_NO_FIELDS,
               "no alert channel is set up, so nobody is told of trouble: put a Discord webhook's "
               "URL into " TS_USUAL_WEBHOOK " and restart tradestackd");
    }
    ts_memory_event(d, "", "daemon.started", d->unclean ? "the last run did not end in order" : "");
    ts_platform_ready(d->platform);
    bool ok = ts_loop_run(d->loop, turn, d, err);
    if (ok) {
        ts_memory_mark(d, "clean_end", "1");
        int64_t last =
            d->link.events != NULL ? ts_events_last_nano(d->link.events) : d->link.last_event_nano;
        (void)snprintf(nano, sizeof(nano), "%lld", (long long)last);
        ts_memory_mark(d, "event_nano", nano);
    }
    return ok;
}

/* --- reload */

static json_t *error_list(const struct ts_config_errors *errs)
{
    json_t *list = json_array();
    for (size_t i = 0; i < errs->count; i++) {
        char text[700];
        ts_config_error_print(errs, i, text, sizeof(text));
        (void)json_array_append_new(list, json_string(text));
    }
    return list;
}

static bool refuse_reload(struct ts_daemon *d, struct ts_model *fresh, json_t *errors,
                          json_t **ret_errors)
{
    const char *first = json_string_value(json_array_get(errors, 0));
    ts_model_free(fresh);
    TS_LOG(d->log, TS_MSG_RELOAD_REFUSED, TS_NO_FIELDS,
           "the new configuration is refused, the former stays: %s",
           first != NULL ? first : "out of memory");
    *ret_errors = errors;
    return false;
}

/* Specifications and probes point into the model that they were made from, so that goes last. On
 * failure all is as before, and take_model is still the caller's. */
static bool put_into_force(struct ts_daemon *d, struct ts_model *take_model, struct ts_error *err)
{
    struct ts_model *former = d->model;
    struct ts_error ignored;
    d->model = take_model;
    if (!ts_sender_configure(d->sender, take_model, err) || !ts_units_rebuild(d, err)) {
        d->model = former;
        (void)!ts_sender_configure(d->sender, former, &ignored);
        return false;
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        ts_watch_forget(d->units[i]);
    }
    ts_model_free(former);
    return true;
}

bool ts_daemon_reload(struct ts_daemon *d, json_t **ret_changed, json_t **ret_errors)
{
    struct ts_config_errors *errs = calloc(1, sizeof(*errs));
    struct ts_config_changes *changes = calloc(1, sizeof(*changes));
    struct ts_error err;
    ts_platform_reloading(d->platform);
    struct ts_model *fresh = errs == NULL || changes == NULL ? NULL
                             : d->config_path != NULL        ? ts_config_load(d->config_path, errs)
                                                             : ts_config_load_optional(NULL, errs);
    bool ok = fresh != NULL;
    json_t *errors = ok || errs == NULL ? json_array() : error_list(errs);
    if (ok) {
        if (!ts_config_diff(d->model, fresh, changes)) {
            changes->count = 0; /* out of memory: the list is left out, not the reload */
        }
        ts_config_keep_fixed(d->model, fresh);
        ok = put_into_force(d, fresh, &err);
        if (!ok) {
            (void)json_array_append_new(errors, json_string(err.msg));
        }
    }
    if (!ok) {
        free(errs);
        free(changes);
        ts_platform_ready(d->platform);
        return refuse_reload(d, fresh, errors, ret_errors);
    }
    json_decref(errors);
    for (size_t i = 0; i < d->unit_count; i++) {
        ts_watch_update(d->units[i]);
    }
    ts_log_set_level(d->log, (enum ts_log_level)d->model->log_level);
    ts_api_regroup(d);
    ts_guard_settings(d);
    ts_guard_touch(d);
    look_at_calendar(d);
    *ret_changed = json_array();
    for (size_t i = 0; i < changes->count; i++) {
        char text[450];
        (void)snprintf(text, sizeof(text), "%s%s", changes->list[i].text,
                       changes->list[i].needs_restart ? " (after a restart of the daemon)" : "");
        (void)json_array_append_new(*ret_changed, json_string(text));
    }
    TS_LOG(d->log, TS_MSG_RELOADED, TS_FIELDS(TS_I64("changes", (int64_t)changes->count)),
           "configuration reloaded, %zu changes", changes->count);
    free(errs);
    free(changes);
    ts_platform_ready(d->platform);
    ts_daemon_kick(d);
    return true;
}
