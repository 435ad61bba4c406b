/* files_*.c: the file system below backup.c. */
#ifndef TS_BACKUP_INTERNAL_H
#define TS_BACKUP_INTERNAL_H

#include "backup/backup.h"
#include "base/buf.h"

#define TS_BACKUP_PATH 768

/* A folder that only we may enter. TS_E_CONFLICT: it is there already (no error with may_be). */
bool ts_backup_make_dir(const char *path, bool may_be, struct ts_error *err) TS_MUST_CHECK;
/* A new file that only we may read; on the disk when this returns true. */
bool ts_backup_put(const char *path, const char *bytes, size_t n,
                   struct ts_error *err) TS_MUST_CHECK;
/* Appends the whole file. TS_E_NOT_FOUND; TS_E_LIMIT; TS_E_DENIED: no regular file. */
bool ts_backup_get(const char *path, struct ts_buf *out, struct ts_error *err) TS_MUST_CHECK;
bool ts_backup_sync_dir(const char *path, struct ts_error *err) TS_MUST_CHECK;
bool ts_backup_rename(const char *from, const char *to, struct ts_error *err) TS_MUST_CHECK;
/* Names of what is in a folder, "." and ".." left out, in no order. A folder that is not there has
 * nothing. NULL on failure. */
json_t *ts_backup_read_dir(const char *path, struct ts_error *err) TS_MUST_CHECK;
/* Removes a folder with the files in it. What is not there is no error. */
bool ts_backup_remove_dir(const char *path, struct ts_error *err) TS_MUST_CHECK;

#endif
