/* Other programs run by tradestackctl. */
#ifndef TS_CTL_CHILD_H
#define TS_CTL_CHILD_H

#include "base/buf.h"
#include "ctl.h"

#define CTL_CHILD_OUTPUT_MAX (64 * 1024) /* bytes kept, the last ones */

struct ctl_child {
    const char *const *args; /* NULL ends them; args[0] is looked for in PATH */
    int64_t timeout_ms;      /* then it is asked to end, and ended a little later */
    void (*tick)(void *ctx); /* about ten times a second */
    void *ctx;
    struct ts_buf *out; /* its standard output, whole, if that is wanted apart from the errors; what
                           does not fit makes the run fail with TS_E_LIMIT. NULL: both together */
};

/*
 * Runs it with an empty standard input and keeps what it prints, both outputs. True: it ended by
 * itself, *ret_status says how (as a shell says it). False: TS_E_NOT_FOUND, TS_E_SYSTEM,
 * TS_E_TIMEOUT, TS_E_CANCELLED (see ctl_catch_interrupt()); what was printed until then is kept.
 */
bool ctl_child_run(const struct ctl_child *child, struct ts_buf *tail, int *ret_status,
                   struct ts_error *err) TS_MUST_CHECK;

/* A variable that programs started from now on find set; NULL: not set. */
void ctl_child_env(const char *name, const char *value);

/* Has the daemon's program check something: its options in their order, NULL ends them early. It
 * prints what it finds. False: it could not be run. */
bool ctl_daemon_check(const char *what, const char *option, const char *file, bool *ret_correct,
                      struct ts_error *err) TS_MUST_CHECK;

#endif
