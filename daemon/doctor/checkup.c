/* See checkup.h. */
#include "doctor/checkup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/survey.h"

#define GATEWAY_HOST "gateway" /* what the bot takes without being told: stack/bot */
#define GATEWAY_PORT 4004
#define SECRET_LEAST 4 /* a shorter value would take too much out of a text */

/* --- those who judge */

struct ts_checkup_unit *ts_checkup_role(struct ts_checkup *c, enum ts_role role)
{
    for (size_t i = 0; i < c->unit_count; i++) {
        if (c->units[i].role == role) {
            return &c->units[i];
        }
    }
    return NULL;
}

struct ts_checkup_unit *ts_checkup_service(struct ts_checkup *c, const char *service)
{
    for (size_t i = 0; i < c->unit_count; i++) {
        if (strcmp(c->units[i].service, service) == 0) {
            return &c->units[i];
        }
    }
    return NULL;
}

const struct ts_svc *ts_checkup_state(const struct ts_checkup_unit *u)
{
    return ts_super_state(u->checkup->daemon->super, u->unit->index);
}

const struct ts_svc_spec *ts_checkup_spec(const struct ts_checkup_unit *u)
{
    return ts_super_spec(u->checkup->daemon->super, u->unit->index);
}

bool ts_checkup_runs(const struct ts_checkup_unit *u)
{
    return u->seen && (u->container.status == TS_CONTAINER_RUNNING ||
                       u->container.status == TS_CONTAINER_PAUSED);
}

const char *ts_checkup_env(const struct ts_checkup_unit *u, const char *name)
{
    const char *value = NULL;
    struct ts_error err;
    return u->seen && ts_container_env(u->inspect, name, &value, &err) ? value : NULL;
}

bool ts_checkup_env_given(const struct ts_checkup_unit *u, const char *name)
{
    const char *value = ts_checkup_env(u, name);
    return value != NULL && value[0] != '\0';
}

const char *ts_checkup_gateway_host(const struct ts_checkup_unit *bot)
{
    return ts_checkup_env_given(bot, "GATEWAY_HOST") ? ts_checkup_env(bot, "GATEWAY_HOST")
                                                     : GATEWAY_HOST;
}

uint16_t ts_checkup_gateway_port(const struct ts_checkup_unit *bot)
{
    int64_t port = GATEWAY_PORT;
    if (ts_checkup_env_given(bot, "GATEWAY_PORT") &&
        !ts_parse_i64(ts_checkup_env(bot, "GATEWAY_PORT"), 1, UINT16_MAX, &port)) {
        return 0;
    }
    return (uint16_t)port;
}

static bool is_secret_name(const char *name, size_t n)
{
    static const char *const words[] = {"PASS", "SECRET", "TOKEN", "WEBHOOK", "USER", "KEY"};
    char upper[TS_NAME_MAX];
    (void)snprintf(upper, sizeof(upper), "%.*s", (int)(n < 63 ? n : 63), name);
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        if (strstr(upper, words[i]) != NULL) {
            return true;
        }
    }
    return false;
}

static void take_out(char *text, const char *secret)
{
    size_t n = strlen(secret);
    for (char *at = strstr(text, secret); at != NULL; at = strstr(at + 1, secret)) {
        memset(at, '*', n);
    }
}

void ts_checkup_scrub(const struct ts_checkup_unit *u, char *text)
{
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(u->inspect, "Config.Env"), i, v)
    {
        const char *entry = json_string_value(v);
        size_t n = entry == NULL ? 0 : strcspn(entry, "=");
        if (n > 0 && entry[n] == '=' && strlen(entry + n + 1) >= SECRET_LEAST &&
            is_secret_name(entry, n)) {
            take_out(text, entry + n + 1);
        }
    }
}

/* --- gathering */

static void finish(struct ts_checkup *c)
{
    ts_timer_stop(c->deadline);
    /* Units may have come and gone meanwhile. */
    for (size_t i = 0; i < c->unit_count; i++) {
        struct ts_checkup_unit *u = &c->units[i];
        size_t at = ts_super_find(c->daemon->super, u->service);
        u->unit = at == SIZE_MAX ? NULL : c->daemon->units[at];
        if (u->unit == NULL) { /* gone: nothing is to be said of it */
            json_decref(u->inspect);
            c->units[i] = c->units[--c->unit_count];
            c->units[c->unit_count].inspect = NULL;
            i--;
        }
    }
    c->done(c->ctx, c);
}

void ts_checkup_answered(struct ts_checkup *c)
{
    if (--c->waiting == 0) {
        finish(c);
    }
}

