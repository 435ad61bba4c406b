/* What ran before an exchange, kept and given back. The format: lib/backup/backup.h. */
#ifndef TS_DAEMON_BACKUPS_H
#define TS_DAEMON_BACKUPS_H

#include "move/move.h"

/* Keeps what was gathered before the move begins, with files that the caller gave (name
 * -> text; borrowed, may be NULL); sets its backup's name. It has been read back and checked. */
bool ts_backups_capture(struct ts_move *m, json_t *what, json_t *files,
                        struct ts_error *err) TS_MUST_CHECK;

/* A backup's containers ([{"ran", "ours", "policy", "retries", "inspect"}]) and networks (name ->
 * inspect answer); both owned. */
bool ts_backups_load(struct ts_daemon *d, const char *name, json_t **ret_containers,
                     json_t **ret_networks, struct ts_error *err) TS_MUST_CHECK;

#endif
