/* Alerts in: which are told, to which channels, and when again. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sender_internal.h"
#include "base/parse.h"

#define SAVE_RETRY_MS   5000
#define REMINDER_MAX_MS 3600000 /* the wall clock may be set: look again at least so often */

static void on_keeper(void *ctx);

struct ts_sender *ts_sender_new(struct ts_loop *loop, struct ts_http *http, struct ts_store *store,
                                const struct ts_sender_hooks *hooks, struct ts_error *err)
{
    struct ts_sender *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    s->loop = loop;
    s->http = http;
    s->store = store;
    s->hooks = *hooks;
    s->random = (uint64_t)ts_loop_wall(loop).ms | 1;
    s->incidents = ts_incidents_new();
    s->keeper = ts_timer_new(loop, on_keeper, s, err);
    if (s->incidents == NULL || s->keeper == NULL) {
        ts_sender_free(s);
        ts_error_nomem(err);
        return NULL;
    }
    struct ts_error why;
    if (store != NULL && !ts_incidents_load(s->incidents, store, &why)) {
        ts_sender_store_failed(s, &why);
    }
    return s;
}

void ts_sender_free(struct ts_sender *s)
{
    if (s != NULL) {
        for (size_t i = 0; i < s->channel_count; i++) {
            ts_channel_free(s->channels[i]);
        }
        ts_timer_free(s->keeper);
        ts_incidents_free(s->incidents);
        free(s);
    }
}

void ts_sender_store_failed(struct ts_sender *s, const struct ts_error *err)
{
    if (s->hooks.store_failed != NULL) {
        s->hooks.store_failed(s->hooks.ctx, err->msg);
    }
}

static size_t tell_all(struct ts_sender *s, const struct ts_alert *alert)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        ts_queue_add(s->channels[i], alert);
    }
    return s->channel_count;
}

/* Has the messages that show the incident edited, where a channel can do that. */
static void edit_messages(struct ts_sender *s, struct channel *ch, const struct ts_alert *alert)
{
    struct ts_error err;
    if (s->store == NULL) {
        return;
    }
    char *text = ts_alert_to_text(alert);
    bool closing = alert->kind == TS_ALERT_RESOLVED;
    bool ok = text != NULL
                  ? ts_store_message_edit(s->store, ch->spec.name, alert->key, text, closing, &err)
                  : ts_error_nomem(&err);
    free(text);
    if (!ok) {
        ts_sender_store_failed(s, &err);
    }
    ts_timer_after(ch->timer, 0);
}

/* Progress is no reason for a new message on Discord: it would be one per restart attempt. */
static size_t tell_progress(struct ts_sender *s, const struct ts_alert *alert)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        struct channel *ch = s->channels[i];
        switch (ch->spec.kind) {
        case TS_CHANNEL_DISCORD: edit_messages(s, ch, alert); break;
        case TS_CHANNEL_WEBHOOK: ts_queue_add(ch, alert); break;
        }
    }
    return s->channel_count;
}

static void close_messages(struct ts_sender *s, const struct ts_alert *alert)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        if (s->channels[i]->spec.kind == TS_CHANNEL_DISCORD) {
            edit_messages(s, s->channels[i], alert);
        }
    }
}

static bool save_incidents(struct ts_sender *s)
{
    struct ts_error err;
    if (!ts_incidents_save(s->incidents, s->store, &err)) {
        ts_sender_store_failed(s, &err);
        return false;
    }
    return true;
}

size_t ts_sender_post(struct ts_sender *s, const struct ts_alert *alert)
{
    struct ts_alert a = *alert;
    ts_wall now = ts_loop_wall(s->loop);
    size_t told = 0;
    a.at = a.at.ms == 0 ? now : a.at;
    a.since = a.since.ms == 0 ? a.at : a.since;
    switch (ts_incidents_note(s->incidents, &a, now, s->reminder_ms)) {
    case TS_INCIDENT_SILENT: return 0;
    case TS_INCIDENT_TELL: told = tell_all(s, &a); break;
    case TS_INCIDENT_EDIT: told = tell_progress(s, &a); break;
    }
    if (a.kind == TS_ALERT_RESOLVED) {
        close_messages(s, &a);
    }
    if (a.kind != TS_ALERT_INFO) {
        (void)save_incidents(s); /* and again by the keeper */
        ts_timer_after(s->keeper, 0);
    }
    return told;
}

size_t ts_sender_post_to(struct ts_sender *s, const struct ts_alert *alert, const char *channel)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        if (strcmp(s->channels[i]->spec.name, channel) == 0) {
            ts_queue_add(s->channels[i], alert);
            return 1;
        }
    }
    return SIZE_MAX;
}

void ts_sender_each_open(const struct ts_sender *s,
                         void (*each)(void *ctx, const struct ts_alert *alert), void *ctx)
{
    ts_incidents_each(s->incidents, each, ctx);
}

static void remind(struct ts_sender *s, ts_wall now)
{
    struct ts_alert a;
    while (ts_incidents_remind(s->incidents, now, s->reminder_ms, &a)) {
        char title[TS_ALERT_TITLE - 8];
        ts_copy_cut(title, sizeof(title), a.title);
        (void)snprintf(a.title, sizeof(a.title), "Still: %s", title);
        tell_all(s, &a);
    }
}

/* Writes what could not be written when it happened, and reminds. */
static void on_keeper(void *ctx)
{
    struct ts_sender *s = ctx;
    ts_wall now = ts_loop_wall(s->loop);
    ts_wall due;
    int64_t next = INT64_MAX;
    if (s->reminder_ms > 0) {
        remind(s, now);
    }
    if (!save_incidents(s) || ts_incidents_unsaved(s->incidents)) {
        next = SAVE_RETRY_MS;
    }
    if (s->reminder_ms > 0 && ts_incidents_next_reminder(s->incidents, s->reminder_ms, &due)) {
        int64_t wait = due.ms - now.ms < REMINDER_MAX_MS ? due.ms - now.ms : REMINDER_MAX_MS;
        next = wait < next ? wait : next;
    }
    if (next != INT64_MAX) {
        ts_timer_after(s->keeper, next < 0 ? 0 : next);
    }
}
