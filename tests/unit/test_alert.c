#include "unit.h"

#include <stdio.h>

#include "alert/alert.h"
#include "alert/incidents.h"
#include "alert/render.h"
#include "alert/reply.h"
#include "alert/sender.h"
#include "alert/url.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/parse.h"

#define MINUTE 60000

static const struct ts_alert gateway_down = {
    .key = "gateway/health",
    .service = "gateway",
    .host = "box",
    .project = "docker",
    .kind = TS_ALERT_OPEN,
    .severity = TS_SEVERITY_CRITICAL,
    .title = "Gateway not healthy",
    .what = "the API accepted and said nothing for 10 s (gateway:4002)",
    .doing = "restart in 2 s; trading-bot is restarted after it",
    .at = {1795480908123},
    .since = {1795480900000},
    .attempt = 1,
    .attempts_max = 5,
};

static size_t code_points(const char *s)
{
    size_t n = 0;
    for (; *s != '\0'; s++) {
        n += ((unsigned char)*s & 0xC0) != 0x80;
    }
    return n;
}

/* --- text */

static void test_text_is_made_safe_to_show(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        bool markdown;
        const char *out;
    } rows[] = {
        {"plain", true, "plain"},
        {"", true, ""},
        {"a\nb\tc\x7F", false, "a b c "},
        {"x\xC2\x85y\xC2\x9Bz", false, "x y z"},                   /* C1 */
        {"a\xE2\x80\xAEtxt.exe\xE2\x81\xA6", false, "a txt.exe "}, /* direction */
        {"a\xE2\x80\xA8"
         "b",
         false, "a b"}, /* line separator */
        {"caf\xC3\xA9 \xF0\x9F\x94\xB4", false, "caf\xC3\xA9 \xF0\x9F\x94\xB4"},
        {"\xFF\xFE ok \xC3", false, "?? ok ?"},
        {"\xC0\xAF\xED\xA0\x80\xF4\x90\x80\x80", false, "?????????"}, /* overlong, surrogate, big */
        {"**b** _i_ `c` ~~s~~ ||x|| > q # h", true,
         "\\*\\*b\\*\\* \\_i\\_ \\`c\\` \\~\\~s\\~\\~ \\|\\|x\\|\\| \\> q \\# h"},
        {"[free](https://evil) <@1> \\", true, "\\[free\\](https://evil) \\<@1\\> \\\\"},
        {"**b**", false, "**b**"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char out[200];
        ts_alert_clean(out, sizeof(out), 190, rows[i].in, rows[i].markdown);
        assert_string_equal(out, rows[i].out);
    }
}

static void test_text_is_cut_by_code_points_and_bytes(void **state)
{
    (void)state;
    static const struct {
        const char *in;
        size_t size;
        size_t points;
        bool markdown;
        const char *out;
    } rows[] = {
        {"abcdef", 20, 6, false, "abcdef"},
        {"abcdef", 20, 5, false, "abcd\xE2\x80\xA6"},
        {"\xF0\x9F\x94\xB4\xF0\x9F\x94\xB4\xF0\x9F\x94\xB4", 20, 2, false,
         "\xF0\x9F\x94\xB4\xE2\x80\xA6"},
        {"\xF0\x9F\x94\xB4\xF0\x9F\x94\xB4\xF0\x9F\x94\xB4", 12, 9, false,
         "\xF0\x9F\x94\xB4\xF0\x9F\x94\xB4\xE2\x80\xA6"},
        {"****", 20, 5, true, "\\*\\*\xE2\x80\xA6"}, /* never a lone backslash */
        {"****", 20, 8, true, "\\*\\*\\*\\*"},
        {"abc", 7, 9, false, "abc"},
        {"abcd", 4, 9, false, "\xE2\x80\xA6"},
        {"abcd", 1, 9, false, ""},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char out[24];
        memset(out, 'Z', sizeof(out));
        ts_alert_clean(out, rows[i].size, rows[i].points, rows[i].in, rows[i].markdown);
        if (strlen(rows[i].out) < rows[i].size) {
            assert_string_equal(out, rows[i].out);
        }
        assert_true(strlen(out) < rows[i].size);
        assert_int_equal(out[rows[i].size], 'Z');
    }
}

