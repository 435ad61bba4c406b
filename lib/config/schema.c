/* Every key of the configuration file. Adding one: a row here, a field in model.h, a line in
 * conf/tradestackd.conf; `tests/lint/check_conf.py --write` brings the manual page up to date. */
#include <assert.h>
#include <string.h>

#include "base/log.h"
#include "config/config.h"
#include "config/schema_internal.h"
#include "model/model.h"

#define SECOND INT64_C(1000)
#define MINUTE (60 * SECOND)
#define HOUR   (60 * MINUTE)
#define DAY    (24 * HOUR)

#define AT(type, field)  .offset = offsetof(type, field), .size = sizeof(((type *)NULL)->field)
#define RANGE(low, high) .min = (low), .max = (high)
#define FOR(kind)        (1U << (unsigned)(kind))

#define MODEL(field)   AT(struct ts_model, field)
#define CHANNEL(field) AT(struct ts_channel_spec, field)
#define WINDOW(field)  AT(struct ts_window, field)
#define SERVICE(field) AT(struct ts_svc_spec, field)
#define PROBE(field)   AT(struct ts_probe_spec, field)
#define PROBE_TEXT(field)                                                                          \
    .offset = offsetof(struct ts_probe_spec, field), .size = TS_TEXT_MAX, .allocated = true

static const struct ts_section_row sections[TS_SECTION_COUNT] = {
    [TS_SECTION_DAEMON] = {"daemon", NULL},        [TS_SECTION_ENGINE] = {"engine", NULL},
    [TS_SECTION_CONTROL] = {"control", NULL},      [TS_SECTION_ALERTS] = {"alerts", NULL},
    [TS_SECTION_CHANNEL] = {"channel", "NAME"},    [TS_SECTION_SAFETY] = {"safety", NULL},
    [TS_SECTION_OBSERVE] = {"observe", NULL},      [TS_SECTION_WINDOW] = {"window", "NAME"},
    [TS_SECTION_SERVICE] = {"service", "NAME"},    [TS_SECTION_PROBE] = {"probe", "SERVICE/NAME"},
    [TS_SECTION_SIGNALS] = {"signals", "SERVICE"},
};

static const struct ts_word log_levels[] = {{"error", TS_LOG_ERROR},   {"warning", TS_LOG_WARNING},
                                            {"notice", TS_LOG_NOTICE}, {"info", TS_LOG_INFO},
                                            {"debug", TS_LOG_DEBUG},   {NULL, 0}};
static const struct ts_word channel_kinds[] = {
    {"discord", TS_CHANNEL_DISCORD}, {"webhook", TS_CHANNEL_WEBHOOK}, {NULL, 0}};
static const struct ts_word blind_answers[] = {
    {"keep", TS_BLIND_KEEP}, {"stop", TS_BLIND_STOP}, {NULL, 0}};
static const struct ts_word days[] = {{"daily", 127}, {"sun", 1},  {"mon", 2},
                                      {"tue", 4},     {"wed", 8},  {"thu", 16},
                                      {"fri", 32},    {"sat", 64}, {NULL, 0}};
static const struct ts_word zones[] = {
    {"us-eastern", TS_ZONE_US_EASTERN}, {"utc", TS_ZONE_UTC}, {NULL, 0}};
static const struct ts_word restart_modes[] = {{"always", TS_RESTART_ALWAYS},
                                               {"on-failure", TS_RESTART_ON_FAILURE},
                                               {"never", TS_RESTART_NEVER},
                                               {NULL, 0}};
static const struct ts_word dep_returns[] = {
    {"recheck", TS_DEP_RECHECK}, {"restart", TS_DEP_RESTART}, {NULL, 0}};
#define KIND_WORD(symbol, name) {name, symbol},
static const struct ts_word probe_kinds[] = {TS_PROBE_KINDS(KIND_WORD){NULL, 0}};
static const struct ts_word purposes[] = {{"startup", TS_PURPOSE_STARTUP},
                                          {"liveness", TS_PURPOSE_LIVENESS},
                                          {"readiness", TS_PURPOSE_READINESS},
                                          {NULL, 0}};

