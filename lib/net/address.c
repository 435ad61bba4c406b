/* See address.h. */
#include "net/address.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "net/address_internal.h"

#define FORMS                                                                                      \
    "use unix:///path (Windows: npipe:////./pipe/name), tcp://host:port, http://host:port or "     \
    "https://host:port"

static const struct {
    const char *scheme;
    enum ts_address_kind kind;
    uint16_t default_port; /* 0: must be given */
    bool has_path;
} schemes[] = {
    {"unix://", TS_ADDRESS_UNIX, 0, true},     {"npipe://", TS_ADDRESS_NPIPE, 0, true},
    {"tcp://", TS_ADDRESS_TCP, 0, false},      {"http://", TS_ADDRESS_HTTP, 80, true},
    {"https://", TS_ADDRESS_HTTPS, 443, true},
};

static bool is_host_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' ||
           c == '-' || c == '_';
}

static bool is_ipv6_char(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F') || c == ':' ||
           c == '.';
}

/* Takes the host from the front of s (n bytes); *used says how much text it was. */
static bool take_host(const char *s, size_t n, struct ts_address *a, size_t *ret_used,
                      struct ts_error *err)
{
    bool bracket = n > 0 && s[0] == '[';
    size_t start = bracket ? 1 : 0;
    size_t end = start;
    while (end < n && (bracket ? is_ipv6_char(s[end]) : is_host_char(s[end]))) {
        end++;
    }
    if (end == start) {
        return ts_error_set(err, TS_E_INVALID, "the address has no host; " FORMS);
    }
    if (bracket && (end == n || s[end] != ']')) {
        return ts_error_set(err, TS_E_INVALID, "the IPv6 address lacks its closing \"]\"");
    }
    if (end - start >= sizeof(a->host)) {
        return ts_error_set(err, TS_E_INVALID, "the host name is longer than %zu characters",
                            sizeof(a->host) - 1);
    }
    memcpy(a->host, s + start, end - start);
    a->host[end - start] = '\0';
    *ret_used = bracket ? end + 1 : end;
    return true;
}

/* "host[:port]" in n bytes. */
static bool parse_authority(const char *s, size_t n, uint16_t default_port, struct ts_address *a,
                            struct ts_error *err)
{
    if (memchr(s, '@', n) != NULL) {
        return ts_error_set(err, TS_E_INVALID,
                            "an address must not contain a user or password (\"@\")");
    }
    size_t used = 0;
    if (!take_host(s, n, a, &used, err)) {
        return false;
    }
    a->port = default_port;
    if (used == n && default_port != 0) {
        return true;
    }
    int64_t port = 0;
    if (used == n || s[used] != ':' ||
        !ts_parse_i64n(s + used + 1, n - used - 1, 1, UINT16_MAX, &port)) {
        return ts_error_set(err, TS_E_INVALID, "want host:port with a port of 1 to 65535; " FORMS);
    }
    a->port = (uint16_t)port;
    return true;
}

static bool parse_socket_path(const char *path, struct ts_address *a, struct ts_error *err)
{
    size_t max = a->kind == TS_ADDRESS_UNIX ? TS_ADDRESS_SOCKET_MAX : TS_ADDRESS_PATH_MAX;
    if (path[0] != '/' || path[1] == '\0') {
        return ts_error_set(err, TS_E_INVALID,
                            a->kind == TS_ADDRESS_UNIX
                                ? "want an absolute path after unix://, as unix:///var/run/x.sock"
                                : "want a pipe after npipe://, as npipe:////./pipe/docker_engine");
    }
    if (!ts_copy(a->path, max, path)) {
        return ts_error_set(err, TS_E_INVALID, "the path is longer than %zu bytes", max - 1);
    }
    return true;
}

static bool parse_url(const char *rest, uint16_t default_port, bool has_path, struct ts_address *a,
                      struct ts_error *err)
{
    size_t n = strcspn(rest, "/?#");
    if (!parse_authority(rest, n, default_port, a, err)) {
        return false;
    }
    const char *path = rest + n;
    if (!has_path) {
        if (path[0] != '\0' && strcmp(path, "/") != 0) {
            return ts_error_set(err, TS_E_INVALID, "a tcp:// address has no path");
        }
        return true;
    }
    if (path[0] != '\0' && path[0] != '/') {
        return ts_error_set(err, TS_E_INVALID, "want \"/\" after the host and port");
    }
    if (!ts_copy(a->path, sizeof(a->path), path[0] == '\0' ? "/" : path)) {
        return ts_error_set(err, TS_E_INVALID, "the path is longer than %zu bytes",
                            sizeof(a->path) - 1);
    }
    return true;
}

bool ts_address_parse(const char *text, struct ts_address *ret, struct ts_error *err)
{
    struct ts_address a = {.kind = TS_ADDRESS_TCP};
    for (const char *p = text; *p != '\0'; p++) {
        if ((unsigned char)*p <= ' ' || *p == 0x7f) {
            return ts_error_set(err, TS_E_INVALID,
                                "the address contains a space or control character");
        }
    }
    const char *rest = text;
    uint16_t default_port = 0;
    bool has_path = false;
    for (size_t i = 0; i < TS_ARRAY_LEN(schemes); i++) {
        size_t len = strlen(schemes[i].scheme);
        if (strncmp(text, schemes[i].scheme, len) == 0) {
            a.kind = schemes[i].kind;
            default_port = schemes[i].default_port;
            has_path = schemes[i].has_path;
            rest = text + len;
        }
    }
    if (rest == text && strstr(text, "://") != NULL) {
        return ts_error_set(err, TS_E_INVALID, "unknown kind of address; " FORMS);
    }
    bool is_local = a.kind == TS_ADDRESS_UNIX || a.kind == TS_ADDRESS_NPIPE;
    if (!(is_local ? parse_socket_path(rest, &a, err)
                   : parse_url(rest, default_port, has_path, &a, err))) {
        return false;
    }
    *ret = a;
    return true;
}

bool ts_address_usable(const struct ts_address *a, struct ts_error *err)
{
    bool is_foreign =
        ts_net_has_unix_sockets() ? a->kind == TS_ADDRESS_NPIPE : a->kind == TS_ADDRESS_UNIX;
    if (is_foreign) {
        return ts_error_set(err, TS_E_INVALID,
                            "%.120s is a %s, which this system does not have; " FORMS, a->path,
                            a->kind == TS_ADDRESS_NPIPE ? "Windows named pipe" : "Unix socket");
    }
    return true;
}

void ts_address_print(const struct ts_address *a, char out[TS_ADDRESS_TEXT])
{
    const char *scheme = "";
    for (size_t i = 0; i < TS_ARRAY_LEN(schemes); i++) {
        if (schemes[i].kind == a->kind) {
            scheme = schemes[i].scheme;
        }
    }
    if (a->host[0] == '\0') {
        (void)snprintf(out, TS_ADDRESS_TEXT, "%s%s", scheme, a->path);
        return;
    }
    bool bracket = strchr(a->host, ':') != NULL;
    (void)snprintf(out, TS_ADDRESS_TEXT, "%s%s%s%s:%u%s", scheme, bracket ? "[" : "", a->host,
                   bracket ? "]" : "", a->port, a->path);
}
