/* See render.h. */
#include "alert/render.h"

#include <stdio.h>
#include <string.h>

/* Discord allows 6000 code points over all embeds of a message: with these, four long embeds or
 * ten short ones stay below it. */
#define TITLE_POINTS      160
#define TEXT_POINTS       400
#define TEXT_POINTS_SHORT 110
#define FEW_EMBEDS        4
#define FIELD_POINTS      60

static int colour(enum ts_severity s)
{
    switch (s) {
    case TS_SEVERITY_OK: return 0x2ECC71;
    case TS_SEVERITY_WARNING: return 0xF1C40F;
    case TS_SEVERITY_CRITICAL: return 0xE74C3C;
    }
    return 0;
}

static void add_field(json_t *fields, const char *name, const char *value)
{
    char clean[512];
    ts_alert_clean(clean, sizeof(clean), FIELD_POINTS, value, true);
    if (clean[0] != '\0') {
        (void)json_array_append_new(
            fields, json_pack("{s:s, s:s, s:b}", "name", name, "value", clean, "inline", 1));
    }
}

/* Discord shows <t:seconds:T> in the reader's own time zone. */
static void add_time_field(json_t *fields, const char *name, ts_wall t)
{
    char value[64];
    (void)snprintf(value, sizeof(value), "<t:%lld:F>", (long long)(t.ms / 1000));
    (void)json_array_append_new(
        fields, json_pack("{s:s, s:s, s:b}", "name", name, "value", value, "inline", 1));
}

static json_t *fields_of(const struct ts_alert *a)
{
    json_t *fields = json_array();
    char text[64];
    if (fields == NULL) {
        return NULL;
    }
    add_field(fields, "Service", a->service);
    if (a->kind != TS_ALERT_INFO) {
        add_time_field(fields, a->kind == TS_ALERT_RESOLVED ? "Began" : "Since", a->since);
    }
    if (a->kind == TS_ALERT_RESOLVED) {
        char span[TS_SPAN_TEXT];
        ts_span_format(a->duration_ms, span);
        add_field(fields, "Took", span);
    }
    if (a->attempt > 0) {
        (void)snprintf(text, sizeof(text), "%u of %u", a->attempt, a->attempts_max);
        add_field(fields, "Attempt", text);
    }
    return fields;
}

static json_t *embed_of(const struct ts_alert *a, size_t text_points)
{
    char title[4 * TITLE_POINTS];
    char what[4 * TEXT_POINTS];
    char doing[4 * TEXT_POINTS];
    char description[8 * TEXT_POINTS + 64];
    char footer[160];
    char when[TS_WALL_TEXT];
    size_t sign = (size_t)snprintf(title, sizeof(title), "%s ", ts_severity_sign(a->severity));
    ts_alert_clean(title + sign, sizeof(title) - sign, TITLE_POINTS - 2, a->title, true);
    ts_alert_clean(what, sizeof(what), text_points, a->what, true);
    ts_alert_clean(doing, sizeof(doing), text_points, a->doing, true);
    (void)snprintf(description, sizeof(description), "%s%s%s%s", what,
                   doing[0] != '\0' && what[0] != '\0' ? "\n" : "",
                   doing[0] != '\0' ? "**Next:** " : "", doing);
    (void)snprintf(footer, sizeof(footer), "tradestack on %s, project %s", a->host, a->project);
    char footer_clean[200];
    ts_alert_clean(footer_clean, sizeof(footer_clean), FIELD_POINTS, footer, false);
    ts_wall_format(a->at, when);
    return json_pack("{s:s, s:s, s:i, s:s, s:o, s:{s:s}}", "title", title, "description",
                     description, "color", colour(a->severity), "timestamp", when, "fields",
                     fields_of(a), "footer", "text", footer_clean);
}

json_t *ts_discord_message(const struct ts_alert *alerts, size_t count, size_t more)
{
    json_t *embeds = json_array();
    char content[64] = "";
    for (size_t i = 0; i < count && i < TS_DISCORD_EMBEDS_MAX; i++) {
        (void)json_array_append_new(
            embeds, embed_of(&alerts[i], count > FEW_EMBEDS ? TEXT_POINTS_SHORT : TEXT_POINTS));
    }
    if (more > 0) {
        (void)snprintf(content, sizeof(content), "\xE2\x80\xA6 and %zu more events", more);
    }
    return json_pack("{s:s, s:s, s:o, s:{s:[]}}", "username", "tradestack", "content", content,
                     "embeds", embeds, "allowed_mentions", "parse");
}

json_t *ts_webhook_message(const struct ts_alert *alerts, size_t count, size_t more)
{
    json_t *list = json_array();
    for (size_t i = 0; i < count; i++) {
        (void)json_array_append_new(list, ts_alert_to_json(&alerts[i]));
    }
    return json_pack("{s:s, s:i, s:o, s:I}", "source", "tradestack", "version", 1, "alerts", list,
                     "more", (json_int_t)more);
}
