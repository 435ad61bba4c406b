/* See reply.h. */
#include "alert/reply.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "alert/alert.h"
#include "alert/url.h"
#include "base/json.h"
#include "base/parse.h"

#define WAIT_DEFAULT_MS 5000 /* a 429 that does not say how long */

static bool is_json(const struct ts_http_reply *reply)
{
    const char *type = ts_http_header(reply, "Content-Type");
    return type != NULL && strncmp(type, "application/json", strlen("application/json")) == 0;
}

enum ts_reply_meaning ts_reply_meaning(enum ts_channel_kind kind, const struct ts_http_reply *reply)
{
    if (reply->status >= 200 && reply->status < 300) {
        return TS_REPLY_TAKEN;
    }
    switch (reply->status) {
    case 429: return TS_REPLY_WAIT;
    case 401:
    case 404:
    case 410: return TS_REPLY_NEVER;
    case 403:
        /* Discord itself answers in JSON; a page comes from something in front of it that bans us
         * for a time. */
        return kind == TS_CHANNEL_DISCORD && !is_json(reply) ? TS_REPLY_LATER : TS_REPLY_NEVER;
    case 400:
    case 405:
    case 413:
    case 415:
    case 422: return TS_REPLY_BAD;
    default: return TS_REPLY_LATER;
    }
}

static int64_t to_ms(double seconds)
{
    if (!(seconds >= 0)) {
        return -1; /* NaN too */
    }
    return seconds * 1000 < (double)TS_REPLY_WAIT_MAX_MS ? (int64_t)(seconds * 1000) + 1
                                                         : TS_REPLY_WAIT_MAX_MS;
}

/* Seconds, with a fraction perhaps; -1 if there is no such header or it is no such number. */
static int64_t header_ms(const struct ts_http_reply *reply, const char *name)
{
    const char *text = ts_http_header(reply, name);
    char *end = NULL;
    if (text == NULL || strspn(text, "0123456789.") != strlen(text)) {
        return -1;
    }
    double seconds = strtod(text, &end);
    return end == text || *end != '\0' ? -1 : to_ms(seconds);
}

int64_t ts_reply_wait_ms(const struct ts_http_reply *reply)
{
    struct ts_error err;
    int64_t ms = -1;
    if (is_json(reply)) {
        TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(reply->body, reply->len, &err);
        const json_t *v = json_object_get(o, "retry_after");
        ms = json_is_number(v) ? to_ms(json_number_value(v)) : -1;
    }
    if (ms < 0) {
        ms = header_ms(reply, "Retry-After");
    }
    return ms < 0 ? WAIT_DEFAULT_MS : ms;
}

int64_t ts_reply_pause_ms(const struct ts_http_reply *reply)
{
    const char *remaining = ts_http_header(reply, "X-RateLimit-Remaining");
    int64_t ms = header_ms(reply, "X-RateLimit-Reset-After");
    return remaining != NULL && strcmp(remaining, "0") == 0 && ms > 0 ? ms : 0;
}

void ts_reply_message_id(const struct ts_http_reply *reply, char out[TS_STORE_MESSAGE_ID])
{
    struct ts_error err;
    TS_CLEANUP(ts_json_drop)
    json_t *o = is_json(reply) ? ts_json_parse(reply->body, reply->len, &err) : NULL;
    const char *id = ts_json_str_or(o, "id", "");
    out[0] = '\0';
    if (strspn(id, "0123456789") != strlen(id) || !ts_copy(out, TS_STORE_MESSAGE_ID, id)) {
        out[0] = '\0';
    }
}

void ts_reply_describe(const struct ts_http_reply *reply, const char *url, char *out, size_t size)
{
    char body[160] = "";
    if (is_json(reply)) {
        bool leaks = ts_alert_shows_url(url, reply->body);
        ts_alert_clean(body, sizeof(body), sizeof(body),
                       leaks ? "(text left out: it repeats the URL)" : reply->body, false);
    }
    (void)snprintf(out, size, "HTTP status %d%s%s", reply->status, body[0] != '\0' ? ": " : "",
                   body);
}
