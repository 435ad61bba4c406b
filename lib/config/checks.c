/* Checks between keys: what must be given, what belongs together, what excludes each other. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "config/build_internal.h"

static bool is_given(const struct ts_build *b, const struct ts_build_section *s, const char *key)
{
    return ts_config_ini_find(b->ini, s->ini, key) != NULL;
}

static void check_required(struct ts_build *b, struct ts_build_section *s)
{
    const struct ts_key *k;
    for (size_t i = 0; (k = ts_config_key_at(i)) != NULL; i++) {
        if (k->section == s->kind && k->def == NULL && !is_given(b, s, k->name)) {
            struct ts_buf allowed = ts_buf_init(256);
            ts_config_key_allowed(k, &allowed);
            ts_config_build_error(b, s, NULL, "lacks the key %s (%s)", k->name,
                                  ts_buf_text(&allowed));
            ts_buf_done(&allowed);
        }
    }
}

/* Keys of other kinds of probe. */
static void check_foreign_keys(struct ts_build *b, struct ts_build_section *s,
                               const struct ts_probe_spec *p)
{
    const struct ts_key *k;
    for (size_t i = 0; (k = ts_config_key_at(i)) != NULL; i++) {
        if (k->section == TS_SECTION_PROBE && k->probe_kinds != 0 &&
            (k->probe_kinds & (1U << (unsigned)p->kind)) == 0 && is_given(b, s, k->name)) {
            ts_config_build_error(b, s, k->name, "has no meaning for the kind %s",
                                  ts_probe_kind_name(p->kind));
        }
    }
}

static void check_probe(struct ts_build *b, struct ts_build_section *s)
{
    const struct ts_probe_spec *p = s->object;
    check_foreign_keys(b, s, p);
    if (p->kind == TS_PROBE_HTTP && p->path[0] != '/') {
        ts_config_build_error(b, s, "path", "an http probe needs one that begins with '/'");
    }
    if (strpbrk(p->path, " \t") != NULL) { /* it would end the path of the request */
        ts_config_build_error(b, s, "path", "a blank must be written as %%20");
    }
    if (p->kind == TS_PROBE_LOG && p->pattern[0] == '\0') {
        ts_config_build_error(b, s, "pattern", "a log probe needs one");
    }
    if (p->kind == TS_PROBE_LOG && (p->purposes & TS_PURPOSE_LIVENESS) != 0) {
        ts_config_build_error(b, s, "purposes",
                              "a log probe cannot be lost again, so it is no liveness probe; "
                              "want startup or readiness");
    }
    if (p->host[0] != '\0' && p->port == 0) {
        ts_config_build_error(b, s, "port", "with host a number is needed, not auto");
    }
    if (p->kind == TS_PROBE_IBAPI && p->version_min > p->version_max) {
        ts_config_build_error(b, s, "version_min", "%" PRId32 " is above version_max, %" PRId32,
                              p->version_min, p->version_max);
    }
    if (p->timeout_ms >= s->owner->ready_timeout_ms) {
        ts_config_build_error(
            b, s, "timeout", "is not below the service's ready_timeout, so no start could succeed");
    }
    if (p->start_period_ms > s->owner->ready_timeout_ms &&
        (p->purposes & (TS_PURPOSE_STARTUP | TS_PURPOSE_READINESS)) != 0) {
        ts_config_build_error(b, s, "start_period",
                              "is longer than the service's ready_timeout, which ends the start");
    }
}

static void check_service(struct ts_build *b, struct ts_build_section *s)
{
    const struct ts_svc_spec *spec = s->object;
    if (spec->backoff_first_ms > spec->backoff_max_ms) {
        ts_config_build_error(b, s, is_given(b, s, "backoff_max") ? "backoff_max" : "backoff_first",
                              "backoff_first is longer than backoff_max");
    }
    if (spec->gameplan[0] != '\0' && spec->gameplan[0] != '/') {
        ts_config_build_error(b, s, "gameplan", "want a whole path in the container: /data/…");
    }
    for (size_t i = 0; i < spec->dep_count; i++) {
        if (strcmp(spec->deps[i], spec->name) == 0) {
            ts_config_build_error(b, s, "depends_on", "a service cannot depend on itself");
        }
    }
}

static void check_window(struct ts_build *b, struct ts_build_section *s)
{
    const struct ts_window *w = s->object;
    if (is_given(b, s, "from") && is_given(b, s, "to") && w->from_min == w->to_min) {
        ts_config_build_error(b, s, "to", "is the same as from; a window cannot last all day");
    }
}

/* Live accounts begin with U, those of advisors with F: such a prefix would take them for paper. */
static void check_safety(struct ts_build *b, struct ts_build_section *s)
{
    for (size_t i = 0; i < b->model->paper_prefix_count; i++) {
        const char *prefix = b->model->paper_prefixes[i];
        if (prefix[0] == 'U' || prefix[0] == 'F' || strcmp(prefix, "D") == 0) {
            ts_config_build_error(b, s, "paper_prefixes",
                                  "'%s' would take live accounts for paper accounts", prefix);
        }
    }
}

static void check_guard(struct ts_build *b)
{
    bool found = b->model->defaults.guarded || !b->model->require_guard;
    for (size_t i = 0; i < b->model->service_count; i++) {
        found = found || b->model->services[i].guarded;
    }
    if (!found) {
        ts_config_error_add(b->errs, 0,
                            "no [service NAME] has guarded = yes, so nothing would keep a bot from "
                            "trading for real; add it to the bot's section (a stack without a bot: "
                            "[safety] require_guard = no)");
    }
}

void ts_config_build_checks(struct ts_build *b)
{
    for (size_t i = 0; i < b->ini->section_count; i++) {
        struct ts_build_section *s = &b->sections[i];
        if (s->bad || s->object == NULL) {
            continue;
        }
        check_required(b, s);
        if (s->bad) {
            continue;
        }
        switch (s->kind) {
        case TS_SECTION_PROBE: check_probe(b, s); break;
        case TS_SECTION_SERVICE: check_service(b, s); break;
        case TS_SECTION_WINDOW: check_window(b, s); break;
        case TS_SECTION_SAFETY: check_safety(b, s); break;
        case TS_SECTION_DAEMON:
        case TS_SECTION_ENGINE:
        case TS_SECTION_CONTROL:
        case TS_SECTION_ALERTS:
        case TS_SECTION_CHANNEL:
        case TS_SECTION_OBSERVE:
        case TS_SECTION_SIGNALS:
        case TS_SECTION_COUNT: break;
        }
    }
    if (b->errs->count == 0) {
        check_guard(b);
    }
}
