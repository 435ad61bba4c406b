/*
 * See host.h: logind's delay inhibitor (systemd.io/INHIBITOR_LOCKS) and systemd's D-Bus interface
 * (org.freedesktop.systemd1(5), org.freedesktop.login1(5)), by sd-bus. Reading needs no rights;
 * the inhibitor is granted by polkit's default rules.
 */
#include "platform/host.h"

#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/event.h>
#include <systemd/sd-bus.h>

#include "base/parse.h"
#include "model/model.h"

#define CALL_USEC      ((uint64_t)5 * 1000 * 1000)
#define FIRST_MS       1000 /* so long the engine's unit may stay unknown at the start */
#define RETRY_FIRST_MS 1000
#define RETRY_MAX_MS   60000
#define ANSWER_MS      5000 /* a machine that goes down is busy */
#define LOOK_MS        1000 /* so often while an answer is due, whose deadline is on another clock */
#define MESSAGES_MAX   256  /* worked off in one go; the rest waits for the next turn */

#define SYSTEMD       "org.freedesktop.systemd1"
#define SYSTEMD_PATH  "/org/freedesktop/systemd1"
#define SYSTEMD_IFACE "org.freedesktop.systemd1.Manager"
#define UNIT_IFACE    "org.freedesktop.systemd1.Unit"
#define LOGIND        "org.freedesktop.login1"
#define LOGIND_PATH   "/org/freedesktop/login1"
#define LOGIND_IFACE  "org.freedesktop.login1.Manager"
#define PROPERTIES    "org.freedesktop.DBus.Properties"

struct ts_host {
    struct ts_loop *loop;
    struct ts_log *log;
    struct ts_host_handler handler;
    sd_bus *bus; /* NULL between two tries */
    struct event *io;
    short io_events;
    struct ts_timer *due;   /* sd-bus' own deadline */
    struct ts_timer *retry; /* the next connection, or the next try for the inhibitor */
    struct ts_timer *first; /* until then the engine's unit is being asked for */
    struct ts_timer *answer_due;
    int64_t retry_ms;

    char unit[TS_NAME_MAX];
    char *unit_path; /* of sd_bus_path_encode() */
    enum ts_engine_unit engine;

    int lock; /* the inhibitor's descriptor, or -1 */
    bool told_no_lock;
    bool announced; /* the machine goes down */
    bool untold;    /* … and the handler is told when the delay is known */
    int64_t delay_ms;

    void (*answer)(void *ctx, bool going_down);
};

static void pump(struct ts_host *h);
static void connect_bus(struct ts_host *h);

/* --- the engine's unit */

static void set_engine(struct ts_host *h, enum ts_engine_unit state)
{
    if (h->engine != state) {
        h->engine = state;
        h->handler.on_engine_unit(h->handler.ctx);
    }
}

static enum ts_engine_unit unit_state(const char *load, const char *active, uint64_t entered_usec)
{
    static const struct {
        const char *word;
        enum ts_engine_unit state;
    } words[] = {
        {"active", TS_ENGINE_UNIT_RUNNING},      {"reloading", TS_ENGINE_UNIT_RUNNING},
        {"activating", TS_ENGINE_UNIT_STARTING}, {"deactivating", TS_ENGINE_UNIT_STOPPING},
        {"failed", TS_ENGINE_UNIT_FAILED},
    };
    if (strcmp(load, "loaded") != 0) {
        return TS_ENGINE_UNIT_UNKNOWN;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(words); i++) {
        if (strcmp(active, words[i].word) == 0) {
            return words[i].state;
        }
    }
    return entered_usec == 0 ? TS_ENGINE_UNIT_IDLE : TS_ENGINE_UNIT_STOPPED;
}

/* One entry of a{sv} whose value has that type, else skipped. */
static int read_property(sd_bus_message *m, const char *name, char *load, char *active, size_t size,
                         uint64_t *entered)
{
    char *out = strcmp(name, "LoadState") == 0     ? load
                : strcmp(name, "ActiveState") == 0 ? active
                                                   : NULL;
    if (out != NULL) {
        const char *text = "";
        int r = sd_bus_message_read(m, "v", "s", &text);
        ts_copy_cut(out, size, text);
        return r;
    }
    if (strcmp(name, "ActiveEnterTimestampMonotonic") == 0) {
        return sd_bus_message_read(m, "v", "t", entered);
    }
    return sd_bus_message_skip(m, "v");
}

