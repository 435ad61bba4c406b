/*
 * Validation: every point of the operators' list, each looked at anew, with evidence. The reading
 * points take seconds; the tests that act (an alert, a restart of the whole stack, a start from
 * nothing) only if asked for. What an acting test has begun it brings to its end, also when who
 * asked has gone, and a daemon that is killed in the middle starts the stack again.
 */
#ifndef TS_DAEMON_VALIDATE_H
#define TS_DAEMON_VALIDATE_H

#include <jansson.h>

#include "base/error.h"
#include "core/remark.h"

struct ts_daemon;
struct ts_validation;

struct ts_validate_options {
    bool send_alert;
    bool restart_test;
    bool cold_start_test;
    const json_t *facts; /* what ctl knows of the machine (checkup.h); NULL: nothing. Borrowed for
                            the call */
};

struct ts_validate_handler {
    /* One point, in the order of the list. May be NULL. */
    void (*each)(void *ctx, const struct ts_remark *point);
    /* Once, and the last. failed: points that are not as they should be or could not be found out.
     * The validation is gone when it returns. */
    void (*done)(void *ctx, size_t failed);
    void *ctx;
};

/*
 * Begins one; its callbacks come in later turns. handler is copied. NULL: TS_E_CONFLICT (one is
 * under way), TS_E_NOMEM.
 */
struct ts_validation *ts_validate_run(struct ts_daemon *d,
                                      const struct ts_validate_options *options,
                                      const struct ts_validate_handler *handler,
                                      struct ts_error *err) TS_MUST_CHECK;
/* No callback comes any more, and no further test begins; what is under way goes on to its end by
 * itself. NULL is fine. */
void ts_validate_leave(struct ts_validation *v);
/* An operator wants the service down or held: a test that stopped it does not start it again. */
void ts_validate_asked_down(struct ts_daemon *d, const char *service);
/* Is a test under way that stops and starts the stack? */
bool ts_validate_acts(const struct ts_daemon *d);
/* At the daemon's end. */
void ts_validate_stop(struct ts_daemon *d);

#endif
