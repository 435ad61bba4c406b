/* See engine_internal.h: one request, its answer's status, its error text. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/usual.h"
#include "engine/engine_internal.h"

#define FULL_ID (TS_ENGINE_ID - 1)

json_t *ts_engine_parse(const char *text, size_t n, struct ts_error *err)
{
    json_error_t why;
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, &why);
    if (v == NULL) {
        (void)ts_error_set(err, TS_E_PROTOCOL, "the engine's answer is no JSON: %.100s", why.text);
    }
    return v;
}

bool ts_engine_escape(struct ts_buf *out, const char *text)
{
    for (const char *p = text; *p != '\0'; p++) {
        unsigned char c = (unsigned char)*p;
        bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                     strchr("-._~", c) != NULL;
        if (plain) {
            (void)ts_buf_add(out, p, 1);
        } else {
            (void)ts_buf_addf(out, "%%%02X", c);
        }
    }
    return !out->failed;
}

bool ts_engine_add_filters(struct ts_buf *out, const json_t *filters)
{
    char *text = json_dumps(filters, JSON_COMPACT);
    if (text == NULL) {
        return false;
    }
    (void)ts_buf_adds(out, "filters=");
    (void)ts_engine_escape(out, text);
    free(text);
    return !out->failed;
}

void ts_engine_clean(char *dst, size_t size, const char *text)
{
    ts_copy_cut(dst, size, text);
    for (char *p = dst; *p != '\0'; p++) {
        if ((unsigned char)*p < ' ' || *p == 0x7f) {
            *p = ' ';
        }
    }
    size_t len = strlen(dst);
    while (len > 0 && dst[len - 1] == ' ') {
        dst[--len] = '\0';
    }
}

bool ts_engine_check_id(const char *id, struct ts_error *err)
{
    size_t n = id == NULL ? 0 : strlen(id);
    /* An empty one would make "/containers//start", which engines redirect elsewhere. */
    if (n == 0 || n >= TS_ENGINE_NAME) {
        return ts_error_set(err, TS_E_INVALID, "a container id is missing or too long");
    }
    for (size_t i = 0; i < n; i++) {
        char c = id[i];
        bool is_word = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
        if (!is_word && (i == 0 || strchr("_.-", c) == NULL)) {
            return ts_error_set(err, TS_E_INVALID, "\"%.64s\" is no container id or name", id);
        }
    }
    return true;
}

bool ts_engine_url(const struct ts_engine *e, const char *path, bool unversioned,
                   struct ts_buf *out, struct ts_error *err)
{
    if (e->paused[0] != '\0') {
        return ts_error_set(err, TS_E_UNAVAILABLE, "%s", e->paused);
    }
    (void)ts_buf_adds(out, e->base_url);
    if (!unversioned) {
        (void)ts_buf_addf(out, "/v1.%d", e->api_minor);
    }
    return ts_buf_adds(out, path) || ts_error_nomem(err);
}

struct ts_http_call ts_engine_http_call(const struct ts_engine *e, const char *method,
                                        const char *url)
{
    return (struct ts_http_call){.method = method,
                                 .url = url,
                                 .local = e->local,
                                 .ca_file = e->ca_file,
                                 .deadline_ms = e->call_ms,
                                 .max_body = TS_ENGINE_BODY_MAX,
                                 .url_is_public = true};
}

/* Copies text with ids at the length that `docker ps` shows, so that what is cut off at the end is
 * not the cause. */
static void copy_short(char *dst, size_t size, const char *text)
{
    size_t used = 0;
    while (*text != '\0' && used + FULL_ID < size) {
        size_t hex = strspn(text, "0123456789abcdef");
        size_t step = hex > 0 && hex <= FULL_ID ? hex : 1;
        size_t keep = hex == FULL_ID ? TS_ENGINE_SHORT_ID : step;
        memcpy(dst + used, text, keep);
        used += keep;
        text += step;
    }
    dst[used] = '\0';
}

void ts_engine_message(const struct ts_http_reply *reply, char out[TS_ENGINE_MESSAGE])
{
    char brief[TS_ENGINE_MESSAGE + FULL_ID];
    struct ts_error ignored;
    json_t *v = ts_engine_parse(reply->body, reply->len, &ignored);
    const char *text = v == NULL ? "" : ts_json_str_or(v, "message", "");
    copy_short(brief, sizeof(brief), text);
    ts_engine_clean(out, TS_ENGINE_MESSAGE, brief);
    json_decref(v);
}

static bool is_about_version(const char *message)
{
    return strstr(message, "client version") != NULL &&
           (strstr(message, "too old") != NULL || strstr(message, "too new") != NULL);
}

