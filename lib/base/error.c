/* See error.h. */
#include "base/error.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

static void set_text(struct ts_error *err, enum ts_code code, int detail, const char *fmt,
                     va_list ap) TS_PRINTF(4, 0);

static void set_text(struct ts_error *err, enum ts_code code, int detail, const char *fmt,
                     va_list ap)
{
    err->code = code;
    err->detail = detail;
    (void)vsnprintf(err->msg, sizeof(err->msg), fmt, ap);
}

/* Appends as much of s as fits. */
static void append(struct ts_error *err, const char *s)
{
    size_t used = strlen(err->msg);
    (void)snprintf(err->msg + used, sizeof(err->msg) - used, "%s", s);
}

bool ts_error_set(struct ts_error *err, enum ts_code code, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, code, 0, fmt, ap);
    va_end(ap);
    return false;
}

bool ts_error_set_detail(struct ts_error *err, enum ts_code code, int detail, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    set_text(err, code, detail, fmt, ap);
    va_end(ap);
    return false;
}

bool ts_error_errno(struct ts_error *err, int errnum, const char *fmt, ...)
{
    char buf[128];
    va_list ap;
    va_start(ap, fmt);
    set_text(err, TS_E_SYSTEM, errnum, fmt, ap);
    va_end(ap);
    append(err, ": ");
    append(err, ts_errno_text(errnum, buf, sizeof(buf)));
    return false;
}

bool ts_error_wrap(struct ts_error *err, const char *fmt, ...)
{
    struct ts_error was = *err;
    va_list ap;
    va_start(ap, fmt);
    set_text(err, was.code, was.detail, fmt, ap);
    va_end(ap);
    append(err, ": ");
    append(err, was.msg);
    return false;
}

bool ts_error_nomem(struct ts_error *err)
{
    return ts_error_set(err, TS_E_NOMEM, "out of memory");
}

const char *ts_code_name(enum ts_code code)
{
    static const char *const names[TS_CODE_COUNT] = {
        [TS_E_NONE] = "none",           [TS_E_NOMEM] = "no-memory",
        [TS_E_INVALID] = "invalid",     [TS_E_NOT_FOUND] = "not-found",
        [TS_E_CONFLICT] = "conflict",   [TS_E_DENIED] = "denied",
        [TS_E_TIMEOUT] = "timeout",     [TS_E_UNAVAILABLE] = "unavailable",
        [TS_E_PROTOCOL] = "protocol",   [TS_E_LIMIT] = "limit",
        [TS_E_CANCELLED] = "cancelled", [TS_E_SYSTEM] = "system",
    };
    return (unsigned)code < TS_CODE_COUNT ? names[code] : "unknown";
}
