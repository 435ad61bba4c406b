/*
 * lib/net at the command line, for test_net.py: one HTTP call or one TCP connection, whose end is
 * one JSON line on stdout, with the longest time that the loop was held up meanwhile.
 *
 *   net_real http URL DEADLINE_MS [CA_FILE]
 *   net_real tcp HOST PORT DEADLINE_MS
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <jansson.h>

#include "net/http.h"
#include "net/tcp.h"

#define BEAT_MS 5

struct run {
    struct ts_loop *loop;
    struct ts_timer *beat;
    int64_t last_beat_ms;
    int64_t longest_ms;
    int64_t began_ms;
    struct ts_tcp *tcp;
};

/* The loop's own clock is read once per turn; this one tells how long a turn took. */
static int64_t clock_ms(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void note_gap(struct run *r)
{
    int64_t now = clock_ms();
    if (now - r->last_beat_ms > r->longest_ms) {
        r->longest_ms = now - r->last_beat_ms;
    }
    r->last_beat_ms = now;
}

static void on_beat(void *ctx)
{
    struct run *r = ctx;
    note_gap(r);
    ts_timer_after(r->beat, BEAT_MS);
}

static void report(struct run *r, const char *result, int status, const char *text)
{
    int64_t took = clock_ms() - r->began_ms;
    note_gap(r);
    json_t *line =
        json_pack("{s:s, s:i, s:s, s:I, s:I}", "result", result, "status", status, "text", text,
                  "took_ms", (json_int_t)took, "longest_gap_ms", (json_int_t)r->longest_ms);
    (void)json_dumpf(line, stdout, JSON_COMPACT);
    (void)putchar('\n');
    json_decref(line);
    ts_loop_stop(r->loop);
}

static void on_done(void *ctx, const struct ts_http_reply *reply, const struct ts_error *err)
{
    report(ctx, err == NULL ? "answer" : ts_code_name(err->code), reply == NULL ? 0 : reply->status,
           err == NULL ? reply->body : err->msg);
}

static void on_connected(void *ctx)
{
    struct run *r = ctx;
    report(r, "connected", 0, "");
    ts_tcp_free(r->tcp);
    r->tcp = NULL;
}

static void on_data(void *ctx, const void *bytes, size_t n)
{
    (void)ctx;
    (void)bytes;
    (void)n;
}

static void on_closed(void *ctx, enum ts_tcp_end end, const struct ts_error *err)
{
    struct run *r = ctx;
    report(r, ts_tcp_end_name(end), 0, err->msg);
    ts_tcp_free(r->tcp);
    r->tcp = NULL;
}

static bool start(struct run *r, struct ts_http *http, char **argv, int argc, struct ts_error *err)
{
    static const struct ts_tcp_handler handler = {on_connected, on_data, on_closed};
    uint32_t deadline =
        (uint32_t)strtoul(argv[argc > 4 && strcmp(argv[1], "tcp") == 0 ? 4 : 3], NULL, 10);
    if (strcmp(argv[1], "http") == 0) {
        const struct ts_http_call call = {.method = "GET",
                                          .url = argv[2],
                                          .deadline_ms = deadline,
                                          .max_body = 65536,
                                          .ca_file = argc > 4 ? argv[4] : NULL};
        return ts_http_start(http, &call, on_done, r, err) != NULL;
    }
    const struct ts_tcp_call call = {
        .host = argv[2], .port = (uint16_t)strtoul(argv[3], NULL, 10), .connect_ms = deadline};
    r->tcp = ts_tcp_start(r->loop, &call, &handler, r, err);
    return r->tcp != NULL;
}

int main(int argc, char **argv)
{
    struct run r = {.began_ms = clock_ms(), .last_beat_ms = clock_ms()};
    struct ts_error err;
    if (argc < 4) {
        (void)fprintf(stderr, "usage: see the top of net_real.c\n");
        return 2;
    }
    r.loop = ts_loop_new(ts_clock_real(), &err);
    struct ts_http *http = r.loop == NULL ? NULL : ts_http_new(r.loop, &err);
    r.beat = http == NULL ? NULL : ts_timer_new(r.loop, on_beat, &r, &err);
    bool ok = r.beat != NULL && start(&r, http, argv, argc, &err);
    if (ok) {
        ts_timer_after(r.beat, BEAT_MS);
        ok = ts_loop_run(r.loop, NULL, NULL, &err);
    }
    if (!ok) {
        (void)fprintf(stderr, "%s\n", err.msg);
    }
    ts_timer_free(r.beat);
    ts_http_free(http);
    ts_loop_free(r.loop);
    return ok ? 0 : 2;
}
