/* Linux: systemd is asked through systemctl, listeners are read from /proc. */
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>

#include "base/parse.h"
#include "child.h"
#include "machine_facts.h"

#define SYSTEMCTL_MS 10000
#define LISTEN_STATE 0x0A /* TCP_LISTEN in include/net/tcp_states.h */
#define PROCESSES    65536
#define FILES        65536
#define PATH_BYTES   320

/* --- the service manager */

static void no_tick(void *ctx)
{
    (void)ctx;
}

/* `systemctl WHAT UNIT`: its one line into out. False: there is no systemctl, or no answer. */
static bool ask(const char *what, const char *unit, char *out, size_t size)
{
    const char *const args[] = {"systemctl", what, unit, NULL};
    const struct ctl_child child = {.args = args, .timeout_ms = SYSTEMCTL_MS, .tick = no_tick};
    struct ts_buf output = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    struct ts_error err;
    int status = -1;
    bool ran = ctl_child_run(&child, &output, &status, &err);
    (void)snprintf(out, size, "%.*s", (int)strcspn(ts_buf_text(&output), "\r\n"),
                   ts_buf_text(&output));
    ts_buf_done(&output);
    return ran;
}

static bool is_one_of(const char *text, const char *const *words)
{
    for (; *words != NULL; words++) {
        if (strcmp(text, *words) == 0) {
            return true;
        }
    }
    return false;
}

/* Is the unit started at boot? systemctl(1), "is-enabled". An alias or an indirect unit is started
 * by what it stands for. */
static enum ctl_answer at_boot(const char *unit, char *evidence, size_t size)
{
    static const char *const yes[] = {"enabled", "static", "alias", "indirect", "generated", NULL};
    char said[80];
    if (!ask("is-enabled", unit, said, sizeof(said))) {
        (void)snprintf(evidence, size, "systemctl is-enabled %.60s: no answer; no systemd here?",
                       unit);
        return CTL_UNKNOWN;
    }
    (void)snprintf(evidence, size, "systemctl is-enabled %.60s: %s", unit,
                   said[0] != '\0' ? said : "no such unit");
    return is_one_of(said, yes) ? CTL_YES : CTL_NO;
}

static struct ctl_boot_fact daemon_fact(void)
{
    struct ctl_boot_fact f = {.id = "daemon-at-boot", .what = "tradestackd is started at boot"};
    f.holds = at_boot("tradestackd.service", f.evidence, sizeof(f.evidence));
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "systemctl enable --now tradestackd");
    }
    return f;
}

/* Its socket is enough: the daemon's first connection starts the engine. */
static struct ctl_boot_fact engine_fact(const char *unit)
{
    struct ctl_boot_fact f = {.id = "engine-at-boot",
                              .what = "the container engine is started at boot"};
    char socket[80];
    char said[sizeof(f.evidence)];
    const char *dot = strrchr(unit, '.');
    f.holds = at_boot(unit, f.evidence, sizeof(f.evidence));
    (void)snprintf(socket, sizeof(socket), "%.*s.socket",
                   (int)(dot != NULL && dot - unit < 60 ? dot - unit : 60), unit);
    if (f.holds == CTL_NO && at_boot(socket, said, sizeof(said)) == CTL_YES) {
        f.holds = CTL_YES;
        memcpy(f.evidence, said, sizeof(f.evidence));
    }
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "systemctl enable --now %.80s", unit);
    }
    return f;
}

/* A daemon that was started by hand ends with its shell and comes back with nobody. */
static struct ctl_boot_fact active_fact(void)
{
    struct ctl_boot_fact f = {.id = "daemon-by-manager",
                              .what = "the tradestackd that runs is the service manager's"};
    char said[80];
    if (!ask("is-active", "tradestackd.service", said, sizeof(said))) {
        (void)snprintf(f.evidence, sizeof(f.evidence), "systemctl does not answer");
        return f;
    }
    f.holds = strcmp(said, "active") == 0 ? CTL_YES : CTL_NO;
    (void)snprintf(f.evidence, sizeof(f.evidence), "systemctl is-active tradestackd: %.60s", said);
    if (f.holds == CTL_NO) {
        (void)snprintf(f.cure, sizeof(f.cure), "systemctl start tradestackd (end the other first)");
    }
    return f;
}

