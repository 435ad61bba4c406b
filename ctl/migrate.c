/*
 * `migrate`: from an older Compose file's containers to those of the file that the daemon is to
 * run. Both files are rendered by Compose; the daemon plans from that, and checks; then the new
 * containers are staged, and the daemon exchanges them, with a way back.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "child.h"
#include "compose.h"
#include "deprecate.h"
#include "move.h"
#include "stage.h"

#define ASK_MS     60000 /* for Compose to read a file */
#define CONFIG_MAX ((size_t)1024 * 1024)
#define PATH_SIZE  1024
#define ENV_MAX    ((size_t)256 * 1024)

static void tick(void *ctx)
{
    (void)ctx;
}

/* Runs a program and takes its standard output. The last lines of its errors are shown if it fails,
 * and kept in errors. */
static bool ask(const char *const *args, const char *what, struct ts_buf *out,
                struct ts_buf *errors)
{
    struct ts_error err;
    int status = -1;
    const struct ctl_child child = {.args = args, .timeout_ms = ASK_MS, .tick = tick, .out = out};
    bool ran = ctl_child_run(&child, errors, &status, &err);
    if (ran && status == 0) {
        return true;
    }
    if (ran) {
        ctl_error("migrate: %s:", what);
        ctl_show_output(errors);
    } else {
        ctl_error("migrate: %s: %s", what, err.msg);
    }
    return false;
}

/* --- what Compose makes of a file */

struct file {
    const char *path;
    const char *env_file;
    const char *project; /* NULL: the file's own */
};

static size_t compose_args(const struct file *f, const char **args)
{
    size_t n = 0;
    args[n++] = "docker";
    args[n++] = "compose";
    args[n++] = "--file";
    args[n++] = f->path;
    if (f->env_file != NULL) {
        args[n++] = "--env-file";
        args[n++] = f->env_file;
    }
    if (f->project != NULL) {
        args[n++] = "--project-name";
        args[n++] = f->project;
    }
    args[n++] = "config";
    return n;
}

/* The rendered text; format NULL: as YAML. */
static bool render(const struct file *f, const char *option, const char *value, struct ts_buf *out,
                   struct ts_buf *errors)
{
    const char *args[16];
    char what[PATH_SIZE + 40];
    size_t n = compose_args(f, args);
    if (option != NULL) {
        args[n++] = option;
        args[n++] = value;
    }
    args[n] = NULL;
    (void)snprintf(what, sizeof(what), "%s is not valid", f->path);
    return ask(args, what, out, errors);
}

/* "The \"NAME\" variable is not set" in what Compose warns of. */
static json_t *unset_names(const char *warnings)
{
    static const char mark[] = "variable is not set";
    json_t *names = json_array();
    for (const char *at = strstr(warnings, mark); at != NULL; at = strstr(at + 1, mark)) {
        const char *end = at;
        while (end > warnings && (end[-1] == ' ' || end[-1] == '"' || end[-1] == '\\')) {
            end--;
        }
        const char *begin = end;
        while (begin > warnings && (isalnum((unsigned char)begin[-1]) || begin[-1] == '_')) {
            begin--;
        }
        if (begin < end) {
            (void)json_array_append_new(names, json_stringn(begin, (size_t)(end - begin)));
        }
    }
    return names;
}

/* The daemon needs to know which variables are set, and the values of these two: they are judged.
 * Other values stay here. */
static void withhold(json_t *compose)
{
    const char *service;
    const char *name;
    json_t *v;
    json_t *value;
    void *next;
    (void)json_object_del(compose, "secrets");
    (void)json_object_del(compose, "configs");
    json_object_foreach(json_object_get(compose, "services"), service, v)
    {
        json_t *environment = json_object_get(v, "environment");
        json_object_foreach_safe(environment, next, name, value)
        {
            bool judged = strcmp(name, "DRY_RUN") == 0 || strcmp(name, "TRADING_MODE") == 0;
            bool empty = !json_is_string(value) || json_string_value(value)[0] == '\0';
            if (!judged) {
                (void)json_object_set_new(environment, name, json_string(empty ? "" : "set"));
            }
        }
    }
}

