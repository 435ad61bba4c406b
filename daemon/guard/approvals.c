/* Approvals: what the audit trail says of them, kept in memory; every change is in the trail
 * before it counts. The rules about them are in core/approval.h. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

struct ts_approval *ts_approvals_find(struct ts_daemon *d, int64_t id)
{
    for (size_t i = 0; i < d->approval_count; i++) {
        if (d->approvals[i].id == id) {
            return &d->approvals[i];
        }
    }
    return NULL;
}

/* Room for one more: the oldest that has ended gives way. NULL: all are open, or no memory. */
static struct ts_approval *take_slot(struct ts_daemon *d)
{
    if (d->approvals == NULL) {
        d->approvals = calloc(TS_APPROVALS_MAX, sizeof(*d->approvals));
    }
    if (d->approvals == NULL) {
        return NULL;
    }
    for (size_t i = 0; d->approval_count == TS_APPROVALS_MAX && i < d->approval_count; i++) {
        if (!ts_approval_is_open(&d->approvals[i])) {
            memmove(&d->approvals[i], &d->approvals[i + 1],
                    (d->approval_count - i - 1) * sizeof(*d->approvals));
            d->approval_count--;
        }
    }
    return d->approval_count < TS_APPROVALS_MAX ? &d->approvals[d->approval_count++] : NULL;
}

/* --- the trail's words */

static json_t *content_of(const struct ts_approval *a)
{
    return json_pack("{s:s, s:s, s:s, s:s, s:I, s:I, s:s}", "kind", ts_approval_kind_name(a->kind),
                     "service", a->service, "account", a->account, "gameplan", a->gameplan,
                     "created_ms", (json_int_t)a->created.ms, "expires_ms",
                     (json_int_t)a->expires.ms, "reason", a->reason);
}

static bool read_content(const struct ts_audit_entry *e, struct ts_approval *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->id = e->seq;
    ret->uid = e->uid;
    ret->created.ms = ts_json_i64_or(e->data, "created_ms", 0);
    ret->expires.ms = ts_json_i64_or(e->data, "expires_ms", 0);
    ts_copy_cut(ret->user, sizeof(ret->user), e->user);
    ts_copy_cut(ret->reason, sizeof(ret->reason), ts_json_str_or(e->data, "reason", ""));
    return e->has_peer && ts_approval_kind_parse(ts_json_str_or(e->data, "kind", ""), &ret->kind) &&
           ts_copy(ret->service, sizeof(ret->service), ts_json_str_or(e->data, "service", "")) &&
           ts_copy(ret->account, sizeof(ret->account), ts_json_str_or(e->data, "account", "")) &&
           ts_copy(ret->gameplan, sizeof(ret->gameplan), ts_json_str_or(e->data, "gameplan", "")) &&
           ts_approval_invalid(ret, ret->created) == NULL;
}

static enum ts_approval_state end_state(const char *name)
{
    for (unsigned i = TS_APPROVAL_EXPIRED; i < TS_APPROVAL_STATE_COUNT; i++) {
        if (strcmp(ts_approval_state_name((enum ts_approval_state)i), name) == 0) {
            return (enum ts_approval_state)i;
        }
    }
    return TS_APPROVAL_VOID; /* it ended somehow */
}

static void replay_change(struct ts_daemon *d, const struct ts_audit_entry *e, bool known)
{
    struct ts_approval *a = ts_approvals_find(d, ts_json_i64_or(e->data, "id", 0));
    if (a == NULL || !ts_approval_is_open(a)) {
        return;
    }
    if (strcmp(e->event, "approval.confirmed") == 0 && e->has_peer && e->uid != a->uid) {
        a->doubted = a->doubted || !known;
        a->state = TS_APPROVAL_VALID;
        ts_copy_cut(a->second_user, sizeof(a->second_user), e->user);
    } else if (strcmp(e->event, "approval.used") == 0) {
        a->used = true;
    } else if (strcmp(e->event, "approval.ended") == 0) {
        a->state = end_state(ts_json_str_or(e->data, "state", ""));
        ts_copy_cut(a->ended, sizeof(a->ended), e->text);
    }
}

void ts_approvals_replay(struct ts_daemon *d, const struct ts_audit_entry *e, bool known)
{
    bool granted = strcmp(e->event, "approval.granted") == 0;
    if (granted || strcmp(e->event, "approval.requested") == 0) {
        struct ts_approval read;
        struct ts_approval *a = read_content(e, &read) ? take_slot(d) : NULL;
        if (a != NULL) {
            *a = read;
            a->doubted = !known;
            a->state = granted ? TS_APPROVAL_VALID : TS_APPROVAL_PENDING;
        }
    } else if (strncmp(e->event, "approval.", strlen("approval.")) == 0) {
        replay_change(d, e, known);
    }
}

