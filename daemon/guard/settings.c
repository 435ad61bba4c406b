/* The settings that the interlock depends on: a change of them is written down and told, for it is
 * a way to make it see less. */
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "daemon.h"

#define KEY            "safety.settings"
#define SETTINGS_BYTES (32 * 1024)
#define TOLD_BYTES     400

static void add_service(struct ts_buf *out, const struct ts_svc_spec *s, const char *name)
{
    if (!s->guarded) {
        return;
    }
    (void)ts_buf_addf(out, "%s: guarded, trip_grace %" PRId64 " ms, gameplan %s\n", name,
                      s->trip_grace_ms, s->gameplan[0] != '\0' ? s->gameplan : "not looked at");
    for (size_t i = 0; i < s->signal_count; i++) {
        if (s->signals[i].signal == TS_SIG_TRIPWIRE) {
            (void)ts_buf_addf(out, "%s: tripwire %s\n", name, s->signals[i].pattern);
        }
    }
}

/* One setting a line. */
static void write_settings(const struct ts_model *m, struct ts_buf *out)
{
    for (size_t i = 0; i < m->paper_prefix_count; i++) {
        (void)ts_buf_addf(out, "paper accounts begin with %s\n", m->paper_prefixes[i]);
    }
    (void)ts_buf_addf(out, "cro_group %s\napprovers %u\nblind_after %" PRId64 " ms\n",
                      m->cro_group[0] != '\0' ? m->cro_group : "none", m->approvers,
                      m->blind_after_ms);
    (void)ts_buf_addf(out, "when_blind %s\ngameplan_interval %" PRId64 " ms\n",
                      m->when_blind == TS_BLIND_KEEP ? "keep" : "stop", m->plan_interval_ms);
    add_service(out, &m->defaults, "services without a section");
    for (size_t i = 0; i < m->service_count; i++) {
        add_service(out, &m->services[i], m->services[i].name);
    }
}

/* Adds the lines of `these` that are not in `those`. */
static void add_missing(struct ts_buf *out, const char *these, const char *those, const char *mark)
{
    for (const char *at = these; *at != '\0';) {
        size_t n = strcspn(at, "\n");
        bool found = false;
        for (const char *other = those; *other != '\0' && !found;) {
            size_t k = strcspn(other, "\n");
            found = k == n && memcmp(at, other, n) == 0;
            other += k + (other[k] == '\n');
        }
        if (!found) {
            (void)ts_buf_addf(out, "%s%s%.*s", out->len > 0 ? "; " : "", mark, (int)n, at);
        }
        at += n + (at[n] == '\n');
    }
}

static void tell(struct ts_daemon *d, const char *before, const char *now)
{
    struct ts_buf text = ts_buf_init(SETTINGS_BYTES);
    struct ts_error ignored;
    char told[TOLD_BYTES];
    add_missing(&text, before, now, "no longer: ");
    add_missing(&text, now, before, "now: ");
    (void)snprintf(told, sizeof(told), "%.*s", TOLD_BYTES - 1, ts_buf_text(&text));
    ts_buf_done(&text);
    const struct ts_trail_note note = {
        .event = "settings", .outcome = before[0] == '\0' ? "first" : "changed", .text = told};
    (void)ts_trail_add(d, &note, NULL, &ignored);
    if (before[0] != '\0') {
        ts_memory_event(d, "", "safety.settings", told);
        ts_notice_settings(d, told);
    }
}

void ts_guard_settings(struct ts_daemon *d)
{
    static char before[SETTINGS_BYTES];
    struct ts_buf now = ts_buf_init(SETTINGS_BYTES);
    struct ts_error err;
    write_settings(d->model, &now);
    if (ts_store_meta_get(d->store, KEY, before, sizeof(before), &err) &&
        strcmp(before, ts_buf_text(&now)) != 0) {
        tell(d, before, ts_buf_text(&now));
        ts_memory_mark(d, KEY, ts_buf_text(&now));
    }
    ts_buf_done(&now);
}
