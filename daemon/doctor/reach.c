/* See reach.h. */
#include "doctor/reach.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "engine/create.h"
#include "engine/survey.h"

#define LABEL       "io.tradestack.helper"
#define DEADLINE_MS 20000 /* made, run, read; then it is removed */
#define LOOK_MS     200
#define LINE_BYTES  2048

struct ts_reach {
    struct ts_reach *next;
    struct ts_daemon *daemon;
    ts_reach_done *done;
    void *ctx;
    struct ts_timer *timer; /* the next look at whether it has ended */
    struct ts_timer *deadline;
    struct ts_engine_op *op;
    struct ts_logs *logs;
    char id[TS_ENGINE_ID];
    bool over; /* the result stands; only the removal is left */
    struct ts_reach_result result;
};

/* It is in no list any more. */
static void destroy(struct ts_reach *r)
{
    ts_engine_cancel(r->op);
    ts_logs_stop(r->logs);
    ts_timer_free(r->timer);
    ts_timer_free(r->deadline);
    free(r);
}

static void free_reach(struct ts_reach *r)
{
    for (struct ts_reach **at = &r->daemon->reaches; *at != NULL; at = &(*at)->next) {
        if (*at == r) {
            *at = r->next;
            break;
        }
    }
    destroy(r);
}

static void deliver(struct ts_reach *r)
{
    if (r->done != NULL) {
        r->done(r->ctx, &r->result);
    }
    free_reach(r);
}

static void on_removed(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_reach *r = ctx;
    (void)outcome;
    r->op = NULL;
    if (err != NULL && err->code != TS_E_NOT_FOUND) {
        TS_LOG(r->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_NO_FIELDS,
               "the helper container %.12s could not be removed: %s; the next look removes it",
               r->id, err->msg);
    }
    deliver(r);
}

/* The result stands. */
static void finish(struct ts_reach *r)
{
    struct ts_error err;
    r->over = true;
    ts_timer_stop(r->timer);
    ts_timer_stop(r->deadline);
    ts_engine_cancel(r->op);
    ts_logs_stop(r->logs);
    r->logs = NULL;
    r->op = r->id[0] == '\0' ? NULL
                             : ts_container_remove(r->daemon->engine, r->id, TS_REMOVE_WHOLE,
                                                   on_removed, r, &err);
    if (r->op == NULL) {
        deliver(r);
    }
}

static void fail(struct ts_reach *r, const char *what, const struct ts_error *err)
{
    (void)snprintf(r->result.detail, sizeof(r->result.detail), "%s: %.190s", what, err->msg);
    finish(r);
}

/* --- what it said */

static void on_line(void *ctx, const struct ts_log_line *line)
{
    struct ts_reach *r = ctx;
    struct ts_error err;
    json_t *v = line->len > LINE_BYTES ? NULL : ts_json_parse(line->text, line->len, &err);
    const char *reason = ts_json_str_or(v, "reason", "");
    if (reason[0] != '\0') {
        char detail[sizeof(r->result.detail)];
        r->result.ran = true;
        r->result.took_ms = ts_json_i64_or(v, "took_ms", 0);
        ts_alert_clean(detail, sizeof(detail), SIZE_MAX, ts_json_str_or(v, "detail", ""), false);
        ts_copy_cut(r->result.detail, sizeof(r->result.detail), detail);
        ts_copy_cut(r->result.reason, sizeof(r->result.reason), reason);
        ts_copy_cut(r->result.resolved, sizeof(r->result.resolved),
                    ts_json_str_or(v, "resolved", ""));
    }
    json_decref(v);
}

static void on_log_end(void *ctx, const struct ts_error *err)
{
    struct ts_reach *r = ctx;
    ts_logs_stop(r->logs);
    r->logs = NULL;
    if (!r->result.ran && err == NULL) {
        (void)snprintf(r->result.detail, sizeof(r->result.detail),
                       "the helper container said nothing that can be read");
    } else if (!r->result.ran) {
        ts_copy_cut(r->result.detail, sizeof(r->result.detail), err->msg);
    }
    finish(r);
}

static void read_log(struct ts_reach *r)
{
    static const struct ts_logs_handler handler = {on_line, on_log_end};
    const struct ts_logs_options options = {.id = r->id, .tail = 20};
    struct ts_error err;
    r->logs = ts_logs_start(r->daemon->engine, &options, &handler, r, &err);
    if (r->logs == NULL) {
        fail(r, "its log cannot be read", &err);
    }
}

/* --- its run */

static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    struct ts_reach *r = ctx;
    (void)raw;
    r->op = NULL;
    if (err != NULL) {
        fail(r, "the helper container cannot be looked at", err);
    } else if (c->status == TS_CONTAINER_EXITED) {
        r->result.reached = c->exit_code == 0;
        read_log(r);
    } else {
        ts_timer_after(r->timer, LOOK_MS);
    }
}

static void on_look(void *ctx)
{
    struct ts_reach *r = ctx;
    struct ts_error err;
    r->op = ts_container_inspect(r->daemon->engine, r->id, on_inspected, r, &err);
    if (r->op == NULL) {
        fail(r, "the helper container cannot be looked at", &err);
    }
}

static void on_started(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct ts_reach *r = ctx;
    (void)outcome;
    r->op = NULL;
    if (err != NULL) {
        fail(r, "the helper container does not start", err);
        return;
    }
    ts_timer_after(r->timer, LOOK_MS);
}