bool ts_engine_judge(struct ts_engine *e, const struct ts_http_reply *reply, struct ts_error *err)
{
    static const struct {
        int status;
        enum ts_code code;
        const char *text;
    } rows[] = {
        {400, TS_E_INVALID, "the engine does not accept the request"},
        {401, TS_E_DENIED, "the engine wants credentials"},
        {403, TS_E_DENIED, "not allowed by the engine or by a proxy before it"},
        {404, TS_E_NOT_FOUND, "not found"},
        {409, TS_E_CONFLICT, "not possible in its present state"},
    };
    int status = reply->status;
    if ((status >= 200 && status <= 299) || status == 304) {
        return true;
    }
    enum ts_code code = status >= 500   ? TS_E_UNAVAILABLE
                        : status >= 400 ? TS_E_INVALID
                                        : TS_E_PROTOCOL;
    const char *text = status >= 500 ? "the engine failed" : "unexpected answer";
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].status == status) {
            code = rows[i].code;
            text = rows[i].text;
        }
    }
    char message[TS_ENGINE_MESSAGE];
    ts_engine_message(reply, message);
    if (status == 400 && is_about_version(message)) {
        code = TS_E_UNAVAILABLE;
        e->api_minor = 0;
    }
    return ts_error_set_detail(err, code, status, "%s (HTTP %d)",
                               message[0] == '\0' ? text : message, status);
}

void ts_engine_explain(const struct ts_engine *e, const char *what, struct ts_error *err)
{
    (void)ts_error_wrap(err, "engine %.60s: %s", e->address, what);
    size_t used = strlen(err->msg);
    const char *hint = "";
    if (err->code == TS_E_DENIED && e->local != NULL && err->detail < 100) {
        hint = TS_USUAL_DENIED_HINT;
    } else if (err->code == TS_E_UNAVAILABLE && err->detail < 100) {
        hint = " (is the engine running?)";
    }
    if (used + strlen(hint) < sizeof(err->msg)) {
        memcpy(err->msg + used, hint, strlen(hint) + 1);
    }
}

struct ts_engine_op *ts_engine_op_new(struct ts_engine *e, void *ctx, struct ts_error *err,
                                      const char *what, ...)
{
    struct ts_engine_op *op = calloc(1, sizeof(*op));
    if (op == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    op->engine = e;
    op->ctx = ctx;
    char whole[sizeof(op->what)];
    va_list args;
    va_start(args, what);
    (void)vsnprintf(whole, sizeof(whole), what, args);
    va_end(args);
    copy_short(op->what, sizeof(op->what), whole);
    op->next = e->ops;
    op->prev_next = &e->ops;
    if (e->ops != NULL) {
        e->ops->prev_next = &op->next;
    }
    e->ops = op;
    return op;
}

void ts_engine_op_free(struct ts_engine_op *op)
{
    *op->prev_next = op->next;
    if (op->next != NULL) {
        op->next->prev_next = op->prev_next;
    }
    ts_http_cancel(op->req);
    if (op->free_extra != NULL) {
        op->free_extra(op->extra);
    }
    free(op);
}

void ts_engine_cancel(struct ts_engine_op *op)
{
    if (op != NULL && !op->finishing) {
        ts_engine_op_free(op);
    }
}

static void on_http_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    struct ts_engine_op *op = ctx;
    struct ts_engine *e = op->engine;
    op->req = NULL;
    op->finishing = true;
    struct ts_error why;
    bool failed = err != NULL;
    if (failed) {
        why = *err;
    } else {
        bool passes = op->takes_404 && reply->status == 404;
        failed = !passes && !ts_engine_judge(e, reply, &why);
    }
    if (failed) {
        ts_engine_explain(e, op->what, &why);
    }
    op->answered(op, failed ? NULL : reply, failed ? &why : NULL);
    if (op->req == NULL) {
        ts_engine_op_free(op);
    } else {
        op->finishing = false;
    }
}

static bool send_request(struct ts_engine_op *op, const struct ts_engine_request *request,
                         const char *url, struct ts_error *err)
{
    static const char *const json_type[] = {"Content-Type: application/json"};
    struct ts_http_call call = ts_engine_http_call(op->engine, request->method, url);
    char *body = NULL;
    if (request->deadline_ms > 0) {
        call.deadline_ms = request->deadline_ms;
    }
    if (request->body != NULL) {
        body = json_dumps(request->body, JSON_COMPACT);
        if (body == NULL) {
            return ts_error_nomem(err);
        }
        call.body = body;
        call.body_len = strlen(body);
        call.headers = json_type;
        call.header_count = TS_ARRAY_LEN(json_type);
    }
    op->req = ts_http_start(op->engine->http, &call, on_http_done, op, err);
    free(body);
    return op->req != NULL;
}

bool ts_engine_op_next(struct ts_engine_op *op, const struct ts_engine_request *request,
                       ts_engine_answered *answered, struct ts_error *err)
{
    if (!request->unversioned && op->engine->api_minor == 0) {
        return ts_error_set(err, TS_E_CONFLICT, "engine %.60s: not negotiated with yet",
                            op->engine->address);
    }
    op->answered = answered;
    struct ts_buf url = ts_buf_init(TS_ENGINE_PATH_MAX);
    bool ok = ts_engine_url(op->engine, request->path, request->unversioned, &url, err) &&
              send_request(op, request, url.data, err);
    ts_buf_done(&url);
    return ok;
}

struct ts_engine_op *ts_engine_op_start(struct ts_engine_op *op,
                                        const struct ts_engine_request *request,
                                        ts_engine_answered *answered, struct ts_error *err)
{
    if (!ts_engine_op_next(op, request, answered, err)) {
        ts_engine_op_free(op);
        return NULL;
    }
    return op;
}
