/* See backup.h. */
#include "backup/backup.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/backup_internal.h"
#include "base/digest.h"
#include "base/json.h"
#include "base/parse.h"

#define MANIFEST  "manifest.json"
#define UNDONE    ".part" /* what a backup's name ends in until it is whole */
#define TRIES     100     /* names for one second */
#define STAMP_LEN 20

bool ts_backup_is_name(const char *name)
{
    size_t n = strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-");
    return n > 0 && n < TS_BACKUP_NAME && name[n] == '\0' && name[0] != '.';
}

/* <state>/backups/<name>/<file>; name and file may be "". */
static bool path_of(const char *state_dir, const char *name, const char *file,
                    char out[TS_BACKUP_PATH], struct ts_error *err)
{
    int n = snprintf(out, TS_BACKUP_PATH, "%s/backups%s%s%s%s", state_dir,
                     name[0] != '\0' ? "/" : "", name, file[0] != '\0' ? "/" : "", file);
    return (n > 0 && (size_t)n < TS_BACKUP_PATH) ||
           ts_error_set(err, TS_E_LIMIT, "%.80s…: path too long", state_dir);
}

static bool check_name(const char *name, struct ts_error *err)
{
    return ts_backup_is_name(name) ||
           ts_error_set(err, TS_E_INVALID, "\"%.40s\" is no backup's name", name);
}

/* --- writing */

static json_t *manifest_of(const struct ts_backup_order *order, struct ts_error *err)
{
    char at[TS_WALL_TEXT];
    json_t *files = json_array();
    bool ok = files != NULL || ts_error_nomem(err);
    for (size_t i = 0; ok && i < order->file_count; i++) {
        const struct ts_backup_file *f = &order->files[i];
        char hash[TS_SHA256_HEX];
        ok = check_name(f->name, err) &&
             ((strcmp(f->name, MANIFEST) != 0 && f->len <= TS_BACKUP_FILE_MAX) ||
              ts_error_set(err, TS_E_LIMIT, "%.60s cannot be put into a backup", f->name)) &&
             (ts_sha256_hex(f->bytes, f->len, hash) || ts_error_nomem(err)) &&
             (json_array_append_new(files, json_pack("{s:s, s:I, s:s}", "name", f->name, "bytes",
                                                     (json_int_t)f->len, "sha256", hash)) == 0 ||
              ts_error_nomem(err));
    }
    if (!ok) {
        json_decref(files);
        return NULL;
    }
    ts_wall_format(order->at, at);
    json_t *note = order->note != NULL ? json_deep_copy(order->note) : json_null();
    return json_pack("{s:i, s:s, s:s, s:s, s:o, s:o}", "version", 1, "at", at, "kind", order->kind,
                     "project", order->project, "note", note, "files", files);
}

/* A name that is free: its folder is there under it, with UNDONE behind. */
static bool reserve(const char *state_dir, const struct ts_backup_order *order, char *name,
                    char part[TS_BACKUP_PATH], struct ts_error *err)
{
    char stamp[STAMP_LEN] = "";
    char at[TS_WALL_TEXT];
    size_t n = 0;
    ts_wall_format(order->at, at); /* 2026-11-25T14:52:46.123Z */
    for (const char *c = at; *c != '\0' && *c != '.' && n < STAMP_LEN - 2; c++) {
        if (*c != '-' && *c != ':') {
            stamp[n++] = *c;
        }
    }
    for (int i = 1; i <= TRIES; i++) {
        char whole[TS_BACKUP_PATH];
        char suffix[16] = "";
        if (i > 1) {
            (void)snprintf(suffix, sizeof(suffix), "-%d", i);
        }
        (void)snprintf(name, TS_BACKUP_NAME, "%sZ-%.20s%s", stamp, order->kind, suffix);
        if (!check_name(name, err) || !path_of(state_dir, name, "", whole, err)) {
            return false;
        }
        json_t *there = ts_backup_read_dir(whole, err);
        bool taken = json_array_size(there) > 0;
        json_decref(there);
        (void)snprintf(part, TS_BACKUP_PATH, "%.700s" UNDONE, whole);
        if (!taken && ts_backup_make_dir(part, false, err)) {
            return true;
        }
        if (!taken && err->code != TS_E_CONFLICT) {
            return false;
        }
    }
    return ts_error_set(err, TS_E_LIMIT, "too many backups within one second");
}

