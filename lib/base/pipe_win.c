/* See pipe_win.h. */
#include "base/pipe_win.h"

#include <process.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"

#define CHUNK        (64 << 10)
#define SENT_AT_ONCE (256 << 10) /* taken from us while nobody reads */
#define LINGER_MS    5000        /* for what was sent before our end was closed */
#define STACK_BYTES  (64 << 10)

/* GENERIC_WRITE would ask for FILE_CREATE_PIPE_INSTANCE too, which no client is given. */
#define PIPE_RIGHTS                                                                                \
    (FILE_READ_DATA | FILE_WRITE_DATA | FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES |             \
     READ_CONTROL | SYNCHRONIZE)

/* One direction: bytes taken from one side and not yet given to the other. */
struct flow {
    char *data; /* CHUNK bytes */
    size_t len;
    size_t done; /* of len, given on */
    OVERLAPPED io;
    bool busy;  /* the pipe's part is under way */
    bool ended; /* its source has */
};

struct pump {
    evutil_socket_t sock;
    WSAEVENT sock_event;
    HANDLE pipe;
    char path[TS_PIPE_PATH]; /* to be opened first; "" when it is open */
    DWORD busy_ms;
    struct flow in;  /* pipe -> socket */
    struct flow out; /* socket -> pipe */
    bool dead;       /* one side is gone for good */
};

bool ts_pipe_open(const char *path, HANDLE *ret, DWORD *ret_error)
{
    char name[TS_PIPE_PATH];
    if (!ts_win_path(name, sizeof(name), path)) {
        *ret_error = ERROR_FILENAME_EXCED_RANGE;
        return false;
    }
    *ret =
        CreateFileA(name, PIPE_RIGHTS, 0, NULL, OPEN_EXISTING,
                    FILE_FLAG_OVERLAPPED | SECURITY_SQOS_PRESENT | SECURITY_IDENTIFICATION, NULL);
    *ret_error = *ret == INVALID_HANDLE_VALUE ? GetLastError() : ERROR_SUCCESS;
    return *ret != INVALID_HANDLE_VALUE;
}

/* --- the pump's thread */

static bool wait_until_open(struct pump *p)
{
    char name[TS_PIPE_PATH];
    DWORD error = ERROR_SUCCESS;
    const ULONGLONG deadline = GetTickCount64() + p->busy_ms;
    while (!ts_pipe_open(p->path, &p->pipe, &error)) {
        ULONGLONG now = GetTickCount64();
        if (error != ERROR_PIPE_BUSY || now >= deadline ||
            !ts_win_path(name, sizeof(name), p->path)) {
            return false;
        }
        (void)WaitNamedPipeA(name, (DWORD)(deadline - now));
    }
    return true;
}

static void start_read(struct pump *p)
{
    struct flow *f = &p->in;
    if (f->busy || f->ended || f->len > 0) {
        return;
    }
    (void)ResetEvent(f->io.hEvent);
    f->busy = ReadFile(p->pipe, f->data, CHUNK, NULL, &f->io) || GetLastError() == ERROR_IO_PENDING;
    f->ended = !f->busy;
}

static void finish_read(struct pump *p)
{
    struct flow *f = &p->in;
    DWORD n = 0;
    if (!f->busy) {
        return;
    }
    if (GetOverlappedResult(p->pipe, &f->io, &n, FALSE)) {
        f->busy = false;
        f->len = n;
        f->done = 0;
        f->ended = n == 0; /* an empty message is how Go's pipes end their direction */
    } else if (GetLastError() != ERROR_IO_INCOMPLETE) {
        f->busy = false;
        f->ended = true;
    }
}

static void start_write(struct pump *p)
{
    struct flow *f = &p->out;
    if (f->busy || f->len == 0) {
        return;
    }
    (void)ResetEvent(f->io.hEvent);
    f->busy = WriteFile(p->pipe, f->data + f->done, (DWORD)(f->len - f->done), NULL, &f->io) ||
              GetLastError() == ERROR_IO_PENDING;
    p->dead = p->dead || !f->busy;
}

