/*
 * Typed access to jansson values that come from outside. A getter fails with the path of what was
 * wrong ("State.Health.Status: want a string, have a number"). Paths are dotted object keys; they
 * never index arrays.
 */
#ifndef TS_BASE_JSON_H
#define TS_BASE_JSON_H

#include <jansson.h>
#include <stdint.h>

#include "base/error.h"

/* For TS_CLEANUP(): drops the reference of an owned local. */
void ts_json_drop(json_t **v);

/* Parses exactly one value from n bytes; duplicate keys and NaN are refused (TS_E_PROTOCOL). */
json_t *ts_json_parse(const char *text, size_t n, struct ts_error *err) TS_MUST_CHECK;

/* The value at the path, or NULL when any step is missing, null or not an object. Borrowed. */
json_t *ts_json_at(const json_t *root, const char *path);

/* A required value of the type; TS_E_PROTOCOL otherwise. The string is borrowed from root. */
bool ts_json_str(const json_t *root, const char *path, const char **ret,
                 struct ts_error *err) TS_MUST_CHECK;
bool ts_json_i64(const json_t *root, const char *path, int64_t *ret,
                 struct ts_error *err) TS_MUST_CHECK;

/* Optional values: the fallback when missing, null or of another type. */
const char *ts_json_str_or(const json_t *root, const char *path, const char *fallback);
int64_t ts_json_i64_or(const json_t *root, const char *path, int64_t fallback);
bool ts_json_bool_or(const json_t *root, const char *path, bool fallback);

#endif
