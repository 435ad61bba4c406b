/* What a gateway answers to each request of a client. */
#include <stdio.h>
#include <string.h>
#include <time.h>

#include "client.h"

int64_t sim_now_ms(void)
{
    struct timespec ts;
    (void)clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void sim_add_accounts(struct sim_client *c, struct ts_buf *out)
{
    size_t begin = ts_ib_begin(out);
    ts_ib_add_int(out, TS_IB_S_ACCOUNTS);
    ts_ib_add_int(out, 1);
    ts_ib_add(out, sim_accounts(c->sim));
    ts_ib_end(out, begin);
}

static void add_numbers(struct ts_buf *out, const int64_t *numbers, size_t count)
{
    size_t begin = ts_ib_begin(out);
    for (size_t i = 0; i < count; i++) {
        ts_ib_add_int(out, numbers[i]);
    }
    ts_ib_end(out, begin);
}
#define ADD(out, ...)                                                                              \
    add_numbers(out, (const int64_t[]){__VA_ARGS__},                                               \
                sizeof((const int64_t[]){__VA_ARGS__}) / sizeof(int64_t))

/* One frame of text fields. */
static void add_fields(struct ts_buf *out, const char *const *fields, size_t count)
{
    size_t begin = ts_ib_begin(out);
    for (size_t i = 0; i < count; i++) {
        ts_ib_add(out, fields[i]);
    }
    ts_ib_end(out, begin);
}
#define ADD_TEXT(out, ...)                                                                         \
    add_fields(out, (const char *const[]){__VA_ARGS__},                                            \
               sizeof((const char *const[]){__VA_ARGS__}) / sizeof(char *))

static void first_account(const struct sim *sim, char *out, size_t size)
{
    const char *list = sim_accounts(sim);
    (void)snprintf(out, size, "%.*s", (int)strcspn(list, ","), list);
}

static void answer_start(struct sim_client *c, const struct ts_ib_fields *m, struct ts_buf *out)
{
    static const char *const farms[] = {"Market data farm connection is OK:usfarm",
                                        "HMDS data farm connection is OK:ushmds",
                                        "Sec-def data farm connection is OK:secdefil"};
    static const int64_t farm_codes[] = {2104, 2106, 2158};
    const struct sim *sim = c->sim;
    c->client_id = (int32_t)ts_ib_int(m, 2, 0);
    c->started = true;
    if (sim->mode == MODE_HELLO_ONLY) {
        return;
    }
    if (sim->mode != MODE_NO_ACCOUNTS) {
        sim_add_accounts(c, out);
    }
    ADD(out, TS_IB_S_NEXT_ID, 1, 1);
    for (size_t i = 0; i < TS_ARRAY_LEN(farms) && !sim->upstream_down; i++) {
        ts_ib_add_error(out, c->version, -1, farm_codes[i], farms[i], sim_now_ms());
    }
    const char *text;
    int64_t code = sim_upstream_code(sim, &text);
    if (code != 0) {
        ts_ib_add_error(out, c->version, -1, code, text, sim_now_ms());
    }
}

static void answer_summary(struct sim_client *c, const struct ts_ib_fields *m, struct ts_buf *out)
{
    static const char *const rows[][3] = {{"NetLiquidation", "1000000.00", "USD"},
                                          {"TotalCashValue", "1000000.00", "USD"},
                                          {"AccountType", "INDIVIDUAL", ""}};
    char account[64];
    const char *id = ts_ib_text(m, 2);
    first_account(c->sim, account, sizeof(account));
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        ADD_TEXT(out, "63", "1", id, account, rows[i][0], rows[i][1], rows[i][2]);
    }
    ADD_TEXT(out, "64", "1", id);
}

static void answer_positions(struct sim_client *c, struct ts_buf *out)
{
    char account[64];
    first_account(c->sim, account, sizeof(account));
    ADD_TEXT(out, "61", "3", account, "756733", "SPY", "STK", "", "0.0", "", "", "ARCA", "USD",
             "SPY", "SPY", "0", "0.0");
    ADD_TEXT(out, "62", "1");
}

