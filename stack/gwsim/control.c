/*
 * The control port: one command a line, one answer a line ("ok …" or "error …").
 *   mode NAME | after SECONDS | status | drop | exit CODE | log TEXT | accounts LIST | skew SECONDS
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/listener.h>

#include "base/parse.h"
#include "gwsim.h"

#define LINE_MAX_BYTES 1024
#define ANSWERS_MAX    16384 /* bytes that wait for one peer; more: it is dropped */
#define SEND_WAIT_MS   5000

struct sim_peer {
    struct sim_peer *next;
    struct sim *sim;
    struct bufferevent *bev;
};

static void reply(struct bufferevent *bev, const char *text)
{
    (void)evbuffer_add_printf(bufferevent_get_output(bev), "%s\n", text);
}

static void do_mode(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    enum sim_mode mode;
    if (!sim_mode_parse(arg, &mode)) {
        reply(bev, "error no such mode; see --help");
        return;
    }
    reply(bev, sim_set_mode(sim, mode) ? "ok" : "error a port is taken by another program");
}

static void do_after(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    int64_t seconds;
    if (!ts_parse_i64(arg, 0, 86400, &seconds)) {
        reply(bev, "error want seconds, 0 to 86400");
        return;
    }
    sim->after_ms = (int)(seconds * 1000);
    reply(bev, "ok");
}

static void do_status(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    (void)arg;
    (void)evbuffer_add_printf(bufferevent_get_output(bev),
                              "ok mode=%s sessions=%zu clients=%zu connections=%llu\n",
                              sim_mode_name(sim->mode), sim_session_count(sim), sim->client_count,
                              (unsigned long long)sim->connections);
}

static void do_drop(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    (void)arg;
    sim_drop_clients(sim, false);
    reply(bev, "ok");
}

static void do_exit(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    int64_t code = 0;
    if (*arg != '\0' && !ts_parse_i64(arg, 0, 255, &code)) {
        reply(bev, "error want an exit code, 0 to 255");
        return;
    }
    sim->exit_code = (int)code;
    (void)event_base_loopbreak(sim->base);
}

static void do_log(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    (void)sim;
    sim_say("%s", arg);
    reply(bev, "ok");
}

static void do_accounts(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    if (!ts_copy(sim->accounts, sizeof(sim->accounts), arg)) {
        reply(bev, "error list too long");
        return;
    }
    sim_tell_accounts(sim);
    reply(bev, "ok");
}

static void do_skew(struct sim *sim, struct bufferevent *bev, const char *arg)
{
    int64_t seconds;
    if (!ts_parse_i64(arg, -86400, 86400, &seconds)) {
        reply(bev, "error want seconds, -86400 to 86400");
        return;
    }
    sim->skew_ms = seconds * 1000;
    reply(bev, "ok");
}

static const struct {
    const char *name;
    void (*run)(struct sim *sim, struct bufferevent *bev, const char *arg);
} commands[] = {{"mode", do_mode},         {"after", do_after}, {"status", do_status},
                {"drop", do_drop},         {"exit", do_exit},   {"log", do_log},
                {"accounts", do_accounts}, {"skew", do_skew}};

static void run_line(struct sim *sim, struct bufferevent *bev, char *line)
{
    char *arg = line + strcspn(line, " ");
    if (*arg == ' ') {
        *arg++ = '\0';
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, line) == 0) {
            commands[i].run(sim, bev, arg);
            return;
        }
    }
    reply(bev, "error commands: mode, after, status, drop, exit, log, accounts, skew");
}

static void free_peer(struct sim *sim, struct sim_peer *p)
{
    for (struct sim_peer **at = &sim->peers; *at != NULL; at = &(*at)->next) {
        if (*at == p) {
            *at = p->next;
            break;
        }
    }
    sim->peer_count--;
    bufferevent_free(p->bev);
    free(p);
}

