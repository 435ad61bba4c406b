/* doctor and validate: the daemon finds and judges, here it is shown. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "examine.h"

#define EXAMINE_MS 60000  /* the engine has 25 s */
#define TEST_MS    900000 /* the whole stack down and up, twice, with the gateway's grace */

static const struct verdict_row {
    const char *verdict;
    const char *sign;
    enum ctl_tone tone;
    int exit;
} verdict_rows[] = {
    {"pass", "\u2713", TONE_GOOD, CTL_OK},
    {"skipped", "-", TONE_DIM, CTL_OK},
    {"note", "i", TONE_DIM, CTL_OK},
    {"unknown", "?", TONE_WARN, CTL_NOT_READY},
    {"warning", "!", TONE_WARN, CTL_NOT_READY},
    {"error", "\u2717", TONE_BAD, CTL_FOUND_ERRORS},
};

static const struct verdict_row *row_of(const json_t *finding)
{
    const char *verdict = ts_json_str_or(finding, "verdict", "");
    for (size_t i = 0; i < TS_ARRAY_LEN(verdict_rows); i++) {
        if (strcmp(verdict_rows[i].verdict, verdict) == 0) {
            return &verdict_rows[i];
        }
    }
    return &verdict_rows[3];
}

void ctl_show_finding(const struct ctl *ctl, FILE *f, const json_t *finding)
{
    const struct verdict_row *row = row_of(finding);
    const char *since = ts_json_str_or(finding, "since", "");
    const char *cure = ts_json_str_or(finding, "cure", "");
    const char *service = ts_json_str_or(finding, "service", "");
    ctl_put(ctl, f, row->tone, "%s %-8s", row->sign, row->verdict);
    ctl_put(ctl, f, TONE_PLAIN, "%s%s%s  %s", ts_json_str_or(finding, "id", "?"),
            service[0] != '\0' ? " " : "", service, ts_json_str_or(finding, "what", ""));
    (void)fputc('\n', f);
    ctl_put(ctl, f, TONE_DIM, "           %s%s%s", ts_json_str_or(finding, "evidence", ""),
            since[0] != '\0' ? "; since " : "", since);
    (void)fputc('\n', f);
    if (cure[0] != '\0') {
        ctl_put(ctl, f, TONE_PLAIN, "           next: %s", cure);
        (void)fputc('\n', f);
    }
}

/* --- what a stream of findings leaves behind */

struct examination {
    const char *key; /* of a finding in a reply */
    json_t *all;
    int exit; /* the worst verdict's */
    int64_t checks;
    int64_t failed;
};

static void each_reply(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    struct examination *e = ctx;
    json_t *finding = json_object_get(reply, e->key);
    e->checks = ts_json_i64_or(reply, "checks", e->checks);
    e->failed = ts_json_i64_or(reply, "failed", e->failed);
    if (finding == NULL) {
        return;
    }
    int code = row_of(finding)->exit;
    e->exit = code > e->exit ? code : e->exit;
    (void)json_array_append(e->all, finding);
    if (ctl->json) {
        ctl_print_json_line(finding);
    } else {
        ctl_show_finding(ctl, stdout, finding);
        (void)fflush(stdout);
    }
}

static int examine(struct ctl *ctl, const char *method, json_t *take_parameters, const char *what,
                   int64_t timeout_ms, struct examination *e)
{
    const struct ctl_follower follower = {each_reply, NULL, NULL, e};
    e->all = json_array();
    return ctl_follow(ctl, method, take_parameters, what,
                      ctl->timeout_ms > 0 ? ctl->timeout_ms : timeout_ms, &follower);
}

static void put_line(const struct ctl *ctl, enum ctl_tone tone, const char *text)
{
    ctl_put(ctl, stdout, tone, "%s", text);
    (void)putchar('\n');
}

/* --- doctor */

