/* The table of sections and keys, and what a key can be. Shared by the files of config/. */
#ifndef TS_CONFIG_SCHEMA_INTERNAL_H
#define TS_CONFIG_SCHEMA_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/buf.h"
#include "base/macros.h"

enum ts_section_kind {
    TS_SECTION_DAEMON,
    TS_SECTION_ENGINE,
    TS_SECTION_CONTROL,
    TS_SECTION_ALERTS,
    TS_SECTION_CHANNEL,
    TS_SECTION_SAFETY,
    TS_SECTION_OBSERVE,
    TS_SECTION_WINDOW,
    TS_SECTION_SERVICE,
    TS_SECTION_PROBE,
    TS_SECTION_SIGNALS,
    TS_SECTION_COUNT
};

struct ts_section_row {
    const char *name;
    const char *named; /* what stands behind the name: "NAME", "SERVICE/NAME"; NULL: nothing */
};

enum ts_key_kind {
    TS_KEY_TEXT,    /* char[size]; min 1: not empty */
    TS_KEY_NAME,    /* char[size]: letters, digits, "_.-" */
    TS_KEY_PATH,    /* char[size]: absolute, or empty where min is 0 */
    TS_KEY_FILE,    /* char[size]: absolute, or relative to the credentials or the file's folder */
    TS_KEY_PATTERN, /* char[size]: compiles */
    TS_KEY_SPAN,    /* int64_t, ms */
    TS_KEY_NUMBER,  /* uint32_t or int32_t */
    TS_KEY_PERCENT, /* uint32_t */
    TS_KEY_PORT,    /* uint16_t; "auto" is 0 */
    TS_KEY_BOOL,    /* bool */
    TS_KEY_ENUM,    /* int or an enum of its size */
    TS_KEY_FLAGS,   /* unsigned: words or-ed */
    TS_KEY_TIME,    /* int: minutes since midnight */
    TS_KEY_LIST,    /* char[n][elem], with a size_t count */
    TS_KEY_SIGNAL,  /* appended to ts_svc_spec.signals; may be repeated */
    TS_KEY_KIND_COUNT
};

struct ts_word {
    const char *text; /* NULL ends the list */
    int value;
};

struct ts_key {
    enum ts_section_kind section;
    const char *name;
    enum ts_key_kind kind;
    size_t offset;       /* in the section's struct */
    size_t size;         /* of a text: at most, NUL included */
    size_t elem;         /* TS_KEY_LIST: bytes of one element */
    size_t count_offset; /* TS_KEY_LIST */
    int64_t min;
    int64_t max;
    const struct ts_word *words;
    const char *def;      /* NULL: must be given */
    unsigned probe_kinds; /* bits of 1 << enum ts_probe_kind that it is for; 0: all */
    bool allocated;       /* a text: the field is a char *, freed with the object */
    bool restart;         /* only a restart of the daemon brings a change into force */
    const char *help;
};

const struct ts_section_row *ts_config_section_row(enum ts_section_kind section);
/* Row i of the table of keys, NULL behind the last. Rows of a section stand together. */
const struct ts_key *ts_config_key_at(size_t i);
/* The row, or NULL. */
const struct ts_key *ts_config_find_key(enum ts_section_kind section, const char *name);

/* Puts the value where the key says. On failure the object is untouched and `want` says what is
 * wrong, to stand behind the value: "is not one of always, never". */
bool ts_config_key_set(const struct ts_key *k, void *object, const char *value, char *want,
                       size_t want_size) TS_MUST_CHECK;

/* Sets all keys of a section that have a default to it. False: out of memory. */
bool ts_config_set_defaults(enum ts_section_kind section, void *object) TS_MUST_CHECK;

/* Appends the value as a file would have it. */
void ts_config_key_print(const struct ts_key *k, const void *object, struct ts_buf *out);

/* Appends what is allowed, for people: "500ms to 1h", "always, on-failure, never". */
void ts_config_key_allowed(const struct ts_key *k, struct ts_buf *out);

const char *ts_config_key_kind_name(enum ts_key_kind kind);

#endif
