/*
 * The daemon's parts and who holds them; private to daemon/. Every file has one duty:
 *
 *   main.c            options, signals, the order in which parts are made and freed
 *   wire.c            builds the daemon from a model, runs its turns, reloads it
 *   ending.c          how it ends: alone, or with the stack when the machine goes down
 *   engine_watch.c    connection to the engine: up/down, events, resynchronisation
 *   units.c           services of the project <-> containers: adoption, inspect -> observation
 *   supervisor.c      observations -> the machine of each service -> actions, once a turn
 *   perform.c         actions -> engine calls -> observations
 *   watch_probes.c    starts and stops probes and log followers; results -> observations
 *   restore.c         containers that are missing, made anew from their snapshots
 *   memory.c          states <-> store
 *   notices.c         notices -> alerts
 *   status.c          what is shown of all this
 *   observer.c        --observe: probes without an engine
 *
 * Folders, each with a map in the header named here:
 *
 *   core/             decides, and does nothing else: machine.h, interlock.h, move.h, planner.h
 *   guard/            the interlock's eyes and hands: guard.h
 *   move/             containers exchanged for others, with a way back: move.h
 *   doctor/           doctor and validate: what they look at, how it is judged: checkup.h
 *   api/              the control methods: api.h
 *   platform/         what differs by system: signals, service manager, log, files: platform.h
 */
#ifndef TS_DAEMON_DAEMON_H
#define TS_DAEMON_DAEMON_H

#include <jansson.h>

#include "alert/sender.h"
#include "base/log.h"
#include "base/loop.h"
#include "base/pattern.h"
#include "control/server.h"
#include "core/interlock.h"
#include "core/planner.h"
#include "engine/containers.h"
#include "engine/engine.h"
#include "engine/events.h"
#include "engine/logs.h"
#include "guard/guard.h"
#include "model/calendar.h"
#include "model/model.h"
#include "move/move.h"
#include "net/http.h"
#include "platform/host.h"
#include "platform/platform.h"
#include "probe/probe.h"
#include "probe/tripwire.h"
#include "store/store.h"
#include "supervisor.h"

struct ts_daemon;

/* What belongs to a service at run time beside its machine state; same index as in the
 * supervisor. */
struct ts_unit {
    struct ts_daemon *daemon;
    size_t index;
    char service[TS_NAME_MAX];
    char id[TS_ENGINE_ID];           /* the container's; "" when there is none */
    enum ts_container_status listed; /* what the list or an event last said of it */
    bool known;                      /* a container of the service was inspected */
    struct ts_container container;   /* as last inspected, or told by an event since */
    char address[TS_TEXT_MAX];       /* where the first probe goes: for status */

    struct ts_engine_op *inspecting;
    uint32_t inspect_epoch; /* epoch when the inspect began */
    bool inspect_again;     /* something happened since, or it waits for its turn */
    bool oom_told;          /* by an event, in this run */
    bool after_gap;         /* the next inspect is the first since engine or daemon came up */

    struct ts_engine_op *acting;
    uint32_t acting_id;           /* operation id of the machine */
    char acting_on[TS_ENGINE_ID]; /* the container that it began with */
    bool acting_starts;           /* else stops */
    size_t looking_at;            /* before a start: the unit whose turn it is to be looked at */
    ts_mono acted_at[2]; /* end of our last stop [0] and start [1]: events may still come */
    uint32_t epoch;      /* grows with every begin and end of an action */
    bool comes_back; /* stopped only for now: the machine or the daemon ends, or a test goes on */
    bool policy_pending; /* a change of the engine's restart policy is under way */
    char old_policy[16]; /* what it was before we took it over; "" if it never was ours */
    int64_t old_retries;

    bool fresh; /* inspected since the last turn: its probes are looked at after this one */
    bool watching;
    ts_wall watched_run; /* which run the probes and the log belong to */
    struct ts_probe *probes[TS_MAX_PROBES];
    struct ts_probe_ref {
        struct ts_unit *unit;
        size_t index;
    } refs[TS_MAX_PROBES];
    struct ts_logs *log;
    struct ts_timer *log_retry;
    uint32_t log_tries;        /* openings in a row that brought no line */
    int64_t log_nano;          /* what was read of it: core/log_place.h */
    ts_wall log_run;           /* which run log_nano belongs to … */
    char log_id[TS_ENGINE_ID]; /* … of which container */
    int64_t log_since;         /* where that run's lines begin */
    ts_wall signals_from;      /* older lines are history: they prove, but do not alarm */
    struct ts_pattern *signals[TS_MAX_SIGNALS];
    struct ts_tripwire *tripwire;
    struct ts_guard guard;
    bool skew_known; /* a gateway: its clock minus ours, as its session told last */
    int64_t skew_ms;
    ts_wall skew_at;
    bool snapshot_kept; /* of this container, in this run */
    bool restore_due;   /* its container is to be made anew … */
    bool made_anew;     /* … and has been, but was not seen yet */
};

