/*
 * Files of a container, read from outside. See engine.h for what all calls have in common.
 */
#ifndef TS_ENGINE_ARCHIVE_H
#define TS_ENGINE_ARCHIVE_H

#include "engine/engine.h"
#include "engine/tar.h"

#define TS_CONTAINER_FILE_MAX ((size_t)1024 * 1024) /* bytes of a file that can be read */
#define TS_CONTAINER_PATH_MAX ((size_t)512)         /* bytes of its path, NUL not included */

struct ts_container_file {
    bool exists;           /* false: nothing else is set */
    enum ts_tar_kind kind; /* bytes and len are set for TS_TAR_FILE only */
    const char *bytes;     /* NULL or len bytes; may contain NULs and has none behind it */
    size_t len;
};

/*
 * file is borrowed for the call and NULL when err is set; err as in engine.h. A file that is not
 * there is no error (exists is false). TS_E_NOT_FOUND: no such container, the source of one of its
 * mounts is gone, or a 404 that does not say what is missing. TS_E_LIMIT: larger than
 * TS_CONTAINER_FILE_MAX, or a folder whose archive is larger than TS_ENGINE_BODY_MAX.
 * TS_E_PROTOCOL: no archive, or one that the engine broke off, as it does when the file shrinks
 * meanwhile. TS_E_UNAVAILABLE: also when a part of the path is a file where a folder should be
 * (Docker answers 500).
 */
typedef void ts_container_file_read_fn(void *ctx, const struct ts_container_file *file,
                                       const struct ts_error *err);

/*
 * Reads one file as the container sees it (volumes and binds included), running or not. What is
 * mounted by nobody but the container is not seen by Docker and counts as not there: tmpfs, /proc,
 * /dev. path is absolute; if not, or if longer than TS_CONTAINER_PATH_MAX: TS_E_INVALID.
 *
 * A symbolic link that is the path's last part: Docker does not follow it and gives the link
 * itself (TS_TAR_LINK), Podman follows it. Links before that are followed within the container.
 * A file that is changed in place while it is read may come torn or cut: whoever writes it should
 * rename it into place. Docker keeps the container locked until its archive is sent, so this is
 * not meant for folders. That a file is not there takes a second question, with a deadline of its
 * own. API: ContainerArchive, ContainerArchiveInfo; tried with Docker 20.10.
 */
struct ts_engine_op *ts_container_read_file(struct ts_engine *e, const char *id, const char *path,
                                            ts_container_file_read_fn *done, void *ctx,
                                            struct ts_error *err) TS_MUST_CHECK;

#endif
