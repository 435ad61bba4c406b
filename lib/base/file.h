/* Files of the user's: opened so that no program we start inherits them, and judged by who may read
 * them. */
#ifndef TS_BASE_FILE_H
#define TS_BASE_FILE_H

#include <stdio.h>

#include "base/error.h"

/* For reading. NULL: errno says why. */
FILE *ts_file_open(const char *path) TS_MUST_CHECK;

/* May only its owner, its group and the system's own administrators read it? False: TS_E_DENIED
 * with the command that would mend it, or TS_E_SYSTEM. path is for the text. */
bool ts_file_is_private(FILE *f, const char *path, struct ts_error *err) TS_MUST_CHECK;

#endif
