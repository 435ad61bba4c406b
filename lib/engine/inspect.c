/* See inspect.h. */
#include "engine/inspect.h"

#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"

#define LABEL "com.docker.compose."

static const struct {
    const char *name;
    enum ts_container_status status;
} statuses[] = {
    {"created", TS_CONTAINER_CREATED},
    {"running", TS_CONTAINER_RUNNING},
    {"paused", TS_CONTAINER_PAUSED},
    {"restarting", TS_CONTAINER_RESTARTING},
    {"removing", TS_CONTAINER_REMOVING},
    {"exited", TS_CONTAINER_EXITED},
    {"dead", TS_CONTAINER_DEAD},
    /* Podman's own words, which its compatible API lets through at times */
    {"configured", TS_CONTAINER_CREATED},
    {"initialized", TS_CONTAINER_CREATED},
    {"stopping", TS_CONTAINER_RUNNING},
    {"stopped", TS_CONTAINER_EXITED},
};

static const struct {
    const char *name;
    enum ts_health health;
} healths[] = {
    {"none", TS_HEALTH_NONE},       {"starting", TS_HEALTH_STARTING},
    {"healthy", TS_HEALTH_HEALTHY}, {"unhealthy", TS_HEALTH_UNHEALTHY},
    {"", TS_HEALTH_NONE}, /* Podman without a health check */
};

static const struct {
    const char *name;
    enum ts_dep_condition condition;
} conditions[] = {
    {"service_started", TS_DEP_STARTED},
    {"service_healthy", TS_DEP_HEALTHY},
    {"service_completed_successfully", TS_DEP_COMPLETED},
};

const char *ts_container_status_name(enum ts_container_status status)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(statuses); i++) {
        if (statuses[i].status == status) {
            return statuses[i].name;
        }
    }
    return "?";
}

bool ts_container_status_parse(const char *text, enum ts_container_status *ret)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(statuses); i++) {
        if (strcmp(statuses[i].name, text) == 0) {
            *ret = statuses[i].status;
            return true;
        }
    }
    return false;
}

const char *ts_health_name(enum ts_health health)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(healths); i++) {
        if (healths[i].health == health) {
            return healths[i].name;
        }
    }
    return "?";
}

bool ts_health_parse(const char *text, enum ts_health *ret)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(healths); i++) {
        if (strcmp(healths[i].name, text) == 0) {
            *ret = healths[i].health;
            return true;
        }
    }
    return false;
}

/* Room for whatever an answer may say, while it is read. */
struct scratch {
    struct ts_container_dep deps[TS_CONTAINER_DEPS_MAX];
    struct ts_container_port ports[TS_CONTAINER_PORTS_MAX];
    struct ts_container_network networks[TS_CONTAINER_NETWORKS_MAX];
    char config_files[TS_CONTAINER_FILES];
    char env_files[TS_CONTAINER_PATH];
};

static void *put(char **at, const void *from, size_t n)
{
    void *to = *at;
    if (n > 0) {
        memcpy(to, from, n);
    }
    *at += n;
    return to;
}

/* Gives it memory of its own for what its pointers show. Lists before texts: they are aligned. */
static bool own_lists(struct ts_container *c, struct ts_error *err)
{
    size_t deps = c->dep_count * sizeof(*c->deps);
    size_t ports = c->port_count * sizeof(*c->ports);
    size_t networks = c->network_count * sizeof(*c->networks);
    size_t config_files = strlen(c->config_files) + 1;
    size_t env_files = strlen(c->env_files) + 1;
    c->lists = malloc(deps + ports + networks + config_files + env_files);
    if (c->lists == NULL) {
        return ts_error_nomem(err);
    }
    char *at = c->lists;
    c->deps = put(&at, c->deps, deps);
    c->ports = put(&at, c->ports, ports);
    c->networks = put(&at, c->networks, networks);
    c->config_files = put(&at, c->config_files, config_files);
    c->env_files = put(&at, c->env_files, env_files);
    return true;
}

