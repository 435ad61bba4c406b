/* The trail's file. While it is open nobody else may write to it, rename or remove it: Windows
 * itself sees to that. */
#include <errno.h>
#include <fcntl.h>
#include <io.h>
#include <stdio.h>
#include <string.h>

#include "audit/audit_internal.h"
#include "base/win.h"

#define NAME  "audit.jsonl"
#define WRITE (FILE_WRITE_DATA | FILE_APPEND_DATA | WRITE_DAC | WRITE_OWNER)

static bool make_path(struct ts_audit_file *f, const char *dir, struct ts_error *err)
{
    int n = snprintf(f->path, sizeof(f->path), "%s/" NAME, dir);
    return (n > 0 && (size_t)n < sizeof(f->path)) ||
           ts_error_set(err, TS_E_INVALID, "%.100s…: path too long", dir);
}

static bool check(struct ts_audit_file *f, HANDLE h, struct ts_error *err)
{
    BY_HANDLE_FILE_INFORMATION info;
    char who[128];
    if (!GetFileInformationByHandle(h, &info)) {
        return ts_error_win32(err, GetLastError(), "%.120s", f->path);
    }
    if ((info.dwFileAttributes & (FILE_ATTRIBUTE_REPARSE_POINT | FILE_ATTRIBUTE_DIRECTORY)) != 0 ||
        info.nNumberOfLinks != 1 || ts_acl_is_open(h, WRITE, who, sizeof(who))) {
        return ts_error_set(err, TS_E_DENIED,
                            "%.120s is no regular file of one name that only its owner may write",
                            f->path);
    }
    f->size = (int64_t)(((uint64_t)info.nFileSizeHigh << 32) | info.nFileSizeLow);
    f->dev = info.dwVolumeSerialNumber;
    f->ino = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
    return true;
}

bool ts_audit_file_open(struct ts_audit_file *f, const char *dir, struct ts_error *err)
{
    f->fd = -1;
    if (!make_path(f, dir, err)) {
        return false;
    }
    HANDLE h = CreateFileA(f->path, GENERIC_READ | GENERIC_WRITE, FILE_SHARE_READ, NULL,
                           OPEN_ALWAYS, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (h == INVALID_HANDLE_VALUE) {
        return ts_error_win32(err, GetLastError(), "%.120s", f->path);
    }
    if (!check(f, h, err)) {
        (void)CloseHandle(h);
        return false;
    }
    f->fd = _open_osfhandle((intptr_t)h, _O_RDWR | _O_BINARY | _O_NOINHERIT);
    if (f->fd < 0) {
        (void)CloseHandle(h);
        return ts_error_errno(err, errno, "%.120s", f->path);
    }
    return true;
}

void ts_audit_file_close(struct ts_audit_file *f)
{
    if (f->fd >= 0) {
        (void)_close(f->fd);
        f->fd = -1;
    }
}

bool ts_audit_file_is_ours(const struct ts_audit_file *f, struct ts_error *err)
{
    BY_HANDLE_FILE_INFORMATION info = {.nNumberOfLinks = 0};
    HANDLE h = CreateFileA(f->path, FILE_READ_ATTRIBUTES,
                           FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                           OPEN_EXISTING, FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    DWORD why = h == INVALID_HANDLE_VALUE              ? GetLastError()
                : GetFileInformationByHandle(h, &info) ? ERROR_SUCCESS
                                                       : GetLastError();
    if (h != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(h);
    }
    if (why == ERROR_FILE_NOT_FOUND) {
        return ts_error_set(err, TS_E_CONFLICT, "%.120s was removed", f->path);
    }
    if (why != ERROR_SUCCESS) {
        return ts_error_win32(err, why, "%.120s", f->path);
    }
    int64_t size = (int64_t)(((uint64_t)info.nFileSizeHigh << 32) | info.nFileSizeLow);
    uint64_t ino = ((uint64_t)info.nFileIndexHigh << 32) | info.nFileIndexLow;
    if (info.dwVolumeSerialNumber != f->dev || ino != f->ino) {
        return ts_error_set(err, TS_E_CONFLICT, "%.120s was replaced by another file", f->path);
    }
    return size == f->size ||
           ts_error_set(err, TS_E_CONFLICT,
                        "%.120s was changed by somebody else (%lld bytes, not %lld)", f->path,
                        (long long)size, (long long)f->size);
}

bool ts_audit_file_cut(struct ts_audit_file *f, int64_t size, struct ts_error *err)
{
    int why = _chsize_s(f->fd, size);
    if (why != 0 || _commit(f->fd) != 0) {
        return ts_error_errno(err, why != 0 ? why : errno, "%.120s", f->path);
    }
    f->size = size;
    return true;
}

bool ts_audit_file_append(struct ts_audit_file *f, const char *bytes, size_t n,
                          struct ts_error *err)
{
    struct ts_error ignored;
    int64_t before = f->size;
    int written = _lseeki64(f->fd, before, SEEK_SET) == before && n <= INT32_MAX
                      ? _write(f->fd, bytes, (unsigned)n)
                      : -1;
    int why = written < 0 ? errno : ENOSPC;
    if (written >= 0 && (size_t)written == n) {
        if (_commit(f->fd) == 0) {
            f->size = before + (int64_t)n;
            return true;
        }
        why = errno;
    }
    (void)!ts_audit_file_cut(f, before, &ignored); /* making room needs none */
    return ts_error_errno(err, why, "%.120s", f->path);
}

int64_t ts_audit_file_read(const struct ts_audit_file *f, int64_t at, char *out, size_t n,
                           struct ts_error *err)
{
    size_t got = 0;
    if (_lseeki64(f->fd, at, SEEK_SET) != at) {
        (void)ts_error_errno(err, errno, "%.120s", f->path);
        return -1;
    }
    while (got < n) {
        size_t want = n - got > INT32_MAX ? INT32_MAX : n - got;
        int k = _read(f->fd, out + got, (unsigned)want);
        if (k < 0) {
            (void)ts_error_errno(err, errno, "%.120s", f->path);
            return -1;
        }
        if (k == 0) {
            break;
        }
        got += (size_t)k;
    }
    return (int64_t)got;
}

/* ":" cannot stand in a name here. */
static void for_a_name(char *text)
{
    for (; *text != '\0'; text++) {
        *text = (char)(*text == ':' ? '-' : *text);
    }
}

bool ts_audit_move_aside(const char *dir, ts_wall now, char *ret_name, size_t size,
                         struct ts_error *err)
{
    struct ts_audit_file f = {.fd = -1};
    char to[TS_AUDIT_PATH + 48];
    char when[TS_WALL_TEXT];
    ts_wall_format(now, when);
    for_a_name(when);
    if (!make_path(&f, dir, err)) {
        return false;
    }
    (void)snprintf(ret_name, size, NAME ".damaged-%s", when);
    (void)snprintf(to, sizeof(to), "%s.damaged-%s", f.path, when);
    if (!MoveFileExA(f.path, to, MOVEFILE_WRITE_THROUGH)) {
        if (GetLastError() != ERROR_FILE_NOT_FOUND) {
            return ts_error_win32(err, GetLastError(), "rename %.120s", f.path);
        }
        (void)snprintf(ret_name, size, "nothing");
    }
    return true;
}
