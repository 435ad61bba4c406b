/* See platform.h: the service manager, console events, the Event Log. */
#include "platform/platform.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "platform/service_win.h"

#include <winternl.h>

#define PROGRESS_MS 1000  /* so often a pending state is told anew */
#define ALIVE_MS    10000 /* so often the loop turns at least */
#define STALLED_MS  90000 /* a loop that has not turned for so long has stalled */
#define LOOK_MS     5000

struct ts_platform {
    struct ts_loop *loop;
    struct ts_platform_handler handler;
    struct ts_post *post;
    struct ts_timer *tick; /* turns the loop for the watchdog, tells progress while stopping */
    bool stopping;
};

/* The watchdog's thread and the console's know no object. */
static struct {
    struct ts_post *post;
    HANDLE stop;
    HANDLE thread;
    volatile LONG64 alive_ms; /* awake time, without sleep, so that a resume is no stall */
} shared;

static LONG64 awake_ms(void)
{
    ULONGLONG ticks = 0;
    (void)QueryUnbiasedInterruptTime(&ticks); /* 100 ns */
    return (LONG64)(ticks / 10000);
}

/* --- what comes in */

static void take_event(void *ctx, void *item)
{
    struct ts_platform *p = ctx;
    union {
        void *pointer;
        uintptr_t number;
    } event = {.pointer = item};
    switch (TS_SERVICE_CONTROL(event.number)) {
    case SERVICE_CONTROL_STOP:
        if (p->handler.on_stop != NULL) {
            p->handler.on_stop(p->handler.ctx);
        }
        break;
    case SERVICE_CONTROL_PARAMCHANGE:
        if (p->handler.on_reload != NULL) {
            p->handler.on_reload(p->handler.ctx);
        }
        break;
    default: break; /* host_win.c's */
    }
}

static BOOL WINAPI on_console(DWORD what)
{
    union {
        uintptr_t number;
        void *pointer;
    } event = {.number = TS_SERVICE_EVENT((uintptr_t)SERVICE_CONTROL_STOP, (uintptr_t)0)};
    bool ours = what == CTRL_C_EVENT || what == CTRL_BREAK_EVENT || what == CTRL_CLOSE_EVENT;
    return ours && shared.post != NULL && ts_post_send(shared.post, event.pointer);
}

/* --- the watchdog: the service manager has none, but starts again what ends badly */

static DWORD WINAPI watch_over(void *arg)
{
    (void)arg;
    while (WaitForSingleObject(shared.stop, LOOK_MS) == WAIT_TIMEOUT) {
        if (awake_ms() - shared.alive_ms > STALLED_MS) {
            (void)TerminateProcess(GetCurrentProcess(), ERROR_TIMEOUT);
        }
    }
    return 0;
}

static void start_watchdog(void)
{
    shared.alive_ms = awake_ms();
    shared.stop = CreateEventA(NULL, TRUE, FALSE, NULL);
    if (shared.stop != NULL) {
        shared.thread = CreateThread(NULL, 0, watch_over, NULL, 0, NULL);
    }
}

static void stop_watchdog(void)
{
    if (shared.thread != NULL) {
        (void)SetEvent(shared.stop);
        (void)WaitForSingleObject(shared.thread, INFINITE);
        (void)CloseHandle(shared.thread);
        shared.thread = NULL;
    }
    if (shared.stop != NULL) {
        (void)CloseHandle(shared.stop);
        shared.stop = NULL;
    }
}

static void on_tick(void *ctx)
{
    struct ts_platform *p = ctx;
    if (p->stopping) {
        ts_service_progress();
    }
    ts_timer_after(p->tick, p->stopping ? PROGRESS_MS : ALIVE_MS);
}

/* --- platform.h */

struct ts_platform *ts_platform_new(struct ts_loop *loop, const struct ts_platform_handler *handler,
                                    struct ts_error *err)
{
    struct ts_platform *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    p->loop = loop;
    p->handler = *handler;
    p->tick = ts_timer_new(loop, on_tick, p, err);
    p->post = p->tick == NULL ? NULL : ts_post_new(loop, take_event, p, err);
    if (p->post == NULL) {
        ts_platform_free(p);
        return NULL;
    }
    shared.post = p->post;
    ts_service_subscribe(p->post);
    (void)SetConsoleCtrlHandler(on_console, TRUE);
    ts_timer_after(p->tick, ALIVE_MS);
    if (ts_service_is()) {
        start_watchdog();
    }
    return p;
}

