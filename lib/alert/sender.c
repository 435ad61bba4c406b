/* Channels, incidents and the queue; requests are in delivery.c. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sender_internal.h"
#include "base/json.h"
#include "base/parse.h"
#include "net/address.h"

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
    return s;
}

static void free_channel(struct channel *ch)
{
    if (ch != NULL) {
        ts_http_cancel(ch->req);
        ts_timer_free(ch->timer);
        ts_secret_free(ch->url);
        free(ch->spill);
        free(ch);
    }
}

void ts_sender_free(struct ts_sender *s)
{
    if (s != NULL) {
        for (size_t i = 0; i < s->channel_count; i++) {
            free_channel(s->channels[i]);
        }
        free(s);
    }
}

static bool is_loopback(const char *host)
{
    return strncmp(host, "127.", 4) == 0 || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

bool ts_sender_check_url(enum ts_channel_kind kind, const char *url, struct ts_error *err)
{
    struct ts_address a;
    struct ts_error ignored; /* its text may hold the URL */
    if (!ts_address_parse(url, &a, &ignored) ||
        (a.kind != TS_ADDRESS_HTTPS && a.kind != TS_ADDRESS_HTTP)) {
        return ts_error_set(err, TS_E_INVALID, "the URL is malformed; want https://host/path");
    }
    if (a.kind == TS_ADDRESS_HTTP && !is_loopback(a.host)) {
        return ts_error_set(err, TS_E_INVALID,
                            "the URL is not https; plain http is for loopback addresses only");
    }
    if (kind == TS_CHANNEL_DISCORD && strstr(a.path, "/webhooks/") == NULL) {
        return ts_error_set(err, TS_E_INVALID,
                            "the URL is no Discord webhook; want "
                            "https://discord.com/api/webhooks/<id>/<token>");
    }
    return true;
}

