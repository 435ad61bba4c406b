/*
 * `up`: the real Compose makes the containers (and nothing more: --no-start), the daemon runs them.
 * The daemon itself never starts a program.
 */
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/clock.h"
#include "base/json.h"
#include "ctl.h"

#define ARGS_MAX   24
#define OUTPUT_MAX (64 * 1024)

static int64_t now_ms(void)
{
    const struct ts_clock *clock = ts_clock_real();
    return clock->mono(clock->ctx).ms;
}

/* docker compose [-p P] -f F [--env-file E] up --no-start … */
static void build_args(const struct ctl *ctl, const char *project, const char **args)
{
    size_t n = 0;
    args[n++] = "docker";
    args[n++] = "compose";
    args[n++] = "--file";
    args[n++] = ctl->file;
    if (ctl->env_file != NULL) {
        args[n++] = "--env-file";
        args[n++] = ctl->env_file;
    }
    args[n++] = "--project-name";
    args[n++] = project;
    args[n++] = "up";
    args[n++] = "--no-start";
    args[n++] = "--remove-orphans";
    args[n] = NULL;
}

static void run_child(const char *engine, const char *const *args, int out)
{
    if (engine[0] != '\0') {
        /* NOLINTBEGIN(concurrency-mt-unsafe): a child of one thread */
        (void)setenv("DOCKER_HOST", engine, 1);
        (void)unsetenv("DOCKER_CONTEXT");
        /* NOLINTEND(concurrency-mt-unsafe) */
    }
    (void)dup2(out, STDOUT_FILENO);
    (void)dup2(out, STDERR_FILENO);
    (void)close(out);
    char *copy[ARGS_MAX];
    size_t n = 0;
    for (; args[n] != NULL && n + 1 < ARGS_MAX; n++) {
        copy[n] = strdup(args[n]);
    }
    copy[n] = NULL;
    (void)execvp(copy[0], copy);
    (void)dprintf(STDERR_FILENO, "cannot run %s: is the docker command installed?\n", copy[0]);
    _exit(127);
}

/* Runs Compose with its output kept. Returns its exit status, or -1. */
static int run_compose(const char *engine, const char *const *args, struct ts_buf *output)
{
    int ends[2];
    if (pipe(ends) != 0) {
        return -1;
    }
    pid_t pid = fork();
    if (pid == 0) {
        (void)close(ends[0]);
        run_child(engine, args, ends[1]);
    }
    (void)close(ends[1]);
    char chunk[4096];
    ssize_t n;
    while (pid > 0 &&
           ((n = read(ends[0], chunk, sizeof(chunk))) > 0 || (n < 0 && errno == EINTR))) {
        if (n > 0 && output->len + (size_t)n < OUTPUT_MAX) {
            (void)ts_buf_add(output, chunk, (size_t)n);
        }
    }
    (void)close(ends[0]);
    int status = -1;
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR) {
    }
    return pid > 0 && WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static void show_output(const struct ctl *ctl, const struct ts_buf *output)
{
    const char *line = ts_buf_text(output);
    while (*line != '\0') {
        size_t len = strcspn(line, "\n");
        char text[512];
        (void)snprintf(text, sizeof(text), "%.*s", (int)len, line);
        (void)fputs("      ", stderr);
        ctl_put(ctl, stderr, TONE_PLAIN, text);
        (void)fputc('\n', stderr);
        line += len;
        line += *line == '\n';
    }
}

static int create_containers(struct ctl *ctl)
{
    int code = CTL_OK;
    TS_CLEANUP(ts_json_drop) json_t *status = ctl_call(ctl, "GetStatus", NULL, &code);
    if (status == NULL) {
        return code;
    }
    const char *project = ts_json_str_or(status, "project", "");
    if (ctl->project != NULL && strcmp(ctl->project, project) != 0) {
        (void)fprintf(stderr,
                      "tradestackctl: the daemon supervises project \"%s\", not \"%s\"\n"
                      "  set [daemon] project in tradestackd.conf and restart it, or leave "
                      "--project out\n",
                      project, ctl->project);
        return CTL_USAGE;
    }
    const char *args[ARGS_MAX];
    struct ts_buf output = ts_buf_init(OUTPUT_MAX);
    char span[TS_SPAN_TEXT];
    int64_t began = now_ms();
    build_args(ctl, project, args);
    int result = run_compose(ts_json_str_or(status, "engine.address", ""), args, &output);
    ts_span_format(now_ms() - began, span);
    if (result == 0) {
        if (!ctl->json) {
            ctl_put(ctl, stdout, TONE_GOOD, "  \u2713 ");
            (void)printf("%-16s %-10s %9s  from %s\n", "compose", "created", span, ctl->file);
            (void)fflush(stdout);
        }
    } else {
        (void)fprintf(stderr,
                      "tradestackctl: docker compose could not create the containers (exit "
                      "status %d, after %s):\n",
                      result, span);
        show_output(ctl, &output);
        code = CTL_FAILED;
    }
    ts_buf_done(&output);
    return code;
}

int ctl_run_up(struct ctl *ctl)
{
    int code = CTL_OK;
    if (ctl->file == NULL && (ctl->env_file != NULL || ctl->project != NULL)) {
        (void)fprintf(stderr, "tradestackctl: --env-file and --project go with --file\n");
        return CTL_USAGE;
    }
    if (ctl->file != NULL) {
        code = create_containers(ctl);
        if (code != CTL_OK) {
            return code;
        }
    }
    TS_CLEANUP(ts_json_drop) json_t *scanned = ctl_call(ctl, "Rescan", NULL, &code);
    if (scanned == NULL) {
        return code;
    }
    if (json_array_size(json_object_get(scanned, "services")) == 0) {
        (void)fprintf(stderr, "tradestackctl: the project has no containers\n"
                              "  create them: tradestackctl up --file docker-compose.yml\n");
        return CTL_FAILED;
    }
    return ctl_operate(ctl, "Start", NULL, ctl->wait || !ctl->no_wait);
}
