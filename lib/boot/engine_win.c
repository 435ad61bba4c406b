/* See engine_win.h. */
#include "boot/engine_win.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/win.h"

#include <tlhelp32.h>
#include <wtsapi32.h>

#define WINLOGON "SOFTWARE\\Microsoft\\Windows NT\\CurrentVersion\\Winlogon"
#define DESKTOP  "SOFTWARE\\Docker Inc.\\Docker Desktop"
#define NPIPE    "npipe://"

/* --- services */

static enum ts_boot_service state_of(SC_HANDLE service, bool *ret_auto)
{
    union {
        QUERY_SERVICE_CONFIGA config;
        BYTE bytes[8192]; /* the most that the function asks for */
    } u;
    SERVICE_STATUS status;
    DWORD size = 0;
    bool known = QueryServiceConfigA(service, &u.config, sizeof(u), &size) != 0;
    *ret_auto = known && u.config.dwStartType == SERVICE_AUTO_START;
    if (!QueryServiceStatus(service, &status)) {
        return TS_BOOT_SERVICE_PENDING;
    }
    if (status.dwCurrentState == SERVICE_RUNNING) {
        return TS_BOOT_SERVICE_RUNNING;
    }
    if (status.dwCurrentState != SERVICE_STOPPED) {
        return TS_BOOT_SERVICE_PENDING;
    }
    return known && u.config.dwStartType == SERVICE_DISABLED ? TS_BOOT_SERVICE_DISABLED
                                                             : TS_BOOT_SERVICE_STOPPED;
}

enum ts_boot_service ts_boot_service(const char *name, bool *ret_auto)
{
    enum ts_boot_service state = TS_BOOT_SERVICE_NONE;
    bool automatic = false;
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service =
        manager == NULL ? NULL
                        : OpenServiceA(manager, name, SERVICE_QUERY_STATUS | SERVICE_QUERY_CONFIG);
    if (service != NULL) {
        state = state_of(service, &automatic);
        (void)CloseServiceHandle(service);
    }
    if (manager != NULL) {
        (void)CloseServiceHandle(manager);
    }
    if (ret_auto != NULL) {
        *ret_auto = automatic;
    }
    return state;
}

bool ts_boot_start_service(const char *name, struct ts_error *err)
{
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service = manager == NULL ? NULL : OpenServiceA(manager, name, SERVICE_START);
    bool ok = service != NULL && StartServiceA(service, 0, NULL) != 0;
    DWORD why = ok ? ERROR_SUCCESS : GetLastError();
    if (service != NULL) {
        (void)CloseServiceHandle(service);
    }
    if (manager != NULL) {
        (void)CloseServiceHandle(manager);
    }
    return ok || why == ERROR_SERVICE_ALREADY_RUNNING ||
           ts_error_win32(err, why, "start the service %s", name);
}

bool ts_boot_run_command(const char *command, struct ts_error *err)
{
    char line[1024];
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    PROCESS_INFORMATION process;
    if (!ts_copy(line, sizeof(line), command)) {
        return ts_error_set(err, TS_E_INVALID, "the start command is too long");
    }
    if (!CreateProcessA(NULL, line, NULL, NULL, FALSE,
                        CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP | CREATE_BREAKAWAY_FROM_JOB,
                        NULL, NULL, &startup, &process) &&
        !CreateProcessA(NULL, line, NULL, NULL, FALSE, CREATE_NO_WINDOW | CREATE_NEW_PROCESS_GROUP,
                        NULL, NULL, &startup, &process)) {
        return ts_error_win32(err, GetLastError(), "run \"%.100s\"", command);
    }
    (void)CloseHandle(process.hThread);
    (void)CloseHandle(process.hProcess);
    return true;
}

/* --- registry, sessions, processes */

static bool registry_text(const char *key, const char *name, char *out, DWORD size)
{
    out[0] = '\0';
    return RegGetValueA(HKEY_LOCAL_MACHINE, key, name, RRF_RT_REG_SZ, NULL, out, &size) ==
           ERROR_SUCCESS;
}

static bool registry_has(const char *key)
{
    HKEY opened;
    if (RegOpenKeyExA(HKEY_LOCAL_MACHINE, key, 0, KEY_READ, &opened) != ERROR_SUCCESS) {
        return false;
    }
    (void)RegCloseKey(opened);
    return true;
}

