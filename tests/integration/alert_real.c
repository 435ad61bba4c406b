/*
 * lib/alert at the command line, for test_alerts.py: a sender with its store, told what to do by
 * one JSON object a line on stdin, telling what happens by one a line on stdout.
 *
 *   alert_real STATE_DIR REMINDER_MS NAME:KIND:URL_FILE:CA_FILE…
 *
 *   {"post": {…an alert…}}   -> {"posted": channels, "key": …}
 *   {"status": true}         -> {"status": [{"name", "state", "pending", "detail"}…], "idle",
 *                                "store_ok", "gap_ms"}; gap_ms: longest time between two ticks of a
 *                                10 ms timer since the last status
 *   {"reload": true}         -> {"reloaded": true} or {"error": …}
 * The end of stdin is an orderly end.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>
#include <event2/event.h>

#include "alert/sender.h"
#include "base/json.h"
#include "base/parse.h"

#define TICK_MS 10

static struct ts_loop *loop;
static struct ts_sender *sender;
static struct ts_store *store;
static struct ts_model *model;
static struct ts_timer *ticker;
static ts_mono last_tick;
static int64_t longest_gap_ms;

static void say(json_t *line)
{
    if (line == NULL || json_dumpf(line, stdout, JSON_COMPACT) != 0) {
        (void)fputs("{\"error\":\"bad line\"}", stdout);
    }
    (void)putchar('\n');
    (void)fflush(stdout);
    json_decref(line);
}

static void on_tick(void *ctx)
{
    (void)ctx;
    int64_t gap = ts_mono_diff(last_tick, ts_loop_now(loop));
    longest_gap_ms = gap > longest_gap_ms ? gap : longest_gap_ms;
    last_tick = ts_loop_now(loop);
    ts_timer_after(ticker, TICK_MS);
}

/* --- what the sender tells */

static void on_sent(void *ctx, const char *channel, const char *title, int64_t took_ms)
{
    (void)ctx;
    say(json_pack("{s:s, s:s, s:I}", "sent", channel, "title", title, "took_ms",
                  (json_int_t)took_ms));
}

static void on_delayed(void *ctx, const char *channel, const char *text, int64_t retry_ms)
{
    (void)ctx;
    say(json_pack("{s:s, s:s, s:I}", "delayed", channel, "text", text, "retry_ms",
                  (json_int_t)retry_ms));
}

static void on_refused(void *ctx, const char *channel, const char *text)
{
    (void)ctx;
    say(json_pack("{s:s, s:s}", "refused", channel, "text", text));
}

static void on_dropped(void *ctx, const char *channel, const char *title, const char *text)
{
    (void)ctx;
    say(json_pack("{s:s, s:s, s:s}", "dropped", channel, "title", title, "text", text));
}

static void on_store_failed(void *ctx, const char *text)
{
    (void)ctx;
    say(json_pack("{s:s}", "store_failed", text));
}

/* --- what it is told */

static void tell_status(void)
{
    static const char *const states[] = {"ok", "delayed", "refused"};
    json_t *list = json_array();
    for (size_t i = 0; i < ts_sender_channel_count(sender); i++) {
        const struct ts_channel_status c = ts_sender_status(sender, i);
        (void)json_array_append_new(list, json_pack("{s:s, s:s, s:I, s:s}", "name", c.name, "state",
                                                    states[c.state], "pending",
                                                    (json_int_t)c.pending, "detail", c.detail));
    }
    say(json_pack("{s:o, s:b, s:b, s:I}", "status", list, "idle", ts_sender_idle(sender),
                  "store_ok", ts_store_ok(store), "gap_ms", (json_int_t)longest_gap_ms));
    longest_gap_ms = 0;
}

