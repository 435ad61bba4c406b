/* The interlock's commands: safety, approve, approvals, revoke, audit. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/file.h"
#include "base/json.h"
#include "base/parse.h"
#include "ctl.h"

#define PLAN_MAX (64 * 1024) /* bytes of a gameplan: model/gameplan.h */
#define AUDIT_MS 60000

static enum ctl_tone tone_of(const char *finding)
{
    return strcmp(finding, "pass") == 0   ? TONE_GOOD
           : strcmp(finding, "fail") == 0 ? TONE_BAD
                                          : TONE_WARN; /* unknown; approved is unusual too */
}

static void put_line(const struct ctl *ctl, enum ctl_tone tone, const char *text)
{
    ctl_put(ctl, stdout, tone, "%s", text);
    (void)putchar('\n');
}

/* --- safety */

static void show_rule(const struct ctl *ctl, const json_t *rule)
{
    const char *finding = ts_json_str_or(rule, "finding", "?");
    char seen[48];
    ctl_since(ts_json_str_or(rule, "seen", ""), seen, sizeof(seen));
    ctl_put(ctl, stdout, tone_of(finding), "    %-9s", finding);
    ctl_put(ctl, stdout, TONE_PLAIN, "%-14s ", ts_json_str_or(rule, "rule", "?"));
    ctl_put(ctl, stdout, TONE_PLAIN, "%s", ts_json_str_or(rule, "evidence", ""));
    bool ago = strcmp(seen, "-") != 0 && strcmp(seen, "now") != 0;
    ctl_put(ctl, stdout, TONE_DIM, "  (seen %s%s)", strcmp(seen, "-") == 0 ? "never" : seen,
            ago ? " ago" : "");
    (void)putchar('\n');
    if (strcmp(finding, "pass") != 0) {
        ctl_put(ctl, stdout, TONE_DIM, "%*srequired: %s", 13, "",
                ts_json_str_or(rule, "requires", ""));
        (void)putchar('\n');
    }
}

static void show_guarded(const struct ctl *ctl, const json_t *s)
{
    const char *verdict = ts_json_str_or(s, "verdict", "?");
    const char *next = ts_json_str_or(s, "next", "");
    bool tripped = ts_json_bool_or(s, "tripped", false);
    size_t i;
    json_t *rule;
    ctl_put(ctl, stdout, tripped ? TONE_BAD : tone_of(verdict), "%s: %s",
            ts_json_str_or(s, "service", "?"), tripped ? "TRIPPED" : verdict);
    ctl_put(ctl, stdout, TONE_PLAIN, ", %s", ts_json_str_or(s, "state", ""));
    if (tripped) {
        ctl_put(ctl, stdout, TONE_BAD, ": %s", ts_json_str_or(s, "reason", ""));
    }
    (void)putchar('\n');
    json_array_foreach(json_object_get(s, "rules"), i, rule)
    {
        show_rule(ctl, rule);
    }
    if (next[0] != '\0') {
        ctl_put(ctl, stdout, TONE_DIM, "    next: %s", next);
        (void)putchar('\n');
    }
}

static int show_safety(struct ctl *ctl)
{
    int code;
    bool all_pass = true;
    size_t i;
    json_t *s;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Safety", NULL, &code);
    const json_t *services = json_object_get(reply, "services");
    if (reply == NULL) {
        return code;
    }
    json_array_foreach(services, i, s)
    {
        all_pass = all_pass && strcmp(ts_json_str_or(s, "verdict", ""), "pass") == 0 &&
                   !ts_json_bool_or(s, "tripped", true);
        if (!ctl->json) {
            show_guarded(ctl, s);
        }
    }
    if (ctl->json) {
        ctl_print_json(reply);
        return all_pass ? CTL_OK : CTL_NOT_READY;
    }
    if (json_array_size(services) == 0) {
        put_line(ctl, TONE_WARN,
                 "no guarded service: nothing is kept from trading for real "
                 "(guarded = yes in tradestackd.conf)");
    }
    const char *trail = ts_json_str_or(reply, "trail", "?");
    ctl_put(ctl, stdout, strcmp(trail, "ok") == 0 ? TONE_PLAIN : TONE_BAD, "audit trail: %s %s",
            trail, ts_json_str_or(reply, "trail_detail", ""));
    (void)putchar('\n');
    if (!ts_json_bool_or(reply, "cro", false)) {
        put_line(ctl, TONE_DIM, "nobody may approve or reset: [safety] cro_group is empty");
    }
    return all_pass ? CTL_OK : CTL_NOT_READY;
}