static bool has_autologon(void)
{
    char on[16];
    char user[256];
    return registry_text(WINLOGON, "AutoAdminLogon", on, sizeof(on)) && strcmp(on, "1") == 0 &&
           registry_text(WINLOGON, "DefaultUserName", user, sizeof(user)) && user[0] != '\0';
}

static bool somebody_is_logged_on(void)
{
    WTS_SESSION_INFOA *sessions = NULL;
    DWORD count = 0;
    bool found = false;
    if (!WTSEnumerateSessionsA(WTS_CURRENT_SERVER_HANDLE, 0, 1, &sessions, &count)) {
        return false;
    }
    for (DWORD i = 0; i < count && !found; i++) {
        LPSTR user = NULL;
        DWORD size = 0;
        if (WTSQuerySessionInformationA(WTS_CURRENT_SERVER_HANDLE, sessions[i].SessionId,
                                        WTSUserName, &user, &size)) {
            found = user != NULL && user[0] != '\0';
            WTSFreeMemory(user);
        }
    }
    WTSFreeMemory(sessions);
    return found;
}

static bool process_runs(const char *name)
{
    PROCESSENTRY32 entry = {.dwSize = sizeof(entry)};
    HANDLE list = CreateToolhelp32Snapshot(TH32CS_SNAPPROCESS, 0);
    bool found = false;
    if (list == INVALID_HANDLE_VALUE) {
        return false;
    }
    for (BOOL more = Process32First(list, &entry); more && !found;
         more = Process32Next(list, &entry)) {
        found = _stricmp(entry.szExeFile, name) == 0;
    }
    (void)CloseHandle(list);
    return found;
}

static bool desktop_is_installed(void)
{
    char program_files[MAX_PATH];
    char path[MAX_PATH + 64];
    if (registry_has(DESKTOP)) {
        return true;
    }
    DWORD n = GetEnvironmentVariableA("ProgramFiles", program_files, sizeof(program_files));
    if (n == 0 || n >= sizeof(program_files)) {
        return false;
    }
    (void)snprintf(path, sizeof(path), "%s\\Docker\\Docker\\Docker Desktop.exe", program_files);
    return GetFileAttributesA(path) != INVALID_FILE_ATTRIBUTES;
}

/* Looks in the list of pipes: opening one would take an instance of it. */
static bool pipe_is_there(const char *engine)
{
    char path[MAX_PATH];
    WIN32_FIND_DATAA found;
    if (!ts_win_path(path, sizeof(path), engine + strlen(NPIPE))) {
        return false;
    }
    const char *name = strrchr(path, '\\');
    HANDLE list = FindFirstFileA("\\\\.\\pipe\\*", &found);
    bool there = false;
    if (list == INVALID_HANDLE_VALUE || name == NULL) {
        return false;
    }
    do {
        there = _stricmp(found.cFileName, name + 1) == 0;
    } while (!there && FindNextFileA(list, &found));
    (void)FindClose(list);
    return there;
}

struct ts_boot_facts ts_boot_gather(const char *engine)
{
    struct ts_boot_facts f = {.remote = strncmp(engine, NPIPE, strlen(NPIPE)) != 0};
    f.pipe = !f.remote && pipe_is_there(engine);
    f.docker = ts_boot_service("docker", &f.docker_auto);
    f.helper = ts_boot_service("com.docker.service", NULL);
    f.wsl = ts_boot_service("WslService", NULL);
    if (f.wsl == TS_BOOT_SERVICE_NONE) {
        f.wsl = ts_boot_service("LxssManager", NULL);
    }
    f.desktop = desktop_is_installed();
    f.desktop_runs = process_runs("Docker Desktop.exe") || process_runs("com.docker.backend.exe");
    /* With Hyper-V's manager running, the other engine may be chosen: then nothing is said of WSL.
     */
    f.desktop_uses_wsl = f.desktop && ts_boot_service("vmms", NULL) != TS_BOOT_SERVICE_RUNNING;
    f.logged_on = somebody_is_logged_on();
    f.autologon = has_autologon();
    return f;
}
