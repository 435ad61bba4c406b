/* Section headers -> parts of the model. */
#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "config/build_internal.h"

void ts_config_build_error(struct ts_build *b, struct ts_build_section *s, const char *key,
                           const char *fmt, ...)
{
    char text[360];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    const struct ts_ini_entry *e = key != NULL ? ts_config_ini_find(b->ini, s->ini, key) : NULL;
    unsigned line = e != NULL ? e->line : s->ini->line;
    s->bad = true;
    if (key != NULL) {
        ts_config_error_add(b->errs, line, "[%s] %s: %s", s->ini->text, key, text);
    } else {
        ts_config_error_add(b->errs, line, "[%s] %s", s->ini->text, text);
    }
}

static const char *section_name_at(void *ctx, size_t i)
{
    (void)ctx;
    return i < TS_SECTION_COUNT ? ts_config_section_row((enum ts_section_kind)i)->name : NULL;
}

static bool take_name(struct ts_build *b, struct ts_build_section *s, const char *from, size_t n,
                      char to[TS_NAME_MAX])
{
    bool ok = n > 0 && n < TS_NAME_MAX;
    for (size_t i = 0; ok && i < n; i++) {
        ok = isalnum((unsigned char)from[i]) || (i > 0 && strchr("_.-", from[i]) != NULL);
    }
    if (!ok) {
        ts_config_build_error(b, s, NULL,
                              "'%.*s' is not a name; want letters and digits, and _ . - inside, "
                              "at most %d bytes",
                              (int)n, from, TS_NAME_MAX - 1);
        return false;
    }
    memcpy(to, from, n);
    to[n] = '\0';
    return true;
}

static bool take_service_name(struct ts_build *b, struct ts_build_section *s, const char *from,
                              size_t n)
{
    if (n == 1 && *from == '*') {
        memcpy(s->name, "*", 2);
        return true;
    }
    return take_name(b, s, from, n, s->name);
}

static bool take_names(struct ts_build *b, struct ts_build_section *s, const char *from)
{
    const struct ts_section_row *row = ts_config_section_row(s->kind);
    if ((row->named == NULL) != (from[0] == '\0')) {
        ts_config_build_error(b, s, NULL, "want [%s%s%s]", row->name, row->named != NULL ? " " : "",
                              row->named != NULL ? row->named : "");
        return false;
    }
    if (s->kind == TS_SECTION_SERVICE || s->kind == TS_SECTION_SIGNALS) {
        return take_service_name(b, s, from, strlen(from));
    }
    if (s->kind == TS_SECTION_PROBE) {
        const char *slash = strchr(from, '/');
        if (slash == NULL) {
            ts_config_build_error(b, s, NULL, "want [probe SERVICE/NAME]");
            return false;
        }
        return take_service_name(b, s, from, (size_t)(slash - from)) &&
               take_name(b, s, slash + 1, strlen(slash + 1), s->probe);
    }
    return row->named == NULL || take_name(b, s, from, strlen(from), s->name);
}

static bool read_header(struct ts_build *b, struct ts_build_section *s)
{
    const char *text = s->ini->text;
    size_t n = strcspn(text, " \t");
    for (size_t i = 0; i < TS_SECTION_COUNT; i++) {
        const char *name = ts_config_section_row((enum ts_section_kind)i)->name;
        if (strlen(name) == n && memcmp(name, text, n) == 0) {
            s->kind = (enum ts_section_kind)i;
            return take_names(b, s, text + n + strspn(text + n, " \t"));
        }
    }
    char kind[TS_INI_SECTION_MAX];
    memcpy(kind, text, n);
    kind[n] = '\0';
    const char *near = ts_config_nearest(kind, section_name_at, NULL);
    if (near != NULL) {
        ts_config_build_error(b, s, NULL, "unknown section; did you mean '%s'?", near);
    } else {
        ts_config_build_error(b, s, NULL,
                              "unknown section; there are daemon, engine, control, alerts, "
                              "channel, safety, observe, window, service, probe, signals");
    }
    return false;
}

/* By kind and names, then by line: the same section twice ends up side by side. */
static int compare(const void *left, const void *right)
{
    const struct ts_build_section *a = *(struct ts_build_section *const *)left;
    const struct ts_build_section *b = *(struct ts_build_section *const *)right;
    if (a->kind != b->kind) {
        return a->kind < b->kind ? -1 : 1;
    }
    int order = strcmp(a->name, b->name);
    order = order != 0 ? order : strcmp(a->probe, b->probe);
    if (order != 0) {
        return order;
    }
    return a->ini->line < b->ini->line ? -1 : 1;
}

static bool is_twin(const struct ts_build_section *a, const struct ts_build_section *b)
{
    return a->kind == b->kind && strcmp(a->name, b->name) == 0 && strcmp(a->probe, b->probe) == 0;
}

static bool refuse_twins(struct ts_build *b)
{
    struct ts_build_section **sorted =
        calloc(b->ini->section_count + 1, sizeof(struct ts_build_section *));
    if (sorted == NULL) {
        return false;
    }
    size_t count = 0;
    for (size_t i = 0; i < b->ini->section_count; i++) {
        if (!b->sections[i].bad) {
            sorted[count++] = &b->sections[i];
        }
    }
    qsort(sorted, count, sizeof(struct ts_build_section *), compare);
    for (size_t i = 1, first = 0; i < count; i++) {
        if (is_twin(sorted[first], sorted[i])) {
            ts_config_build_error(b, sorted[i], NULL, "stands here again; it began in line %u",
                                  sorted[first]->ini->line);
        } else {
            first = i;
        }
    }
    free(sorted);
    return true;
}