static int on_unit(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)ignored;
    struct ts_host *h = ctx;
    char load[16] = "";
    char active[16] = "";
    uint64_t entered = 0;
    if (sd_bus_message_is_method_error(m, NULL) ||
        sd_bus_message_enter_container(m, SD_BUS_TYPE_ARRAY, "{sv}") < 0) {
        set_engine(h, TS_ENGINE_UNIT_UNKNOWN);
        return 0;
    }
    while (sd_bus_message_enter_container(m, SD_BUS_TYPE_DICT_ENTRY, "sv") > 0) {
        const char *name = NULL;
        if (sd_bus_message_read(m, "s", &name) < 0 ||
            read_property(m, name, load, active, sizeof(load), &entered) < 0 ||
            sd_bus_message_exit_container(m) < 0) {
            break;
        }
    }
    set_engine(h, unit_state(load, active, entered));
    return 0;
}

static void ask_unit(struct ts_host *h)
{
    (void)sd_bus_call_method_async(h->bus, NULL, SYSTEMD, h->unit_path, PROPERTIES, "GetAll",
                                   on_unit, h, "s", UNIT_IFACE);
}

static int on_unit_changed(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)m;
    (void)ignored;
    ask_unit(ctx);
    return 0;
}

static void on_first_due(void *ctx)
{
    struct ts_host *h = ctx;
    if (h->engine == TS_ENGINE_UNIT_ASKING) {
        set_engine(h, TS_ENGINE_UNIT_UNKNOWN);
    }
}

static int ignore_reply(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)m;
    (void)ctx;
    (void)ignored;
    return 0;
}

static bool watch_unit(struct ts_host *h)
{
    if (h->unit_path == NULL) {
        return true;
    }
    if (sd_bus_match_signal_async(h->bus, NULL, SYSTEMD, h->unit_path, PROPERTIES,
                                  "PropertiesChanged", on_unit_changed, NULL, h) < 0 ||
        sd_bus_call_method_async(h->bus, NULL, SYSTEMD, SYSTEMD_PATH, SYSTEMD_IFACE, "Subscribe",
                                 ignore_reply, NULL, NULL) < 0) {
        return false;
    }
    ask_unit(h);
    return true;
}

/* --- shutdown */

static void drop_lock(struct ts_host *h)
{
    if (h->lock >= 0) {
        (void)close(h->lock);
        h->lock = -1;
    }
}

static void retry_later(struct ts_host *h)
{
    ts_timer_after(h->retry, h->retry_ms);
    h->retry_ms = h->retry_ms * 2 < RETRY_MAX_MS ? h->retry_ms * 2 : RETRY_MAX_MS;
}

static void no_lock(struct ts_host *h, const char *why)
{
    if (!h->told_no_lock) {
        h->told_no_lock = true;
        TS_LOG(h->log, TS_MSG_NO_INHIBITOR, TS_NO_FIELDS,
               "a shutdown of this machine will not wait until the stack has stopped in order: "
               "logind gives no inhibitor: %s; asked again from time to time",
               why);
    }
    retry_later(h);
}

static int on_lock(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)ignored;
    struct ts_host *h = ctx;
    int fd = -1;
    if (sd_bus_message_is_method_error(m, NULL)) {
        no_lock(h, sd_bus_message_get_error(m)->message);
        return 0;
    }
    if (sd_bus_message_read(m, "h", &fd) < 0) {
        no_lock(h, "its answer makes no sense");
        return 0;
    }
    drop_lock(h);
    h->lock = fcntl(fd, F_DUPFD_CLOEXEC, 3); /* the message's own goes with it */
    h->retry_ms = RETRY_FIRST_MS;
    if (h->told_no_lock) {
        h->told_no_lock = false;
        TS_LOG(h->log, TS_MSG_INHIBITOR, TS_NO_FIELDS,
               "a shutdown waits for the stack to stop in order again");
    }
    return 0;
}

static void take_lock(struct ts_host *h)
{
    (void)sd_bus_call_method_async(h->bus, NULL, LOGIND, LOGIND_PATH, LOGIND_IFACE, "Inhibit",
                                   on_lock, h, "ssss", "shutdown", "tradestackd",
                                   "the trading stack stops in order first", "delay");
}

