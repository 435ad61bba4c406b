/* The trail's file. */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "audit/audit_internal.h"

#define NAME "audit.jsonl"

static bool make_path(struct ts_audit_file *f, const char *dir, struct ts_error *err)
{
    int n = snprintf(f->path, sizeof(f->path), "%s/" NAME, dir);
    return (n > 0 && (size_t)n < sizeof(f->path)) ||
           ts_error_set(err, TS_E_INVALID, "%.100s…: path too long", dir);
}

static bool sync_dir(const char *dir, struct ts_error *err)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    bool ok = fd >= 0 && fsync(fd) == 0;
    if (!ok) {
        (void)ts_error_errno(err, errno, "%s", dir);
    }
    if (fd >= 0) {
        (void)close(fd);
    }
    return ok;
}

static bool check(struct ts_audit_file *f, struct ts_error *err)
{
    struct stat st;
    if (fstat(f->fd, &st) != 0) {
        return ts_error_errno(err, errno, "%s", f->path);
    }
    if (!S_ISREG(st.st_mode) || st.st_nlink != 1 || (st.st_mode & 022) != 0) {
        return ts_error_set(err, TS_E_DENIED,
                            "%s is no regular file of one name that only its owner may write",
                            f->path);
    }
    f->size = st.st_size;
    f->dev = st.st_dev;
    f->ino = st.st_ino;
    return true;
}

bool ts_audit_file_open(struct ts_audit_file *f, const char *dir, struct ts_error *err)
{
    f->fd = -1;
    if (!make_path(f, dir, err)) {
        return false;
    }
    f->fd = open(f->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK, 0600);
    if (f->fd < 0) {
        if (errno == ELOOP) {
            return ts_error_set(err, TS_E_DENIED, "%s is a symbolic link", f->path);
        }
        return ts_error_errno(err, errno, "%s", f->path);
    }
    if (!check(f, err) || !sync_dir(dir, err)) {
        ts_audit_file_close(f);
        return false;
    }
    return true;
}

void ts_audit_file_close(struct ts_audit_file *f)
{
    if (f->fd >= 0) {
        (void)close(f->fd);
        f->fd = -1;
    }
}

bool ts_audit_file_is_ours(const struct ts_audit_file *f, struct ts_error *err)
{
    struct stat st;
    if (lstat(f->path, &st) != 0) {
        return errno == ENOENT ? ts_error_set(err, TS_E_CONFLICT, "%s was removed", f->path)
                               : ts_error_errno(err, errno, "%s", f->path);
    }
    if (st.st_dev != f->dev || st.st_ino != f->ino) {
        return ts_error_set(err, TS_E_CONFLICT, "%s was replaced by another file", f->path);
    }
    if (st.st_size != f->size) {
        return ts_error_set(err, TS_E_CONFLICT,
                            "%s was changed by somebody else (%lld bytes, not %lld)", f->path,
                            (long long)st.st_size, (long long)f->size);
    }
    return true;
}

bool ts_audit_file_cut(struct ts_audit_file *f, int64_t size, struct ts_error *err)
{
    if (ftruncate(f->fd, size) != 0 || fdatasync(f->fd) != 0) {
        return ts_error_errno(err, errno, "%s", f->path);
    }
    f->size = size;
    return true;
}

bool ts_audit_file_append(struct ts_audit_file *f, const char *bytes, size_t n,
                          struct ts_error *err)
{
    struct ts_error ignored;
    int64_t before = f->size;
    ssize_t written = write(f->fd, bytes, n); /* a regular file: whole, or the disk is full */
    int why = written < 0 ? errno : ENOSPC;
    if (written == (ssize_t)n && fdatasync(f->fd) == 0) {
        f->size = before + (int64_t)n;
        return true;
    }
    why = written == (ssize_t)n ? errno : why;
    (void)!ts_audit_file_cut(f, before, &ignored); /* making room needs none */
    return ts_error_errno(err, why, "%s", f->path);
}

int64_t ts_audit_file_read(const struct ts_audit_file *f, int64_t at, char *out, size_t n,
                           struct ts_error *err)
{
    size_t got = 0;
    while (got < n) {
        ssize_t k = pread(f->fd, out + got, n - got, at + (int64_t)got);
        if (k < 0 && errno == EINTR) {
            continue;
        }
        if (k < 0) {
            (void)ts_error_errno(err, errno, "%s", f->path);
            return -1;
        }
        if (k == 0) {
            break;
        }
        got += (size_t)k;
    }
    return (int64_t)got;
}

bool ts_audit_move_aside(const char *dir, ts_wall now, char *ret_name, size_t size,
                         struct ts_error *err)
{
    struct ts_audit_file f = {.fd = -1};
    char to[TS_AUDIT_PATH + 48];
    char when[TS_WALL_TEXT];
    ts_wall_format(now, when);
    if (!make_path(&f, dir, err)) {
        return false;
    }
    (void)snprintf(ret_name, size, NAME ".damaged-%s", when);
    (void)snprintf(to, sizeof(to), "%s.damaged-%s", f.path, when);
    if (rename(f.path, to) != 0) {
        if (errno != ENOENT) {
            return ts_error_errno(err, errno, "rename %s", f.path);
        }
        (void)snprintf(ret_name, size, "nothing");
    }
    return sync_dir(dir, err);
}
