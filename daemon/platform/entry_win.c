/*
 * See entry.h. "tradestackd --service …" is how the service manager starts us, "tradestackd service
 * WORD" is for people; all else is as on every platform.
 */
#include "platform/entry.h"

#include <stdio.h>
#include <string.h>

#include "platform/service_win.h"

/* Paths come with either slash; inside there is only one. */
static void to_slashes(int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        for (char *at = argv[i]; *at != '\0'; at++) {
            *at = (char)(*at == '\\' ? '/' : *at);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc >= 2 && strcmp(argv[1], "service") == 0) {
        return ts_service_command(argc - 2, argv + 2);
    }
    to_slashes(argc, argv);
    (void)SetErrorMode(SEM_FAILCRITICALERRORS | SEM_NOGPFAULTERRORBOX | SEM_NOOPENFILEERRORBOX);
    if (argc >= 2 && strcmp(argv[1], "--service") == 0) {
        argv[1] = argv[0];
        return ts_service_run(argc - 1, argv + 1);
    }
    return ts_main(argc, argv);
}
