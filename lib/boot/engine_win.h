/* Windows only: gathers the facts about this machine's engine. Asks the service manager, the
 * registry, the sessions and the list of processes; changes nothing. May take some seconds on a
 * busy machine: not from an event loop. Needs no special right. */
#ifndef TS_BOOT_ENGINE_WIN_H
#define TS_BOOT_ENGINE_WIN_H

#include "base/error.h"
#include "boot/situation.h"

/* engine: as in [engine] address ("npipe:////./pipe/docker_engine"). What cannot be seen counts as
 * not there. */
struct ts_boot_facts ts_boot_gather(const char *engine);

/* A service's state, and (may be NULL) whether it starts at boot. */
enum ts_boot_service ts_boot_service(const char *name, bool *ret_auto);
/* Asks the service manager to start it; does not wait for it. */
bool ts_boot_start_service(const char *name, struct ts_error *err) TS_MUST_CHECK;
/* Starts a command line in this process' session and lets it go. */
bool ts_boot_run_command(const char *command, struct ts_error *err) TS_MUST_CHECK;

#endif
