/*
 * One file out of a small tar archive, as the engine hands out files of a container. Pure.
 * Format: POSIX.1-1988 ustar (pax(1), "ustar Interchange Format"), with the extended headers that
 * Go's archive/tar puts in front of an entry ("x", "g": POSIX.1-2001, "L", "K": GNU).
 */
#ifndef TS_ENGINE_TAR_H
#define TS_ENGINE_TAR_H

#include <stddef.h>

#include "base/error.h"

enum ts_tar_kind {
    TS_TAR_FILE,
    TS_TAR_LINK, /* a symbolic link */
    TS_TAR_DIR,
    TS_TAR_OTHER /* a device, a pipe, a hard link, a sparse file, … */
};

struct ts_tar_entry {
    enum ts_tar_kind kind;
    const char *bytes; /* of a file; borrowed from the archive */
    size_t len;
};

/* The one entry of the archive. TS_E_PROTOCOL: it is cut off, its checksum or a number is wrong,
 * there is none, or behind a file there is another one. */
bool ts_tar_first(const char *bytes, size_t n, struct ts_tar_entry *ret,
                  struct ts_error *err) TS_MUST_CHECK;

#endif
