/* Notices of the machine become alerts: what was seen, since when, what comes next. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/usual.h"
#include "daemon.h"

static void fill_common(struct ts_daemon *d, struct ts_alert *a)
{
    ts_copy_cut(a->host, sizeof(a->host), d->host_name);
    ts_copy_cut(a->project, sizeof(a->project), d->model->project);
    a->at = ts_loop_wall(d->loop);
    if (a->since.ms == 0) {
        a->since = a->at;
    }
}

static void post(struct ts_daemon *d, struct ts_alert *a)
{
    fill_common(d, a);
    (void)ts_sender_post(d->sender, a);
}

/* X: notice -> what kind of alert, how bad, what its title says behind the service's name */
static const struct notice_row {
    enum ts_alert_kind kind;
    enum ts_severity severity;
    bool urgent;
    bool shows_attempt;
    const char *title;
} rows[TS_NOTICE_COUNT] = {
    [TS_NOTICE_DOWN] = {TS_ALERT_OPEN, TS_SEVERITY_WARNING, false, true, "died"},
    [TS_NOTICE_NOT_READY] = {TS_ALERT_OPEN, TS_SEVERITY_WARNING, false, false, "is not ready"},
    [TS_NOTICE_RESTARTING] = {TS_ALERT_OPEN, TS_SEVERITY_WARNING, false, true,
                              "does not answer and is restarted"},
    [TS_NOTICE_FAILED] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, false, false, "has failed"},
    [TS_NOTICE_BLOCKED] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, true, false,
                           "is not started: the safety rules refuse"},
    [TS_NOTICE_TRIPPED] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, true, false,
                           "broke a safety rule and is stopped"},
    [TS_NOTICE_SUSPENDED] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, true, false,
                             "cannot be verified any more and is stopped"},
    [TS_NOTICE_TWOFA] = {TS_ALERT_OPEN, TS_SEVERITY_WARNING, true, false,
                         "waits for the second login factor"},
    [TS_NOTICE_MANUAL_STOP] = {TS_ALERT_INFO, TS_SEVERITY_WARNING, false, false,
                               "was stopped by hand"},
    [TS_NOTICE_STOP_FAILED] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, false, false,
                               "cannot be stopped"},
    [TS_NOTICE_SESSION_CLASH] = {TS_ALERT_OPEN, TS_SEVERITY_WARNING, false, false,
                                 "lost its session to another login"},
    [TS_NOTICE_MISSING] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, false, false,
                           "has no container any more"},
    [TS_NOTICE_READY] = {TS_ALERT_RESOLVED, TS_SEVERITY_OK, false, false, "is ready again"},
    [TS_NOTICE_STOPPED] = {TS_ALERT_RESOLVED, TS_SEVERITY_OK, false, false, "was stopped as asked"},
};

/* What was observed. */
static void describe(const struct ts_svc_spec *spec, const struct ts_svc *s,
                     const struct ts_action *action, char *out, size_t size)
{
    enum ts_notice notice = action->notice;
    char probe[400] = "";
    for (size_t i = 0; i < spec->probe_count; i++) {
        const struct ts_probe_state *p = &s->probes[i];
        if (s->running && !ts_probe_reason_ready(p->reason) && p->reason != TS_PR_PENDING) {
            (void)snprintf(probe, sizeof(probe), " Probe %s: %s%s%.100s.", spec->probes[i].name,
                           ts_probe_reason_text(p->reason), p->detail[0] != '\0' ? ": " : "",
                           p->detail);
            break;
        }
    }
    if (notice == TS_NOTICE_READY || notice == TS_NOTICE_STOPPED) {
        (void)snprintf(out, size, "%s.", notice == TS_NOTICE_READY ? "All probes pass" : "Stopped");
    } else if (notice == TS_NOTICE_SESSION_CLASH) {
        (void)snprintf(out, size, "The gateway's log: another login with the same user took over.");
    } else {
        bool latched = notice == TS_NOTICE_FAILED || notice == TS_NOTICE_BLOCKED ||
                       notice == TS_NOTICE_TRIPPED;
        enum ts_why why = latched                         ? s->latch
                          : notice == TS_NOTICE_SUSPENDED ? TS_WHY_UNVERIFIED
                                                          : s->why;
        const char *detail = notice == TS_NOTICE_SUSPENDED ? action->detail
                             : latched                     ? s->latch_detail
                                                           : s->detail;
        char reason[2 * TS_DETAIL_MAX];
        ts_reason_text(why, detail, reason, sizeof(reason));
        (void)snprintf(out, size, "%s.%s", reason, probe);
    }
}