size_t ctl_boot_facts(const struct ctl_boot_question *q, struct ctl_boot_fact *ret, size_t max)
{
    const char *engine_unit = q->engine_unit;
    size_t n = 0;
    if (n < max) {
        ret[n++] = daemon_fact();
    }
    if (n < max) {
        ret[n++] = active_fact();
    }
    if (n < max && engine_unit[0] != '\0') {
        ret[n++] = engine_fact(engine_unit);
    }
    return n;
}

/* --- listeners */

struct listening {
    struct ctl_listener *list;
    unsigned long inodes[CTL_LISTENERS_MAX];
    size_t count;
    size_t max;
};

/* "0100007F" or 32 such digits, words in the machine's byte order: proc(5), /proc/net/tcp. */
static void address_of(const char *hex, char *out, size_t size)
{
    uint32_t words[4] = {0};
    size_t n = strlen(hex) / 8;
    for (size_t i = 0; i < n && i < TS_ARRAY_LEN(words); i++) {
        char word[9];
        (void)snprintf(word, sizeof(word), "%.8s", hex + i * 8);
        words[i] = (uint32_t)strtoul(word, NULL, 16);
    }
    out[0] = '\0';
    (void)inet_ntop(n == 1 ? AF_INET : AF_INET6, words, out, (socklen_t)size);
}

static void take_line(struct listening *l, const char *line)
{
    char hex[40];
    unsigned port;
    unsigned state;
    unsigned long inode;
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
    if (sscanf(line, " %*d: %39[0-9A-F]:%x %*s %x %*s %*s %*s %*u %*u %lu", hex, &port, &state,
               &inode) != 4 ||
        state != LISTEN_STATE || l->count == l->max) {
        return;
    }
    struct ctl_listener *at = &l->list[l->count];
    *at = (struct ctl_listener){.port = (uint16_t)port};
    address_of(hex, at->address, sizeof(at->address));
    l->inodes[l->count++] = inode;
}

static void read_table(struct listening *l, const char *path)
{
    char line[512];
    FILE *f = fopen(path, "re");
    while (f != NULL && fgets(line, sizeof(line), f) != NULL) {
        take_line(l, line);
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

static void name_of(const char *pid, char *out, size_t size)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof(path), "/proc/%.20s/comm", pid);
    FILE *f = fopen(path, "re");
    if (f != NULL && fgets(out, (int)size, f) != NULL) {
        out[strcspn(out, "\n")] = '\0';
    }
    if (f != NULL) {
        (void)fclose(f);
    }
}

/* A link in /proc/PID/fd that reads "socket:[inode]" of a listener names the process. */
static void take_file(struct listening *l, const char *pid, const char *path)
{
    char target[64];
    unsigned long inode;
    ssize_t n = readlink(path, target, sizeof(target) - 1);
    target[n > 0 ? n : 0] = '\0';
    /* NOLINTNEXTLINE(cert-err34-c): the kernel's own numbers */
    if (sscanf(target, "socket:[%lu]", &inode) != 1) {
        return;
    }
    for (size_t i = 0; i < l->count; i++) {
        if (l->inodes[i] == inode && l->list[i].pid == 0) {
            (void)!ts_parse_i64(pid, 1, INT32_MAX, &l->list[i].pid);
            name_of(pid, l->list[i].process, sizeof(l->list[i].process));
        }
    }
}

static void look_into(struct listening *l, const char *pid)
{
    char path[PATH_BYTES];
    struct dirent *e;
    (void)snprintf(path, sizeof(path), "/proc/%.20s/fd", pid);
    DIR *files = opendir(path);
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    for (int i = 0; files != NULL && i < FILES && (e = readdir(files)) != NULL; i++) {
        char file[PATH_BYTES];
        (void)snprintf(file, sizeof(file), "/proc/%.20s/fd/%.20s", pid, e->d_name);
        take_file(l, pid, file);
    }
    if (files != NULL) {
        (void)closedir(files);
    }
}

size_t ctl_listeners(struct ctl_listener *ret, size_t max)
{
    struct listening l = {.list = ret, .max = max < CTL_LISTENERS_MAX ? max : CTL_LISTENERS_MAX};
    struct dirent *e;
    read_table(&l, "/proc/net/tcp");
    read_table(&l, "/proc/net/tcp6");
    DIR *processes = l.count > 0 ? opendir("/proc") : NULL;
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): one thread */
    for (int i = 0; processes != NULL && i < PROCESSES && (e = readdir(processes)) != NULL; i++) {
        if (isdigit((unsigned char)e->d_name[0])) {
            look_into(&l, e->d_name);
        }
    }
    if (processes != NULL) {
        (void)closedir(processes);
    }
    return l.count;
}
