/* See http.h: one request's life, from its start to its result. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/parse.h"
#include "net/http_internal.h"

#define BEHIND_MS  10 /* until a deadline is looked at again while answers wait to be told */
#define BEHIND_MAX 100

static void mark_ready(struct ts_http_req *r)
{
    if (!r->is_ready) {
        r->is_ready = true;
        r->next_ready = NULL;
        *r->h->ready_last = r;
        r->h->ready_last = &r->next_ready;
    }
}

static long status_of(const struct ts_http_req *r)
{
    long status = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_RESPONSE_CODE, &status);
    return status;
}

/* Our own reason to stop; curl would only say "write error". */
static size_t stop_with(struct ts_http_req *r, enum ts_code code, const char *text)
{
    r->failure = code;
    r->failure_text = text;
    return 0;
}

static bool goes_to_stream(const struct ts_http_req *r)
{
    long status = status_of(r);
    return r->is_stream && status >= 200 && status <= 299;
}

/* CURLOPT_WRITEFUNCTION */
size_t ts_http_has_body(char *bytes, size_t one, size_t n, void *ctx)
{
    (void)one; /* always 1, says curl */
    struct ts_http_req *r = ctx;
    if (goes_to_stream(r)) {
        if (r->chunk.len > 0 && r->chunk.len + n > r->chunk.limit) {
            r->paused = true;
            mark_ready(r);
            return CURL_WRITEFUNC_PAUSE;
        }
        if (!ts_buf_add(&r->chunk, bytes, n)) {
            return stop_with(r, TS_E_NOMEM, "out of memory");
        }
        mark_ready(r);
        return n;
    }
    if (r->body.len + n > r->body.limit) {
        return stop_with(r, TS_E_LIMIT, "the answer's body is longer than allowed");
    }
    if (!ts_buf_add(&r->body, bytes, n)) {
        return stop_with(r, TS_E_NOMEM, "out of memory");
    }
    return n;
}

static bool keep_header(struct ts_http_req *r, const char *line, size_t n)
{
    const char *colon = memchr(line, ':', n);
    if (colon == NULL) {
        return true;
    }
    const char *value = colon + 1;
    const char *end = line + n;
    while (value < end && (*value == ' ' || *value == '\t')) {
        value++;
    }
    while (end > value && (unsigned char)end[-1] <= ' ') {
        end--;
    }
    size_t before = r->head.len;
    if (ts_buf_add(&r->head, line, (size_t)(colon - line)) && ts_buf_add(&r->head, "", 1) &&
        ts_buf_add(&r->head, value, (size_t)(end - value)) && ts_buf_add(&r->head, "", 1)) {
        return true;
    }
    r->head.len = before;
    return false;
}

/* CURLOPT_HEADERFUNCTION: one line a call, the status line and the empty last one included. An
 * interim answer (100, 103) has headers of its own, which the final status line drops. */
size_t ts_http_has_header(char *line, size_t one, size_t n, void *ctx)
{
    (void)one;
    struct ts_http_req *r = ctx;
    if (r->head_done) {
        return n; /* trailers */
    }
    if (n >= 5 && strncmp(line, "HTTP/", 5) == 0) {
        ts_buf_clear(&r->head);
        return n;
    }
    bool is_end = n == 0 || line[0] == '\r' || line[0] == '\n';
    if (!is_end) {
        return keep_header(r, line, n)
                   ? n
                   : stop_with(r, TS_E_LIMIT, "the answer's headers are longer than allowed");
    }
    if (status_of(r) >= 200) {
        r->head_done = true;
        if (r->is_stream) {
            mark_ready(r);
        }
    }
    return n;
}

static struct ts_http_reply reply_of(const struct ts_http_req *r)
{
    return (struct ts_http_reply){.status = (int)status_of(r),
                                  .body = ts_buf_text(&r->body),
                                  .len = r->body.len,
                                  .head = &r->head};
}

static void restart_idle(struct ts_http_req *r)
{
    ts_timer_at(r->deadline, r->idle_timeout_ms == 0
                                 ? TS_NEVER
                                 : ts_mono_add(ts_loop_now(r->h->loop), r->idle_timeout_ms));
}

