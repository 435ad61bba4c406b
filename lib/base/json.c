/* See json.h. */
#include "base/json.h"

#include <string.h>

#define MAX_KEY_BYTES 128

void ts_json_drop(json_t **v)
{
    json_decref(*v);
    *v = NULL;
}

json_t *ts_json_parse(const char *text, size_t n, struct ts_error *err)
{
    json_error_t why;
    json_t *v = json_loadb(text, n, JSON_REJECT_DUPLICATES, &why);
    if (v == NULL) {
        ts_error_set(err, TS_E_PROTOCOL, "JSON, line %d column %d: %s", why.line, why.column,
                     why.text);
    }
    return v;
}

json_t *ts_json_at(const json_t *root, const char *path)
{
    json_t *at = NULL;
    while (root != NULL) {
        size_t len = strcspn(path, ".");
        char key[MAX_KEY_BYTES];
        if (len >= sizeof(key)) {
            return NULL;
        }
        memcpy(key, path, len);
        key[len] = '\0';
        at = json_object_get(root, key);
        if (json_is_null(at)) {
            return NULL;
        }
        if (path[len] == '\0') {
            return at;
        }
        path += len + 1;
        root = at;
    }
    return NULL;
}

static const char *type_name(const json_t *v)
{
    if (v == NULL) {
        return "nothing";
    }
    switch (json_typeof(v)) {
    case JSON_OBJECT: return "an object";
    case JSON_ARRAY: return "an array";
    case JSON_STRING: return "a string";
    case JSON_INTEGER: return "an integer";
    case JSON_REAL: return "a real number";
    case JSON_TRUE:
    case JSON_FALSE: return "a boolean";
    case JSON_NULL: return "null";
    }
    return "something unknown";
}

bool ts_json_str(const json_t *root, const char *path, const char **ret, struct ts_error *err)
{
    const json_t *v = ts_json_at(root, path);
    if (!json_is_string(v)) {
        return ts_error_set(err, TS_E_PROTOCOL, "%s: want a string, have %s", path, type_name(v));
    }
    *ret = json_string_value(v);
    return true;
}

bool ts_json_i64(const json_t *root, const char *path, int64_t *ret, struct ts_error *err)
{
    const json_t *v = ts_json_at(root, path);
    if (!json_is_integer(v)) {
        return ts_error_set(err, TS_E_PROTOCOL, "%s: want an integer, have %s", path, type_name(v));
    }
    *ret = json_integer_value(v);
    return true;
}

const char *ts_json_str_or(const json_t *root, const char *path, const char *fallback)
{
    const json_t *v = ts_json_at(root, path);
    return json_is_string(v) ? json_string_value(v) : fallback;
}

int64_t ts_json_i64_or(const json_t *root, const char *path, int64_t fallback)
{
    const json_t *v = ts_json_at(root, path);
    return json_is_integer(v) ? json_integer_value(v) : fallback;
}

bool ts_json_bool_or(const json_t *root, const char *path, bool fallback)
{
    const json_t *v = ts_json_at(root, path);
    return json_is_boolean(v) ? json_is_true(v) : fallback;
}
