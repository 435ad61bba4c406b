/*
 * What the machine around us is about to do, as far as it tells: that it goes down, and what its
 * service manager does with the engine's service. Everything is asked and told without waiting.
 * One implementation file a platform; without a service manager nothing is ever told.
 */
#ifndef TS_DAEMON_HOST_H
#define TS_DAEMON_HOST_H

#include "base/log.h"
#include "base/loop.h"

struct ts_host;

/* X(symbol, name): the engine's service, as the service manager has it. */
#define TS_ENGINE_UNITS(X)                                                                         \
    X(TS_ENGINE_UNIT_UNKNOWN, "unknown") /* nobody to ask, or no such service: just connect */     \
    X(TS_ENGINE_UNIT_ASKING, "asking")   /* the answer comes within a second */                    \
    X(TS_ENGINE_UNIT_IDLE, "idle")       /* not started in this boot: a connection starts it */    \
    X(TS_ENGINE_UNIT_STARTING, "starting")                                                         \
    X(TS_ENGINE_UNIT_RUNNING, "running")                                                           \
    X(TS_ENGINE_UNIT_STOPPING, "stopping")                                                         \
    X(TS_ENGINE_UNIT_STOPPED, "stopped") /* on purpose: a connection would undo that */            \
    X(TS_ENGINE_UNIT_FAILED, "failed")
#define TS_ENGINE_UNIT_ENUM(symbol, name) symbol,
enum ts_engine_unit { TS_ENGINE_UNITS(TS_ENGINE_UNIT_ENUM) };

/* Called from the loop. */
struct ts_host_handler {
    /* True: the machine goes down and waits for ts_host_let_go(), for a limited time. False: it
     * does not after all. */
    void (*on_shutdown)(void *ctx, bool begins);
    /* The state of the engine's service is known now, or another one. */
    void (*on_engine_unit)(void *ctx);
    /* The machine slept and is awake again. */
    void (*on_resume)(void *ctx);
    void *ctx;
};

/* engine_unit: the engine's service ("docker.service"); "" for none. Copied. NULL: TS_E_NOMEM. */
struct ts_host *ts_host_new(struct ts_loop *loop, struct ts_log *log, const char *engine_unit,
                            const struct ts_host_handler *handler,
                            struct ts_error *err) TS_MUST_CHECK;
void ts_host_free(struct ts_host *h);

enum ts_engine_unit ts_host_engine_unit(const struct ts_host *h);
/* Its name; "" for none. */
const char *ts_host_engine_unit_name(const struct ts_host *h);

/* Does a shutdown wait for us, and for how long at most (ms; 0: it does not)? */
int64_t ts_host_shutdown_delay_ms(const struct ts_host *h);
/* After on_shutdown(true): all is done, the machine may go down. */
void ts_host_let_go(struct ts_host *h);

/* Asks whether the machine is going down, for when nobody has announced it. Answers within half a
 * second, perhaps from inside this call; one question at a time. */
void ts_host_ask_going_down(struct ts_host *h, void (*answer)(void *ctx, bool going_down));

/* The engine at this address does not answer: what the machine can do unattended to bring it up is
 * done, with pauses between, and logged; what remains for a person is in ts_host_engine_outlook().
 */
void ts_host_engine_is_down(struct ts_host *h, const char *address, const char *start_command);
/* What comes next, as far as the machine knows it better; "" if it does not. */
const char *ts_host_engine_outlook(const struct ts_host *h);

#endif
