/*
 * Strays: containers beside the units' that could trade. That is a second container of a guarded
 * service (a copy, a one-off), and whatever was made from a guarded service's image, in whichever
 * project. One that breaks the rules is stopped, and so is one that the engine describes so that
 * nobody could judge it; no approval covers a stray. What else runs in the project (a second
 * gateway) is judged as services are that are not guarded.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

#define IMAGES_MAX  16
#define LOOKS_MAX   64   /* under way at once; the others' turn comes with the next look */
#define STRAY_GRACE 2    /* seconds */
#define MORE_MS     1000 /* until the next look when there were more */

struct stray {
    struct ts_daemon *daemon;
    struct ts_engine_op *op;
    char id[TS_ENGINE_ID];
    char name[TS_ENGINE_NAME];
    bool guarded;
    bool sure; /* the project was listed, and it stands for no service */
    bool used;
};

struct ts_strays {
    struct ts_engine_op *listing;
    bool list_again;
    struct ts_timer *retry;
    struct stray looks[LOOKS_MAX];
    size_t from; /* of the list: the first that had no place, so the first of the next look */
};

static void on_look_stopped(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    struct stray *s = ctx;
    struct ts_daemon *d = s->daemon;
    char text[300];
    (void)outcome;
    if (err != NULL) {
        (void)snprintf(text, sizeof(text), "container %.80s could not be stopped: %.160s", s->name,
                       err->msg);
        ts_notice_stray(d, s->name, text);
    }
    s->used = false;
}

static void stop_stray(struct stray *s, enum ts_rule rule, const char *text)
{
    struct ts_daemon *d = s->daemon;
    struct ts_error err;
    json_t *data = json_pack("{s:s, s:s}", "container", s->id, "rule", ts_rule_name(rule));
    const struct ts_trail_note note = {
        .event = "stray", .service = "", .outcome = "stopped", .text = text, .data = data};
    (void)ts_trail_add(d, &note, NULL, &err);
    json_decref(data);
    ts_memory_event(d, "", "safety.stray", text);
    ts_notice_stray(d, s->name, text);
    s->op = ts_container_stop(d->engine, s->id, STRAY_GRACE, on_look_stopped, s, &err);
    if (s->op == NULL) {
        on_look_stopped(s, TS_OUTCOME_DONE, &err);
    }
}

static void stop_unreadable(struct stray *s, const struct ts_error *err)
{
    char text[400];
    (void)snprintf(text, sizeof(text),
                   "container %.80s could be a bot, and the engine describes it so that it cannot "
                   "be judged: %.160s",
                   s->name, err->msg);
    stop_stray(s, TS_RULE_CONFIG, text);
}

bool ts_strays_is_unreadable(const struct ts_error *err)
{
    return err->code == TS_E_PROTOCOL || err->code == TS_E_LIMIT;
}

static bool is_guarded(const struct ts_daemon *d, const char *service)
{
    const struct ts_svc_spec *spec = ts_model_find(d->model, service);
    return (spec != NULL ? spec : &d->model->defaults)->guarded;
}

static bool may_be_a_units(const struct ts_daemon *d, const struct ts_container *c)
{
    return strcmp(c->project, d->model->project) == 0 && !c->oneoff && is_guarded(d, c->service);
}

static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    struct stray *s = ctx;
    struct ts_daemon *d = s->daemon;
    struct ts_guard_facts facts;
    struct ts_judgement j;
    char text[400];
    s->op = NULL;
    if (ts_units_by_container(d, s->id) != NULL) { /* a unit by now */
        s->used = false;
        return;
    }
    if (err != NULL && s->guarded && ts_strays_is_unreadable(err)) {
        stop_unreadable(s, err);
        return;
    }
    if (err != NULL || (c->status != TS_CONTAINER_RUNNING && c->status != TS_CONTAINER_PAUSED)) {
        s->used = false; /* gone */
        return;
    }
    ts_copy_cut(s->name, sizeof(s->name), c->name);
    ts_guard_facts(d, NULL, &facts);
    facts.guarded = s->guarded;
    ts_guard_box(raw, "", &facts.own);
    ts_interlock_judge(&facts, &j);
    if (j.overall != TS_FINDING_FAIL) {
        s->used = false;
        return;
    }
    if (!s->sure && may_be_a_units(d, c)) {
        /* That we have not heard of yet: then it trips. Else its turn comes with the list. */
        s->used = false;
        ts_engine_watch_resync(d);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "container %.80s is no part of the stack and breaks the rules: %.160s", s->name,
                   j.text);
    stop_stray(s, j.rule, text);
}

/* A place to look at the container; *ret_busy: it is looked at already. NULL: there is none. */
static struct stray *place_for(struct ts_daemon *d, const char *id, const char *name,
                               struct stray **ret_busy)
{
    struct stray *slot = NULL;
    *ret_busy = NULL;
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        struct stray *s = &d->strays->looks[i];
        if (s->used && strcmp(s->id, id) == 0) {
            *ret_busy = s;
            return NULL;
        }
        slot = slot == NULL && !s->used ? s : slot;
    }
    if (slot != NULL) {
        *slot = (struct stray){.daemon = d, .used = true};
        (void)snprintf(slot->id, sizeof(slot->id), "%s", id);
        ts_copy_cut(slot->name, sizeof(slot->name), name);
    }
    return slot;
}