static void on_created(void *ctx, const char *id, const struct ts_error *err)
{
    struct ts_reach *r = ctx;
    struct ts_error why;
    r->op = NULL;
    if (err != NULL) {
        fail(r, "the helper container cannot be made", err);
        return;
    }
    (void)snprintf(r->id, sizeof(r->id), "%s", id);
    r->op = ts_container_start(r->daemon->engine, r->id, on_started, r, &why);
    if (r->op == NULL) {
        fail(r, "the helper container does not start", &why);
    }
}

static void on_deadline(void *ctx)
{
    struct ts_reach *r = ctx;
    if (!r->over) {
        (void)snprintf(r->result.detail, sizeof(r->result.detail),
                       "the helper container did not end within %d s", DEADLINE_MS / 1000);
        finish(r);
    }
}

/* A host name or an address, and nothing that an argument list could take for something else. */
static bool is_host(const char *host)
{
    size_t n = strlen(host);
    return n > 0 && n < TS_TEXT_MAX && host[0] != '-' &&
           strspn(host, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == n;
}

/* No rights, no writing, no volumes (the image's own would be made anew and stay behind). */
static json_t *body_of(const struct ts_daemon *d, const struct ts_reach_request *q)
{
    char mode[TS_ENGINE_ID + 16];
    char target[TS_TEXT_MAX + 8];
    (void)snprintf(mode, sizeof(mode), "container:%s", q->container);
    (void)snprintf(target, sizeof(target), "%s:%u", q->host, (unsigned)q->port);
    json_t *host =
        json_pack("{s:s, s:b, s:[s], s:[s], s:{s:s}, s:{s:s}, s:I, s:I}", "NetworkMode", mode,
                  "ReadonlyRootfs", 1, "CapDrop", "ALL", "SecurityOpt", "no-new-privileges:true",
                  "RestartPolicy", "Name", "no", "LogConfig", "Type", "json-file", "Memory",
                  (json_int_t)256 << 20, "PidsLimit", (json_int_t)64);
    return json_pack("{s:s, s:[s], s:[s,s], s:{s:s, s:s}, s:o}", "Image", q->image, "Entrypoint",
                     q->program, "Cmd", "--reach", target, "Labels", LABEL, "reach",
                     "io.tradestack.project", d->model->project, "HostConfig", host);
}

struct ts_reach *ts_reach_start(struct ts_daemon *d, const struct ts_reach_request *request,
                                ts_reach_done *done, void *ctx, struct ts_error *err)
{
    if (!is_host(request->host) || request->port == 0) {
        ts_error_set(err, TS_E_INVALID, "the bot's gateway address is no host name and port");
        return NULL;
    }
    struct ts_reach *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *r = (struct ts_reach){.next = d->reaches, .daemon = d, .done = done, .ctx = ctx};
    d->reaches = r;
    struct ts_create_plan plan = {.body = body_of(d, request)};
    (void)snprintf(plan.name, sizeof(plan.name), "tradestack-reach-%lld-%u",
                   (long long)ts_loop_wall(d->loop).ms, d->reach_count++);
    r->timer = ts_timer_new(d->loop, on_look, r, err);
    r->deadline = r->timer == NULL ? NULL : ts_timer_new(d->loop, on_deadline, r, err);
    bool ok = r->deadline != NULL && (plan.body != NULL || ts_error_nomem(err));
    if (ok) {
        r->op = ts_container_create(d->engine, &plan, on_created, r, err);
        ts_timer_after(r->deadline, DEADLINE_MS);
    }
    ts_create_plan_done(&plan);
    if (r->op == NULL) {
        free_reach(r);
        return NULL;
    }
    return r;
}

void ts_reach_leave(struct ts_reach *r)
{
    if (r != NULL) {
        r->done = NULL;
        if (!r->over && r->id[0] != '\0') {
            finish(r);
        }
    }
}

/* --- what an earlier run left behind */

static void on_cleaned(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    (void)ctx;
    (void)outcome;
    (void)err; /* the next list tries again */
}

static bool is_ours_now(const struct ts_daemon *d, const char *id)
{
    for (const struct ts_reach *r = d->reaches; r != NULL; r = r->next) {
        if (r->id[0] == '\0' || strcmp(r->id, id) == 0) {
            return true; /* or may be: it is being made */
        }
    }
    return false;
}

static void on_leftovers(void *ctx, json_t *list, const struct ts_error *err)
{
    struct ts_daemon *d = ctx;
    struct ts_error ignored;
    size_t i;
    json_t *item;
    d->reach_listing = NULL;
    if (err != NULL) {
        return;
    }
    json_array_foreach(list, i, item)
    {
        const char *id = ts_json_str_or(item, "Id", "");
        const json_t *labels = ts_json_at(item, "Labels");
        const char *project = json_string_value(json_object_get(labels, "io.tradestack.project"));
        if (project != NULL && strcmp(project, d->model->project) == 0 && !is_ours_now(d, id)) {
            TS_LOG(d->log, TS_MSG_ACTION, TS_FIELDS(TS_STR("container_id", id)),
                   "removing the helper container %.12s that an earlier run left behind", id);
            (void)!ts_container_remove(d->engine, id, TS_REMOVE_WHOLE, on_cleaned, d, &ignored);
        }
    }
}

void ts_reach_clean(struct ts_daemon *d)
{
    struct ts_error ignored;
    ts_engine_cancel(d->reach_listing);
    d->reach_listing = ts_survey_labelled(d->engine, LABEL "=reach", on_leftovers, d, &ignored);
}

void ts_reach_stop(struct ts_daemon *d)
{
    while (d->reaches != NULL) {
        struct ts_reach *r = d->reaches;
        d->reaches = r->next;
        destroy(r);
    }
    ts_engine_cancel(d->reach_listing);
    d->reach_listing = NULL;
}
