/*
 * What control clients ('c') and a lying daemon ('r') send. The first byte chooses which, the
 * second into how large pieces the rest is cut; the result must not depend on the cutting.
 */
#include "fuzz.h"

#include <string.h>

#include "control/frame.h"
#include "control/interface.h"
#include "control/varlink.h"

struct tally {
    uint64_t sum; /* of all messages, in order */
    size_t messages;
    size_t good;
    bool over; /* the limit was passed */
};

static void add(struct tally *t, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) {
        t->sum = (t->sum ^ at[i]) * 1099511628211ULL;
    }
}

/* What was understood can be written, and is understood as the same again. */
static void write_again(const struct ts_varlink_call *call)
{
    struct ts_buf out = ts_buf_init(1 << 20);
    struct ts_varlink_call again;
    struct ts_error err;
    FUZZ_CHECK(ts_varlink_add_call(&out, call->method, call->parameters, call->more));
    FUZZ_CHECK(strlen(out.data) == out.len - 1);
    FUZZ_CHECK(ts_varlink_parse_call(out.data, out.len - 1, &again, &err));
    FUZZ_CHECK(strcmp(again.method, call->method) == 0 && again.more == call->more);
    FUZZ_CHECK(json_equal(again.parameters, call->parameters));
    json_decref(again.parameters);
    ts_buf_done(&out);
}

static void check_parameters(const struct ts_varlink_call *call)
{
    const char *dot = strrchr(call->method, '.');
    const char *method = dot != NULL ? dot + 1 : call->method;
    char wrong[16];
    if (!ts_interface_accepts(ts_interface_text, method, call->parameters, wrong, sizeof(wrong))) {
        FUZZ_CHECK(memchr(wrong, '\0', sizeof(wrong)) != NULL);
    } else if (strcmp(method, "Stop") == 0) {
        const json_t *service = json_object_get(call->parameters, "service");
        FUZZ_CHECK(service == NULL || json_is_null(service) || json_is_string(service));
    }
}

static bool read_call(const char *text, size_t n)
{
    struct ts_varlink_call call;
    struct ts_error err = {.code = TS_E_NONE};
    if (!ts_varlink_parse_call(text, n, &call, &err)) {
        FUZZ_CHECK(err.code == TS_E_PROTOCOL);
        return false;
    }
    FUZZ_CHECK(json_is_object(call.parameters));
    write_again(&call);
    check_parameters(&call);
    json_decref(call.parameters);
    return true;
}

static bool read_reply(const char *text, size_t n)
{
    struct ts_varlink_reply reply;
    struct ts_error err = {.code = TS_E_NONE};
    if (!ts_varlink_parse_reply(text, n, &reply, &err)) {
        FUZZ_CHECK(err.code == TS_E_PROTOCOL);
        return false;
    }
    FUZZ_CHECK(json_is_object(reply.parameters));
    FUZZ_CHECK(memchr(reply.error, '\0', sizeof(reply.error)) != NULL);
    json_decref(reply.parameters);
    return true;
}

static struct tally run(const char *bytes, size_t n, size_t piece,
                        bool (*read)(const char *text, size_t n))
{
    struct tally t = {0};
    struct ts_frames f = ts_frames_init(TS_VARLINK_REQUEST_MAX);
    struct ts_error err;
    for (size_t at = 0; at < n && !t.over; at += piece) {
        const char *text;
        size_t len;
        t.over = !ts_frames_feed(&f, bytes + at, n - at < piece ? n - at : piece, &err);
        while (!t.over && (text = ts_frames_next(&f, &len)) != NULL) {
            FUZZ_CHECK(strlen(text) == len);
            add(&t, text, len + 1);
            t.messages++;
            t.good += read(text, len);
        }
    }
    ts_frames_done(&f);
    return t;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *bytes = (const char *)data + 2;
    size_t n = size - 2;
    bool (*read)(const char *, size_t) = data[0] == 'r' ? read_reply : read_call;
    struct tally whole = run(bytes, n, n + 1, read);
    struct tally cut = run(bytes, n, (size_t)data[1] + 1, read);
    FUZZ_CHECK(whole.sum == cut.sum && whole.messages == cut.messages && whole.good == cut.good);
    FUZZ_CHECK(!whole.over && !cut.over); /* an input is smaller than the limit */
    return 0;
}
