/* See interlock.h. */
#include "core/interlock.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"

static const char *const rule_names[TS_RULE_COUNT] = {
#define ROW(symbol, name, text) [symbol] = name,
    TS_RULES(ROW)
#undef ROW
};
static const char *const rule_texts[TS_RULE_COUNT] = {
#define ROW(symbol, name, text) [symbol] = text,
    TS_RULES(ROW)
#undef ROW
};
static const char *const finding_names[TS_FINDING_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
    TS_FINDINGS(ROW)
#undef ROW
};

const char *ts_rule_name(enum ts_rule r)
{
    return (unsigned)r < TS_RULE_COUNT ? rule_names[r] : "?";
}

const char *ts_rule_text(enum ts_rule r)
{
    return (unsigned)r < TS_RULE_COUNT ? rule_texts[r] : "?";
}

const char *ts_finding_name(enum ts_finding f)
{
    return (unsigned)f < TS_FINDING_COUNT ? finding_names[f] : "?";
}

/* Notes a finding of a rule; the worst one stays. */
static void find(struct ts_judgement *j, enum ts_rule rule, enum ts_finding finding,
                 const char *fmt, ...) TS_PRINTF(4, 5);
static void find(struct ts_judgement *j, enum ts_rule rule, enum ts_finding finding,
                 const char *fmt, ...)
{
    struct ts_rule_result *r = &j->rules[rule];
    char text[2 * TS_DETAIL_MAX];
    va_list args;
    if (r->text[0] != '\0' && finding <= r->finding) {
        return;
    }
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    r->finding = finding;
    ts_detail_copy(r->text, text);
}

/* --- approvals of accounts */

static bool covers(const struct ts_guard_facts *f, enum ts_approval_kind kind, const char *subject)
{
    /* What is not guarded itself (a gateway) may be live if it is approved for any service. */
    return ts_approval_covers(f->approvals, f->approval_count, kind, f->guarded ? f->service : NULL,
                              subject, f->now);
}

/* Takes the next account off the list. False: there is none. */
static bool next_account(const char **list, char out[TS_ACCOUNT_MAX])
{
    while (**list == ',' || **list == ' ') {
        (*list)++;
    }
    size_t n = strcspn(*list, ",");
    if (n == 0) {
        return false;
    }
    /* Cut, it is no account that anybody has approved, nor a paper account by mistake. */
    (void)snprintf(out, TS_ACCOUNT_MAX, "%.*s", (int)(n < TS_ACCOUNT_MAX ? n : 1), *list);
    *list += n;
    return true;
}

/* Are all accounts seen covered by an approval of this kind? */
static enum ts_finding approved(const struct ts_guard_facts *f, enum ts_approval_kind kind)
{
    bool any = false;
    if (!covers(f, kind, NULL)) {
        return TS_FINDING_FAIL;
    }
    if (!f->guarded) {
        return TS_FINDING_APPROVED; /* a gateway's account is seen only once it runs */
    }
    for (size_t i = 0; i < f->gateway_count; i++) {
        const struct ts_gateway_facts *g = &f->gateways[i];
        const char *list = g->accounts;
        char account[TS_ACCOUNT_MAX];
        while (next_account(&list, account)) {
            any = true;
            if (!covers(f, kind, account)) {
                return TS_FINDING_FAIL;
            }
        }
        if (g->accounts_cut) {
            return TS_FINDING_FAIL;
        }
        if (g->needed && !g->accounts_fresh) {
            return TS_FINDING_UNKNOWN;
        }
    }
    return any ? TS_FINDING_APPROVED : TS_FINDING_UNKNOWN;
}

/* --- the rules */

static void judge_trail(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    switch (f->trail) {
    case TS_TRAIL_OK: find(j, TS_RULE_TRAIL, TS_FINDING_PASS, "whole and writable"); break;
    case TS_TRAIL_UNWRITABLE:
        find(j, TS_RULE_TRAIL, TS_FINDING_UNKNOWN, "the audit trail cannot be written: %s",
             f->trail_detail);
        break;
    case TS_TRAIL_DAMAGED:
        find(j, TS_RULE_TRAIL, TS_FINDING_FAIL, "the audit trail was tampered with: %s",
             f->trail_detail);
        break;
    }
}

