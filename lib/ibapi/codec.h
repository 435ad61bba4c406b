/*
 * The IB API on the wire: framing, fields, hello, errors. Pure: bytes in, bytes out, both
 * directions (the gateway simulator is a server). Text messages only: we advertise at most version
 * 200, and a server never goes above what the client offers.
 *
 * Source: the published clients (IB's Python client 10.46, @stoqey/ib, ib_async, scmhub/ibapi);
 * tried against @stoqey/ib 1.6 and ib-tws-api 1.3.
 */
#ifndef TS_IBAPI_CODEC_H
#define TS_IBAPI_CODEC_H

#include <stdint.h>

#include "base/buf.h"
#include "base/error.h"

#define TS_IB_FRAME_MAX      0xFFFFFF     /* the protocol's own limit, bytes */
#define TS_IB_FRAME_MODEST   (256 * 1024) /* what we take from a gateway */
#define TS_IB_FIELDS_MAX     512
#define TS_IB_VERSION_LOWEST 100 /* framed messages begin here */
#define TS_IB_VERSION_TEXT   200 /* the last with text message ids */

/* Message ids; C: client to server, S: server to client. */
enum ts_ib_msg {
    TS_IB_S_TICK_PRICE = 1,
    TS_IB_S_TICK_SIZE = 2,
    TS_IB_S_ERROR = 4,
    TS_IB_S_NEXT_ID = 9,
    TS_IB_S_ACCOUNTS = 15,
    TS_IB_S_TICK_STRING = 46,
    TS_IB_S_TIME = 49,
    TS_IB_S_SNAPSHOT_END = 57,
    TS_IB_S_DATA_TYPE = 58,
    TS_IB_S_POSITION = 61,
    TS_IB_S_POSITION_END = 62,
    TS_IB_S_SUMMARY = 63,
    TS_IB_S_SUMMARY_END = 64,
    TS_IB_S_TICK_PARAMS = 81,
    TS_IB_C_MARKET_DATA = 1,
    TS_IB_C_CANCEL_MARKET_DATA = 2,
    TS_IB_C_ACCOUNTS = 17,
    TS_IB_C_TIME = 49,
    TS_IB_C_DATA_TYPE = 59,
    TS_IB_C_POSITIONS = 61,
    TS_IB_C_SUMMARY = 62,
    TS_IB_C_CANCEL_SUMMARY = 63,
    TS_IB_C_CANCEL_POSITIONS = 64,
    TS_IB_C_START = 71
};

/* A reader of length-prefixed frames that may be split anywhere. */
struct ts_ib_reader {
    struct ts_buf buf;
    size_t max_frame;
    size_t consumed;
};
struct ts_ib_reader ts_ib_reader_init(size_t max_frame);
void ts_ib_reader_done(struct ts_ib_reader *r);
/* TS_E_LIMIT if more waits than one frame and what came with it. */
bool ts_ib_reader_feed(struct ts_ib_reader *r, const void *bytes, size_t n,
                       struct ts_error *err) TS_MUST_CHECK;
enum ts_ib_next { TS_IB_NEXT_FRAME, TS_IB_NEXT_MORE, TS_IB_NEXT_BAD };
/* The next payload, borrowed until the next call. BAD: a length of 0 or above the limit. */
enum ts_ib_next ts_ib_reader_next(struct ts_ib_reader *r, const char **ret, size_t *ret_len);

/* A payload split at its NULs; each field is a C string inside the payload. */
struct ts_ib_fields {
    const char *f[TS_IB_FIELDS_MAX];
    size_t count;
};
/* False: the last field is not terminated. Fields beyond the limit are left out: the few messages
 * that have more (replayed combination orders) are none that we read. */
bool ts_ib_split(const char *payload, size_t len, struct ts_ib_fields *ret) TS_MUST_CHECK;
/* A field as a number; the fallback when it is missing or none. */
int64_t ts_ib_int(const struct ts_ib_fields *m, size_t at, int64_t fallback);
/* A field's text; "" when it is missing. */
const char *ts_ib_text(const struct ts_ib_fields *m, size_t at);
/* Copies text of the other side for people and logs: what fits, spaces around it left out, every
 * byte but printable ASCII as '?'. IB's own texts are ASCII from server version 153 on. */
void ts_ib_copy_printable(char *dst, size_t size, const char *text);

/* Building a frame: begin, fields, end. The buffer's `failed` tells at the end. */
size_t ts_ib_begin(struct ts_buf *out);
void ts_ib_add(struct ts_buf *out, const char *field);
void ts_ib_add_int(struct ts_buf *out, int64_t field);
void ts_ib_end(struct ts_buf *out, size_t begin);

/* "API\0" and the framed version range. */
void ts_ib_add_hello(struct ts_buf *out, int32_t version_min, int32_t version_max);
enum ts_ib_hello { TS_IB_HELLO_OK, TS_IB_HELLO_MORE, TS_IB_HELLO_LEGACY, TS_IB_HELLO_BAD };
/* A server's view of the first bytes (n may be 0); OK gives the range and how many bytes it took.
 */
enum ts_ib_hello ts_ib_parse_hello(const char *bytes, size_t n, int32_t *ret_min, int32_t *ret_max,
                                   size_t *ret_taken);

struct ts_ib_error {
    int64_t req_id; /* -1: about the connection */
    int64_t code;
    const char *text; /* borrowed from the fields */
};
/* The error layout depends on the negotiated version: before 194 a message version comes first. */
struct ts_ib_error ts_ib_parse_error(const struct ts_ib_fields *m, int32_t version);
void ts_ib_add_error(struct ts_buf *out, int32_t version, int64_t req_id, int64_t code,
                     const char *text, int64_t now_ms);

/* Requests that read. There is none that places an order, and there must never be. */
void ts_ib_add_start(struct ts_buf *out, int32_t version, int32_t client_id);
void ts_ib_add_time_request(struct ts_buf *out);
void ts_ib_add_summary_request(struct ts_buf *out, int64_t req_id, const char *tags);
void ts_ib_add_summary_cancel(struct ts_buf *out, int64_t req_id);
void ts_ib_add_positions_request(struct ts_buf *out);
void ts_ib_add_positions_cancel(struct ts_buf *out);
/* type: 1 live, 2 frozen, 3 delayed, 4 delayed and frozen */
void ts_ib_add_data_type_request(struct ts_buf *out, int type);
struct ts_ib_contract {
    const char *symbol;
    const char *sec_type; /* "STK", "CASH" */
    const char *exchange; /* "SMART" */
    const char *currency;
};
void ts_ib_add_market_data_request(struct ts_buf *out, int32_t version, int64_t req_id,
                                   const struct ts_ib_contract *contract);
void ts_ib_add_market_data_cancel(struct ts_buf *out, int64_t req_id);

#endif
