/*
 * What comes to lib/alert from outside: texts of services and logs, rows of the outbox, URLs from a
 * file, answers of a webhook. The first byte chooses which.
 */
#include "fuzz.h"

#include <string.h>

#include "alert/render.h"
#include "alert/reply.h"
#include "alert/sender.h"
#include "alert/url.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/parse.h"

/* Code points, and that the text is UTF-8 without control characters: jansson refuses the former.
 */
static size_t checked_points(const char *s)
{
    json_t *valid = json_string(s);
    FUZZ_CHECK(valid != NULL);
    json_decref(valid);
    size_t n = 0;
    for (; *s != '\0'; s++) {
        FUZZ_CHECK((unsigned char)*s >= 0x20 || *s == '\n');
        n += ((unsigned char)*s & 0xC0) != 0x80;
    }
    return n;
}

static void clean(const char *text, size_t limit)
{
    char out[64];
    size_t size = 1 + limit % sizeof(out);
    for (int markdown = 0; markdown < 2; markdown++) {
        ts_alert_clean(out, size, limit, text, markdown != 0);
        FUZZ_CHECK(strlen(out) < size);
        FUZZ_CHECK(checked_points(out) <= limit || limit == 0);
        FUZZ_CHECK(strchr(out, '\n') == NULL);
    }
}

static size_t text_at(const json_t *o, const char *path, size_t limit)
{
    size_t n = checked_points(ts_json_str_or(o, path, ""));
    FUZZ_CHECK(n <= limit);
    return n;
}

static void check_message(json_t *m)
{
    size_t total = 0;
    size_t i;
    size_t k;
    json_t *embed;
    json_t *field;
    FUZZ_CHECK(m != NULL);
    FUZZ_CHECK(json_array_size(ts_json_at(m, "embeds")) <= TS_DISCORD_EMBEDS_MAX);
    FUZZ_CHECK(json_is_array(ts_json_at(m, "allowed_mentions.parse")));
    json_array_foreach(json_object_get(m, "embeds"), i, embed)
    {
        total += text_at(embed, "title", 256) + text_at(embed, "description", 4096) +
                 text_at(embed, "footer.text", 2048);
        json_array_foreach(json_object_get(embed, "fields"), k, field)
        {
            FUZZ_CHECK(text_at(field, "value", 1024) > 0);
            total += text_at(field, "name", 256) + text_at(field, "value", 1024);
        }
    }
    FUZZ_CHECK(total <= 6000);
    json_decref(m);
}

/* A row of the outbox: whatever is taken for an alert can be rendered, and is read back the same.
 */
static void stored_alert(const char *text, size_t n)
{
    struct ts_error err;
    struct ts_alert many[TS_DISCORD_EMBEDS_MAX];
    TS_CLEANUP(ts_json_drop) json_t *o = ts_json_parse(text, n, &err);
    if (o == NULL || !ts_alert_from_json(o, &many[0], &err)) {
        return;
    }
    for (size_t i = 1; i < TS_DISCORD_EMBEDS_MAX; i++) {
        many[i] = many[0];
    }
    check_message(ts_discord_message(many, TS_DISCORD_EMBEDS_MAX, n));
    check_message(ts_discord_message(many, 1, 0));
    check_message(ts_discord_edit(&many[0], &many[1]));
    json_t *webhook = ts_webhook_message(many, 1, 0);
    FUZZ_CHECK(webhook != NULL);
    json_decref(webhook);
    char *once = ts_alert_to_text(&many[0]);
    FUZZ_CHECK(once != NULL);
    TS_CLEANUP(ts_json_drop) json_t *back = ts_json_parse(once, strlen(once), &err);
    FUZZ_CHECK(back != NULL && ts_alert_from_json(back, &many[1], &err));
    char *twice = ts_alert_to_text(&many[1]);
    FUZZ_CHECK(twice != NULL && strcmp(once, twice) == 0);
    free(once);
    free(twice);
}

static void url(const char *text)
{
    static const enum ts_channel_kind kinds[] = {TS_CHANNEL_DISCORD, TS_CHANNEL_WEBHOOK};
    for (size_t i = 0; i < TS_ARRAY_LEN(kinds); i++) {
        struct ts_error err = {0};
        char out[TS_ALERT_URL_MAX];
        if (!ts_sender_check_url(kinds[i], text, &err)) {
            FUZZ_CHECK(err.code == TS_E_INVALID && err.msg[0] != '\0');
            continue;
        }
        FUZZ_CHECK(ts_alert_build_url(kinds[i], text, "", out, sizeof(out)));
        FUZZ_CHECK(strncmp(out, text, 7) == 0);
        FUZZ_CHECK(kinds[i] == TS_CHANNEL_WEBHOOK || strstr(out, "wait=true") != NULL);
    }
    (void)ts_alert_shows_url(text, text);
}

/* An answer: "STATUS TYPE RETRY-AFTER\nBODY". */
static void answer(const char *text, size_t n)
{
    static const char secret[] = "https://discord.example/api/webhooks/1/verysecrettoken";
    char type[40] = "";
    char retry[40] = "";
    int status = 0;
    const char *body = memchr(text, '\n', n);
    if (body == NULL || sscanf(text, "%3d %39s %39s", &status, type, retry) < 1) {
        return;
    }
    struct ts_buf head = ts_buf_init(1000);
    (void)ts_buf_add(&head, "Content-Type", sizeof("Content-Type"));
    (void)ts_buf_add(&head, type, strlen(type) + 1);
    (void)ts_buf_add(&head, "Retry-After", sizeof("Retry-After"));
    (void)ts_buf_add(&head, retry, strlen(retry) + 1);
    (void)ts_buf_add(&head, "X-RateLimit-Reset-After", sizeof("X-RateLimit-Reset-After"));
    (void)ts_buf_add(&head, retry, strlen(retry) + 1);
    (void)ts_buf_add(&head, "X-RateLimit-Remaining", sizeof("X-RateLimit-Remaining"));
    (void)ts_buf_add(&head, "0", 2);
    body++;
    const struct ts_http_reply reply = {
        .status = status, .body = body, .len = n - (size_t)(body - text), .head = &head};
    char id[TS_STORE_MESSAGE_ID];
    char shown[200];
    int64_t wait = ts_reply_wait_ms(&reply);
    int64_t pause = ts_reply_pause_ms(&reply);
    FUZZ_CHECK(wait >= 0 && wait <= TS_REPLY_WAIT_MAX_MS);
    FUZZ_CHECK(pause >= 0 && pause <= TS_REPLY_WAIT_MAX_MS);
    ts_reply_message_id(&reply, id);
    FUZZ_CHECK(strspn(id, "0123456789") == strlen(id));
    ts_reply_describe(&reply, secret, shown, sizeof(shown));
    FUZZ_CHECK(strstr(shown, "verysecrettoken") == NULL);
    (void)checked_points(shown);
    (void)ts_reply_meaning(TS_CHANNEL_DISCORD, &reply);
    ts_buf_done(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    char *text = malloc(size);
    if (text == NULL) {
        return 0;
    }
    memcpy(text, data + 1, size - 1);
    text[size - 1] = '\0';
    switch (data[0] % 4) {
    case 0: clean(text, data[1]); break;
    case 1: stored_alert(text, size - 1); break;
    case 2: url(text); break;
    case 3: answer(text, size - 1); break;
    }
    free(text);
    return 0;
}