static struct channel *new_channel(struct ts_sender *s, const struct ts_channel_spec *spec,
                                   struct ts_error *err)
{
    struct channel *ch = calloc(1, sizeof(*ch));
    if (ch == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    ch->sender = s;
    ch->spec = *spec;
    ch->not_before = ts_loop_now(s->loop);
    ch->url = ts_secret_read(spec->url_file, err);
    if (ch->url == NULL || !ts_sender_check_url(spec->kind, ts_secret_reveal(ch->url), err)) {
        ts_error_wrap(err, "alert channel %s, url_file %.100s", spec->name, spec->url_file);
        free_channel(ch);
        return NULL;
    }
    ch->timer = ts_timer_new(s->loop, ts_delivery_on_timer, ch, err);
    if (ch->timer == NULL) {
        free_channel(ch);
        return NULL;
    }
    ts_timer_after(ch->timer, 0); /* what an earlier run left behind */
    return ch;
}

bool ts_sender_configure(struct ts_sender *s, const struct ts_model *model, struct ts_error *err)
{
    struct channel *fresh[TS_MAX_CHANNELS] = {NULL};
    size_t count = 0;
    for (size_t i = 0; i < model->channel_count; i++) {
        struct channel *ch = new_channel(s, &model->channels[i], err);
        if (ch != NULL) {
            fresh[count++] = ch;
        } else if (!model->channels[i].optional || err->detail != ENOENT) {
            for (size_t j = 0; j < count; j++) {
                free_channel(fresh[j]);
            }
            return false;
        }
    }
    for (size_t i = 0; i < s->channel_count; i++) {
        free_channel(s->channels[i]);
    }
    memcpy(s->channels, fresh, sizeof(fresh));
    s->channel_count = count;
    s->reminder_ms = model->reminder_ms;
    s->expiry_ms = model->alert_expiry_ms;
    return true;
}

void ts_sender_store_failed(struct ts_sender *s, const struct ts_error *err)
{
    if (s->hooks.store_failed != NULL) {
        s->hooks.store_failed(s->hooks.ctx, err->msg);
    }
}

/* --- the queue */

static void spill(struct channel *ch, const struct ts_alert *alert, ts_wall now)
{
    if (ch->spill == NULL) {
        ch->spill = calloc(SPILL_MAX, sizeof(*ch->spill));
    }
    if (ch->spill == NULL || ch->spill_count == SPILL_MAX) {
        if (ch->sender->hooks.dropped != NULL) {
            ch->sender->hooks.dropped(ch->sender->hooks.ctx, ch->spec.name, alert->title,
                                      "the state file cannot be written and memory is full");
        }
        return;
    }
    ch->spill[ch->spill_count++] = (struct letter){.id = 0, .created = now, .alert = *alert};
}

static void enqueue(struct channel *ch, const struct ts_alert *alert)
{
    struct ts_sender *s = ch->sender;
    ts_wall now = ts_loop_wall(s->loop);
    struct ts_error err;
    bool stored = false;
    if (s->store != NULL) {
        TS_CLEANUP(ts_json_drop) json_t *o = ts_alert_to_json(alert);
        char *body = o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
        struct ts_store_letter letter = {
            .created = now, .priority = alert->urgent ? 1 : 0, .body = body};
        int64_t id;
        ts_copy_cut(letter.channel, sizeof(letter.channel), ch->spec.name);
        if (body == NULL) {
            ts_error_nomem(&err);
        } else {
            stored = ts_store_outbox_add(s->store, &letter, &id, &err);
        }
        free(body);
        if (!stored) {
            ts_sender_store_failed(s, &err);
        }
    }
    if (!stored) {
        spill(ch, alert, now);
    }
    ts_timer_after(ch->timer, 0);
}

/* --- incidents */

/* Decides what a repeated OPEN becomes. False: nothing is to be told. */
static bool open_again(struct ts_sender *s, struct ts_alert *alert, struct ts_store_incident *known)
{
    ts_wall now = ts_loop_wall(s->loop);
    alert->since = known->opened;
    bool worse = (int)alert->severity > known->severity;
    bool due = s->reminder_ms > 0 && now.ms - known->told.ms >= s->reminder_ms;
    if (!worse && !due) {
        alert->kind = TS_ALERT_UPDATE;
        return alert->attempt > 0; /* only progress is worth an edit */
    }
    known->told = now;
    if (worse) {
        known->severity = (int)alert->severity;
    }
    return true;
}

/* Keeps the incident table; turns the alert into what is to be sent. False: nothing. */
static bool track(struct ts_sender *s, struct ts_alert *alert)
{
    struct ts_store_incident incident;
    struct ts_error err;
    if (alert->kind == TS_ALERT_INFO || s->store == NULL) {
        return true;
    }
    bool known = ts_store_incident_get(s->store, alert->key, &incident, &err);
    if (!known && err.code != TS_E_NOT_FOUND) {
        ts_sender_store_failed(s, &err);
        return true; /* better told twice than not */
    }
    if (alert->kind == TS_ALERT_RESOLVED) {
        if (!known) {
            return false;
        }
        alert->since = incident.opened;
        alert->duration_ms = ts_loop_wall(s->loop).ms - incident.opened.ms;
        if (!ts_store_incident_close(s->store, alert->key, &err)) {
            ts_sender_store_failed(s, &err);
        }
        return true;
    }
    bool tell = true;
    if (known) {
        tell = open_again(s, alert, &incident);
    } else {
        ts_copy_cut(incident.key, sizeof(incident.key), alert->key);
        incident.opened = alert->since;
        incident.told = ts_loop_wall(s->loop);
        incident.severity = (int)alert->severity;
    }
    if (!ts_store_incident_put(s->store, &incident, &err)) {
        ts_sender_store_failed(s, &err);
    }
    return tell;
}

size_t ts_sender_post(struct ts_sender *s, const struct ts_alert *alert)
{
    struct ts_alert a = *alert;
    if (!track(s, &a)) {
        return 0;
    }
    for (size_t i = 0; i < s->channel_count; i++) {
        enqueue(s->channels[i], &a);
    }
    return s->channel_count;
}

size_t ts_sender_post_to(struct ts_sender *s, const struct ts_alert *alert, const char *channel)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        if (strcmp(s->channels[i]->spec.name, channel) == 0) {
            enqueue(s->channels[i], alert);
            return 1;
        }
    }
    return SIZE_MAX;
}

