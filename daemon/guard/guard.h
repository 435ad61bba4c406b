/*
 * The interlock's eyes and hands: gathers what the rules (core/interlock.h) are judged by, judges
 * whenever a fact changed, and lets the machine know.
 *
 *   guard.c           facts, verdicts, what follows from them
 *   plan.c            the gameplan in a service's volume
 *   outside.c         containers of another project, in a migration or rollback
 *   start.c           a start in the audit trail, before it happens
 *   settings.c        the settings that it depends on: a change of them is told
 *   approvals.c       approvals: from the audit trail, their expiry, revocation and voiding
 *   trail.c           the audit trail: what was done, by whom, before it is done
 *   strays.c          containers that are none of ours and still could trade
 *   api/safety.c      the control methods
 */
#ifndef TS_DAEMON_GUARD_H
#define TS_DAEMON_GUARD_H

#include <jansson.h>

#include "audit/audit.h"
#include "control/peer.h"
#include "core/interlock.h"
#include "core/trusted_clock.h"
#include "engine/archive.h"
#include "engine/containers.h"
#include "engine/events.h"
#include "probe/probe.h"

#define TS_APPROVALS_MAX 256 /* kept in memory, ended ones included; the oldest ended give way */

struct ts_daemon;
struct ts_unit;

/* Of one unit: what was seen, where, when. */
struct ts_guard {
    struct ts_box_facts box;
    ts_wall box_at;
    char accounts[TS_ACCOUNTS_TEXT]; /* of a unit with an ibapi probe */
    bool accounts_cut;
    bool accounts_live; /* the session that told them is held */
    ts_mono accounts_lost;
    ts_wall accounts_at;
    struct ts_plan_facts plan;
    ts_wall plan_at;
    ts_mono plan_due;
    ts_mono plan_failed; /* the first of the failures in a row; TS_NEVER: the last look worked */
    struct ts_engine_op *plan_op;
    char log_line[TS_DETAIL_MAX]; /* the tripwire's, in this run … */
    char log_from[TS_NAME_MAX];   /* … of this service: its own log, or a gateway's */
    ts_wall log_at;
    ts_mono log_lost;   /* TS_NEVER: it is followed */
    ts_mono log_opened; /* its stream, last */
    struct ts_judgement last;
    ts_wall judged_at;
    bool judged;
    bool told_trip;      /* this run's trip is in the trail */
    bool told_suspend;   /* … and its suspension */
    ts_mono blind_since; /* TS_NEVER: all can be seen */
    bool told_blind;     /* the alert about it has gone out */
};

/* --- guard.c */
void ts_guard_init(struct ts_guard *g);
/* The container as the engine describes it. */
void ts_guard_saw(struct ts_unit *u, const json_t *inspect);
/* Another run or container began: what the old one said is over. */
void ts_guard_new_run(struct ts_unit *u);
void ts_guard_saw_accounts(struct ts_unit *u, const struct ts_probe_result *result);
/* A line matched a tripwire of the unit. */
void ts_guard_tripwire(struct ts_unit *u, const char *line);
/* Reads an inspect answer into facts; for strays too. gameplan: its path in the container, "" if it
 * is not looked at. */
