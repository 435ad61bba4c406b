/* What `up`, `migrate` and `rollback` have in common: staging, and following the daemon. */
#ifndef TS_CTL_MOVE_H
#define TS_CTL_MOVE_H

#include "compose.h"

#define CTL_TAG_SIZE 24

/* A mark for new containers, from the time: when they were made can be read from their names. */
void ctl_make_tag(char out[CTL_TAG_SIZE]);

/* Stages the containers of the file and has the daemon exchange them: calls Move with these
 * parameters (taken), the tag and the wish to wait added. Shows plan and steps. what: the command,
 * for people. Returns the exit code. */
int ctl_exchange(struct ctl *ctl, const struct ctl_compose *compose, json_t *take_parameters,
                 const char *what);

/* Asks on a terminal; elsewhere --yes must have been said. */
bool ctl_confirmed(const struct ctl *ctl, const char *what);

#endif
