/* What a bot says at its start, and what a safe one must say (the operators' success indicators).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/log_lines.h"
#include "daemon.h"

#define REOPEN_MS 500

/* What must be seen of a bot. */
static const enum ts_log_mark wanted[] = {TS_MARK_DRY_RUN, TS_MARK_CONNECTED, TS_MARK_PAPER,
                                          TS_MARK_STRATEGY};

struct ts_check {
    struct ts_move *move;
    char id[TS_ENGINE_ID];
    bool tty;
    int64_t since; /* an earlier run proves nothing: behind its end */
    struct ts_log_view view;
    struct ts_logs *logs;
    struct ts_timer *retry;
};

static bool open_log(struct ts_check *c, struct ts_error *err);

static bool is_missing(const struct ts_check *c, size_t i)
{
    return c->view.marks[wanted[i]].count == 0;
}

static bool tell_missing(struct ts_check *c)
{
    char *seen = c->move->seen;
    size_t size = sizeof(c->move->seen);
    bool any = false;
    size_t n = (size_t)snprintf(seen, size, "its log does not yet have a line that");
    for (size_t i = 0; i < TS_ARRAY_LEN(wanted) && n < size; i++) {
        if (is_missing(c, i)) {
            n += (size_t)snprintf(seen + n, size - n, "%s %s", any ? ";" : "",
                                  ts_log_mark_what(wanted[i]));
            any = true;
        }
    }
    return any;
}

static void on_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_check *c = ctx;
    ts_log_view_feed(&c->view, line->text, ts_loop_wall(c->move->daemon->loop));
    if (!tell_missing(c)) {
        ts_move_see(c->move, TS_MOVE_REACHED, "");
    }
}

/* It ended or broke: it is read again from the start, within the step's limit. */
static void on_end(void *ctx, const struct ts_error *err)
{
    struct ts_check *c = ctx;
    (void)err;
    ts_logs_stop(c->logs);
    c->logs = NULL;
    ts_timer_after(c->retry, REOPEN_MS);
}

static void on_retry(void *ctx)
{
    struct ts_check *c = ctx;
    struct ts_error err;
    if (!open_log(c, &err)) {
        ts_timer_after(c->retry, REOPEN_MS);
    }
}

static bool open_log(struct ts_check *c, struct ts_error *err)
{
    static const struct ts_logs_handler handler = {on_line, on_end};
    struct ts_daemon *d = c->move->daemon;
    const struct ts_logs_options options = {
        .id = c->id, .tty = c->tty, .follow = true, .since_nano = c->since, .tail = -1};
    c->logs = ts_logs_start(d->engine, &options, &handler, c, err);
    return c->logs != NULL;
}

struct ts_check *ts_check_start(struct ts_move *m, const struct ts_container *container,
                                struct ts_error *err)
{
    struct ts_check *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    c->move = m;
    c->tty = container->tty;
    c->since = container->finished_at.ms * 1000000; /* the start is noted after the first lines */
    (void)snprintf(c->id, sizeof(c->id), "%s", container->id);
    c->view.role = TS_ROLE_BOT;
    (void)tell_missing(c);
    c->retry = ts_timer_new(m->daemon->loop, on_retry, c, err);
    if (c->retry == NULL || !open_log(c, err)) {
        ts_check_stop(c);
        return NULL;
    }
    return c;
}

void ts_check_stop(struct ts_check *c)
{
    if (c != NULL) {
        ts_logs_stop(c->logs);
        ts_timer_free(c->retry);
        free(c);
    }
}