static bool put_in(const char *dir, const struct ts_backup_file *f, struct ts_error *err)
{
    char path[TS_BACKUP_PATH + TS_BACKUP_NAME];
    (void)snprintf(path, sizeof(path), "%s/%s", dir, f->name);
    return ts_backup_put(path, f->bytes, f->len, err);
}

static bool fill(const char *dir, const struct ts_backup_order *order, struct ts_error *err)
{
    json_t *manifest TS_CLEANUP(ts_json_drop) = manifest_of(order, err);
    if (manifest == NULL) {
        return false;
    }
    char *text = json_dumps(manifest, JSON_INDENT(1));
    if (text == NULL) {
        return ts_error_nomem(err);
    }
    bool ok = true;
    for (size_t i = 0; ok && i < order->file_count; i++) {
        ok = put_in(dir, &order->files[i], err);
    }
    const struct ts_backup_file last = {MANIFEST, text, strlen(text)};
    ok = ok && put_in(dir, &last, err) && ts_backup_sync_dir(dir, err);
    free(text);
    return ok;
}

bool ts_backup_write(const char *state_dir, const struct ts_backup_order *order,
                     char ret_name[TS_BACKUP_NAME], struct ts_error *err)
{
    char root[TS_BACKUP_PATH];
    char part[TS_BACKUP_PATH];
    char whole[TS_BACKUP_PATH];
    struct ts_error ignored;
    if (order->file_count > TS_BACKUP_FILES_MAX) {
        return ts_error_set(err, TS_E_LIMIT, "more than %d files in a backup", TS_BACKUP_FILES_MAX);
    }
    if (!path_of(state_dir, "", "", root, err) || !ts_backup_make_dir(root, true, err) ||
        !reserve(state_dir, order, ret_name, part, err)) {
        return false;
    }
    bool ok = path_of(state_dir, ret_name, "", whole, err) && fill(part, order, err) &&
              ts_backup_rename(part, whole, err) && ts_backup_sync_dir(root, err);
    if (!ok) {
        (void)!ts_backup_remove_dir(part, &ignored);
        return ts_error_wrap(err, "backup");
    }
    return ts_backup_verify(state_dir, ret_name, err);
}

/* --- reading */

static int compare_names(const void *a, const void *b)
{
    const char *const *x = a;
    const char *const *y = b;
    return strcmp(*x, *y);
}

json_t *ts_backup_list(const char *state_dir, struct ts_error *err)
{
    char root[TS_BACKUP_PATH];
    const char *names[TS_BACKUPS_MAX];
    size_t count = 0;
    size_t i;
    json_t *v;
    if (!path_of(state_dir, "", "", root, err)) {
        return NULL;
    }
    json_t *all TS_CLEANUP(ts_json_drop) = ts_backup_read_dir(root, err);
    if (all == NULL) {
        return NULL;
    }
    json_array_foreach(all, i, v)
    {
        const char *name = json_string_value(v);
        size_t n = strlen(name);
        bool undone = n > strlen(UNDONE) && strcmp(name + n - strlen(UNDONE), UNDONE) == 0;
        if (ts_backup_is_name(name) && !undone && count < TS_BACKUPS_MAX) {
            names[count++] = name;
        }
    }
    qsort(names, count, sizeof(names[0]), compare_names); /* they begin with their time */
    json_t *list = json_array();
    for (size_t k = 0; k < count; k++) {
        (void)json_array_append_new(list, json_string(names[k]));
    }
    return list;
}

