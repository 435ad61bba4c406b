/*
 * lib/engine at the command line, for test_engine.py: one call against a real engine, every
 * callback one JSON line on stdout. Exit code 0 when the call succeeded, 1 when it failed.
 *
 *   engine_real SOCKET DEADLINE_MS negotiate|describe
 *   engine_real SOCKET DEADLINE_MS list PROJECT
 *   engine_real SOCKET DEADLINE_MS inspect|start|remove ID
 *   engine_real SOCKET DEADLINE_MS stop|restart ID SECONDS
 *   engine_real SOCKET DEADLINE_MS kill ID SIGNAL
 *   engine_real SOCKET DEADLINE_MS rename ID NAME
 *   engine_real SOCKET DEADLINE_MS policy ID NAME
 *   engine_real SOCKET DEADLINE_MS env ID NAME
 *   engine_real SOCKET DEADLINE_MS create FILE [IMAGE]  from a file with an inspect answer
 *   engine_real SOCKET DEADLINE_MS events PROJECT SINCE_NANO COUNT
 *   engine_real SOCKET DEADLINE_MS logs ID FOLLOW TTY
 *   engine_real SOCKET DEADLINE_MS read ID PATH  a file of text
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/archive.h"
#include "engine/containers.h"
#include "engine/create.h"
#include "engine/events.h"
#include "engine/logs.h"

#define MAX_ARGS 4

struct run {
    struct ts_loop *loop;
    struct ts_engine *engine;
    char **args; /* behind the command; "" where missing */
    int (*command)(struct run *r, struct ts_error *err);
    struct ts_events *events;
    struct ts_logs *logs;
    int64_t left; /* events still wanted */
    int exit_code;
};

static void say(json_t *line)
{
    if (line == NULL || json_dumpf(line, stdout, JSON_COMPACT) != 0) {
        (void)fputs("{\"error\":\"internal\",\"text\":\"bad line\"}", stdout);
    }
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(line);
}

static void end(struct run *r, const struct ts_error *err)
{
    if (err != NULL) {
        say(json_pack("{s:s, s:s, s:i}", "error", ts_code_name(err->code), "text", err->msg,
                      "detail", err->detail));
    }
    r->exit_code = err == NULL ? 0 : 1;
    ts_loop_stop(r->loop);
}

static void on_acted(void *ctx, enum ts_outcome outcome, const struct ts_error *err)
{
    if (err == NULL) {
        say(json_pack("{s:s}", "outcome", outcome == TS_OUTCOME_ALREADY ? "already" : "done"));
    }
    end(ctx, err);
}

static int started(const struct ts_engine_op *op)
{
    return op != NULL;
}

static int do_start(struct run *r, struct ts_error *err)
{
    return started(ts_container_start(r->engine, r->args[0], on_acted, r, err));
}

static int do_stop(struct run *r, struct ts_error *err)
{
    uint32_t grace = (uint32_t)strtoul(r->args[1], NULL, 10);
    return started(ts_container_stop(r->engine, r->args[0], grace, on_acted, r, err));
}

static int do_restart(struct run *r, struct ts_error *err)
{
    uint32_t grace = (uint32_t)strtoul(r->args[1], NULL, 10);
    return started(ts_container_restart(r->engine, r->args[0], grace, on_acted, r, err));
}

static int do_kill(struct run *r, struct ts_error *err)
{
    return started(ts_container_kill(r->engine, r->args[0], r->args[1], on_acted, r, err));
}

static int do_remove(struct run *r, struct ts_error *err)
{
    return started(ts_container_remove(r->engine, r->args[0], TS_REMOVE_STOPPED, on_acted, r, err));
}

static int do_rename(struct run *r, struct ts_error *err)
{
    return started(ts_container_rename(r->engine, r->args[0], r->args[1], on_acted, r, err));
}

static int do_policy(struct run *r, struct ts_error *err)
{
    struct ts_restart_policy policy = {.max_retries = 0};
    ts_copy_cut(policy.name, sizeof(policy.name), r->args[1]);
    return started(ts_container_set_policy(r->engine, r->args[0], &policy, on_acted, r, err));
}

static void on_listed(void *ctx, const struct ts_container_ref *refs, size_t count,
                      const struct ts_error *err)
{
    for (size_t i = 0; i < count; i++) {
        say(json_pack("{s:s, s:s, s:s, s:s, s:I}", "id", refs[i].id, "name", refs[i].name,
                      "service", refs[i].service, "status",
                      ts_container_status_name(refs[i].status), "number",
                      (json_int_t)refs[i].number));
    }
    end(ctx, err);
}

static int do_list(struct run *r, struct ts_error *err)
{
    return started(ts_containers_list(r->engine, r->args[0], on_listed, r, err));
}

