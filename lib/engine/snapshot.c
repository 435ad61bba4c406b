/* See snapshot.h. */
#include "engine/snapshot.h"

#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"

/* Of inspect's Config, what a create request knows. MacAddress is there only if it was asked for.
 */
static const char *const config_keys[] = {
    "Domainname",      "User",         "AttachStdin", "AttachStdout",
    "AttachStderr",    "ExposedPorts", "Tty",         "OpenStdin",
    "StdinOnce",       "Env",          "Cmd",         "Healthcheck",
    "ArgsEscaped",     "Volumes",      "WorkingDir",  "Entrypoint",
    "NetworkDisabled", "MacAddress",   "Labels",      "StopSignal",
    "StopTimeout",     "Shell",        "Hostname",
};

/* What cannot be asked for when another container's network is used. */
static const char *const own_network_keys[] = {"Hostname", "Domainname", "ExposedPorts",
                                               "MacAddress"};

void ts_create_plan_done(struct ts_create_plan *plan)
{
    json_decref(plan->body);
    plan->body = NULL;
    for (size_t i = 0; i < plan->later_count; i++) {
        json_decref(plan->later[i].endpoint);
    }
    plan->later_count = 0;
}

static bool is_empty(const json_t *v)
{
    return v == NULL || json_is_null(v) || (json_is_object(v) && json_object_size(v) == 0) ||
           (json_is_array(v) && json_array_size(v) == 0) ||
           (json_is_string(v) && json_string_length(v) == 0);
}

static bool set_copy(json_t *object, const char *key, const json_t *value)
{
    return is_empty(value) || json_object_set_new(object, key, json_deep_copy(value)) == 0;
}

/* The container's short id into out; "" if there is none. */
static void short_id(const json_t *inspect, char out[TS_ENGINE_SHORT_ID + 1])
{
    const char *id = ts_json_str_or(inspect, "Id", "");
    if (strlen(id) < TS_ENGINE_SHORT_ID) {
        id = "";
    }
    memcpy(out, id, strnlen(id, TS_ENGINE_SHORT_ID));
    out[strnlen(id, TS_ENGINE_SHORT_ID)] = '\0';
}

static json_t *copy_config(const json_t *inspect)
{
    const json_t *config = ts_json_at(inspect, "Config");
    json_t *body = json_object();
    bool ok = body != NULL;
    for (size_t i = 0; ok && i < TS_ARRAY_LEN(config_keys); i++) {
        ok = set_copy(body, config_keys[i], json_object_get(config, config_keys[i]));
    }
    if (!ok) {
        json_decref(body);
        return NULL;
    }
    char id[TS_ENGINE_SHORT_ID + 1];
    short_id(inspect, id);
    const char *host_name = ts_json_str_or(body, "Hostname", "");
    bool shares_host_name = strcmp(ts_json_str_or(inspect, "HostConfig.UTSMode", ""), "host") == 0;
    if (strcmp(host_name, id) == 0 || shares_host_name) {
        (void)json_object_del(body, "Hostname"); /* made by the engine, from the old id */
    }
    return body;
}

/* "/db:/web/alias" as inspect shows a legacy link, to "db:alias" as create wants it. */
static json_t *convert_link(const char *link)
{
    const char *colon = strchr(link, ':');
    const char *slash = strrchr(link, '/');
    if (colon == NULL || slash == NULL || slash < colon) {
        return json_string(link);
    }
    const char *from = link[0] == '/' ? link + 1 : link;
    return json_sprintf("%.*s:%s", (int)(colon - from), from, slash + 1);
}

static bool convert_links(json_t *host)
{
    const json_t *links = json_object_get(host, "Links");
    if (is_empty(links)) {
        return true;
    }
    json_t *converted = json_array();
    bool ok = converted != NULL;
    for (size_t i = 0; ok && i < json_array_size(links); i++) {
        const char *link = json_string_value(json_array_get(links, i));
        ok = link == NULL || json_array_append_new(converted, convert_link(link)) == 0;
    }
    if (!ok) {
        json_decref(converted);
        return false;
    }
    return json_object_set_new(host, "Links", converted) == 0;
}

static bool set_policy(json_t *host, const struct ts_restart_policy *policy)
{
    if (policy == NULL) {
        return true;
    }
    return json_object_set_new(host, "RestartPolicy",
                               json_pack("{s:s, s:I}", "Name", policy->name, "MaximumRetryCount",
                                         (json_int_t)policy->max_retries)) == 0;
}

/* Does a bind ("source:destination[:mode]") mount something there? */
static bool has_bind(const json_t *host, const char *destination)
{
    const json_t *binds = json_object_get(host, "Binds");
    size_t len = strlen(destination);
    for (size_t i = 0; i < json_array_size(binds); i++) {
        const char *bind = json_string_value(json_array_get(binds, i));
        const char *colon = bind == NULL ? NULL : strchr(bind, ':');
        if (colon != NULL && strncmp(colon + 1, destination, len) == 0 &&
            (colon[1 + len] == '\0' || colon[1 + len] == ':')) {
            return true;
        }
    }
    return false;
}

