/* The real clock on POSIX: CLOCK_BOOTTIME, so that after a suspend all deadlines are past at once
 * and everything is looked at anew instead of trusted. */
#include "base/clock.h"

#include <time.h>

static int64_t read_ms(clockid_t id)
{
    struct timespec ts;
    (void)clock_gettime(id, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

static ts_mono real_mono(void *ctx)
{
    (void)ctx;
    return (ts_mono){read_ms(CLOCK_BOOTTIME)};
}

static ts_wall real_wall(void *ctx)
{
    (void)ctx;
    return (ts_wall){read_ms(CLOCK_REALTIME)};
}

const struct ts_clock *ts_clock_real(void)
{
    static const struct ts_clock clock = {real_mono, real_wall, NULL};
    return &clock;
}
