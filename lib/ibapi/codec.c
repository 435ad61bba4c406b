/* See codec.h. */
#include "ibapi/codec.h"

#include <ctype.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define VERSION_ERROR_ORDER_REJECT 166 /* from here errors carry a reject field */
#define VERSION_ERROR_TIME         194 /* from here: no message version, but a time */
#define VERSION_SNAPSHOT           114 /* from here market data asks for regulatory snapshots */
#define VERSION_CAPABILITIES       72
#define HELLO_MAX                  256 /* bytes of the version text with connect options */

static uint32_t read_be32(const char *p)
{
    const unsigned char *b = (const unsigned char *)p;
    return ((uint32_t)b[0] << 24) | ((uint32_t)b[1] << 16) | ((uint32_t)b[2] << 8) | b[3];
}

static void write_be32(char *p, uint32_t v)
{
    p[0] = (char)(v >> 24);
    p[1] = (char)(v >> 16);
    p[2] = (char)(v >> 8);
    p[3] = (char)v;
}

struct ts_ib_reader ts_ib_reader_init(size_t max_frame)
{
    return (struct ts_ib_reader){.buf = ts_buf_init(max_frame + 4 + 64 * 1024),
                                 .max_frame = max_frame};
}

void ts_ib_reader_done(struct ts_ib_reader *r)
{
    ts_buf_done(&r->buf);
    r->consumed = 0;
}

static void drop_consumed(struct ts_ib_reader *r)
{
    ts_buf_consume(&r->buf, r->consumed);
    r->consumed = 0;
}

bool ts_ib_reader_feed(struct ts_ib_reader *r, const void *bytes, size_t n, struct ts_error *err)
{
    drop_consumed(r);
    if (!ts_buf_add(&r->buf, bytes, n)) {
        return ts_error_set(err, TS_E_LIMIT, "more than %zu bytes wait to be read", r->buf.limit);
    }
    return true;
}

enum ts_ib_next ts_ib_reader_next(struct ts_ib_reader *r, const char **ret, size_t *ret_len)
{
    drop_consumed(r);
    if (r->buf.len < 4) {
        return TS_IB_NEXT_MORE;
    }
    uint32_t len = read_be32(r->buf.data);
    if (len == 0 || len > r->max_frame) {
        return TS_IB_NEXT_BAD;
    }
    if (r->buf.len - 4 < len) {
        return TS_IB_NEXT_MORE;
    }
    *ret = r->buf.data + 4;
    *ret_len = len;
    r->consumed = 4 + (size_t)len;
    return TS_IB_NEXT_FRAME;
}

bool ts_ib_split(const char *payload, size_t len, struct ts_ib_fields *ret)
{
    ret->count = 0;
    if (len == 0 || payload[len - 1] != '\0') {
        return false;
    }
    for (size_t at = 0; at < len && ret->count < TS_IB_FIELDS_MAX; at += strlen(payload + at) + 1) {
        ret->f[ret->count++] = payload + at;
    }
    return true;
}

const char *ts_ib_text(const struct ts_ib_fields *m, size_t at)
{
    return at < m->count ? m->f[at] : "";
}

int64_t ts_ib_int(const struct ts_ib_fields *m, size_t at, int64_t fallback)
{
    int64_t value;
    return ts_parse_i64(ts_ib_text(m, at), INT64_MIN, INT64_MAX, &value) ? value : fallback;
}

void ts_ib_copy_printable(char *dst, size_t size, const char *text)
{
    size_t len = 0;
    while (isspace((unsigned char)*text) != 0) {
        text++;
    }
    for (; text[len] != '\0' && len + 1 < size; len++) {
        dst[len] = text[len] >= ' ' && text[len] <= '~' ? text[len] : '?';
    }
    while (len > 0 && isspace((unsigned char)text[len - 1]) != 0) {
        len--;
    }
    dst[len] = '\0';
}

size_t ts_ib_begin(struct ts_buf *out)
{
    size_t begin = out->len;
    (void)ts_buf_add(out, "\0\0\0\0", 4);
    return begin;
}