static void judge_config(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    const struct ts_box_facts *b = &f->own;
    if (!b->seen) {
        find(j, TS_RULE_CONFIG, TS_FINDING_UNKNOWN, "the engine has not described the container");
    } else if (!b->readable) {
        find(j, TS_RULE_CONFIG, TS_FINDING_FAIL, "its environment cannot be read");
    } else if (b->oddity[0] != '\0') {
        find(j, TS_RULE_CONFIG, TS_FINDING_FAIL, "%s", b->oddity);
    } else {
        find(j, TS_RULE_CONFIG, TS_FINDING_PASS, "read from the engine");
    }
}

static bool is_exactly(const struct ts_env_fact *have, const char *want)
{
    return have->is_set && strcmp(have->value, want) == 0;
}

/* A value that only an approval allows. */
static void judge_approvable(const struct ts_guard_facts *f, struct ts_judgement *j,
                             enum ts_rule rule, enum ts_approval_kind kind, const char *what)
{
    enum ts_finding finding = approved(f, kind);
    const char *how = finding == TS_FINDING_APPROVED  ? "as approved for the accounts seen"
                      : finding == TS_FINDING_UNKNOWN ? "approved, but no account is seen yet"
                                                      : "and no approval covers it";
    find(j, rule, finding, "%s, %s", what, how);
}

static void judge_dry_run(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    const struct ts_env_fact *have = &f->own.dry_run;
    if (!have->is_set) {
        find(j, TS_RULE_DRY_RUN, TS_FINDING_FAIL,
             "DRY_RUN is not set in the container; it must be true");
    } else if (is_exactly(have, "true")) {
        find(j, TS_RULE_DRY_RUN, TS_FINDING_PASS, "DRY_RUN is true");
    } else if (is_exactly(have, "false")) {
        judge_approvable(f, j, TS_RULE_DRY_RUN, TS_APPROVE_DRY_RUN_OFF, "DRY_RUN is false");
    } else {
        find(j, TS_RULE_DRY_RUN, TS_FINDING_FAIL,
             "DRY_RUN is \"%.40s\" in the container; it must be exactly true", have->value);
    }
}

static void judge_mode(const struct ts_guard_facts *f, struct ts_judgement *j, enum ts_rule rule,
                       const struct ts_env_fact *have, const char *where)
{
    char what[TS_DETAIL_MAX];
    if (!have->is_set || is_exactly(have, "paper")) {
        find(j, rule, TS_FINDING_PASS, "TRADING_MODE is %s in %.60s",
             have->is_set ? "paper" : "not set", where);
    } else if (is_exactly(have, "live")) {
        (void)snprintf(what, sizeof(what), "TRADING_MODE is live in %.60s", where);
        judge_approvable(f, j, rule, TS_APPROVE_LIVE, what);
    } else {
        find(j, rule, TS_FINDING_FAIL,
             "TRADING_MODE is \"%.40s\" in %.60s; it must be exactly paper", have->value, where);
    }
}

static void judge_gateways(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    for (size_t i = 0; i < f->gateway_count; i++) {
        const struct ts_gateway_facts *g = &f->gateways[i];
        if (!g->box.seen) {
            find(j, TS_RULE_GATEWAY, g->needed ? TS_FINDING_UNKNOWN : TS_FINDING_PASS,
                 "%s has no container", g->name);
        } else if (!g->box.readable || g->box.oddity[0] != '\0') {
            find(j, TS_RULE_GATEWAY, TS_FINDING_FAIL, "%.60s: %.90s", g->name,
                 g->box.readable ? g->box.oddity : "its environment cannot be read");
        } else {
            judge_mode(f, j, TS_RULE_GATEWAY, &g->box.mode, g->name);
        }
    }
    if (f->gateways_cut) {
        find(j, TS_RULE_GATEWAY, TS_FINDING_FAIL, "more than %d gateways: not all can be judged",
             TS_GATEWAYS_MAX);
    } else if (f->gateway_count == 0) {
        find(j, TS_RULE_GATEWAY, TS_FINDING_PASS, "no service has an ibapi probe");
    }
}

