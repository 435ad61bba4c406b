/* See http_internal.h: curl knows no named pipes; it gets a socket that is connected to one. */
#include "net/http_internal.h"

#include <string.h>

#include "base/pipe_win.h"

#define BUSY_MS 5000 /* that all instances of the engine's pipe may be taken */

/* CURLOPT_OPENSOCKETFUNCTION. */
static curl_socket_t open_pipe(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)purpose;
    (void)address;
    struct ts_http_req *r = ctx;
    evutil_socket_t fd = -1;
    struct ts_error err;
    if (ts_pipe_dial(r->local, BUSY_MS, &fd, &err)) {
        return (curl_socket_t)fd;
    }
    r->failure = err.code == TS_E_NOT_FOUND ? TS_E_UNAVAILABLE : err.code;
    r->failure_text = err.code == TS_E_NOT_FOUND ? "there is no such pipe"
                      : err.code == TS_E_DENIED  ? "no permission on the pipe"
                                                 : "the pipe cannot be opened";
    return CURL_SOCKET_BAD;
}

/* CURLOPT_SOCKOPTFUNCTION. */
static int is_connected(void *ctx, curl_socket_t fd, curlsocktype purpose)
{
    (void)ctx;
    (void)fd;
    (void)purpose;
    return CURL_SOCKOPT_ALREADY_CONNECTED;
}

CURLcode ts_http_set_local(struct ts_http_req *r, const char *path)
{
    CURL *c = r->easy;
    r->local = strdup(path);
    CURLcode rc = r->local == NULL ? CURLE_OUT_OF_MEMORY : CURLE_OK;
    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(c, CURLOPT_OPENSOCKETDATA, r);
    }
    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(c, CURLOPT_OPENSOCKETFUNCTION, open_pipe);
    }
    if (rc == CURLE_OK) {
        rc = curl_easy_setopt(c, CURLOPT_SOCKOPTFUNCTION, is_connected);
    }
    return rc;
}