#define NET_PROBES (FOR(TS_PROBE_TCP) | FOR(TS_PROBE_HTTP) | FOR(TS_PROBE_IBAPI))
#define IB_PROBES  FOR(TS_PROBE_IBAPI)

static const struct ts_key keys[] = {
    {TS_SECTION_DAEMON, "project", TS_KEY_NAME, MODEL(project), RANGE(1, 0), .def = "docker",
     .restart = true,
     .help = "The Compose project to supervise: what `docker compose ls` shows, normally the name "
             "of the compose file's folder."},
    {TS_SECTION_DAEMON, "state_dir", TS_KEY_PATH, MODEL(state_dir), RANGE(1, 0),
     .def = TS_USUAL_STATE_DIR, .restart = true,
     .help = "Folder of the state file: history, alerts still to be sent, kept restart policies."},
    {TS_SECTION_DAEMON, "host_name", TS_KEY_TEXT, MODEL(host_name), .def = "", .restart = true,
     .help = "How alerts name this machine. Empty: its host name."},
    {TS_SECTION_DAEMON, "log_level", TS_KEY_ENUM, MODEL(log_level), .words = log_levels,
     .def = "info", .help = "Messages less important than this are not logged."},
    {TS_SECTION_DAEMON, "log_json", TS_KEY_BOOL, MODEL(log_json), .def = "no", .restart = true,
     .help = "Log one JSON object a line on standard error instead of text."},
    {TS_SECTION_DAEMON, "stop_on_exit", TS_KEY_BOOL, MODEL(stop_on_exit), .def = "no",
     .help = "Stop the stack when the daemon is stopped. Otherwise the containers run on and are "
             "taken over again at the next start. (When the machine goes down the stack is always "
             "stopped first.)"},

    {TS_SECTION_ENGINE, "address", TS_KEY_TEXT, MODEL(engine), .def = "", .restart = true,
     .help = "The Docker Engine: unix:///path, tcp://host:port or (Windows) npipe:////./pipe/name. "
             "Empty: DOCKER_HOST if that is set, else the platform's default."},
    {TS_SECTION_ENGINE, "unit", TS_KEY_TEXT, MODEL(engine_unit), .def = "", .restart = true,
     .help = "The systemd service that runs the engine. While somebody has stopped it, no "
             "connection is made, because its socket would start it again. Empty: docker.service "
             "if address is Docker's usual socket. none: no such service."},
    {TS_SECTION_ENGINE, "start_command", TS_KEY_TEXT, MODEL(engine_start), .def = "",
     .help =
         "Windows only: a command line that starts the engine. It is run when the engine does not "
         "answer, with pauses between, by the service's user. Elsewhere the service manager "
         "starts the engine."},
    {TS_SECTION_ENGINE, "timeout", TS_KEY_SPAN, MODEL(engine_timeout_ms), RANGE(100, 5 * MINUTE),
     .def = "10s", .restart = true, .help = "The longest that one request may take."},
    {TS_SECTION_ENGINE, "resync", TS_KEY_SPAN, MODEL(resync_ms), RANGE(SECOND, HOUR), .def = "1m",
     .help = "All containers are looked at again this often, whatever the engine's events said."},
    {TS_SECTION_ENGINE, "alert_after", TS_KEY_SPAN, MODEL(engine_alert_after_ms),
     RANGE(SECOND, HOUR), .def = "30s",
     .help = "Alert when the engine has not answered for this long."},

    {TS_SECTION_CONTROL, "socket", TS_KEY_PATH, MODEL(socket), RANGE(1, 0), .def = TS_USUAL_SOCKET,
     .restart = true, .help = "Where tradestackctl finds the daemon."},
    {TS_SECTION_CONTROL, "operate_group", TS_KEY_TEXT, MODEL(operate_group), .def = "",
     .help = "Members may start, stop and hold services, besides root and the daemon's own user. "
             "Empty: nobody else."},
    {TS_SECTION_CONTROL, "read_group", TS_KEY_TEXT, MODEL(read_group), .def = "",
     .help = "Members may read status, history and logs. Empty: whoever can reach the socket."},

    {TS_SECTION_ALERTS, "reminder", TS_KEY_SPAN, MODEL(reminder_ms), RANGE(0, 30 * DAY),
     .def = "6h", .help = "An incident that is not over is told again this often. 0: never."},
    {TS_SECTION_ALERTS, "expiry", TS_KEY_SPAN, MODEL(alert_expiry_ms), RANGE(MINUTE, 30 * DAY),
     .def = "1d",
     .help = "An alert that could not be delivered for this long is dropped and logged."},

    {TS_SECTION_CHANNEL, "kind", TS_KEY_ENUM, CHANNEL(kind), .words = channel_kinds, .def = NULL,
     .help = "discord: a Discord webhook. webhook: a JSON object by POST."},
    {TS_SECTION_CHANNEL, "url_file", TS_KEY_FILE, CHANNEL(url_file), RANGE(1, 0), .def = NULL,
     .help = "File whose first line is the URL; it is a secret, so mode 0640 or 0600. A relative "
             "path is looked for among the service's credentials, which are the files of "
             "/etc/tradestack/credentials as they were when the service started, then beside the "
             "configuration file."},
    {TS_SECTION_CHANNEL, "ca_file", TS_KEY_PATH, CHANNEL(ca_file), .def = "",
     .help = "PEM file of the authorities to trust. Empty: the system's."},
    {TS_SECTION_CHANNEL, "optional", TS_KEY_BOOL, CHANNEL(optional), .def = "no",
     .help = "While url_file does not exist, the channel counts as not set up instead of broken."},

    {TS_SECTION_SAFETY, "paper_prefixes", TS_KEY_LIST, MODEL(paper_prefixes),
     .elem = sizeof(((struct ts_model *)NULL)->paper_prefixes[0]),
     .count_offset = offsetof(struct ts_model, paper_prefix_count), RANGE(1, 0), .def = "DU, DF",
     .help = "Accounts that begin so are paper accounts; every other one is taken for live."},
    {TS_SECTION_SAFETY, "require_guard", TS_KEY_BOOL, MODEL(require_guard), .def = "yes",
     .help = "Refuse a configuration in which no service is guarded. Say no only for a stack "
             "without a bot."},

    {TS_SECTION_SAFETY, "cro_group", TS_KEY_TEXT, MODEL(cro_group), .def = "",
     .help = "Members of this group, and nobody else (not even root), may approve live trading, "
             "revoke an approval and reset a tripped interlock. Empty: nobody may."},
    {TS_SECTION_SAFETY, "approvers", TS_KEY_NUMBER, MODEL(approvers), RANGE(1, 2), .def = "1",
     .help = "How many different people an approval needs."},
    {TS_SECTION_SAFETY, "gameplan_interval", TS_KEY_SPAN, MODEL(plan_interval_ms), RANGE(500, HOUR),
     .def = "5s",
     .help = "How often the gameplan of a guarded service is looked at in its volume."},
    {TS_SECTION_SAFETY, "blind_after", TS_KEY_SPAN, MODEL(blind_after_ms), RANGE(SECOND, DAY),
     .def = "1m",
     .help = "What the gateway's API, the log or the volume told longer ago than this counts as "
             "not known: nothing guarded is started then."},
    {TS_SECTION_SAFETY, "when_blind", TS_KEY_ENUM, MODEL(when_blind), .words = blind_answers,
     .def = "keep",
     .help = "What happens then to a guarded service that runs and had passed every rule: keep it "
             "running, or stop it until it can be checked again. One that never passed is "
             "stopped."},

    {TS_SECTION_OBSERVE, "interval", TS_KEY_SPAN, MODEL(observe_interval_ms), RANGE(SECOND, HOUR),
     .def = "30s", .restart = true, .help = "How often tradestackd --observe reports."},
    {TS_SECTION_OBSERVE, "supervisor", TS_KEY_PATH, MODEL(observe_supervisor), .def = "",
     .restart = true,
     .help = "Control socket of the supervisor that the observer watches. Empty: none."},
    {TS_SECTION_OBSERVE, "fall", TS_KEY_NUMBER, MODEL(observe_fall), RANGE(1, 100), .def = "3",
     .restart = true,
     .help = "So many silent intervals in a row make the supervisor count as gone."},

    {TS_SECTION_WINDOW, "days", TS_KEY_FLAGS, WINDOW(days), .words = days, .def = "daily",
     .help = "The days on which the window begins, in its zone."},
    {TS_SECTION_WINDOW, "from", TS_KEY_TIME, WINDOW(from_min), .def = NULL,
     .help = "Local time at which it begins."},
    {TS_SECTION_WINDOW, "to", TS_KEY_TIME, WINDOW(to_min), .def = NULL,
     .help = "Local time at which it ends; at or before from means the next day."},
    {TS_SECTION_WINDOW, "zone", TS_KEY_ENUM, WINDOW(zone), .words = zones, .def = "us-eastern",
     .help = "us-eastern follows the United States' daylight-saving rule."},
    {TS_SECTION_WINDOW, "slack", TS_KEY_SPAN, WINDOW(slack_ms), RANGE(0, 6 * HOUR), .def = "10m",
     .help = "Added to the end before trouble is reported."},

    {TS_SECTION_SERVICE, "depends_on", TS_KEY_LIST, SERVICE(deps), .elem = TS_NAME_MAX,
     .count_offset = offsetof(struct ts_svc_spec, dep_count), .def = "",
     .help = "Only for tradestackd --observe, which has no engine to ask: services that must be "
             "ready first. The supervisor takes the compose file's depends_on."},
    {TS_SECTION_SERVICE, "restart", TS_KEY_ENUM, SERVICE(restart), .words = restart_modes,
     .def = "always",
     .help = "When a container that ended by itself is started again. never also means that a "
             "lost liveness probe leads to no restart."},
    {TS_SECTION_SERVICE, "backoff_first", TS_KEY_SPAN, SERVICE(backoff_first_ms), RANGE(0, DAY),
     .def = "1s", .help = "The wait before the first restart; it doubles with each further one."},
    {TS_SECTION_SERVICE, "backoff_max", TS_KEY_SPAN, SERVICE(backoff_max_ms), RANGE(0, DAY),
     .def = "5m", .help = "The longest wait before a restart."},
    {TS_SECTION_SERVICE, "backoff_jitter", TS_KEY_PERCENT, SERVICE(backoff_jitter_pct),
     RANGE(0, 100), .def = "10", .help = "Up to this much of the wait is added by chance."},
    {TS_SECTION_SERVICE, "budget", TS_KEY_NUMBER, SERVICE(budget), RANGE(1, 64), .def = "10",
     .help = "So many restarts are allowed within budget_window; then the service has failed and "
             "waits for `tradestackctl reset`."},
    {TS_SECTION_SERVICE, "budget_window", TS_KEY_SPAN, SERVICE(budget_window_ms),
     RANGE(SECOND, 30 * DAY), .def = "1h", .help = "The time over which budget counts."},
    {TS_SECTION_SERVICE, "stable_after", TS_KEY_SPAN, SERVICE(stable_after_ms), RANGE(0, DAY),
     .def = "5m", .help = "Ready for this long: the wait starts again at backoff_first."},
    {TS_SECTION_SERVICE, "act_after", TS_KEY_SPAN, SERVICE(act_after_ms), RANGE(0, DAY),
     .def = "30s", .help = "A lost liveness probe must last this long before a restart."},
    {TS_SECTION_SERVICE, "ready_timeout", TS_KEY_SPAN, SERVICE(ready_timeout_ms),
     RANGE(SECOND, DAY), .def = "2m", .help = "A start that is not ready by then has failed."},
    {TS_SECTION_SERVICE, "stop_grace", TS_KEY_SPAN, SERVICE(stop_grace_ms), RANGE(0, HOUR),
     .def = "10s", .help = "From the stop signal to SIGKILL."},
    {TS_SECTION_SERVICE, "alert_after", TS_KEY_SPAN, SERVICE(alert_after_ms), RANGE(0, DAY),
     .def = "1m", .help = "Alert when it was not ready for this long, though nothing was done."},
    {TS_SECTION_SERVICE, "login_failures_max", TS_KEY_NUMBER, SERVICE(login_failures_max),
     RANGE(1, 100), .def = "2",
     .help = "So many login-failed signals stop the service for good, before the account is "
             "locked."},
    {TS_SECTION_SERVICE, "twofa_wait", TS_KEY_SPAN, SERVICE(twofa_wait_ms), RANGE(0, HOUR),
     .def = "200s", .help = "After a 2fa-wait signal there is no restart for this long."},
    {TS_SECTION_SERVICE, "windows", TS_KEY_BOOL, SERVICE(windows), .def = "no",
     .help = "Trouble within an expected outage (a [window NAME]) leads to no restart and no "
             "alert."},
    {TS_SECTION_SERVICE, "guarded", TS_KEY_BOOL, SERVICE(guarded), .def = "no",
     .help =
         "It trades, so the safety rules stand before each start: DRY_RUN=true, TRADING_MODE=paper "
         "where set, a paper account, no gameplan. What breaks them while it runs is stopped."},
    {TS_SECTION_SERVICE, "trip_grace", TS_KEY_SPAN, SERVICE(trip_grace_ms), RANGE(0, MINUTE),
     .def = "2s",
     .help = "guarded: from the stop signal to SIGKILL when a safety rule trips while it runs."},
    {TS_SECTION_SERVICE, "gameplan", TS_KEY_TEXT, SERVICE(gameplan), .def = "/data/gameplan.json",
     .help = "guarded: where the bot looks for its gameplan, in the container. A file there needs "
             "an approval. Empty: not looked at."},
    {TS_SECTION_SERVICE, "on_dependency_return", TS_KEY_ENUM, SERVICE(on_dependency_return),
     .words = dep_returns, .def = "recheck",
     .help = "When a dependency is ready again after a loss: look at the probes again, or restart "
             "the service."},

    {TS_SECTION_PROBE, "kind", TS_KEY_ENUM, PROBE(kind), .words = probe_kinds, .def = NULL,
     .help = "tcp: a connection is accepted and stays open. http: GET gives 2xx. ibapi: an IB API "
             "session with accounts and time. engine: the container's own HEALTHCHECK. log: a "
             "line of its log matches."},
    {TS_SECTION_PROBE, "purposes", TS_KEY_FLAGS, PROBE(purposes), .words = purposes,
     .def = "readiness",
     .help = "startup: must pass once after a start before the other purposes count. liveness: "
             "its loss leads to a restart. readiness: its loss makes the service not ready."},
    {TS_SECTION_PROBE, "host", TS_KEY_TEXT, PROBE_TEXT(host), .def = "", .probe_kinds = NET_PROBES,
     .help = "Address or name to connect to. Empty: the published port on loopback, else the "
             "container's own address."},
    {TS_SECTION_PROBE, "port", TS_KEY_PORT, PROBE(port), .def = "auto", .probe_kinds = NET_PROBES,
     .help = "Port in the container (with host: of that host). auto: the lowest published one."},
    {TS_SECTION_PROBE, "path", TS_KEY_TEXT, PROBE_TEXT(path), .def = "",
     .probe_kinds = FOR(TS_PROBE_HTTP), .help = "What to GET, such as /health."},
    {TS_SECTION_PROBE, "pattern", TS_KEY_PATTERN, PROBE_TEXT(pattern), .def = "",
     .probe_kinds = FOR(TS_PROBE_LOG),
     .help = "PCRE2 pattern, looked for in each line that was logged since the start."},
    {TS_SECTION_PROBE, "interval", TS_KEY_SPAN, PROBE(interval_ms), RANGE(50, HOUR), .def = "1s",
     .help = "From one try to the next; an ibapi session is pinged this often. Until the probe has "
             "passed once it is tried more often: every 100ms, then after an eighth of the time "
             "that the start has taken."},
    {TS_SECTION_PROBE, "timeout", TS_KEY_SPAN, PROBE(timeout_ms), RANGE(10, 5 * MINUTE),
     .def = "1s", .help = "The longest that one try may take, all of it."},
    {TS_SECTION_PROBE, "start_period", TS_KEY_SPAN, PROBE(start_period_ms), RANGE(0, DAY),
     .def = "0", .help = "For this long after a start failures do not count."},
    {TS_SECTION_PROBE, "rise", TS_KEY_NUMBER, PROBE(rise), RANGE(1, 100), .def = "1",
     .help = "Passes in a row until the probe counts as passed."},
    {TS_SECTION_PROBE, "fall", TS_KEY_NUMBER, PROBE(fall), RANGE(1, 100), .def = "3",
     .help = "Failures in a row until the probe counts as lost."},
    {TS_SECTION_PROBE, "client_id", TS_KEY_NUMBER, PROBE(client_id), RANGE(1, 1000000),
     .def = "9700", .probe_kinds = IB_PROBES,
     .help = "API client id to use; a few following ones are tried while it is taken."},
    {TS_SECTION_PROBE, "version_min", TS_KEY_NUMBER, PROBE(version_min), RANGE(100, 200),
     .def = "100", .probe_kinds = IB_PROBES, .help = "Lowest API version offered."},
    {TS_SECTION_PROBE, "version_max", TS_KEY_NUMBER, PROBE(version_max), RANGE(100, 200),
     .def = "178", .probe_kinds = IB_PROBES, .help = "Highest API version offered."},

#define SIGNAL_KEY(symbol, key, text)                                                              \
    {TS_SECTION_SIGNALS,                                                                           \
     key,                                                                                          \
     TS_KEY_SIGNAL,                                                                                \
     RANGE(symbol, symbol),                                                                        \
     .def = "",                                                                                    \
     .help = "PCRE2 pattern of log lines that mean: " text ". May be repeated."},
    TS_SIGNALS(SIGNAL_KEY)
#undef SIGNAL_KEY
};

