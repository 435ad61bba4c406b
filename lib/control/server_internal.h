/* Shared by server.c, call.c and listen_posix.c. */
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
    struct ts_timer
        *deadline;          /* for a call that is not complete yet, or a client that is leaving */
    struct ts_timer *again; /* to go on with the next calls in a later turn */
    struct ts_call call;    /* the one being answered */
    bool leaving;           /* it has said its last word and may still read */
    bool doomed;
};

struct ts_control {
    struct ts_loop *loop;
    struct evconnlistener *listener;
    struct ts_timer *accept_pause;
    char *path; /* to be removed; NULL when the socket was handed over */
    struct ts_client *clients;
    size_t client_count;
    struct ts_control_conf conf; /* path and listen_fd are not kept */
};

/* Cuts the client off after this turn. */
void ts_client_drop(struct ts_client *client);
/* The client's call is answered: the next one is begun in a later turn. Never begins it here: who
 * has just answered may still be busy with its own lists. */
void ts_client_next(struct ts_client *client);
/* Bytes that the client has not read yet. */
size_t ts_client_unread(const struct ts_client *client);
/* May do everything: root and our own user. */
bool ts_client_is_owner(const struct ts_peer *peer);
/* Parses one message and hands it to its handler. */
void ts_call_begin(struct ts_client *client, const char *text, size_t len);

/* A listening socket with its file, or -1. Errors as of ts_control_new(). */
int ts_control_listen(const char *path, struct ts_error *err);

#endif