void ts_guard_box(const json_t *inspect, const char *gameplan, struct ts_box_facts *ret);
/* Judges with all that is known now. */
void ts_guard_judge(struct ts_unit *u, struct ts_judgement *ret);
/* The facts for a judgement of a container that is not a unit's, as if it were guarded. */
void ts_guard_facts(struct ts_daemon *d, struct ts_unit *u, struct ts_guard_facts *ret);
/* Judges the unit and tells the machine what follows. */
void ts_guard_pronounce(struct ts_unit *u);
/* Something changed: all are judged again in the next turn. */
void ts_guard_touch(struct ts_daemon *d);
/* The command that would change what keeps the unit from starting. */
void ts_guard_cure(struct ts_unit *u, char *out, size_t size);
/* The command that would change this one rule's finding; "" if there is none. */
void ts_guard_cure_rule(struct ts_unit *u, enum ts_rule rule, char *out, size_t size);
/* Is this a gateway, that is, does it tell accounts? */
bool ts_guard_is_gateway(const struct ts_unit *u);
ts_wall ts_guard_now(struct ts_daemon *d);
bool ts_guard_start(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_guard_stop(struct ts_daemon *d);

/* The project was listed: is anything in it guarded at all? */
void ts_guard_listed(struct ts_daemon *d, size_t containers);

/* --- outside.c */
/* Of another project, to be started: */
struct ts_guard_outside {
    const char *service; /* by whose rules */
    const json_t *inspect;
    struct ts_plan_facts plan;
    struct {
        const char *service;
        const json_t *inspect;
    } gateways[TS_GATEWAYS_MAX]; /* beside it in that project */
    size_t gateway_count;
    bool gateways_cut; /* there are more */
};
/* By whose rules it is judged: those of the service of its name; of one that the configuration does
 * not know, those of the first guarded service if it looks like a bot (it has a DRY_RUN, or a
 * guarded service's image); else the defaults. */
const struct ts_svc_spec *ts_guard_spec_outside(const struct ts_daemon *d, const char *service,
                                                const json_t *inspect);
/* A container that is to be made: what can be said before. UNKNOWN is no reason against it. */
void ts_guard_judge_planned(struct ts_daemon *d, const char *service, const json_t *inspect,
                            struct ts_judgement *ret);
/* Nobody holds an API session with a gateway of that project, so which accounts it serves is not
 * seen. Therefore no approval counts: dry-run and paper, on the bot and on its gateways, or no
 * start.
 */
void ts_guard_judge_outside(struct ts_daemon *d, const struct ts_guard_outside *outside,
                            struct ts_judgement *ret);

/* --- start.c */
struct ts_guarded_start {
    const char *service;
    const char *id; /* of the container */
    const char *image;
    bool latched; /* refused because of an earlier trip, not of a rule's finding now */
};
/* Every rule passes: this is in the trail before the container is started. False: it could not be
 * written, so j says now that nothing may be done. */
bool ts_guard_allowed(struct ts_daemon *d, const struct ts_guarded_start *start,
                      struct ts_judgement *j) TS_MUST_CHECK;
void ts_guard_refused(struct ts_daemon *d, const struct ts_guarded_start *start,
                      const struct ts_judgement *j);

/* --- settings.c */
/* At the start and after a reload: are the settings still those that were known? */
void ts_guard_settings(struct ts_daemon *d);

/* --- plan.c */
/* What a file that was read says, and what follows from one that could not be read. */
struct ts_plan_facts ts_plan_facts(const struct ts_container_file *file);
struct ts_plan_facts ts_plan_unread(const struct ts_error *err);
/* Looks now, unless a look is under way. */
void ts_plan_look(struct ts_unit *u);
/* What a look at the file found. */
void ts_plan_take(struct ts_unit *u, const struct ts_container_file *file,
                  const struct ts_error *err);

/* --- approvals.c */
/* An entry of the trail, at start: approvals are what the trail says of them. known: the state file
 * has noted a head at or behind it. */
void ts_approvals_replay(struct ts_daemon *d, const struct ts_audit_entry *entry, bool known);
/* Ends those that lines gave which the state file does not know, for good: the next start must not
 * find them in what it knows by then. False: not all of that could be written down. */
bool ts_approvals_drop_doubted(struct ts_daemon *d) TS_MUST_CHECK;
/* Expires and voids what is over. The next time at which one expires, or 0. */
ts_wall ts_approvals_look(struct ts_daemon *d);
struct ts_approval *ts_approvals_find(struct ts_daemon *d, int64_t id);
/* Grants it, or asks for a second person; on success *ret_id is its number. */
bool ts_approvals_grant(struct ts_daemon *d, struct ts_approval *a, const struct ts_peer *peer,
                        int64_t *ret_id, struct ts_error *err) TS_MUST_CHECK;
bool ts_approvals_confirm(struct ts_daemon *d, struct ts_approval *a, const struct ts_peer *peer,
                          struct ts_error *err) TS_MUST_CHECK;
bool ts_approvals_end(struct ts_daemon *d, struct ts_approval *a, enum ts_approval_state how,
                      const struct ts_peer *peer, const char *why,
                      struct ts_error *err) TS_MUST_CHECK;
json_t *ts_approvals_json(const struct ts_approval *a);

/* --- trail.c */
struct ts_trail_note {
    const char *event;
    const char *service; /* "" if none */
    const char *outcome;
    const struct ts_peer *peer; /* NULL: the daemon itself */
    const char *text;
    const json_t *data; /* borrowed; may be NULL */
    bool first;         /* what it tells is done only if it could be written; else it is dropped */
};
bool ts_trail_open(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;
void ts_trail_close(struct ts_daemon *d);
/* Writes it down; it is on the disk when this returns true. Else, unless it is to be first, it
 * waits, bounded, and is written as soon as that works. ret_seq may be NULL. */
bool ts_trail_add(struct ts_daemon *d, const struct ts_trail_note *note, int64_t *ret_seq,
                  struct ts_error *err);
/* Remembers in the state file how late it is at least. */
void ts_trail_mark_time(struct ts_daemon *d, ts_wall now);
/* Tries to write what waits, if it is time for that. A trail that could not be opened stays so
 * until the daemon starts anew and reads it. */
void ts_trail_retry(struct ts_daemon *d);
/* When it is time; TS_NEVER: nothing waits. */
ts_mono ts_trail_next(const struct ts_daemon *d);
/* Was the service tripped and never reset, as far as the trail knows? *ret_why, detail: what for.
 */
bool ts_trail_tripped(struct ts_daemon *d, const char *service, enum ts_why *ret_why,
                      char detail[TS_DETAIL_MAX]);
/* The CRO has looked at a damaged trail: it is kept aside and a new one begins. */
bool ts_trail_renew(struct ts_daemon *d, const struct ts_peer *peer,
                    struct ts_error *err) TS_MUST_CHECK;

/* The newest entries, oldest first; a check of all of them. */
bool ts_trail_read(struct ts_daemon *d, uint32_t limit, ts_audit_fn *each, void *ctx,
                   struct ts_error *err) TS_MUST_CHECK;
struct ts_audit_check *ts_trail_check(struct ts_daemon *d, struct ts_error *err) TS_MUST_CHECK;

/* --- strays.c */
/* Looks for containers beside the units' that could trade. */
void ts_strays_look(struct ts_daemon *d);
/* The project was listed: what is not a unit's is looked at. */
void ts_strays_listed(struct ts_daemon *d, const struct ts_container_ref *refs, size_t count);
/* A one-off of the project was started. */
void ts_strays_started(struct ts_daemon *d, const struct ts_engine_event *event);
/* Is this an inspect's error that looking again does not mend? */
bool ts_strays_is_unreadable(const struct ts_error *err);
/* A container of a guarded service runs, and no inspect of it can be understood: it is stopped. */
void ts_strays_unreadable(struct ts_daemon *d, const char *id, const char *name,
                          const struct ts_error *err);
/* The engine is gone: what is under way ends. */
void ts_strays_pause(struct ts_daemon *d);
void ts_strays_stop(struct ts_daemon *d);

#endif