static void test_alert_survives_its_json(void **state)
{
    (void)state;
    struct ts_error err;
    struct ts_alert back;
    struct ts_alert a = gateway_down;
    a.urgent = true;
    a.duration_ms = 123456789;
    char *text = ts_alert_to_text(&a);
    assert_non_null(text);
    TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(text, strlen(text), &err);
    free(text);
    assert_non_null(o);
    assert_true(ts_alert_from_json(o, &back, &err));
    assert_memory_equal(&back, &a, sizeof(a));
    assert_string_equal(ts_json_str_or(o, "at", ""), "2026-11-24T00:41:48.123Z");
}

static void test_alien_json_is_no_alert(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "[]",
        "7",
        "{\"kind\":\"open\"}",
        "{\"kind\":\"open\",\"severity\":\"bad\"}",
        "{\"kind\":1,\"severity\":\"ok\"}",
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err = {0};
        struct ts_alert a;
        TS_CLEANUP(ts_json_drop) json_t *o = json_loads(rows[i], JSON_DECODE_ANY, NULL);
        assert_non_null(o);
        assert_false(ts_alert_from_json(o, &a, &err));
        assert_int_equal(err.code, TS_E_PROTOCOL);
    }
    static const char odd[] = "{\"kind\":\"open\",\"severity\":\"ok\",\"attempt\":-1,"
                              "\"attempts_max\":99999999999,\"title\":7}";
    struct ts_error err;
    struct ts_alert a;
    TS_CLEANUP(ts_json_drop) json_t *o = json_loads(odd, 0, NULL);
    assert_true(ts_alert_from_json(o, &a, &err));
    assert_int_equal(a.attempt, 0);
    assert_int_equal(a.attempts_max, 0);
    assert_string_equal(a.title, "");
}

/* --- messages */

static void expect_golden(const char *name, json_t *message)
{
    char path[256];
    (void)snprintf(path, sizeof(path), TS_TEST_DATA "/alert/%s.json", name);
    assert_non_null(message);
    char *have = json_dumps(message, JSON_INDENT(2) | JSON_SORT_KEYS);
    TS_CLEANUP(ts_json_drop) json_t *want = json_load_file(path, 0, NULL);
    char *text = want == NULL ? NULL : json_dumps(want, JSON_INDENT(2) | JSON_SORT_KEYS);
    if (text == NULL || strcmp(have, text) != 0) {
        if (getenv("TS_WRITE_GOLDEN") != NULL) {
            assert_int_equal(json_dump_file(message, path, JSON_INDENT(2) | JSON_SORT_KEYS), 0);
        }
        print_message("%s\n", have);
        fail_msg("the message is not as in %s (TS_WRITE_GOLDEN=1 writes it)", path);
    }
    free(text);
    free(have);
    json_decref(message);
}

static void test_discord_messages_are_as_recorded(void **state)
{
    (void)state;
    struct ts_alert two[2] = {gateway_down, gateway_down};
    expect_golden("discord-open", ts_discord_message(two, 1, 0));

    two[1].kind = TS_ALERT_RESOLVED;
    two[1].severity = TS_SEVERITY_OK;
    ts_copy_cut(two[1].title, sizeof(two[1].title), "Gateway healthy");
    ts_copy_cut(two[1].what, sizeof(two[1].what), "API answers; account DU1234567 (paper)");
    ts_copy_cut(two[1].doing, sizeof(two[1].doing), "");
    two[1].attempt = 0;
    two[1].duration_ms = 192000;
    expect_golden("discord-resolved", ts_discord_message(&two[1], 1, 0));
    expect_golden("discord-edit-resolved", ts_discord_edit(&two[0], &two[1]));
    expect_golden("discord-two-and-more", ts_discord_message(two, 2, 12));

    struct ts_alert update = gateway_down;
    update.kind = TS_ALERT_UPDATE;
    update.attempt = 3;
    expect_golden("discord-edit-progress", ts_discord_edit(&gateway_down, &update));

    const struct ts_alert hostile = {
        .kind = TS_ALERT_INFO,
        .severity = TS_SEVERITY_WARNING,
        .service = "  ",
        .title = "@everyone [click](https://evil) \xE2\x80\xAE",
        .what = "log: **pwn**\n\x1B[31m<@&1> \xFF",
        .at = {0},
    };
    expect_golden("discord-hostile", ts_discord_message(&hostile, 1, 1));
}

static void test_webhook_message_is_as_recorded(void **state)
{
    (void)state;
    expect_golden("webhook", ts_webhook_message(&gateway_down, 1, 0));
}

