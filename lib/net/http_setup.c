/* See http.h: what is checked of a call, and the options that curl gets for it. */
#include <string.h>
#include <strings.h>

#include <event2/util.h>

#include "net/http_internal.h"

#define STREAM_BUFFER 4096L /* bytes that one read takes */

static CURLcode option_ok(CURLcode so_far, CURLcode now)
{
    return so_far != CURLE_OK ? so_far : now;
}

/* CURLOPT_OPENSOCKETFUNCTION: no descriptor of ours survives an exec. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)ctx;
    (void)purpose;
    curl_socket_t fd = socket(address->family, address->socktype, address->protocol);
    if (fd != CURL_SOCKET_BAD) {
        (void)evutil_make_socket_closeonexec((evutil_socket_t)fd);
    }
    return fd;
}

/* Refuses what curl would only find out later, or would take in a way we do not mean. */
bool ts_http_check_call(const struct ts_http_call *call, struct ts_error *err)
{
    if (call->deadline_ms == 0) {
        return ts_error_set(err, TS_E_INVALID, "an HTTP call needs a deadline");
    }
    if (call->stream ? call->on_data == NULL : call->max_body == 0) {
        return ts_error_set(err, TS_E_INVALID, "an HTTP call needs a body limit, a stream on_data");
    }
    if (call->header_count > TS_HTTP_HEADERS_MAX) {
        return ts_error_set(err, TS_E_INVALID, "more than %d HTTP headers", TS_HTTP_HEADERS_MAX);
    }
    for (size_t i = 0; i < call->header_count; i++) {
        if (strpbrk(call->headers[i], "\r\n") != NULL || strchr(call->headers[i], ':') == NULL) {
            return ts_error_set(err, TS_E_INVALID, "HTTP header %zu is malformed", i);
        }
    }
    bool is_https = strncasecmp(call->url, "https://", 8) == 0;
    if (!is_https && (call->https_only || strncasecmp(call->url, "http://", 7) != 0)) {
        return ts_error_set(err, TS_E_INVALID,
                            call->https_only ? "the URL must begin with https://"
                                             : "the URL must begin with http:// or https://");
    }
    CURLU *url = curl_url();
    CURLUcode rc =
        url == NULL ? CURLUE_OUT_OF_MEMORY : curl_url_set(url, CURLUPART_URL, call->url, 0);
    curl_url_cleanup(url);
    return rc == CURLUE_OK || ts_error_set(err, TS_E_INVALID, "the URL is malformed");
}

static bool add_header(struct ts_http_req *r, const char *line)
{
    struct curl_slist *list = curl_slist_append(r->headers, line);
    if (list == NULL) {
        return false;
    }
    r->headers = list;
    return true;
}

static bool set_headers(struct ts_http_req *r, const struct ts_http_call *call)
{
    bool has_type = false;
    bool ok = add_header(r, "Expect:"); /* else curl waits 1 s for "100 Continue" on large bodies */
    for (size_t i = 0; i < call->header_count; i++) {
        ok = ok && add_header(r, call->headers[i]);
        has_type = has_type || strncasecmp(call->headers[i], "Content-Type:", 13) == 0;
    }
    if (!has_type) {
        ok = ok && add_header(r, "Content-Type:"); /* else curl invents a form */
    }
    return ok && curl_easy_setopt(r->easy, CURLOPT_HTTPHEADER, r->headers) == CURLE_OK;
}

static CURLcode set_method(struct ts_http_req *r, const struct ts_http_call *call)
{
    CURL *c = r->easy;
    CURLcode rc = CURLE_OK;
    bool is_post = strcmp(call->method, "POST") == 0;
    if (strcmp(call->method, "HEAD") == 0) {
        return curl_easy_setopt(c, CURLOPT_NOBODY, 1L);
    }
    if (call->body != NULL || is_post) {
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_POST, 1L));
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_POSTFIELDS, ts_buf_text(&r->request_body)));
        rc = option_ok(
            rc, curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)r->request_body.len));
    }
    if (!is_post) {
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_CUSTOMREQUEST, call->method));
    }
    return rc;
}

/* What every call gets. QUICK_EXIT: ending a call whose name is still being resolved must not wait
 * for the resolver's thread. */
static CURLcode set_safety(CURL *c, const struct ts_http_call *call)
{
    const char *protocols = call->https_only ? "https" : "http,https";
    CURLcode rc = curl_easy_setopt(c, CURLOPT_PROTOCOLS_STR, protocols);
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_FOLLOWLOCATION, 0L));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_QUICK_EXIT, 1L));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_socket));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_TCP_NODELAY, 1L));
    if (!call->use_env_proxy) {
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_PROXY, ""));
    }
    if (call->ca_file != NULL) {
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_CAINFO, call->ca_file));
    }
    return rc;
}

static CURLcode set_options(struct ts_http_req *r, const struct ts_http_call *call)
{
    CURL *c = r->easy;
    CURLcode rc = set_safety(c, call);
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_URL, call->url));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_PRIVATE, r));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_ERRORBUFFER, r->curl_text));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, ts_http_has_body));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_WRITEDATA, r));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_HEADERFUNCTION, ts_http_has_header));
    rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_HEADERDATA, r));
    if (call->stream) { /* stays open for days and says little: not the usual 16 KiB */
        rc = option_ok(rc, curl_easy_setopt(c, CURLOPT_BUFFERSIZE, STREAM_BUFFER));
    }
    if (call->connect_timeout_ms > 0) {
        rc = option_ok(
            rc, curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)call->connect_timeout_ms));
    }
    if (call->local != NULL) {
        rc = option_ok(rc, ts_http_set_local(r, call->local));
    }
    return option_ok(rc, set_method(r, call));
}

bool ts_http_set_call(struct ts_http_req *r, const struct ts_http_call *call)
{
    return set_headers(r, call) && set_options(r, call) == CURLE_OK;
}
