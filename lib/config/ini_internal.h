/* The file's text as a list of sections and "key = value" lines, before anybody asks what they
 * mean. inih does the reading; what it lacks is added here: see ini.c. */
#ifndef TS_CONFIG_INI_INTERNAL_H
#define TS_CONFIG_INI_INTERNAL_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"
#include "config/config.h"

#define TS_INI_KEY_MAX     52  /* inih's own limit is 50 */
#define TS_INI_VALUE_MAX   512 /* more than a line can hold */
#define TS_INI_SECTION_MAX 192 /* "[...]": the text within the brackets */

struct ts_ini_entry {
    unsigned line;
    char key[TS_INI_KEY_MAX];
    char value[TS_INI_VALUE_MAX];
};

struct ts_ini_section {
    unsigned line;
    char text[TS_INI_SECTION_MAX]; /* "probe gateway/api", blanks at both ends removed */
    size_t first;                  /* its entries stand together */
    size_t count;
};

struct ts_ini {
    struct ts_ini_section *sections;
    size_t section_count;
    struct ts_ini_entry *entries;
    size_t entry_count;
};

/* Splits the text. Mistakes go to errs; what could be read is in *ret all the same. False only if
 * out of memory (told in errs, too). ts_config_ini_done() in any case. */
bool ts_config_ini_parse(const char *text, size_t len, struct ts_ini *ret,
                         struct ts_config_errors *errs) TS_MUST_CHECK;
void ts_config_ini_done(struct ts_ini *ini);

/* The section's first entry with that key, or NULL. */
const struct ts_ini_entry *
ts_config_ini_find(const struct ts_ini *ini, const struct ts_ini_section *section, const char *key);

/* Adds a mistake; line 0: the file as a whole. */
void ts_config_error_add(struct ts_config_errors *errs, unsigned line, const char *fmt, ...)
    TS_PRINTF(3, 4);

#endif
