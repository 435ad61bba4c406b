/* See archive.h. */
#include "engine/archive.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "engine/engine_internal.h"

/* A 404 is about the container or about the file; only the text tells. Docker (daemon/errors.go):
 * "No such container: bot" and "Could not find the file /x in container bot". Podman (pkg/copy):
 * "… no such container" and "no such file or directory", with a capital letter up to 3. */
static bool says_no_file(const struct ts_http_reply *reply)
{
    static const char docker[] = "Could not find the file ";
    char message[TS_ENGINE_MESSAGE];
    ts_engine_message(reply, message);
    return strncasecmp(message, docker, sizeof(docker) - 1) == 0 ||
           strcasecmp(message, "no such file or directory") == 0;
}

static bool read_reply(struct ts_engine *e, const struct ts_http_reply *reply,
                       struct ts_container_file *ret, struct ts_error *err)
{
    struct ts_tar_entry entry;
    if (!ts_engine_judge(e, reply, err) || !ts_tar_first(reply->body, reply->len, &entry, err)) {
        return false;
    }
    if (entry.len > TS_CONTAINER_FILE_MAX) {
        return ts_error_set(err, TS_E_LIMIT, "the file is larger than %zu bytes",
                            TS_CONTAINER_FILE_MAX);
    }
    *ret = (struct ts_container_file){
        .exists = true, .kind = entry.kind, .bytes = entry.bytes, .len = entry.len};
    return true;
}

static void fail(struct ts_engine_op *op, struct ts_error *why)
{
    ts_engine_explain(op->engine, op->what, why);
    op->done.file_read(op->ctx, NULL, why);
}

static void on_root(struct ts_engine_op *op, const struct ts_http_reply *reply,
                    const struct ts_error *err)
{
    const struct ts_container_file none = {.exists = false};
    if (err != NULL) {
        op->done.file_read(op->ctx, NULL, err);
    } else if (reply->status == 404) {
        struct ts_error why;
        (void)ts_error_set_detail(&why, TS_E_NOT_FOUND, 404,
                                  "the container is gone, or the source of one of its mounts");
        fail(op, &why);
    } else {
        op->done.file_read(op->ctx, &none, NULL);
    }
}

/* Docker says of every file that it is not there when it cannot mount all that belongs to the
 * container. The root is always there, so its absence tells. */
static void ask_for_root(struct ts_engine_op *op)
{
    struct ts_error why;
    const struct ts_engine_request request = {.method = "HEAD", .path = op->extra};
    if (!ts_engine_op_next(op, &request, on_root, &why)) {
        fail(op, &why);
    }
}

static void on_archive(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    if (err != NULL) {
        op->done.file_read(op->ctx, NULL, err);
        return;
    }
    if (reply->status == 404 && says_no_file(reply)) {
        ask_for_root(op);
        return;
    }
    struct ts_error why;
    struct ts_container_file file;
    if (!read_reply(op->engine, reply, &file, &why)) {
        fail(op, &why);
        return;
    }
    op->done.file_read(op->ctx, &file, NULL);
}

static bool check_path(const char *path, struct ts_error *err)
{
    if (path == NULL || path[0] != '/' ||
        strnlen(path, TS_CONTAINER_PATH_MAX + 1) > TS_CONTAINER_PATH_MAX) {
        return ts_error_set(err, TS_E_INVALID,
                            "read a file: its path is not absolute or longer than %zu bytes",
                            TS_CONTAINER_PATH_MAX);
    }
    return true;
}

/* Text for the request's path; NULL: TS_E_NOMEM. To be freed. */
static char *archive_path(const char *id, const char *path, struct ts_error *err)
{
    struct ts_buf out = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&out, "/containers/%s/archive?path=", id);
    if (!ts_engine_escape(&out, path)) {
        ts_buf_done(&out);
        (void)ts_error_nomem(err);
        return NULL;
    }
    return out.data;
}

static struct ts_engine_op *op_on(struct ts_engine *e, const char *id, const char *path, void *ctx,
                                  struct ts_error *err)
{
    char shown[48]; /* with the id within an op's text */
    ts_engine_clean(shown, sizeof(shown), path);
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "read %s of %.32s", shown, id);
    if (op == NULL) {
        return NULL;
    }
    op->takes_404 = true;
    op->free_extra = free;
    op->extra = archive_path(id, "/", err);
    if (op->extra == NULL) {
        ts_engine_op_free(op);
        return NULL;
    }
    return op;
}

static struct ts_engine_op *start(struct ts_engine *e, const char *id, const char *path,
                                  ts_container_file_read_fn *done, void *ctx, struct ts_error *err)
{
    struct ts_engine_op *op = op_on(e, id, path, ctx, err);
    if (op == NULL) {
        return NULL;
    }
    op->done.file_read = done;
    char *text = archive_path(id, path, err);
    if (text == NULL) {
        ts_engine_op_free(op);
        return NULL;
    }
    const struct ts_engine_request request = {.method = "GET", .path = text};
    op = ts_engine_op_start(op, &request, on_archive, err);
    free(text);
    return op;
}

struct ts_engine_op *ts_container_read_file(struct ts_engine *e, const char *id, const char *path,
                                            ts_container_file_read_fn *done, void *ctx,
                                            struct ts_error *err)
{
    if (!ts_engine_check_id(id, err)) {
        (void)ts_error_wrap(err, "read a file");
        return NULL;
    }
    return check_path(path, err) ? start(e, id, path, done, ctx, err) : NULL;
}
