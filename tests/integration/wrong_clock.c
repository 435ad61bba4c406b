/*
 * Preloaded into a program, it sets that program's wall clock off by the seconds that the file
 * named by WRONG_CLOCK_FILE holds at the moment. The monotonic clock stays as it is.
 */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static long offset(void)
{
    char text[32] = {0};
    const char *name = getenv("WRONG_CLOCK_FILE");
    int fd = name == NULL ? -1 : open(name, O_RDONLY | O_CLOEXEC);
    if (fd < 0) {
        return 0;
    }
    ssize_t n = read(fd, text, sizeof(text) - 1);
    (void)close(fd);
    return n > 0 ? strtol(text, NULL, 10) : 0;
}

int clock_gettime(clockid_t which, struct timespec *ts)
{
    static int (*real)(clockid_t, struct timespec *);
    if (real == NULL) {
        *(void **)&real = dlsym(RTLD_NEXT, "clock_gettime");
    }
    int r = real(which, ts);
    if (r == 0 && which == CLOCK_REALTIME) {
        ts->tv_sec += offset();
    }
    return r;
}
