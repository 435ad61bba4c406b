/*
 * Expected-outage windows on the calendar: PURE. Wall time in, wall time out; time zones are rules
 * in the code (UTC; US Eastern: daylight saving from the second Sunday of March to the first Sunday
 * of November, each 02:00 local, since 2007), so neither TZ nor the system's zone files matter.
 *
 * A window begins at the first instant at which the zone's clocks show (or have skipped) `from`,
 * and ends at the last one at which they show `to`: where the clocks are put back within a window,
 * it lasts the hour longer.
 */
#ifndef TS_MODEL_CALENDAR_H
#define TS_MODEL_CALENDAR_H

#include "base/clock.h"
#include "model/model.h"

struct ts_window_view {
    /* The window that is on, slack included; NULL: none. If several are, the one that ends last. */
    const struct ts_window *on;
    bool in_slack; /* its own end has passed */
    ts_wall ends;  /* slack included; meaningful while on */
    /* The window that begins next, after now; NULL: no window at all. */
    const struct ts_window *next;
    ts_wall begins;
};

/* Both pointers are borrowed from the model. Right for the years 2007 to 9999. */
struct ts_window_view ts_calendar_look(const struct ts_model *m, ts_wall now);

/* The zone's offset from UTC at that instant, in minutes: -300 or -240 for US Eastern. */
int ts_calendar_offset_min(enum ts_zone zone, ts_wall at);

#endif
