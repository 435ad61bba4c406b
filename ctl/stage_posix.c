/*
 * The proxy: a child of this process that listens in a private folder, and a child of that one for
 * each connection, which carries one request. All of them end when this process closes a pipe, or
 * ends.
 */
#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/parse.h"
#include "stage.h"

#define BACKLOG   64
#define SPAN_MAX  ((size_t)64 * 1024)
#define PATH_SIZE 96
#define HEAD_MS   30000 /* a request's head must have come by then */

struct ctl_stage {
    char dir[PATH_SIZE];
    char socket[PATH_SIZE + 16];
    char address[PATH_SIZE + 32];
    int life; /* closing it ends the proxy */
    pid_t pid;
};

/* What a proxy process knows. */
struct proxy {
    const char *engine;
    const char *project;
    const char *suffix;
    int listener;
    int life; /* hangs up when the proxy is to end */
};

/* --- the engine */

static int connect_unix(const char *path)
{
    struct sockaddr_un to = {.sun_family = AF_UNIX};
    if (!ts_copy(to.sun_path, sizeof(to.sun_path), path)) {
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&to, sizeof(to)) != 0) {
        (void)close(fd);
        return -1;
    }
    return fd;
}

/* host_port: "192.0.2.1:2375" */
static int connect_tcp(const char *host_port)
{
    char host[256];
    struct addrinfo *list = NULL;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    const char *colon = strrchr(host_port, ':');
    int fd = -1;
    if (colon == NULL || (size_t)(colon - host_port) >= sizeof(host)) {
        return -1;
    }
    (void)snprintf(host, sizeof(host), "%.*s", (int)(colon - host_port), host_port);
    if (getaddrinfo(host, colon + 1, &hints, &list) != 0) {
        return -1;
    }
    for (const struct addrinfo *a = list; a != NULL && fd < 0; a = a->ai_next) {
        fd = socket(a->ai_family, a->ai_socktype | SOCK_CLOEXEC, a->ai_protocol);
        if (fd >= 0 && connect(fd, a->ai_addr, a->ai_addrlen) != 0) {
            (void)close(fd);
            fd = -1;
        }
    }
    freeaddrinfo(list);
    return fd;
}

/* What stands behind a scheme, or NULL. */
static const char *behind(const char *address, const char *scheme)
{
    size_t n = strlen(scheme);
    return strncmp(address, scheme, n) == 0 ? address + n : NULL;
}

static int connect_engine(const char *address)
{
    const char *path = behind(address, "unix://");
    const char *host = behind(address, "tcp://");
    return path != NULL ? connect_unix(path) : host != NULL ? connect_tcp(host) : -1;
}

/* --- one connection */

static bool send_all(int fd, const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t sent = send(fd, bytes, n, MSG_NOSIGNAL);
        if (sent < 0 && errno == EINTR) {
            continue;
        }
        if (sent <= 0) {
            return false;
        }
        bytes += sent;
        n -= (size_t)sent;
    }
    return true;
}

/* Waits until fd can be read. False: the proxy is to end, or the time is over. */
static bool readable(const struct proxy *p, int fd, int timeout_ms)
{
    struct pollfd fds[] = {{.fd = fd, .events = POLLIN}, {.fd = p->life}};
    int n;
    while ((n = poll(fds, 2, timeout_ms)) < 0 && errno == EINTR) {
    }
    return n > 0 && fds[1].revents == 0;
}

/* Reads up to the empty line; what came behind it is in the buffer too. 0: no head. */
static size_t read_head(const struct proxy *p, int fd, struct ts_buf *in)
{
    char chunk[4096];
    for (;;) {
        const char *text = ts_buf_text(in);
        const char *end = strstr(text, "\r\n\r\n");
        if (end != NULL) {
            return (size_t)(end - text) + 4;
        }
        ssize_t n = readable(p, fd, HEAD_MS) ? recv(fd, chunk, sizeof(chunk), 0) : 0;
        if (n <= 0 || !ts_buf_add(in, chunk, (size_t)n)) {
            return 0;
        }
    }
}

/* One direction of a connection. */
struct span {
    int from;
    int to;
    size_t len;
    size_t at;
    bool ended; /* nothing more comes */
    char bytes[SPAN_MAX];
};

/* Takes what came. */
static void fill(struct span *s)
{
    ssize_t n = recv(s->from, s->bytes, sizeof(s->bytes), MSG_DONTWAIT);
    if (n < 0 && (errno == EINTR || errno == EAGAIN)) {
        return;
    }
    s->at = 0;
    s->len = n > 0 ? (size_t)n : 0;
    if (n <= 0) {
        s->ended = true;
        (void)shutdown(s->to, SHUT_WR);
    }
}

/* Gives away what it can. False: nobody takes it any more. */
static bool drain(struct span *s)
{
    ssize_t n = send(s->to, s->bytes + s->at, s->len - s->at, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0) {
        return errno == EINTR || errno == EAGAIN;
    }
    s->at += (size_t)n;
    return true;
}

static bool is_full(const struct span *s)
{
    return s->at < s->len;
}

/* Carries both directions until the answer has ended. */
static void carry(const struct proxy *p, struct span *there, struct span *back)
{
    struct span *const spans[] = {there, back};
    bool ok = true;
    while (ok && (!back->ended || is_full(back))) {
        struct pollfd fds[5] = {{.fd = p->life}};
        for (size_t i = 0; i < 2; i++) {
            const struct span *s = spans[i];
            fds[1 + i].fd = is_full(s) || s->ended ? -1 : s->from;
            fds[1 + i].events = POLLIN;
            fds[3 + i].fd = is_full(s) ? s->to : -1;
            fds[3 + i].events = POLLOUT;
        }
        if (poll(fds, 5, -1) < 0 && errno != EINTR) {
            return;
        }
        ok = fds[0].revents == 0;
        for (size_t i = 0; i < 2 && ok; i++) {
            if (fds[1 + i].fd >= 0 && fds[1 + i].revents != 0) {
                fill(spans[i]);
            } else if (fds[3 + i].fd >= 0 && fds[3 + i].revents != 0) {
                ok = drain(spans[i]);
            }
        }
    }
}

