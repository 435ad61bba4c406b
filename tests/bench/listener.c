/*
 * listener FIRST COUNT [HUNG]: listens on COUNT ports of this machine from FIRST on; takes every
 * connection and closes it when the other side does. The last HUNG ports are hung: their queue of
 * connections is full, so that a connection attempt is not even answered. Commands on standard
 * input: "close PORT", "open PORT"; each is answered by a line with the time at which it was done.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define PORTS_MAX 4096

static int listeners[PORTS_MAX];
static int first;
static int count;
static int epoll_fd;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static struct sockaddr_in address_of(int index)
{
    return (struct sockaddr_in){.sin_family = AF_INET,
                                .sin_port = htons((uint16_t)(first + index)),
                                .sin_addr = {htonl(INADDR_LOOPBACK)}};
}

static void watch(int fd, uint64_t tag)
{
    struct epoll_event ev = {.events = EPOLLIN, .data = {.u64 = tag}};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &ev) != 0) {
        die("epoll_ctl");
    }
}

static void open_port(int index, int backlog)
{
    struct sockaddr_in to = address_of(index);
    int on = 1;
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
        bind(fd, (struct sockaddr *)&to, sizeof(to)) != 0 || listen(fd, backlog) != 0) {
        die("listen");
    }
    listeners[index] = fd;
}

/* Nobody takes what fills the queue. */
static void hang_port(int index)
{
    struct sockaddr_in to = address_of(index);
    open_port(index, 0);
    for (int i = 0; i < 3; i++) {
        int fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
        if (fd < 0 ||
            (connect(fd, (struct sockaddr *)&to, sizeof(to)) != 0 && errno != EINPROGRESS)) {
            die("connect");
        }
    }
}

/* Tags: index of a listener; beyond PORTS_MAX, a connection. */
static void on_listener(int index)
{
    int fd;
    while ((fd = accept4(listeners[index], NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0) {
        watch(fd, PORTS_MAX + 1 + (uint64_t)fd);
    }
}

static void on_connection(int fd)
{
    char bytes[256];
    ssize_t n = read(fd, bytes, sizeof(bytes));
    if (n == 0 || (n < 0 && errno != EAGAIN)) {
        (void)close(fd);
    }
}

static void on_command(void)
{
    char line[64];
    struct timespec now;
    if (fgets(line, sizeof(line), stdin) == NULL) {
        exit(0);
    }
    long port = strtol(strchr(line, ' ') == NULL ? "" : strchr(line, ' '), NULL, 10);
    int index = (int)port - first;
    if (index < 0 || index >= count) {
        exit(2);
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    if (strncmp(line, "close ", 6) == 0) {
        (void)close(listeners[index]);
    } else {
        open_port(index, 128);
        watch(listeners[index], (uint64_t)index);
    }
    (void)printf("%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec);
    (void)fflush(stdout);
}

int main(int argc, char **argv)
{
    struct epoll_event events[256];
    struct rlimit files = {65536, 65536};
    if (argc < 3) {
        return 2;
    }
    first = (int)strtol(argv[1], NULL, 10);
    count = (int)strtol(argv[2], NULL, 10);
    int hung = argc > 3 ? (int)strtol(argv[3], NULL, 10) : 0;
    if (count < 1 || count > PORTS_MAX || hung > count) {
        return 2;
    }
    (void)setrlimit(RLIMIT_NOFILE, &files);
    (void)setvbuf(stdin, NULL, _IONBF, 0);
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    for (int i = 0; i < count; i++) {
        if (i >= count - hung) {
            hang_port(i);
        } else {
            open_port(i, 128);
            watch(listeners[i], (uint64_t)i);
        }
    }
    watch(STDIN_FILENO, PORTS_MAX);
    (void)puts("ready");
    (void)fflush(stdout);
    for (;;) {
        int n = epoll_wait(epoll_fd, events, 256, -1);
        for (int i = 0; i < n; i++) {
            uint64_t tag = events[i].data.u64;
            if (tag < PORTS_MAX) {
                on_listener((int)tag);
            } else if (tag == PORTS_MAX) {
                on_command();
            } else {
                on_connection((int)(tag - PORTS_MAX - 1));
            }
        }
    }
}
