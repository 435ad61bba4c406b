/*
 * `up`: from nothing, Compose creates and the daemon starts. Beside containers that exist, new ones
 * are staged, and the daemon exchanges what is different.
 */
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "move.h"
#include "stage.h"

#define STEP_MS (20 * 60 * 1000) /* one step: a long stop grace, a slow login */

void ctl_make_tag(char out[CTL_TAG_SIZE])
{
    const struct ts_clock *clock = ts_clock_real();
    char text[TS_WALL_TEXT];
    size_t n = 0;
    ts_wall_format(clock->wall(clock->ctx), text);
    for (const char *at = text; *at != '\0' && n < CTL_TAG_SIZE - 1; at++) {
        if (isdigit((unsigned char)*at)) {
            out[n++] = *at;
        }
    }
    out[n] = '\0';
}

/* Are there containers that Compose would replace? */
static bool has_containers(const json_t *status)
{
    size_t i;
    json_t *s;
    json_array_foreach(json_object_get(status, "services"), i, s)
    {
        if (strcmp(ts_json_str_or(s, "state", ""), "absent") != 0) {
            return true;
        }
    }
    return false;
}

static void drop_staged(struct ctl *ctl, const char *tag)
{
    int code;
    json_decref(ctl_call(ctl, "MoveDrop", json_pack("{s:s}", "tag", tag), &code));
}

/* New containers beside those that run, under the tag. */
static int stage(struct ctl *ctl, const struct ctl_compose *compose, const char *tag)
{
    struct ts_error err;
    char suffix[CTL_TAG_SIZE + 8];
    (void)snprintf(suffix, sizeof(suffix), ".next-%s", tag);
    struct ctl_stage *proxy = ctl_stage_open(compose->engine, compose->project, suffix, &err);
    if (proxy == NULL) {
        ctl_error("up: %s", err.msg);
        ctl_hint("a changed file cannot be rolled out here; stop the stack first (tradestackctl "
                 "down), remove its containers, and run up again");
        return CTL_FAILED;
    }
    struct ctl_compose staged = *compose;
    staged.engine = ctl_stage_address(proxy);
    int code = ctl_compose_create(ctl, &staged);
    ctl_stage_close(proxy);
    if (code != CTL_OK) {
        drop_staged(ctl, tag);
    }
    return code;
}

/* --- following the daemon */

struct following {
    struct ctl_progress progress;
    bool exchanged; /* there was something to be exchanged */
    bool planned;   /* its plan has been shown before */
};

static void each_reply(void *ctx, const struct ctl *ctl, const json_t *reply)
{
    struct following *f = ctx;
    const json_t *plan = json_object_get(reply, "plan");
    const json_t *step = json_object_get(reply, "step");
    bool goes_on = strcmp(ts_json_str_or(reply, "move.way", ""), "forward") == 0; /* unwaited */
    f->exchanged = f->exchanged || goes_on || json_is_object(plan);
    if (json_is_object(step)) {
        ctl_show_step(&f->progress, ctl, step);
    } else if (ctl->json) {
        ctl_print_json_line(reply);
    } else if (json_is_object(plan) && !f->planned) {
        ctl_show_plan(ctl, plan);
    }
}

static void tick(void *ctx, const struct ctl *ctl)
{
    struct following *f = ctx;
    (void)ctl;
    ctl_progress_tick(&f->progress);
}

static void end(void *ctx, const struct ctl *ctl)
{
    struct following *f = ctx;
    (void)ctl;
    ctl_progress_end(&f->progress);
}

static int follow_move(struct ctl *ctl, const char *method, json_t *take_parameters,
                       const char *what, bool *ret_exchanged)
{
    struct following f = {.progress = ctl_progress_init(ctl),
                          .planned = strcmp(what, "migrate") == 0};
    const struct ctl_follower follower = {each_reply, tick, end, &f};
    int code = ctl_follow(ctl, method, take_parameters, what,
                          ctl->timeout_ms > 0 ? ctl->timeout_ms : STEP_MS, &follower);
    if (ctl_interrupted()) {
        ctl_error("not waiting any longer for: %s", what);
        ctl_hint("the daemon goes on with it: tradestackctl watch; to go back: tradestackctl "
                 "rollback");
        code = CTL_FAILED;
    }
    *ret_exchanged = f.exchanged;
    return code;
}

