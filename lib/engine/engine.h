/*
 * One container engine that speaks the Docker Engine API (Docker, Podman's compatible service):
 * the handle, which API version to speak, and what every call has in common. The calls themselves:
 * archive.h, containers.h, create.h, events.h, logs.h, networks.h, survey.h. Pure helpers:
 * inspect.h, snapshot.h, tar.h.
 *
 * Every call has its own deadline and its own connection, so one container on which the engine
 * hangs does not hide the others. One thread; everything ends in a callback in a later turn.
 *
 * API facts: docs.docker.com/reference/api/engine (versions 1.40 to 1.53), tried with Docker 20.10.
 */
#ifndef TS_ENGINE_ENGINE_H
#define TS_ENGINE_ENGINE_H

#include <stdbool.h>
#include <stdint.h>

#include "base/error.h"
#include "net/address.h"
#include "net/http.h"

struct ts_engine;
struct ts_engine_op; /* a call that is under way */

/* The API versions we speak, 1.<minor>: 1.40 is the lowest that a living engine insists on having,
 * 1.44 the last whose answers we know in every detail that we read. */
#define TS_ENGINE_API_MIN 40
#define TS_ENGINE_API_MAX 44

#define TS_ENGINE_BODY_MAX  ((size_t)4 * 1024 * 1024) /* bytes of one answer */
#define TS_ENGINE_MESSAGE   200   /* of the engine's own error text, NUL included */
#define TS_ENGINE_CALL_MS   10000 /* default deadline of a question */
#define TS_ENGINE_ACTION_MS 60000 /* default deadline of start, create, remove, … */
#define TS_ENGINE_ID        65    /* container id, NUL included */
#define TS_ENGINE_NAME      256   /* container, image, network names, NUL included */
#define TS_ENGINE_DETAIL    64

struct ts_engine_conf {
    struct ts_address address; /* of any kind that this platform has */
    const char *ca_file;       /* https: PEM bundle; NULL: the system's. Copied */
    uint32_t call_ms;          /* 0: TS_ENGINE_CALL_MS */
    uint32_t action_ms;        /* 0: TS_ENGINE_ACTION_MS */
};

/* An engine that must be negotiated with before anything else is asked. http is borrowed.
 * NULL: TS_E_INVALID (the address is of a kind that cannot be used here), TS_E_NOMEM. */
struct ts_engine *ts_engine_new(struct ts_http *http, const struct ts_engine_conf *conf,
                                struct ts_error *err) TS_MUST_CHECK;
/* Cancels its calls; event and log streams must have been stopped before. NULL is fine. Not from
 * inside a callback of its own. */
void ts_engine_free(struct ts_engine *e);

/* "unix:///var/run/docker.sock": for people. */
const char *ts_engine_address(const struct ts_engine *e);

/*
 * What a call ends with, besides its own result. err is NULL when it went well, else:
 *   TS_E_NOT_FOUND   404: no such container, image, network
 *   TS_E_CONFLICT    409: its state does not allow this, or the name is taken;
 *                    also: nobody has negotiated yet
 *   TS_E_DENIED      401, 403 (a filtering proxy), or no permission on the socket
 *   TS_E_UNAVAILABLE 5xx with the engine's message, or no connection; with detail 400 the engine
 *                    refused our API version: ts_engine_is_negotiated() is false then, negotiate
 *   TS_E_TIMEOUT     our deadline passed. The engine goes on with an action: inspect before acting
 *   TS_E_INVALID     400: the request makes no sense to the engine
 *   TS_E_PROTOCOL    an answer that is no engine's
 *   TS_E_LIMIT       an answer too large
 * detail is the HTTP status, or a CURLcode when there was no answer. The text names the engine's
 * address, what was asked, and the engine's reason, cut and free of control characters.
 *
 * Every function below and in the other headers that returns an op: NULL means refused at once
 * with *err set (TS_E_INVALID: an id that is empty or no id; TS_E_CONFLICT, TS_E_NOMEM) and its
 * callback never runs; else the callback runs exactly once, in a later turn, and the op is gone
 * when it returns. All arguments are copied.
 */

/* Ends a call without its callback. NULL is fine; in its own callback it does nothing. An action
 * that the engine has begun is not undone. */
void ts_engine_cancel(struct ts_engine_op *op);

/* Asks for the API versions and chooses the highest that both sides speak. To be done again after
 * every loss of the engine: it may have come back as another version. */
typedef void ts_engine_negotiated(void *ctx, int api_minor, const struct ts_error *err);
struct ts_engine_op *ts_engine_negotiate(struct ts_engine *e, ts_engine_negotiated *done, void *ctx,
                                         struct ts_error *err) TS_MUST_CHECK;
bool ts_engine_is_negotiated(const struct ts_engine *e);
/* While paused nothing is asked: every call is refused at once with TS_E_UNAVAILABLE and this text
 * (copied, cut to 127 bytes), because a connection alone may have an effect that is not wanted.
 * NULL: not paused any more. Calls under way go on. */
void ts_engine_pause(struct ts_engine *e, const char *why);
/* 41 for API 1.41; 0 before the negotiation. */
int ts_engine_api_minor(const struct ts_engine *e);

/* What the engine says of itself: for status and doctor. "" or 0 where it does not say. */
struct ts_engine_details {
    char version[TS_ENGINE_DETAIL]; /* "20.10.24" */
    char os[TS_ENGINE_DETAIL];      /* "linux" */
    char arch[TS_ENGINE_DETAIL];    /* "amd64" */
    char kernel[TS_ENGINE_DETAIL];
    char system[TS_ENGINE_DETAIL]; /* "Debian GNU/Linux 12 (bookworm)" */
    char log_driver[TS_ENGINE_DETAIL];
    char root_dir[TS_ENGINE_NAME]; /* where it keeps images and containers, on its machine */
    char cgroup_version[8];
    int api_minor;     /* in use */
    int api_max_minor; /* the engine's */
    int api_min_minor;
    bool is_podman;
    bool live_restore; /* containers go on running while the engine is restarted */
    int64_t containers;
    int64_t running;
};
typedef void ts_engine_described(void *ctx, const struct ts_engine_details *details,
                                 const struct ts_error *err);
struct ts_engine_op *ts_engine_describe(struct ts_engine *e, ts_engine_described *done, void *ctx,
                                        struct ts_error *err) TS_MUST_CHECK;

#endif
