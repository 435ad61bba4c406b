/*
 * spawn COMMAND…: runs it with its output thrown away and prints how long that took from the spawn
 * to the exit, in nanoseconds, and its exit status. A small program does this, because what a large
 * one pays for a fork would be counted too.
 */
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static long long now_ns(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (long long)now.tv_sec * 1000000000 + now.tv_nsec;
}

int main(int argc, char **argv)
{
    posix_spawn_file_actions_t actions;
    pid_t pid;
    int status;
    if (argc < 2 || posix_spawn_file_actions_init(&actions) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0) != 0 ||
        posix_spawn_file_actions_addopen(&actions, STDOUT_FILENO, "/dev/null", O_WRONLY, 0) != 0) {
        return 2;
    }
    long long began = now_ns();
    if (posix_spawnp(&pid, argv[1], &actions, NULL, argv + 1, environ) != 0 ||
        waitpid(pid, &status, 0) != pid) {
        perror(argv[1]);
        return 1;
    }
    long long took = now_ns() - began;
    (void)printf("%lld %d\n", took, WIFEXITED(status) ? WEXITSTATUS(status) : -1);
    return 0;
}
