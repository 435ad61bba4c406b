/* See archive.h. */
#include "engine/archive.h"

#include <string.h>

#include "engine/engine_internal.h"

/* 404 is said of a container and of a file. Docker: "Could not find the file /x in container y",
 * newer ones "lstat /…/x: no such file or directory"; Podman: "… no such file or directory". In
 * doubt it is the container: an error, not a file that is not there. */
static bool is_missing_file(const struct ts_error *err)
{
    return err->code == TS_E_NOT_FOUND &&
           (strstr(err->msg, "Could not find the file") != NULL ||
            strstr(err->msg, "no such file or directory") != NULL) &&
           strstr(err->msg, "No such container") == NULL;
}

static void on_archive(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    struct ts_container_file file = {.exists = false};
    struct ts_tar_entry entry;
    struct ts_error why;
    if (err != NULL) {
        bool missing = is_missing_file(err);
        op->done.file(op->ctx, missing ? &file : NULL, missing ? NULL : err);
        return;
    }
    if (!ts_tar_first(reply->body, reply->len, &entry, &why)) {
        ts_engine_explain(op->engine, op->what, &why);
        op->done.file(op->ctx, NULL, &why);
        return;
    }
    if (entry.kind == TS_TAR_FILE && entry.len > TS_CONTAINER_FILE_MAX) {
        (void)ts_error_set(&why, TS_E_LIMIT, "%s: more than %zu bytes", op->what,
                           TS_CONTAINER_FILE_MAX);
        op->done.file(op->ctx, NULL, &why);
        return;
    }
    file = (struct ts_container_file){
        .exists = true, .kind = entry.kind, .bytes = entry.bytes, .len = entry.len};
    op->done.file(op->ctx, &file, NULL);
}

struct ts_engine_op *ts_container_read_file(struct ts_engine *e, const char *id, const char *path,
                                            ts_container_file_fn *done, void *ctx,
                                            struct ts_error *err)
{
    if (path[0] != '/' || strlen(path) >= TS_CONTAINER_FILE_PATH) {
        (void)ts_error_set(err, TS_E_INVALID, "read: \"%.60s\" is no whole path", path);
        return NULL;
    }
    if (!ts_engine_check_id(id, err)) {
        (void)ts_error_wrap(err, "read");
        return NULL;
    }
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "read %.48s of %.12s", path, id);
    if (op == NULL) {
        return NULL;
    }
    op->done.file = done;
    struct ts_buf url = ts_buf_init(TS_ENGINE_PATH_MAX);
    (void)ts_buf_addf(&url, "/containers/%s/archive?path=", id);
    (void)ts_engine_escape(&url, path);
    const struct ts_engine_request request = {.method = "GET", .path = ts_buf_text(&url)};
    op = ts_engine_op_start(op, &request, on_archive, err);
    ts_buf_done(&url);
    return op;
}
