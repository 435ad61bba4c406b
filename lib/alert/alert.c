/* See alert.h. */
#include "alert/alert.h"

#include <string.h>

#include "base/json.h"
#include "base/parse.h"

static const char *const severity_names[] = {"ok", "warning", "critical"};
static const char *const severity_signs[] = {"\xF0\x9F\x9F\xA2", "\xF0\x9F\x9F\xA1",
                                             "\xF0\x9F\x94\xB4"};
static const char *const kind_names[] = {"info", "open", "update", "resolved"};

const char *ts_severity_name(enum ts_severity s)
{
    return severity_names[(unsigned)s < TS_ARRAY_LEN(severity_names) ? s : TS_SEVERITY_CRITICAL];
}

const char *ts_severity_sign(enum ts_severity s)
{
    return severity_signs[(unsigned)s < TS_ARRAY_LEN(severity_signs) ? s : TS_SEVERITY_CRITICAL];
}

const char *ts_alert_kind_name(enum ts_alert_kind k)
{
    return kind_names[(unsigned)k < TS_ARRAY_LEN(kind_names) ? k : TS_ALERT_INFO];
}

/* Length of the valid UTF-8 sequence at s (RFC 3629), 0 if there is none. */
static size_t sequence_at(const unsigned char *s)
{
    if (s[0] < 0x80) {
        return 1;
    }
    size_t len = s[0] >= 0xC2 && s[0] <= 0xDF   ? 2
                 : (s[0] & 0xF0) == 0xE0        ? 3
                 : s[0] >= 0xF0 && s[0] <= 0xF4 ? 4
                                                : 0;
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80) {
            return 0;
        }
    }
    bool overlong = (s[0] == 0xE0 && s[1] < 0xA0) || (s[0] == 0xF0 && s[1] < 0x90);
    bool outside = (s[0] == 0xED && s[1] > 0x9F) || (s[0] == 0xF4 && s[1] > 0x8F);
    return len > 0 && !overlong && !outside ? len : 0;
}

static bool is_markup(char c)
{
    return strchr("\\*_~`|<>#[]", c) != NULL;
}

/* Not for display: C0, DEL, C1 (U+0080..9F), U+2028..202E (line breaks, direction), U+2066..2069
 * (direction). s holds a valid sequence of that length, or is invalid with length 0. */
static bool is_control(const unsigned char *s, size_t len)
{
    if (len == 3 && s[0] == 0xE2) {
        return (s[1] == 0x80 && s[2] >= 0xA8 && s[2] <= 0xAE) ||
               (s[1] == 0x81 && s[2] >= 0xA6 && s[2] <= 0xA9);
    }
    return (len == 1 && (*s < 0x20 || *s == 0x7F)) || (len == 2 && s[0] == 0xC2 && s[1] < 0xA0);
}

void ts_alert_clean(char *dst, size_t size, size_t max_points, const char *src, bool markdown)
{
    static const char ellipsis[] = "\xE2\x80\xA6";
    size_t out = 0;
    size_t points = 0;
    while (*src != '\0') {
        size_t len = sequence_at((const unsigned char *)src);
        bool control = is_control((const unsigned char *)src, len);
        bool escape = markdown && len == 1 && is_markup(*src);
        size_t need_points = escape ? 2 : 1;
        size_t need = (len == 0 ? 1 : len) + escape;
        /* Room must stay for the ellipsis, unless this is the text's end. */
        bool last = src[len == 0 ? 1 : len] == '\0';
        if (out + need + (last ? 0 : sizeof(ellipsis) - 1) >= size ||
            points + need_points + !last > max_points) {
            if (out + sizeof(ellipsis) <= size) {
                memcpy(dst + out, ellipsis, sizeof(ellipsis) - 1);
                out += sizeof(ellipsis) - 1;
            }
            break;
        }
        if (escape) {
            dst[out++] = '\\';
        }
        if (len == 0) {
            dst[out++] = '?';
        } else if (control) {
            dst[out++] = ' ';
        } else {
            memcpy(dst + out, src, len);
            out += len;
        }
        points += need_points;
        src += len == 0 ? 1 : len;
    }
    dst[out] = '\0';
}

static void set_text(json_t *o, const char *key, const char *text)
{
    char clean[2 * TS_ALERT_TEXT];
    ts_alert_clean(clean, sizeof(clean), SIZE_MAX, text, false);
    (void)json_object_set_new(o, key, json_string(clean));
}