static json_t *deps_of(const struct ts_container *c)
{
    json_t *deps = json_array();
    for (size_t i = 0; i < c->dep_count; i++) {
        (void)json_array_append_new(deps, json_string(c->deps[i].service));
    }
    return deps;
}

static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    (void)raw;
    if (c != NULL) {
        say(json_pack(
            "{s:s,s:s,s:s,s:s,s:s,s:s,s:I,s:b,s:I,s:I,s:I,s:s,s:I,s:s,s:s,s:I,s:b,s:o,s:I}", "id",
            c->id, "name", c->name, "service", c->service, "image", c->image, "image_id",
            c->image_id, "status", ts_container_status_name(c->status), "exit_code",
            (json_int_t)c->exit_code, "oom_killed", c->oom_killed, "pid", (json_int_t)c->pid,
            "started_ms", (json_int_t)c->started_at.ms, "finished_ms",
            (json_int_t)c->finished_at.ms, "health", ts_health_name(c->health), "failing_streak",
            (json_int_t)c->failing_streak, "health_output", c->health_output, "policy",
            c->policy.name, "stop_timeout_s", (json_int_t)c->stop_timeout_s, "tty", c->tty, "deps",
            deps_of(c), "networks", (json_int_t)c->network_count));
    }
    end(ctx, err);
}

static int do_inspect(struct run *r, struct ts_error *err)
{
    return started(ts_container_inspect(r->engine, r->args[0], on_inspected, r, err));
}

static void on_inspected_env(void *ctx, const struct ts_container *c, json_t *raw,
                             const struct ts_error *err)
{
    (void)c;
    struct run *r = ctx;
    struct ts_error why;
    const char *value = NULL;
    if (err == NULL && !ts_container_env(raw, r->args[1], &value, &why)) {
        err = &why;
    }
    if (err == NULL) {
        say(json_pack("{s:s?}", "value", value));
    }
    end(r, err);
}

static int do_env(struct run *r, struct ts_error *err)
{
    return started(ts_container_inspect(r->engine, r->args[0], on_inspected_env, r, err));
}

static void on_described(void *ctx, const struct ts_engine_details *d, const struct ts_error *err)
{
    if (d != NULL) {
        say(json_pack("{s:s, s:s, s:s, s:i, s:i, s:i, s:b, s:b, s:I}", "version", d->version, "os",
                      d->os, "log_driver", d->log_driver, "api", d->api_minor, "api_max",
                      d->api_max_minor, "api_min", d->api_min_minor, "podman", d->is_podman,
                      "live_restore", d->live_restore, "running", (json_int_t)d->running));
    }
    end(ctx, err);
}

static int do_describe(struct run *r, struct ts_error *err)
{
    return started(ts_engine_describe(r->engine, on_described, r, err));
}

static int do_negotiate(struct run *r, struct ts_error *err)
{
    (void)err;
    say(json_pack("{s:i}", "api", ts_engine_api_minor(r->engine)));
    end(r, NULL);
    return 1;
}

static void on_created(void *ctx, const char *id, const struct ts_error *err)
{
    if (id != NULL) {
        say(json_pack("{s:s}", "id", id));
    }
    end(ctx, err);
}

static int do_create(struct run *r, struct ts_error *err)
{
    json_error_t why;
    json_t *inspect TS_CLEANUP(ts_json_drop) = json_load_file(r->args[0], 0, &why);
    if (inspect == NULL) {
        return ts_error_set(err, TS_E_INVALID, "%s: %s", r->args[0], why.text);
    }
    const struct ts_restart_policy policy = {.name = "no"};
    const struct ts_snapshot_options options = {.policy = &policy,
                                                .image = r->args[1][0] == '\0' ? NULL : r->args[1]};
    struct ts_create_plan plan;
    if (!ts_snapshot_plan(inspect, &options, &plan, err)) {
        return 0;
    }
    int ok = started(ts_container_create(r->engine, &plan, on_created, r, err));
    ts_create_plan_done(&plan);
    return ok;
}

static void on_open(void *ctx)
{
    (void)ctx;
    say(json_pack("{s:b}", "open", 1));
}

static void on_event(void *ctx, const struct ts_engine_event *e)
{
    struct run *r = ctx;
    say(json_pack("{s:s, s:s, s:s, s:s, s:I, s:i, s:s, s:I}", "action",
                  ts_event_action_name(e->action), "id", e->id, "service", e->service, "name",
                  e->name, "exit_code", (json_int_t)e->exit_code, "signal", e->signal, "health",
                  ts_health_name(e->health), "nano", (json_int_t)e->time_nano));
    r->left--;
    if (r->left == 0) {
        ts_events_stop(r->events);
        r->events = NULL;
        end(r, NULL);
    }
}

static void on_events_end(void *ctx, const struct ts_error *err)
{
    struct run *r = ctx;
    ts_events_stop(r->events);
    r->events = NULL;
    end(r, err);
}

