/* See bot.h. The wording of the lines is the operators' (their first start-up procedure). */
#include "bot.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/parse.h"
#include "health.h"
#include "ibapi/client.h"
#include "queries.h"
#include "say.h"

#define STEP_TIMEOUT_MS    5000
#define PING_MS            10000
#define CLIENT_ID_SPREAD   8 /* a stale session may hold our id for a while */
#define RECONNECT_FIRST_MS 500
#define RECONNECT_MAX_MS   15000

struct bot {
    struct ts_loop *loop;
    const struct ts_clock *clock;
    const struct bot_settings *settings;
    struct ts_model *model; /* the paper prefixes */
    struct bot_health *health;
    struct ts_ibapi_client *client;
    struct ts_timer *connect_timer;
    struct ts_timer *round_timer;
    struct bot_gameplan plan;
    struct bot_queries queries;
    enum bot_exit result;
    uint32_t attempt; /* since the start, or since the connection was lost */
    int32_t id_offset;
    ts_mono attempt_began;
    int64_t told_time_s; /* the gateway's time is logged once a round */
    bool was_operational;
    bool connected;
    char accounts[256];
};

#define INFO(b, ...) bot_say((b)->clock, BOT_INFO, __VA_ARGS__)
#define WARN(b, ...) bot_say((b)->clock, BOT_WARNING, __VA_ARGS__)

static void end_with(struct bot *b, enum bot_exit how)
{
    b->result = how;
    ts_ibapi_client_stop(b->client);
    ts_timer_stop(b->connect_timer);
    ts_timer_stop(b->round_timer);
    ts_loop_stop(b->loop);
}

static void line(void *ctx, const char *text)
{
    const struct bot *b = ctx;
    INFO(b, "%s", text);
}

/* --- attempts --- */

static int64_t reconnect_wait_ms(uint32_t attempt)
{
    int64_t ms = RECONNECT_FIRST_MS;
    for (uint32_t i = 1; i < attempt && ms < RECONNECT_MAX_MS; i++) {
        ms *= 2;
    }
    return ms < RECONNECT_MAX_MS ? ms : RECONNECT_MAX_MS;
}

static void attempt_failed(struct bot *b, enum ts_probe_reason reason, const char *detail)
{
    const char *colon = detail[0] != '\0' ? ": " : "";
    bool reached = reason == TS_PR_NOT_LOGGED_IN || reason == TS_PR_REJECTED;
    if (reached) {
        INFO(b, "Gateway responding on port %u", (unsigned)b->settings->gateway_port);
        WARN(b, "Gateway authenticated: False");
    }
    WARN(b, "Gateway not ready: %s%s%s", ts_probe_reason_text(reason), colon, detail);
    bot_health_set(b->health, false, ts_probe_reason_name(reason), b->accounts);
    if (reason == TS_PR_CLIENT_ID) {
        b->id_offset = (b->id_offset + 1) % CLIENT_ID_SPREAD;
    }
    if (b->was_operational) {
        ts_timer_after(b->connect_timer, reconnect_wait_ms(b->attempt));
        return;
    }
    if (b->attempt == BOT_ATTEMPTS) {
        bot_say(b->clock, BOT_ERROR,
                "Gateway connection timeout: %d attempts failed, giving up (is the gateway up and "
                "logged in? GATEWAY_HOST and GATEWAY_PORT right?)",
                BOT_ATTEMPTS);
        end_with(b, BOT_EXIT_NO_GATEWAY);
        return;
    }
    ts_timer_at(b->connect_timer, ts_mono_add(b->attempt_began, b->settings->connect_interval_ms));
}

static void try_connect(void *ctx)
{
    struct bot *b = ctx;
    const struct ts_ib_conf conf = {.client_id = b->settings->client_id + b->id_offset,
                                    .timeout_ms = STEP_TIMEOUT_MS,
                                    .ping_ms = PING_MS};
    struct ts_error err;
    b->attempt++;
    b->attempt_began = ts_loop_now(b->loop);
    if (b->was_operational) {
        INFO(b, "Reconnecting to Gateway, attempt %u", (unsigned)b->attempt);
    } else {
        INFO(b, "Gateway health check attempt %u/%d", (unsigned)b->attempt, BOT_ATTEMPTS);
    }
    if (!ts_ibapi_client_start(b->client, b->settings->gateway_host, b->settings->gateway_port,
                               &conf, &err)) {
        attempt_failed(b, TS_PR_ERROR, err.msg);
    }
}