static size_t length_at(const json_t *o, const char *path)
{
    return code_points(ts_json_str_or(o, path, ""));
}

/* Adds up what Discord adds up, and checks each part's own limit. */
static size_t embed_length(const json_t *embed)
{
    size_t title = length_at(embed, "title");
    size_t description = length_at(embed, "description");
    size_t footer = length_at(embed, "footer.text");
    assert_in_range(title, 1, 256);
    assert_in_range(description, 0, 4096);
    assert_in_range(footer, 1, 2048);
    size_t total = title + description + footer;
    size_t i;
    json_t *field;
    json_array_foreach(json_object_get(embed, "fields"), i, field)
    {
        assert_in_range(length_at(field, "name"), 1, 256);
        assert_in_range(length_at(field, "value"), 1, 1024);
        total += length_at(field, "name") + length_at(field, "value");
    }
    assert_in_range(i, 0, 25);
    return total;
}

static void fill_with(char *dst, size_t size, const char *what)
{
    size_t len = strlen(what);
    size_t at = 0;
    for (; at + len < size; at += len) {
        memcpy(dst + at, what, len);
    }
    dst[at] = '\0';
}

static void test_longest_texts_stay_within_discords_limits(void **state)
{
    (void)state;
    static const char *const fillings[] = {"x", "*", "\xC3\xA9", "\xF0\x9F\x94\xB4", "\xFF"};
    for (size_t f = 0; f < TS_ARRAY_LEN(fillings); f++) {
        struct ts_alert a = gateway_down;
        a.kind = TS_ALERT_RESOLVED;
        a.since = (ts_wall){INT64_MAX};
        a.duration_ms = INT64_MAX;
        a.attempt = UINT32_MAX;
        a.attempts_max = UINT32_MAX;
        fill_with(a.service, sizeof(a.service), fillings[f]);
        fill_with(a.host, sizeof(a.host), fillings[f]);
        fill_with(a.project, sizeof(a.project), fillings[f]);
        fill_with(a.title, sizeof(a.title), fillings[f]);
        fill_with(a.what, sizeof(a.what), fillings[f]);
        fill_with(a.doing, sizeof(a.doing), fillings[f]);
        struct ts_alert many[TS_DISCORD_EMBEDS_MAX];
        for (size_t n = 1; n <= TS_DISCORD_EMBEDS_MAX; n++) {
            many[n - 1] = a;
            TS_CLEANUP(ts_json_drop) json_t *m = ts_discord_message(many, n, SIZE_MAX);
            assert_non_null(m);
            const json_t *embeds = json_object_get(m, "embeds");
            assert_int_equal(json_array_size(embeds), n);
            size_t total = 0;
            for (size_t i = 0; i < n; i++) {
                total += embed_length(json_array_get(embeds, i));
            }
            assert_in_range(total, 1, 6000);
            assert_in_range(length_at(m, "content"), 1, 2000);
        }
        TS_CLEANUP(ts_json_drop) json_t *edit = ts_discord_edit(&a, &a);
        assert_non_null(edit);
    }
}

/* --- URLs */

#define TOKEN "aBcD-1234567890_efghijklmnopqrstuvwxyz"

