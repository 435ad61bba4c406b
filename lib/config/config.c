/* Text -> model: sections first, then the keys, then what keys mean together. See config.h. */
#include "config/config.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/buf.h"
#include "base/error.h"
#include "base/file.h"
#include "base/parse.h"
#include "config/build_internal.h"

/* Of LoadCredential=tradestack:DIR in tradestackd.service. */
#define CREDENTIALS_PREFIX "tradestack_"

static const char *key_name_at(void *ctx, size_t i)
{
    const enum ts_section_kind *kind = ctx;
    const struct ts_key *k;
    for (size_t row = 0; (k = ts_config_key_at(row)) != NULL; row++) {
        if (k->section == *kind && i-- == 0) {
            return k->name;
        }
    }
    return NULL;
}

static void refuse_unknown_key(struct ts_build *b, struct ts_build_section *s, const char *key)
{
    const char *near = ts_config_nearest(key, key_name_at, &s->kind);
    if (near != NULL) {
        ts_config_build_error(b, s, key, "unknown key; did you mean '%s'?", near);
        return;
    }
    for (size_t i = 0; i < TS_SECTION_COUNT; i++) {
        const struct ts_section_row *row = ts_config_section_row((enum ts_section_kind)i);
        if (ts_config_find_key((enum ts_section_kind)i, key) != NULL) {
            ts_config_build_error(b, s, key, "unknown key here; it belongs to [%s%s%s]", row->name,
                                  row->named != NULL ? " " : "",
                                  row->named != NULL ? row->named : "");
            return;
        }
    }
    struct ts_buf list = ts_buf_init(300);
    const char *name;
    for (size_t i = 0; (name = key_name_at(&s->kind, i)) != NULL; i++) {
        ts_buf_addf(&list, "%s%s", i > 0 ? ", " : "", name);
    }
    ts_config_build_error(b, s, key, "unknown key; there are %s%s", ts_buf_text(&list),
                          list.failed ? ", …" : "");
    ts_buf_done(&list);
}

static void set_key(struct ts_build *b, struct ts_build_section *s, const struct ts_ini_entry *e)
{
    const struct ts_key *k = ts_config_find_key(s->kind, e->key);
    if (k == NULL) {
        refuse_unknown_key(b, s, e->key);
        return;
    }
    const struct ts_ini_entry *first = ts_config_ini_find(b->ini, s->ini, e->key);
    if (first != e && k->kind != TS_KEY_SIGNAL) {
        s->bad = true;
        ts_config_error_add(b->errs, e->line, "[%s] %s: given again; it stands in line %u",
                            s->ini->text, e->key, first->line);
        return;
    }
    char want[300];
    if (!ts_config_key_set(k, s->object, e->value, want, sizeof(want))) {
        s->bad = true;
        ts_config_error_add(b->errs, e->line, "[%s] %s: '%.*s'%s %s", s->ini->text, e->key, 60,
                            e->value, strlen(e->value) > 60 ? "…" : "", want);
    }
}

static void set_keys(struct ts_build *b, struct ts_build_section *s)
{
    for (size_t i = s->ini->first; i < s->ini->first + s->ini->count; i++) {
        set_key(b, s, &b->ini->entries[i]);
    }
}

/* [service *] first, because the other services begin as copies of it. False: out of memory. */
static bool apply(struct ts_build *b)
{
    bool ok = ts_config_set_defaults(TS_SECTION_SERVICE, &b->model->defaults);
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        if (s->object == &b->model->defaults && s->kind == TS_SECTION_SERVICE) {
            set_keys(b, s);
        }
    }
    for (size_t i = 0; i < b->model->service_count; i++) {
        struct ts_svc_spec *spec = &b->model->services[i];
        struct ts_svc_spec named = b->model->defaults;
        memcpy(named.name, spec->name, sizeof(named.name));
        named.probe_count = spec->probe_count; /* those of * are for services without a section */
        named.probes = spec->probes;
        named.signal_count = 0; /* the same; and none has been read yet */
        named.signals = NULL;
        *spec = named;
    }
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        bool done = s->object == &b->model->defaults && s->kind == TS_SECTION_SERVICE;
        if (s->object != NULL && !done) {
            if (ts_config_section_row(s->kind)->named != NULL && s->kind != TS_SECTION_SERVICE) {
                ok = ts_config_set_defaults(s->kind, s->object) && ok;
            }
            set_keys(b, s);
        }
    }
    return ok;
}

static bool build(struct ts_build *b)
{
    bool ok = true;
    for (size_t i = 0; i < TS_SECTION_COUNT; i++) {
        if (ts_config_section_row((enum ts_section_kind)i)->named == NULL) {
            ok = ts_config_set_defaults((enum ts_section_kind)i, b->model) && ok;
        }
    }
    b->sections = calloc(b->ini->section_count + 1, sizeof(*b->sections));
    if (!ok || b->sections == NULL || !ts_config_build_sections(b) || !apply(b)) {
        ts_config_error_add(b->errs, 0, "out of memory");
        return false;
    }
    ts_config_build_checks(b);
    ts_config_build_trim(b->model);
    return b->errs->count == 0;
}

static bool is_there(const char *path)
{
    FILE *f = ts_file_open(path);
    if (f != NULL) {
        (void)fclose(f);
    }
    return f != NULL || errno != ENOENT;
}

/* Writes folder/prefix name; false if it does not fit, which makes it no file that is there. */
static bool join(char out[TS_TEXT_MAX], const char *folder, int folder_len, const char *prefix,
                 const char *name)
{
    int n = snprintf(out, TS_TEXT_MAX, "%.*s/%s%s", folder_len, folder, prefix, name);
    return n >= 0 && n < TS_TEXT_MAX;
}

