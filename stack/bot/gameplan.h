/*
 * The gameplan: what the bot shall do today, a JSON file that the operators put into /data.
 *
 *   { "strategy": "C",             required; this bot knows C (cash preservation: no trading)
 *     "date": "2026-02-10",        optional; the trading day it is meant for
 *     "symbols": ["SPY", "QQQ"],   optional; watched instead of SYMBOLS
 *     "notes": "…" }               optional; for people, at most 2000 characters
 *
 * Read strictly, as a mistake in it could cost money: unknown or double keys, other types, NaN,
 * text behind the object and files of more than 64 KiB are refused, with the place.
 */
#ifndef BOT_GAMEPLAN_H
#define BOT_GAMEPLAN_H

#include "settings.h"

#define BOT_GAMEPLAN_MAX       (64 * 1024) /* bytes of the file */
#define BOT_GAMEPLAN_NOTES_MAX 2000

struct bot_gameplan {
    bool is_default; /* there is no file */
    char date[11];   /* "" or YYYY-MM-DD */
    char symbols[BOT_SYMBOLS_MAX][BOT_SYMBOL_MAX];
    size_t symbol_count; /* 0: those of the settings */
};

/* The file's plan, or the default one when there is no such file. TS_E_INVALID: it is broken;
 * TS_E_DENIED: it wants a strategy that this bot refuses; TS_E_SYSTEM: it cannot be read. */
bool bot_gameplan_load(const char *path, struct bot_gameplan *ret,
                       struct ts_error *err) TS_MUST_CHECK;

/* The text of a file. n bytes, need not be NUL-terminated. */
bool bot_gameplan_parse(const char *text, size_t n, struct bot_gameplan *ret,
                        struct ts_error *err) TS_MUST_CHECK;

#endif
