/* Listeners and sessions: how they begin, what they are sent and when, how they end. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/parse.h"
#include "client.h"

#define SLOW_MS        500
#define SPLIT_MS       1
#define CLOSE_AFTER_MS 100

static void free_client(struct sim_client *c)
{
    struct sim *sim = c->sim;
    for (struct sim_client **at = &sim->clients; *at != NULL; at = &(*at)->next) {
        if (*at == c) {
            *at = c->next;
            break;
        }
    }
    sim->client_count--;
    event_free(c->later);
    evbuffer_free(c->held_back);
    ts_ib_reader_done(&c->reader);
    ts_buf_done(&c->hello);
    bufferevent_free(c->bev);
    free(c);
}

static void set_linger_reset(evutil_socket_t fd)
{
    struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
}

void sim_drop_clients(struct sim *sim, bool with_reset)
{
    while (sim->clients != NULL) {
        if (with_reset) {
            set_linger_reset(bufferevent_getfd(sim->clients->bev));
        }
        free_client(sim->clients);
    }
}

static bool is_silent(const struct sim *sim)
{
    return sim->mode == MODE_SILENT || sim->mode == MODE_HANG;
}

static void drop_held_back(struct sim_client *c)
{
    (void)evbuffer_drain(c->held_back, evbuffer_get_length(c->held_back));
}

static bool is_too_slow(const struct sim_client *c)
{
    size_t waits =
        evbuffer_get_length(c->held_back) + evbuffer_get_length(bufferevent_get_output(c->bev));
    return waits > SIM_OUTPUT_MAX;
}

/* Sends as the mode has it: at once, late, or a byte at a time. False: the client is gone. */
static bool send_out(struct sim_client *c, struct ts_buf *out)
{
    const enum sim_mode mode = c->sim->mode;
    bool ok = !out->failed;
    if (is_silent(c->sim)) {
        drop_held_back(c);
    } else if (ok && out->len > 0 && (mode == MODE_SLOW || mode == MODE_SPLIT)) {
        (void)evbuffer_add(c->held_back, out->data, out->len);
        if (evtimer_pending(c->later, NULL) == 0) {
            sim_arm(c->later, mode == MODE_SLOW ? SLOW_MS : SPLIT_MS);
        }
    } else if (ok && out->len > 0) {
        /* What an earlier mode still holds back comes first. */
        (void)bufferevent_write_buffer(c->bev, c->held_back);
        (void)bufferevent_write(c->bev, out->data, out->len);
    }
    ts_buf_done(out);
    if (!ok || is_too_slow(c)) {
        sim_say("gwsim: client %d takes too little of what it asks for; dropped", c->client_id);
        free_client(c);
        return false;
    }
    return true;
}

static void on_later(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sim_client *c = arg;
    if (c->closing) {
        free_client(c);
        return;
    }
    if (is_silent(c->sim)) {
        drop_held_back(c);
    }
    size_t n = c->sim->mode == MODE_SPLIT ? 1 : evbuffer_get_length(c->held_back);
    (void)evbuffer_remove_buffer(c->held_back, bufferevent_get_output(c->bev), n);
    if (evbuffer_get_length(c->held_back) > 0) {
        sim_arm(c->later, SPLIT_MS);
    }
}

/* --- sessions */

static bool reply_hello(struct sim_client *c, int32_t high)
{
    struct ts_buf out = ts_buf_init(4096);
    struct tm tm;
    char when[48];
    time_t t = (time_t)(sim_now_ms() / 1000);
    (void)gmtime_r(&t, &tm);
    (void)strftime(when, sizeof(when), "%Y%m%d %H:%M:%S UTC", &tm);
    c->version = high < c->sim->server_version ? high : c->sim->server_version;
    c->greeted = true;
    switch (c->sim->mode) {
    case MODE_GARBAGE_LENGTH: (void)ts_buf_add(&out, "\xff\xff\xff\xff", 4); break;
    case MODE_GARBAGE: (void)ts_buf_adds(&out, "HTTP/1.1 400 Bad Request\r\n\r\n"); break;
    default: {
        size_t begin = ts_ib_begin(&out);
        ts_ib_add_int(&out, c->version);
        ts_ib_add(&out, when);
        ts_ib_end(&out, begin);
    }
    }
    return send_out(c, &out);
}

static bool id_is_taken(const struct sim_client *c, int64_t id)
{
    for (const struct sim_client *o = c->sim->clients; o != NULL; o = o->next) {
        if (o != c && o->started && o->client_id == id) {
            return true;
        }
    }
    return false;
}

