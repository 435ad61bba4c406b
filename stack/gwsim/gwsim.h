/*
 * The gateway simulator: speaks the IB API as a gateway does, and misbehaves to order. For demos
 * and tests; it knows no orders and answers order requests with an error.
 *
 *   main.c    options and the life of the program
 *   modes.c   the table of modes and what a change of mode does to held sessions
 *   api.c     listeners and sessions
 *   answers.c what a gateway answers to each request
 *   control.c the line protocol that changes the mode while it runs, and its client
 *   say.c     log lines as the gateway's image and IBC print them
 */
#ifndef TS_GWSIM_H
#define TS_GWSIM_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/event.h>

#include "ibapi/codec.h"

#define SIM_LISTENERS_MAX 8
#define SIM_CLIENTS_MAX   128
#define SIM_OUTPUT_MAX    (1 << 20) /* bytes waiting for one client; more: it is dropped */
#define SIM_PEERS_MAX     16        /* on the control port */

/* X(symbol, name, help) */
#define SIM_MODES(X)                                                                               \
    X(MODE_OK, "ok", "logged in, answers everything")                                              \
    X(MODE_REFUSE, "refuse", "nothing listens; held connections are dropped")                      \
    X(MODE_RELAY_ONLY, "relay-only", "the relay accepts and closes; the API is down")              \
    X(MODE_ACCEPT_CLOSE, "accept-close", "accepts and closes at once")                             \
    X(MODE_SILENT, "silent", "accepts and never says a word; held sessions too")                   \
    X(MODE_HANG, "hang", "the same as silent")                                                     \
    X(MODE_HANG_AFTER, "hang-after", "ok for --after seconds, then hang")                          \
    X(MODE_HELLO_ONLY, "hello-only", "answers the hello, then nothing")                            \
    X(MODE_NO_ACCOUNTS, "no-accounts", "handshake, but no account list")                           \
    X(MODE_EMPTY_ACCOUNTS, "empty-accounts", "an empty account list; told to held sessions")       \
    X(MODE_LIVE, "live", "serves a live account; told to held sessions")                           \
    X(MODE_CLIENT_ID, "client-id-in-use", "error 326 and close")                                   \
    X(MODE_UPSTREAM_LOST, "upstream-lost", "error 1100, at once and at connect")                   \
    X(MODE_UPSTREAM_BACK, "upstream-back", "error 1102 to held sessions, then ok")                 \
    X(MODE_UPSTREAM_LOST_BACK, "upstream-lost-back", "1100, and 1102 after --after seconds")       \
    X(MODE_UPSTREAM_2110, "upstream-2110", "error 2110, at once and at connect")                   \
    X(MODE_SLOW, "slow", "every answer half a second late")                                        \
    X(MODE_SPLIT, "split", "answers a byte at a time")                                             \
    X(MODE_GARBAGE_LENGTH, "garbage-length", "a frame of impossible length")                       \
    X(MODE_GARBAGE, "garbage", "bytes that are no protocol")                                       \
    X(MODE_RESET, "reset", "breaks connections with RST")                                          \
    X(MODE_SLOW_LOGIN, "slow-login", "relay up at once, API after --after seconds")                \
    X(MODE_LOGIN_FAILED, "login-failed", "login refused again and again; API down")                \
    X(MODE_LOCKED_OUT, "locked-out", "too many failed logins; API down")                           \
    X(MODE_2FA_WAIT, "2fa-wait", "waits for the second factor; API down")                          \
    X(MODE_2FA_TIMEOUT, "2fa-timeout", "nobody confirmed the second factor; exits with 87")

#define SIM_MODE_ENUM(symbol, name, help) symbol,
enum sim_mode { SIM_MODES(SIM_MODE_ENUM) MODE_COUNT };

struct sim_client;
struct sim_peer;
struct evconnlistener;

struct sim_listener {
    struct sim *sim;
    struct evconnlistener *ev;
    bool is_relay;
    char text[64]; /* "0.0.0.0:4002" */
};

struct sim {
    struct event_base *base;
    char accounts[512];
    char live_account[32];
    int32_t server_version;
    enum sim_mode mode;
    int after_ms;
    int64_t skew_ms; /* its clock minus the true one */
    bool upstream_down;
    struct sim_listener listeners[SIM_LISTENERS_MAX];
    size_t listener_count;
    struct evconnlistener *control;
    struct sim_peer *peers; /* of the control port */
    size_t peer_count;
    struct event *mode_timer; /* the second half of a mode: hang-after, slow-login, … */
    struct event *tick_timer; /* market data; armed while somebody subscribes */
    struct sim_client *clients;
    size_t client_count;
    uint64_t connections; /* ever accepted */
    uint64_t ticks;
    double price;
    int exit_code;
};

/* modes.c */
bool sim_mode_parse(const char *name, enum sim_mode *ret);
const char *sim_mode_name(enum sim_mode mode);
void sim_mode_print_all(void);
/* False: a port of its is taken; the mode is entered all the same. */
bool sim_set_mode(struct sim *sim, enum sim_mode mode);
void sim_on_mode_timer(evutil_socket_t fd, short what, void *arg);
/* Is the API's own port open? The relay's always is, but for `refuse`. */
bool sim_api_is_up(const struct sim *sim);
/* What the mode has for managed accounts. */
const char *sim_accounts(const struct sim *sim);
/* What a gateway in this mode says about its link to IB; 0: nothing, it is up. */
int64_t sim_upstream_code(const struct sim *sim, const char **ret_text);
void sim_arm(struct event *timer, int ms);

/* api.c */
bool sim_listen(struct sim *sim, const char *address, bool is_relay);
/* Opens and closes the listeners as the mode wants it. False: a port is taken. */
bool sim_update_listeners(struct sim *sim);
void sim_drop_clients(struct sim *sim, bool with_reset);
void sim_tell_upstream(struct sim *sim, int64_t code, const char *text);
void sim_tell_accounts(struct sim *sim);
void sim_on_tick(evutil_socket_t fd, short what, void *arg);
size_t sim_session_count(const struct sim *sim);

/* control.c */
bool sim_control_listen(struct sim *sim, const char *address);
void sim_control_close(struct sim *sim);
/* Sends one line to a running simulator and prints its answer. 0 if it said ok. */
int sim_control_send(const char *address, const char *line);

/* say.c */
void sim_say(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_say_socat(const char *fmt, ...) __attribute__((format(printf, 1, 2)));
void sim_say_ibc(const char *fmt, ...) __attribute__((format(printf, 1, 2)));

#endif