const struct ts_section_row *ts_config_section_row(enum ts_section_kind section)
{
    return &sections[section];
}

const struct ts_key *ts_config_key_at(size_t i)
{
    return i < TS_ARRAY_LEN(keys) ? &keys[i] : NULL;
}

const struct ts_key *ts_config_find_key(enum ts_section_kind section, const char *name)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(keys); i++) {
        if (keys[i].section == section && strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

bool ts_config_set_defaults(enum ts_section_kind section, void *object)
{
    char want[256];
    bool all = true;
    for (size_t i = 0; i < TS_ARRAY_LEN(keys); i++) {
        const struct ts_key *k = &keys[i];
        if (k->section == section && k->def != NULL && k->kind != TS_KEY_SIGNAL) {
            bool ok = ts_config_key_set(k, object, k->def, want, sizeof(want));
            assert(ok || k->allocated); /* a wrong default is a slip in the table above */
            all = all && ok;
        }
    }
    return all;
}

static void print_probe_kinds(const struct ts_key *k, FILE *out)
{
    const char *comma = "";
    for (unsigned kind = 0; kind < TS_PROBE_KIND_COUNT && k->probe_kinds != 0; kind++) {
        if ((k->probe_kinds & (1U << kind)) != 0) {
            (void)fprintf(out, "%s%s", comma, ts_probe_kind_name((enum ts_probe_kind)kind));
            comma = ", ";
        }
    }
}

bool ts_config_print_schema(FILE *out)
{
    const struct ts_key *k;
    for (size_t i = 0; (k = ts_config_key_at(i)) != NULL; i++) {
        const struct ts_section_row *section = ts_config_section_row(k->section);
        struct ts_buf allowed = ts_buf_init(1024);
        ts_config_key_allowed(k, &allowed);
        (void)fprintf(out, "%s%s%s\t%s\t%s\t%s\t%s\t%s\t", section->name,
                      section->named != NULL ? " " : "",
                      section->named != NULL ? section->named : "", k->name,
                      ts_config_key_kind_name(k->kind), k->def != NULL ? k->def : "(required)",
                      ts_buf_text(&allowed), k->restart ? "restart" : "reload");
        print_probe_kinds(k, out);
        (void)fprintf(out, "\t%s\n", k->help);
        ts_buf_done(&allowed);
    }
    return fflush(out) == 0 && ferror(out) == 0;
}
