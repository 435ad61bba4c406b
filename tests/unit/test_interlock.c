/* The interlock's rules: what is refused and why; then every combination of facts against rules
 * written down a second time, as simply as can be. */
#include "unit.h"

#include <stdio.h>

#include "base/parse.h"
#include "core/interlock.h"
#include "core/trusted_clock.h"

#define HASH_A "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"
#define HASH_B "bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"

static const ts_wall now = {1000000000};

static bool is_paper(const void *ctx, const char *account)
{
    (void)ctx;
    return strncmp(account, "DU", 2) == 0 || strncmp(account, "DF", 2) == 0;
}

static struct ts_env_fact set(const char *value)
{
    struct ts_env_fact f = {.is_set = value != NULL};
    ts_copy_cut(f.value, sizeof(f.value), value == NULL ? "" : value);
    return f;
}

/* Dry-run, paper, one paper account, no plan, nothing in the log. */
static struct ts_guard_facts good(void)
{
    struct ts_guard_facts f = {.service = "bot", .guarded = true, .is_paper = is_paper, .now = now};
    f.own = (struct ts_box_facts){
        .seen = true, .readable = true, .dry_run = set("true"), .mode = set("paper")};
    f.gateways[0] = (struct ts_gateway_facts){.name = "gateway",
                                              .needed = true,
                                              .box = {.seen = true, .readable = true},
                                              .accounts_fresh = true,
                                              .accounts = "DU1234567"};
    f.gateway_count = 1;
    f.plan.state = TS_PLAN_NONE;
    return f;
}

static enum ts_finding judge(const struct ts_guard_facts *f)
{
    struct ts_judgement j;
    ts_interlock_judge(f, &j);
    if (j.overall != TS_FINDING_PASS) {
        assert_true(j.text[0] != '\0' && j.why != TS_WHY_NONE);
    }
    return j.overall;
}

static struct ts_approval approval(enum ts_approval_kind kind, const char *subject)
{
    struct ts_approval a = {.id = 1,
                            .kind = kind,
                            .state = TS_APPROVAL_VALID,
                            .service = "bot",
                            .created = now,
                            .expires = {now.ms + 3600000},
                            .reason = "test"};
    (void)snprintf(kind == TS_APPROVE_GAMEPLAN ? a.gameplan : a.account,
                   kind == TS_APPROVE_GAMEPLAN ? sizeof(a.gameplan) : sizeof(a.account), "%s",
                   subject);
    return a;
}

static void test_only_the_one_spelling_of_dry_run_starts(void **state)
{
    (void)state;
    static const char *const refused[] = {NULL,
                                          "",
                                          "1",
                                          "0",
                                          "True",
                                          "TRUE",
                                          " true",
                                          "true ",
                                          "\ttrue",
                                          "true\n",
                                          "truе" /* Cyrillic */,
                                          "t",
                                          "on",
                                          "yes",
                                          "false",
                                          "False",
                                          "true;",
                                          "TRUE;",
                                          "\"true\"",
                                          "'true'",
                                          "true,true",
                                          "ｔｒｕｅ",
                                          "true\xc2\xa0",
                                          "truee",
                                          "tru",
                                          "no",
                                          "dry",
                                          "live"};
    for (size_t i = 0; i < TS_ARRAY_LEN(refused); i++) {
        struct ts_guard_facts f = good();
        f.own.dry_run = set(refused[i]);
        if (judge(&f) != TS_FINDING_FAIL) {
            fail_msg("DRY_RUN=\"%s\" was allowed", refused[i] == NULL ? "(unset)" : refused[i]);
        }
    }
    struct ts_guard_facts f = good();
    assert_int_equal(judge(&f), TS_FINDING_PASS);
}

