/* See port.h. */
#include "net/port.h"

#include "net/socket_internal.h"

#include <errno.h>
#include <event2/listener.h>
#include <event2/util.h>
#include <stdio.h>
#include <string.h>

#define TEXT_SIZE 80

static void accept_nobody(struct evconnlistener *l, evutil_socket_t fd, struct sockaddr *from,
                          int len, void *ctx)
{
    (void)l;
    (void)from;
    (void)len;
    (void)ctx;
    (void)evutil_closesocket(fd);
}

bool ts_port_is_free(struct ts_loop *loop, const char *ip, uint16_t port)
{
    char text[TEXT_SIZE];
    struct sockaddr_storage at;
    int len = (int)sizeof(at);
    const char *host = ip[0] != '\0' ? ip : "0.0.0.0";
    (void)snprintf(text, sizeof(text), strchr(host, ':') != NULL ? "[%.45s]:%u" : "%.45s:%u", host,
                   port);
    memset(&at, 0, sizeof(at));
    if (evutil_parse_sockaddr_port(text, (struct sockaddr *)&at, &len) != 0) {
        return true;
    }
    struct evconnlistener *l =
        evconnlistener_new_bind(ts_loop_base(loop), accept_nobody, NULL,
                                LEV_OPT_DISABLED | LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE, 1,
                                (struct sockaddr *)&at, len);
    bool taken = l == NULL && EVUTIL_SOCKET_ERROR() == EADDRINUSE;
    if (l != NULL) {
        evconnlistener_free(l);
    }
    return !taken;
}
