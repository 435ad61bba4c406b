/* Log lines as the image's run.sh, its relay and IBC print them. */
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

#include "gwsim.h"

static void end_line(const char *fmt, va_list ap)
{
    (void)vprintf(fmt, ap);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* "2026-11-24 03:21:31" with the separator between year, month and day. Returns the milliseconds.
 */
static long put_time(char separator)
{
    struct timespec now;
    struct tm t;
    (void)clock_gettime(CLOCK_REALTIME, &now);
    (void)gmtime_r(&now.tv_sec, &t);
    (void)printf("%04d%c%02d%c%02d %02d:%02d:%02d", t.tm_year + 1900, separator, t.tm_mon + 1,
                 separator, t.tm_mday, t.tm_hour, t.tm_min, t.tm_sec);
    return now.tv_nsec / 1000000;
}

void sim_say(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    end_line(fmt, ap);
    va_end(ap);
}

void sim_say_ibc(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)printf(":%03ld IBC: ", put_time('-'));
    end_line(fmt, ap);
    va_end(ap);
}

void sim_say_socat(const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)put_time('/');
    (void)fputs(" socat[1] ", stdout);
    end_line(fmt, ap);
    va_end(ap);
}