void ts_platform_free(struct ts_platform *p)
{
    if (p != NULL) {
        stop_watchdog();
        (void)SetConsoleCtrlHandler(on_console, FALSE);
        if (p->post != NULL) {
            ts_service_unsubscribe(p->post);
        }
        shared.post = NULL;
        ts_post_free(p->post, NULL);
        ts_timer_free(p->tick);
        free(p);
    }
}

void ts_platform_ready(struct ts_platform *p)
{
    (void)p;
    ts_service_report(SERVICE_RUNNING, 0);
}

void ts_platform_reloading(struct ts_platform *p)
{
    (void)p; /* it goes on running meanwhile, as far as the service manager is concerned */
}

void ts_platform_stopping(struct ts_platform *p)
{
    p->stopping = true;
    ts_timer_after(p->tick, PROGRESS_MS);
}

/* Before the loop runs: the start; after it was asked to end: the stop. */
void ts_platform_extend(struct ts_platform *p, int64_t ms)
{
    DWORD hint = ms > INT32_MAX ? INT32_MAX : (DWORD)ms;
    ts_service_report(p == NULL ? SERVICE_START_PENDING : SERVICE_STOP_PENDING, hint);
}

void ts_platform_status(struct ts_platform *p, const char *line)
{
    (void)p; /* a service has no line to show: tradestackctl status does */
    (void)line;
}

void ts_platform_alive(struct ts_platform *p)
{
    (void)p;
    (void)InterlockedExchange64(&shared.alive_ms, awake_ms());
}

int ts_platform_listen_fd(void)
{
    return -1;
}

ts_log_sink *ts_platform_log_sink(void)
{
    return ts_service_is() ? ts_eventlog_sink : NULL;
}

void ts_platform_tell_error(const char *text)
{
    const struct ts_clock *clock = ts_clock_real();
    const struct ts_log_record record = {.msg = TS_MSG_CONFIG_ERROR,
                                         .level = TS_LOG_ERROR,
                                         .name = "config.error",
                                         .at = clock->wall(clock->ctx),
                                         .text = text};
    (void)fprintf(stderr, "%s\n", text);
    if (ts_service_is()) { /* nobody sees a service's standard error */
        ts_eventlog_sink(NULL, &record);
    }
}

int64_t ts_platform_pid(void)
{
    return GetCurrentProcessId();
}

void ts_platform_host_name(char *out, size_t size)
{
    DWORD n = (DWORD)size;
    if (!GetComputerNameExA(ComputerNameDnsHostname, out, &n)) {
        (void)snprintf(out, size, "this machine");
    }
}

/* What NtQuerySystemInformation(SystemTimeOfDayInformation) gives; winternl.h keeps it opaque. */
struct time_of_day {
    LARGE_INTEGER boot_time; /* moves with the clock when that is set … */
    LARGE_INTEGER now;
    LARGE_INTEGER zone_bias;
    ULONG zone;
    ULONG reserved;
    ULONGLONG boot_bias; /* … and so does this */
    ULONGLONG sleep_bias;
};

/* Windows gives a boot no name; the moment at which it began is one. */
void ts_platform_boot_id(char *out, size_t size)
{
    struct time_of_day t = {.zone = 0};
    ULONG n = 0;
    if (NtQuerySystemInformation((SYSTEM_INFORMATION_CLASS)SystemTimeOfDayInformation, &t,
                                 sizeof(t), &n) != 0) {
        out[0] = '\0';
        return;
    }
    (void)snprintf(out, size, "boot-%lld", t.boot_time.QuadPart - (long long)t.boot_bias);
}

void ts_platform_give_back(void)
{
    /* its heap does so by itself */
}

void ts_platform_no_core_dumps(void)
{
    (void)SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
}
