/* See server.h. The listener and its clients; calls and replies are in call.c. */
#include "control/server_internal.h"

#include <stdlib.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "base/timeval.h"
#include "control/interface.h"

/* Everything of the client but its own memory; its call learns that it is gone. */
static void close_client(struct ts_client *client)
{
    struct ts_control *c = client->control;
    for (struct ts_client **at = &c->clients; *at != NULL; at = &(*at)->next) {
        if (*at == client) {
            *at = client->next;
            break;
        }
    }
    c->client_count--;
    client->control = NULL;
    if (client->call.active && client->call.gone != NULL) {
        void (*gone)(void *) = client->call.gone;
        client->call.gone = NULL;
        gone(client->call.gone_ctx);
    }
    client->call.active = false;
    ts_timer_free(client->deadline);
    ts_timer_free(client->again);
    ts_frames_done(&client->frames);
    bufferevent_free(client->bev);
}

static void free_client(void *arg)
{
    struct ts_client *client = arg;
    if (client->control != NULL) {
        close_client(client);
    }
    free(client);
}

void ts_client_drop(struct ts_client *client)
{
    if (!client->doomed) {
        client->doomed = true;
        (void)bufferevent_disable(client->bev, EV_READ | EV_WRITE);
        ts_timer_stop(client->deadline);
        ts_timer_stop(client->again);
        ts_loop_defer(client->control->loop, free_client, client);
    }
}

size_t ts_client_unread(const struct ts_client *client)
{
    return evbuffer_get_length(bufferevent_get_output(client->bev));
}

void ts_client_next(struct ts_client *client)
{
    if (!client->doomed) {
        ts_timer_after(client->again, 0);
    }
}

static bool is_free(const struct ts_client *client)
{
    return !client->doomed && !client->call.active &&
           ts_client_unread(client) <= TS_CONTROL_OUTPUT_BUSY;
}

/* After the calls that could be begun. drained: no complete one waits. */
static void settle(struct ts_client *client, bool drained)
{
    bool partial = drained && client->frames.buf.len > client->frames.consumed;
    if (!drained && is_free(client)) {
        ts_client_next(client); /* it has had its share of this turn */
    }
    if (client->leaving) {
        if (drained && !client->call.active && ts_client_unread(client) == 0) {
            ts_client_drop(client);
        }
    } else if (!partial) {
        ts_timer_stop(client->deadline);
    } else if (!ts_timer_armed(client->deadline)) {
        ts_timer_after(client->deadline, client->control->conf.partial_ms);
    }
}

/* Gives the client's complete messages to the handlers, one after the other. */
static void pump(struct ts_client *client)
{
    bool drained = false;
    for (int calls = 0; calls < TS_CONTROL_TURN_CALLS && is_free(client); calls++) {
        size_t len;
        const char *text = ts_frames_next(&client->frames, &len);
        if (text == NULL) {
            drained = true;
            break;
        }
        ts_call_begin(client, text, len);
    }
    if (!client->doomed) {
        settle(client, drained);
    }
}

static void on_again(void *arg)
{
    pump(arg);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct ts_client *client = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char chunk[16384];
    int n;
    while (!client->doomed && (n = evbuffer_remove(in, chunk, sizeof(chunk))) > 0) {
        struct ts_error err;
        if (!ts_frames_feed(&client->frames, chunk, (size_t)n, &err)) {
            ts_client_drop(client);
        }
    }
    if (!client->doomed && !ts_timer_armed(client->again)) {
        pump(client);
    }
}

static void on_written(struct bufferevent *bev, void *arg)
{
    (void)bev;
    ts_client_next(arg);
}

/* A client that only ends its own side (`nc -N`, a script's pipe) still gets its answers, for a
 * while: the kernel does not tell when it goes for good. */
static void on_closed(struct bufferevent *bev, short what, void *arg)
{
    struct ts_client *client = arg;
    bool half = (what & BEV_EVENT_EOF) != 0 && (what & BEV_EVENT_READING) != 0 &&
                !ts_peer_hung_up(bufferevent_getfd(bev));
    if (!half || client->doomed) {
        ts_client_drop(client);
        return;
    }
    client->leaving = true;
    ts_timer_after(client->deadline, client->control->conf.partial_ms);
    pump(client);
}

static void on_deadline(void *arg)
{
    ts_client_drop(arg);
}

/* Takes fd. */
static struct ts_client *new_client(struct ts_control *c, evutil_socket_t fd,
                                    const struct ts_peer *peer)
{
    struct ts_error err;
    struct ts_client *client = calloc(1, sizeof(*client));
    if (client == NULL) {
        (void)evutil_closesocket(fd);
        return NULL;
    }
    client->control = c;
    client->peer = *peer;
    client->frames = ts_frames_init(TS_CONTROL_INPUT_MAX);
    client->call.client = client;
    client->deadline = ts_timer_new(c->loop, on_deadline, client, &err);
    client->again = ts_timer_new_urgent(c->loop, on_again, client, &err);
    client->bev = bufferevent_socket_new(ts_loop_base(c->loop), fd, BEV_OPT_CLOSE_ON_FREE);
    if (client->deadline == NULL || client->again == NULL || client->bev == NULL) {
        ts_timer_free(client->deadline);
        ts_timer_free(client->again);
        if (client->bev != NULL) {
            bufferevent_free(client->bev);
        } else {
            (void)evutil_closesocket(fd);
        }
        free(client);
        return NULL;
    }
    return client;
}