/* --- changes: first the trail, then memory */

static bool note_change(struct ts_daemon *d, const char *event, const struct ts_approval *a,
                        const char *state, const struct ts_peer *peer, const char *text,
                        struct ts_error *err)
{
    bool gives = strcmp(event, "approval.confirmed") == 0; /* so it counts only once written */
    json_t *data =
        json_pack("{s:I, s:s, s:s, s:s}", "id", (json_int_t)a->id, "state", state, "kind",
                  ts_approval_kind_name(a->kind), "subject", ts_approval_subject(a));
    const struct ts_trail_note note = {.event = event,
                                       .service = a->service,
                                       .outcome = state,
                                       .peer = peer,
                                       .text = text,
                                       .data = data,
                                       .first = gives};
    bool ok = ts_trail_add(d, &note, NULL, err);
    json_decref(data);
    return ok;
}

static void announce(struct ts_daemon *d, const struct ts_approval *a, const char *what)
{
    char text[400];
    char until[TS_WALL_TEXT];
    ts_wall_format(a->expires, until);
    (void)snprintf(text, sizeof(text), "Approval %lld (%s, %s, %.20s) %s. By %s: %s. Until %s.",
                   (long long)a->id, ts_approval_kind_name(a->kind), a->service,
                   ts_approval_subject(a), what, a->user[0] != '\0' ? a->user : "?", a->reason,
                   until);
    ts_memory_event(d, a->service, "safety.approval", text);
    ts_notice_approval(d, a->service, text);
    ts_guard_touch(d);
}

bool ts_approvals_grant(struct ts_daemon *d, struct ts_approval *a, const struct ts_peer *peer,
                        int64_t *ret_id, struct ts_error *err)
{
    bool alone = d->model->approvers < 2;
    const char *wrong = ts_approval_invalid(a, a->created);
    if (wrong != NULL) {
        return ts_error_set(err, TS_E_INVALID, "this approval is refused: %s", wrong);
    }
    struct ts_approval *slot = take_slot(d);
    if (slot == NULL) {
        return ts_error_set(err, TS_E_LIMIT, "%d approvals are open; revoke some first",
                            TS_APPROVALS_MAX);
    }
    *slot = (struct ts_approval){.state = TS_APPROVAL_VOID}; /* until it is written */
    json_t *data = content_of(a);
    const struct ts_trail_note note = {.event = alone ? "approval.granted" : "approval.requested",
                                       .service = a->service,
                                       .outcome = alone ? "valid" : "pending",
                                       .peer = peer,
                                       .text = a->reason,
                                       .data = data,
                                       .first = true};
    bool ok = ts_trail_add(d, &note, &a->id, err);
    json_decref(data);
    if (!ok) {
        d->approval_count--;
        return false;
    }
    a->state = alone ? TS_APPROVAL_VALID : TS_APPROVAL_PENDING;
    *slot = *a;
    *ret_id = a->id;
    announce(d, slot, alone ? "is granted" : "waits for a second person");
    return true;
}

bool ts_approvals_confirm(struct ts_daemon *d, struct ts_approval *a, const struct ts_peer *peer,
                          struct ts_error *err)
{
    if (a->state != TS_APPROVAL_PENDING) {
        return ts_error_set(err, TS_E_CONFLICT, "approval %lld is %s, it waits for nobody",
                            (long long)a->id, ts_approval_state_name(a->state));
    }
    if (!peer->known || peer->uid == a->uid) {
        return ts_error_set(err, TS_E_DENIED, "who asked for an approval cannot confirm it");
    }
    if (!note_change(d, "approval.confirmed", a, "valid", peer, "confirmed", err)) {
        return false;
    }
    a->state = TS_APPROVAL_VALID;
    ts_peer_user_name(peer->uid, a->second_user, sizeof(a->second_user));
    announce(d, a, "is confirmed and valid");
    return true;
}

bool ts_approvals_end(struct ts_daemon *d, struct ts_approval *a, enum ts_approval_state how,
                      const struct ts_peer *peer, const char *why, struct ts_error *err)
{
    char what[2 * TS_REASON_MAX];
    if (!ts_approval_is_open(a)) {
        return ts_error_set(err, TS_E_CONFLICT, "approval %lld has ended already: %s",
                            (long long)a->id, ts_approval_state_name(a->state));
    }
    /* An end counts even if it cannot be written down: it only takes rights away. */
    a->state = how;
    ts_copy_cut(a->ended, sizeof(a->ended), why);
    bool ok = note_change(d, "approval.ended", a, ts_approval_state_name(how), peer, why, err);
    (void)snprintf(what, sizeof(what), "is %s: %s", ts_approval_state_name(how), why);
    announce(d, a, what);
    return ok;
}

