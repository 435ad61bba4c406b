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
    enum ts_op finished; /* the operation whose end this observation is, or none */
};

/* machine_facts.c: puts the observation into the facts and wishes. */
void ts_step_apply(struct ts_step *st);
/* Forgets the probes' results: a new run begins. */
void ts_step_new_run(struct ts_step *st);

/* machine_phases.c: runs the present phase's function once. */
void ts_step_phase(struct ts_step *st);

/* machine.c: what the phases share */
struct ts_action *ts_step_add_action(struct ts_step *st, enum ts_action_kind kind);
/* The only place that sets the phase. */
void ts_step_enter(struct ts_step *st, enum ts_phase phase, enum ts_why why, ts_mono deadline,
                   const char *detail);
/* Latches that must not leave the container running: more tries or more trading do harm. */
bool ts_step_latch_stops(const struct ts_svc *s);
bool ts_step_want_up(const struct ts_svc *s);
void ts_step_issue_start(struct ts_step *st);
void ts_step_issue_stop(struct ts_step *st);
/* Takes one restart from the budget. False: it is used up, and the service is latched. */
bool ts_step_take_restart(struct ts_step *st, const char *detail);
/* It is to be up: from now on it waits for what it needs, or first for the end of its back-off. */
void ts_step_come_up(struct ts_step *st, enum ts_why why);
/* Where a service rests that does not run and is not to be started. */
void ts_step_enter_rest(struct ts_step *st);
void ts_step_enter_stopping(struct ts_step *st, enum ts_why why, bool restart);
void ts_step_enter_starting(struct ts_step *st, enum ts_why why);
/* After a crash or a failed start: back off, or give up. */
void ts_step_enter_backoff(struct ts_step *st, enum ts_why why, const char *detail);
/* The container does not run though it did, and we did not stop it. */
void ts_step_on_exit(struct ts_step *st);
void ts_step_notice(struct ts_step *st, enum ts_notice notice);
/* Sets the latch: failed (or blocked) until reset. */
void ts_step_latch(struct ts_step *st, enum ts_why why, enum ts_block block, const char *detail);

/* machine_probes.c: what the probe results add up to */
bool ts_step_all_ready(const struct ts_step *st);
/* The liveness probe that has been dead longest, or NULL. */
const struct ts_probe_state *ts_step_dead_probe(const struct ts_step *st);
/* The probe that keeps the service from being ready, or NULL. */
const struct ts_probe_state *ts_step_blocking_probe(const struct ts_step *st);
void ts_step_apply_probe(struct ts_step *st);

#endif
