/* Facts about files and disks that the operating system tells. One implementation file a platform.
 */
#ifndef TS_DAEMON_FILES_H
#define TS_DAEMON_FILES_H

#include <stdbool.h>
#include <stdint.h>

/* What is free for us, and the whole, of the file system that holds the path. False: not known. */
bool ts_disk_space(const char *path, int64_t *ret_free_bytes, int64_t *ret_total_bytes);
/* The permission bits (07777) of a regular file. False: there is none, or it cannot be looked at.
 */
bool ts_file_mode(const char *path, unsigned *ret_mode);

#endif
