/* See reach_probe.h. */
#include "doctor/reach_probe.h"

#include <jansson.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include "base/loop.h"
#include "base/parse.h"
#include "net/address.h"
#include "net/resolve.h"
#include "probe/probe.h"

#define STEP_MS   3000 /* of the session's each step */
#define CLIENT_ID 9790 /* nobody else's: the supervisor's begin at 9700, the monitor's at 9750 */

struct reach {
    struct ts_loop *loop;
    struct ts_prober *prober;
    struct ts_probe *probe;
    struct ts_lookup *lookup;
    struct ts_timer *deadline;
    struct ts_address to;
    char resolved[64];
    bool told;
    bool reached;
};

static void tell(struct reach *r, const char *reason, const char *detail, int64_t took_ms)
{
    json_t *line = json_pack("{s:s, s:s, s:s, s:I}", "resolved", r->resolved, "reason", reason,
                             "detail", detail, "took_ms", (json_int_t)took_ms);
    char *text =
        line == NULL || r->told ? NULL : json_dumps(line, JSON_COMPACT | JSON_ENSURE_ASCII);
    json_decref(line);
    if (text != NULL) {
        (void)puts(text);
        (void)fflush(stdout);
        free(text);
    }
    r->told = true;
    ts_loop_stop(r->loop);
}

static bool any_account(void *ctx, const char *account)
{
    (void)ctx;
    (void)account;
    return true; /* whose account it is, is not the question here */
}

static void on_result(void *ctx, const struct ts_probe_result *result)
{
    struct reach *r = ctx;
    r->reached = result->reason == TS_PR_OK || result->reason == TS_PR_UPSTREAM_DOWN ||
                 result->reason == TS_PR_CLIENT_ID;
    tell(r, ts_probe_reason_name(result->reason),
         result->detail[0] != '\0' ? result->detail : ts_probe_reason_text(result->reason),
         result->took_ms);
}

static void look(struct reach *r)
{
    struct ts_error err;
    const struct ts_prober_deps deps = {.loop = r->loop, .is_paper = any_account};
    static const struct ts_probe_spec spec = {.name = "reach",
                                              .kind = TS_PROBE_IBAPI,
                                              .purposes = TS_PURPOSE_READINESS,
                                              .interval_ms = TS_REACH_PROBE_MS,
                                              .timeout_ms = STEP_MS,
                                              .rise = 1,
                                              .fall = 1,
                                              .client_id = CLIENT_ID};
    const struct ts_probe_target target = {.host = r->resolved, .port = r->to.port};
    r->prober = ts_prober_new(&deps, &err);
    r->probe = r->prober == NULL ? NULL : ts_probe_new(r->prober, &spec, on_result, r, &err);
    if (r->probe == NULL) {
        tell(r, "error", err.msg, 0);
        return;
    }
    ts_probe_start(r->probe, &target);
}

static void on_addresses(void *ctx, const struct addrinfo *addresses, const struct ts_error *err)
{
    struct reach *r = ctx;
    r->lookup = NULL;
    if (err != NULL) {
        tell(r, err->code == TS_E_NOT_FOUND ? "no-such-name" : "error", err->msg, 0);
        return;
    }
    if (getnameinfo(addresses->ai_addr, addresses->ai_addrlen, r->resolved, sizeof(r->resolved),
                    NULL, 0, NI_NUMERICHOST) != 0) {
        tell(r, "error", "its address cannot be written", 0);
        return;
    }
    look(r);
}

static void on_deadline(void *ctx)
{
    tell(ctx, "connect-timeout", "no end within the time", TS_REACH_PROBE_MS);
}

static bool run(struct reach *r, struct ts_error *err)
{
    r->deadline = ts_timer_new(r->loop, on_deadline, r, err);
    r->lookup = r->deadline == NULL
                    ? NULL
                    : ts_lookup_start(r->loop, r->to.host, r->to.port, on_addresses, r, err);
    if (r->lookup == NULL) {
        return false;
    }
    ts_timer_after(r->deadline, TS_REACH_PROBE_MS);
    return ts_loop_run(r->loop, NULL, NULL, err);
}

bool ts_reach_probe(const char *host_port)
{
    struct ts_error err;
    struct reach r = {.told = false};
    bool ok = ts_address_parse(host_port, &r.to, &err);
    if (ok && r.to.kind != TS_ADDRESS_TCP) {
        ok = ts_error_set(&err, TS_E_INVALID, "\"%.60s\": want HOST:PORT", host_port);
    }
    r.loop = ok ? ts_loop_new(ts_clock_real(), &err) : NULL;
    ok = r.loop != NULL && run(&r, &err);
    if (!ok) {
        (void)fprintf(stderr, "tradestackd: --reach: %s\n", err.msg);
    }
    ts_probe_free(r.probe);
    ts_prober_free(r.prober);
    ts_lookup_cancel(r.lookup);
    ts_timer_free(r.deadline);
    ts_loop_free(r.loop);
    return ok && r.reached;
}
