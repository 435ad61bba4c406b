/* Webhook URLs: which are accepted, what is requested, and keeping them out of texts. Pure. */
#ifndef TS_ALERT_URL_H
#define TS_ALERT_URL_H

#include <stddef.h>

#include "base/error.h"
#include "model/model.h"

#define TS_ALERT_URL_MAX (4096 + 128) /* bytes of a request's URL, NUL included */

/*
 * The URL to post to, or with a message_id the one to edit that message at (Discord only). Discord
 * is asked to answer with the message (wait=true) and for API v10 where the path names no version;
 * a query that was configured (thread_id) is kept. False if it does not fit.
 */
bool ts_alert_build_url(enum ts_channel_kind kind, const char *url, const char *message_id,
                        char *out, size_t size) TS_MUST_CHECK;

/* Does the text hold any part of the URL's path or query that could be its secret? */
bool ts_alert_shows_url(const char *url, const char *text);

#endif
