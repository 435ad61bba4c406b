/* Other programs: docker compose, and the daemon that checks a configuration. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/win.h"
#include "child.h"

#define GRACE_MS  5000 /* between asking a program to end and ending it */
#define SLICE_MS  100
#define CHUNK     4096
#define LINE_MAX  32000 /* CreateProcess() takes 32,767 characters */
#define SELF_SIZE 512

/* One argument as the C library of the program takes a command line apart again: quoted, a quote
 * and the backslashes before it escaped ("Parsing C command-line arguments"). */
static void add_argument(struct ts_buf *line, const char *arg)
{
    (void)ts_buf_adds(line, line->len > 0 ? " \"" : "\"");
    for (const char *at = arg;; at++) {
        size_t slashes = strspn(at, "\\");
        at += slashes;
        bool doubled = *at == '\0' || *at == '"';
        for (size_t i = 0; i < (doubled ? 2 * slashes : slashes); i++) {
            (void)ts_buf_adds(line, "\\");
        }
        if (*at == '\0') {
            break;
        }
        (void)ts_buf_adds(line, *at == '"' ? "\\" : "");
        (void)ts_buf_add(line, at, 1);
    }
    (void)ts_buf_adds(line, "\"");
}

static bool make_line(const char *const *args, char *out, size_t size, struct ts_error *err)
{
    struct ts_buf line = ts_buf_init(size - 1);
    for (size_t i = 0; args[i] != NULL; i++) {
        add_argument(&line, args[i]);
    }
    bool ok = !line.failed && ts_copy(out, size, ts_buf_text(&line));
    ts_buf_done(&line);
    return ok || ts_error_set(err, TS_E_LIMIT, "run %.60s: the arguments are too long", args[0]);
}

/* Starts it; out NULL: it has our own input and outputs. The caller closes ret's handles. */
static bool spawn(const char *const *args, HANDLE out, PROCESS_INFORMATION *ret,
                  struct ts_error *err)
{
    static char line[LINE_MAX];
    STARTUPINFOA startup = {.cb = sizeof(startup)};
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof(inherit), .bInheritHandle = TRUE};
    HANDLE nothing = INVALID_HANDLE_VALUE;
    if (!make_line(args, line, sizeof(line), err)) {
        return false;
    }
    if (out != NULL) {
        nothing = CreateFileA("NUL", GENERIC_READ, FILE_SHARE_READ | FILE_SHARE_WRITE, &inherit,
                              OPEN_EXISTING, 0, NULL);
        startup.dwFlags = STARTF_USESTDHANDLES;
        startup.hStdInput = nothing;
        startup.hStdOutput = out;
        startup.hStdError = out;
    }
    /* Its own group, so that Ctrl-C reaches us alone and a Ctrl-Break can be sent to it. */
    BOOL ok = CreateProcessA(NULL, line, NULL, NULL, out != NULL,
                             out != NULL ? CREATE_NEW_PROCESS_GROUP : 0, NULL, NULL, &startup, ret);
    DWORD why = ok ? ERROR_SUCCESS : GetLastError();
    if (nothing != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(nothing);
    }
    if (why == ERROR_FILE_NOT_FOUND || why == ERROR_PATH_NOT_FOUND) {
        return ts_error_set_detail(err, TS_E_NOT_FOUND, (int)why, "%s is not installed", args[0]);
    }
    return ok || ts_error_win32(err, why, "run %.60s", args[0]);
}

/* Keeps the end: that is where a program says why it failed. */
static void keep(struct ts_buf *tail, const char *bytes, size_t n)
{
    if (tail->len + n > CTL_CHILD_OUTPUT_MAX) {
        ts_buf_consume(tail, tail->len + n - CTL_CHILD_OUTPUT_MAX);
    }
    (void)ts_buf_add(tail, bytes, n);
}

/* Takes what is there. False: the output has ended. */
static bool read_some(HANDLE out, struct ts_buf *tail)
{
    char chunk[CHUNK];
    DWORD waiting = 0;
    DWORD n = 0;
    while (PeekNamedPipe(out, NULL, 0, NULL, &waiting, NULL)) {
        if (waiting == 0) {
            return true;
        }
        if (!ReadFile(out, chunk, sizeof(chunk), &n, NULL)) {
            return false;
        }
        keep(tail, chunk, n);
    }
    return false;
}

