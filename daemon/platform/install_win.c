/*
 * "tradestackd service WORD": what an administrator does by hand, and the MSI through `configure`.
 * The service starts automatically and not delayed: Windows promises no time for delayed services,
 * and tradestackd itself waits for the engine.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <getopt.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/usual.h"
#include "config/config.h"
#include "platform/service_win.h"

#include <aclapi.h>
#include <sddl.h>

#define WAIT_MS   60000 /* for a start; a stop may take the stack's graces */
#define STOP_MS   240000
#define SLICE_MS  200
#define RESET_S   (24 * 60 * 60) /* failures are forgotten after a day without one */
#define DATA_SDDL "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;%s)"

struct options {
    const char *config;
    const char *account;
    bool json;
};

static int failed(const char *what, const struct ts_error *err)
{
    (void)fprintf(stderr, "tradestackd: service %s: %s\n", what, err->msg);
    if (err->detail == ERROR_ACCESS_DENIED) {
        (void)fprintf(stderr, "  run it as an administrator (\"Run as administrator\")\n");
    } else if (err->detail == ERROR_SERVICE_DOES_NOT_EXIST) {
        (void)fprintf(stderr, "  install it first: tradestackd service install\n");
    }
    return EXIT_FAILURE;
}

/* --- handles */

struct scm {
    SC_HANDLE manager;
    SC_HANDLE service;
};

static void close_scm(struct scm *s)
{
    if (s->service != NULL) {
        (void)CloseServiceHandle(s->service);
    }
    if (s->manager != NULL) {
        (void)CloseServiceHandle(s->manager);
    }
}

static bool open_service(struct scm *s, DWORD rights, struct ts_error *err)
{
    s->service = NULL;
    s->manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    if (s->manager != NULL) {
        s->service = OpenServiceA(s->manager, TS_SERVICE_NAME, rights);
    }
    return s->service != NULL || ts_error_win32(err, GetLastError(), "open the service");
}

/* --- what the service is made with */

