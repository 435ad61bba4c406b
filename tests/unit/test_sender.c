/* The sender against an HTTP server in the same loop, a real store and a clock that can be put
 * forward. Waiting times are never waited for. */
#include "net_fixture.h"

#include <ftw.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <event2/http.h>
#include <event2/keyvalq_struct.h>

#include "alert/sender_internal.h"
#include "base/json.h"
#include "base/parse.h"

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

static char dir[64];
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
    assert_int_equal(fchmod(fileno(f), 0600), 0);
    assert_true(fprintf(f, "%s\n", url) > 0);
    assert_int_equal(fclose(f), 0);
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
    strcpy(dir, "/tmp/ts-sender-XXXXXX");
    fixture_loop = ts_loop_new(&fake_clock, &err);
    if (mkdtemp(dir) == NULL || fixture_loop == NULL) {
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

static int remove_one(const char *path, const struct stat *st, int type, struct FTW *ftw)
{
    (void)st;
    (void)type;
    (void)ftw;
    return remove(path);
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
    return nftw(dir, remove_one, 8, FTW_DEPTH | FTW_PHYS);
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

/* --- stories */

static void test_trouble_is_told_once_and_its_end_too(void **state)
{
    (void)state;
    with_channels(true, false);
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 1);
    assert_false(ts_sender_idle(sender));
    run_until_settled(1);
    expect_request(0, "POST", POST_URI, YELLOW "down;");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0);
    pass(2 * MINUTE_MS);
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1);
    run_until_settled(3);
    expect_request(1, "POST", POST_URI, GREEN "healthy;");
    expect_request(2, "PATCH", EDIT_URI, GREEN "Resolved: down;");
    assert_non_null(strstr(requests[1].body, "\"2 m"));
    assert_non_null(strstr(requests[2].body, "\"allowed_mentions\":{\"parse\":[]}"));
    assert_null(strstr(requests[2].body, "username"));
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 0);
    assert_string_equal(told, "sent discord: down\nsent discord: healthy\n");
    expect_nothing_waits();
}

static void test_worse_is_told_anew(void **state)
{
    (void)state;
    with_channels(true, false);
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "down");
    (void)ts_sender_post(sender, &a);
    run_until_settled(1);
    a.severity = TS_SEVERITY_CRITICAL;
    assert_int_equal(ts_sender_post(sender, &a), 1);
    run_until_settled(2);
    expect_request(1, "POST", POST_URI, RED "down;");
}

static void test_progress_edits_on_discord_and_is_sent_to_a_webhook(void **state)
{
    (void)state;
    with_channels(true, true);
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "down");
    a.attempt = 1;
    (void)ts_sender_post(sender, &a);
    run_until_settled(2);
    a.attempt = 2;
    assert_int_equal(ts_sender_post(sender, &a), 2);
    run_until_settled(4);
    for (size_t i = 2; i < 4; i++) {
        bool edit = requests[i].method[1] == 'A';
        expect_request(i, edit ? "PATCH" : "POST", edit ? EDIT_URI : "/hook/" TOKEN,
                       edit ? YELLOW "down;" : "down;");
    }
    assert_string_not_equal(requests[2].method, requests[3].method);
}

static void test_edit_of_a_message_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {404, "application/json", NULL, NULL, "{\"code\":10008}", NULL},
        {400, "application/json", NULL, NULL, "{\"code\":30046}", NULL},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        size_t before = request_count;
        post(TS_ALERT_OPEN, "down");
        run_until_settled(before + 1);
        ANSWER(works, rows[i]);
        post(TS_ALERT_RESOLVED, "healthy");
        run_until_settled(before + 3);
        pass(HOUR_MS);
        run_until_settled(before + 3);
        expect_nothing_waits();
    }
}

static void test_failed_edit_is_tried_a_few_times(void **state)
{
    (void)state;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    static const struct script down = {503, NULL, NULL, NULL, NULL, NULL};
    ANSWER(works, down, down, down);
    post(TS_ALERT_RESOLVED, "healthy");
    for (size_t i = 3; i <= 5; i++) {
        run_until_settled(i);
        assert_string_equal(requests[i - 1].method, "PATCH");
        pass(HOUR_MS);
    }
    run_until_settled(5);
    post(TS_ALERT_INFO, "news");
    run_until_settled(6);
    expect_nothing_waits();
}

