/* See gameplan_check.h. */
#include "api/gameplan_check.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "base/error.h"
#include "model/gameplan.h"

static bool read_file(const char *path, char *text, size_t size, size_t *ret_n,
                      struct ts_error *err)
{
    struct stat st;
    if (stat(path, &st) != 0) {
        return ts_error_errno(err, errno, "cannot read it");
    }
    if (!S_ISREG(st.st_mode)) { /* opening a pipe would wait for ever */
        return ts_error_set(err, TS_E_INVALID, "it is no regular file");
    }
    FILE *f = fopen(path, "rb");
    if (f == NULL) {
        return ts_error_errno(err, errno, "cannot read it");
    }
    *ret_n = fread(text, 1, size, f);
    bool ok = ferror(f) == 0 || ts_error_set(err, TS_E_SYSTEM, "cannot read it");
    (void)fclose(f);
    return ok;
}

static void print_plan(const char *path, const struct ts_gameplan *plan)
{
    (void)printf("%s: correct: strategy %s (%s)", path, plan->strategy,
                 ts_gameplan_trades(plan) ? "trades" : "cash preservation, no trading");
    if (plan->date[0] != '\0') {
        (void)printf(", for %s", plan->date);
    }
    for (size_t i = 0; i < plan->symbol_count; i++) {
        (void)printf("%s%s", i == 0 ? ", symbols " : ", ", plan->symbols[i]);
    }
    (void)printf("\nSHA-256 %s\nIt needs an approval before the bot may have it: tradestackctl "
                 "approve gameplan SERVICE --gameplan %s --expires 8h --reason TEXT\n",
                 plan->sha256, path);
}

bool ts_gameplan_check(const char *path)
{
    static char text[TS_GAMEPLAN_MAX + 1];
    struct ts_gameplan plan;
    struct ts_error err;
    size_t n = 0;
    if (!read_file(path, text, sizeof(text), &n, &err) ||
        !ts_gameplan_parse(text, n, &plan, &err)) {
        (void)fprintf(stderr,
                      "%s: refused: %s\nA bot with this file is not started. Mend it, or take it "
                      "away: without a gameplan there is no trading (strategy C).\n",
                      path, err.msg);
        return false;
    }
    print_plan(path, &plan);
    return true;
}