/* What a person can do about a failure that the daemon will not mend. */
static const char *cure(enum ts_why why, const char *detail)
{
    if (strstr(detail, "port is already allocated") != NULL) {
        return "The engine holds the port for another container, or for one that is no more (a "
               "power cut during a start can leave that): docker ps; if nothing there has "
               "it: " TS_USUAL_ENGINE_RESTART "; then: ";
    }
    switch (why) {
    case TS_WHY_LOGIN_FAILED:
        return "Stopped to protect the account. Check IBKR_USERNAME and IBKR_PASSWORD, then: ";
    case TS_WHY_LOCKED_OUT:
        return "Stopped. Wait until IB unlocks the account (its log says how long), then: ";
    case TS_WHY_FATAL_CONFIG: return "Stopped. Mend its configuration (see its log), then: ";
    case TS_WHY_BUDGET: return "No more restarts. Look at its log, mend the cause, then: ";
    default: return "Mend the cause, then: ";
    }
}

static void next_step(struct ts_daemon *d, size_t i, enum ts_notice notice, char *out, size_t size)
{
    const struct ts_svc *s = ts_super_state(d->super, i);
    const struct ts_svc_spec *spec = ts_super_spec(d->super, i);
    char command[300];
    char span[TS_SPAN_TEXT];
    switch (notice) {
    case TS_NOTICE_BLOCKED:
        ts_guard_cure(d->units[i], command, sizeof(command));
        (void)snprintf(out, size,
                       "It stays stopped. To change that: %.300s%stradestackctl start %s", command,
                       command[0] != '\0' ? "; then: " : "", spec->name);
        break;
    case TS_NOTICE_TRIPPED:
        ts_span_format(spec->trip_grace_ms, span);
        (void)snprintf(out, size,
                       "Stopped at once (killed after %s). It stays stopped, also over a reboot, "
                       "until the CRO has looked: tradestackctl safety; then: tradestackctl safety "
                       "reset %s --reason TEXT",
                       span, spec->name);
        break;
    case TS_NOTICE_SUSPENDED:
        (void)snprintf(out, size,
                       "It starts again by itself as soon as all can be checked. See: "
                       "tradestackctl safety");
        break;
    case TS_NOTICE_FAILED:
        (void)snprintf(out, size, "%stradestackctl reset %s", cure(s->latch, s->latch_detail),
                       spec->name);
        break;
    case TS_NOTICE_DOWN:
        if (s->phase == TS_PHASE_BACKOFF) {
            ts_machine_next(spec, ts_super_env(d->super, i), s, ts_loop_now(d->loop), out, size);
        } else {
            (void)snprintf(out, size, "It is being started again.");
        }
        break;
    case TS_NOTICE_RESTARTING: (void)snprintf(out, size, "It is stopped and started again."); break;
    case TS_NOTICE_TWOFA:
        (void)snprintf(out, size, "Confirm the login on the phone. No restart meanwhile.");
        break;
    case TS_NOTICE_MANUAL_STOP:
        (void)snprintf(out, size, "It is left stopped. To start it: tradestackctl start %s",
                       spec->name);
        break;
    case TS_NOTICE_MISSING:
        (void)snprintf(out, size, "Create it again: tradestackctl up --file docker-compose.yml");
        break;
    case TS_NOTICE_STOP_FAILED:
        (void)snprintf(out, size, "It is tried again. Look at the engine's log.");
        break;
    case TS_NOTICE_SESSION_CLASH:
        (void)snprintf(out, size, "Log the other session out; two sessions fight for ever.");
        break;
    case TS_NOTICE_NOT_READY:
        ts_machine_next(spec, ts_super_env(d->super, i), s, ts_loop_now(d->loop), out, size);
        break;
    case TS_NOTICE_READY:
    case TS_NOTICE_STOPPED:
    case TS_NOTICE_COUNT: out[0] = '\0'; break;
    }
}

