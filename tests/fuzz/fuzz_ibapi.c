/*
 * What a gateway sends to our session, and what a client sends to the simulator. The first byte
 * chooses which, the second into how large pieces the rest is cut; the result must not depend on
 * the cutting.
 */
#include "fuzz.h"

#include <string.h>

#include "ibapi/session.h"

static void check_text(const char *text, size_t size)
{
    const char *end = memchr(text, '\0', size);
    FUZZ_CHECK(end != NULL);
    for (; text < end; text++) {
        FUZZ_CHECK(*text >= ' ' && *text <= '~');
    }
}

static void check_session(const struct ts_ib_session *s)
{
    FUZZ_CHECK(s->account_count <= TS_IB_ACCOUNTS_MAX);
    for (size_t i = 0; i < s->account_count; i++) {
        check_text(s->accounts[i], sizeof(s->accounts[i]));
        FUZZ_CHECK(s->accounts[i][0] != '\0');
    }
    check_text(s->detail, sizeof(s->detail));
    FUZZ_CHECK(s->step != TS_IB_HELD || (s->account_count > 0 && s->has_next_id));
    FUZZ_CHECK(s->reason != TS_PR_OK || (s->step == TS_IB_HELD && !s->upstream_down));
    FUZZ_CHECK(s->step != TS_IB_ENDED || s->deadline.ms == TS_NEVER.ms);
    FUZZ_CHECK((s->step == TS_IB_WAIT_HELLO) == (s->server_version == 0) || s->step == TS_IB_ENDED);
}

static void on_message(void *ctx, const struct ts_ib_fields *m)
{
    uint64_t *sum = ctx;
    FUZZ_CHECK(m->count > 0 && m->count <= TS_IB_FIELDS_MAX);
    for (size_t i = 0; i < m->count; i++) {
        for (const char *c = m->f[i]; *c != '\0'; c++) {
            *sum = (*sum ^ (unsigned char)*c) * 1099511628211ULL;
        }
        *sum += (uint64_t)ts_ib_int(m, i, 1);
    }
}

/* What is left of a session after all pieces. */
struct outcome {
    enum ts_ib_step step;
    enum ts_probe_reason reason;
    char detail[TS_IB_DETAIL_MAX];
    char accounts[TS_IB_ACCOUNTS_MAX][TS_IB_ACCOUNT_MAX];
    uint64_t sum; /* of all messages */
    size_t sent;
};

static void play(const char *bytes, size_t n, size_t piece, int32_t version_max,
                 struct outcome *ret)
{
    const struct ts_ib_conf conf = {
        .client_id = 7, .version_max = version_max, .timeout_ms = 1000, .ping_ms = 1000};
    const ts_mono now = {5000};
    struct ts_ib_session s;
    struct ts_buf out = ts_buf_init((size_t)1 << 20);
    memset(ret, 0, sizeof(*ret));
    ts_ib_session_begin(&s, &conf, now, &out);
    for (size_t at = 0; at < n; at += piece) {
        ts_ib_session_feed(&s, bytes + at, n - at < piece ? n - at : piece, now, &out, on_message,
                           &ret->sum);
        check_session(&s);
    }
    ret->step = s.step;
    ret->reason = s.reason;
    memcpy(ret->detail, s.detail, strlen(s.detail));
    for (size_t i = 0; i < s.account_count; i++) {
        memcpy(ret->accounts[i], s.accounts[i], strlen(s.accounts[i]));
    }
    ret->sent = out.len;
    ts_ib_session_closed(&s, now);
    FUZZ_CHECK(s.step == TS_IB_ENDED && s.reason != TS_PR_OK && s.reason != TS_PR_PENDING);
    ts_ib_session_done(&s);
    ts_buf_done(&out);
}

static void try_session(const char *bytes, size_t n, size_t piece, int32_t version_max)
{
    static struct outcome whole;
    static struct outcome pieces;
    play(bytes, n, n > 0 ? n : 1, version_max, &whole);
    play(bytes, n, piece, version_max, &pieces);
    FUZZ_CHECK(memcmp(&whole, &pieces, sizeof(whole)) == 0);
}

/* A server that gets the bytes piece by piece comes to the same judgement, at the same byte. */
static void try_hello(const char *bytes, size_t n)
{
    int32_t low = 0;
    int32_t high = 0;
    size_t taken = 0;
    enum ts_ib_hello whole = ts_ib_parse_hello(bytes, n, &low, &high, &taken);
    FUZZ_CHECK(whole != TS_IB_HELLO_OK || (taken <= n && low >= 1 && low <= high));
    for (size_t i = 0; i < n && i < 512; i++) {
        int32_t low_i = 0;
        int32_t high_i = 0;
        size_t taken_i = 0;
        enum ts_ib_hello got = ts_ib_parse_hello(bytes, i, &low_i, &high_i, &taken_i);
        if (got != TS_IB_HELLO_MORE) {
            FUZZ_CHECK(got == whole && low_i == low && high_i == high && taken_i == taken);
            return;
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *bytes = (const char *)data + 2;
    size_t piece = data[1] == 0 ? 1 : data[1];
    switch (data[0] % 3) {
    case 0: try_session(bytes, size - 2, piece, 178); break;
    case 1: try_session(bytes, size - 2, piece, 200); break;
    default: try_hello(bytes, size - 2); break;
    }
    return 0;
}
