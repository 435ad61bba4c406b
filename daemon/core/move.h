/*
 * The move: containers exchanged for others, with a way back at every step. PURE, like machine.h:
 * (plan, state, observation, now) -> (state, what to do). It serves the rollout of a changed
 * Compose file, the migration from an older one, and the return to a backup.
 *
 * A *part* is one container's place: what has it now and what is to have it next, either of which
 * may be nothing. A plan is a list of steps, each on one part. Going forward performs them from the
 * first to the last; going back undoes them from where it stands to the first. Each step is done
 * and undone by looking first, so performing one twice does no harm: whoever was killed in between
 * goes on with the step that the journal names.
 */
#ifndef TS_CORE_MOVE_H
#define TS_CORE_MOVE_H

#include "base/clock.h"
#include "base/macros.h"
#include "core/machine.h"

#define TS_MOVE_PARTS_MAX 32
#define TS_MOVE_STEPS_MAX (9 * TS_MOVE_PARTS_MAX)

/* X(symbol, name, forward, back): what a step does and how it is undone, for people. */
#define TS_MOVE_DEEDS(X)                                                                           \
    X(TS_MOVE_KEEP, "keep", "", "runs as it did")                                                  \
    X(TS_MOVE_MAKE, "make", "is made, beside what runs", "what was made for it is removed")        \
    X(TS_MOVE_STOP, "stop", "stops", "starts again as it was")                                     \
    X(TS_MOVE_ASIDE, "aside", "is set aside under another name", "gets its name back")             \
    X(TS_MOVE_PLACE, "place", "takes the name", "gives the name away again")                       \
    X(TS_MOVE_START, "start", "starts and becomes ready", "stops")                                 \
    X(TS_MOVE_CHECK, "check", "says in its log that it is safe", "")                               \
    X(TS_MOVE_SETTLE, "settle", "all stays ready", "")                                             \
    X(TS_MOVE_CLEAN, "clean", "what was set aside is removed", "")

#define TS_MOVE_DEED_ENUM(symbol, name, forward, back) symbol,
enum ts_move_deed { TS_MOVE_DEEDS(TS_MOVE_DEED_ENUM) TS_MOVE_DEED_COUNT };

/* What the order of steps depends on. */
struct ts_move_part {
    bool has_now;
    bool has_next;
    bool changes; /* else it only stops while something that it needs is exchanged */
    bool starts;  /* what has its place in the end is to run */
    bool guarded;
    size_t deps[TS_MAX_DEPS]; /* parts that what has its place in the end needs */
    size_t dep_count;
    size_t now_deps[TS_MAX_DEPS]; /* … and what has it now, which may be others */
    size_t now_dep_count;
};

struct ts_move_step {
    enum ts_move_deed deed;
    size_t part; /* of SETTLE: none */
};

struct ts_move_plan {
    struct ts_move_step steps[TS_MOVE_STEPS_MAX];
    size_t count;
};

struct ts_move_options {
    bool stops_all_first; /* what is left and what comes cannot stand side by side */
    bool cleans; /* what was set aside is removed at the end; else somebody decides later */
};

/*
 * The steps, in order: dependencies before dependents, among equals what is guarded last, so that
 * nothing that could trade starts before the rest is seen well; stops the other way round, the
 * guarded one of two equals last. What is stopped on the way is named first of all (KEEP), so that
 * it is looked at last of all on the way back: whatever was killed meanwhile, it runs. False: more
 * than fit, or the dependencies go in a circle.
 */
bool ts_move_lay_out(const struct ts_move_part *parts, size_t count,
                     const struct ts_move_options *options, struct ts_move_plan *ret) TS_MUST_CHECK;

/* X(symbol, name) */
#define TS_MOVE_WAYS(X)                                                                            \
    X(TS_MOVE_FORWARD, "forward")                                                                  \
    X(TS_MOVE_BACK, "back")                                                                        \
    X(TS_MOVE_HALTED, "halted") /* failed, and was asked not to go back by itself */               \
    X(TS_MOVE_DONE, "done")                                                                        \
    X(TS_MOVE_RETURNED, "returned") /* all is as it was */