static void on_line(struct bufferevent *bev, void *arg)
{
    struct sim_peer *p = arg;
    struct evbuffer *in = bufferevent_get_input(bev);
    char *line;
    while ((line = evbuffer_readln(in, NULL, EVBUFFER_EOL_CRLF)) != NULL) {
        run_line(p->sim, bev, line);
        free(line);
    }
    if (evbuffer_get_length(in) > LINE_MAX_BYTES ||
        evbuffer_get_length(bufferevent_get_output(bev)) > ANSWERS_MAX) {
        free_peer(p->sim, p);
    }
}

static void on_gone(struct bufferevent *bev, short what, void *arg)
{
    (void)bev;
    (void)what;
    struct sim_peer *p = arg;
    free_peer(p->sim, p);
}

static void on_accept(struct evconnlistener *ev, evutil_socket_t fd, struct sockaddr *addr, int len,
                      void *arg)
{
    (void)addr;
    (void)len;
    struct sim *sim = arg;
    struct sim_peer *p = sim->peer_count < SIM_PEERS_MAX ? calloc(1, sizeof(*p)) : NULL;
    struct bufferevent *bev =
        p == NULL ? NULL
                  : bufferevent_socket_new(evconnlistener_get_base(ev), fd, BEV_OPT_CLOSE_ON_FREE);
    if (bev == NULL) {
        free(p);
        (void)evutil_closesocket(fd);
        return;
    }
    *p = (struct sim_peer){.next = sim->peers, .sim = sim, .bev = bev};
    sim->peers = p;
    sim->peer_count++;
    bufferevent_setcb(bev, on_line, NULL, on_gone, p);
    (void)bufferevent_enable(bev, EV_READ | EV_WRITE);
}

void sim_control_close(struct sim *sim)
{
    while (sim->peers != NULL) {
        free_peer(sim, sim->peers);
    }
    if (sim->control != NULL) {
        evconnlistener_free(sim->control);
        sim->control = NULL;
    }
}

bool sim_control_listen(struct sim *sim, const char *address)
{
    struct sockaddr_storage addr;
    int len = sizeof(addr);
    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&addr, &len) != 0) {
        return false;
    }
    sim->control =
        evconnlistener_new_bind(sim->base, on_accept, sim,
                                LEV_OPT_REUSEABLE | LEV_OPT_CLOSE_ON_FREE | LEV_OPT_CLOSE_ON_EXEC,
                                16, (struct sockaddr *)&addr, len);
    return sim->control != NULL;
}

/* Reads the answer up to its newline. False: nothing came in time. */
static bool read_answer(int fd, char *out, size_t size)
{
    size_t len = 0;
    while (len + 1 < size) {
        struct pollfd p = {.fd = fd, .events = POLLIN};
        if (poll(&p, 1, SEND_WAIT_MS) <= 0) {
            return false;
        }
        ssize_t n = recv(fd, out + len, size - len - 1, 0);
        if (n <= 0) {
            break;
        }
        len += (size_t)n;
        if (out[len - 1] == '\n') {
            break;
        }
    }
    out[len] = '\0';
    return len > 0;
}

int sim_control_send(const char *address, const char *line)
{
    struct sockaddr_storage addr;
    int len = sizeof(addr);
    char answer[LINE_MAX_BYTES];
    if (evutil_parse_sockaddr_port(address, (struct sockaddr *)&addr, &len) != 0) {
        (void)fprintf(stderr, "tradestack-gwsim: %s is no HOST:PORT\n", address);
        return 2;
    }
    int fd = socket(addr.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct timeval tv = {.tv_sec = SEND_WAIT_MS / 1000};
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    if (fd < 0 || connect(fd, (struct sockaddr *)&addr, (socklen_t)len) != 0 ||
        dprintf(fd, "%s\n", line) < 0) {
        (void)fprintf(stderr, "tradestack-gwsim: nobody answers on %s\n", address);
        if (fd >= 0) {
            (void)close(fd);
        }
        return 1;
    }
    bool exits = strncmp(line, "exit", 4) == 0;
    bool answered = read_answer(fd, answer, sizeof(answer));
    (void)close(fd);
    if (!answered) {
        return exits ? 0 : 1; /* it ends before it can answer */
    }
    (void)fputs(answer, stdout);
    return strncmp(answer, "ok", 2) == 0 ? 0 : 1;
}
