/*
 * What the daemon needs of the operating system beyond the event loop: the service manager's
 * protocol, signals, the system's log, the machine's name. One implementation file a platform.
 */
#ifndef TS_DAEMON_PLATFORM_H
#define TS_DAEMON_PLATFORM_H

#include "base/log.h"
#include "base/loop.h"

struct ts_platform;

/* Called from the loop. Any may be NULL. */
struct ts_platform_handler {
    void (*on_stop)(void *ctx);   /* SIGTERM, SIGINT, service stop */
    void (*on_reload)(void *ctx); /* SIGHUP, parameter change */
    void *ctx;
};

/* Takes over signals and finds the service manager. NULL: TS_E_NOMEM, TS_E_SYSTEM. */
struct ts_platform *ts_platform_new(struct ts_loop *loop, const struct ts_platform_handler *handler,
                                    struct ts_error *err) TS_MUST_CHECK;
void ts_platform_free(struct ts_platform *p);

/* To the service manager; without one they do nothing. */
void ts_platform_ready(struct ts_platform *p);
void ts_platform_reloading(struct ts_platform *p);
void ts_platform_stopping(struct ts_platform *p);
void ts_platform_status(struct ts_platform *p, const char *line);
/* Feeds the watchdog if it is due. Call it at the end of a turn that left nothing undone: then a
 * loop that stalls is noticed, and so is one that only turns. */
void ts_platform_alive(struct ts_platform *p);

/* Start or stop may take this long from now on. p may be NULL: before the loop runs. */
void ts_platform_extend(struct ts_platform *p, int64_t ms);

/* A listening socket handed over by the service manager, or -1. */
int ts_platform_listen_fd(void);

/* The system's log as a sink, or NULL when stderr is the right place (a terminal, a pipe). */
ts_log_sink *ts_platform_log_sink(void);

/* While there is no log yet: an error of the configuration, for whoever started us. */
void ts_platform_tell_error(const char *text);

/* This process. */
int64_t ts_platform_pid(void);

/* The machine's name. */
void ts_platform_host_name(char *out, size_t size);

/* A text that is the same until the machine reboots and differs afterwards; "" if unknown. */
void ts_platform_boot_id(char *out, size_t size);

/* Memory that was freed goes back to the system, where that takes a word. */
void ts_platform_give_back(void);

/* No core dumps, which would hold secrets. */
void ts_platform_no_core_dumps(void);

#endif