static const char *incident_of(enum ts_notice notice)
{
    switch (notice) {
    case TS_NOTICE_TWOFA: return "2fa";
    case TS_NOTICE_SESSION_CLASH: return "session";
    case TS_NOTICE_BLOCKED:
    case TS_NOTICE_TRIPPED:
    case TS_NOTICE_SUSPENDED: return "safety";
    default: return "health";
    }
}

static void log_notice(struct ts_daemon *d, size_t i, enum ts_notice notice,
                       const struct ts_alert *a)
{
    const struct ts_svc *s = ts_super_state(d->super, i);
    const struct ts_unit *u = d->units[i];
    enum ts_msg msg = notice == TS_NOTICE_FAILED        ? TS_MSG_SERVICE_FAILED
                      : notice == TS_NOTICE_BLOCKED     ? TS_MSG_SERVICE_BLOCKED
                      : notice == TS_NOTICE_TRIPPED     ? TS_MSG_SERVICE_TRIPPED
                      : notice == TS_NOTICE_MANUAL_STOP ? TS_MSG_MANUAL_STOP
                                                        : TS_MSG_DEBUG;
    TS_LOG(d->log, msg,
           TS_FIELDS(TS_STR("service", u->service), TS_STR("notice", ts_notice_name(notice)),
                     TS_STR("state_to", ts_phase_name(s->phase)),
                     TS_STR("reason", ts_why_name(s->latch != TS_WHY_NONE ? s->latch : s->why)),
                     TS_STR("container", u->container.name), TS_STR("container_id", u->id),
                     TS_I64("attempt", a->attempt)),
           "%s. %s %s", a->title, a->what, a->doing);
}

/* Tells the end of an incident if it was open. */
static void close_incident(struct ts_daemon *d, const char *service, const char *incident,
                           const char *title)
{
    struct ts_alert a = {.kind = TS_ALERT_RESOLVED, .severity = TS_SEVERITY_OK};
    (void)snprintf(a.key, sizeof(a.key), "%s/%s", service, incident);
    (void)snprintf(a.title, sizeof(a.title), "%s %s", service, title);
    ts_copy_cut(a.service, sizeof(a.service), service);
    post(d, &a);
}

static bool ends_all(enum ts_notice notice)
{
    return notice == TS_NOTICE_READY || notice == TS_NOTICE_STOPPED ||
           notice == TS_NOTICE_MANUAL_STOP;
}

void ts_notice_send(void *ctx, size_t service, const struct ts_action *action)
{
    struct ts_daemon *d = ctx;
    enum ts_notice notice = action->notice;
    const struct ts_svc *s = ts_super_state(d->super, service);
    const struct ts_svc_spec *spec = ts_super_spec(d->super, service);
    if ((unsigned)notice >= TS_NOTICE_COUNT) {
        return;
    }
    if (notice == TS_NOTICE_MISSING && d->units[service]->restore_due) {
        return; /* how making it anew ends is told */
    }
    const struct notice_row *row = &rows[notice];
    struct ts_alert a = {.kind = row->kind, .severity = row->severity, .urgent = row->urgent};
    ts_copy_cut(a.service, sizeof(a.service), spec->name);
    (void)snprintf(a.key, sizeof(a.key), "%s/%s", spec->name, incident_of(notice));
    (void)snprintf(a.title, sizeof(a.title), "%s %s", spec->name, row->title);
    describe(spec, s, action, a.what, sizeof(a.what));
    next_step(d, service, notice, a.doing, sizeof(a.doing));
    if (notice == TS_NOTICE_NOT_READY) {
        a.since =
            (ts_wall){ts_loop_wall(d->loop).ms - ts_mono_diff(s->entered_at, ts_loop_now(d->loop))};
    }
    if (row->shows_attempt) {
        a.attempt = ts_machine_attempts(spec, s, ts_loop_now(d->loop));
        a.attempts_max = spec->budget;
    }
    log_notice(d, service, notice, &a);
    post(d, &a);
    if (ends_all(notice)) { /* or it would be reminded of for ever */
        close_incident(d, spec->name, "health", row->title);
        close_incident(d, spec->name, "2fa", row->title);
        close_incident(d, spec->name, "session", row->title);
    }
    if (notice == TS_NOTICE_READY) {
        close_incident(d, spec->name, "safety", row->title);
    }
}

