/* Other programs: docker compose, and the daemon that checks a configuration. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "child.h"

#define GRACE_MS  5000 /* between asking a program to end and ending it */
#define SLICE_MS  100
#define CHUNK     4096
#define SELF_SIZE 512

/* The parameter type of posix_spawn() predates const; it does not write. */
static char **as_argv(const char *const *args)
{
    union {
        const char *const *from;
        char **to;
    } u = {.from = args};
    return u.to;
}

static bool spawn(const char *const *args, const posix_spawn_file_actions_t *actions,
                  pid_t *ret_pid, struct ts_error *err)
{
    int errnum = posix_spawnp(ret_pid, args[0], actions, NULL, as_argv(args), environ);
    if (errnum == ENOENT) {
        return ts_error_set_detail(err, TS_E_NOT_FOUND, errnum, "%s is not installed", args[0]);
    }
    return errnum == 0 || ts_error_errno(err, errnum, "run %s", args[0]);
}

/* Standard input empty (a question nobody sees must not be waited for), outputs into pipes. */
static bool spawn_captured(const char *const *args, int out, int errors, pid_t *ret_pid,
                           struct ts_error *err)
{
    posix_spawn_file_actions_t actions;
    if (posix_spawn_file_actions_init(&actions) != 0) {
        return ts_error_nomem(err);
    }
    (void)posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_adddup2(&actions, out, STDOUT_FILENO);
    (void)posix_spawn_file_actions_adddup2(&actions, errors, STDERR_FILENO);
    bool ok = spawn(args, &actions, ret_pid, err);
    (void)posix_spawn_file_actions_destroy(&actions);
    return ok;
}

/* Keeps the end: that is where a program says why it failed. */
static void keep(struct ts_buf *tail, const char *bytes, size_t n)
{
    if (tail->len + n > CTL_CHILD_OUTPUT_MAX) {
        ts_buf_consume(tail, tail->len + n - CTL_CHILD_OUTPUT_MAX);
    }
    (void)ts_buf_add(tail, bytes, n);
}

/* The ends of the child's outputs; -1: it has ended, or there is none. */
struct outputs {
    int all; /* errors, and everything else unless that goes to out */
    int out;
    struct ts_buf *tail;
    struct ts_buf *whole;
};

static void read_one(int *fd, struct ts_buf *into, bool whole)
{
    char chunk[CHUNK];
    ssize_t n = read(*fd, chunk, sizeof(chunk));
    if (n > 0 && whole) {
        (void)ts_buf_add(into, chunk, (size_t)n);
    } else if (n > 0) {
        keep(into, chunk, (size_t)n);
    } else if (n == 0 || errno != EINTR) {
        (void)close(*fd);
        *fd = -1;
    }
}

/* Reads for a moment. False: both outputs have ended. */
static bool read_some(struct outputs *o)
{
    struct pollfd p[] = {{.fd = o->all, .events = POLLIN}, {.fd = o->out, .events = POLLIN}};
    if (poll(p, 2, SLICE_MS) > 0) {
        if (p[0].revents != 0) {
            read_one(&o->all, o->tail, false);
        }
        if (p[1].revents != 0) {
            read_one(&o->out, o->whole, true);
        }
    }
    return o->all >= 0 || o->out >= 0;
}

static bool has_ended(pid_t pid, int *status)
{
    return waitpid(pid, status, WNOHANG) != 0;
}

/* Follows the child to its end, which it is helped to when the time is over. */
static bool follow(pid_t pid, struct outputs *outputs, const struct ctl_child *child, int *status,
                   struct ts_error *err)
{
    ts_mono deadline = ts_mono_add(ctl_now(), child->timeout_ms);
    bool reading = true;
    bool asked = false;
    bool ok = true;
    while (reading || !has_ended(pid, status)) {
        if (reading) {
            reading = read_some(outputs);
        } else {
            (void)poll(NULL, 0, SLICE_MS);
        }
        child->tick(child->ctx);
        bool late = ts_mono_reached(deadline, ctl_now());
        if (asked && late) {
            (void)kill(pid, SIGKILL);
            reading = false; /* a grandchild may hold the pipe open */
        } else if (!asked && (late || ctl_interrupted())) {
            ok = late ? ts_error_set(err, TS_E_TIMEOUT, "%s did not end in time", child->args[0])
                      : ts_error_set(err, TS_E_CANCELLED, "interrupted");
            (void)kill(pid, SIGTERM);
            asked = true;
            deadline = ts_mono_add(ctl_now(), GRACE_MS);
        }
    }
    return ok;
}

void ctl_child_env(const char *name, const char *value)
{
    /* NOLINTBEGIN(concurrency-mt-unsafe): one thread */
    if (value != NULL) {
        (void)setenv(name, value, 1);
    } else {
        (void)unsetenv(name);
    }
    /* NOLINTEND(concurrency-mt-unsafe) */
}

static void close_end(int fd)
{
    if (fd >= 0) {
        (void)close(fd);
    }
}

bool ctl_child_run(const struct ctl_child *child, struct ts_buf *tail, int *ret_status,
                   struct ts_error *err)
{
    int all[2] = {-1, -1};
    int out[2] = {-1, -1};
    pid_t pid = -1;
    int status = 0;
    if (pipe2(all, O_CLOEXEC) != 0 || (child->out != NULL && pipe2(out, O_CLOEXEC) != 0)) {
        (void)ts_error_errno(err, errno, "make a pipe");
        close_end(all[0]);
        close_end(all[1]);
        return false;
    }
    bool ok = spawn_captured(child->args, child->out != NULL ? out[1] : all[1], all[1], &pid, err);
    close_end(all[1]);
    close_end(out[1]);
    struct outputs outputs = {.all = all[0], .out = out[0], .tail = tail, .whole = child->out};
    ok = ok && follow(pid, &outputs, child, &status, err);
    close_end(outputs.all);
    close_end(outputs.out);
    if (ok && child->out != NULL && child->out->failed) {
        return ts_error_set(err, TS_E_LIMIT, "%s says more than can be taken", child->args[0]);
    }
    if (ok) {
        *ret_status = WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
    }
    return ok;
}

/* The daemon beside this program (packages: in the folder of system programs; the build: in the
 * next folder), else the one in PATH. */
static void find_daemon(char *out, size_t size)
{
    static const char *const places[] = {"tradestackd", "../sbin/tradestackd",
                                         "../daemon/tradestackd"};
    char self[SELF_SIZE];
    ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
    self[n > 0 ? n : 0] = '\0';
    char *slash = strrchr(self, '/');
    for (size_t i = 0; slash != NULL && i < TS_ARRAY_LEN(places); i++) {
        slash[1] = '\0';
        (void)snprintf(out, size, "%s%s", self, places[i]);
        if (access(out, X_OK) == 0) {
            return;
        }
    }
    (void)snprintf(out, size, "tradestackd");
}

bool ctl_daemon_check(const char *what, const char *option, const char *file, bool *ret_correct,
                      struct ts_error *err)
{
    char path[SELF_SIZE + 32];
    find_daemon(path, sizeof(path));
    const char *const args[] = {path, what, option, file, NULL};
    pid_t pid;
    int status = -1;
    if (!spawn(args, NULL, &pid, err)) {
        return false;
    }
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    *ret_correct = WIFEXITED(status) && WEXITSTATUS(status) == 0;
    return true;
}
