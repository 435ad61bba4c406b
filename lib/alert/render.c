/* See render.h. */
#include "alert/render.h"

#include <stdio.h>
#include <string.h>

#include "base/buf.h"
#include "base/parse.h"

/*
 * Discord allows 6000 code points over all embeds of a message. An embed has, at most: title, two
 * texts and what joins them (11), field names and values (FIELDS_POINTS), footer.
 *   few:  160 + 2 * 400 + 11 + 170 + 60 = 1201, times 4 = 4804
 *   many:  90 + 2 * 110 + 11 + 170 + 60 =  551, times 10 = 5510
 */
#define TITLE_POINTS      160
#define TITLE_POINTS_MANY 90
#define TEXT_POINTS       400
#define TEXT_POINTS_MANY  110
#define FEW_EMBEDS        4
#define VALUE_POINTS      60
#define FOOTER_POINTS     60

static int colour(enum ts_severity s)
{
    switch (s) {
    case TS_SEVERITY_OK: return 0x2ECC71;
    case TS_SEVERITY_WARNING: return 0xF1C40F;
    case TS_SEVERITY_CRITICAL: return 0xE74C3C;
    }
    return 0;
}

static void add_raw_field(json_t *fields, const char *name, const char *value)
{
    (void)json_array_append_new(
        fields, json_pack("{s:s, s:s, s:b}", "name", name, "value", value, "inline", 1));
}

static void add_field(json_t *fields, const char *name, const char *value)
{
    char clean[4 * VALUE_POINTS + 1];
    ts_alert_clean(clean, sizeof(clean), VALUE_POINTS, value, true);
    if (clean[strspn(clean, " ")] != '\0') { /* Discord refuses a blank value */
        add_raw_field(fields, name, clean);
    }
}

/* Discord shows <t:seconds:F> in the reader's own time zone. */
static void add_time_field(json_t *fields, const char *name, ts_wall t)
{
    char value[40];
    (void)snprintf(value, sizeof(value), "<t:%lld:F>", (long long)(t.ms / 1000));
    add_raw_field(fields, name, value);
}

static json_t *fields_of(const struct ts_alert *a)
{
    json_t *fields = json_array();
    bool over = a->kind == TS_ALERT_RESOLVED;
    char text[TS_SPAN_TEXT];
    add_field(fields, "Service", a->service);
    if (a->kind != TS_ALERT_INFO && a->since.ms > 0) {
        add_time_field(fields, over ? "Began" : "Since", a->since);
    }
    if (over || a->duration_ms > 0) {
        ts_span_format(a->duration_ms, text);
        add_field(fields, over ? "Took" : "Lasts", text);
    }
    if (a->attempt > 0) {
        (void)snprintf(text, sizeof(text), a->attempts_max > 0 ? "%u of %u" : "%u", a->attempt,
                       a->attempts_max);
        add_field(fields, "Attempt", text);
    }
    return fields;
}

static void describe(const struct ts_alert *a, size_t points, struct ts_buf *out)
{
    char text[4 * TEXT_POINTS + 1];
    ts_alert_clean(text, sizeof(text), points, a->what, true);
    (void)ts_buf_adds(out, text);
    ts_alert_clean(text, sizeof(text), points, a->doing, true);
    if (text[0] != '\0') {
        (void)ts_buf_addf(out, "%s**Next:** %s", out->len > 0 ? "\n" : "", text);
    }
}

static json_t *footer_of(const struct ts_alert *a)
{
    char text[160];
    char clean[4 * FOOTER_POINTS + 1];
    (void)snprintf(text, sizeof(text), "tradestack%s%s%s%s", a->host[0] != '\0' ? " on " : "",
                   a->host, a->project[0] != '\0' ? ", project " : "", a->project);
    ts_alert_clean(clean, sizeof(clean), FOOTER_POINTS, text, false);
    return json_pack("{s:s}", "text", clean);
}

static json_t *embed_of(const struct ts_alert *a, bool is_one_of_many)
{
    char title[4 * TITLE_POINTS + 1];
    char when[TS_WALL_TEXT];
    struct ts_buf text = ts_buf_init(16 * TEXT_POINTS);
    size_t sign = (size_t)snprintf(title, sizeof(title), "%s ", ts_severity_sign(a->severity));
    ts_alert_clean(title + sign, sizeof(title) - sign,
                   (is_one_of_many ? TITLE_POINTS_MANY : TITLE_POINTS) - 2, a->title, true);
    describe(a, is_one_of_many ? TEXT_POINTS_MANY : TEXT_POINTS, &text);
    ts_wall_format(a->at, when);
    json_t *embed = text.failed
                        ? NULL
                        : json_pack("{s:s, s:s, s:i, s:s, s:o, s:o}", "title", title, "description",
                                    ts_buf_text(&text), "color", colour(a->severity), "timestamp",
                                    when, "fields", fields_of(a), "footer", footer_of(a));
    ts_buf_done(&text);
    return embed;
}

/* embeds is taken. */
static json_t *message_of(json_t *embeds, const char *content)
{
    return json_pack("{s:s, s:o, s:{s:[]}}", "content", content, "embeds", embeds,
                     "allowed_mentions", "parse");
}

/* An embed that cannot be made (no memory) makes the whole message NULL. */
static json_t *embeds_of(const struct ts_alert *alerts, size_t count)
{
    json_t *embeds = json_array();
    for (size_t i = 0; i < count && i < TS_DISCORD_EMBEDS_MAX; i++) {
        if (json_array_append_new(embeds, embed_of(&alerts[i], count > FEW_EMBEDS)) != 0) {
            json_decref(embeds);
            return NULL;
        }
    }
    return embeds;
}

json_t *ts_discord_message(const struct ts_alert *alerts, size_t count, size_t more)
{
    char content[64] = "";
    if (more > 0) {
        (void)snprintf(content, sizeof(content), "\xE2\x80\xA6 and %zu more event%s", more,
                       more == 1 ? "" : "s");
    }
    json_t *message = message_of(embeds_of(alerts, count), content);
    if (message != NULL) {
        (void)json_object_set_new(message, "username", json_string("tradestack"));
    }
    return message;
}

json_t *ts_discord_edit(const struct ts_alert *first, const struct ts_alert *now)
{
    struct ts_alert a = *first;
    if (now->kind == TS_ALERT_RESOLVED) {
        a.kind = TS_ALERT_RESOLVED;
        a.severity = TS_SEVERITY_OK;
        a.duration_ms = now->duration_ms;
        a.attempt = 0;
        char title[sizeof(a.title) - sizeof("Resolved: ") + 1];
        ts_copy_cut(title, sizeof(title), first->title);
        (void)snprintf(a.title, sizeof(a.title), "Resolved: %s", title);
        ts_copy_cut(a.doing, sizeof(a.doing), "");
    } else {
        a = *now;
    }
    return message_of(embeds_of(&a, 1), "");
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