static void test_only_safe_urls_are_taken(void **state)
{
    (void)state;
    static const struct {
        enum ts_channel_kind kind;
        const char *url;
        bool ok;
    } rows[] = {
        {TS_CHANNEL_DISCORD, "https://discord.com/api/webhooks/1/" TOKEN, true},
        {TS_CHANNEL_DISCORD, "https://discord.com/api/v10/webhooks/1/" TOKEN, true},
        {TS_CHANNEL_DISCORD, "https://discord.com/api/webhooks/1/" TOKEN "?thread_id=5", true},
        {TS_CHANNEL_DISCORD, "https://discord.com/api/hooks/1/" TOKEN, false},
        {TS_CHANNEL_DISCORD, "http://discord.com/api/webhooks/1/" TOKEN, false},
        {TS_CHANNEL_DISCORD, "http://127.0.0.1:8443/api/webhooks/1/" TOKEN, true},
        {TS_CHANNEL_WEBHOOK, "https://ops.example/hook/" TOKEN, true},
        {TS_CHANNEL_WEBHOOK, "http://localhost:99/hook/" TOKEN, true},
        {TS_CHANNEL_WEBHOOK, "http://[::1]:99/hook/" TOKEN, true},
        {TS_CHANNEL_WEBHOOK, "http://127.evil.example/hook/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "http://localhost.evil.example/hook/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "http://10.0.0.1/hook/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "ftp://127.0.0.1/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "file:///etc/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "unix:///run/" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "https://user:" TOKEN "@host/x", false},
        {TS_CHANNEL_WEBHOOK, "https://host/a\tb" TOKEN, false},
        {TS_CHANNEL_WEBHOOK, TOKEN, false},
        {TS_CHANNEL_WEBHOOK, "", false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err = {0};
        if (ts_sender_check_url(rows[i].kind, rows[i].url, &err) != rows[i].ok) {
            fail_msg("%s: expected %s", rows[i].url, rows[i].ok ? "accepted" : "refused");
        }
        assert_null(strstr(err.msg, TOKEN));
        if (!rows[i].ok) {
            assert_int_equal(err.code, TS_E_INVALID);
        }
    }
}

static void test_requests_go_to_the_versioned_api(void **state)
{
    (void)state;
    static const struct {
        enum ts_channel_kind kind;
        const char *url;
        const char *message_id;
        const char *out;
    } rows[] = {
        {TS_CHANNEL_DISCORD, "https://d.example/api/webhooks/1/t", "",
         "https://d.example/api/v10/webhooks/1/t?wait=true"},
        {TS_CHANNEL_DISCORD, "https://d.example/api/v9/webhooks/1/t/", "",
         "https://d.example/api/v9/webhooks/1/t?wait=true"},
        {TS_CHANNEL_DISCORD, "https://d.example/api/webhooks/1/t?thread_id=5#x", "",
         "https://d.example/api/v10/webhooks/1/t?thread_id=5&wait=true"},
        {TS_CHANNEL_DISCORD, "https://d.example/api/webhooks/1/t", "77",
         "https://d.example/api/v10/webhooks/1/t/messages/77"},
        {TS_CHANNEL_DISCORD, "https://d.example/api/webhooks/1/t?thread_id=5", "77",
         "https://d.example/api/v10/webhooks/1/t/messages/77?thread_id=5"},
        {TS_CHANNEL_WEBHOOK, "https://o.example/hook?key=1", "", "https://o.example/hook?key=1"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char out[TS_ALERT_URL_MAX];
        assert_true(
            ts_alert_build_url(rows[i].kind, rows[i].url, rows[i].message_id, out, sizeof(out)));
        assert_string_equal(out, rows[i].out);
        assert_false(ts_alert_build_url(rows[i].kind, rows[i].url, rows[i].message_id, out,
                                        strlen(rows[i].out)));
    }
}

static void test_texts_that_repeat_the_url_are_found(void **state)
{
    (void)state;
    static const struct {
        const char *url;
        const char *text;
        bool shows;
    } rows[] = {
        {"https://d.example/api/webhooks/123/" TOKEN, "bad token " TOKEN "!", true},
        {"https://d.example/api/webhooks/123/" TOKEN, "Unknown Webhook (webhooks)", false},
        {"https://d.example/api/webhooks/123/" TOKEN "/", TOKEN, true},
        {"https://d.example/hook/" TOKEN "/alerts", TOKEN, true},
        {"https://d.example/hook?key=" TOKEN "&x=1", TOKEN, true},
        {"https://d.example", "https://d.example", false},
        {"https://d.example/", "anything", false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        assert_int_equal(ts_alert_shows_url(rows[i].url, rows[i].text), rows[i].shows);
    }
}

static void test_each_status_has_its_meaning(void **state)
{
    (void)state;
    static const struct {
        int status;
        bool json;
        enum ts_reply_meaning discord;
        enum ts_reply_meaning webhook;
    } rows[] = {
        {200, true, TS_REPLY_TAKEN, TS_REPLY_TAKEN},  {204, false, TS_REPLY_TAKEN, TS_REPLY_TAKEN},
        {302, false, TS_REPLY_LATER, TS_REPLY_LATER}, {400, true, TS_REPLY_BAD, TS_REPLY_BAD},
        {401, true, TS_REPLY_NEVER, TS_REPLY_NEVER},  {403, true, TS_REPLY_NEVER, TS_REPLY_NEVER},
        {403, false, TS_REPLY_LATER, TS_REPLY_NEVER}, {404, true, TS_REPLY_NEVER, TS_REPLY_NEVER},
        {405, false, TS_REPLY_BAD, TS_REPLY_BAD},     {408, false, TS_REPLY_LATER, TS_REPLY_LATER},
        {410, false, TS_REPLY_NEVER, TS_REPLY_NEVER}, {413, false, TS_REPLY_BAD, TS_REPLY_BAD},
        {415, false, TS_REPLY_BAD, TS_REPLY_BAD},     {422, true, TS_REPLY_BAD, TS_REPLY_BAD},
        {425, false, TS_REPLY_LATER, TS_REPLY_LATER}, {429, true, TS_REPLY_WAIT, TS_REPLY_WAIT},
        {429, false, TS_REPLY_WAIT, TS_REPLY_WAIT},   {500, true, TS_REPLY_LATER, TS_REPLY_LATER},
        {599, false, TS_REPLY_LATER, TS_REPLY_LATER},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_buf head = ts_buf_init(100);
        static const char json[] = "Content-Type\0application/json; charset=utf-8";
        static const char html[] = "Content-Type\0text/html";
        (void)ts_buf_add(&head, rows[i].json ? json : html,
                         rows[i].json ? sizeof(json) : sizeof(html));
        const struct ts_http_reply reply = {rows[i].status, "{}", 2, &head};
        assert_int_equal(ts_reply_meaning(TS_CHANNEL_DISCORD, &reply), rows[i].discord);
        assert_int_equal(ts_reply_meaning(TS_CHANNEL_WEBHOOK, &reply), rows[i].webhook);
        ts_buf_done(&head);
    }
}

/* --- incidents */

static struct ts_incidents *incidents;

static int incidents_setup(void **state)
{
    (void)state;
    incidents = ts_incidents_new();
    return incidents == NULL ? -1 : 0;
}

static int incidents_teardown(void **state)
{
    (void)state;
    ts_incidents_free(incidents);
    return 0;
}

#define INCIDENT_TEST(fn) cmocka_unit_test_setup_teardown(fn, incidents_setup, incidents_teardown)

static void test_an_incident_reads_like_a_story(void **state)
{
    (void)state;
    static const struct {
        int64_t minute;
        enum ts_alert_kind kind;
        enum ts_severity severity;
        uint32_t attempt;
        enum ts_incident_verdict verdict;
        enum ts_alert_kind kind_told;
    } rows[] = {
        {0, TS_ALERT_RESOLVED, TS_SEVERITY_OK, 0, TS_INCIDENT_SILENT, TS_ALERT_RESOLVED},
        {1, TS_ALERT_OPEN, TS_SEVERITY_WARNING, 1, TS_INCIDENT_TELL, TS_ALERT_OPEN},
        {2, TS_ALERT_OPEN, TS_SEVERITY_WARNING, 1, TS_INCIDENT_SILENT, TS_ALERT_OPEN},
        {3, TS_ALERT_OPEN, TS_SEVERITY_WARNING, 2, TS_INCIDENT_EDIT, TS_ALERT_UPDATE},
        {4, TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, 2, TS_INCIDENT_TELL, TS_ALERT_OPEN},
        {5, TS_ALERT_OPEN, TS_SEVERITY_WARNING, 2, TS_INCIDENT_SILENT, TS_ALERT_OPEN},
        {63, TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, 2, TS_INCIDENT_SILENT, TS_ALERT_OPEN},
        {64, TS_ALERT_OPEN, TS_SEVERITY_CRITICAL, 2, TS_INCIDENT_TELL, TS_ALERT_OPEN},
        {65, TS_ALERT_INFO, TS_SEVERITY_OK, 0, TS_INCIDENT_TELL, TS_ALERT_INFO},
        {66, TS_ALERT_RESOLVED, TS_SEVERITY_OK, 0, TS_INCIDENT_TELL, TS_ALERT_RESOLVED},
        {67, TS_ALERT_RESOLVED, TS_SEVERITY_OK, 0, TS_INCIDENT_SILENT, TS_ALERT_RESOLVED},
        {68, TS_ALERT_OPEN, TS_SEVERITY_WARNING, 1, TS_INCIDENT_TELL, TS_ALERT_OPEN},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        ts_wall now = {rows[i].minute * MINUTE};
        struct ts_alert a = gateway_down;
        a.kind = rows[i].kind;
        a.severity = rows[i].severity;
        a.attempt = rows[i].attempt;
        a.since = now;
        enum ts_incident_verdict verdict = ts_incidents_note(incidents, &a, now, 60 * MINUTE);
        if (verdict != rows[i].verdict || a.kind != rows[i].kind_told) {
            fail_msg("minute %d: verdict %d, kind %s", (int)rows[i].minute, (int)verdict,
                     ts_alert_kind_name(a.kind));
        }
        if (rows[i].minute == 66) {
            assert_int_equal(a.duration_ms, 65 * MINUTE);
        }
        if (rows[i].minute >= 2 && rows[i].minute <= 66 && rows[i].kind != TS_ALERT_INFO) {
            assert_int_equal(a.since.ms, 1 * MINUTE);
        }
    }
}

static void test_reminder_comes_when_it_is_due(void **state)
{
    (void)state;
    ts_wall due;
    struct ts_alert a = gateway_down;
    a.since = (ts_wall){1000};
    assert_false(ts_incidents_next_reminder(incidents, MINUTE, &due));
    assert_int_equal(ts_incidents_note(incidents, &a, (ts_wall){1000}, MINUTE), TS_INCIDENT_TELL);
    assert_true(ts_incidents_next_reminder(incidents, MINUTE, &due));
    assert_int_equal(due.ms, 61000);
    assert_false(ts_incidents_remind(incidents, (ts_wall){60999}, MINUTE, &a));
    assert_true(ts_incidents_remind(incidents, (ts_wall){61000}, MINUTE, &a));
    assert_int_equal(a.at.ms, 61000);
    assert_int_equal(a.since.ms, 1000);
    assert_int_equal(a.duration_ms, 60000);
    assert_false(ts_incidents_remind(incidents, (ts_wall){61000}, MINUTE, &a));
    a.kind = TS_ALERT_RESOLVED;
    (void)ts_incidents_note(incidents, &a, (ts_wall){62000}, MINUTE);
    assert_false(ts_incidents_remind(incidents, (ts_wall){999999}, MINUTE, &a));
    assert_false(ts_incidents_next_reminder(incidents, MINUTE, &due));
}

static void test_wall_clock_set_back_gives_no_negative_time(void **state)
{
    (void)state;
    struct ts_alert a = gateway_down;
    a.since = (ts_wall){100000};
    (void)ts_incidents_note(incidents, &a, (ts_wall){100000}, MINUTE);
    a.kind = TS_ALERT_RESOLVED;
    assert_int_equal(ts_incidents_note(incidents, &a, (ts_wall){5}, MINUTE), TS_INCIDENT_TELL);
    assert_int_equal(a.duration_ms, 0);
}

static void test_open_incidents_are_bounded(void **state)
{
    (void)state;
    struct ts_alert a = gateway_down;
    for (int i = 0; i <= TS_INCIDENTS_MAX; i++) {
        (void)snprintf(a.key, sizeof(a.key), "svc%d/down", i);
        assert_int_equal(ts_incidents_note(incidents, &a, (ts_wall){i}, 0), TS_INCIDENT_TELL);
    }
    assert_null(ts_incidents_find(incidents, "svc0/down"));
    assert_non_null(ts_incidents_find(incidents, "svc1/down"));
    assert_non_null(ts_incidents_find(incidents, a.key));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text_is_made_safe_to_show),
        cmocka_unit_test(test_text_is_cut_by_code_points_and_bytes),
        cmocka_unit_test(test_alert_survives_its_json),
        cmocka_unit_test(test_alien_json_is_no_alert),
        cmocka_unit_test(test_discord_messages_are_as_recorded),
        cmocka_unit_test(test_webhook_message_is_as_recorded),
        cmocka_unit_test(test_longest_texts_stay_within_discords_limits),
        cmocka_unit_test(test_only_safe_urls_are_taken),
        cmocka_unit_test(test_requests_go_to_the_versioned_api),
        cmocka_unit_test(test_texts_that_repeat_the_url_are_found),
        cmocka_unit_test(test_each_status_has_its_meaning),
        INCIDENT_TEST(test_an_incident_reads_like_a_story),
        INCIDENT_TEST(test_reminder_comes_when_it_is_due),
        INCIDENT_TEST(test_wall_clock_set_back_gives_no_negative_time),
        INCIDENT_TEST(test_open_incidents_are_bounded),
    };
    return RUN_TESTS(tests);
}