static int reset_safety(struct ctl *ctl)
{
    int code;
    if (ctl->reason == NULL) {
        ctl_error("safety reset: say why, with --reason TEXT: it goes into the audit trail");
        return CTL_USAGE;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *reply =
        ctl_call(ctl, "SafetyReset",
                 json_pack("{s:s, s:s}", "service", ctl->argv[1], "reason", ctl->reason), &code);
    if (reply != NULL) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN, "%s was judged anew and may start again", ctl->argv[1]);
        (void)putchar('\n');
    }
    return code;
}

int ctl_run_safety(struct ctl *ctl)
{
    if (ctl->argc == 0) {
        return show_safety(ctl);
    }
    if (ctl->argc == 2 && strcmp(ctl->argv[0], "reset") == 0) {
        return reset_safety(ctl);
    }
    ctl_error("usage: tradestackctl safety, or tradestackctl safety reset SERVICE --reason TEXT");
    return CTL_USAGE;
}

/* --- approvals */

static void show_approval(const struct ctl *ctl, const json_t *a)
{
    const char *state = ts_json_str_or(a, "state", "?");
    const char *account = ts_json_str_or(a, "account", "");
    const char *second = ts_json_str_or(a, "second_user", "");
    bool open = strcmp(state, "valid") == 0;
    ctl_put(ctl, stdout, TONE_PLAIN, "%4lld  ", (long long)ts_json_i64_or(a, "id", 0));
    ctl_put(ctl, stdout, open ? TONE_WARN : TONE_DIM, "%-8s", state);
    ctl_put(ctl, stdout, TONE_PLAIN, "%s for %s, %s%s", ts_json_str_or(a, "kind", "?"),
            ts_json_str_or(a, "service", "?"), account[0] != '\0' ? "account " : "SHA-256 ",
            account[0] != '\0' ? account : ts_json_str_or(a, "gameplan", "?"));
    (void)putchar('\n');
    ctl_put(ctl, stdout, TONE_DIM, "      until %s, by %s%s%s: %s",
            ts_json_str_or(a, "expires", ""), ts_json_str_or(a, "user", "?"),
            second[0] != '\0' ? " and " : "", second, ts_json_str_or(a, "reason", ""));
    (void)putchar('\n');
    if (ts_json_str_or(a, "ended", "")[0] != '\0') {
        ctl_put(ctl, stdout, TONE_DIM, "      ended: %s", ts_json_str_or(a, "ended", ""));
        (void)putchar('\n');
    }
}

static int print_approval(const struct ctl *ctl, const json_t *reply)
{
    const json_t *a = json_object_get(reply, "approval");
    if (ctl->json) {
        ctl_print_json(reply);
        return CTL_OK;
    }
    show_approval(ctl, a);
    if (strcmp(ts_json_str_or(a, "state", ""), "pending") == 0) {
        ctl_hint("another member of the CRO group must say: tradestackctl approve confirm %lld",
                 (long long)ts_json_i64_or(a, "id", 0));
    }
    return CTL_OK;
}

/* The gameplan's digest: of a file, or as it was given. */
static bool plan_digest(const char *arg, char out[TS_SHA256_HEX])
{
    static char text[PLAN_MAX + 1];
    if (ts_sha256_is_hex(arg)) {
        return ts_copy(out, TS_SHA256_HEX, arg);
    }
    FILE *f = ts_file_open(arg);
    if (f == NULL) {
        ctl_error("approve: --gameplan %s: no such file, and no SHA-256 either", arg);
        return false;
    }
    size_t n = fread(text, 1, sizeof(text), f);
    bool ok = ferror(f) == 0 && n <= PLAN_MAX;
    (void)fclose(f);
    if (!ok || !ts_sha256_hex(text, n, out)) {
        ctl_error("approve: %s cannot be read, or is longer than %d bytes", arg, PLAN_MAX);
        return false;
    }
    return true;
}

static bool approve_number(const char *text, int64_t *ret)
{
    if (!ts_parse_i64(text, 1, INT64_MAX, ret)) {
        ctl_error("\"%s\" is no approval's number; see tradestackctl approvals", text);
        return false;
    }
    return true;
}

static int confirm(struct ctl *ctl)
{
    int code;
    int64_t id;
    if (!approve_number(ctl->argv[1], &id)) {
        return CTL_USAGE;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, "Confirm", json_pack("{s:I}", "id", (json_int_t)id), &code);
    return reply != NULL ? print_approval(ctl, reply) : code;
}

int ctl_run_approve(struct ctl *ctl)
{
    int code;
    char digest[TS_SHA256_HEX] = "";
    if (strcmp(ctl->argv[0], "confirm") == 0) {
        return confirm(ctl);
    }
    if (ctl->expires_ms == 0 || ctl->reason == NULL) {
        ctl_error("approve: it needs --expires SPAN (at most 30d) and --reason TEXT");
        return CTL_USAGE;
    }
    if (ctl->gameplan != NULL && !plan_digest(ctl->gameplan, digest)) {
        return CTL_FAILED;
    }
    json_t *parameters =
        json_pack("{s:s, s:s, s:s*, s:s*, s:I, s:s}", "kind", ctl->argv[0], "service", ctl->argv[1],
                  "account", ctl->account, "gameplan", digest[0] != '\0' ? digest : NULL,
                  "expires_ms", (json_int_t)ctl->expires_ms, "reason", ctl->reason);
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Approve", parameters, &code);
    return reply != NULL ? print_approval(ctl, reply) : code;
}

