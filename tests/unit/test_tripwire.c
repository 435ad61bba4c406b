/* The built-in tripwires: what stops a bot, and what must not. */
#include "unit.h"

#include "probe/tripwire.h"

static size_t at;

static struct ts_tripwire *built_in(void)
{
    struct ts_svc_spec spec = {.guarded = true};
    struct ts_tripwire *t = NULL;
    struct ts_error err;
    assert_true(ts_tripwire_new(&spec, &t, &err));
    assert_non_null(t);
    return t;
}

static void test_live_and_production_trip_however_they_are_written(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "live",
        "LIVE",
        "Trading mode: live",
        "trading_mode=live",
        "TRADING_MODE=LIVE",
        "LIVE_TRADING=true",
        "live_trading: 1",
        "{\"liveTrading\":true}",
        "isLive=true",
        "isLive: yes",
        "Account: U1234567 (Live Trading)",
        "switching to live-trading",
        "env=production",
        "Environment: PRODUCTION",
        "running in production mode",
        "[live] order sent",
        "going live!",
        "Live account detected",
        "live market order sent",
        "live orders enabled",
        "Account: U7654321 (NOT a paper account)",
        "using real money",
        "live mode is on",
        "a.live=1",
        "liveMode",
        "GET /health/live 200, account is live",
        "POST /mode/live/on",
        "GET /mode/live HTTP/1.1",
        "GET /?mode=live HTTP/1.1",
        "market data type 3, account live",
        "time to go live",
        "live to the market",
        "live data, live orders",
        "live_trading_enabled=true",
        "deployed to production",
    };
    struct ts_tripwire *t = built_in();
    for (size_t i = 0; i < TS_ARRAY_LEN(lines); i++) {
        if (!ts_tripwire_trips(t, lines[i], strlen(lines[i]), &at)) {
            fail_msg("does not trip: %s", lines[i]);
        }
    }
    ts_tripwire_free(t);
}

static void test_harmless_words_do_not_trip(void **state)
{
    (void)state;
    static const char *const lines[] = {
        "",
        "INFO - Environment: DRY_RUN=true",
        "INFO - Account: DU1234567 (Paper Trading)",
        "liveness probe passed",
        "GET /alive 200",
        "keepalive sent",
        "keep-alive timeout",
        "isAlive=true",
        "order delivered",
        "a delivery of olives",
        "Reproduction of the fault",
        "productions",
        "reqMarketDataType(1): live market data",
        "live data farm connection is OK",
        "Requesting live quotes",
        "10182 Failed to request live updates (disconnected).",
        "10197 No market data during competing live session",
        "market data type: live",
        "LIVE_TRADING=false",
        "live: false",
        "{\"live\":false}",
        "\"live\": \"off\"",
        "isLive=false",
        "liveTrading=false",
        "this is not live trading",
        "no live orders are sent",
        "live trading is disabled",
        "live trading disabled",
        "liveMarketData subscribed",
        "Refusing to run: this bot is for paper trading accounts only",
        "Strategy C active: No trading, monitoring only",
        "lives in /data",
        "oliver",
        /* Flask, of each bot that answers a health check with it */
        "WARNING: This is a development server. Do not use it in a production deployment. Use a "
        "production WSGI server instead.",
        "GET /live HTTP/1.1 200",
        "172.18.0.5 - - [24/Nov/2025:10:00:00 +0000] \"GET /health/live HTTP/1.1\" 200 -",
        "GET http://trading-bot:8080/live -> 200",
        "time to live: 64",
        "time-to-live 3600",
        /* kinds of market data, as IB's clients name them */
        "marketDataType: 1 (live)",
        "MarketDataType(reqId=1, marketDataType=1 [live])",
        "Market data type changed to live",
        "market_data_type=LIVE",
        "switching from live to delayed market data",
        "live or delayed data",
        "LIVE/FROZEN/DELAYED market data",
        "live tickers: 3",
        "live candles",
        "live subscription to SPY",
        "live news",
        "live_trading_enabled=False",
        "LIVE_TRADING_ENABLED: no",
        "Live trading mode: False",
    };
    struct ts_tripwire *t = built_in();
    for (size_t i = 0; i < TS_ARRAY_LEN(lines); i++) {
        if (ts_tripwire_trips(t, lines[i], strlen(lines[i]), &at)) {
            fail_msg("trips: %s", lines[i]);
        }
    }
    ts_tripwire_free(t);
}

