/* The real clock on Windows: GetTickCount64, which counts sleep and hibernation, so that after a
 * resume all deadlines are past at once and everything is looked at anew instead of trusted. */
#include "base/clock.h"

#include "base/win.h"

#define FILETIME_PER_MS      10000
#define MS_FROM_1601_TO_1970 INT64_C(11644473600000)

static ts_mono real_mono(void *ctx)
{
    (void)ctx;
    return (ts_mono){(int64_t)GetTickCount64()};
}

static ts_wall real_wall(void *ctx)
{
    (void)ctx;
    FILETIME ft;
    GetSystemTimeAsFileTime(&ft);
    int64_t ticks = (int64_t)(((uint64_t)ft.dwHighDateTime << 32) | ft.dwLowDateTime);
    return (ts_wall){ticks / FILETIME_PER_MS - MS_FROM_1601_TO_1970};
}

const struct ts_clock *ts_clock_real(void)
{
    static const struct ts_clock clock = {real_mono, real_wall, NULL};
    return &clock;
}
