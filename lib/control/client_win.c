/* See client.h: a named pipe, with overlapped reads and writes so that every wait has a deadline.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/parse.h"
#include "base/pipe_win.h"
#include "control/client.h"
#include "control/frame.h"
#include "control/peer_win.h"

#include <aclapi.h>
#include <sddl.h>

#define SEND_MS 5000
#define CHUNK   16384

struct ts_control_client {
    HANDLE pipe;
    HANDLE event;
    OVERLAPPED io; /* of a read that is under way */
    bool reading;
    struct ts_frames frames;
    char path[TS_PIPE_PATH];
    char chunk[CHUNK];
};

static ts_mono now(void)
{
    const struct ts_clock *clock = ts_clock_real();
    return clock->mono(clock->ctx);
}

/* What is left until then, for a Windows wait. */
static DWORD left_until(ts_mono deadline)
{
    int64_t left = deadline.ms == TS_NEVER.ms ? INT32_MAX : ts_mono_diff(now(), deadline);
    return left < 0 ? 0 : left > INT32_MAX ? INT32_MAX : (DWORD)left;
}

/* Anybody may make a pipe before the daemon does. Whose it is can be seen: the system's, an
 * administrator's, a service's, or our own. */
static bool is_trusted(HANDLE pipe)
{
    PSID owner = NULL;
    PSECURITY_DESCRIPTOR descriptor = NULL;
    char own[TS_SID_TEXT];
    char *text = NULL;
    bool ok = false;
    if (GetSecurityInfo(pipe, SE_KERNEL_OBJECT, OWNER_SECURITY_INFORMATION, &owner, NULL, NULL,
                        NULL, &descriptor) == ERROR_SUCCESS &&
        owner != NULL && ConvertSidToStringSidA(owner, &text)) {
        ts_win_own_sid(own);
        ok = strcmp(text, "S-1-5-18") == 0 || strcmp(text, "S-1-5-32-544") == 0 ||
             strncmp(text, "S-1-5-80-", 9) == 0 || strcmp(text, own) == 0;
    }
    (void)LocalFree(text);
    (void)LocalFree(descriptor);
    return ok;
}

static bool connect_failed(DWORD error, const char *path, struct ts_error *err)
{
    (void)ts_error_win32(err, error, "connect to %.120s", path);
    err->code = error == ERROR_ACCESS_DENIED ? TS_E_DENIED : TS_E_UNAVAILABLE;
    return false;
}

static bool do_connect(struct ts_control_client *c, int64_t timeout_ms, struct ts_error *err)
{
    char name[TS_PIPE_PATH];
    DWORD error = ERROR_SUCCESS;
    const ts_mono deadline = ts_mono_add(now(), timeout_ms);
    while (!ts_pipe_open(c->path, &c->pipe, &error)) {
        if (error != ERROR_PIPE_BUSY) {
            return connect_failed(error, c->path, err);
        }
        DWORD left = left_until(deadline);
        if (left == 0 || !ts_win_path(name, sizeof(name), c->path)) {
            return ts_error_set(err, TS_E_TIMEOUT, "connect to %.120s: the daemon does not accept",
                                c->path);
        }
        (void)WaitNamedPipeA(name, left);
    }
    return is_trusted(c->pipe) ||
           ts_error_set(
               err, TS_E_DENIED,
               "%.120s belongs to somebody who is neither the system, an administrator nor "
               "a service: this is not tradestackd",
               c->path);
}

struct ts_control_client *ts_control_connect(const char *path, int64_t timeout_ms,
                                             struct ts_error *err)
{
    struct ts_control_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    c->pipe = INVALID_HANDLE_VALUE;
    c->frames = ts_frames_init(TS_VARLINK_REPLY_MAX);
    c->event = CreateEventA(NULL, TRUE, FALSE, NULL);
    bool ok = c->event != NULL || ts_error_nomem(err);
    ok = ok && (ts_copy(c->path, sizeof(c->path), path) ||
                ts_error_set(err, TS_E_INVALID, "pipe %.100s…: longer than %zu bytes", path,
                             sizeof(c->path) - 1));
    if (!ok || !do_connect(c, timeout_ms, err)) {
        ts_control_close(c);
        return NULL;
    }
    return c;
}

