/*
 * Shared by the sender's files:
 *   sender.c    alerts in: incidents, reminders, to which channels
 *   channels.c  channels: made, kept or replaced at a reload, their status
 *   queue.c     a channel's letters: into store or memory, out again, done
 *   delivery.c  a channel's requests and what follows from their answers
 */
#ifndef TS_ALERT_SENDER_INTERNAL_H
#define TS_ALERT_SENDER_INTERNAL_H

#include "alert/incidents.h"
#include "alert/render.h"
#include "alert/sender.h"
#include "base/secret.h"

#define BATCH_MAX TS_DISCORD_EMBEDS_MAX
#define HELD_MAX  100 /* letters kept in memory while the store cannot be written */
#define DONE_MAX  64  /* sent letters that the store could not be told about */

struct letter {
    int64_t id; /* > 0: the store's; < 0: in memory only */
    ts_wall created;
    struct ts_alert alert;
};

/* A letter in memory. With id > 0 it is a copy: the store has it, unless the transaction in which
 * it was added was taken back. */
struct held {
    struct letter letter;
    uint64_t lost_count;
};

enum doing { DOING_NOTHING, DOING_BATCH, DOING_EDIT };

struct channel {
    struct ts_sender *sender;
    struct ts_channel_spec spec;
    struct ts_secret *url;
    enum ts_channel_state state;
    char detail[200];
    enum ts_code refused_code; /* why its file cannot be used; TS_E_NONE: it can */
    int http_status;           /* of the last answer; 0: none */
    int64_t delivered;         /* messages, in this run */

    enum doing doing;
    struct ts_http_req *req;
    ts_mono sent_at;
    uint32_t failures;  /* in a row */
    ts_mono not_before; /* rate limit or back-off */
    struct ts_timer *timer;

    struct letter batch[BATCH_MAX]; /* being sent */
    size_t batch_count;
    size_t batch_more; /* further letters that it stands for … */
    int64_t batch_to;  /* … which are the store's up to this id */
    size_t singly;     /* a message was refused as bad: send so many alone, to find which */

    struct ts_store_edit edit; /* being sent */
    uint32_t edit_failures;
    ts_mono edits_after;

    struct held *held; /* [HELD_MAX], made when first needed */
    size_t held_count;
    int64_t done[DONE_MAX]; /* delivered, but the store still has them */
    size_t done_count;
    int64_t done_to; /* all up to this id as well; 0: none */
};

struct ts_sender {
    struct ts_loop *loop;
    struct ts_http *http;
    struct ts_store *store;
    struct ts_sender_hooks hooks;
    struct ts_incidents *incidents;
    struct ts_timer *keeper; /* saves incidents, sends reminders */
    int64_t reminder_ms;
    int64_t expiry_ms;
    struct channel *channels[TS_MAX_CHANNELS];
    size_t channel_count;
    bool configured; /* at least once */
    int64_t last_memory_id;
    uint64_t random;
};

/* sender.c */
void ts_sender_store_failed(struct ts_sender *s, const struct ts_error *err);

/* channels.c */
void ts_channel_free(struct channel *ch);

/* queue.c */
void ts_queue_add(struct channel *ch, const struct ts_alert *alert);
/* What is to be sent next, into ch->batch; nothing if ch->batch_count is 0. */
void ts_queue_load(struct channel *ch);
/* The batch was delivered; message_id "" if unknown. Or it was given up. */
void ts_queue_delivered(struct channel *ch, const char *message_id);
void ts_queue_give_up(struct channel *ch, const char *why);
int64_t ts_queue_pending(struct channel *ch);

/* delivery.c: sends the channel's next batch if nothing is under way and the time has come. */
void ts_delivery_pump(struct channel *ch);
void ts_delivery_on_timer(void *ctx);
/* Nothing is sent there any more, until the next reload. */
void ts_delivery_refuse(struct channel *ch, const char *why);

#endif
