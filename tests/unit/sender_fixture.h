/*
 * For tests of the sender: an HTTP server with scripted answers in the same loop, a real store and
 * a clock that can be put forward. Waiting times are never waited for.
 */
#ifndef TS_TESTS_SENDER_FIXTURE_H
#define TS_TESTS_SENDER_FIXTURE_H

#include "net_fixture.h"

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "alert/sender_internal.h"
#include "base/json.h"
#include "base/parse.h"
#include "os.h"

#define TOKEN     "aBcD-1234567890_efghijklmnopqrstuvwxyz"
#define MINUTE_MS 60000LL
#define HOUR_MS   (60 * MINUTE_MS)

/* --- a clock that can be put forward */

static int64_t ahead_ms;

static ts_mono fake_mono(void *ctx)
{
    (void)ctx;
    return ts_mono_add(ts_clock_real()->mono(NULL), ahead_ms);
}

static ts_wall fake_wall(void *ctx)
{
    (void)ctx;
    return (ts_wall){ts_clock_real()->wall(NULL).ms + ahead_ms};
}

static const struct ts_clock fake_clock = {fake_mono, fake_wall, NULL};

/* --- the other side */

struct script {
    int status; /* 0: hangs; -1: closes without an answer */
    const char *type;
    const char *header;
    const char *value;
    const char *body;
    const char *reset_after; /* header X-RateLimit-Reset-After */
};

static const struct script works = {200, "application/json", NULL, NULL, "{\"id\":\"100\"}", NULL};

struct request {
    char method[8];
    char uri[256];
    char body[20000];
};

static struct evhttp *http_server;
static uint16_t http_port;
static struct request requests[64];
static size_t request_count;
static struct script scripts[16];
static size_t script_count;
static size_t script_at;
static struct evhttp_request *hanging;

static void record_request(struct evhttp_request *req)
{
    assert_true(request_count < TS_ARRAY_LEN(requests));
    struct request *r = &requests[request_count++];
    struct evbuffer *in = evhttp_request_get_input_buffer(req);
    size_t len = evbuffer_get_length(in);
    assert_true(len < sizeof(r->body));
    (void)evbuffer_copyout(in, r->body, len);
    r->body[len] = '\0';
    ts_copy_cut(r->uri, sizeof(r->uri), evhttp_request_get_uri(req));
    ts_copy_cut(r->method, sizeof(r->method),
                evhttp_request_get_command(req) == EVHTTP_REQ_PATCH  ? "PATCH"
                : evhttp_request_get_command(req) == EVHTTP_REQ_POST ? "POST"
                                                                     : "?");
    const char *agent = evhttp_find_header(evhttp_request_get_input_headers(req), "User-Agent");
    assert_non_null(agent);
    assert_int_equal(strncmp(agent, "DiscordBot (https://", 20), 0);
    const char *type = evhttp_find_header(evhttp_request_get_input_headers(req), "Content-Type");
    assert_string_equal(type, "application/json");
}

static void on_request(struct evhttp_request *req, void *ctx)
{
    (void)ctx;
    record_request(req);
    const struct script *s = script_at < script_count ? &scripts[script_at++] : &works;
    struct evkeyvalq *headers = evhttp_request_get_output_headers(req);
    if (s->status == 0) {
        hanging = req;
        return;
    }
    if (s->status < 0) {
        evhttp_connection_free(evhttp_request_get_connection(req));
        return;
    }
    if (s->type != NULL) {
        evhttp_add_header(headers, "Content-Type", s->type);
    }
    if (s->header != NULL) {
        evhttp_add_header(headers, s->header, s->value);
    }
    if (s->reset_after != NULL) {
        evhttp_add_header(headers, "X-RateLimit-Reset-After", s->reset_after);
    }
    struct evbuffer *out = evbuffer_new();
    evbuffer_add_printf(out, "%s", s->body == NULL ? "" : s->body);
    evhttp_send_reply(req, s->status, "x", out);
    evbuffer_free(out);
}

static void answer_with(const struct script *list, size_t count)
{
    assert_true(count <= TS_ARRAY_LEN(scripts));
    memcpy(scripts, list, count * sizeof(*list));
    script_count = count;
    script_at = 0;
}

#define ANSWER(...)                                                                                \
    do {                                                                                           \
        const struct script list_[] = {__VA_ARGS__};                                               \
        answer_with(list_, TS_ARRAY_LEN(list_));                                                   \
    } while (0)

