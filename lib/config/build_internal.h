/* A model under construction: which section of the file is which part of the model. */
#ifndef TS_CONFIG_BUILD_INTERNAL_H
#define TS_CONFIG_BUILD_INTERNAL_H

#include "config/ini_internal.h"
#include "config/schema_internal.h"

struct ts_build_section {
    const struct ts_ini_section *ini;
    enum ts_section_kind kind;
    char name[TS_NAME_MAX];    /* service, window, channel, or the service of a probe */
    char probe[TS_NAME_MAX];   /* TS_SECTION_PROBE */
    void *object;              /* what its keys set; NULL: the section is not used */
    struct ts_svc_spec *owner; /* the service that a probe or signals belong to */
    bool bad;                  /* a mistake was told; no further checks */
};

struct ts_build {
    const struct ts_ini *ini;
    struct ts_config_errors *errs;
    struct ts_model *model;
    struct ts_build_section *sections; /* one for each of ini's */
};

/* Tells a mistake in a section, at the key's line if it is given there, else at the header. */
void ts_config_build_error(struct ts_build *b, struct ts_build_section *s, const char *key,
                           const char *fmt, ...) TS_PRINTF(4, 5);

/* Which section is what: fills kind, names, object and owner of all sections. False: no memory. */
bool ts_config_build_sections(struct ts_build *b) TS_MUST_CHECK;

/* What one key alone cannot tell: keys that must be given, that belong together or exclude each
 * other. */
void ts_config_build_checks(struct ts_build *b);

/* Gives back what the arrays of the services were too large by; nothing points into them any more.
 */
void ts_config_build_trim(struct ts_model *m);

/* The nearest of the names that next() gives (NULL ends them), if it is near enough for a slip of
 * the keyboard; else NULL. */
const char *ts_config_nearest(const char *name, const char *(*next)(void *ctx, size_t i),
                              void *ctx);

#endif
