/* The table of commands, and those that are one call and one answer. */
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/json.h"
#include "ctl.h"

#define ANSWER_MS 10000

int ctl_print_error(const struct ctl *ctl, const struct ts_error *err)
{
    (void)fprintf(stderr, "tradestackctl: %s\n", err->msg);
    if (err->code == TS_E_DENIED) {
        (void)fprintf(stderr, "  you may not use this socket: run it as root, or join the group "
                              "that operates tradestack ([control] operate_group)\n");
    } else if (err->code == TS_E_UNAVAILABLE) {
        (void)fprintf(stderr,
                      "  is the daemon running? systemctl status tradestackd; its socket is %s "
                      "(--socket, TRADESTACK_SOCKET)\n",
                      ctl->socket);
    } else if (err->code == TS_E_TIMEOUT) {
        (void)fprintf(stderr, "  it may be busy or stopped: journalctl -u tradestackd\n");
    }
    return err->code == TS_E_UNAVAILABLE || err->code == TS_E_DENIED ? CTL_NO_DAEMON : CTL_FAILED;
}

static void print_list(const json_t *list, const char *indent)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        (void)fprintf(stderr, "%s%s\n", indent, json_string_value(v));
    }
}

int ctl_print_reply_error(const struct ts_varlink_reply *reply, const char *what)
{
    const char *dot = strrchr(reply->error, '.');
    const char *name = dot != NULL ? dot + 1 : reply->error;
    const json_t *p = reply->parameters;
    if (strcmp(name, "NoSuchService") == 0) {
        (void)fprintf(stderr, "tradestackctl: there is no service \"%s\"; known:\n",
                      ts_json_str_or(p, "service", ""));
        print_list(json_object_get(p, "known"), "  ");
    } else if (strcmp(name, "NotAllowed") == 0) {
        (void)fprintf(stderr,
                      "tradestackctl: %s: you need the %s right\n  run it as root, or join the "
                      "group named by [control] %s_group\n",
                      what, ts_json_str_or(p, "need", ""), ts_json_str_or(p, "need", ""));
    } else if (strcmp(name, "Refused") == 0) {
        (void)fprintf(stderr, "tradestackctl: refused: %s\n  next: %s\n",
                      ts_json_str_or(p, "reason", ""), ts_json_str_or(p, "cure", ""));
    } else if (strcmp(name, "BadConfig") == 0) {
        (void)fprintf(stderr,
                      "tradestackctl: the configuration has errors; nothing was changed:\n");
        print_list(json_object_get(p, "errors"), "  ");
    } else if (strcmp(name, "TimedOut") == 0) {
        (void)fprintf(stderr,
                      "tradestackctl: %s: not there in time: %s\n  the daemon goes on with it: "
                      "tradestackctl watch\n",
                      what, ts_json_str_or(p, "detail", ""));
        return CTL_NOT_READY;
    } else {
        (void)fprintf(stderr, "tradestackctl: %s: %s\n", what,
                      ts_json_str_or(p, "reason", reply->error));
    }
    return CTL_FAILED;
}

struct ts_control_client *ctl_connect(struct ctl *ctl)
{
    struct ts_error err;
    struct ts_control_client *c = ts_control_connect(ctl->socket, ANSWER_MS, &err);
    if (c == NULL) {
        (void)ctl_print_error(ctl, &err);
    }
    return c;
}

json_t *ctl_call(struct ctl *ctl, const char *method, json_t *take_parameters, int *ret_exit)
{
    struct ts_error err;
    struct ts_varlink_reply reply;
    TS_CLEANUP(ts_json_drop) json_t *parameters = take_parameters;
    struct ts_control_client *c = ctl_connect(ctl);
    *ret_exit = CTL_NO_DAEMON;
    if (c == NULL) {
        return NULL;
    }
    bool ok = ts_control_call(c, method, parameters, false, &err) &&
              ts_control_next(c, ctl->timeout_ms > 0 ? ctl->timeout_ms : ANSWER_MS, &reply, &err);
    ts_control_close(c);
    if (!ok) {
        *ret_exit = ctl_print_error(ctl, &err);
        return NULL;
    }
    if (reply.error[0] != '\0') {
        *ret_exit = ctl_print_reply_error(&reply, method);
        json_decref(reply.parameters);
        return NULL;
    }
    *ret_exit = CTL_OK;
    return reply.parameters;
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
        ctl_show_status(ctl, status);
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
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        (void)printf("%s %s\n", ctl->argv[0], done);
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

static int run_release(struct ctl *ctl)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Release", NULL, &code);
    if (reply != NULL) {
        (void)printf("%zu services released: the engine's restart policies are theirs again.\n"
                     "To supervise them again: tradestackctl up\n",
                     json_array_size(json_object_get(reply, "services")));
    }
    return code;
}

