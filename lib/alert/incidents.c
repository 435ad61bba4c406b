/* See incidents.h. */
#include "alert/incidents.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"

struct incident {
    struct ts_alert alert; /* as it was told last; since: when it was opened */
    ts_wall told;
    bool open; /* false: only kept until the store knows */
    bool unsaved;
    bool in_doubt;       /* written within a transaction that has not ended yet */
    uint64_t lost_count; /* the store's, when it was written */
    uint64_t touched;
};

struct ts_incidents {
    struct incident *items[TS_INCIDENTS_MAX];
    size_t count;
    uint64_t touches;
};

struct ts_incidents *ts_incidents_new(void)
{
    return calloc(1, sizeof(struct ts_incidents));
}

void ts_incidents_free(struct ts_incidents *list)
{
    if (list != NULL) {
        for (size_t i = 0; i < list->count; i++) {
            free(list->items[i]);
        }
        free(list);
    }
}

static struct incident *find(const struct ts_incidents *list, const char *key)
{
    for (size_t i = 0; i < list->count; i++) {
        if (strcmp(list->items[i]->alert.key, key) == 0) {
            return list->items[i];
        }
    }
    return NULL;
}

static void touch(struct ts_incidents *list, struct incident *item)
{
    item->touched = ++list->touches;
    item->unsaved = true;
}

/* A zeroed entry; NULL if out of memory. */
static struct incident *add(struct ts_incidents *list)
{
    if (list->count < TS_INCIDENTS_MAX) {
        struct incident *fresh = calloc(1, sizeof(*fresh));
        if (fresh != NULL) {
            list->items[list->count++] = fresh;
        }
        return fresh;
    }
    struct incident *oldest = list->items[0];
    for (size_t i = 1; i < list->count; i++) {
        oldest = list->items[i]->touched < oldest->touched ? list->items[i] : oldest;
    }
    memset(oldest, 0, sizeof(*oldest));
    return oldest;
}

static void load_one(void *ctx, const struct ts_store_incident *stored)
{
    struct ts_incidents *list = ctx;
    struct ts_error ignored;
    struct ts_alert alert;
    TS_CLEANUP(ts_json_drop)
    json_t *o = ts_json_parse(stored->body, strlen(stored->body), &ignored);
    if (o == NULL || !ts_alert_from_json(o, &alert, &ignored) ||
        strcmp(alert.key, stored->key) != 0) {
        return;
    }
    struct incident *item = add(list);
    if (item != NULL) {
        item->alert = alert;
        item->told = stored->told;
        item->open = true;
        item->touched = ++list->touches;
    }
}

bool ts_incidents_load(struct ts_incidents *list, struct ts_store *store, struct ts_error *err)
{
    return ts_store_incident_each(store, load_one, list, err);
}

static enum ts_incident_verdict note_end(struct ts_incidents *list, struct incident *known,
                                         struct ts_alert *alert, ts_wall now)
{
    if (known == NULL || !known->open) {
        return TS_INCIDENT_SILENT;
    }
    alert->since = known->alert.since;
    alert->duration_ms = now.ms > alert->since.ms ? now.ms - alert->since.ms : 0;
    known->open = false;
    touch(list, known);
    return TS_INCIDENT_TELL;
}

static enum ts_incident_verdict note_again(struct ts_incidents *list, struct incident *known,
                                           struct ts_alert *alert, ts_wall now, int64_t reminder_ms)
{
    bool worse = alert->severity > known->alert.severity;
    bool due = reminder_ms > 0 && now.ms - known->told.ms >= reminder_ms;
    bool progress = alert->attempt != known->alert.attempt;
    alert->since = known->alert.since;
    if (!worse && !due && !progress) {
        return TS_INCIDENT_SILENT;
    }
    if (alert->severity < known->alert.severity) {
        alert->severity = known->alert.severity; /* it is as bad as it was at its worst */
    }
    known->alert = *alert;
    touch(list, known);
    if (!worse && !due) {
        alert->kind = TS_ALERT_UPDATE;
        return TS_INCIDENT_EDIT;
    }
    known->told = now;
    return TS_INCIDENT_TELL;
}

