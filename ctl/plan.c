/* What an exchange of containers would do, as a table. */
#include <string.h>

#include "base/json.h"
#include "ctl.h"

#define COLUMNS   4
#define CELL_SIZE 200

struct row {
    char cells[COLUMNS][CELL_SIZE];
    enum ctl_tone tone;
};

static void join(const json_t *list, char *out, size_t size)
{
    size_t i;
    json_t *v;
    size_t n = 0;
    out[0] = '\0';
    json_array_foreach(list, i, v)
    {
        int more = snprintf(out + n, size - n, "%s%s", i > 0 ? ", " : "",
                            json_is_string(v) ? json_string_value(v) : "?");
        n += more > 0 ? (size_t)more : 0;
        if (n >= size) {
            return;
        }
    }
}

/* "ibkr-gateway, project gateway (image, running)" */
static void side_text(const json_t *side, char *out, size_t size)
{
    const char *container = ts_json_str_or(side, "container", "");
    const char *project = ts_json_str_or(side, "project", "");
    (void)snprintf(out, size, "%s%s%s (%s%s)", container, project[0] != '\0' ? ", project " : "",
                   project, ts_json_str_or(side, "image", "?"),
                   ts_json_bool_or(side, "running", false) ? ", running" : "");
}

/* What happens, by: exchanged or not, what was there, what is to run. */
static const char *deed(bool has_now, bool runs, bool has_next, bool starts)
{
    if (!has_next) {
        return runs ? "is stopped and set aside" : "is set aside";
    }
    if (!has_now) {
        return starts ? "is new; is started" : "is new";
    }
    return runs && starts ? "is exchanged: stopped, set aside, the new one started"
                          : "is exchanged";
}

static void what_happens(const json_t *part, struct row *row)
{
    const json_t *now = json_object_get(part, "now");
    bool changes = ts_json_bool_or(part, "changes", false);
    const char *what = changes ? deed(json_is_object(now), ts_json_bool_or(now, "running", false),
                                      json_is_object(json_object_get(part, "next")),
                                      ts_json_bool_or(part, "starts", false))
                               : "stays; may stop for a moment";
    (void)snprintf(row->cells[3], CELL_SIZE, "%s", what);
    row->tone = changes ? TONE_WARN : TONE_DIM;
}

static void fill(const json_t *part, struct row *row)
{
    const json_t *now = json_object_get(part, "now");
    const json_t *next = json_object_get(part, "next");
    const char *service = ts_json_str_or(part, "service", "");
    memset(row, 0, sizeof(*row));
    (void)snprintf(row->cells[0], CELL_SIZE, "%s", service[0] != '\0' ? service : "-");
    (void)snprintf(row->cells[1], CELL_SIZE, "-");
    (void)snprintf(row->cells[2], CELL_SIZE, "-");
    if (json_is_object(now)) {
        side_text(now, row->cells[1], CELL_SIZE);
    }
    if (json_is_object(next)) {
        side_text(next, row->cells[2], CELL_SIZE);
    } else if (!ts_json_bool_or(part, "changes", false)) {
        (void)snprintf(row->cells[2], CELL_SIZE, "the same");
    }
    what_happens(part, row);
}

static void put_row(const struct ctl *ctl, const struct row *row, const int *widths,
                    enum ctl_tone tone)
{
    (void)fputs("  ", stdout);
    for (size_t c = 0; c < COLUMNS; c++) {
        ctl_put(ctl, stdout, c == COLUMNS - 1 ? tone : TONE_PLAIN, "%s", row->cells[c]);
        for (int n = ctl_columns(row->cells[c]); c < COLUMNS - 1 && n < widths[c] + 2; n++) {
            (void)putchar(' ');
        }
    }
    (void)putchar('\n');
}

/* "ports: 127.0.0.1:4002->4004/tcp" of both sides, where they differ. */
static void show_difference(const struct ctl *ctl, const json_t *part, const char *key)
{
    char now[CELL_SIZE];
    char next[CELL_SIZE];
    const json_t *from = json_object_get(part, "now");
    const json_t *to = json_object_get(part, "next");
    if (!ts_json_bool_or(part, "changes", false)) {
        return;
    }
    join(json_object_get(from, key), now, sizeof(now));
    join(json_object_get(to, key), next, sizeof(next));
    if (strcmp(now, next) != 0) {
        ctl_put(ctl, stdout, TONE_PLAIN, "    %s: %s: %s -> %s",
                ts_json_str_or(part, "service", ""), key, now[0] != '\0' ? now : "none",
                next[0] != '\0' ? next : "none");
        (void)putchar('\n');
    }
}

static void show_names(const struct ctl *ctl, const json_t *part)
{
    const json_t *now = json_object_get(part, "now");
    if (ts_json_bool_or(part, "changes", false) && json_is_object(now)) {
        ctl_put(ctl, stdout, TONE_PLAIN, "    %s: name: %s is kept as %s",
                ts_json_str_or(part, "service", ""), ts_json_str_or(now, "container", ""),
                ts_json_str_or(now, "aside", ""));
        (void)putchar('\n');
    }
}

void ctl_show_plan(const struct ctl *ctl, const json_t *plan)
{
    struct row row = {.cells = {"SERVICE", "NOW", "NEXT", "WHAT HAPPENS"}};
    const struct row head = row;
    const json_t *parts = json_object_get(plan, "parts");
    int widths[COLUMNS] = {0};
    char span[TS_SPAN_TEXT];
    size_t i;
    json_t *part;
    for (size_t c = 0; c < COLUMNS; c++) {
        widths[c] = ctl_columns(head.cells[c]);
    }
    json_array_foreach(parts, i, part)
    {
        fill(part, &row);
        for (size_t c = 0; c < COLUMNS; c++) {
            int n = ctl_columns(row.cells[c]);
            widths[c] = n > widths[c] ? n : widths[c];
        }
    }
    put_row(ctl, &head, widths, TONE_PLAIN);
    json_array_foreach(parts, i, part)
    {
        fill(part, &row);
        put_row(ctl, &row, widths, row.tone);
    }
    json_array_foreach(parts, i, part)
    {
        show_difference(ctl, part, "ports");
        show_difference(ctl, part, "networks");
        show_names(ctl, part);
    }
    ts_span_format(ts_json_i64_or(plan, "downtime_ms", 0), span);
    ctl_put(ctl, stdout, TONE_PLAIN,
            "  %zu steps; downtime: at most %s, if everything takes as long "
            "as it may",
            json_array_size(json_object_get(plan, "steps")), span);
    (void)putchar('\n');
}