static int run_reload(struct ctl *ctl)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Reload", NULL, &code);
    if (reply == NULL) {
        return code;
    }
    const json_t *changed = json_object_get(reply, "changed");
    ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
    (void)printf("reloaded, %zu changes\n", json_array_size(changed));
    size_t i;
    json_t *v;
    json_array_foreach(changed, i, v)
    {
        (void)printf("  %s\n", json_string_value(v));
    }
    return code;
}

static int run_alert(struct ctl *ctl)
{
    int code;
    if (strcmp(ctl->argv[0], "test") != 0) {
        (void)fprintf(stderr, "tradestackctl: alert: want \"test\"\n");
        return CTL_USAGE;
    }
    json_t *parameters = ctl->channel != NULL ? json_pack("{s:s}", "channel", ctl->channel) : NULL;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "AlertTest", parameters, &code);
    if (reply != NULL) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        (void)printf("test alert queued for %lld channel(s); `tradestackctl status` shows whether "
                     "it went out\n",
                     (long long)ts_json_i64_or(reply, "queued", 0));
    }
    return code;
}

static int run_version(struct ctl *ctl)
{
    int code;
    struct ts_error err;
    (void)printf("tradestackctl " TS_VERSION "\n");
    struct ts_control_client *c = ts_control_connect(ctl->socket, ANSWER_MS, &err);
    if (c == NULL) {
        (void)printf("tradestackd   does not answer on %s\n", ctl->socket);
        return CTL_NO_DAEMON;
    }
    ts_control_close(c);
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Ping", NULL, &code);
    if (reply != NULL) {
        (void)printf("tradestackd   %s (pid %lld)\n", ts_json_str_or(reply, "version", "?"),
                     (long long)ts_json_i64_or(reply, "pid", 0));
    }
    return code;
}

/* The daemon knows its configuration best: it checks, and its words are shown. It lies beside this
 * program (packages: in the folder of system programs), or in the build's folder. */
static int run_check(struct ctl *ctl)
{
    static const char *const places[] = {"tradestackd", "../sbin/tradestackd",
                                         "../daemon/tradestackd"};
    char self[512];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    char *slash = NULL;
    if (n > 0) {
        self[n] = '\0';
        slash = strrchr(self, '/');
    }
    if (slash != NULL) {
        slash[1] = '\0';
    }
    for (size_t i = 0; slash != NULL && i < TS_ARRAY_LEN(places); i++) {
        char path[600];
        (void)snprintf(path, sizeof(path), "%s%s", self, places[i]);
        if (access(path, X_OK) == 0) {
            (void)execl(path, "tradestackd", "--check", ctl->config != NULL ? "--config" : NULL,
                        ctl->config, (char *)NULL);
        }
    }
    (void)execlp("tradestackd", "tradestackd", "--check", ctl->config != NULL ? "--config" : NULL,
                 ctl->config, (char *)NULL);
    (void)fprintf(stderr, "tradestackctl: tradestackd, which checks the configuration, was not "
                          "found beside this program or in PATH\n");
    return CTL_FAILED;
}

/* options: f file, e env-file, p project, w wait, n no-wait, F follow, T tail, s since, c config,
 * C channel */
static const struct ctl_command commands[] = {
    {"status", "", "", 0, 0, "show what runs, since when, and what comes next", run_status},
    {"up", "", "fepwn", 0, 0, "create what is missing (with --file) and start all in order",
     ctl_run_up},
    {"down", "", "wn", 0, 0, "stop all in reverse order", ctl_run_down},
    {"start", "SERVICE", "wn", 1, 1, "start a service and what it depends on", ctl_run_start},
    {"stop", "SERVICE", "wn", 1, 1, "stop a service, its dependents first", ctl_run_stop},
    {"restart", "SERVICE", "wn", 1, 1, "stop and start a service", ctl_run_restart},
    {"hold", "SERVICE", "", 1, 1, "leave a service alone, whatever happens", run_hold},
    {"unhold", "SERVICE", "", 1, 1, "end a hold", run_unhold},
    {"reset", "SERVICE", "", 1, 1, "let a failed or blocked service try again", run_reset},
    {"release", "", "", 0, 0, "end supervision; the engine's restart policies come back",
     run_release},
    {"logs", "SERVICE", "FT", 1, 1, "show a service's log", ctl_run_logs},
    {"events", "", "FTs", 0, 0, "show what happened", ctl_run_events},
    {"watch", "", "", 0, 0, "show the status, live", ctl_run_watch},
    {"check", "", "c", 0, 0, "check a configuration file", run_check},
    {"reload", "", "", 0, 0, "have the daemon read its configuration anew", run_reload},
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
