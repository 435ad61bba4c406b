/*
 * See server_internal.h. The control pipe: a thread waits for its clients, finds out who they are,
 * and hands each over to the loop as a socket. Clients on other machines are refused by the pipe
 * itself, and so is who belongs to none of the groups.
 */
#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/pipe_win.h"
#include "base/post_win.h"
#include "control/peer_win.h"
#include "control/server_internal.h"

#include <sddl.h>

#define BUFFER_BYTES (64 << 10)
#define SDDL_SIZE    1600
#define PAUSE_MS     1000 /* after running out of what a connection needs */
#define STACK_BYTES  (256 << 10)

/* What a client needs: reading and writing of data and attributes; not FILE_CREATE_PIPE_INSTANCE,
 * with which it could pose as the server. */
#define CLIENT_RIGHTS "0x12019b"

struct ts_listener {
    char path[TS_PIPE_PATH];
    struct ts_post *post;
    void (*accept)(void *ctx, evutil_socket_t fd);
    void *ctx;
    HANDLE stop;
    HANDLE thread;
    SRWLOCK lock; /* of what follows */
    char sddl[SDDL_SIZE];
    HANDLE waiting; /* the instance that waits for a client */
};

struct arrival {
    evutil_socket_t fd;
    struct ts_peer peer;
};

/* --- who may open it */

static void allow(char sddl[SDDL_SIZE], bool has_group, uint32_t gid)
{
    char sid[TS_SID_TEXT];
    size_t used = strlen(sddl);
    if (has_group) {
        ts_peer_group_sid(gid, sid);
        if (sid[0] != '\0') {
            (void)snprintf(sddl + used, SDDL_SIZE - used, "(A;;" CLIENT_RIGHTS ";;;%s)", sid);
        }
    }
}

/* The system, administrators and ourselves all; the configured groups what a client needs. We are
 * the owner, by which clients know us. */
static void describe(const struct ts_control_conf *conf, char sddl[SDDL_SIZE])
{
    char own[TS_SID_TEXT];
    ts_win_own_sid(own);
    const char *self = own[0] != '\0' ? own : "SY";
    (void)snprintf(sddl, SDDL_SIZE, "O:%sD:P(A;;GA;;;SY)(A;;GA;;;BA)(A;;GA;;;%s)", self, self);
    allow(sddl, conf->has_operate_gid, conf->operate_gid);
    allow(sddl, conf->has_approve_gid, conf->approve_gid);
    allow(sddl, conf->has_read_gid, conf->read_gid);
}

/* --- the thread */

/* first: nobody else may have a pipe of that name yet. */
static HANDLE make_instance(struct ts_listener *l, bool first, DWORD *ret_error)
{
    char name[TS_PIPE_PATH];
    SECURITY_ATTRIBUTES security = {.nLength = sizeof(security)};
    HANDLE pipe = INVALID_HANDLE_VALUE;
    AcquireSRWLockShared(&l->lock);
    bool ok = ts_win_path(name, sizeof(name), l->path) &&
              ConvertStringSecurityDescriptorToSecurityDescriptorA(
                  l->sddl, SDDL_REVISION_1, &security.lpSecurityDescriptor, NULL);
    ReleaseSRWLockShared(&l->lock);
    if (ok) {
        pipe = CreateNamedPipeA(name,
                                PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED | WRITE_DAC |
                                    (first ? FILE_FLAG_FIRST_PIPE_INSTANCE : 0),
                                PIPE_TYPE_BYTE | PIPE_READMODE_BYTE | PIPE_WAIT |
                                    PIPE_REJECT_REMOTE_CLIENTS,
                                PIPE_UNLIMITED_INSTANCES, BUFFER_BYTES, BUFFER_BYTES, 0, &security);
    }
    *ret_error = pipe == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    (void)LocalFree(security.lpSecurityDescriptor);
    return pipe;
}

/* False: it is time to end. *ret_connected: somebody came. */
static bool wait_for_client(struct ts_listener *l, HANDLE pipe, OVERLAPPED *io, bool *ret_connected)
{
    HANDLE events[] = {l->stop, io->hEvent};
    DWORD n = 0;
    (void)ResetEvent(io->hEvent);
    *ret_connected = ConnectNamedPipe(pipe, io) != 0;
    DWORD error = *ret_connected ? ERROR_SUCCESS : GetLastError();
    if (error == ERROR_PIPE_CONNECTED) {
        *ret_connected = true;
    } else if (error == ERROR_IO_PENDING) {
        if (WaitForMultipleObjects(TS_ARRAY_LEN(events), events, FALSE, INFINITE) ==
            WAIT_OBJECT_0) {
            (void)CancelIo(pipe);
            (void)GetOverlappedResult(pipe, io, &n, TRUE);
            return false;
        }
        *ret_connected = GetOverlappedResult(pipe, io, &n, FALSE) != 0;
    }
    return WaitForSingleObject(l->stop, 0) != WAIT_OBJECT_0;
}

