/*
 * The first entry of a tar archive, for the small ones in which an engine hands out a file of a
 * container. Pure.
 *
 * An archive is blocks of 512 bytes: a header, the content filled up to whole blocks, …, and zero
 * blocks at the end. Taken are the headers of V7, ustar and GNU tar, and what may stand before one:
 * PAX records and GNU's long names. Format: POSIX.1-2017, pax, "ustar Interchange Format" and "pax
 * Header Block"; GNU tar manual, "Basic Tar Format".
 */
#ifndef TS_ENGINE_TAR_H
#define TS_ENGINE_TAR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/error.h"

enum ts_tar_kind {
    TS_TAR_FILE,
    TS_TAR_LINK, /* symbolic link */
    TS_TAR_DIR,
    TS_TAR_OTHER /* hard link, device, FIFO, sparse file, … */
};

struct ts_tar_entry {
    enum ts_tar_kind kind;
    const char *bytes; /* TS_TAR_FILE: the content, within the archive; else NULL */
    size_t len;        /* bytes; 0 but for TS_TAR_FILE */
};

/*
 * The first entry that is no mere addition to the next one, of a whole archive of n bytes.
 * TS_E_PROTOCOL: no whole blocks, a wrong checksum, a number that is none, a content beyond the
 * end, nothing in it, PAX records that are none or change what the content means (size=,
 * GNU.sparse.*); and for a file: anything behind it but zero blocks, or not even one of those.
 * What is behind an entry of another kind is not looked at.
 */
bool ts_tar_first(const char *bytes, size_t n, struct ts_tar_entry *ret,
                  struct ts_error *err) TS_MUST_CHECK;

#endif
