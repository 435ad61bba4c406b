/* Probes and log followers of a running container; what they find becomes observations. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "core/log_place.h"
#include "daemon.h"

#define LOG_TAIL         2000  /* lines of the past that a log probe looks at */
#define LOG_TAIL_GUARDED 20000 /* of a run from before this daemon, which may be months old */
#define LOG_RETRY_MS     1000
#define WORDS_BEFORE     60 /* bytes of a line that are shown before what tripped */
#define LOG_RETRIES      6  /* doublings of that: a log driver that cannot be read stays so */

/* --- where a probe goes */

static const char *loopback_of(const char *host_ip)
{
    if (host_ip[0] == '\0' || strcmp(host_ip, "0.0.0.0") == 0) {
        return "127.0.0.1";
    }
    return strcmp(host_ip, "::") == 0 ? "::1" : host_ip;
}

/* The published port for a container port; 0: the lowest published one. */
static const struct ts_container_port *published(const struct ts_container *c, uint16_t port)
{
    const struct ts_container_port *best = NULL;
    for (size_t i = 0; i < c->port_count; i++) {
        const struct ts_container_port *p = &c->ports[i];
        bool fits = strcmp(p->protocol, "tcp") == 0 && p->host_port != 0 &&
                    (port == 0 || p->container_port == port);
        bool better =
            best == NULL || p->container_port < best->container_port ||
            (p->container_port == best->container_port && strchr(p->host_ip, ':') == NULL);
        if (fits && better) {
            best = p;
        }
    }
    return best;
}

static const char *own_address(const struct ts_container *c)
{
    for (size_t i = 0; i < c->network_count; i++) {
        if (c->networks[i].ip[0] != '\0') {
            return c->networks[i].ip;
        }
    }
    return "";
}

static void find_target(const struct ts_unit *u, const struct ts_probe_spec *spec, char *host,
                        uint16_t *port)
{
    const struct ts_container_port *p = published(&u->container, spec->port);
    const char *ip = own_address(&u->container);
    if (spec->host[0] != '\0') {
        ts_copy_cut(host, TS_TEXT_MAX, spec->host);
        *port = spec->port;
    } else if (p != NULL) {
        ts_copy_cut(host, TS_TEXT_MAX, loopback_of(p->host_ip));
        *port = p->host_port;
    } else {
        /* A container on the host's own network has no address: it is the host's. */
        ts_copy_cut(host, TS_TEXT_MAX, ip[0] != '\0' ? ip : "127.0.0.1");
        *port = spec->port;
    }
}

/* --- results */

static void post_result(struct ts_unit *u, size_t index, enum ts_probe_reason reason,
                        int64_t took_ms, const char *detail)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    const struct ts_probe_state *before = &s->probes[index];
    struct ts_obs obs = {
        .kind = TS_OBS_PROBE, .probe = (uint32_t)index, .reason = reason, .took_ms = took_ms};
    ts_copy_cut(obs.detail, sizeof(obs.detail), detail);
    if (before->reason != reason) {
        const struct ts_probe_spec *spec = &ts_super_spec(d->super, u->index)->probes[index];
        TS_LOG(d->log, TS_MSG_PROBE,
               TS_FIELDS(TS_STR("service", u->service), TS_STR("probe", spec->name),
                         TS_STR("reason", ts_probe_reason_name(reason)),
                         TS_I64("took_ms", took_ms)),
               "%s: probe %s: %s%s%s", u->service, spec->name, ts_probe_reason_text(reason),
               detail[0] != '\0' ? ": " : "", detail);
    }
    ts_unit_post(u, &obs);
}

static void on_result(void *ctx, const struct ts_probe_result *result)
{
    const struct ts_probe_ref *ref = ctx;
    struct ts_unit *u = ref->unit;
    if (ts_super_spec(u->daemon->super, u->index)->probes[ref->index].kind == TS_PROBE_IBAPI) {
        ts_guard_saw_accounts(u, result);
        u->skew_known = result->skew_known;
        u->skew_ms = result->skew_ms;
        u->skew_at = ts_loop_wall(u->daemon->loop);
    }
    post_result(u, ref->index, result->reason, result->took_ms, result->detail);
}

void ts_watch_engine_health(struct ts_unit *u)
{
    static const enum ts_probe_reason reasons[] = {
        [TS_HEALTH_NONE] = TS_PR_OK,
        [TS_HEALTH_STARTING] = TS_PR_STARTING,
        [TS_HEALTH_HEALTHY] = TS_PR_OK,
        [TS_HEALTH_UNHEALTHY] = TS_PR_UNHEALTHY,
    };
    const struct ts_svc_spec *spec = ts_super_spec(u->daemon->super, u->index);
    for (size_t i = 0; i < spec->probe_count && u->container.status == TS_CONTAINER_RUNNING; i++) {
        if (spec->probes[i].kind == TS_PROBE_ENGINE) {
            bool unhealthy = u->container.health == TS_HEALTH_UNHEALTHY;
            post_result(u, i, reasons[u->container.health], 0,
                        unhealthy ? u->container.health_output : "");
        }
    }
}