void ts_ib_add(struct ts_buf *out, const char *field)
{
    (void)ts_buf_add(out, field, strlen(field) + 1);
}

void ts_ib_add_int(struct ts_buf *out, int64_t field)
{
    char text[24];
    (void)snprintf(text, sizeof(text), "%lld", (long long)field);
    ts_ib_add(out, text);
}

void ts_ib_end(struct ts_buf *out, size_t begin)
{
    if (!out->failed) {
        write_be32(out->data + begin, (uint32_t)(out->len - begin - 4));
    }
}

/* A frame of numbers only. */
static void add_numbers(struct ts_buf *out, const int64_t *numbers, size_t count)
{
    size_t begin = ts_ib_begin(out);
    for (size_t i = 0; i < count; i++) {
        ts_ib_add_int(out, numbers[i]);
    }
    ts_ib_end(out, begin);
}
#define ADD_NUMBERS(out, ...)                                                                      \
    add_numbers(out, (const int64_t[]){__VA_ARGS__},                                               \
                sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

void ts_ib_add_hello(struct ts_buf *out, int32_t version_min, int32_t version_max)
{
    char text[32];
    int n = snprintf(text, sizeof(text), "v%d..%d", version_min, version_max);
    (void)ts_buf_add(out, "API\0", 4);
    size_t begin = ts_ib_begin(out);
    (void)ts_buf_add(out, text, (size_t)n); /* the hello alone has no NUL at its end */
    ts_ib_end(out, begin);
}

/* "v100..178" or "v178", perhaps with a space and connect options behind. */
static bool parse_range(const char *text, size_t n, int32_t *ret_min, int32_t *ret_max)
{
    const char *space = memchr(text, ' ', n);
    size_t len = space == NULL ? n : (size_t)(space - text);
    int64_t low;
    int64_t high;
    if (len < 2 || text[0] != 'v') {
        return false;
    }
    const char *dots = memchr(text, '.', len);
    size_t low_len = dots == NULL ? len - 1 : (size_t)(dots - text) - 1;
    if (!ts_parse_i64n(text + 1, low_len, 1, 99999, &low)) {
        return false;
    }
    high = low;
    if (dots != NULL) {
        size_t rest = (size_t)(text + len - dots);
        if (rest < 3 || dots[1] != '.' || !ts_parse_i64n(dots + 2, rest - 2, low, 99999, &high)) {
            return false;
        }
    }
    *ret_min = (int32_t)low;
    *ret_max = (int32_t)high;
    return true;
}

enum ts_ib_hello ts_ib_parse_hello(const char *bytes, size_t n, int32_t *ret_min, int32_t *ret_max,
                                   size_t *ret_taken)
{
    if (n > 0 && bytes[0] >= '0' && bytes[0] <= '9') {
        return TS_IB_HELLO_LEGACY; /* before version 100: a bare number */
    }
    if (n > 0 && memcmp(bytes, "API\0", n < 4 ? n : 4) != 0) {
        return TS_IB_HELLO_BAD;
    }
    if (n < 8) {
        return TS_IB_HELLO_MORE;
    }
    uint32_t len = read_be32(bytes + 4);
    if (len == 0 || len > HELLO_MAX) {
        return TS_IB_HELLO_BAD;
    }
    if (n - 8 < len) {
        return TS_IB_HELLO_MORE;
    }
    *ret_taken = 8 + (size_t)len;
    return parse_range(bytes + 8, len, ret_min, ret_max) ? TS_IB_HELLO_OK : TS_IB_HELLO_BAD;
}

struct ts_ib_error ts_ib_parse_error(const struct ts_ib_fields *m, int32_t version)
{
    size_t at = version >= VERSION_ERROR_TIME ? 1 : 2;
    return (struct ts_ib_error){.req_id = ts_ib_int(m, at, -1),
                                .code = ts_ib_int(m, at + 1, 0),
                                .text = ts_ib_text(m, at + 2)};
}

void ts_ib_add_error(struct ts_buf *out, int32_t version, int64_t req_id, int64_t code,
                     const char *text, int64_t now_ms)
{
    size_t begin = ts_ib_begin(out);
    ts_ib_add_int(out, TS_IB_S_ERROR);
    if (version < VERSION_ERROR_TIME) {
        ts_ib_add_int(out, 2);
    }
    ts_ib_add_int(out, req_id);
    ts_ib_add_int(out, code);
    ts_ib_add(out, text);
    if (version >= VERSION_ERROR_ORDER_REJECT) {
        ts_ib_add(out, "");
    }
    if (version >= VERSION_ERROR_TIME) {
        ts_ib_add_int(out, now_ms);
    }
    ts_ib_end(out, begin);
}

void ts_ib_add_start(struct ts_buf *out, int32_t version, int32_t client_id)
{
    size_t begin = ts_ib_begin(out);
    ts_ib_add_int(out, TS_IB_C_START);
    ts_ib_add_int(out, 2);
    ts_ib_add_int(out, client_id);
    if (version >= VERSION_CAPABILITIES) {
        ts_ib_add(out, "");
    }
    ts_ib_end(out, begin);
}

void ts_ib_add_time_request(struct ts_buf *out)
{
    ADD_NUMBERS(out, TS_IB_C_TIME, 1);
}

void ts_ib_add_summary_request(struct ts_buf *out, int64_t req_id, const char *tags)
{
    size_t begin = ts_ib_begin(out);
    ts_ib_add_int(out, TS_IB_C_SUMMARY);
    ts_ib_add_int(out, 1);
    ts_ib_add_int(out, req_id);
    ts_ib_add(out, "All");
    ts_ib_add(out, tags);
    ts_ib_end(out, begin);
}

void ts_ib_add_summary_cancel(struct ts_buf *out, int64_t req_id)
{
    ADD_NUMBERS(out, TS_IB_C_CANCEL_SUMMARY, 1, req_id);
}

void ts_ib_add_positions_request(struct ts_buf *out)
{
    ADD_NUMBERS(out, TS_IB_C_POSITIONS, 1);
}

void ts_ib_add_positions_cancel(struct ts_buf *out)
{
    ADD_NUMBERS(out, TS_IB_C_CANCEL_POSITIONS, 1);
}

void ts_ib_add_data_type_request(struct ts_buf *out, int type)
{
    ADD_NUMBERS(out, TS_IB_C_DATA_TYPE, 1, type);
}

void ts_ib_add_market_data_request(struct ts_buf *out, int32_t version, int64_t req_id,
                                   const struct ts_ib_contract *contract)
{
    size_t begin = ts_ib_begin(out);
    ts_ib_add_int(out, TS_IB_C_MARKET_DATA);
    ts_ib_add_int(out, 11);
    ts_ib_add_int(out, req_id);
    ts_ib_add(out, "0"); /* contract id: found by symbol */
    ts_ib_add(out, contract->symbol);
    ts_ib_add(out, contract->sec_type);
    ts_ib_add(out, "");    /* expiry */
    ts_ib_add(out, "0.0"); /* strike */
    ts_ib_add(out, "");    /* right */
    ts_ib_add(out, "");    /* multiplier */
    ts_ib_add(out, contract->exchange);
    ts_ib_add(out, ""); /* primary exchange */
    ts_ib_add(out, contract->currency);
    ts_ib_add(out, "");  /* local symbol */
    ts_ib_add(out, "");  /* trading class */
    ts_ib_add(out, "0"); /* no delta-neutral contract */
    ts_ib_add(out, "");  /* generic ticks */
    ts_ib_add(out, "0"); /* no snapshot */
    if (version >= VERSION_SNAPSHOT) {
        ts_ib_add(out, "0");
    }
    ts_ib_add(out, ""); /* options */
    ts_ib_end(out, begin);
}

void ts_ib_add_market_data_cancel(struct ts_buf *out, int64_t req_id)
{
    ADD_NUMBERS(out, TS_IB_C_CANCEL_MARKET_DATA, 2, req_id);
}
