/* See session.h. Codes: IB's "API message codes". */
#include "ibapi/session.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define VERSION_MIN_DEFAULT 100
#define VERSION_MAX_DEFAULT 178

enum {
    CODE_CLIENT_ID_IN_USE = 326,
    CODE_UPSTREAM_LOST = 1100,
    CODE_UPSTREAM_BACK_DATA_LOST = 1101,
    CODE_UPSTREAM_BACK = 1102,
    CODE_PORT_CHANGED = 1300,
    CODE_UPSTREAM_BROKEN = 2110
};

static void set_verdict(struct ts_ib_session *s, enum ts_probe_reason reason, const char *detail)
{
    if (s->reason != reason) {
        s->changes++;
    }
    s->reason = reason;
    ts_copy_cut(s->detail, sizeof(s->detail), detail);
}

/* detail: not the session's own, which it overwrites. */
static void end(struct ts_ib_session *s, enum ts_probe_reason reason, const char *detail)
{
    if (s->step != TS_IB_ENDED) {
        set_verdict(s, reason, detail);
        s->step = TS_IB_ENDED;
        s->deadline = TS_NEVER;
    }
}

void ts_ib_session_begin(struct ts_ib_session *s, const struct ts_ib_conf *conf, ts_mono now,
                         struct ts_buf *out)
{
    memset(s, 0, sizeof(*s));
    s->conf = *conf;
    if (s->conf.version_min == 0) {
        s->conf.version_min = VERSION_MIN_DEFAULT;
    }
    if (s->conf.version_max == 0) {
        s->conf.version_max = VERSION_MAX_DEFAULT;
    }
    if (s->conf.version_max > TS_IB_VERSION_TEXT) {
        s->conf.version_max = TS_IB_VERSION_TEXT;
    }
    s->reason = TS_PR_PENDING;
    s->began = now;
    s->deadline = ts_mono_add(now, conf->timeout_ms);
    s->reader = ts_ib_reader_init(TS_IB_FRAME_MODEST);
    ts_ib_add_hello(out, s->conf.version_min, s->conf.version_max);
}

void ts_ib_session_done(struct ts_ib_session *s)
{
    ts_ib_reader_done(&s->reader);
    s->step = TS_IB_ENDED; /* a feed on the stack, whose on_message called this, stops */
    s->deadline = TS_NEVER;
}

static void send_ping(struct ts_ib_session *s, ts_mono now, struct ts_buf *out)
{
    ts_ib_add_time_request(out);
    s->ping_out = true;
    s->ping_at = now;
    s->deadline = ts_mono_add(now, s->conf.timeout_ms);
}

/* The verdict of a session that answers. */
static void judge_held(struct ts_ib_session *s)
{
    char farms[TS_IB_DETAIL_MAX];
    if (s->upstream_down) {
        set_verdict(s, TS_PR_UPSTREAM_DOWN, s->upstream_notice);
    } else {
        ts_ib_farms_text(&s->farms, farms, sizeof(farms));
        set_verdict(s, TS_PR_OK, farms);
    }
}

static void on_hello_reply(struct ts_ib_session *s, const struct ts_ib_fields *m, ts_mono now,
                           struct ts_buf *out)
{
    char detail[TS_IB_DETAIL_MAX];
    if (m->count != 2) {
        return; /* other frames may come before the version: IB's own client skips them too */
    }
    int64_t version = ts_ib_int(m, 0, 0);
    if (version < s->conf.version_min || version > s->conf.version_max) {
        char said[24];
        ts_ib_copy_printable(said, sizeof(said), ts_ib_text(m, 0));
        (void)snprintf(detail, sizeof(detail), "server version \"%s\", we speak %d to %d", said,
                       s->conf.version_min, s->conf.version_max);
        end(s, TS_PR_PROTOCOL, detail);
        return;
    }
    s->server_version = (int32_t)version;
    s->step = TS_IB_WAIT_ACCOUNTS;
    s->deadline = ts_mono_add(now, s->conf.timeout_ms);
    ts_ib_add_start(out, s->server_version, s->conf.client_id);
}

/* "DU1,DU2,": trimmed, empty elements dropped. */
static void on_accounts(struct ts_ib_session *s, const char *list)
{
    s->account_count = 0;
    s->accounts_changes++;
    while (*list != '\0') {
        char element[TS_IB_ACCOUNT_MAX];
        char name[TS_IB_ACCOUNT_MAX];
        size_t len = strcspn(list, ",");
        size_t skip = strspn(list, " \t");
        skip = skip < len ? skip : len;
        /* A name that does not fit is kept cut: it matches no paper prefix less than before. */
        size_t n = len - skip < sizeof(element) - 1 ? len - skip : sizeof(element) - 1;
        memcpy(element, list + skip, n);
        element[n] = '\0';
        ts_ib_copy_printable(name, sizeof(name), element);
        list += len + (list[len] == ',');
        if (name[0] != '\0' && s->account_count == TS_IB_ACCOUNTS_MAX) {
            ts_copy_cut(s->accounts[TS_IB_ACCOUNTS_MAX - 1], TS_IB_ACCOUNT_MAX,
                        TS_IB_ACCOUNTS_UNSEEN);
        } else if (name[0] != '\0') {
            memcpy(s->accounts[s->account_count++], name, sizeof(name));
        }
    }
    if (s->account_count == 0 && (s->step == TS_IB_WAIT_TIME || s->step == TS_IB_HELD)) {
        end(s, TS_PR_NOT_LOGGED_IN, "the list of accounts became empty");
    }
}

/* Pings fall on multiples of their interval, like all probes, so that they share wake-ups. */
static ts_mono next_ping(const struct ts_ib_session *s, ts_mono now)
{
    if (s->conf.ping_ms <= 0) {
        return TS_NEVER;
    }
    return ts_mono_next(now, s->conf.ping_ms);
}