static void test_trading_mode_is_paper_or_not_set_everywhere(void **state)
{
    (void)state;
    static const char *const refused[] = {"",     "live", "Paper", "PAPER",     "paper ",
                                          "both", "LIVE", "papеr", "paper;live"};
    for (size_t i = 0; i < TS_ARRAY_LEN(refused); i++) {
        struct ts_guard_facts f = good();
        f.own.mode = set(refused[i]);
        assert_int_equal(judge(&f), TS_FINDING_FAIL);
        f = good();
        f.gateways[0].box.mode = set(refused[i]);
        assert_int_equal(judge(&f), TS_FINDING_FAIL);
        f = good(); /* the gateway itself, which is not guarded */
        f.guarded = false;
        f.own.dry_run = set(NULL);
        f.own.mode = set(refused[i]);
        assert_int_equal(judge(&f), TS_FINDING_FAIL);
    }
    struct ts_guard_facts f = good();
    f.own.mode = set(NULL);
    f.gateways[0].box.mode = set("paper");
    assert_int_equal(judge(&f), TS_FINDING_PASS);
}

static void test_every_account_must_be_paper_and_known(void **state)
{
    (void)state;
    static const struct {
        const char *accounts;
        bool fresh;
        enum ts_finding want;
    } rows[] = {{"DU1", true, TS_FINDING_PASS},
                {"DU1,DF2", true, TS_FINDING_PASS},
                {"U1", true, TS_FINDING_FAIL},
                {"DU1,U1", true, TS_FINDING_FAIL},
                {"U1,DU1", false, TS_FINDING_FAIL},
                {"DU1", false, TS_FINDING_UNKNOWN},
                {"", true, TS_FINDING_UNKNOWN},
                {"", false, TS_FINDING_UNKNOWN},
                {"DU1,(and more)", true, TS_FINDING_FAIL},
                {"du1", true, TS_FINDING_FAIL},
                {" U1", true, TS_FINDING_FAIL}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_guard_facts f = good();
        ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts), rows[i].accounts);
        f.gateways[0].accounts_fresh = rows[i].fresh && rows[i].accounts[0] != '\0';
        if (judge(&f) != rows[i].want) {
            fail_msg("accounts \"%s\"", rows[i].accounts);
        }
    }
    struct ts_guard_facts f = good();
    f.gateways[0].accounts_cut = true;
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
    f = good();
    f.gateways_cut = true;
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
}

static void test_an_account_name_too_long_to_keep_is_no_paper_account(void **state)
{
    (void)state;
    struct ts_guard_facts f = good();
    ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts),
                "DU1234567890123456789012345678901234567890");
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
}

static void test_settings_that_are_said_twice_or_elsewhere_are_refused(void **state)
{
    (void)state;
    struct ts_guard_facts f = good();
    ts_copy_cut(f.own.oddity, sizeof(f.own.oddity), "DRY_RUN is set twice");
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
    f = good();
    f.own.readable = false;
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
    f = good();
    f.gateways[0].box.readable = false;
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
    f = good();
    ts_copy_cut(f.own.log_driver, sizeof(f.own.log_driver), "none");
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
}

static void test_an_approval_covers_its_content_and_nothing_else(void **state)
{
    (void)state;
    struct ts_guard_facts f = good();
    struct ts_approval a = approval(TS_APPROVE_DRY_RUN_OFF, "DU1234567");
    f.own.dry_run = set("false");
    f.approvals = &a;
    f.approval_count = 1;
    assert_int_equal(judge(&f), TS_FINDING_PASS);
    f.own.dry_run = set("0"); /* the one spelling of false, too */
    assert_int_equal(judge(&f), TS_FINDING_FAIL);
    f.own.dry_run = set("false");
    ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts), "DU7654321");
    assert_int_equal(judge(&f), TS_FINDING_FAIL); /* another account */
    ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts), "DU1234567,DU7654321");
    assert_int_equal(judge(&f), TS_FINDING_FAIL); /* one more */
    ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts), "");
    f.gateways[0].accounts_fresh = false;
    assert_int_equal(judge(&f), TS_FINDING_UNKNOWN); /* none seen */
    f = good();
    f.approvals = &a;
    f.approval_count = 1;
    f.own.dry_run = set("false");
    f.service = "other-bot";
    assert_int_equal(judge(&f), TS_FINDING_FAIL); /* another service */
    f.service = "bot";
    f.now.ms = a.expires.ms;
    assert_int_equal(judge(&f), TS_FINDING_FAIL); /* its time is over */
    f.now = now;
    static const enum ts_approval_state states[] = {TS_APPROVAL_PENDING, TS_APPROVAL_EXPIRED,
                                                    TS_APPROVAL_REVOKED, TS_APPROVAL_VOID};
    for (size_t i = 0; i < TS_ARRAY_LEN(states); i++) {
        a.state = states[i];
        assert_int_equal(judge(&f), TS_FINDING_FAIL);
    }
}

