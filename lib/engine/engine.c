/* See engine.h: the handle, the negotiation, the engine's description. */
#include "engine/engine.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"

static bool set_target(struct ts_engine *e, const struct ts_address *a, struct ts_error *err)
{
    if (!ts_address_usable(a, err)) {
        return false;
    }
    ts_address_print(a, e->address);
    if (a->kind == TS_ADDRESS_UNIX || a->kind == TS_ADDRESS_NPIPE) {
        /* The host is not looked up; Go's server wants one to be there. */
        (void)snprintf(e->base_url, sizeof(e->base_url), "http://localhost");
        e->local = strdup(a->path);
        return e->local != NULL || ts_error_nomem(err);
    }
    if (a->path[0] != '\0' && strcmp(a->path, "/") != 0) {
        return ts_error_set(err, TS_E_INVALID, "an engine's address has no path: %.100s",
                            e->address);
    }
    struct ts_address bare = *a;
    bare.kind = a->kind == TS_ADDRESS_HTTPS ? TS_ADDRESS_HTTPS : TS_ADDRESS_HTTP;
    bare.path[0] = '\0';
    ts_address_print(&bare, e->base_url);
    return true;
}

struct ts_engine *ts_engine_new(struct ts_http *http, const struct ts_engine_conf *conf,
                                struct ts_error *err)
{
    struct ts_engine *e = calloc(1, sizeof(*e));
    if (e == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    e->http = http;
    e->call_ms = conf->call_ms > 0 ? conf->call_ms : TS_ENGINE_CALL_MS;
    e->action_ms = conf->action_ms > 0 ? conf->action_ms : TS_ENGINE_ACTION_MS;
    if (conf->ca_file != NULL) {
        e->ca_file = strdup(conf->ca_file);
    }
    bool copied = conf->ca_file == NULL || e->ca_file != NULL || ts_error_nomem(err);
    if (!copied || !set_target(e, &conf->address, err)) {
        ts_engine_free(e);
        return NULL;
    }
    return e;
}

void ts_engine_free(struct ts_engine *e)
{
    if (e == NULL) {
        return;
    }
    while (e->ops != NULL) {
        ts_engine_op_free(e->ops);
    }
    free(e->local);
    free(e->ca_file);
    free(e);
}

const char *ts_engine_address(const struct ts_engine *e)
{
    return e->address;
}

bool ts_engine_is_negotiated(const struct ts_engine *e)
{
    return e->api_minor != 0;
}

void ts_engine_pause(struct ts_engine *e, const char *why)
{
    (void)snprintf(e->paused, sizeof(e->paused), "%s", why == NULL ? "" : why);
}

int ts_engine_api_minor(const struct ts_engine *e)
{
    return e->api_minor;
}

/* "1.41" -> 41; 0 if it is no such thing. */
static int parse_api(const char *text)
{
    int64_t minor = 0;
    if (text == NULL || strncmp(text, "1.", 2) != 0 || !ts_parse_i64(text + 2, 1, 999, &minor)) {
        return 0;
    }
    return (int)minor;
}

static void end_negotiation(struct ts_engine_op *op, int minor, struct ts_error *err)
{
    op->engine->api_minor = minor;
    if (minor == 0) {
        ts_engine_explain(op->engine, op->what, err);
    }
    op->done.negotiated(op->ctx, minor, minor == 0 ? err : NULL);
}

static void fail_negotiation(struct ts_engine_op *op, const struct ts_error *err)
{
    op->engine->api_minor = 0;
    op->done.negotiated(op->ctx, 0, err);
}

/* The second question, asked only of an engine newer than we are: does it still speak our newest
 * version? */
static void on_version(struct ts_engine_op *op, const struct ts_http_reply *reply,
                       const struct ts_error *err)
{
    if (err != NULL) {
        fail_negotiation(op, err);
        return;
    }
    struct ts_error why;
    json_t *v TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    if (v == NULL) {
        end_negotiation(op, 0, &why);
        return;
    }
    const char *text = ts_json_str_or(v, "MinAPIVersion", "1.1");
    int min = parse_api(text);
    if (min == 0) {
        (void)ts_error_set(&why, TS_E_PROTOCOL, "\"%.20s\" is no API version", text);
        end_negotiation(op, 0, &why);
    } else if (min > TS_ENGINE_API_MAX) {
        (void)ts_error_set(&why, TS_E_UNAVAILABLE,
                           "the engine wants API 1.%d or newer, this program speaks up to 1.%d: "
                           "a newer tradestack is needed",
                           min, TS_ENGINE_API_MAX);
        end_negotiation(op, 0, &why);
    } else {
        end_negotiation(op, TS_ENGINE_API_MAX, NULL);
    }
}

static void on_ping(struct ts_engine_op *op, const struct ts_http_reply *reply,
                    const struct ts_error *err)
{
    if (err != NULL) {
        fail_negotiation(op, err);
        return;
    }
    struct ts_error why;
    const char *text = ts_http_header(reply, "Api-Version");
    int max = parse_api(text);
    if (max == 0) {
        (void)ts_error_set(&why, TS_E_PROTOCOL,
                           "what answers there is no container engine (no Api-Version header)");
        end_negotiation(op, 0, &why);
    } else if (max < TS_ENGINE_API_MIN) {
        (void)ts_error_set(&why, TS_E_UNAVAILABLE,
                           "the engine speaks up to API 1.%d, this program needs 1.%d: "
                           "Docker 19.03 or Podman 3 at least",
                           max, TS_ENGINE_API_MIN);
        end_negotiation(op, 0, &why);
    } else if (max <= TS_ENGINE_API_MAX) {
        end_negotiation(op, max, NULL);
    } else {
        const struct ts_engine_request request = {
            .method = "GET", .path = "/version", .unversioned = true};
        if (!ts_engine_op_next(op, &request, on_version, &why)) {
            end_negotiation(op, 0, &why);
        }
    }
}

struct ts_engine_op *ts_engine_negotiate(struct ts_engine *e, ts_engine_negotiated *done, void *ctx,
                                         struct ts_error *err)
{
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "negotiate the API version");
    if (op == NULL) {
        return NULL;
    }
    op->done.negotiated = done;
    const struct ts_engine_request request = {
        .method = "GET", .path = "/_ping", .unversioned = true};
    return ts_engine_op_start(op, &request, on_ping, err);
}

