/* What ran before an exchange of containers: shown, checked, pruned, put back. */
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "ctl.h"

#define KEEP_MAX 1000

static void show_size(int64_t bytes, char *out, size_t size)
{
    (void)snprintf(out, size, "%lld kB", (long long)((bytes + 1023) / 1024));
}

static void put_list(const struct ctl *ctl, const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        ctl_put(ctl, stdout, TONE_PLAIN, "%s%s", i > 0 ? ", " : "",
                json_is_string(v) ? json_string_value(v) : "?");
    }
}

static int list(struct ctl *ctl)
{
    int code;
    size_t i;
    json_t *b;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "Backups", NULL, &code);
    const json_t *backups = json_object_get(reply, "backups");
    if (reply == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json(backups);
        return CTL_OK;
    }
    json_array_foreach(backups, i, b)
    {
        char age[48];
        const char *problem = ts_json_str_or(b, "problem", "");
        ctl_since(ts_json_str_or(b, "at", ""), age, sizeof(age));
        ctl_put(ctl, stdout, TONE_PLAIN,
                "%s  %s ago, before a %s by %s: ", ts_json_str_or(b, "name", "?"), age,
                ts_json_str_or(b, "kind", "?"), ts_json_str_or(b, "by", "?"));
        put_list(ctl, json_object_get(b, "containers"));
        if (problem[0] != '\0') {
            ctl_put(ctl, stdout, TONE_BAD, "  %s", problem);
        }
        (void)putchar('\n');
    }
    if (json_array_size(backups) == 0) {
        ctl_put(
            ctl, stdout, TONE_DIM,
            "no backups yet: one is made by each migrate, and by each up that changes something");
        (void)putchar('\n');
    }
    return CTL_OK;
}

static int show(struct ctl *ctl, const char *name)
{
    int code;
    size_t i;
    json_t *v;
    char size[32];
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, "BackupShow", json_pack("{s:s}", "name", name), &code);
    if (reply == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json(reply);
        return CTL_OK;
    }
    ctl_put(ctl, stdout, TONE_PLAIN, "%s, before a %s by %s", name,
            ts_json_str_or(reply, "backup.kind", "?"), ts_json_str_or(reply, "backup.by", "?"));
    (void)putchar('\n');
    json_array_foreach(json_object_get(reply, "containers"), i, v)
    {
        ctl_put(ctl, stdout, TONE_PLAIN, "  %s  %s, project %s: %s (%.19s)",
                ts_json_bool_or(v, "ran", false) ? "ran    " : "stopped",
                ts_json_str_or(v, "container", "?"), ts_json_str_or(v, "project", "?"),
                ts_json_str_or(v, "image", "?"), ts_json_str_or(v, "image_id", "?"));
        (void)putchar('\n');
    }
    json_array_foreach(json_object_get(reply, "files"), i, v)
    {
        show_size(ts_json_i64_or(v, "bytes", 0), size, sizeof(size));
        ctl_put(ctl, stdout, TONE_DIM, "  %s  %s, SHA-256 %.16s", ts_json_str_or(v, "name", "?"),
                size, ts_json_str_or(v, "sha256", "?"));
        (void)putchar('\n');
    }
    return CTL_OK;
}

static int verify(struct ctl *ctl, const char *name)
{
    int code;
    TS_CLEANUP(ts_json_drop)
    json_t *reply = ctl_call(ctl, "BackupVerify", json_pack("{s:s}", "name", name), &code);
    if (reply == NULL) {
        return code;
    }
    bool sound = ts_json_bool_or(reply, "sound", false);
    if (ctl->json) {
        ctl_print_json(reply);
    } else if (sound) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN, "%s is whole: every file is as it was written", name);
        (void)putchar('\n');
    } else {
        ctl_error("%s is damaged: %s", name, ts_json_str_or(reply, "problem", ""));
    }
    return sound ? CTL_OK : CTL_FAILED;
}

static int prune(struct ctl *ctl)
{
    int code;
    json_t *parameters = ctl->keep >= 0 ? json_pack("{s:I}", "keep", (json_int_t)ctl->keep) : NULL;
    TS_CLEANUP(ts_json_drop) json_t *reply = ctl_call(ctl, "BackupPrune", parameters, &code);
    const json_t *removed = json_object_get(reply, "removed");
    if (reply == NULL) {
        return code;
    }
    if (ctl->json) {
        ctl_print_json(reply);
        return CTL_OK;
    }
    ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
    ctl_put(ctl, stdout, TONE_PLAIN, "%zu removed%s", json_array_size(removed),
            json_array_size(removed) > 0 ? ": " : "");
    put_list(ctl, removed);
    (void)putchar('\n');
    return CTL_OK;
}

int ctl_run_backups(struct ctl *ctl)
{
    const char *what = ctl->argc > 0 ? ctl->argv[0] : "list";
    bool takes_name = strcmp(what, "show") == 0 || strcmp(what, "verify") == 0;
    if (takes_name != (ctl->argc == 2) || (ctl->keep >= 0 && strcmp(what, "prune") != 0)) {
        ctl_error("usage: tradestackctl backups [list | show BACKUP | verify BACKUP | prune "
                  "[--keep N]]");
        return CTL_USAGE;
    }
    if (takes_name) {
        return strcmp(what, "show") == 0 ? show(ctl, ctl->argv[1]) : verify(ctl, ctl->argv[1]);
    }
    if (strcmp(what, "list") == 0) {
        return list(ctl);
    }
    if (strcmp(what, "prune") == 0) {
        return prune(ctl);
    }
    ctl_error("backups: want list, show, verify or prune, not \"%s\"", what);
    return CTL_USAGE;
}
