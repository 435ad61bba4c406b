/*
 * The state that must survive a kill -9, a power cut and a full disk: one SQLite file in the state
 * directory, one writer. Write-ahead log with synchronous=FULL: a committed turn is on the disk
 * before its actions begin, and turns in which nothing changes write nothing.
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
#define TS_STORE_OUTBOX_MAX   2000  /* unsent alerts kept per channel; the oldest give way */

struct ts_store;

/*
 * Opens (or makes) dir/tradestack.db, mode 0600. A damaged file is moved aside as
 * tradestack.db.damaged-<time> and a fresh one begun; *ret_replaced says so. TS_E_CONFLICT: another
 * daemon has it open; TS_E_INVALID: a newer version wrote it; TS_E_SYSTEM.
 */
struct ts_store *ts_store_open(const char *dir, ts_wall now, bool *ret_replaced,
                               struct ts_error *err) TS_MUST_CHECK;
void ts_store_close(struct ts_store *s);

/* One transaction a turn. Calls outside of one are their own. */
bool ts_store_begin(struct ts_store *s, struct ts_error *err) TS_MUST_CHECK;
bool ts_store_commit(struct ts_store *s, struct ts_error *err) TS_MUST_CHECK;
void ts_store_rollback(struct ts_store *s);

/* --- services: what a restarted daemon must know */
struct ts_store_service {
    char name[TS_STORE_NAME];
    char container_id[80];
    int wanted; /* 0 none, 1 up, 2 down */
    bool held;
    char hold_why[32];
    char latch[32]; /* "" or the reason's name */
    bool latch_blocks;
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
    int64_t id;
    char channel[TS_STORE_NAME];
    ts_wall created;
    int priority;     /* higher goes first */
    const char *body; /* the alert as JSON; borrowed in both directions */
};
bool ts_store_outbox_add(struct ts_store *s, const struct ts_store_letter *letter, int64_t *ret_id,
                         struct ts_error *err) TS_MUST_CHECK;
bool ts_store_outbox_remove(struct ts_store *s, int64_t id, struct ts_error *err) TS_MUST_CHECK;
/* The channel's letters, by priority and age, at most `limit`. */
bool ts_store_outbox_read(struct ts_store *s, const char *channel, uint32_t limit,
                          void (*each)(void *ctx, const struct ts_store_letter *letter), void *ctx,
                          struct ts_error *err) TS_MUST_CHECK;
bool ts_store_outbox_count(struct ts_store *s, const char *channel, int64_t *ret,
                           struct ts_error *err) TS_MUST_CHECK;

/* --- incidents: what is open, so that it is told once and its end as well */
struct ts_store_incident {
    char key[TS_STORE_TEXT];
    ts_wall opened;
    ts_wall told; /* last message about it */
    int severity;
};
bool ts_store_incident_put(struct ts_store *s, const struct ts_store_incident *incident,
                           struct ts_error *err) TS_MUST_CHECK;
/* TS_E_NOT_FOUND if it is not open. */
bool ts_store_incident_get(struct ts_store *s, const char *key, struct ts_store_incident *ret,
                           struct ts_error *err) TS_MUST_CHECK;
bool ts_store_incident_close(struct ts_store *s, const char *key,
                             struct ts_error *err) TS_MUST_CHECK;
/* Under which id a channel shows the incident's first message; "" if it does not. */
bool ts_store_message_set(struct ts_store *s, const char *key, const char *channel,
                          const char *message_id, struct ts_error *err) TS_MUST_CHECK;
bool ts_store_message_get(struct ts_store *s, const char *key, const char *channel, char *ret,
                          size_t size, struct ts_error *err) TS_MUST_CHECK;

#endif