static void tell_begin(struct ts_host *h)
{
    if (h->untold) {
        h->untold = false;
        h->handler.on_shutdown(h->handler.ctx, true);
    }
}

static int on_delay(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)ignored;
    struct ts_host *h = ctx;
    uint64_t usec = 0;
    if (!sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "v", "t", &usec) >= 0) {
        h->delay_ms = usec / 1000 > INT32_MAX ? INT32_MAX : (int64_t)(usec / 1000);
    }
    tell_begin(h);
    return 0;
}

static bool ask_delay(struct ts_host *h)
{
    return sd_bus_call_method_async(h->bus, NULL, LOGIND, LOGIND_PATH, PROPERTIES, "Get", on_delay,
                                    h, "ss", LOGIND_IFACE, "InhibitDelayMaxUSec") >= 0;
}

static int on_prepare(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)ignored;
    struct ts_host *h = ctx;
    int begins = 0;
    if (sd_bus_message_read(m, "b", &begins) < 0 || h->announced == (begins != 0)) {
        return 0;
    }
    h->announced = begins != 0;
    h->untold = h->announced;
    if (!h->announced) {
        take_lock(h);
        h->handler.on_shutdown(h->handler.ctx, false);
    } else if (!ask_delay(h)) { /* it may have been set since we asked last */
        tell_begin(h);
    }
    return 0;
}

static bool watch_shutdown(struct ts_host *h)
{
    if (sd_bus_match_signal_async(h->bus, NULL, LOGIND, LOGIND_PATH, LOGIND_IFACE,
                                  "PrepareForShutdown", on_prepare, NULL, h) < 0) {
        return false;
    }
    take_lock(h);
    return ask_delay(h);
}

static void give_answer(struct ts_host *h, bool going_down)
{
    void (*answer)(void *, bool) = h->answer;
    h->answer = NULL;
    ts_timer_stop(h->answer_due);
    if (answer != NULL) {
        answer(h->handler.ctx, going_down);
    }
}

static int on_system_state(sd_bus_message *m, void *ctx, sd_bus_error *ignored)
{
    (void)ignored;
    struct ts_host *h = ctx;
    const char *state = "";
    bool ok =
        !sd_bus_message_is_method_error(m, NULL) && sd_bus_message_read(m, "v", "s", &state) >= 0;
    give_answer(h, ok && strcmp(state, "stopping") == 0);
    return 0;
}

static void on_answer_due(void *ctx)
{
    struct ts_host *h = ctx;
    give_answer(h, h->announced);
}

void ts_host_ask_going_down(struct ts_host *h, void (*answer)(void *ctx, bool going_down))
{
    h->answer = answer;
    if (h->announced || h->bus == NULL ||
        sd_bus_call_method_async(h->bus, NULL, SYSTEMD, SYSTEMD_PATH, PROPERTIES, "Get",
                                 on_system_state, h, "ss", SYSTEMD_IFACE, "SystemState") < 0) {
        give_answer(h, h->announced);
        return;
    }
    ts_timer_after(h->answer_due, ANSWER_MS);
    pump(h);
}

/* --- the bus */

static void close_bus(struct ts_host *h)
{
    if (h->io != NULL) {
        event_free(h->io);
        h->io = NULL;
    }
    ts_timer_stop(h->due);
    h->bus = sd_bus_close_unref(h->bus);
}

static void lost(struct ts_host *h)
{
    close_bus(h);
    if (h->engine == TS_ENGINE_UNIT_ASKING) {
        set_engine(h, TS_ENGINE_UNIT_UNKNOWN);
    }
    retry_later(h);
}

static void on_io(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    pump(arg);
}

static void on_due(void *ctx)
{
    pump(ctx);
}