bool ts_container_copy(const struct ts_container *c, struct ts_container *ret, struct ts_error *err)
{
    struct ts_container copy = *c;
    if (!own_lists(&copy, err)) {
        return false;
    }
    *ret = copy;
    return true;
}

void ts_container_done(struct ts_container *c)
{
    free(c->lists);
    *c = (struct ts_container){0};
}

/* A label's text, "" without it. Labels have dots in their names, so no path can reach them. */
static const char *label_of(const json_t *inspect, const char *name)
{
    const char *text =
        json_string_value(json_object_get(ts_json_at(inspect, "Config.Labels"), name));
    return text == NULL ? "" : text;
}

static bool copy_whole(char *dst, size_t size, const char *text, const char *what,
                       struct ts_error *err)
{
    return ts_copy(dst, size, text) ||
           ts_error_set(err, TS_E_LIMIT, "the container's %s is longer than %zu bytes", what,
                        size - 1);
}

static ts_wall wall_of(const json_t *inspect, const char *path)
{
    const char *text = ts_json_str_or(inspect, path, "");
    int64_t nano = 0;
    if (!ts_time_parse(text, strlen(text), &nano)) {
        nano = 0;
    }
    return (ts_wall){nano / 1000000};
}

/* "service[:condition[:restart]]" */
static bool parse_dep(const char *text, size_t n, struct ts_container_dep *ret)
{
    char entry[160];
    if (n == 0 || n >= sizeof(entry)) {
        return false;
    }
    memcpy(entry, text, n);
    entry[n] = '\0';
    char *condition = strchr(entry, ':');
    char *restart = NULL;
    if (condition != NULL) {
        *condition++ = '\0';
        restart = strchr(condition, ':');
        if (restart != NULL) {
            *restart++ = '\0';
        }
    }
    struct ts_container_dep dep = {.condition = TS_DEP_STARTED,
                                   .restart = restart != NULL && strcmp(restart, "true") == 0};
    bool known = condition == NULL;
    for (size_t i = 0; condition != NULL && i < TS_ARRAY_LEN(conditions); i++) {
        if (strcmp(conditions[i].name, condition) == 0) {
            dep.condition = conditions[i].condition;
            known = true;
        }
    }
    if (!known || entry[0] == '\0' || !ts_copy(dep.service, sizeof(dep.service), entry)) {
        return false;
    }
    *ret = dep;
    return true;
}

static bool parse_deps(const char *label, struct ts_container *c, struct scratch *room,
                       struct ts_error *err)
{
    for (const char *at = label; *at != '\0';) {
        size_t n = strcspn(at, ",");
        if (c->dep_count == TS_CONTAINER_DEPS_MAX) {
            return ts_error_set(err, TS_E_LIMIT, "the container depends on more than %d services",
                                TS_CONTAINER_DEPS_MAX);
        }
        if (!parse_dep(at, n, &room->deps[c->dep_count])) {
            return ts_error_set(err, TS_E_PROTOCOL,
                                "label " LABEL "depends_on: \"%.*s\" cannot be understood",
                                (int)(n > 80 ? 80 : n), at);
        }
        c->dep_count++;
        at += n;
        at += *at == ',' ? 1 : 0;
    }
    return true;
}