void ts_http_req_deliver(struct ts_http_req *r)
{
    struct ts_http *h = r->h;
    bool streams = goes_to_stream(r);
    if (r->head_done && streams) {
        restart_idle(r);
    }
    h->current = r;
    if (r->head_done && !r->head_told) {
        r->head_told = true;
        if (r->on_headers != NULL) {
            struct ts_http_reply reply = reply_of(r);
            reply.body = "";
            reply.len = 0;
            r->on_headers(r->ctx, &reply);
        }
    }
    if (h->current == r && r->chunk.len > 0) {
        /* Handed over whole, so that the callback's cancel can free the request. */
        struct ts_buf chunk = r->chunk;
        r->chunk = ts_buf_init(chunk.limit);
        r->on_data(r->ctx, chunk.data, chunk.len);
        if (h->current == r) {
            r->chunk = chunk;
            ts_buf_clear(&r->chunk);
        } else {
            ts_buf_done(&chunk);
        }
    }
    if (h->current == r && r->paused) {
        r->paused = false;
        (void)curl_easy_pause(r->easy, CURLPAUSE_CONT);
    }
    h->current = NULL;
}

static void unlink_ready(struct ts_http_req *r)
{
    if (!r->is_ready) {
        return;
    }
    struct ts_http *h = r->h;
    struct ts_http_req **p = &h->ready;
    while (*p != r) {
        p = &(*p)->next_ready;
    }
    *p = r->next_ready;
    if (*p == NULL) {
        h->ready_last = p;
    }
}

static void free_req(struct ts_http_req *r)
{
    if (r->prev_next != NULL) {
        *r->prev_next = r->next;
        if (r->next != NULL) {
            r->next->prev_next = r->prev_next;
        }
    }
    unlink_ready(r);
    curl_easy_cleanup(r->easy);
    free(r->local);
    curl_slist_free_all(r->headers);
    ts_timer_free(r->deadline);
    ts_buf_done(&r->request_body);
    ts_buf_done(&r->head);
    ts_buf_done(&r->body);
    ts_buf_done(&r->chunk);
    free(r);
}

static enum ts_code code_of(CURLcode result, long os_errno)
{
    static const struct {
        CURLcode curl;
        enum ts_code code;
    } rows[] = {
        {CURLE_OPERATION_TIMEDOUT, TS_E_TIMEOUT},      {CURLE_OUT_OF_MEMORY, TS_E_NOMEM},
        {CURLE_PEER_FAILED_VERIFICATION, TS_E_DENIED}, {CURLE_SSL_CACERT_BADFILE, TS_E_INVALID},
        {CURLE_SSL_ISSUER_ERROR, TS_E_DENIED},         {CURLE_UNSUPPORTED_PROTOCOL, TS_E_PROTOCOL},
        {CURLE_WEIRD_SERVER_REPLY, TS_E_PROTOCOL},     {CURLE_BAD_CONTENT_ENCODING, TS_E_PROTOCOL},
        {CURLE_SSL_CONNECT_ERROR, TS_E_PROTOCOL},      {CURLE_HTTP2, TS_E_PROTOCOL},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].curl == result) {
            return rows[i].code;
        }
    }
    if (result == CURLE_COULDNT_CONNECT && (os_errno == EACCES || os_errno == EPERM)) {
        return TS_E_DENIED;
    }
    return TS_E_UNAVAILABLE;
}

static void explain(const struct ts_http_req *r, CURLcode result, struct ts_error *err)
{
    if (r->failure == TS_E_TIMEOUT) {
        (void)ts_error_set_detail(err, r->failure, CURLE_OPERATION_TIMEDOUT, "%s %u ms",
                                  r->failure_text, r->waited_ms);
        return;
    }
    if (r->failure != TS_E_NONE) {
        (void)ts_error_set_detail(err, r->failure, (int)result, "%s", r->failure_text);
        return;
    }
    long os_errno = 0;
    (void)curl_easy_getinfo(r->easy, CURLINFO_OS_ERRNO, &os_errno);
    enum ts_code code = code_of(result, os_errno);
    if (result == CURLE_COULDNT_CONNECT && os_errno != 0) {
        (void)ts_error_errno(err, (int)os_errno, "cannot connect");
        err->code = code;
        err->detail = (int)result;
        return;
    }
    const char *text =
        r->url_is_public && r->curl_text[0] != '\0' ? r->curl_text : curl_easy_strerror(result);
    (void)ts_error_set_detail(err, code, (int)result, "%s", text);
}

