/* See digest.h: Windows' own library, CNG. */
#include "base/digest.h"

#include "base/win.h"

#include <bcrypt.h>

bool ts_sha256_hex(const void *bytes, size_t n, char out[TS_SHA256_HEX])
{
    union { /* BCryptHash() does not write to its input, but its type does not say so */
        const void *from;
        unsigned char *to;
    } input = {.from = bytes};
    unsigned char sum[32];
    BCRYPT_ALG_HANDLE algorithm = NULL;
    out[0] = '\0';
    if (n > ULONG_MAX ||
        BCryptOpenAlgorithmProvider(&algorithm, BCRYPT_SHA256_ALGORITHM, NULL, 0) != 0) {
        return false;
    }
    bool ok = BCryptHash(algorithm, NULL, 0, input.to, (ULONG)n, sum, sizeof(sum)) == 0;
    (void)BCryptCloseAlgorithmProvider(algorithm, 0);
    if (ok) {
        ts_sha256_print(sum, out);
    }
    return ok;
}
