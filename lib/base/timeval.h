/* Milliseconds as libevent wants them; the fields' types differ between platforms. */
#ifndef TS_BASE_TIMEVAL_H
#define TS_BASE_TIMEVAL_H

#include <stdint.h>

#include <event2/util.h>

/* For 0 <= ms; what is longer than a 32-bit number of seconds is cut to that. */
static inline struct timeval ts_timeval_ms(int64_t ms)
{
    int64_t s = ms / 1000;
    struct timeval tv = {.tv_sec = (long)(s > INT32_MAX ? INT32_MAX : s),
                         .tv_usec = (long)(ms % 1000 * 1000)};
    return tv;
}

#endif
