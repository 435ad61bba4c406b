/* Tables and lines for people. */
#include <stdlib.h>
#include <string.h>

#include "base/clock.h"
#include "base/json.h"
#include "base/parse.h"
#include "ctl.h"

enum ctl_tone ctl_state_tone(const char *state)
{
    static const struct {
        const char *state;
        enum ctl_tone tone;
    } rows[] = {{"ready", TONE_GOOD},     {"starting", TONE_WARN}, {"waiting", TONE_WARN},
                {"not-ready", TONE_WARN}, {"backoff", TONE_WARN},  {"stopping", TONE_WARN},
                {"degraded", TONE_WARN},  {"held", TONE_DIM},      {"stopped", TONE_DIM},
                {"empty", TONE_DIM},      {"unknown", TONE_DIM}};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].state, state) == 0) {
            return rows[i].tone;
        }
    }
    return TONE_BAD;
}

static const char *symbol(const char *state)
{
    switch (ctl_state_tone(state)) {
    case TONE_GOOD: return "\u25cf";
    case TONE_WARN: return "\u25d0";
    case TONE_DIM: return "\u25cb";
    case TONE_PLAIN:
    case TONE_BAD: break;
    }
    return "\u2717";
}

void ctl_since(const char *at, char *out, size_t size)
{
    int64_t began_nano = 0;
    const struct ts_clock *clock = ts_clock_real();
    char span[TS_SPAN_TEXT];
    if (!ts_time_parse(at, strlen(at), &began_nano) || began_nano == 0) {
        (void)snprintf(out, size, "-");
        return;
    }
    int64_t began = began_nano / 1000000000;
    ts_span_format((clock->wall(clock->ctx).ms / 1000 - began) * 1000, span);
    char *dot = strstr(span, ".0 s");
    if (dot != NULL) {
        (void)snprintf(dot, sizeof(span) - (size_t)(dot - span), " s");
    }
    (void)snprintf(out, size, "%s", strcmp(span, "0 ms") == 0 ? "now" : span);
}

static void pad(FILE *f, int have, int width)
{
    for (; have < width; have++) {
        (void)fputc(' ', f);
    }
}

/* One cell of a table. */
static void put_cell(const struct ctl *ctl, FILE *f, enum ctl_tone tone, const char *text,
                     int width)
{
    ctl_put(ctl, f, tone, "%s", text);
    (void)fputc(' ', f);
    pad(f, ctl_columns(text) + 1, width);
}

static int width_of(const json_t *services, const char *key, int least)
{
    size_t i;
    json_t *s;
    int width = least;
    json_array_foreach(services, i, s)
    {
        int n = ctl_columns(ts_json_str_or(s, key, ""));
        width = n > width ? n : width;
    }
    return width;
}

static void show_service(const struct ctl *ctl, FILE *f, const json_t *s, int name_width)
{
    const char *state = ts_json_str_or(s, "state", "?");
    const char *next = ts_json_str_or(s, "next", "");
    char since[48];
    char restarts[32];
    ctl_since(ts_json_str_or(s, "since", ""), since, sizeof(since));
    (void)snprintf(restarts, sizeof(restarts), "%lld", (long long)ts_json_i64_or(s, "restarts", 0));
    (void)fputs("  ", f);
    ctl_put(ctl, f, ctl_state_tone(state), "%s", symbol(state));
    (void)fputc(' ', f);
    put_cell(ctl, f, TONE_PLAIN, ts_json_str_or(s, "name", "?"), name_width + 2);
    put_cell(ctl, f, ctl_state_tone(state), state, 11);
    put_cell(ctl, f, TONE_PLAIN, since, 13);
    put_cell(ctl, f, TONE_PLAIN, restarts, 10);
    ctl_put(ctl, f, TONE_PLAIN, "%s", ts_json_str_or(s, "detail", ""));
    (void)fputc('\n', f);
    if (next[0] != '\0') {
        pad(f, 0, name_width + 6);
        ctl_put(ctl, f, TONE_DIM, "next: %s", next);
        (void)fputc('\n', f);
    }
}

/* The failing probes of a service: what was seen, by which probe. */
static void show_failing_probes(const struct ctl *ctl, FILE *f, const json_t *s, int name_width)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(s, "probes"), i, p)
    {
        char since[48];
        if (strcmp(ts_json_str_or(p, "result", ""), "failing") != 0) {
            continue;
        }
        ctl_since(ts_json_str_or(p, "since", ""), since, sizeof(since));
        pad(f, 0, name_width + 6);
        ctl_put(ctl, f, TONE_WARN, "probe %s (%s): %s, for %s", ts_json_str_or(p, "name", ""),
                ts_json_str_or(p, "kind", ""), ts_json_str_or(p, "detail", ""), since);
        (void)fputc('\n', f);
    }
}