static void serve(const struct proxy *p, int client)
{
    static struct span there;
    static struct span back;
    struct ts_buf in = ts_buf_init(CTL_STAGE_HEAD_MAX);
    struct ts_buf out = ts_buf_init(2 * CTL_STAGE_HEAD_MAX);
    enum ctl_stage_deed deed;
    struct ts_error err;
    size_t head = read_head(p, client, &in);
    if (head > 0 &&
        ctl_stage_judge(ts_buf_text(&in), head, p->project, p->suffix, &out, &deed, &err)) {
        int engine = deed == CTL_STAGE_PASS ? connect_engine(p->engine) : -1;
        if (deed != CTL_STAGE_PASS) {
            (void)send_all(client, out.data, out.len);
        } else if (engine >= 0 && send_all(engine, out.data, out.len) &&
                   send_all(engine, in.data + head, in.len - head)) {
            there = (struct span){.from = client, .to = engine};
            back = (struct span){.from = engine, .to = client};
            carry(p, &there, &back);
        }
    }
    ts_buf_done(&in);
    ts_buf_done(&out);
}

static _Noreturn void listen_on(const struct proxy *p)
{
    (void)signal(SIGCHLD, SIG_IGN); /* nobody waits for the connections' processes */
    (void)signal(SIGINT, SIG_IGN);  /* Ctrl-C is our parent's to answer */
    while (readable(p, p->listener, -1)) {
        int client = accept4(p->listener, NULL, NULL, SOCK_CLOEXEC);
        if (client < 0) {
            continue;
        }
        if (fork() == 0) {
            (void)close(p->listener);
            serve(p, client);
            _exit(0);
        }
        (void)close(client);
    }
    _exit(0);
}

/* --- from outside */

static int listen_at(const char *path, struct ts_error *err)
{
    struct sockaddr_un at = {.sun_family = AF_UNIX};
    if (!ts_copy(at.sun_path, sizeof(at.sun_path), path)) {
        ts_error_set(err, TS_E_LIMIT, "%s: the path is too long for a socket", path);
        return -1;
    }
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || bind(fd, (const struct sockaddr *)&at, sizeof(at)) != 0 ||
        listen(fd, BACKLOG) != 0) {
        ts_error_errno(err, errno, "listen at %s", path);
        if (fd >= 0) {
            (void)close(fd);
        }
        return -1;
    }
    return fd;
}

static bool make_place(struct ctl_stage *s, struct ts_error *err)
{
    const char *tmp = getenv("TMPDIR"); /* NOLINT(concurrency-mt-unsafe): one thread */
    int n = snprintf(s->dir, sizeof(s->dir), "%s/tradestackctl-XXXXXX",
                     tmp != NULL && tmp[0] == '/' && strlen(tmp) < 48 ? tmp : "/tmp");
    if (n < 0 || mkdtemp(s->dir) == NULL) { /* mode 0700 */
        return ts_error_errno(err, errno, "make a folder %s", s->dir);
    }
    (void)snprintf(s->socket, sizeof(s->socket), "%s/engine.sock", s->dir);
    (void)snprintf(s->address, sizeof(s->address), "unix://%s", s->socket);
    return true;
}

static bool spawn(struct ctl_stage *s, struct proxy *p, struct ts_error *err)
{
    int ends[2];
    if (pipe2(ends, O_CLOEXEC) != 0) {
        return ts_error_errno(err, errno, "make a pipe");
    }
    p->life = ends[0];
    s->life = ends[1];
    s->pid = fork();
    if (s->pid == 0) {
        (void)close(s->life);
        listen_on(p);
    }
    (void)close(ends[0]);
    return s->pid > 0 || ts_error_errno(err, errno, "start a process");
}

struct ctl_stage *ctl_stage_open(const char *engine, const char *project, const char *suffix,
                                 struct ts_error *err)
{
    struct proxy p = {.engine = engine, .project = project, .suffix = suffix, .listener = -1};
    if (behind(engine, "unix://") == NULL && behind(engine, "tcp://") == NULL) {
        ts_error_set(err, TS_E_UNAVAILABLE, "engine %s: only unix:// and tcp:// can be staged on",
                     engine);
        return NULL;
    }
    struct ctl_stage *s = calloc(1, sizeof(*s));
    if (s == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    s->life = -1;
    bool ok = make_place(s, err);
    p.listener = ok ? listen_at(s->socket, err) : -1;
    ok = p.listener >= 0 && spawn(s, &p, err);
    if (p.listener >= 0) {
        (void)close(p.listener);
    }
    if (!ok) {
        ctl_stage_close(s);
        return NULL;
    }
    return s;
}

const char *ctl_stage_address(const struct ctl_stage *s)
{
    return s->address;
}

void ctl_stage_close(struct ctl_stage *s)
{
    if (s == NULL) {
        return;
    }
    if (s->life >= 0) {
        (void)close(s->life);
    }
    while (s->pid > 0 && waitpid(s->pid, NULL, 0) < 0 && errno == EINTR) {
    }
    if (s->socket[0] != '\0') {
        (void)unlink(s->socket);
        (void)rmdir(s->dir);
    }
    free(s);
}
