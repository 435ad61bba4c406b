/* See model.h. */
#include "model/model.h"

#include <stdlib.h>
#include <string.h>

#include "base/macros.h"

static const struct reason_row {
    const char *name;
    bool alive;
    bool ready;
    const char *text;
} reason_rows[TS_PROBE_REASON_COUNT] = {
#define ROW(symbol, name, alive, ready, text) [symbol] = {name, alive, ready, text},
    TS_PROBE_REASONS(ROW)
#undef ROW
};

static const struct reason_row *reason_row(enum ts_probe_reason r)
{
    return &reason_rows[(unsigned)r < TS_PROBE_REASON_COUNT ? r : TS_PR_ERROR];
}

const char *ts_probe_reason_name(enum ts_probe_reason r)
{
    return reason_row(r)->name;
}

const char *ts_probe_reason_text(enum ts_probe_reason r)
{
    return reason_row(r)->text;
}

bool ts_probe_reason_alive(enum ts_probe_reason r)
{
    return reason_row(r)->alive;
}

bool ts_probe_reason_ready(enum ts_probe_reason r)
{
    return reason_row(r)->ready;
}

const char *ts_probe_kind_name(enum ts_probe_kind k)
{
    static const char *const names[TS_PROBE_KIND_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
        TS_PROBE_KINDS(ROW)
#undef ROW
    };
    return (unsigned)k < TS_PROBE_KIND_COUNT ? names[k] : "unknown";
}

static const struct {
    const char *name;
    const char *text;
} signal_rows[TS_SIGNAL_COUNT] = {
#define ROW(symbol, name, text) [symbol] = {name, text},
    TS_SIGNALS(ROW)
#undef ROW
};

const char *ts_signal_name(enum ts_signal s)
{
    return (unsigned)s < TS_SIGNAL_COUNT ? signal_rows[s].name : "unknown";
}

const char *ts_signal_text(enum ts_signal s)
{
    return (unsigned)s < TS_SIGNAL_COUNT ? signal_rows[s].text : "unknown";
}

struct ts_model *ts_model_new(void)
{
    return calloc(1, sizeof(struct ts_model));
}

static void drop_arrays(struct ts_svc_spec *s)
{
    for (size_t i = 0; i < s->probe_count; i++) {
        free(s->probes[i].host);
        free(s->probes[i].path);
        free(s->probes[i].pattern);
    }
    free(s->probes);
    free(s->signals);
}

void ts_model_free(struct ts_model *m)
{
    if (m == NULL) {
        return;
    }
    for (size_t i = 0; i < m->service_count; i++) {
        drop_arrays(&m->services[i]);
    }
    drop_arrays(&m->defaults);
    free(m->services);
    free(m);
}

const struct ts_svc_spec *ts_model_find(const struct ts_model *m, const char *service)
{
    for (size_t i = 0; i < m->service_count; i++) {
        if (strcmp(m->services[i].name, service) == 0) {
            return &m->services[i];
        }
    }
    return NULL;
}

bool ts_model_is_gateway(const struct ts_svc_spec *spec)
{
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (spec->probes[i].kind == TS_PROBE_IBAPI) {
            return true;
        }
    }
    return false;
}

bool ts_model_is_paper(const struct ts_model *m, const char *account)
{
    for (size_t i = 0; i < m->paper_prefix_count; i++) {
        size_t len = strlen(m->paper_prefixes[i]);
        if (len > 0 && strncmp(account, m->paper_prefixes[i], len) == 0 && account[len] != '\0') {
            return true;
        }
    }
    return false;
}
