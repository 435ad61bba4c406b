/*
 * `tradestackd --reach HOST:PORT`: one look at a gateway, from wherever it runs: is the name known,
 * does the API answer? Run by validate in a short-lived container inside the bot's network.
 */
#ifndef TS_DAEMON_REACH_PROBE_H
#define TS_DAEMON_REACH_PROBE_H

#include <stdbool.h>

#define TS_REACH_PROBE_MS 8000 /* all of it */

/*
 * Prints one JSON line: {"resolved": "172.18.0.2" or "", "reason": as in model.h ("ok", "refused",
 * …; "no-such-name"), "detail": text, "took_ms": n}. True: the API answered and somebody is logged
 * in.
 */
bool ts_reach_probe(const char *host_port);

#endif
