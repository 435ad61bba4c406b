/*
 * See host.h: what the service manager tells of the machine (a shutdown, sleep, sessions), and what
 * keeps the engine from running. The latter is looked at in a thread of its own, because the
 * service manager and the registry may be slow.
 */
#include "platform/host.h"

#include <process.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "boot/engine_win.h"
#include "model/model.h"
#include "platform/service_win.h"

#define LOOK_MS     15000  /* so often an engine that does not answer is looked into */
#define ACT_MS      120000 /* so often it is tried to be started */
#define FINISH_MS   30000  /* a thread that still looks when we end */
#define STACK_BYTES (256 << 10)

/* One look, made in the thread and posted when it is done. */
struct look {
    struct ts_host *host;
    char engine[TS_TEXT_MAX];
    char command[TS_TEXT_MAX];
    bool may_act;
    enum ts_boot_situation situation;
    bool acted;
    char did[200]; /* what was done, or why it could not be; "" for nothing */
};

struct ts_host {
    struct ts_loop *loop;
    struct ts_log *log;
    struct ts_host_handler handler;
    struct ts_post *controls;
    struct ts_post *looks;
    HANDLE thread; /* of a look that is under way */
    ts_mono looked;
    ts_mono acted;
    bool has_looked;
    bool has_acted;
    char last_did[200];
    enum ts_boot_situation situation;
    char outlook[500];
    char unit[TS_NAME_MAX];
    bool announced; /* the machine goes down */
};

/* --- what the service manager tells */

static void machine_goes_down(struct ts_host *h)
{
    if (!h->announced) {
        h->announced = true;
        h->handler.on_shutdown(h->handler.ctx, true);
    }
}

static void is_awake(struct ts_host *h, const char *why)
{
    TS_LOG(h->log, TS_MSG_AWAKE, TS_NO_FIELDS, "everything is looked at anew: %s", why);
    h->has_looked = false;
    h->handler.on_resume(h->handler.ctx);
}

static void take_control(void *ctx, void *item)
{
    struct ts_host *h = ctx;
    union {
        void *pointer;
        uintptr_t number;
    } event = {.pointer = item};
    DWORD type = TS_SERVICE_TYPE(event.number);
    switch (TS_SERVICE_CONTROL(event.number)) {
    case SERVICE_CONTROL_PRESHUTDOWN:
    case TS_SERVICE_SHUT_DOWN: machine_goes_down(h); break;
    case TS_SERVICE_LOOK: is_awake(h, "asked for"); break;
    case SERVICE_CONTROL_POWEREVENT:
        if (type == PBT_APMRESUMEAUTOMATIC || type == PBT_APMRESUMESUSPEND) {
            is_awake(h, "this machine slept and is awake again");
        }
        break;
    case SERVICE_CONTROL_SESSIONCHANGE:
        if (type == WTS_SESSION_LOGON || type == WTS_SESSION_LOGOFF) {
            TS_LOG(h->log, TS_MSG_ENGINE_SITUATION,
                   TS_FIELDS(TS_STR("kind", type == WTS_SESSION_LOGON ? "log-on" : "log-off")),
                   type == WTS_SESSION_LOGON
                       ? "somebody has logged on: Docker Desktop may start now"
                       : "somebody has logged off: a Docker Desktop of that session ends with it");
            h->has_looked = false;
            h->handler.on_resume(h->handler.ctx);
        }
        break;
    default: break;
    }
}

/* --- why the engine does not answer */

static void act(struct look *l)
{
    struct ts_error err;
    const char *service = ts_boot_service_to_start(l->situation);
    bool ok = true;
    if (service != NULL) {
        l->acted = true;
        ok = ts_boot_start_service(service, &err);
        (void)snprintf(l->did, sizeof(l->did), "its start was asked for: service %s", service);
    } else if (l->command[0] != '\0' && ts_boot_command_helps(l->situation)) {
        l->acted = true;
        ok = ts_boot_run_command(l->command, &err);
        (void)snprintf(l->did, sizeof(l->did), "[engine] start_command was run");
    }
    if (!ok) {
        (void)snprintf(l->did, sizeof(l->did), "starting it failed: %.160s", err.msg);
    }
}

static unsigned __stdcall run_look(void *arg)
{
    struct look *l = arg;
    struct ts_boot_facts facts = ts_boot_gather(l->engine);
    l->situation = ts_boot_judge(&facts);
    if (l->may_act) {
        act(l);
    }
    if (!ts_post_send(l->host->looks, l)) {
        free(l);
    }
    return 0;
}

static void tell(struct ts_host *h, const struct look *l)
{
    const char *remedy = ts_boot_remedy(l->situation);
    (void)snprintf(h->outlook, sizeof(h->outlook), "On this machine: %s%s%s%s%s.",
                   ts_boot_meaning(l->situation), l->did[0] != '\0' ? "; " : "", l->did,
                   remedy[0] != '\0' ? "; what a person can do: " : "", remedy);
    TS_LOG(h->log, TS_MSG_ENGINE_SITUATION,
           TS_FIELDS(TS_STR("engine", l->engine), TS_STR("situation", ts_boot_name(l->situation))),
           "%s", h->outlook);
}

static void close_thread(struct ts_host *h, DWORD wait_ms)
{
    if (h->thread != NULL) {
        (void)WaitForSingleObject(h->thread, wait_ms);
        (void)CloseHandle(h->thread);
        h->thread = NULL;
    }
}