static bool make_services(struct ts_build *b)
{
    size_t count = 0;
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        if (s->bad || s->kind != TS_SECTION_SERVICE) {
            continue;
        }
        if (strcmp(s->name, "*") == 0) {
            s->object = &b->model->defaults;
        } else if (++count > TS_MAX_SERVICES) {
            ts_config_build_error(b, s, NULL, "more than %d services", TS_MAX_SERVICES);
        }
    }
    b->model->services = count > 0 ? calloc(count, sizeof(*b->model->services)) : NULL;
    return count == 0 || b->model->services != NULL;
}

static const char *service_name_at(void *ctx, size_t i)
{
    const struct ts_model *m = ctx;
    return i < m->service_count ? m->services[i].name : NULL;
}

static struct ts_svc_spec *find_owner(struct ts_build *b, struct ts_build_section *s)
{
    if (strcmp(s->name, "*") == 0) {
        return &b->model->defaults;
    }
    for (size_t i = 0; i < b->model->service_count; i++) {
        /* NOLINTNEXTLINE(clang-analyzer-core.NonNullParamChecker): services[0..count) exist */
        if (strcmp(b->model->services[i].name, s->name) == 0) {
            return &b->model->services[i];
        }
    }
    const char *near = ts_config_nearest(s->name, service_name_at, b->model);
    ts_config_build_error(b, s, NULL, "there is no section [service %s]%s%s%s", s->name,
                          near != NULL ? "; did you mean '" : "", near != NULL ? near : "",
                          near != NULL ? "'?" : "; add it, even if it stays empty");
    return NULL;
}

/* The next free element of a fixed array, named after the section. */
static void *take_slot(struct ts_build *b, struct ts_build_section *s, void *first, size_t size,
                       size_t *count, size_t most, const char *name)
{
    if (*count == most) {
        ts_config_build_error(b, s, NULL, "is one too many; at most %zu are allowed", most);
        return NULL;
    }
    char *slot = (char *)first + (*count)++ * size;
    memcpy(slot, name, strlen(name) + 1); /* every such struct begins with its name */
    return slot;
}

/* The sections that are filled in later point into the array, so it has room for all from the
 * beginning; ts_config_build_trim() gives the rest back. */
static struct ts_probe_spec *take_probe(struct ts_build *b, struct ts_build_section *s)
{
    struct ts_svc_spec *owner = s->owner;
    if (owner->probes == NULL) {
        owner->probes = calloc(TS_MAX_PROBES, sizeof(*owner->probes));
        if (owner->probes == NULL) {
            ts_config_build_error(b, s, NULL, "out of memory");
            return NULL;
        }
    }
    return take_slot(b, s, owner->probes, sizeof(*owner->probes), &owner->probe_count,
                     TS_MAX_PROBES, s->probe);
}

static void trim(struct ts_svc_spec *spec)
{
    if (spec->probe_count > 0) {
        struct ts_probe_spec *less =
            realloc(spec->probes, spec->probe_count * sizeof(*spec->probes));
        spec->probes = less != NULL ? less : spec->probes;
    }
}

void ts_config_build_trim(struct ts_model *m)
{
    trim(&m->defaults);
    for (size_t i = 0; i < m->service_count; i++) {
        trim(&m->services[i]);
    }
}

static_assert(offsetof(struct ts_channel_spec, name) == 0, "take_slot() writes the name there");
static_assert(offsetof(struct ts_window, name) == 0, "take_slot() writes the name there");
static_assert(offsetof(struct ts_probe_spec, name) == 0, "take_slot() writes the name there");

static void make_object(struct ts_build *b, struct ts_build_section *s)
{
    struct ts_model *m = b->model;
    switch (s->kind) {
    case TS_SECTION_DAEMON:
    case TS_SECTION_ENGINE:
    case TS_SECTION_CONTROL:
    case TS_SECTION_ALERTS:
    case TS_SECTION_SAFETY:
    case TS_SECTION_OBSERVE: s->object = m; break;
    case TS_SECTION_CHANNEL:
        s->object = take_slot(b, s, m->channels, sizeof(m->channels[0]), &m->channel_count,
                              TS_MAX_CHANNELS, s->name);
        break;
    case TS_SECTION_WINDOW:
        s->object = take_slot(b, s, m->windows, sizeof(m->windows[0]), &m->window_count,
                              TS_MAX_WINDOWS, s->name);
        break;
    case TS_SECTION_PROBE:
        s->owner = find_owner(b, s);
        s->object = s->owner != NULL ? take_probe(b, s) : NULL;
        break;
    case TS_SECTION_SIGNALS:
        s->owner = find_owner(b, s);
        s->object = s->owner;
        break;
    case TS_SECTION_SERVICE:
    case TS_SECTION_COUNT: break;
    }
}

bool ts_config_build_sections(struct ts_build *b)
{
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        s->ini = &b->ini->sections[i];
        (void)read_header(b, s); /* a failure is told and marks the section as bad */
    }
    if (!refuse_twins(b) || !make_services(b)) {
        return false;
    }
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        if (!s->bad && s->kind == TS_SECTION_SERVICE && s->object == NULL) {
            struct ts_svc_spec *spec = &b->model->services[b->model->service_count++];
            memcpy(spec->name, s->name, sizeof(spec->name));
            s->object = spec;
        }
    }
    for (size_t i = 0; i < b->ini->section_count; i++) {
        if (!b->sections[i].bad) {
            make_object(b, &b->sections[i]);
        }
    }
    return true;
}