/* An engine connection: what was observed, since when. */
struct ts_engine_link {
    bool up;
    bool told; /* the alert about its silence has gone out */
    ts_wall since;
    ts_mono since_mono;
    char detail[TS_TEXT_MAX];
    char version[TS_ENGINE_DETAIL];
    struct ts_engine_op *op; /* negotiate, describe or list under way */
    struct ts_events *events;
    struct ts_timer *retry;
    struct ts_timer *resync;
    struct ts_timer *alert;
    struct ts_engine_op *listing;
    bool list_again; /* something happened since it was asked for */
    uint32_t tries;
    int64_t last_event_nano;
};

struct ts_daemon {
    const struct ts_clock *clock;
    struct ts_loop *loop;
    struct ts_log *log;
    struct ts_platform *platform;
    const char *config_path; /* NULL: the usual place, or built in */
    struct ts_model *model;
    ts_wall started;
    ts_mono started_mono;
    char host_name[TS_NAME_MAX];
    char boot_id[64];
    bool rebooted; /* the machine has booted since the last run */
    bool unclean;  /* the last run did not end in order */
    bool stopping;
    bool released; /* supervision was given up until the next `up` */

    struct ts_http *http;
    struct ts_engine *engine;
    struct ts_engine_link link;
    struct ts_store *store;
    bool store_told; /* its failure has been alerted */
    bool unsaved;    /* states changed that the store could not take */
    struct ts_sender *sender;
    struct ts_prober *prober;
    struct ts_control *control;

    struct ts_super *super;
    struct ts_unit **units; /* [ts_super_count()] */
    size_t unit_count;
    size_t inspects;     /* of units, under way */
    size_t next_inspect; /* whose turn it was last */

    struct ts_trail *trail;
    enum ts_trail_state trail_state;
    char trail_detail[TS_DETAIL_MAX];
    struct ts_approval *approvals; /* oldest first */
    size_t approval_count;
    struct ts_trusted_clock trusted;
    bool clock_went_back; /* since the approvals were looked at */
    struct ts_timer *guard_timer;
    ts_mono unguarded_since; /* the project runs without any guarded service; TS_NEVER: it does not
                              */
    bool told_unguarded;
    struct ts_strays *strays;
    uint32_t refusals; /* of clients without the right, since then */
    ts_mono refusals_since;

    struct ts_timer *turn_timer; /* the machine's next deadline */
    struct ts_timer *stop_timer; /* the end of an orderly stop */
    struct ts_host *host;
    bool going_down;     /* the machine does; the stack is being stopped or has been */
    bool holds_shutdown; /* … and it waits for us */
    ts_mono shutdown_at; /* when it was announced */
    struct ts_timer *window_timer;
    char window_name[TS_NAME_MAX]; /* "" when none is on */
    ts_wall window_end;
    bool stack_was_ready; /* the "stack is up" message of this start has gone out */

    struct ts_stream *streams; /* control clients that follow something: api/stream.c */
    struct ts_wait *waits;     /* … that wait for an operation's end: api/change.c */
    struct ts_rescan *rescans;
    struct ts_restore *restore;              /* NULL until a container was missing */
    struct ts_move *move;                    /* the one under way, or the last; NULL: none */
    struct ts_move_call *move_calls;         /* orders that are being prepared: api/move.c */
    struct ts_move_follower *move_followers; /* clients that wait for its end */

    struct ts_validation *validation;   /* the one under way */
    struct ts_reach *reaches;           /* helper containers under way */
    struct ts_engine_op *reach_listing; /* … and those of an earlier run */
    unsigned reach_count;
    size_t doctors; /* under way */
};

