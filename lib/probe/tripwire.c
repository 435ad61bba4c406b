/* See tripwire.h. */
#include "probe/tripwire.h"

#include <stdlib.h>

#include "base/pattern.h"

#define PATTERNS_MAX TS_MAX_SIGNALS

/* "off" in whatever spelling: live=false, "live": 0, LIVE_TRADING: disabled */
#define IS_OFF "[\"']?\\s*[=:]\\s*[\"']?(?:false|off|no|none|0|disabled|paper)(?![a-z0-9])"
#define IS_DATA                                                                                    \
    "(?:[ _-](?:market[ _-])?(?:data|updates?|quotes?|feeds?|bars?|ticks?|tickers?|candles?|"      \
    "prices?|news|subscriptions?|stream(?:s|ing)?)|(?: (?:to|or|and) |[/,] ?)(?:delayed|frozen))"  \
    "(?![a-z])"

/* Where the words mean something else altogether: the path of a health check, a packet's life, the
 * kind of market data, and what Flask's own server says at each start. Passed over as a whole. */
#define IS_OTHER                                                                                   \
    "(?:(?:get|head) "                                                                             \
    "(?:https?://[^\\s/]{1,80})?(?:/(?:healthz?|probes?|actuator|status)){0,2}/live"               \
    "(?=[ \"]|$)"                                                                                  \
    "|time[ -]to[ -]live(?![a-z])"                                                                 \
    "|market[ _]?data[ _]?type(?:[ :=>(\\[-]|\\d|is|to|now|set|changed){0,12}live(?![a-z])"        \
    "|do not use it in a production deployment|use a production wsgi server instead"               \
    ")(*SKIP)(*FAIL)|"

static const char *const built_in[] = {
    /* The words by themselves, however they are written; an underscore is no letter, so that
     * LIVE_TRADING is one of them and liveness, deliver or alive are not. */
    "(?i)" IS_OTHER "(?<![a-z])"
    "(?<!not )(?<!no )(?<!non-)(?<!never )(?<!competing )(?<!data type )(?<!data type: )"
    "(?:live|production)(?![a-z])"
    "(?!" IS_DATA ")"
    "(?!(?:[ _-]?(?:trading|mode|account|orders?|enabled)){0,2}" IS_OFF ")"
    "(?![ _-]?(?:trading|mode|orders?) (?:is |are )?(?:disabled|off|not|never))",
    /* liveTrading, isLive */
    "(?<![A-Za-z])live(?=[A-Z])(?!(?:Market)?(?:Data|Update|Quote|Feed|Bar|Tick|Price|Stream))"
    "(?![A-Za-z]*(?i:" IS_OFF "))",
    "(?<=[a-z])(?:Live|Production)(?![a-z])(?!(?i:" IS_OFF "))",
    /* what careful bots say of the account */
    "(?i)(?<![a-z])(?:not an? paper account|non-paper account|real[- ]money)(?![a-z])",
};

struct ts_tripwire {
    struct ts_pattern *patterns[PATTERNS_MAX];
    size_t count;
};

static bool add(struct ts_tripwire *t, const char *pattern, struct ts_error *err)
{
    if (t->count == PATTERNS_MAX) {
        return ts_error_set(err, TS_E_LIMIT, "more than %d tripwires", PATTERNS_MAX);
    }
    t->patterns[t->count] = ts_pattern_new(pattern, err);
    if (t->patterns[t->count] == NULL) {
        return false;
    }
    t->count++;
    return true;
}

bool ts_tripwire_new(const struct ts_svc_spec *spec, struct ts_tripwire **ret, struct ts_error *err)
{
    struct ts_tripwire *t = calloc(1, sizeof(*t));
    bool ok = true;
    *ret = NULL;
    if (t == NULL) {
        ts_error_nomem(err);
        return false;
    }
    for (size_t i = 0; ok && i < spec->signal_count; i++) {
        ok = spec->signals[i].signal != TS_SIG_TRIPWIRE || add(t, spec->signals[i].pattern, err);
    }
    bool own = ok && t->count > 0;
    for (size_t i = 0; ok && !own && spec->guarded && i < TS_ARRAY_LEN(built_in); i++) {
        ok = add(t, built_in[i], err);
    }
    if (!ok || t->count == 0) {
        ts_tripwire_free(t);
        return ok;
    }
    *ret = t;
    return true;
}

void ts_tripwire_free(struct ts_tripwire *t)
{
    for (size_t i = 0; t != NULL && i < t->count; i++) {
        ts_pattern_free(t->patterns[i]);
    }
    free(t);
}

bool ts_tripwire_trips(struct ts_tripwire *t, const char *line, size_t n, size_t *ret_at)
{
    for (size_t i = 0; i < t->count; i++) {
        if (ts_pattern_find(t->patterns[i], line, n, ret_at) != TS_MATCH_NO) {
            return true;
        }
    }
    return false;
}
