/*
 * The audit trail as the daemon uses it: opened and checked at the start, its head kept in the
 * state file as well, so that neither of the two can be exchanged or cut unnoticed.
 */
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

#define WAITING_MAX   64
#define AHEAD_MAX     1 /* a daemon that is killed has written a line and not yet noted its head */
#define RETRY_MS      5000
#define HEAD_KEY      "audit.head"
#define TIME_KEY      "clock.trusted"
#define TRIPS_MAX     TS_MAX_SERVICES
#define TIME_EVERY_MS 60000

struct tripped {
    char service[TS_NAME_MAX];
    enum ts_why why;
    char detail[TS_DETAIL_MAX];
};

struct waiting { /* a note that could not be written yet */
    struct ts_trail_note note;
    struct ts_peer peer;
    ts_wall at;
    char service[TS_NAME_MAX];
    char text[TS_DETAIL_MAX * 2];
    json_t *data;
};

struct ts_trail {
    struct ts_audit *file;
    struct tripped *trips;
    size_t trip_count;
    bool trip_lost;                       /* there was no room for one */
    struct waiting *waiting[WAITING_MAX]; /* a ring */
    size_t waiting_first;
    size_t waiting_count;
    size_t lost; /* notes for which there was no room */
    ts_mono retry_at;
    ts_mono marked_at;
    bool head_owed;     /* the state file does not know the last line */
    uint64_t head_lost; /* ts_store_lost_count() when it was told */
    /* while it is read: the line that the state file names as its head */
    int64_t want_seq;
    char want_hash[TS_SHA256_HEX];
    bool found_head;
    int64_t ahead; /* lines behind that one */
    ts_wall newest;
};

/* --- trips, as the trail tells them */

static void forget_trip(struct ts_trail *t, const char *service)
{
    for (size_t i = 0; i < t->trip_count; i++) {
        if (strcmp(t->trips[i].service, service) == 0) {
            t->trips[i] = t->trips[--t->trip_count];
            return;
        }
    }
}

static void remember_trip(struct ts_trail *t, const char *service, const char *why,
                          const char *detail)
{
    forget_trip(t, service);
    struct tripped *more = t->trip_count == TRIPS_MAX
                               ? NULL
                               : realloc(t->trips, (t->trip_count + 1) * sizeof(*t->trips));
    if (more == NULL) {
        t->trip_lost = true;
        return;
    }
    t->trips = more;
    struct tripped *trip = &t->trips[t->trip_count++];
    ts_copy_cut(trip->service, sizeof(trip->service), service);
    trip->why = ts_why_from_name(why);
    trip->why = trip->why == TS_WHY_NONE ? TS_WHY_INTERLOCK : trip->why;
    ts_detail_copy(trip->detail, detail);
}

bool ts_trail_tripped(struct ts_daemon *d, const char *service, enum ts_why *ret_why,
                      char detail[TS_DETAIL_MAX])
{
    const struct ts_trail *t = d->trail;
    for (size_t i = 0; t != NULL && i < t->trip_count; i++) {
        if (strcmp(t->trips[i].service, service) == 0) {
            *ret_why = t->trips[i].why;
            ts_detail_copy(detail, t->trips[i].detail);
            return true;
        }
    }
    return false;
}

static void replay_trip(struct ts_trail *t, const char *event, const char *service,
                        const char *text, const json_t *data)
{
    if (strcmp(event, "trip") == 0) {
        remember_trip(t, service, ts_json_str_or(data, "reason", ""), text);
    } else if (strcmp(event, "safety.reset") == 0) {
        forget_trip(t, service);
    }
}

static void replay(void *ctx, const struct ts_audit_entry *e)
{
    struct ts_daemon *d = ctx;
    struct ts_trail *t = d->trail;
    t->found_head = t->found_head || (e->seq == t->want_seq && strcmp(e->hash, t->want_hash) == 0);
    t->newest = e->at;
    t->ahead += e->seq > t->want_seq;
    replay_trip(t, e->event, e->service, e->text, e->data);
    /* A right counts only if the state file knows of the line too: lines that were added while no
     * daemon looked, or a state file from elsewhere, give none. What takes rights away counts. */
    ts_approvals_replay(d, e, e->seq <= t->want_seq);
}

