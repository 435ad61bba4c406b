/*
 * The real Compose makes the containers (and nothing more: --no-start), the daemon runs them. The
 * daemon itself never starts a program.
 */
#include "compose.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "child.h"
#include "ctl.h"

#define ARGS_MAX    24
#define COMPOSE_MS  (30 * 60 * 1000) /* pulling images takes its time */
#define SHOWN_LINES 40
#define SHOWN_BYTES 500

/* docker compose --file F [--env-file E] --project-name P up --no-start … */
static void build_args(const struct ctl_compose *compose, const char **args)
{
    size_t n = 0;
    args[n++] = "docker";
    args[n++] = "compose";
    args[n++] = "--file";
    args[n++] = compose->file;
    if (compose->env_file != NULL) {
        args[n++] = "--env-file";
        args[n++] = compose->env_file;
    }
    args[n++] = "--project-name";
    args[n++] = compose->project;
    args[n++] = "up";
    args[n++] = "--no-start";
    args[n++] = "--remove-orphans";
    args[n] = NULL;
}

void ctl_show_output(const struct ts_buf *output)
{
    const char *text = ts_buf_text(output);
    const char *from = text + output->len;
    for (int lines = 0; from > text && lines <= SHOWN_LINES; from--) {
        lines += from[-1] == '\n';
        if (lines > SHOWN_LINES) {
            break;
        }
    }
    while (*from != '\0') {
        size_t len = strcspn(from, "\n");
        char line[SHOWN_BYTES];
        (void)snprintf(line, sizeof(line), "%.*s", (int)len, from);
        ctl_hint("  %s", line);
        from += len;
        from += *from == '\n';
    }
}

static void tick(void *ctx)
{
    ctl_progress_tick(ctx);
}

void ctl_use_engine(const char *engine)
{
    if (engine[0] != '\0') {
        ctl_child_env("DOCKER_HOST", engine);
        ctl_child_env("DOCKER_CONTEXT", NULL);
    }
}

static int explain_compose(const struct ctl_compose *compose, bool ran, int status,
                           const struct ts_error *err)
{
    if (ran) {
        ctl_error("docker compose could not create the containers (exit status %d):", status);
        return CTL_FAILED;
    }
    ctl_error("docker compose could not create the containers: %s", err->msg);
    if (err->code == TS_E_NOT_FOUND) {
        ctl_hint("install the docker command and its Compose plug-in, or create the containers "
                 "elsewhere and run tradestackctl up without --file");
    } else if (err->code == TS_E_TIMEOUT) {
        ctl_hint("give it longer (--timeout), or pull first: docker compose --file %s pull",
                 compose->file);
    } else if (err->code == TS_E_CANCELLED) {
        ctl_hint("nothing was started; run the same command again to go on");
    }
    return CTL_FAILED;
}

int ctl_compose_create(struct ctl *ctl, const struct ctl_compose *compose)
{
    const char *args[ARGS_MAX];
    struct ctl_progress progress = ctl_progress_init(ctl);
    const struct ctl_child child = {.args = args,
                                    .timeout_ms =
                                        ctl->timeout_ms > 0 ? ctl->timeout_ms : COMPOSE_MS,
                                    .tick = tick,
                                    .ctx = &progress};
    struct ctl_step step = {.service = "compose", .step = "creating"};
    struct ts_buf output = ts_buf_init(CTL_CHILD_OUTPUT_MAX);
    struct ts_error err;
    int status = -1;
    ts_mono began = ctl_now();
    build_args(compose, args);
    ctl_use_engine(compose->engine);
    ctl_catch_interrupt();
    ts_copy_cut(step.detail, sizeof(step.detail), compose->file);
    if (ctl->live && !ctl->json) {
        ctl_progress_step(&progress, &step);
    }
    bool ran = ctl_child_run(&child, &output, &status, &err);
    bool ok = ran && status == 0;
    step = (struct ctl_step){.service = "compose",
                             .step = "created",
                             .took_ms = ts_mono_diff(began, ctl_now()),
                             .done = true,
                             .ok = true};
    ts_copy_cut(step.detail, sizeof(step.detail), compose->file);
    if (ok && !ctl->json) {
        ctl_progress_step(&progress, &step);
    }
    ctl_progress_end(&progress);
    int code = ok ? CTL_OK : explain_compose(compose, ran, status, &err);
    if (!ok) {
        ctl_show_output(&output);
    }
    ts_buf_done(&output);
    return code;
}

json_t *ctl_compose_status(struct ctl *ctl, int *ret_exit)
{
    /* A daemon that has just started knows what runs only after its first list. */
    TS_CLEANUP(ts_json_drop) json_t *scanned = ctl_call(ctl, "Rescan", NULL, ret_exit);
    json_t *status = scanned == NULL ? NULL : ctl_call(ctl, "GetStatus", NULL, ret_exit);
    const char *project = ts_json_str_or(status, "project", "");
    if (status != NULL && ctl->project != NULL && strcmp(ctl->project, project) != 0) {
        ctl_error("the daemon supervises project \"%s\", not \"%s\"", project, ctl->project);
        ctl_hint("set [daemon] project in tradestackd.conf and restart it, or leave --project out");
        json_decref(status);
        *ret_exit = CTL_USAGE;
        return NULL;
    }
    return status;
}
