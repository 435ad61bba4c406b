/* See files.h. */
#include "platform/files.h"

#include <sys/stat.h>
#include <sys/statvfs.h>

bool ts_disk_space(const char *path, int64_t *ret_free_bytes, int64_t *ret_total_bytes)
{
    struct statvfs s;
    if (statvfs(path, &s) != 0 || s.f_blocks == 0) {
        return false;
    }
    *ret_free_bytes = (int64_t)s.f_bavail * (int64_t)s.f_frsize;
    *ret_total_bytes = (int64_t)s.f_blocks * (int64_t)s.f_frsize;
    return true;
}

bool ts_file_mode(const char *path, unsigned *ret_mode)
{
    struct stat s;
    if (stat(path, &s) != 0 || !S_ISREG(s.st_mode)) {
        return false;
    }
    *ret_mode = (unsigned)s.st_mode & 07777U;
    return true;
}
