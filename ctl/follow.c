/* Commands that go on for a while: operations with progress, logs, events. */
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "ctl.h"

#define WAIT_DEFAULT_MS  300000
#define ANSWER_MARGIN_MS 5000 /* what the daemon may need beyond its own deadline */
#define LIST_MS          30000
#define SLICE_MS         500
#define TICK_MS          100
#define EVENTS_SINCE_MAX 5000 /* of events asked for by time */
#define LOG_TAIL         100

/* How a stream of replies ended. */
struct outcome {
    bool ok; /* else err says why not */
    struct ts_error err;
    struct ts_varlink_reply last; /* when it was an error */
};

/* The next reply. Waits in slices: a signal that comes just before poll() wakes nobody. */
static bool next_reply(const struct ctl *ctl, struct ts_control_client *c, int64_t timeout_ms,
                       const struct ctl_follower *follower, struct ts_varlink_reply *ret,
                       struct ts_error *err)
{
    const bool ticks = ctl->live && follower->tick != NULL;
    const int64_t most = ticks ? TICK_MS : SLICE_MS;
    const ts_mono deadline = timeout_ms > 0 ? ts_mono_add(ctl_now(), timeout_ms) : TS_NEVER;
    for (;;) {
        int64_t left = timeout_ms > 0 ? ts_mono_diff(ctl_now(), deadline) : most;
        if (ctl_interrupted()) {
            ts_error_set(err, TS_E_CANCELLED, "interrupted");
            return false;
        }
        if (left <= 0) {
            return ts_error_set(err, TS_E_TIMEOUT, "no answer from the daemon in time");
        }
        if (ts_control_next(c, left < most ? left : most, ret, err)) {
            return true;
        }
        if (err->code != TS_E_TIMEOUT) {
            return false;
        }
        if (ticks) {
            follower->tick(follower->ctx, ctl);
        }
    }
}

static void read_replies(struct ctl *ctl, struct ts_control_client *c, int64_t timeout_ms,
                         const struct ctl_follower *follower, struct outcome *ret)
{
    bool more = true;
    *ret = (struct outcome){.ok = true};
    while (more && ret->ok) {
        struct ts_varlink_reply *reply = &ret->last;
        ret->ok = next_reply(ctl, c, timeout_ms, follower, reply, &ret->err);
        if (!ret->ok || reply->error[0] != '\0') {
            return;
        }
        if (json_object_size(reply->parameters) > 0) {
            follower->each(follower->ctx, ctl, reply->parameters);
        }
        more = reply->continues;
        json_decref(reply->parameters);
        reply->parameters = NULL;
        if (ferror(stdout) != 0) { /* who read us has gone; SIGPIPE may be ignored */
            ret->ok = ts_error_set(&ret->err, TS_E_SYSTEM, "standard output cannot be written");
        }
    }
}

int ctl_follow(struct ctl *ctl, const char *method, json_t *take_parameters, const char *what,
               int64_t timeout_ms, const struct ctl_follower *follower)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *parameters = take_parameters;
    struct ts_control_client *c = ctl_connect(ctl, &code);
    if (c == NULL) {
        return code;
    }
    struct outcome outcome = {.ok = false};
    ctl_catch_interrupt();
    if (ts_control_call(c, method, parameters, true, &outcome.err)) {
        read_replies(ctl, c, timeout_ms, follower, &outcome);
    }
    ts_control_close(c);
    if (follower->end != NULL) {
        follower->end(follower->ctx, ctl);
    }
    code = !outcome.ok && !ctl_interrupted() ? ctl_print_error(ctl, &outcome.err)
           : outcome.last.error[0] != '\0'   ? ctl_print_reply_error(&outcome.last, what)
                                             : CTL_OK;
    json_decref(outcome.last.parameters);
    return code;
}

/* --- operations */

void ctl_show_step(struct ctl_progress *progress, const struct ctl *ctl, const json_t *step)
{
    struct ctl_step s = {.took_ms = ts_json_i64_or(step, "took_ms", 0),
                         .done = ts_json_bool_or(step, "done", false),
                         .ok = ts_json_bool_or(step, "ok", true)};
    if (ctl->json) {
        ctl_print_json_line(step);
        return;
    }
    ts_copy_cut(s.service, sizeof(s.service), ts_json_str_or(step, "service", ""));
    ts_copy_cut(s.step, sizeof(s.step), ts_json_str_or(step, "step", ""));
    ts_copy_cut(s.detail, sizeof(s.detail), ts_json_str_or(step, "detail", ""));
    ctl_progress_step(progress, &s);
}

