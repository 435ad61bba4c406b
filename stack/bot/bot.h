/*
 * The safe default bot: waits for the gateway, refuses any account that is not for paper trading,
 * then watches and logs. Reconnects for ever once it has been connected.
 */
#ifndef BOT_BOT_H
#define BOT_BOT_H

#include "base/loop.h"
#include "settings.h"

#define BOT_ATTEMPTS 30 /* until the first connection; then it gives up */

struct bot;

/* Opens the health port. loop, clock and settings are borrowed for the bot's life. */
struct bot *bot_new(struct ts_loop *loop, const struct ts_clock *clock,
                    const struct bot_settings *settings, struct ts_error *err) TS_MUST_CHECK;
void bot_free(struct bot *b);
/* The first attempt. From then on the loop does the work. */
void bot_start(struct bot *b);
/* Once the loop has been stopped: how the program shall end. */
enum bot_exit bot_result(const struct bot *b);

#endif
