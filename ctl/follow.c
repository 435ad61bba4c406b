/* Commands that go on for a while: operations with progress, logs, events, watch. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "ctl.h"

#define WAIT_DEFAULT_MS  300000
#define ANSWER_MARGIN_MS 5000
#define SLICE_MS         500

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

/* Ctrl-C ends the waiting, not the operation: that is the daemon's. */
static void catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_interrupt; /* without SA_RESTART: poll() returns */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

static void show_step(const struct ctl *ctl, const json_t *step)
{
    bool done = ts_json_bool_or(step, "done", false);
    bool ok = ts_json_bool_or(step, "ok", true);
    char span[TS_SPAN_TEXT];
    char line[700];
    if (ctl->json) {
        ctl_print_json(step);
        return;
    }
    ts_span_format(ts_json_i64_or(step, "took_ms", 0), span);
    ctl_put(ctl, stdout,
            !done ? TONE_DIM
            : ok  ? TONE_GOOD
                  : TONE_BAD,
            !done ? "  \u2026 "
            : ok  ? "  \u2713 "
                  : "  \u2717 ");
    (void)snprintf(line, sizeof(line), "%-16s %-10s %9s  %s", ts_json_str_or(step, "service", ""),
                   ts_json_str_or(step, "step", ""), span, ts_json_str_or(step, "detail", ""));
    ctl_put(ctl, stdout, TONE_PLAIN, line);
    (void)putchar('\n');
    (void)fflush(stdout);
}

/* The next reply. Waits in slices: a signal that comes just before poll() wakes nobody. */
static bool next_reply(struct ts_control_client *c, int64_t timeout_ms,
                       struct ts_varlink_reply *ret, struct ts_error *err)
{
    int64_t left = timeout_ms;
    for (;;) {
        int64_t slice = timeout_ms > 0 && left < SLICE_MS ? left : SLICE_MS;
        if (interrupted != 0) {
            ts_error_set(err, TS_E_CANCELLED, "interrupted");
            return false;
        }
        if (ts_control_next(c, slice, ret, err)) {
            return true;
        }
        left -= slice;
        if (err->code != TS_E_TIMEOUT || (timeout_ms > 0 && left <= 0)) {
            return false;
        }
    }
}

/* Reads replies until the last. each may be NULL. */
static int read_replies(struct ctl *ctl, struct ts_control_client *c, int64_t timeout_ms,
                        const char *what, void (*each)(const struct ctl *ctl, const json_t *reply))
{
    for (;;) {
        struct ts_varlink_reply reply;
        struct ts_error err;
        if (!next_reply(c, timeout_ms, &reply, &err)) {
            if (err.code == TS_E_CANCELLED && interrupted != 0) {
                return CTL_OK;
            }
            return ctl_print_error(ctl, &err);
        }
        int code = -1;
        if (reply.error[0] != '\0') {
            code = ctl_print_reply_error(&reply, what);
        } else {
            if (each != NULL && json_object_size(reply.parameters) > 0) {
                each(ctl, reply.parameters);
            }
            code = reply.continues ? -1 : CTL_OK;
        }
        json_decref(reply.parameters);
        if (code >= 0) {
            return code;
        }
    }
}

static void each_step(const struct ctl *ctl, const json_t *reply)
{
    show_step(ctl, json_object_get(reply, "step"));
}

int ctl_operate(struct ctl *ctl, const char *method, const char *service, bool wait)
{
    struct ts_error err;
    struct ts_control_client *c = ctl_connect(ctl);
    int64_t timeout = ctl->timeout_ms > 0 ? ctl->timeout_ms : WAIT_DEFAULT_MS;
    char what[160];
    if (c == NULL) {
        return CTL_NO_DAEMON;
    }
    (void)snprintf(what, sizeof(what), "%s %s", method, service != NULL ? service : "all services");
    TS_CLEANUP(ts_json_drop)
    json_t *parameters =
        json_pack("{s:b, s:I}", "wait", (int)wait, "timeout_ms", (json_int_t)timeout);
    if (service != NULL) {
        (void)json_object_set_new(parameters, "service", json_string(service));
    }
    catch_interrupt();
    int code;
    if (!ts_control_call(c, method, parameters, wait, &err)) {
        code = ctl_print_error(ctl, &err);
    } else {
        code = read_replies(ctl, c, timeout + ANSWER_MARGIN_MS, what, each_step);
    }
    if (interrupted != 0) {
        (void)fprintf(stderr, "\ntradestackctl: not waiting any longer; the daemon goes on with it "
                              "(tradestackctl status)\n");
        code = CTL_FAILED;
    }
    ts_control_close(c);
    return code;
}

