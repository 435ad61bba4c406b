/*
 * What a stack is: plain data, built by config/ (settings) and completed from the engine's answers,
 * then read by everybody. A model is immutable once built and is replaced as a whole at a reload.
 *
 * Words: a *service* is a Compose service; its *container* is what the engine runs. A *probe* is
 * one way to look at a service; it serves one or more *purposes* (startup, liveness, readiness).
 */
#ifndef TS_MODEL_MODEL_H
#define TS_MODEL_MODEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_NAME_MAX     64  /* service, probe, window and project names, NUL included */
#define TS_TEXT_MAX     256 /* hosts, paths, patterns, addresses */
#define TS_MAX_PROBES   8   /* per service */
#define TS_MAX_DEPS     16  /* per service */
#define TS_MAX_WINDOWS  16  /* in all */
#define TS_MAX_SIGNALS  24  /* log signals per service */
#define TS_MAX_CHANNELS 8   /* alert channels */
#define TS_MAX_PREFIXES 8   /* paper account prefixes */
#define TS_MAX_SERVICES 4096

/* X(symbol, name) */
#define TS_PROBE_KINDS(X)                                                                          \
    X(TS_PROBE_TCP, "tcp")       /* connects, and is not closed at once */                         \
    X(TS_PROBE_HTTP, "http")     /* GET gives 2xx */                                               \
    X(TS_PROBE_IBAPI, "ibapi")   /* IB API session: handshake, accounts, next id, time */          \
    X(TS_PROBE_ENGINE, "engine") /* the container's own HEALTHCHECK as the engine reports it */    \
    X(TS_PROBE_LOG, "log")       /* a pattern was seen in the log since the container started */

#define TS_PROBE_KIND_ENUM(symbol, name) symbol,
enum ts_probe_kind { TS_PROBE_KINDS(TS_PROBE_KIND_ENUM) TS_PROBE_KIND_COUNT };

enum ts_purpose {
    TS_PURPOSE_STARTUP = 1,  /* until it passes once after a start, the others are held back */
    TS_PURPOSE_LIVENESS = 2, /* its loss leads to a restart (after act_after_ms) */
    TS_PURPOSE_READINESS = 4 /* its loss makes the service not ready, and nothing else */
};

struct ts_probe_spec {
    char name[TS_NAME_MAX];
    enum ts_probe_kind kind;
    unsigned purposes; /* of enum ts_purpose, or-ed; never 0 */
    /* The texts are the model's, of at most TS_TEXT_MAX bytes; of one without a value "". */
    char *host;    /* "" = found by the engine: published port on loopback, else the
                      container's own address; else a numeric address or a name */
    uint16_t port; /* container port (host given: that host's port); 0 = the lowest
                      published one, and for engine and log */
    char *path;    /* http: "/health" */
    char *pattern; /* log: PCRE2 */
    int64_t interval_ms;
    int64_t timeout_ms;      /* of one try, all of it */
    int64_t start_period_ms; /* after a start, failures within it do not count */
    uint32_t rise;           /* passes in a row until it counts as passed */
    uint32_t fall;           /* failures in a row until it counts as lost */
    int32_t client_id;       /* ibapi: first client id to use */
    int32_t version_min;     /* ibapi: advertised range */
    int32_t version_max;
};

/* What a try found. X(symbol, name, alive, ready, text)
 * alive: the service does its work as a process; ready: it can be used now. */
#define TS_PROBE_REASONS(X)                                                                        \
    X(TS_PR_OK, "ok", true, true, "answers as it should")                                          \
    X(TS_PR_PENDING, "pending", true, false, "not tried yet")                                      \
    X(TS_PR_REFUSED, "refused", false, false, "connection refused: nothing listens")               \
    X(TS_PR_UNREACHABLE, "unreachable", false, false, "address cannot be reached")                 \
    X(TS_PR_CONNECT_TIMEOUT, "connect-timeout", false, false, "no answer to the connection")       \
    X(TS_PR_CLOSED, "closed", false, false,                                                        \
      "accepted and closed without a word: only the relay in front is up")                         \
    X(TS_PR_SILENT, "silent", false, false, "accepted, then said nothing")                         \
    X(TS_PR_LOST, "lost", false, false, "the held session was closed")                             \
    X(TS_PR_PROTOCOL, "protocol", false, false, "answered what its protocol does not allow")       \
    X(TS_PR_REJECTED, "rejected", false, false, "answered the hello, then closed")                 \
    X(TS_PR_NOT_LOGGED_IN, "not-logged-in", false, false, "API up, but no account: not logged in") \
    X(TS_PR_UPSTREAM_DOWN, "upstream-down", true, false, "logged in, but cut off from IB")         \
    X(TS_PR_CLIENT_ID, "client-id-in-use", true, false, "our client id is taken")                  \
    X(TS_PR_LIVE_ACCOUNT, "live-account", true, false, "an account is not a paper account")        \
    X(TS_PR_HTTP_STATUS, "http-status", true, false, "HTTP status says not ready")                 \
    X(TS_PR_UNHEALTHY, "unhealthy", false, false, "its own health check fails")                    \
    X(TS_PR_STARTING, "starting", true, false, "its own health check has no verdict yet")          \
    X(TS_PR_NO_MATCH, "no-match", true, false, "the log line has not been seen yet")               \
    X(TS_PR_SELF_CONNECT, "self-connect", false, false, "connected to ourselves: nothing listens") \
    X(TS_PR_NO_ADDRESS, "no-address", true, false, "no address known to probe")                    \
    X(TS_PR_ERROR, "error", true, false, "the probe itself could not run")

