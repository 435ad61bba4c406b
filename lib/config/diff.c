/* What a reload would change: both models are read through the table and compared as text. */
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "config/config.h"
#include "config/schema_internal.h"

#define VALUE_MAX_BYTES (TS_MAX_SIGNALS * (TS_TEXT_MAX + 4))
#define LABEL_MAX       192

/* A section as it would stand in a file, and the struct that its keys are in. */
struct part {
    enum ts_section_kind kind;
    char label[LABEL_MAX];
    const void *object;
};

struct parts {
    struct part *list;
    size_t count;
};

static void add_part(struct parts *p, enum ts_section_kind kind, const void *object,
                     const char *name, const char *probe)
{
    struct part *part = &p->list[p->count++];
    part->kind = kind;
    part->object = object;
    (void)snprintf(part->label, sizeof(part->label), "%s%s%s%s%s",
                   ts_config_section_row(kind)->name, name != NULL ? " " : "",
                   name != NULL ? name : "", probe != NULL ? "/" : "", probe != NULL ? probe : "");
}

static void add_service(struct parts *p, const struct ts_svc_spec *s, const char *name)
{
    add_part(p, TS_SECTION_SERVICE, s, name, NULL);
    for (size_t i = 0; i < s->probe_count; i++) {
        add_part(p, TS_SECTION_PROBE, &s->probes[i], name, s->probes[i].name);
    }
    if (s->signal_count > 0) {
        add_part(p, TS_SECTION_SIGNALS, s, name, NULL);
    }
}

static bool take_apart(const struct ts_model *m, struct parts *ret)
{
    size_t most = TS_SECTION_COUNT + m->channel_count + m->window_count +
                  (m->service_count + 1) * (TS_MAX_PROBES + 2);
    ret->count = 0;
    ret->list = calloc(most, sizeof(*ret->list));
    if (ret->list == NULL) {
        return false;
    }
    for (size_t i = 0; i < TS_SECTION_COUNT; i++) {
        if (ts_config_section_row((enum ts_section_kind)i)->named == NULL) {
            add_part(ret, (enum ts_section_kind)i, m, NULL, NULL);
        }
    }
    for (size_t i = 0; i < m->channel_count; i++) {
        add_part(ret, TS_SECTION_CHANNEL, &m->channels[i], m->channels[i].name, NULL);
    }
    for (size_t i = 0; i < m->window_count; i++) {
        add_part(ret, TS_SECTION_WINDOW, &m->windows[i], m->windows[i].name, NULL);
    }
    add_service(ret, &m->defaults, "*");
    for (size_t i = 0; i < m->service_count; i++) {
        add_service(ret, &m->services[i], m->services[i].name);
    }
    return true;
}

/* Mostly both models list the same parts in the same order, so the search begins at `hint`. */
static const struct part *find_part(const struct parts *p, const char *label, size_t hint)
{
    for (size_t i = 0; i < p->count; i++) {
        const struct part *part = &p->list[(hint + i) % p->count];
        if (strcmp(part->label, label) == 0) {
            return part;
        }
    }
    return NULL;
}

static void add_change(struct ts_config_changes *c, bool needs_restart, const char *fmt, ...)
    TS_PRINTF(3, 4);

static void add_change(struct ts_config_changes *c, bool needs_restart, const char *fmt, ...)
{
    c->needs_restart += needs_restart ? 1 : 0;
    if (c->count == TS_CONFIG_MAX_CHANGES) {
        c->dropped++;
        return;
    }
    struct ts_config_change *change = &c->list[c->count++];
    change->needs_restart = needs_restart;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(change->text, sizeof(change->text), fmt, args);
    va_end(args);
}

static const char *shown(const struct ts_buf *value)
{
    return value->len > 0 ? ts_buf_text(value) : "(empty)";
}

static bool compare_parts(const struct part *before, const struct part *after,
                          struct ts_config_changes *c)
{
    struct ts_buf a = ts_buf_init(VALUE_MAX_BYTES);
    struct ts_buf z = ts_buf_init(VALUE_MAX_BYTES);
    const struct ts_key *k;
    for (size_t i = 0; (k = ts_config_key_at(i)) != NULL; i++) {
        if (k->section != after->kind) {
            continue;
        }
        ts_buf_clear(&a);
        ts_buf_clear(&z);
        ts_config_key_print(k, before->object, &a);
        ts_config_key_print(k, after->object, &z);
        if (strcmp(ts_buf_text(&a), ts_buf_text(&z)) != 0) {
            add_change(c, k->restart, "[%s] %s: %.120s -> %.120s", after->label, k->name, shown(&a),
                       shown(&z));
        }
    }
    bool ok = !a.failed && !z.failed;
    ts_buf_done(&a);
    ts_buf_done(&z);
    return ok;
}

static bool compare_models(const struct parts *before, const struct parts *after,
                           struct ts_config_changes *c)
{
    for (size_t i = 0; i < after->count; i++) {
        const struct part *former = find_part(before, after->list[i].label, i);
        if (former == NULL) {
            add_change(c, false, "[%s] new", after->list[i].label);
        } else if (!compare_parts(former, &after->list[i], c)) {
            return false;
        }
    }
    for (size_t i = 0; i < before->count; i++) {
        if (find_part(after, before->list[i].label, i) == NULL) {
            add_change(c, false, "[%s] gone", before->list[i].label);
        }
    }
    return true;
}

bool ts_config_diff(const struct ts_model *before, const struct ts_model *after,
                    struct ts_config_changes *ret)
{
    struct parts a = {0};
    struct parts z = {0};
    memset(ret, 0, sizeof(*ret));
    bool ok = take_apart(before, &a) && take_apart(after, &z) && compare_models(&a, &z, ret);
    free(a.list);
    free(z.list);
    return ok;
}

void ts_config_keep_fixed(const struct ts_model *in_force, struct ts_model *next)
{
    const struct ts_key *k;
    for (size_t i = 0; (k = ts_config_key_at(i)) != NULL; i++) {
        if (k->restart) { /* only in sections without a name: the object is the model itself */
            memcpy((char *)next + k->offset, (const char *)in_force + k->offset, k->size);
        }
    }
}
