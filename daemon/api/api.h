/*
 * The control methods, as lib/control/io.tradestack.Supervisor.varlink describes them.
 *
 *   api.c             the table of methods, with who may call them; those that read
 *   change.c          those that change something: start, stop, hold, reload …
 *   stream.c          followers: of the status, of events, of logs
 *   safety.c          the interlock: approvals, resets, the audit trail
 *   check.c           doctor and validate; gameplan_check.h: a plan in a file
 *   move.c            up, migrate, rollback; move_follow.c: whoever watches them
 *   backup.c          backups
 */
#ifndef TS_DAEMON_API_H
#define TS_DAEMON_API_H

#include "daemon.h"

/* Adds a follower of the given kind; it goes with its client. */
enum ts_stream_kind { TS_STREAM_STATUS, TS_STREAM_EVENTS };
bool ts_stream_add(struct ts_daemon *d, struct ts_call *call, enum ts_stream_kind kind);
/* Once a turn: tells the followers of the status what changed. */
void ts_streams_turn(struct ts_daemon *d);
void ts_streams_tell(struct ts_daemon *d, enum ts_stream_kind kind, json_t *value);

void ts_api_follow_logs(void *ctx, struct ts_call *call, const json_t *parameters);

void ts_api_start_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_stop_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_restart_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_hold_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_unhold_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_reset_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_release_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_rescan_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_reload_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_alert_test_call(void *ctx, struct ts_call *call, const json_t *parameters);

/* --- move.c */
void ts_api_move_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_move_drop_call(void *ctx, struct ts_call *call, const json_t *parameters);
/* Orders that are being prepared end. */
void ts_api_move_free(struct ts_daemon *d);
/* --- backup.c */
void ts_api_backups_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_backup_show_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_backup_verify_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_backup_prune_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_rollback_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_move_accept_call(void *ctx, struct ts_call *call, const json_t *parameters);

/* --- move_follow.c */
/* Is an exchange on that concerns the service ("": any)? Then the call was answered. */
bool ts_api_move_refuses(struct ts_daemon *d, struct ts_call *call, const char *service);
/* A step began or is over: tells who follows. */
void ts_api_move_step(struct ts_move *m, const char *name, const char *text, bool done, bool ok,
                      const char *detail);
/* Begins to read the last lines of what failed. */
void ts_api_move_log(struct ts_move *m);
/* It is over, or halted: answers who waits. */
void ts_api_move_ended(struct ts_move *m);

/* --- safety.c */
void ts_api_safety_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_safety_reset_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_approve_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_confirm_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_revoke_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_approvals_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_audit_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_audit_verify_call(void *ctx, struct ts_call *call, const json_t *parameters);

/* --- check.c */
void ts_api_project_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_doctor_call(void *ctx, struct ts_call *call, const json_t *parameters);
void ts_api_validate_call(void *ctx, struct ts_call *call, const json_t *parameters);

/* Answers with the error Refused; the trail has it too. */
void ts_api_refuse(struct ts_daemon *d, struct ts_call *call, const char *service,
                   const char *reason, const char *cure);
/* Log, history and audit trail: who asked for what. */
void ts_api_log_command(struct ts_daemon *d, struct ts_call *call, const char *what,
                        const char *service);
/* The service named by a parameter, or SIZE_MAX after the call was answered with an error. */
size_t ts_api_service(struct ts_daemon *d, struct ts_call *call, const json_t *parameters);
void ts_api_failed(struct ts_call *call, const struct ts_error *err);

#endif
