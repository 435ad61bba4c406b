/* SHA-256 (FIPS 180-4), by the platform's own library. */
#ifndef TS_BASE_DIGEST_H
#define TS_BASE_DIGEST_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

#define TS_SHA256_HEX 65 /* NUL included */

/* The digest of n bytes in lower-case hex. False if the library refuses or has no memory; out is
 * "" then. */
bool ts_sha256_hex(const void *bytes, size_t n, char out[TS_SHA256_HEX]) TS_MUST_CHECK;
/* The 32 bytes of a digest in lower-case hex. */
void ts_sha256_print(const unsigned char sum[32], char out[TS_SHA256_HEX]);
/* Is it 64 lower-case hex digits and nothing else? */
bool ts_sha256_is_hex(const char *text);

#endif
