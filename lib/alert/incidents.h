/*
 * Which incidents are open, so that each is told once, told anew when it got worse or when the
 * reminder is due, and so that its end says how long it took. Memory decides; the store keeps a
 * copy for the next start, written again after a failure.
 */
#ifndef TS_ALERT_INCIDENTS_H
#define TS_ALERT_INCIDENTS_H

#include "alert/alert.h"
#include "store/store.h"

#define TS_INCIDENTS_MAX 256 /* open at once; the one untouched for longest gives way */

struct ts_incidents;

enum ts_incident_verdict {
    TS_INCIDENT_SILENT, /* told already, or the end of nothing */
    TS_INCIDENT_TELL,   /* as a new message */
    TS_INCIDENT_EDIT    /* progress: worth an edit of the message that is there */
};

struct ts_incidents *ts_incidents_new(void);
void ts_incidents_free(struct ts_incidents *list);

/* Takes what an earlier run left open. What cannot be read any more is left out. */
bool ts_incidents_load(struct ts_incidents *list, struct ts_store *store,
                       struct ts_error *err) TS_MUST_CHECK;

/*
 * Says what becomes of the alert and completes it: since, duration_ms, and TS_ALERT_UPDATE in place
 * of OPEN for progress. reminder_ms 0: never told anew for its age alone.
 */
enum ts_incident_verdict ts_incidents_note(struct ts_incidents *list, struct ts_alert *alert,
                                           ts_wall now, int64_t reminder_ms);

/* The next incident of which nothing was told for that long, as an alert to send; counts as told.
 * False if there is none. */
bool ts_incidents_remind(struct ts_incidents *list, ts_wall now, int64_t reminder_ms,
                         struct ts_alert *ret);
/* When the next reminder is due; false if there is nothing to be reminded of. */
bool ts_incidents_next_reminder(const struct ts_incidents *list, int64_t reminder_ms, ts_wall *ret);

/* The open incident (borrowed until the next call that changes the list), or NULL. */
const struct ts_alert *ts_incidents_find(const struct ts_incidents *list, const char *key);
void ts_incidents_each(const struct ts_incidents *list,
                       void (*each)(void *ctx, const struct ts_alert *alert), void *ctx);

/* Writes what the store does not know for sure yet. False if that failed; call it again later. With
 * store NULL it only forgets what has ended. */
bool ts_incidents_save(struct ts_incidents *list, struct ts_store *store,
                       struct ts_error *err) TS_MUST_CHECK;
/* Is there anything that ts_incidents_save() has still to write, or to make sure of? */
bool ts_incidents_unsaved(const struct ts_incidents *list);

#endif
