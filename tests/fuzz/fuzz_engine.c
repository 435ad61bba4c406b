/*
 * What an engine sends: events, logs, inspect answers, archives. The first byte chooses which, the
 * second into how large pieces the rest is cut; the result must not depend on the cutting.
 */
#include "fuzz.h"

#include <string.h>

#include "base/json.h"
#include "engine/events.h"
#include "engine/log_demux.h"
#include "engine/snapshot.h"
#include "engine/tar.h"
#include "engine/values.h"

struct tally {
    uint64_t sum; /* of all that was delivered, in order */
    size_t count;
};

static void add(struct tally *t, const void *bytes, size_t n)
{
    const unsigned char *at = bytes;
    for (size_t i = 0; i < n; i++) {
        t->sum = (t->sum ^ at[i]) * 1099511628211ULL;
    }
    t->count++;
}

static bool on_value(void *ctx, const json_t *value)
{
    struct tally *t = ctx;
    struct ts_engine_event ev;
    struct ts_error err;
    bool known = false;
    bool ok = ts_event_parse(value, "proj", &ev, &known, &err);
    if (ok && known) {
        FUZZ_CHECK(ev.id[0] != '\0' && memchr(ev.id, '\0', sizeof(ev.id)) != NULL);
        FUZZ_CHECK(ev.time_nano >= 0 && ev.signal >= 0 && ev.signal <= 64);
        FUZZ_CHECK(strcmp(ts_event_action_name(ev.action), "?") != 0);
        add(t, ev.id, strlen(ev.id));
    }
    return ok;
}

static struct tally events(const char *bytes, size_t n, size_t piece)
{
    struct tally t = {0};
    struct ts_values v = ts_values_init();
    struct ts_error err;
    for (size_t at = 0; at < n; at += piece) {
        if (!ts_values_feed(&v, bytes + at, n - at < piece ? n - at : piece, on_value, &t, &err)) {
            FUZZ_CHECK(err.code != TS_E_NONE);
            break;
        }
    }
    ts_values_done(&v);
    return t;
}

static bool on_line(void *ctx, const struct ts_log_line *line)
{
    FUZZ_CHECK(line->len <= TS_LOG_LINE_MAX && line->text[line->len] == '\0');
    for (size_t i = 0; i < line->len; i++) {
        unsigned char c = (unsigned char)line->text[i];
        FUZZ_CHECK(c >= 0x20 || c == '\t');
    }
    FUZZ_CHECK(line->time_nano >= 0);
    add(ctx, line->text, line->len);
    return true;
}

static struct tally lines(const char *bytes, size_t n, size_t piece, bool is_tty)
{
    struct tally t = {0};
    static struct ts_log_demux d;
    struct ts_error err;
    ts_log_demux_init(&d, is_tty, true);
    for (size_t at = 0; at < n; at += piece) {
        if (!ts_log_demux_feed(&d, bytes + at, n - at < piece ? n - at : piece, on_line, &t,
                               &err)) {
            FUZZ_CHECK(err.code == TS_E_PROTOCOL && !is_tty);
            break;
        }
    }
    ts_log_demux_finish(&d, on_line, &t);
    return t;
}

static void snapshot_of(const json_t *inspect)
{
    const struct ts_restart_policy policy = {.name = "no"};
    const struct ts_snapshot_options options = {.policy = &policy};
    struct ts_create_plan plan;
    struct ts_error err;
    if (!ts_snapshot_plan(inspect, &options, &plan, &err)) {
        FUZZ_CHECK(err.code != TS_E_NONE);
        return;
    }
    FUZZ_CHECK(plan.name[0] != '\0' && plan.later_count <= TS_PLAN_NETWORKS_MAX);
    FUZZ_CHECK(strcmp(ts_json_str_or(plan.body, "HostConfig.RestartPolicy.Name", ""), "no") == 0);
    FUZZ_CHECK(ts_json_str_or(plan.body, "Image", "")[0] != '\0');
    FUZZ_CHECK(ts_json_at(plan.body, "State") == NULL && ts_json_at(plan.body, "Id") == NULL);
    char *text = json_dumps(plan.body, JSON_COMPACT);
    FUZZ_CHECK(text != NULL);
    free(text);
    ts_create_plan_done(&plan);
}

static void inspect_answer(const char *bytes, size_t n)
{
    json_t *inspect = json_loadb(bytes, n, JSON_REJECT_DUPLICATES | JSON_ALLOW_NUL, NULL);
    if (inspect == NULL) {
        return;
    }
    static struct ts_container c;
    struct ts_error err;
    if (ts_container_parse(inspect, &c, &err)) {
        FUZZ_CHECK(c.id[0] != '\0' && c.dep_count <= TS_CONTAINER_DEPS_MAX);
        FUZZ_CHECK(c.port_count <= TS_CONTAINER_PORTS_MAX);
        FUZZ_CHECK(c.network_count <= TS_CONTAINER_NETWORKS_MAX);
        FUZZ_CHECK(c.started_at.ms >= 0 && c.policy.name[0] != '\0');
        ts_container_done(&c);
    }
    const char *value = NULL;
    if (ts_container_env(inspect, "DRY_RUN", &value, &err) && value != NULL) {
        FUZZ_CHECK(strlen(value) < n);
    }
    snapshot_of(inspect);
    json_decref(inspect);
}

static void archive(const char *bytes, size_t n)
{
    struct ts_tar_entry e;
    struct ts_error err;
    if (!ts_tar_first(bytes, n, &e, &err)) {
        FUZZ_CHECK(err.code == TS_E_PROTOCOL);
    } else if (e.kind == TS_TAR_FILE) {
        FUZZ_CHECK(e.bytes > bytes && e.len < n && e.bytes - bytes <= (ptrdiff_t)(n - e.len));
    } else {
        FUZZ_CHECK(e.bytes == NULL && e.len == 0);
    }
}

/* Makes every block a header with the right checksum, so that mutations come further than that. */
static void mend_checksums(char *bytes, size_t n)
{
    for (char *block = bytes; block < bytes + n; block += 512) {
        unsigned sum = 0;
        memset(block + 148, ' ', 8);
        for (size_t i = 0; i < 512; i++) {
            sum += (unsigned char)block[i];
        }
        if (sum != 8 * ' ') {
            (void)snprintf(block + 148, 8, "%07o", sum);
        } else {
            memset(block + 148, 0, 8); /* of the end */
        }
    }
}

static void mended_archive(const char *bytes, size_t n)
{
    size_t whole = n / 512 * 512;
    char *copy = malloc(whole + 1);
    if (copy != NULL) {
        memcpy(copy, bytes, whole);
        mend_checksums(copy, whole);
        archive(copy, whole);
        free(copy);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2) {
        return 0;
    }
    const char *bytes = (const char *)data + 2;
    size_t n = size - 2;
    size_t piece = (size_t)data[1] + 1;
    struct tally whole = {0};
    struct tally cut = {0};
    switch (data[0]) {
    case 'e':
        whole = events(bytes, n, n + 1);
        cut = events(bytes, n, piece);
        break;
    case 'l':
    case 't':
        whole = lines(bytes, n, n + 1, data[0] == 't');
        cut = lines(bytes, n, piece, data[0] == 't');
        break;
    case 'i': inspect_answer(bytes, n); break;
    case 'a': archive(bytes, n); break;
    case 'm': mended_archive(bytes, n); break;
    default: break;
    }
    FUZZ_CHECK(whole.sum == cut.sum && whole.count == cut.count);
    return 0;
}
