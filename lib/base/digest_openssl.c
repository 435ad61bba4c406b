/* See digest.h. OpenSSL's libcrypto, which libcurl brings along anyway. */
#include "base/digest.h"

#include <openssl/evp.h>
#include <string.h>

bool ts_sha256_hex(const void *bytes, size_t n, char out[TS_SHA256_HEX])
{
    static const char digits[] = "0123456789abcdef";
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned len = 0;
    out[0] = '\0';
    if (EVP_Digest(bytes, n, sum, &len, EVP_sha256(), NULL) != 1 || len != 32) {
        return false;
    }
    for (size_t i = 0; i < len; i++) {
        out[2 * i] = digits[sum[i] >> 4];
        out[2 * i + 1] = digits[sum[i] & 15];
    }
    out[TS_SHA256_HEX - 1] = '\0';
    return true;
}

bool ts_sha256_is_hex(const char *text)
{
    return strlen(text) == TS_SHA256_HEX - 1 &&
           strspn(text, "0123456789abcdef") == TS_SHA256_HEX - 1;
}
