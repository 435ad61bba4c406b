/*
 * The turn: observations in, machine and planner, journal, actions out. The only place where a
 * service's state changes. Does no I/O itself: it acts through the ports given at construction.
 */
#ifndef TS_DAEMON_SUPERVISOR_H
#define TS_DAEMON_SUPERVISOR_H

#include "base/error.h"
#include "core/machine.h"
#include "core/planner.h"

#define TS_OBS_QUEUE_MAX 8192 /* observations waiting for the next turn */

struct ts_super;

/* One change of phase or of its reason. */
struct ts_transition {
    size_t service;
    enum ts_phase from;
    enum ts_phase to;
    enum ts_why why;
};

/* What the supervisor acts through. None may call back into it, except ts_super_post(). */
struct ts_super_ports {
    void *ctx;
    /* Before any action of the turn: what must survive. changed: services whose memory changed. */
    void (*journal)(void *ctx, const struct ts_transition *transitions, size_t transition_count,
                    const size_t *changed, size_t changed_count);
    /* Around the actions of a turn that has any. May be NULL. */
    void (*acting)(void *ctx, bool begins);
    void (*start)(void *ctx, size_t service, uint32_t op_id);
    void (*stop)(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms);
    void (*inspect)(void *ctx, size_t service);
    /* action: of kind TS_ACT_NOTICE; borrowed for the call. */
    void (*notice)(void *ctx, size_t service, const struct ts_action *action);
    /* After the actions: something about the service differs from before this turn. */
    void (*changed)(void *ctx, size_t service);
};

/* ports is copied. NULL if out of memory. */
struct ts_super *ts_super_new(const struct ts_super_ports *ports);
void ts_super_free(struct ts_super *sup);

/*
 * Replaces the services. specs[count] is copied; a service known by name keeps its state, a new
 * one begins with initial[i] if initial is not NULL, else unknown. TS_E_NOMEM; TS_E_LIMIT; a cycle
 * in the dependencies is TS_E_INVALID. On failure nothing has changed.
 */
bool ts_super_set_services(struct ts_super *sup, const struct ts_svc_spec *specs, size_t count,
                           const struct ts_svc *initial, ts_mono now,
                           struct ts_error *err) TS_MUST_CHECK;

/* Queues an observation. A full queue drops it and makes ts_super_overflowed() true; the end of an
 * operation always finds room. */
void ts_super_post(struct ts_super *sup, size_t service, const struct ts_obs *obs);
bool ts_super_pending(const struct ts_super *sup);
/* Were observations dropped since the last call? The caller then reads everything anew. */
bool ts_super_overflowed(struct ts_super *sup);

void ts_super_set_engine_up(struct ts_super *sup, bool up);
void ts_super_set_window(struct ts_super *sup, bool on, ts_mono end);
/* Can the interlock not see all that it must before a start of the service? True for a guarded one
 * until somebody says otherwise. */
void ts_super_set_blind(struct ts_super *sup, size_t service, bool blind);

/* One turn. */
void ts_super_turn(struct ts_super *sup, ts_mono now);
/* When the next turn is due though nothing happens. */
ts_mono ts_super_next(const struct ts_super *sup);

size_t ts_super_count(const struct ts_super *sup);
/* Index by name, or SIZE_MAX. */
size_t ts_super_find(const struct ts_super *sup, const char *name);
const struct ts_svc_spec *ts_super_spec(const struct ts_super *sup, size_t service);
const struct ts_svc *ts_super_state(const struct ts_super *sup, size_t service);
const struct ts_env *ts_super_env(const struct ts_super *sup, size_t service);
const struct ts_node *ts_super_nodes(const struct ts_super *sup);
const struct ts_svc *ts_super_states(const struct ts_super *sup);

#endif