/* sd-bus says anew each time what it waits for. */
static bool rearm(struct ts_host *h)
{
    uint64_t usec = UINT64_MAX;
    int events = sd_bus_get_events(h->bus);
    int fd = sd_bus_get_fd(h->bus);
    if (events < 0 || fd < 0 || sd_bus_get_timeout(h->bus, &usec) < 0) {
        return false;
    }
    short want = (short)(EV_PERSIST | ((events & POLLIN) != 0 ? EV_READ : 0) |
                         ((events & POLLOUT) != 0 ? EV_WRITE : 0));
    if (h->io == NULL || h->io_events != want) {
        if (h->io != NULL) {
            event_free(h->io);
        }
        h->io = event_new(ts_loop_base(h->loop), fd, want, on_io, h);
        h->io_events = want;
        if (h->io == NULL || event_add(h->io, NULL) != 0) {
            return false;
        }
    }
    if (usec == UINT64_MAX) {
        ts_timer_stop(h->due);
    } else {
        ts_timer_after(h->due, usec == 0 ? 0 : LOOK_MS);
    }
    return true;
}

/* Works off what has come and sends what waits. */
static void pump(struct ts_host *h)
{
    int r = 1;
    for (int n = 0; h->bus != NULL && r > 0 && n < MESSAGES_MAX; n++) {
        r = sd_bus_process(h->bus, NULL);
    }
    if (h->bus != NULL && (r < 0 || !rearm(h))) {
        lost(h);
    }
}

static void connect_bus(struct ts_host *h)
{
    if (sd_bus_open_system(&h->bus) < 0) {
        h->bus = NULL;
        lost(h);
        return;
    }
    (void)sd_bus_set_method_call_timeout(h->bus, CALL_USEC);
    if (!watch_unit(h) || !watch_shutdown(h)) {
        lost(h);
        return;
    }
    pump(h);
}

static void on_retry(void *ctx)
{
    struct ts_host *h = ctx;
    if (h->bus == NULL) {
        connect_bus(h);
    } else if (h->lock < 0 && !h->announced) {
        take_lock(h);
        (void)ask_delay(h);
        pump(h);
    }
}

struct ts_host *ts_host_new(struct ts_loop *loop, struct ts_log *log, const char *engine_unit,
                            const struct ts_host_handler *handler, struct ts_error *err)
{
    struct ts_host *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *h = (struct ts_host){.loop = loop,
                          .log = log,
                          .handler = *handler,
                          .lock = -1,
                          .retry_ms = RETRY_FIRST_MS,
                          .engine = TS_ENGINE_UNIT_UNKNOWN};
    ts_copy_cut(h->unit, sizeof(h->unit), engine_unit);
    h->due = ts_timer_new(loop, on_due, h, err);
    h->retry = ts_timer_new(loop, on_retry, h, err);
    h->first = ts_timer_new(loop, on_first_due, h, err);
    h->answer_due = ts_timer_new(loop, on_answer_due, h, err);
    bool ok = h->due != NULL && h->retry != NULL && h->first != NULL && h->answer_due != NULL;
    if (ok && h->unit[0] != '\0') {
        h->engine = TS_ENGINE_UNIT_ASKING;
        ok = sd_bus_path_encode(SYSTEMD_PATH "/unit", h->unit, &h->unit_path) >= 0 ||
             ts_error_nomem(err);
        ts_timer_after(h->first, FIRST_MS);
    }
    if (!ok) {
        ts_host_free(h);
        return NULL;
    }
    ts_timer_after(h->retry, 0); /* not from here: the answer may be told at once */
    return h;
}

void ts_host_free(struct ts_host *h)
{
    if (h != NULL) {
        drop_lock(h);
        close_bus(h);
        ts_timer_free(h->due);
        ts_timer_free(h->retry);
        ts_timer_free(h->first);
        ts_timer_free(h->answer_due);
        free(h->unit_path);
        free(h);
    }
}

enum ts_engine_unit ts_host_engine_unit(const struct ts_host *h)
{
    return h->engine;
}

const char *ts_host_engine_unit_name(const struct ts_host *h)
{
    return h->unit;
}

int64_t ts_host_shutdown_delay_ms(const struct ts_host *h)
{
    return h->lock >= 0 ? h->delay_ms : 0;
}

void ts_host_let_go(struct ts_host *h)
{
    drop_lock(h);
}

/* systemd starts the engine, and starts it again. */
void ts_host_engine_is_down(struct ts_host *h, const char *address, const char *start_command)
{
    (void)h;
    (void)address;
    (void)start_command;
}

const char *ts_host_engine_outlook(const struct ts_host *h)
{
    (void)h;
    return "";
}