static void obey(const char *line, size_t len)
{
    struct ts_error err;
    struct ts_alert alert;
    TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(line, len, &err);
    const json_t *post = json_object_get(o, "post");
    if (post != NULL && ts_alert_from_json(post, &alert, &err)) {
        size_t channels = ts_sender_post(sender, &alert);
        say(json_pack("{s:I, s:s}", "posted", (json_int_t)channels, "key", alert.key));
    } else if (ts_json_bool_or(o, "status", false)) {
        tell_status();
    } else if (ts_json_bool_or(o, "reload", false) && ts_sender_configure(sender, model, &err)) {
        say(json_pack("{s:b}", "reloaded", 1));
    } else {
        say(json_pack("{s:s}", "error", err.msg));
    }
}

static void on_input(struct bufferevent *bev, void *ctx)
{
    (void)ctx;
    size_t len;
    char *line;
    while ((line = evbuffer_readln(bufferevent_get_input(bev), &len, EVBUFFER_EOL_LF)) != NULL) {
        obey(line, len);
        free(line);
    }
}

static void on_input_end(struct bufferevent *bev, short what, void *ctx)
{
    (void)bev;
    (void)what;
    (void)ctx;
    ts_loop_stop(loop);
}

/* --- setting up */

static bool parse_channel(const char *text, struct ts_channel_spec *ret)
{
    char kind[16];
    int n = sscanf(text, "%63[^:]:%15[^:]:%255[^:]:%255[^:]", ret->name, kind, ret->url_file,
                   ret->ca_file);
    ret->kind = strcmp(kind, "discord") == 0 ? TS_CHANNEL_DISCORD : TS_CHANNEL_WEBHOOK;
    return n >= 3;
}

static bool set_up(int argc, char **argv, struct ts_http **ret_http, struct ts_error *err)
{
    static const struct ts_sender_hooks hooks = {on_sent,    on_delayed,      on_refused,
                                                 on_dropped, on_store_failed, NULL};
    bool replaced;
    model->alert_expiry_ms = 24 * 3600 * 1000LL;
    model->reminder_ms = strtoll(argv[2], NULL, 10);
    for (int i = 3; i < argc; i++) {
        if (!parse_channel(argv[i], &model->channels[model->channel_count++])) {
            return ts_error_set(err, TS_E_INVALID, "channel %s: want NAME:KIND:URL_FILE", argv[i]);
        }
    }
    *ret_http = ts_http_new(loop, err);
    store = ts_store_open(argv[1], ts_loop_wall(loop), &replaced, err);
    if (*ret_http == NULL || store == NULL) {
        return false;
    }
    sender = ts_sender_new(loop, *ret_http, store, &hooks, err);
    ticker = ts_timer_new(loop, on_tick, NULL, err);
    return sender != NULL && ticker != NULL && ts_sender_configure(sender, model, err);
}

static bool run(struct ts_error *err)
{
    struct bufferevent *in = bufferevent_socket_new(ts_loop_base(loop), STDIN_FILENO, 0);
    bufferevent_setcb(in, on_input, NULL, on_input_end, NULL);
    bufferevent_enable(in, EV_READ);
    last_tick = ts_loop_now(loop);
    ts_timer_after(ticker, TICK_MS);
    say(json_pack("{s:b}", "ready", 1));
    bool ok = ts_loop_run(loop, NULL, NULL, err);
    bufferevent_free(in);
    return ok;
}

int main(int argc, char **argv)
{
    struct ts_error err = {0};
    struct ts_http *http = NULL;
    if (argc < 3 || argc > 3 + TS_MAX_CHANNELS) {
        (void)fprintf(stderr, "usage: alert_real STATE_DIR REMINDER_MS NAME:KIND:URL[:CA]...\n");
        return 2;
    }
    loop = ts_loop_new(ts_clock_real(), &err);
    model = ts_model_new();
    bool ok = loop != NULL && model != NULL && set_up(argc, argv, &http, &err) && run(&err);
    if (!ok) {
        say(json_pack("{s:s}", "error", err.msg));
    }
    ts_timer_free(ticker);
    ts_sender_free(sender);
    ts_store_close(store);
    ts_http_free(http);
    ts_model_free(model);
    ts_loop_free(loop);
    return ok ? 0 : 1;
}
