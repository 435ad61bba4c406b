/*
 * Delivers alerts: a durable queue per channel in the store, one request at a time per channel,
 * in order. Rate limits are honoured, temporary trouble is retried with a growing delay, a refusal
 * for good (401, 403, 404) stops the channel until the configuration changes. Never blocks.
 *
 * Incidents: a repeated OPEN of the same key is told once; it updates the first message, and is
 * told anew when it got worse or when the reminder is due. RESOLVED says how long it took, and the
 * first message is edited to show it.
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
    TS_CHANNEL_DELAYED, /* trouble; tried again */
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

/* http, store and loop are borrowed; store may be NULL (then nothing survives the process). */
struct ts_sender *ts_sender_new(struct ts_loop *loop, struct ts_http *http, struct ts_store *store,
                                const struct ts_sender_hooks *hooks,
                                struct ts_error *err) TS_MUST_CHECK;
void ts_sender_free(struct ts_sender *s);

/*
 * The channels of the model, its reminder and expiry. Reads each URL from its file. TS_E_INVALID,
 * TS_E_DENIED, TS_E_SYSTEM name the channel and the file, never the URL; then nothing has changed.
 */
bool ts_sender_configure(struct ts_sender *s, const struct ts_model *model,
                         struct ts_error *err) TS_MUST_CHECK;

/* Takes an alert. Returns how many channels it was queued for (0: told already, or no channel). */
size_t ts_sender_post(struct ts_sender *s, const struct ts_alert *alert);
/* To one channel only; SIZE_MAX if there is no such channel. */
size_t ts_sender_post_to(struct ts_sender *s, const struct ts_alert *alert, const char *channel);

struct ts_channel_status {
    const char *name; /* borrowed until the next configure */
    const char *kind;
    enum ts_channel_state state;
    int64_t pending;
    char detail[200];
};
size_t ts_sender_channel_count(const struct ts_sender *s);
struct ts_channel_status ts_sender_status(struct ts_sender *s, size_t channel);
/* Nothing is under way and nothing waits that could be sent now. */
bool ts_sender_idle(struct ts_sender *s);

/* Checks a URL for a channel kind: https (plain http only to a loopback address); Discord's path.
 * The error never holds the URL. */
bool ts_sender_check_url(enum ts_channel_kind kind, const char *url,
                         struct ts_error *err) TS_MUST_CHECK;

#endif
