/*
 * One channel's requests and what their answers mean.
 * Discord's rules: docs "Rate Limits", "Webhook Resource", error codes 10015, 30046, 50027.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/sender_internal.h"
#include "base/json.h"
#include "base/parse.h"

#define REQUEST_MS      15000
#define CONNECT_MS      8000
#define REPLY_MAX       (64 * 1024)
#define RETRY_FIRST_MS  1000
#define RETRY_MAX_MS    300000
#define RATE_LIMIT_MS   5000            /* a 429 that does not say how long */
#define RATE_LIMIT_LONG (3600 * 1000LL) /* no answer makes us wait longer */
#define URL_BYTES       (4096 + 128)

static uint32_t random_below(struct ts_sender *s, uint32_t n)
{
    s->random = s->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)((s->random >> 33) % n);
}

/* The channel's URL for a new message or for an edit; false if it does not fit. */
static bool build_url(const struct channel *ch, const char *message_id, char *out, size_t size)
{
    const char *url = ts_secret_reveal(ch->url);
    if (ch->spec.kind == TS_CHANNEL_WEBHOOK) {
        return ts_copy(out, size, url);
    }
    /* An unversioned path means a deprecated API version; say which one we speak. */
    const char *api = strstr(url, "/api/webhooks/");
    const char *rest = api == NULL ? url : api + strlen("/api");
    size_t head = api == NULL ? 0 : (size_t)(api - url);
    size_t path = strcspn(rest, "?#");
    int n = message_id[0] == '\0'
                ? snprintf(out, size, "%.*s%s%.*s?wait=true", (int)head, url,
                           api == NULL ? "" : "/api/v10", (int)path, rest)
                : snprintf(out, size, "%.*s%s%.*s/messages/%s", (int)head, url,
                           api == NULL ? "" : "/api/v10", (int)path, rest, message_id);
    return n > 0 && (size_t)n < size;
}

static void retry_in(struct channel *ch, int64_t ms, const char *why)
{
    struct ts_sender *s = ch->sender;
    ch->state = TS_CHANNEL_DELAYED;
    ts_copy_cut(ch->detail, sizeof(ch->detail), why);
    ch->not_before = ts_mono_add(ts_loop_now(s->loop), ms);
    ts_timer_at(ch->timer, ch->not_before);
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

static int64_t seconds_to_ms(const char *text)
{
    char *end = NULL;
    double s = text == NULL ? -1 : strtod(text, &end);
    bool sane = text != NULL && end != text && s >= 0 && s < 1e6;
    return sane ? (int64_t)(s * 1000) + 1 : -1;
}

static bool is_json(const struct ts_http_reply *reply)
{
    const char *type = ts_http_header(reply, "Content-Type");
    return type != NULL && strncmp(type, "application/json", strlen("application/json")) == 0;
}

/* How long a 429 asks us to wait: its body says it most exactly, then its headers. */
static int64_t rate_limit_ms(const struct ts_http_reply *reply)
{
    struct ts_error err;
    int64_t ms = -1;
    if (is_json(reply)) {
        TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(reply->body, reply->len, &err);
        const json_t *v = json_object_get(o, "retry_after");
        if (json_is_number(v) && json_number_value(v) >= 0 && json_number_value(v) < 1e6) {
            ms = (int64_t)(json_number_value(v) * 1000) + 1;
        }
    }
    if (ms < 0) {
        ms = seconds_to_ms(ts_http_header(reply, "Retry-After"));
    }
    if (ms < 0) {
        ms = RATE_LIMIT_MS;
    }
    return ms > RATE_LIMIT_LONG ? RATE_LIMIT_LONG : ms;
}

/* What the service says of the failure, without our URL in it. */
static void describe(const struct channel *ch, const struct ts_http_reply *reply, char *out,
                     size_t size)
{
    char body[160] = "";
    if (is_json(reply)) {
        ts_alert_clean(body, sizeof(body), sizeof(body), reply->body, false);
    }
    const char *token = strrchr(ts_secret_reveal(ch->url), '/');
    bool leaks = token != NULL && token[1] != '\0' && strstr(body, token + 1) != NULL;
    (void)snprintf(out, size, "HTTP status %d%s%.150s", reply->status, body[0] != '\0' ? ": " : "",
                   leaks ? "(text left out: it repeats the URL)" : body);
}

/* The last answer allowed by the rate limit: wait before the next request. */
static void heed_remaining(struct channel *ch, const struct ts_http_reply *reply)
{
    const char *remaining = ts_http_header(reply, "X-RateLimit-Remaining");
    int64_t ms = seconds_to_ms(ts_http_header(reply, "X-RateLimit-Reset-After"));
    if (remaining != NULL && strcmp(remaining, "0") == 0 && ms > 0) {
        ch->not_before =
            ts_mono_add(ts_loop_now(ch->sender->loop), ms > RATE_LIMIT_LONG ? RATE_LIMIT_LONG : ms);
    }
}

static void delivered(struct channel *ch, const struct ts_http_reply *reply)
{
    struct ts_error err;
    char message_id[32] = "";
    if (ch->spec.kind == TS_CHANNEL_DISCORD && is_json(reply)) {
        TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(reply->body, reply->len, &err);
        const char *id = ts_json_str_or(o, "id", "");
        if (strspn(id, "0123456789") == strlen(id) &&
            !ts_copy(message_id, sizeof(message_id), id)) {
            message_id[0] = '\0';
        }
    }
    ch->failures = 0;
    ch->state = TS_CHANNEL_OK;
    ch->detail[0] = '\0';
    heed_remaining(ch, reply);
    ts_sender_batch_done(ch, message_id);
}

static void refused(struct channel *ch, const char *why)
{
    struct ts_sender *s = ch->sender;
    ch->state = TS_CHANNEL_REFUSED;
    (void)snprintf(ch->detail, sizeof(ch->detail),
                   "%.120s; nothing is sent until url_file is changed and reloaded", why);
    if (s->hooks.refused != NULL) {
        s->hooks.refused(s->hooks.ctx, ch->spec.name, ch->detail);
    }
}

/* An edit whose message is gone or too old (404, 30046): the alert goes out as a new message. */
static void edit_refused(struct channel *ch)
{
    struct ts_error err;
    if (ch->sender->store != NULL &&
        !ts_store_message_set(ch->sender->store, ch->batch[0].alert.key, ch->spec.name, "", &err)) {
        ts_sender_store_failed(ch->sender, &err);
        ts_sender_batch_drop(ch, "its first message cannot be edited");
    }
    ts_timer_after(ch->timer, 0);
}

static void judge(struct channel *ch, const struct ts_http_reply *reply)
{
    char why[200];
    int status = reply->status;
    describe(ch, reply, why, sizeof(why));
    if (status >= 200 && status < 300) {
        delivered(ch, reply);
    } else if (status == 429) {
        retry_in(ch, rate_limit_ms(reply) + random_below(ch->sender, 250), "rate limited (429)");
    } else if (ch->batch_edits && status >= 400 && status < 500 && status != 401 && status != 403) {
        edit_refused(ch);
    } else if (status == 401 || status == 403 || status == 404) {
        refused(ch, why);
    } else if (status == 400 || status == 413 || status == 422) {
        ts_sender_batch_drop(ch, why);
        ts_timer_after(ch->timer, 0);
    } else {
        retry_later(ch, why);
    }
}

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct channel *ch = ctx;
    ch->req = NULL;
    if (ch->sending_edit) {
        /* Best effort: the new message has told already. */
        ch->sending_edit = false;
        ch->edit_count--;
        memmove(ch->edits, ch->edits + 1, ch->edit_count * sizeof(ch->edits[0]));
        if (reply != NULL && reply->status == 429) {
            ch->not_before = ts_mono_add(ts_loop_now(ch->sender->loop), rate_limit_ms(reply));
        }
    } else if (err != NULL) {
        retry_later(ch, err->msg);
    } else {
        judge(ch, reply);
    }
    if (ch->state == TS_CHANNEL_OK) {
        ts_timer_at(ch->timer, ts_mono_add(ch->not_before, 0));
    }
}