int ctl_run_approvals(struct ctl *ctl)
{
    int code;
    size_t i;
    json_t *a;
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, "Approvals", json_pack("{s:b}", "all", (int)ctl->all), &code);
    const json_t *list = json_object_get(reply, "approvals");
    if (reply == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json(reply);
        return code;
    }
    json_array_foreach(list, i, a)
    {
        show_approval(ctl, a);
    }
    if (json_array_size(list) == 0) {
        put_line(ctl, TONE_PLAIN,
                 ctl->all
                     ? "no approval was ever given"
                     : "no open approval: dry-run, paper, no gameplan (--all shows ended ones)");
    }
    return code;
}

int ctl_run_revoke(struct ctl *ctl)
{
    int code;
    int64_t id;
    if (!approve_number(ctl->argv[0], &id)) {
        return CTL_USAGE;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *reply =
        ctl_call(ctl, "Revoke",
                 json_pack("{s:I, s:s*}", "id", (json_int_t)id, "reason", ctl->reason), &code);
    return reply != NULL ? print_approval(ctl, reply) : code;
}

/* --- the audit trail */

static void each_entry(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    const json_t *e = json_object_get(reply, "entry");
    const char *outcome = ts_json_str_or(e, "outcome", "");
    int64_t uid = ts_json_i64_or(e, "uid", -1);
    (void)ctx;
    if (e == NULL) {
        return;
    }
    if (ctl->json) {
        ctl_print_json_line(e);
        return;
    }
    ctl_put(ctl, stdout, TONE_DIM, "%5lld %s  ", (long long)ts_json_i64_or(e, "seq", 0),
            ts_json_str_or(e, "at", ""));
    bool bad = strcmp(outcome, "refused") == 0 || strcmp(outcome, "stopped") == 0;
    ctl_put(ctl, stdout, bad ? TONE_BAD : TONE_PLAIN, "%s %s%s%s: ", ts_json_str_or(e, "event", ""),
            ts_json_str_or(e, "service", ""),
            ts_json_str_or(e, "service", "")[0] != '\0' ? " " : "", outcome);
    ctl_put(ctl, stdout, TONE_PLAIN, "%s", ts_json_str_or(e, "text", ""));
    if (uid >= 0) {
        ctl_put(ctl, stdout, TONE_DIM, "  [%s uid %lld pid %lld]", ts_json_str_or(e, "user", ""),
                (long long)uid, (long long)ts_json_i64_or(e, "pid", -1));
    }
    (void)putchar('\n');
}

static int verify(struct ctl *ctl)
{
    int code;
    if (ctl->timeout_ms == 0) {
        ctl->timeout_ms = AUDIT_MS;
    }
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "AuditVerify", NULL, &code);
    if (reply == NULL) {
        return code;
    }
    bool sound = ts_json_bool_or(reply, "sound", false);
    if (ctl->json) {
        ctl_print_json(reply);
    } else if (sound) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN,
                "%lld entries, none changed, removed or moved; the last is %lld, %s",
                (long long)ts_json_i64_or(reply, "lines", 0),
                (long long)ts_json_i64_or(reply, "head_seq", 0),
                ts_json_str_or(reply, "head_hash", ""));
        (void)putchar('\n');
    } else {
        ctl_error("the audit trail was tampered with: %s", ts_json_str_or(reply, "problem", ""));
        ctl_hint("it is sound up to entry %lld; keep the file and find out who was there",
                 (long long)ts_json_i64_or(reply, "head_seq", 0));
    }
    return sound ? CTL_OK : CTL_FAILED;
}

int ctl_run_audit(struct ctl *ctl)
{
    const struct ctl_follower follower = {each_entry, NULL, NULL, NULL};
    if (ctl->argc == 1 && strcmp(ctl->argv[0], "verify") == 0) {
        return verify(ctl);
    }
    if (ctl->argc == 1) {
        ctl_error("audit: want nothing or \"verify\", not \"%s\"", ctl->argv[0]);
        return CTL_USAGE;
    }
    json_t *parameters = json_object();
    if (ctl->tail >= 0) {
        (void)json_object_set_new(parameters, "limit",
                                  json_integer(ctl->tail < 5000 ? ctl->tail : 5000));
    }
    return ctl_follow(ctl, "Audit", parameters, "audit", AUDIT_MS, &follower);
}
