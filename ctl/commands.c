/* The table of commands, and those that are one call and one answer. */
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "child.h"
#include "ctl.h"

/* "✓ " and what was done; with --json the daemon's reply. */
static void print_done(const struct ctl *ctl, const json_t *reply, const char *fmt, ...)
    TS_PRINTF(3, 4);
static void print_done(const struct ctl *ctl, const json_t *reply, const char *fmt, ...)
{
    char text[600];
    va_list ap;
    if (ctl->json) {
        ctl_print_json(reply);
        return;
    }
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, ap);
    va_end(ap);
    ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
    ctl_put(ctl, stdout, TONE_PLAIN, "%s", text);
    (void)putchar('\n');
}

static int run_status(struct ctl *ctl)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *status = ctl_call(ctl, "GetStatus", NULL, &code);
    if (status == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json(status);
    } else {
        ctl_show_status(ctl, stdout, status);
    }
    return strcmp(ts_json_str_or(status, "state", ""), "ready") == 0 ? CTL_OK : CTL_NOT_READY;
}

/* A call about one service whose success needs one word. */
static int service_call(struct ctl *ctl, const char *method, const char *done)
{
    int code;
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, method, json_pack("{s:s}", "service", ctl->argv[0]), &code);
    if (reply != NULL) {
        print_done(ctl, reply, "%s %s", ctl->argv[0], done);
    }
    return code;
}

static int run_hold(struct ctl *ctl)
{
    return service_call(ctl, "Hold", "is held: the daemon leaves it alone until unhold");
}

static int run_unhold(struct ctl *ctl)
{
    return service_call(ctl, "Unhold", "is supervised again");
}

static int run_reset(struct ctl *ctl)
{
    return service_call(ctl, "Reset", "may try again: failures forgotten");
}

static const char *plural(size_t n)
{
    return n == 1 ? "" : "s";
}

static int run_release(struct ctl *ctl)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Release", NULL, &code);
    if (reply != NULL) {
        size_t n = json_array_size(json_object_get(reply, "services"));
        print_done(ctl, reply,
                   "%zu service%s released: the engine's restart policies are theirs again; to "
                   "supervise them again: tradestackctl up",
                   n, plural(n));
    }
    return code;
}

static int run_reload(struct ctl *ctl)
{
    int code;
    size_t i;
    json_t *v;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Reload", NULL, &code);
    const json_t *changed = json_object_get(reply, "changed");
    size_t n = json_array_size(changed);
    if (reply == NULL) {
        return code;
    }
    print_done(ctl, reply, "reloaded, %zu change%s", n, plural(n));
    json_array_foreach(changed, i, v)
    {
        if (!ctl->json) {
            ctl_put(ctl, stdout, TONE_PLAIN, "  %s",
                    json_is_string(v) ? json_string_value(v) : "?");
            (void)putchar('\n');
        }
    }
    return code;
}

static int run_alert(struct ctl *ctl)
{
    int code;
    if (strcmp(ctl->argv[0], "test") != 0) {
        ctl_error("alert: want \"test\", not \"%s\"", ctl->argv[0]);
        return CTL_USAGE;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, "AlertTest", json_pack("{s:s*}", "channel", ctl->channel), &code);
    if (reply != NULL) {
        size_t n = (size_t)ts_json_i64_or(reply, "queued", 0);
        print_done(ctl, reply,
                   "test alert queued for %zu channel%s; tradestackctl status shows whether it "
                   "went out",
                   n, plural(n));
    }
    return code;
}

static int run_version(struct ctl *ctl)
{
    int code;
    if (!ctl->json) {
        (void)printf("tradestackctl " TS_VERSION "\n");
        (void)fflush(stdout);
    }
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Ping", NULL, &code);
    if (reply != NULL && ctl->json) {
        (void)json_object_set_new(reply, "tradestackctl", json_string(TS_VERSION));
        ctl_print_json(reply);
    } else if (reply != NULL) {
        ctl_put(ctl, stdout, TONE_PLAIN, "tradestackd   %s (pid %lld, mode %s)",
                ts_json_str_or(reply, "version", "?"), (long long)ts_json_i64_or(reply, "pid", 0),
                ts_json_str_or(reply, "mode", "?"));
        (void)putchar('\n');
    }
    return code;
}

