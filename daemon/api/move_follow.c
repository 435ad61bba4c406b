/* Clients that follow an exchange, what they are told, and what is refused while it is on. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/move.h"
#include "base/json.h"
#include "base/parse.h"

#define FOLLOWERS_MAX 16

/* A client that follows the move that is on. */
struct ts_move_follower {
    struct ts_move_follower *next;
    struct ts_daemon *daemon;
    struct ts_call *call;
    ts_mono step_began;
};

/* --- refusing what would get in its way */

bool ts_api_move_refuses(struct ts_daemon *d, struct ts_call *call, const char *service)
{
    char line[TS_MOVE_TEXT];
    char began[TS_WALL_TEXT];
    char reason[TS_MOVE_TEXT + 160];
    bool concerned = ts_move_is_on(d) && (service[0] == '\0' || ts_move_concerns(d, service));
    if (!concerned) {
        return false;
    }
    ts_move_line(d, line, sizeof(line));
    ts_wall_format(d->move->began, began);
    (void)snprintf(reason, sizeof(reason), "containers are being exchanged, by %s since %s: %s",
                   d->move->by, began, line);
    ts_api_refuse(d, call, service, reason,
                  d->move->state.way == TS_MOVE_BACK
                      ? "wait until it is over: tradestackctl watch"
                      : "wait until it is over (tradestackctl watch), or go back: tradestackctl "
                        "rollback");
    return true;
}

/* --- followers */

static void on_follower_gone(void *ctx)
{
    struct ts_move_follower *f = ctx;
    for (struct ts_move_follower **at = &f->daemon->move_followers; *at != NULL;
         at = &(*at)->next) {
        if (*at == f) {
            *at = f->next;
            break;
        }
    }
    free(f);
}

bool ts_api_move_follow(struct ts_daemon *d, struct ts_call *call)
{
    size_t n = 0;
    for (const struct ts_move_follower *f = d->move_followers; f != NULL; f = f->next) {
        n++;
    }
    struct ts_move_follower *f = n < FOLLOWERS_MAX ? calloc(1, sizeof(*f)) : NULL;
    if (f == NULL) {
        return false;
    }
    *f = (struct ts_move_follower){
        .next = d->move_followers, .daemon = d, .call = call, .step_began = ts_loop_now(d->loop)};
    d->move_followers = f;
    ts_call_on_gone(call, on_follower_gone, f);
    return true;
}

void ts_api_move_step(struct ts_move *m, const char *name, const char *text, bool done, bool ok,
                      const char *detail)
{
    struct ts_daemon *d = m->daemon;
    struct ts_move_follower *next;
    for (struct ts_move_follower *f = d->move_followers; f != NULL; f = next) {
        next = f->next; /* one that does not read is cut off, and gone */
        if (!done) {
            f->step_began = ts_loop_now(d->loop);
        }
        int64_t took = ts_mono_diff(f->step_began, ts_loop_now(d->loop));
        (void)ts_call_progress(f->call,
                               json_pack("{s:{s:s, s:s, s:b, s:b, s:I, s:s}}", "step", "service",
                                         name, "step", text, "done", (int)done, "ok", (int)ok,
                                         "took_ms", (json_int_t)took, "detail", detail));
    }
}

static json_t *failure(const struct ts_move *m)
{
    bool halted = m->state.way == TS_MOVE_HALTED;
    char left_out[TS_MOVE_TEXT];
    ts_move_left_out(m, left_out, sizeof(left_out));
    return json_pack("{s:s, s:s, s:s, s:s, s:o}", "outcome", ts_move_way_name(m->state.way),
                     "reason", m->why, "left_out", left_out, "cure",
                     halted ? "tradestackctl rollback goes back; tradestackctl migrate --accept "
                              "keeps it as it stands"
                            : "the former containers run again; mend the cause and try again",
                     "log", m->log != NULL ? json_incref(m->log) : json_array());
}

json_t *ts_api_move_outcome(struct ts_daemon *d)
{
    json_t *v = ts_move_json(d);
    if (json_is_null(v)) { /* over, and nothing is kept */
        char line[TS_MOVE_TEXT];
        char began[TS_WALL_TEXT];
        const struct ts_move *m = d->move;
        ts_move_line(d, line, sizeof(line));
        ts_wall_format(m->began, began);
        v = json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:s}", "kind",
                      ts_move_kind_name(m->kind), "way", ts_move_way_name(m->state.way), "summary",
                      line, "by", m->by, "began", began, "step", "", "at",
                      (json_int_t)m->state.at + 1, "steps", (json_int_t)m->plan.count, "reason",
                      m->why, "kept", 0, "next", "");
    }
    return json_pack("{s:o}", "move", v);
}

void ts_api_move_ended(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    while (d->move_followers != NULL) {
        struct ts_move_follower *f = d->move_followers;
        d->move_followers = f->next;
        ts_call_on_gone(f->call, NULL, NULL);
        if (m->state.way == TS_MOVE_DONE) {
            ts_call_reply(f->call, ts_api_move_outcome(d));
        } else {
            ts_call_error(f->call, "MoveFailed", failure(m));
        }
        free(f);
    }
}

/* --- the last lines of what failed */

static void on_log_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_move *m = ctx;
    char text[TS_MOVE_TEXT];
    ts_alert_clean(text, sizeof(text), SIZE_MAX, line->text, false);
    if (json_array_size(m->log) < TS_MOVE_LOG_MAX) {
        (void)json_array_append_new(m->log, json_string(text));
    }
}

static void on_log_end(void *ctx, const struct ts_error *err)
{
    struct ts_move *m = ctx;
    (void)err;
    ts_logs_stop(m->log_reader);
    m->log_reader = NULL;
}

void ts_api_move_log(struct ts_move *m)
{
    static const struct ts_logs_handler handler = {on_log_line, on_log_end};
    const struct ts_move_step *step = &m->plan.steps[m->state.at];
    size_t part = step->deed == TS_MOVE_SETTLE ? m->blamed : step->part;
    const struct ts_move_side *s = &m->places[part].next;
    struct ts_error err;
    bool speaks =
        step->deed == TS_MOVE_START || step->deed == TS_MOVE_CHECK || step->deed == TS_MOVE_SETTLE;
    if (!speaks || m->log_reader != NULL) {
        return;
    }
    s = s->is ? s : &m->places[part].now;
    const struct ts_logs_options options = {.id = s->id, .tail = TS_MOVE_LOG_MAX};
    json_decref(m->log);
    m->log = json_array();
    m->log_reader = ts_logs_start(m->daemon->engine, &options, &handler, m, &err);
}
