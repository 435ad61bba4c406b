/*
 * The gameplan: what the bot shall do today, a JSON file that the operators put into its volume.
 * conf/gameplan.schema.json says the same for other programs.
 *
 *   { "strategy": "C",             required; one capital letter. C is cash preservation: no trading
 *     "date": "2026-02-10",        optional; the trading day it is meant for
 *     "symbols": ["SPY", "QQQ"],   optional; what to watch or trade, 1 to 8
 *     "notes": "…" }               optional; for people, at most 2000 bytes
 *
 * Read strictly, as a mistake in it could cost money: unknown or double keys, other types, NaN,
 * text behind the object, a NUL, bytes that are not UTF-8 and files of more than 64 KiB are
 * refused, with the place. It never makes a bad plan into a default one.
 */
#ifndef TS_MODEL_GAMEPLAN_H
#define TS_MODEL_GAMEPLAN_H

#include <stdbool.h>
#include <stddef.h>

#include "base/digest.h"
#include "base/error.h"

#define TS_GAMEPLAN_MAX         (64 * 1024) /* bytes of the file */
#define TS_GAMEPLAN_NOTES_MAX   2000
#define TS_GAMEPLAN_SYMBOLS_MAX 8
#define TS_GAMEPLAN_SYMBOL_MAX  16 /* NUL included */

struct ts_gameplan {
    char strategy[2];
    char date[11]; /* "" or YYYY-MM-DD */
    char symbols[TS_GAMEPLAN_SYMBOLS_MAX][TS_GAMEPLAN_SYMBOL_MAX];
    size_t symbol_count;
    char sha256[TS_SHA256_HEX]; /* of the bytes */
};

/* n bytes, need not be NUL-terminated. TS_E_INVALID says what is wrong and where; TS_E_NOMEM. */
bool ts_gameplan_parse(const char *text, size_t n, struct ts_gameplan *ret,
                       struct ts_error *err) TS_MUST_CHECK;
/* Does it ask for trading? Any strategy but C does. */
bool ts_gameplan_trades(const struct ts_gameplan *plan);
/* Is this n-byte text a symbol as a gameplan may hold it? */
bool ts_gameplan_is_symbol(const char *s, size_t n);

#endif