void ts_notice_blind(struct ts_daemon *d, size_t service, const char *text)
{
    const char *name = d->units[service]->service;
    bool running = ts_super_state(d->super, service)->running;
    struct ts_alert a = {.kind = TS_ALERT_OPEN, .severity = TS_SEVERITY_WARNING};
    if (text == NULL) {
        close_incident(d, name, "unverified", "can be verified again");
        return;
    }
    (void)snprintf(a.key, sizeof(a.key), "%s/unverified", name);
    (void)snprintf(a.title, sizeof(a.title), "%s cannot be verified", name);
    ts_copy_cut(a.service, sizeof(a.service), name);
    (void)snprintf(a.what, sizeof(a.what), "The safety rules cannot be checked: %.200s.", text);
    (void)snprintf(a.doing, sizeof(a.doing), "%s See: tradestackctl safety",
                   !running                                ? "It is not started meanwhile."
                   : d->model->when_blind == TS_BLIND_KEEP ? "It is left running, as it had passed "
                                                             "(when_blind = keep); nothing guarded "
                                                             "is started."
                                                           : "It is stopped (when_blind = stop).");
    post(d, &a);
}

void ts_notice_approval(struct ts_daemon *d, const char *service, const char *text)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_WARNING};
    (void)snprintf(a.title, sizeof(a.title), "an approval for %.60s has changed", service);
    ts_copy_cut(a.service, sizeof(a.service), service);
    ts_copy_cut(a.what, sizeof(a.what), text);
    (void)snprintf(a.doing, sizeof(a.doing), "All of them: tradestackctl approvals");
    post(d, &a);
}

void ts_notice_unguarded(struct ts_daemon *d, bool unguarded)
{
    struct ts_alert a = {.key = "unguarded",
                         .kind = unguarded ? TS_ALERT_OPEN : TS_ALERT_RESOLVED,
                         .severity = unguarded ? TS_SEVERITY_CRITICAL : TS_SEVERITY_OK};
    (void)snprintf(a.title, sizeof(a.title), "%s",
                   unguarded ? "nothing in this project is guarded" : "a service is guarded again");
    (void)snprintf(a.what, sizeof(a.what),
                   "No container of project %s belongs to a [service NAME] with guarded = yes.",
                   d->model->project);
    (void)snprintf(
        a.doing, sizeof(a.doing),
        "A bot in it could trade for real. Was the service renamed? See tradestackctl "
        "status, then mend tradestackd.conf (without a bot: [safety] require_guard = no)");
    post(d, &a);
}

void ts_notice_settings(struct ts_daemon *d, const char *text)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_WARNING};
    (void)snprintf(a.title, sizeof(a.title), "the safety settings were changed");
    ts_copy_cut(a.what, sizeof(a.what), text);
    (void)snprintf(a.doing, sizeof(a.doing),
                   "They are in force. If that was not meant: "
                   "tradestackd.conf, then tradestackctl reload");
    post(d, &a);
}

void ts_notice_trail(struct ts_daemon *d, const char *text)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_CRITICAL, .urgent = true};
    (void)snprintf(a.title, sizeof(a.title), "the audit trail is not to be trusted");
    ts_copy_cut(a.what, sizeof(a.what), text);
    (void)snprintf(a.doing, sizeof(a.doing),
                   "Nothing guarded runs or starts until the CRO has looked: tradestackctl audit "
                   "verify; then: tradestackctl safety reset SERVICE");
    post(d, &a);
}

void ts_notice_stray(struct ts_daemon *d, const char *container, const char *text)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_CRITICAL, .urgent = true};
    (void)snprintf(a.title, sizeof(a.title), "container %.80s could have traded", container);
    ts_copy_cut(a.what, sizeof(a.what), text);
    (void)snprintf(a.doing, sizeof(a.doing),
                   "It is stopped. Find out who started it, and remove "
                   "it: docker rm %.80s",
                   container);
    post(d, &a);
}