/* --- the log */

static void on_log_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_unit *u = ctx;
    struct ts_daemon *d = u->daemon;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    u->log_tries = 0;
    u->guard.log_lost = TS_NEVER;
    u->log_nano = ts_log_place_after(u->log_nano, line->time_nano);
    /* Of the whole run, also of what was logged while nobody watched. */
    size_t at;
    if (u->tripwire != NULL && ts_tripwire_trips(u->tripwire, line->text, line->len, &at)) {
        ts_guard_tripwire(u, line->text + (at > WORDS_BEFORE ? at - WORDS_BEFORE : 0));
    }
    if (line->continued) {
        return; /* probes and signals are about lines */
    }
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (spec->probes[i].kind == TS_PROBE_LOG && u->probes[i] != NULL) {
            ts_probe_feed(u->probes[i], line->text, line->len);
        }
    }
    bool past = line->time_nano != 0 && line->time_nano / 1000000 < u->signals_from.ms;
    for (size_t i = 0; i < spec->signal_count && !past; i++) {
        if (u->signals[i] == NULL || spec->signals[i].signal == TS_SIG_TRIPWIRE ||
            ts_pattern_match(u->signals[i], line->text, line->len) != TS_MATCH_YES) {
            continue;
        }
        enum ts_signal signal = spec->signals[i].signal;
        struct ts_obs obs = {.kind = TS_OBS_SIGNAL, .signal = signal};
        char text[2 * TS_DETAIL_MAX];
        (void)snprintf(text, sizeof(text), "%.*s", (int)line->len, line->text);
        ts_copy_cut(obs.detail, sizeof(obs.detail), text);
        TS_LOG(d->log, TS_MSG_LOG_SIGNAL,
               TS_FIELDS(TS_STR("service", u->service), TS_STR("signal", ts_signal_name(signal)),
                         TS_STR("line", obs.detail)),
               "%s: its log says: %s", u->service, ts_signal_text(signal));
        ts_unit_post(u, &obs);
        break; /* one line is one sign */
    }
}

static void start_log(struct ts_unit *u);

static void make_tripwire(struct ts_unit *u)
{
    const struct ts_svc_spec *spec = ts_super_spec(u->daemon->super, u->index);
    struct ts_error err;
    if (u->tripwire == NULL && !ts_tripwire_new(spec, &u->tripwire, &err)) {
        TS_LOG(u->daemon->log, TS_MSG_CONFIG_ERROR, TS_FIELDS(TS_STR("service", u->service)),
               "%s: its tripwires cannot be made: %s", u->service, err.msg);
    }
}

static void retry_log(struct ts_unit *u)
{
    ts_timer_after(u->log_retry, (int64_t)LOG_RETRY_MS << u->log_tries);
    u->log_tries += u->log_tries < LOG_RETRIES;
}

/* A log that comes to its end or cannot be opened, of a container that runs. */
static void lose_log(struct ts_unit *u)
{
    if (u->guard.log_lost.ms == TS_NEVER.ms) {
        u->guard.log_lost = ts_loop_now(u->daemon->loop);
        ts_guard_touch(u->daemon);
    }
}

static void on_log_end(void *ctx, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    (void)err; /* the container ended, or the engine is gone: both are noticed elsewhere */
    ts_logs_stop(u->log);
    u->log = NULL;
    if (u->watching) {
        lose_log(u);
        retry_log(u);
    }
}

static void on_log_retry(void *ctx)
{
    struct ts_unit *u = ctx;
    if (u->watching && u->log == NULL) {
        make_tripwire(u);
        start_log(u);
    }
}

static const struct ts_logs_handler log_handler = {on_log_line, on_log_end};

/* How much of the past: of a run that this daemon saw begin, and of one that it reads on, all that
 * a tripwire has not seen yet. */
static int64_t tail_of(const struct ts_unit *u)
{
    bool seen_begin = u->container.started_at.ms >= u->daemon->started.ms;
    if (u->tripwire == NULL) {
        return LOG_TAIL;
    }
    return seen_begin || u->log_nano != 0 ? -1 : LOG_TAIL_GUARDED;
}

static void start_log(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    bool guarded = u->tripwire != NULL;
    struct ts_error err;
    struct ts_logs_options options = {
        .id = u->id,
        .tty = u->container.tty,
        .follow = true,
        .since_nano = ts_log_place_resume(u->log_nano, u->log_since, ts_loop_wall(d->loop)),
        .tail = tail_of(u),
        .timestamps = true,
        .whole = guarded,
    };
    if (u->log_retry == NULL) {
        u->log_retry = ts_timer_new(d->loop, on_log_retry, u, &err);
        if (u->log_retry == NULL) {
            lose_log(u);
            return;
        }
    }
    if (!guarded && ts_super_spec(d->super, u->index)->guarded) {
        lose_log(u); /* its tripwires could not be made: it is not to count as followed */
        retry_log(u);
        return;
    }
    u->guard.log_opened = ts_loop_now(d->loop);
    u->log = ts_logs_start(d->engine, &options, &log_handler, u, &err);
    if (u->log == NULL) {
        lose_log(u);
        retry_log(u);
    }
}

