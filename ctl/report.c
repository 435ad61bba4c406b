/* The report of a validation, for whoever signs it off: Markdown, or JSON. */
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "examine.h"

static bool ends_in(const char *text, const char *end)
{
    size_t n = strlen(text);
    size_t k = strlen(end);
    return n >= k && strcmp(text + n - k, end) == 0;
}

/* A table's cell: no bars, no line ends, nothing that Markdown would take for formatting. */
static void put_cell(FILE *f, const char *text)
{
    (void)fputs("| ", f);
    for (; *text != '\0'; text++) {
        if (strchr("|\\`*_<>[]", *text) != NULL) {
            (void)fputc('\\', f);
        }
        (void)fputc((unsigned char)*text < 0x20 ? ' ' : *text, f);
    }
    (void)fputc(' ', f);
}

static void write_markdown(FILE *f, const json_t *project, const json_t *points, int64_t failed,
                           const char *at)
{
    size_t i;
    json_t *p;
    (void)fprintf(f, "# Validation of project %s\n\n", ts_json_str_or(project, "project", "?"));
    (void)fprintf(f, "%s, engine %s. ", at, ts_json_str_or(project, "engine", "?"));
    if (failed == 0) {
        (void)fprintf(f, "**Every point holds or was not asked for.**\n\n");
    } else {
        (void)fprintf(f, "**%lld of %zu points do not hold.**\n\n", (long long)failed,
                      json_array_size(points));
    }
    (void)fputs("| point | verdict | what | evidence | since | next |\n|---|---|---|---|---|---|\n",
                f);
    json_array_foreach(points, i, p)
    {
        put_cell(f, ts_json_str_or(p, "id", ""));
        put_cell(f, ts_json_str_or(p, "verdict", ""));
        put_cell(f, ts_json_str_or(p, "what", ""));
        put_cell(f, ts_json_str_or(p, "evidence", ""));
        put_cell(f, ts_json_str_or(p, "since", ""));
        put_cell(f, ts_json_str_or(p, "cure", ""));
        (void)fputs("|\n", f);
    }
}

static void write_json(FILE *f, const json_t *project, const json_t *points, int64_t failed,
                       const char *at)
{
    TS_CLEANUP(ts_json_drop)
    json_t *report = json_pack("{s:s, s:s, s:s, s:I, s:O}", "at", at, "project",
                               ts_json_str_or(project, "project", ""), "engine",
                               ts_json_str_or(project, "engine", ""), "failed", (json_int_t)failed,
                               "points", points);
    if (report != NULL) {
        (void)json_dumpf(report, f, JSON_INDENT(2) | JSON_ENSURE_ASCII);
        (void)fputc('\n', f);
    }
}

bool ctl_write_report(const struct ctl *ctl, const char *path, const json_t *project,
                      const json_t *points, int64_t failed)
{
    char at[TS_WALL_TEXT];
    const struct ts_clock *clock = ts_clock_real();
    FILE *f = fopen(path, "w");
    (void)ctl;
    ts_wall_format(clock->wall(clock->ctx), at);
    if (f == NULL) {
        ctl_error("--report %s: %s", path, strerror(errno)); /* NOLINT: one thread */
        return false;
    }
    if (ends_in(path, ".json")) {
        write_json(f, project, points, failed, at);
    } else {
        write_markdown(f, project, points, failed, at);
    }
    bool ok = ferror(f) == 0;
    ok = fclose(f) == 0 && ok;
    if (!ok) {
        ctl_error("--report %s: it could not be written whole", path);
    }
    return ok;
}
