/*
 * Alerts as request bodies. Pure. The caller owns the JSON; NULL if out of memory.
 *
 * Discord: "Execute Webhook" and "Edit Webhook Message" of its API v10, within its limits (10
 * embeds, 6000 code points in all, title 256, description 4096, field value 1024); mentions are
 * always switched off, since log text may hold "@everyone".
 */
#ifndef TS_ALERT_RENDER_H
#define TS_ALERT_RENDER_H

#include "alert/alert.h"

#define TS_DISCORD_EMBEDS_MAX 10

/* One message for up to TS_DISCORD_EMBEDS_MAX alerts; `more` further ones are counted. */
json_t *ts_discord_message(const struct ts_alert *alerts, size_t count, size_t more);
/* What a message that showed `first` is edited to: `now` is an UPDATE or the RESOLVED of it. */
json_t *ts_discord_edit(const struct ts_alert *first, const struct ts_alert *now);
/*
 * The generic webhook's body: {"source":"tradestack", "version":1, "alerts":[…], "more":n}. An
 * alert has the keys key, service, host, project, kind ("info", "open", "update", "resolved"),
 * severity
 * ("ok", "warning", "critical"), urgent, title, what, doing, at and since (RFC 3339), at_ms and
 * since_ms (Unix time), attempt, attempts_max, duration_ms. Keys may be added under version 1,
 * never changed.
 */
json_t *ts_webhook_message(const struct ts_alert *alerts, size_t count, size_t more);

#endif
