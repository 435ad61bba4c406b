/* Shared by the machine's files only. */
#ifndef TS_CORE_MACHINE_INTERNAL_H
#define TS_CORE_MACHINE_INTERNAL_H

#include "core/machine.h"

/* One step's working set. */
struct ts_step {
    const struct ts_svc_spec *spec;
    const struct ts_env *env;
    const struct ts_obs *obs;
    ts_mono now;
    struct ts_svc s;
    struct ts_actions *out;
    enum ts_phase phase_before; /* when the step began */
};

/* machine_facts.c: puts the observation into the facts and wishes. */
void ts_step_apply(struct ts_step *st);
/* Forgets the probes' results: a new run begins. */
void ts_step_new_run(struct ts_step *st);

/* machine.c: actions */
void ts_step_notice(struct ts_step *st, enum ts_notice notice);
/* Sets the latch: failed (or blocked) until reset. */
void ts_step_latch(struct ts_step *st, enum ts_why why, bool blocks, const char *detail);

/* machine_probes.c: what the probe results add up to */
bool ts_step_all_ready(const struct ts_step *st);
/* The liveness probe that has been dead longest, or NULL. */
const struct ts_probe_state *ts_step_dead_probe(const struct ts_step *st);
/* The probe that keeps the service from being ready, or NULL. */
const struct ts_probe_state *ts_step_blocking_probe(const struct ts_step *st);
void ts_step_apply_probe(struct ts_step *st);

#endif