static bool set_recovery(SC_HANDLE service, struct ts_error *err)
{
    char description[] = "Starts, watches and restarts the containers of the trading stack.";
    SC_ACTION actions[] = {
        {SC_ACTION_RESTART, 5000}, {SC_ACTION_RESTART, 30000}, {SC_ACTION_RESTART, 60000}};
    char nothing[] = "";
    char privileges[] = "SeChangeNotifyPrivilege\0";
    struct {
        DWORD level;
        union {
            SERVICE_FAILURE_ACTIONSA failure;
            SERVICE_FAILURE_ACTIONS_FLAG flag;
            SERVICE_PRESHUTDOWN_INFO preshutdown;
            SERVICE_DESCRIPTIONA description;
            SERVICE_SID_INFO sid;
            SERVICE_REQUIRED_PRIVILEGES_INFOA privileges;
        } u;
        bool must;
    } rows[] = {
        {SERVICE_CONFIG_FAILURE_ACTIONS,
         {.failure = {RESET_S, nothing, nothing, TS_ARRAY_LEN(actions), actions}},
         true},
        /* Also when it ends by itself with an error, not only when it crashes. */
        {SERVICE_CONFIG_FAILURE_ACTIONS_FLAG, {.flag = {TRUE}}, false},
        {SERVICE_CONFIG_PRESHUTDOWN_INFO, {.preshutdown = {TS_SERVICE_PRESHUTDOWN_MS}}, true},
        {SERVICE_CONFIG_DESCRIPTION, {.description = {description}}, false},
        {SERVICE_CONFIG_SERVICE_SID_INFO, {.sid = {SERVICE_SID_TYPE_UNRESTRICTED}}, false},
        {SERVICE_CONFIG_REQUIRED_PRIVILEGES_INFO, {.privileges = {privileges}}, false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (!ChangeServiceConfig2A(service, rows[i].level, &rows[i].u) && rows[i].must) {
            return ts_error_win32(err, GetLastError(), "set how the service recovers and stops");
        }
    }
    return true;
}

/* The SID of the account that the service runs as, for access lists. */
static bool account_sid(const char *account, char out[TS_SID_TEXT])
{
    union {
        SID sid;
        unsigned char bytes[SECURITY_MAX_SID_SIZE];
    } u;
    char domain[256];
    DWORD size = sizeof(u);
    DWORD domain_size = sizeof(domain);
    SID_NAME_USE use;
    char *text = NULL;
    bool ok = LookupAccountNameA(NULL, account, &u, &size, domain, &domain_size, &use) &&
              ConvertSidToStringSidA(&u.sid, &text) && ts_copy(out, TS_SID_TEXT, text);
    (void)LocalFree(text);
    if (!ok) { /* LocalSystem has no such name; it is in the list anyway */
        (void)snprintf(out, TS_SID_TEXT, "SY");
    }
    return ok;
}

/* Only the system, administrators and the service: configuration, secrets, state. */
static bool make_private(const char *dir, const char *sid, struct ts_error *err)
{
    char sddl[TS_SID_TEXT + 64];
    char path[MAX_PATH];
    SECURITY_ATTRIBUTES security = {.nLength = sizeof(security)};
    PACL list = NULL;
    BOOL present = FALSE;
    BOOL defaulted = FALSE;
    (void)snprintf(sddl, sizeof(sddl), DATA_SDDL, sid);
    if (!ts_win_path(path, sizeof(path), dir) ||
        !ConvertStringSecurityDescriptorToSecurityDescriptorA(
            sddl, SDDL_REVISION_1, &security.lpSecurityDescriptor, NULL)) {
        return ts_error_win32(err, GetLastError(), "folder %.120s", dir);
    }
    bool ok = CreateDirectoryA(path, &security) || GetLastError() == ERROR_ALREADY_EXISTS;
    DWORD why = ok ? ERROR_SUCCESS : GetLastError();
    if (ok &&
        GetSecurityDescriptorDacl(security.lpSecurityDescriptor, &present, &list, &defaulted)) {
        why = SetNamedSecurityInfoA(path, SE_FILE_OBJECT,
                                    DACL_SECURITY_INFORMATION | PROTECTED_DACL_SECURITY_INFORMATION,
                                    NULL, NULL, list, NULL);
    }
    (void)LocalFree(security.lpSecurityDescriptor);
    return why == ERROR_SUCCESS || ts_error_win32(err, why, "folder %.120s", dir);
}

static bool own_path(char *out, DWORD size, struct ts_error *err)
{
    DWORD n = GetModuleFileNameA(NULL, out, size);
    return (n > 0 && n < size) || ts_error_win32(err, GetLastError(), "find this program's path");
}

/* The folder of a path, without the slash. */
static void folder_of(const char *path, char *out, size_t size)
{
    ts_copy_cut(out, size, path);
    char *last = out;
    for (char *at = out; *at != '\0'; at++) {
        if (*at == '/' || *at == '\\') {
            last = at;
        }
    }
    *last = '\0';
}

/* A first configuration, with everything explained, if there is none. Safe before any edit. */
static bool make_config(const char *path, struct ts_error *err)
{
    size_t len = 0;
    DWORD n = 0;
    const char *text = ts_config_sample(&len);
    HANDLE h = CreateFileA(path, GENERIC_WRITE, 0, NULL, CREATE_NEW, 0, NULL);
    DWORD why = h == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    if (why == ERROR_FILE_EXISTS) {
        return true;
    }
    if (why == ERROR_SUCCESS) {
        why = WriteFile(h, text, (DWORD)len, &n, NULL) ? ERROR_SUCCESS : GetLastError();
        (void)CloseHandle(h);
    }
    return why == ERROR_SUCCESS || ts_error_win32(err, why, "write %.120s", path);
}

static bool prepare(const struct options *o, struct ts_error *err)
{
    char program[MAX_PATH];
    char sid[TS_SID_TEXT];
    char dir[MAX_PATH];
    struct scm s;
    (void)account_sid(o->account, sid);
    folder_of(o->config, dir, sizeof(dir));
    if (!own_path(program, sizeof(program), err) || !ts_eventlog_register(program, err) ||
        !make_private(dir, sid, err) || !make_config(o->config, err) ||
        (strcmp(o->config, TS_USUAL_CONFIG) == 0 && !make_private(TS_USUAL_STATE_DIR, sid, err))) {
        return false;
    }
    bool ok = open_service(&s, SERVICE_CHANGE_CONFIG | SERVICE_START, err) &&
              set_recovery(s.service, err);
    close_scm(&s);
    return ok;
}

/* --- the words */

static int install(const struct options *o)
{
    struct ts_error err;
    char program[MAX_PATH];
    char command[2 * MAX_PATH + 64];
    struct scm s = {.manager =
                        OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT | SC_MANAGER_CREATE_SERVICE)};
    bool is_system = _stricmp(o->account, "LocalSystem") == 0;
    if (s.manager == NULL) {
        (void)ts_error_win32(&err, GetLastError(), "open the service manager");
        return failed("install", &err);
    }
    bool ok = own_path(program, sizeof(program), &err);
    bool usual = strcmp(o->config, TS_USUAL_CONFIG) == 0; /* need not be there */
    (void)snprintf(command, sizeof(command), "\"%s\" --service%s%s%s", program,
                   usual ? "" : " --config \"", usual ? "" : o->config, usual ? "" : "\"");
    if (ok) {
        s.service =
            CreateServiceA(s.manager, TS_SERVICE_NAME, TS_SERVICE_DISPLAY, SERVICE_ALL_ACCESS,
                           SERVICE_WIN32_OWN_PROCESS, SERVICE_AUTO_START, SERVICE_ERROR_NORMAL,
                           command, NULL, NULL, NULL, is_system ? NULL : o->account, NULL);
        ok = s.service != NULL || ts_error_win32(&err, GetLastError(), "make the service");
    }
    close_scm(&s);
    if (!ok || !prepare(o, &err)) {
        return failed("install", &err);
    }
    (void)printf("installed: %s, as %s; start it: tradestackd service start\n", command,
                 o->account);
    return EXIT_SUCCESS;
}

