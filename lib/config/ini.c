/*
 * inih reads the lines; its callback knows neither line numbers nor empty sections, cuts long
 * section names, joins indented lines to the value above and stops telling after the first bad
 * line. So the reader below hands it one line at a time, keeps the number, follows the section
 * headers itself and notices when a line led to no callback.
 */
#include <ini.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "config/ini_internal.h"

#define LINE_MAX_BYTES 480 /* where inih allows as much; Debian's allows 198 */

struct reader {
    const char *text;
    size_t len;
    size_t at;
    unsigned line;
    bool waits; /* the line handed out is to lead to a callback */
    bool skips; /* below a header that could not be read */
    bool nomem;
    struct ts_ini *ini;
    struct ts_config_errors *errs;
};

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

/* The next line without its end and its indentation. False at the end of the text. */
static bool next_line(struct reader *r, const char **ret_start, size_t *ret_len)
{
    if (r->at >= r->len) {
        return false;
    }
    const char *start = r->text + r->at;
    const char *end = memchr(start, '\n', r->len - r->at);
    size_t n = end != NULL ? (size_t)(end - start) : r->len - r->at;
    r->at += n + (end != NULL ? 1 : 0);
    r->line++;
    if (r->line == 1 && n >= 3 && memcmp(start, "\xEF\xBB\xBF", 3) == 0) {
        start += 3; /* byte order mark */
        n -= 3;
    }
    while (n > 0 && (start[n - 1] == '\r' || is_blank(start[n - 1]))) {
        n--;
    }
    while (n > 0 && is_blank(*start)) {
        start++;
        n--;
    }
    *ret_start = start;
    *ret_len = n;
    return true;
}

static bool has_control_byte(const char *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (((unsigned char)s[i] < 0x20 && s[i] != '\t') || s[i] == 0x7F) {
            return true;
        }
    }
    return false;
}

static bool grow(void **list, size_t count, size_t size)
{
    if ((count & (count - 1)) != 0) { /* room is made at 0, 1, 2, 4, 8, … */
        return true;
    }
    void *bigger = realloc(*list, (count == 0 ? 1 : count * 2) * size);
    if (bigger != NULL) {
        *list = bigger;
    }
    return bigger != NULL;
}

static void add_section(struct reader *r, const char *text, size_t n)
{
    struct ts_ini *ini = r->ini;
    void *list = ini->sections;
    if (!grow(&list, ini->section_count, sizeof(*ini->sections))) {
        r->nomem = true;
        return;
    }
    ini->sections = list;
    struct ts_ini_section *s = &ini->sections[ini->section_count++];
    *s = (struct ts_ini_section){.line = r->line, .first = ini->entry_count};
    memcpy(s->text, text, n);
}

/* "[text]", perhaps with a comment behind it. */
static void read_header(struct reader *r, const char *line, size_t n)
{
    r->skips = true;
    const char *close = memchr(line, ']', n);
    if (close == NULL) {
        ts_config_error_add(r->errs, r->line, "the section header lacks its ']'");
        return;
    }
    const char *tail = close + 1;
    const char *end = line + n;
    while (tail < end && is_blank(*tail)) {
        tail++;
    }
    if (tail < end && *tail != ';' && *tail != '#') {
        ts_config_error_add(r->errs, r->line, "text behind the section header; want a new line");
        return;
    }
    const char *start = line + 1;
    while (start < close && is_blank(*start)) {
        start++;
    }
    while (close > start && is_blank(close[-1])) {
        close--;
    }
    size_t len = (size_t)(close - start);
    if (len >= TS_INI_SECTION_MAX) {
        ts_config_error_add(r->errs, r->line, "section name of %zu bytes; at most %d are allowed",
                            len, TS_INI_SECTION_MAX - 1);
        return;
    }
    r->skips = false;
    add_section(r, start, len);
}

static void settle(struct reader *r)
{
    if (r->waits) {
        r->waits = false;
        ts_config_error_add(r->errs, r->line, "neither \"key = value\" nor \"[section]\"");
    }
}

/* inih's ini_reader: the next "key = value" line; everything else is dealt with here. */
static char *read_line(char *into, int size, void *stream)
{
    struct reader *r = stream;
    const char *line;
    size_t n;
    settle(r);
    size_t most = size - 2 < LINE_MAX_BYTES ? (size_t)size - 2 : LINE_MAX_BYTES;
    while (!r->nomem && next_line(r, &line, &n)) {
        if (n == 0 || line[0] == '#' || line[0] == ';') {
            continue;
        }
        if (has_control_byte(line, n)) {
            ts_config_error_add(r->errs, r->line, "control characters are not allowed");
        } else if (n > most) {
            ts_config_error_add(r->errs, r->line, "line of %zu bytes; at most %zu are allowed", n,
                                most);
        } else if (line[0] == '[') {
            read_header(r, line, n);
        } else if (!r->skips && r->ini->section_count == 0) {
            ts_config_error_add(r->errs, r->line, "a key before the first [section]");
            r->skips = true;
        } else if (!r->skips) {
            memcpy(into, line, n);
            memcpy(into + n, "\n", 2);
            r->waits = true;
            return into;
        }
    }
    return NULL;
}

static int on_entry(void *user, const char *section, const char *key, const char *value)
{
    struct reader *r = user;
    struct ts_ini *ini = r->ini;
    (void)section; /* cut at 50 bytes; we have our own */
    r->waits = false;
    if (ini->entry_count == TS_CONFIG_MAX_KEYS) {
        r->at = r->len;
        ts_config_error_add(r->errs, r->line, "more than %d keys", TS_CONFIG_MAX_KEYS);
        return 1;
    }
    void *list = ini->entries;
    if (!grow(&list, ini->entry_count, sizeof(*ini->entries))) {
        r->nomem = true;
        return 0;
    }
    ini->entries = list;
    struct ts_ini_entry *e = &ini->entries[ini->entry_count++];
    e->line = r->line;
    ts_copy_cut(e->key, sizeof(e->key), key);
    ts_copy_cut(e->value, sizeof(e->value), value != NULL ? value : "");
    ini->sections[ini->section_count - 1].count++;
    return 1;
}

bool ts_config_ini_parse(const char *text, size_t len, struct ts_ini *ret,
                         struct ts_config_errors *errs)
{
    *ret = (struct ts_ini){0};
    struct reader r = {.text = text, .len = len, .ini = ret, .errs = errs};
    int rc = ini_parse_stream(read_line, &r, on_entry, &r);
    settle(&r);
    if (r.nomem || rc == -2) {
        ts_config_error_add(errs, 0, "out of memory");
        return false;
    }
    return true;
}

void ts_config_ini_done(struct ts_ini *ini)
{
    free(ini->sections);
    free(ini->entries);
    *ini = (struct ts_ini){0};
}

const struct ts_ini_entry *ts_config_ini_find(const struct ts_ini *ini,
                                              const struct ts_ini_section *section, const char *key)
{
    for (size_t i = section->first; i < section->first + section->count; i++) {
        if (strcmp(ini->entries[i].key, key) == 0) {
            return &ini->entries[i];
        }
    }
    return NULL;
}
