/*
 * The service machine: PURE. `(spec, env, state, observation, now) -> (state, actions)`, without
 * I/O, clock or allocation. Deadlines are part of the state, so time is data.
 *
 * Facts (what was observed) and phase (what we make of it) are kept apart: an observation only
 * updates facts, then the phase is worked out from facts, wishes and deadlines. A lost, doubled or
 * late observation therefore cannot leave the machine in a wrong phase for longer than the next
 * inspect.
 */
#ifndef TS_CORE_MACHINE_H
#define TS_CORE_MACHINE_H

#include "base/clock.h"
#include "model/model.h"

/* X(symbol, name, meaning) */
#define TS_PHASES(X)                                                                               \
    X(TS_PHASE_UNKNOWN, "unknown", "not looked at yet")                                            \
    X(TS_PHASE_ABSENT, "absent", "the engine has no such container")                               \
    X(TS_PHASE_STOPPED, "stopped", "not running, and that is right")                               \
    X(TS_PHASE_WAITING, "waiting", "to be started when dependencies and engine allow")             \
    X(TS_PHASE_STARTING, "starting", "started, not ready yet")                                     \
    X(TS_PHASE_READY, "ready", "every probe says so")                                              \
    X(TS_PHASE_NOT_READY, "not-ready", "running, but a probe says no")                             \
    X(TS_PHASE_BACKOFF, "backoff", "waits before the next restart")                                \
    X(TS_PHASE_STOPPING, "stopping", "being stopped")                                              \
    X(TS_PHASE_FAILED, "failed", "given up until `tradestackctl reset`")                           \
    X(TS_PHASE_HELD, "held", "left alone: hold, or stopped by hand")                               \
    X(TS_PHASE_BLOCKED, "blocked", "the safety rules refuse to start it")

#define TS_PHASE_ENUM(symbol, name, meaning) symbol,
enum ts_phase { TS_PHASES(TS_PHASE_ENUM) TS_PHASE_COUNT };

/* Why a service is in its phase. X(symbol, name, text) */
#define TS_WHYS(X)                                                                                 \
    X(TS_WHY_NONE, "none", "")                                                                     \
    X(TS_WHY_ADOPTED, "adopted", "found running")                                                  \
    X(TS_WHY_NOT_STARTED, "not-started", "nobody has asked for it to run")                         \
    X(TS_WHY_WANTED, "wanted", "is to be up")                                                      \
    X(TS_WHY_COMMAND, "command", "an operator asked for it")                                       \
    X(TS_WHY_DEPENDENCY, "dependency", "a dependency is not ready")                                \
    X(TS_WHY_DEPENDENTS, "dependents", "services that depend on it stop first")                    \
    X(TS_WHY_ENGINE, "engine", "the container engine does not answer")                             \
    X(TS_WHY_ENGINE_RESTART, "engine-restart", "it stopped while the engine was away")             \
    X(TS_WHY_READY, "ready", "all probes pass")                                                    \
    X(TS_WHY_DIED, "died", "the container exited by itself")                                       \
    X(TS_WHY_OOM, "out-of-memory", "the kernel killed it for using too much memory")               \
    X(TS_WHY_COMPLETED, "completed", "exited, and its policy asks for no restart")                 \
    X(TS_WHY_PROBE, "probe", "a probe fails")                                                      \
    X(TS_WHY_LIVENESS, "liveness", "a liveness probe failed for too long")                         \
    X(TS_WHY_START_TIMEOUT, "start-timeout", "not ready within its time after the start")          \
    X(TS_WHY_START_FAILED, "start-failed", "the engine could not start it")                        \
    X(TS_WHY_STOP_FAILED, "stop-failed", "the engine could not stop it")                           \
    X(TS_WHY_BUDGET, "budget", "restarted too often in its window")                                \
    X(TS_WHY_LOGIN_FAILED, "login-failed",                                                         \
      "logins are refused; more tries could lock the account")                                     \
    X(TS_WHY_LOCKED_OUT, "locked-out", "the account is locked after failed logins")                \
    X(TS_WHY_FATAL_CONFIG, "fatal-config", "it refuses its configuration")                         \
    X(TS_WHY_TWOFA, "2fa", "waits for the second login factor")                                    \
    X(TS_WHY_WINDOW, "window", "expected in this outage window")                                   \
    X(TS_WHY_PAUSED, "paused", "somebody paused the container")                                    \
    X(TS_WHY_MANUAL_STOP, "manual-stop", "somebody stopped the container by hand")                 \
    X(TS_WHY_HOLD, "hold", "an operator holds it")                                                 \
    X(TS_WHY_MISSING, "missing", "the container does not exist")                                   \
    X(TS_WHY_INTERLOCK, "interlock", "its configuration is not dry-run and paper")                 \
    X(TS_WHY_LIVE_ACCOUNT, "live-account", "the gateway serves an account that is not paper")      \
    X(TS_WHY_GAMEPLAN, "gameplan", "a gameplan is there that is not approved")                     \
    X(TS_WHY_LOG_TRIP, "log-trip", "its log speaks of live trading")                               \
    X(TS_WHY_TRAIL, "audit-trail", "the audit trail was tampered with")                            \
    X(TS_WHY_UNVERIFIED, "unverified", "its safety cannot be verified now")                        \
    X(TS_WHY_DEP_RETURNED, "dependency-returned", "a dependency came back")

