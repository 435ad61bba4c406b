/* The real Compose, run for `up` and `migrate`. */
#ifndef TS_CTL_COMPOSE_H
#define TS_CTL_COMPOSE_H

#include "ctl.h"

struct ctl_compose {
    const char *file;
    const char *env_file; /* NULL: none */
    const char *project;
    const char *engine; /* what DOCKER_HOST is to be; "": as it is */
};

/* Has it create the containers, not start them. Says why not; returns the exit code. */
int ctl_compose_create(struct ctl *ctl, const struct ctl_compose *compose);

/* The daemon's status, after it has looked what there is. NULL: said why, *ret_exit set. */
json_t *ctl_compose_status(struct ctl *ctl, int *ret_exit);

#endif
