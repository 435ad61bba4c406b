/* See backup_internal.h. */
#include <stdio.h>
#include <string.h>

#include "backup/backup_internal.h"
#include "base/win.h"

/* Who may enter is inherited from the state directory, which is checked (lib/store). */
bool ts_backup_make_dir(const char *path, bool may_be, struct ts_error *err)
{
    if (CreateDirectoryA(path, NULL)) {
        return true;
    }
    if (GetLastError() != ERROR_ALREADY_EXISTS) {
        return ts_error_win32(err, GetLastError(), "make folder %.120s", path);
    }
    DWORD attributes = GetFileAttributesA(path);
    bool is_dir =
        attributes != INVALID_FILE_ATTRIBUTES && (attributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
    if (!may_be) {
        return ts_error_set(err, TS_E_CONFLICT, "%.150s is there already", path);
    }
    return is_dir || ts_error_set(err, TS_E_DENIED, "%.150s is no folder", path);
}

/* NTFS keeps the order of what it writes about folders itself. */
bool ts_backup_sync_dir(const char *path, struct ts_error *err)
{
    (void)path;
    (void)err;
    return true;
}

bool ts_backup_put(const char *path, const char *bytes, size_t n, struct ts_error *err)
{
    HANDLE h = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, FILE_ATTRIBUTE_NORMAL, NULL);
    DWORD done = 0;
    if (h == INVALID_HANDLE_VALUE) {
        return ts_error_win32(err, GetLastError(), "%.150s", path);
    }
    bool ok = WriteFile(h, bytes, (DWORD)n, &done, NULL) && done == n && FlushFileBuffers(h);
    if (!ok) {
        (void)ts_error_win32(err, GetLastError(), "write %.150s", path);
    }
    (void)CloseHandle(h);
    return ok;
}

bool ts_backup_get(const char *path, struct ts_buf *out, struct ts_error *err)
{
    char chunk[8192];
    DWORD n = 0;
    bool ok = true;
    HANDLE h = CreateFileA(path, GENERIC_READ, FILE_SHARE_READ, NULL, OPEN_EXISTING,
                           FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    if (h == INVALID_HANDLE_VALUE) {
        DWORD why = GetLastError();
        return why == ERROR_FILE_NOT_FOUND || why == ERROR_PATH_NOT_FOUND
                   ? ts_error_set(err, TS_E_NOT_FOUND, "%.150s does not exist", path)
                   : ts_error_win32(err, why, "%.150s", path);
    }
    while (ok) {
        if (!ReadFile(h, chunk, sizeof(chunk), &n, NULL)) {
            ok = ts_error_win32(err, GetLastError(), "read %.150s", path);
        } else if (n == 0) {
            break;
        } else if (!ts_buf_add(out, chunk, n)) {
            ok = ts_error_set(err, TS_E_LIMIT, "%.150s is too long", path);
        }
    }
    (void)CloseHandle(h);
    return ok;
}

bool ts_backup_rename(const char *from, const char *to, struct ts_error *err)
{
    return MoveFileExA(from, to, MOVEFILE_WRITE_THROUGH) ||
           ts_error_win32(err, GetLastError(), "rename %.150s", from);
}

json_t *ts_backup_read_dir(const char *path, struct ts_error *err)
{
    char pattern[TS_BACKUP_PATH + 4];
    WIN32_FIND_DATAA found;
    json_t *names = json_array();
    (void)snprintf(pattern, sizeof(pattern), "%s/*", path);
    HANDLE h = FindFirstFileA(pattern, &found);
    if (h == INVALID_HANDLE_VALUE) {
        DWORD why = GetLastError();
        if (why == ERROR_FILE_NOT_FOUND || why == ERROR_PATH_NOT_FOUND) {
            return names;
        }
        (void)ts_error_win32(err, why, "%.150s", path);
        json_decref(names);
        return NULL;
    }
    do {
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0) {
            (void)json_array_append_new(names, json_string(found.cFileName));
        }
    } while (FindNextFileA(h, &found));
    (void)FindClose(h);
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
        ok =
            ok && (DeleteFileA(file) || ts_error_win32(err, GetLastError(), "remove %.150s", file));
    }
    json_decref(names);
    return ok && (RemoveDirectoryA(path) || GetLastError() == ERROR_FILE_NOT_FOUND ||
                  ts_error_win32(err, GetLastError(), "remove %.150s", path));
}

int64_t ts_backup_room(const char *state_dir)
{
    ULARGE_INTEGER left;
    return GetDiskFreeSpaceExA(state_dir, &left, NULL, NULL) && left.QuadPart <= INT64_MAX
               ? (int64_t)left.QuadPart
               : INT64_MAX;
}