static void test_odd_message_ids_are_never_used(void **state)
{
    (void)state;
    static const char *const ids[] = {"\"../../x\"", "\"100?x\"",
                                      "17",          "null",
                                      "\"\"",        "\"123456789012345678901234567890123456\""};
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(ids); i++) {
        char body[100];
        size_t before = request_count;
        (void)snprintf(body, sizeof(body), "{\"id\":%s}", ids[i]);
        ANSWER({200, "application/json", NULL, NULL, body, NULL});
        post(TS_ALERT_OPEN, "down");
        run_until_settled(before + 1);
        post(TS_ALERT_RESOLVED, "healthy");
        run_until_settled(before + 2);
    }
}

static void test_a_storm_becomes_one_message(void **state)
{
    (void)state;
    with_channels(true, true);
    struct ts_alert worst = alert_of(TS_ALERT_OPEN, "k", "worst");
    worst.severity = TS_SEVERITY_CRITICAL;
    (void)ts_sender_post(sender, &worst);
    for (int i = 1; i <= 24; i++) {
        char title[16];
        (void)snprintf(title, sizeof(title), "n%d", i);
        post(TS_ALERT_INFO, title);
    }
    run_until_settled(4); /* one to Discord, 10 + 10 + 5 to the webhook */
    size_t hook = 0;
    for (size_t i = 0; i < 4; i++) {
        if (strstr(requests[i].uri, "webhooks") != NULL) {
            expect_request(i, "POST", POST_URI,
                           RED "worst;" GREEN "n16;" GREEN "n17;" GREEN "n18;" GREEN "n19;" GREEN
                               "n20;" GREEN "n21;" GREEN "n22;" GREEN "n23;" GREEN "n24;");
            assert_non_null(strstr(requests[i].body, "\xE2\x80\xA6 and 15 more events"));
            continue;
        }
        static const char *const batches[] = {"worst;n1;n2;n3;n4;n5;n6;n7;n8;n9;",
                                              "n10;n11;n12;n13;n14;n15;n16;n17;n18;n19;",
                                              "n20;n21;n22;n23;n24;"};
        expect_request(i, "POST", "/hook/" TOKEN, batches[hook++]);
    }
    assert_int_equal(hook, 3);
    expect_nothing_waits();
}

static void test_urgent_alerts_pass_the_others(void **state)
{
    (void)state;
    with_channels(false, true);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    post(TS_ALERT_INFO, "two");
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "blocked");
    a.urgent = true;
    (void)ts_sender_post(sender, &a);
    pass(MINUTE_MS);
    run_until_settled(2);
    expect_request(1, "POST", "/hook/" TOKEN, "blocked;one;two;");
}

/* --- answers */

static void test_rate_limits_are_honoured(void **state)
{
    (void)state;
    static const struct {
        struct script script;
        int64_t wait_ms;
    } rows[] = {
        {{429, "application/json", "Retry-After", "9", "{\"retry_after\":2.5,\"global\":false}",
          NULL},
         2500},
        {{429, "application/json", "Retry-After", "7", "{\"message\":\"?\"}", NULL}, 7000},
        {{429, "text/html", "Retry-After", "3.25", "{\"retry_after\":0}", NULL}, 3250},
        {{429, NULL, NULL, NULL, NULL, NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":-1}", NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":\"1\"}", NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":1e300}", NULL}, HOUR_MS},
        {{429, "text/plain", "Retry-After", "nan", "", NULL}, 5000},
        {{429, "text/plain", "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT", "", NULL}, 5000},
        {{429, "text/plain", "Retry-After", "99999", "", NULL}, HOUR_MS},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        size_t before = request_count;
        ANSWER(rows[i].script);
        post(TS_ALERT_INFO, "news");
        run_until_settled(before + 1);
        assert_in_range(retry_ms, rows[i].wait_ms, rows[i].wait_ms + 251);
        assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_DELAYED);
        assert_int_equal(ts_sender_status(sender, 0).pending, 1);
        pass(rows[i].wait_ms - 300);
        run_until_settled(before + 1);
        pass(600);
        run_until_settled(before + 2);
        expect_nothing_waits();
    }
}