/* --- opening */

static void damaged(struct ts_daemon *d, const char *what)
{
    d->trail_state = TS_TRAIL_DAMAGED;
    for (size_t i = 0; i < d->approval_count; i++) { /* what it says is not to be trusted */
        struct ts_approval *a = &d->approvals[i];
        if (ts_approval_is_open(a)) {
            a->state = TS_APPROVAL_VOID;
            (void)snprintf(a->ended, sizeof(a->ended), "the audit trail was tampered with");
        }
    }
    ts_copy_cut(d->trail_detail, sizeof(d->trail_detail), what);
    TS_LOG(d->log, TS_MSG_AUDIT_DAMAGED, TS_NO_FIELDS,
           "audit trail: %s; nothing guarded is started until the CRO has looked", what);
    ts_notice_trail(d, what);
}

/* "<seq> <hash>" of the state file. Nothing there: a first start, or a new state file. */
static void read_head(struct ts_daemon *d)
{
    struct ts_trail *t = d->trail;
    struct ts_error err;
    char text[128];
    if (!ts_store_meta_get(d->store, HEAD_KEY, text, sizeof(text), &err)) {
        return;
    }
    const char *space = strchr(text, ' ');
    if (space != NULL && ts_parse_i64n(text, (size_t)(space - text), 0, INT64_MAX, &t->want_seq)) {
        ts_copy_cut(t->want_hash, sizeof(t->want_hash), space + 1);
    }
}

/* False: the state file could not be written. */
static bool write_head(struct ts_daemon *d)
{
    struct ts_trail *t = d->trail;
    struct ts_error err;
    char hash[TS_SHA256_HEX];
    char text[128];
    char known[128];
    int64_t seq = ts_audit_head(t->file, hash);
    (void)snprintf(text, sizeof(text), "%" PRId64 " %s", seq, hash);
    if (!t->head_owed && ts_store_meta_get(d->store, HEAD_KEY, known, sizeof(known), &err) &&
        strcmp(known, text) == 0) {
        t->head_lost = ts_store_lost_count(d->store); /* as a start finds it: nothing to write */
        return true;
    }
    /* Synchronised now, not at the turn's end: a power cut may put the trail ahead, too. */
    t->head_owed =
        !ts_store_meta_set(d->store, HEAD_KEY, text, &err) || !ts_store_sync(d->store, &err);
    t->head_lost = ts_store_lost_count(d->store);
    if (t->head_owed) {
        ts_memory_failed(d, err.msg);
    }
    return !t->head_owed;
}

/* Every line is told to the state file before the next one is written: after a death of the daemon
 * more than one unknown line means that somebody else wrote there. */
static bool tell_head(struct ts_daemon *d)
{
    struct ts_trail *t = d->trail;
    bool told = !t->head_owed && t->head_lost == ts_store_lost_count(d->store);
    return told || write_head(d);
}

static void recall_time(struct ts_daemon *d)
{
    struct ts_error err;
    char text[32];
    int64_t ms = 0;
    ts_mono now = ts_loop_now(d->loop);
    if (ts_store_meta_get(d->store, TIME_KEY, text, sizeof(text), &err) &&
        ts_parse_i64(text, 0, INT64_MAX, &ms)) {
        ts_trusted_at_least(&d->trusted, (ts_wall){ms}, now);
    }
    ts_trusted_at_least(&d->trusted, d->trail->newest, now);
}

void ts_trail_mark_time(struct ts_daemon *d, ts_wall now)
{
    struct ts_trail *t = d->trail;
    char text[32];
    if (t != NULL && ts_mono_reached(t->marked_at, ts_loop_now(d->loop))) {
        t->marked_at = ts_mono_add(ts_loop_now(d->loop), TIME_EVERY_MS);
        (void)snprintf(text, sizeof(text), "%" PRId64, now.ms);
        ts_memory_mark(d, TIME_KEY, text);
    }
}

