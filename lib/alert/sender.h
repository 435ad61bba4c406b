/*
 * Delivers alerts: a durable queue per channel in the store, one request at a time per channel,
 * in order, urgent ones first. Rate limits are honoured, temporary trouble is retried with a
 * growing delay, a refusal for good (401, 403, 404, 410) stops the channel until the configuration
 * is loaded again, what is refused as bad (400) is dropped. Never blocks. While the store cannot be
 * written, alerts go out from a bounded memory. A crash may send an alert twice, never lose it.
 *
 * What waits for a channel goes out in one message; on Discord, what is more than one message
 * holds is counted ("… and 12 more events"), the worst and the newest are shown.
 *
 * Incidents: a repeated OPEN of the same key is told once; as progress (another attempt) it updates
 * the first message, and it is told anew when it got worse or, by the sender itself, when the
 * reminder is due. RESOLVED says how long it took, and on Discord the messages that told of the
 * incident alone are edited to show its end.
 */
#ifndef TS_ALERT_SENDER_H
#define TS_ALERT_SENDER_H

#include "alert/alert.h"
#include "base/loop.h"
#include "model/model.h"
#include "net/http.h"
#include "store/store.h"

struct ts_sender;

enum ts_channel_state {
    TS_CHANNEL_OK,      /* nothing waits, or it is being sent */
    TS_CHANNEL_DELAYED, /* trouble or a rate limit; tried again */
    TS_CHANNEL_REFUSED  /* for good */
};

/* For the log. text never holds the URL. All may be NULL. */
struct ts_sender_hooks {
    void (*sent)(void *ctx, const char *channel, const char *title, int64_t took_ms);
    void (*delayed)(void *ctx, const char *channel, const char *text, int64_t retry_ms);
    void (*refused)(void *ctx, const char *channel, const char *text);
    void (*dropped)(void *ctx, const char *channel, const char *title, const char *text);
    void (*store_failed)(void *ctx, const char *text);
    void *ctx;
};

/*
 * http, store and loop are borrowed; store may be NULL (then nothing survives the process). Alerts
 * may be posted within a transaction of the store: one that is taken back loses no alert.
 */
struct ts_sender *ts_sender_new(struct ts_loop *loop, struct ts_http *http, struct ts_store *store,
                                const struct ts_sender_hooks *hooks,
                                struct ts_error *err) TS_MUST_CHECK;
void ts_sender_free(struct ts_sender *s);

/*
 * The channels of the model, its reminder and expiry. Reads each URL from its file. TS_E_INVALID,
 * TS_E_DENIED, TS_E_SYSTEM name the channel and the file, never the URL; then nothing has changed.
 * The first time nothing fails for that: such a channel is refused from the start, because a
 * mistake in a secret is no reason not to supervise after a boot.
 * An optional channel whose file does not exist is left out. A channel that stays the same goes on
 * with what it is doing; a refused one is tried again.
 */
bool ts_sender_configure(struct ts_sender *s, const struct ts_model *model,
                         struct ts_error *err) TS_MUST_CHECK;

/* Takes an alert; `at` and `since` of 0 mean now. Returns how many channels get it (0: it was told
 * already, nothing was open that it could end, or there is no channel). */
size_t ts_sender_post(struct ts_sender *s, const struct ts_alert *alert);
/* To one channel only, without a look at incidents; SIZE_MAX if there is no such channel. */
size_t ts_sender_post_to(struct ts_sender *s, const struct ts_alert *alert, const char *channel);

/* The incidents that are open, those of an earlier run included: whoever knows that one is over
 * posts its RESOLVED. The alert is as it was told last, `since` when it began. */
void ts_sender_each_open(const struct ts_sender *s,
                         void (*each)(void *ctx, const struct ts_alert *alert), void *ctx);

struct ts_channel_status {
    const char *name; /* borrowed until the next configure */
    const char *kind;
    enum ts_channel_state state;
    int64_t pending;
    char detail[200];          /* why delayed or refused; never the URL */
    enum ts_code refused_code; /* refused because of its url_file: TS_E_DENIED, TS_E_SYSTEM,
                                  TS_E_INVALID (no such URL); else TS_E_NONE */
    int http_status;           /* of the last answer; 0: there was none */
    int64_t delivered;         /* messages taken since the program began */
};
size_t ts_sender_channel_count(const struct ts_sender *s);
struct ts_channel_status ts_sender_status(struct ts_sender *s, size_t channel);
/* Nothing is under way and nothing waits that could be sent soon: for an orderly end. */
bool ts_sender_idle(struct ts_sender *s);

/* Checks a URL for a channel kind: https (plain http only to a loopback address); Discord's path.
 * The error never holds the URL. */
bool ts_sender_check_url(enum ts_channel_kind kind, const char *url,
                         struct ts_error *err) TS_MUST_CHECK;

#endif
