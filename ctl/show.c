/* Tables and lines for people. */
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "base/clock.h"
#include "base/json.h"
#include "ctl.h"

/* What cannot be a character of a line must not steer the terminal. */
static void put_clean(FILE *f, const char *text)
{
    for (; *text != '\0'; text++) {
        unsigned char c = (unsigned char)*text;
        (void)fputc(c < 0x20 || c == 0x7F ? '?' : c, f);
    }
}

void ctl_put(const struct ctl *ctl, FILE *f, enum ctl_tone tone, const char *text)
{
    static const char *const codes[] = {[TONE_PLAIN] = "",
                                        [TONE_GOOD] = "\033[32m",
                                        [TONE_WARN] = "\033[33m",
                                        [TONE_BAD] = "\033[31m",
                                        [TONE_DIM] = "\033[2m"};
    bool color = ctl->color && tone != TONE_PLAIN;
    if (color) {
        (void)fputs(codes[tone], f);
    }
    put_clean(f, text);
    if (color) {
        (void)fputs("\033[0m", f);
    }
}

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

/* Seconds since the epoch of "2026-11-24T00:41:48.123Z"; -1 if it is no such text. */
static int64_t parse_time(const char *at)
{
    struct tm tm = {0};
    char *rest = strptime(at, "%Y-%m-%dT%H:%M:%S", &tm);
    return rest == NULL ? -1 : (int64_t)timegm(&tm);
}

void ctl_since(const char *at, char *out, size_t size)
{
    int64_t began = parse_time(at);
    const struct ts_clock *clock = ts_clock_real();
    char span[TS_SPAN_TEXT];
    if (began <= 0) {
        (void)snprintf(out, size, "-");
        return;
    }
    ts_span_format((clock->wall(clock->ctx).ms / 1000 - began) * 1000, span);
    char *dot = strstr(span, ".0 s");
    if (dot != NULL) {
        (void)snprintf(dot, sizeof(span) - (size_t)(dot - span), " s");
    }
    (void)snprintf(out, size, "%s", strcmp(span, "0 ms") == 0 ? "now" : span);
}

void ctl_print_json(const json_t *value)
{
    char *text = json_dumps(value, JSON_INDENT(2));
    if (text != NULL) {
        (void)puts(text);
        free(text);
    }
}

static void pad(int have, int width)
{
    for (; have < width; have++) {
        (void)putchar(' ');
    }
}

static int width_of(const json_t *services, const char *key, int least)
{
    size_t i;
    json_t *s;
    int width = least;
    json_array_foreach(services, i, s)
    {
        int n = (int)strlen(ts_json_str_or(s, key, ""));
        width = n > width ? n : width;
    }
    return width;
}

static void show_service(const struct ctl *ctl, const json_t *s, int name_width)
{
    const char *name = ts_json_str_or(s, "name", "?");
    const char *state = ts_json_str_or(s, "state", "?");
    const char *detail = ts_json_str_or(s, "detail", "");
    const char *next = ts_json_str_or(s, "next", "");
    char since[48];
    char restarts[32];
    ctl_since(ts_json_str_or(s, "since", ""), since, sizeof(since));
    (void)snprintf(restarts, sizeof(restarts), "%lld", (long long)ts_json_i64_or(s, "restarts", 0));
    (void)fputs("  ", stdout);
    ctl_put(ctl, stdout, ctl_state_tone(state), symbol(state));
    (void)fputs(" ", stdout);
    ctl_put(ctl, stdout, TONE_PLAIN, name);
    pad((int)strlen(name), name_width + 2);
    ctl_put(ctl, stdout, ctl_state_tone(state), state);
    pad((int)strlen(state), 11);
    ctl_put(ctl, stdout, TONE_PLAIN, since);
    pad((int)strlen(since), 13);
    ctl_put(ctl, stdout, TONE_PLAIN, restarts);
    pad((int)strlen(restarts), 10);
    ctl_put(ctl, stdout, TONE_PLAIN, detail);
    (void)putchar('\n');
    if (next[0] != '\0') {
        pad(0, name_width + 6);
        ctl_put(ctl, stdout, TONE_DIM, "next: ");
        ctl_put(ctl, stdout, TONE_DIM, next);
        (void)putchar('\n');
    }
}

