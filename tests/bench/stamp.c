/*
 * stamp FILE COMMAND…: appends the monotonic time to FILE, then becomes COMMAND. The moment at
 * which a peer acts, its own fork and exec included.
 */
#include <fcntl.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

int main(int argc, char **argv)
{
    struct timespec now;
    if (argc < 2) {
        return 2;
    }
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    int fd = open(argv[1], O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
    if (fd < 0 || dprintf(fd, "%lld.%09ld\n", (long long)now.tv_sec, now.tv_nsec) < 0) {
        perror(argv[1]);
        return 1;
    }
    if (argc > 2) {
        (void)execvp(argv[2], argv + 2);
        perror(argv[2]);
        return 127;
    }
    return 0;
}
