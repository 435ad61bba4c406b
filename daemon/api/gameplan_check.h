/* --check-gameplan: would the stack take this gameplan? */
#ifndef TS_DAEMON_GAMEPLAN_CHECK_H
#define TS_DAEMON_GAMEPLAN_CHECK_H

#include <stdbool.h>

/* Reads the file and prints what it asks for and its SHA-256, or on standard error what is wrong
 * with it. True if it is a gameplan. */
bool ts_gameplan_check(const char *path);

#endif
