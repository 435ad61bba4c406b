/* See queries.h. */
#include "queries.h"

#include <stdio.h>
#include <string.h>

#include "base/parse.h"

#define SUMMARY_ID   9001
#define QUOTE_ID     1001 /* of the first symbol; the others follow */
#define DATA_DELAYED 3    /* needs no subscription */
#define TEXT_MAX     480

static const char summary_tags[] = "NetLiquidation,TotalCashValue,BuyingPower";

/* Tick types, live and delayed. Source: IB's published clients. */
static const struct {
    int64_t type;
    size_t offset;
} price_ticks[] = {
    {1, offsetof(struct bot_quote, bid)},  {66, offsetof(struct bot_quote, bid)},
    {2, offsetof(struct bot_quote, ask)},  {67, offsetof(struct bot_quote, ask)},
    {4, offsetof(struct bot_quote, last)}, {68, offsetof(struct bot_quote, last)},
};

void bot_queries_init(struct bot_queries *q, const struct bot_settings *settings,
                      const struct bot_gameplan *plan, bot_line *line, void *ctx)
{
    bool by_plan = plan->plan.symbol_count > 0;
    *q = (struct bot_queries){.line = line, .ctx = ctx};
    q->symbol_count = by_plan ? plan->plan.symbol_count : settings->symbol_count;
    memcpy(q->symbols, by_plan ? plan->plan.symbols : settings->symbols, sizeof(q->symbols));
    q->summary = ts_buf_init(BOT_ANSWER_MAX);
    q->positions = ts_buf_init(BOT_ANSWER_MAX);
}

void bot_queries_done(struct bot_queries *q)
{
    ts_buf_done(&q->summary);
    ts_buf_done(&q->positions);
}

void bot_queries_reset(struct bot_queries *q, int32_t server_version)
{
    memset(q->quotes, 0, sizeof(q->quotes));
    q->version = server_version;
    q->subscribed = false;
    q->in_round = false;
}

static void say_list(const struct bot_queries *q, const char *what, const struct ts_buf *list)
{
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "%s%s%s", what, list->len > 0 ? ts_buf_text(list) : "none",
                   list->failed ? ", …" : "");
    q->line(q->ctx, text);
}

static void say_quote(const struct bot_queries *q, size_t i)
{
    const struct bot_quote *quote = &q->quotes[i];
    char text[TEXT_MAX];
    (void)snprintf(text, sizeof(text), "Market data (delayed): %s bid %s, ask %s, last %s",
                   q->symbols[i], quote->bid[0] != '\0' ? quote->bid : "-",
                   quote->ask[0] != '\0' ? quote->ask : "-",
                   quote->last[0] != '\0' ? quote->last : "-");
    q->line(q->ctx, text);
}

static void subscribe(struct bot_queries *q, struct ts_buf *out)
{
    ts_ib_add_data_type_request(out, DATA_DELAYED);
    for (size_t i = 0; i < q->symbol_count; i++) {
        const struct ts_ib_contract stock = {q->symbols[i], "STK", "SMART", "USD"};
        ts_ib_add_market_data_request(out, q->version, QUOTE_ID + (int64_t)i, &stock);
    }
    q->subscribed = true;
}

void bot_queries_round(struct bot_queries *q, struct ts_buf *out)
{
    for (size_t i = 0; i < q->symbol_count; i++) {
        if (q->quotes[i].told) {
            say_quote(q, i);
        }
    }
    if (q->in_round) {
        q->line(q->ctx, "Gateway API: the last round's answers are still missing");
        ts_ib_add_summary_cancel(out, SUMMARY_ID);
        ts_ib_add_positions_cancel(out);
    }
    ts_buf_clear(&q->summary);
    ts_buf_clear(&q->positions);
    q->in_round = true;
    ts_ib_add_summary_request(out, SUMMARY_ID, summary_tags);
    ts_ib_add_positions_request(out);
    if (!q->subscribed) {
        subscribe(q, out);
    }
}