/* What comes next while the engine does not answer. */
static void engine_outlook(struct ts_daemon *d, char *out, size_t size)
{
    const char *unit = ts_host_engine_unit_name(d->host);
    switch (ts_host_engine_unit(d->host)) {
    case TS_ENGINE_UNIT_STOPPED:
        (void)snprintf(out, size,
                       "Supervision goes on, and the stack comes back, as soon as it is started "
                       "again.");
        break;
    case TS_ENGINE_UNIT_FAILED:
        (void)snprintf(out, size,
                       "systemd has given up starting it; somebody must mend that: systemctl "
                       "status %.60s; then, so that it counts the tries anew: systemctl "
                       "reset-failed docker.socket %.60s; systemctl restart docker.socket %.60s",
                       unit, unit, unit);
        break;
    default:
        (void)snprintf(
            out, size, "The services are left as they are and still probed; it is tried again.%s%s",
            ts_host_engine_outlook(d->host)[0] != '\0' ? " " : "", ts_host_engine_outlook(d->host));
        break;
    }
}

void ts_notice_engine(struct ts_daemon *d, bool up)
{
    struct ts_alert a = {.key = "engine",
                         .kind = up ? TS_ALERT_RESOLVED : TS_ALERT_OPEN,
                         .severity = up ? TS_SEVERITY_OK : TS_SEVERITY_CRITICAL};
    (void)snprintf(a.title, sizeof(a.title), "the container engine %s",
                   up ? "answers again" : "does not answer");
    if (!up) {
        a.since = d->link.since;
        ts_copy_cut(a.what, sizeof(a.what), d->link.detail);
        engine_outlook(d, a.doing, sizeof(a.doing));
    }
    post(d, &a);
}

void ts_notice_shutdown(struct ts_daemon *d, const char *text)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_WARNING};
    (void)snprintf(a.title, sizeof(a.title), "the machine goes down");
    (void)snprintf(a.what, sizeof(a.what), "%.300s.", text);
    (void)snprintf(a.doing, sizeof(a.doing),
                   "At the next boot a message follows as soon as the stack is up.");
    post(d, &a);
}

void ts_notice_restored(struct ts_daemon *d, const char *service, const char *text, const char *why)
{
    struct ts_alert a = {.kind = why == NULL ? TS_ALERT_INFO : TS_ALERT_OPEN,
                         .severity = why == NULL ? TS_SEVERITY_WARNING : TS_SEVERITY_CRITICAL};
    ts_copy_cut(a.service, sizeof(a.service), service);
    if (why == NULL) {
        (void)snprintf(a.title, sizeof(a.title), "%s was missing and has been made anew", service);
        ts_copy_cut(a.what, sizeof(a.what), text);
    } else {
        (void)snprintf(a.key, sizeof(a.key), "%s/health", service);
        (void)snprintf(a.title, sizeof(a.title), "%s is missing and cannot be made anew", service);
        ts_copy_cut(a.what, sizeof(a.what), why);
        ts_copy_cut(a.doing, sizeof(a.doing), text);
    }
    post(d, &a);
}

void ts_notice_move(struct ts_daemon *d, enum ts_move_way way, const char *text)
{
    static const struct {
        enum ts_alert_kind kind;
        enum ts_severity severity;
        const char *doing;
    } by_way[TS_MOVE_WAY_COUNT] = {
        [TS_MOVE_FORWARD] = {TS_ALERT_INFO, TS_SEVERITY_OK, "Watch it: tradestackctl watch"},
        [TS_MOVE_BACK] = {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL,
                          "The former containers come back by themselves."},
        [TS_MOVE_HALTED] =
            {TS_ALERT_OPEN, TS_SEVERITY_CRITICAL,
             "Nothing more is done. To go back: tradestackctl rollback; to keep it as "
             "it stands: tradestackctl migrate --accept"},
        [TS_MOVE_DONE] = {TS_ALERT_RESOLVED, TS_SEVERITY_OK, ""},
        [TS_MOVE_RETURNED] = {TS_ALERT_RESOLVED, TS_SEVERITY_WARNING,
                              "What to mend: tradestackctl events; then try again."},
    };
    struct ts_alert a = {.key = "move", .kind = by_way[way].kind, .severity = by_way[way].severity};
    ts_copy_cut(a.title, sizeof(a.title), "containers are exchanged");
    ts_copy_cut(a.what, sizeof(a.what), text);
    ts_copy_cut(a.doing, sizeof(a.doing), by_way[way].doing);
    post(d, &a);
    if (way == TS_MOVE_DONE || way == TS_MOVE_RETURNED) { /* also when nothing was open to close */
        struct ts_alert end = {.kind = TS_ALERT_INFO, .severity = by_way[way].severity};
        ts_copy_cut(end.title, sizeof(end.title), "containers have been exchanged");
        if (way == TS_MOVE_RETURNED) {
            ts_copy_cut(end.title, sizeof(end.title), "the former containers are back");
        }
        ts_copy_cut(end.what, sizeof(end.what), text);
        ts_copy_cut(end.doing, sizeof(end.doing), by_way[way].doing);
        post(d, &end);
    }
}