/* "gateway 1f0e…" a line */
static json_t *read_hashes(const char *text)
{
    json_t *hashes = json_object();
    while (*text != '\0') {
        size_t line = strcspn(text, "\n");
        const char *space = memchr(text, ' ', line);
        if (space != NULL) {
            char name[128];
            (void)snprintf(name, sizeof(name), "%.*s", (int)(space - text), text);
            (void)json_object_set_new(hashes, name,
                                      json_stringn(space + 1, line - (size_t)(space + 1 - text)));
        }
        text += line;
        text += *text == '\n';
    }
    return hashes;
}

/* The ids of the images that are there. */
static json_t *find_images(const json_t *compose)
{
    json_t *images = json_object();
    const char *service;
    json_t *v;
    json_object_foreach(json_object_get(compose, "services"), service, v)
    {
        const char *image = ts_json_str_or(v, "image", "");
        const char *const args[] = {"docker",  "image", "inspect", "--format",
                                    "{{.Id}}", image,   NULL};
        struct ts_buf out = ts_buf_init(1024);
        struct ts_buf errors = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
        struct ts_error err;
        int status = -1;
        const struct ctl_child child = {
            .args = args, .timeout_ms = ASK_MS, .tick = tick, .out = &out};
        if (image[0] != '\0' && ctl_child_run(&child, &errors, &status, &err) && status == 0) {
            (void)json_object_set_new(
                images, image, json_stringn(ts_buf_text(&out), strcspn(ts_buf_text(&out), "\n")));
        }
        ts_buf_done(&out);
        ts_buf_done(&errors);
    }
    return images;
}

static json_t *version_of_compose(void)
{
    static const char *const args[] = {"docker", "compose", "version", "--short", NULL};
    struct ts_buf out = ts_buf_init(256);
    struct ts_buf errors = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    json_t *version = NULL;
    if (ask(args, "docker compose does not work", &out, &errors)) {
        const char *text = ts_buf_text(&out);
        text += text[0] == 'v';
        version = json_stringn(text, strcspn(text, "\n"));
    }
    ts_buf_done(&out);
    ts_buf_done(&errors);
    return version;
}

/* What the daemon plans from; NULL after the reason was said. */
static json_t *preview_of(const struct file *f)
{
    struct ts_buf out = ts_buf_init(CONFIG_MAX);
    struct ts_buf hashes = ts_buf_init(CONFIG_MAX);
    struct ts_buf errors = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    struct ts_error err;
    json_t *preview = NULL;
    json_t *version = version_of_compose();
    if (version != NULL && render(f, "--format", "json", &out, &errors)) {
        json_t *unset = unset_names(ts_buf_text(&errors));
        json_t *compose = ts_json_parse(ts_buf_text(&out), out.len, &err);
        if (compose != NULL && render(f, "--hash", "*", &hashes, &errors)) {
            withhold(compose);
            preview = json_pack("{s:O, s:o, s:o, s:O, s:O}", "compose", compose, "hashes",
                                read_hashes(ts_buf_text(&hashes)), "images", find_images(compose),
                                "version", version, "unset", unset);
        } else if (compose == NULL) {
            ctl_error("migrate: what Compose says of %s makes no sense: %s", f->path, err.msg);
        }
        json_decref(compose);
        json_decref(unset);
    }
    json_decref(version);
    ts_buf_done(&out);
    ts_buf_done(&hashes);
    ts_buf_done(&errors);
    return preview;
}

/* --- what is kept of the old one */

static void add_file(json_t *files, const char *name, const struct ts_buf *text)
{
    (void)json_object_set_new(files, name, json_string(ts_buf_text(text)));
}

