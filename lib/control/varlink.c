/* See varlink.h. */
#include "control/varlink.h"

#include <stdlib.h>

#include "base/json.h"
#include "base/parse.h"

static json_t *parse_object(const char *text, size_t n, struct ts_error *err)
{
    json_t *root = ts_json_parse(text, n, err);
    if (root != NULL && !json_is_object(root)) {
        json_decref(root);
        ts_error_set(err, TS_E_PROTOCOL, "a Varlink message is a JSON object");
        return NULL;
    }
    return root;
}

/* An optional boolean member; false is returned for a member of another type. */
static bool read_flag(const json_t *root, const char *key, bool *ret)
{
    const json_t *v = json_object_get(root, key);
    *ret = json_is_true(v);
    return v == NULL || json_is_boolean(v) || json_is_null(v);
}

/* The parameters as an owned object, {} when there are none, NULL when they are no object. */
static json_t *take_parameters(const json_t *root)
{
    json_t *v = json_object_get(root, "parameters");
    if (v == NULL || json_is_null(v)) {
        return json_object();
    }
    return json_is_object(v) ? json_incref(v) : NULL;
}

bool ts_varlink_parse_call(const char *text, size_t n, struct ts_varlink_call *ret,
                           struct ts_error *err)
{
    TS_CLEANUP(ts_json_drop) json_t *root = parse_object(text, n, err);
    struct ts_varlink_call call = {.parameters = NULL};
    const char *method;
    if (root == NULL || !ts_json_str(root, "method", &method, err)) {
        return false;
    }
    if (!ts_copy(call.method, sizeof(call.method), method)) {
        return ts_error_set(err, TS_E_PROTOCOL, "a method name of more than %d bytes",
                            TS_VARLINK_METHOD_MAX - 1);
    }
    if (!read_flag(root, "more", &call.more) || !read_flag(root, "oneway", &call.oneway)) {
        return ts_error_set(err, TS_E_PROTOCOL, "more and oneway are booleans");
    }
    call.parameters = take_parameters(root);
    if (call.parameters == NULL) {
        return ts_error_set(err, TS_E_PROTOCOL, "parameters is an object");
    }
    *ret = call;
    return true;
}

bool ts_varlink_parse_reply(const char *text, size_t n, struct ts_varlink_reply *ret,
                            struct ts_error *err)
{
    TS_CLEANUP(ts_json_drop) json_t *root = parse_object(text, n, err);
    struct ts_varlink_reply reply = {.parameters = NULL};
    if (root == NULL) {
        return false;
    }
    if (!read_flag(root, "continues", &reply.continues)) {
        return ts_error_set(err, TS_E_PROTOCOL, "continues is a boolean");
    }
    const char *error = "";
    if (ts_json_at(root, "error") != NULL && !ts_json_str(root, "error", &error, err)) {
        return false;
    }
    if (!ts_copy(reply.error, sizeof(reply.error), error)) {
        return ts_error_set(err, TS_E_PROTOCOL, "an error name that is too long");
    }
    reply.parameters = take_parameters(root);
    if (reply.parameters == NULL) {
        return ts_error_set(err, TS_E_PROTOCOL, "parameters is an object");
    }
    *ret = reply;
    return true;
}

/* Dumps root, which it takes, with its NUL. */
static bool add_message(struct ts_buf *out, json_t *root)
{
    char *text = root == NULL ? NULL : json_dumps(root, JSON_COMPACT);
    json_decref(root);
    bool ok = text != NULL && ts_buf_adds(out, text) && ts_buf_add(out, "", 1);
    free(text);
    return ok;
}

static bool set_parameters(json_t *root, json_t *parameters)
{
    json_t *v = parameters == NULL ? json_object() : json_incref(parameters);
    return json_object_set_new(root, "parameters", v) == 0;
}

bool ts_varlink_add_call(struct ts_buf *out, const char *method, json_t *parameters, bool more)
{
    json_t *root = json_object();
    if (root != NULL) {
        (void)json_object_set_new(root, "method", json_string(method));
        (void)set_parameters(root, parameters);
        if (more) {
            (void)json_object_set_new(root, "more", json_true());
        }
    }
    return add_message(out, root);
}

bool ts_varlink_add_reply(struct ts_buf *out, json_t *parameters, bool continues)
{
    json_t *root = json_object();
    if (root != NULL) {
        (void)set_parameters(root, parameters);
        if (continues) {
            (void)json_object_set_new(root, "continues", json_true());
        }
    }
    return add_message(out, root);
}

bool ts_varlink_add_error(struct ts_buf *out, const char *error, json_t *parameters)
{
    json_t *root = json_object();
    if (root != NULL) {
        (void)json_object_set_new(root, "error", json_string(error));
        (void)set_parameters(root, parameters);
    }
    return add_message(out, root);
}