void ts_notice_store(struct ts_daemon *d, bool ok, const char *detail)
{
    struct ts_alert a = {.key = "store",
                         .kind = ok ? TS_ALERT_RESOLVED : TS_ALERT_OPEN,
                         .severity = ok ? TS_SEVERITY_OK : TS_SEVERITY_CRITICAL};
    (void)snprintf(a.title, sizeof(a.title), "the state file %s",
                   ok ? "can be written again" : "cannot be written");
    ts_copy_cut(a.what, sizeof(a.what), detail);
    if (!ok) {
        (void)snprintf(a.doing, sizeof(a.doing),
                       "Supervision goes on from memory. Make room or mend rights in %.200s.",
                       d->model->state_dir);
    }
    post(d, &a);
}

/* All that is wanted up is ready. False also when nothing is wanted. */
static bool all_ready(struct ts_daemon *d, char *list, size_t size)
{
    bool any = false;
    size_t used = 0;
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (s->wanted != TS_WANTED_UP || s->held) {
            continue;
        }
        if (s->phase != TS_PHASE_READY) {
            return false;
        }
        int n = snprintf(list + used, size - used, "%s%s", any ? ", " : "", d->units[i]->service);
        used = n > 0 && used + (size_t)n < size ? used + (size_t)n : used;
        any = true;
    }
    return any;
}

void ts_notice_stack(struct ts_daemon *d)
{
    char list[400] = "";
    char span[TS_SPAN_TEXT];
    if (d->stack_was_ready || !all_ready(d, list, sizeof(list))) {
        return;
    }
    d->stack_was_ready = true;
    ts_span_format(ts_mono_diff(d->started_mono, ts_loop_now(d->loop)), span);
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_OK};
    (void)snprintf(a.title, sizeof(a.title), "the stack is up%s",
                   d->rebooted && d->unclean ? " after an unexpected reboot (power cut?)"
                   : d->rebooted             ? " after a reboot"
                   : d->unclean              ? " after the daemon ended unexpectedly"
                                             : "");
    (void)snprintf(a.what, sizeof(a.what),
                   "Ready: %s. %s after the daemon's start. Dry-run and paper were checked.", list,
                   span);
    ts_memory_event(d, "", "stack.ready", a.what);
    post(d, &a);
}

bool ts_notice_test(struct ts_daemon *d, const char *channel, size_t *ret_queued,
                    struct ts_error *err)
{
    struct ts_alert a = {.kind = TS_ALERT_INFO, .severity = TS_SEVERITY_OK};
    (void)snprintf(a.title, sizeof(a.title), "test alert");
    (void)snprintf(a.what, sizeof(a.what), "Sent by `tradestackctl alert test`: alerts arrive.");
    fill_common(d, &a);
    if (ts_sender_channel_count(d->sender) == 0) {
        return ts_error_set(err, TS_E_NOT_FOUND,
                            "no alert channel is configured; see [channel …] in tradestackd.conf");
    }
    *ret_queued = channel[0] == '\0' ? ts_sender_post(d->sender, &a)
                                     : ts_sender_post_to(d->sender, &a, channel);
    if (*ret_queued == SIZE_MAX) {
        return ts_error_set(err, TS_E_NOT_FOUND, "there is no alert channel %.60s", channel);
    }
    return true;
}
