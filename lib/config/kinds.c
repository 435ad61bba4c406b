/* What a key can be: text -> field and back, one row a kind. */
#include <ctype.h>
#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "base/pattern.h"
#include "config/schema_internal.h"
#include "model/model.h"

struct target {
    const struct ts_key *key;
    unsigned char *object;
    char *want;
    size_t want_size;
};

static void *field(const struct target *t)
{
    return t->object + t->key->offset;
}

static bool refuse(const struct target *t, const char *fmt, ...) TS_PRINTF(2, 3);

static bool refuse(const struct target *t, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(t->want, t->want_size, fmt, args);
    va_end(args);
    return false;
}

static bool refuse_allowed(const struct target *t, const char *before)
{
    struct ts_buf text = ts_buf_init(512);
    ts_config_key_allowed(t->key, &text);
    (void)refuse(t, "%s%s", before, ts_buf_text(&text));
    ts_buf_done(&text);
    return false;
}

static bool set_allocated(const struct target *t, const char *value)
{
    char *own = strdup(value);
    char *former;
    if (own == NULL) {
        return refuse(t, "cannot be kept: out of memory");
    }
    memcpy(&former, field(t), sizeof(former));
    free(former);
    memcpy(field(t), &own, sizeof(own));
    return true;
}

static bool set_text(const struct target *t, const char *value)
{
    if (value[0] == '\0' && t->key->min > 0) {
        return refuse(t, "must not be empty");
    }
    if (strlen(value) >= t->key->size) {
        return refuse(t, "is too long, at most %zu bytes are allowed", t->key->size - 1);
    }
    return t->key->allocated ? set_allocated(t, value) : ts_copy(field(t), t->key->size, value);
}

static bool set_name(const struct target *t, const char *value)
{
    for (const char *p = value; *p != '\0'; p++) {
        if (!isalnum((unsigned char)*p) && (p == value || strchr("_.-", *p) == NULL)) {
            return refuse(t, "is not a name; want letters and digits, and _ . - inside");
        }
    }
    return set_text(t, value);
}

static bool set_path(const struct target *t, const char *value)
{
    bool drive = isalpha((unsigned char)value[0]) && value[1] == ':' &&
                 (value[2] == '\\' || value[2] == '/');
    if (value[0] != '\0' && value[0] != '/' && !drive) {
        return refuse(t, "is not an absolute path");
    }
    return set_text(t, value);
}

static bool set_pattern(const struct target *t, const char *value)
{
    if (value[0] != '\0') {
        struct ts_error err;
        struct ts_pattern *p = ts_pattern_new(value, &err);
        if (p == NULL) {
            return refuse(t, "is not a valid pattern: %s", err.msg);
        }
        ts_pattern_free(p);
    }
    return set_text(t, value);
}

static bool set_span(const struct target *t, const char *value)
{
    int64_t ms;
    if (!ts_parse_span_ms(value, &ms)) {
        return refuse_allowed(t, "is not a span with its unit (ms, s, m, h, d); want ");
    }
    if (ms < t->key->min || ms > t->key->max) {
        return refuse_allowed(t, "is out of range; want ");
    }
    memcpy(field(t), &ms, sizeof(ms));
    return true;
}

static bool set_number(const struct target *t, const char *value)
{
    int64_t number;
    if (!ts_parse_i64(value, t->key->min, t->key->max, &number)) {
        return refuse_allowed(t, "is not a number in range; want ");
    }
    int32_t narrow = (int32_t)number; /* all ranges are within 0..INT32_MAX */
    memcpy(field(t), &narrow, sizeof(narrow));
    return true;
}

static bool set_port(const struct target *t, const char *value)
{
    int64_t number = 0;
    if (strcmp(value, "auto") != 0 && !ts_parse_i64(value, 1, UINT16_MAX, &number)) {
        return refuse_allowed(t, "is not a port; want ");
    }
    uint16_t port = (uint16_t)number;
    memcpy(field(t), &port, sizeof(port));
    return true;
}

static bool set_bool(const struct target *t, const char *value)
{
    bool on;
    if (!ts_parse_bool(value, &on)) {
        return refuse_allowed(t, "is neither yes nor no; want ");
    }
    memcpy(field(t), &on, sizeof(on));
    return true;
}

static const struct ts_word *find_word(const struct ts_word *words, const char *text, size_t n)
{
    for (; words->text != NULL; words++) {
        if (strlen(words->text) == n && memcmp(words->text, text, n) == 0) {
            return words;
        }
    }
    return NULL;
}

static bool set_enum(const struct target *t, const char *value)
{
    const struct ts_word *word = find_word(t->key->words, value, strlen(value));
    if (word == NULL) {
        return refuse_allowed(t, "is not one of ");
    }
    memcpy(field(t), &word->value, sizeof(word->value));
    return true;
}

/* Items are separated by commas, spaces or both. Moves *at behind the item; 0 at the end. */
static size_t next_item(const char **at)
{
    *at += strspn(*at, ", \t");
    return strcspn(*at, ", \t");
}

