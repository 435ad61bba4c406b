/* See ctl.h: signals, and the terminal behind standard output. */
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "ctl.h"

static volatile sig_atomic_t interrupted;

static void on_interrupt(int signum)
{
    (void)signum;
    interrupted = 1;
}

/* Ctrl-C ends the waiting, not the operation: that is the daemon's. */
void ctl_catch_interrupt(void)
{
    struct sigaction action;
    memset(&action, 0, sizeof(action));
    action.sa_handler = on_interrupt; /* without SA_RESTART: poll() returns */
    (void)sigaction(SIGINT, &action, NULL);
    (void)sigaction(SIGTERM, &action, NULL);
}

bool ctl_interrupted(void)
{
    return interrupted != 0;
}

bool ctl_terminal(void)
{
    const char *term = getenv("TERM"); /* NOLINT(concurrency-mt-unsafe): one thread */
    return isatty(STDOUT_FILENO) != 0 && (term == NULL || strcmp(term, "dumb") != 0);
}

bool ctl_has_keyboard(void)
{
    return isatty(STDIN_FILENO) != 0;
}

void ctl_screen(size_t *ret_rows, size_t *ret_columns)
{
    struct winsize size = {.ws_row = 0};
    bool known = ioctl(STDOUT_FILENO, TIOCGWINSZ, &size) == 0;
    *ret_rows = known && size.ws_row > 0 ? size.ws_row : 24;
    *ret_columns = known && size.ws_col > 0 ? size.ws_col : 80;
}

bool ctl_sheet_open(struct ctl_sheet *s)
{
    *s = (struct ctl_sheet){.text = NULL};
    s->f = open_memstream(&s->text, &s->size);
    return s->f != NULL;
}

char *ctl_sheet_close(struct ctl_sheet *s)
{
    (void)fclose(s->f);
    return s->text;
}