static int configure(const struct options *o)
{
    struct ts_error err;
    return prepare(o, &err) ? EXIT_SUCCESS : failed("configure", &err);
}

/* Waits until the service is in the state. */
static bool wait_for(SC_HANDLE service, DWORD state, DWORD most_ms, struct ts_error *err)
{
    SERVICE_STATUS status = {.dwCurrentState = 0};
    const struct ts_clock *clock = ts_clock_real();
    const ts_mono deadline = ts_mono_add(clock->mono(NULL), most_ms);
    while (QueryServiceStatus(service, &status)) {
        if (status.dwCurrentState == state) {
            return true;
        }
        if (state == SERVICE_RUNNING && status.dwCurrentState == SERVICE_STOPPED) {
            return ts_error_set(err, TS_E_SYSTEM,
                                "it ended at once; see: " TS_USUAL_SERVICE_LOG
                                ", and tradestackd --check --config FILE");
        }
        if (ts_mono_reached(deadline, clock->mono(NULL))) {
            return ts_error_set(err, TS_E_TIMEOUT, "it did not get there within %lu s",
                                most_ms / 1000);
        }
        Sleep(SLICE_MS);
    }
    return ts_error_win32(err, GetLastError(), "ask how the service does");
}

static int start(const struct options *o)
{
    struct ts_error err;
    struct scm s;
    (void)o;
    bool ok = open_service(&s, SERVICE_START | SERVICE_QUERY_STATUS, &err);
    if (ok && !StartServiceA(s.service, 0, NULL) &&
        GetLastError() != ERROR_SERVICE_ALREADY_RUNNING) {
        ok = ts_error_win32(&err, GetLastError(), "start the service");
    }
    ok = ok && wait_for(s.service, SERVICE_RUNNING, WAIT_MS, &err);
    close_scm(&s);
    return ok ? EXIT_SUCCESS : failed("start", &err);
}

static bool stop_it(struct ts_error *err)
{
    struct scm s;
    SERVICE_STATUS status;
    bool ok = open_service(&s, SERVICE_STOP | SERVICE_QUERY_STATUS, err);
    if (ok && !ControlService(s.service, SERVICE_CONTROL_STOP, &status) &&
        GetLastError() != ERROR_SERVICE_NOT_ACTIVE &&
        GetLastError() != ERROR_SERVICE_CANNOT_ACCEPT_CTRL) {
        ok = ts_error_win32(err, GetLastError(), "stop the service");
    }
    ok = ok && wait_for(s.service, SERVICE_STOPPED, STOP_MS, err);
    close_scm(&s);
    return ok;
}

static int stop(const struct options *o)
{
    struct ts_error err;
    (void)o;
    return stop_it(&err) ? EXIT_SUCCESS : failed("stop", &err);
}

