/*
 * A configuration file, and patterns over log lines. What is accepted must keep its promises: every
 * value in its range, every text ended, nothing unguarded; what is refused must say where and why.
 * The first byte chooses: '/' a pattern and a line, anything else a file.
 */
#include "fuzz.h"

#include <string.h>

#include "base/pattern.h"
#include "config/config.h"
#include "model/calendar.h"
#include "probe/logmatch.h"

static void check_errors(const struct ts_config_errors *errs)
{
    char text[512];
    FUZZ_CHECK(errs->count > 0 && errs->count <= TS_CONFIG_MAX_ERRORS);
    for (size_t i = 0; i < errs->count; i++) {
        FUZZ_CHECK(errs->list[i].text[0] != '\0');
        FUZZ_CHECK(i == 0 || errs->list[i - 1].line <= errs->list[i].line);
        ts_config_error_print(errs, i, text, sizeof(text));
        FUZZ_CHECK(strncmp(text, "f.conf:", 7) == 0);
    }
}

static void check_probe(const struct ts_probe_spec *p)
{
    FUZZ_CHECK(p->name[0] != '\0');
    FUZZ_CHECK((unsigned)p->kind < TS_PROBE_KIND_COUNT);
    FUZZ_CHECK(p->purposes > 0 && p->purposes < 8);
    FUZZ_CHECK(p->interval_ms >= 50 && p->timeout_ms >= 10 && p->timeout_ms <= 300000);
    FUZZ_CHECK(p->rise >= 1 && p->fall >= 1 && p->client_id >= 1);
    FUZZ_CHECK(p->kind != TS_PROBE_HTTP || (p->path[0] == '/' && strchr(p->path, ' ') == NULL));
    FUZZ_CHECK(strpbrk(p->path, "\r\n") == NULL && strpbrk(p->host, "\r\n") == NULL);
    FUZZ_CHECK(p->kind != TS_PROBE_LOG || p->pattern[0] != '\0');
    FUZZ_CHECK(p->host[0] == '\0' || p->port != 0);
}

static void check_service(const struct ts_svc_spec *s)
{
    struct ts_error err;
    FUZZ_CHECK(s->probe_count <= TS_MAX_PROBES && s->dep_count <= TS_MAX_DEPS);
    FUZZ_CHECK(s->budget >= 1 && s->budget <= 64);
    FUZZ_CHECK(s->backoff_first_ms <= s->backoff_max_ms);
    FUZZ_CHECK(s->backoff_jitter_pct <= 100);
    for (size_t i = 0; i < s->probe_count; i++) {
        check_probe(&s->probes[i]);
    }
    struct ts_logmatch *m = ts_logmatch_new(s->signals, s->signal_count, &err);
    FUZZ_CHECK(m != NULL); /* the check has compiled each pattern */
    (void)ts_logmatch_feed(m, "Login has completed", 19);
    ts_logmatch_free(m);
}

static bool check_model(const struct ts_model *m)
{
    bool guarded = m->defaults.guarded;
    FUZZ_CHECK(m->window_count <= TS_MAX_WINDOWS && m->channel_count <= TS_MAX_CHANNELS);
    FUZZ_CHECK(m->paper_prefix_count >= 1 && m->paper_prefix_count <= TS_MAX_PREFIXES);
    FUZZ_CHECK(!ts_model_is_paper(m, "U1234567") && !ts_model_is_paper(m, ""));
    check_service(&m->defaults);
    for (size_t i = 0; i < m->service_count; i++) {
        check_service(&m->services[i]);
        guarded = guarded || m->services[i].guarded;
        FUZZ_CHECK(ts_model_find(m, m->services[i].name) == &m->services[i]);
    }
    for (size_t i = 0; i < m->channel_count; i++) {
        FUZZ_CHECK(m->channels[i].url_file[0] != '\0');
    }
    struct ts_window_view v = ts_calendar_look(m, (ts_wall){INT64_C(1795475292000)});
    FUZZ_CHECK((v.next != NULL) == (m->window_count > 0));
    return guarded;
}

static void file(const char *text, size_t n)
{
    static struct ts_config_errors errs;
    static struct ts_config_changes changes;
    struct ts_model *m = ts_config_parse(text, n, "f.conf", &errs);
    if (m == NULL) {
        check_errors(&errs);
        return;
    }
    FUZZ_CHECK(errs.count == 0 && errs.dropped == 0);
    FUZZ_CHECK(check_model(m) || !m->require_guard);
    FUZZ_CHECK(ts_config_diff(m, m, &changes) && changes.count == 0);
    struct ts_model *usual = ts_config_defaults();
    FUZZ_CHECK(usual != NULL && ts_config_diff(usual, m, &changes));
    FUZZ_CHECK(changes.count <= TS_CONFIG_MAX_CHANGES);
    ts_model_free(usual);
    ts_model_free(m);
}

/* "/pattern\nline" */
static void match(const char *text, size_t n)
{
    char pattern[TS_TEXT_MAX];
    struct ts_error err = {0};
    const char *end = memchr(text, '\n', n);
    if (end == NULL || (size_t)(end - text) >= sizeof(pattern)) {
        return;
    }
    memcpy(pattern, text, (size_t)(end - text));
    pattern[end - text] = '\0';
    struct ts_pattern *p = ts_pattern_new(pattern, &err);
    if (p == NULL) {
        FUZZ_CHECK(err.code == TS_E_INVALID || err.code == TS_E_LIMIT);
        FUZZ_CHECK(err.msg[0] != '\0');
        return;
    }
    (void)ts_pattern_match(p, end + 1, n - (size_t)(end + 1 - text));
    ts_pattern_free(p);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    if (size > 0 && text[0] == '/') {
        match(text + 1, size - 1);
    } else {
        file(text, size);
    }
    return 0;
}