/* --- connected --- */

/* All of them must be paper accounts, and all must have been seen. */
static bool accounts_are_safe(struct bot *b, const struct ts_ib_session *s)
{
    struct ts_buf list = ts_buf_init(sizeof(b->accounts) - 1);
    const char *unsafe = NULL;
    for (size_t i = 0; i < s->account_count; i++) {
        (void)ts_buf_addf(&list, "%s%s", i > 0 ? ", " : "", s->accounts[i]);
        if (!ts_model_is_paper(b->model, s->accounts[i])) {
            unsafe = s->accounts[i];
        }
    }
    ts_copy_cut(b->accounts, sizeof(b->accounts), ts_buf_text(&list));
    ts_buf_done(&list);
    if (unsafe != NULL) {
        bot_say(b->clock, BOT_ERROR, "Account: %s (NOT a paper account)", unsafe);
    } else if (s->account_count == TS_IB_ACCOUNTS_MAX) {
        bot_say(b->clock, BOT_ERROR, "%d accounts or more: too many to be sure that all are paper",
                TS_IB_ACCOUNTS_MAX);
    } else {
        return true;
    }
    bot_say(b->clock, BOT_ERROR, "Refusing to run: this bot is for paper trading accounts only");
    end_with(b, BOT_EXIT_LIVE_ACCOUNT);
    return false;
}

static bool settle_gameplan(struct bot *b)
{
    struct ts_error err;
    if (!bot_gameplan_load(b->settings->gameplan_file, &b->plan, &err)) {
        bot_say(b->clock, BOT_ERROR, "Refusing to run: %s", err.msg);
        end_with(b, BOT_EXIT_GAMEPLAN);
        return false;
    }
    if (b->plan.is_default) {
        INFO(b, "No gameplan file found at %s", b->settings->gameplan_file);
        INFO(b, "Defaulting to Strategy C (Cash Preservation)");
    } else {
        INFO(b, "Gameplan loaded: Strategy C (Cash Preservation)%s%s",
             b->plan.plan.date[0] != '\0' ? " for " : "", b->plan.plan.date);
    }
    INFO(b, "Strategy C active: No trading, monitoring only");
    bot_queries_init(&b->queries, b->settings, &b->plan, line, b);
    return true;
}

static void send_requests(struct bot *b, struct ts_buf *out)
{
    struct ts_error err;
    if (out->len > 0 && !ts_ibapi_client_send(b->client, out, &err)) {
        WARN(b, "Gateway API request not sent: %s", err.msg);
    }
    ts_buf_done(out);
}

static void next_round(void *ctx)
{
    struct bot *b = ctx;
    struct ts_buf out = ts_buf_init(32 * 1024);
    b->told_time_s = 0;
    bot_queries_round(&b->queries, &out);
    send_requests(b, &out);
    ts_timer_after(b->round_timer, b->settings->query_interval_ms);
}

static void became_ready(struct bot *b, const struct ts_ib_session *s)
{
    INFO(b, "Gateway responding on port %u", (unsigned)b->settings->gateway_port);
    INFO(b, "Gateway authenticated: True");
    INFO(b, "Initializing broker connection...");
    INFO(b, "IBKR Gateway connected successfully");
    INFO(b, "Account: %s (Paper Trading)", b->accounts);
    if (!b->was_operational && !settle_gameplan(b)) {
        return;
    }
    INFO(b, "Bot operational in safe mode");
    b->was_operational = true;
    b->connected = true;
    b->attempt = 0;
    bot_queries_reset(&b->queries, s->server_version);
    next_round(b);
}

static void tell_time(struct bot *b, int64_t time_s)
{
    char text[TS_WALL_TEXT];
    /* What the gateway says may be any number. */
    if (b->told_time_s != 0 || time_s <= 0 || time_s > INT64_C(253402300799)) {
        return;
    }
    b->told_time_s = time_s;
    ts_wall_format((ts_wall){time_s * 1000}, text);
    INFO(b, "Gateway API time: %s", text);
}

