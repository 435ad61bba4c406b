/* Shared by server.c and call.c. */
#ifndef TS_CONTROL_SERVER_INTERNAL_H
#define TS_CONTROL_SERVER_INTERNAL_H

#include "control/frame.h"
#include "control/server.h"
#include "control/varlink.h"

struct bufferevent;
struct evconnlistener;
struct ts_client;

struct ts_call {
    struct ts_client *client;
    bool active;
    bool more;
    bool oneway;
    void (*gone)(void *ctx);
    void *gone_ctx;
};

struct ts_client {
    struct ts_client *next;
    struct ts_control *control;
    struct bufferevent *bev;
    struct ts_peer peer;
    struct ts_frames frames;
    struct ts_timer *deadline; /* for a call that is not complete yet */
    struct ts_call call;       /* the one being answered */
    bool pumping;              /* a handler is being called */
    bool doomed;
};

struct ts_control {
    struct ts_loop *loop;
    struct evconnlistener *listener;
    struct ts_timer *accept_pause;
    char *path; /* to be removed; NULL when the socket was handed over */
    struct ts_client *clients;
    size_t client_count;
    const struct ts_control_method *methods;
    size_t method_count;
    void (*on_refused)(void *ctx, const struct ts_peer *peer, const char *method);
    void *ctx;
    bool has_operate_gid;
    uint32_t operate_gid;
    bool has_read_gid;
    uint32_t read_gid;
};

/* Cuts the client off after this turn. */
void ts_client_drop(struct ts_client *client);
/* Goes on with the client's next calls. */
void ts_client_pump(struct ts_client *client);
/* Parses one message and hands it to its handler. */
void ts_call_begin(struct ts_client *client, const char *text, size_t len);

#endif
