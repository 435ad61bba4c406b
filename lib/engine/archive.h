/* Files of a container, as the container sees them: volumes and binds included, running or not. */
#ifndef TS_ENGINE_ARCHIVE_H
#define TS_ENGINE_ARCHIVE_H

#include "engine/engine.h"
#include "engine/tar.h"

#define TS_CONTAINER_FILE_MAX  ((size_t)1024 * 1024) /* bytes of a file that can be read */
#define TS_CONTAINER_FILE_PATH 512                   /* NUL included */

struct ts_container_file {
    bool exists;
    enum ts_tar_kind kind; /* a link is not followed */
    const char *bytes;     /* of a file */
    size_t len;
};

/* file is borrowed for the call. That there is no such file is no error. Errors as in engine.h;
 * TS_E_NOT_FOUND: there is no such container; TS_E_LIMIT: the file is too large. */
typedef void ts_container_file_fn(void *ctx, const struct ts_container_file *file,
                                  const struct ts_error *err);

/* path: absolute, in the container. API: "Get an archive of a filesystem resource". */
struct ts_engine_op *ts_container_read_file(struct ts_engine *e, const char *id, const char *path,
                                            ts_container_file_fn *done, void *ctx,
                                            struct ts_error *err) TS_MUST_CHECK;

#endif