/* --- the sender's side */

static char dir[OS_PATH];
static struct ts_http *http;
static struct ts_store *store;
static struct ts_sender *sender;
static struct ts_model *model;
static char told[8000]; /* what the hooks were told */
static int64_t retry_ms;
static int store_failures;

static void tell(const char *what, const char *channel, const char *text)
{
    size_t at = strlen(told);
    (void)snprintf(told + at, sizeof(told) - at, "%s %s: %s\n", what, channel, text);
}

static void on_sent(void *ctx, const char *channel, const char *title, int64_t took_ms)
{
    (void)ctx;
    tell(took_ms >= 0 ? "sent" : "sent in no time", channel, title);
}

static void on_delayed(void *ctx, const char *channel, const char *text, int64_t ms)
{
    (void)ctx;
    retry_ms = ms;
    tell("delayed", channel, text);
}

static void on_refused(void *ctx, const char *channel, const char *text)
{
    (void)ctx;
    tell("refused", channel, text);
}

static void on_dropped(void *ctx, const char *channel, const char *title, const char *text)
{
    (void)ctx;
    tell("dropped", channel, title);
    tell("because", channel, text);
}

static void on_store_failed(void *ctx, const char *text)
{
    (void)ctx;
    (void)text;
    store_failures++;
}

static const struct ts_sender_hooks hooks = {on_sent,    on_delayed,      on_refused,
                                             on_dropped, on_store_failed, NULL};

static void write_url(struct ts_channel_spec *spec, const char *url)
{
    FILE *f = fopen(spec->url_file, "w");
    assert_non_null(f);
    assert_true(fprintf(f, "%s\n", url) > 0);
    assert_int_equal(fclose(f), 0);
    os_set_private(spec->url_file, true);
}

static void add_channel(const char *name, enum ts_channel_kind kind)
{
    char url[200];
    struct ts_channel_spec *spec = &model->channels[model->channel_count++];
    memset(spec, 0, sizeof(*spec));
    ts_copy_cut(spec->name, sizeof(spec->name), name);
    spec->kind = kind;
    (void)snprintf(spec->url_file, sizeof(spec->url_file), "%s/%s", dir, name);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/%s/" TOKEN, (unsigned)http_port,
                   kind == TS_CHANNEL_DISCORD ? "api/webhooks/1" : "hook");
    write_url(spec, url);
}

static void open_sender(void)
{
    struct ts_error err = {0};
    bool replaced;
    store = ts_store_open(dir, ts_loop_wall(fixture_loop), &replaced, &err);
    if (store == NULL) {
        fail_msg("%s", err.msg);
    }
    sender = ts_sender_new(fixture_loop, http, store, &hooks, &err);
    assert_non_null(sender);
    if (!ts_sender_configure(sender, model, &err)) {
        fail_msg("%s", err.msg);
    }
}

static void close_sender(void)
{
    ts_sender_free(sender);
    ts_store_close(store);
    sender = NULL;
    store = NULL;
}

static void start_server(void)
{
    http_server = evhttp_new(ts_loop_base(fixture_loop));
    evhttp_set_allowed_methods(http_server, EVHTTP_REQ_POST | EVHTTP_REQ_PATCH);
    evhttp_set_gencb(http_server, on_request, NULL);
    struct evhttp_bound_socket *bound =
        evhttp_bind_socket_with_handle(http_server, "127.0.0.1", http_port);
    assert_non_null(bound);
    struct sockaddr_in at;
    socklen_t len = sizeof(at);
    assert_int_equal(getsockname(evhttp_bound_socket_get_fd(bound), (struct sockaddr *)&at, &len),
                     0);
    http_port = ntohs(at.sin_port);
}

static int setup(void **state)
{
    (void)state;
    struct ts_error err;
    ahead_ms = 0;
    request_count = script_count = script_at = 0;
    memset(told, 0, sizeof(told));
    store_failures = 0;
    retry_ms = 0;
    http_port = 0;
    os_temp_dir(dir);
    fixture_loop = ts_loop_new(&fake_clock, &err);
    if (fixture_loop == NULL) {
        return -1;
    }
    http = ts_http_new(fixture_loop, &err);
    start_server();
    model = ts_model_new();
    if (http == NULL || model == NULL) {
        return -1;
    }
    model->alert_expiry_ms = 24 * HOUR_MS;
    model->reminder_ms = 0;
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    if (sender != NULL) {
        close_sender();
    }
    ts_http_free(http);
    evhttp_free(http_server);
    ts_model_free(model);
    ts_loop_free(fixture_loop);
    os_remove(dir);
    return 0;
}