static bool set_flags(const struct target *t, const char *value)
{
    unsigned flags = 0;
    const char *at = value;
    for (size_t n = next_item(&at); n > 0; at += n, n = next_item(&at)) {
        const struct ts_word *word = find_word(t->key->words, at, n);
        if (word == NULL) {
            return refuse_allowed(t, "must be one or more of ");
        }
        flags |= (unsigned)word->value;
    }
    if (flags == 0) {
        return refuse_allowed(t, "must be one or more of ");
    }
    memcpy(field(t), &flags, sizeof(flags));
    return true;
}

static bool set_time(const struct target *t, const char *value)
{
    int64_t hour;
    int64_t minute;
    if (strlen(value) != 5 || value[2] != ':' || !ts_parse_i64n(value, 2, 0, 23, &hour) ||
        !ts_parse_i64n(value + 3, 2, 0, 59, &minute)) {
        return refuse_allowed(t, "is not a time of day; want ");
    }
    int total = (int)(hour * 60 + minute);
    memcpy(field(t), &total, sizeof(total));
    return true;
}

static bool set_list(const struct target *t, const char *value)
{
    size_t elem = t->key->elem;
    size_t most = t->key->size / elem;
    size_t count = 0;
    const char *at = value;
    /* First look, then write: a refused value must leave the field as it was. */
    for (size_t n = next_item(&at); n > 0; at += n, n = next_item(&at)) {
        if (n >= elem) {
            return refuse(t, "has an item of more than %zu bytes", elem - 1);
        }
        count++;
    }
    if (count > most) {
        return refuse(t, "has %zu items, at most %zu are allowed", count, most);
    }
    if (count < (size_t)t->key->min) {
        return refuse(t, "must not be empty");
    }
    memset(field(t), 0, t->key->size);
    at = value;
    for (size_t i = 0; i < count; i++) {
        size_t n = next_item(&at);
        memcpy((char *)field(t) + i * elem, at, n);
        at += n;
    }
    memcpy(t->object + t->key->count_offset, &count, sizeof(count));
    return true;
}

static bool set_signal(const struct target *t, const char *value)
{
    struct ts_svc_spec *service = (struct ts_svc_spec *)(void *)t->object;
    if (service->signal_count == TS_MAX_SIGNALS) {
        return refuse(t, "is one too many: a service has at most %d patterns", TS_MAX_SIGNALS);
    }
    struct ts_signal_spec *more =
        realloc(service->signals, (service->signal_count + 1) * sizeof(*more));
    if (more == NULL) {
        return refuse(t, "cannot be kept: out of memory");
    }
    service->signals = more;
    struct ts_signal_spec *signal = &service->signals[service->signal_count];
    *signal = (struct ts_signal_spec){.pattern = ""};
    struct ts_key pattern = {.kind = TS_KEY_PATTERN, .min = 1, .size = sizeof(signal->pattern)};
    struct target part = {&pattern, (unsigned char *)signal->pattern, t->want, t->want_size};
    if (!set_pattern(&part, value)) {
        return false;
    }
    signal->signal = (enum ts_signal)t->key->min;
    service->signal_count++;
    return true;
}

static void print_text(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    const char *text = (const char *)object + k->offset;
    if (k->allocated) {
        memcpy(&text, object + k->offset, sizeof(text));
    }
    ts_buf_adds(out, text);
}

static void print_ms(int64_t ms, struct ts_buf *out)
{
    static const struct {
        int64_t ms;
        const char *name;
    } units[] = {{86400000, "d"}, {3600000, "h"}, {60000, "m"}, {1000, "s"}, {1, "ms"}};
    if (ms == 0) {
        ts_buf_adds(out, "0");
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(units); i++) {
        if (ms >= units[i].ms) {
            ts_buf_addf(out, "%" PRId64 "%s", ms / units[i].ms, units[i].name);
            ms %= units[i].ms;
        }
    }
}

static void print_span(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    int64_t ms;
    memcpy(&ms, object + k->offset, sizeof(ms));
    print_ms(ms, out);
}

static int int_at(const struct ts_key *k, const unsigned char *object)
{
    int value;
    memcpy(&value, object + k->offset, sizeof(value));
    return value;
}

static void print_number(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    ts_buf_addf(out, "%d", int_at(k, object));
}

static void print_port(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    uint16_t port;
    memcpy(&port, object + k->offset, sizeof(port));
    if (port == 0) {
        ts_buf_adds(out, "auto");
    } else {
        ts_buf_addf(out, "%u", (unsigned)port);
    }
}

static void print_bool(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    bool on;
    memcpy(&on, object + k->offset, sizeof(on));
    ts_buf_adds(out, on ? "yes" : "no");
}

static void print_enum(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    int value = int_at(k, object);
    for (const struct ts_word *w = k->words; w->text != NULL; w++) {
        if (w->value == value) {
            ts_buf_adds(out, w->text);
            return;
        }
    }
}

