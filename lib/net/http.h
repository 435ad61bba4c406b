/*
 * HTTP client: libcurl's multi interface driven by the event loop. Knows nothing of engines or
 * alerts. One thread; never blocks (names are resolved in curl's own thread).
 *
 * A call has a connection of its own while it runs, so one that hangs holds up no other; finished
 * calls leave theirs open for the next (keep-alive). No redirect is followed, only http and https
 * are spoken, nothing is taken from the environment (proxies) unless asked for.
 */
#ifndef TS_NET_HTTP_H
#define TS_NET_HTTP_H

#include <stddef.h>
#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

struct ts_http;
struct ts_http_req;
struct ts_buf;

#define TS_HTTP_HEADERS_MAX 32 /* request headers of one call */
#define TS_HTTP_REPLY_HEAD_MAX                                                                     \
    ((size_t)16 * 1024)                            /* bytes of reply headers; more is TS_E_LIMIT   \
                                                    */
#define TS_HTTP_STREAM_CHUNK   ((size_t)64 * 1024) /* on_data never gets more at once */
#define TS_HTTP_ERROR_BODY_MAX ((size_t)64 * 1024) /* of a stream that was answered with no 2xx */

struct ts_http_reply {
    int status;       /* 100..999 */
    const char *body; /* NUL-terminated behind len bytes; "" when empty; borrowed for the call */
    size_t len;
    const struct ts_buf *head; /* for ts_http_header() */
};

/*
 * The end of a call. err is NULL when an answer came, whatever its status: the caller judges that.
 * On error: TS_E_TIMEOUT, TS_E_UNAVAILABLE (no name, no connection, connection lost), TS_E_DENIED
 * (no permission on the socket, certificate not trusted), TS_E_LIMIT, TS_E_PROTOCOL, TS_E_NOMEM;
 * detail is a CURLcode, and the text never contains the URL unless the call says url_is_public.
 * A stream that ended after its answer began has both a reply and, if it broke, an error.
 */
typedef void ts_http_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err);

/* Everything is copied by ts_http_start(). */
struct ts_http_call {
    const char *method; /* "GET", "HEAD", "POST", … */
    const char *url;    /* http:// or https:// */
    const char *local;  /* connect here instead of to the URL's host: a Unix socket's path or,
                           on Windows, a named pipe's (//./pipe/…); NULL: TCP */
    const char *const *headers; /* "Name: value" */
    size_t header_count;
    const void *body; /* NULL: none */
    size_t body_len;
    uint32_t deadline_ms;        /* whole call, connect included. Must be > 0; for a stream it
                                    covers the time until the answer's headers */
    uint32_t connect_timeout_ms; /* within the deadline; 0: only the deadline counts */
    size_t max_body;             /* bytes; a longer body ends the call with TS_E_LIMIT. Must be > 0
                                    unless stream */
    const char *ca_file;         /* PEM bundle; NULL: the system's */
    bool https_only;             /* an http:// URL is refused */
    bool use_env_proxy;          /* honour http_proxy, https_proxy, no_proxy */
    bool url_is_public;          /* error texts may name the host */

    /* A stream has no end of its own: a 2xx body goes to on_data as it comes, for as long as it
     * lasts. Any other answer is collected as usual and given to done. */
    bool stream;
    uint32_t idle_timeout_ms; /* a stream silent for this long ends with TS_E_TIMEOUT; 0: never */
    /* The headers are there (body empty). NULL is fine. Both are called from the loop, never from
     * inside a start; both may cancel this or any other request. */
    void (*on_headers)(void *ctx, const struct ts_http_reply *reply);
    void (*on_data)(void *ctx, const char *bytes, size_t n);
};

/* A client on the loop (borrowed). NULL: TS_E_NOMEM, TS_E_SYSTEM. */
struct ts_http *ts_http_new(struct ts_loop *loop, struct ts_error *err) TS_MUST_CHECK;
/* Cancels what still runs and frees the client. NULL is fine. Not from inside a callback of its
 * own: use ts_loop_defer(). */
void ts_http_free(struct ts_http *h);

/*
 * Starts a call. Exactly one of two things happens:
 *   - returns NULL and sets *err (TS_E_NOMEM, TS_E_INVALID); no callback ever runs, or
 *   - returns a request owned by the client; done runs once, in a later turn, never from inside
 *     this call, and the request is gone when done returns.
 */
struct ts_http_req *ts_http_start(struct ts_http *h, const struct ts_http_call *call,
                                  ts_http_done *done, void *ctx,
                                  struct ts_error *err) TS_MUST_CHECK;

/* Ends the call, frees it; none of its callbacks runs any more. NULL is fine. Allowed in
 * on_headers and on_data; in its own done it does nothing. */
void ts_http_cancel(struct ts_http_req *r);

/* The first header of that name (case does not matter), or NULL. Borrowed like the reply. */
const char *ts_http_header(const struct ts_http_reply *reply, const char *name);

#endif
