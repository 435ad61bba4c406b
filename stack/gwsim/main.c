/* tradestack-gwsim: options and the life of the program. */
#include <getopt.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/listener.h>

#include "base/parse.h"
#include "gwsim.h"

#define SERVER_VERSION_DEFAULT 178
#define AFTER_DEFAULT_S        5

static void usage(FILE *f)
{
    (void)fprintf(
        f, "Usage: tradestack-gwsim [options]\n"
           "       tradestack-gwsim --send HOST:PORT COMMAND\n"
           "Simulates an IB Gateway: the API on the wire, its log lines, its faults.\n\n"
           "  --listen HOST:PORT     the API (default 127.0.0.1:4002); repeatable\n"
           "  --relay HOST:PORT      the image's relay: accepts also while the API is down\n"
           "  --control HOST:PORT    takes commands: mode NAME, after SECONDS, status, drop,\n"
           "                         exit CODE, log TEXT, accounts LIST, skew SECONDS\n"
           "  --account LIST         managed accounts, comma-separated (default DU1234567)\n"
           "  --server-version N     highest API version, 100 to 200 (default 178)\n"
           "  --mode NAME            how to behave (default ok)\n"
           "  --after SECONDS        for modes with a second half (default 5)\n"
           "  --send HOST:PORT CMD   send a command to a running simulator\n"
           "  --version, --help\n\nModes:\n");
    if (f == stdout) {
        sim_mode_print_all();
    }
}

enum {
    OPT_LISTEN = 256,
    OPT_RELAY,
    OPT_CONTROL,
    OPT_ACCOUNT,
    OPT_SERVER_VERSION,
    OPT_MODE,
    OPT_AFTER,
    OPT_SEND,
    OPT_VERSION,
    OPT_HELP
};

static const struct option long_options[] = {
    {"listen", required_argument, NULL, OPT_LISTEN},
    {"relay", required_argument, NULL, OPT_RELAY},
    {"control", required_argument, NULL, OPT_CONTROL},
    {"account", required_argument, NULL, OPT_ACCOUNT},
    {"server-version", required_argument, NULL, OPT_SERVER_VERSION},
    {"mode", required_argument, NULL, OPT_MODE},
    {"after", required_argument, NULL, OPT_AFTER},
    {"send", required_argument, NULL, OPT_SEND},
    {"version", no_argument, NULL, OPT_VERSION},
    {"help", no_argument, NULL, OPT_HELP},
    {NULL, 0, NULL, 0}};

struct start {
    enum sim_mode mode;
    const char *control;
    const char *send;
};

/* One option. False: its value is wrong, and that has been said. */
static bool take_option(struct sim *sim, struct start *start, int opt, const char *value)
{
    int64_t number;
    switch (opt) {
    case OPT_LISTEN: return sim_listen(sim, value, false);
    case OPT_RELAY: return sim_listen(sim, value, true);
    case OPT_CONTROL: start->control = value; return true;
    case OPT_SEND: start->send = value; return true;
    case OPT_ACCOUNT: return ts_copy(sim->accounts, sizeof(sim->accounts), value);
    case OPT_SERVER_VERSION:
        if (!ts_parse_i64(value, TS_IB_VERSION_LOWEST, TS_IB_VERSION_TEXT, &number)) {
            (void)fprintf(stderr, "tradestack-gwsim: --server-version is 100 to 200\n");
            return false;
        }
        sim->server_version = (int32_t)number;
        return true;
    case OPT_AFTER:
        if (!ts_parse_i64(value, 0, 86400, &number)) {
            (void)fprintf(stderr, "tradestack-gwsim: --after is 0 to 86400 seconds\n");
            return false;
        }
        sim->after_ms = (int)(number * 1000);
        return true;
    case OPT_MODE:
        if (!sim_mode_parse(value, &start->mode)) {
            (void)fprintf(stderr, "tradestack-gwsim: no mode \"%s\"; see --help\n", value);
            return false;
        }
        return true;
    default: return false;
    }
}

static void on_signal(evutil_socket_t fd, short what, void *arg)
{
    (void)fd;
    (void)what;
    struct sim *sim = arg;
    sim_say("Received SIGINT or SIGTERM. Shutting down IB Gateway.");
    (void)event_base_loopbreak(sim->base);
}

static void say_start(const struct sim *sim)
{
    sim_say(".> Starting IBC/IB gateway");
    for (size_t i = 0; i < sim->listener_count; i++) {
        if (sim->listeners[i].is_relay) {
            sim_say(".> Starting socat");
            sim_say("Forking :::4002 onto %s > trading mode paper", sim->listeners[i].text);
        }
    }
    sim_say(".> Starting IBC in paper mode, with params:");
    sim_say_ibc("Starting IBC version 3.24.1");
}

static int run(struct sim *sim, const struct start *start)
{
    struct event *term = evsignal_new(sim->base, SIGTERM, on_signal, sim);
    struct event *intr = evsignal_new(sim->base, SIGINT, on_signal, sim);
    sim->mode_timer = evtimer_new(sim->base, sim_on_mode_timer, sim);
    sim->tick_timer = evtimer_new(sim->base, sim_on_tick, sim);
    (void)evsignal_add(term, NULL);
    (void)evsignal_add(intr, NULL);
    (void)signal(SIGPIPE, SIG_IGN);
    if (sim->listener_count == 0) {
        (void)sim_listen(sim, "127.0.0.1:4002", false);
    }
    say_start(sim);
    sim->mode = MODE_RELAY_ONLY; /* before the login */
    if (start->control != NULL && !sim_control_listen(sim, start->control)) {
        (void)fprintf(stderr, "tradestack-gwsim: cannot listen on --control %s\n", start->control);
        return 1;
    }
    if (!sim_set_mode(sim, start->mode)) {
        return 1;
    }
    (void)event_base_dispatch(sim->base);
    sim_drop_clients(sim, false);
    for (size_t i = 0; i < sim->listener_count; i++) {
        if (sim->listeners[i].ev != NULL) {
            evconnlistener_free(sim->listeners[i].ev);
        }
    }
    sim_control_close(sim);
    event_free(term);
    event_free(intr);
    event_free(sim->mode_timer);
    event_free(sim->tick_timer);
    return sim->exit_code;
}

int main(int argc, char **argv)
{
    static struct sim sim = {.accounts = "DU1234567",
                             .live_account = "U7654321",
                             .server_version = SERVER_VERSION_DEFAULT,
                             .after_ms = AFTER_DEFAULT_S * 1000,
                             .price = 500.0};
    struct start start = {.mode = MODE_OK};
    int opt;
    while ((opt = getopt_long(argc, argv, "", long_options, NULL)) != -1) { /* NOLINT: one thread */
        if (opt == OPT_HELP) {
            usage(stdout);
            return 0;
        }
        if (opt == OPT_VERSION) {
            (void)puts("tradestack-gwsim " TS_VERSION);
            return 0;
        }
        if (opt == '?' || !take_option(&sim, &start, opt, optarg)) {
            usage(stderr);
            return 2;
        }
    }
    if (start.send != NULL) {
        return sim_control_send(start.send, optind < argc ? argv[optind] : "status");
    }
    if (optind < argc) {
        (void)fprintf(stderr, "tradestack-gwsim: what is \"%s\"?\n", argv[optind]);
        return 2;
    }
    sim.base = event_base_new();
    if (sim.base == NULL) {
        (void)fprintf(stderr, "tradestack-gwsim: cannot create the event loop\n");
        return 1;
    }
    int code = run(&sim, &start);
    event_base_free(sim.base);
    return code;
}