static void judge_trail(struct ts_daemon *d, const struct ts_audit_report *report)
{
    const struct ts_trail *t = d->trail;
    char what[160];
    if (!report->sound) {
        damaged(d, report->problem);
    } else if (t->trip_lost) {
        damaged(d, "it tells of more services that broke a rule than can be remembered");
    } else if (t->want_seq > 0 && !t->found_head) {
        (void)snprintf(what, sizeof(what),
                       "it ends before, or is not the one with, line %" PRId64
                       " that the state file knows",
                       t->want_seq);
        damaged(d, what);
    } else if (t->want_seq > 0 && t->ahead > AHEAD_MAX) {
        (void)snprintf(what, sizeof(what),
                       "%" PRId64 " lines were added behind line %" PRId64
                       ", the last that the state file knows",
                       t->ahead, t->want_seq);
        damaged(d, what);
    } else if (ts_approvals_drop_doubted(d)) {
        (void)write_head(d); /* else the line of the end is the first that does it */
    }
}

static bool open_file(struct ts_daemon *d, struct ts_audit_report *report, struct ts_error *err)
{
    struct ts_trail *t = d->trail;
    t->file = ts_audit_open(d->model->state_dir, report, replay, d, err);
    return t->file != NULL;
}

bool ts_trail_open(struct ts_daemon *d, struct ts_error *err)
{
    struct ts_audit_report report;
    d->trail = calloc(1, sizeof(*d->trail));
    if (d->trail == NULL) {
        return ts_error_nomem(err);
    }
    d->trail_state = TS_TRAIL_OK;
    read_head(d);
    if (!open_file(d, &report, err)) {
        return ts_error_wrap(err, "audit trail");
    }
    recall_time(d);
    judge_trail(d, &report);
    return true;
}

static void drop_waiting(struct waiting *w)
{
    json_decref(w->data);
    free(w);
}

void ts_trail_close(struct ts_daemon *d)
{
    struct ts_trail *t = d->trail;
    if (t != NULL) {
        t->retry_at = ts_loop_now(d->loop);
        ts_trail_retry(d);
        for (size_t i = 0; i < t->waiting_count; i++) {
            drop_waiting(t->waiting[(t->waiting_first + i) % WAITING_MAX]);
        }
        free(t->trips);
        ts_audit_close(t->file);
        free(t);
        d->trail = NULL;
    }
}

/* --- writing */

static bool write_note(struct ts_daemon *d, const struct ts_trail_note *note, ts_wall at,
                       int64_t *ret_seq, struct ts_error *err)
{
    char user[TS_USER_MAX] = "";
    bool known = note->peer != NULL && note->peer->known;
    if (d->trail->file == NULL) {
        return ts_error_set(err, TS_E_SYSTEM, "the audit trail could not be opened");
    }
    if (!tell_head(d)) {
        return ts_error_set(err, TS_E_SYSTEM,
                            "the state file cannot be written, and it must know the trail's end");
    }
    if (known) {
        ts_peer_user_name(note->peer->uid, user, sizeof(user));
    }
    const struct ts_audit_entry entry = {.at = at,
                                         .event = note->event,
                                         .service = note->service == NULL ? "" : note->service,
                                         .outcome = note->outcome,
                                         .has_peer = note->peer != NULL,
                                         .uid = known ? note->peer->uid : UINT32_MAX,
                                         .pid = known ? note->peer->pid : 0,
                                         .user = user,
                                         .text = note->text,
                                         .data = note->data};
    if (!ts_audit_append(d->trail->file, &entry, ret_seq, err)) {
        return false;
    }
    (void)write_head(d); /* owed, if it fails */
    replay_trip(d->trail, note->event, entry.service, note->text, note->data);
    TS_LOG(d->log, TS_MSG_AUDIT,
           TS_FIELDS(TS_STR("audit_event", note->event), TS_STR("service", entry.service),
                     TS_STR("outcome", note->outcome), TS_STR("user", user),
                     TS_I64("uid", known ? (int64_t)note->peer->uid : -1),
                     TS_I64("pid", entry.pid)),
           "audit: %s %s: %s (%s)", note->event, entry.service, note->text, note->outcome);
    return true;
}