/* Where a relative url_file lies; see config.h for the order. */
static bool find_file(const char *config_path, const char *name, char out[TS_TEXT_MAX])
{
    /* NOLINTNEXTLINE(concurrency-mt-unsafe): this program has one thread */
    const char *given = getenv("CREDENTIALS_DIRECTORY");
    const char *slash = strrchr(config_path, '/');
    const char *beside = slash != NULL ? config_path : ".";
    int beside_len = slash != NULL ? (int)(slash - config_path) : 1;
    if (given == NULL || given[0] == '\0') {
        return join(out, beside, beside_len, "", name);
    }
    int given_len = (int)strlen(given);
    return (join(out, given, given_len, "", name) && is_there(out)) ||
           (join(out, given, given_len, CREDENTIALS_PREFIX, name) && is_there(out)) ||
           (join(out, beside, beside_len, "", name) && is_there(out)) ||
           join(out, given, given_len, "", name);
}

/* A channel's url_file becomes absolute. */
static bool resolve_files(struct ts_model *m, struct ts_config_errors *errs)
{
    for (size_t i = 0; i < m->channel_count; i++) {
        struct ts_channel_spec *c = &m->channels[i];
        char path[TS_TEXT_MAX];
        bool drive = c->url_file[0] != '\0' && c->url_file[1] == ':';
        if (c->url_file[0] == '/' || drive) {
            continue;
        }
        if (!find_file(errs->path, c->url_file, path)) {
            ts_config_error_add(errs, 0, "[channel %s] url_file: the whole path is too long",
                                c->name);
            return false;
        }
        memcpy(c->url_file, path, sizeof(path));
    }
    return true;
}

static void start_errors(struct ts_config_errors *errs, const char *path)
{
    memset(errs, 0, sizeof(*errs));
    ts_copy_cut(errs->path, sizeof(errs->path), path);
}

struct ts_model *ts_config_parse(const char *text, size_t len, const char *path,
                                 struct ts_config_errors *errs)
{
    struct ts_ini ini;
    start_errors(errs, path);
    struct ts_build b = {.ini = &ini, .errs = errs, .model = ts_model_new()};
    bool ok = ts_config_ini_parse(text, len, &ini, errs);
    if (b.model == NULL) {
        ts_config_error_add(errs, 0, "out of memory");
    } else if (ok) {
        ok = build(&b) && resolve_files(b.model, errs);
    }
    free(b.sections);
    ts_config_ini_done(&ini);
    if (!ok || b.model == NULL) {
        ts_model_free(b.model);
        return NULL;
    }
    return b.model;
}

/* The whole file, or false and a mistake in errs. In pieces: one allocation of the greatest length
 * would make malloc keep large blocks in the heap from then on. */
static bool read_file(FILE *f, struct ts_buf *text, struct ts_config_errors *errs)
{
    char piece[4096];
    size_t n;
    do {
        n = fread(piece, 1, sizeof(piece), f);
    } while (ts_buf_add(text, piece, n) && n == sizeof(piece));
    if (ferror(f) != 0) {
        ts_config_error_add(errs, 0, "cannot be read");
    } else if (text->failed && text->len + n > text->limit) {
        ts_config_error_add(errs, 0, "more than %d bytes", TS_CONFIG_MAX_BYTES);
    } else if (text->failed) {
        ts_config_error_add(errs, 0, "out of memory");
    } else {
        return true;
    }
    return false;
}

static FILE *open_file(const char *path, struct ts_config_errors *errs)
{
    struct stat st;
    struct ts_error err;
    FILE *f = NULL;
    if (stat(path, &st) == 0 && !S_ISREG(st.st_mode)) { /* opening a FIFO would wait */
        ts_config_error_add(errs, 0, "is not a regular file");
        return NULL;
    }
    f = fopen(path, "rb");
    if (f == NULL) {
        (void)ts_error_errno(&err, errno, "cannot be opened");
        ts_config_error_add(errs, 0, "%s", err.msg);
    }
    return f;
}

static struct ts_model *load_stream(FILE *f, const char *path, struct ts_config_errors *errs)
{
    struct ts_buf text = ts_buf_init(TS_CONFIG_MAX_BYTES);
    struct ts_model *m = read_file(f, &text, errs)
                             ? ts_config_parse(ts_buf_text(&text), text.len, path, errs)
                             : NULL;
    (void)fclose(f);
    ts_buf_done(&text);
    return m;
}

struct ts_model *ts_config_load(const char *path, struct ts_config_errors *errs)
{
    start_errors(errs, path);
    FILE *f = open_file(path, errs);
    return f != NULL ? load_stream(f, path, errs) : NULL;
}

struct ts_model *ts_config_load_optional(const char *path, struct ts_config_errors *errs)
{
    struct stat st;
    const char *wanted = path != NULL ? path : TS_CONFIG_USUAL_PATH;
    if (stat(wanted, &st) == 0 || errno != ENOENT) {
        return ts_config_load(wanted, errs);
    }
    size_t len;
    const char *text = ts_config_sample(&len);
    struct ts_model *m = ts_config_parse(text, len, wanted, errs);
    ts_copy_cut(errs->path, sizeof(errs->path), TS_CONFIG_BUILT_IN);
    return m;
}

struct ts_model *ts_config_defaults(void)
{
    struct ts_config_errors *errs = malloc(sizeof(*errs)); /* 13 KiB: not for the stack */
    if (errs == NULL) {
        return NULL;
    }
    size_t len;
    const char *text = ts_config_sample(&len);
    struct ts_model *m = ts_config_parse(text, len, TS_CONFIG_USUAL_PATH, errs);
    free(errs);
    return m;
}