static void test_last_allowed_message_is_followed_by_a_pause(void **state)
{
    (void)state;
    with_channels(true, false);
    const char *id = "{\"id\":\"100\"}";
    ANSWER({200, "application/json", "X-RateLimit-Remaining", "0", id, "4.5"},
           {200, "application/json", "X-RateLimit-Remaining", "1", id, "4.5"});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    expect_nothing_waits(); /* it is no trouble */
    post(TS_ALERT_INFO, "two");
    pass(4000);
    run_until_settled(1);
    assert_false(ts_sender_idle(sender));
    pass(600);
    run_until_settled(2);
    post(TS_ALERT_INFO, "three");
    run_until_settled(3);
}

static void test_temporary_trouble_is_retried_ever_more_slowly(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {-1, NULL, NULL, NULL, NULL, NULL},
        {500, "application/json", NULL, NULL, "{\"message\":\"500\"}", NULL},
        {502, "text/html", NULL, NULL, "<html>", NULL},
        {302, NULL, "Location", "http://127.0.0.1:1/", NULL, NULL},
        {403, "text/html", NULL, NULL, "<html>error 1015", NULL}, /* a ban in front of Discord */
        {408, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
    };
    with_channels(true, false);
    answer_with(rows, TS_ARRAY_LEN(rows));
    post(TS_ALERT_OPEN, "down");
    int64_t expected = 1000;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        run_until_settled(i + 1);
        assert_in_range(retry_ms, expected, expected + expected / 4);
        assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_DELAYED);
        assert_true(ts_sender_idle(sender));
        expected = expected * 2 < 300000 ? expected * 2 : 300000;
        pass(retry_ms);
    }
    run_until_settled(TS_ARRAY_LEN(rows) + 1);
    expect_nothing_waits();
    for (size_t i = 0; i < request_count; i++) {
        assert_string_equal(titles_in(i), YELLOW "down;");
    }
}

static void test_service_that_is_away_is_waited_for(void **state)
{
    (void)state;
    with_channels(true, true);
    evhttp_free(http_server);
    for (int i = 0; i < 6; i++) {
        char title[8];
        (void)snprintf(title, sizeof(title), "n%d", i);
        post(TS_ALERT_INFO, title);
        run_for(20);
        pass(10 * MINUTE_MS);
    }
    assert_int_equal(request_count, 0);
    assert_null(strstr(told, "sent"));
    start_server();
    pass(10 * MINUTE_MS);
    run_until_settled(2);
    bool first_is_hook = strstr(requests[0].uri, "hook/") != NULL;
    expect_request(first_is_hook ? 0 : 1, "POST", "/hook/" TOKEN, "n0;n1;n2;n3;n4;n5;");
    assert_string_equal(titles_in(first_is_hook ? 1 : 0),
                        GREEN "n0;" GREEN "n1;" GREEN "n2;" GREEN "n3;" GREEN "n4;" GREEN "n5;");
    expect_nothing_waits();
}

