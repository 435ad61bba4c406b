/* See gameplan.h. */
#include "gameplan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/json.h"
#include "base/parse.h"

static bool take_strategy(const json_t *v, struct bot_gameplan *into, struct ts_error *err)
{
    (void)into;
    const char *name = json_string_value(v);
    if (name == NULL) {
        return ts_error_set(err, TS_E_INVALID, "\"strategy\" must be a string, like \"C\"");
    }
    if (strcmp(name, "C") != 0) {
        return ts_error_set(err, TS_E_DENIED,
                            "strategy \"%.32s\" is refused: this bot only knows strategy \"C\" "
                            "(cash preservation, no trading)",
                            name);
    }
    return true;
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

static bool take_date(const json_t *v, struct bot_gameplan *into, struct ts_error *err)
{
    const char *date = json_string_value(v);
    if (date == NULL || !is_date(date) || !ts_copy(into->date, sizeof(into->date), date)) {
        return ts_error_set(err, TS_E_INVALID, "\"date\" must be a day as \"YYYY-MM-DD\"");
    }
    return true;
}

static bool take_symbols(const json_t *v, struct bot_gameplan *into, struct ts_error *err)
{
    size_t count = json_array_size(v);
    if (!json_is_array(v) || count == 0 || count > BOT_SYMBOLS_MAX) {
        return ts_error_set(err, TS_E_INVALID, "\"symbols\" must be a list of 1 to %d symbols",
                            BOT_SYMBOLS_MAX);
    }
    for (size_t i = 0; i < count; i++) {
        const json_t *one = json_array_get(v, i);
        const char *symbol = json_string_value(one);
        /* The length by jansson: the text may hold a NUL. */
        if (symbol == NULL || !bot_is_symbol(symbol, json_string_length(one)) ||
            !ts_copy(into->symbols[i], BOT_SYMBOL_MAX, symbol)) {
            return ts_error_set(err, TS_E_INVALID,
                                "\"symbols\": number %zu is no symbol: want capital letters and "
                                "digits, like \"SPY\"",
                                i + 1);
        }
    }
    into->symbol_count = count;
    return true;
}

static bool take_notes(const json_t *v, struct bot_gameplan *into, struct ts_error *err)
{
    (void)into;
    if (!json_is_string(v) || json_string_length(v) > BOT_GAMEPLAN_NOTES_MAX) {
        return ts_error_set(err, TS_E_INVALID, "\"notes\" must be a text of at most %d bytes",
                            BOT_GAMEPLAN_NOTES_MAX);
    }
    return true;
}

static const struct key {
    const char *name;
    bool (*take)(const json_t *v, struct bot_gameplan *into, struct ts_error *err);
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

static bool take_all(json_t *root, struct bot_gameplan *into, struct ts_error *err)
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

bool bot_gameplan_parse(const char *text, size_t n, struct bot_gameplan *ret, struct ts_error *err)
{
    struct bot_gameplan plan = {0};
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

/* Fills text with the whole file. */
static bool read_all(int fd, char *text, size_t size, size_t *ret_n, struct ts_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return ts_error_errno(err, errno, "cannot read it");
    }
    if (!S_ISREG(st.st_mode)) {
        return ts_error_set(err, TS_E_INVALID, "it is no regular file");
    }
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0) {
            return ts_error_errno(err, errno, "cannot read it");
        }
        if (got == 0) {
            *ret_n = n;
            return true;
        }
        n += (size_t)got;
    }
    return ts_error_set(err, TS_E_INVALID, "it is longer than %d bytes", BOT_GAMEPLAN_MAX);
}

bool bot_gameplan_load(const char *path, struct bot_gameplan *ret, struct ts_error *err)
{
    static char text[BOT_GAMEPLAN_MAX + 1];
    size_t n = 0;
    /* Non-blocking: opening a FIFO must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        *ret = (struct bot_gameplan){.is_default = true};
        return true;
    }
    if (fd < 0) {
        return ts_error_errno(err, errno, "gameplan %s: cannot open it", path);
    }
    bool ok = read_all(fd, text, sizeof(text), &n, err) && bot_gameplan_parse(text, n, ret, err);
    close(fd);
    return ok || ts_error_wrap(err, "gameplan %s", path);
}