static bool start(struct channel *ch, const char *method, const char *message_id, json_t *body,
                  struct ts_error *err)
{
    static const char *const headers[] = {
        "Content-Type: application/json",
        "User-Agent: DiscordBot (https://tradestack.invalid, " TS_VERSION ")"};
    char url[URL_BYTES];
    char *text = body == NULL ? NULL : json_dumps(body, JSON_COMPACT);
    if (text == NULL || !build_url(ch, message_id, url, sizeof(url))) {
        free(text);
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
        .use_env_proxy = true,
    };
    ch->sent_at = ts_loop_now(ch->sender->loop);
    ch->req = ts_http_start(ch->sender->http, &call, on_done, ch, err);
    free(text);
    return ch->req != NULL;
}

static bool send_edit(struct channel *ch, struct ts_error *err)
{
    TS_CLEANUP(ts_json_drop) json_t *body = ts_discord_message(&ch->edits[0].alert, 1, 0);
    json_object_del(body, "username"); /* an edit may not carry one */
    ch->sending_edit = start(ch, "PATCH", ch->edits[0].message_id, body, err);
    return ch->sending_edit;
}

static bool send_batch(struct channel *ch, struct ts_error *err)
{
    struct ts_alert alerts[BATCH_MAX];
    for (size_t i = 0; i < ch->batch_count; i++) {
        alerts[i] = ch->batch[i].alert;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *body = ch->spec.kind == TS_CHANNEL_DISCORD
                       ? ts_discord_message(alerts, ch->batch_count, 0)
                       : ts_webhook_message(alerts, ch->batch_count, 0);
    if (ch->batch_edits) {
        json_object_del(body, "username");
        return start(ch, "PATCH", ch->batch_message, body, err);
    }
    return start(ch, "POST", "", body, err);
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
    bool ok = true;
    if (ch->edit_count > 0) {
        ok = send_edit(ch, &err);
    } else {
        ts_sender_load_batch(ch);
        if (ch->batch_count > 0) {
            ok = send_batch(ch, &err);
        }
    }
    if (!ok) {
        retry_later(ch, err.msg);
    }
}

void ts_delivery_on_timer(void *ctx)
{
    ts_delivery_pump(ctx);
}
