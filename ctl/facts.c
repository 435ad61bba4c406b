/* The facts that only this side can see. Nothing is judged here: that is the daemon's. */
#include <stdlib.h>
#include <string.h>

#include "base/digest.h"
#include "base/json.h"
#include "base/parse.h"
#include "child.h"
#include "examine.h"
#include "machine_facts.h"

#define COMPOSE_MS 30000
#define ARGS_MAX   48
#define WHY_BYTES  400

static void no_tick(void *ctx)
{
    (void)ctx;
}

/* Runs it. NULL: *ret_why says why not; else what it printed, to be freed. */
static char *run(const char *const *args, char why[WHY_BYTES])
{
    const struct ctl_child child = {.args = args, .timeout_ms = COMPOSE_MS, .tick = no_tick};
    struct ts_buf output = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    struct ts_error err;
    int status = -1;
    bool ran = ctl_child_run(&child, &output, &status, &err);
    char *text = ran && status == 0 ? strdup(ts_buf_text(&output)) : NULL;
    if (!ran) {
        ts_copy_cut(why, WHY_BYTES, err.msg);
    } else if (text == NULL) {
        ts_copy_cut(why, WHY_BYTES, ts_buf_text(&output));
        why[strcspn(why, "\r\n")] = '\0';
    }
    ts_buf_done(&output);
    return text;
}

static json_t *compose_facts(void)
{
    static const char *const args[] = {"docker", "compose", "version", "--short", NULL};
    char why[WHY_BYTES] = "";
    char *version = run(args, why);
    if (version != NULL) {
        version[strcspn(version, "\r\n")] = '\0';
    }
    json_t *facts = json_pack("{s:s, s:s}", "version", version != NULL ? version : "", "problem",
                              version != NULL  ? ""
                              : why[0] != '\0' ? why
                                               : "no answer");
    free(version);
    return facts;
}

/* --- the compose file */

struct argument_list {
    const char *args[ARGS_MAX];
    size_t count;
};

static void add(struct argument_list *list, const char *arg)
{
    if (list->count + 1 < ARGS_MAX) {
        list->args[list->count++] = arg;
        list->args[list->count] = NULL;
    }
}

static void add_each(struct argument_list *list, const char *option, const json_t *values)
{
    size_t i;
    json_t *v;
    json_array_foreach(values, i, v)
    {
        if (json_is_string(v)) {
            add(list, option);
            add(list, json_string_value(v));
        }
    }
}

/* "service hash" a line; warnings stand between them. */
static json_t *parse_hashes(char *text)
{
    json_t *hashes = json_object();
    for (char *line = text, *rest; *line != '\0'; line = rest) {
        size_t n = strcspn(line, "\r\n");
        rest = line + n + strspn(line + n, "\r\n");
        line[n] = '\0';
        char *space = strchr(line, ' ');
        if (space != NULL && ts_sha256_is_hex(space + 1)) {
            *space = '\0';
            (void)json_object_set_new(hashes, line, json_string(space + 1));
        }
    }
    return hashes;
}

static void name_files(const struct ctl *ctl, const json_t *files, char *out, size_t size)
{
    size_t i;
    json_t *v;
    size_t n = 0;
    (void)snprintf(out, size, "%s", ctl->file != NULL ? ctl->file : "");
    json_array_foreach(files, i, v)
    {
        if (ctl->file == NULL && n < size) {
            int k = snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "", json_string_value(v));
            n += k > 0 ? (size_t)k : 0;
        }
    }
}

/* What Compose would make of the file today: given, or the one that the containers were made from.
 */
static json_t *file_facts(const struct ctl *ctl, const json_t *project)
{
    const json_t *files = json_object_get(project, "files");
    struct argument_list list = {.count = 0};
    char names[1024];
    char why[WHY_BYTES] = "";
    if (ctl->file == NULL && json_array_size(files) == 0) {
        return NULL;
    }
    add(&list, "docker");
    add(&list, "compose");
    if (ctl->file != NULL) {
        add(&list, "--file");
        add(&list, ctl->file);
    } else {
        add_each(&list, "--file", files);
    }
    if (ctl->env_file != NULL) {
        add(&list, "--env-file");
        add(&list, ctl->env_file);
    } else {
        add_each(&list, "--env-file", json_object_get(project, "env_files"));
    }
    add(&list, "--project-name");
    add(&list, ts_json_str_or(project, "project", ""));
    add(&list, "config");
    add(&list, "--hash");
    add(&list, "*");
    name_files(ctl, files, names, sizeof(names));
    char *text = run(list.args, why);
    json_t *facts = json_pack("{s:s, s:o, s:s}", "names", names, "hashes",
                              text != NULL ? parse_hashes(text) : json_object(), "problem",
                              text != NULL     ? ""
                              : why[0] != '\0' ? why
                                               : "no answer");
    free(text);
    return facts;
}

/* --- the machine */

static json_t *boot_facts(const json_t *project)
{
    const struct ctl_boot_question q = {ts_json_str_or(project, "engine_unit", ""),
                                        ts_json_str_or(project, "engine", ""),
                                        ts_json_bool_or(project, "engine_start", false)};
    static const char *const answers[] = {
        [CTL_UNKNOWN] = "unknown", [CTL_NO] = "no", [CTL_YES] = "yes"};
    struct ctl_boot_fact facts[CTL_BOOT_FACTS_MAX];
    size_t n = ctl_boot_facts(&q, facts, TS_ARRAY_LEN(facts));
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:s, s:s, s:s, s:s, s:s}", "id", facts[i].id, "holds",
                              answers[facts[i].holds], "what", facts[i].what, "evidence",
                              facts[i].evidence, "cure", facts[i].cure);
        (void)json_array_append_new(list, o != NULL ? o : json_object());
    }
    return list;
}

static json_t *listener_facts(void)
{
    static struct ctl_listener listeners[CTL_LISTENERS_MAX];
    size_t n = ctl_listeners(listeners, TS_ARRAY_LEN(listeners));
    json_t *list = json_array();
    for (size_t i = 0; i < n; i++) {
        json_t *o = json_pack("{s:i, s:s, s:I, s:s}", "port", (int)listeners[i].port, "address",
                              listeners[i].address, "pid", (json_int_t)listeners[i].pid, "process",
                              listeners[i].process);
        (void)json_array_append_new(list, o != NULL ? o : json_object());
    }
    return list;
}

json_t *ctl_collect_facts(const struct ctl *ctl, const json_t *project)
{
    json_t *facts = json_pack("{s:o, s:o, s:o}", "compose", compose_facts(), "boot",
                              boot_facts(project), "listeners", listener_facts());
    json_t *files = file_facts(ctl, project);
    if (facts != NULL && files != NULL) {
        (void)json_object_set_new(facts, "files", files);
    } else {
        json_decref(files);
    }
    return facts;
}
