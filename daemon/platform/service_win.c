/* See service_win.h. */
#include "platform/service_win.h"

#include <stdlib.h>
#include <string.h>

#include "platform/entry.h"

#define SUBSCRIBERS_MAX 2
#define EARLY_MAX       16 /* controls kept until somebody listens */

#define ACCEPTED                                                                                   \
    (SERVICE_ACCEPT_STOP | SERVICE_ACCEPT_PRESHUTDOWN | SERVICE_ACCEPT_PARAMCHANGE |               \
     SERVICE_ACCEPT_POWEREVENT | SERVICE_ACCEPT_SESSIONCHANGE)

static struct {
    CRITICAL_SECTION lock;
    bool running; /* as a service */
    SERVICE_STATUS_HANDLE handle;
    SERVICE_STATUS status;
    struct ts_post *subscribers[SUBSCRIBERS_MAX];
    uintptr_t early[EARLY_MAX];
    size_t early_count;
    int argc;
    char **argv;
    int exit_code;
} service;

bool ts_service_is(void)
{
    return service.running;
}

static void post(struct ts_post *to, uintptr_t event)
{
    union {
        uintptr_t number;
        void *pointer;
    } item = {.number = event};
    if (!ts_post_send(to, item.pointer)) {
        ExitProcess(ERROR_OUTOFMEMORY); /* a stop that is lost would hang the machine's shutdown */
    }
}

void ts_service_subscribe(struct ts_post *queue)
{
    if (!service.running) {
        return;
    }
    EnterCriticalSection(&service.lock);
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (service.subscribers[i] == NULL) {
            service.subscribers[i] = queue;
            break;
        }
    }
    for (size_t i = 0; i < service.early_count; i++) {
        post(queue, service.early[i]);
    }
    LeaveCriticalSection(&service.lock);
}

void ts_service_unsubscribe(struct ts_post *queue)
{
    if (!service.running) {
        return;
    }
    EnterCriticalSection(&service.lock);
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (service.subscribers[i] == queue) {
            service.subscribers[i] = NULL;
        }
    }
    LeaveCriticalSection(&service.lock);
}

static bool has_subscriber(void)
{
    return service.subscribers[0] != NULL || service.subscribers[1] != NULL;
}

static void hand_on(uintptr_t event)
{
    if (!has_subscriber() && service.early_count < EARLY_MAX) {
        service.early[service.early_count++] = event;
    }
    for (size_t i = 0; i < SUBSCRIBERS_MAX; i++) {
        if (service.subscribers[i] != NULL) {
            post(service.subscribers[i], event);
        }
    }
}

void ts_service_post(void *event)
{
    union {
        void *pointer;
        uintptr_t number;
    } item = {.pointer = event};
    EnterCriticalSection(&service.lock);
    hand_on(item.number);
    LeaveCriticalSection(&service.lock);
}

/* --- states */

static void tell(void)
{
    (void)SetServiceStatus(service.handle, &service.status);
}

void ts_service_report(DWORD state, DWORD hint_ms)
{
    if (!service.running) {
        return;
    }
    EnterCriticalSection(&service.lock);
    SERVICE_STATUS *s = &service.status;
    bool is_pending = state == SERVICE_START_PENDING || state == SERVICE_STOP_PENDING;
    s->dwCheckPoint = is_pending ? s->dwCheckPoint + 1 : 0;
    s->dwWaitHint = is_pending ? hint_ms : 0;
    s->dwCurrentState = state;
    s->dwControlsAccepted = state == SERVICE_RUNNING ? ACCEPTED : 0;
    tell();
    LeaveCriticalSection(&service.lock);
}

void ts_service_progress(void)
{
    if (!service.running) {
        return;
    }
    EnterCriticalSection(&service.lock);
    if (service.status.dwWaitHint > 0) {
        service.status.dwCheckPoint++;
        tell();
    }
    LeaveCriticalSection(&service.lock);
}

/* --- the service manager's threads */

static DWORD WINAPI on_control(DWORD control, DWORD type, void *data, void *ctx)
{
    (void)data;
    (void)ctx;
    EnterCriticalSection(&service.lock);
    switch (control) {
    case SERVICE_CONTROL_INTERROGATE: tell(); break;
    case SERVICE_CONTROL_STOP:
        service.status.dwCurrentState = SERVICE_STOP_PENDING;
        service.status.dwControlsAccepted = 0;
        service.status.dwCheckPoint = 1;
        service.status.dwWaitHint = 10000; /* until the loop says how long */
        tell();
        hand_on(TS_SERVICE_EVENT((uintptr_t)control, (uintptr_t)0));
        break;
    case SERVICE_CONTROL_PRESHUTDOWN:
    case TS_SERVICE_SHUT_DOWN:
    case TS_SERVICE_LOOK:
    case SERVICE_CONTROL_PARAMCHANGE:
    case SERVICE_CONTROL_POWEREVENT:
    case SERVICE_CONTROL_SESSIONCHANGE:
        hand_on(TS_SERVICE_EVENT((uintptr_t)control, (uintptr_t)type));
        break;
    default: LeaveCriticalSection(&service.lock); return ERROR_CALL_NOT_IMPLEMENTED;
    }
    LeaveCriticalSection(&service.lock);
    return NO_ERROR;
}

static void WINAPI service_main(DWORD argc, char **argv)
{
    (void)argc; /* what was typed behind `sc start`: the options are those of the installation */
    (void)argv;
    service.handle = RegisterServiceCtrlHandlerExA(TS_SERVICE_NAME, on_control, NULL);
    if (service.handle == NULL) {
        service.exit_code = EXIT_FAILURE;
        return;
    }
    ts_service_report(SERVICE_START_PENDING, 30000);
    service.exit_code = ts_main(service.argc, service.argv);
    EnterCriticalSection(&service.lock);
    /* An end that was not in order counts as a failure for the recovery actions, too. */
    service.status.dwWin32ExitCode =
        service.exit_code == 0 ? NO_ERROR : ERROR_SERVICE_SPECIFIC_ERROR;
    service.status.dwServiceSpecificExitCode = (DWORD)service.exit_code;
    LeaveCriticalSection(&service.lock);
    ts_service_report(SERVICE_STOPPED, 0);
}

int ts_service_run(int argc, char **argv)
{
    char name[] = TS_SERVICE_NAME;
    const SERVICE_TABLE_ENTRYA table[] = {{name, service_main}, {NULL, NULL}};
    InitializeCriticalSection(&service.lock);
    service.running = true;
    service.status.dwServiceType = SERVICE_WIN32_OWN_PROCESS;
    service.argc = argc;
    service.argv = argv;
    if (!StartServiceCtrlDispatcherA(table)) {
        service.running = false;
        return EXIT_FAILURE;
    }
    return service.exit_code;
}