static void show_engine(const struct ctl *ctl, FILE *f, const json_t *status)
{
    char since[48];
    bool up = ts_json_bool_or(status, "engine.up", false);
    ctl_since(ts_json_str_or(status, "engine.since", ""), since, sizeof(since));
    (void)fputs("  engine   ", f);
    ctl_put(ctl, f, up ? TONE_GOOD : TONE_BAD, up ? "answers" : "DOES NOT ANSWER");
    ctl_put(ctl, f, TONE_PLAIN, " for %s  ", since);
    ctl_put(ctl, f, TONE_DIM, "%s", ts_json_str_or(status, "engine.address", ""));
    ctl_put(ctl, f, TONE_PLAIN, " %s %s", ts_json_str_or(status, "engine.version", ""),
            up ? "" : ts_json_str_or(status, "engine.detail", ""));
    (void)fputc('\n', f);
    if (!ts_json_bool_or(status, "store.ok", true)) {
        (void)fputs("  state    ", f);
        ctl_put(ctl, f, TONE_BAD, "%s", ts_json_str_or(status, "store.detail", ""));
        (void)fputc('\n', f);
    }
}

static void show_channel(const struct ctl *ctl, FILE *f, const json_t *c)
{
    const char *state = ts_json_str_or(c, "state", "");
    const char *detail = ts_json_str_or(c, "detail", "");
    int64_t pending = ts_json_i64_or(c, "pending", 0);
    bool ok = strcmp(state, "ok") == 0;
    ctl_put(ctl, f, TONE_PLAIN, "  alerts   %s ", ts_json_str_or(c, "name", ""));
    ctl_put(ctl, f, ok ? TONE_GOOD : TONE_BAD, "%s", state);
    if (pending > 0) {
        ctl_put(ctl, f, TONE_WARN, ", %lld waiting", (long long)pending);
    }
    if (detail[0] != '\0') {
        ctl_put(ctl, f, ok ? TONE_DIM : TONE_WARN, " (%s)", detail);
    }
    (void)fputc('\n', f);
}

static void show_surroundings(const struct ctl *ctl, FILE *f, const json_t *status)
{
    const json_t *channels = json_object_get(status, "alerts");
    const char *window = ts_json_str_or(status, "window", "");
    size_t i;
    json_t *c;
    show_engine(ctl, f, status);
    if (json_array_size(channels) == 0) {
        (void)fputs("  alerts   ", f);
        ctl_put(ctl, f, TONE_WARN, "no channel: nobody is told (see [channel \u2026])");
        (void)fputc('\n', f);
    }
    json_array_foreach(channels, i, c)
    {
        show_channel(ctl, f, c);
    }
    if (window[0] != '\0') {
        ctl_put(ctl, f, TONE_PLAIN, "  window   %s is on: outages of the upstream are expected",
                window);
        (void)fputc('\n', f);
    }
}

void ctl_show_status(const struct ctl *ctl, FILE *f, const json_t *status)
{
    const json_t *services = json_object_get(status, "services");
    const char *state = ts_json_str_or(status, "state", "?");
    bool released = strcmp(ts_json_str_or(status, "mode", ""), "released") == 0;
    int width = width_of(services, "name", 7);
    char since[48];
    size_t i;
    json_t *s;
    ctl_put(ctl, f, ctl_state_tone(state), "%s", ts_json_str_or(status, "summary", state));
    (void)fputc('\n', f);
    ctl_since(ts_json_str_or(status, "started", ""), since, sizeof(since));
    ctl_put(ctl, f, TONE_PLAIN, "project %s, ", ts_json_str_or(status, "project", ""));
    ctl_put(ctl, f, released ? TONE_WARN : TONE_PLAIN, "%s",
            released ? "RELEASED (not supervised; `tradestackctl up` takes it over again)"
                     : "supervised");
    (void)fprintf(f, ", daemon up for %s\n\n", since);
    if (json_array_size(services) == 0) {
        (void)fputs("  no containers; create them: tradestackctl up --file docker-compose.yml\n",
                    f);
    } else {
        (void)fprintf(f, "    %-*s  %-11s%-13s%-10s%s\n", width, "SERVICE", "STATE", "SINCE",
                      "RESTARTS", "WHY");
    }
    json_array_foreach(services, i, s)
    {
        show_service(ctl, f, s, width);
        show_failing_probes(ctl, f, s, width);
    }
    (void)fputc('\n', f);
    show_surroundings(ctl, f, status);
}

void ctl_show_event(const struct ctl *ctl, const json_t *event)
{
    const char *to = ts_json_str_or(event, "state_to", "");
    const char *text = ts_json_str_or(event, "text", "");
    const char *name = ts_json_str_or(event, "event", "");
    ctl_put(ctl, stdout, TONE_DIM, "%s", ts_json_str_or(event, "at", ""));
    (void)fputs("  ", stdout);
    if (strcmp(name, "service.state") != 0) {
        ctl_put(ctl, stdout, TONE_PLAIN, "%s%s", name, text[0] != '\0' ? ": " : "");
    }
    ctl_put(ctl, stdout, to[0] != '\0' ? ctl_state_tone(to) : TONE_PLAIN, "%s", text);
    (void)putchar('\n');
}