static void finish_write(struct pump *p)
{
    struct flow *f = &p->out;
    DWORD n = 0;
    if (!f->busy) {
        return;
    }
    if (GetOverlappedResult(p->pipe, &f->io, &n, FALSE)) {
        f->busy = false;
        f->done += n;
        if (f->done == f->len) {
            f->len = 0;
            f->done = 0;
        }
    } else if (GetLastError() != ERROR_IO_INCOMPLETE) {
        p->dead = true;
    }
}

static void read_socket(struct pump *p)
{
    struct flow *f = &p->out;
    if (f->ended || f->len > 0 || f->busy) {
        return;
    }
    int n = recv((SOCKET)p->sock, f->data, CHUNK, 0);
    if (n > 0) {
        f->len = (size_t)n;
        f->done = 0;
    } else if (n == 0 || WSAGetLastError() != WSAEWOULDBLOCK) {
        f->ended = true;
    }
}

static void write_socket(struct pump *p)
{
    struct flow *f = &p->in;
    while (!p->dead && f->len > 0) {
        int n = send((SOCKET)p->sock, f->data + f->done, (int)(f->len - f->done), 0);
        if (n < 0) {
            p->dead = WSAGetLastError() != WSAEWOULDBLOCK;
            return;
        }
        f->done += (size_t)n;
        if (f->done == f->len) {
            f->len = 0;
            f->done = 0;
        }
    }
}

static bool is_over(const struct pump *p)
{
    bool all_written = p->out.ended && p->out.len == 0 && !p->out.busy;
    bool all_read = p->in.ended && p->in.len == 0;
    return p->dead || all_written || all_read;
}

static void move_bytes(struct pump *p)
{
    HANDLE events[] = {p->sock_event, p->in.io.hEvent, p->out.io.hEvent};
    while (!is_over(p)) {
        start_read(p);
        read_socket(p);
        start_write(p);
        if (is_over(p)) {
            return;
        }
        if (WaitForMultipleObjects(TS_ARRAY_LEN(events), events, FALSE,
                                   p->out.ended ? LINGER_MS : INFINITE) == WAIT_TIMEOUT) {
            return;
        }
        (void)WSAResetEvent(p->sock_event);
        finish_read(p);
        finish_write(p);
        write_socket(p);
    }
}

static void free_pump(struct pump *p)
{
    if (p->pipe != INVALID_HANDLE_VALUE) {
        DWORD ignored;
        if (p->in.busy || p->out.busy) {
            (void)CancelIo(p->pipe);
            (void)(p->in.busy && GetOverlappedResult(p->pipe, &p->in.io, &ignored, TRUE));
            (void)(p->out.busy && GetOverlappedResult(p->pipe, &p->out.io, &ignored, TRUE));
        }
        (void)CloseHandle(p->pipe);
    }
    if (p->sock >= 0) {
        (void)evutil_closesocket(p->sock);
    }
    if (p->sock_event != WSA_INVALID_EVENT) {
        (void)WSACloseEvent(p->sock_event);
    }
    if (p->in.io.hEvent != NULL) {
        (void)CloseHandle(p->in.io.hEvent);
    }
    if (p->out.io.hEvent != NULL) {
        (void)CloseHandle(p->out.io.hEvent);
    }
    free(p->in.data);
    free(p->out.data);
    free(p);
}

static unsigned __stdcall run(void *arg)
{
    struct pump *p = arg;
    if (p->path[0] == '\0' || wait_until_open(p)) {
        move_bytes(p);
    }
    free_pump(p);
    return 0;
}

/* --- making one */

