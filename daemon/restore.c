/*
 * Containers that are missing, made anew from their snapshots: after a boot or when the engine
 * comes back without them (pruned, its data lost), and when an operator wants the service up.
 * A container that somebody removed while we watched stays away until somebody asks for it.
 *
 * One at a time (remake.c). Nothing is started here: what was made is listed, inspected and judged
 * like any other.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "engine/networks.h"
#include "move/remake.h"

#define SETTLE_MS    1500 /* word of a removal, or somebody else's container, may still come */
#define TRIES        5    /* while the engine answers late or not at all; each waits longer */
#define SNAPSHOT_MAX ((size_t)512 * 1024)
#define KEY_MAX      (TS_ENGINE_NAME + 16)

struct ts_restore {
    struct ts_daemon *daemon;
    struct ts_timer *timer;
    struct ts_remake *remake;
    struct ts_unit *unit; /* whose turn it is; NULL: nobody's */
    json_t *snapshot;
    int64_t tries; /* that came to nothing since the last success */
};

static void next(struct ts_restore *r);

/* --- keeping snapshots */

static void meta_key(const char *service, char *out, size_t size)
{
    (void)snprintf(out, size, "removed/%s", service);
}

bool ts_restore_has_snapshot(struct ts_daemon *d, const char *service)
{
    char *text = NULL;
    struct ts_error err;
    bool has = ts_store_snapshot_load(d->store, service, &text, &err);
    free(text);
    return has;
}

void ts_restore_keep(struct ts_daemon *d, const char *key, const char *id, json_t *raw)
{
    struct ts_error err;
    json_t *slim = json_copy(raw);
    (void)json_object_del(slim, "State"); /* health output: long, and of no use */
    char *text = slim == NULL ? NULL : json_dumps(slim, JSON_COMPACT);
    json_decref(slim);
    if (text == NULL || strlen(text) > SNAPSHOT_MAX) {
        TS_LOG(d->log, TS_MSG_RESTORE_FAILED, TS_NO_FIELDS,
               "%s: no snapshot is kept: its description is too long", key);
    } else if (!ts_store_snapshot_save(d->store, key, id, ts_loop_wall(d->loop), text, &err)) {
        ts_memory_failed(d, err.msg);
    }
    free(text);
}

static void on_network_seen(void *ctx, json_t *raw, const struct ts_error *err)
{
    if (err == NULL) {
        ts_remake_keep_network(ctx, raw);
    }
}

static bool was_removed(struct ts_unit *u)
{
    char key[KEY_MAX];
    char removed[8] = "";
    struct ts_error err;
    meta_key(u->service, key, sizeof(key));
    return ts_store_meta_get(u->daemon->store, key, removed, sizeof(removed), &err) &&
           removed[0] != '\0';
}

static void mark_removed(struct ts_daemon *d, const char *service, bool removed)
{
    char key[KEY_MAX];
    meta_key(service, key, sizeof(key));
    ts_memory_mark(d, key, removed ? "1" : "");
}

void ts_restore_saw(struct ts_unit *u, json_t *raw)
{
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    const char *name;
    json_t *network;
    u->made_anew = false;
    if (u->snapshot_kept) {
        return;
    }
    u->snapshot_kept = true;
    ts_restore_keep(d, u->service, u->id, raw);
    json_object_foreach(ts_json_at(raw, "NetworkSettings.Networks"), name, network)
    {
        if (!ts_network_is_builtin(name)) { /* if it fails, the next run's look brings it */
            (void)!ts_network_inspect(d->engine, name, on_network_seen, d, &err);
        }
    }
    if (was_removed(u)) {
        mark_removed(d, u->service, false);
    }
}

void ts_restore_removed(struct ts_daemon *d, const char *id, const char *service)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        struct ts_unit *u = d->units[i];
        if (strcmp(u->service, service) == 0) {
            if (u->id[0] != '\0' && strcmp(u->id, id) != 0) {
                return; /* another container stands for the service by now */
            }
            u->snapshot_kept = false;
            u->restore_due = false;
            if (u->comes_back) {
                return; /* it is to be up again, also if we do not live to see to it */
            }
        }
    }
    if (ts_restore_has_snapshot(
            d, service)) { /* it may be told before the first list has made the units */
        mark_removed(d, service, true);
    }
}

/* --- making anew */

json_t *ts_restore_kept(struct ts_daemon *d, const char *key, struct ts_error *err)
{
    char *text = NULL;
    if (!ts_store_snapshot_load(d->store, key, &text, err)) {
        return NULL;
    }
    json_t *v = ts_json_parse(text, strlen(text), err);
    free(text);
    return v;
}

/* Nobody's turn any more. */
static void drop(struct ts_restore *r)
{
    json_decref(r->snapshot);
    r->snapshot = NULL;
    r->unit = NULL;
}

static void finish(struct ts_restore *r)
{
    r->unit->restore_due = false;
    drop(r);
    next(r);
}

/* No answer is no refusal: the engine may be on its way down, or have done it all the same. */
static bool is_passing(const struct ts_error *err)
{
    return err->code == TS_E_TIMEOUT || (err->code == TS_E_UNAVAILABLE && err->detail < 500);
}

