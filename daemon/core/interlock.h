/*
 * The interlock's rules: may this container start, may it go on running? PURE: facts in, verdict
 * with reasons out. It fails closed: what is known to be wrong is forbidden, and what cannot be
 * seen is no pass.
 *
 * Forbidden means: dry-run, paper, a paper account and no gameplan, unless an approval covers
 * exactly the difference.
 */
#ifndef TS_CORE_INTERLOCK_H
#define TS_CORE_INTERLOCK_H

#include <stdbool.h>
#include <stddef.h>

#include "core/approval.h"
#include "core/machine.h"

#define TS_GATEWAYS_MAX  8
#define TS_ACCOUNTS_TEXT 256 /* a list of accounts, NUL included */
#define TS_ENV_SHOWN     48  /* of a value, NUL included */

/* In the order in which a reason is chosen. X(symbol, name, what it requires) */
#define TS_RULES(X)                                                                                \
    X(TS_RULE_TRAIL, "audit-trail", "the audit trail is whole and can be written")                 \
    X(TS_RULE_CONFIG, "configuration", "its settings can be read and are said once")               \
    X(TS_RULE_DRY_RUN, "dry-run", "DRY_RUN is exactly true")                                       \
    X(TS_RULE_MODE, "trading-mode", "TRADING_MODE is exactly paper, or not set")                   \
    X(TS_RULE_GATEWAY, "gateway-mode", "every gateway's TRADING_MODE is paper, or not set")        \
    X(TS_RULE_ACCOUNT, "account", "every account that a gateway serves is a paper account")        \
    X(TS_RULE_GAMEPLAN, "gameplan", "there is no gameplan")                                        \
    X(TS_RULE_LOG, "log", "its log can be followed and says nothing of live trading")

#define TS_RULE_ENUM(symbol, name, text) symbol,
enum ts_rule { TS_RULES(TS_RULE_ENUM) TS_RULE_COUNT };

/* X(symbol, name) */
#define TS_FINDINGS(X)                                                                             \
    X(TS_FINDING_PASS, "pass")                                                                     \
    X(TS_FINDING_APPROVED, "approved") /* forbidden by itself, and covered by an approval */       \
    X(TS_FINDING_UNKNOWN, "unknown")   /* cannot be seen now */                                    \
    X(TS_FINDING_FAIL, "fail")

#define TS_FINDING_ENUM(symbol, name) symbol,
enum ts_finding { TS_FINDINGS(TS_FINDING_ENUM) TS_FINDING_COUNT };

/* A variable of a container's effective environment, as the engine has it. */
struct ts_env_fact {
    bool is_set;
    char value[TS_ENV_SHOWN]; /* cut: a cut value equals none of those that are allowed */
};

/* One container's settings, as the engine has them. */
struct ts_box_facts {
    bool seen;
    bool readable;
    struct ts_env_fact dry_run;
    struct ts_env_fact mode;
    char oddity[TS_DETAIL_MAX]; /* a second or look-alike setting of these; "" if none */
    char log_driver[TS_NAME_MAX];
};

struct ts_gateway_facts {
    char name[TS_NAME_MAX];
    bool needed; /* the service depends on it: it must be seen */
    struct ts_box_facts box;
    bool accounts_fresh;             /* told by a session that has answered within the limit */
    char accounts[TS_ACCOUNTS_TEXT]; /* separated by commas, as last seen; "" = none yet */
    bool accounts_cut;               /* there are more */
};

enum ts_plan_state {
    TS_PLAN_UNWATCHED, /* the service has no gameplan path */
    TS_PLAN_UNKNOWN,   /* not looked yet, or the engine could not say */
    TS_PLAN_NONE,
    TS_PLAN_BAD, /* unreadable, oversized, or no gameplan */
    TS_PLAN_GOOD
};

struct ts_plan_facts {
    enum ts_plan_state state;
    char sha256[TS_PLAN_HASH];  /* good */
    char detail[TS_DETAIL_MAX]; /* what is wrong, or what it wants */
};

enum ts_trail_state { TS_TRAIL_OK, TS_TRAIL_UNWRITABLE, TS_TRAIL_DAMAGED };

struct ts_guard_facts {
    const char *service;
    bool guarded; /* else only its TRADING_MODE is judged */
    struct ts_box_facts own;
    struct ts_gateway_facts gateways[TS_GATEWAYS_MAX];
    size_t gateway_count;
    bool gateways_cut; /* there are more: some cannot be judged */
    struct ts_plan_facts plan;
    char log_line[TS_DETAIL_MAX]; /* the tripwire's line in this run; "" if none */
    char log_from[TS_NAME_MAX];   /* whose log: its own, or a gateway's */
    bool log_lost;                /* it runs, and its log could not be followed for too long */
    enum ts_trail_state trail;
    char trail_detail[TS_DETAIL_MAX];
    /* Is this a paper account? */
    bool (*is_paper)(const void *ctx, const char *account);
    const void *paper_ctx;
    const struct ts_approval *approvals;
    size_t approval_count;
    ts_wall now; /* trusted_clock.h */
};

struct ts_rule_result {
    enum ts_finding finding;
    char text[TS_DETAIL_MAX]; /* what was seen and where; never a secret */
};

struct ts_judgement {
    enum ts_finding overall; /* PASS, UNKNOWN or FAIL */
    enum ts_rule rule;       /* which decided; meaningful unless PASS */
    enum ts_why why;
    char text[TS_DETAIL_MAX];
    struct ts_rule_result rules[TS_RULE_COUNT];
};

/*
 * Guarded services: every rule. DRY_RUN must be spelled exactly "true"; with an approval exactly
 * "false" is allowed too, and nothing else. TRADING_MODE, on any service, must be exactly "paper"
 * where it is set; with an approval "live". An approval for an account holds only while every
 * account seen is covered by one.
 */
void ts_interlock_judge(const struct ts_guard_facts *facts, struct ts_judgement *ret);

/* The command that would change a finding, for people: "" where there is nothing to change. */
void ts_interlock_cure(enum ts_rule rule, const struct ts_guard_facts *facts, char *out,
                       size_t size);

const char *ts_rule_name(enum ts_rule r);
const char *ts_rule_text(enum ts_rule r);
const char *ts_finding_name(enum ts_finding f);

#endif