/* version, request, account, tag, value, currency */
static void take_summary(struct bot_queries *q, const struct ts_ib_fields *m)
{
    if (ts_ib_int(m, 2, 0) == SUMMARY_ID) {
        (void)ts_buf_addf(&q->summary, "%s%.32s %.32s%s%.8s", q->summary.len > 0 ? ", " : "",
                          ts_ib_text(m, 4), ts_ib_text(m, 5),
                          ts_ib_text(m, 6)[0] != '\0' ? " " : "", ts_ib_text(m, 6));
    }
}

/* version, account, contract id, symbol, …; position is field 14 */
static void take_position(struct bot_queries *q, const struct ts_ib_fields *m)
{
    const char *size = ts_ib_text(m, 14);
    if (strspn(size, "0.") == strlen(size)) {
        return; /* closed today */
    }
    (void)ts_buf_addf(&q->positions, "%s%.20s %.20s", q->positions.len > 0 ? ", " : "",
                      ts_ib_text(m, 4), size);
}

static struct bot_quote *quote_of(struct bot_queries *q, int64_t req_id)
{
    return req_id >= QUOTE_ID && req_id - QUOTE_ID < (int64_t)q->symbol_count
               ? &q->quotes[req_id - QUOTE_ID]
               : NULL;
}

/* A price is shown, never calculated with; -1 means that there is none. */
static bool is_price(const char *text)
{
    size_t n = strspn(text, "0123456789.eE+-");
    return n > 0 && n < BOT_PRICE_MAX && text[n] == '\0' && strcmp(text, "-1") != 0 &&
           strcmp(text, "-1.0") != 0;
}

/* version, request, type, price, … */
static void take_price(struct bot_queries *q, const struct ts_ib_fields *m)
{
    struct bot_quote *quote = quote_of(q, ts_ib_int(m, 2, -1));
    if (quote == NULL || !is_price(ts_ib_text(m, 4))) {
        return;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(price_ticks); i++) {
        if (price_ticks[i].type == ts_ib_int(m, 3, -1)) {
            ts_copy_cut((char *)quote + price_ticks[i].offset, BOT_PRICE_MAX, ts_ib_text(m, 4));
        }
    }
    if (!quote->told && quote->last[0] != '\0') {
        quote->told = true;
        say_quote(q, (size_t)(quote - q->quotes));
    }
}

static void take_error(struct bot_queries *q, const struct ts_ib_fields *m)
{
    const struct ts_ib_error e = ts_ib_parse_error(m, q->version);
    struct bot_quote *quote = quote_of(q, e.req_id);
    if (quote != NULL && !quote->refused) {
        char text[TEXT_MAX];
        quote->refused = true;
        (void)snprintf(text, sizeof(text), "Market data %s: the gateway says %lld: %.200s",
                       q->symbols[quote - q->quotes], (long long)e.code, e.text);
        q->line(q->ctx, text);
    }
}

void bot_queries_take(struct bot_queries *q, const struct ts_ib_fields *m, struct ts_buf *out)
{
    switch (ts_ib_int(m, 0, -1)) {
    case TS_IB_S_SUMMARY: take_summary(q, m); break;
    case TS_IB_S_SUMMARY_END:
        say_list(q, "Account summary: ", &q->summary);
        /* It is a subscription: without this, answers would go on for ever. */
        ts_ib_add_summary_cancel(out, SUMMARY_ID);
        break;
    case TS_IB_S_POSITION: take_position(q, m); break;
    case TS_IB_S_POSITION_END:
        say_list(q, "Positions: ", &q->positions);
        ts_ib_add_positions_cancel(out);
        q->in_round = false;
        break;
    case TS_IB_S_TICK_PRICE: take_price(q, m); break;
    case TS_IB_S_ERROR: take_error(q, m); break;
    default: break;
    }
}