static void on_time(struct ts_ib_session *s, const struct ts_ib_fields *m, ts_mono now)
{
    s->server_time_s = ts_ib_int(m, 2, 0);
    if (!s->ping_out) {
        return;
    }
    s->ping_out = false;
    s->pongs++;
    s->took_ms =
        s->step == TS_IB_HELD ? ts_mono_diff(s->ping_at, now) : ts_mono_diff(s->began, now);
    s->step = TS_IB_HELD;
    s->deadline = next_ping(s, now);
    judge_held(s);
}

static void on_error(struct ts_ib_session *s, const struct ts_ib_fields *m)
{
    struct ts_ib_error e = ts_ib_parse_error(m, s->server_version);
    char text[TS_IB_DETAIL_MAX - 24];
    char detail[TS_IB_DETAIL_MAX];
    ts_ib_copy_printable(text, sizeof(text), e.text);
    (void)snprintf(detail, sizeof(detail), "%lld: %s", (long long)e.code, text);
    switch (e.code) {
    case CODE_CLIENT_ID_IN_USE: end(s, TS_PR_CLIENT_ID, detail); break;
    case CODE_PORT_CHANGED: end(s, TS_PR_LOST, detail); break;
    case CODE_UPSTREAM_LOST:
    case CODE_UPSTREAM_BROKEN:
        s->upstream_down = true;
        ts_copy_cut(s->upstream_notice, sizeof(s->upstream_notice), detail);
        break;
    case CODE_UPSTREAM_BACK_DATA_LOST:
    case CODE_UPSTREAM_BACK: s->upstream_down = false; break;
    default: /* subscriptions, orders: never the session's health; farms: worth showing */
        if (!ts_ib_farms_take(&s->farms, e.code, e.text)) {
            return;
        }
    }
    if (s->step == TS_IB_HELD) {
        judge_held(s);
    }
}

static void on_frame(struct ts_ib_session *s, const struct ts_ib_fields *m, ts_mono now,
                     struct ts_buf *out)
{
    if (s->step == TS_IB_WAIT_HELLO) {
        on_hello_reply(s, m, now, out);
        return;
    }
    switch (ts_ib_int(m, 0, 0)) {
    case TS_IB_S_ACCOUNTS: on_accounts(s, ts_ib_text(m, 2)); break;
    case TS_IB_S_NEXT_ID: s->has_next_id = true; break;
    case TS_IB_S_TIME: on_time(s, m, now); break;
    case TS_IB_S_ERROR: on_error(s, m); break;
    default: break;
    }
    if (s->step == TS_IB_WAIT_ACCOUNTS && s->account_count > 0 && s->has_next_id) {
        s->step = TS_IB_WAIT_TIME;
        send_ping(s, now, out);
    }
}

void ts_ib_session_feed(struct ts_ib_session *s, const void *bytes, size_t n, ts_mono now,
                        struct ts_buf *out, ts_ib_on_message *on_message, void *ctx)
{
    struct ts_error err;
    struct ts_ib_fields m;
    s->got_bytes = s->got_bytes || n > 0;
    if (s->step == TS_IB_ENDED) {
        return;
    }
    if (!ts_ib_reader_feed(&s->reader, bytes, n, &err)) {
        end(s, TS_PR_PROTOCOL, err.msg);
        return;
    }
    while (s->step != TS_IB_ENDED) {
        const char *payload;
        size_t len;
        enum ts_ib_next next = ts_ib_reader_next(&s->reader, &payload, &len);
        if (next == TS_IB_NEXT_MORE) {
            return;
        }
        if (next == TS_IB_NEXT_BAD) {
            end(s, TS_PR_PROTOCOL, "a frame of impossible length");
            return;
        }
        if (!ts_ib_split(payload, len, &m)) {
            end(s, TS_PR_PROTOCOL, "a frame without proper fields");
            return;
        }
        bool established = s->step != TS_IB_WAIT_HELLO;
        on_frame(s, &m, now, out);
        if (established && on_message != NULL) {
            on_message(ctx, &m); /* may have ended the session */
        }
    }
}

static void step_timed_out(struct ts_ib_session *s)
{
    switch (s->step) {
    case TS_IB_WAIT_HELLO: end(s, TS_PR_SILENT, "no answer to the hello"); break;
    case TS_IB_WAIT_ACCOUNTS:
        end(s, s->account_count == 0 ? TS_PR_NOT_LOGGED_IN : TS_PR_SILENT,
            s->account_count == 0 ? "handshake done, but no account came"
                                  : "accounts came, but no next id");
        break;
    case TS_IB_WAIT_TIME: end(s, TS_PR_SILENT, "no answer to the time request"); break;
    case TS_IB_HELD: end(s, TS_PR_SILENT, "no answer to a ping"); break;
    case TS_IB_ENDED: break;
    }
}

void ts_ib_session_tick(struct ts_ib_session *s, ts_mono now, struct ts_buf *out)
{
    if (!ts_mono_reached(s->deadline, now)) {
        return;
    }
    if (s->step == TS_IB_HELD && !s->ping_out) {
        send_ping(s, now, out);
    } else {
        step_timed_out(s);
    }
}

void ts_ib_session_closed(struct ts_ib_session *s, ts_mono now)
{
    (void)now;
    if (!s->got_bytes) {
        end(s, TS_PR_CLOSED, "");
    } else if (s->step == TS_IB_HELD) {
        end(s, TS_PR_LOST, "");
    } else if (s->step == TS_IB_WAIT_HELLO) {
        end(s, TS_PR_PROTOCOL, "closed in the middle of its answer to the hello");
    } else {
        end(s, TS_PR_REJECTED, "trusted addresses, API settings or version?");
    }
}