static void test_what_can_be_granted(void **state)
{
    (void)state;
    struct ts_approval a = approval(TS_APPROVE_LIVE, "U1234567");
    assert_null(ts_approval_invalid(&a, now));
    a.expires.ms = now.ms + TS_APPROVAL_SPAN_MAX + 1;
    assert_non_null(ts_approval_invalid(&a, now));
    a.expires.ms = now.ms;
    assert_non_null(ts_approval_invalid(&a, now));
    a = approval(TS_APPROVE_LIVE, "");
    assert_non_null(ts_approval_invalid(&a, now));
    a = approval(TS_APPROVE_LIVE, "U1,U2");
    assert_non_null(ts_approval_invalid(&a, now));
    a = approval(TS_APPROVE_GAMEPLAN, HASH_A);
    assert_null(ts_approval_invalid(&a, now));
    a.gameplan[63] = '\0';
    assert_non_null(ts_approval_invalid(&a, now));
    a = approval(TS_APPROVE_LIVE, "U1");
    (void)snprintf(a.reason, sizeof(a.reason), "  ");
    assert_non_null(ts_approval_invalid(&a, now));
}

static void test_every_refusal_names_a_command(void **state)
{
    (void)state;
    struct ts_guard_facts f = good();
    f.plan = (struct ts_plan_facts){.state = TS_PLAN_GOOD, .sha256 = HASH_A};
    for (unsigned r = 0; r < TS_RULE_COUNT; r++) {
        char cure[400];
        ts_interlock_cure((enum ts_rule)r, &f, cure, sizeof(cure));
        if (strstr(cure, "tradestackctl") == NULL) {
            fail_msg("%s: %s", ts_rule_name((enum ts_rule)r), cure);
        }
    }
}

static void test_a_line_is_looked_for_where_it_stands(void **state)
{
    (void)state;
    struct ts_guard_facts f = good();
    char cure[400];
    ts_interlock_cure(TS_RULE_LOG, &f, cure, sizeof(cure));
    assert_string_equal(cure, "find out why: tradestackctl logs bot --tail 100");
    (void)snprintf(f.log_from, sizeof(f.log_from), "gateway");
    ts_interlock_cure(TS_RULE_LOG, &f, cure, sizeof(cure));
    assert_string_equal(cure, "find out why: tradestackctl logs gateway --tail 100; then: "
                              "tradestackctl restart gateway");
}

/* --- the clock */

static void test_the_trusted_clock_never_goes_back_unnoticed(void **state)
{
    (void)state;
    struct ts_trusted_clock c = {.is_set = false};
    bool back = true;
    ts_mono m = {500};
    assert_int_equal(ts_trusted_now(&c, (ts_wall){100000000}, m, &back).ms, 100000000);
    assert_false(back);
    m.ms += 10000; /* the wall clock stands still: time goes on */
    assert_int_equal(ts_trusted_now(&c, (ts_wall){100000000}, m, &back).ms, 100010000);
    assert_false(back);
    /* Pushed back again and again by less than what is taken for a correction: it is seen. */
    bool seen = false;
    ts_wall wall = {100010000};
    for (int i = 0; i < 100 && !seen; i++) {
        m.ms += 50000;
        wall.ms += 50000 - 45000;
        ts_wall before = c.at;
        assert_true(ts_trusted_now(&c, wall, m, &seen).ms >= before.ms || seen);
    }
    assert_true(seen);
    /* Forth is time like any other. */
    assert_int_equal(ts_trusted_now(&c, (ts_wall){900000000}, m, &back).ms, 900000000);
    assert_false(back);
    (void)ts_trusted_now(&c, (ts_wall){100000000}, m, &back);
    assert_true(back);
}

