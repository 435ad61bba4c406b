/* One channel's requests, and what follows from their answers. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/reply.h"
#include "alert/sender_internal.h"
#include "alert/url.h"
#include "base/json.h"
#include "base/parse.h"

#define REQUEST_MS     15000
#define CONNECT_MS     8000
#define REPLY_MAX      (64 * 1024)
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   300000
#define RATE_JITTER_MS 250
#define EDIT_TRIES     3
#define EDIT_PAUSE_MS  60000 /* after the store could not be told that an edit was made */
#define AGENT          "DiscordBot (https://tradestack.invalid, " TS_VERSION ")"

static uint32_t random_below(struct ts_sender *s, uint32_t n)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((s->random >> 33) % n);
}

static void retry_in(struct channel *ch, int64_t ms, const char *why)
{
    struct ts_sender *s = ch->sender;
    ch->state = TS_CHANNEL_DELAYED;
    ts_copy_cut(ch->detail, sizeof(ch->detail), why);
    ch->not_before = ts_mono_add(ts_loop_now(s->loop), ms);
    if (s->hooks.delayed != NULL) {
        s->hooks.delayed(s->hooks.ctx, ch->spec.name, ch->detail, ms);
    }
}

/* 1 s, 2 s, 4 s … 5 min, each up to a quarter longer. */
static void retry_later(struct channel *ch, const char *why)
{
    int64_t ms = RETRY_FIRST_MS;
    for (uint32_t i = 0; i < ch->failures && ms < RETRY_MAX_MS; i++) {
        ms *= 2;
    }
    if (ms > RETRY_MAX_MS) {
        ms = RETRY_MAX_MS;
    }
    ch->failures++;
    retry_in(ch, ms + random_below(ch->sender, (uint32_t)(ms / 4) + 1), why);
}

static void rate_limited(struct channel *ch, const struct ts_http_reply *reply)
{
    retry_in(ch, ts_reply_wait_ms(reply) + random_below(ch->sender, RATE_JITTER_MS),
             "rate limited (HTTP status 429)");
}

static void recovered(struct channel *ch, const struct ts_http_reply *reply)
{
    ch->failures = 0;
    ch->state = TS_CHANNEL_OK;
    ch->detail[0] = '\0';
    ch->not_before = ts_mono_add(ts_loop_now(ch->sender->loop), ts_reply_pause_ms(reply));
}

void ts_delivery_refuse(struct channel *ch, const char *why)
{
    struct ts_sender *s = ch->sender;
    ch->state = TS_CHANNEL_REFUSED;
    (void)snprintf(ch->detail, sizeof(ch->detail),
                   "%.110s; nothing is sent there until url_file is mended and the configuration "
                   "reloaded",
                   why);
    if (s->hooks.refused != NULL) {
        s->hooks.refused(s->hooks.ctx, ch->spec.name, ch->detail);
    }
}

/* --- batches */

static void judge_batch(struct channel *ch, const struct ts_http_reply *reply)
{
    char why[200];
    char message_id[TS_STORE_MESSAGE_ID];
    ts_reply_describe(reply, ts_secret_reveal(ch->url), why, sizeof(why));
    switch (ts_reply_meaning(ch->spec.kind, reply)) {
    case TS_REPLY_TAKEN:
        ts_reply_message_id(reply, message_id);
        recovered(ch, reply);
        ch->delivered++;
        ts_queue_delivered(ch, message_id);
        break;
    case TS_REPLY_WAIT: rate_limited(ch, reply); break;
    case TS_REPLY_NEVER: ts_delivery_refuse(ch, why); break;
    case TS_REPLY_BAD:
        recovered(ch, reply);
        ts_queue_give_up(ch, why);
        break;
    case TS_REPLY_LATER: retry_later(ch, why); break;
    }
}

/* --- edits: a courtesy, since whatever matters also goes out as a new message */

static void edit_over(struct channel *ch, bool forget)
{
    struct ts_sender *s = ch->sender;
    struct ts_error err;
    ch->edit_failures = 0;
    if (!ts_store_edit_done(s->store, ch->spec.name, &ch->edit, forget, &err)) {
        ch->edits_after = ts_mono_add(ts_loop_now(s->loop), EDIT_PAUSE_MS);
        ts_sender_store_failed(s, &err);
    }
}

static void edit_failed(struct channel *ch, const char *why)
{
    if (++ch->edit_failures >= EDIT_TRIES) {
        edit_over(ch, false);
    }
    retry_later(ch, why);
}

static void judge_edit(struct channel *ch, const struct ts_http_reply *reply)
{
    char why[200];
    ts_reply_describe(reply, ts_secret_reveal(ch->url), why, sizeof(why));
    switch (ts_reply_meaning(ch->spec.kind, reply)) {
    case TS_REPLY_TAKEN:
        recovered(ch, reply);
        edit_over(ch, false);
        break;
    case TS_REPLY_WAIT: rate_limited(ch, reply); break;
    case TS_REPLY_NEVER:
        if (reply->status != 404) {
            ts_delivery_refuse(ch, why);
            break;
        }
        /* The message is gone (10008). If it is the webhook, the next batch will show. */
        edit_over(ch, true);
        break;
    case TS_REPLY_BAD: edit_over(ch, true); break; /* 30046: too old to be edited again */
    case TS_REPLY_LATER: edit_failed(ch, why); break;
    }
}

