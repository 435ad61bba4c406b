/* Log lines as the image's run.sh and IBC print them. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "gwsim.h"

void sim_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)putchar('\n');
    (void)fflush(stdout);
}

void sim_say_ibc(const char *fmt, ...)
{
    struct timespec now;
    struct tm tm;
    char when[32];
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &tm);
    (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &tm);
    (void)printf("%s:%03ld IBC: ", when, now.tv_nsec / 1000000);
    va_list ap;
    va_start(ap, fmt);
    (void)vprintf(fmt, ap);
    va_end(ap);
    (void)putchar('\n');
    (void)fflush(stdout);
}
