/* See planner.h. */
#include "core/planner.h"

#include <string.h>

static size_t find(const struct ts_svc_spec *specs, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++) {
        if (strcmp(specs[i].name, name) == 0) {
            return i;
        }
    }
    return SIZE_MAX;
}

/* Does a walk along dependencies from `from` come back to it? At most `count` rounds. */
static bool on_cycle(const struct ts_node *nodes, size_t count, size_t from)
{
    bool reached[TS_MAX_SERVICES] = {false};
    bool grew = true;
    for (size_t d = 0; d < nodes[from].dep_count; d++) {
        reached[nodes[from].deps[d]] = true;
    }
    while (grew && !reached[from]) {
        grew = false;
        for (size_t i = 0; i < count; i++) {
            for (size_t d = 0; reached[i] && d < nodes[i].dep_count; d++) {
                grew = grew || !reached[nodes[i].deps[d]];
                reached[nodes[i].deps[d]] = true;
            }
        }
    }
    return reached[from];
}

/* The place of i among the dependencies of the node; SIZE_MAX: it does not depend on it. */
static size_t place_of(const struct ts_node *node, size_t i)
{
    for (size_t d = 0; d < node->dep_count; d++) {
        if (node->deps[d] == i) {
            return d;
        }
    }
    return SIZE_MAX;
}

static void add_dep(struct ts_node *nodes, size_t i, size_t dep, bool restart)
{
    struct ts_node *n = &nodes[i];
    if (place_of(n, dep) != SIZE_MAX) {
        return;
    }
    n->deps[n->dep_count] = dep;
    n->dep_restart[n->dep_count] = restart;
    n->next[n->dep_count] = nodes[dep].dependent;
    n->dep_count++;
    nodes[dep].dependent = i;
}

bool ts_plan_build(const struct ts_svc_spec *specs, size_t count, struct ts_node *nodes,
                   size_t *ret_at)
{
    for (size_t i = 0; i < count; i++) {
        nodes[i].dep_count = 0;
        nodes[i].dependent = SIZE_MAX;
    }
    for (size_t i = 0; i < count; i++) {
        for (size_t d = 0; d < specs[i].dep_count; d++) {
            size_t at = find(specs, count, specs[i].deps[d]);
            if (at != SIZE_MAX) {
                add_dep(nodes, i, at, specs[i].dep_restart[d]);
            }
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (nodes[i].dep_count > 0 && on_cycle(nodes, count, i)) {
            *ret_at = i;
            return false;
        }
    }
    return true;
}

static bool satisfied(const struct ts_svc *dep)
{
    return dep->phase == TS_PHASE_READY ||
           (dep->phase == TS_PHASE_STOPPED && dep->why == TS_WHY_COMPLETED && dep->exit_code == 0);
}

size_t ts_plan_first_unready(const struct ts_node *nodes, const struct ts_svc *states, size_t i)
{
    for (size_t d = 0; d < nodes[i].dep_count; d++) {
        if (!satisfied(&states[nodes[i].deps[d]])) {
            return nodes[i].deps[d];
        }
    }
    return SIZE_MAX;
}

bool ts_plan_deps_ready(const struct ts_node *nodes, const struct ts_svc *states, size_t i)
{
    return ts_plan_first_unready(nodes, states, i) == SIZE_MAX;
}

bool ts_plan_dependents_stopped(const struct ts_node *nodes, const struct ts_svc *states, size_t i)
{
    size_t j = nodes[i].dependent;
    while (j != SIZE_MAX) {
        if (states[j].running || states[j].op == TS_OP_START) {
            return false;
        }
        j = nodes[j].next[place_of(&nodes[j], i)];
    }
    return true;
}

bool ts_plan_restarts_with(const struct ts_node *nodes, const struct ts_svc_spec *specs, size_t j,
                           size_t i)
{
    size_t d = place_of(&nodes[j], i);
    return d != SIZE_MAX &&
           (nodes[j].dep_restart[d] || specs[j].on_dependency_return == TS_DEP_RESTART);
}

void ts_plan_close_over_deps(const struct ts_node *nodes, size_t count, bool *want)
{
    bool grew = true;
    while (grew) {
        grew = false;
        for (size_t i = 0; i < count; i++) {
            for (size_t d = 0; want[i] && d < nodes[i].dep_count; d++) {
                grew = grew || !want[nodes[i].deps[d]];
                want[nodes[i].deps[d]] = true;
            }
        }
    }
}

void ts_plan_close_over_dependents(const struct ts_node *nodes, size_t count, bool *want)
{
    bool grew = true;
    while (grew) {
        grew = false;
        for (size_t i = 0; i < count; i++) {
            for (size_t d = 0; !want[i] && d < nodes[i].dep_count; d++) {
                want[i] = want[nodes[i].deps[d]];
                grew = grew || want[i];
            }
        }
    }
}