static void cancel_unit(struct ts_checkup_unit *u)
{
    ts_engine_cancel(u->op);
    ts_logs_stop(u->logs);
    ts_logs_stop(u->head);
    u->op = NULL;
    u->logs = NULL;
    u->head = NULL;
}

static void cancel(struct ts_checkup *c)
{
    for (size_t i = 0; i < c->unit_count; i++) {
        cancel_unit(&c->units[i]);
    }
    ts_engine_cancel(c->op_details);
    ts_engine_cancel(c->op_running);
    ts_engine_cancel(c->op_images);
    c->op_details = NULL;
    c->op_running = NULL;
    c->op_images = NULL;
    ts_reach_leave(c->reach);
    c->reach = NULL;
}

static void on_deadline(void *ctx)
{
    struct ts_checkup *c = ctx;
    c->late = true;
    c->waiting = 0;
    if (c->reach != NULL) {
        ts_copy_cut(c->reach_result.detail, sizeof(c->reach_result.detail),
                    "no end within the time");
    }
    cancel(c);
    finish(c);
}

static void on_described(void *ctx, const struct ts_engine_details *details,
                         const struct ts_error *err)
{
    struct ts_checkup *c = ctx;
    c->op_details = NULL;
    c->described = err == NULL;
    if (c->described) {
        c->details = *details;
    }
    ts_checkup_answered(c);
}

static void on_running(void *ctx, json_t *list, const struct ts_error *err)
{
    struct ts_checkup *c = ctx;
    c->op_running = NULL;
    c->running = err == NULL ? json_incref(list) : NULL;
    ts_checkup_answered(c);
}

static void on_images(void *ctx, json_t *list, const struct ts_error *err)
{
    struct ts_checkup *c = ctx;
    c->op_images = NULL;
    c->images = err == NULL ? json_incref(list) : NULL;
    ts_checkup_answered(c);
}

/* --- the look from inside */

static void on_reached(void *ctx, const struct ts_reach_result *result)
{
    struct ts_checkup *c = ctx;
    c->reach = NULL;
    c->reach_result = *result;
    ts_checkup_answered(c);
}

static void no_reach(struct ts_checkup *c, const char *why)
{
    ts_copy_cut(c->reach_result.detail, sizeof(c->reach_result.detail), why);
}

/* The program in the monitor's image; NULL: it is another one. */
static const char *program_of(const struct ts_checkup_unit *monitor)
{
    const char *path = ts_json_str_or(monitor->inspect, "Path", "");
    const char *slash = strrchr(path, '/');
    return strcmp(slash != NULL ? slash + 1 : path, "tradestackd") == 0 ? path : NULL;
}

static bool start_reach(struct ts_checkup *c)
{
    struct ts_checkup_unit *bot = ts_checkup_role(c, TS_ROLE_BOT);
    struct ts_checkup_unit *monitor = ts_checkup_role(c, TS_ROLE_MONITOR);
    struct ts_error err;
    if (bot == NULL || !ts_checkup_runs(bot)) {
        no_reach(c, "the bot does not run, so there is no network to look from");
        return false;
    }
    const char *program = monitor != NULL && monitor->seen ? program_of(monitor) : NULL;
    if (program == NULL) {
        no_reach(c, "no service's image holds tradestackd (the health monitor's normally does)");
        return false;
    }
    ts_copy_cut(c->reach_host, sizeof(c->reach_host), ts_checkup_gateway_host(bot));
    c->reach_request = (struct ts_reach_request){.container = bot->container.id,
                                                 .image = monitor->container.image_id,
                                                 .program = program,
                                                 .host = c->reach_host,
                                                 .port = ts_checkup_gateway_port(bot)};
    c->reach_asked = true;
    c->reach = ts_reach_start(c->daemon, &c->reach_request, on_reached, c, &err);
    if (c->reach == NULL) {
        no_reach(c, err.msg);
    }
    return c->reach != NULL;
}

/* All containers were looked at: bot and monitor are known. */
static void look_from_inside(struct ts_checkup *c)
{
    for (size_t i = 0; i < c->unit_count; i++) {
        if (c->units[i].op != NULL) {
            return;
        }
    }
    if (c->wants_reach) {
        c->wants_reach = false;
        c->waiting += start_reach(c) ? 1U : 0U;
    }
}

/* --- containers */

static enum ts_role role_of(const struct ts_checkup_unit *u)
{
    const json_t *args = ts_json_at(u->inspect, "Args");
    if (ts_guard_is_gateway(u->unit)) {
        return TS_ROLE_GATEWAY;
    }
    if (ts_checkup_spec(u)->guarded) {
        return TS_ROLE_BOT;
    }
    for (size_t i = 0; i < json_array_size(args); i++) {
        const char *arg = json_string_value(json_array_get(args, i));
        if (arg != NULL && strcmp(arg, "--observe") == 0) {
            return TS_ROLE_MONITOR;
        }
    }
    return strstr(u->service, "monitor") != NULL ? TS_ROLE_MONITOR : TS_ROLE_OTHER;
}

