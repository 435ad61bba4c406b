/* See backup_internal.h. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "backup/backup_internal.h"

bool ts_backup_make_dir(const char *path, bool may_be, struct ts_error *err)
{
    struct stat st;
    if (mkdir(path, 0700) == 0) {
        return true;
    }
    if (errno != EEXIST) {
        return ts_error_errno(err, errno, "make folder %s", path);
    }
    if (!may_be) {
        return ts_error_set(err, TS_E_CONFLICT, "%s is there already", path);
    }
    return (lstat(path, &st) == 0 && S_ISDIR(st.st_mode)) ||
           ts_error_set(err, TS_E_DENIED, "%s is no folder", path);
}

bool ts_backup_sync_dir(const char *path, struct ts_error *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC | O_NOFOLLOW);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok) {
        (void)ts_error_errno(err, errno, "%s", path);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool write_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t done = write(fd, bytes, n);
        if (done < 0 && errno == EINTR) {
            continue;
        }
        if (done <= 0) {
            return false;
        }
        bytes += done;
        n -= (size_t)done;
    }
    return true;
}

bool ts_backup_put(const char *path, const char *bytes, size_t n, struct ts_error *err)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0) {
        return ts_error_errno(err, errno, "%s", path);
    }
    bool ok = write_all(fd, bytes, n) && fsync(fd) == 0;
    if (!ok) {
        (void)ts_error_errno(err, errno, "write %s", path);
    }
    if (close(fd) != 0 && ok) {
        ok = ts_error_errno(err, errno, "close %s", path);
    }
    return ok;
}

bool ts_backup_get(const char *path, struct ts_buf *out, struct ts_error *err)
{
    char chunk[8192];
    struct stat st;
    ssize_t n = 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0) {
        return errno == ENOENT ? ts_error_set(err, TS_E_NOT_FOUND, "%s does not exist", path)
                               : ts_error_errno(err, errno, "%s", path);
    }
    bool ok = (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) ||
              ts_error_set(err, TS_E_DENIED, "%s is no regular file", path);
    while (ok && ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))) {
        ok = n < 0 || ts_buf_add(out, chunk, (size_t)n) ||
             ts_error_set(err, TS_E_LIMIT, "%s is too long", path);
    }
    if (ok && n < 0) {
        ok = ts_error_errno(err, errno, "read %s", path);
    }
    (void)close(fd);
    return ok;
}

bool ts_backup_rename(const char *from, const char *to, struct ts_error *err)
{
    return rename(from, to) == 0 || ts_error_errno(err, errno, "rename %s", from);
}

json_t *ts_backup_read_dir(const char *path, struct ts_error *err)
{
    DIR *dir = opendir(path);
    json_t *names = json_array();
    const struct dirent *entry;
    if (dir == NULL && errno != ENOENT) {
        (void)ts_error_errno(err, errno, "%s", path);
        json_decref(names);
        return NULL;
    }
    while (dir != NULL && (entry = readdir(dir)) != NULL) { /* NOLINT(concurrency-mt-unsafe) */
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) {
            (void)json_array_append_new(names, json_string(entry->d_name));
        }
    }
    if (dir != NULL) {
        (void)closedir(dir);
    }
    return names;
}

bool ts_backup_remove_dir(const char *path, struct ts_error *err)
{
    json_t *names = ts_backup_read_dir(path, err);
    size_t i;
    json_t *name;
    bool ok = names != NULL;
    json_array_foreach(names, i, name)
    {
        char file[TS_BACKUP_PATH + 256];
        (void)snprintf(file, sizeof(file), "%s/%s", path, json_string_value(name));
        ok = ok && (unlink(file) == 0 || ts_error_errno(err, errno, "remove %s", file));
    }
    json_decref(names);
    return ok &&
           (rmdir(path) == 0 || errno == ENOENT || ts_error_errno(err, errno, "remove %s", path));
}

int64_t ts_backup_room(const char *state_dir)
{
    struct statvfs s;
    return statvfs(state_dir, &s) == 0 ? (int64_t)s.f_bavail * (int64_t)s.f_frsize : INT64_MAX;
}
