/*
 * A blocking client for the control socket (Windows: named pipe), for command-line tools: no event
 * loop, so that it starts fast. Every wait has a deadline.
 */
#ifndef TS_CONTROL_CLIENT_H
#define TS_CONTROL_CLIENT_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"
#include "control/varlink.h"

struct ts_control_client;

/* TS_E_UNAVAILABLE: nobody listens, or no such socket; TS_E_DENIED: no permission on it;
 * TS_E_TIMEOUT; TS_E_INVALID: path too long. detail is errno. */
struct ts_control_client *ts_control_connect(const char *path, int64_t timeout_ms,
                                             struct ts_error *err) TS_MUST_CHECK;
void ts_control_close(struct ts_control_client *c);

/* Sends a call; method without the interface ("GetStatus"). parameters is borrowed, may be NULL. */
bool ts_control_call(struct ts_control_client *c, const char *method, json_t *parameters, bool more,
                     struct ts_error *err) TS_MUST_CHECK;

/*
 * The next reply; the caller owns ret->parameters. An error reply is a success here: look at
 * ret->error. TS_E_TIMEOUT after timeout_ms (0 = wait for ever), TS_E_CANCELLED when a signal
 * interrupted, TS_E_UNAVAILABLE when the daemon closed, TS_E_PROTOCOL, TS_E_LIMIT.
 */
bool ts_control_next(struct ts_control_client *c, int64_t timeout_ms, struct ts_varlink_reply *ret,
                     struct ts_error *err) TS_MUST_CHECK;

#endif