static void test_own_patterns_replace_the_built_in_ones(void **state)
{
    (void)state;
    struct ts_signal_spec signals[] = {{.signal = TS_SIG_LOGIN_OK, .pattern = "live"},
                                       {.signal = TS_SIG_TRIPWIRE, .pattern = "^ECHT"}};
    struct ts_svc_spec spec = {.guarded = true, .signals = signals, .signal_count = 2};
    struct ts_tripwire *t = NULL;
    struct ts_error err;
    assert_true(ts_tripwire_new(&spec, &t, &err));
    assert_true(ts_tripwire_trips(t, "ECHT", 4, &at));
    assert_false(ts_tripwire_trips(t, "live", 4, &at));
    ts_tripwire_free(t);
}

static void test_a_service_that_is_not_guarded_has_none_of_its_own_accord(void **state)
{
    (void)state;
    struct ts_svc_spec spec = {.guarded = false};
    struct ts_tripwire *t = NULL;
    struct ts_error err;
    assert_true(ts_tripwire_new(&spec, &t, &err));
    assert_null(t);
    struct ts_signal_spec signal = {.signal = TS_SIG_TRIPWIRE, .pattern = "live mode"};
    spec.signal_count = 1;
    spec.signals = &signal;
    assert_true(ts_tripwire_new(&spec, &t, &err));
    assert_true(ts_tripwire_trips(t, "IBC in live mode", 16, &at));
    ts_tripwire_free(t);
}

static void test_it_says_where_the_words_are(void **state)
{
    (void)state;
    struct ts_tripwire *t = built_in();
    assert_true(ts_tripwire_trips(t, "Trading mode: live", 18, &at));
    assert_int_equal(at, 14);
    ts_tripwire_free(t);
}

static void test_a_pattern_that_gives_up_trips(void **state)
{
    (void)state;
    struct ts_signal_spec signal = {.signal = TS_SIG_TRIPWIRE, .pattern = "(a+)+[bc]"};
    struct ts_svc_spec spec = {.guarded = true, .signals = &signal, .signal_count = 1};
    struct ts_tripwire *t = NULL;
    struct ts_error err;
    char line[400];
    memset(line, 'a', sizeof(line));
    assert_true(ts_tripwire_new(&spec, &t, &err));
    assert_true(ts_tripwire_trips(t, line, sizeof(line), &at));
    ts_tripwire_free(t);
}

/* The longest piece of a line, made so that each pattern tries again at each place. */
static void test_no_harmless_line_is_too_much_for_the_patterns(void **state)
{
    (void)state;
    static const char *const pieces[] = {
        "get /health/", "market data type 1 ", "time to liv", "marketdatatype",
        "live data ",   "liveness ",           "isLiveness",  "a",
        "not "};
    static char line[8192];
    struct ts_tripwire *t = built_in();
    for (size_t i = 0; i < TS_ARRAY_LEN(pieces); i++) {
        size_t n = strlen(pieces[i]);
        for (size_t k = 0; k < sizeof(line); k++) {
            line[k] = pieces[i][k % n];
        }
        if (ts_tripwire_trips(t, line, sizeof(line) - sizeof(line) % n, &at)) {
            fail_msg("trips: %s, again and again", pieces[i]);
        }
    }
    ts_tripwire_free(t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_live_and_production_trip_however_they_are_written),
        cmocka_unit_test(test_harmless_words_do_not_trip),
        cmocka_unit_test(test_no_harmless_line_is_too_much_for_the_patterns),
        cmocka_unit_test(test_own_patterns_replace_the_built_in_ones),
        cmocka_unit_test(test_a_service_that_is_not_guarded_has_none_of_its_own_accord),
        cmocka_unit_test(test_it_says_where_the_words_are),
        cmocka_unit_test(test_a_pattern_that_gives_up_trips),
    };
    return RUN_TESTS(tests);
}
