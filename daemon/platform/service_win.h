/*
 * Windows only: the service control manager's side. Its controls come in a thread of its own, which
 * only hands them on; states are reported from any thread.
 */
#ifndef TS_DAEMON_SERVICE_WIN_H
#define TS_DAEMON_SERVICE_WIN_H

#include "base/log.h"
#include "base/post_win.h"
#include "base/win.h"

#define TS_SERVICE_NAME    "tradestackd"
#define TS_SERVICE_DISPLAY "tradestack supervisor"
#define TS_SERVICE_ACCOUNT "NT SERVICE\\" TS_SERVICE_NAME

/* Of all that a stop may take: asked from Windows for a shutdown (SERVICE_PRESHUTDOWN_INFO). */
#define TS_SERVICE_PRESHUTDOWN_MS 180000

/* Controls of our own (128 to 255 are a service's own). */
#define TS_SERVICE_SHUT_DOWN                                                                       \
    128                     /* as SERVICE_CONTROL_PRESHUTDOWN, when somebody else knows first */
#define TS_SERVICE_LOOK 129 /* as after sleep: look at everything anew */

/* A control as it is posted, in the pointer itself. */
#define TS_SERVICE_EVENT(control, type) ((control) | ((type) << 8))
#define TS_SERVICE_CONTROL(event)       ((DWORD)((event)&0xFF))
#define TS_SERVICE_TYPE(event)          ((DWORD)((event) >> 8))

/* Runs ts_main() as the service: "tradestackd --service [options]". Returns when the service has
 * ended, with what to exit with. */
int ts_service_run(int argc, char **argv);
/* Is this process run by the service manager? */
bool ts_service_is(void);

/* From now on every control goes to this queue as well (two at most); those that came before come
 * first. NULL takes it out. */
void ts_service_subscribe(struct ts_post *queue);
void ts_service_unsubscribe(struct ts_post *queue);

/* As if the service manager had sent it. */
void ts_service_post(void *event);

/* Tells the state. hint_ms: it may last so long from now on, unless told again. */
void ts_service_report(DWORD state, DWORD hint_ms);
/* The state goes on, with progress. */
void ts_service_progress(void);

/* --- install_win.c: "tradestackd service WORD …"; returns the exit status */
int ts_service_command(int argc, char **argv);

/* --- eventlog_win.c */
/* Registers the event source for this program, or removes it. Needs an administrator. */
bool ts_eventlog_register(const char *program, struct ts_error *err) TS_MUST_CHECK;
bool ts_eventlog_unregister(struct ts_error *err) TS_MUST_CHECK;
/* The sink of ts_platform_log_sink(). */
void ts_eventlog_sink(void *ctx, const struct ts_log_record *record);

#endif