/* The entry of HostConfig.Mounts for that place, or NULL. Borrowed. */
static json_t *find_mount(const json_t *mounts, const char *destination)
{
    for (size_t i = 0; i < json_array_size(mounts); i++) {
        json_t *mount = json_array_get(mounts, i);
        if (strcmp(ts_json_str_or(mount, "Target", ""), destination) == 0) {
            return mount;
        }
    }
    return NULL;
}

/* Names an anonymous volume, so that the new container gets the old one's data: it stands only in
 * the list of what is really mounted. */
static bool keep_volume(json_t *host, json_t *mounts, const json_t *real)
{
    const char *name = ts_json_str_or(real, "Name", "");
    const char *destination = ts_json_str_or(real, "Destination", "");
    bool is_volume = strcmp(ts_json_str_or(real, "Type", ""), "volume") == 0;
    if (!is_volume || name[0] == '\0' || destination[0] == '\0' || has_bind(host, destination)) {
        return true;
    }
    json_t *mount = find_mount(mounts, destination);
    if (mount != NULL) {
        return ts_json_str_or(mount, "Source", "")[0] != '\0' ||
               json_object_set_new(mount, "Source", json_string(name)) == 0;
    }
    return json_array_append_new(
               mounts, json_pack("{s:s, s:s, s:s, s:b}", "Type", "volume", "Source", name, "Target",
                                 destination, "ReadOnly", !ts_json_bool_or(real, "RW", true))) == 0;
}

static bool keep_volumes(json_t *host, const json_t *inspect)
{
    const json_t *real = ts_json_at(inspect, "Mounts");
    json_t *mounts = json_object_get(host, "Mounts");
    if (!json_is_array(mounts)) {
        mounts = json_array();
        if (json_object_set_new(host, "Mounts", mounts) != 0) {
            return false;
        }
    }
    for (size_t i = 0; i < json_array_size(real); i++) {
        if (!keep_volume(host, mounts, json_array_get(real, i))) {
            return false;
        }
    }
    return json_array_size(mounts) > 0 || json_object_del(host, "Mounts") == 0;
}

static json_t *copy_host(const json_t *inspect, const struct ts_snapshot_options *options)
{
    json_t *host = json_deep_copy(ts_json_at(inspect, "HostConfig"));
    if (host == NULL) {
        return NULL;
    }
    const char *key;
    json_t *value;
    void *next;
    json_object_foreach_safe(host, next, key, value)
    {
        if (json_is_null(value)) {
            (void)json_object_del(host, key);
        }
    }
    (void)json_object_del(host, "ContainerIDFile");
    if (!convert_links(host) || !set_policy(host, options->policy) ||
        !keep_volumes(host, inspect)) {
        json_decref(host);
        return NULL;
    }
    return host;
}

/* Of a network's entry, what was asked for. */
static json_t *copy_endpoint(const json_t *inspect, const json_t *network)
{
    static const char *const keys[] = {"IPAMConfig", "Links", "DriverOpts", "GwPriority"};
    json_t *endpoint = json_object();
    json_t *aliases = json_array();
    bool ok = endpoint != NULL && aliases != NULL;
    for (size_t i = 0; ok && i < TS_ARRAY_LEN(keys); i++) {
        ok = set_copy(endpoint, keys[i], json_object_get(network, keys[i]));
    }
    char id[TS_ENGINE_SHORT_ID + 1];
    short_id(inspect, id);
    const json_t *old = json_object_get(network, "Aliases");
    for (size_t i = 0; ok && i < json_array_size(old); i++) {
        const char *alias = json_string_value(json_array_get(old, i));
        bool is_own_id = alias == NULL || strcmp(alias, id) == 0;
        ok = is_own_id || json_array_append_new(aliases, json_string(alias)) == 0;
    }
    ok = ok && set_copy(endpoint, "Aliases", aliases);
    json_decref(aliases);
    if (!ok) {
        json_decref(endpoint);
        return NULL;
    }
    return endpoint;
}

/* Modes in which the container has no network of its own to be connected to. */
static bool has_no_networks(const char *mode)
{
    return strcmp(mode, "host") == 0 || strcmp(mode, "none") == 0 ||
           strncmp(mode, "container:", 10) == 0;
}

/* The network that the container is created in: the one NetworkMode names, by name or id. NULL if
 * there is none among them. */