static void lost(struct bot *b, const struct ts_ib_session *s)
{
    WARN(b, "Gateway connection lost: %s%s%s", ts_probe_reason_text(s->reason),
         s->detail[0] != '\0' ? ": " : "", s->detail);
    b->connected = false;
    ts_timer_stop(b->round_timer);
    bot_health_set(b->health, false, ts_probe_reason_name(s->reason), b->accounts);
    ts_timer_after(b->connect_timer, RECONNECT_FIRST_MS);
}

static void on_state(void *ctx, const struct ts_ib_session *s, bool ended)
{
    struct bot *b = ctx;
    if (ended && b->connected) {
        lost(b, s);
        return;
    }
    if (ended) {
        attempt_failed(b, s->reason, s->detail);
        return;
    }
    /* Cut off from IB is still connected: the gateway heals that itself. */
    if (s->reason != TS_PR_OK && s->reason != TS_PR_UPSTREAM_DOWN) {
        return;
    }
    if (!b->connected) {
        became_ready(b, s);
    }
    if (b->connected) {
        bot_health_set(b->health, true, s->reason == TS_PR_OK ? "connected" : "upstream-down",
                       b->accounts);
        tell_time(b, s->server_time_s);
    }
}

static void on_accounts(void *ctx, const struct ts_ib_session *s)
{
    if (s->account_count > 0) {
        (void)accounts_are_safe(ctx, s);
    }
}

static void on_message(void *ctx, const struct ts_ib_fields *fields)
{
    struct bot *b = ctx;
    if (b->connected) {
        struct ts_buf out = ts_buf_init(4096);
        bot_queries_take(&b->queries, fields, &out);
        send_requests(b, &out);
    }
}

/* --- life --- */

static struct ts_model *make_model(struct ts_error *err)
{
    /* IB's paper accounts, as in conf/tradestackd.conf. Not to be set from outside: an environment
     * variable must not be able to make a live account look like a paper one. */
    static const char *const prefixes[] = {"DU", "DF"};
    struct ts_model *m = ts_model_new();
    if (m == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(prefixes); i++) {
        ts_copy_cut(m->paper_prefixes[i], sizeof(m->paper_prefixes[i]), prefixes[i]);
    }
    m->paper_prefix_count = TS_ARRAY_LEN(prefixes);
    return m;
}

static bool make_parts(struct bot *b, struct ts_error *err)
{
    static const struct ts_ibapi_handler handler = {on_state, on_accounts, on_message};
    b->model = make_model(err);
    if (b->model == NULL) {
        return false;
    }
    b->health = bot_health_new(b->loop, b->settings->health_port, err);
    if (b->health == NULL) {
        return false;
    }
    b->client = ts_ibapi_client_new(b->loop, &handler, b, err);
    if (b->client == NULL) {
        return false;
    }
    b->connect_timer = ts_timer_new(b->loop, try_connect, b, err);
    if (b->connect_timer == NULL) {
        return false;
    }
    b->round_timer = ts_timer_new(b->loop, next_round, b, err);
    return b->round_timer != NULL;
}

struct bot *bot_new(struct ts_loop *loop, const struct ts_clock *clock,
                    const struct bot_settings *settings, struct ts_error *err)
{
    struct bot *b = calloc(1, sizeof(*b));
    if (b == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    *b = (struct bot){.loop = loop, .clock = clock, .settings = settings};
    if (!make_parts(b, err)) {
        bot_free(b);
        return NULL;
    }
    return b;
}

void bot_free(struct bot *b)
{
    if (b == NULL) {
        return;
    }
    ts_timer_free(b->round_timer);
    ts_timer_free(b->connect_timer);
    ts_ibapi_client_free(b->client);
    bot_health_free(b->health);
    ts_model_free(b->model);
    bot_queries_done(&b->queries);
    free(b);
}

void bot_start(struct bot *b)
{
    INFO(b, "Gateway connection config: %s:%u", b->settings->gateway_host,
         (unsigned)b->settings->gateway_port);
    INFO(b, "Waiting for Gateway readiness...");
    try_connect(b);
}

enum bot_exit bot_result(const struct bot *b)
{
    return b->result;
}
