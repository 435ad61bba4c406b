/* See events.h: one event from its JSON. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "engine/engine_internal.h"
#include "engine/events.h"

static const struct {
    const char *name;
    enum ts_event_action action;
} actions[] = {
    {"create", TS_EVENT_CREATE},   {"start", TS_EVENT_START},   {"restart", TS_EVENT_RESTART},
    {"kill", TS_EVENT_KILL},       {"oom", TS_EVENT_OOM},       {"die", TS_EVENT_DIE},
    {"stop", TS_EVENT_STOP},       {"pause", TS_EVENT_PAUSE},   {"unpause", TS_EVENT_UNPAUSE},
    {"rename", TS_EVENT_RENAME},   {"update", TS_EVENT_UPDATE}, {"health_status", TS_EVENT_HEALTH},
    {"destroy", TS_EVENT_DESTROY}, {"died", TS_EVENT_DIE}, /* the rest: Podman's own words */
    {"remove", TS_EVENT_DESTROY},
};

/* The signals that stop containers; others may come as names only from engines we do not know. */
static const struct {
    const char *name;
    int number;
} signals[] = {{"HUP", 1},   {"INT", 2},   {"QUIT", 3},  {"KILL", 9},
               {"USR1", 10}, {"USR2", 12}, {"TERM", 15}, {"STOP", 19}};

const char *ts_event_action_name(enum ts_event_action action)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(actions); i++) {
        if (actions[i].action == action) {
            return actions[i].name;
        }
    }
    return "?";
}

static bool find_action(const char *text, size_t n, enum ts_event_action *ret)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(actions); i++) {
        if (strlen(actions[i].name) == n && strncmp(actions[i].name, text, n) == 0) {
            *ret = actions[i].action;
            return true;
        }
    }
    return false;
}

static int parse_signal(const char *text)
{
    int64_t number = 0;
    if (ts_parse_i64(text, 1, 64, &number)) {
        return (int)number;
    }
    text += strncmp(text, "SIG", 3) == 0 ? 3 : 0;
    for (size_t i = 0; i < TS_ARRAY_LEN(signals); i++) {
        if (strcmp(signals[i].name, text) == 0) {
            return signals[i].number;
        }
    }
    return 0;
}

static const char *attribute(const json_t *attributes, const char *name)
{
    const char *text = json_string_value(json_object_get(attributes, name));
    return text == NULL ? "" : text;
}

/* timeNano, or the whole seconds of time. */
static int64_t time_of(const json_t *value)
{
    int64_t nano = ts_json_i64_or(value, "timeNano", 0);
    int64_t s = ts_json_i64_or(value, "time", 0);
    if (nano <= 0 && s > 0 && s < INT64_MAX / 1000000000) {
        nano = s * 1000000000;
    }
    return nano > 0 ? nano : 0;
}

/* What the action carries besides who and when. detail is the text behind "health_status: ". */
static void fill_details(const json_t *value, const json_t *attributes, const char *detail,
                         struct ts_engine_event *ev)
{
    int64_t code = -1;
    const char *exit_code = attribute(attributes, "exitCode");
    if (exit_code[0] == '\0') {
        exit_code = attribute(attributes, "containerExitCode"); /* Podman */
    }
    ev->exit_code = ts_parse_i64(exit_code, INT32_MIN, INT32_MAX, &code) ? code : -1;
    ev->signal = parse_signal(attribute(attributes, "signal"));
    const char *health = detail;
    if (health[0] == '\0') {
        health = ts_json_str_or(value, "HealthStatus", attribute(attributes, "health_status"));
    }
    if (!ts_health_parse(health, &ev->health)) {
        ev->health = TS_HEALTH_NONE;
    }
    ev->oneoff = strcmp(attribute(attributes, "com.docker.compose.oneoff"), "True") == 0;
    ev->time_nano = time_of(value);
}

bool ts_event_parse(const json_t *value, const char *project, struct ts_engine_event *ret,
                    bool *ret_known, struct ts_error *err)
{
    struct ts_engine_event ev = {0};
    const json_t *attributes = ts_json_at(value, "Actor.Attributes");
    const char *action = ts_json_str_or(value, "Action", ts_json_str_or(value, "status", ""));
    const char *type = ts_json_str_or(value, "Type", "container");
    if (action[0] == '\0') {
        return ts_error_set(err, TS_E_PROTOCOL, "the engine sent something that is no event");
    }
    const char *detail = strchr(action, ':');
    size_t n = detail == NULL ? strlen(action) : (size_t)(detail - action);
    detail = detail == NULL ? "" : detail + 1;
    detail += detail[0] == ' ' ? 1 : 0;
    const char *of_project = attribute(attributes, "com.docker.compose.project");
    *ret_known = false;
    ev.other = json_is_object(attributes) && strcmp(of_project, project) != 0;
    if (strcmp(type, "container") != 0 || !find_action(action, n, &ev.action) ||
        (ev.other && ev.action != TS_EVENT_START && ev.action != TS_EVENT_UNPAUSE)) {
        return true;
    }
    const char *id = ts_json_str_or(value, "Actor.ID", ts_json_str_or(value, "id", ""));
    if (!ts_engine_check_id(id, err) || !ts_copy(ev.id, sizeof(ev.id), id)) {
        return ts_error_set(err, TS_E_PROTOCOL,
                            "an event names no container, or an impossible one");
    }
    ts_copy_cut(ev.name, sizeof(ev.name), attribute(attributes, "name"));
    if (!ts_copy(ev.service, sizeof(ev.service),
                 attribute(attributes, "com.docker.compose.service"))) {
        ev.service[0] = '\0'; /* cut, it would be another service */
    }
    fill_details(value, attributes, detail, &ev);
    *ret = ev;
    *ret_known = true;
    return true;
}
