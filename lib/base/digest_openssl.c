/* See digest.h. OpenSSL's libcrypto, which libcurl brings along anyway. */
#include "base/digest.h"

#include <openssl/evp.h>

bool ts_sha256_hex(const void *bytes, size_t n, char out[TS_SHA256_HEX])
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    out[0] = '\0';
    if (EVP_Digest(bytes, n, sum, &len, EVP_sha256(), NULL) != 1 || len != 32) {
        return false;
    }
    ts_sha256_print(sum, out);
    return true;
}
