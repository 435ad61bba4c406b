/* The real Compose, run for `up` and `migrate`. */
#ifndef TS_CTL_COMPOSE_H
#define TS_CTL_COMPOSE_H

#include "base/buf.h"
#include "ctl.h"

struct ctl_compose {
    const char *file;
    const char *env_file; /* NULL: none */
    const char *project;
    const char *engine; /* what DOCKER_HOST is to be; "": as it is */
};

/* Has it create the containers, not start them. Says why not; returns the exit code. */
int ctl_compose_create(struct ctl *ctl, const struct ctl_compose *compose);

/* The last lines of what a program printed, as hints. */
void ctl_show_output(const struct ts_buf *output);

/* The daemon's status, after it has looked what there is; it must run the project that is meant.
 * NULL: said why, *ret_exit set. */
json_t *ctl_compose_status(struct ctl *ctl, int *ret_exit);

#endif