/* --- what ends by itself */

static void end_itself(struct ts_daemon *d, struct ts_approval *a, enum ts_approval_state how,
                       const char *why)
{
    struct ts_error ignored;
    (void)!ts_approvals_end(d, a, how, NULL, why, &ignored);
}

bool ts_approvals_drop_doubted(struct ts_daemon *d)
{
    struct ts_error ignored;
    bool ok = true;
    for (size_t i = 0; i < d->approval_count; i++) {
        struct ts_approval *a = &d->approvals[i];
        if (a->doubted && ts_approval_is_open(a)) {
            ok = ts_approvals_end(d, a, TS_APPROVAL_VOID, NULL,
                                  "the state file does not know the line that gave it", &ignored) &&
                 ok;
        }
    }
    return ok;
}

static bool lists(const char *list, const char *account)
{
    size_t n = strlen(account);
    for (const char *at = list; *at != '\0';) {
        size_t len = strcspn(at, ",");
        if (len == n && strncmp(at, account, n) == 0) {
            return true;
        }
        at += len + (at[len] == ',');
    }
    return false;
}

enum sight { SIGHT_NONE, SIGHT_SAME, SIGHT_OTHER };

/* Is what the approval is tied to there, or something else in its place? */
static enum sight look_at_account(struct ts_daemon *d, const struct ts_approval *a)
{
    enum sight sight = SIGHT_NONE;
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_guard *g = &d->units[i]->guard;
        if (g->accounts[0] != '\0' && g->accounts_live) {
            if (lists(g->accounts, a->account)) {
                return SIGHT_SAME;
            }
            sight = SIGHT_OTHER;
        }
    }
    return sight;
}

static enum sight look_at_plan(struct ts_daemon *d, const struct ts_approval *a)
{
    size_t i = ts_super_find(d->super, a->service);
    const struct ts_plan_facts *p = i == SIZE_MAX ? NULL : &d->units[i]->guard.plan;
    if (p == NULL || p->state == TS_PLAN_UNWATCHED || p->state == TS_PLAN_UNKNOWN) {
        return SIGHT_NONE;
    }
    bool same = p->state == TS_PLAN_GOOD && strcmp(p->sha256, a->gameplan) == 0;
    return same ? SIGHT_SAME : SIGHT_OTHER;
}

static void look_at(struct ts_daemon *d, struct ts_approval *a)
{
    struct ts_error ignored;
    bool by_plan = a->kind == TS_APPROVE_GAMEPLAN;
    enum sight sight = by_plan ? look_at_plan(d, a) : look_at_account(d, a);
    if (sight == SIGHT_SAME && !a->used && a->state == TS_APPROVAL_VALID) {
        a->used = true;
        (void)note_change(d, "approval.used", a, "valid", NULL, "what it is tied to is there",
                          &ignored);
    } else if (sight == SIGHT_OTHER && a->used) {
        end_itself(d, a, TS_APPROVAL_VOID,
                   by_plan ? "the gameplan was changed or taken away"
                           : "the gateway serves another account");
    }
}

ts_wall ts_approvals_look(struct ts_daemon *d)
{
    ts_wall now = ts_guard_now(d);
    ts_wall next = {0};
    bool back = d->clock_went_back;
    d->clock_went_back = false;
    for (size_t i = 0; i < d->approval_count; i++) {
        struct ts_approval *a = &d->approvals[i];
        if (!ts_approval_is_open(a)) {
            continue;
        }
        if (back) {
            end_itself(d, a, TS_APPROVAL_VOID,
                       "the clock was set back, so nobody knows how old it is");
        } else if (now.ms >= a->expires.ms) {
            end_itself(d, a, TS_APPROVAL_EXPIRED, "its time is over");
        } else {
            look_at(d, a);
            if (next.ms == 0 || a->expires.ms < next.ms) {
                next = a->expires;
            }
        }
    }
    if (next.ms != 0) { /* how late it is at least, for a daemon that starts with another clock */
        ts_trail_mark_time(d, now);
    }
    return next;
}

json_t *ts_approvals_json(const struct ts_approval *a)
{
    char created[TS_WALL_TEXT];
    char expires[TS_WALL_TEXT];
    ts_wall_format(a->created, created);
    ts_wall_format(a->expires, expires);
    return json_pack("{s:I, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:s, s:b}", "id",
                     (json_int_t)a->id, "kind", ts_approval_kind_name(a->kind), "state",
                     ts_approval_state_name(a->state), "service", a->service, "account", a->account,
                     "gameplan", a->gameplan, "created", created, "expires", expires, "user",
                     a->user, "second_user", a->second_user, "reason", a->reason, "ended", a->ended,
                     "used", (int)a->used);
}
