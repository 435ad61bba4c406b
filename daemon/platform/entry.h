/* How the program begins: entry_*.c hold main(), which on Windows may be the service manager's. */
#ifndef TS_DAEMON_ENTRY_H
#define TS_DAEMON_ENTRY_H

/* The whole program: parses the options, runs, returns what to exit with. */
int ts_main(int argc, char **argv);

#endif
