/*
 * The bot's health over HTTP, for probes: GET /health answers 200 while the bot is connected and
 * safe, else 503 with the reason. Any other path is 404, any other method 405; requests are small
 * or refused.
 *
 *   {"status":"ok","reason":"connected","account":"DU1234567","dry_run":true,
 *    "trading_mode":"paper","strategy":"C"}
 */
#ifndef BOT_HEALTH_H
#define BOT_HEALTH_H

#include <stdint.h>

#include "base/error.h"
#include "base/loop.h"

#define BOT_HEALTH_HEADERS_MAX 4096 /* bytes of a request's headers */
#define BOT_HEALTH_TIMEOUT_S   5    /* a client that says nothing is dropped */

struct bot_health;

/* Listens on all addresses, port 0 being any free one. Starts as not ok ("starting").
 * NULL: TS_E_NOMEM, TS_E_SYSTEM (the port is taken). */
struct bot_health *bot_health_new(struct ts_loop *loop, uint16_t port,
                                  struct ts_error *err) TS_MUST_CHECK;
void bot_health_free(struct bot_health *h);
uint16_t bot_health_port(const struct bot_health *h);
/* Texts are copied. account may be "". */
void bot_health_set(struct bot_health *h, bool ok, const char *reason, const char *account);

#endif