static void judge_account(const struct ts_guard_facts *f, struct ts_judgement *j,
                          const struct ts_gateway_facts *g, const char *account)
{
    if (f->is_paper != NULL && f->is_paper(f->paper_ctx, account)) {
        find(j, TS_RULE_ACCOUNT, TS_FINDING_PASS, "%.60s serves paper account %s", g->name,
             account);
    } else if (covers(f, TS_APPROVE_LIVE, account)) {
        find(j, TS_RULE_ACCOUNT, TS_FINDING_APPROVED, "%.60s serves account %s, as approved",
             g->name, account);
    } else {
        find(j, TS_RULE_ACCOUNT, TS_FINDING_FAIL,
             "%.60s serves account %s, which is not a paper account", g->name, account);
    }
}

static void judge_accounts(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    for (size_t i = 0; i < f->gateway_count; i++) {
        const struct ts_gateway_facts *g = &f->gateways[i];
        const char *list = g->accounts;
        char account[TS_ACCOUNT_MAX];
        while (next_account(&list, account)) { /* a live one counts however old the news is */
            judge_account(f, j, g, account);
        }
        if (g->accounts_cut) {
            find(j, TS_RULE_ACCOUNT, TS_FINDING_FAIL, "%.60s serves too many accounts to judge all",
                 g->name);
        }
        if (g->needed && !g->accounts_fresh) {
            find(j, TS_RULE_ACCOUNT, TS_FINDING_UNKNOWN, "%.60s has %s", g->name,
                 g->accounts[0] != '\0' ? "not answered for too long" : "told no account yet");
        }
    }
    if (f->gateway_count == 0) {
        find(j, TS_RULE_ACCOUNT, TS_FINDING_PASS, "no service has an ibapi probe to ask");
    } else {
        find(j, TS_RULE_ACCOUNT, TS_FINDING_PASS, "no gateway that it depends on");
    }
}

static void judge_plan(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    const struct ts_plan_facts *p = &f->plan;
    switch (p->state) {
    case TS_PLAN_UNWATCHED: find(j, TS_RULE_GAMEPLAN, TS_FINDING_PASS, "not watched"); break;
    case TS_PLAN_UNKNOWN:
        find(j, TS_RULE_GAMEPLAN, TS_FINDING_UNKNOWN, "%s",
             p->detail[0] != '\0' ? p->detail : "not looked at yet");
        break;
    case TS_PLAN_NONE:
        find(j, TS_RULE_GAMEPLAN, TS_FINDING_PASS, "there is none: Strategy C, no trading");
        break;
    case TS_PLAN_BAD:
        find(j, TS_RULE_GAMEPLAN, TS_FINDING_FAIL, "the gameplan is refused: %s", p->detail);
        break;
    case TS_PLAN_GOOD:
        if (covers(f, TS_APPROVE_GAMEPLAN, p->sha256)) {
            find(j, TS_RULE_GAMEPLAN, TS_FINDING_APPROVED, "%.60s, SHA-256 %.16s…, as approved",
                 p->detail, p->sha256);
        } else {
            find(j, TS_RULE_GAMEPLAN, TS_FINDING_FAIL,
                 "a gameplan that nobody approved: %.60s, SHA-256 %.16s…", p->detail, p->sha256);
        }
        break;
    }
}

static void judge_log(const struct ts_guard_facts *f, struct ts_judgement *j)
{
    if (strcmp(f->own.log_driver, "none") == 0) {
        find(j, TS_RULE_LOG, TS_FINDING_FAIL,
             "its log driver is none: nobody could see it go live");
    } else if (f->log_line[0] != '\0') {
        enum ts_finding live = approved(f, TS_APPROVE_LIVE);
        find(j, TS_RULE_LOG, live == TS_FINDING_APPROVED ? live : TS_FINDING_FAIL,
             "its log says: %.140s", f->log_line);
    } else if (f->log_lost) {
        find(j, TS_RULE_LOG, TS_FINDING_UNKNOWN, "its log cannot be followed");
    } else {
        find(j, TS_RULE_LOG, TS_FINDING_PASS, "no line matched a tripwire");
    }
}

/* --- the verdict */

static enum ts_why why_of(enum ts_rule rule, enum ts_finding finding)
{
    if (finding == TS_FINDING_UNKNOWN) {
        return TS_WHY_UNVERIFIED;
    }
    switch (rule) {
    case TS_RULE_ACCOUNT: return TS_WHY_LIVE_ACCOUNT;
    case TS_RULE_GAMEPLAN: return TS_WHY_GAMEPLAN;
    case TS_RULE_LOG: return TS_WHY_LOG_TRIP;
    case TS_RULE_TRAIL: return TS_WHY_TRAIL;
    case TS_RULE_CONFIG:
    case TS_RULE_DRY_RUN:
    case TS_RULE_MODE:
    case TS_RULE_GATEWAY:
    case TS_RULE_COUNT: break;
    }
    return TS_WHY_INTERLOCK;
}

