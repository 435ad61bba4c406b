/* See say.h. */
#include "say.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>

static const char *const level_names[] = {
    [BOT_INFO] = "INFO",
    [BOT_WARNING] = "WARNING",
    [BOT_ERROR] = "ERROR",
};

void bot_say_format(ts_wall at, enum bot_level level, const char *text, char *out)
{
    char when[24];
    time_t seconds = (time_t)(at.ms / 1000);
    struct tm parts;
    (void)gmtime_r(&seconds, &parts);
    (void)strftime(when, sizeof(when), "%Y-%m-%d %H:%M:%S", &parts);
    int n = snprintf(out, BOT_LINE_MAX + 64, "[%s] %s - %.*s", when, level_names[level],
                     BOT_LINE_MAX, text);
    for (int i = 0; i < n; i++) {
        if (iscntrl((unsigned char)out[i])) {
            out[i] = '?';
        }
    }
}

void bot_say(const struct ts_clock *clock, enum bot_level level, const char *fmt, ...)
{
    char text[BOT_LINE_MAX + 1];
    char line[BOT_LINE_MAX + 64];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    bot_say_format(clock->wall(clock->ctx), level, text, line);
    (void)puts(line);
    /* A pipe or a file is block-buffered, and the log must not lag behind. */
    (void)fflush(stdout);
}
