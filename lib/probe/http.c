/*
 * http: GET, and the status decides. Spoken by hand on net/tcp instead of through net/http: the
 * reason must tell refused, accepted-and-closed, silent and "no HTTP" apart, which libcurl reports
 * alike, and a try each second should cost a connection and nothing else. Only the status line is
 * read (RFC 9112, 4); the rest is drained so that the service does not see a reset.
 */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "probe/probe_internal.h"

#define PROTOCOL        "HTTP/1."
#define PROTOCOL_LEN    (sizeof(PROTOCOL) - 1)
#define STATUS_LINE_MIN 12   /* "HTTP/1.1 200" */
#define REST_MS         1000 /* the answer's end is looked at with the next second's wake-up */
#define REQUEST_MAX     700  /* path, host and the fixed text of a GET */

static void drop(struct ts_probe *p)
{
    ts_tcp_free(p->conn);
    p->conn = NULL;
}

static void on_connected(void *ctx)
{
    struct ts_probe *p = ctx;
    struct ts_error err;
    char request[REQUEST_MAX];
    bool v6 = strchr(p->host, ':') != NULL;
    (void)snprintf(request, sizeof(request),
                   "GET %s HTTP/1.1\r\nHost: %s%s%s:%u\r\nUser-Agent: tradestack/" TS_VERSION
                   "\r\nAccept: */*\r\nConnection: close\r\n\r\n",
                   p->spec->path, v6 ? "[" : "", p->host, v6 ? "]" : "", (unsigned)p->port);
    p->connected = true;
    ts_probe_wait(p, ts_probe_deadline(p));
    if (!ts_tcp_write(p->conn, request, strlen(request), &err)) {
        drop(p);
        ts_probe_finish(p, TS_PR_ERROR, "%s", err.msg);
        return;
    }
    ts_tcp_read_together(p->conn);
}

/* The status of "HTTP/1.x NNN…"; 0 if that is not what came. */
static int status_of(const char *line)
{
    int64_t status = 0;
    bool ok = memcmp(line, PROTOCOL, PROTOCOL_LEN) == 0 && line[7] >= '0' && line[7] <= '9' &&
              line[8] == ' ' && ts_parse_i64n(line + 9, 3, 100, 599, &status);
    return ok ? (int)status : 0;
}

static bool may_become_http(const struct ts_probe *p)
{
    size_t n = p->status_len < PROTOCOL_LEN ? p->status_len : PROTOCOL_LEN;
    return memcmp(p->status, PROTOCOL, n) == 0;
}

static void judge(struct ts_probe *p)
{
    int status = p->status_len == STATUS_LINE_MIN ? status_of(p->status) : 0;
    if (status == 0) {
        drop(p);
        ts_probe_finish(p, TS_PR_PROTOCOL, "the answer is not HTTP/1");
        return;
    }
    ts_tcp_rest(p->conn, ts_mono_next(ts_loop_now(ts_probe_loop(p)), REST_MS));
    if (status >= 200 && status < 300) {
        ts_probe_finish(p, TS_PR_OK, "HTTP %d", status);
    } else {
        ts_probe_finish(p, TS_PR_HTTP_STATUS, "GET %.100s: HTTP %d", p->spec->path, status);
    }
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    struct ts_probe *p = ctx;
    p->received += n;
    if (p->trying) {
        size_t room = STATUS_LINE_MIN - p->status_len;
        memcpy(p->status + p->status_len, bytes, n < room ? n : room);
        p->status_len += n < room ? n : room;
        if (p->status_len == STATUS_LINE_MIN || !may_become_http(p)) {
            judge(p);
        }
    } else if (p->received > TS_PROBE_HTTP_MAX) {
        drop(p);
    }
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    struct ts_probe *p = ctx;
    if (p->trying) {
        ts_probe_finish_closed(p, end, err);
    } else {
        drop(p);
    }
}

static void begin(struct ts_probe *p)
{
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    drop(p); /* the last answer may not have ended yet */
    p->status_len = 0;
    ts_probe_connect(p, &handler, REQUEST_MAX);
}

static void on_due(struct ts_probe *p)
{
    drop(p);
    if (p->received == 0) {
        ts_probe_finish(p, TS_PR_SILENT, "no answer to GET %.100s", p->spec->path);
    } else {
        ts_probe_finish(p, TS_PR_PROTOCOL, "not even a whole status line came");
    }
}

const struct ts_probe_ops *ts_probe_http_ops(void)
{
    static const struct ts_probe_ops ops = {NULL, begin, on_due, drop};
    return &ops;
}
