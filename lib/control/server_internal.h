/* Shared by server.c, call.c and listen_posix.c. */
#ifndef TS_CONTROL_SERVER_INTERNAL_H
#define TS_CONTROL_SERVER_INTERNAL_H

#include "control/frame.h"
#include "control/server.h"
#include "control/varlink.h"

struct bufferevent;
struct ts_listener;
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
    struct ts_listener *listener;
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
/* Parses one message and hands it to its handler. */
void ts_call_begin(struct ts_client *client, const char *text, size_t len);

/* listen_*.c: takes connections until it is freed. Of conf it uses the path, the socket that was
 * handed over, and the groups. accept() is called from the loop and takes fd, which does not block.
 * Errors as of ts_control_new(). */
struct ts_listener *ts_listener_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                    void (*accept)(void *ctx, evutil_socket_t fd), void *ctx,
                                    struct ts_error *err) TS_MUST_CHECK;
/* Removes the socket file unless it was handed over. NULL is fine. */
void ts_listener_free(struct ts_listener *l);
/* New group rules. */
void ts_listener_set_groups(struct ts_listener *l, const struct ts_control_conf *conf);
/* Gives a connection what it takes at once; its end is no signal. */
void ts_listener_say(evutil_socket_t fd, const char *bytes, size_t n);

#endif