#define TS_WHY_ENUM(symbol, name, text) symbol,
enum ts_why { TS_WHYS(TS_WHY_ENUM) TS_WHY_COUNT };

enum ts_wanted { TS_WANTED_NONE, TS_WANTED_UP, TS_WANTED_DOWN };
enum ts_verdict { TS_VERDICT_PENDING, TS_VERDICT_PASS, TS_VERDICT_FAIL };

/* What the interlock has to do with a latch. */
enum ts_block {
    TS_BLOCK_NONE,
    TS_BLOCK_REFUSED, /* a start was refused: judged anew at the next one that somebody asks for */
    TS_BLOCK_TRIPPED  /* it ran though it must not: until the CRO resets it, whatever happens */
};

#define TS_DETAIL_MAX   160
#define TS_MAX_RESTARTS 64 /* remembered restarts, and so the largest budget */

struct ts_probe_state {
    enum ts_verdict verdict;
    enum ts_probe_reason reason; /* of the last try */
    uint32_t passes;             /* in a row */
    uint32_t fails;              /* in a row, not ready */
    uint32_t dead_fails;         /* in a row, not even alive */
    bool dead;                   /* dead_fails reached fall */
    ts_mono dead_since;          /* the first of those failures */
    ts_mono since;               /* of the verdict */
    int64_t took_ms;
    char detail[TS_DETAIL_MAX];
};

enum ts_op { TS_OP_NONE, TS_OP_START, TS_OP_STOP };

struct ts_svc {
    enum ts_phase phase;
    enum ts_why why;
    ts_mono entered_at; /* of the phase */
    ts_mono deadline;   /* of the phase; TS_NEVER where time alone changes nothing */
    char detail[TS_DETAIL_MAX];

    /* wishes and memory; they survive a restart of the daemon */
    enum ts_wanted wanted;
    bool held;
    enum ts_why hold_why; /* TS_WHY_HOLD or TS_WHY_MANUAL_STOP */
    enum ts_why latch;    /* not NONE: failed or blocked until reset */
    enum ts_block block;  /* not NONE: the latch is the interlock's */
    char latch_detail[TS_DETAIL_MAX];
    uint32_t backoff_step;
    ts_mono backoff_until;             /* no start before; in the past when there is none */
    uint32_t restart_count;            /* entries in restarts */
    ts_mono restarts[TS_MAX_RESTARTS]; /* those within the budget window, oldest first */
    uint32_t restarts_total;
    uint32_t login_failures;

    /* facts */
    bool seen;  /* an inspect has arrived */
    bool stale; /* the engine was away since: the container may have ended without a word */
    bool exists;
    bool running; /* status running or paused */
    bool paused;
    bool oom;
    bool stop_hint; /* somebody else sent the stop signal to this run */
    int exit_code;
    ts_mono started_at; /* of this run, as seen by us */
    bool started_ok;    /* every startup probe has passed since */
    bool verified;      /* guarded: the interlock has passed this very run as it is */
    bool was_ready;     /* in this run */
    bool twofa;
    ts_mono twofa_until; /* no restart before; meaningful while twofa */
    struct ts_probe_state probes[TS_MAX_PROBES];