/* Takes the pipe. */
static void hand_over(struct ts_listener *l, HANDLE pipe)
{
    struct ts_error ignored;
    struct arrival *a = malloc(sizeof(*a));
    if (a == NULL) {
        (void)CloseHandle(pipe);
        return;
    }
    a->peer = ts_peer_of_pipe(pipe);
    if (!ts_pipe_attach(pipe, &a->fd, &ignored)) {
        free(a);
    } else if (!ts_post_send(l->post, a)) {
        (void)evutil_closesocket(a->fd);
        free(a);
    }
}

static void set_waiting(struct ts_listener *l, HANDLE pipe)
{
    AcquireSRWLockExclusive(&l->lock);
    l->waiting = pipe;
    ReleaseSRWLockExclusive(&l->lock);
}

static unsigned __stdcall run(void *arg)
{
    struct ts_listener *l = arg;
    OVERLAPPED io = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    HANDLE pipe = l->waiting;
    bool connected = false;
    DWORD error;
    while (io.hEvent != NULL && wait_for_client(l, pipe, &io, &connected)) {
        HANDLE next = make_instance(l, false, &error);
        set_waiting(l, next);
        if (connected) {
            hand_over(l, pipe);
        } else {
            (void)CloseHandle(pipe);
        }
        while (next == INVALID_HANDLE_VALUE && WaitForSingleObject(l->stop, PAUSE_MS) != 0) {
            next = make_instance(l, false, &error);
            set_waiting(l, next);
        }
        pipe = next;
        if (pipe == INVALID_HANDLE_VALUE) {
            break;
        }
    }
    set_waiting(l, INVALID_HANDLE_VALUE);
    if (pipe != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(pipe);
    }
    if (io.hEvent != NULL) {
        (void)CloseHandle(io.hEvent);
    }
    return 0;
}

/* --- the loop's side */

static void take_arrival(void *ctx, void *item)
{
    struct ts_listener *l = ctx;
    struct arrival *a = item;
    ts_peer_announce(a->fd, &a->peer);
    l->accept(l->ctx, a->fd);
    free(a);
}

static void drop_arrival(void *item)
{
    struct arrival *a = item;
    (void)evutil_closesocket(a->fd);
    free(a);
}

static bool start(struct ts_listener *l, struct ts_error *err)
{
    DWORD error;
    l->waiting = make_instance(l, true, &error);
    if (l->waiting == INVALID_HANDLE_VALUE) {
        if (error == ERROR_ACCESS_DENIED || error == ERROR_PIPE_BUSY) {
            return ts_error_set(err, TS_E_CONFLICT,
                                "control pipe %s: another program has a pipe of that name",
                                l->path);
        }
        return ts_error_win32(err, error, "make the control pipe %s", l->path);
    }
    union {
        uintptr_t number;
        HANDLE handle;
    } thread = {.number = _beginthreadex(NULL, STACK_BYTES, run, l, 0, NULL)};
    l->thread = thread.handle;
    return thread.number != 0 || ts_error_set(err, TS_E_SYSTEM, "no thread for the control pipe");
}

struct ts_listener *ts_listener_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                    void (*accept)(void *ctx, evutil_socket_t fd), void *ctx,
                                    struct ts_error *err)
{
    struct ts_listener *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    l->accept = accept;
    l->ctx = ctx;
    l->waiting = INVALID_HANDLE_VALUE;
    InitializeSRWLock(&l->lock);
    describe(conf, l->sddl);
    bool ok =
        ts_copy(l->path, sizeof(l->path), conf->path) ||
        ts_error_set(err, TS_E_INVALID, "control pipe %.60s…: the name is too long", conf->path);
    l->stop = ok ? CreateEventA(NULL, TRUE, FALSE, NULL) : NULL;
    l->post = l->stop == NULL ? NULL : ts_post_new(loop, take_arrival, l, err);
    if (l->post == NULL || !start(l, err)) {
        ts_listener_free(l);
        return NULL;
    }
    return l;
}

void ts_listener_free(struct ts_listener *l)
{
    if (l == NULL) {
        return;
    }
    if (l->thread != NULL) {
        (void)SetEvent(l->stop);
        (void)WaitForSingleObject(l->thread, INFINITE);
        (void)CloseHandle(l->thread);
    } else if (l->waiting != INVALID_HANDLE_VALUE) {
        (void)CloseHandle(l->waiting);
    }
    ts_post_free(l->post, drop_arrival);
    if (l->stop != NULL) {
        (void)CloseHandle(l->stop);
    }
    free(l);
}

/* The access list is the pipe's, not an instance's: setting it once is enough. */
void ts_listener_set_groups(struct ts_listener *l, const struct ts_control_conf *conf)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    AcquireSRWLockExclusive(&l->lock);
    describe(conf, l->sddl);
    if (ConvertStringSecurityDescriptorToSecurityDescriptorA(l->sddl, SDDL_REVISION_1, &descriptor,
                                                             NULL) &&
        l->waiting != INVALID_HANDLE_VALUE) {
        (void)SetKernelObjectSecurity(l->waiting, DACL_SECURITY_INFORMATION, descriptor);
    }
    ReleaseSRWLockExclusive(&l->lock);
    (void)LocalFree(descriptor);
}

void ts_listener_say(evutil_socket_t fd, const char *bytes, size_t n)
{
    (void)send((SOCKET)fd, bytes, (int)n, 0);
}