enum ts_incident_verdict ts_incidents_note(struct ts_incidents *list, struct ts_alert *alert,
                                           ts_wall now, int64_t reminder_ms)
{
    struct incident *known = find(list, alert->key);
    switch (alert->kind) {
    case TS_ALERT_INFO: return TS_INCIDENT_TELL;
    case TS_ALERT_RESOLVED: return note_end(list, known, alert, now);
    case TS_ALERT_OPEN:
    case TS_ALERT_UPDATE: break;
    }
    alert->kind = TS_ALERT_OPEN;
    if (known != NULL && known->open) {
        return note_again(list, known, alert, now, reminder_ms);
    }
    known = known != NULL ? known : add(list);
    if (known != NULL) { /* without memory: better told twice than not */
        known->alert = *alert;
        known->told = now;
        known->open = true;
        touch(list, known);
    }
    return TS_INCIDENT_TELL;
}

bool ts_incidents_remind(struct ts_incidents *list, ts_wall now, int64_t reminder_ms,
                         struct ts_alert *ret)
{
    for (size_t i = 0; i < list->count; i++) {
        struct incident *item = list->items[i];
        if (item->open && now.ms - item->told.ms >= reminder_ms) {
            item->told = now;
            touch(list, item);
            *ret = item->alert;
            ret->at = now;
            ret->duration_ms = now.ms > ret->since.ms ? now.ms - ret->since.ms : 0;
            return true;
        }
    }
    return false;
}

bool ts_incidents_next_reminder(const struct ts_incidents *list, int64_t reminder_ms, ts_wall *ret)
{
    bool found = false;
    for (size_t i = 0; i < list->count; i++) {
        const struct incident *item = list->items[i];
        int64_t due = item->told.ms + reminder_ms;
        if (item->open && (!found || due < ret->ms)) {
            *ret = (ts_wall){due};
            found = true;
        }
    }
    return found;
}

const struct ts_alert *ts_incidents_find(const struct ts_incidents *list, const char *key)
{
    const struct incident *item = find(list, key);
    return item != NULL && item->open ? &item->alert : NULL;
}

void ts_incidents_each(const struct ts_incidents *list,
                       void (*each)(void *ctx, const struct ts_alert *alert), void *ctx)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->open) {
            each(ctx, &list->items[i]->alert);
        }
    }
}

/* --- the store's copy */

static bool write_one(const struct incident *item, struct ts_store *store, struct ts_error *err)
{
    if (!item->open) {
        return ts_store_incident_close(store, item->alert.key, err);
    }
    char *body = ts_alert_to_text(&item->alert);
    if (body == NULL) {
        return ts_error_nomem(err);
    }
    const struct ts_store_incident row = {
        .key = item->alert.key,
        .opened = item->alert.since,
        .told = item->told,
        .severity = (int)item->alert.severity,
        .body = body,
    };
    bool ok = ts_store_incident_put(store, &row, err);
    free(body);
    return ok;
}

static void remove_at(struct ts_incidents *list, size_t i)
{
    free(list->items[i]);
    list->items[i] = list->items[--list->count];
}

bool ts_incidents_save(struct ts_incidents *list, struct ts_store *store, struct ts_error *err)
{
    bool in_transaction = store != NULL && ts_store_in_transaction(store);
    for (size_t i = list->count; i-- > 0;) {
        struct incident *item = list->items[i];
        if (store == NULL) {
            item->unsaved = false;
        } else if (item->in_doubt && !in_transaction) {
            item->in_doubt = false;
            item->unsaved = item->unsaved || item->lost_count != ts_store_lost_count(store);
        }
        if (item->unsaved) {
            if (!write_one(item, store, err)) {
                return false;
            }
            item->unsaved = false;
            item->in_doubt = in_transaction;
            item->lost_count = ts_store_lost_count(store);
        }
        if (!item->open && !item->in_doubt) {
            remove_at(list, i);
        }
    }
    return true;
}

bool ts_incidents_unsaved(const struct ts_incidents *list)
{
    for (size_t i = 0; i < list->count; i++) {
        if (list->items[i]->unsaved || list->items[i]->in_doubt) {
            return true;
        }
    }
    return false;
}
