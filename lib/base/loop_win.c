/* See loop.h: Winsock, for as long as the process lives. */
#include "base/loop.h"

#include "base/win.h"

bool ts_loop_prepare(struct ts_error *err)
{
    WSADATA data;
    int why = WSAStartup(MAKEWORD(2, 2), &data);
    return why == 0 || ts_error_win32(err, (DWORD)why, "start Winsock");
}