/* Collects the hello. False: the client is gone. */
static bool feed_hello(struct sim_client *c, const char *bytes, size_t n, size_t *ret_taken)
{
    int32_t low = 0;
    int32_t high = 0;
    size_t taken = 0;
    size_t before = c->hello.len;
    *ret_taken = n;
    if (!ts_buf_add(&c->hello, bytes, n)) {
        free_client(c);
        return false;
    }
    switch (ts_ib_parse_hello(c->hello.data, c->hello.len, &low, &high, &taken)) {
    case TS_IB_HELLO_MORE: return true;
    case TS_IB_HELLO_LEGACY:
        sim_say("gwsim: a client older than version 100 was closed");
        free_client(c);
        return false;
    case TS_IB_HELLO_BAD:
        sim_say("gwsim: a client that does not speak the API was closed");
        free_client(c);
        return false;
    case TS_IB_HELLO_OK: break;
    }
    if (low > c->sim->server_version) {
        free_client(c); /* nothing overlaps: the real one just closes, too */
        return false;
    }
    if (c->sim->mode == MODE_RESET) {
        set_linger_reset(bufferevent_getfd(c->bev));
        free_client(c);
        return false;
    }
    *ret_taken = taken - before;
    return reply_hello(c, high);
}

/* One request. False: the client is gone. */
static bool handle_frame(struct sim_client *c, const char *payload, size_t len)
{
    struct ts_ib_fields m;
    struct ts_buf out = ts_buf_init(SIM_OUTPUT_MAX);
    if (!ts_ib_split(payload, len, &m)) {
        ts_buf_done(&out);
        free_client(c);
        return false;
    }
    bool starts = ts_ib_int(&m, 0, 0) == TS_IB_C_START;
    if (starts && (c->sim->mode == MODE_CLIENT_ID || id_is_taken(c, ts_ib_int(&m, 2, 0)))) {
        ts_ib_add_error(&out, c->version, -1, 326,
                        "Unable to connect as the client id is already in use. Retry with a unique "
                        "client id.",
                        sim_now_ms());
        if (!send_out(c, &out)) {
            return false;
        }
        (void)bufferevent_write_buffer(c->bev, c->held_back);
        /* Closing with unread bytes would reset the connection and lose the error. */
        c->closing = true;
        sim_arm(c->later, CLOSE_AFTER_MS);
        return false;
    }
    sim_answer(c, &m, &out);
    return send_out(c, &out);
}

static void on_readable(struct bufferevent *bev, void *arg)
{
    struct sim_client *c = arg;
    char chunk[8192];
    int n;
    while ((n = evbuffer_remove(bufferevent_get_input(bev), chunk, sizeof(chunk))) > 0) {
        size_t at = 0;
        struct ts_error err;
        if (c->closing) {
            continue;
        }
        if (!c->greeted && !feed_hello(c, chunk, (size_t)n, &at)) {
            return;
        }
        if (!c->greeted) {
            continue;
        }
        if (!ts_ib_reader_feed(&c->reader, chunk + at, (size_t)n - at, &err)) {
            free_client(c);
            return;
        }
        const char *payload;
        size_t len;
        enum ts_ib_next next;
        while ((next = ts_ib_reader_next(&c->reader, &payload, &len)) == TS_IB_NEXT_FRAME) {
            if (!handle_frame(c, payload, len)) {
                return;
            }
        }
        if (next == TS_IB_NEXT_BAD) {
            free_client(c);
            return;
        }
    }
}

static void on_closed(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    free_client(arg);
}