static void keep_waiting(struct ts_daemon *d, const struct ts_trail_note *note, ts_wall at)
{
    struct ts_trail *t = d->trail;
    struct waiting *w = t->waiting_count == WAITING_MAX ? NULL : malloc(sizeof(*w));
    if (w == NULL) {
        t->lost++;
        return;
    }
    t->waiting[(t->waiting_first + t->waiting_count++) % WAITING_MAX] = w;
    *w = (struct waiting){.at = at, .note = *note};
    ts_copy_cut(w->service, sizeof(w->service), note->service == NULL ? "" : note->service);
    ts_copy_cut(w->text, sizeof(w->text), note->text);
    w->note.service = w->service;
    w->note.text = w->text;
    w->data = json_deep_copy(note->data);
    w->note.data = w->data;
    if (note->peer != NULL) {
        w->peer = *note->peer;
        w->note.peer = &w->peer;
    }
}

/* The file is full, or gone, or another: each has its own consequence. */
static void failed(struct ts_daemon *d, const struct ts_error *err)
{
    if (err->code == TS_E_CONFLICT) {
        if (d->trail_state != TS_TRAIL_DAMAGED) {
            damaged(d, err->msg);
        }
    } else if (d->trail_state == TS_TRAIL_OK) {
        d->trail_state = TS_TRAIL_UNWRITABLE;
        ts_copy_cut(d->trail_detail, sizeof(d->trail_detail), err->msg);
        ts_memory_failed(d, err->msg);
    }
    d->trail->retry_at = ts_mono_add(ts_loop_now(d->loop), RETRY_MS);
    ts_guard_touch(d);
}

bool ts_trail_add(struct ts_daemon *d, const struct ts_trail_note *note, int64_t *ret_seq,
                  struct ts_error *err)
{
    ts_wall at = ts_loop_wall(d->loop);
    if (d->trail->waiting_count == 0 && write_note(d, note, at, ret_seq, err)) {
        return true;
    }
    if (d->trail->waiting_count > 0) {
        (void)ts_error_set(err, TS_E_UNAVAILABLE, "the audit trail cannot be written: %.160s",
                           d->trail_detail);
    } else {
        failed(d, err);
    }
    if (note->first) {
        return false;
    }
    keep_waiting(d, note, at);
    replay_trip(d->trail, note->event, note->service == NULL ? "" : note->service, note->text,
                note->data);
    return false;
}

/* The line that ends a time in which none could be written; also the proof that one can. */
static bool tell_again(struct ts_daemon *d, struct ts_error *err)
{
    size_t lost = d->trail->lost;
    char text[120] = "the trail can be written again";
    if (lost > 0) {
        (void)snprintf(text, sizeof(text),
                       "%zu entries are missing here: the trail could not be "
                       "written and memory was full",
                       lost);
    }
    const struct ts_trail_note note = {.event = lost > 0 ? "audit.gap" : "audit.again",
                                       .outcome = lost > 0 ? "lost" : "done",
                                       .text = text};
    if (!write_note(d, &note, ts_loop_wall(d->loop), NULL, err)) {
        return false;
    }
    d->trail->lost = 0;
    return true;
}

static bool write_waiting(struct ts_daemon *d, struct ts_error *err)
{
    struct ts_trail *t = d->trail;
    while (t->waiting_count > 0) {
        struct waiting *w = t->waiting[t->waiting_first];
        if (!write_note(d, &w->note, w->at, NULL, err)) {
            return false;
        }
        drop_waiting(w);
        t->waiting_first = (t->waiting_first + 1) % WAITING_MAX;
        t->waiting_count--;
    }
    return true;
}

static void is_well(struct ts_daemon *d)
{
    d->trail_state = TS_TRAIL_OK;
    d->trail_detail[0] = '\0';
}