static void test_hanging_service_holds_up_no_other_channel(void **state)
{
    (void)state;
    with_channels(true, true);
    ANSWER({0, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_requests(2);
    bool discord_hangs = strstr(requests[0].uri, "webhooks") != NULL;
    for (int i = 0; i < 2000 && strstr(told, "sent") == NULL; i++) {
        run_for(1);
    }
    assert_string_equal(told, discord_hangs ? "sent hook: one\n" : "sent discord: one\n");
    post(TS_ALERT_INFO, "two");
    run_until_requests(3);
    assert_false(ts_sender_idle(sender));
    evhttp_send_reply(hanging, 503, "late", NULL);
    run_until_settled(3);
    pass(2000);
    run_until_settled(4);
    assert_non_null(strstr(requests[3].body, "one"));
    assert_non_null(strstr(requests[3].body, "two"));
    expect_nothing_waits();
}

static void test_refusal_for_good_stops_the_channel(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {401, "application/json", NULL, NULL, "{\"code\":50027}", NULL},
        {403, "application/json", NULL, NULL, "{\"code\":50013}", NULL},
        {404, "application/json", NULL, NULL, "{\"code\":10015}", NULL},
        {410, NULL, NULL, NULL, NULL, NULL},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err;
        size_t before = request_count;
        ANSWER(rows[i]);
        post(TS_ALERT_INFO, "one");
        run_until_settled(before + 1);
        const struct ts_channel_status status = ts_sender_status(sender, 0);
        assert_int_equal(status.state, TS_CHANNEL_REFUSED);
        assert_int_equal(status.pending, 1);
        assert_non_null(strstr(status.detail, "url_file"));
        assert_non_null(strstr(told, "refused discord: HTTP status 4"));
        post(TS_ALERT_INFO, "two");
        pass(HOUR_MS);
        run_until_settled(before + 1);
        assert_true(ts_sender_idle(sender));
        /* A reload gives it a new chance, with all that was kept. */
        assert_true(ts_sender_configure(sender, model, &err));
        run_until_settled(before + 2);
        assert_string_equal(titles_in(before + 1), GREEN "one;" GREEN "two;");
        expect_nothing_waits();
    }
}

static void test_bad_alert_is_found_and_dropped_alone(void **state)
{
    (void)state;
    static const struct script bad = {
        400, "application/json", NULL, NULL, "{\"code\":50035,\"message\":\"Invalid Form Body\"}",
        NULL};
    with_channels(true, false);
    ANSWER(bad, works, bad, works);
    post(TS_ALERT_INFO, "one");
    post(TS_ALERT_INFO, "two");
    post(TS_ALERT_INFO, "three");
    run_until_settled(4);
    assert_string_equal(titles_in(0), GREEN "one;" GREEN "two;" GREEN "three;");
    assert_string_equal(titles_in(1), GREEN "one;");
    assert_string_equal(titles_in(2), GREEN "two;");
    assert_string_equal(titles_in(3), GREEN "three;");
    assert_string_equal(told, "sent discord: one\ndropped discord: two\nbecause discord: HTTP "
                              "status 400: {\"code\":50035,\"message\":\"Invalid Form Body\"}\n"
                              "sent discord: three\n");
    expect_nothing_waits();
    post(TS_ALERT_INFO, "four");
    post(TS_ALERT_INFO, "five");
    run_until_settled(5); /* together again */
}

static void test_alert_that_is_too_old_is_given_up(void **state)
{
    (void)state;
    with_channels(true, false);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "old");
    run_until_settled(1);
    pass(25 * HOUR_MS);
    run_until_settled(1);
    assert_non_null(strstr(told, "dropped discord: old"));
    post(TS_ALERT_INFO, "new");
    run_until_settled(2);
    assert_string_equal(titles_in(1), GREEN "new;");
    expect_nothing_waits();
}

static void test_open_incident_is_told_again_by_the_sender(void **state)
{
    (void)state;
    model->reminder_ms = HOUR_MS;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    pass(HOUR_MS - 60000);
    run_until_settled(1);
    pass(60000);
    run_until_settled(2);
    expect_request(1, "POST", POST_URI, YELLOW "Still: down;");
    assert_non_null(strstr(requests[1].body, "\"Lasts\""));
    pass(1000);
    run_until_settled(2);
    pass(HOUR_MS);
    run_until_settled(3);
    expect_request(2, "POST", POST_URI, YELLOW "Still: down;");
    post(TS_ALERT_RESOLVED, "healthy");
    pass(2 * HOUR_MS);
    pass(1000);
    run_until_requests(4);
    expect_request(3, "POST", POST_URI, GREEN "healthy;");
}

/* --- what survives */

static void test_letters_and_incidents_survive_the_process(void **state)
{
    (void)state;
    static const struct script down = {500, NULL, NULL, NULL, NULL, NULL};
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    ANSWER(down, down);
    post(TS_ALERT_INFO, "one");
    post(TS_ALERT_INFO, "two");
    run_until_settled(2);
    close_sender();
    ahead_ms += 5 * MINUTE_MS;
    ANSWER(works);
    open_sender();
    run_until_settled(3);
    assert_string_equal(titles_in(2), GREEN "one;" GREEN "two;");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0); /* told already */
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1);
    run_until_settled(5);
    assert_non_null(strstr(requests[3].body, "\"5 m"));
    expect_request(4, "PATCH", EDIT_URI, GREEN "Resolved: down;");
    expect_nothing_waits();
}

static void test_edit_that_waits_survives_the_process(void **state)
{
    (void)state;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    post(TS_ALERT_RESOLVED, "healthy");
    close_sender(); /* before anything went out */
    open_sender();
    run_until_settled(3);
    expect_request(1, "POST", POST_URI, GREEN "healthy;");
    expect_request(2, "PATCH", EDIT_URI, GREEN "Resolved: down;");
}