#define TS_PROBE_REASON_ENUM(symbol, name, alive, ready, text) symbol,
enum ts_probe_reason { TS_PROBE_REASONS(TS_PROBE_REASON_ENUM) TS_PROBE_REASON_COUNT };

/* The table's columns. Never NULL, also for a value outside the enum. */
const char *ts_probe_reason_name(enum ts_probe_reason r);
const char *ts_probe_reason_text(enum ts_probe_reason r);
bool ts_probe_reason_alive(enum ts_probe_reason r);
bool ts_probe_reason_ready(enum ts_probe_reason r);
const char *ts_probe_kind_name(enum ts_probe_kind k);

/* What a log line can tell beyond a probe (ib-api.md 3.6, 4.4). X(symbol, name, text) */
#define TS_SIGNALS(X)                                                                              \
    X(TS_SIG_LOGIN_OK, "login-ok", "login completed")                                              \
    X(TS_SIG_LOGIN_FAILED, "login-failed", "login refused: wrong user name or password?")          \
    X(TS_SIG_LOCKED_OUT, "locked-out", "too many failed logins: the account is locked for a time") \
    X(TS_SIG_TWOFA_WAIT, "2fa-wait", "waits for the second factor on the phone")                   \
    X(TS_SIG_TWOFA_TIMEOUT, "2fa-timeout", "nobody confirmed the second factor in time")           \
    X(TS_SIG_SESSION_CLASH, "session-clash", "another login with the same user took the session")  \
    X(TS_SIG_FATAL_CONFIG, "fatal-config", "the service refuses its configuration")                \
    X(TS_SIG_TRIPWIRE, "tripwire", "it speaks of live trading")

#define TS_SIGNAL_ENUM(symbol, name, text) symbol,
enum ts_signal { TS_SIGNALS(TS_SIGNAL_ENUM) TS_SIGNAL_COUNT };

const char *ts_signal_name(enum ts_signal s);
const char *ts_signal_text(enum ts_signal s);

struct ts_signal_spec {
    enum ts_signal signal;
    char pattern[TS_TEXT_MAX]; /* PCRE2, matched per line */
};

enum ts_restart_mode { TS_RESTART_ALWAYS, TS_RESTART_ON_FAILURE, TS_RESTART_NEVER };

/* What happens to a service when a dependency of it became ready again after a loss. */
enum ts_dep_return { TS_DEP_RECHECK, TS_DEP_RESTART };

struct ts_svc_spec {
    char name[TS_NAME_MAX];
    /* Ordered start. Filled from the container's labels when it is supervised; from the key
     * depends_on where no engine is used (--observe). */
    char deps[TS_MAX_DEPS][TS_NAME_MAX];
    bool dep_restart[TS_MAX_DEPS]; /* Compose's `restart: true` for this dependency */
    size_t dep_count;

    /* The model's own; a copy of the specification shares them. */
    struct ts_probe_spec *probes;
    size_t probe_count;
    struct ts_signal_spec *signals;
    size_t signal_count;

    enum ts_restart_mode restart;
    int64_t backoff_first_ms;
    int64_t backoff_max_ms;
    uint32_t backoff_jitter_pct; /* of the delay, added: 0..100 */
    uint32_t budget;             /* restarts allowed within budget_window_ms, then failed */
    int64_t budget_window_ms;
    int64_t stable_after_ms;     /* this long ready: the back-off starts from the beginning */
    int64_t act_after_ms;        /* a lost liveness must last this long before a restart */
    int64_t ready_timeout_ms;    /* a start that is not ready by then counts as failed */
    int64_t stop_grace_ms;       /* SIGTERM to SIGKILL */
    int64_t alert_after_ms;      /* not ready without action: alert when it lasted this long */
    uint32_t login_failures_max; /* this many login-failed signals: stop, alert, no retry */
    int64_t twofa_wait_ms;       /* after 2fa-wait no restart for this long */
    bool windows;                /* honours the expected-outage windows */
    bool guarded;                /* the interlock stands before each start */
    int64_t trip_grace_ms;       /* guarded: SIGTERM to SIGKILL when the interlock trips */
    char gameplan[TS_TEXT_MAX];  /* guarded: path of the plan in the container; "" = not watched */
    enum ts_dep_return on_dependency_return;
};

