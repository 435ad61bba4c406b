/* See file.h. */
#include "base/file.h"

#include <errno.h>
#include <sys/stat.h>

FILE *ts_file_open(const char *path)
{
    return fopen(path, "re");
}

bool ts_file_is_private(FILE *f, const char *path, struct ts_error *err)
{
    struct stat st;
    if (fstat(fileno(f), &st) != 0) {
        return ts_error_errno(err, errno, "stat %s", path);
    }
    if ((st.st_mode & 07) != 0) {
        return ts_error_set(err, TS_E_DENIED,
                            "%s: everybody may read this secret; chmod 0640 (or 0600) it", path);
    }
    return true;
}