/* The file beside the Compose file, if there is one. */
static void add_env(json_t *files, const struct file *f)
{
    char path[PATH_SIZE];
    struct ts_buf text = ts_buf_init(ENV_MAX);
    const char *slash = strrchr(f->path, '/');
    (void)snprintf(path, sizeof(path), "%.*s.env", slash == NULL ? 0 : (int)(slash + 1 - f->path),
                   f->path);
    FILE *in = fopen(path, "rbe");
    char chunk[4096];
    size_t n;
    while (in != NULL && (n = fread(chunk, 1, sizeof(chunk), in)) > 0) {
        (void)ts_buf_add(&text, chunk, n);
    }
    if (in != NULL) {
        (void)fclose(in);
        add_file(files, "old.env", &text);
    }
    ts_buf_done(&text);
}

/* The project of the old file; and its rendered text for the backup. */
static bool read_old(const struct file *f, char *project, size_t size, json_t *files)
{
    struct ts_buf json = ts_buf_init(CONFIG_MAX);
    struct ts_buf yaml = ts_buf_init(CONFIG_MAX);
    struct ts_buf errors = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    struct ts_error err;
    bool ok =
        render(f, "--format", "json", &json, &errors) && render(f, NULL, NULL, &yaml, &errors);
    json_t *config = ok ? ts_json_parse(ts_buf_text(&json), json.len, &err) : NULL;
    const char *name = ts_json_str_or(config, "name", "");
    if (ok && (name[0] == '\0' || !ts_copy(project, size, name))) {
        ctl_error("migrate: %s: Compose names no project for it", f->path);
        ok = false;
    }
    if (ok) {
        add_file(files, "old-compose.yml", &yaml);
        add_env(files, f);
    }
    json_decref(config);
    ts_buf_done(&json);
    ts_buf_done(&yaml);
    ts_buf_done(&errors);
    return ok;
}

/* --- plan and checks */

/* Prints them; false if one does not hold. */
static bool show_checks(const struct ctl *ctl, const json_t *checks)
{
    size_t i;
    json_t *c;
    bool all = true;
    json_array_foreach(checks, i, c)
    {
        bool ok = ts_json_bool_or(c, "ok", false);
        all = all && ok;
        (void)fputs("  ", stdout);
        ctl_put(ctl, stdout, ok ? TONE_GOOD : TONE_BAD, "%s ", ok ? "\u2713" : "\u2717");
        ctl_put(ctl, stdout, TONE_PLAIN, "%s: %s", ts_json_str_or(c, "what", "?"),
                ts_json_str_or(c, "detail", ""));
        (void)putchar('\n');
    }
    return all;
}

static bool all_hold(const json_t *checks)
{
    size_t i;
    json_t *c;
    json_array_foreach(checks, i, c)
    {
        if (!ts_json_bool_or(c, "ok", false)) {
            return false;
        }
    }
    return true;
}

/* Shows what would happen. CTL_OK: it may be begun. */
static int plan(struct ctl *ctl, const struct file *to, const char *old_project)
{
    int code = CTL_FAILED;
    char tag[CTL_TAG_SIZE];
    ctl_make_tag(tag);
    json_t *preview = preview_of(to);
    if (preview == NULL) {
        return CTL_FAILED;
    }
    TS_CLEANUP(ts_json_drop)
    json_t *reply =
        ctl_call(ctl, "Move",
                 json_pack("{s:s, s:s, s:s, s:b, s:o}", "kind", "migrate", "tag", tag,
                           "old_project", old_project, "plan_only", 1, "preview", preview),
                 &code);
    const json_t *what = json_object_get(reply, "plan");
    const json_t *checks = json_object_get(what, "checks");
    if (reply == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json_line(reply);
    } else if (!json_is_object(what)) {
        ctl_put(ctl, stdout, TONE_DIM, "nothing is to be exchanged");
        (void)putchar('\n');
    } else {
        ctl_show_plan(ctl, what);
        (void)show_checks(ctl, checks);
    }
    if (!json_is_object(what)) {
        return CTL_NOT_READY;
    }
    if (!all_hold(checks)) {
        ctl_error("migrate: not everything is as it must be; nothing was changed");
        return CTL_FAILED;
    }
    return CTL_OK;
}

