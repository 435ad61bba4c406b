/* See ctl.h: console events, and the console behind standard output. */
#include <io.h>
#include <stdlib.h>

#include "base/win.h"
#include "ctl.h"

static volatile LONG interrupted;

static BOOL WINAPI on_event(DWORD event)
{
    (void)event; /* Ctrl-C, Ctrl-Break, the window is closed, log-off */
    (void)InterlockedExchange(&interrupted, 1);
    return TRUE;
}

/* Ctrl-C ends the waiting, not the operation: that is the daemon's. */
void ctl_catch_interrupt(void)
{
    (void)SetConsoleCtrlHandler(on_event, TRUE);
}

bool ctl_interrupted(void)
{
    return interrupted != 0;
}

/* A console that knows neither UTF-8 nor escape sequences is treated like a file. */
bool ctl_terminal(void)
{
    HANDLE out = GetStdHandle(STD_OUTPUT_HANDLE);
    DWORD mode = 0;
    (void)SetConsoleOutputCP(CP_UTF8);
    return GetConsoleMode(out, &mode) &&
           SetConsoleMode(out, mode | ENABLE_PROCESSED_OUTPUT | ENABLE_VIRTUAL_TERMINAL_PROCESSING);
}

bool ctl_has_keyboard(void)
{
    DWORD mode;
    return GetConsoleMode(GetStdHandle(STD_INPUT_HANDLE), &mode) != 0;
}

void ctl_screen(size_t *ret_rows, size_t *ret_columns)
{
    CONSOLE_SCREEN_BUFFER_INFO info;
    *ret_rows = 24;
    *ret_columns = 80;
    if (GetConsoleScreenBufferInfo(GetStdHandle(STD_OUTPUT_HANDLE), &info)) {
        *ret_rows = (size_t)info.srWindow.Bottom - (size_t)info.srWindow.Top + 1;
        *ret_columns = (size_t)info.srWindow.Right - (size_t)info.srWindow.Left + 1;
    }
}

/* The C library of Windows has no streams in memory: a temporary file, which the system keeps in
 * memory while it can. */
bool ctl_sheet_open(struct ctl_sheet *s)
{
    *s = (struct ctl_sheet){.f = tmpfile()};
    return s->f != NULL;
}

char *ctl_sheet_close(struct ctl_sheet *s)
{
    long end = fflush(s->f) == 0 ? ftell(s->f) : -1;
    if (end >= 0) {
        s->text = malloc((size_t)end + 1);
    }
    if (s->text != NULL) {
        rewind(s->f);
        s->size = fread(s->text, 1, (size_t)end, s->f);
        s->text[s->size] = '\0';
    }
    (void)fclose(s->f);
    return s->text;
}
