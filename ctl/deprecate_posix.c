/* See deprecate.h. */
#include "deprecate.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/clock.h"

#define FILE_MAX ((size_t)1024 * 1024)
#define MARK     "# DEPRECATED:"

static bool read_file(int fd, struct ts_buf *out, struct ts_error *err)
{
    char chunk[8192];
    ssize_t n;
    while ((n = read(fd, chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR)) {
        if (n > 0 && !ts_buf_add(out, chunk, (size_t)n)) {
            return ts_error_set(err, TS_E_LIMIT, "the file is too long");
        }
    }
    return n == 0 || ts_error_errno(err, errno, "read");
}

static void write_header(const char *replaced_by, const char *reason, struct ts_buf *out)
{
    const struct ts_clock *clock = ts_clock_real();
    char at[TS_WALL_TEXT];
    ts_wall_format(clock->wall(clock->ctx), at);
    (void)ts_buf_addf(out,
                      MARK " This file is no longer used.\n"
                           "# Migrated to: %s\n"
                           "# Preserved for reference only.\n"
                           "# Date deprecated: %.10s\n"
                           "# Reason: %s\n\n",
                      replaced_by, at, reason);
}

/* Beside the file, then in its place. */
static bool replace(const char *path, const struct stat *st, const struct ts_buf *text,
                    struct ts_error *err)
{
    char beside[PATH_MAX + 16];
    (void)snprintf(beside, sizeof(beside), "%s.XXXXXX", path);
    int fd = mkostemp(beside, O_CLOEXEC);
    if (fd < 0) {
        return ts_error_errno(err, errno, "%s", beside);
    }
    size_t done = 0;
    bool ok = true;
    while (ok && done < text->len) {
        ssize_t n = write(fd, text->data + done, text->len - done);
        ok = n > 0 || (n < 0 && errno == EINTR);
        done += n > 0 ? (size_t)n : 0;
    }
    ok = ok && (fchown(fd, st->st_uid, st->st_gid) == 0 || errno == EPERM) &&
         fchmod(fd, st->st_mode & 07777) == 0 && fsync(fd) == 0 && rename(beside, path) == 0;
    if (!ok) {
        (void)ts_error_errno(err, errno, "write %s", path);
        (void)unlink(beside);
    }
    (void)close(fd);
    return ok;
}

bool ctl_deprecate(const char *path, const char *replaced_by, const char *reason, bool *ret_changed,
                   struct ts_error *err)
{
    char real[PATH_MAX];
    char reason_line[200];
    struct stat st;
    struct ts_buf old = ts_buf_init(FILE_MAX);
    struct ts_buf text = ts_buf_init(FILE_MAX + 8192);
    if (realpath(path, real) == NULL) { /* a link stays a link */
        return ts_error_errno(err, errno, "%s", path);
    }
    int fd = open(real, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return ts_error_errno(err, errno, "%s", real);
    }
    bool ok = (fstat(fd, &st) == 0 && S_ISREG(st.st_mode)) ||
              ts_error_set(err, TS_E_DENIED, "%s is no regular file", real);
    ok = ok && read_file(fd, &old, err);
    (void)close(fd);
    *ret_changed = ok && strncmp(ts_buf_text(&old), MARK, strlen(MARK)) != 0;
    if (ok && *ret_changed) {
        (void)snprintf(reason_line, sizeof(reason_line), "%.*s", (int)strcspn(reason, "\r\n"),
                       reason);
        write_header(replaced_by, reason_line, &text);
        (void)ts_buf_add(&text, ts_buf_text(&old), old.len);
        ok = (!text.failed || ts_error_nomem(err)) && replace(real, &st, &text, err);
    }
    ts_buf_done(&old);
    ts_buf_done(&text);
    return ok;
}