/* --- the batch that is sent next */

struct loading {
    struct channel *ch;
    ts_wall now;
    int64_t expired[BATCH_MAX * 2];
    size_t expired_count;
};

static void load_letter(void *ctx, const struct ts_store_letter *stored)
{
    struct loading *l = ctx;
    struct channel *ch = l->ch;
    struct ts_sender *s = ch->sender;
    struct ts_error err;
    struct letter letter = {.id = stored->id, .created = stored->created};
    TS_CLEANUP(ts_json_drop)
    json_t *o = ts_json_parse(stored->body, strlen(stored->body), &err);
    bool readable = o != NULL && ts_alert_from_json(o, &letter.alert, &err);
    bool expired = s->expiry_ms > 0 && l->now.ms - stored->created.ms > s->expiry_ms;
    if (!readable || expired) {
        l->expired[l->expired_count++] = stored->id;
        if (s->hooks.dropped != NULL) {
            s->hooks.dropped(s->hooks.ctx, ch->spec.name, readable ? letter.alert.title : "?",
                             readable ? "undeliverable for too long" : err.msg);
        }
    } else if (ch->batch_count < BATCH_MAX) {
        ch->batch[ch->batch_count++] = letter;
    }
}

static void remove_letter(struct ts_sender *s, int64_t id)
{
    struct ts_error err;
    if (id != 0 && !ts_store_outbox_remove(s->store, id, &err)) {
        ts_sender_store_failed(s, &err);
    }
}

/* An UPDATE edits the first message when there is one; such a batch stands alone. */
static void cut_at_updates(struct channel *ch)
{
    struct ts_sender *s = ch->sender;
    for (size_t i = 0; i < ch->batch_count; i++) {
        struct ts_error err;
        char id[32] = "";
        bool editable = ch->batch[i].alert.kind == TS_ALERT_UPDATE &&
                        ch->spec.kind == TS_CHANNEL_DISCORD && s->store != NULL &&
                        ts_store_message_get(s->store, ch->batch[i].alert.key, ch->spec.name, id,
                                             sizeof(id), &err) &&
                        id[0] != '\0';
        if (!editable) {
            continue;
        }
        if (i == 0) {
            ch->batch_count = 1;
            ch->batch_edits = true;
            ts_copy_cut(ch->batch_message, sizeof(ch->batch_message), id);
        } else {
            ch->batch_count = i;
        }
        return;
    }
}

void ts_sender_load_batch(struct channel *ch)
{
    struct ts_sender *s = ch->sender;
    struct loading l = {.ch = ch, .now = ts_loop_wall(s->loop)};
    struct ts_error err;
    ch->batch_count = 0;
    ch->batch_edits = false;
    while (ch->batch_count < ch->spill_count && ch->batch_count < BATCH_MAX) {
        ch->batch[ch->batch_count] = ch->spill[ch->batch_count];
        ch->batch_count++;
    }
    if (s->store != NULL) {
        if (!ts_store_outbox_read(s->store, ch->spec.name, BATCH_MAX, load_letter, &l, &err)) {
            ts_sender_store_failed(s, &err);
        }
        for (size_t i = 0; i < l.expired_count; i++) {
            remove_letter(s, l.expired[i]);
        }
        if (l.expired_count > 0) {
            ts_timer_after(ch->timer, 0); /* there may be more behind those */
        }
    }
    cut_at_updates(ch);
}