/* --- requests */

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct channel *ch = ctx;
    enum doing was = ch->doing;
    ch->req = NULL;
    ch->doing = DOING_NOTHING;
    ch->http_status = err != NULL ? 0 : (int)reply->status;
    if (was == DOING_EDIT) {
        err != NULL ? edit_failed(ch, err->msg) : judge_edit(ch, reply);
        ts_store_edit_clear(&ch->edit);
    } else {
        err != NULL ? retry_later(ch, err->msg) : judge_batch(ch, reply);
    }
    ts_timer_at(ch->timer, ch->not_before);
}

static bool start(struct channel *ch, const char *method, const char *message_id,
                  const json_t *body, struct ts_error *err)
{
    static const char *const headers[] = {"Content-Type: application/json", "User-Agent: " AGENT};
    char url[TS_ALERT_URL_MAX];
    const char *configured = ts_secret_reveal(ch->url);
    if (!ts_alert_build_url(ch->spec.kind, configured, message_id, url, sizeof(url))) {
        return ts_error_set(err, TS_E_LIMIT, "the URL is too long");
    }
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    if (text == NULL) {
        return ts_error_nomem(err);
    }
    const struct ts_http_call call = {
        .method = method,
        .url = url,
        .headers = headers,
        .header_count = TS_ARRAY_LEN(headers),
        .body = text,
        .body_len = strlen(text),
        .deadline_ms = REQUEST_MS,
        .connect_timeout_ms = CONNECT_MS,
        .max_body = REPLY_MAX,
        .ca_file = ch->spec.ca_file[0] != '\0' ? ch->spec.ca_file : NULL,
        .https_only = strncmp(configured, "https:", strlen("https:")) == 0,
        .use_env_proxy = true,
    };
    ch->sent_at = ts_loop_now(ch->sender->loop);
    ch->req = ts_http_start(ch->sender->http, &call, on_done, ch, err);
    free(text);
    return ch->req != NULL;
}

static bool send_batch(struct channel *ch, struct ts_error *err)
{
    struct ts_alert alerts[BATCH_MAX];
    for (size_t i = 0; i < ch->batch_count; i++) {
        alerts[i] = ch->batch[i].alert;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *body = ch->spec.kind == TS_CHANNEL_DISCORD
                       ? ts_discord_message(alerts, ch->batch_count, ch->batch_more)
                       : ts_webhook_message(alerts, ch->batch_count, ch->batch_more);
    ch->doing = DOING_BATCH;
    return start(ch, "POST", "", body, err);
}

static json_t *edit_body(const struct ts_store_edit *edit, struct ts_error *err)
{
    struct ts_alert first;
    struct ts_alert now;
    TS_CLEANUP(ts_json_drop) json_t *f = ts_json_parse(edit->first, strlen(edit->first), err);
    TS_CLEANUP(ts_json_drop) json_t *n = ts_json_parse(edit->edit, strlen(edit->edit), err);
    bool ok = f != NULL && n != NULL && ts_alert_from_json(f, &first, err) &&
              ts_alert_from_json(n, &now, err);
    return ok ? ts_discord_edit(&first, &now) : NULL;
}

static void send_edit(struct channel *ch)
{
    struct ts_sender *s = ch->sender;
    struct ts_error err;
    bool may = s->store != NULL && ch->spec.kind == TS_CHANNEL_DISCORD &&
               ts_mono_reached(ch->edits_after, ts_loop_now(s->loop));
    if (!may) {
        return;
    }
    if (!ts_store_edit_next(s->store, ch->spec.name, &ch->edit, &err)) {
        if (err.code != TS_E_NOT_FOUND) {
            ts_sender_store_failed(s, &err);
        }
        return;
    }
    TS_CLEANUP(ts_json_drop) json_t *body = edit_body(&ch->edit, &err);
    ch->doing = DOING_EDIT;
    if (!start(ch, "PATCH", ch->edit.message_id, body, &err)) {
        ch->doing = DOING_NOTHING;
        edit_failed(ch, err.msg);
        ts_store_edit_clear(&ch->edit);
        ts_timer_at(ch->timer, ch->not_before);
    }
}

void ts_delivery_pump(struct channel *ch)
{
    struct ts_error err;
    if (ch->req != NULL || ch->state == TS_CHANNEL_REFUSED) {
        return;
    }
    if (!ts_mono_reached(ch->not_before, ts_loop_now(ch->sender->loop))) {
        ts_timer_at(ch->timer, ch->not_before);
        return;
    }
    ts_queue_load(ch);
    if (ch->batch_count == 0) {
        send_edit(ch);
    } else if (!send_batch(ch, &err)) {
        ch->doing = DOING_NOTHING;
        retry_later(ch, err.msg);
        ts_timer_at(ch->timer, ch->not_before);
    }
}

void ts_delivery_on_timer(void *ctx)
{
    ts_delivery_pump(ctx);
}
