/*
 * Containers exchanged for others, with a way back at every step: what core/move.h decides is done
 * here. One at a time; journalled, so that a daemon or an engine that is killed in between goes on.
 *
 *   gather.c          what the engine has: containers and their networks, as one value
 *   plan.c            from that, what is to be exchanged: rollout, migration, rollback
 *   journal.c         the plan and its state <-> the store
 *   move.c            its turn: journal, act, tell; how it begins, resumes and ends
 *   telling.c         what is told of it, to the log, to people, to programs
 *   steps.c           one step: look, act, look again
 *   check.c           what a started bot says in its log
 *   settle.c          the last checkpoint: all stays ready, and the operators' points hold
 *   remake.h          a container that is gone, made from its snapshot
 *   backups.h         what ran before, kept and given back
 *   api/move.h        the control methods: api/move.c, api/move_follow.c, api/backup.c
 *
 * Names: while it waits, the new container of X is X.next-<tag>; what was set aside is X.old-<tag>.
 * Neither ever stands for a service.
 */
#ifndef TS_DAEMON_MOVE_H
#define TS_DAEMON_MOVE_H

#include <jansson.h>

#include "control/server.h"
#include "core/move.h"
#include "engine/containers.h"

#define TS_MOVE_NEXT     ".next-"
#define TS_MOVE_OLD      ".old-"
#define TS_MOVE_TAG      24 /* NUL included; [a-z0-9]+ */
#define TS_MOVE_TEXT     400
#define TS_MOVE_LOG_MAX  20 /* lines of a log that are shown with a failure */
#define TS_MOVE_DIED_MAX 3  /* so often within one step: it will not come up */

struct ts_daemon;
struct ts_unit;
struct ts_check;
struct ts_remake;
struct ts_validation;

/* X(symbol, name) */
#define TS_MOVE_KINDS(X)                                                                           \
    X(TS_MOVE_ROLLOUT, "rollout")                                                                  \
    X(TS_MOVE_MIGRATE, "migrate")                                                                  \
    X(TS_MOVE_ROLLBACK, "rollback")

#define TS_MOVE_KIND_ENUM(symbol, name) symbol,
enum ts_move_kind { TS_MOVE_KINDS(TS_MOVE_KIND_ENUM) TS_MOVE_KIND_COUNT };

/* One side of a part. */
struct ts_move_side {
    bool is;                   /* there is such a side */
    bool ours;                 /* a container of the supervised project: started by its machine */
    bool ran;                  /* now: it ran when this began */
    bool kept;                 /* next: it was there before, so it is not removed on the way back */
    char id[TS_ENGINE_ID];     /* next: "" until it is made */
    char name[TS_ENGINE_NAME]; /* now: its own name; next: the one it is to have */
    char aside[TS_ENGINE_NAME];      /* the other name: now: when set aside; next: while it waits */
    struct ts_restart_policy policy; /* its own, without us */
    int64_t grace_s;                 /* to stop it, of one that is not ours */
    json_t *snapshot;                /* its inspect answer */
};

/* A part of core/move.h, with what is known of it. */
struct ts_move_place {
    char service[TS_NAME_MAX]; /* "" or a name in another project, if neither side is ours */
    struct ts_move_side now;
    struct ts_move_side next;
    char left_out[200]; /* going back it did not start again: why; "" */
    bool left_down;     /* an operator has stopped it meanwhile: exchanged, but not started */
};

struct ts_move {
    struct ts_daemon *daemon;
    int64_t id; /* in the journal; 0: not begun yet */
    ts_wall began;
    ts_wall ended;
    enum ts_move_kind kind;
    char tag[TS_MOVE_TAG];
    char backup[64]; /* its name; "" if none */
    char by[64];     /* who asked, for people */
    bool no_rollback;
    bool kept; /* over, and what was set aside is still there */
    json_t *networks;
    size_t count;
    struct ts_move_part parts[TS_MOVE_PARTS_MAX];
    struct ts_move_place places[TS_MOVE_PARTS_MAX];
    struct ts_move_plan plan;
    struct ts_move_state state;
    char why[TS_MOVE_TEXT]; /* it went back or halted: expected and seen */
    json_t *log;            /* the last lines of what failed */