static bool parse_labels(const json_t *inspect, struct ts_container *c, struct scratch *room,
                         struct ts_error *err)
{
    const struct {
        const char *label;
        char *dst;
        size_t size;
        const char *what;
    } rows[] = {
        {LABEL "service", c->service, sizeof(c->service), "service name"},
        {LABEL "project", c->project, sizeof(c->project), "project name"},
        {LABEL "config-hash", c->config_hash, sizeof(c->config_hash), "config hash"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        const char *text = label_of(inspect, rows[i].label);
        if (!copy_whole(rows[i].dst, rows[i].size, text, rows[i].what, err)) {
            return false;
        }
    }
    /* For people only, so cut. */
    ts_engine_clean(room->config_files, sizeof(room->config_files),
                    label_of(inspect, LABEL "project.config_files"));
    ts_engine_clean(room->env_files, sizeof(room->env_files),
                    label_of(inspect, LABEL "project.environment_file"));
    c->oneoff = strcmp(label_of(inspect, LABEL "oneoff"), "True") == 0;
    int64_t number = 0;
    if (ts_parse_i64(label_of(inspect, LABEL "container-number"), 1, INT32_MAX, &number)) {
        c->number = number;
    }
    return parse_deps(label_of(inspect, LABEL "depends_on"), c, room, err);
}

static void parse_health(const json_t *inspect, struct ts_container *c)
{
    const char *status = ts_json_str_or(inspect, "State.Health.Status", "none");
    if (!ts_health_parse(status, &c->health)) {
        c->health = TS_HEALTH_NONE;
    }
    c->failing_streak = ts_json_i64_or(inspect, "State.Health.FailingStreak", 0);
    const json_t *log = ts_json_at(inspect, "State.Health.Log");
    size_t n = json_array_size(log);
    if (n > 0) {
        const json_t *last = json_array_get(log, n - 1);
        c->health_exit_code = ts_json_i64_or(last, "ExitCode", 0);
        ts_engine_clean(c->health_output, sizeof(c->health_output),
                        ts_json_str_or(last, "Output", ""));
    }
}

static bool parse_state(const json_t *inspect, struct ts_container *c, struct ts_error *err)
{
    const char *status = NULL;
    if (!ts_json_str(inspect, "State.Status", &status, err)) {
        return false;
    }
    if (!ts_container_status_parse(status, &c->status)) {
        return ts_error_set(err, TS_E_PROTOCOL, "State.Status: \"%.40s\" is no state we know",
                            status);
    }
    c->exit_code = ts_json_i64_or(inspect, "State.ExitCode", 0);
    c->oom_killed = ts_json_bool_or(inspect, "State.OOMKilled", false);
    c->pid = ts_json_i64_or(inspect, "State.Pid", 0);
    c->created = wall_of(inspect, "Created");
    c->started_at = wall_of(inspect, "State.StartedAt");
    c->finished_at = wall_of(inspect, "State.FinishedAt");
    c->restart_count = ts_json_i64_or(inspect, "RestartCount", 0);
    ts_engine_clean(c->error, sizeof(c->error), ts_json_str_or(inspect, "State.Error", ""));
    parse_health(inspect, c);
    return true;
}

/* "4002/tcp" and {"HostIp": …, "HostPort": "14002"} */
static bool parse_port(const char *key, const json_t *binding, struct ts_container_port *ret)
{
    size_t n = strcspn(key, "/");
    int64_t container_port = 0;
    int64_t host_port = 0;
    struct ts_container_port port = {0};
    if (!ts_parse_i64n(key, n, 1, UINT16_MAX, &container_port) ||
        !ts_parse_i64(ts_json_str_or(binding, "HostPort", ""), 1, UINT16_MAX, &host_port) ||
        !ts_copy(port.protocol, sizeof(port.protocol), key[n] == '/' ? key + n + 1 : "tcp") ||
        !ts_copy(port.host_ip, sizeof(port.host_ip), ts_json_str_or(binding, "HostIp", ""))) {
        return false;
    }
    port.container_port = (uint16_t)container_port;
    port.host_port = (uint16_t)host_port;
    *ret = port;
    return true;
}

static void parse_ports(json_t *ports, struct ts_container *c, struct scratch *room)
{
    const char *key;
    json_t *bindings;
    json_object_foreach(ports, key, bindings)
    {
        size_t i;
        json_t *binding;
        json_array_foreach(bindings, i, binding)
        {
            struct ts_container_port port;
            if (!parse_port(key, binding, &port)) {
                continue;
            }
            if (c->port_count == TS_CONTAINER_PORTS_MAX) {
                c->ports_cut = true;
                return;
            }
            room->ports[c->port_count++] = port;
        }
    }
}

static void parse_networks(json_t *networks, struct ts_container *c, struct scratch *room)
{
    const char *name;
    json_t *network;
    json_object_foreach(networks, name, network)
    {
        if (c->network_count == TS_CONTAINER_NETWORKS_MAX) {
            c->networks_cut = true;
            return;
        }
        struct ts_container_network *n = &room->networks[c->network_count];
        const char *ip = ts_json_str_or(network, "IPAddress", "");
        if (ip[0] == '\0') {
            ip = ts_json_str_or(network, "GlobalIPv6Address", "");
        }
        if (ts_copy(n->name, sizeof(n->name), name) && ts_copy(n->ip, sizeof(n->ip), ip)) {
            c->network_count++;
        } else {
            c->networks_cut = true;
        }
    }
}

static bool parse_identity(const json_t *inspect, struct ts_container *c, struct ts_error *err)
{
    const char *id = NULL;
    if (!ts_json_str(inspect, "Id", &id, err) || !ts_engine_check_id(id, err) ||
        !copy_whole(c->id, sizeof(c->id), id, "id", err)) {
        return false;
    }
    const char *name = ts_json_str_or(inspect, "Name", "");
    name += name[0] == '/' ? 1 : 0;
    return copy_whole(c->name, sizeof(c->name), name, "name", err) &&
           copy_whole(c->image, sizeof(c->image), ts_json_str_or(inspect, "Config.Image", ""),
                      "image name", err) &&
           copy_whole(c->image_id, sizeof(c->image_id), ts_json_str_or(inspect, "Image", ""),
                      "image id", err);
}

bool ts_container_parse(const json_t *inspect, struct ts_container *ret, struct ts_error *err)
{
    struct scratch room = {.config_files = ""};
    struct ts_container c = {.deps = room.deps,
                             .ports = room.ports,
                             .networks = room.networks,
                             .config_files = room.config_files,
                             .env_files = room.env_files,
                             .stop_timeout_s = ts_json_i64_or(inspect, "Config.StopTimeout", -1),
                             .tty = ts_json_bool_or(inspect, "Config.Tty", false),
                             .auto_remove =
                                 ts_json_bool_or(inspect, "HostConfig.AutoRemove", false)};
    if (!parse_identity(inspect, &c, err) || !parse_state(inspect, &c, err) ||
        !parse_labels(inspect, &c, &room, err)) {
        return ts_error_wrap(err, "inspect answer");
    }
    const char *policy = ts_json_str_or(inspect, "HostConfig.RestartPolicy.Name", "no");
    ts_copy_cut(c.policy.name, sizeof(c.policy.name), policy[0] == '\0' ? "no" : policy);
    c.policy.max_retries = ts_json_i64_or(inspect, "HostConfig.RestartPolicy.MaximumRetryCount", 0);
    parse_ports(ts_json_at(inspect, "NetworkSettings.Ports"), &c, &room);
    parse_networks(ts_json_at(inspect, "NetworkSettings.Networks"), &c, &room);
    return ts_container_copy(&c, ret, err);
}

bool ts_container_env(const json_t *inspect, const char *name, const char **ret_value,
                      struct ts_error *err)
{
    const json_t *config = ts_json_at(inspect, "Config");
    const json_t *env = json_object_get(config, "Env");
    if (!json_is_object(config) || (env != NULL && !json_is_array(env) && !json_is_null(env))) {
        return ts_error_set(err, TS_E_PROTOCOL, "Config.Env: want an array");
    }
    const char *value = NULL;
    size_t len = strlen(name);
    for (size_t i = 0; i < json_array_size(env); i++) {
        const json_t *item = json_array_get(env, i);
        const char *entry = json_string_value(item);
        /* What stands behind a NUL would be hidden from us but perhaps not from the process. */
        if (entry == NULL || strlen(entry) != json_string_length(item)) {
            return ts_error_set(err, TS_E_PROTOCOL, "Config.Env: entry %zu is no text", i);
        }
        if (strncmp(entry, name, len) == 0 && entry[len] == '=') {
            value = entry + len + 1;
        }
    }
    *ret_value = value;
    return true;
}
