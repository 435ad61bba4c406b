/*
 * What the bot asks the gateway while it is connected: time, account summary, positions and delayed
 * market data, in rounds, and the log lines about the answers. It only reads: every request comes
 * from lib/ibapi, which can encode no order.
 *
 * Pure as far as the network goes: requests are appended to a buffer, answers come as fields.
 */
#ifndef BOT_QUERIES_H
#define BOT_QUERIES_H

#include "gameplan.h"
#include "ibapi/codec.h"

#define BOT_PRICE_MAX  24  /* bytes of a price as text, NUL included */
#define BOT_ANSWER_MAX 400 /* bytes of a list in one log line */

/* A line for the log. text is borrowed for the call. */
typedef void bot_line(void *ctx, const char *text);

struct bot_quote {
    char bid[BOT_PRICE_MAX];
    char ask[BOT_PRICE_MAX];
    char last[BOT_PRICE_MAX];
    bool told;    /* its first price has been logged */
    bool refused; /* the gateway gives no data; said once */
};

struct bot_queries {
    char symbols[BOT_SYMBOLS_MAX][BOT_SYMBOL_MAX];
    size_t symbol_count;
    struct bot_quote quotes[BOT_SYMBOLS_MAX];
    struct ts_buf summary;
    struct ts_buf positions;
    int32_t version; /* negotiated with the gateway */
    bool in_round;   /* positions or summary are still to come */
    bool subscribed;
    bot_line *line;
    void *ctx;
};

/* The plan's symbols, else the settings'. line is called from the functions below. */
void bot_queries_init(struct bot_queries *q, const struct bot_settings *settings,
                      const struct bot_gameplan *plan, bot_line *line, void *ctx);
void bot_queries_done(struct bot_queries *q);
/* A new session: nothing is subscribed, no answer is expected. */
void bot_queries_reset(struct bot_queries *q, int32_t server_version);
/* Logs the quotes so far and appends the next round's requests to out. */
void bot_queries_round(struct bot_queries *q, struct ts_buf *out);
/* A message of the session; appends what follows from it to out. */
void bot_queries_take(struct bot_queries *q, const struct ts_ib_fields *m, struct ts_buf *out);

#endif
