/* See trusted_clock.h. */
#include "core/trusted_clock.h"

ts_wall ts_trusted_now(struct ts_trusted_clock *c, ts_wall wall, ts_mono mono, bool *ret_went_back)
{
    ts_wall floor = c->is_set ? (ts_wall){c->at.ms + ts_mono_diff(c->mono, mono)} : wall;
    *ret_went_back = wall.ms < floor.ms - TS_CLOCK_SLACK_MS;
    c->at = wall.ms > floor.ms || *ret_went_back ? wall : floor;
    c->mono = mono;
    c->is_set = true;
    return c->at;
}

void ts_trusted_at_least(struct ts_trusted_clock *c, ts_wall at, ts_mono mono)
{
    if (!c->is_set || at.ms > c->at.ms) {
        *c = (struct ts_trusted_clock){.is_set = true, .at = at, .mono = mono};
    }
}