static void test_alert_posted_in_a_transaction_is_sent_once(void **state)
{
    (void)state;
    struct ts_error err;
    with_channels(true, false);
    assert_true(ts_store_begin(store, &err));
    post(TS_ALERT_OPEN, "kept");
    assert_true(ts_store_commit(store, &err));
    run_until_settled(1);
    expect_nothing_waits();

    assert_true(ts_store_begin(store, &err));
    const struct ts_alert a = alert_of(TS_ALERT_OPEN, "bot/health", "lost");
    (void)ts_sender_post(sender, &a);
    ts_store_rollback(store);
    run_until_settled(2);
    assert_string_equal(titles_in(1), YELLOW "lost;");
    expect_nothing_waits();
    pass(HOUR_MS); /* the keeper has written the incident again */
    run_until_settled(2);
    close_sender();
    open_sender();
    assert_int_equal(ts_sender_post(sender, &a), 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
}

static void test_alerts_go_out_once_while_the_disk_is_full(void **state)
{
    (void)state;
    with_channels(true, false);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "stored");
    run_until_settled(1);
    limit_files(0);
    post(TS_ALERT_OPEN, "from memory");
    pass(5000);
    run_until_settled(2);
    assert_int_equal(post(TS_ALERT_OPEN, "from memory"), 0);
    pass(5000);
    pass(HOUR_MS);
    run_until_settled(2); /* "stored" cannot be removed, and is not sent again */
    limit_files(RLIM_INFINITY);
    assert_string_equal(titles_in(1), GREEN "stored;" YELLOW "from memory;");
    assert_true(store_failures > 0);
    assert_false(ts_store_ok(store));
    assert_int_equal(ts_sender_status(sender, 0).pending, 0);
    pass(HOUR_MS);
    run_until_settled(2);
    assert_true(ts_store_ok(store));
    close_sender();
    open_sender();
    run_until_settled(2);
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1); /* it was kept in the end */
    run_until_settled(3);
    expect_nothing_waits();
}

static void test_memory_is_bounded_while_the_disk_is_full(void **state)
{
    (void)state;
    with_channels(false, true);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "stored");
    run_until_settled(1);
    limit_files(0);
    for (int i = 0; i < HELD_MAX; i++) {
        post(TS_ALERT_INFO, "held");
    }
    assert_null(strstr(told, "dropped"));
    post(TS_ALERT_INFO, "too many");
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(told, "dropped hook: too many"));
    assert_int_equal(ts_sender_status(sender, 0).pending, HELD_MAX + 1);
    pass(MINUTE_MS);
    run_until_settled(1 + (HELD_MAX + 1 + BATCH_MAX - 1) / BATCH_MAX);
    expect_nothing_waits();
}

static void test_sender_works_without_a_store(void **state)
{
    (void)state;
    struct ts_error err;
    add_channel("discord", TS_CHANNEL_DISCORD);
    sender = ts_sender_new(fixture_loop, http, NULL, &hooks, &err);
    assert_non_null(sender);
    assert_true(ts_sender_configure(sender, model, &err));
    post(TS_ALERT_OPEN, "down");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0);
    post(TS_ALERT_RESOLVED, "healthy");
    run_until_settled(1);
    assert_string_equal(titles_in(0), YELLOW "down;" GREEN "healthy;");
    expect_nothing_waits();
}

/* --- configuration */

