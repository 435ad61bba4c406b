/*
 * Backups: what ran, kept in folders of a state directory, so that exactly that can be put back
 * when the files that described it have changed or are gone.
 *
 * <state>/backups/<name>/, mode 0700, files 0600 (they hold containers' environments, and so
 * secrets): manifest.json   what it is: {"version": 1, "at", "kind", "project", "note": any JSON of
 * the caller, "files": [{"name", "bytes", "sha256"}]} the files       as given A backup appears
 * whole or not at all: it is written under another name, synced and renamed. Private to one
 * process; no locks.
 */
#ifndef TS_BACKUP_BACKUP_H
#define TS_BACKUP_BACKUP_H

#include <jansson.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

#define TS_BACKUP_NAME      64 /* NUL included; [A-Za-z0-9._-]+, not beginning with a dot */
#define TS_BACKUP_FILES_MAX 512
#define TS_BACKUP_FILE_MAX  ((size_t)4 * 1024 * 1024) /* bytes of one file */
#define TS_BACKUPS_MAX      1000                      /* that are listed */

struct ts_backup_file {
    const char *name; /* like a backup's; not manifest.json */
    const char *bytes;
    size_t len;
};

struct ts_backup_order {
    ts_wall at;
    const char *kind; /* "rollout", …; part of the name */
    const char *project;
    const json_t *note; /* borrowed; NULL: none */
    const struct ts_backup_file *files;
    size_t file_count;
};

/* Writes one, then reads it back and checks it. ret_name: "20261125T145246Z-migrate", with "-2", …
 * behind it if that is taken. TS_E_LIMIT, TS_E_INVALID (a name), TS_E_SYSTEM, TS_E_NOMEM. */
bool ts_backup_write(const char *state_dir, const struct ts_backup_order *order,
                     char ret_name[TS_BACKUP_NAME], struct ts_error *err) TS_MUST_CHECK;

/* The names, oldest first, as an array of strings (owned). NULL on failure; [] if there are none.
 */
json_t *ts_backup_list(const char *state_dir, struct ts_error *err) TS_MUST_CHECK;

/* The manifest (owned). TS_E_NOT_FOUND; TS_E_PROTOCOL: it makes no sense; TS_E_INVALID (the name).
 */
json_t *ts_backup_manifest(const char *state_dir, const char *name,
                           struct ts_error *err) TS_MUST_CHECK;
/* Checks every file against the manifest. False: the first that is missing, changed or cannot be
 * read, in *err. */
bool ts_backup_verify(const char *state_dir, const char *name, struct ts_error *err) TS_MUST_CHECK;
/* A file, checked against the manifest, as JSON (owned). */
json_t *ts_backup_json(const char *state_dir, const char *name, const char *file,
                       struct ts_error *err) TS_MUST_CHECK;
bool ts_backup_remove(const char *state_dir, const char *name, struct ts_error *err) TS_MUST_CHECK;

bool ts_backup_is_name(const char *name);

/* Bytes that are free where backups lie; INT64_MAX if that cannot be found out. */
int64_t ts_backup_room(const char *state_dir);

#endif
