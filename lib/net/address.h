/*
 * Where something listens: "unix:///path", "tcp://host:port", "http(s)://host[:port][/path]",
 * "npipe:////./pipe/name" or a bare "host:port". Text to a plain struct and back, nothing is looked
 * up. Forms as in Docker's DOCKER_HOST and RFC 3986 (IPv6 hosts in brackets).
 */
#ifndef TS_NET_ADDRESS_H
#define TS_NET_ADDRESS_H

#include <stdint.h>

#include "base/error.h"

#define TS_ADDRESS_PATH_MAX   256 /* a request path or a pipe, NUL included */
#define TS_ADDRESS_SOCKET_MAX 108 /* sun_path of Linux, NUL included */
#define TS_ADDRESS_HOST_MAX   254 /* a DNS name, NUL included */
#define TS_ADDRESS_TEXT       544 /* ts_address_print() always fits */

enum ts_address_kind {
    TS_ADDRESS_UNIX,
    TS_ADDRESS_NPIPE, /* Windows only */
    TS_ADDRESS_TCP,   /* "tcp://" and bare "host:port" */
    TS_ADDRESS_HTTP,
    TS_ADDRESS_HTTPS
};

struct ts_address {
    enum ts_address_kind kind;
    char path[TS_ADDRESS_PATH_MAX]; /* unix: the socket; npipe: "//./pipe/…"; http(s): "/…" */
    char host[TS_ADDRESS_HOST_MAX]; /* without brackets; "" for unix and npipe */
    uint16_t port;                  /* never 0 for tcp, http, https */
};

/*
 * Parses the whole text. TS_E_INVALID says what is wrong and which forms there are: unknown scheme,
 * missing or wrong port, too long, control characters, user or password in a URL (they would show
 * in logs), a relative socket path. A named pipe parses everywhere; see ts_address_usable().
 */
bool ts_address_parse(const char *text, struct ts_address *ret, struct ts_error *err) TS_MUST_CHECK;

/* False with TS_E_INVALID for a kind that this operating system does not have. */
bool ts_address_usable(const struct ts_address *a, struct ts_error *err) TS_MUST_CHECK;

/* The canonical text, which ts_address_parse() takes back. */
void ts_address_print(const struct ts_address *a, char out[TS_ADDRESS_TEXT]);

#endif