/* Without a daemon its part of the facts is missing; the machine's own are shown. */
static int without_daemon(struct ctl *ctl, int code)
{
    size_t i;
    json_t *v;
    TS_CLEANUP(ts_json_drop) json_t *facts = ctl_collect_facts(ctl, NULL);
    if (code != CTL_NO_DAEMON) {
        return code;
    }
    json_array_foreach(json_object_get(facts, "boot"), i, v)
    {
        if (strcmp(ts_json_str_or(v, "holds", ""), "yes") != 0) {
            ctl_hint("not so: %s (%s)", ts_json_str_or(v, "what", ""),
                     ts_json_str_or(v, "evidence", ""));
            ctl_hint("  next: %s", ts_json_str_or(v, "cure", ""));
        }
    }
    return code;
}

static void sum_up(const struct ctl *ctl, const struct examination *e)
{
    char text[160];
    size_t n = json_array_size(e->all);
    (void)snprintf(text, sizeof(text), "%s%lld checks, %zu finding%s", n == 0 ? "\u2713 " : "",
                   (long long)e->checks, n, n == 1 ? "" : "s");
    put_line(ctl, n == 0 ? TONE_GOOD : e->exit == CTL_OK ? TONE_PLAIN : TONE_WARN, text);
}

int ctl_run_doctor(struct ctl *ctl)
{
    int code;
    struct examination e = {.key = "finding"};
    TS_CLEANUP(ts_json_drop) json_t *project = ctl_call(ctl, "Project", NULL, &code);
    if (project == NULL) {
        return without_daemon(ctl, code);
    }
    ctl_use_engine(ts_json_str_or(project, "engine", ""));
    json_t *parameters =
        json_pack("{s:b, s:o}", "boot", (int)ctl->boot, "facts", ctl_collect_facts(ctl, project));
    code = examine(ctl, "Doctor", parameters, "doctor", EXAMINE_MS, &e);
    if (code == CTL_OK && !ctl->json && !ctl->boot) {
        sum_up(ctl, &e);
    }
    json_decref(e.all);
    return code != CTL_OK ? code : e.exit;
}

/* --- validate */

static int end_validation(const struct ctl *ctl, const json_t *project, const struct examination *e)
{
    char text[160];
    if (ctl->report != NULL && !ctl_write_report(ctl, ctl->report, project, e->all, e->failed)) {
        return CTL_FAILED;
    }
    if (!ctl->json) {
        size_t n = json_array_size(e->all);
        if (e->failed == 0) {
            (void)snprintf(text, sizeof(text),
                           "\u2713 every point of %zu holds, or was not asked for", n);
        } else {
            (void)snprintf(text, sizeof(text), "%lld of %zu points do not hold",
                           (long long)e->failed, n);
        }
        put_line(ctl, e->failed == 0 ? TONE_GOOD : TONE_BAD, text);
    }
    return e->failed == 0 ? CTL_OK : CTL_NOT_READY;
}

int ctl_run_validate(struct ctl *ctl)
{
    int code;
    struct examination e = {.key = "point"};
    bool acts = ctl->restart_test || ctl->cold_start_test;
    TS_CLEANUP(ts_json_drop) json_t *project = ctl_call(ctl, "Project", NULL, &code);
    if (project == NULL) {
        return code;
    }
    ctl_use_engine(ts_json_str_or(project, "engine", ""));
    json_t *parameters =
        json_pack("{s:b, s:b, s:b, s:o}", "send_alert", (int)ctl->send_alert, "restart_test",
                  (int)ctl->restart_test, "cold_start_test", (int)ctl->cold_start_test, "facts",
                  ctl_collect_facts(ctl, project));
    code = examine(ctl, "Validate", parameters, "validate", acts ? TEST_MS : EXAMINE_MS, &e);
    if (ctl_interrupted() && acts) {
        ctl_hint("a test that stopped the stack starts it again: tradestackctl watch");
    }
    code = code != CTL_OK      ? code
           : ctl_interrupted() ? CTL_FAILED
                               : end_validation(ctl, project, &e);
    json_decref(e.all);
    return code;
}