static void test_a_clock_set_back_while_the_daemon_was_away_is_seen(void **state)
{
    (void)state;
    struct ts_trusted_clock c = {.is_set = false};
    bool back = false;
    ts_trusted_at_least(&c, (ts_wall){500000000}, (ts_mono){0});
    (void)ts_trusted_now(&c, (ts_wall){400000000}, (ts_mono){10}, &back);
    assert_true(back);
}

/* --- every combination */

struct choice {
    unsigned dry_run, mode, gateway, accounts, log, plan, trail, approvals, late;
};

static const char *const dry_runs[] = {"true", "false", "True", NULL, "1"};
static const char *const modes[] = {"paper", NULL, "live", "Live"};
static const struct {
    const char *list;
    bool fresh;
} accounts[] = {{"DU1", true}, {"U1", true},  {"U1,DU1", true},
                {"", false},   {"U1", false}, {"DU1", false}};
static const enum ts_plan_state plans[] = {TS_PLAN_NONE, TS_PLAN_UNKNOWN, TS_PLAN_BAD, TS_PLAN_GOOD,
                                           TS_PLAN_GOOD};

enum { HAS_LIVE_U1 = 1, HAS_LIVE_DU1 = 2, HAS_DRY_U1 = 4, HAS_DRY_DU1 = 8, HAS_PLAN_A = 16 };

static size_t make_approvals(unsigned set_of, struct ts_approval *out)
{
    size_t n = 0;
    if (set_of & HAS_LIVE_U1) {
        out[n++] = approval(TS_APPROVE_LIVE, "U1");
    }
    if (set_of & HAS_LIVE_DU1) {
        out[n++] = approval(TS_APPROVE_LIVE, "DU1");
    }
    if (set_of & HAS_DRY_U1) {
        out[n++] = approval(TS_APPROVE_DRY_RUN_OFF, "U1");
    }
    if (set_of & HAS_DRY_DU1) {
        out[n++] = approval(TS_APPROVE_DRY_RUN_OFF, "DU1");
    }
    if (set_of & HAS_PLAN_A) {
        out[n++] = approval(TS_APPROVE_GAMEPLAN, HASH_A);
    }
    return n;
}

/* Is the whole list covered by approvals for U1 (bit u) and DU1 (bit du)? */
static bool all_covered(const struct choice *c, unsigned u, unsigned du)
{
    const char *list = accounts[c->accounts].list;
    bool has_u = strcmp(list, "U1") == 0 || strcmp(list, "U1,DU1") == 0;
    bool has_du = strstr(list, "DU1") != NULL;
    unsigned have = c->late ? 0 : c->approvals;
    return accounts[c->accounts].fresh && (!has_u || (have & u)) && (!has_du || (have & du));
}

/* The rules once more. */
static bool may_run(const struct choice *c)
{
    const char *dry = dry_runs[c->dry_run];
    bool live_ok = all_covered(c, HAS_LIVE_U1, HAS_LIVE_DU1);
    bool dry_ok =
        dry != NULL && (strcmp(dry, "true") == 0 ||
                        (strcmp(dry, "false") == 0 && all_covered(c, HAS_DRY_U1, HAS_DRY_DU1)));
    bool mode_ok = c->mode < 2 || (c->mode == 2 && live_ok);
    bool gateway_ok = c->gateway < 2 || (c->gateway == 2 && live_ok);
    bool serves_live = strstr(accounts[c->accounts].list, "U1") == accounts[c->accounts].list;
    bool account_ok =
        accounts[c->accounts].fresh && (!serves_live || (!c->late && (c->approvals & HAS_LIVE_U1)));
    bool plan_ok = c->plan == 0 || (c->plan == 3 && !c->late && (c->approvals & HAS_PLAN_A));
    bool log_ok = c->log == 0 || (c->log == 1 && live_ok);
    return dry_ok && mode_ok && gateway_ok && account_ok && plan_ok && log_ok && c->trail == 0;
}