static void each_step(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    ctl_show_step(ctx, ctl, json_object_get(reply, "step"));
}

static void tick_steps(void *ctx, const struct ctl *ctl)
{
    (void)ctl;
    ctl_progress_tick(ctx);
}

static void end_steps(void *ctx, const struct ctl *ctl)
{
    (void)ctl;
    ctl_progress_end(ctx);
}

/* "start gateway", for people. */
static void describe(const char *method, const char *service, char *out, size_t size)
{
    (void)snprintf(out, size, "%s %s", method, service != NULL ? service : "all services");
    out[0] = (char)(out[0] >= 'A' && out[0] <= 'Z' ? out[0] - 'A' + 'a' : out[0]);
}

static int operate_and_wait(struct ctl *ctl, const char *method, json_t *take_parameters,
                            const char *what, int64_t timeout_ms)
{
    struct ctl_progress progress = ctl_progress_init(ctl);
    const struct ctl_follower follower = {each_step, tick_steps, end_steps, &progress};
    int code =
        ctl_follow(ctl, method, take_parameters, what, timeout_ms + ANSWER_MARGIN_MS, &follower);
    if (ctl_interrupted()) {
        ctl_error("not waiting any longer for: %s", what);
        ctl_hint("the daemon goes on with it: tradestackctl status");
        code = CTL_FAILED;
    }
    return code;
}

int ctl_operate(struct ctl *ctl, const char *method, const char *service)
{
    const int64_t timeout = ctl->timeout_ms > 0 ? ctl->timeout_ms : WAIT_DEFAULT_MS;
    char what[160];
    int code;
    describe(method, service, what, sizeof(what));
    json_t *parameters = json_pack("{s:b, s:I, s:s*}", "wait", (int)!ctl->no_wait, "timeout_ms",
                                   (json_int_t)timeout, "service", service);
    if (!ctl->no_wait) {
        return operate_and_wait(ctl, method, parameters, what, timeout);
    }
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, method, parameters, &code);
    if (reply != NULL && !ctl->json) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN, "%s: the daemon does it; see tradestackctl status", what);
        (void)putchar('\n');
    }
    return code;
}

int ctl_run_start(struct ctl *ctl)
{
    return ctl_operate(ctl, "Start", ctl->argv[0]);
}

int ctl_run_stop(struct ctl *ctl)
{
    return ctl_operate(ctl, "Stop", ctl->argv[0]);
}

int ctl_run_restart(struct ctl *ctl)
{
    return ctl_operate(ctl, "Restart", ctl->argv[0]);
}

int ctl_run_down(struct ctl *ctl)
{
    return ctl_operate(ctl, "Stop", NULL);
}

/* --- streams of lines */

static int64_t list_timeout(const struct ctl *ctl)
{
    return ctl->follow ? 0 : ctl->timeout_ms > 0 ? ctl->timeout_ms : LIST_MS;
}

static void each_line(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    (void)ctx;
    if (ctl->json) {
        ctl_print_json_line(reply);
    } else {
        ctl_put(ctl, stdout, TONE_PLAIN, "%s", ts_json_str_or(reply, "line", ""));
        (void)putchar('\n');
        (void)fflush(stdout);
    }
}

int ctl_run_logs(struct ctl *ctl)
{
    const struct ctl_follower follower = {each_line, NULL, NULL, NULL};
    json_t *parameters =
        json_pack("{s:s, s:b, s:I}", "service", ctl->argv[0], "follow", (int)ctl->follow, "tail",
                  (json_int_t)(ctl->tail >= 0 ? ctl->tail : LOG_TAIL));
    return ctl_follow(ctl, "Logs", parameters, "logs", list_timeout(ctl), &follower);
}

static void each_event(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    const json_t *event = json_object_get(reply, "event");
    (void)ctx;
    if (ctl->json) {
        ctl_print_json_line(event);
    } else {
        ctl_show_event(ctl, event);
        (void)fflush(stdout);
    }
}

int ctl_run_events(struct ctl *ctl)
{
    const struct ctl_follower follower = {each_event, NULL, NULL, NULL};
    const int64_t limit = ctl->tail >= 0 ? ctl->tail : EVENTS_SINCE_MAX;
    json_t *parameters = json_pack("{s:b, s:s*}", "follow", (int)ctl->follow, "since", ctl->since);
    if (ctl->tail >= 0 || ctl->since != NULL) {
        (void)json_object_set_new(parameters, "limit", json_integer(limit));
    }
    return ctl_follow(ctl, "Events", parameters, "events", list_timeout(ctl), &follower);
}
