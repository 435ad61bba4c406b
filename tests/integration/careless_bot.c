/*
 * A bot without any care: it starts whatever its settings are, answers every HTTP request on port
 * 8080 with 200, and says what a test wants: careless_bot TEXT…. Each TEXT is written with one
 * write(2); \n, \r, \\ and \xHH stand for bytes, "@N" for N times "x", "%err" turns to standard
 * error, "%out" back, "%wait" waits half a second. With STUBBORN set it ignores SIGTERM.
 */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sys/socket.h>

static int fd = STDOUT_FILENO;

static void put(const char *bytes, size_t n)
{
    while (n > 0) {
        ssize_t k = write(fd, bytes, n);
        if (k <= 0) {
            _exit(1);
        }
        bytes += k;
        n -= (size_t)k;
    }
}

static void put_many(long n)
{
    char *bytes = malloc((size_t)n);
    if (bytes == NULL) {
        _exit(1);
    }
    memset(bytes, 'x', (size_t)n);
    put(bytes, (size_t)n);
    free(bytes);
}

static void say(const char *text)
{
    static char out[4096];
    size_t n = 0;
    for (; *text != '\0' && n < sizeof(out); text++) {
        char c = *text;
        if (c == '\\' && text[1] != '\0') {
            c = *++text;
            if (c == 'n') {
                c = '\n';
            } else if (c == 'r') {
                c = '\r';
            } else if (c == 'x' && text[1] != '\0' && text[2] != '\0') {
                const char hex[3] = {text[1], text[2], '\0'};
                c = (char)strtol(hex, NULL, 16);
                text += 2;
            }
        }
        out[n++] = c;
    }
    put(out, n);
}

static void on_term(int number)
{
    (void)number;
    _exit(0);
}

static void serve(void)
{
    static const char answer[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n"
                                 "Connection: close\r\n\r\nok";
    const struct sockaddr_in any = {.sin_family = AF_INET, .sin_port = htons(8080)};
    int one = 1;
    int listener = socket(AF_INET, SOCK_STREAM, 0);
    (void)setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
    if (bind(listener, (const struct sockaddr *)&any, sizeof(any)) != 0 ||
        listen(listener, 8) != 0) {
        _exit(2);
    }
    for (;;) {
        char request[2048];
        int peer = accept(listener, NULL, NULL);
        if (read(peer, request, sizeof(request)) > 0) {
            (void)!write(peer, answer, sizeof(answer) - 1);
        }
        (void)close(peer);
    }
}

int main(int argc, char **argv)
{
    if (getenv("STUBBORN") == NULL) {
        (void)signal(SIGTERM, on_term);
    } else {
        (void)signal(SIGTERM, SIG_IGN);
    }
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "%err") == 0 || strcmp(argv[i], "%out") == 0) {
            fd = argv[i][1] == 'e' ? STDERR_FILENO : STDOUT_FILENO;
        } else if (strcmp(argv[i], "%wait") == 0) {
            (void)usleep(500000);
        } else if (argv[i][0] == '@') {
            put_many(strtol(argv[i] + 1, NULL, 10));
        } else {
            say(argv[i]);
        }
    }
    serve();
}
