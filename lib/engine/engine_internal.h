/* One request to the engine, shared by the files of this folder. */
#ifndef TS_ENGINE_ENGINE_INTERNAL_H
#define TS_ENGINE_ENGINE_INTERNAL_H

#include <jansson.h>

#include "base/buf.h"
#include "engine/archive.h"
#include "engine/containers.h"
#include "engine/create.h"
#include "engine/engine.h"
#include "engine/networks.h"
#include "engine/survey.h"

#define TS_ENGINE_SHORT_ID 12   /* characters of an id that engines show, use as host name, alias */
#define TS_ENGINE_PATH_MAX 8192 /* bytes of a request's path and query */

struct ts_engine {
    struct ts_http *http;
    char address[TS_ADDRESS_TEXT];
    char base_url[TS_ADDRESS_TEXT]; /* "http://localhost", nothing behind the port */
    char *local;                    /* a Unix socket or a pipe; NULL: TCP */
    char *ca_file;
    uint32_t call_ms;
    uint32_t action_ms;
    int api_minor;    /* 0: not negotiated */
    char paused[128]; /* why nothing is asked; "" when it is */
    struct ts_engine_op *ops;
};

struct ts_engine_request {
    const char *method;
    const char *path; /* "/containers/…": escaped, without the version */
    bool unversioned;
    const json_t *body; /* NULL: none */
    uint32_t deadline_ms;
};

/* One step's answer. reply is set and the status is 2xx or 304 (or 404 if the op takes it), or err
 * is set. Either starts the next step with ts_engine_op_next() or calls the user's callback; the
 * op is freed after that. */
typedef void ts_engine_answered(struct ts_engine_op *op, const struct ts_http_reply *reply,
                                const struct ts_error *err);

struct ts_engine_op {
    struct ts_engine *engine;
    struct ts_http_req *req;
    struct ts_engine_op *next;
    struct ts_engine_op **prev_next;
    ts_engine_answered *answered;
    char what[160]; /* "start bot": for error texts */
    union {
        ts_engine_negotiated *negotiated;
        ts_engine_described *described;
        ts_engine_acted *acted;
        ts_containers_listed *listed;
        ts_container_inspected *inspected;
        ts_container_created *created;
        ts_network_inspected *network_inspected;
        ts_container_file_read_fn *file_read;
        ts_engine_surveyed *surveyed;
    } done;
    void *ctx;
    void *extra; /* state over several steps */
    void (*free_extra)(void *extra);
    bool takes_404; /* such an answer may be a result: it comes as a reply */
    bool finishing;
};

/* A new op with its text for people; nothing is sent yet. Owned by the engine. */
struct ts_engine_op *ts_engine_op_new(struct ts_engine *e, void *ctx, struct ts_error *err,
                                      const char *what, ...) TS_PRINTF(4, 5) TS_MUST_CHECK;
void ts_engine_op_free(struct ts_engine_op *op);
/* Sends a request for the op. False: nothing was sent, *err set, the op still exists. */
bool ts_engine_op_next(struct ts_engine_op *op, const struct ts_engine_request *request,
                       ts_engine_answered *answered, struct ts_error *err) TS_MUST_CHECK;
/* The same for the first step: frees the op on failure and returns NULL then. */
struct ts_engine_op *ts_engine_op_start(struct ts_engine_op *op,
                                        const struct ts_engine_request *request,
                                        ts_engine_answered *answered, struct ts_error *err);

/* Fills what a call to this engine has in common. url (built by the caller) stays borrowed. */
struct ts_http_call ts_engine_http_call(const struct ts_engine *e, const char *method,
                                        const char *url);
/* The whole URL of a path into out. */
bool ts_engine_url(const struct ts_engine *e, const char *path, bool unversioned,
                   struct ts_buf *out, struct ts_error *err) TS_MUST_CHECK;
/* Turns a status of 400 and above, or an unexpected one, into an error; true if it is none. */
bool ts_engine_judge(struct ts_engine *e, const struct ts_http_reply *reply, struct ts_error *err);
/* The engine's reason, cleaned and cut; "" if it gave none. Docker and Podman put it into
 * {"message": …}; a proxy may send anything. */
void ts_engine_message(const struct ts_http_reply *reply, char out[TS_ENGINE_MESSAGE]);
/* Puts the engine's address and the deed in front, and a hint behind where there is one. */
void ts_engine_explain(const struct ts_engine *e, const char *what, struct ts_error *err);

/* A JSON answer. Unlike ts_json_parse() it takes U+0000 inside strings: any container can put one
 * into its health output, and that must not make it unreadable. */
json_t *ts_engine_parse(const char *text, size_t n, struct ts_error *err) TS_MUST_CHECK;
/* Adds text percent-encoded (RFC 3986 unreserved characters stay). */
bool ts_engine_escape(struct ts_buf *out, const char *text);
/* "?filters=" and the JSON object escaped. */
bool ts_engine_add_filters(struct ts_buf *out, const json_t *filters);
/* Copies text with control characters as spaces, cut to fit. */
void ts_engine_clean(char *dst, size_t size, const char *text);
/* An id or name fit for a path: 1..255 of [A-Za-z0-9_.-]. Refuses with TS_E_INVALID. */
bool ts_engine_check_id(const char *id, struct ts_error *err) TS_MUST_CHECK;

#endif
