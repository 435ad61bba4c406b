/*
 * The state that must survive a kill -9, a power cut and a full disk: one SQLite file in the state
 * directory, one writer. Write-ahead log: what was written outlives the program at once and the
 * machine after ts_store_sync(), which the daemon calls at the end of each turn. What a turn asked
 * of others (engine, chat, who called) leaves in a later one, so it is on the disk before. Turns in
 * which nothing changes write nothing.
 *
 * Every call returns an error rather than waiting (the lock is ours alone; busy waits are bounded
 * to 200 ms). After a failure the next call simply tries again.
 */
#ifndef TS_STORE_STORE_H
#define TS_STORE_STORE_H

#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define TS_STORE_NAME         64 /* services, channels; NUL included */
#define TS_STORE_TEXT         256
#define TS_STORE_RESTARTS_MAX 64
#define TS_STORE_HISTORY_MAX  20000 /* rows kept */
#define TS_STORE_OUTBOX_MAX   2000  /* unsent alerts kept per channel, or a few more */
#define TS_STORE_MOVES_MAX    10    /* kept */
#define TS_STORE_OPEN_MAX     1024 /* incidents and messages kept; the longest untouched give way */
#define TS_STORE_MESSAGE_ID   32   /* NUL included */

struct ts_store;

/*
 * Opens (or makes) dir/tradestack.db, mode 0600. A damaged file is moved aside as
 * tradestack.db.damaged-<time> and a fresh one begun; *ret_replaced says so. TS_E_CONFLICT: another
 * daemon has it open; TS_E_INVALID: a newer version wrote it, or dir is no directory; TS_E_DENIED:
 * everybody may write into dir; TS_E_SYSTEM: cannot be read or written (which is no reason to
 * believe that the file is damaged).
 */
struct ts_store *ts_store_open(const char *dir, ts_wall now, bool *ret_replaced,
                               struct ts_error *err) TS_MUST_CHECK;
void ts_store_close(struct ts_store *s);

/* Did the last attempt to write reach the disk? True for a fresh store. */
bool ts_store_ok(const struct ts_store *s);

/*
 * One transaction a turn. Calls outside of one are their own. After certain failures (a full disk)
 * SQLite itself takes the whole transaction back; every further call in it then fails, commit too.
 */
bool ts_store_begin(struct ts_store *s, struct ts_error *err) TS_MUST_CHECK;
bool ts_store_commit(struct ts_store *s, struct ts_error *err) TS_MUST_CHECK;
void ts_store_rollback(struct ts_store *s);
/* Waits until the disk has all that was written so far; at once if nothing was. Not within a
 * transaction, where it does nothing. TS_E_SYSTEM: the disk refuses; what was written may be lost
 * in a power cut. */
bool ts_store_sync(struct ts_store *s, struct ts_error *err) TS_MUST_CHECK;
bool ts_store_in_transaction(const struct ts_store *s);
/* Frees what is kept only to be quicker the next time. Not within a transaction. */
void ts_store_trim(struct ts_store *s);
/* Counts transactions that were taken back: what was written in one has been lost since the number
 * was different, though each call had succeeded. */
uint64_t ts_store_lost_count(const struct ts_store *s);

/* --- services: what a restarted daemon must know */
struct ts_store_service {
    char name[TS_STORE_NAME];
    char container_id[80];
    int wanted; /* 0 none, 1 up, 2 down */
    bool held;
    char hold_why[32];
    char latch[32]; /* "" or the reason's name */
    int block;      /* enum ts_block of the daemon; 0 none, 1 refused, 2 tripped */
    char detail[TS_STORE_TEXT];
    uint32_t backoff_step;
    ts_wall backoff_until;
    uint32_t restarts_total;
    uint32_t restart_count;
    ts_wall restarts[TS_STORE_RESTARTS_MAX];
    uint32_t login_failures;
    char intent[16];      /* "", "start", "stop": the engine call that was about to be made */
    char policy_name[16]; /* restart policy that we took over; "" if none */
    int64_t policy_retries;
};
bool ts_store_service_save(struct ts_store *s, const struct ts_store_service *svc,
                           struct ts_error *err) TS_MUST_CHECK;
/* TS_E_NOT_FOUND if the service was never saved. */
bool ts_store_service_load(struct ts_store *s, const char *name, struct ts_store_service *ret,
                           struct ts_error *err) TS_MUST_CHECK;

/* --- small facts: key -> text */
bool ts_store_meta_set(struct ts_store *s, const char *key, const char *value,
                       struct ts_error *err) TS_MUST_CHECK;
/* "" if unset. */
bool ts_store_meta_get(struct ts_store *s, const char *key, char *ret, size_t size,
                       struct ts_error *err) TS_MUST_CHECK;

/* --- history */
struct ts_store_event {
    int64_t id;
    ts_wall at;
    const char *service; /* borrowed in both directions */
    const char *event;
    const char *state_from;
    const char *state_to;
    const char *reason;
    const char *text;
};
bool ts_store_history_add(struct ts_store *s, const struct ts_store_event *event, int64_t *ret_id,
                          struct ts_error *err) TS_MUST_CHECK;
/* The newest `limit` events since `since`, oldest first. */
bool ts_store_history_read(struct ts_store *s, ts_wall since, uint32_t limit,
                           void (*each)(void *ctx, const struct ts_store_event *event), void *ctx,
                           struct ts_error *err) TS_MUST_CHECK;

/* --- snapshots: a container's inspect answer, for making it anew */
bool ts_store_snapshot_save(struct ts_store *s, const char *service, const char *container_id,
                            ts_wall at, const char *json, struct ts_error *err) TS_MUST_CHECK;
