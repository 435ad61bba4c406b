/* What of digest.h is the same on every platform. */
#include "base/digest.h"

#include <string.h>

static const char digits[] = "0123456789abcdef";

void ts_sha256_print(const unsigned char sum[32], char out[TS_SHA256_HEX])
{
    for (size_t i = 0; i < 32; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[TS_SHA256_HEX - 1] = '\0';
}

bool ts_sha256_is_hex(const char *text)
{
    return strlen(text) == TS_SHA256_HEX - 1 && strspn(text, digits) == TS_SHA256_HEX - 1;
}
