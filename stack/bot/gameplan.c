/* See gameplan.h. */
#include "gameplan.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

bool bot_gameplan_parse(const char *text, size_t n, struct bot_gameplan *ret, struct ts_error *err)
{
    struct ts_gameplan plan;
    if (!ts_gameplan_parse(text, n, &plan, err)) {
        return false;
    }
    if (ts_gameplan_trades(&plan)) {
        return ts_error_set(err, TS_E_DENIED,
                            "strategy \"%s\" is refused: this bot only knows strategy \"C\" "
                            "(cash preservation, no trading)",
                            plan.strategy);
    }
    *ret = (struct bot_gameplan){.is_default = false, .plan = plan};
    return true;
}

/* Fills text with the whole file. */
static bool read_all(int fd, char *text, size_t size, size_t *ret_n, struct ts_error *err)
{
    struct stat st;
    if (fstat(fd, &st) != 0) {
        return ts_error_errno(err, errno, "cannot read it");
    }
    if (!S_ISREG(st.st_mode)) {
        return ts_error_set(err, TS_E_INVALID, "it is no regular file");
    }
    size_t n = 0;
    while (n < size) {
        ssize_t got = read(fd, text + n, size - n);
        if (got < 0) {
            return ts_error_errno(err, errno, "cannot read it");
        }
        if (got == 0) {
            *ret_n = n;
            return true;
        }
        n += (size_t)got;
    }
    return ts_error_set(err, TS_E_INVALID, "it is longer than %d bytes", TS_GAMEPLAN_MAX);
}

bool bot_gameplan_load(const char *path, struct bot_gameplan *ret, struct ts_error *err)
{
    static char text[TS_GAMEPLAN_MAX + 1];
    size_t n = 0;
    /* Non-blocking: opening a FIFO must not hang. */
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0 && errno == ENOENT) {
        *ret = (struct bot_gameplan){.is_default = true};
        return true;
    }
    if (fd < 0) {
        return ts_error_errno(err, errno, "gameplan %s: cannot open it", path);
    }
    bool ok = read_all(fd, text, sizeof(text), &n, err) && bot_gameplan_parse(text, n, ret, err);
    close(fd);
    return ok || ts_error_wrap(err, "gameplan %s", path);
}
