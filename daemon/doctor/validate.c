/* See validate.h: from the first point to the last. */
#include "doctor/validate_internal.h"

#include <stdlib.h>

#define TICK_MS 200

static void free_validation(void *arg)
{
    struct ts_validation *v = arg;
    if (v->daemon->validation == v) {
        v->daemon->validation = NULL;
    }
    for (size_t i = 0; i < v->cycled_count; i++) {
        ts_engine_cancel(v->cycled[i].removing);
    }
    ts_checkup_free(v->checkup);
    ts_timer_free(v->tick);
    free(v);
}

static void end(struct ts_validation *v)
{
    struct ts_validate_handler handler = v->handler;
    size_t failed = v->failed;
    free_validation(v);
    if (handler.done != NULL) {
        handler.done(handler.ctx, failed);
    }
}

static void on_point(void *ctx, const struct ts_remark *point)
{
    struct ts_validation *v = ctx;
    v->failed += point->grade == TS_GRADE_ERROR || point->grade == TS_GRADE_UNKNOWN ? 1U : 0U;
    if (v->handler.each != NULL) {
        v->handler.each(v->handler.ctx, point);
    }
}

static void skip(struct ts_validation *v, const char *id, const char *what, const char *how)
{
    const struct ts_say say = {id, TS_GRADE_SKIPPED, NULL, {0}, what, how};
    ts_exam_tell(&v->exam, &say, "not asked for");
}

/* The acting tests one after the other; a boot is what is left to foresee. */
void ts_validate_next(struct ts_validation *v)
{
    enum ts_validate_step was = v->step;
    v->step = TS_VALIDATE_OVER;
    if (was == TS_VALIDATE_LOOK) {
        if (v->options.send_alert && ts_validate_begin_alert(v)) {
            return;
        }
        if (!v->options.send_alert) {
            skip(v, "alert", "a test alert is delivered", "tradestackctl validate --send-alert");
        }
    }
    if (was == TS_VALIDATE_LOOK || was == TS_VALIDATE_ALERT) {
        if (v->options.restart_test && ts_validate_begin_cycle(v, false)) {
            return;
        }
        if (!v->options.restart_test) {
            skip(v, "restart", "after a restart the whole stack is ready again",
                 "tradestackctl validate --restart-test");
        }
    }
    if (!v->cold) {
        if (v->options.cold_start_test && ts_validate_begin_cycle(v, true)) {
            return;
        }
        if (!v->options.cold_start_test) {
            skip(v, "cold-start", "from nothing, one command brings the whole stack up",
                 "tradestackctl validate --cold-start-test");
        }
    }
    end(v);
}

static void on_checked(void *ctx, struct ts_checkup *c)
{
    struct ts_validation *v = ctx;
    (void)c;
    ts_validate_points(&v->exam);
    ts_validate_next(v);
}

static void on_tick(void *ctx)
{
    struct ts_validation *v = ctx;
    ts_timer_after(v->tick, TICK_MS);
    ts_validate_look(v);
}

struct ts_validation *ts_validate_run(struct ts_daemon *d,
                                      const struct ts_validate_options *options,
                                      const struct ts_validate_handler *handler,
                                      struct ts_error *err)
{
    if (d->validation != NULL) {
        ts_error_set(err, TS_E_CONFLICT, "another validation is under way");
        return NULL;
    }
    struct ts_validation *v = calloc(1, sizeof(*v));
    if (v == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    v->daemon = d;
    v->options = *options;
    v->options.facts = NULL;
    v->handler = *handler;
    d->validation = v;
    v->tick = ts_timer_new(d->loop, on_tick, v, err);
    v->checkup =
        v->tick == NULL ? NULL : ts_checkup_start(d, options->facts, true, on_checked, v, err);
    if (v->checkup == NULL) {
        free_validation(v);
        return NULL;
    }
    v->exam = (struct ts_exam){.c = v->checkup, .d = d, .each = on_point, .ctx = v};
    return v;
}

void ts_validate_leave(struct ts_validation *v)
{
    if (v == NULL) {
        return;
    }
    /* It ends by itself: looking soon, and a test that stops the stack must also start it again. */
    v->handler = (struct ts_validate_handler){.each = NULL};
    v->options.send_alert = false;
    v->options.restart_test = false;
    v->options.cold_start_test = false;
}

void ts_validate_stop(struct ts_daemon *d)
{
    if (d->validation != NULL) {
        free_validation(d->validation);
    }
}