    /* the engine call under way */
    enum ts_op op;
    uint32_t op_id;
    uint32_t op_retries; /* lost starts (304) and stops without effect, in a row */
    bool restart_after_stop;
    bool stop_now;  /* do not wait for dependents */
    bool suspended; /* being stopped because it cannot be verified */
    enum ts_why stop_why;
    bool told; /* the not-ready notice of this phase has gone out */
};

/* What the planner and the supervisor know beyond the service itself. */
struct ts_env {
    bool engine_up;
    bool deps_ready;         /* every dependency satisfied */
    bool dependents_stopped; /* nothing that depends on it runs */
    bool blind;              /* guarded: the interlock cannot see all that it must before a start */
    bool window_on;          /* an expected-outage window (with slack) is on and applies */
    ts_mono window_end;      /* with slack; meaningful while window_on */
    uint32_t jitter;         /* 0..9999, fresh for every step */
};

/* X(symbol, name) */
#define TS_OBS_KINDS(X)                                                                            \
    X(TS_OBS_TICK, "tick")           /* time passed or env changed */                              \
    X(TS_OBS_CONTAINER, "container") /* an inspect */                                              \
    X(TS_OBS_PROBE, "probe")                                                                       \
    X(TS_OBS_SIGNAL, "signal")                                                                     \
    X(TS_OBS_OP_DONE, "op-done")                                                                   \
    X(TS_OBS_MANUAL_STOP, "manual-stop") /* somebody else stops it: comes before its die */        \
    X(TS_OBS_MANUAL_START, "manual-start")                                                         \
    X(TS_OBS_CMD_START, "cmd-start")                                                               \
    X(TS_OBS_CMD_STOP, "cmd-stop")                                                                 \
    X(TS_OBS_CMD_RESTART, "cmd-restart")                                                           \
    X(TS_OBS_CMD_HOLD, "cmd-hold")                                                                 \
    X(TS_OBS_CMD_UNHOLD, "cmd-unhold")                                                             \
    X(TS_OBS_CMD_RESET, "cmd-reset")                                                               \
    X(TS_OBS_CMD_SAFETY_RESET, "cmd-safety-reset")                                                 \
    X(TS_OBS_DEP_RETURNED, "dep-returned") /* and its policy says restart */                       \
    X(TS_OBS_VERIFIED, "verified")         /* the interlock passes what runs */                    \
    X(TS_OBS_SUSPEND, "suspend")           /* it cannot be verified any more: stop until it can */ \
    X(TS_OBS_TRIP, "trip") /* the interlock: stop at once and latch; `why` is the rule */

#define TS_OBS_ENUM(symbol, name) symbol,
enum ts_obs_kind { TS_OBS_KINDS(TS_OBS_ENUM) TS_OBS_KIND_COUNT };

enum ts_op_result {
    TS_OPR_DONE,
    TS_OPR_ALREADY, /* 304: the engine believes it is so already; may be a lost start */
    TS_OPR_REFUSED, /* by the interlock; see why */
    TS_OPR_UNSURE,  /* the interlock cannot see all that it must: nothing was done */
    TS_OPR_FAILED,  /* the engine said no */
    TS_OPR_UNKNOWN, /* timeout or connection lost: it may have happened */
    TS_OP_RESULT_COUNT
};

struct ts_obs {
    enum ts_obs_kind kind;
    /* TS_OBS_CONTAINER */
    bool exists;
    bool running;
    bool paused;
    bool oom;
    bool after_gap;     /* first look after the engine was away, or of this daemon */
    bool new_run;       /* started since our last look */
    bool new_container; /* another id than before */
    bool never_ran;     /* it was made, and not started yet */
    int exit_code;
    /* TS_OBS_PROBE */
    uint32_t probe;
    enum ts_probe_reason reason;
    int64_t took_ms;
    /* TS_OBS_SIGNAL */
    enum ts_signal signal;
    /* TS_OBS_OP_DONE */
    uint32_t op_id;
    enum ts_op_result result;
    /* TS_OBS_TRIP, TS_OBS_SUSPEND, TS_OPR_REFUSED */
    enum ts_why why;
    char detail[TS_DETAIL_MAX];
};

