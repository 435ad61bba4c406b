/* See values.h. The scanner only finds the end of an object; whether it is one, jansson says. */
#include "engine/values.h"

#include <string.h>

#include "engine/engine_internal.h"

struct ts_values ts_values_init(void)
{
    return (struct ts_values){.text = ts_buf_init(TS_VALUE_MAX)};
}

void ts_values_done(struct ts_values *v)
{
    ts_buf_done(&v->text);
}

static bool is_between(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n' || c == 0x1e;
}

/* One byte inside an object; true if it is the last one. */
static bool step(struct ts_values *v, char c)
{
    if (v->in_string) {
        if (v->escaped) {
            v->escaped = false;
        } else if (c == '\\') {
            v->escaped = true;
        } else if (c == '"') {
            v->in_string = false;
        }
        return false;
    }
    if (c == '"') {
        v->in_string = true;
    } else if (c == '{' || c == '[') {
        v->depth++;
    } else if (c == '}' || c == ']') {
        v->depth--;
    }
    return v->depth == 0;
}

static bool break_off(struct ts_values *v, struct ts_error *err, enum ts_code code,
                      const char *text)
{
    v->broken = true;
    return ts_error_set(err, code, "%s", text);
}

/* Hands the finished object on. After a false of on_value, v may be gone. */
static bool finish(struct ts_values *v, bool (*on_value)(void *ctx, const json_t *value), void *ctx,
                   struct ts_error *err)
{
    json_t *value = ts_engine_parse(v->text.data, v->text.len, err);
    if (value == NULL) {
        v->broken = true;
        return false;
    }
    ts_buf_clear(&v->text);
    bool go_on = on_value(ctx, value);
    json_decref(value);
    return go_on || ts_error_set(err, TS_E_CANCELLED, "stopped");
}

bool ts_values_feed(struct ts_values *v, const char *bytes, size_t n,
                    bool (*on_value)(void *ctx, const json_t *value), void *ctx,
                    struct ts_error *err)
{
    if (v->broken) {
        return ts_error_set(err, TS_E_PROTOCOL, "the stream is broken");
    }
    size_t start = 0; /* of the part of bytes that belongs to the present object */
    for (size_t i = 0; i < n; i++) {
        if (v->depth == 0) {
            start = i;
            if (is_between(bytes[i])) {
                start = i + 1;
                continue;
            }
            if (bytes[i] != '{') {
                return break_off(v, err, TS_E_PROTOCOL, "the stream is no stream of JSON objects");
            }
        }
        if (!step(v, bytes[i])) {
            continue;
        }
        if (!ts_buf_add(&v->text, bytes + start, i + 1 - start)) {
            return break_off(v, err, TS_E_LIMIT, "a JSON object in the stream is too long");
        }
        start = i + 1;
        if (!finish(v, on_value, ctx, err)) {
            return false;
        }
    }
    if (v->depth > 0 && !ts_buf_add(&v->text, bytes + start, n - start)) {
        return break_off(v, err, TS_E_LIMIT, "a JSON object in the stream is too long");
    }
    return true;
}