static void on_inspected(void *ctx, const struct ts_container *container, json_t *raw,
                         const struct ts_error *err)
{
    struct ts_checkup_unit *u = ctx;
    struct ts_checkup *c = u->checkup;
    size_t at = ts_super_find(c->daemon->super, u->service);
    struct ts_error why;
    u->op = NULL;
    u->unit = at == SIZE_MAX ? NULL : c->daemon->units[at];
    if (err != NULL) {
        ts_copy_cut(u->problem, sizeof(u->problem), err->msg);
        u->has_container = err->code != TS_E_NOT_FOUND;
    } else if (u->unit != NULL && !ts_container_copy(container, &u->container, &why)) {
        ts_copy_cut(u->problem, sizeof(u->problem), why.msg);
    } else if (u->unit != NULL) {
        u->seen = true;
        u->inspect = json_incref(raw);
        u->role = role_of(u);
        u->view.role = u->role;
        u->start.role = u->role;
    }
    look_from_inside(c);
    if (u->seen) {
        ts_checkup_read_log(u);
    } else {
        ts_checkup_answered(c);
    }
}

static void look_at_unit(struct ts_checkup *c, struct ts_checkup_unit *u)
{
    struct ts_error err;
    u->op = ts_container_inspect(c->daemon->engine, u->unit->id, on_inspected, u, &err);
    if (u->op == NULL) {
        ts_copy_cut(u->problem, sizeof(u->problem), err.msg);
    }
    c->waiting += u->op != NULL ? 1U : 0U;
}

static void add_units(struct ts_checkup *c)
{
    struct ts_daemon *d = c->daemon;
    for (size_t i = 0; i < d->unit_count && c->unit_count < TS_CHECKUP_UNITS_MAX; i++) {
        struct ts_checkup_unit *u = &c->units[c->unit_count++];
        u->checkup = c;
        u->unit = d->units[i];
        ts_copy_cut(u->service, sizeof(u->service), d->units[i]->service);
        u->has_container = d->units[i]->id[0] != '\0';
        u->role = role_of(u); /* as far as the settings say */
    }
}

static void ask_engine(struct ts_checkup *c)
{
    struct ts_engine *e = c->daemon->engine;
    struct ts_error ignored; /* what is not known is said to be so */
    c->op_details = ts_engine_describe(e, on_described, c, &ignored);
    c->op_running = ts_survey_running(e, on_running, c, &ignored);
    c->op_images = ts_survey_images(e, on_images, c, &ignored);
    c->waiting += c->op_details != NULL ? 1U : 0U;
    c->waiting += c->op_running != NULL ? 1U : 0U;
    c->waiting += c->op_images != NULL ? 1U : 0U;
    for (size_t i = 0; i < c->unit_count; i++) {
        if (c->units[i].has_container) {
            look_at_unit(c, &c->units[i]);
        }
    }
}

static void on_nothing_asked(void *ctx)
{
    struct ts_checkup *c = ctx;
    finish(c);
}

struct ts_checkup *ts_checkup_start(struct ts_daemon *d, const json_t *facts, bool wants_reach,
                                    ts_checkup_done *done, void *ctx, struct ts_error *err)
{
    struct ts_checkup *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    c->units = calloc(TS_CHECKUP_UNITS_MAX, sizeof(*c->units));
    if (c->units == NULL) {
        free(c);
        ts_error_nomem(err);
        return NULL;
    }
    c->daemon = d;
    c->facts = json_deep_copy(facts);
    c->done = done;
    c->ctx = ctx;
    c->wants_reach = wants_reach;
    no_reach(c, "the engine does not answer");
    add_units(c);
    if (d->link.up) {
        ask_engine(c);
    }
    c->deadline = ts_timer_new(d->loop, c->waiting > 0 ? on_deadline : on_nothing_asked, c, err);
    if (c->deadline == NULL) {
        ts_checkup_free(c);
        return NULL;
    }
    ts_timer_after(c->deadline, c->waiting > 0 ? TS_CHECKUP_MS : 0);
    return c;
}

void ts_checkup_free(struct ts_checkup *c)
{
    if (c == NULL) {
        return;
    }
    cancel(c);
    for (size_t i = 0; i < c->unit_count; i++) {
        json_decref(c->units[i].inspect);
        ts_container_done(&c->units[i].container);
    }
    free(c->units);
    json_decref(c->running);
    json_decref(c->images);
    json_decref(c->facts);
    ts_timer_free(c->deadline);
    free(c);
}