static const char *primary_of(json_t *networks, const char *mode)
{
    if (mode[0] == '\0' || strcmp(mode, "default") == 0) {
        mode = "bridge";
    }
    const char *name;
    json_t *network;
    json_object_foreach(networks, name, network)
    {
        if (strcmp(name, mode) == 0 ||
            strcmp(ts_json_str_or(network, "NetworkID", ""), mode) == 0) {
            return name;
        }
    }
    return NULL;
}

static bool set_primary(struct ts_create_plan *plan, const char *name, json_t *endpoint)
{
    if (endpoint == NULL) {
        return false;
    }
    if (is_empty(endpoint)) { /* the default bridge takes no settings at all */
        json_decref(endpoint);
        return true;
    }
    return json_object_set_new(plan->body, "NetworkingConfig",
                               json_pack("{s:{s:o}}", "EndpointsConfig", name, endpoint)) == 0;
}

static bool add_later(struct ts_create_plan *plan, const char *name, json_t *endpoint,
                      struct ts_error *err)
{
    if (endpoint == NULL) {
        return ts_error_nomem(err);
    }
    if (plan->later_count == TS_PLAN_NETWORKS_MAX ||
        !ts_copy(plan->later[plan->later_count].name, TS_ENGINE_NAME, name)) {
        json_decref(endpoint);
        return ts_error_set(err, TS_E_LIMIT, "more than %d networks, or a name too long",
                            TS_PLAN_NETWORKS_MAX);
    }
    plan->later[plan->later_count++].endpoint = endpoint;
    return true;
}

static bool plan_networks(struct ts_create_plan *plan, const json_t *inspect, json_t *host,
                          struct ts_error *err)
{
    const char *mode = ts_json_str_or(host, "NetworkMode", "");
    if (has_no_networks(mode)) {
        return true;
    }
    json_t *networks = ts_json_at(inspect, "NetworkSettings.Networks");
    const char *primary = primary_of(networks, mode);
    if (primary == NULL) { /* disconnected from it since: the first of the others takes its place */
        primary = json_object_iter_key(json_object_iter(networks));
    }
    const char *name;
    json_t *network;
    json_object_foreach(networks, name, network)
    {
        json_t *endpoint = copy_endpoint(inspect, network);
        if (strcmp(name, primary) != 0) {
            if (!add_later(plan, name, endpoint, err)) {
                return false;
            }
        } else if (!set_primary(plan, name, endpoint)) {
            return ts_error_nomem(err);
        }
    }
    bool is_default = mode[0] == '\0' || strcmp(mode, "default") == 0;
    bool keeps_mode = primary == NULL || strcmp(mode, primary) == 0 ||
                      (is_default && strcmp(primary, "bridge") == 0);
    return keeps_mode || json_object_set_new(host, "NetworkMode", json_string(primary)) == 0 ||
           ts_error_nomem(err);
}

static bool fill(struct ts_create_plan *plan, const json_t *inspect,
                 const struct ts_snapshot_options *options, struct ts_error *err)
{
    const char *image =
        options->image != NULL ? options->image : ts_json_str_or(inspect, "Config.Image", "");
    if (image[0] == '\0') {
        return ts_error_set(err, TS_E_PROTOCOL, "the snapshot names no image");
    }
    json_t *host = copy_host(inspect, options);
    plan->body = copy_config(inspect);
    if (host == NULL || plan->body == NULL ||
        json_object_set_new(plan->body, "Image", json_string(image)) != 0) {
        json_decref(host);
        return ts_error_nomem(err);
    }
    if (strncmp(ts_json_str_or(host, "NetworkMode", ""), "container:", 10) == 0) {
        for (size_t i = 0; i < TS_ARRAY_LEN(own_network_keys); i++) {
            (void)json_object_del(plan->body, own_network_keys[i]);
        }
        (void)json_object_del(host, "PortBindings");
    }
    bool ok = json_object_set(plan->body, "HostConfig", host) == 0 || ts_error_nomem(err);
    ok = ok && plan_networks(plan, inspect, host, err);
    json_decref(host);
    return ok;
}

bool ts_snapshot_plan(const json_t *inspect, const struct ts_snapshot_options *options,
                      struct ts_create_plan *ret, struct ts_error *err)
{
    if (!json_is_object(ts_json_at(inspect, "Config")) ||
        !json_is_object(ts_json_at(inspect, "HostConfig"))) {
        return ts_error_set(err, TS_E_PROTOCOL, "the snapshot is no inspect answer of a container");
    }
    struct ts_create_plan plan = {0};
    const char *name = options->name != NULL ? options->name : ts_json_str_or(inspect, "Name", "");
    name += name[0] == '/' ? 1 : 0;
    bool ok = ts_engine_check_id(name, err) && ts_copy(plan.name, sizeof(plan.name), name) &&
              fill(&plan, inspect, options, err);
    if (!ok) {
        ts_create_plan_done(&plan);
        return ts_error_wrap(err, "plan from snapshot");
    }
    *ret = plan;
    return true;
}
