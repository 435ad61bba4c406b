/*
 * Windows only: what the *_win.c files share. The programs' manifest sets the process' code page to
 * UTF-8 (Windows 10 1903 and later), so the "A" functions take and give the UTF-8 text that
 * everything else here uses.
 */
#ifndef TS_BASE_WIN_H
#define TS_BASE_WIN_H

#include <winsock2.h>

#include <windows.h>

#include "base/error.h"

/* Like ts_error_errno(), for GetLastError() and Winsock's numbers. Returns false. */
bool ts_error_win32(struct ts_error *err, DWORD code, const char *fmt, ...) TS_PRINTF(3, 4);
/* What such a number means, on one line. */
void ts_win32_text(DWORD code, char *buf, size_t size);

/* A path as Windows' own: a copy with backslashes. False if it does not fit. */
bool ts_win_path(char *dst, size_t size, const char *path) TS_MUST_CHECK;

#define TS_SID_TEXT 192 /* a SID as text ("S-1-5-32-544"), NUL included */
bool ts_win_sid_text(PSID sid, char out[TS_SID_TEXT]);
/* The user of a token; the caller frees it. NULL: it cannot be asked. */
TOKEN_USER *ts_win_token_user(HANDLE token);
/* The user that this process runs as; "" if it cannot be asked. */
void ts_win_own_sid(char out[TS_SID_TEXT]);

/* Of the wide well-known groups (Everyone, Users, Authenticated Users, Guests, …), does one have
 * any right of the mask on this object (a file, a folder)? Its name then is in who. True with an
 * empty who: the object has no access list at all, so that everybody may do everything. */
bool ts_acl_is_open(HANDLE object, DWORD mask, char *who, size_t size);

#endif
