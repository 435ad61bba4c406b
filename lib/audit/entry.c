/* One entry as a line, and back. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "audit/audit_internal.h"
#include "base/json.h"
#include "base/parse.h"

#define DUMP_FLAGS (JSON_COMPACT | JSON_SORT_KEYS | JSON_ENSURE_ASCII)

/* Text from outside may be no UTF-8, which JSON cannot hold. */
static json_t *text_of(const char *text)
{
    const char *from = text == NULL ? "" : text;
    json_t *v = json_string(from);
    char *copy = v == NULL ? strdup(from) : NULL;
    for (char *c = copy; c != NULL && *c != '\0'; c++) {
        *c = (unsigned char)*c < 0x80 ? *c : '?';
    }
    v = copy != NULL ? json_string(copy) : v;
    free(copy);
    return v;
}

static json_t *object_of(const struct ts_audit_entry *e, const char *prev)
{
    char at[TS_WALL_TEXT];
    ts_wall_format(e->at, at);
    json_t *o = json_pack("{s:I, s:s, s:o, s:o, s:o, s:o, s:s}", "seq", (json_int_t)e->seq, "at",
                          at, "event", text_of(e->event), "service", text_of(e->service), "outcome",
                          text_of(e->outcome), "text", text_of(e->text), "prev", prev);
    if (o != NULL && e->has_peer) {
        (void)json_object_set_new(o, "uid", json_integer(e->uid));
        (void)json_object_set_new(o, "pid", json_integer(e->pid));
        (void)json_object_set_new(o, "user", text_of(e->user));
    }
    if (o != NULL && e->data != NULL) {
        (void)json_object_set_new(o, "data", json_deep_copy(e->data));
    }
    return o;
}

/* The text of the object without "hash", and its digest. The text is malloc'ed. */
static char *seal(const json_t *o, char hash[TS_SHA256_HEX])
{
    char *text = json_dumps(o, DUMP_FLAGS);
    if (text != NULL && !ts_sha256_hex(text, strlen(text), hash)) {
        free(text);
        text = NULL;
    }
    return text;
}

bool ts_audit_write_line(const struct ts_audit_entry *entry, const char *prev, struct ts_buf *out,
                         char hash[TS_SHA256_HEX], struct ts_error *err)
{
    TS_CLEANUP(ts_json_drop) json_t *o = object_of(entry, prev);
    char *text = o == NULL ? NULL : seal(o, hash);
    ts_buf_clear(out);
    if (text == NULL) {
        return ts_error_nomem(err);
    }
    free(text);
    (void)json_object_set_new(o, "hash", json_string(hash));
    text = json_dumps(o, DUMP_FLAGS);
    bool ok = text != NULL && strlen(text) + 1 <= TS_AUDIT_LINE_MAX && ts_buf_adds(out, text) &&
              ts_buf_adds(out, "\n");
    free(text);
    return ok ||
           ts_error_set(err, TS_E_LIMIT, "an audit entry of more than %d bytes", TS_AUDIT_LINE_MAX);
}

/* "2026-11-24T00:41:48.123Z", as ts_wall_format() writes it. Days from the civil date: H. Hinnant,
 * "chrono-Compatible Low-Level Date Algorithms". */
static bool parse_at(const char *s, ts_wall *ret)
{
    int64_t y;
    int64_t mon;
    int64_t day;
    int64_t h;
    int64_t min;
    int64_t sec;
    int64_t ms;
    if (strlen(s) != 24 || !ts_parse_i64n(s, 4, 1970, 9999, &y) ||
        !ts_parse_i64n(s + 5, 2, 1, 12, &mon) || !ts_parse_i64n(s + 8, 2, 1, 31, &day) ||
        !ts_parse_i64n(s + 11, 2, 0, 23, &h) || !ts_parse_i64n(s + 14, 2, 0, 59, &min) ||
        !ts_parse_i64n(s + 17, 2, 0, 60, &sec) || !ts_parse_i64n(s + 20, 3, 0, 999, &ms)) {
        return false;
    }
    y -= mon <= 2;
    int64_t era = y / 400;
    int64_t yoe = y - era * 400;
    int64_t doy = (153 * (mon + (mon > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    int64_t doe = yoe * 365 + yoe / 4 - yoe / 100 + doy;
    int64_t days = era * 146097 + doe - 719468;
    ret->ms = (((days * 24 + h) * 60 + min) * 60 + sec) * 1000 + ms;
    return true;
}

/* Is the line, byte for byte, what we would write for what it says? */
static bool is_as_written(const json_t *root, const char *text, size_t n, const char *said)
{
    char hash[TS_SHA256_HEX];
    char *whole = json_dumps(root, DUMP_FLAGS);
    bool same = whole != NULL && strlen(whole) == n && memcmp(whole, text, n) == 0;
    free(whole);
    TS_CLEANUP(ts_json_drop) json_t *bare = json_copy((json_t *)(uintptr_t)root);
    if (!same || bare == NULL || json_object_del(bare, "hash") != 0) {
        return false;
    }
    char *sealed = seal(bare, hash);
    bool ok = sealed != NULL && strcmp(hash, said) == 0;
    free(sealed);
    return ok;
}

bool ts_audit_read_line(const char *text, size_t n, struct ts_audit_line *ret)
{
    struct ts_error err;
    struct ts_audit_entry *e = &ret->entry;
    memset(ret, 0, sizeof(*ret));
    json_t *root = n < TS_AUDIT_LINE_MAX ? ts_json_parse(text, n, &err) : NULL;
    e->hash = ts_json_str_or(root, "hash", "");
    ret->prev = ts_json_str_or(root, "prev", "");
    e->seq = ts_json_i64_or(root, "seq", 0);
    if (!json_is_object(root) || !ts_sha256_is_hex(e->hash) || !ts_sha256_is_hex(ret->prev) ||
        e->seq < 1 || !parse_at(ts_json_str_or(root, "at", ""), &e->at)) {
        json_decref(root);
        return false;
    }
    e->event = ts_json_str_or(root, "event", "");
    e->service = ts_json_str_or(root, "service", "");
    e->outcome = ts_json_str_or(root, "outcome", "");
    e->text = ts_json_str_or(root, "text", "");
    e->user = ts_json_str_or(root, "user", "");
    e->has_peer = json_object_get(root, "uid") != NULL;
    e->uid = (uint32_t)ts_json_i64_or(root, "uid", UINT32_MAX);
    e->pid = ts_json_i64_or(root, "pid", 0);
    e->data = json_object_get(root, "data");
    ret->root = root;
    ret->sound = is_as_written(root, text, n, e->hash);
    return true;
}
