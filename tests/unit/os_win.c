/* See os.h. */
#include "os.h"

#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/pipe_win.h"
#include "base/post_win.h"

#include <sddl.h>

static void unique_name(char *out, size_t size, const char *before)
{
    static LONG count;
    (void)snprintf(out, size, "%sts-test-%lu-%ld", before, GetCurrentProcessId(),
                   InterlockedIncrement(&count));
}

void os_temp_dir(char out[OS_PATH])
{
    char temp[MAX_PATH];
    DWORD n = GetTempPathA(sizeof(temp), temp);
    if (n == 0 || n > OS_PATH - 40) {
        abort();
    }
    for (char *at = temp; *at != '\0'; at++) {
        *at = (char)(*at == '\\' ? '/' : *at);
    }
    unique_name(out, OS_PATH, temp);
    if (!CreateDirectoryA(out, NULL)) {
        abort();
    }
    os_set_private(out, true);
}

void os_remove(const char *path)
{
    char pattern[MAX_PATH];
    WIN32_FIND_DATAA found;
    (void)snprintf(pattern, sizeof(pattern), "%s/*", path);
    HANDLE list = FindFirstFileA(pattern, &found);
    for (BOOL more = list != INVALID_HANDLE_VALUE; more; more = FindNextFileA(list, &found)) {
        if (strcmp(found.cFileName, ".") != 0 && strcmp(found.cFileName, "..") != 0) {
            char inside[MAX_PATH * 2];
            (void)snprintf(inside, sizeof(inside), "%s/%s", path, found.cFileName);
            os_remove(inside);
        }
    }
    if (list != INVALID_HANDLE_VALUE) {
        (void)FindClose(list);
    }
    (void)(DeleteFileA(path) || RemoveDirectoryA(path));
}

/* Into the C library's copy, which getenv() reads. */
void os_set_env(const char *name, const char *value)
{
    if (_putenv_s(name, value != NULL ? value : "") != 0) {
        abort();
    }
}

void os_set_private(const char *path, bool is_private)
{
    PSECURITY_DESCRIPTOR descriptor = NULL;
    /* By a handle that may read: Wine changes nothing through one that may only set the list. */
    HANDLE h = CreateFileA(path, GENERIC_READ | WRITE_DAC,
                           FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE, NULL,
                           OPEN_EXISTING, FILE_FLAG_BACKUP_SEMANTICS, NULL);
    char own[TS_SID_TEXT];
    char sddl[TS_SID_TEXT + 128];
    ts_win_own_sid(own);
    (void)snprintf(sddl, sizeof(sddl), "D:P(A;OICI;FA;;;SY)(A;OICI;FA;;;BA)(A;OICI;FA;;;%s)%s", own,
                   is_private ? "" : "(A;OICI;FR;;;WD)");
    if (!ConvertStringSecurityDescriptorToSecurityDescriptorA(sddl, SDDL_REVISION_1, &descriptor,
                                                              NULL) ||
        !SetKernelObjectSecurity(h, DACL_SECURITY_INFORMATION, descriptor)) {
        abort();
    }
    (void)CloseHandle(h);
    (void)LocalFree(descriptor);
}

void os_local_path(char out[OS_PATH])
{
    unique_name(out, OS_PATH, "//./pipe/");
}

struct os_local {
    char path[OS_PATH];
    struct ts_post *post;
    HANDLE stop;
    HANDLE thread;
    HANDLE first;
    void (*accept)(void *ctx, evutil_socket_t fd);
    void *ctx;
};

static HANDLE make_pipe(const char *path)
{
    return CreateNamedPipeA(path, PIPE_ACCESS_DUPLEX | FILE_FLAG_OVERLAPPED, PIPE_TYPE_BYTE,
                            PIPE_UNLIMITED_INSTANCES, 65536, 65536, 0, NULL);
}

static void take(void *ctx, void *item)
{
    struct os_local *l = ctx;
    evutil_socket_t *fd = item;
    l->accept(l->ctx, *fd);
    free(fd);
}

static void hand_over(struct os_local *l, HANDLE pipe)
{
    struct ts_error err;
    evutil_socket_t *fd = malloc(sizeof(*fd));
    if (fd == NULL || !ts_pipe_attach(pipe, fd, &err) || !ts_post_send(l->post, fd)) {
        abort();
    }
}

static unsigned __stdcall run(void *arg)
{
    struct os_local *l = arg;
    OVERLAPPED io = {.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL)};
    HANDLE events[] = {l->stop, io.hEvent};
    HANDLE pipe = l->first;
    for (;;) {
        DWORD n;
        (void)ResetEvent(io.hEvent);
        if (!ConnectNamedPipe(pipe, &io) && GetLastError() == ERROR_IO_PENDING &&
            WaitForMultipleObjects(2, events, FALSE, INFINITE) == WAIT_OBJECT_0) {
            (void)CancelIo(pipe);
            (void)GetOverlappedResult(pipe, &io, &n, TRUE);
            break;
        }
        if (WaitForSingleObject(l->stop, 0) == WAIT_OBJECT_0) {
            break;
        }
        HANDLE next = make_pipe(l->path);
        hand_over(l, pipe);
        pipe = next;
    }
    (void)CloseHandle(pipe);
    (void)CloseHandle(io.hEvent);
    return 0;
}

struct os_local *os_local_listen(struct ts_loop *loop, const char *path,
                                 void (*accept)(void *ctx, evutil_socket_t fd), void *ctx)
{
    struct ts_error err;
    struct os_local *l = calloc(1, sizeof(*l));
    if (l == NULL || !ts_win_path(l->path, sizeof(l->path), path)) {
        abort();
    }
    l->accept = accept;
    l->ctx = ctx;
    l->post = ts_post_new(loop, take, l, &err);
    l->stop = CreateEventA(NULL, TRUE, FALSE, NULL);
    l->first = make_pipe(l->path);
    union {
        uintptr_t number;
        HANDLE handle;
    } thread = {.number = _beginthreadex(NULL, 0, run, l, 0, NULL)};
    l->thread = thread.handle;
    if (l->post == NULL || l->first == INVALID_HANDLE_VALUE || thread.number == 0) {
        abort();
    }
    return l;
}

static void drop(void *item)
{
    evutil_socket_t *fd = item;
    (void)evutil_closesocket(*fd);
    free(fd);
}

void os_local_stop(struct os_local *l)
{
    (void)SetEvent(l->stop);
    (void)WaitForSingleObject(l->thread, INFINITE);
    (void)CloseHandle(l->thread);
    (void)CloseHandle(l->stop);
    ts_post_free(l->post, drop);
    free(l);
}

evutil_socket_t os_local_dial(const char *path)
{
    evutil_socket_t fd = -1;
    struct ts_error err;
    return ts_pipe_dial(path, 2000, &fd, &err) ? fd : -1;
}

/* The thread of a connection that is being closed may hold the pipe a little longer. */
bool os_local_is_gone(const char *path)
{
    char name[OS_PATH];
    for (int i = 0; i < 200 && ts_win_path(name, sizeof(name), path); i++) {
        if (!WaitNamedPipeA(name, 1) && GetLastError() == ERROR_FILE_NOT_FOUND) {
            return true;
        }
        Sleep(10);
    }
    return false;
}
