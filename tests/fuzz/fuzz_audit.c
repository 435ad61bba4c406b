/* Lines of an audit trail that somebody else has written: none is taken for sound by accident. */
#include "fuzz.h"

#include <string.h>

#include "audit/audit_internal.h"

static void on_entry(void *ctx, const struct ts_audit_entry *e)
{
    int64_t *n = ctx;
    FUZZ_CHECK(e->seq == ++*n && ts_sha256_is_hex(e->hash));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_audit_chain chain;
    const char *at = (const char *)data;
    const char *end = at + size;
    int64_t sound = 0;
    ts_audit_chain_init(&chain);
    while (at < end) {
        const char *line_end = memchr(at, '\n', (size_t)(end - at));
        size_t n = line_end == NULL ? (size_t)(end - at) : (size_t)(line_end - at);
        ts_audit_chain_feed(&chain, at, n, on_entry, &sound);
        at += n + 1;
    }
    FUZZ_CHECK(chain.report.head_seq == sound && sound <= chain.report.lines);
    FUZZ_CHECK(chain.report.sound == (chain.report.bad_line == 0));
    FUZZ_CHECK(ts_sha256_is_hex(chain.last_hash));
    return 0;
}
