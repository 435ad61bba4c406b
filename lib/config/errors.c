/* The list of mistakes found in a configuration. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "config/ini_internal.h"

void ts_config_error_add(struct ts_config_errors *errs, unsigned line, const char *fmt, ...)
{
    if (errs->count == TS_CONFIG_MAX_ERRORS) {
        errs->dropped++;
        return;
    }
    size_t at = errs->count++;
    while (at > 0 && errs->list[at - 1].line > line) {
        errs->list[at] = errs->list[at - 1];
        at--;
    }
    errs->list[at].line = line;
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(errs->list[at].text, sizeof(errs->list[at].text), fmt, args);
    va_end(args);
}

void ts_config_error_print(const struct ts_config_errors *errs, size_t i, char *out, size_t size)
{
    const struct ts_config_error *e = &errs->list[i];
    if (e->line == 0) {
        (void)snprintf(out, size, "%s: %s", errs->path, e->text);
    } else {
        (void)snprintf(out, size, "%s:%u: %s", errs->path, e->line, e->text);
    }
}