/* Follows the child to its end, which it is helped to when the time is over. */
static bool follow(const PROCESS_INFORMATION *process, HANDLE out, const struct ctl_child *child,
                   struct ts_buf *tail, struct ts_error *err)
{
    ts_mono deadline = ts_mono_add(ctl_now(), child->timeout_ms);
    bool asked = false;
    bool ok = true;
    while (WaitForSingleObject(process->hProcess, SLICE_MS) == WAIT_TIMEOUT) {
        (void)read_some(out, tail);
        child->tick(child->ctx);
        bool late = ts_mono_reached(deadline, ctl_now());
        if (asked && late) {
            (void)TerminateProcess(process->hProcess, 1);
        } else if (!asked && (late || ctl_interrupted())) {
            ok = late ? ts_error_set(err, TS_E_TIMEOUT, "%s did not end in time", child->args[0])
                      : ts_error_set(err, TS_E_CANCELLED, "interrupted");
            (void)GenerateConsoleCtrlEvent(CTRL_BREAK_EVENT, process->dwProcessId);
            asked = true;
            deadline = ts_mono_add(ctl_now(), GRACE_MS);
        }
    }
    (void)read_some(out, tail);
    return ok;
}

static void close_process(const PROCESS_INFORMATION *process)
{
    (void)CloseHandle(process->hThread);
    (void)CloseHandle(process->hProcess);
}

void ctl_child_env(const char *name, const char *value)
{
    (void)SetEnvironmentVariableA(name, value);
}

bool ctl_child_run(const struct ctl_child *child, struct ts_buf *tail, int *ret_status,
                   struct ts_error *err)
{
    if (child->out != NULL) {
        return ts_error_set(err, TS_E_UNAVAILABLE,
                            "%.60s: its output cannot be taken apart from its errors here",
                            child->args[0]);
    }
    SECURITY_ATTRIBUTES inherit = {.nLength = sizeof(inherit), .bInheritHandle = TRUE};
    PROCESS_INFORMATION process;
    HANDLE ours = NULL;
    HANDLE theirs = NULL;
    DWORD status = 0;
    if (!CreatePipe(&ours, &theirs, &inherit, CTL_CHILD_OUTPUT_MAX)) {
        return ts_error_win32(err, GetLastError(), "make a pipe");
    }
    (void)SetHandleInformation(ours, HANDLE_FLAG_INHERIT, 0);
    bool ok = spawn(child->args, theirs, &process, err);
    (void)CloseHandle(theirs);
    if (ok) {
        ok = follow(&process, ours, child, tail, err);
        (void)GetExitCodeProcess(process.hProcess, &status);
        close_process(&process);
    }
    (void)CloseHandle(ours);
    if (ok) {
        *ret_status = (int)status;
    }
    return ok;
}

/* The daemon beside this program (as the MSI puts it; the build has it in the next folder), else
 * the one in PATH. */
static void find_daemon(char *out, size_t size)
{
    static const char *const places[] = {"tradestackd.exe", "..\\daemon\\tradestackd.exe"};
    char self[SELF_SIZE];
    DWORD n = GetModuleFileNameA(NULL, self, sizeof(self));
    char *slash = n > 0 && n < sizeof(self) ? strrchr(self, '\\') : NULL;
    for (size_t i = 0; slash != NULL && i < TS_ARRAY_LEN(places); i++) {
        slash[1] = '\0';
        (void)snprintf(out, size, "%s%s", self, places[i]);
        if (GetFileAttributesA(out) != INVALID_FILE_ATTRIBUTES) {
            return;
        }
    }
    (void)snprintf(out, size, "tradestackd.exe");
}

bool ctl_daemon_check(const char *what, const char *option, const char *file, bool *ret_correct,
                      struct ts_error *err)
{
    char path[SELF_SIZE + 32];
    PROCESS_INFORMATION process;
    DWORD status = 1;
    find_daemon(path, sizeof(path));
    const char *const args[] = {path, what, option, file, NULL};
    if (!spawn(args, NULL, &process, err)) {
        return false;
    }
    (void)WaitForSingleObject(process.hProcess, INFINITE);
    (void)GetExitCodeProcess(process.hProcess, &status);
    close_process(&process);
    *ret_correct = status == 0;
    return true;
}
