/*
 * What Compose would make of a file, told before it makes anything: its rendered configuration (as
 * `docker compose config --format json` prints it, values of variables withheld) turned into what
 * the engine would say of the containers, as far as a plan needs it.
 *
 * And what must be so before anything is begun: the pre-checks.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "backup/backup.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"
#include "net/port.h"

#define COMPOSE_MIN_MINOR 17
#define ROOM_MIN          ((int64_t)256 * 1024 * 1024) /* for backups and the journal */

/* --- a container that is not there yet */

/* "gateway:service_started:false,…", as Compose's label has it */
static json_t *depends_on(const json_t *service)
{
    char text[1024] = "";
    size_t n = 0;
    const char *name;
    json_t *dep;
    json_object_foreach(ts_json_at(service, "depends_on"), name, dep)
    {
        bool restart = ts_json_bool_or(dep, "restart", false);
        int more = snprintf(text + n, sizeof(text) - n, "%s%s:%s:%s", n > 0 ? "," : "", name,
                            ts_json_str_or(dep, "condition", "service_started"),
                            restart ? "true" : "false");
        n += more > 0 ? (size_t)more : 0;
        if (n >= sizeof(text)) {
            return NULL;
        }
    }
    return json_string(text);
}

static json_t *ports(const json_t *service)
{
    json_t *bindings = json_object();
    size_t i;
    json_t *p;
    json_array_foreach(ts_json_at(service, "ports"), i, p)
    {
        char key[32];
        int64_t target = ts_json_i64_or(p, "target", 0);
        (void)snprintf(key, sizeof(key), "%lld/%s", (long long)target,
                       ts_json_str_or(p, "protocol", "tcp"));
        json_t *list = json_object_get(bindings, key);
        if (list == NULL) {
            list = json_array();
            (void)json_object_set_new(bindings, key, list);
        }
        (void)json_array_append_new(list, json_pack("{s:s, s:s}", "HostIp",
                                                    ts_json_str_or(p, "host_ip", ""), "HostPort",
                                                    ts_json_str_or(p, "published", "")));
    }
    return bindings;
}

static json_t *networks(const json_t *compose, const json_t *service)
{
    json_t *list = json_object();
    const char *key;
    json_t *v;
    json_object_foreach(ts_json_at(service, "networks"), key, v)
    {
        const json_t *network = json_object_get(ts_json_at(compose, "networks"), key);
        (void)json_object_set_new(list, ts_json_str_or(network, "name", key), json_object());
    }
    return list;
}

static json_t *environment(const json_t *service)
{
    json_t *list = json_array();
    const char *name;
    json_t *v;
    json_object_foreach(ts_json_at(service, "environment"), name, v)
    {
        (void)json_array_append_new(
            list, json_sprintf("%s=%s", name, json_is_string(v) ? json_string_value(v) : ""));
    }
    return list;
}

static json_t *container(const struct ts_daemon *d, const json_t *preview, const char *service,
                         const json_t *v, const char *tag)
{
    const json_t *compose = ts_json_at(preview, "compose");
    const char *image = ts_json_str_or(v, "image", "");
    const char *hash = json_string_value(json_object_get(ts_json_at(preview, "hashes"), service));
    const char *id = json_string_value(json_object_get(ts_json_at(preview, "images"), image));
    char usual[TS_ENGINE_NAME];
    (void)snprintf(usual, sizeof(usual), "%.64s-%.64s-1", d->model->project, service);
    json_t *bindings = ports(v);
    json_t *labels = json_pack(
        "{s:s, s:s, s:s, s:s, s:s, s:o*}", "com.docker.compose.project", d->model->project,
        "com.docker.compose.service", service, "com.docker.compose.config-hash",
        hash != NULL ? hash : "", "com.docker.compose.container-number", "1",
        "com.docker.compose.oneoff", "False", "com.docker.compose.depends_on", depends_on(v));
    return json_pack(
        "{s:o, s:o, s:s, s:{s:s}, s:{s:s, s:o, s:o}, s:{s:O, s:{s:s}}, s:{s:o, s:o}}", "Id",
        json_sprintf("preview-%s", service), "Name",
        json_sprintf("/%s" TS_MOVE_NEXT "%s", ts_json_str_or(v, "container_name", usual), tag),
        "Image", id != NULL ? id : "", "State", "Status", "created", "Config", "Image", image,
        "Labels", labels, "Env", environment(v), "HostConfig", "PortBindings", bindings,
        "RestartPolicy", "Name", "no", "NetworkSettings", "Ports", bindings, "Networks",
        networks(compose, v));
}

