/* Shared by http.c (client, loop glue), http_req.c (one request) and http_setup.c (its options). */
#ifndef TS_NET_HTTP_INTERNAL_H
#define TS_NET_HTTP_INTERNAL_H

#include <curl/curl.h>

#include "base/buf.h"
#include "net/http.h"

struct ts_http {
    struct ts_loop *loop;
    CURLM *multi;
    struct ts_timer *more; /* what settle() has left … */
    bool behind;           /* … which may be anybody's answer */
    struct ts_timer *timer;
    struct ts_http_req *all;
    struct ts_http_req *ready; /* have something to deliver, in order */
    struct ts_http_req **ready_last;
    struct ts_http_req *current; /* its callback runs; NULL once that callback cancelled it */
};

struct ts_http_req {
    struct ts_http *h;
    CURL *easy;
    struct curl_slist *headers;
    struct ts_timer *deadline;
    unsigned postponed; /* times, because answers waited to be told */
    ts_http_done *done;
    void (*on_headers)(void *ctx, const struct ts_http_reply *reply);
    void (*on_data)(void *ctx, const char *bytes, size_t n);
    void *ctx;
    struct ts_http_req *next;
    struct ts_http_req **prev_next;
    struct ts_http_req *next_ready;
    struct ts_buf request_body;
    struct ts_buf head;  /* reply headers: "name\0value\0" … */
    struct ts_buf body;  /* collected answer */
    struct ts_buf chunk; /* streamed, waiting for on_data */
    uint32_t deadline_ms;
    uint32_t idle_timeout_ms;
    uint32_t waited_ms;   /* of a TS_E_TIMEOUT */
    enum ts_code failure; /* why we made curl stop; TS_E_NONE: not us */
    const char *failure_text;
    char *local; /* a pipe's name; NULL: none, or curl knows it */
    char curl_text[CURL_ERROR_SIZE];
    bool is_stream;
    bool url_is_public;
    bool is_ready;  /* in h->ready */
    bool head_done; /* final headers are complete */
    bool head_told; /* on_headers has run */
    bool paused;    /* chunk was full, curl holds bytes back */
    bool finishing;
};

/* Runs the callbacks for what has come. The request may be gone afterwards. */
void ts_http_req_deliver(struct ts_http_req *r);
/* Ends it: done runs, then it is freed. */
void ts_http_req_finish(struct ts_http_req *r, CURLcode result);

/* http_setup.c: refuses what curl would only find out later, or would take in a way we do not
 * mean; gives curl the options of the call (false: out of memory). */
bool ts_http_check_call(const struct ts_http_call *call, struct ts_error *err) TS_MUST_CHECK;
bool ts_http_set_call(struct ts_http_req *r, const struct ts_http_call *call) TS_MUST_CHECK;

/* http_local_*.c: the call goes to a local socket or pipe. */
CURLcode ts_http_set_local(struct ts_http_req *r, const char *path);

/* http_req.c: curl's callbacks for the answer. */
size_t ts_http_has_body(char *bytes, size_t one, size_t n, void *ctx);
size_t ts_http_has_header(char *line, size_t one, size_t n, void *ctx);

#endif
