/*
 * What a webhook's answer means. Pure; the answer is not trusted.
 * Discord's rules: docs "Rate Limits", "Webhook Resource", error codes 10015, 30046, 50027.
 */
#ifndef TS_ALERT_REPLY_H
#define TS_ALERT_REPLY_H

#include <stddef.h>
#include <stdint.h>

#include "model/model.h"
#include "net/http.h"
#include "store/store.h"

#define TS_REPLY_WAIT_MAX_MS (3600 * 1000LL) /* no answer makes us wait longer */

enum ts_reply_meaning {
    TS_REPLY_TAKEN,
    TS_REPLY_WAIT,  /* rate limit */
    TS_REPLY_NEVER, /* nothing will be taken there: the URL or its rights are wrong */
    TS_REPLY_BAD,   /* this message will never be taken */
    TS_REPLY_LATER  /* temporary trouble */
};

enum ts_reply_meaning ts_reply_meaning(enum ts_channel_kind kind,
                                       const struct ts_http_reply *reply);

/* How long a rate limit asks us to wait: the body says it most exactly, then the headers. A default
 * if neither does; at most TS_REPLY_WAIT_MAX_MS. */
int64_t ts_reply_wait_ms(const struct ts_http_reply *reply);
/* After an answer that was the last one allowed for now: how long until the next; else 0. */
int64_t ts_reply_pause_ms(const struct ts_http_reply *reply);

/* The id of the message that was made; "" if the answer has none that looks like one. */
void ts_reply_message_id(const struct ts_http_reply *reply, char out[TS_STORE_MESSAGE_ID]);

/* "HTTP status 400: {…}", cut to fit, without any part of the URL. */
void ts_reply_describe(const struct ts_http_reply *reply, const char *url, char *out, size_t size);

#endif