void ts_preview_add(struct ts_daemon *d, const json_t *preview, const char *tag, json_t *what)
{
    const char *service;
    json_t *v;
    json_object_foreach(ts_json_at(preview, "compose.services"), service, v)
    {
        (void)json_array_append_new(json_object_get(what, "containers"),
                                    container(d, preview, service, v, tag));
    }
}

/* --- pre-checks */

static void add(json_t *checks, bool ok, const char *what, const char *detail)
{
    (void)json_array_append_new(
        checks, json_pack("{s:s, s:b, s:s}", "what", what, "ok", (int)ok, "detail", detail));
}

static bool is_gateway(const struct ts_daemon *d, const char *service)
{
    const struct ts_svc_spec *spec = ts_model_find(d->model, service);
    return spec != NULL && ts_model_is_gateway(spec);
}

/* A gateway that is not well now would make it unclear what the move has changed. */
static void check_gateways(const struct ts_move *m, json_t *checks)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct ts_move_side *now = &m->places[i].now;
        struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
        struct ts_error err;
        char detail[300];
        if (!now->is || !is_gateway(m->daemon, m->places[i].service) ||
            !ts_container_parse(now->snapshot, &c, &err)) {
            continue;
        }
        bool ok = now->ran && c.health != TS_HEALTH_UNHEALTHY && c.health != TS_HEALTH_STARTING;
        (void)snprintf(detail, sizeof(detail), "%.100s is %s%s%s", c.name,
                       ts_container_status_name(c.status), c.health != TS_HEALTH_NONE ? ", " : "",
                       c.health != TS_HEALTH_NONE ? ts_health_name(c.health) : "");
        add(checks, ok, "the gateway is healthy now", detail);
    }
}

/* Who is stopped holds it? */
static bool is_given_up(const struct ts_move *m, uint16_t port)
{
    for (size_t i = 0; i < m->count; i++) {
        struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
        struct ts_error ignored;
        if (!m->places[i].now.is || !m->places[i].now.ran || !m->parts[i].changes ||
            !ts_container_parse(m->places[i].now.snapshot, &c, &ignored)) {
            continue;
        }
        for (size_t k = 0; k < c.port_count; k++) {
            if (c.ports[k].host_port == port) {
                return true;
            }
        }
    }
    return false;
}

static void check_ports(const struct ts_move *m, json_t *checks)
{
    for (size_t i = 0; i < m->count; i++) {
        struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
        struct ts_error ignored;
        if (!m->places[i].next.is || !m->parts[i].changes ||
            !ts_container_parse(m->places[i].next.snapshot, &c, &ignored)) {
            continue;
        }
        for (size_t k = 0; k < c.port_count; k++) {
            char what[64];
            char detail[160];
            const struct ts_container_port *p = &c.ports[k];
            bool given = is_given_up(m, p->host_port);
            bool ok = p->host_port == 0 || given ||
                      ts_port_is_free(m->daemon->loop, p->host_ip, p->host_port);
            (void)snprintf(what, sizeof(what), "port %u is free", p->host_port);
            (void)snprintf(detail, sizeof(detail), "%s",
                           given ? "held by what is stopped"
                           : ok  ? "nobody listens there"
                                 : "somebody listens there who is no part of this: ss -ltnp");
            add(checks, ok, what, detail);
        }
    }
}

static void check_safety(const struct ts_move *m, json_t *checks)
{
    for (size_t i = 0; i < m->count; i++) {
        struct ts_judgement j;
        char what[TS_NAME_MAX + 64];
        if (!m->places[i].next.is) {
            continue;
        }
        ts_guard_judge_planned(m->daemon, m->places[i].service, m->places[i].next.snapshot, &j);
        (void)snprintf(what, sizeof(what), "%s keeps to the safety rules", m->places[i].service);
        bool ok = j.overall != TS_FINDING_FAIL;
        add(checks, ok, what, ok ? "dry-run and paper, as far as the file tells" : j.text);
    }
}

