/* Channels: made from the configuration, kept or replaced at a reload, their status. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sender_internal.h"
#include "base/parse.h"

void ts_channel_free(struct channel *ch)
{
    if (ch != NULL) {
        ts_http_cancel(ch->req);
        ts_timer_free(ch->timer);
        ts_secret_free(ch->url);
        ts_store_edit_clear(&ch->edit);
        free(ch->held);
        free(ch);
    }
}

/* NULL with err->code TS_E_NOT_FOUND: an optional channel that is not set up. One whose URL cannot
 * be used is refused from the start if tolerant, else an error. */
static struct channel *new_channel(struct ts_sender *s, const struct ts_channel_spec *spec,
                                   bool tolerant, struct ts_error *err)
{
    char why[sizeof(err->msg)] = "";
    struct channel *ch = calloc(1, sizeof(*ch));
    if (ch == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    ch->sender = s;
    ch->spec = *spec;
    ch->not_before = ts_loop_now(s->loop);
    ch->edits_after = ch->not_before;
    ch->url = ts_secret_read(spec->url_file, err);
    if (ch->url == NULL || !ts_sender_check_url(spec->kind, ts_secret_reveal(ch->url), err)) {
        bool absent = ch->url == NULL && err->code == TS_E_SYSTEM && err->detail == ENOENT;
        ts_copy_cut(why, sizeof(why), err->msg);
        ch->refused_code = err->code;
        ts_error_wrap(err, "alert channel %s, url_file %.100s", spec->name, spec->url_file);
        if (spec->optional && absent) {
            err->code = TS_E_NOT_FOUND;
        }
        ts_secret_free(ch->url);
        ch->url = tolerant && err->code != TS_E_NOT_FOUND ? ts_secret_new("") : NULL;
        if (ch->url == NULL) {
            ts_channel_free(ch);
            return NULL;
        }
    }
    ch->timer = ts_timer_new(s->loop, ts_delivery_on_timer, ch, err);
    if (ch->timer == NULL) {
        ts_channel_free(ch);
        return NULL;
    }
    if (why[0] != '\0') {
        ts_delivery_refuse(ch, why);
    }
    ts_timer_after(ch->timer, 0); /* what an earlier run left behind */
    return ch;
}

static struct channel *find(const struct ts_sender *s, const char *name)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        if (s->channels[i] != NULL && strcmp(s->channels[i]->spec.name, name) == 0) {
            return s->channels[i];
        }
    }
    return NULL;
}

static bool goes_to_the_same_place(const struct channel *a, const struct channel *b)
{
    return a->spec.kind == b->spec.kind && strcmp(a->spec.ca_file, b->spec.ca_file) == 0 &&
           strcmp(ts_secret_reveal(a->url), ts_secret_reveal(b->url)) == 0;
}

/*
 * The channel to go on with: the old one where nothing changed, so that what is under way is not
 * sent twice; it gets a new chance if it had been refused. Otherwise the fresh one, with what the
 * old one had in memory. The one not used is freed.
 */
static struct channel *take_over(struct ts_sender *s, struct channel *fresh)
{
    struct channel *old = find(s, fresh->spec.name);
    if (old == NULL) {
        return fresh;
    }
    for (size_t i = 0; i < s->channel_count; i++) {
        if (s->channels[i] == old) {
            s->channels[i] = NULL;
        }
    }
    if (!goes_to_the_same_place(old, fresh)) {
        fresh->held = old->held;
        fresh->held_count = old->held_count;
        memcpy(fresh->done, old->done, sizeof(fresh->done));
        fresh->done_count = old->done_count;
        fresh->done_to = old->done_to;
        old->held = NULL;
        ts_channel_free(old);
        return fresh;
    }
    old->spec = fresh->spec;
    if (old->state == TS_CHANNEL_REFUSED) {
        old->state = TS_CHANNEL_OK;
        old->detail[0] = '\0';
        old->http_status = 0;
        ts_timer_after(old->timer, 0);
    }
    ts_channel_free(fresh);
    return old;
}

/* Letters of channels that are gone are kept until they are too old for anybody. */
static void expire(struct ts_sender *s)
{
    struct ts_error err;
    int64_t count = 0;
    if (s->store == NULL || s->expiry_ms == 0) {
        return;
    }
    ts_wall before = {ts_loop_wall(s->loop).ms - s->expiry_ms};
    if (!ts_store_outbox_expire(s->store, before, &count, &err)) {
        ts_sender_store_failed(s, &err);
    } else if (count > 0 && s->hooks.dropped != NULL) {
        s->hooks.dropped(s->hooks.ctx, "(any)", "(old alerts)", "undeliverable for too long");
    }
}

bool ts_sender_configure(struct ts_sender *s, const struct ts_model *model, struct ts_error *err)
{
    struct channel *fresh[TS_MAX_CHANNELS] = {NULL};
    struct ts_error why;
    size_t count = 0;
    bool first = !s->configured;
    s->configured = true;
    for (size_t i = 0; i < model->channel_count; i++) {
        fresh[count] = new_channel(s, &model->channels[i], first, &why);
        if (fresh[count] == NULL && why.code != TS_E_NOT_FOUND) {
            for (size_t j = 0; j < count; j++) {
                ts_channel_free(fresh[j]);
            }
            *err = why;
            return false;
        }
        count += fresh[count] != NULL;
    }
    for (size_t i = 0; i < count; i++) {
        fresh[i] = take_over(s, fresh[i]);
    }
    for (size_t i = 0; i < s->channel_count; i++) {
        ts_channel_free(s->channels[i]);
    }
    memcpy(s->channels, fresh, sizeof(fresh));
    s->channel_count = count;
    s->reminder_ms = model->reminder_ms;
    s->expiry_ms = model->alert_expiry_ms;
    expire(s);
    ts_timer_after(s->keeper, 0); /* the reminder may be due at another time now */
    return true;
}

size_t ts_sender_channel_count(const struct ts_sender *s)
{
    return s->channel_count;
}

struct ts_channel_status ts_sender_status(struct ts_sender *s, size_t channel)
{
    struct channel *ch = s->channels[channel];
    struct ts_channel_status status = {
        .name = ch->spec.name,
        .kind = ch->spec.kind == TS_CHANNEL_DISCORD ? "discord" : "webhook",
        .state = ch->state,
        .pending = ts_queue_pending(ch),
        .refused_code = ch->refused_code,
        .http_status = ch->http_status,
        .delivered = ch->delivered,
    };
    ts_copy_cut(status.detail, sizeof(status.detail), ch->detail);
    return status;
}

bool ts_sender_idle(struct ts_sender *s)
{
    for (size_t i = 0; i < s->channel_count; i++) {
        struct channel *ch = s->channels[i];
        if (ch->req != NULL || (ch->state == TS_CHANNEL_OK && ts_queue_pending(ch) > 0)) {
            return false;
        }
    }
    return true;
}
