/* See settings.h. */
#include "settings.h"

#include <string.h>

#include "base/parse.h"

#define SECOND_MS 1000
#define HOUR_MS   (3600 * SECOND_MS)

struct source {
    bot_lookup *lookup;
    void *ctx;
};

static const char *text_of(const struct source *from, const char *name, const char *fallback)
{
    const char *value = from->lookup(from->ctx, name);
    return value == NULL || value[0] == '\0' ? fallback : value;
}

static bool check_safety(const struct source *from, enum bot_exit *ret_exit, struct ts_error *err)
{
    const char *dry_run = from->lookup(from->ctx, "DRY_RUN");
    if (dry_run == NULL || strcmp(dry_run, "true") != 0) {
        *ret_exit = BOT_EXIT_NOT_DRY_RUN;
        return ts_error_set(err, TS_E_DENIED,
                            "DRY_RUN is %s%s%s: this bot runs only with DRY_RUN=true, spelled so",
                            dry_run == NULL ? "not set" : "\"", dry_run == NULL ? "" : dry_run,
                            dry_run == NULL ? "" : "\"");
    }
    const char *mode = text_of(from, "TRADING_MODE", "paper");
    if (strcmp(mode, "paper") != 0) {
        *ret_exit = BOT_EXIT_NOT_PAPER;
        return ts_error_set(err, TS_E_DENIED,
                            "TRADING_MODE is \"%s\": this bot runs only with TRADING_MODE=paper",
                            mode);
    }
    return true;
}

static bool read_text(const struct source *from, const char *name, const char *fallback, char *dst,
                      size_t size, struct ts_error *err)
{
    if (!ts_copy(dst, size, text_of(from, name, fallback))) {
        return ts_error_set(err, TS_E_INVALID, "%s is longer than %zu bytes", name, size - 1);
    }
    return true;
}

static bool read_number(const struct source *from, const char *name, int64_t fallback, int64_t min,
                        int64_t max, int64_t *ret, struct ts_error *err)
{
    const char *text = text_of(from, name, NULL);
    if (text == NULL) {
        *ret = fallback;
        return true;
    }
    if (!ts_parse_i64(text, min, max, ret)) {
        return ts_error_set(err, TS_E_INVALID, "%s is \"%s\": want a number from %lld to %lld",
                            name, text, (long long)min, (long long)max);
    }
    return true;
}

static bool read_span(const struct source *from, const char *name, int64_t fallback_ms,
                      int64_t *ret_ms, struct ts_error *err)
{
    const char *text = text_of(from, name, NULL);
    int64_t ms = fallback_ms;
    if (text != NULL && (!ts_parse_span_ms(text, &ms) || ms < 100 || ms > HOUR_MS)) {
        return ts_error_set(err, TS_E_INVALID,
                            "%s is \"%s\": want a time with its unit, 100ms to 1h, like 5s", name,
                            text);
    }
    *ret_ms = ms;
    return true;
}

static bool read_symbols(const struct source *from, struct bot_settings *into, struct ts_error *err)
{
    const char *at = text_of(from, "SYMBOLS", "SPY");
    for (;;) {
        size_t n = strcspn(at, ",");
        if (into->symbol_count == BOT_SYMBOLS_MAX) {
            return ts_error_set(err, TS_E_INVALID, "SYMBOLS has more than %d symbols",
                                BOT_SYMBOLS_MAX);
        }
        if (!ts_gameplan_is_symbol(at, n)) {
            return ts_error_set(err, TS_E_INVALID,
                                "SYMBOLS: \"%.*s\" is no symbol: want capital letters and digits, "
                                "like SPY,QQQ",
                                n > 40 ? 40 : (int)n, at);
        }
        char *symbol = into->symbols[into->symbol_count++];
        memcpy(symbol, at, n);
        symbol[n] = '\0';
        if (at[n] == '\0') {
            return true;
        }
        at += n + 1;
    }
}

bool bot_settings_read(bot_lookup *lookup, void *ctx, struct bot_settings *ret,
                       enum bot_exit *ret_exit, struct ts_error *err)
{
    const struct source from = {lookup, ctx};
    struct bot_settings s = {0};
    int64_t gateway_port = 0;
    int64_t health_port = 0;
    int64_t client_id = 0;
    if (!check_safety(&from, ret_exit, err)) {
        return false;
    }
    *ret_exit = BOT_EXIT_SETTINGS;
    if (!read_text(&from, "GATEWAY_HOST", "gateway", s.gateway_host, sizeof(s.gateway_host), err) ||
        !read_text(&from, "GAMEPLAN_FILE", "/data/gameplan.json", s.gameplan_file,
                   sizeof(s.gameplan_file), err) ||
        !read_number(&from, "GATEWAY_PORT", 4004, 1, UINT16_MAX, &gateway_port, err) ||
        !read_number(&from, "HEALTH_PORT", 8080, 0, UINT16_MAX, &health_port, err) ||
        !read_number(&from, "CLIENT_ID", 1, 0, INT32_MAX, &client_id, err) ||
        !read_span(&from, "CONNECT_INTERVAL", 5 * SECOND_MS, &s.connect_interval_ms, err) ||
        !read_span(&from, "QUERY_INTERVAL", 60 * SECOND_MS, &s.query_interval_ms, err) ||
        !read_symbols(&from, &s, err)) {
        return false;
    }
    s.gateway_port = (uint16_t)gateway_port;
    s.health_port = (uint16_t)health_port;
    s.client_id = (int32_t)client_id;
    *ret_exit = BOT_EXIT_OK;
    *ret = s;
    return true;
}
