/* Methods that examine: Doctor, Validate, and Project, which says where the containers come from.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "api/api.h"
#include "base/json.h"
#include "doctor/doctor.h"
#include "doctor/validate.h"

#define DOCTORS_MAX 4 /* at a time: each asks the engine a good deal */
#define REMARKS_MAX 1024

static json_t *remark_json(const struct ts_remark *r)
{
    char since[TS_WALL_TEXT] = "";
    if (r->since.ms > 0) {
        ts_wall_format(r->since, since);
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:s}", "id", r->id, "verdict",
                     ts_grade_name(r->grade), "service", r->service, "what", r->what, "evidence",
                     r->evidence, "since", since, "cure", r->cure);
}

/* --- Doctor */

struct doctor {
    struct ts_daemon *daemon;
    struct ts_call *call; /* NULL: who asked has gone */
    struct ts_checkup *checkup;
    bool boot;
    json_t *remarks;
};

static void free_doctor(void *arg)
{
    struct doctor *dr = arg;
    dr->daemon->doctors--;
    ts_checkup_free(dr->checkup);
    json_decref(dr->remarks);
    free(dr);
}

static void on_doctor_gone(void *ctx)
{
    free_doctor(ctx);
}

static void collect(void *ctx, const struct ts_remark *r)
{
    struct doctor *dr = ctx;
    json_t *o = json_array_size(dr->remarks) < REMARKS_MAX ? remark_json(r) : NULL;
    if (o != NULL) {
        (void)json_array_append_new(dr->remarks, o);
    }
}

/* The worst first; among equals as the checks stand. What decides about a boot keeps its order. */
static void sort_remarks(struct doctor *dr)
{
    json_t *sorted = json_array();
    size_t i;
    json_t *v;
    for (int g = TS_GRADE_COUNT - 1; g >= 0; g--) {
        json_array_foreach(dr->remarks, i, v)
        {
            if (strcmp(ts_json_str_or(v, "verdict", ""), ts_grade_name((enum ts_grade)g)) == 0) {
                (void)json_array_append(sorted, v);
            }
        }
    }
    json_decref(dr->remarks);
    dr->remarks = sorted;
}

/* The findings, one a reply; the last reply says how many checks there were. */
static void on_checked(void *ctx, struct ts_checkup *c)
{
    struct doctor *dr = ctx;
    struct ts_call *call = dr->call;
    struct ts_exam x = {.c = c, .d = dr->daemon, .each = collect, .ctx = dr};
    size_t checks = 0;
    size_t i;
    json_t *v;
    if (dr->boot) {
        (void)ts_doctor_boot(&x);
        checks = x.told;
    } else {
        checks = ts_doctor_judge(&x);
        sort_remarks(dr);
    }
    ts_call_on_gone(call, NULL, NULL);
    bool there = true;
    json_array_foreach(dr->remarks, i, v)
    {
        there = there && ts_call_progress(call, json_pack("{s:O}", "finding", v));
    }
    if (there) {
        ts_call_reply(
            call, json_pack("{s:I, s:O}", "checks", (json_int_t)checks, "findings", dr->remarks));
    }
    free_doctor(dr);
}

void ts_api_doctor_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    struct doctor *dr = d->doctors < DOCTORS_MAX ? calloc(1, sizeof(*dr)) : NULL;
    if (dr == NULL) {
        ts_error_set(&err, TS_E_LIMIT, "%d examinations are under way; try again in a moment",
                     DOCTORS_MAX);
        ts_api_failed(call, &err);
        return;
    }
    d->doctors++;
    dr->daemon = d;
    dr->call = call;
    dr->boot = ts_json_bool_or(parameters, "boot", false);
    dr->remarks = json_array();
    dr->checkup =
        ts_checkup_start(d, json_object_get(parameters, "facts"), false, on_checked, dr, &err);
    if (dr->checkup == NULL) {
        ts_api_failed(call, &err);
        free_doctor(dr);
        return;
    }
    ts_call_on_gone(call, on_doctor_gone, dr);
}

/* --- Validate */

struct validating {
    struct ts_call *call;
    struct ts_validation *validation;
};

static void on_point(void *ctx, const struct ts_remark *point)
{
    struct validating *v = ctx;
    (void)ts_call_progress(v->call, json_pack("{s:o}", "point", remark_json(point)));
}

static void on_done(void *ctx, size_t failed)
{
    struct validating *v = ctx;
    ts_call_on_gone(v->call, NULL, NULL);
    ts_call_reply(v->call, json_pack("{s:I}", "failed", (json_int_t)failed));
    free(v);
}

static void on_validating_gone(void *ctx)
{
    struct validating *v = ctx;
    ts_validate_leave(v->validation);
    free(v);
}

void ts_api_validate_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    struct ts_error err;
    const struct ts_validate_options options = {
        .send_alert = ts_json_bool_or(parameters, "send_alert", false),
        .restart_test = ts_json_bool_or(parameters, "restart_test", false),
        .cold_start_test = ts_json_bool_or(parameters, "cold_start_test", false),
        .facts = json_object_get(parameters, "facts")};
    struct validating *v = calloc(1, sizeof(*v));
    const struct ts_validate_handler handler = {on_point, on_done, v};
    if (v == NULL) {
        ts_error_nomem(&err);
        ts_api_failed(call, &err);
        return;
    }
    v->call = call;
    v->validation = ts_validate_run(d, &options, &handler, &err);
    if (v->validation == NULL) {
        ts_api_failed(call, &err);
        free(v);
        return;
    }
    if (options.restart_test || options.cold_start_test) {
        ts_api_log_command(
            d, call,
            options.cold_start_test ? "validate (cold start test)" : "validate (restart test)", "");
    }
    ts_call_on_gone(call, on_validating_gone, v);
}

/* --- Project */

static json_t *texts_of(const char *list)
{
    json_t *texts = json_array();
    while (*list != '\0') {
        size_t n = strcspn(list, ",");
        if (n > 0) {
            (void)json_array_append_new(texts, json_stringn(list, n));
        }
        list += n + (list[n] == ',');
    }
    return texts;
}

/* Compose's labels say from which files it made a container: those of the container made last. */
void ts_api_project_call(void *ctx, struct ts_call *call, const json_t *parameters)
{
    struct ts_daemon *d = ctx;
    const struct ts_unit *u = NULL;
    (void)parameters;
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_unit *it = d->units[i];
        if (it->known && it->id[0] != '\0' && it->container.config_files[0] != '\0' &&
            (u == NULL || it->container.created.ms > u->container.created.ms)) {
            u = it;
        }
    }
    ts_call_reply(call, json_pack("{s:s, s:s, s:s, s:b, s:o, s:o}", "project", d->model->project,
                                  "engine", ts_engine_address(d->engine), "engine_unit",
                                  ts_engine_watch_unit_name(d), "engine_start",
                                  (int)(d->model->engine_start[0] != '\0'), "files",
                                  texts_of(u != NULL ? u->container.config_files : ""), "env_files",
                                  texts_of(u != NULL ? u->container.env_files : "")));
}