/* False: there is no place, so its turn is still to come. */
static bool consider(struct ts_daemon *d, const char *id, const char *name, bool guarded, bool sure)
{
    struct ts_error err;
    struct stray *busy;
    if (ts_units_by_container(d, id) != NULL) {
        return true;
    }
    struct stray *s = place_for(d, id, name, &busy);
    if (s == NULL) {
        if (busy != NULL) {
            busy->guarded = busy->guarded || guarded;
            busy->sure = busy->sure || sure;
        }
        return busy != NULL;
    }
    s->guarded = guarded;
    s->sure = sure;
    s->op = ts_container_inspect(d->engine, s->id, on_inspected, s, &err);
    s->used = s->op != NULL;
    return true;
}

static void on_retry(void *ctx)
{
    ts_strays_look(ctx);
}

static bool make(struct ts_daemon *d)
{
    struct ts_error err;
    if (d->strays == NULL) {
        d->strays = calloc(1, sizeof(*d->strays));
    }
    if (d->strays != NULL && d->strays->retry == NULL) {
        d->strays->retry = ts_timer_new(d->loop, on_retry, d, &err);
    }
    return d->strays != NULL && d->strays->retry != NULL;
}

/* of_project: its list; else those made from guarded images. The first to be looked at is the first
 * that was not at the last look: nobody hides behind many others. */
static void consider_all(struct ts_daemon *d, const struct ts_container_ref *refs, size_t count,
                         bool of_project)
{
    struct ts_strays *st = d->strays;
    for (size_t k = 0, first = st->from; k < count; k++) {
        size_t i = (first + k) % count;
        bool runs = refs[i].status == TS_CONTAINER_RUNNING || refs[i].status == TS_CONTAINER_PAUSED;
        bool guarded = !of_project || is_guarded(d, refs[i].service);
        if (runs && !consider(d, refs[i].id, refs[i].name, guarded, of_project)) {
            st->from = i;
            ts_timer_after(st->retry, MORE_MS);
            return;
        }
    }
}

void ts_strays_listed(struct ts_daemon *d, const struct ts_container_ref *refs, size_t count)
{
    if (make(d)) {
        consider_all(d, refs, count, true);
        ts_strays_look(d);
    }
}

void ts_strays_started(struct ts_daemon *d, const struct ts_engine_event *event)
{
    if (d->link.up && make(d)) {
        (void)!consider(d, event->id, event->name, is_guarded(d, event->service), true);
    }
}

void ts_strays_unreadable(struct ts_daemon *d, const char *id, const char *name,
                          const struct ts_error *err)
{
    struct stray *busy;
    struct stray *s = d->link.up && make(d) ? place_for(d, id, name, &busy) : NULL;
    if (s != NULL) {
        stop_unreadable(s, err);
    }
}

static void on_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                      const struct ts_error *err)
{
    struct ts_daemon *d = ctx;
    d->strays->listing = NULL;
    if (err == NULL) {
        consider_all(d, refs, count, false);
    }
    if (d->strays->list_again) {
        ts_strays_look(d);
    }
}

static size_t guarded_images(struct ts_daemon *d, const char **images)
{
    size_t n = 0;
    for (size_t i = 0; i < d->unit_count && n < IMAGES_MAX; i++) {
        const struct ts_unit *u = d->units[i];
        if (u->known && u->container.image_id[0] != '\0' && ts_super_spec(d->super, i)->guarded) {
            images[n++] = u->container.image_id;
        }
    }
    return n;
}

void ts_strays_look(struct ts_daemon *d)
{
    const char *images[IMAGES_MAX];
    struct ts_error err;
    size_t n = guarded_images(d, images);
    if (!d->link.up || n == 0 || d->released || !make(d)) {
        return;
    }
    d->strays->list_again = d->strays->listing != NULL;
    if (d->strays->listing == NULL) {
        d->strays->listing = ts_containers_list_made_from(d->engine, images, n, on_listed, d, &err);
    }
}

void ts_strays_pause(struct ts_daemon *d)
{
    struct ts_strays *st = d->strays;
    if (st == NULL) {
        return;
    }
    ts_engine_cancel(st->listing);
    st->listing = NULL;
    for (size_t i = 0; i < LOOKS_MAX; i++) {
        if (st->looks[i].used) {
            ts_engine_cancel(st->looks[i].op);
            st->looks[i].used = false;
        }
    }
}

void ts_strays_stop(struct ts_daemon *d)
{
    if (d->strays != NULL) {
        ts_strays_pause(d);
        ts_timer_free(d->strays->retry);
        free(d->strays);
        d->strays = NULL;
    }
}
