/* See gameplan.h. */
#include "model/gameplan.h"

#include <string.h>

#include "base/json.h"
#include "base/parse.h"

/* Letters, digits and what class shares need ("BRK B", "BF.B"). */
bool ts_gameplan_is_symbol(const char *s, size_t n)
{
    static const char allowed[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789. ";
    return n > 0 && n < TS_GAMEPLAN_SYMBOL_MAX && strspn(s, allowed) >= n && s[0] != ' ' &&
           s[n - 1] != ' ';
}

static bool take_strategy(const json_t *v, struct ts_gameplan *into, struct ts_error *err)
{
    const char *name = json_string_value(v);
    if (name == NULL || json_string_length(v) != 1 || name[0] < 'A' || name[0] > 'Z') {
        return ts_error_set(err, TS_E_INVALID,
                            "\"strategy\" must be one capital letter, like \"C\"");
    }
    return ts_copy(into->strategy, sizeof(into->strategy), name);
}

static int days_in_month(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return days[month - 1] + (month == 2 && leap);
}

static bool is_date(const char *s)
{
    int64_t year;
    int64_t month;
    int64_t day;
    return strlen(s) == 10 && s[4] == '-' && s[7] == '-' &&
           ts_parse_i64n(s, 4, 2000, 2199, &year) && ts_parse_i64n(s + 5, 2, 1, 12, &month) &&
           ts_parse_i64n(s + 8, 2, 1, days_in_month(year, month), &day);
}

static bool take_date(const json_t *v, struct ts_gameplan *into, struct ts_error *err)
{
    const char *date = json_string_value(v);
    if (date == NULL || !is_date(date) || !ts_copy(into->date, sizeof(into->date), date)) {
        return ts_error_set(err, TS_E_INVALID, "\"date\" must be a day as \"YYYY-MM-DD\"");
    }
    return true;
}

static bool take_symbols(const json_t *v, struct ts_gameplan *into, struct ts_error *err)
{
    size_t count = json_array_size(v);
    if (!json_is_array(v) || count == 0 || count > TS_GAMEPLAN_SYMBOLS_MAX) {
        return ts_error_set(err, TS_E_INVALID, "\"symbols\" must be a list of 1 to %d symbols",
                            TS_GAMEPLAN_SYMBOLS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(v, i);
        const char *symbol = json_string_value(one);
        /* The length by jansson: the text may hold a NUL. */
        if (symbol == NULL || !ts_gameplan_is_symbol(symbol, json_string_length(one)) ||
            !ts_copy(into->symbols[i], TS_GAMEPLAN_SYMBOL_MAX, symbol)) {
            return ts_error_set(err, TS_E_INVALID,
                                "\"symbols\": number %zu is no symbol: want capital letters and "
                                "digits, like \"SPY\"",
                                i + 1);
        }
    }
    into->symbol_count = count;
    return true;
}

static bool take_notes(const json_t *v, struct ts_gameplan *into, struct ts_error *err)
{
    (void)into;
    if (!json_is_string(v) || json_string_length(v) > TS_GAMEPLAN_NOTES_MAX) {
        return ts_error_set(err, TS_E_INVALID, "\"notes\" must be a text of at most %d bytes",
                            TS_GAMEPLAN_NOTES_MAX);
    }
    return true;
}

static const struct key {
    const char *name;
    bool (*take)(const json_t *v, struct ts_gameplan *into, struct ts_error *err);
} keys[] = {
    {"strategy", take_strategy},
    {"date", take_date},
    {"symbols", take_symbols},
    {"notes", take_notes},
};

static const struct key *find_key(const char *name)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(keys); i++) {
        if (strcmp(keys[i].name, name) == 0) {
            return &keys[i];
        }
    }
    return NULL;
}

static bool take_all(json_t *root, struct ts_gameplan *into, struct ts_error *err)
{
    const char *name;
    json_t *value;
    if (!json_is_object(root)) {
        return ts_error_set(err, TS_E_INVALID, "want one object: {\"strategy\": \"C\"}");
    }
    json_object_foreach(root, name, value)
    {
        const struct key *key = find_key(name);
        if (key == NULL) {
            return ts_error_set(err, TS_E_INVALID,
                                "unknown key \"%.64s\" (known: strategy, date, symbols, notes)",
                                name);
        }
        if (!key->take(value, into, err)) {
            return false;
        }
    }
    if (json_object_get(root, "strategy") == NULL) {
        return ts_error_set(err, TS_E_INVALID, "\"strategy\" is missing");
    }
    return true;
}

bool ts_gameplan_trades(const struct ts_gameplan *plan)
{
    return strcmp(plan->strategy, "C") != 0;
}

bool ts_gameplan_parse(const char *text, size_t n, struct ts_gameplan *ret, struct ts_error *err)
{
    struct ts_gameplan plan = {.symbol_count = 0};
    if (n > TS_GAMEPLAN_MAX) {
        return ts_error_set(err, TS_E_INVALID, "it is longer than %d bytes", TS_GAMEPLAN_MAX);
    }
    if (!ts_sha256_hex(text, n, plan.sha256)) {
        return ts_error_nomem(err);
    }
    TS_CLEANUP(ts_json_drop) json_t *root = ts_json_parse(text, n, err);
    if (root == NULL) {
        err->code = TS_E_INVALID;
        return false;
    }
    if (!take_all(root, &plan, err)) {
        return false;
    }
    *ret = plan;
    return true;
}
