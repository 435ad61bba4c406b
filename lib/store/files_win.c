/* The state file as a file: where it may lie, who may read it, moving it aside. */
#include <stdio.h>
#include <string.h>

#include "base/win.h"
#include "store/store_internal.h"

#include <sddl.h>

#define FOLDER_WRITE (FILE_ADD_FILE | FILE_DELETE_CHILD | WRITE_DAC | WRITE_OWNER)

/* The system, administrators, and ourselves: nobody else. */
#define PRIVATE_SDDL "D:P(A;;FA;;;SY)(A;;FA;;;BA)(A;;FA;;;%s)"

bool ts_store_check_dir(const char *dir, struct ts_error *err)
{
    char who[128];
    DWORD attributes = GetFileAttributesA(dir);
    if (attributes == INVALID_FILE_ATTRIBUTES) {
        return ts_error_win32(err, GetLastError(), "state directory %.120s", dir);
    }
    if ((attributes & FILE_ATTRIBUTE_DIRECTORY) == 0) {
        return ts_error_set(err, TS_E_INVALID, "state directory %.150s: not a directory", dir);
    }
    HANDLE h =
        CreateFileA(dir, READ_CONTROL, FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                    OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    if (h == INVALID_HANDLE_VALUE) {
        return ts_error_win32(err, GetLastError(), "state directory %.120s", dir);
    }
    bool open = ts_acl_is_open(h, FOLDER_WRITE, who, sizeof(who));
    (void)CloseHandle(h);
    return !open ||
           ts_error_set(err, TS_E_DENIED,
                        "state directory %.100s: %s may write into it; take that away with "
                        "icacls",
                        dir, who[0] != '\0' ? who : "everybody");
}

bool ts_store_make_private(const char *path, struct ts_error *err)
{
    SECURITY_ATTRIBUTES security = {.nLength = sizeof(security)};
    char own[TS_SID_TEXT];
    char sddl[TS_SID_TEXT + sizeof(PRIVATE_SDDL)];
    ts_win_own_sid(own);
    (void)snprintf(sddl, sizeof(sddl), PRIVATE_SDDL, own[0] != '\0' ? own : "SY");
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(
            sddl, SDDL_REVISION_1, &security.lpSecurityDescriptor, NULL)) {
        return ts_error_win32(err, GetLastError(), "state file %.120s", path);
    }
    HANDLE h = CreateFileA(path, GENERIC_READ | GENERIC_WRITE | WRITE_DAC,
                           FILE_SHARE_READ | FILE_SHARE_WRITE, &security, OPEN_ALWAYS,
                           FILE_FLAG_OPEN_REPARSE_POINT, NULL);
    bool made = h != INVALID_HANDLE_VALUE && GetLastError() != ERROR_ALREADY_EXISTS;
    bool ok =
        h != INVALID_HANDLE_VALUE || ts_error_win32(err, GetLastError(), "state file %.120s", path);
    if (ok && !made) { /* it was there: rights that others had are taken away */
        ok = SetKernelObjectSecurity(h, DACL_SECURITY_INFORMATION, security.lpSecurityDescriptor) ||
             ts_error_win32(err, GetLastError(), "state file %.120s: set its access list", path);
    }
    if (h != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(h);
    }
    (void)LocalFree(security.lpSecurityDescriptor);
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
        if (!MoveFileExA(from, to, MOVEFILE_WRITE_THROUGH) &&
            GetLastError() != ERROR_FILE_NOT_FOUND) {
            return ts_error_win32(err, GetLastError(), "move damaged %.100s aside", from);
        }
    }
    return true;
}