/* The failing probes of a service that is not ready: what was seen, by which probe. */
static void show_failing_probes(const struct ctl *ctl, const json_t *s, int name_width)
{
    size_t i;
    json_t *p;
    json_array_foreach(json_object_get(s, "probes"), i, p)
    {
        char since[48];
        char line[600];
        if (strcmp(ts_json_str_or(p, "result", ""), "failing") != 0) {
            continue;
        }
        ctl_since(ts_json_str_or(p, "since", ""), since, sizeof(since));
        (void)snprintf(line, sizeof(line), "probe %s (%s): %s, for %s",
                       ts_json_str_or(p, "name", ""), ts_json_str_or(p, "kind", ""),
                       ts_json_str_or(p, "detail", ""), since);
        pad(0, name_width + 6);
        ctl_put(ctl, stdout, TONE_WARN, line);
        (void)putchar('\n');
    }
}

static void show_surroundings(const struct ctl *ctl, const json_t *status)
{
    char since[48];
    size_t i;
    json_t *c;
    bool up = ts_json_bool_or(status, "engine.up", false);
    ctl_since(ts_json_str_or(status, "engine.since", ""), since, sizeof(since));
    (void)printf("\n  engine   ");
    ctl_put(ctl, stdout, up ? TONE_GOOD : TONE_BAD, up ? "answers" : "DOES NOT ANSWER");
    (void)printf(" for %s  ", since);
    ctl_put(ctl, stdout, TONE_DIM, ts_json_str_or(status, "engine.address", ""));
    (void)printf(" %s %s\n", ts_json_str_or(status, "engine.version", ""),
                 up ? "" : ts_json_str_or(status, "engine.detail", ""));
    if (!ts_json_bool_or(status, "store.ok", true)) {
        (void)printf("  state    ");
        ctl_put(ctl, stdout, TONE_BAD, ts_json_str_or(status, "store.detail", ""));
        (void)putchar('\n');
    }
    const json_t *channels = json_object_get(status, "alerts");
    if (json_array_size(channels) == 0) {
        (void)printf("  alerts   ");
        ctl_put(ctl, stdout, TONE_WARN, "no channel: nobody is told (see [channel …])");
        (void)putchar('\n');
    }
    json_array_foreach(channels, i, c)
    {
        const char *state = ts_json_str_or(c, "state", "");
        bool ok = strcmp(state, "ok") == 0;
        (void)printf("  alerts   %s ", ts_json_str_or(c, "name", ""));
        ctl_put(ctl, stdout, ok ? TONE_GOOD : TONE_BAD, state);
        (void)printf(", %lld waiting ", (long long)ts_json_i64_or(c, "pending", 0));
        ctl_put(ctl, stdout, TONE_WARN, ts_json_str_or(c, "detail", ""));
        (void)putchar('\n');
    }
    const char *window = ts_json_str_or(status, "window", "");
    if (window[0] != '\0') {
        (void)printf("  window   %s is on: outages of the upstream are expected\n", window);
    }
}

void ctl_show_status(const struct ctl *ctl, const json_t *status)
{
    const json_t *services = json_object_get(status, "services");
    const char *state = ts_json_str_or(status, "state", "?");
    int width = width_of(services, "name", 7);
    char since[48];
    size_t i;
    json_t *s;
    ctl_put(ctl, stdout, ctl_state_tone(state), ts_json_str_or(status, "summary", state));
    (void)putchar('\n');
    ctl_since(ts_json_str_or(status, "started", ""), since, sizeof(since));
    (void)printf("project %s, %s, daemon up for %s\n\n", ts_json_str_or(status, "project", ""),
                 strcmp(ts_json_str_or(status, "mode", ""), "released") == 0
                     ? "RELEASED (not supervised; `tradestackctl up` takes it over again)"
                     : "supervised",
                 since);
    if (json_array_size(services) == 0) {
        (void)printf("  no containers; create them: tradestackctl up --file docker-compose.yml\n");
    } else {
        (void)printf("    %-*s  %-11s%-13s%-10s%s\n", width, "SERVICE", "STATE", "SINCE",
                     "RESTARTS", "WHY");
    }
    json_array_foreach(services, i, s)
    {
        show_service(ctl, s, width);
        show_failing_probes(ctl, s, width);
    }
    show_surroundings(ctl, status);
}

void ctl_show_event(const struct ctl *ctl, const json_t *event)
{
    const char *to = ts_json_str_or(event, "state_to", "");
    const char *text = ts_json_str_or(event, "text", "");
    const char *name = ts_json_str_or(event, "event", "");
    ctl_put(ctl, stdout, TONE_DIM, ts_json_str_or(event, "at", ""));
    (void)fputs("  ", stdout);
    if (strcmp(name, "service.state") != 0) {
        ctl_put(ctl, stdout, TONE_PLAIN, name);
        (void)fputs(text[0] != '\0' ? ": " : "", stdout);
    }
    ctl_put(ctl, stdout, to[0] != '\0' ? ctl_state_tone(to) : TONE_PLAIN, text);
    (void)putchar('\n');
}