void sim_add_price(int64_t id, const char *type, double price, struct ts_buf *out)
{
    char id_text[24];
    char price_text[32];
    (void)snprintf(id_text, sizeof(id_text), "%lld", (long long)id);
    (void)snprintf(price_text, sizeof(price_text), "%.2f", price);
    ADD_TEXT(out, "1", "6", id_text, type, price_text, "100", "0");
}

static void answer_market_data(struct sim_client *c, const struct ts_ib_fields *m,
                               struct ts_buf *out)
{
    int64_t id = ts_ib_int(m, 2, 0);
    const char *id_text = ts_ib_text(m, 2);
    ADD_TEXT(out, "81", id_text, "0.01", "9c0001", "3");
    ADD(out, TS_IB_S_DATA_TYPE, 1, id, 3);
    sim_add_price(id, "66", c->sim->price - 0.01, out); /* delayed bid, ask, last */
    sim_add_price(id, "67", c->sim->price + 0.01, out);
    sim_add_price(id, "68", c->sim->price, out);
    if (c->subscribed_count < SUBSCRIBED_MAX) {
        c->subscribed[c->subscribed_count++] = id;
        if (evtimer_pending(c->sim->tick_timer, NULL) == 0) {
            sim_arm(c->sim->tick_timer, TICK_MS);
        }
    }
}

static void cancel_market_data(struct sim_client *c, int64_t id)
{
    for (size_t i = 0; i < c->subscribed_count; i++) {
        if (c->subscribed[i] == id) {
            c->subscribed[i] = c->subscribed[--c->subscribed_count];
            return;
        }
    }
}

/* What every client asks at connect, answered by an empty list's end. */
static bool answer_list_end(int64_t id, const struct ts_ib_fields *m, struct ts_buf *out)
{
    switch (id) {
    case 5: ADD_TEXT(out, "53", "1"); return true;                    /* open orders */
    case 6: ADD_TEXT(out, "54", "1", ts_ib_text(m, 3)); return true;  /* account updates */
    case 7: ADD_TEXT(out, "55", "1", ts_ib_text(m, 2)); return true;  /* executions */
    case 76: ADD_TEXT(out, "74", "1", ts_ib_text(m, 2)); return true; /* updates, multi */
    case 99: ADD_TEXT(out, "102"); return true;                       /* completed orders */
    default: return false;
    }
}

void sim_answer(struct sim_client *c, const struct ts_ib_fields *m, struct ts_buf *out)
{
    int64_t id = ts_ib_int(m, 0, 0);
    if (c->sim->mode == MODE_HELLO_ONLY || answer_list_end(id, m, out)) {
        return;
    }
    switch (id) {
    case TS_IB_C_START: answer_start(c, m, out); break;
    case TS_IB_C_TIME: ADD(out, TS_IB_S_TIME, 1, (sim_now_ms() + c->sim->skew_ms) / 1000); break;
    case 105:
        ADD(out, 109, sim_now_ms() + c->sim->skew_ms);
        break; /* the time in ms; versions from 197 on */
    case TS_IB_C_ACCOUNTS: sim_add_accounts(c, out); break;
    case TS_IB_C_SUMMARY: answer_summary(c, m, out); break;
    case TS_IB_C_POSITIONS: answer_positions(c, out); break;
    case TS_IB_C_MARKET_DATA: answer_market_data(c, m, out); break;
    case TS_IB_C_CANCEL_MARKET_DATA: cancel_market_data(c, ts_ib_int(m, 2, 0)); break;
    case 8: ADD(out, TS_IB_S_NEXT_ID, 1, 1); break; /* reqIds */
    case 3:                                         /* an order: this gateway is read-only */
        sim_say("gwsim: REFUSED an order request from client %d", c->client_id);
        ts_ib_add_error(out, c->version, ts_ib_int(m, 1, -1), 321,
                        "Error validating request: the API interface is currently in Read-Only "
                        "mode.",
                        sim_now_ms());
        break;
    default: break; /* cancels, data types, log levels: no answer is expected */
    }
}
