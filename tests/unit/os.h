/* What tests need of the operating system; os_posix.c and os_win.c implement it. */
#ifndef TS_TESTS_OS_H
#define TS_TESTS_OS_H

#include <stdbool.h>
#include <stddef.h>

#include <event2/util.h>

#include "base/loop.h"
#include "os_names.h"

#define OS_PATH 200

/* A new folder for this test alone. */
void os_temp_dir(char out[OS_PATH]);
/* A file or a folder with all that is in it. */
void os_remove(const char *path);
/* A variable of the environment; NULL: not set. */
void os_set_env(const char *name, const char *value);
/* Only its owner may read the file (and who is set over all), or everybody may. */
void os_set_private(const char *path, bool is_private);

/* Where a local server may listen: a socket in a new folder, or a pipe. */
void os_local_path(char out[OS_PATH]);
struct os_local;
/* accept() is called from the loop and takes fd, which does not block. */
struct os_local *os_local_listen(struct ts_loop *loop, const char *path,
                                 void (*accept)(void *ctx, evutil_socket_t fd), void *ctx);
void os_local_stop(struct os_local *l);
/* A connection to a local server that does not block; -1: nobody is there. */
evutil_socket_t os_local_dial(const char *path);
/* Nothing of that name is there (any more, after a moment at most). */
bool os_local_is_gone(const char *path);

#endif