/* An expected outage, weekly or daily. Times are local to the zone; `to` at or before `from` means
 * the next day. */
enum ts_zone { TS_ZONE_UTC, TS_ZONE_US_EASTERN };

struct ts_window {
    char name[TS_NAME_MAX];
    unsigned days; /* bit 0 = Sunday … bit 6 = Saturday: the days on which it begins */
    int from_min;  /* minutes since local midnight */
    int to_min;
    enum ts_zone zone;
    int64_t slack_ms; /* added to the end before trouble is reported */
};

/* A guarded service that runs and passed before, while the interlock cannot see any more. */
enum ts_when_blind { TS_BLIND_KEEP, TS_BLIND_STOP };

enum ts_channel_kind { TS_CHANNEL_DISCORD, TS_CHANNEL_WEBHOOK };

struct ts_channel_spec {
    char name[TS_NAME_MAX];
    enum ts_channel_kind kind;
    char url_file[TS_TEXT_MAX]; /* file whose first line is the URL; the URL is a secret */
    char ca_file[TS_TEXT_MAX];  /* "" = the system's */
    bool optional;              /* no url_file: not set up, which is no fault */
};

struct ts_model {
    /* [daemon] */
    char project[TS_NAME_MAX];   /* Compose project */
    char state_dir[TS_TEXT_MAX]; /* the store lies here */
    char host_name[TS_NAME_MAX]; /* shown in alerts; "" = the machine's */
    int log_level;               /* enum ts_log_level */
    bool log_json;               /* one JSON object a line on stderr instead of text */
    bool stop_on_exit;           /* the daemon's end stops the stack */

    /* [engine] */
    char engine_start[TS_TEXT_MAX]; /* Windows: the command that starts it; "" for none */
    char engine[TS_TEXT_MAX];  /* unix:///path, tcp://host:port; "" = DOCKER_HOST, else default */
    int64_t engine_timeout_ms; /* one request */
    char engine_unit[TS_NAME_MAX]; /* systemd's; "" = the usual one, "none" */
    int64_t resync_ms;             /* full list and inspect, whatever the events said */
    int64_t engine_alert_after_ms; /* engine silent this long: alert */

    /* [control] */
    char socket[TS_TEXT_MAX];
    char operate_group[TS_NAME_MAX]; /* besides root and our own uid; "" = nobody else */
    char read_group[TS_NAME_MAX];    /* "" = everybody who can reach the socket */

    /* [alerts] */
    struct ts_channel_spec channels[TS_MAX_CHANNELS];
    size_t channel_count;
    int64_t reminder_ms;     /* an unresolved incident is told again; 0 = never */
    int64_t alert_expiry_ms; /* undeliverable this long: dropped, with a log line */

    /* [safety] */
    char paper_prefixes[TS_MAX_PREFIXES][8];
    size_t paper_prefix_count;
    bool require_guard;            /* a configuration that guards no service is refused */
    char cro_group[TS_NAME_MAX];   /* may approve and reset; "" = nobody */
    uint32_t approvers;            /* people that an approval needs, 1 or 2 */
    int64_t plan_interval_ms;      /* the gameplan is looked at this often */
    int64_t blind_after_ms;        /* evidence older than this counts as lost */
    enum ts_when_blind when_blind; /* what happens to what runs then */

    /* [observe] (tradestackd --observe) */
    int64_t observe_interval_ms;
    char observe_supervisor[TS_TEXT_MAX]; /* control socket to watch; "" = none */
    uint32_t observe_fall;

    struct ts_window windows[TS_MAX_WINDOWS];
    size_t window_count;

    struct ts_svc_spec defaults;  /* [service *]: for services without a section of their own */
    struct ts_svc_spec *services; /* owned; as configured, in file order */
    size_t service_count;
};

/* An empty model. NULL if out of memory. */
struct ts_model *ts_model_new(void);
void ts_model_free(struct ts_model *m);
/* The service's own section, or NULL. Borrowed. */
const struct ts_svc_spec *ts_model_find(const struct ts_model *m, const char *service);
/* Does it tell accounts, that is, has it an ibapi probe? */
bool ts_model_is_gateway(const struct ts_svc_spec *spec);
/* Does the account belong to paper trading? Compared by prefix; an empty account never does. */
bool ts_model_is_paper(const struct ts_model *m, const char *account);

#endif