static void set_time(json_t *o, const char *key, ts_wall t)
{
    char text[TS_WALL_TEXT];
    ts_wall_format(t, text);
    (void)json_object_set_new(o, key, json_string(text));
}

json_t *ts_alert_to_json(const struct ts_alert *a)
{
    json_t *o = json_object();
    if (o == NULL) {
        return NULL;
    }
    set_text(o, "key", a->key);
    set_text(o, "service", a->service);
    set_text(o, "host", a->host);
    set_text(o, "project", a->project);
    set_text(o, "kind", ts_alert_kind_name(a->kind));
    set_text(o, "severity", ts_severity_name(a->severity));
    (void)json_object_set_new(o, "urgent", json_boolean(a->urgent));
    set_text(o, "title", a->title);
    set_text(o, "what", a->what);
    set_text(o, "doing", a->doing);
    set_time(o, "at", a->at);
    set_time(o, "since", a->since);
    (void)json_object_set_new(o, "at_ms", json_integer(a->at.ms));
    (void)json_object_set_new(o, "since_ms", json_integer(a->since.ms));
    (void)json_object_set_new(o, "attempt", json_integer(a->attempt));
    (void)json_object_set_new(o, "attempts_max", json_integer(a->attempts_max));
    (void)json_object_set_new(o, "duration_ms", json_integer(a->duration_ms));
    return o;
}

char *ts_alert_to_text(const struct ts_alert *a)
{
    TS_CLEANUP(ts_json_drop) json_t *o = ts_alert_to_json(a);
    return o == NULL ? NULL : json_dumps(o, JSON_COMPACT);
}

/* The index of a name in a table; false if it is not there. */
static bool name_index(const json_t *o, const char *key, const char *const *names, size_t count,
                       unsigned *ret, struct ts_error *err)
{
    const char *name = ts_json_str_or(o, key, "");
    for (size_t i = 0; i < count; i++) {
        if (strcmp(names[i], name) == 0) {
            *ret = (unsigned)i;
            return true;
        }
    }
    return ts_error_set(err, TS_E_PROTOCOL, "alert: %s \"%.20s\" is unknown", key, name);
}

static uint32_t count_or_0(const json_t *o, const char *key)
{
    int64_t n = ts_json_i64_or(o, key, 0);
    return n >= 0 && n <= UINT32_MAX ? (uint32_t)n : 0;
}

bool ts_alert_from_json(const json_t *o, struct ts_alert *ret, struct ts_error *err)
{
    unsigned kind = 0;
    unsigned severity = 0;
    if (!name_index(o, "kind", kind_names, TS_ARRAY_LEN(kind_names), &kind, err) ||
        !name_index(o, "severity", severity_names, TS_ARRAY_LEN(severity_names), &severity, err)) {
        return false;
    }
    memset(ret, 0, sizeof(*ret));
    ts_copy_cut(ret->key, sizeof(ret->key), ts_json_str_or(o, "key", ""));
    ts_copy_cut(ret->service, sizeof(ret->service), ts_json_str_or(o, "service", ""));
    ts_copy_cut(ret->host, sizeof(ret->host), ts_json_str_or(o, "host", ""));
    ts_copy_cut(ret->project, sizeof(ret->project), ts_json_str_or(o, "project", ""));
    ret->kind = (enum ts_alert_kind)kind;
    ret->severity = (enum ts_severity)severity;
    ret->urgent = ts_json_bool_or(o, "urgent", false);
    ts_copy_cut(ret->title, sizeof(ret->title), ts_json_str_or(o, "title", ""));
    ts_copy_cut(ret->what, sizeof(ret->what), ts_json_str_or(o, "what", ""));
    ts_copy_cut(ret->doing, sizeof(ret->doing), ts_json_str_or(o, "doing", ""));
    ret->at = (ts_wall){ts_json_i64_or(o, "at_ms", 0)};
    ret->since = (ts_wall){ts_json_i64_or(o, "since_ms", 0)};
    ret->attempt = count_or_0(o, "attempt");
    ret->attempts_max = count_or_0(o, "attempts_max");
    ret->duration_ms = ts_json_i64_or(o, "duration_ms", 0);
    return true;
}