static int restart(const struct options *o)
{
    struct ts_error err;
    return stop_it(&err) ? start(o) : failed("restart", &err);
}

static int tell(const char *word, DWORD rights, DWORD code)
{
    struct ts_error err;
    struct scm s;
    SERVICE_STATUS status;
    bool ok = open_service(&s, rights, &err) &&
              (ControlService(s.service, code, &status) ||
               ts_error_win32(&err, GetLastError(), "tell the service"));
    close_scm(&s);
    return ok ? EXIT_SUCCESS : failed(word, &err);
}

static int reload(const struct options *o)
{
    (void)o;
    return tell("reload", SERVICE_PAUSE_CONTINUE, SERVICE_CONTROL_PARAMCHANGE);
}

static int shut_down(const struct options *o)
{
    struct ts_error err;
    struct scm s;
    (void)o;
    int code = tell("shutdown", SERVICE_USER_DEFINED_CONTROL, TS_SERVICE_SHUT_DOWN);
    if (code != EXIT_SUCCESS) {
        return code;
    }
    bool ok = open_service(&s, SERVICE_QUERY_STATUS, &err) &&
              wait_for(s.service, SERVICE_STOPPED, STOP_MS, &err);
    close_scm(&s);
    return ok ? EXIT_SUCCESS : failed("shutdown", &err);
}

static int look(const struct options *o)
{
    (void)o;
    return tell("look", SERVICE_USER_DEFINED_CONTROL, TS_SERVICE_LOOK);
}

static int uninstall(const struct options *o)
{
    struct ts_error err;
    struct scm s;
    (void)o;
    if (!stop_it(&err) && err.detail == ERROR_SERVICE_DOES_NOT_EXIST) {
        return failed("uninstall", &err);
    }
    bool ok =
        open_service(&s, DELETE, &err) &&
        (DeleteService(s.service) || ts_error_win32(&err, GetLastError(), "remove the service"));
    close_scm(&s);
    ok = ok && ts_eventlog_unregister(&err);
    if (!ok) {
        return failed("uninstall", &err);
    }
    (void)printf("removed; configuration and state are left in %s\n",
                 "C:\\ProgramData\\tradestack");
    return EXIT_SUCCESS;
}

/* A folder with all that is in it; a link is removed, not followed. */
static bool remove_tree(const char *path)
{
    char inside[MAX_PATH + 64];
    WIN32_FIND_DATAA found;
    (void)snprintf(inside, sizeof(inside), "%s\\*", path);
    HANDLE list = FindFirstFileA(inside, &found);
    bool ok = true;
    for (BOOL more = list != INVALID_HANDLE_VALUE; more; more = FindNextFileA(list, &found)) {
        bool is_dir = (found.dwFileAttributes & FILE_ATTRIBUTE_DIRECTORY) != 0;
        bool is_link = (found.dwFileAttributes & FILE_ATTRIBUTE_REPARSE_POINT) != 0;
        if (strcmp(found.cFileName, ".") == 0 || strcmp(found.cFileName, "..") == 0) {
            continue;
        }
        int n = snprintf(inside, sizeof(inside), "%s\\%s", path, found.cFileName);
        ok = n > 0 && (size_t)n < sizeof(inside) &&
             (is_dir && !is_link ? remove_tree(inside)
              : is_dir           ? RemoveDirectoryA(inside) != 0
                                 : DeleteFileA(inside) != 0) &&
             ok;
    }
    if (list != INVALID_HANDLE_VALUE) {
        (void)FindClose(list);
    }
    return RemoveDirectoryA(path) && ok;
}

/* What an uninstallation leaves: configuration, secrets, state, audit trail. */
static int purge(const struct options *o)
{
    struct ts_error err;
    char config[MAX_PATH];
    char dir[MAX_PATH];
    (void)o;
    (void)stop_it(&err); /* there may be none */
    folder_of(TS_USUAL_CONFIG, dir, sizeof(dir));
    if (!ts_win_path(config, sizeof(config), dir) || !remove_tree(config)) {
        (void)ts_error_win32(&err, GetLastError(), "remove all of %s", dir);
        return failed("purge", &err);
    }
    return EXIT_SUCCESS;
}

