/* See interlock.h. */
#include "core/interlock.h"

#include <stdio.h>
#include <string.h>

static struct ts_start_verdict refuse(enum ts_why why, const char *name,
                                      const struct ts_env_fact *have, const char *need)
{
    struct ts_start_verdict v = {.allowed = false, .why = why};
    if (!have->is_set) {
        (void)snprintf(v.text, sizeof(v.text), "%s is not set in the container; it must be %s",
                       name, need);
    } else {
        (void)snprintf(v.text, sizeof(v.text),
                       "%s is \"%.40s\" in the container; it must be exactly %s", name, have->value,
                       need);
    }
    return v;
}

static bool is_exactly(const struct ts_env_fact *have, const char *want)
{
    return have->is_set && have->value != NULL && strcmp(have->value, want) == 0;
}

struct ts_start_verdict ts_interlock_judge(const struct ts_start_facts *facts)
{
    if (facts->mode.is_set && !is_exactly(&facts->mode, "paper")) {
        return refuse(TS_WHY_INTERLOCK, "TRADING_MODE", &facts->mode, "paper");
    }
    if (facts->guarded && !is_exactly(&facts->dry_run, "true")) {
        return refuse(TS_WHY_INTERLOCK, "DRY_RUN", &facts->dry_run, "true");
    }
    if (facts->guarded && facts->live_account_seen) {
        struct ts_start_verdict v = {.allowed = false, .why = TS_WHY_LIVE_ACCOUNT};
        (void)snprintf(v.text, sizeof(v.text),
                       "the gateway serves an account that is not a paper account");
        return v;
    }
    return (struct ts_start_verdict){.allowed = true, .why = TS_WHY_NONE};
}
