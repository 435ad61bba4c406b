/* See platform.h: systemd's notify protocol and journal, POSIX signals. */
#include "platform/platform.h"

#include <inttypes.h>
#include <malloc.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/uio.h>
#include <unistd.h>

#include <event2/event.h>
#include <systemd/sd-daemon.h>
#include <systemd/sd-journal.h>

#include "base/parse.h"

#define JOURNAL_FIELDS_MAX 24
#define JOURNAL_TEXT_MAX   1200

struct ts_platform {
    struct ts_loop *loop;
    struct ts_platform_handler handler;
    struct event *stop_term;
    struct event *stop_int;
    struct event *reload;
    struct ts_timer *watchdog;
    int64_t watchdog_ms; /* 0: none wanted */
    ts_mono fed_at;
    char status[256];
};

static void on_stop_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ts_platform *p = arg;
    if (p->handler.on_stop != NULL) {
        p->handler.on_stop(p->handler.ctx);
    }
}

static void on_reload_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct ts_platform *p = arg;
    if (p->handler.on_reload != NULL) {
        p->handler.on_reload(p->handler.ctx);
    }
}

/* Only wakes the loop; the turn feeds the watchdog, so a stalled turn starves it. */
static void on_watchdog_due(void *ctx)
{
    struct ts_platform *p = ctx;
    ts_timer_after(p->watchdog, p->watchdog_ms / 2);
}

static bool add_signal(struct ts_platform *p, int signum, event_callback_fn fn, struct event **ret,
                       struct ts_error *err)
{
    *ret = evsignal_new(ts_loop_base(p->loop), signum, fn, p);
    if (*ret == NULL || evsignal_add(*ret, NULL) != 0) {
        return ts_error_set(err, TS_E_SYSTEM, "cannot handle signal %d", signum);
    }
    return true;
}

static bool start_watchdog(struct ts_platform *p, struct ts_error *err)
{
    uint64_t usec = 0;
    if (sd_watchdog_enabled(0, &usec) <= 0 || usec < 2000) {
        return true;
    }
    p->watchdog_ms = (int64_t)(usec / 1000);
    p->watchdog = ts_timer_new(p->loop, on_watchdog_due, p, err);
    if (p->watchdog == NULL) {
        return false;
    }
    ts_timer_after(p->watchdog, p->watchdog_ms / 2);
    return true;
}

