/* tradestack-bot: reads the environment, runs the bot until a signal or a refusal. */
#include <event2/event.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "bot.h"
#include "say.h"

static const char usage[] =
    "usage: tradestack-bot [--help | --version]\n"
    "The safe default trading bot: watches, never trades. It is set up by its environment:\n"
    "  DRY_RUN=true        must be spelled exactly so\n"
    "  TRADING_MODE        unset or paper\n"
    "  GATEWAY_HOST, GATEWAY_PORT (default gateway, 4004), CLIENT_ID (1)\n"
    "  SYMBOLS             stocks to watch, default SPY\n"
    "  GAMEPLAN_FILE       default /data/gameplan.json; may be absent\n"
    "  HEALTH_PORT         GET /health, default 8080\n"
    "  CONNECT_INTERVAL, QUERY_INTERVAL   default 5s, 60s\n"
    "Exit status: 0 ended by a signal, 1 failed, 2 bad setting, 10 DRY_RUN is not true,\n"
    "11 TRADING_MODE is not paper, 12 not a paper account, 13 gameplan refused, 14 no gateway.\n";

struct program {
    struct ts_loop *loop;
    const struct ts_clock *clock;
};

static const char *from_environment(void *ctx, const char *name)
{
    (void)ctx;
    return getenv(name); /* NOLINT(concurrency-mt-unsafe): one thread */
}

static void on_signal(evutil_socket_t number, short what, void *ctx)
{
    (void)what;
    const struct program *p = ctx;
    bot_say(p->clock, BOT_INFO, "Bot stopping: %s", number == SIGINT ? "SIGINT" : "SIGTERM");
    ts_loop_stop(p->loop);
}

static enum bot_exit fail(const struct program *p, const char *what, const struct ts_error *err)
{
    bot_say(p->clock, BOT_ERROR, "%s: %s", what, err->msg);
    return BOT_EXIT_FAILED;
}

static enum bot_exit run_loop(struct program *p, const struct bot_settings *settings)
{
    static const int numbers[] = {SIGTERM, SIGINT};
    struct event *signals[TS_ARRAY_LEN(numbers)];
    struct ts_error err;
    struct bot *bot = bot_new(p->loop, p->clock, settings, &err);
    if (bot == NULL) {
        return fail(p, "Bot cannot start", &err);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(numbers); i++) {
        signals[i] = evsignal_new(ts_loop_base(p->loop), numbers[i], on_signal, p);
        if (signals[i] != NULL) {
            (void)evsignal_add(signals[i], NULL);
        }
    }
    bot_start(bot);
    enum bot_exit how = bot_result(bot);
    if (how == BOT_EXIT_OK) {
        how = ts_loop_run(p->loop, NULL, NULL, &err) ? bot_result(bot) : fail(p, "Bot ends", &err);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(numbers); i++) {
        if (signals[i] != NULL) {
            event_free(signals[i]);
        }
    }
    bot_free(bot);
    return how;
}

static enum bot_exit run(void)
{
    struct program p = {.clock = ts_clock_real()};
    struct bot_settings settings;
    struct ts_error err;
    enum bot_exit how;
    bot_say(p.clock, BOT_INFO, "Bot startup initiated");
    if (!bot_settings_read(from_environment, NULL, &settings, &how, &err)) {
        bot_say(p.clock, BOT_ERROR, "Refusing to run: %s", err.msg);
        return how;
    }
    bot_say(p.clock, BOT_INFO, "Environment: DRY_RUN=true");
    p.loop = ts_loop_new(p.clock, &err);
    if (p.loop == NULL) {
        return fail(&p, "Bot cannot start", &err);
    }
    how = run_loop(&p, &settings);
    ts_loop_free(p.loop);
    return how;
}

int main(int argc, char **argv)
{
    /* A prober that hangs up early must not end the bot. */
    (void)signal(SIGPIPE, SIG_IGN);
    if (argc == 1) {
        return run();
    }
    if (argc == 2 && strcmp(argv[1], "--help") == 0) {
        (void)fputs(usage, stdout);
        return BOT_EXIT_OK;
    }
    if (argc == 2 && strcmp(argv[1], "--version") == 0) {
        (void)puts("tradestack-bot " TS_VERSION);
        return BOT_EXIT_OK;
    }
    (void)fputs(usage, stderr);
    return BOT_EXIT_SETTINGS;
}