/* What the operator is told of. X(symbol, name) */
#define TS_NOTICES(X)                                                                              \
    X(TS_NOTICE_DOWN, "down")             /* died; a restart follows */                            \
    X(TS_NOTICE_NOT_READY, "not-ready")   /* lasts longer than alert_after */                      \
    X(TS_NOTICE_RESTARTING, "restarting") /* stopped by us to restart it */                        \
    X(TS_NOTICE_FAILED, "failed")                                                                  \
    X(TS_NOTICE_BLOCKED, "blocked")                                                                \
    X(TS_NOTICE_TRIPPED, "tripped")                                                                \
    X(TS_NOTICE_SUSPENDED, "suspended")                                                            \
    X(TS_NOTICE_TWOFA, "2fa")                                                                      \
    X(TS_NOTICE_MANUAL_STOP, "manual-stop")                                                        \
    X(TS_NOTICE_STOP_FAILED, "stop-failed")                                                        \
    X(TS_NOTICE_SESSION_CLASH, "session-clash")                                                    \
    X(TS_NOTICE_MISSING, "missing")                                                                \
    X(TS_NOTICE_READY, "ready")     /* ready: closes what is open */                               \
    X(TS_NOTICE_STOPPED, "stopped") /* stopped because asked: closes what is open */

#define TS_NOTICE_ENUM(symbol, name) symbol,
enum ts_notice { TS_NOTICES(TS_NOTICE_ENUM) TS_NOTICE_COUNT };

enum ts_action_kind {
    TS_ACT_START,   /* inspect, let the interlock judge, start */
    TS_ACT_STOP,    /* with grace_ms */
    TS_ACT_INSPECT, /* look again now */
    TS_ACT_NOTICE
};

struct ts_action {
    enum ts_action_kind kind;
    uint32_t op_id;
    int64_t grace_ms;
    /* TS_ACT_NOTICE: what, and the reason as it was then (the phase may have moved on since) */
    enum ts_notice notice;
    enum ts_why why;
    char detail[TS_DETAIL_MAX];
};

#define TS_MAX_ACTIONS 8
struct ts_actions {
    size_t count;
    struct ts_action list[TS_MAX_ACTIONS];
};

/* Is a guarded service still to be passed by the interlock before it may count as ready? */
bool ts_machine_unverified(const struct ts_svc_spec *spec, const struct ts_svc *s);

/* The state of a service nobody has looked at yet. */
struct ts_svc ts_machine_init(ts_mono now);

/* One step. Total: every observation is allowed in every state. Appends to *out. */
struct ts_svc ts_machine_step(const struct ts_svc_spec *spec, const struct ts_env *env,
                              struct ts_svc s, const struct ts_obs *obs, ts_mono now,
                              struct ts_actions *out);

/* When the machine wants TS_OBS_TICK though nothing else happens; TS_NEVER if it does not. */
ts_mono ts_machine_wakeup(const struct ts_svc *s);

/* NULL if the invariants hold, else which one does not. */
const char *ts_machine_invalid(const struct ts_svc *s);

/* Restarts that count against the budget at this time. */
uint32_t ts_machine_attempts(const struct ts_svc_spec *spec, const struct ts_svc *s, ts_mono now);

/* Will it not come up again by itself? A stop by hand says so only after a while: it may be the
 * first half of a restart or a removal by hand, or of the engine's own end. */
bool ts_machine_is_lost(const struct ts_svc *s);

/* Are probes to run and is the log to be followed? */
bool ts_machine_watches(const struct ts_svc *s);

/* What comes next, for people: "restart in 12 s (attempt 3 of 4)". */
void ts_machine_next(const struct ts_svc_spec *spec, const struct ts_env *env,
                     const struct ts_svc *s, ts_mono now, char *out, size_t size);

/* Copies a detail, cut to fit between characters. */
void ts_detail_copy(char dst[TS_DETAIL_MAX], const char *src);

/* A reason with what was seen, for people. The interlock's details say it all by themselves. */
void ts_reason_text(enum ts_why why, const char *detail, char *out, size_t size);

/* Names; never NULL. */
const char *ts_phase_name(enum ts_phase p);
const char *ts_why_name(enum ts_why w);
const char *ts_why_text(enum ts_why w);
const char *ts_notice_name(enum ts_notice n);
/* The value with this name, or TS_WHY_NONE. */
enum ts_why ts_why_from_name(const char *name);

#endif