static void check_images(const json_t *preview, json_t *checks)
{
    const char *service;
    json_t *v;
    json_object_foreach(ts_json_at(preview, "compose.services"), service, v)
    {
        const char *image = ts_json_str_or(v, "image", "");
        const char *policy = ts_json_str_or(v, "pull_policy", "missing");
        bool here = json_object_get(ts_json_at(preview, "images"), image) != NULL;
        bool builds = json_is_object(ts_json_at(v, "build"));
        bool ok = here || builds || strcmp(policy, "never") != 0;
        char detail[300];
        (void)snprintf(detail, sizeof(detail), "%s: %.120s %s", service, image,
                       here     ? "is here"
                       : builds ? "is built first"
                       : ok     ? "is pulled first, before anything is stopped"
                                : "is not here and may not be pulled: build or load it");
        add(checks, ok, "the image is there", detail);
    }
}

static void check_variables(const json_t *preview, json_t *checks)
{
    char names[400] = "";
    size_t n = 0;
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(preview, "unset"), i, v)
    {
        n += (size_t)snprintf(names + n, sizeof(names) - n, "%s%s", i > 0 ? ", " : "",
                              json_is_string(v) ? json_string_value(v) : "?");
        if (n >= sizeof(names)) {
            break;
        }
    }
    add(checks, names[0] == '\0', "the variables that the new file needs are set",
        names[0] == '\0' ? "none is missing" : names);
}

/* A name that had a value and has none now is a credential that was forgotten, mostly. */
static void check_lost(const struct ts_move *m, json_t *checks)
{
    static const char *const watched[] = {"TWS_USERID", "TWS_PASSWORD", "TWS_PASSWORD_FILE"};
    for (size_t i = 0; i < m->count; i++) {
        const struct ts_move_place *p = &m->places[i];
        bool had[TS_ARRAY_LEN(watched)] = {false};
        bool has[TS_ARRAY_LEN(watched)] = {false};
        struct ts_error err;
        for (size_t k = 0; p->now.is && p->next.is && k < TS_ARRAY_LEN(watched); k++) {
            const char *value = NULL;
            had[k] = ts_container_env(p->now.snapshot, watched[k], &value, &err) && value != NULL &&
                     value[0] != '\0';
            value = NULL;
            has[k] = ts_container_env(p->next.snapshot, watched[k], &value, &err) &&
                     value != NULL && value[0] != '\0';
        }
        bool lost = (had[0] && !has[0]) || ((had[1] || had[2]) && !has[1] && !has[2]);
        if (had[0] || had[1] || had[2]) {
            add(checks, !lost, "the gateway keeps its credentials",
                lost ? "TWS_USERID or the password had a value and has none now: see .env"
                     : "user and password are set");
        }
    }
}

static void check_tools(const struct ts_daemon *d, const json_t *preview, json_t *checks)
{
    char detail[200];
    unsigned major = 0;
    unsigned minor = 0;
    const char *version = ts_json_str_or(preview, "version", "");
    bool ok = sscanf(version, "%u.%u", &major, &minor) == 2 && /* NOLINT(cert-err34-c): bounded */
              (major > 2 || (major == 2 && minor >= COMPOSE_MIN_MINOR));
    (void)snprintf(detail, sizeof(detail), "Compose %.40s, engine %.60s (API 1.%d)", version,
                   d->link.version, ts_engine_api_minor(d->engine));
    add(checks, ok, "engine and Compose are new enough", detail);
}

static void check_room(const struct ts_daemon *d, json_t *checks)
{
    char detail[300];
    int64_t room = ts_backup_room(d->model->state_dir);
    (void)snprintf(detail, sizeof(detail), "%lld MB are free in %.200s",
                   (long long)(room / 1024 / 1024), d->model->state_dir);
    add(checks, room >= ROOM_MIN, "there is room for the backup", detail);
}

json_t *ts_preview_checks(const struct ts_move *m, const json_t *preview)
{
    json_t *checks = json_array();
    check_gateways(m, checks);
    check_ports(m, checks);
    check_images(preview, checks);
    check_variables(preview, checks);
    check_lost(m, checks);
    check_safety(m, checks);
    check_room(m->daemon, checks);
    check_tools(m->daemon, preview, checks);
    return checks;
}
