/* See tar.h. */
#include "engine/tar.h"

#include <stdint.h>
#include <string.h>

#define BLOCK 512

/* Where in a header: offset and bytes. */
#define NAME_LEN     100
#define SIZE_AT      124
#define SIZE_LEN     12
#define CHECKSUM_AT  148
#define CHECKSUM_LEN 8
#define TYPE_AT      156

struct entry {
    const char *header;
    const char *bytes;
    size_t len;
    size_t whole; /* with header and filling */
};

static bool broken(struct ts_error *err, const char *how)
{
    (void)ts_error_set(err, TS_E_PROTOCOL, "the archive %s", how);
    return false;
}

static bool is_zero(const char *bytes, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (bytes[i] != '\0') {
            return false;
        }
    }
    return true;
}

/* Octal digits, perhaps spaces before and NULs or spaces behind. GNU's binary numbers are none
 * here: they stand only where octal ones do not reach, at 8 GiB. */
static bool parse_octal(const char *field, size_t n, uint64_t *ret)
{
    size_t i = 0;
    while (i < n && field[i] == ' ') {
        i++;
    }
    size_t first = i;
    uint64_t value = 0;
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++) {
        value = value * 8 + (uint64_t)(field[i] - '0');
    }
    bool ok = i > first;
    for (; i < n; i++) {
        ok = ok && (field[i] == ' ' || field[i] == '\0');
    }
    *ret = value;
    return ok;
}

/* The sum of the header's bytes, those of the checksum itself counted as spaces. */
static bool checksum_fits(const char *header)
{
    uint64_t want = 0;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + CHECKSUM_LEN;
        sum += own ? ' ' : (unsigned char)header[i];
    }
    return parse_octal(header + CHECKSUM_AT, CHECKSUM_LEN, &want) && want == sum;
}

/* The entry at bytes. n is whole blocks, at least one; so what holds the content has room for its
 * filling too. */
static bool read_entry(const char *bytes, size_t n, struct entry *ret, struct ts_error *err)
{
    uint64_t size = 0;
    if (!checksum_fits(bytes)) {
        return broken(err, "has a wrong checksum");
    }
    if (!parse_octal(bytes + SIZE_AT, SIZE_LEN, &size)) {
        return broken(err, "has a size that is no number");
    }
    if (size > n - BLOCK) {
        return broken(err, "is cut off");
    }
    size_t blocks = ((size_t)size + BLOCK - 1) / BLOCK;
    *ret = (struct entry){.header = bytes,
                          .bytes = bytes + BLOCK,
                          .len = (size_t)size,
                          .whole = BLOCK + blocks * BLOCK};
    return true;
}

static bool begins(const char *text, size_t n, const char *with)
{
    size_t len = strlen(with);
    return n >= len && memcmp(text, with, len) == 0;
}

/* One PAX record at text, "<length> <key>=<value>\n" with the length of all of it in decimal.
 * Gives that length; 0 if it is no record, or one that we must not pass over. */
static size_t pass_record(const char *text, size_t n)
{
    size_t len = 0;
    size_t i = 0;
    for (; i < n && text[i] >= '0' && text[i] <= '9' && len <= n; i++) {
        len = len * 10 + (size_t)(text[i] - '0');
    }
    /* Behind the length at least a space, '=' and the line's end. */
    if (i == 0 || len > n || len < i + 3 || text[i] != ' ' || text[len - 1] != '\n') {
        return 0;
    }
    const char *key = text + i + 1;
    size_t rest = len - i - 1;
    bool passes = memchr(key, '=', rest) != NULL && !begins(key, rest, "size=") &&
                  !begins(key, rest, "GNU.sparse.");
    return passes ? len : 0;
}

static bool check_records(const struct entry *e, struct ts_error *err)
{
    size_t at = 0;
    while (at < e->len) {
        size_t len = pass_record(e->bytes + at, e->len - at);
        if (len == 0) {
            return broken(err, "has PAX records that make no sense here");
        }
        at += len;
    }
    return true;
}

/* PAX records, for the next entry or for all that follow. */
static bool has_records(const struct entry *e)
{
    return e->header[TYPE_AT] == 'x' || e->header[TYPE_AT] == 'g';
}

/* Is it a mere addition to the next entry? L and K are GNU's long names and link targets. */
static bool is_addition(const struct entry *e)
{
    return has_records(e) || e->header[TYPE_AT] == 'L' || e->header[TYPE_AT] == 'K';
}

static enum ts_tar_kind kind_of(const char *header)
{
    size_t name_len = strnlen(header, NAME_LEN);
    switch (header[TYPE_AT]) {
    case '0': return TS_TAR_FILE;
    /* Before POSIX, with which a folder got a type of its own. */
    case '\0': return name_len > 0 && header[name_len - 1] == '/' ? TS_TAR_DIR : TS_TAR_FILE;
    case '2': return TS_TAR_LINK;
    case '5': return TS_TAR_DIR;
    default: return TS_TAR_OTHER;
    }
}

/* rest: what is behind the entry. */
static bool take(const struct entry *e, const char *rest, size_t rest_len, struct ts_tar_entry *ret,
                 struct ts_error *err)
{
    *ret = (struct ts_tar_entry){.kind = kind_of(e->header)};
    if (ret->kind != TS_TAR_FILE) {
        return true;
    }
    /* An engine that fails on the way ends the archive without its zero blocks. */
    if (rest_len == 0) {
        return broken(err, "is cut off");
    }
    if (!is_zero(rest, rest_len)) {
        return broken(err, "has more in it than one file");
    }
    ret->bytes = e->bytes;
    ret->len = e->len;
    return true;
}

bool ts_tar_first(const char *bytes, size_t n, struct ts_tar_entry *ret, struct ts_error *err)
{
    size_t at = 0;
    if (n % BLOCK != 0) {
        return broken(err, "is cut off");
    }
    while (at < n && !is_zero(bytes + at, BLOCK)) {
        struct entry e;
        if (!read_entry(bytes + at, n - at, &e, err)) {
            return false;
        }
        at += e.whole;
        if (!is_addition(&e)) {
            return take(&e, bytes + at, n - at, ret, err);
        }
        if (has_records(&e) && !check_records(&e, err)) {
            return false;
        }
    }
    return broken(err, "has nothing in it");
}