/* The first words that together make the value: "daily" comes before "sun". */
static void print_flags(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    unsigned left = (unsigned)int_at(k, object);
    const char *comma = "";
    for (const struct ts_word *w = k->words; w->text != NULL && left != 0; w++) {
        if ((left & (unsigned)w->value) == (unsigned)w->value) {
            ts_buf_addf(out, "%s%s", comma, w->text);
            left &= ~(unsigned)w->value;
            comma = ", ";
        }
    }
}

static void print_time(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    int minutes = int_at(k, object);
    ts_buf_addf(out, "%02d:%02d", minutes / 60, minutes % 60);
}

static void print_list(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    size_t count;
    memcpy(&count, object + k->count_offset, sizeof(count));
    for (size_t i = 0; i < count; i++) {
        ts_buf_addf(out, "%s%s", i > 0 ? ", " : "", (const char *)object + k->offset + i * k->elem);
    }
}

static void print_signal(const struct ts_key *k, const unsigned char *object, struct ts_buf *out)
{
    const struct ts_svc_spec *service = (const struct ts_svc_spec *)(const void *)object;
    const char *comma = "";
    for (size_t i = 0; i < service->signal_count; i++) {
        if (service->signals[i].signal == (enum ts_signal)k->min) {
            ts_buf_addf(out, "%s%s", comma, service->signals[i].pattern);
            comma = " | ";
        }
    }
}

static const struct {
    const char *name;
    bool (*set)(const struct target *t, const char *value);
    void (*print)(const struct ts_key *k, const unsigned char *object, struct ts_buf *out);
} kinds[TS_KEY_KIND_COUNT] = {
    [TS_KEY_TEXT] = {"text", set_text, print_text},
    [TS_KEY_NAME] = {"name", set_name, print_text},
    [TS_KEY_PATH] = {"path", set_path, print_text},
    [TS_KEY_FILE] = {"file", set_text, print_text},
    [TS_KEY_PATTERN] = {"pattern", set_pattern, print_text},
    [TS_KEY_SPAN] = {"span", set_span, print_span},
    [TS_KEY_NUMBER] = {"number", set_number, print_number},
    [TS_KEY_PERCENT] = {"percent", set_number, print_number},
    [TS_KEY_PORT] = {"port", set_port, print_port},
    [TS_KEY_BOOL] = {"bool", set_bool, print_bool},
    [TS_KEY_ENUM] = {"enum", set_enum, print_enum},
    [TS_KEY_FLAGS] = {"words", set_flags, print_flags},
    [TS_KEY_TIME] = {"time", set_time, print_time},
    [TS_KEY_LIST] = {"list", set_list, print_list},
    [TS_KEY_SIGNAL] = {"pattern", set_signal, print_signal},
};

bool ts_config_key_set(const struct ts_key *k, void *object, const char *value, char *want,
                       size_t want_size)
{
    struct target t = {k, object, want, want_size};
    return kinds[k->kind].set(&t, value);
}

void ts_config_key_print(const struct ts_key *k, const void *object, struct ts_buf *out)
{
    kinds[k->kind].print(k, object, out);
}

const char *ts_config_key_kind_name(enum ts_key_kind kind)
{
    return kinds[kind].name;
}

void ts_config_key_allowed(const struct ts_key *k, struct ts_buf *out)
{
    switch (k->kind) {
    case TS_KEY_ENUM:
    case TS_KEY_FLAGS:
        for (const struct ts_word *w = k->words; w->text != NULL; w++) {
            ts_buf_addf(out, "%s%s", w == k->words ? "" : ", ", w->text);
        }
        break;
    case TS_KEY_SPAN:
        print_ms(k->min, out);
        ts_buf_adds(out, " to ");
        print_ms(k->max, out);
        break;
    case TS_KEY_NUMBER:
    case TS_KEY_PERCENT: ts_buf_addf(out, "%" PRId64 " to %" PRId64, k->min, k->max); break;
    case TS_KEY_PORT: ts_buf_adds(out, "auto or 1 to 65535"); break;
    case TS_KEY_BOOL: ts_buf_adds(out, "yes or no"); break;
    case TS_KEY_TIME: ts_buf_adds(out, "HH:MM, 00:00 to 23:59"); break;
    case TS_KEY_LIST:
        ts_buf_addf(out, "at most %zu, separated by commas", k->size / k->elem);
        break;
    case TS_KEY_TEXT:
    case TS_KEY_NAME:
    case TS_KEY_PATH:
    case TS_KEY_FILE:
    case TS_KEY_PATTERN: ts_buf_addf(out, "at most %zu bytes", k->size - 1); break;
    case TS_KEY_SIGNAL: ts_buf_addf(out, "at most %d bytes", TS_TEXT_MAX - 1); break;
    case TS_KEY_KIND_COUNT: break;
    }
}
