/*
 * Varlink's messages (varlink.org): call, reply, error. Pure: JSON in, JSON out.
 */
#ifndef TS_CONTROL_VARLINK_H
#define TS_CONTROL_VARLINK_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

#define TS_VARLINK_METHOD_MAX  128         /* a qualified method name, NUL included */
#define TS_VARLINK_REQUEST_MAX (64 * 1024) /* bytes of one call */
#define TS_VARLINK_REPLY_MAX   (4 << 20)   /* bytes of one reply */
#define TS_VARLINK_INTERFACE   "io.tradestack.Supervisor"
#define TS_VARLINK_SERVICE     "org.varlink.service"

struct ts_varlink_call {
    char method[TS_VARLINK_METHOD_MAX];
    json_t *parameters; /* an object, never NULL after a good parse; owned */
    bool more;          /* several replies are welcome */
    bool oneway;        /* none is */
};

/* TS_E_PROTOCOL: not one JSON object, no method, or a member of a wrong type. */
bool ts_varlink_parse_call(const char *text, size_t n, struct ts_varlink_call *ret,
                           struct ts_error *err) TS_MUST_CHECK;

struct ts_varlink_reply {
    json_t *parameters;                /* an object; owned */
    bool continues;                    /* more replies follow */
    char error[TS_VARLINK_METHOD_MAX]; /* "" unless it is an error */
};
bool ts_varlink_parse_reply(const char *text, size_t n, struct ts_varlink_reply *ret,
                            struct ts_error *err) TS_MUST_CHECK;

/* Append one framed message (NUL included). parameters may be NULL; it is borrowed. False: out of
 * memory or over the buffer's limit. */
bool ts_varlink_add_call(struct ts_buf *out, const char *method, json_t *parameters, bool more);
bool ts_varlink_add_reply(struct ts_buf *out, json_t *parameters, bool continues);
bool ts_varlink_add_error(struct ts_buf *out, const char *error, json_t *parameters);

#endif