void ts_trail_retry(struct ts_daemon *d)
{
    struct ts_trail *t = d->trail;
    struct ts_error err;
    if (t == NULL || t->file == NULL || d->trail_state == TS_TRAIL_DAMAGED ||
        !ts_mono_reached(t->retry_at, ts_loop_now(d->loop))) {
        return;
    }
    if (!tell_head(d)) {
        t->retry_at = ts_mono_add(ts_loop_now(d->loop), RETRY_MS);
        return;
    }
    if (d->trail_state != TS_TRAIL_UNWRITABLE) {
        return;
    }
    if (!write_waiting(d, &err) || !tell_again(d, &err)) {
        failed(d, &err);
        return;
    }
    is_well(d);
}

ts_mono ts_trail_next(const struct ts_daemon *d)
{
    const struct ts_trail *t = d->trail;
    bool waits = t != NULL && t->file != NULL &&
                 (t->head_owed || d->trail_state == TS_TRAIL_UNWRITABLE) &&
                 d->trail_state != TS_TRAIL_DAMAGED;
    return waits ? t->retry_at : TS_NEVER;
}

/* What still holds is said again at the begin of the new trail. */
static void carry_over(struct ts_daemon *d)
{
    struct ts_error err;
    for (size_t i = d->trail->trip_count; i > 0; i--) {
        const struct tripped trip = d->trail->trips[i - 1];
        json_t *data = json_pack("{s:s}", "reason", ts_why_name(trip.why));
        const struct ts_trail_note note = {.event = "trip",
                                           .service = trip.service,
                                           .outcome = "carried over",
                                           .text = trip.detail,
                                           .data = data};
        (void)ts_trail_add(d, &note, NULL, &err);
        json_decref(data);
    }
}

bool ts_trail_renew(struct ts_daemon *d, const struct ts_peer *peer, struct ts_error *err)
{
    struct ts_trail *t = d->trail;
    struct ts_audit_report report;
    char kept[160];
    char text[500];
    if (d->trail_state != TS_TRAIL_DAMAGED) {
        return true;
    }
    if (!ts_audit_move_aside(d->model->state_dir, ts_loop_wall(d->loop), kept, sizeof(kept), err)) {
        return false;
    }
    ts_audit_close(t->file);
    t->file = ts_audit_open(d->model->state_dir, &report, NULL, NULL, err);
    if (t->file == NULL) {
        d->trail_state = TS_TRAIL_UNWRITABLE;
        return false;
    }
    (void)snprintf(text, sizeof(text),
                   "a new trail: the former one is kept as %s; it was damaged: "
                   "%.120s",
                   kept, d->trail_detail);
    const struct ts_trail_note note = {
        .event = "audit.renewed", .outcome = "done", .peer = peer, .text = text};
    d->trail_state = TS_TRAIL_UNWRITABLE; /* until what waits is written */
    if (!write_note(d, &note, ts_loop_wall(d->loop), NULL, err) || !write_waiting(d, err) ||
        (t->lost > 0 && !tell_again(d, err))) {
        failed(d, err);
        return false;
    }
    is_well(d);
    carry_over(d);
    return true;
}

bool ts_trail_read(struct ts_daemon *d, uint32_t limit, ts_audit_fn *each, void *ctx,
                   struct ts_error *err)
{
    if (d->trail == NULL || d->trail->file == NULL) {
        return ts_error_set(err, TS_E_UNAVAILABLE, "the audit trail is not open: %.160s",
                            d->trail_detail);
    }
    return ts_audit_read(d->trail->file, limit, each, ctx, err);
}

struct ts_audit_check *ts_trail_check(struct ts_daemon *d, struct ts_error *err)
{
    if (d->trail == NULL || d->trail->file == NULL) {
        (void)ts_error_set(err, TS_E_UNAVAILABLE, "the audit trail is not open: %.160s",
                           d->trail_detail);
        return NULL;
    }
    return ts_audit_check_new(d->trail->file, err);
}
