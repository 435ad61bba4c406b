/* See tar.h. */
#include "engine/tar.h"

#include <stdint.h>
#include <string.h>

#define BLOCK       512
#define SIZE_AT     124
#define SIZE_LEN    12
#define CHECKSUM_AT 148
#define TYPE_AT     156

static bool broken(struct ts_error *err, const char *why)
{
    return ts_error_set(err, TS_E_PROTOCOL, "the engine's archive is broken: %s", why);
}

/* Octal digits, blanks around them, ended by a blank, a NUL or the field. */
static bool octal(const char *field, size_t n, uint64_t *ret)
{
    uint64_t value = 0;
    size_t i = 0;
    size_t digits = 0;
    while (i < n && field[i] == ' ') {
        i++;
    }
    for (; i < n && field[i] >= '0' && field[i] <= '7'; i++, digits++) {
        value = value * 8 + (uint64_t)(field[i] - '0');
    }
    for (; i < n; i++) {
        if (field[i] != ' ' && field[i] != '\0') {
            return false;
        }
    }
    *ret = value;
    return digits > 0 && digits <= 11;
}

static bool checksum_is_right(const char *header)
{
    uint64_t want;
    uint64_t sum = 0;
    for (size_t i = 0; i < BLOCK; i++) {
        bool own = i >= CHECKSUM_AT && i < CHECKSUM_AT + 8;
        sum += own ? ' ' : (unsigned char)header[i];
    }
    return octal(header + CHECKSUM_AT, 8, &want) && want == sum;
}

static bool is_zero(const char *block)
{
    for (size_t i = 0; i < BLOCK; i++) {
        if (block[i] != '\0') {
            return false;
        }
    }
    return true;
}

/* The header at `at`, and where the next one is. */
static bool read_header(const char *bytes, size_t n, size_t at, uint64_t *ret_size,
                        size_t *ret_next, struct ts_error *err)
{
    const char *header = bytes + at;
    if (!checksum_is_right(header)) {
        return broken(err, "a checksum is wrong");
    }
    if (!octal(header + SIZE_AT, SIZE_LEN, ret_size)) {
        return broken(err, "a size is no number");
    }
    uint64_t room = n - at - BLOCK;
    uint64_t padded = (*ret_size + BLOCK - 1) / BLOCK * BLOCK;
    if (padded > room) {
        return broken(err, "it is cut off");
    }
    *ret_next = at + BLOCK + (size_t)padded;
    return true;
}

static bool is_extension(char type)
{
    return type == 'x' || type == 'g' || type == 'L' || type == 'K';
}

/* An extended header could give another size than the one that we read. */
static bool changes_size(const char *bytes, size_t n)
{
    for (size_t i = 0; i + 6 <= n; i++) {
        if (memcmp(bytes + i, " size=", 6) == 0) {
            return true;
        }
    }
    return false;
}

static enum ts_tar_kind kind_of(char type)
{
    switch (type) {
    case '\0':
    case '0':
    case '7': return TS_TAR_FILE;
    case '2': return TS_TAR_LINK;
    case '5': return TS_TAR_DIR;
    default: return TS_TAR_OTHER;
    }
}

bool ts_tar_first(const char *bytes, size_t n, struct ts_tar_entry *ret, struct ts_error *err)
{
    bool found = false;
    size_t next = 0;
    for (size_t at = 0; n - at >= BLOCK && !is_zero(bytes + at); at = next) {
        char type = bytes[at + TYPE_AT];
        uint64_t size = 0;
        if (!read_header(bytes, n, at, &size, &next, err)) {
            return false;
        }
        if (is_extension(type)) {
            if (changes_size(bytes + at + BLOCK, (size_t)size)) {
                return broken(err, "it is too large");
            }
            continue;
        }
        if (found) {
            return ret->kind != TS_TAR_FILE || broken(err, "it holds more than one file");
        }
        found = true;
        *ret = (struct ts_tar_entry){
            .kind = kind_of(type), .bytes = bytes + at + BLOCK, .len = (size_t)size};
    }
    return found || broken(err, "there is nothing in it");
}