/* The first rule with the worst finding decides. */
static void conclude(struct ts_judgement *j)
{
    enum ts_finding worst = TS_FINDING_PASS;
    for (unsigned i = 0; i < TS_RULE_COUNT; i++) {
        const struct ts_rule_result *r = &j->rules[i];
        if (r->finding > worst && r->finding != TS_FINDING_APPROVED) {
            worst = r->finding;
            j->rule = (enum ts_rule)i;
            j->why = why_of(j->rule, worst);
            ts_detail_copy(j->text, r->text);
        }
    }
    j->overall = worst;
}

void ts_interlock_judge(const struct ts_guard_facts *facts, struct ts_judgement *ret)
{
    memset(ret, 0, sizeof(*ret));
    judge_mode(facts, ret, TS_RULE_MODE, &facts->own.mode, "the container");
    if (facts->guarded || facts->own.mode.is_set || !facts->own.readable) {
        judge_config(facts, ret);
    }
    if (facts->guarded) {
        judge_trail(facts, ret);
        judge_dry_run(facts, ret);
        judge_gateways(facts, ret);
        judge_accounts(facts, ret);
        judge_plan(facts, ret);
        judge_log(facts, ret);
    }
    conclude(ret);
}

static void cure_by_approval(const struct ts_guard_facts *f, enum ts_approval_kind kind,
                             const char *mend, char *out, size_t size)
{
    char what[TS_PLAN_HASH + 16];
    if (kind == TS_APPROVE_GAMEPLAN) {
        (void)snprintf(what, sizeof(what), "--gameplan %s", f->plan.sha256);
    } else {
        (void)snprintf(what, sizeof(what), "--account ACCOUNT");
    }
    (void)snprintf(out, size,
                   "%s; or, as CRO: tradestackctl approve %s %s %s --expires 8h --reason TEXT",
                   mend, ts_approval_kind_name(kind), f->guarded ? f->service : "SERVICE", what);
}

#define RECREATE "tradestackctl up --file docker-compose.yml"

/* A gateway's line counts as long as that run of the gateway lasts. */
static void cure_log(const struct ts_guard_facts *facts, char *out, size_t size)
{
    bool own = facts->log_from[0] == '\0' || strcmp(facts->log_from, facts->service) == 0;
    const char *from = own ? facts->service : facts->log_from;
    (void)snprintf(out, size, "find out why: tradestackctl logs %s --tail 100%s%s", from,
                   own ? "" : "; then: tradestackctl restart ", own ? "" : from);
}

void ts_interlock_cure(enum ts_rule rule, const struct ts_guard_facts *facts, char *out,
                       size_t size)
{
    out[0] = '\0';
    switch (rule) {
    case TS_RULE_TRAIL:
        (void)snprintf(out, size, "see what happened: tradestackctl audit verify");
        break;
    case TS_RULE_CONFIG:
        (void)snprintf(out, size, "set each variable once, in environment:, then: " RECREATE);
        break;
    case TS_RULE_DRY_RUN:
        cure_by_approval(facts, TS_APPROVE_DRY_RUN_OFF, "set DRY_RUN=true, then: " RECREATE, out,
                         size);
        break;
    case TS_RULE_MODE:
    case TS_RULE_GATEWAY:
        cure_by_approval(facts, TS_APPROVE_LIVE, "set TRADING_MODE=paper, then: " RECREATE, out,
                         size);
        break;
    case TS_RULE_ACCOUNT:
        cure_by_approval(facts, TS_APPROVE_LIVE, "log the gateway in to a paper account", out,
                         size);
        break;
    case TS_RULE_GAMEPLAN:
        if (facts->plan.state == TS_PLAN_GOOD) {
            cure_by_approval(facts, TS_APPROVE_GAMEPLAN, "take the file out of the volume", out,
                             size);
        } else {
            (void)snprintf(out, size, "mend it (tradestackctl gameplan check FILE) or take it out");
        }
        break;
    case TS_RULE_LOG: cure_log(facts, out, size); break;
    case TS_RULE_COUNT: break;
    }
}
