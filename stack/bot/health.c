/* See health.h. */
#include "health.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>

#include <event2/buffer.h>
#include <event2/http.h>
#include <jansson.h>

#include "base/parse.h"

#define BODY_MAX 1024 /* bytes; a GET has none */

struct bot_health {
    struct evhttp *http;
    uint16_t port;
    bool ok;
    char reason[128];
    char account[64];
};

static char *render(const struct bot_health *h)
{
    json_t *v = json_pack("{s:s, s:s, s:s, s:b, s:s, s:s}", "status", h->ok ? "ok" : "unavailable",
                          "reason", h->reason, "account", h->account, "dry_run", 1, "trading_mode",
                          "paper", "strategy", "C");
    char *text = v == NULL ? NULL : json_dumps(v, JSON_COMPACT);
    json_decref(v);
    return text;
}

static void answer_health(struct evhttp_request *request, void *ctx)
{
    const struct bot_health *h = ctx;
    char *text = render(h);
    struct evbuffer *body = evbuffer_new();
    if (text == NULL || body == NULL || evbuffer_add_printf(body, "%s\n", text) < 0) {
        evhttp_send_error(request, HTTP_INTERNAL, NULL);
    } else {
        (void)evhttp_add_header(evhttp_request_get_output_headers(request), "Content-Type",
                                "application/json");
        evhttp_send_reply(request, h->ok ? HTTP_OK : HTTP_SERVUNAVAIL, NULL, body);
    }
    if (body != NULL) {
        evbuffer_free(body);
    }
    free(text);
}

static void answer_other(struct evhttp_request *request, void *ctx)
{
    (void)ctx;
    evhttp_send_error(request, HTTP_NOTFOUND, NULL);
}

static bool listen_on(struct bot_health *h, uint16_t port, struct ts_error *err)
{
    struct evhttp_bound_socket *bound = evhttp_bind_socket_with_handle(h->http, "0.0.0.0", port);
    if (bound == NULL) {
        return ts_error_errno(err, errno, "cannot listen on port %u for GET /health",
                              (unsigned)port);
    }
    struct sockaddr_in at = {.sin_port = 0};
    ev_socklen_t len = sizeof(at);
    if (getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &len) != 0) {
        return ts_error_errno(err, errno, "cannot read the port of GET /health");
    }
    h->port = ntohs(at.sin_port);
    return true;
}

struct bot_health *bot_health_new(struct ts_loop *loop, uint16_t port, struct ts_error *err)
{
    struct bot_health *h = calloc(1, sizeof(*h));
    if (h == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    bot_health_set(h, false, "starting", "");
    h->http = evhttp_new(ts_loop_base(loop));
    if (h->http == NULL || !listen_on(h, port, err)) {
        if (h->http == NULL) {
            ts_error_nomem(err);
        }
        bot_health_free(h);
        return NULL;
    }
    evhttp_set_allowed_methods(h->http, EVHTTP_REQ_GET);
    evhttp_set_max_headers_size(h->http, BOT_HEALTH_HEADERS_MAX);
    evhttp_set_max_body_size(h->http, BODY_MAX);
    evhttp_set_timeout(h->http, BOT_HEALTH_TIMEOUT_S);
    evhttp_set_gencb(h->http, answer_other, h);
    (void)evhttp_set_cb(h->http, "/health", answer_health, h);
    return h;
}

void bot_health_free(struct bot_health *h)
{
    if (h == NULL) {
        return;
    }
    if (h->http != NULL) {
        evhttp_free(h->http);
    }
    free(h);
}

uint16_t bot_health_port(const struct bot_health *h)
{
    return h->port;
}

void bot_health_set(struct bot_health *h, bool ok, const char *reason, const char *account)
{
    h->ok = ok;
    ts_copy_cut(h->reason, sizeof(h->reason), reason);
    ts_copy_cut(h->account, sizeof(h->account), account);
}
