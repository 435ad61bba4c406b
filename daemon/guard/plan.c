/* The gameplan in a guarded service's volume: looked at through the engine, known by its SHA-256.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"
#include "model/gameplan.h"

#define RESTING_FACTOR 12 /* a service that does not run is looked at more rarely */

static void judge_text(struct ts_plan_facts *p, const char *bytes, size_t n)
{
    struct ts_gameplan plan;
    struct ts_error err;
    if (ts_gameplan_parse(bytes, n, &plan, &err)) {
        p->state = TS_PLAN_GOOD;
        ts_copy_cut(p->sha256, sizeof(p->sha256), plan.sha256);
        (void)snprintf(p->detail, sizeof(p->detail), "strategy %.16s", plan.strategy);
    } else {
        p->state = TS_PLAN_BAD;
        ts_copy_cut(p->detail, sizeof(p->detail), err.msg);
    }
}

struct ts_plan_facts ts_plan_facts(const struct ts_container_file *file)
{
    struct ts_plan_facts p = {.state = TS_PLAN_BAD};
    if (!file->exists) {
        p.state = TS_PLAN_NONE;
    } else if (file->kind == TS_TAR_FILE) {
        judge_text(&p, file->bytes, file->len);
    } else {
        (void)snprintf(p.detail, sizeof(p.detail), "it is %s, not a regular file",
                       file->kind == TS_TAR_LINK  ? "a symbolic link"
                       : file->kind == TS_TAR_DIR ? "a folder"
                                                  : "something else");
    }
    return p;
}

struct ts_plan_facts ts_plan_unread(const struct ts_error *err)
{
    struct ts_plan_facts p = {.state = TS_PLAN_BAD, .detail = "it is too large"};
    if (err->code != TS_E_LIMIT) { /* that is larger than any gameplan */
        p.state = TS_PLAN_UNKNOWN;
        (void)snprintf(p.detail, sizeof(p.detail), "the volume cannot be read: %.120s", err->msg);
    }
    return p;
}

static void take_failure(struct ts_unit *u, const struct ts_error *err)
{
    struct ts_guard *g = &u->guard;
    ts_mono now = ts_loop_now(u->daemon->loop);
    const struct ts_plan_facts unread = ts_plan_unread(err);
    if (unread.state == TS_PLAN_BAD) {
        g->plan = unread;
        return;
    }
    if (g->plan_failed.ms == TS_NEVER.ms) {
        g->plan_failed = now;
    }
    bool old = ts_mono_diff(g->plan_failed, now) >= u->daemon->model->blind_after_ms;
    if (old || g->plan.state == TS_PLAN_UNWATCHED) {
        g->plan = unread;
    }
}

static void describe(const char *service, const struct ts_plan_facts *p, char *out, size_t size)
{
    if (p->state == TS_PLAN_GOOD) {
        (void)snprintf(out, size, "%s: gameplan with %s, SHA-256 %s", service, p->detail,
                       p->sha256);
    } else {
        (void)snprintf(
            out, size, "%s: %s%s", service,
            p->state == TS_PLAN_NONE ? "no gameplan" : "gameplan cannot be used: ", p->detail);
    }
}

void ts_plan_take(struct ts_unit *u, const struct ts_container_file *file,
                  const struct ts_error *err)
{
    struct ts_guard *g = &u->guard;
    struct ts_daemon *d = u->daemon;
    const struct ts_plan_facts before = g->plan;
    bool running = ts_super_state(d->super, u->index)->running;
    g->plan_due = ts_mono_next(ts_loop_now(d->loop),
                               d->model->plan_interval_ms * (running ? 1 : RESTING_FACTOR));
    if (err != NULL) {
        take_failure(u, err);
    } else {
        g->plan = ts_plan_facts(file);
        g->plan_failed = TS_NEVER;
        g->plan_at = ts_loop_wall(d->loop);
    }
    if (before.state != g->plan.state || strcmp(before.sha256, g->plan.sha256) != 0) {
        char text[400];
        describe(u->service, &g->plan, text, sizeof(text));
        ts_memory_event(d, u->service, "safety.gameplan", text);
    }
    ts_guard_touch(d);
}

static void on_read(void *ctx, const struct ts_container_file *file, const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    u->guard.plan_op = NULL;
    ts_plan_take(u, file, err);
}

void ts_plan_look(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    struct ts_error err;
    if (u->guard.plan_op != NULL || spec->gameplan[0] == '\0' || u->id[0] == '\0') {
        u->guard.plan_due = TS_NEVER;
        return;
    }
    u->guard.plan_op = ts_container_read_file(d->engine, u->id, spec->gameplan, on_read, u, &err);
    if (u->guard.plan_op == NULL) {
        ts_plan_take(u, NULL, &err);
    }
}
