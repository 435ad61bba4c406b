/*
 * A wall clock that cannot be turned back: approvals expire by it. PURE.
 *
 * It is the wall clock, but never runs slower than the monotonic clock and never jumps back. A wall
 * clock that falls behind it by more than a correction does was set back, and then nobody knows how
 * old an approval is.
 */
#ifndef TS_CORE_TRUSTED_CLOCK_H
#define TS_CORE_TRUSTED_CLOCK_H

#include <stdbool.h>

#include "base/clock.h"

#define TS_CLOCK_SLACK_MS 60000 /* NTP corrects by less without being asked */

struct ts_trusted_clock {
    bool is_set;
    ts_wall at;   /* the latest trusted time … */
    ts_mono mono; /* … and when that was */
};

/* The trusted time now. *ret_went_back: the wall clock was set back; the clock then follows it. */
ts_wall ts_trusted_now(struct ts_trusted_clock *c, ts_wall wall, ts_mono mono, bool *ret_went_back);
/* Time is known to have been at least this late (from before a restart). */
void ts_trusted_at_least(struct ts_trusted_clock *c, ts_wall at, ts_mono mono);

#endif
