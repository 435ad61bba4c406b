/* See url.h and ts_sender_check_url() in sender.h. */
#include "alert/url.h"

#include <stdio.h>
#include <string.h>

#include "alert/sender.h"
#include "base/parse.h"
#include "net/address.h"

#define SECRET_PART_MIN 8 /* shorter path segments ("api", "v10") are no secrets */

static bool is_loopback(const char *host)
{
    bool numeric = strspn(host, "0123456789.") == strlen(host);
    return (numeric && strncmp(host, "127.", 4) == 0) || strcmp(host, "::1") == 0 ||
           strcmp(host, "localhost") == 0;
}

bool ts_sender_check_url(enum ts_channel_kind kind, const char *url, struct ts_error *err)
{
    struct ts_address a;
    struct ts_error ignored; /* its text may hold the URL */
    if (!ts_address_parse(url, &a, &ignored) ||
        (a.kind != TS_ADDRESS_HTTPS && a.kind != TS_ADDRESS_HTTP)) {
        return ts_error_set(err, TS_E_INVALID,
                            "the URL is malformed or too long; want https://host/path");
    }
    if (a.kind == TS_ADDRESS_HTTP && !is_loopback(a.host)) {
        return ts_error_set(err, TS_E_INVALID,
                            "the URL is not https; plain http is for loopback addresses only");
    }
    if (kind == TS_CHANNEL_DISCORD && strstr(a.path, "/webhooks/") == NULL) {
        return ts_error_set(err, TS_E_INVALID,
                            "the URL is no Discord webhook; want "
                            "https://discord.com/api/webhooks/<id>/<token>");
    }
    return true;
}

bool ts_alert_build_url(enum ts_channel_kind kind, const char *url, const char *message_id,
                        char *out, size_t size)
{
    if (kind == TS_CHANNEL_WEBHOOK) {
        return ts_copy(out, size, url);
    }
    static const char unversioned[] = "/api/webhooks/";
    size_t path = strcspn(url, "?#");
    const char *api = strstr(url, unversioned);
    bool is_old = api != NULL && api < url + path;
    size_t head = is_old ? (size_t)(api - url) + strlen("/api") : 0;
    size_t tail = path - head;
    while (tail > 0 && url[head + tail - 1] == '/') {
        tail--;
    }
    const char *query = url[path] == '?' ? url + path + 1 : "";
    size_t query_len = strcspn(query, "#");
    bool edits = message_id[0] != '\0';
    bool asks = query_len > 0 || !edits;
    int n = snprintf(out, size, "%.*s%s%.*s%s%s%s%.*s%s%s", (int)head, url, is_old ? "/v10" : "",
                     (int)tail, url + head, edits ? "/messages/" : "", message_id, asks ? "?" : "",
                     (int)query_len, query, query_len > 0 && !edits ? "&" : "",
                     edits ? "" : "wait=true");
    return n > 0 && (size_t)n < size;
}

/* Does the text hold these n bytes? */
static bool holds(const char *text, const char *part, size_t n)
{
    const char *at = text;
    while ((at = strchr(at, part[0])) != NULL && strncmp(at, part, n) != 0) {
        at++;
    }
    return at != NULL;
}

bool ts_alert_shows_url(const char *url, const char *text)
{
    const char *host = strstr(url, "://");
    const char *at = strchr(host == NULL ? url : host + 3, '/');
    while (at != NULL && *at != '\0') {
        size_t len = strcspn(at, "/?&=#");
        if (len >= SECRET_PART_MIN && holds(text, at, len) && strncmp(at, "webhooks", len) != 0) {
            return true;
        }
        at += len;
        at += *at != '\0';
    }
    return false;
}