static void take_look(void *ctx, void *item)
{
    struct ts_host *h = ctx;
    struct look *l = item;
    bool is_new = !h->has_looked || l->situation != h->situation ||
                  (l->acted && strcmp(l->did, h->last_did) != 0);
    close_thread(h, INFINITE); /* it has nothing left to do */
    if (l->acted) {
        h->acted = ts_loop_now(h->loop);
        h->has_acted = true;
        ts_copy_cut(h->last_did, sizeof(h->last_did), l->did);
    }
    h->situation = l->situation;
    h->has_looked = true;
    if (is_new && l->situation != TS_BOOT_REMOTE) {
        tell(h, l);
    }
    free(l);
}

void ts_host_engine_is_down(struct ts_host *h, const char *address, const char *start_command)
{
    ts_mono now = ts_loop_now(h->loop);
    if (h->thread != NULL || h->announced ||
        (h->has_looked && ts_mono_diff(h->looked, now) < LOOK_MS)) {
        return;
    }
    struct look *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        return; /* the next try asks again */
    }
    l->host = h;
    l->may_act = !h->has_acted || ts_mono_diff(h->acted, now) >= ACT_MS;
    ts_copy_cut(l->engine, sizeof(l->engine), address);
    ts_copy_cut(l->command, sizeof(l->command), start_command);
    union {
        uintptr_t number;
        HANDLE handle;
    } thread = {.number = _beginthreadex(NULL, STACK_BYTES, run_look, l, 0, NULL)};
    if (thread.number == 0) {
        free(l);
        return;
    }
    h->thread = thread.handle;
    h->looked = now;
}

const char *ts_host_engine_outlook(const struct ts_host *h)
{
    return h->outlook;
}

/* --- host.h */

struct ts_host *ts_host_new(struct ts_loop *loop, struct ts_log *log, const char *engine_unit,
                            const struct ts_host_handler *handler, struct ts_error *err)
{
    struct ts_host *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    *h = (struct ts_host){.loop = loop, .log = log, .handler = *handler};
    ts_copy_cut(h->unit, sizeof(h->unit), engine_unit);
    h->looks = ts_post_new(loop, take_look, h, err);
    h->controls = h->looks == NULL ? NULL : ts_post_new(loop, take_control, h, err);
    if (h->controls == NULL) {
        ts_host_free(h);
        return NULL;
    }
    ts_service_subscribe(h->controls);
    return h;
}

void ts_host_free(struct ts_host *h)
{
    if (h == NULL) {
        return;
    }
    if (h->controls != NULL) {
        ts_service_unsubscribe(h->controls);
        ts_post_free(h->controls, NULL);
    }
    bool looking = h->thread != NULL && WaitForSingleObject(h->thread, FINISH_MS) != WAIT_OBJECT_0;
    if (looking) {
        return; /* the thread still uses it; the process ends in a moment */
    }
    close_thread(h, 0);
    ts_post_free(h->looks, free);
    free(h);
}

/* A connection starts nothing here, so that nothing has to be kept from connecting. */
enum ts_engine_unit ts_host_engine_unit(const struct ts_host *h)
{
    (void)h;
    return TS_ENGINE_UNIT_UNKNOWN;
}

const char *ts_host_engine_unit_name(const struct ts_host *h)
{
    return h->unit;
}

/* What Windows allows this service, which is our own setting (install_win.c); asked for at the
 * moment, because an administrator may have changed it. */
int64_t ts_host_shutdown_delay_ms(const struct ts_host *h)
{
    SERVICE_PRESHUTDOWN_INFO info = {.dwPreshutdownTimeout = 0};
    union {
        SERVICE_PRESHUTDOWN_INFO *info;
        BYTE *bytes;
    } buffer = {.info = &info};
    DWORD n = 0;
    (void)h;
    if (!ts_service_is()) {
        return 0;
    }
    SC_HANDLE manager = OpenSCManagerA(NULL, NULL, SC_MANAGER_CONNECT);
    SC_HANDLE service =
        manager == NULL ? NULL : OpenServiceA(manager, TS_SERVICE_NAME, SERVICE_QUERY_CONFIG);
    if (service != NULL) {
        (void)QueryServiceConfig2A(service, SERVICE_CONFIG_PRESHUTDOWN_INFO, buffer.bytes,
                                   sizeof(info), &n);
        (void)CloseServiceHandle(service);
    }
    if (manager != NULL) {
        (void)CloseServiceHandle(manager);
    }
    /* 0: it cannot be asked; then the least that Windows has ever allowed. */
    return info.dwPreshutdownTimeout > 0 ? info.dwPreshutdownTimeout : 10000;
}

/* A service that has done its work before the shutdown ends; Windows goes on as soon as it has. */
void ts_host_let_go(struct ts_host *h)
{
    union {
        uintptr_t number;
        void *pointer;
    } event = {.number = TS_SERVICE_EVENT((uintptr_t)SERVICE_CONTROL_STOP, (uintptr_t)0)};
    if (h->announced && ts_service_is()) {
        ts_service_post(event.pointer);
    }
}

void ts_host_ask_going_down(struct ts_host *h, void (*answer)(void *ctx, bool going_down))
{
    answer(h->handler.ctx, h->announced || GetSystemMetrics(SM_SHUTTINGDOWN) != 0);
}