/* --- the command */

static int accept(struct ctl *ctl)
{
    int code;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "MoveAccept", NULL, &code);
    if (reply != NULL && !ctl->json) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN,
                "accepted: the former containers are removed; the backup stays (tradestackctl "
                "backups)");
        (void)putchar('\n');
    }
    return code;
}

static int deprecate(struct ctl *ctl, const char *reason)
{
    struct ts_error err;
    bool changed = false;
    if (!ctl_deprecate(ctl->from, ctl->to, reason, &changed, &err)) {
        ctl_error("migrate: the old file could not be marked: %s", err.msg);
        return CTL_FAILED;
    }
    if (!ctl->json) {
        ctl_put(ctl, stdout, TONE_PLAIN, "  %s %s", ctl->from,
                changed ? "is marked as deprecated" : "was marked as deprecated before");
        (void)putchar('\n');
    }
    return CTL_OK;
}

static int migrate(struct ctl *ctl, const struct ctl_compose *compose, const struct file *to)
{
    const struct file from = {.path = ctl->from};
    char old_project[128];
    TS_CLEANUP(ts_json_drop) json_t *files = json_object();
    if (!read_old(&from, old_project, sizeof(old_project), files)) {
        return CTL_FAILED;
    }
    if (strcmp(old_project, compose->project) == 0) {
        ctl_error("migrate: both files are of project \"%s\"", old_project);
        ctl_hint("a changed file is rolled out: tradestackctl up --file %s", ctl->to);
        return CTL_FAILED;
    }
    int code = plan(ctl, to, old_project);
    if (code == CTL_NOT_READY) {
        return CTL_OK;
    }
    if (code != CTL_OK || ctl->dry_run) {
        return code;
    }
    if (!ctl_confirmed(ctl, "migrate")) {
        return CTL_FAILED;
    }
    json_t *parameters =
        json_pack("{s:s, s:s, s:b, s:O}", "kind", "migrate", "old_project", old_project,
                  "no_rollback", (int)ctl->no_rollback, "files", files);
    code = ctl_exchange(ctl, compose, parameters, "migrate");
    if (code == CTL_OK && ctl->deprecate && !ctl->no_wait) {
        code = deprecate(ctl,
                         ctl->reason != NULL ? ctl->reason : "Migration to unified orchestration");
    }
    if (code == CTL_OK && !ctl->json && !ctl->no_wait) {
        ctl_hint("the former containers are kept, stopped. To remove them: tradestackctl migrate "
                 "--accept; to go back: tradestackctl rollback");
    }
    return code;
}

int ctl_run_migrate(struct ctl *ctl)
{
    int code = CTL_OK;
    if (ctl->accept && ctl->from == NULL && ctl->to == NULL) {
        return accept(ctl);
    }
    if (ctl->from == NULL || ctl->to == NULL || ctl->accept) {
        ctl_error("usage: tradestackctl migrate --from OLD --to NEW, or: migrate --accept");
        return CTL_USAGE;
    }
    TS_CLEANUP(ts_json_drop) json_t *status = ctl_compose_status(ctl, &code);
    if (status == NULL) {
        return code;
    }
    const struct ctl_compose compose = {
        .file = ctl->to,
        .env_file = ctl->env_file,
        .project = ts_json_str_or(status, "project", ""),
        .engine = ts_json_str_or(status, "engine.address", ""),
    };
    const struct file to = {.path = ctl->to, .env_file = ctl->env_file, .project = compose.project};
    ctl_use_engine(compose.engine);
    return migrate(ctl, &compose, &to);
}