#define TS_MOVE_WAY_ENUM(symbol, name) symbol,
enum ts_move_way { TS_MOVE_WAYS(TS_MOVE_WAY_ENUM) TS_MOVE_WAY_COUNT };

/* What survives a restart is way, at and begun; times begin anew. */
struct ts_move_state {
    enum ts_move_way way;
    size_t at;         /* the step under way */
    bool begun;        /* its deed was asked for at least once, perhaps by an earlier run */
    ts_mono since;     /* of the step, without the time in which the engine was away */
    ts_mono retry_at;  /* after trouble; TS_NEVER: nothing to be repeated */
    uint32_t troubles; /* of the step, in a row */
    bool told_stuck;   /* going back, and it takes too long: said once */
    bool incomplete;   /* went back, and something did not come up again */
};

/* X(symbol, name) */
#define TS_MOVE_SIGHTS(X)                                                                          \
    X(TS_MOVE_TICK, "tick")                                                                        \
    X(TS_MOVE_REACHED, "reached") /* the step (or its undoing) is over */                          \
    X(TS_MOVE_TROUBLE, "trouble") /* it did not work now; it may later */                          \
    X(TS_MOVE_FAILED, "failed")   /* it will not work */                                           \
    X(TS_MOVE_TURN, "turn-back")  /* an operator wants it back */                                  \
    X(TS_MOVE_AWAY, "engine-away")

#define TS_MOVE_SIGHT_ENUM(symbol, name) symbol,
enum ts_move_sight { TS_MOVE_SIGHTS(TS_MOVE_SIGHT_ENUM) TS_MOVE_SIGHT_COUNT };

/* The surroundings of the step under way. */
struct ts_move_env {
    int64_t limit_ms; /* how long it may take */
    ts_mono patience; /* not before this, whatever the limit says; in the past: none */
    bool no_rollback;
    bool must_run; /* going back: nobody else starts it, so it is not passed over */
};

/* What follows, beside the new state. */
struct ts_move_next {
    bool perform; /* look at the step, and do what it needs */
    bool turned;  /* it goes back from here on, or halts: tell why */
    bool stuck;   /* going back takes too long: tell, once */
    bool ended;   /* TS_MOVE_DONE or TS_MOVE_RETURNED was reached */
    bool late;    /* the limit was the reason for turning */
};

struct ts_move_state ts_move_begin(ts_mono now);

/* One step of the machine. Total. Going forward, trouble is repeated within the limit; failure and
 * the limit's end turn it round, except at TS_MOVE_CLEAN, where all has been accepted: what cannot
 * be removed is left. Going back never gives up; only what does not come up again is passed over
 * (incomplete), if it has its place again and is supervised. */
struct ts_move_state ts_move_next(const struct ts_move_plan *plan, const struct ts_move_env *env,
                                  struct ts_move_state s, enum ts_move_sight sight, ts_mono now,
                                  struct ts_move_next *ret);

/* When ts_move_next() wants TS_MOVE_TICK. */
ts_mono ts_move_wakeup(const struct ts_move_plan *plan, const struct ts_move_env *env,
                       const struct ts_move_state *s);

/* Is it under way (forward, back or halted)? */
bool ts_move_is_open(enum ts_move_way way);

/* Which container stands for the part at this point: the next one (true) or what it was (false). */
bool ts_move_is_placed(const struct ts_move_plan *plan, const struct ts_move_state *s, size_t part);

/* Names; never NULL. */
const char *ts_move_deed_name(enum ts_move_deed deed);
const char *ts_move_deed_text(enum ts_move_deed deed, bool back);
const char *ts_move_way_name(enum ts_move_way way);
/* False: no such name. */
bool ts_move_deed_parse(const char *name, enum ts_move_deed *ret) TS_MUST_CHECK;
bool ts_move_way_parse(const char *name, enum ts_move_way *ret) TS_MUST_CHECK;

#endif