json_t *ts_backup_manifest(const char *state_dir, const char *name, struct ts_error *err)
{
    char path[TS_BACKUP_PATH];
    struct ts_buf text = ts_buf_init(TS_BACKUP_FILE_MAX);
    json_t *manifest = NULL;
    if (!check_name(name, err) || !path_of(state_dir, name, MANIFEST, path, err)) {
        return NULL;
    }
    if (ts_backup_get(path, &text, err)) {
        manifest = ts_json_parse(ts_buf_text(&text), text.len, err);
    } else if (err->code == TS_E_NOT_FOUND) {
        ts_error_set(err, TS_E_NOT_FOUND, "there is no backup %s", name);
    }
    ts_buf_done(&text);
    if (manifest != NULL && (ts_json_i64_or(manifest, "version", 0) != 1 ||
                             !json_is_array(ts_json_at(manifest, "files")))) {
        json_decref(manifest);
        ts_error_set(err, TS_E_PROTOCOL, "backup %s: its manifest makes no sense", name);
        return NULL;
    }
    return manifest;
}

/* Appends a file's bytes, if they are those that the manifest's entry tells of. */
static bool get_checked(const char *state_dir, const char *name, const json_t *entry,
                        struct ts_buf *out, struct ts_error *err)
{
    char path[TS_BACKUP_PATH];
    char hash[TS_SHA256_HEX];
    const char *file = ts_json_str_or(entry, "name", "");
    if (!ts_backup_is_name(file)) {
        return ts_error_set(err, TS_E_PROTOCOL, "backup %s: its manifest makes no sense", name);
    }
    if (!path_of(state_dir, name, file, path, err) || !ts_backup_get(path, out, err)) {
        return ts_error_wrap(err, "backup %s", name);
    }
    if (!ts_sha256_hex(ts_buf_text(out), out->len, hash)) {
        return ts_error_nomem(err);
    }
    return strcmp(hash, ts_json_str_or(entry, "sha256", "")) == 0 ||
           ts_error_set(err, TS_E_PROTOCOL, "backup %s: %s is not what was written", name, file);
}

bool ts_backup_verify(const char *state_dir, const char *name, struct ts_error *err)
{
    size_t i;
    json_t *entry;
    json_t *manifest TS_CLEANUP(ts_json_drop) = ts_backup_manifest(state_dir, name, err);
    if (manifest == NULL) {
        return false;
    }
    json_array_foreach(ts_json_at(manifest, "files"), i, entry)
    {
        struct ts_buf bytes = ts_buf_init(TS_BACKUP_FILE_MAX);
        bool ok = get_checked(state_dir, name, entry, &bytes, err);
        ts_buf_done(&bytes);
        if (!ok) {
            return false;
        }
    }
    return true;
}

json_t *ts_backup_json(const char *state_dir, const char *name, const char *file,
                       struct ts_error *err)
{
    size_t i;
    json_t *entry;
    json_t *manifest TS_CLEANUP(ts_json_drop) = ts_backup_manifest(state_dir, name, err);
    if (manifest == NULL) {
        return NULL;
    }
    json_array_foreach(ts_json_at(manifest, "files"), i, entry)
    {
        if (strcmp(ts_json_str_or(entry, "name", ""), file) == 0) {
            struct ts_buf bytes = ts_buf_init(TS_BACKUP_FILE_MAX);
            json_t *v = NULL;
            if (get_checked(state_dir, name, entry, &bytes, err)) {
                v = json_loadb(ts_buf_text(&bytes), bytes.len, JSON_ALLOW_NUL, NULL);
                if (v == NULL) {
                    ts_error_set(err, TS_E_PROTOCOL, "backup %s: %s is no JSON", name, file);
                }
            }
            ts_buf_done(&bytes);
            return v;
        }
    }
    ts_error_set(err, TS_E_NOT_FOUND, "backup %s has no %s", name, file);
    return NULL;
}

bool ts_backup_remove(const char *state_dir, const char *name, struct ts_error *err)
{
    char path[TS_BACKUP_PATH];
    return check_name(name, err) && path_of(state_dir, name, "", path, err) &&
           ts_backup_remove_dir(path, err);
}