void ts_http_req_finish(struct ts_http_req *r, CURLcode result)
{
    struct ts_http *h = r->h;
    r->finishing = true;
    ts_timer_stop(r->deadline);
    struct ts_error err;
    bool failed = result != CURLE_OK || r->failure != TS_E_NONE;
    if (failed) {
        explain(r, result, &err);
    }
    struct ts_http_reply reply = reply_of(r);
    (void)curl_multi_remove_handle(h->multi, r->easy);
    bool has_reply = !failed || (r->is_stream && r->head_done);
    r->done(r->ctx, has_reply ? &reply : NULL, failed ? &err : NULL);
    free_req(r);
}

static void on_deadline(void *ctx)
{
    struct ts_http_req *r = ctx;
    if (r->h->behind && r->postponed < BEHIND_MAX) { /* its answer may have come, too */
        r->postponed++;
        ts_timer_after(r->deadline, BEHIND_MS);
        return;
    }
    r->failure = TS_E_TIMEOUT;
    bool was_idle = r->head_told && goes_to_stream(r);
    r->failure_text = was_idle ? "the stream was silent for" : "no complete answer within";
    r->waited_ms = was_idle ? r->idle_timeout_ms : r->deadline_ms;
    ts_http_req_finish(r, CURLE_OPERATION_TIMEDOUT);
}

void ts_http_cancel(struct ts_http_req *r)
{
    if (r == NULL || r->finishing) {
        return;
    }
    if (r->h->current == r) {
        r->h->current = NULL;
    }
    (void)curl_multi_remove_handle(r->h->multi, r->easy);
    free_req(r);
}

const char *ts_http_header(const struct ts_http_reply *reply, const char *name)
{
    size_t at = 0;
    while (at < reply->head->len) {
        const char *have = reply->head->data + at;
        const char *value = have + strlen(have) + 1;
        if (strcasecmp(have, name) == 0) {
            return value;
        }
        at = (size_t)(value - reply->head->data) + strlen(value) + 1;
    }
    return NULL;
}

static struct ts_http_req *new_req(struct ts_http *h, const struct ts_http_call *call,
                                   struct ts_error *err)
{
    struct ts_http_req *r = calloc(1, sizeof(*r));
    if (r == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    r->h = h;
    r->is_stream = call->stream;
    r->url_is_public = call->url_is_public;
    r->deadline_ms = call->deadline_ms;
    r->idle_timeout_ms = call->idle_timeout_ms;
    r->on_headers = call->on_headers;
    r->on_data = call->on_data;
    r->head = ts_buf_init(TS_HTTP_REPLY_HEAD_MAX);
    r->body = ts_buf_init(call->max_body > 0 ? call->max_body : TS_HTTP_ERROR_BODY_MAX);
    r->chunk = ts_buf_init(TS_HTTP_STREAM_CHUNK);
    r->request_body = ts_buf_init(call->body_len);
    r->easy = curl_easy_init();
    r->deadline = ts_timer_new(h->loop, on_deadline, r, err);
    bool ok = r->easy != NULL && r->deadline != NULL &&
              (call->body == NULL || ts_buf_add(&r->request_body, call->body, call->body_len)) &&
              ts_http_set_call(r, call);
    if (!ok) {
        free_req(r);
        ts_error_nomem(err);
        return NULL;
    }
    return r;
}

struct ts_http_req *ts_http_start(struct ts_http *h, const struct ts_http_call *call,
                                  ts_http_done *done, void *ctx, struct ts_error *err)
{
    if (!ts_http_check_call(call, err)) {
        return NULL;
    }
    struct ts_http_req *r = new_req(h, call, err);
    if (r == NULL) {
        return NULL;
    }
    r->done = done;
    r->ctx = ctx;
    /* Only asks for a timer; the transfer begins in a later turn. */
    if (curl_multi_add_handle(h->multi, r->easy) != CURLM_OK) {
        free_req(r);
        ts_error_nomem(err);
        return NULL;
    }
    r->next = h->all;
    r->prev_next = &h->all;
    if (h->all != NULL) {
        h->all->prev_next = &r->next;
    }
    h->all = r;
    ts_timer_after(r->deadline, call->deadline_ms);
    return r;
}