static struct pump *new_pump(HANDLE take_pipe)
{
    struct pump *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        if (take_pipe != INVALID_HANDLE_VALUE) {
            (void)CloseHandle(take_pipe);
        }
        return NULL;
    }
    p->pipe = take_pipe;
    p->sock = -1;
    p->sock_event = WSACreateEvent();
    p->in.io.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    p->out.io.hEvent = CreateEventA(NULL, TRUE, FALSE, NULL);
    p->in.data = malloc(CHUNK);
    p->out.data = malloc(CHUNK);
    if (p->sock_event == WSA_INVALID_EVENT || p->in.io.hEvent == NULL || p->out.io.hEvent == NULL ||
        p->in.data == NULL || p->out.data == NULL) {
        free_pump(p);
        return NULL;
    }
    return p;
}

/* Takes p. */
static bool launch(struct pump *p, evutil_socket_t *ret, struct ts_error *err)
{
    evutil_socket_t ends[2];
    if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, ends) != 0) {
        int why = EVUTIL_SOCKET_ERROR();
        free_pump(p);
        return ts_error_errno(err, why, "make a pair of sockets for a pipe");
    }
    p->sock = ends[0];
    (void)evutil_make_socket_nonblocking(ends[1]);
    int on = 1;
    int size = CHUNK; /* else the system lets megabytes wait that nobody reads */
    int largest = SENT_AT_ONCE;
    (void)setsockopt((SOCKET)ends[1], SOL_SOCKET, SO_SNDBUF, (const char *)&largest,
                     sizeof(largest));
    (void)setsockopt((SOCKET)ends[0], SOL_SOCKET, SO_SNDBUF, (const char *)&size, sizeof(size));
    for (size_t i = 0; i < TS_ARRAY_LEN(ends); i++) {
        (void)setsockopt((SOCKET)ends[i], SOL_SOCKET, SO_RCVBUF, (const char *)&size, sizeof(size));
        (void)setsockopt((SOCKET)ends[i], IPPROTO_TCP, TCP_NODELAY, (const char *)&on, sizeof(on));
    }
    union {
        uintptr_t number;
        HANDLE handle;
    } thread = {.number = 0};
    if (WSAEventSelect((SOCKET)p->sock, p->sock_event, FD_READ | FD_WRITE | FD_CLOSE) == 0) {
        thread.number = _beginthreadex(NULL, STACK_BYTES, run, p, 0, NULL);
    }
    if (thread.number == 0) {
        (void)evutil_closesocket(ends[1]);
        free_pump(p);
        return ts_error_set(err, TS_E_SYSTEM, "no thread for a pipe");
    }
    (void)CloseHandle(thread.handle);
    *ret = ends[1];
    return true; /* NOLINT(clang-analyzer-unix.Malloc): the thread owns it now */
}

bool ts_pipe_attach(HANDLE take_pipe, evutil_socket_t *ret, struct ts_error *err)
{
    struct pump *p = new_pump(take_pipe);
    /* NOLINTNEXTLINE(clang-analyzer-unix.Malloc): taken */
    return p != NULL ? launch(p, ret, err) : ts_error_nomem(err);
}

bool ts_pipe_dial(const char *path, DWORD busy_ms, evutil_socket_t *ret, struct ts_error *err)
{
    HANDLE pipe = INVALID_HANDLE_VALUE;
    DWORD error = ERROR_SUCCESS;
    if (!ts_pipe_open(path, &pipe, &error) && error != ERROR_PIPE_BUSY) {
        (void)ts_error_win32(err, error, "open the pipe %s", path);
        err->code = error == ERROR_FILE_NOT_FOUND || error == ERROR_PATH_NOT_FOUND ? TS_E_NOT_FOUND
                    : error == ERROR_ACCESS_DENIED                                 ? TS_E_DENIED
                                                                                   : TS_E_SYSTEM;
        return false;
    }
    struct pump *p = new_pump(pipe);
    if (p == NULL) {
        return ts_error_nomem(err);
    }
    p->busy_ms = busy_ms;
    if (pipe == INVALID_HANDLE_VALUE && !ts_copy(p->path, sizeof(p->path), path)) {
        free_pump(p);
        return ts_error_set(err, TS_E_INVALID, "the pipe's name is too long");
    }
    return launch(p, ret, err); /* NOLINT(clang-analyzer-unix.Malloc): taken */
}
