/* See error.h and win.h. */
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "base/win.h"

#define WINSOCK_FIRST 10000 /* numbers from here on are Winsock's, not the C library's */

void ts_win32_text(DWORD code, char *buf, size_t size)
{
    char text[200];
    DWORD n = FormatMessageA(FORMAT_MESSAGE_FROM_SYSTEM | FORMAT_MESSAGE_IGNORE_INSERTS, NULL, code,
                             0, text, sizeof(text), NULL);
    while (n > 0 && strchr("\r\n. ", text[n - 1]) != NULL) {
        n--;
    }
    if (n == 0) {
        (void)snprintf(buf, size, "Windows error %lu", code);
        return;
    }
    text[n] = '\0';
    for (char *at = text; *at != '\0'; at++) {
        *at = (char)(*at == '\r' || *at == '\n' ? ' ' : *at);
    }
    (void)snprintf(buf, size, "%s (Windows error %lu)", text, code);
}

const char *ts_errno_text(int errnum, char *buf, size_t size)
{
    if (errnum >= WINSOCK_FIRST) {
        ts_win32_text((DWORD)errnum, buf, size);
    } else if (strerror_s(buf, size, errnum) != 0) {
        (void)snprintf(buf, size, "error %d", errnum);
    }
    return buf;
}

bool ts_error_win32(struct ts_error *err, DWORD code, const char *fmt, ...)
{
    char text[160];
    char why[200];
    va_list args;
    va_start(args, fmt);
    (void)vsnprintf(text, sizeof(text), fmt, args);
    va_end(args);
    ts_win32_text(code, why, sizeof(why));
    return ts_error_set_detail(err, TS_E_SYSTEM, (int)code, "%s: %s", text, why);
}

bool ts_win_path(char *dst, size_t size, const char *path)
{
    if (!ts_copy(dst, size, path)) {
        return false;
    }
    for (char *at = dst; *at != '\0'; at++) {
        *at = (char)(*at == '/' ? '\\' : *at);
    }
    return true;
}
