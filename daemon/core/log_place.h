/*
 * From where a container's log is read on, whatever the clock does meanwhile. PURE.
 *
 * Engines stamp each line and give those behind a time. A clock that is set back stamps what is
 * said next as if it were earlier: whoever goes on behind the latest stamp would miss all of it.
 * Lines that are read twice do no harm; a line that is never read could be the one that trips.
 *
 * Times are nanoseconds since 1970 unless they are a ts_wall; 0: none.
 */
#ifndef TS_CORE_LOG_PLACE_H
#define TS_CORE_LOG_PLACE_H

#include <stdint.h>

#include "base/clock.h"

/* A line was read: the time to go on behind, once the stream is opened again. */
int64_t ts_log_place_after(int64_t place, int64_t line);
/* The stream of this run is opened again. begin: of the run, where nothing has been read yet. */
int64_t ts_log_place_resume(int64_t place, int64_t begin, ts_wall now);
/* Where the lines of a new run of a container begin. place: what was read of the container. */
int64_t ts_log_place_begin(int64_t place, ts_wall started, ts_wall finished, ts_wall now);

#endif