static void on_info(struct ts_engine_op *op, const struct ts_http_reply *reply,
                    const struct ts_error *err)
{
    struct ts_engine_details *d = op->extra;
    if (err != NULL && err->code != TS_E_DENIED) {
        op->done.described(op->ctx, NULL, err);
        return;
    }
    struct ts_error ignored;
    json_t *v TS_CLEANUP(ts_json_drop) =
        reply == NULL ? NULL : ts_engine_parse(reply->body, reply->len, &ignored);
    if (v != NULL) { /* a filtering proxy may withhold this part */
        ts_engine_clean(d->system, sizeof(d->system), ts_json_str_or(v, "OperatingSystem", ""));
        ts_engine_clean(d->log_driver, sizeof(d->log_driver),
                        ts_json_str_or(v, "LoggingDriver", ""));
        ts_engine_clean(d->cgroup_version, sizeof(d->cgroup_version),
                        ts_json_str_or(v, "CgroupVersion", ""));
        ts_engine_clean(d->root_dir, sizeof(d->root_dir), ts_json_str_or(v, "DockerRootDir", ""));
        d->live_restore = ts_json_bool_or(v, "LiveRestoreEnabled", false);
        d->containers = ts_json_i64_or(v, "Containers", 0);
        d->running = ts_json_i64_or(v, "ContainersRunning", 0);
    }
    op->done.described(op->ctx, d, NULL);
}

static void on_described(struct ts_engine_op *op, const struct ts_http_reply *reply,
                         const struct ts_error *err)
{
    struct ts_error why;
    if (err != NULL) {
        op->done.described(op->ctx, NULL, err);
        return;
    }
    json_t *v TS_CLEANUP(ts_json_drop) = ts_engine_parse(reply->body, reply->len, &why);
    if (v == NULL) {
        op->done.described(op->ctx, NULL, &why);
        return;
    }
    struct ts_engine_details *d = op->extra;
    ts_engine_clean(d->version, sizeof(d->version), ts_json_str_or(v, "Version", ""));
    ts_engine_clean(d->os, sizeof(d->os), ts_json_str_or(v, "Os", ""));
    ts_engine_clean(d->arch, sizeof(d->arch), ts_json_str_or(v, "Arch", ""));
    ts_engine_clean(d->kernel, sizeof(d->kernel), ts_json_str_or(v, "KernelVersion", ""));
    d->api_minor = op->engine->api_minor;
    d->api_max_minor = parse_api(ts_json_str_or(v, "ApiVersion", ""));
    d->api_min_minor = parse_api(ts_json_str_or(v, "MinAPIVersion", ""));
    d->is_podman = ts_http_header(reply, "Libpod-API-Version") != NULL;
    const struct ts_engine_request request = {.method = "GET", .path = "/info"};
    if (!ts_engine_op_next(op, &request, on_info, &why)) {
        op->done.described(op->ctx, NULL, &why);
    }
}

struct ts_engine_op *ts_engine_describe(struct ts_engine *e, ts_engine_described *done, void *ctx,
                                        struct ts_error *err)
{
    struct ts_engine_op *op = ts_engine_op_new(e, ctx, err, "ask for its description");
    if (op == NULL) {
        return NULL;
    }
    op->done.described = done;
    op->free_extra = free;
    op->extra = calloc(1, sizeof(struct ts_engine_details));
    if (op->extra == NULL) {
        ts_engine_op_free(op);
        (void)ts_error_nomem(err);
        return NULL;
    }
    const struct ts_engine_request request = {.method = "GET", .path = "/version"};
    return ts_engine_op_start(op, &request, on_described, err);
}
