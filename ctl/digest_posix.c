/*
 * base/digest.h for tradestackctl: libcrypto is loaded when the first digest is wanted (approve
 * with a file). Linked as usual, its loading would be half of what `tradestackctl status` takes.
 */
#include "base/digest.h"

#include <dlfcn.h>
#include <string.h>

#define LIBCRYPTO "libcrypto.so.3" /* OpenSSL 3; the package needs it for tradestackd anyway */

typedef const void *sha256_fn(void);
typedef int digest_fn(const void *bytes, size_t n, unsigned char *sum, unsigned *len,
                      const void *type, void *engine);

/* Data and function pointers differ in ISO C, not in POSIX. */
static bool find(void *library, const char *name, void *ret_function, size_t size)
{
    void *found = library == NULL ? NULL : dlsym(library, name);
    memcpy(ret_function, &found, size);
    return found != NULL;
}

static bool digest(const void *bytes, size_t n, unsigned char *sum)
{
    sha256_fn *sha256;
    digest_fn *evp_digest;
    unsigned len = 0;
    void *library = dlopen(LIBCRYPTO, RTLD_NOW | RTLD_LOCAL); /* stays until the program's end */
    return find(library, "EVP_sha256", &sha256, sizeof(sha256)) &&
           find(library, "EVP_Digest", &evp_digest, sizeof(evp_digest)) &&
           evp_digest(bytes, n, sum, &len, sha256(), NULL) == 1 && len == TS_SHA256_HEX / 2;
}

bool ts_sha256_hex(const void *bytes, size_t n, char out[TS_SHA256_HEX])
{
    unsigned char sum[64]; /* EVP_MAX_MD_SIZE */
    out[0] = '\0';
    if (!digest(bytes, n, sum)) {
        return false;
    }
    ts_sha256_print(sum, out);
    return true;
}