/* The daemon knows best what it takes: it checks, and its words are shown. */
static int daemon_check(const char *what, const char *option, const char *file)
{
    struct ts_error err;
    bool correct = false;
    if (!ctl_daemon_check(what, option, file, &correct, &err)) {
        ctl_error("check: %s", err.msg);
        ctl_hint("tradestackd, which checks, is looked for beside this program and in PATH");
        return CTL_FAILED;
    }
    return correct ? CTL_OK : CTL_FAILED;
}

static int run_check(struct ctl *ctl)
{
    return daemon_check("--check", ctl->config != NULL ? "--config" : NULL, ctl->config);
}

static int run_gameplan(struct ctl *ctl)
{
    if (strcmp(ctl->argv[0], "check") != 0) {
        ctl_error("gameplan: want \"check FILE\", not \"%s\"", ctl->argv[0]);
        return CTL_USAGE;
    }
    return daemon_check("--check-gameplan", ctl->argv[1], NULL);
}

/* options: f file, e env-file, p project, w wait, n no-wait, F follow, T tail, s since, c config,
 * C channel, A account, G gameplan, x expires, r reason, a all, R report, S send-alert,
 * t restart-test, O cold-start-test, b boot, k keep, d dry-run, y yes, B no-rollback, I from, N to,
 * K accept, D deprecate-old */
static const struct ctl_command commands[] = {
    {"status", "", "", 0, 0, "show what runs, since when, and what comes next", run_status},
    {"up", "", "fepwn", 0, 0, "create what is missing (with --file) and start all in order",
     ctl_run_up},
    {"migrate", "", "INeDKdyBrwn", 0, 0, "move from an older Compose file, with a way back",
     ctl_run_migrate},
    {"rollback", "[BACKUP]", "dyBwn", 0, 1,
     "put back what ran before the last exchange, or a backup", ctl_run_rollback},
    {"backups", "[COMMAND]", "k", 0, 2, "what ran before each exchange", ctl_run_backups},
    {"down", "", "wn", 0, 0, "stop all in reverse order", ctl_run_down},
    {"start", "SERVICE", "wn", 1, 1, "start a service and what it depends on", ctl_run_start},
    {"stop", "SERVICE", "wn", 1, 1, "stop a service, its dependents first", ctl_run_stop},
    {"restart", "SERVICE", "wn", 1, 1, "stop and start a service", ctl_run_restart},
    {"hold", "SERVICE", "", 1, 1, "leave a service alone, whatever happens", run_hold},
    {"unhold", "SERVICE", "", 1, 1, "end a hold", run_unhold},
    {"reset", "SERVICE", "", 1, 1, "let a failed service try again", run_reset},
    {"release", "", "", 0, 0, "end supervision; the engine's restart policies come back",
     run_release},
    {"logs", "SERVICE", "FT", 1, 1, "show a service's log", ctl_run_logs},
    {"events", "", "FTs", 0, 0, "show what happened", ctl_run_events},
    {"watch", "", "", 0, 0, "show the status, live", ctl_run_watch},
    {"check", "", "c", 0, 0, "check a configuration file", run_check},
    {"reload", "", "", 0, 0, "have the daemon read its configuration anew", run_reload},
    {"safety", "[reset SERVICE]", "r", 0, 2, "show what the safety rules see; reset what tripped",
     ctl_run_safety},
    {"approve", "KIND SERVICE", "AGxr", 2, 2,
     "as CRO: approve live, dry-run-off or gameplan (see the manual)", ctl_run_approve},
    {"approvals", "", "a", 0, 0, "show what is approved, for what, until when", ctl_run_approvals},
    {"revoke", "ID", "r", 1, 1, "take an approval back", ctl_run_revoke},
    {"gameplan", "check FILE", "", 2, 2, "check a gameplan before it goes to the bot",
     run_gameplan},
    {"audit", "[verify]", "T", 0, 1, "show who did what; check that nothing was changed",
     ctl_run_audit},
    {"validate", "", "feRStO", 0, 0, "check every point of the operators' list, with evidence",
     ctl_run_validate},
    {"doctor", "", "feb", 0, 0, "find what is wrong, why, and the command that mends it",
     ctl_run_doctor},
    {"alert", "test", "C", 1, 1, "send a test alert", run_alert},
    {"version", "", "", 0, 0, "show the versions of tool and daemon", run_version},
};

const struct ctl_command *ctl_commands(size_t *ret_count)
{
    *ret_count = TS_ARRAY_LEN(commands);
    return commands;
}

const struct ctl_command *ctl_find(const char *name)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, name) == 0) {
            return &commands[i];
        }
    }
    return NULL;
}
