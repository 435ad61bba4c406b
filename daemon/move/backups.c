/* See backups.h. */
#include "move/backups.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/backup.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

#define NETWORKS "networks.json"

/* A backup that is being put together. */
struct capture {
    struct ts_backup_file files[TS_BACKUP_FILES_MAX];
    char *texts[TS_BACKUP_FILES_MAX]; /* ours, to be freed */
    char names[TS_BACKUP_FILES_MAX][TS_BACKUP_NAME];
    size_t count;
    json_t *list; /* of the containers, for the manifest */
};

static bool add_json(struct capture *c, const char *name, const json_t *v, struct ts_error *err)
{
    if (c->count == TS_BACKUP_FILES_MAX) {
        return ts_error_set(err, TS_E_LIMIT, "more than %d files in a backup", TS_BACKUP_FILES_MAX);
    }
    char *text = json_dumps(v, JSON_INDENT(1));
    if (text == NULL) {
        return ts_error_nomem(err);
    }
    (void)snprintf(c->names[c->count], TS_BACKUP_NAME, "%s", name);
    c->texts[c->count] = text;
    c->files[c->count] = (struct ts_backup_file){c->names[c->count], text, strlen(text)};
    c->count++;
    return true;
}

/* Of a part's side the policy is known that it has without us. */
static const struct ts_restart_policy *policy_of(const struct ts_move *m,
                                                 const struct ts_container *c)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->places[i].now.is && strcmp(m->places[i].now.id, c->id) == 0) {
            return &m->places[i].now.policy;
        }
    }
    return &c->policy;
}

static bool add_container(struct capture *c, const struct ts_move *m, json_t *raw,
                          struct ts_error *err)
{
    struct ts_container box TS_CLEANUP(ts_container_done) = {.dep_count = 0};
    char file[TS_BACKUP_NAME];
    if (!ts_container_parse(raw, &box, err)) {
        return false;
    }
    if (box.oneoff || ts_move_is_aside(box.name)) {
        return true;
    }
    bool ours = strcmp(box.project, m->daemon->model->project) == 0;
    bool ran = box.status == TS_CONTAINER_RUNNING || box.status == TS_CONTAINER_PAUSED ||
               box.status == TS_CONTAINER_RESTARTING;
    const struct ts_restart_policy *policy = policy_of(m, &box);
    (void)snprintf(file, sizeof(file), "container-%zu.json", json_array_size(c->list) + 1);
    json_t *entry TS_CLEANUP(ts_json_drop) =
        json_pack("{s:b, s:b, s:s, s:I, s:O}", "ours", (int)ours, "ran", (int)ran, "policy",
                  policy->name, "retries", (json_int_t)policy->max_retries, "inspect", raw);
    (void)json_array_append_new(
        c->list, json_pack("{s:s, s:s, s:s, s:s, s:s, s:b, s:s}", "container", box.name, "service",
                           box.service, "project", box.project, "image", box.image, "image_id",
                           box.image_id, "ran", (int)ran, "file", file));
    return entry != NULL ? add_json(c, file, entry, err) : ts_error_nomem(err);
}

static bool add_given(struct capture *c, json_t *files, struct ts_error *err)
{
    const char *name;
    json_t *v;
    json_object_foreach(files, name, v)
    {
        const char *text = json_string_value(v);
        if (text == NULL || !ts_backup_is_name(name) || strncmp(name, "container-", 10) == 0 ||
            strcmp(name, NETWORKS) == 0 || c->count == TS_BACKUP_FILES_MAX) {
            return ts_error_set(err, TS_E_INVALID, "\"%.40s\" cannot be put into a backup", name);
        }
        c->files[c->count++] = (struct ts_backup_file){name, text, strlen(text)};
    }
    return true;
}

static bool fill(struct capture *c, struct ts_move *m, json_t *what, json_t *files,
                 struct ts_error *err)
{
    size_t i;
    json_t *raw;
    c->list = json_array();
    json_array_foreach(ts_json_at(what, "containers"), i, raw)
    {
        if (!add_container(c, m, raw, err)) {
            return false;
        }
    }
    return add_json(c, NETWORKS, ts_json_at(what, "networks"), err) && add_given(c, files, err);
}

bool ts_backups_capture(struct ts_move *m, json_t *what, json_t *files, struct ts_error *err)
{
    struct ts_daemon *d = m->daemon;
    struct capture *c = calloc(1, sizeof(*c));
    if (c == NULL) {
        return ts_error_nomem(err);
    }
    bool ok = fill(c, m, what, files, err);
    json_t *note TS_CLEANUP(ts_json_drop) =
        json_pack("{s:s, s:s, s:O}", "by", m->by, "tag", m->tag, "containers", c->list);
    if (ok) {
        const struct ts_backup_order order = {.at = ts_loop_wall(d->loop),
                                              .kind = ts_move_kind_name(m->kind),
                                              .project = d->model->project,
                                              .note = note,
                                              .files = c->files,
                                              .file_count = c->count};
        ok = ts_backup_write(d->model->state_dir, &order, m->backup, err);
    }
    for (size_t i = 0; i < TS_BACKUP_FILES_MAX; i++) {
        free(c->texts[i]);
    }
    json_decref(c->list);
    free(c);
    return ok || ts_error_wrap(err, "nothing was begun: what runs cannot be kept");
}

bool ts_backups_load(struct ts_daemon *d, const char *name, json_t **ret_containers,
                     json_t **ret_networks, struct ts_error *err)
{
    size_t i;
    json_t *entry;
    const char *dir = d->model->state_dir;
    json_t *manifest TS_CLEANUP(ts_json_drop) = ts_backup_manifest(dir, name, err);
    if (manifest == NULL || !ts_backup_verify(dir, name, err)) {
        return false;
    }
    json_t *networks = ts_backup_json(dir, name, NETWORKS, err);
    json_t *list = json_array();
    bool ok = networks != NULL && list != NULL;
    json_array_foreach(ts_json_at(manifest, "note.containers"), i, entry)
    {
        json_t *c = ok ? ts_backup_json(dir, name, ts_json_str_or(entry, "file", ""), err) : NULL;
        ok = c != NULL && json_array_append_new(list, c) == 0;
    }
    if (ok && json_array_size(list) == 0) {
        ok =
            ts_error_set(err, TS_E_CONFLICT, "backup %s has no containers: nothing ran then", name);
    }
    if (!ok) {
        json_decref(networks);
        json_decref(list);
        return false;
    }
    *ret_containers = list;
    *ret_networks = networks;
    return true;
}