/* The latest; malloc'ed text, TS_E_NOT_FOUND if none. */
bool ts_store_snapshot_load(struct ts_store *s, const char *service, char **ret_json,
                            struct ts_error *err) TS_MUST_CHECK;

/* --- outbox: alerts that are still to be sent, one row a channel */
struct ts_store_letter {
    int64_t id; /* ascending in the order in which letters were added */
    char channel[TS_STORE_NAME];
    ts_wall created;
    int priority;     /* higher goes first */
    int severity;     /* higher is kept longer when not all can be shown */
    const char *body; /* the alert as JSON; borrowed in both directions */
};
typedef void ts_store_letter_fn(void *ctx, const struct ts_store_letter *letter);

/* *ret_pruned: how many letters gave way, the least severe and oldest first. */
bool ts_store_outbox_add(struct ts_store *s, const struct ts_store_letter *letter, int64_t *ret_id,
                         int64_t *ret_pruned, struct ts_error *err) TS_MUST_CHECK;
bool ts_store_outbox_remove(struct ts_store *s, int64_t id, struct ts_error *err) TS_MUST_CHECK;
/* Removes the channel's letters up to and including that id. */
bool ts_store_outbox_remove_to(struct ts_store *s, const char *channel, int64_t id,
                               struct ts_error *err) TS_MUST_CHECK;
/* The channel's letters, by priority and age, at most `limit`. each may not write to the store. */
bool ts_store_outbox_read(struct ts_store *s, const char *channel, uint32_t limit,
                          ts_store_letter_fn *each, void *ctx, struct ts_error *err) TS_MUST_CHECK;
/* The `limit` letters that matter most (priority, severity, newest), in the order of their ids. */
bool ts_store_outbox_pick(struct ts_store *s, const char *channel, uint32_t limit,
                          ts_store_letter_fn *each, void *ctx, struct ts_error *err) TS_MUST_CHECK;
/* How many letters wait and the highest id among them (0 if none). */
bool ts_store_outbox_count(struct ts_store *s, const char *channel, int64_t *ret, int64_t *ret_last,
                           struct ts_error *err) TS_MUST_CHECK;
/* Removes every channel's letters that are older; *ret says how many. */
bool ts_store_outbox_expire(struct ts_store *s, ts_wall before, int64_t *ret,
                            struct ts_error *err) TS_MUST_CHECK;

/* --- incidents: what is open, so that it is told once and its end as well */
struct ts_store_incident {
    const char *key; /* borrowed in both directions */
    ts_wall opened;
    ts_wall told; /* last message about it */
    int severity;
    const char *body; /* the alert that opened it, as JSON; borrowed in both directions */
};
bool ts_store_incident_put(struct ts_store *s, const struct ts_store_incident *incident,
                           struct ts_error *err) TS_MUST_CHECK;
bool ts_store_incident_close(struct ts_store *s, const char *key,
                             struct ts_error *err) TS_MUST_CHECK;
/* All that are open, longest untouched first. each may not write to the store. */
bool ts_store_incident_each(struct ts_store *s,
                            void (*each)(void *ctx, const struct ts_store_incident *incident),
                            void *ctx, struct ts_error *err) TS_MUST_CHECK;

/* --- messages: what a channel shows of an open incident, so that it can be edited there */
struct ts_store_edit {
    char message_id[TS_STORE_MESSAGE_ID];
    char *first; /* the alert that the message showed at first, as JSON; malloc'ed */
    char *edit;  /* the alert that it is to show now; malloc'ed */
    bool closing;
};
bool ts_store_message_add(struct ts_store *s, const char *channel, const char *message_id,
                          const char *key, const char *first, struct ts_error *err) TS_MUST_CHECK;
/* Notes that the channel's newest message about the incident is to be edited; a newer edit takes
 * the place of one that waits. closing: all its messages are, for the last time, and then
 * forgotten. */
bool ts_store_message_edit(struct ts_store *s, const char *channel, const char *key,
                           const char *edit, bool closing, struct ts_error *err) TS_MUST_CHECK;
/* The oldest edit that waits. TS_E_NOT_FOUND if there is none. */
bool ts_store_edit_next(struct ts_store *s, const char *channel, struct ts_store_edit *ret,
                        struct ts_error *err) TS_MUST_CHECK;
/* It was made (or cannot be made: forget). */
bool ts_store_edit_done(struct ts_store *s, const char *channel, const struct ts_store_edit *edit,
                        bool forget, struct ts_error *err) TS_MUST_CHECK;
/* Frees the texts; safe to call twice and on a zeroed struct. */
void ts_store_edit_clear(struct ts_store_edit *edit);

/* --- moves: the journal of the latest exchange of containers (the daemon's core/move.h) */
struct ts_store_move {
    int64_t id;
    ts_wall began;
    ts_wall ended; /* 0: under way */
    char *plan;    /* JSON; malloc'ed */
    char *state;   /* JSON; malloc'ed */
};
bool ts_store_move_add(struct ts_store *s, ts_wall began, const char *plan, const char *state,
                       int64_t *ret_id, struct ts_error *err) TS_MUST_CHECK;
/* ended 0: it goes on. */
bool ts_store_move_save(struct ts_store *s, int64_t id, const char *state, ts_wall ended,
                        struct ts_error *err) TS_MUST_CHECK;
/* The latest, over or not. TS_E_NOT_FOUND if there never was one. */
bool ts_store_move_last(struct ts_store *s, struct ts_store_move *ret,
                        struct ts_error *err) TS_MUST_CHECK;
/* Frees the texts; safe to call twice and on a zeroed struct. */
void ts_store_move_clear(struct ts_store_move *move);

#endif