#define SENDER_TEST(fn) cmocka_unit_test_setup_teardown(fn, setup, teardown)

static void with_channels(bool discord, bool webhook)
{
    if (discord) {
        add_channel("discord", TS_CHANNEL_DISCORD);
    }
    if (webhook) {
        add_channel("hook", TS_CHANNEL_WEBHOOK);
    }
    open_sender();
}

static void on_kick(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < sender->channel_count; i++) {
        ts_delivery_pump(sender->channels[i]);
    }
    ts_timer_after(sender->keeper, 0);
    ts_loop_stop(fixture_loop);
}

/* Time passes, and what waits for a time looks at the clock. */
static void pass(int64_t ms)
{
    struct ts_error err;
    ahead_ms += ms;
    struct ts_timer *t = ts_timer_new(fixture_loop, on_kick, NULL, &err);
    assert_non_null(t);
    ts_timer_after(t, 0);
    run_until_stopped();
    ts_timer_free(t);
}

static void run_until_requests(size_t count)
{
    for (int i = 0; i < 4000 && request_count < count; i++) {
        run_for(1);
    }
    if (request_count < count) {
        fail_msg("%zu requests, want %zu; %s", request_count, count, told);
    }
}

/* Until the answers to `count` requests have been judged. */
static void run_until_settled(size_t count)
{
    run_until_requests(count);
    for (int i = 0; i < 4000; i++) {
        bool busy = false;
        for (size_t c = 0; c < sender->channel_count; c++) {
            busy = busy || sender->channels[c]->req != NULL;
        }
        run_for(busy ? 1 : 3);
        if (!busy) {
            break;
        }
    }
    assert_int_equal(request_count, count);
}

static struct ts_alert alert_of(enum ts_alert_kind kind, const char *key, const char *title)
{
    struct ts_alert a = {.kind = kind,
                         .severity = kind == TS_ALERT_RESOLVED ? TS_SEVERITY_OK
                                     : kind == TS_ALERT_INFO   ? TS_SEVERITY_OK
                                                               : TS_SEVERITY_WARNING};
    ts_copy_cut(a.key, sizeof(a.key), key);
    ts_copy_cut(a.service, sizeof(a.service), "gateway");
    ts_copy_cut(a.title, sizeof(a.title), title);
    return a;
}

static size_t post(enum ts_alert_kind kind, const char *title)
{
    const struct ts_alert a = alert_of(kind, "gateway/health", title);
    return ts_sender_post(sender, &a);
}

/* The titles in a request, each followed by ";". */
static const char *titles_in(size_t request)
{
    static char out[4000];
    struct ts_error err;
    const char *body = requests[request].body;
    TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(body, strlen(body), &err);
    assert_non_null(o);
    const json_t *list = json_object_get(o, "embeds");
    list = list != NULL ? list : json_object_get(o, "alerts");
    size_t i;
    json_t *item;
    out[0] = '\0';
    json_array_foreach(list, i, item)
    {
        strcat(out, ts_json_str_or(item, "title", "?"));
        strcat(out, ";");
    }
    return out;
}

static void expect_request(size_t at, const char *method, const char *uri, const char *titles)
{
    assert_true(at < request_count);
    assert_string_equal(requests[at].method, method);
    assert_string_equal(requests[at].uri, uri);
    assert_string_equal(titles_in(at), titles);
}

#define POST_URI "/api/v10/webhooks/1/" TOKEN "?wait=true"
#define EDIT_URI "/api/v10/webhooks/1/" TOKEN "/messages/100"
#define GREEN    "\xF0\x9F\x9F\xA2 "
#define YELLOW   "\xF0\x9F\x9F\xA1 "
#define RED      "\xF0\x9F\x94\xB4 "

static void expect_nothing_waits(void)
{
    for (size_t i = 0; i < ts_sender_channel_count(sender); i++) {
        const struct ts_channel_status status = ts_sender_status(sender, i);
        assert_int_equal(status.pending, 0);
        assert_int_equal(status.state, TS_CHANNEL_OK);
        assert_string_equal(status.detail, "");
    }
    assert_true(ts_sender_idle(sender));
}

#endif