static int do_events(struct run *r, struct ts_error *err)
{
    static const struct ts_events_handler handler = {on_open, on_event, on_events_end};
    r->left = strtoll(r->args[2], NULL, 10);
    r->events =
        ts_events_start(r->engine, r->args[0], strtoll(r->args[1], NULL, 10), &handler, r, err);
    return r->events != NULL;
}

static void on_line(void *ctx, const struct ts_log_line *line)
{
    (void)ctx;
    say(json_pack("{s:s, s:s, s:I, s:b}", "stream",
                  line->stream == TS_LOG_STDERR ? "stderr" : "stdout", "line", line->text, "nano",
                  (json_int_t)line->time_nano, "truncated", line->truncated));
}

static void on_logs_end(void *ctx, const struct ts_error *err)
{
    struct run *r = ctx;
    ts_logs_stop(r->logs);
    r->logs = NULL;
    end(r, err);
}

static int do_logs(struct run *r, struct ts_error *err)
{
    static const struct ts_logs_handler handler = {on_line, on_logs_end};
    const struct ts_logs_options options = {.id = r->args[0],
                                            .follow = strcmp(r->args[1], "1") == 0,
                                            .tty = strcmp(r->args[2], "1") == 0,
                                            .tail = -1,
                                            .timestamps = true};
    r->logs = ts_logs_start(r->engine, &options, &handler, r, err);
    return r->logs != NULL;
}

static void on_read(void *ctx, const struct ts_container_file *file, const struct ts_error *err)
{
    static const char *const kinds[] = {"file", "link", "dir", "other"};
    if (file != NULL) {
        say(json_pack("{s:b, s:s, s:s%}", "exists", file->exists, "kind",
                      file->exists ? kinds[file->kind] : "", "text",
                      file->bytes == NULL ? "" : file->bytes, file->len));
    }
    end(ctx, err);
}

static int do_read(struct run *r, struct ts_error *err)
{
    return started(ts_container_read_file(r->engine, r->args[0], r->args[1], on_read, r, err));
}

static const struct {
    const char *name;
    int (*run)(struct run *r, struct ts_error *err);
} commands[] = {
    {"negotiate", do_negotiate}, {"describe", do_describe}, {"list", do_list},
    {"inspect", do_inspect},     {"env", do_env},           {"start", do_start},
    {"stop", do_stop},           {"restart", do_restart},   {"kill", do_kill},
    {"rename", do_rename},       {"policy", do_policy},     {"remove", do_remove},
    {"create", do_create},       {"events", do_events},     {"logs", do_logs},
    {"read", do_read},
};

static void on_negotiated(void *ctx, int api_minor, const struct ts_error *err)
{
    (void)api_minor;
    struct run *r = ctx;
    struct ts_error why;
    if (err != NULL) {
        end(r, err);
    } else if (r->command(r, &why) == 0) {
        end(r, &why);
    }
}

static bool run_all(struct run *r, const char *socket, uint32_t deadline_ms, struct ts_error *err)
{
    struct ts_engine_conf conf = {
        .address = {.kind = TS_ADDRESS_UNIX}, .call_ms = deadline_ms, .action_ms = deadline_ms};
    r->loop = ts_loop_new(ts_clock_real(), err);
    if (r->loop == NULL) {
        return false;
    }
    struct ts_http *http = ts_http_new(r->loop, err);
    bool ok = http != NULL;
    if (ok && !ts_copy(conf.address.path, TS_ADDRESS_SOCKET_MAX, socket)) {
        ok = ts_error_set(err, TS_E_INVALID, "the socket's path is too long");
    }
    r->engine = ok ? ts_engine_new(http, &conf, err) : NULL;
    ok = r->engine != NULL && ts_engine_negotiate(r->engine, on_negotiated, r, err) != NULL &&
         ts_loop_run(r->loop, NULL, NULL, err);
    ts_engine_free(r->engine);
    ts_http_free(http);
    ts_loop_free(r->loop);
    return ok;
}

int main(int argc, char **argv)
{
    static char none[] = "";
    char *args[MAX_ARGS] = {none, none, none, none};
    struct run r = {.args = args, .exit_code = 1};
    for (int i = 4; i < argc && i - 4 < MAX_ARGS; i++) {
        args[i - 4] = argv[i];
    }
    for (size_t i = 0; argc > 3 && i < TS_ARRAY_LEN(commands); i++) {
        if (strcmp(commands[i].name, argv[3]) == 0) {
            r.command = commands[i].run;
        }
    }
    if (r.command == NULL) {
        (void)fprintf(stderr, "usage: see the top of engine_real.c\n");
        return 2;
    }
    struct ts_error err;
    if (!run_all(&r, argv[1], (uint32_t)strtoul(argv[2], NULL, 10), &err)) {
        (void)fprintf(stderr, "%s\n", err.msg);
        return 2;
    }
    return r.exit_code;
}
