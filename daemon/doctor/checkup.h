/*
 * A checkup: everything that doctor and validate judge by, asked anew. Gathered without waiting,
 * with a deadline; then judged at once, so that all findings are of one moment.
 *
 *   checkup.c         gathers: containers, logs, images, ports, the look from inside
 *   checkup_logs.c    … what the services' logs say
 *   doctor.c          the table of checks; what a finding is made with
 *   stack.c           services, containers, networks, drift
 *   gateway.c         the gateway: credentials, ports, log signs, clock
 *   host.c            engine, disk, state, alerts, settings, boot
 *   validate.c        a validation from its first point to its last
 *   validate_points.c the points that only look
 *   validate_tests.c  the points that act: alert, restart, cold start
 *   reach.h           the gateway as the bot sees it
 *   api/check.c       the control methods
 *
 * facts, as tradestackctl gives them (each part may be missing):
 *   {"compose": {"version": "2.32.4", "problem": ""},
 *    "files": {"names": "a.yml", "hashes": {SERVICE: HASH}, "problem": ""},
 *    "boot": [{"id", "holds": "yes"|"no"|"unknown", "what", "evidence", "cure"}],
 *    "listeners": [{"port", "address", "pid", "process"}]}
 * They concern nobody but the caller, who may tell what he likes.
 */
#ifndef TS_DAEMON_CHECKUP_H
#define TS_DAEMON_CHECKUP_H

#include <jansson.h>

#include "core/log_lines.h"
#include "core/remark.h"
#include "daemon.h"
#include "doctor/reach.h"

#define TS_CHECKUP_UNITS_MAX 64
#define TS_CHECKUP_MS        25000 /* what has not come by then could not be found out */
#define TS_MONITOR_SEEN_MAX  8

/* What the health monitor said last of a component. */
struct ts_monitor_seen {
    char component[TS_NAME_MAX];
    char status[32];
    char reason[32];
    ts_wall at;
};

struct ts_checkup_unit {
    struct ts_checkup *checkup;
    struct ts_unit *unit; /* valid while it is judged */
    char service[TS_NAME_MAX];
    enum ts_role role;
    bool has_container;
    bool seen; /* container and inspect are of now */
    struct ts_container container;
    json_t *inspect;   /* owned */
    char problem[200]; /* why it was not seen, or its log not read */
    bool log_read;
    struct ts_log_view view;  /* of the end of this run's log */
    struct ts_log_view start; /* bot: of its beginning */
    struct ts_monitor_seen monitor[TS_MONITOR_SEEN_MAX];
    size_t monitor_count;
    struct ts_engine_op *op;
    struct ts_logs *logs;
    struct ts_logs *head;
};

struct ts_checkup;
typedef void ts_checkup_done(void *ctx, struct ts_checkup *c);

struct ts_checkup {
    struct ts_daemon *daemon;
    json_t *facts; /* owned; NULL: none */
    ts_checkup_done *done;
    void *ctx;
    struct ts_timer *deadline;
    size_t waiting; /* for so many answers */
    bool late;      /* the deadline ended it */

    struct ts_checkup_unit *units; /* [unit_count] */
    size_t unit_count;
    struct ts_engine_op *op_details;
    struct ts_engine_op *op_running;
    struct ts_engine_op *op_images;
    bool described;
    struct ts_engine_details details;
    json_t *running; /* owned; NULL: not known */
    json_t *images;  /* owned; NULL: not known */

    bool wants_reach;
    struct ts_reach *reach;
    bool reach_asked; /* else reach_result.detail says why not */
    struct ts_reach_request reach_request;
    char reach_host[TS_TEXT_MAX];
    struct ts_reach_result reach_result;
};

/* Begins one; done runs once, in a later turn, and the checkup is still to be freed then. facts may
 * be NULL. NULL: TS_E_NOMEM. */
struct ts_checkup *ts_checkup_start(struct ts_daemon *d, const json_t *facts, bool wants_reach,
                                    ts_checkup_done *done, void *ctx,
                                    struct ts_error *err) TS_MUST_CHECK;
/* Ends what is under way, without done. NULL is fine; allowed inside done. */
void ts_checkup_free(struct ts_checkup *c);

/* For the files of this folder: an answer has come. */
void ts_checkup_answered(struct ts_checkup *c);
/* --- checkup_logs.c: the unit was inspected; reads its log, and answers when it is read */
void ts_checkup_read_log(struct ts_checkup_unit *u);

/* --- for those who judge */
/* The first unit of the role, or NULL. */
struct ts_checkup_unit *ts_checkup_role(struct ts_checkup *c, enum ts_role role);
struct ts_checkup_unit *ts_checkup_service(struct ts_checkup *c, const char *service);
const struct ts_svc *ts_checkup_state(const struct ts_checkup_unit *u);
const struct ts_svc_spec *ts_checkup_spec(const struct ts_checkup_unit *u);
bool ts_checkup_runs(const struct ts_checkup_unit *u);
/* A variable of the container; NULL if not set, or not seen. Borrowed. */
const char *ts_checkup_env(const struct ts_checkup_unit *u, const char *name);
/* Set, and to something. */
bool ts_checkup_env_given(const struct ts_checkup_unit *u, const char *name);
/* Takes out of text what the container's environment keeps as secrets. */
void ts_checkup_scrub(const struct ts_checkup_unit *u, char *text);
/* Where the bot is told to find the gateway. */
const char *ts_checkup_gateway_host(const struct ts_checkup_unit *bot);
uint16_t ts_checkup_gateway_port(const struct ts_checkup_unit *bot);

#endif