static bool wants_log(const struct ts_svc_spec *spec)
{
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (spec->probes[i].kind == TS_PROBE_LOG) {
            return true;
        }
    }
    return spec->signal_count > 0 || spec->guarded;
}

/* --- starting and stopping */

static void make_probes(struct ts_unit *u, const struct ts_svc_spec *spec)
{
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (u->probes[i] == NULL && spec->probes[i].kind != TS_PROBE_ENGINE) {
            u->refs[i].unit = u;
            u->refs[i].index = i;
            u->probes[i] = ts_probe_new(d->prober, &spec->probes[i], on_result, &u->refs[i], &err);
        }
    }
    for (size_t i = 0; i < spec->signal_count; i++) {
        if (u->signals[i] == NULL) {
            u->signals[i] = ts_pattern_new(spec->signals[i].pattern, &err);
        }
    }
    make_tripwire(u);
}

static void start_probes(struct ts_unit *u, const struct ts_svc_spec *spec, bool new_run)
{
    u->address[0] = '\0';
    for (size_t i = 0; i < spec->probe_count; i++) {
        char host[TS_TEXT_MAX];
        uint16_t port;
        if (u->probes[i] == NULL) {
            continue;
        }
        find_target(u, &spec->probes[i], host, &port);
        const struct ts_probe_target former = ts_probe_target(u->probes[i]);
        bool moved = strcmp(host, former.host) != 0 || port != former.port;
        if (spec->probes[i].kind != TS_PROBE_LOG && u->address[0] == '\0') {
            (void)snprintf(u->address, sizeof(u->address), "%.200s:%u", host, port);
        }
        if (new_run || moved || !ts_probe_running(u->probes[i])) {
            const struct ts_probe_target target = {.host = host, .port = port};
            ts_probe_start(u->probes[i], &target);
        }
    }
}

void ts_watch_stop(struct ts_unit *u)
{
    u->watching = false;
    for (size_t i = 0; i < TS_MAX_PROBES; i++) {
        if (u->probes[i] != NULL) {
            ts_probe_stop(u->probes[i]);
        }
    }
    ts_logs_stop(u->log);
    u->log = NULL;
    if (u->log_retry != NULL) {
        ts_timer_stop(u->log_retry);
    }
}

void ts_watch_forget(struct ts_unit *u)
{
    ts_watch_stop(u);
    for (size_t i = 0; i < TS_MAX_PROBES; i++) {
        ts_probe_free(u->probes[i]);
        u->probes[i] = NULL;
    }
    for (size_t i = 0; i < TS_MAX_SIGNALS; i++) {
        ts_pattern_free(u->signals[i]);
        u->signals[i] = NULL;
    }
    ts_tripwire_free(u->tripwire);
    u->tripwire = NULL;
}

/* From the run's begin, for the log probes. Signs from before this daemon watched are history, and
 * so are those that were told before the watch was begun anew (reload, pause): a login failure
 * that has passed must not stop the gateway again. */
static void begin_log(struct ts_unit *u)
{
    bool new_run = u->log_run.ms != u->container.started_at.ms || strcmp(u->log_id, u->id) != 0;
    if (new_run) {
        bool same = strcmp(u->log_id, u->id) == 0;
        u->log_since = ts_log_place_begin(same ? u->log_nano : 0, u->container.started_at,
                                          u->container.finished_at, ts_loop_wall(u->daemon->loop));
    }
    ts_wall from = {u->log_since / 1000000};
    if (u->daemon->started.ms > from.ms) {
        from.ms = u->daemon->started.ms - 1;
    }
    if (!new_run && u->log_nano / 1000000 >= from.ms) {
        from.ms = u->log_nano / 1000000 + 1;
    }
    ts_logs_stop(u->log);
    u->log_nano = 0;
    u->log_tries = 0;
    u->log_run = u->container.started_at;
    (void)snprintf(u->log_id, sizeof(u->log_id), "%s", u->id);
    u->signals_from = from;
    start_log(u);
}

void ts_watch_update(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    bool running =
        u->known && u->id[0] != '\0' &&
        (u->container.status == TS_CONTAINER_RUNNING || u->container.status == TS_CONTAINER_PAUSED);
    if (!ts_machine_watches(s) || !running) {
        if (u->watching) {
            ts_watch_stop(u);
        }
        return;
    }
    bool new_run = !u->watching || u->watched_run.ms != u->container.started_at.ms;
    u->watching = true;
    u->watched_run = u->container.started_at;
    make_probes(u, spec);
    start_probes(u, spec, new_run);
    if (new_run && wants_log(spec)) {
        begin_log(u);
    }
}
