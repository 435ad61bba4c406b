/* A header that says that a file is not used any more. */
#ifndef TS_CTL_DEPRECATE_H
#define TS_CTL_DEPRECATE_H

#include <stdbool.h>

#include "base/error.h"

/*
 * Puts a comment before the file's first line: what replaces it, date, reason. Once: a file that
 * has one is left alone (*ret_changed false). The new content takes the file's place in one step
 * and keeps its mode and owner; a symbolic link stays one. TS_E_SYSTEM, TS_E_LIMIT (too long),
 * TS_E_DENIED (no regular file).
 */
bool ctl_deprecate(const char *path, const char *replaced_by, const char *reason, bool *ret_changed,
                   struct ts_error *err) TS_MUST_CHECK;

#endif
