/*
 * May this start happen? PURE: facts in, verdict with reason out. Fails closed: what is not known
 * to be dry-run and paper is refused.
 */
#ifndef TS_CORE_INTERLOCK_H
#define TS_CORE_INTERLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/machine.h"

/* A variable of the container's effective environment, as the engine has it. */
struct ts_env_fact {
    bool is_set;
    const char *value; /* NULL when not set */
};

struct ts_start_facts {
    bool guarded;               /* the service's own setting */
    struct ts_env_fact dry_run; /* DRY_RUN */
    struct ts_env_fact mode;    /* TRADING_MODE */
    bool live_account_seen;     /* the gateway's session serves an account that is not paper */
};

struct ts_start_verdict {
    bool allowed;
    enum ts_why why;          /* TS_WHY_INTERLOCK or TS_WHY_LIVE_ACCOUNT when refused */
    char text[TS_DETAIL_MAX]; /* what was found and what is required; never a secret */
};

/*
 * Guarded services need DRY_RUN spelled exactly "true". TRADING_MODE, on any service, must be
 * exactly "paper" where it is set; a guarded service may leave it unset. A guarded service does not
 * start while a live account is seen.
 */
struct ts_start_verdict ts_interlock_judge(const struct ts_start_facts *facts);

#endif