int ctl_run_start(struct ctl *ctl)
{
    return ctl_operate(ctl, "Start", ctl->argv[0], !ctl->no_wait);
}

int ctl_run_stop(struct ctl *ctl)
{
    return ctl_operate(ctl, "Stop", ctl->argv[0], !ctl->no_wait);
}

int ctl_run_restart(struct ctl *ctl)
{
    return ctl_operate(ctl, "Restart", ctl->argv[0], !ctl->no_wait);
}

int ctl_run_down(struct ctl *ctl)
{
    return ctl_operate(ctl, "Stop", NULL, !ctl->no_wait);
}

static int stream(struct ctl *ctl, const char *method, json_t *take_parameters,
                  void (*each)(const struct ctl *ctl, const json_t *reply))
{
    struct ts_error err;
    TS_CLEANUP(ts_json_drop) json_t *parameters = take_parameters;
    struct ts_control_client *c = ctl_connect(ctl);
    if (c == NULL) {
        return CTL_NO_DAEMON;
    }
    catch_interrupt();
    int code = ts_control_call(c, method, parameters, true, &err)
                   ? read_replies(ctl, c, ctl->follow ? 0 : 30000, method, each)
                   : ctl_print_error(ctl, &err);
    ts_control_close(c);
    return code;
}

static void each_line(const struct ctl *ctl, const json_t *reply)
{
    if (ctl->json) {
        char *text = json_dumps(reply, JSON_COMPACT);
        (void)puts(text != NULL ? text : "");
        free(text);
    } else {
        ctl_put(ctl, stdout, TONE_PLAIN, ts_json_str_or(reply, "line", ""));
        (void)putchar('\n');
    }
    (void)fflush(stdout);
}

int ctl_run_logs(struct ctl *ctl)
{
    json_t *parameters =
        json_pack("{s:s, s:b, s:I}", "service", ctl->argv[0], "follow", (int)ctl->follow, "tail",
                  (json_int_t)(ctl->tail >= 0 ? ctl->tail : 100));
    return stream(ctl, "Logs", parameters, each_line);
}

static void each_event(const struct ctl *ctl, const json_t *reply)
{
    const json_t *event = json_object_get(reply, "event");
    if (event == NULL) {
        return;
    }
    if (ctl->json) {
        char *text = json_dumps(event, JSON_COMPACT);
        (void)puts(text != NULL ? text : "");
        free(text);
    } else {
        ctl_show_event(ctl, event);
    }
    (void)fflush(stdout);
}

int ctl_run_events(struct ctl *ctl)
{
    json_t *parameters = json_pack("{s:b, s:s}", "follow", (int)ctl->follow, "since",
                                   ctl->since != NULL ? ctl->since : "");
    if (ctl->tail >= 0) {
        (void)json_object_set_new(parameters, "limit", json_integer(ctl->tail));
    } else if (ctl->since != NULL) {
        (void)json_object_set_new(parameters, "limit", json_integer(5000));
    }
    return stream(ctl, "Events", parameters, each_event);
}

/* A live table on a terminal; elsewhere one line a change. */
static void each_status(const struct ctl *ctl, const json_t *reply)
{
    const json_t *status = json_object_get(reply, "status");
    if (ctl->json) {
        char *text = json_dumps(status, JSON_COMPACT);
        (void)puts(text != NULL ? text : "");
        free(text);
    } else if (isatty(STDOUT_FILENO) != 0) {
        (void)fputs("\033[H\033[2J", stdout);
        ctl_show_status(ctl, status);
        (void)fputs("\n  Ctrl-C ends this view.\n", stdout);
    } else {
        (void)puts(ts_json_str_or(status, "summary", ""));
    }
    (void)fflush(stdout);
}

int ctl_run_watch(struct ctl *ctl)
{
    ctl->follow = true;
    return stream(ctl, "Watch", NULL, each_status);
}
