/*
 * What the bot is told through its environment, read once at the start and strictly: a value that
 * cannot be understood ends the bot instead of being replaced by a default.
 *
 *   DRY_RUN            must be exactly `true`; nothing else counts, not even `True` or `1`
 *   TRADING_MODE       unset, empty or `paper`
 *   GATEWAY_HOST       default gateway
 *   GATEWAY_PORT       default 4004, the relay of the gateway image in paper mode
 *   CLIENT_ID          IB API client id, default 1
 *   SYMBOLS            US stocks to watch, separated by commas, at most BOT_SYMBOLS_MAX; default
 * SPY GAMEPLAN_FILE      default /data/gameplan.json HEALTH_PORT        HTTP port of GET /health,
 * default 8080; 0: any free one CONNECT_INTERVAL   from one attempt to connect to the next, default
 * 5s QUERY_INTERVAL     from one round of queries to the next, default 60s
 */
#ifndef BOT_SETTINGS_H
#define BOT_SETTINGS_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "model/gameplan.h"

#define BOT_SYMBOLS_MAX TS_GAMEPLAN_SYMBOLS_MAX
#define BOT_SYMBOL_MAX  TS_GAMEPLAN_SYMBOL_MAX

/* How the program ends. Each refusal has a status of its own, so that the supervisor and the
 * operator can tell them apart without the log. */
enum bot_exit {
    BOT_EXIT_OK = 0,
    BOT_EXIT_FAILED = 1,        /* out of memory, no health port, … */
    BOT_EXIT_SETTINGS = 2,      /* a value that cannot be understood */
    BOT_EXIT_NOT_DRY_RUN = 10,  /* DRY_RUN is not exactly true */
    BOT_EXIT_NOT_PAPER = 11,    /* TRADING_MODE is not paper */
    BOT_EXIT_LIVE_ACCOUNT = 12, /* the gateway has an account that is no paper account */
    BOT_EXIT_GAMEPLAN = 13,     /* the gameplan is broken or wants more than this bot does */
    BOT_EXIT_NO_GATEWAY = 14    /* all attempts failed */
};

struct bot_settings {
    char gateway_host[254];
    uint16_t gateway_port;
    uint16_t health_port;
    int32_t client_id;
    char symbols[BOT_SYMBOLS_MAX][BOT_SYMBOL_MAX];
    size_t symbol_count;
    char gameplan_file[256];
    int64_t connect_interval_ms;
    int64_t query_interval_ms;
};

/* Like getenv(3); ctx is the caller's. */
typedef const char *bot_lookup(void *ctx, const char *name);

/* The safety rules come first. False: *ret_exit says how to end, *err why (TS_E_DENIED for a safety
 * rule, TS_E_INVALID for a bad value). */
bool bot_settings_read(bot_lookup *lookup, void *ctx, struct bot_settings *ret,
                       enum bot_exit *ret_exit, struct ts_error *err) TS_MUST_CHECK;

#endif