/* *ret_begun: containers are being exchanged, and nobody waits for it. */
static int exchange(struct ctl *ctl, const struct ctl_compose *compose, json_t *take_parameters,
                    const char *what, bool *ret_begun)
{
    char tag[CTL_TAG_SIZE];
    bool exchanged = false;
    *ret_begun = false;
    ctl_make_tag(tag);
    int code = stage(ctl, compose, tag);
    if (code != CTL_OK) {
        json_decref(take_parameters);
        return code;
    }
    (void)json_object_set_new(take_parameters, "tag", json_string(tag));
    (void)json_object_set_new(take_parameters, "wait", json_boolean(!ctl->no_wait));
    code = follow_move(ctl, "Move", take_parameters, what, &exchanged);
    if (code != CTL_OK && !exchanged) { /* refused: what was made for it is not needed */
        drop_staged(ctl, tag);
    }
    if (code == CTL_OK && !exchanged && !ctl->json && !ctl->no_wait) {
        ctl_put(ctl, stdout, TONE_DIM, "nothing has changed: no container is exchanged");
        (void)putchar('\n');
    }
    *ret_begun = exchanged && ctl->no_wait;
    if (*ret_begun && !ctl->json) {
        ctl_put(ctl, stdout, TONE_GOOD, "\u2713 ");
        ctl_put(ctl, stdout, TONE_PLAIN,
                "containers are being exchanged: the daemon does it; see tradestackctl watch");
        (void)putchar('\n');
    }
    return code;
}

int ctl_exchange(struct ctl *ctl, const struct ctl_compose *compose, json_t *take_parameters,
                 const char *what)
{
    bool ignored;
    return exchange(ctl, compose, take_parameters, what, &ignored);
}

static int create(struct ctl *ctl, bool *ret_begun)
{
    int code = CTL_OK;
    TS_CLEANUP(ts_json_drop) json_t *status = ctl_compose_status(ctl, &code);
    if (status == NULL) {
        return code;
    }
    const struct ctl_compose compose = {
        .file = ctl->file,
        .env_file = ctl->env_file,
        .project = ts_json_str_or(status, "project", ""),
        .engine = ts_json_str_or(status, "engine.address", ""),
    };
    return has_containers(status)
               ? exchange(ctl, &compose, json_pack("{s:s}", "kind", "rollout"), "up", ret_begun)
               : ctl_compose_create(ctl, &compose);
}

bool ctl_confirmed(const struct ctl *ctl, const char *what)
{
    char answer[8] = "";
    if (ctl->yes) {
        return true;
    }
    if (!ctl->asks) {
        ctl_error("%s: not confirmed", what);
        ctl_hint("say --yes; --dry-run shows what would happen");
        return false;
    }
    ctl_put(ctl, stdout, TONE_PLAIN, "Do it? [y/N] ");
    (void)fflush(stdout);
    return fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
}

/* What is under way needs no plan: it goes back. */
static bool is_under_way(struct ctl *ctl, int *ret_code)
{
    TS_CLEANUP(ts_json_drop) json_t *status = ctl_call(ctl, "GetStatus", NULL, ret_code);
    const char *way = ts_json_str_or(status, "move.way", "");
    return strcmp(way, "forward") == 0 || strcmp(way, "halted") == 0;
}

static int rollback(struct ctl *ctl, bool plan_only)
{
    bool exchanged = false;
    json_t *parameters =
        json_pack("{s:b, s:b, s:b, s:s*}", "plan_only", (int)plan_only, "wait",
                  (int)(!plan_only && !ctl->no_wait), "no_rollback", (int)ctl->no_rollback,
                  "backup", ctl->argc > 0 ? ctl->argv[0] : NULL);
    int code = follow_move(ctl, "Rollback", parameters, "rollback", &exchanged);
    if (code == CTL_OK && plan_only && !exchanged && !ctl->json) {
        ctl_put(ctl, stdout, TONE_DIM, "nothing differs from the backup");
        (void)putchar('\n');
    }
    return code;
}

int ctl_run_rollback(struct ctl *ctl)
{
    int code = CTL_OK;
    bool turns = ctl->argc == 0 && is_under_way(ctl, &code);
    if (code != CTL_OK) {
        return code;
    }
    if (turns) { /* that it did not succeed is what was wanted */
        code = rollback(ctl, false);
        return code == CTL_FAILED && !ctl_interrupted() ? CTL_OK : code;
    }
    if (!ctl->yes) {
        code = rollback(ctl, true);
    }
    if (code != CTL_OK || ctl->dry_run) {
        return code;
    }
    return ctl_confirmed(ctl, "rollback") ? rollback(ctl, false) : CTL_FAILED;
}

int ctl_run_up(struct ctl *ctl)
{
    int code = CTL_OK;
    bool begun = false;
    if (ctl->file == NULL && (ctl->env_file != NULL || ctl->project != NULL)) {
        ctl_error("up: --env-file and --project go with --file");
        return CTL_USAGE;
    }
    if (ctl->file != NULL) {
        code = create(ctl, &begun);
        if (code != CTL_OK || begun) { /* the daemon starts what it exchanges */
            return code;
        }
    }
    TS_CLEANUP(ts_json_drop) json_t *scanned = ctl_call(ctl, "Rescan", NULL, &code);
    if (scanned == NULL) {
        return code;
    }
    if (json_array_size(json_object_get(scanned, "services")) == 0) {
        ctl_error("the project has no containers");
        ctl_hint("create them: tradestackctl up --file docker-compose.yml");
        return CTL_FAILED;
    }
    return ctl_operate(ctl, "Start", NULL);
}