static void test_reload_sends_nothing_twice(void **state)
{
    (void)state;
    struct ts_error err;
    with_channels(true, false);
    ANSWER({0, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_requests(1);
    assert_true(ts_sender_configure(sender, model, &err));
    run_for(30);
    assert_int_equal(request_count, 1);
    evhttp_send_reply(hanging, 204, "ok", NULL);
    run_until_settled(1);
    expect_nothing_waits();
}

static void test_reload_with_another_url_sends_there(void **state)
{
    (void)state;
    struct ts_error err;
    char url[200];
    with_channels(false, true);
    ANSWER({404, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    limit_files(0);
    post(TS_ALERT_INFO, "in memory");
    limit_files(RLIM_INFINITY);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/other/" TOKEN, (unsigned)http_port);
    write_url(&model->channels[0], url);
    assert_true(ts_sender_configure(sender, model, &err));
    run_until_settled(2);
    expect_request(1, "POST", "/other/" TOKEN, "one;in memory;");
    model->channel_count = 0;
    assert_true(ts_sender_configure(sender, model, &err));
    assert_int_equal(ts_sender_channel_count(sender), 0);
    assert_int_equal(post(TS_ALERT_INFO, "nobody"), 0);
}

static void test_faulty_channel_changes_nothing(void **state)
{
    (void)state;
    struct ts_error err = {0};
    with_channels(true, false);
    add_channel("second", TS_CHANNEL_DISCORD);
    write_url(&model->channels[1], "http://example.com/api/webhooks/1/" TOKEN);
    assert_false(ts_sender_configure(sender, model, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_non_null(strstr(err.msg, "second"));
    assert_null(strstr(err.msg, TOKEN));
    assert_int_equal(ts_sender_channel_count(sender), 1);

    assert_int_equal(unlink(model->channels[1].url_file), 0);
    assert_false(ts_sender_configure(sender, model, &err));
    model->channels[1].optional = true;
    assert_true(ts_sender_configure(sender, model, &err));
    assert_int_equal(ts_sender_channel_count(sender), 1);
    post(TS_ALERT_INFO, "still works");
    run_until_settled(1);
}

static void test_one_channel_can_be_addressed(void **state)
{
    (void)state;
    with_channels(true, true);
    const struct ts_alert a = alert_of(TS_ALERT_INFO, "", "test alert");
    assert_int_equal(ts_sender_post_to(sender, &a, "hook"), 1);
    assert_true(ts_sender_post_to(sender, &a, "nobody") == SIZE_MAX);
    run_until_settled(1);
    expect_request(0, "POST", "/hook/" TOKEN, "test alert;");
}

static void test_url_is_shown_nowhere(void **state)
{
    (void)state;
    static char echo[400];
    static const int statuses[] = {400, 500, 404};
    with_channels(true, false);
    /* The token lies where a cut of the text would go through it. */
    (void)snprintf(echo, sizeof(echo), "{\"message\":\"%0*d http:\\/\\/x\\/" TOKEN "\"}", 110, 0);
    for (size_t i = 0; i < TS_ARRAY_LEN(statuses); i++) {
        size_t before = request_count;
        ANSWER({statuses[i], "application/json", NULL, NULL, echo, NULL});
        post(TS_ALERT_INFO, "one");
        run_until_settled(before + 1);
        assert_null(strstr(ts_sender_status(sender, 0).detail, "aBcD"));
        pass(MINUTE_MS);
        run_for(20);
    }
    assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_REFUSED);
    assert_non_null(strstr(told, "refused discord"));
    assert_non_null(strstr(told, "repeats the URL"));
    assert_null(strstr(told, "aBcD"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENDER_TEST(test_trouble_is_told_once_and_its_end_too),
        SENDER_TEST(test_worse_is_told_anew),
        SENDER_TEST(test_progress_edits_on_discord_and_is_sent_to_a_webhook),
        SENDER_TEST(test_edit_of_a_message_that_is_gone_does_no_harm),
        SENDER_TEST(test_failed_edit_is_tried_a_few_times),
        SENDER_TEST(test_odd_message_ids_are_never_used),
        SENDER_TEST(test_a_storm_becomes_one_message),
        SENDER_TEST(test_urgent_alerts_pass_the_others),
        SENDER_TEST(test_rate_limits_are_honoured),
        SENDER_TEST(test_last_allowed_message_is_followed_by_a_pause),
        SENDER_TEST(test_temporary_trouble_is_retried_ever_more_slowly),
        SENDER_TEST(test_service_that_is_away_is_waited_for),
        SENDER_TEST(test_hanging_service_holds_up_no_other_channel),
        SENDER_TEST(test_refusal_for_good_stops_the_channel),
        SENDER_TEST(test_bad_alert_is_found_and_dropped_alone),
        SENDER_TEST(test_alert_that_is_too_old_is_given_up),
        SENDER_TEST(test_open_incident_is_told_again_by_the_sender),
        SENDER_TEST(test_letters_and_incidents_survive_the_process),
        SENDER_TEST(test_edit_that_waits_survives_the_process),
        SENDER_TEST(test_alert_posted_in_a_transaction_is_sent_once),
        SENDER_TEST(test_alerts_go_out_once_while_the_disk_is_full),
        SENDER_TEST(test_memory_is_bounded_while_the_disk_is_full),
        SENDER_TEST(test_sender_works_without_a_store),
        SENDER_TEST(test_reload_sends_nothing_twice),
        SENDER_TEST(test_reload_with_another_url_sends_there),
        SENDER_TEST(test_faulty_channel_changes_nothing),
        SENDER_TEST(test_one_channel_can_be_addressed),
        SENDER_TEST(test_url_is_shown_nowhere),
    };
    return RUN_TESTS(tests);
}
