/*
 * ibapi: holds a session open through ibapi/client.h. A loss is a result at once, a hang after
 * ping interval and timeout; after either it connects anew at the next interval. The session pings
 * by itself, so while one is held the prober's timer is not needed.
 */
#include "ibapi/client.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "probe/probe_internal.h"

#define CLIENT_IDS 8 /* tried one after the other when the gateway says that one is taken */

struct ts_probe_ib {
    struct ts_ibapi_client *client;
    int id_step;
    struct ts_probe_result told; /* by this session, or the last */
};

static void on_state(void *ctx, const struct ts_ib_session *session, bool ended);

static void keep_session(struct ts_probe *p, const struct ts_ib_session *session)
{
    char *list = p->ib->told.accounts;
    size_t used = 0;
    list[0] = '\0';
    p->ib->told.accounts_cut = false;
    for (size_t i = 0; i < session->account_count; i++) {
        int n = snprintf(list + used, TS_PROBE_ACCOUNTS_MAX - used, "%s%s", i > 0 ? "," : "",
                         session->accounts[i]);
        if (n < 0 || used + (size_t)n >= TS_PROBE_ACCOUNTS_MAX) {
            p->ib->told.accounts_cut = true;
            break;
        }
        used += (size_t)n;
    }
    p->ib->told.server_version = session->server_version;
    p->ib->told.skew_known = session->server_time_s > 0;
    if (p->ib->told.skew_known) {
        p->ib->told.skew_ms = session->server_time_s * 1000 - ts_loop_wall(ts_probe_loop(p)).ms;
    }
}

/* The first account that is not paper, or NULL. */
static const char *live_account(const struct ts_probe *p, const struct ts_ib_session *session)
{
    const struct ts_prober_deps *deps = ts_probe_deps(p);
    for (size_t i = 0; i < session->account_count; i++) {
        if (deps->is_paper == NULL || !deps->is_paper(deps->paper_ctx, session->accounts[i])) {
            return session->accounts[i];
        }
    }
    return NULL;
}

static void finish(struct ts_probe *p, enum ts_probe_reason reason, int64_t took_ms,
                   const char *detail)
{
    p->trying = true;
    p->began = ts_mono_add(ts_loop_now(ts_probe_loop(p)), -took_ms);
    p->held = ts_ibapi_client_running(p->ib->client);
    ts_probe_finish(p, reason, "%s", detail);
}

static void on_state(void *ctx, const struct ts_ib_session *session, bool ended)
{
    struct ts_probe *p = ctx;
    enum ts_probe_reason reason = session->reason;
    char detail[TS_PROBE_DETAIL_MAX + TS_IB_DETAIL_MAX]; /* the result keeps what fits */
    const char *live = ended ? NULL : live_account(p, session);
    if (!ended || session->account_count > 0) {
        keep_session(p, session);
    }
    if (reason == TS_PR_CLIENT_ID) {
        p->ib->id_step = (p->ib->id_step + 1) % CLIENT_IDS;
    }
    (void)snprintf(detail, sizeof(detail), "%s", session->detail);
    if (live != NULL) {
        reason = TS_PR_LIVE_ACCOUNT;
        (void)snprintf(detail, sizeof(detail), "account %s", live);
    } else if (reason == TS_PR_OK) {
        (void)snprintf(detail, sizeof(detail), "API version %d, account %.100s%s%.80s",
                       session->server_version, p->ib->told.accounts,
                       session->detail[0] != '\0' ? "; data farms " : "", session->detail);
    } else if (ended && detail[0] == '\0') {
        (void)snprintf(detail, sizeof(detail), "%.100s port %u", p->host, (unsigned)p->port);
    }
    int64_t took = reason == TS_PR_LOST ? 0 : session->took_ms;
    finish(p, reason, took, detail);
}

/* A new account list in a held session may have a live account in it: judged at once. */
static void on_accounts(void *ctx, const struct ts_ib_session *session)
{
    if (session->step == TS_IB_HELD) {
        on_state(ctx, session, false);
    }
}

static void begin(struct ts_probe *p)
{
    static const struct ts_ibapi_handler handler = {on_state, on_accounts, NULL};
    struct ts_error err;
    if (p->ib == NULL) {
        p->ib = calloc(1, sizeof(*p->ib));
    }
    if (p->ib != NULL && p->ib->client == NULL) {
        p->ib->client = ts_ibapi_client_new(ts_probe_loop(p), &handler, p, &err);
    }
    if (p->ib == NULL || p->ib->client == NULL) {
        ts_probe_finish(p, TS_PR_ERROR, "out of memory");
        return;
    }
    if (ts_ibapi_client_running(p->ib->client)) {
        p->trying = false; /* the held session pings by itself */
        return;
    }
    p->told = &p->ib->told;
    if (p->host == NULL || p->host[0] == '\0' || p->port == 0) {
        ts_probe_finish(p, TS_PR_NO_ADDRESS, "no published port and no address of the container");
        return;
    }
    p->ib->told = (struct ts_probe_result){0}; /* what the last session told is over */
    const struct ts_ib_conf conf = {
        .client_id = p->spec->client_id + p->ib->id_step,
        .version_min = p->spec->version_min,
        .version_max = p->spec->version_max,
        .timeout_ms = p->spec->timeout_ms,
        .ping_ms = p->spec->interval_ms,
    };
    if (!ts_ibapi_client_start(p->ib->client, p->host, p->port, &conf, &err)) {
        ts_probe_finish(p, TS_PR_ERROR, "%s", err.msg);
    }
}

static void on_due(struct ts_probe *p)
{
    (void)p; /* the session has deadlines of its own */
}

static void cancel(struct ts_probe *p)
{
    if (p->ib != NULL) {
        ts_ibapi_client_free(p->ib->client);
        free(p->ib);
        p->ib = NULL;
        p->told = NULL;
    }
}

const struct ts_probe_ops *ts_probe_ibapi_ops(void)
{
    static const struct ts_probe_ops ops = {NULL, begin, on_due, cancel};
    return &ops;
}