    /* of the step under way */
    struct ts_engine_op *op;
    struct ts_remake *remake;
    struct ts_check *check;
    struct ts_validation *validation;
    bool invalid; /* it has found what must not be */
    struct ts_logs *log_reader;
    struct ts_timer *timer;
    bool pending;    /* looked, and it is not there yet: look again soon … */
    ts_mono look_at; /* … but not before that */
    bool sighted;    /* something was seen: the next turn decides */
    enum ts_move_sight sight;
    char seen[TS_MOVE_TEXT]; /* what, for people */
    ts_mono steady_since;    /* all is ready; TS_NEVER: it is not */
    json_t *outside;         /* the inspect answer of one that is not ours and is being started */
    bool down_outside;       /* the step's container is not ours, and does not run yet */
    bool restarts_known;
    uint32_t restarts[TS_MOVE_PARTS_MAX]; /* as the step began */
    size_t blamed;                        /* the part that kept all from being well */
    bool unsaved; /* the journal could not be written: nothing is done until it is */
};

/* --- move.c */
/* Loads what an earlier run left. False only if out of memory or the store cannot be read. */
bool ts_move_resume(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_move_free(struct ts_daemon *d);
/* Takes a planned move over and begins it: journalled, told. On failure it is still the caller's.
 */
bool ts_move_start(struct ts_daemon *d, struct ts_move *take, struct ts_error *err) TS_MUST_CHECK;
/* Once a turn. */
void ts_move_turn(struct ts_daemon *d);
/* A service's state differs: what waits for one looks in this turn. */
void ts_move_service_changed(struct ts_daemon *d);
/* The engine is gone: what is under way ends, and begins anew when it is back. */
void ts_move_pause(struct ts_daemon *d);
bool ts_move_is_on(const struct ts_daemon *d);
/* An operator wants it back, or (halted) accepted as it stands. */
void ts_move_turn_back(struct ts_daemon *d);
void ts_move_accept_halted(struct ts_daemon *d);
/* What was set aside has been removed, or is none any more. */
void ts_move_forget_kept(struct ts_daemon *d);
/* Is the service part of a move that is on? Then its containers are the move's business. */
bool ts_move_concerns(const struct ts_daemon *d, const char *service);
/* An operator stops or holds the service: whichever way the move goes, it does not start it. */
void ts_move_leave_down(struct ts_daemon *d, const char *service);
/* Which container stands for the service now, if a move is on that says so: its id, or "". */
bool ts_move_stands_for(const struct ts_daemon *d, const char *service, const char **ret_id);
/* A name that a move has given: never a service's container. */
bool ts_move_is_aside(const char *name);
/* What a step saw; the next turn decides. text is for people. */
void ts_move_see(struct ts_move *m, enum ts_move_sight sight, const char *text);
/* What is done but once in a step (a reset of failures) is not done again after a restart. */
void ts_move_begun(struct ts_move *m);
const char *ts_move_kind_name(enum ts_move_kind kind);
bool ts_move_kind_parse(const char *name, enum ts_move_kind *ret) TS_MUST_CHECK;
void ts_move_drop(struct ts_move *m);

/* --- telling.c */
/* For status; JSON null if there is none that is on, halted or kept. */
json_t *ts_move_json(struct ts_daemon *d);
/* "migration, going forward: gateway starts and becomes ready (step 7 of 15)" */
void ts_move_line(const struct ts_daemon *d, char *out, size_t size);
/* The part's name for people: its service's, else its container's. */
const char *ts_move_part_name(const struct ts_move *m, size_t part);
/* "gateway: it still starts; trading-bot: …": what did not start again on the way back; or "". */
void ts_move_left_out(const struct ts_move *m, char *out, size_t size);
/* A step begins, or (done) is over. */
void ts_move_tell_step(struct ts_move *m, bool done, bool ok, const char *detail);
/* Writes m->why: what was expected, what was seen. before: the state that it turned from. */
void ts_move_explain_turn(struct ts_move *m, const struct ts_move_state *before, bool late);
void ts_move_tell_turn(struct ts_move *m);
void ts_move_tell_end(struct ts_move *m);

/* --- steps.c */
/* Looks at the present step and does what it needs. */
void ts_move_perform(struct ts_move *m);
/* Is the service where it is to be, or in a state that it does not leave by itself? */
bool ts_move_is_up(const struct ts_svc *s);
bool ts_move_is_lost(const struct ts_svc *s);
/* What the unit is doing becomes what was seen. */
void ts_move_tell_unit(struct ts_move *m, const struct ts_unit *u);
/* Ends what is under way for it. */
void ts_move_cancel(struct ts_move *m);
int64_t ts_move_limit_ms(const struct ts_move *m);
/* What all stops and starts may take. */
int64_t ts_move_downtime_ms(const struct ts_move *m);
/* Until when a person is waited for, whatever the limit says. */
ts_mono ts_move_patience(const struct ts_move *m);
/* What is to be seen when the step is over, for people. */
void ts_move_expected(const struct ts_move *m, char *out, size_t size);
/* The unit of a side, if its container stands for the service now; else NULL. */
struct ts_unit *ts_move_unit(const struct ts_move *m, size_t part, const struct ts_move_side *side);

/* The step is looked at, or begins, in the next turn. */
void ts_move_hurry(struct ts_move *m);
/* The engine has answered a call, or has refused it: what that means for the step. */
void ts_move_acted(void *ctx, enum ts_outcome outcome, const struct ts_error *err);
void ts_move_not_done(struct ts_move *m, const struct ts_error *err);

/* --- outside.c */
/* Starts the step's container, of another project, if the interlock allows it; inspect: the
 * engine's answer about it. Ends with ts_move_see() or another look. */
void ts_move_start_outside(struct ts_move *m, json_t *inspect);

/* --- check.c */
/* Reads a container's log for what a safe bot says at its start. Ends with ts_move_see(). */
struct ts_check *ts_check_start(struct ts_move *m, const struct ts_container *c,
                                struct ts_error *err) TS_MUST_CHECK;
void ts_check_stop(struct ts_check *c);

/* --- settle.c */
/* Everything that the move has started stays ready for a while, and a migration's points hold. */
void ts_move_settle(struct ts_move *m);
void ts_move_validate_stop(struct ts_move *m);

/* --- journal.c */
json_t *ts_move_plan_json(const struct ts_move *m);
json_t *ts_move_state_json(const struct ts_move *m);
/* NULL: TS_E_PROTOCOL, TS_E_NOMEM. */
struct ts_move *ts_move_parse(struct ts_daemon *d, const char *plan, const char *state,
                              struct ts_error *err) TS_MUST_CHECK;

/* --- gather.c */
struct ts_gather;
/* what: {"containers": [inspect answers], "networks": {name: inspect answer}, "names": {name: id}},
 * borrowed; or err. The gather is gone when it returns. */
typedef void ts_gathered(void *ctx, json_t *what, const struct ts_error *err);
struct ts_gather_order {
    const char *projects[3]; /* all their containers; NULL ends them */
    const json_t *names; /* and these: names or ids; who is not there is left out. May be NULL */
};
struct ts_gather *ts_gather_start(struct ts_daemon *d, const struct ts_gather_order *order,
                                  ts_gathered *done, void *ctx, struct ts_error *err);
void ts_gather_cancel(struct ts_gather *g);

/* --- plan.c */
struct ts_move_order {
    enum ts_move_kind kind;
    const char *tag;
    const char *old_project; /* migrate: whose containers give way; "" */
    const json_t *captured;  /* rollback: the containers of the backup; NULL */
    bool no_rollback;
};
/* Plans an exchange from what was gathered. *ret_equal (an array of ids, owned) are new containers
 * that are as what runs, so that they are not needed. NULL: TS_E_INVALID, TS_E_CONFLICT with the
 * reason, TS_E_LIMIT, TS_E_NOMEM; or, with nothing to be exchanged, TS_E_NOT_FOUND. */
struct ts_move *ts_move_plan(struct ts_daemon *d, const struct ts_move_order *order, json_t *what,
                             json_t **ret_equal, struct ts_error *err) TS_MUST_CHECK;
/* For people and programs: what runs, what is stopped, made, renamed, with ports and networks. */
json_t *ts_move_describe(const struct ts_move *m);

/* --- preview.c */
/* Adds to what was gathered what Compose would make: {"compose": its configuration, "hashes":
 * {service: hash}, "images": {image: id}, …}. */
void ts_preview_add(struct ts_daemon *d, const json_t *preview, const char *tag, json_t *what);
/* What must be so before it is begun: [{"what", "ok", "detail"}]. */
json_t *ts_preview_checks(const struct ts_move *m, const json_t *preview);

#endif