static struct sim_client *new_client(struct sim *sim, evutil_socket_t fd)
{
    struct sim_client *c = calloc(1, sizeof(*c));
    struct evbuffer *held_back = evbuffer_new();
    struct event *later = evtimer_new(sim->base, on_later, c);
    struct bufferevent *bev = bufferevent_socket_new(sim->base, fd, BEV_OPT_CLOSE_ON_FREE);
    if (c == NULL || held_back == NULL || later == NULL || bev == NULL) {
        (void)fputs("tradestack-gwsim: out of memory\n", stderr);
        abort(); /* a simulator has nothing to save */
    }
    *c = (struct sim_client){.sim = sim, .bev = bev, .later = later, .held_back = held_back};
    c->reader = ts_ib_reader_init(TS_IB_FRAME_MODEST);
    c->hello = ts_buf_init(16384);
    c->next = sim->clients;
    sim->clients = c;
    sim->client_count++;
    return c;
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *addr,
                      int addr_len, void *arg)
{
    (void)ev;
    (void)addr;
    (void)addr_len;
    struct sim_listener *l = arg;
    struct sim *sim = l->sim;
    sim->connections++;
    if (l->is_relay && !sim_api_is_up(sim)) {
        sim_say_socat("E connect(5, AF=2 127.0.0.1:4002, 16): Connection refused");
    }
    struct sim_client *c =
        sim_api_is_up(sim) && sim->mode != MODE_ACCEPT_CLOSE && sim->client_count < SIM_CLIENTS_MAX
            ? new_client(sim, fd)
            : NULL;
    if (c == NULL) {
        (void)evutil_closesocket(fd);
        return;
    }
    bufferevent_setcb(c->bev, on_readable, NULL, on_closed, c);
    (void)bufferevent_enable(c->bev, EV_READ | EV_WRITE);
}

/* --- told to held sessions */

void sim_tell_upstream(struct sim *sim, int64_t code, const char *text)
{
    struct sim_client *next;
    for (struct sim_client *c = sim->clients; c != NULL; c = next) {
        next = c->next;
        if (c->started) {
            struct ts_buf out = ts_buf_init(4096);
            ts_ib_add_error(&out, c->version, -1, code, text, sim_now_ms());
            (void)send_out(c, &out);
        }
    }
}

void sim_tell_accounts(struct sim *sim)
{
    struct sim_client *next;
    for (struct sim_client *c = sim->clients; c != NULL; c = next) {
        next = c->next;
        if (c->started) {
            struct ts_buf out = ts_buf_init(4096);
            sim_add_accounts(c, &out);
            (void)send_out(c, &out);
        }
    }
}

void sim_on_tick(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sim *sim = arg;
    bool any = false;
    struct sim_client *next;
    sim->ticks++; /* a cheap, repeatable walk of the price */
    sim->price += (double)(sim->ticks * 7919 % 5) * 0.01 - 0.02;
    for (struct sim_client *c = sim->clients; c != NULL; c = next) {
        next = c->next;
        struct ts_buf out = ts_buf_init(65536);
        for (size_t i = 0; i < c->subscribed_count; i++) {
            any = true;
            sim_add_price(c->subscribed[i], "68", sim->price, &out);
        }
        (void)send_out(c, &out);
    }
    if (any) {
        sim_arm(sim->tick_timer, TICK_MS);
    }
}

size_t sim_session_count(const struct sim *sim)
{
    size_t n = 0;
    for (const struct sim_client *c = sim->clients; c != NULL; c = c->next) {
        n += c->started;
    }
    return n;
}

/* --- listeners */

bool sim_listen(struct sim *sim, const char *address, bool is_relay)
{
    if (sim->listener_count == SIM_LISTENERS_MAX) {
        return false;
    }
    struct sim_listener *l = &sim->listeners[sim->listener_count++];
    *l = (struct sim_listener){.sim = sim, .is_relay = is_relay};
    return ts_copy(l->text, sizeof(l->text), address);
}

static bool open_listener(struct sim_listener *l)
{
    struct sockaddr_storage addr;
    int len = sizeof(addr);
    if (evutil_parse_sockaddr_port(l->text, (struct sockaddr *)&addr, &len) != 0) {
        (void)fprintf(stderr, "tradestack-gwsim: %s is no HOST:PORT (numeric host)\n", l->text);
        return false;
    }
    l->ev =
        evconnlistener_new_bind(l->sim->base, on_accept, l,
                                LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                64, (struct sockaddr *)&addr, len);
    if (l->ev == NULL) {
        (void)fprintf(stderr, "tradestack-gwsim: cannot listen on %s: is the port taken?\n",
                      l->text);
    }
    return l->ev != NULL;
}

bool sim_update_listeners(struct sim *sim)
{
    bool ok = true;
    for (size_t i = 0; i < sim->listener_count; i++) {
        struct sim_listener *l = &sim->listeners[i];
        bool want = sim->mode != MODE_REFUSE && (l->is_relay || sim_api_is_up(sim));
        if (want && l->ev == NULL) {
            ok = open_listener(l) && ok;
        } else if (!want && l->ev != NULL) {
            evconnlistener_free(l->ev);
            l->ev = NULL;
        }
    }
    return ok;
}