static void check(const struct choice *c)
{
    static struct ts_approval list[5];
    struct ts_guard_facts f = good();
    f.own.dry_run = set(dry_runs[c->dry_run]);
    f.own.mode = set(modes[c->mode]);
    f.gateways[0].box.mode = set(modes[c->gateway]);
    ts_copy_cut(f.gateways[0].accounts, sizeof(f.gateways[0].accounts), accounts[c->accounts].list);
    f.gateways[0].accounts_fresh = accounts[c->accounts].fresh;
    f.plan.state = plans[c->plan];
    (void)snprintf(f.plan.sha256, sizeof(f.plan.sha256), "%s", c->plan == 4 ? HASH_B : HASH_A);
    (void)snprintf(f.log_line, sizeof(f.log_line), "%s", c->log == 1 ? "going live" : "");
    f.log_lost = c->log == 2;
    f.trail = (enum ts_trail_state)c->trail;
    f.approval_count = make_approvals(c->approvals, list);
    f.approvals = list;
    f.now.ms += c->late ? 3600000 : 0;
    struct ts_judgement j;
    ts_interlock_judge(&f, &j);
    if ((j.overall == TS_FINDING_PASS) != may_run(c)) {
        fail_msg("dry_run %u mode %u gateway %u accounts %u log %u plan %u trail %u approvals %u "
                 "late %u: %s (%s)",
                 c->dry_run, c->mode, c->gateway, c->accounts, c->log, c->plan, c->trail,
                 c->approvals, c->late, ts_finding_name(j.overall), j.text);
    }
}

static void test_nothing_starts_that_the_rules_forbid(void **state)
{
    (void)state;
    static const unsigned most[] = {TS_ARRAY_LEN(dry_runs),
                                    TS_ARRAY_LEN(modes),
                                    TS_ARRAY_LEN(modes),
                                    TS_ARRAY_LEN(accounts),
                                    3,
                                    TS_ARRAY_LEN(plans),
                                    3,
                                    32,
                                    2};
    unsigned at[TS_ARRAY_LEN(most)] = {0};
    size_t combinations = 0;
    for (;;) {
        const struct choice c = {at[0], at[1], at[2], at[3], at[4], at[5], at[6], at[7], at[8]};
        check(&c);
        combinations++;
        size_t i = 0;
        while (i < TS_ARRAY_LEN(most) && ++at[i] == most[i]) {
            at[i++] = 0;
        }
        if (i == TS_ARRAY_LEN(most)) {
            break;
        }
    }
    print_message("# %zu combinations\n", combinations);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_only_the_one_spelling_of_dry_run_starts),
        cmocka_unit_test(test_trading_mode_is_paper_or_not_set_everywhere),
        cmocka_unit_test(test_every_account_must_be_paper_and_known),
        cmocka_unit_test(test_an_account_name_too_long_to_keep_is_no_paper_account),
        cmocka_unit_test(test_settings_that_are_said_twice_or_elsewhere_are_refused),
        cmocka_unit_test(test_an_approval_covers_its_content_and_nothing_else),
        cmocka_unit_test(test_what_can_be_granted),
        cmocka_unit_test(test_every_refusal_names_a_command),
        cmocka_unit_test(test_a_line_is_looked_for_where_it_stands),
        cmocka_unit_test(test_the_trusted_clock_never_goes_back_unnoticed),
        cmocka_unit_test(test_a_clock_set_back_while_the_daemon_was_away_is_seen),
        cmocka_unit_test(test_nothing_starts_that_the_rules_forbid),
    };
    return RUN_TESTS(tests);
}
