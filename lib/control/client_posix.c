/* See client.h. */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/clock.h"
#include "control/client.h"
#include "control/frame.h"

#define SEND_MS 5000

struct ts_control_client {
    int fd;
    struct ts_frames frames;
    char path[sizeof(((struct sockaddr_un *)NULL)->sun_path)];
};

static ts_mono now(void)
{
    const struct ts_clock *clock = ts_clock_real();
    return clock->mono(clock->ctx);
}

/* Waits for events. False: TS_E_TIMEOUT, TS_E_CANCELLED, TS_E_SYSTEM. */
static bool wait_for(int fd, short events, ts_mono deadline, struct ts_error *err)
{
    struct pollfd p = {.fd = fd, .events = events};
    int64_t left = deadline.ms == TS_NEVER.ms ? -1 : ts_mono_diff(now(), deadline);
    if (deadline.ms != TS_NEVER.ms && left < 0) {
        left = 0;
    }
    int n = poll(&p, 1, left > INT32_MAX ? INT32_MAX : (int)left);
    if (n > 0) {
        return true;
    }
    if (n == 0) {
        return ts_error_set(err, TS_E_TIMEOUT, "no answer from the daemon in time");
    }
    if (errno == EINTR) {
        return ts_error_set(err, TS_E_CANCELLED, "interrupted");
    }
    return ts_error_errno(err, errno, "wait for the daemon");
}

static bool connect_failed(int errnum, const char *path, struct ts_error *err)
{
    char why[160];
    struct ts_error text;
    ts_error_errno(&text, errnum, "connect to %s", path);
    (void)snprintf(why, sizeof(why), "%.150s", text.msg);
    enum ts_code code = errnum == EACCES || errnum == EPERM ? TS_E_DENIED : TS_E_UNAVAILABLE;
    return ts_error_set_detail(err, code, errnum, "%s", why);
}

static bool do_connect(struct ts_control_client *c, int64_t timeout_ms, struct ts_error *err)
{
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, c->path, sizeof(addr.sun_path));
    struct timeval tv = {.tv_sec = timeout_ms / 1000,
                         .tv_usec = (suseconds_t)(timeout_ms % 1000 * 1000)};
    /* A local connect blocks only while the daemon's backlog is full; SO_SNDTIMEO bounds it. */
    (void)setsockopt(c->fd, SOL_SOCKET, SO_SNDTIMEO, &tv, sizeof(tv));
    if (connect(c->fd, (const struct sockaddr *)&addr, sizeof(addr)) == 0) {
        return true;
    }
    if (errno == EAGAIN || errno == EINPROGRESS) {
        return ts_error_set(err, TS_E_TIMEOUT, "connect to %s: the daemon does not accept",
                            c->path);
    }
    return connect_failed(errno, c->path, err);
}

struct ts_control_client *ts_control_connect(const char *path, int64_t timeout_ms,
                                             struct ts_error *err)
{
    struct ts_control_client *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    c->fd = -1;
    c->frames = ts_frames_init(TS_VARLINK_REPLY_MAX);
    if (strlen(path) >= sizeof(c->path)) {
        ts_error_set(err, TS_E_INVALID, "socket path %.100s…: longer than %zu bytes", path,
                     sizeof(c->path) - 1);
        ts_control_close(c);
        return NULL;
    }
    memcpy(c->path, path, strlen(path) + 1);
    c->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (c->fd < 0) {
        ts_error_errno(err, errno, "make a socket");
        ts_control_close(c);
        return NULL;
    }
    if (!do_connect(c, timeout_ms, err)) {
        ts_control_close(c);
        return NULL;
    }
    return c;
}

void ts_control_close(struct ts_control_client *c)
{
    if (c != NULL) {
        if (c->fd >= 0) {
            (void)close(c->fd);
        }
        ts_frames_done(&c->frames);
        free(c);
    }
}

bool ts_control_call(struct ts_control_client *c, const char *method, json_t *parameters, bool more,
                     struct ts_error *err)
{
    char name[TS_VARLINK_METHOD_MAX];
    struct ts_buf out = ts_buf_init(TS_VARLINK_REQUEST_MAX);
    (void)snprintf(name, sizeof(name), TS_VARLINK_INTERFACE ".%s", method);
    if (!ts_varlink_add_call(&out, name, parameters, more)) {
        ts_buf_done(&out);
        return ts_error_set(err, TS_E_LIMIT, "the call is too large");
    }
    ts_mono deadline = ts_mono_add(now(), SEND_MS);
    size_t sent = 0;
    bool ok = true;
    while (ok && sent < out.len) {
        ssize_t n = send(c->fd, out.data + sent, out.len - sent, MSG_NOSIGNAL);
        if (n > 0) {
            sent += (size_t)n;
        } else if (n < 0 && errno != EAGAIN && errno != EINTR) {
            ok = ts_error_set_detail(err, TS_E_UNAVAILABLE, errno, "the daemon closed %s", c->path);
        } else {
            ok = wait_for(c->fd, POLLOUT, deadline, err);
        }
    }
    ts_buf_done(&out);
    return ok;
}

bool ts_control_next(struct ts_control_client *c, int64_t timeout_ms, struct ts_varlink_reply *ret,
                     struct ts_error *err)
{
    ts_mono deadline = timeout_ms == 0 ? TS_NEVER : ts_mono_add(now(), timeout_ms);
    for (;;) {
        size_t len;
        const char *text = ts_frames_next(&c->frames, &len);
        if (text != NULL) {
            return ts_varlink_parse_reply(text, len, ret, err);
        }
        if (!wait_for(c->fd, POLLIN, deadline, err)) {
            return false;
        }
        char chunk[16384];
        ssize_t n = recv(c->fd, chunk, sizeof(chunk), 0);
        if (n == 0) {
            return ts_error_set(err, TS_E_UNAVAILABLE,
                                "the daemon closed the connection (did it end or restart?)");
        }
        if (n < 0 && errno != EINTR && errno != EAGAIN) {
            return ts_error_set_detail(err, TS_E_UNAVAILABLE, errno,
                                       "the daemon broke the "
                                       "connection");
        }
        if (n > 0 && !ts_frames_feed(&c->frames, chunk, (size_t)n, err)) {
            return false;
        }
    }
}
