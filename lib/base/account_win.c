/* See win.h: users as SIDs. */
#include <stdlib.h>

#include "base/parse.h"
#include "base/win.h"

#include <sddl.h>

bool ts_win_sid_text(PSID sid, char out[TS_SID_TEXT])
{
    char *text = NULL;
    bool ok = ConvertSidToStringSidA(sid, &text) && ts_copy(out, TS_SID_TEXT, text);
    (void)LocalFree(text);
    return ok;
}

TOKEN_USER *ts_win_token_user(HANDLE token)
{
    DWORD size = 0;
    (void)GetTokenInformation(token, TokenUser, NULL, 0, &size);
    TOKEN_USER *user = size > 0 ? malloc(size) : NULL;
    if (user != NULL && !GetTokenInformation(token, TokenUser, user, size, &size)) {
        free(user);
        return NULL;
    }
    return user;
}

void ts_win_own_sid(char out[TS_SID_TEXT])
{
    HANDLE token = NULL;
    out[0] = '\0';
    if (!OpenProcessToken(GetCurrentProcess(), TOKEN_QUERY, &token)) {
        return;
    }
    TOKEN_USER *user = ts_win_token_user(token);
    if (user != NULL && !ts_win_sid_text(user->User.Sid, out)) {
        out[0] = '\0';
    }
    free(user);
    (void)CloseHandle(token);
}
