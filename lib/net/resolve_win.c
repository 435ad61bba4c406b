/*
 * See resolve.h: Windows' own resolver, in a thread. Only it knows what names mean on a Windows
 * machine (localhost is not in the hosts file there; policies, VPNs and LLMNR have their say).
 */
#include "net/resolve.h"

#include "base/win.h"

#include <process.h>
#include <stdio.h>
#include <stdlib.h>

#include <event2/event.h>
#include <ws2tcpip.h>

#include "base/parse.h"

#define HOST_MAX    256
#define STACK_BYTES (256 << 10)

/* What the thread works on. It belongs to both sides; who lets go last frees it. */
struct job {
    volatile LONG owners;
    char host[HOST_MAX];
    char service[8];
    evutil_socket_t told; /* the thread's end: closed when the answer is there */
    int result;
    struct addrinfo *addresses;
};

struct ts_lookup {
    struct job *job;
    evutil_socket_t wait; /* the loop's end */
    struct event *event;
    ts_lookup_done *done;
    void *ctx;
};

static void let_go(struct job *job)
{
    if (InterlockedDecrement(&job->owners) == 0) {
        if (job->addresses != NULL) {
            freeaddrinfo(job->addresses);
        }
        free(job);
    }
}

static unsigned __stdcall run(void *arg)
{
    struct job *job = arg;
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    job->result = getaddrinfo(job->host, job->service, &hints, &job->addresses);
    (void)evutil_closesocket(job->told);
    let_go(job);
    return 0;
}

static void free_lookup(struct ts_lookup *l)
{
    if (l->event != NULL) {
        event_free(l->event);
    }
    if (l->wait >= 0) {
        (void)evutil_closesocket(l->wait);
    }
    if (l->job != NULL) {
        let_go(l->job);
    }
    free(l);
}

static void on_answer(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ts_lookup *l = arg;
    struct ts_error err;
    int result = l->job->result;
    if (result == 0 && l->job->addresses != NULL) {
        l->done(l->ctx, l->job->addresses, NULL);
    } else if (result == WSA_NOT_ENOUGH_MEMORY) {
        (void)ts_error_nomem(&err);
        l->done(l->ctx, NULL, &err);
    } else {
        bool unknown = result == 0 || result == WSAHOST_NOT_FOUND || result == WSANO_DATA;
        (void)ts_error_set_detail(&err, unknown ? TS_E_NOT_FOUND : TS_E_UNAVAILABLE, result,
                                  unknown ? "no such host name"
                                          : "the name servers gave no answer");
        l->done(l->ctx, NULL, &err);
    }
    free_lookup(l);
}

static bool start(struct ts_lookup *l, struct ts_loop *loop, struct ts_error *err)
{
    evutil_socket_t ends[2];
    if (evutil_socketpair(AF_INET, SOCK_STREAM, 0, ends) != 0) {
        return ts_error_set(err, TS_E_SYSTEM, "cannot look a name up: no sockets left");
    }
    l->wait = ends[0];
    l->job->told = ends[1];
    l->event = event_new(ts_loop_base(loop), l->wait, EV_READ, on_answer, l);
    union {
        uintptr_t number;
        HANDLE handle;
    } thread = {.number = 0};
    if (l->event != NULL && event_add(l->event, NULL) == 0) {
        l->job->owners = 2;
        thread.number = _beginthreadex(NULL, STACK_BYTES, run, l->job, 0, NULL);
    }
    if (thread.number == 0) {
        l->job->owners = 1;
        (void)evutil_closesocket(ends[1]);
        return ts_error_set(err, TS_E_SYSTEM, "no thread to look a name up");
    }
    (void)CloseHandle(thread.handle);
    return true;
}

struct ts_lookup *ts_lookup_start(struct ts_loop *loop, const char *host, uint16_t port,
                                  ts_lookup_done *done, void *ctx, struct ts_error *err)
{
    struct ts_lookup *l = calloc(1, sizeof(*l));
    struct job *job = l == NULL ? NULL : calloc(1, sizeof(*job));
    if (job == NULL) {
        free(l);
        (void)ts_error_nomem(err);
        return NULL;
    }
    job->owners = 1;
    *l = (struct ts_lookup){.job = job, .wait = -1, .done = done, .ctx = ctx};
    (void)snprintf(job->service, sizeof(job->service), "%u", port);
    bool ok = ts_copy(job->host, sizeof(job->host), host) ||
              ts_error_set(err, TS_E_INVALID, "the host name is too long");
    if (!ok || !start(l, loop, err)) {
        free_lookup(l);
        return NULL;
    }
    return l;
}

void ts_lookup_cancel(struct ts_lookup *l)
{
    if (l != NULL) {
        free_lookup(l);
    }
}