static void failed(struct ts_restore *r, const struct ts_error *err)
{
    struct ts_daemon *d = r->daemon;
    const char *service = r->unit->service;
    if (is_passing(err) && ++r->tries < TRIES) {
        drop(r); /* still due */
        ts_timer_after(r->timer, SETTLE_MS * r->tries);
        ts_engine_watch_resync(d);
        return;
    }
    r->tries = 0;
    TS_LOG(d->log, TS_MSG_RESTORE_FAILED, TS_FIELDS(TS_STR("service", service)),
           "%s has no container and cannot be made anew: %s", service, err->msg);
    ts_memory_event(d, service, "service.restore-failed", err->msg);
    ts_notice_restored(d, service,
                       "Mend that, then: tradestackctl up; or make it with Compose: "
                       "docker compose up --no-start",
                       err->msg);
    finish(r);
}

static void on_created(void *ctx, const char *id, const struct ts_error *err)
{
    struct ts_restore *r = ctx;
    struct ts_daemon *d = r->daemon;
    char text[200];
    r->remake = NULL;
    if (err != NULL) {
        failed(r, err);
        return;
    }
    const char *name = ts_json_str_or(r->snapshot, "Name", "/?");
    (void)snprintf(text, sizeof(text),
                   "container %.60s was missing and has been made anew as it was (%.12s)",
                   name + (name[0] == '/'), id);
    TS_LOG(d->log, TS_MSG_RESTORED,
           TS_FIELDS(TS_STR("service", r->unit->service), TS_STR("container_id", id)), "%s: %s",
           r->unit->service, text);
    ts_memory_event(d, r->unit->service, "service.restored", text);
    ts_notice_restored(d, r->unit->service, text, NULL);
    r->tries = 0;
    r->unit->made_anew = true;
    finish(r);
    ts_engine_watch_resync(d);
}

static void begin(struct ts_restore *r, struct ts_unit *u)
{
    struct ts_error err;
    r->unit = u;
    r->snapshot = ts_restore_kept(r->daemon, u->service, &err);
    const struct ts_remake_order order = {.snapshot = r->snapshot};
    r->remake =
        r->snapshot == NULL ? NULL : ts_remake_start(r->daemon, &order, on_created, r, &err);
    if (r->remake == NULL) {
        failed(r, &err);
    }
}

static void next(struct ts_restore *r)
{
    struct ts_daemon *d = r->daemon;
    bool may = r->unit == NULL && d->link.up && !d->going_down;
    for (size_t i = 0; may && i < d->unit_count; i++) {
        if (d->units[i]->restore_due && d->units[i]->id[0] == '\0') {
            begin(r, d->units[i]);
            return;
        }
    }
}

static void on_settled(void *ctx)
{
    next(ctx);
}

static struct ts_restore *restorer(struct ts_daemon *d)
{
    struct ts_error err;
    if (d->restore == NULL) {
        struct ts_restore *r = calloc(1, sizeof(*r));
        if (r != NULL) {
            r->daemon = d;
            r->timer = ts_timer_new(d->loop, on_settled, r, &err);
        }
        if (r != NULL && r->timer == NULL) {
            free(r);
            r = NULL;
        }
        d->restore = r;
    }
    return d->restore;
}

void ts_restore_after_gap(struct ts_daemon *d)
{
    bool any = false;
    for (size_t i = 0; !d->released && !d->going_down && i < d->unit_count; i++) {
        struct ts_unit *u = d->units[i];
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (u->id[0] == '\0' && s->wanted == TS_WANTED_UP && !s->held && !was_removed(u) &&
            !ts_move_concerns(d, u->service) && ts_restore_has_snapshot(d, u->service)) {
            u->restore_due = true;
            any = true;
        }
    }
    if (any && restorer(d) != NULL) {
        ts_timer_after(d->restore->timer, SETTLE_MS);
    }
}

void ts_restore_wanted(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    if (u->id[0] == '\0' && ts_restore_has_snapshot(d, u->service) && restorer(d) != NULL) {
        mark_removed(d, u->service, false); /* this word is newer, also if the engine goes now */
        u->restore_due = true;
        ts_timer_after(d->restore->timer, 0);
    }
}

bool ts_restore_under_way(const struct ts_unit *u)
{
    return u->restore_due || u->made_anew;
}

/* The engine is gone: what was asked ends nowhere. The next list begins anew. */
void ts_restore_pause(struct ts_daemon *d)
{
    struct ts_restore *r = d->restore;
    if (r != NULL) {
        ts_timer_stop(r->timer);
        ts_remake_cancel(r->remake);
        r->remake = NULL;
        r->tries = 0;
        drop(r);
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        d->units[i]->restore_due = false;
        d->units[i]->made_anew = false;
    }
}

void ts_restore_free(struct ts_daemon *d)
{
    if (d->restore != NULL) {
        ts_restore_pause(d);
        ts_timer_free(d->restore->timer);
        free(d->restore);
        d->restore = NULL;
    }
}