static void forget_batch(struct channel *ch)
{
    size_t spilled = 0;
    for (size_t i = 0; i < ch->batch_count; i++) {
        if (ch->batch[i].id == 0) {
            spilled++;
        } else {
            remove_letter(ch->sender, ch->batch[i].id);
        }
    }
    if (spilled > 0) {
        ch->spill_count -= spilled;
        memmove(ch->spill, ch->spill + spilled, ch->spill_count * sizeof(*ch->spill));
    }
    ch->batch_count = 0;
}

/* A first message's id is kept for the edits to come; a resolved one's is used up. */
static void keep_message_id(struct channel *ch, const struct ts_alert *a, const char *message_id)
{
    struct ts_store *store = ch->sender->store;
    struct ts_error err;
    char known[32] = "";
    if (store == NULL || a->kind == TS_ALERT_INFO) {
        return;
    }
    bool ok = ts_store_message_get(store, a->key, ch->spec.name, known, sizeof(known), &err);
    if (ok && a->kind == TS_ALERT_RESOLVED && known[0] != '\0') {
        if (ch->edit_count < EDITS_MAX) {
            struct edit *e = &ch->edits[ch->edit_count++];
            ts_copy_cut(e->message_id, sizeof(e->message_id), known);
            e->alert = *a;
        }
        ok = ts_store_message_set(store, a->key, ch->spec.name, "", &err);
    } else if (ok && a->kind == TS_ALERT_OPEN && ch->batch_count == 1 && message_id[0] != '\0') {
        ok = ts_store_message_set(store, a->key, ch->spec.name, message_id, &err);
    }
    if (!ok) {
        ts_sender_store_failed(ch->sender, &err);
    }
}

void ts_sender_batch_done(struct channel *ch, const char *message_id)
{
    struct ts_sender *s = ch->sender;
    int64_t took = ts_mono_diff(ch->sent_at, ts_loop_now(s->loop));
    for (size_t i = 0; i < ch->batch_count; i++) {
        if (!ch->batch_edits && ch->spec.kind == TS_CHANNEL_DISCORD) {
            keep_message_id(ch, &ch->batch[i].alert, message_id);
        }
        if (s->hooks.sent != NULL) {
            s->hooks.sent(s->hooks.ctx, ch->spec.name, ch->batch[i].alert.title, took);
        }
    }
    forget_batch(ch);
}

void ts_sender_batch_drop(struct channel *ch, const char *why)
{
    struct ts_sender *s = ch->sender;
    for (size_t i = 0; i < ch->batch_count && s->hooks.dropped != NULL; i++) {
        s->hooks.dropped(s->hooks.ctx, ch->spec.name, ch->batch[i].alert.title, why);
    }
    forget_batch(ch);
}

/* --- status */

size_t ts_sender_channel_count(const struct ts_sender *s)
{
    return s->channel_count;
}

struct ts_channel_status ts_sender_status(struct ts_sender *s, size_t channel)
{
    struct channel *ch = s->channels[channel];
    struct ts_error err;
    struct ts_channel_status status = {
        .name = ch->spec.name,
        .kind = ch->spec.kind == TS_CHANNEL_DISCORD ? "discord" : "webhook",
        .state = ch->state,
    };
    if (s->store == NULL ||
        !ts_store_outbox_count(s->store, ch->spec.name, &status.pending, &err)) {
        status.pending = 0;
    }
    status.pending += (int64_t)ch->spill_count;
    ts_copy_cut(status.detail, sizeof(status.detail), ch->detail);
    return status;
}

bool ts_sender_idle(struct ts_sender *s)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        struct channel *ch = s->channels[i];
        if (ch->req != NULL) {
            return false;
        }
        if (ch->state == TS_CHANNEL_OK && ts_sender_status(s, i).pending > 0) {
            return false;
        }
    }
    return true;
}
