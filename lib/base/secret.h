/* A string that must never be shown: the webhook URL, a password. Opaque, so that it cannot be
 * handed to printf or to the log; wiped when freed. */
#ifndef TS_BASE_SECRET_H
#define TS_BASE_SECRET_H

#include "base/error.h"

struct ts_secret;

/* Copies s. NULL if out of memory. */
struct ts_secret *ts_secret_new(const char *s);
/* Reads a file's first line. Refuses a file that others than its owner and group may read, that is
 * empty or longer than 4096 bytes (TS_E_DENIED, TS_E_INVALID, TS_E_LIMIT, TS_E_SYSTEM). */
struct ts_secret *ts_secret_read(const char *path, struct ts_error *err) TS_MUST_CHECK;
void ts_secret_free(struct ts_secret *s);
/* The text, for the one call that must send it. Borrowed; do not copy or print. */
const char *ts_secret_reveal(const struct ts_secret *s);

#endif