void ts_control_close(struct ts_control_client *c)
{
    DWORD ignored;
    if (c == NULL) {
        return;
    }
    if (c->reading) {
        (void)CancelIo(c->pipe);
        (void)GetOverlappedResult(c->pipe, &c->io, &ignored, TRUE);
    }
    if (c->pipe != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(c->pipe);
    }
    if (c->event != NULL) {
        (void)CloseHandle(c->event);
    }
    ts_frames_done(&c->frames);
    free(c);
}

static bool lost(struct ts_control_client *c, DWORD error, struct ts_error *err)
{
    if (error == ERROR_BROKEN_PIPE || error == ERROR_NO_DATA || error == ERROR_PIPE_NOT_CONNECTED) {
        return ts_error_set_detail(err, TS_E_UNAVAILABLE, (int)error,
                                   "the daemon closed the connection (did it end or restart?)");
    }
    (void)ts_error_win32(err, error, "the connection to %.100s broke", c->path);
    err->code = TS_E_UNAVAILABLE;
    return false;
}

static bool send_all(struct ts_control_client *c, const struct ts_buf *out, struct ts_error *err)
{
    OVERLAPPED io = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    DWORD sent = 0;
    bool ok = io.hEvent != NULL || ts_error_nomem(err);
    bool begun = ok && (WriteFile(c->pipe, out->data, (DWORD)out->len, NULL, &io) ||
                        GetLastError() == ERROR_IO_PENDING);
    bool late = begun && WaitForSingleObject(io.hEvent, SEND_MS) == WAIT_TIMEOUT;
    if (late) {
        (void)CancelIoEx(c->pipe, &io);
        (void)GetOverlappedResult(c->pipe, &io, &sent, TRUE);
        ok = ts_error_set(err, TS_E_TIMEOUT, "the daemon does not take the call");
    } else if (ok) {
        ok = (begun && GetOverlappedResult(c->pipe, &io, &sent, TRUE)) ||
             lost(c, GetLastError(), err);
    }
    if (io.hEvent != NULL) {
        (void)CloseHandle(io.hEvent);
    }
    return ok;
}

bool ts_control_call(struct ts_control_client *c, const char *method, json_t *parameters, bool more,
                     struct ts_error *err)
{
    char name[TS_VARLINK_METHOD_MAX];
    struct ts_buf out = ts_buf_init(TS_VARLINK_REQUEST_MAX);
    (void)snprintf(name, sizeof(name), TS_VARLINK_INTERFACE ".%s", method);
    bool ok = ts_varlink_add_call(&out, name, parameters, more) ||
              ts_error_set(err, TS_E_LIMIT, "the call is too large");
    ok = ok && send_all(c, &out, err);
    ts_buf_done(&out);
    return ok;
}

/* Reads some bytes into chunk. A read that is not done in time goes on under the next call. */
static bool read_some(struct ts_control_client *c, ts_mono deadline, DWORD *ret_n,
                      struct ts_error *err)
{
    if (!c->reading) {
        (void)ResetEvent(c->event);
        c->io = (OVERLAPPED){.hEvent = c->event};
        if (!ReadFile(c->pipe, c->chunk, sizeof(c->chunk), NULL, &c->io) &&
            GetLastError() != ERROR_IO_PENDING) {
            return lost(c, GetLastError(), err);
        }
        c->reading = true;
    }
    if (WaitForSingleObject(c->event, left_until(deadline)) == WAIT_TIMEOUT) {
        return ts_error_set(err, TS_E_TIMEOUT, "no answer from the daemon in time");
    }
    c->reading = false;
    return GetOverlappedResult(c->pipe, &c->io, ret_n, TRUE) || lost(c, GetLastError(), err);
}

bool ts_control_next(struct ts_control_client *c, int64_t timeout_ms, struct ts_varlink_reply *ret,
                     struct ts_error *err)
{
    const ts_mono deadline = timeout_ms == 0 ? TS_NEVER : ts_mono_add(now(), timeout_ms);
    for (;;) {
        size_t len;
        DWORD n = 0;
        const char *text = ts_frames_next(&c->frames, &len);
        if (text != NULL) {
            return ts_varlink_parse_reply(text, len, ret, err);
        }
        if (!read_some(c, deadline, &n, err) ||
            !ts_frames_feed(&c->frames, c->chunk, (size_t)n, err)) {
            return false;
        }
    }
}