/* --- engine_watch.c */
bool ts_engine_watch_start(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_engine_watch_stop(struct ts_daemon *d);
/* Lists and inspects everything now. */
void ts_engine_watch_resync(struct ts_daemon *d);
/* The same after a pause: for failures that a list at once would only repeat. */
void ts_engine_watch_resync_in(struct ts_daemon *d, int64_t ms);
/* A call failed in a way that says the engine is gone. */
void ts_engine_watch_lost(struct ts_daemon *d, const struct ts_error *err);

/* The service that runs the engine, for the service manager; "" for none. */
const char *ts_engine_watch_unit_name(const struct ts_daemon *d);
/* That service is in another state now. */
void ts_engine_watch_unit(struct ts_daemon *d);
/* Takes back the holds of a moment ago: the stops were the engine's own, not a person's. */
void ts_engine_watch_forgive(struct ts_daemon *d);

/* --- units.c */
/* The project's containers as listed: makes, keeps and drops units. */
bool ts_units_apply_list(struct ts_daemon *d, const struct ts_container_ref *list, size_t count,
                         struct ts_error *err) TS_MUST_CHECK;
/* Builds the supervisor's services anew from the units and the model. */
bool ts_units_rebuild(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_units_apply_inspect(struct ts_unit *u, const struct ts_container *c, json_t *raw);
/* Is the event of an earlier run than the one that was inspected? The engine tells past events
 * again when a daemon starts. */
bool ts_units_is_history(const struct ts_unit *u, const struct ts_engine_event *event);
/* … or of one that was seen to be over? */
bool ts_units_has_ended_since(const struct ts_unit *u, const struct ts_engine_event *event);
/* The engine tells that its container ended: believed at once where nothing speaks against it. The
 * caller inspects it as well. */
void ts_units_ended(struct ts_unit *u, const struct ts_engine_event *event);
void ts_units_inspect(struct ts_unit *u);
void ts_units_inspect_all(struct ts_daemon *d, bool after_gap);
struct ts_unit *ts_units_by_container(struct ts_daemon *d, const char *id);
/* Is it the present container that was inspected last, and not one before it? */
bool ts_unit_is_described(const struct ts_unit *u);
void ts_units_free(struct ts_daemon *d);
void ts_unit_post(struct ts_unit *u, const struct ts_obs *obs);

/* --- perform.c: the supervisor's ports */
void ts_perform_start(void *ctx, size_t service, uint32_t op_id);
void ts_perform_stop(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms);
void ts_perform_inspect(void *ctx, size_t service);
/* Takes the restart policy over, or gives it back. */
void ts_perform_take_policy(struct ts_unit *u);
void ts_perform_release_policy(struct ts_unit *u);

/* --- watch_probes.c */
void ts_watch_update(struct ts_unit *u);
void ts_watch_stop(struct ts_unit *u);
void ts_watch_engine_health(struct ts_unit *u);
/* The probes' and signals' specs have changed. */
void ts_watch_forget(struct ts_unit *u);

/* --- memory.c */
void ts_memory_journal(void *ctx, const struct ts_transition *transitions, size_t transition_count,
                       const size_t *changed, size_t changed_count);
/* One transaction for what a turn's actions write (its alerts). */
void ts_memory_acting(void *ctx, bool begins);
/* The end of a turn: what it wrote is on the disk before anybody is asked for anything. */
void ts_memory_sync(struct ts_daemon *d);
/* Writes all states if an earlier write failed. */
void ts_memory_retry(struct ts_daemon *d);
/* The store has failed: said once, until it works again. */
void ts_memory_failed(struct ts_daemon *d, const char *text);
/* Once a turn: does it work again? */
void ts_memory_look(struct ts_daemon *d);
/* The remembered state of a service, or a fresh one. */
struct ts_svc ts_memory_recall(struct ts_daemon *d, const char *service);
/* The restart policy that an earlier run took over. */
void ts_memory_recall_policy(struct ts_unit *u);
void ts_memory_mark(struct ts_daemon *d, const char *key, const char *value);
void ts_memory_event(struct ts_daemon *d, const char *service, const char *event, const char *text);

/* --- notices.c */
void ts_notice_send(void *ctx, size_t service, const struct ts_action *action);
void ts_notice_engine(struct ts_daemon *d, bool up);
/* A guarded service cannot be verified for too long; text NULL: it can again. */
void ts_notice_blind(struct ts_daemon *d, size_t service, const char *text);
void ts_notice_approval(struct ts_daemon *d, const char *service, const char *text);
/* None of the project's services is guarded, or (false) one is again. */
void ts_notice_unguarded(struct ts_daemon *d, bool unguarded);
void ts_notice_settings(struct ts_daemon *d, const char *text);
void ts_notice_trail(struct ts_daemon *d, const char *text);
/* A container that is none of ours and breaks the rules. */
void ts_notice_stray(struct ts_daemon *d, const char *container, const char *text);
/* The machine goes down. */
void ts_notice_shutdown(struct ts_daemon *d, const char *text);
/* A missing container was made anew, or (why not NULL) cannot be. */
void ts_notice_restored(struct ts_daemon *d, const char *service, const char *text,
                        const char *why);
/* An exchange of containers began, goes back, halts or is over. */
void ts_notice_move(struct ts_daemon *d, enum ts_move_way way, const char *text);
void ts_notice_store(struct ts_daemon *d, bool ok, const char *detail);
/* Looks whether the whole stack has just become ready. */
void ts_notice_stack(struct ts_daemon *d);
bool ts_notice_test(struct ts_daemon *d, const char *channel, size_t *ret_queued,
                    struct ts_error *err) TS_MUST_CHECK;

/* --- ending.c */
bool ts_ending_start(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
/* Somebody asked the daemon to end: SIGTERM, a service manager. */
void ts_ending_asked(void *ctx);
/* The machine goes down, or does not after all. */
void ts_ending_shutdown(void *ctx, bool begins);
/* Once a turn. */
void ts_ending_turn(struct ts_daemon *d);

/* --- restore.c */
/* Could the service's container be made anew? */
bool ts_restore_has_snapshot(struct ts_daemon *d, const char *service);
/* Keeps an inspect answer under the key, and gives it back (owned; NULL with *err). */
void ts_restore_keep(struct ts_daemon *d, const char *key, const char *id, json_t *raw);
json_t *ts_restore_kept(struct ts_daemon *d, const char *key, struct ts_error *err);
/* A container of the service was seen: kept for the day when it is missing. */
void ts_restore_saw(struct ts_unit *u, json_t *raw);
/* Somebody removed a container of the service, and the engine told: it does not come back by
 * itself. */
void ts_restore_removed(struct ts_daemon *d, const char *id, const char *service);
/* The project was listed for the first time since the engine or the daemon came up: what should
 * be there and is not is made anew, after a moment in which word of its removal may come. */
void ts_restore_after_gap(struct ts_daemon *d);
/* An operator wants the service up. */
void ts_restore_wanted(struct ts_unit *u);
/* Is its container on the way, though there is none yet? */
bool ts_restore_under_way(const struct ts_unit *u);
/* The engine is gone; the next list begins anew. */
void ts_restore_pause(struct ts_daemon *d);
void ts_restore_free(struct ts_daemon *d);

/* --- status.c: JSON for the control interface; the caller owns it, NULL if out of memory */
json_t *ts_status_all(struct ts_daemon *d);
json_t *ts_status_service(struct ts_daemon *d, size_t i);
const char *ts_status_state(struct ts_daemon *d); /* overall state */
void ts_status_line(struct ts_daemon *d, char *out, size_t size);

/* --- api/api.c, api/change.c, api/stream.c */
bool ts_api_start(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_api_stop(struct ts_daemon *d);
/* A service changed, or (SIZE_MAX) something that belongs to none: tells those who watch. */
void ts_api_changed(void *ctx, size_t service);
void ts_api_event(struct ts_daemon *d, const json_t *event);
/* The project was listed anew, or could not be. */
void ts_api_rescanned(struct ts_daemon *d, const struct ts_error *err);
void ts_api_set_released(struct ts_daemon *d, bool released);
/* The control groups of a new model. */
void ts_api_regroup(struct ts_daemon *d);
/* Once a turn: operations that wait for an end. */
void ts_api_turn(struct ts_daemon *d);

/* --- wire.c */
struct ts_daemon *ts_daemon_new(const char *config_path, struct ts_model *take_model,
                                struct ts_log *log, struct ts_loop *loop,
                                struct ts_error *err) TS_MUST_CHECK;
void ts_daemon_free(struct ts_daemon *d);
bool ts_daemon_run(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
/* Reads the configuration anew; on failure nothing changes and *ret_errors (an array of text) says
 * why. *ret_changed: the keys that changed. */
bool ts_daemon_reload(struct ts_daemon *d, json_t **ret_changed, json_t **ret_errors);
/* Runs a turn soon. */
void ts_daemon_kick(struct ts_daemon *d);

#endif