struct ts_platform *ts_platform_new(struct ts_loop *loop, const struct ts_platform_handler *handler,
                                    struct ts_error *err)
{
    struct ts_platform *p = calloc(1, sizeof(*p));
    if (p == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    p->loop = loop;
    p->handler = *handler;
    (void)signal(SIGPIPE, SIG_IGN);
    if (!add_signal(p, SIGTERM, on_stop_signal, &p->stop_term, err) ||
        !add_signal(p, SIGINT, on_stop_signal, &p->stop_int, err) ||
        !add_signal(p, SIGHUP, on_reload_signal, &p->reload, err) || !start_watchdog(p, err)) {
        ts_platform_free(p);
        return NULL;
    }
    return p;
}

static void drop_event(struct event *e)
{
    if (e != NULL) {
        event_free(e);
    }
}

void ts_platform_free(struct ts_platform *p)
{
    if (p != NULL) {
        drop_event(p->stop_term);
        drop_event(p->stop_int);
        drop_event(p->reload);
        ts_timer_free(p->watchdog);
        free(p);
    }
}

void ts_platform_ready(struct ts_platform *p)
{
    (void)p;
    (void)sd_notify(0, "READY=1");
}

void ts_platform_reloading(struct ts_platform *p)
{
    (void)sd_notifyf(0, "RELOADING=1\nMONOTONIC_USEC=%" PRId64, ts_loop_now(p->loop).ms * 1000);
}

void ts_platform_stopping(struct ts_platform *p)
{
    (void)p;
    (void)sd_notify(0, "STOPPING=1");
}

void ts_platform_extend(struct ts_platform *p, int64_t ms)
{
    (void)p;
    (void)sd_notifyf(0, "EXTEND_TIMEOUT_USEC=%" PRId64, ms * 1000);
}

void ts_platform_status(struct ts_platform *p, const char *line)
{
    if (strcmp(p->status, line) != 0) {
        ts_copy_cut(p->status, sizeof(p->status), line);
        (void)sd_notifyf(0, "STATUS=%s", p->status);
    }
}

void ts_platform_alive(struct ts_platform *p)
{
    if (p->watchdog_ms == 0) {
        return;
    }
    ts_mono now = ts_loop_now(p->loop);
    if (ts_mono_diff(p->fed_at, now) >= p->watchdog_ms / 4) {
        p->fed_at = now;
        (void)sd_notify(0, "WATCHDOG=1");
    }
}

int ts_platform_listen_fd(void)
{
    int n = sd_listen_fds(1);
    return n >= 1 ? SD_LISTEN_FDS_START : -1;
}

static void upper(char *dst, size_t size, const char *src)
{
    size_t i = 0;
    for (; src[i] != '\0' && i + 1 < size; i++) {
        dst[i] = src[i] >= 'a' && src[i] <= 'z' ? (char)(src[i] - 'a' + 'A') : src[i];
    }
    dst[i] = '\0';
}

/* The entry for the journal, one text a field. */
struct journal_entry {
    char text[JOURNAL_FIELDS_MAX][JOURNAL_TEXT_MAX];
    int count;
};

static void add_field(struct journal_entry *e, const char *fmt, ...) TS_PRINTF(2, 3);

static void add_field(struct journal_entry *e, const char *fmt, ...)
{
    va_list args;
    if (e->count < JOURNAL_FIELDS_MAX) {
        va_start(args, fmt);
        (void)vsnprintf(e->text[e->count++], JOURNAL_TEXT_MAX, fmt, args);
        va_end(args);
    }
}

/* As Docker's own journald driver names them, so that one filter shows a container's lines and
 * what was done with it. */
static void add_docker_field(struct journal_entry *e, const struct ts_field *f)
{
    if (strcmp(f->name, "container") == 0) {
        add_field(e, "CONTAINER_NAME=%s", f->str);
    } else if (strcmp(f->name, "container_id") == 0) {
        add_field(e, "CONTAINER_ID=%.12s", f->str);
        add_field(e, "CONTAINER_ID_FULL=%s", f->str);
    }
}

static void journal_sink(void *ctx, const struct ts_log_record *record)
{
    (void)ctx;
    struct journal_entry e = {.count = 0};
    struct iovec iov[JOURNAL_FIELDS_MAX];
    add_field(&e, "MESSAGE=%s", record->text);
    add_field(&e, "PRIORITY=%d", (int)record->level);
    add_field(&e, "MESSAGE_ID=" TS_MESSAGE_ID_FORMAT, (unsigned)record->msg);
    add_field(&e, "TRADESTACK_EVENT=%s", record->name);
    add_field(&e, "SYSLOG_IDENTIFIER=tradestackd");
    for (size_t i = 0; i < record->field_count; i++) {
        const struct ts_field *f = &record->fields[i];
        char name[48];
        upper(name, sizeof(name), f->name);
        if (f->kind == TS_FIELD_I64) {
            add_field(&e, "TRADESTACK_%s=%" PRId64, name, f->i64);
        } else if (f->str != NULL && f->str[0] != '\0') {
            add_field(&e, "TRADESTACK_%s=%s", name, f->str);
            add_docker_field(&e, f);
        }
    }
    for (int i = 0; i < e.count; i++) {
        iov[i] = (struct iovec){.iov_base = e.text[i], .iov_len = strlen(e.text[i])};
    }
    (void)sd_journal_sendv(iov, e.count);
}

/* systemd.exec(5): $JOURNAL_STREAM holds device and inode of the journal's socket. */
ts_log_sink *ts_platform_log_sink(void)
{
    const char *stream = getenv("JOURNAL_STREAM"); /* NOLINT(concurrency-mt-unsafe): at start */
    struct stat st;
    unsigned long long dev;
    unsigned long long ino;
    if (stream == NULL || sscanf(stream, "%llu:%llu", &dev, &ino) != 2 || /* NOLINT(cert-err34-c) */
        fstat(STDERR_FILENO, &st) != 0) {
        return NULL;
    }
    return st.st_dev == dev && st.st_ino == ino ? journal_sink : NULL;
}

void ts_platform_tell_error(const char *text)
{
    (void)fprintf(stderr, "%s\n", text);
}

int64_t ts_platform_pid(void)
{
    return getpid();
}

void ts_platform_host_name(char *out, size_t size)
{
    if (gethostname(out, size) != 0) {
        (void)snprintf(out, size, "this machine");
    }
    out[size - 1] = '\0';
}

/* Leaves only these characters. */
static void remove_others(char *text, const char *keep)
{
    char *end = text;
    for (const char *at = text; *at != '\0'; at++) {
        if (strchr(keep, *at) != NULL) {
            *end++ = *at;
        }
    }
    *end = '\0';
}

void ts_platform_boot_id(char *out, size_t size)
{
    /* The unit hands it over, because ProcSubset=pid hides the file; there it has dashes. */
    const char *given = getenv("TRADESTACK_BOOT_ID"); /* NOLINT(concurrency-mt-unsafe): at start */
    ts_copy_cut(out, size, given != NULL ? given : "");
    FILE *f = out[0] == '\0' ? fopen("/proc/sys/kernel/random/boot_id", "re") : NULL;
    if (f != NULL) {
        if (fgets(out, (int)size, f) != NULL) {
            remove_others(out, "0123456789abcdef");
        }
        (void)fclose(f);
    }
}

/* glibc keeps what a burst or a long answer has left free below the heap's end. */
void ts_platform_give_back(void)
{
    (void)malloc_trim(0);
}

void ts_platform_no_core_dumps(void)
{
    const struct rlimit none = {0, 0};
    (void)setrlimit(RLIMIT_CORE, &none);
    (void)prctl(PR_SET_DUMPABLE, 0);
}
