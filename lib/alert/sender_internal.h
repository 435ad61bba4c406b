/* Shared by sender.c (channels, incidents, queue) and delivery.c (requests and their answers). */
#ifndef TS_ALERT_SENDER_INTERNAL_H
#define TS_ALERT_SENDER_INTERNAL_H

#include "alert/render.h"
#include "alert/sender.h"
#include "base/secret.h"

#define BATCH_MAX TS_DISCORD_EMBEDS_MAX
#define SPILL_MAX 100 /* letters kept in memory while the store cannot be written */
#define EDITS_MAX 8   /* edits of resolved messages that wait */

struct letter {
    int64_t id; /* 0: only in memory */
    ts_wall created;
    struct ts_alert alert;
};

struct edit {
    char message_id[32];
    struct ts_alert alert;
};

struct channel {
    struct ts_sender *sender;
    struct ts_channel_spec spec;
    struct ts_secret *url;
    enum ts_channel_state state;
    char detail[200];

    struct letter batch[BATCH_MAX]; /* being sent */
    size_t batch_count;
    bool batch_edits; /* the batch is one UPDATE, sent as an edit */
    char batch_message[32];
    struct edit edits[EDITS_MAX];
    size_t edit_count;
    bool sending_edit;

    struct ts_http_req *req;
    ts_mono sent_at;
    uint32_t failures;  /* in a row */
    ts_mono not_before; /* rate limit or back-off */
    struct ts_timer *timer;

    struct letter *spill; /* [SPILL_MAX], made when first needed */
    size_t spill_count;
};

struct ts_sender {
    struct ts_loop *loop;
    struct ts_http *http;
    struct ts_store *store;
    struct ts_sender_hooks hooks;
    int64_t reminder_ms;
    int64_t expiry_ms;
    struct channel *channels[TS_MAX_CHANNELS];
    size_t channel_count;
    uint64_t random;
};

/* delivery.c: sends the channel's next batch if nothing is under way and the time has come. */
void ts_delivery_pump(struct channel *ch);
void ts_delivery_on_timer(void *ctx);
/* sender.c */
void ts_sender_load_batch(struct channel *ch);
void ts_sender_batch_done(struct channel *ch, const char *message_id);
void ts_sender_batch_drop(struct channel *ch, const char *why);
void ts_sender_store_failed(struct ts_sender *s, const struct ts_error *err);

#endif
