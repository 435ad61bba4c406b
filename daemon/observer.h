/*
 * `tradestackd --observe`: the second pair of eyes. The same probes, thresholds and alerts as the
 * supervisor, from another place and without an engine; one JSON line a check on stdout; and it
 * tells when the supervisor itself stops answering on its control socket.
 */
#ifndef TS_DAEMON_OBSERVER_H
#define TS_DAEMON_OBSERVER_H

#include "base/log.h"
#include "base/loop.h"
#include "model/model.h"

/* Runs until a stop signal. Takes the model. TS_E_INVALID if no service of it can be probed from
 * outside (each probe needs a host). */
bool ts_observer_run(struct ts_model *take_model, struct ts_log *log, struct ts_loop *loop,
                     struct ts_error *err) TS_MUST_CHECK;

#endif