static const char *state_name(DWORD state)
{
    static const char *const names[] = {"unknown",       "stopped", "start-pending",
                                        "stop-pending",  "running", "continue-pending",
                                        "pause-pending", "paused"};
    return state < TS_ARRAY_LEN(names) ? names[state] : names[0];
}

/* 0: runs; 3: does not; 4: there is none. As `systemctl status`. */
static int status(const struct options *o)
{
    struct ts_error err;
    struct scm s;
    union {
        SERVICE_STATUS_PROCESS status;
        BYTE bytes[sizeof(SERVICE_STATUS_PROCESS)];
    } u = {.status = {.dwCurrentState = 0}};
    DWORD n = 0;
    bool ok = open_service(&s, SERVICE_QUERY_STATUS, &err) &&
              (QueryServiceStatusEx(s.service, SC_STATUS_PROCESS_INFO, u.bytes, sizeof(u), &n) ||
               ts_error_win32(&err, GetLastError(), "ask how the service does"));
    close_scm(&s);
    if (!ok) {
        (void)failed("status", &err);
        return err.detail == ERROR_SERVICE_DOES_NOT_EXIST ? 4 : EXIT_FAILURE;
    }
    (void)printf(o->json ? "{\"service\":\"%s\",\"state\":\"%s\",\"pid\":%lu,\"exit_code\":%lu}\n"
                         : "%s: %s (pid %lu, last exit code %lu)\n",
                 TS_SERVICE_NAME, state_name(u.status.dwCurrentState), u.status.dwProcessId,
                 u.status.dwWin32ExitCode);
    return u.status.dwCurrentState == SERVICE_RUNNING ? EXIT_SUCCESS : 3;
}

static const struct {
    const char *word;
    int (*run)(const struct options *o);
    const char *help;
} words[] = {
    {"install", install,
     "make the service, its event source and its folders (--config, --account)"},
    {"uninstall", uninstall, "stop and remove it; configuration and state stay"},
    {"start", start, "start it and wait until it runs"},
    {"stop", stop, "stop it and wait; containers run on unless stop_on_exit is set"},
    {"restart", restart, "stop and start it; containers run on"},
    {"shutdown", shut_down, "stop the stack in order, then it: as at a shutdown (for UPS scripts)"},
    {"reload", reload, "read the configuration anew"},
    {"look", look, "look at the engine and all containers anew, as after sleep"},
    {"status", status, "how it does (--json); exit status 0 runs, 3 does not, 4 there is none"},
    {"purge", purge, "remove configuration, secrets, state and audit trail, for good"},
    {"configure", configure, "set recovery, shutdown time, event source and folders anew"},
};

static int usage(FILE *f)
{
    (void)fprintf(f, "Usage: tradestackd service WORD [options]\n\nWords:\n");
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        (void)fprintf(f, "  %-10s %s\n", words[i].word, words[i].help);
    }
    (void)fprintf(f, "\nOptions:\n"
                     "  --config FILE   the configuration (default " TS_USUAL_CONFIG ")\n"
                     "  --account NAME  who it runs as (default \"" TS_SERVICE_ACCOUNT
                     "\", a virtual\n"
                     "                  account without rights of its own; or LocalSystem)\n"
                     "  --json          status as JSON\n");
    return f == stdout ? EXIT_SUCCESS : 2;
}

int ts_service_command(int argc, char **argv)
{
    static const struct option table[] = {{"config", required_argument, NULL, 'c'},
                                          {"account", required_argument, NULL, 'a'},
                                          {"json", no_argument, NULL, 'j'},
                                          {"help", no_argument, NULL, 'h'},
                                          {NULL, 0, NULL, 0}};
    struct options o = {.config = TS_USUAL_CONFIG, .account = TS_SERVICE_ACCOUNT};
    int opt;
    if (argc < 1 || strcmp(argv[0], "--help") == 0) {
        return usage(argc < 1 ? stderr : stdout);
    }
    while ((opt = getopt_long(argc, argv, "", table, NULL)) != -1) { /* NOLINT: one thread */
        switch (opt) {
        case 'c': o.config = optarg; break;
        case 'a': o.account = optarg; break;
        case 'j': o.json = true; break;
        case 'h': return usage(stdout);
        default: return usage(stderr);
        }
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        if (strcmp(words[i].word, argv[0]) == 0 && optind >= argc) {
            return words[i].run(&o);
        }
    }
    return usage(stderr);
}
