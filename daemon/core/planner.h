/*
 * Who may start and who must stop first: PURE. Looks at all services each turn, so there is no
 * queue that could go stale.
 */
#ifndef TS_CORE_PLANNER_H
#define TS_CORE_PLANNER_H

#include "base/macros.h"
#include "core/machine.h"

/* A service's place in the graph: indexes of the services that it depends on. */
struct ts_node {
    size_t deps[TS_MAX_DEPS];
    bool dep_restart[TS_MAX_DEPS]; /* Compose's `restart: true` */
    size_t dep_count;
    size_t dependent;         /* the first service that depends on it; SIZE_MAX: none … */
    size_t next[TS_MAX_DEPS]; /* … and after this one the next that depends on deps[] */
};

/* Builds nodes[count] from the specs' names; a dependency that is not in the stack is left out.
 * False: the graph has a cycle, and *ret_at is a service on it. */
bool ts_plan_build(const struct ts_svc_spec *specs, size_t count, struct ts_node *nodes,
                   size_t *ret_at) TS_MUST_CHECK;

/* Every dependency of i is ready (or has run to its end as its policy says). */
bool ts_plan_deps_ready(const struct ts_node *nodes, const struct ts_svc *states, size_t i);

/* The first dependency that is not, or SIZE_MAX. */
size_t ts_plan_first_unready(const struct ts_node *nodes, const struct ts_svc *states, size_t i);

/* Nothing that depends on i runs or is being started. */
bool ts_plan_dependents_stopped(const struct ts_node *nodes, const struct ts_svc *states, size_t i);

/* Is j to be restarted because its dependency i came back? */
bool ts_plan_restarts_with(const struct ts_node *nodes, const struct ts_svc_spec *specs, size_t j,
                           size_t i);

/* Adds to want[] (count flags) everything that the flagged services depend on. */
void ts_plan_close_over_deps(const struct ts_node *nodes, size_t count, bool *want);

/* Adds to want[] everything that depends on the flagged services. */
void ts_plan_close_over_dependents(const struct ts_node *nodes, size_t count, bool *want);

#endif
