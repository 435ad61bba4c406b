/* See interface.h. */
#include "control/interface.h"

#include <string.h>

#include "base/macros.h"
#include "base/parse.h"

#define KEYWORD "method "

struct field {
    char name[64];
    char type[16];
    bool optional;
};

/* Behind the bracket that opens the method's parameters; NULL: no such method. */
static const char *find_method(const char *text, const char *method)
{
    size_t len = strlen(method);
    for (const char *line = text; line != NULL;) {
        if (strncmp(line, KEYWORD, strlen(KEYWORD)) == 0) {
            const char *name = line + strlen(KEYWORD);
            if (strncmp(name, method, len) == 0 && name[len] == '(') {
                return name + len + 1;
            }
        }
        const char *end = strchr(line, '\n');
        line = end == NULL ? NULL : end + 1;
    }
    return NULL;
}

static bool copy_word(char *dst, size_t size, const char *from, size_t n)
{
    if (n == 0 || n >= size) {
        return false;
    }
    memcpy(dst, from, n);
    dst[n] = '\0';
    return true;
}

/* Reads "name: ?type" and gives where to go on; NULL at the closing bracket. */
static const char *next_field(const char *at, struct field *ret)
{
    at += strspn(at, " ,\n");
    size_t n = strcspn(at, ":)");
    if (at[n] != ':' || !copy_word(ret->name, sizeof(ret->name), at, n)) {
        return NULL;
    }
    at += n + 1;
    at += strspn(at, " \n");
    ret->optional = *at == '?';
    at += ret->optional;
    n = strcspn(at, " ,)\n");
    return copy_word(ret->type, sizeof(ret->type), at, n) ? at + n : NULL;
}

static bool fits(const json_t *value, const struct field *field)
{
    static const struct {
        const char *type;
        json_type json[2];
    } types[] = {{"bool", {JSON_TRUE, JSON_FALSE}},
                 {"int", {JSON_INTEGER, JSON_INTEGER}},
                 {"string", {JSON_STRING, JSON_STRING}},
                 {"object", {JSON_OBJECT, JSON_OBJECT}}};
    if (value == NULL || json_is_null(value)) {
        return field->optional;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(types); i++) {
        if (strcmp(types[i].type, field->type) == 0) {
            return json_typeof(value) == types[i].json[0] || json_typeof(value) == types[i].json[1];
        }
    }
    return false; /* a type that this file does not know: see interface.h */
}

static bool is_declared(const char *fields, const char *name)
{
    struct field field;
    while ((fields = next_field(fields, &field)) != NULL) {
        if (strcmp(field.name, name) == 0) {
            return true;
        }
    }
    return false;
}

bool ts_interface_has(const char *text, const char *method)
{
    return find_method(text, method) != NULL;
}

bool ts_interface_accepts(const char *text, const char *method, json_t *parameters, char *ret_wrong,
                          size_t size)
{
    const char *fields = find_method(text, method);
    struct field field;
    const char *key;
    json_t *value;
    if (fields == NULL) {
        ts_copy_cut(ret_wrong, size, method);
        return false;
    }
    json_object_foreach(parameters, key, value)
    {
        if (!is_declared(fields, key)) {
            ts_copy_cut(ret_wrong, size, key);
            return false;
        }
    }
    while ((fields = next_field(fields, &field)) != NULL) {
        if (!fits(json_object_get(parameters, field.name), &field)) {
            ts_copy_cut(ret_wrong, size, field.name);
            return false;
        }
    }
    return true;
}
