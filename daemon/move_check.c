/* What a bot says at its start, and what a safe one must say (the operators' success indicators).
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "daemon.h"

#define REOPEN_MS 500

/* One of each row must be seen. */
static const struct {
    const char *any[3];
    const char *what;
} rows[] = {
    {{"DRY_RUN=true"}, "\"DRY_RUN=true\""},
    {{"onnected successfully"}, "\"Gateway connected successfully\""},
    {{"(Paper Trading)"}, "\"Account: DU… (Paper Trading)\""},
    {{"Strategy C", "Gameplan loaded", "gameplan loaded"}, "\"Defaulting to Strategy C\""},
};

struct ts_check {
    struct ts_move *move;
    char id[TS_ENGINE_ID];
    bool tty;
    int64_t since; /* an earlier run proves nothing: behind its end */
    bool seen[TS_ARRAY_LEN(rows)];
    struct ts_logs *logs;
    struct ts_timer *retry;
};

static bool open_log(struct ts_check *c, struct ts_error *err);

static void tell_missing(struct ts_check *c)
{
    size_t n = (size_t)snprintf(c->move->seen, sizeof(c->move->seen), "its log does not say:");
    for (size_t i = 0; i < TS_ARRAY_LEN(rows) && n < sizeof(c->move->seen); i++) {
        if (!c->seen[i]) {
            n +=
                (size_t)snprintf(c->move->seen + n, sizeof(c->move->seen) - n, " %s", rows[i].what);
        }
    }
}

static bool is_complete(const struct ts_check *c)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (!c->seen[i]) {
            return false;
        }
    }
    return true;
}

static void on_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_check *c = ctx;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        for (size_t k = 0; k < TS_ARRAY_LEN(rows[i].any) && rows[i].any[k] != NULL; k++) {
            c->seen[i] = c->seen[i] || strstr(line->text, rows[i].any[k]) != NULL;
        }
    }
    tell_missing(c);
    if (is_complete(c)) {
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
    tell_missing(c);
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
