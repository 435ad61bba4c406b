/* What the services' logs say of the present run, or of the last one. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "doctor/checkup.h"

#define TAIL_LINES    2000
#define HEAD_LINES    2000
#define EARLY_MS      1000
#define LAST_WORDS_MS 20     /* they are stamped when the engine reads them: watch_probes.c */
#define HEAD_AFTER_MS 180000 /* what a bot says later is no part of its start */

/* {"timestamp":…,"component":"gateway","status":"healthy",…}: one line a check. */
static void feed_monitor(struct ts_checkup_unit *u, const struct ts_log_line *line, ts_wall at)
{
    struct ts_error err;
    json_t *v = line->len == 0 || line->text[0] != '{' || line->truncated
                    ? NULL
                    : ts_json_parse(line->text, line->len, &err);
    const char *component = ts_json_str_or(v, "component", "");
    const char *status = ts_json_str_or(v, "status", "");
    size_t i = 0;
    while (i < u->monitor_count && strcmp(u->monitor[i].component, component) != 0) {
        i++;
    }
    if (component[0] != '\0' && status[0] != '\0' && i < TS_MONITOR_SEEN_MAX) {
        struct ts_monitor_seen *seen = &u->monitor[i];
        u->monitor_count = i == u->monitor_count ? i + 1 : u->monitor_count;
        ts_copy_cut(seen->component, sizeof(seen->component), component);
        ts_copy_cut(seen->status, sizeof(seen->status), status);
        ts_copy_cut(seen->reason, sizeof(seen->reason), ts_json_str_or(v, "reason", ""));
        seen->at = at;
    }
    json_decref(v);
}

static ts_wall time_of(const struct ts_log_line *line)
{
    return (ts_wall){line->time_nano / 1000000};
}

static void on_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_checkup_unit *u = ctx;
    ts_log_view_feed(&u->view, line->text, time_of(line));
    if (u->role == TS_ROLE_MONITOR) {
        feed_monitor(u, line, time_of(line));
    }
}

static void ended(struct ts_checkup_unit *u, const struct ts_error *err)
{
    if (err != NULL) {
        ts_copy_cut(u->problem, sizeof(u->problem), err->msg);
    }
    if (u->logs == NULL && u->head == NULL) {
        u->log_read = u->problem[0] == '\0';
        ts_checkup_answered(u->checkup);
    }
}

static void on_end(void *ctx, const struct ts_error *err)
{
    struct ts_checkup_unit *u = ctx;
    ts_logs_stop(u->logs);
    u->logs = NULL;
    ended(u, err);
}

static void end_head(struct ts_checkup_unit *u, const struct ts_error *err)
{
    ts_logs_stop(u->head);
    u->head = NULL;
    ended(u, err);
}

static void on_head_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_checkup_unit *u = ctx;
    ts_log_view_feed(&u->start, line->text, time_of(line));
    if (u->start.lines >= HEAD_LINES ||
        time_of(line).ms > u->container.started_at.ms + HEAD_AFTER_MS) {
        end_head(u, NULL);
    }
}

static void on_head_end(void *ctx, const struct ts_error *err)
{
    end_head(ctx, err);
}

/* The engine notes the start when the program may have said something already; but what was said
 * before the end of the run before is that one's. */
static int64_t begin_of_run(const struct ts_container *c)
{
    int64_t from = c->started_at.ms - EARLY_MS;
    int64_t ended = c->finished_at.ms + LAST_WORDS_MS;
    bool ended_before = c->finished_at.ms <= c->started_at.ms;
    return ended_before && ended > from ? ended : from;
}

void ts_checkup_read_log(struct ts_checkup_unit *u)
{
    static const struct ts_logs_handler handler = {on_line, on_end};
    static const struct ts_logs_handler head_handler = {on_head_line, on_head_end};
    struct ts_engine *engine = u->checkup->daemon->engine;
    struct ts_error err;
    int64_t from = begin_of_run(&u->container) * 1000000;
    struct ts_logs_options options = {.id = u->container.id,
                                      .tty = u->container.tty,
                                      .since_nano = from > 0 ? from : 0,
                                      .tail = TAIL_LINES,
                                      .timestamps = true};
    if (u->container.started_at.ms == 0) { /* never ran */
        u->log_read = true;
        ts_checkup_answered(u->checkup);
        return;
    }
    u->logs = ts_logs_start(engine, &options, &handler, u, &err);
    if (u->logs != NULL && u->role == TS_ROLE_BOT) {
        options.tail = -1;
        u->head = ts_logs_start(engine, &options, &head_handler, u, &err);
    }
    if (u->logs == NULL) {
        ended(u, &err);
    }
}