/* Nobody can keep the operator out by opening connections. */
static bool has_room(const struct ts_control *c, const struct ts_peer *peer)
{
    size_t same = 0;
    if (ts_peer_is_owner(peer)) {
        return c->client_count < TS_CONTROL_CLIENTS_MAX;
    }
    for (const struct ts_client *other = c->clients; other != NULL; other = other->next) {
        same += other->peer.uid == peer->uid && other->peer.known == peer->known;
    }
    return same < TS_CONTROL_CLIENTS_PER_UID &&
           c->client_count < TS_CONTROL_CLIENTS_MAX - TS_CONTROL_CLIENTS_SPARED;
}

/* Says so in words, as far as the socket takes it at once. */
static void turn_away(evutil_socket_t fd)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REQUEST_MAX);
    json_t *why = json_pack("{s:s, s:s}", "code", ts_code_name(TS_E_LIMIT), "reason",
                            "too many connections to the control socket");
    if (ts_varlink_add_error(&out, TS_VARLINK_INTERFACE ".Failed", why)) {
        ts_listener_say(fd, out.data, out.len);
    }
    json_decref(why);
    ts_buf_done(&out);
    (void)evutil_closesocket(fd);
}

static void on_accept(void *ctx, evutil_socket_t fd)
{
    struct ts_control *c = ctx;
    struct ts_peer peer = c->conf.peer_of(fd);
    if (!has_room(c, &peer)) {
        turn_away(fd);
        return;
    }
    struct ts_client *client = new_client(c, fd, &peer);
    if (client == NULL) {
        return;
    }
    client->next = c->clients;
    c->clients = client;
    c->client_count++;
    const struct timeval stalled = ts_timeval_ms(c->conf.stalled_ms);
    bufferevent_set_timeouts(client->bev, NULL, &stalled);
    bufferevent_setcb(client->bev, on_readable, on_written, on_closed, client);
    bufferevent_setwatermark(client->bev, EV_READ, 0, TS_VARLINK_REQUEST_MAX);
    (void)bufferevent_priority_set(client->bev, TS_LOOP_URGENT);
    (void)bufferevent_enable(client->bev, EV_READ | EV_WRITE);
}

void ts_control_set_groups(struct ts_control *c, const struct ts_control_conf *conf)
{
    c->conf.has_operate_gid = conf->has_operate_gid;
    c->conf.operate_gid = conf->operate_gid;
    c->conf.has_approve_gid = conf->has_approve_gid;
    c->conf.approve_gid = conf->approve_gid;
    c->conf.has_read_gid = conf->has_read_gid;
    c->conf.read_gid = conf->read_gid;
    ts_listener_set_groups(c->listener, conf);
}

/* The configuration with its defaults. False: a method that the description does not have. */
static bool take_conf(struct ts_control *c, const struct ts_control_conf *conf,
                      struct ts_error *err)
{
    c->conf = *conf;
    c->conf.path = NULL;
    c->conf.listen_fd = -1;
    if (conf->description == NULL) {
        c->conf.description = ts_interface_text;
    }
    if (conf->partial_ms == 0) {
        c->conf.partial_ms = TS_CONTROL_PARTIAL_MS;
    }
    if (conf->stalled_ms == 0) {
        c->conf.stalled_ms = TS_CONTROL_STALLED_MS;
    }
    if (conf->peer_of == NULL) {
        c->conf.peer_of = ts_peer_of;
    }
    for (size_t i = 0; i < conf->method_count; i++) {
        if (!ts_interface_has(c->conf.description, conf->methods[i].name)) {
            return ts_error_set(err, TS_E_INVALID, "the interface does not describe method %s",
                                conf->methods[i].name);
        }
    }
    return true;
}

struct ts_control *ts_control_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                  struct ts_error *err)
{
    struct ts_control *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    c->loop = loop;
    if (!take_conf(c, conf, err)) {
        free(c);
        return NULL;
    }
    c->listener = ts_listener_new(loop, conf, on_accept, c, err);
    if (c->listener == NULL) {
        free(c);
        return NULL;
    }
    return c;
}

void ts_control_free(struct ts_control *c)
{
    if (c == NULL) {
        return;
    }
    while (c->clients != NULL) {
        struct ts_client *client = c->clients;
        bool loop_frees_it = client->doomed;
        c->clients = client->next;
        close_client(client);
        if (!loop_frees_it) {
            free(client);
        }
    }
    ts_listener_free(c->listener);
    free(c);
}
