/* See resolve.h: evdns, so that no thread is needed. */
#include "net/resolve.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <event2/dns.h>
#include <event2/event.h>
#include <event2/util.h>

struct ts_lookup {
    struct ts_loop *loop;
    struct evdns_base *dns;
    struct evdns_getaddrinfo_request *request; /* NULL: answered */
    struct ts_timer *deliver;                  /* hands the answer on in a later turn */
    struct evutil_addrinfo *addresses;
    int result;
    bool cancelled;
    ts_lookup_done *done;
    void *ctx;
};

/* evdns would print its warnings to stderr; a failed look-up is the caller's to tell. */
static void drop_log(int is_warning, const char *text)
{
    (void)is_warning;
    (void)text;
}

static void free_dns(void *arg)
{
    evdns_base_free(arg, 0);
}

static void free_lookup(struct ts_lookup *l)
{
    if (l->addresses != NULL) {
        evutil_freeaddrinfo(l->addresses);
    }
    if (l->dns != NULL) {
        /* evdns may be further up the stack. */
        ts_loop_defer(l->loop, free_dns, l->dns);
    }
    ts_timer_free(l->deliver);
    free(l);
}

static void on_deliver(void *ctx)
{
    struct ts_lookup *l = ctx;
    struct ts_error err;
    if (l->result == 0 && l->addresses != NULL) {
        l->done(l->ctx, l->addresses, NULL);
    } else if (l->result == EVUTIL_EAI_MEMORY) {
        (void)ts_error_nomem(&err);
        l->done(l->ctx, NULL, &err);
    } else {
        bool unknown =
            l->result == 0 || l->result == EVUTIL_EAI_NONAME || l->result == EVUTIL_EAI_NODATA;
        (void)ts_error_set_detail(&err, unknown ? TS_E_NOT_FOUND : TS_E_UNAVAILABLE, l->result,
                                  unknown ? "no such host name"
                                          : "the name servers gave no answer");
        l->done(l->ctx, NULL, &err);
    }
    free_lookup(l);
}

static void on_addresses(int result, struct evutil_addrinfo *addresses, void *arg)
{
    struct ts_lookup *l = arg;
    l->request = NULL;
    l->result = result;
    l->addresses = addresses;
    if (l->cancelled) {
        free_lookup(l);
        return;
    }
    ts_timer_after(l->deliver, 0);
}

static struct evdns_base *new_dns(struct ts_loop *loop)
{
    struct event_base *base = ts_loop_base(loop);
    evdns_set_log_fn(drop_log);
    struct evdns_base *dns =
        evdns_base_new(base, EVDNS_BASE_INITIALIZE_NAMESERVERS | EVDNS_BASE_DISABLE_WHEN_INACTIVE);
    if (dns == NULL) {
        /* No name server is configured: the hosts file still serves. */
        dns = evdns_base_new(base, EVDNS_BASE_DISABLE_WHEN_INACTIVE);
        if (dns != NULL) {
            (void)evdns_base_load_hosts(dns, NULL);
        }
    }
    if (dns != NULL) {
        /* "GaTeWay" as a guard against forged answers confuses small name servers, such as the
         * one that Docker runs on 127.0.0.11. */
        (void)evdns_base_set_option(dns, "randomize-case:", "0");
    }
    return dns;
}

struct ts_lookup *ts_lookup_start(struct ts_loop *loop, const char *host, uint16_t port,
                                  ts_lookup_done *done, void *ctx, struct ts_error *err)
{
    struct ts_lookup *l = calloc(1, sizeof(*l));
    if (l == NULL) {
        (void)ts_error_nomem(err);
        return NULL;
    }
    *l = (struct ts_lookup){.loop = loop, .done = done, .ctx = ctx};
    l->deliver = ts_timer_new(loop, on_deliver, l, err);
    l->dns = new_dns(loop);
    if (l->deliver == NULL || l->dns == NULL) {
        free_lookup(l);
        (void)ts_error_nomem(err);
        return NULL;
    }
    char service[8];
    (void)snprintf(service, sizeof(service), "%u", port);
    struct evutil_addrinfo hints = {
        .ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM, .ai_flags = EVUTIL_AI_NUMERICSERV};
    /* May answer from inside (numeric host, hosts file) and then gives no request. */
    struct evdns_getaddrinfo_request *request =
        evdns_getaddrinfo(l->dns, host, service, &hints, on_addresses, l);
    if (!ts_timer_armed(l->deliver)) {
        l->request = request;
    }
    return l;
}

void ts_lookup_cancel(struct ts_lookup *l)
{
    if (l == NULL) {
        return;
    }
    if (l->request == NULL) {
        free_lookup(l);
        return;
    }
    /* evdns answers a cancelled request once more, later. */
    l->cancelled = true;
    ts_timer_stop(l->deliver);
    evdns_getaddrinfo_cancel(l->request);
}
