/* The state file as a file: where it may lie, who may read it, moving it aside. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "store/store_internal.h"

bool ts_store_check_dir(const char *dir, struct ts_error *err)
{
    struct stat st;
    if (stat(dir, &st) != 0) {
        return ts_error_errno(err, errno, "state directory %.150s", dir);
    }
    if (!S_ISDIR(st.st_mode)) {
        return ts_error_set(err, TS_E_INVALID, "state directory %.150s: not a directory", dir);
    }
    if ((st.st_mode & S_IWOTH) != 0) {
        return ts_error_set(err, TS_E_DENIED,
                            "state directory %.150s: everybody may write into it; chmod o-w it",
                            dir);
    }
    return true;
}

bool ts_store_make_private(const char *path, struct ts_error *err)
{
    int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return ts_error_errno(err, errno, "state file %.150s", path);
    }
    bool ok = fchmod(fd, 0600) == 0 || ts_error_errno(err, errno, "state file %.150s: chmod", path);
    (void)close(fd);
    return ok;
}

bool ts_store_move_aside(const char *path, ts_wall now, struct ts_error *err)
{
    static const char *const suffixes[] = {"", "-wal", "-shm"};
    for (size_t i = 0; i < TS_ARRAY_LEN(suffixes); i++) {
        char from[600];
        char to[640];
        (void)snprintf(from, sizeof(from), "%.512s%s", path, suffixes[i]);
        (void)snprintf(to, sizeof(to), "%.512s.damaged-%lld%s", path, (long long)(now.ms / 1000),
                       suffixes[i]);
        if (rename(from, to) != 0 && errno != ENOENT) {
            return ts_error_errno(err, errno, "move damaged %.150s aside", from);
        }
    }
    return true;
}
