/*
 * The bot's log, one line each on standard output, in the form that the operators' procedure
 * expects: "[2026-02-10 14:30:00] INFO - Bot startup initiated". Times are UTC. Control characters
 * (texts come from the gateway too) are shown as "?".
 */
#ifndef BOT_SAY_H
#define BOT_SAY_H

#include "base/clock.h"
#include "base/macros.h"

#define BOT_LINE_MAX 512 /* bytes of a line's text; what is longer is cut */

enum bot_level { BOT_INFO, BOT_WARNING, BOT_ERROR };

/* Who asks is given the clock, as everywhere. Both are borrowed for the call. */
void bot_say(const struct ts_clock *clock, enum bot_level level, const char *fmt, ...)
    TS_PRINTF(3, 4);

/* The line without its newline into out, which holds BOT_LINE_MAX + 64 bytes. */
void bot_say_format(ts_wall at, enum bot_level level, const char *text, char *out);

#endif
