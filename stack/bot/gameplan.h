/*
 * The gameplan as this bot takes it (format: model/gameplan.h): it only knows strategy C, cash
 * preservation, and refuses every other.
 */
#ifndef BOT_GAMEPLAN_H
#define BOT_GAMEPLAN_H

#include "model/gameplan.h"
#include "settings.h"

struct bot_gameplan {
    bool is_default; /* there is no file */
    struct ts_gameplan plan;
};

/* The file's plan, or the default one when there is no such file. TS_E_INVALID: it is broken;
 * TS_E_DENIED: it wants a strategy that this bot refuses; TS_E_SYSTEM: it cannot be read. */
bool bot_gameplan_load(const char *path, struct bot_gameplan *ret,
                       struct ts_error *err) TS_MUST_CHECK;

/* The text of a file. n bytes, need not be NUL-terminated. */
bool bot_gameplan_parse(const char *text, size_t n, struct bot_gameplan *ret,
                        struct ts_error *err) TS_MUST_CHECK;

#endif
