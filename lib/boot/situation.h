/*
 * Why a container engine does not answer on a Windows machine, and what would help. Pure: facts in,
 * judgement out, so that it is tested everywhere; engine_win.h gathers the facts.
 *
 * Docker Desktop runs in a user's session, not as a service (docker/for-win#6670): after a boot
 * with nobody logged on its engine does not run, and its service com.docker.service is only a
 * helper.
 */
#ifndef TS_BOOT_SITUATION_H
#define TS_BOOT_SITUATION_H

#include <stdbool.h>
#include <stddef.h>

enum ts_boot_service {
    TS_BOOT_SERVICE_NONE, /* no service of that name */
    TS_BOOT_SERVICE_DISABLED,
    TS_BOOT_SERVICE_STOPPED,
    TS_BOOT_SERVICE_PENDING, /* starting, stopping, paused */
    TS_BOOT_SERVICE_RUNNING
};

struct ts_boot_facts {
    bool remote;                 /* the engine is reached over TCP: this machine does not run it */
    bool pipe;                   /* its pipe is there */
    enum ts_boot_service docker; /* "docker": dockerd itself as a service */
    enum ts_boot_service helper; /* "com.docker.service": Docker Desktop's helper */
    enum ts_boot_service wsl;    /* "WslService" or "LxssManager" */
    bool docker_auto;            /* the service "docker" starts at boot */
    bool desktop;                /* Docker Desktop is installed */
    bool desktop_runs;           /* … and has a process */
    bool desktop_uses_wsl;       /* … with the WSL 2 engine, as far as can be seen */
    bool logged_on;              /* somebody is, at the console or remotely */
    bool autologon;              /* Windows logs somebody on at boot by itself */
};

/* X(symbol, name, meaning) */
#define TS_BOOT_SITUATIONS(X)                                                                      \
    X(TS_BOOT_REMOTE, "remote", "the engine is on another machine or in a VM; look there")         \
    X(TS_BOOT_PIPE_THERE, "pipe-there", "the engine's pipe is there")                              \
    X(TS_BOOT_SERVICE_IS_DOWN, "service-down", "the service docker, which is the engine, is down") \
    X(TS_BOOT_NOT_INSTALLED, "not-installed", "no engine is installed on this machine")            \
    X(TS_BOOT_HELPER_IS_DOWN, "helper-down",                                                       \
      "Docker Desktop's service com.docker.service is down")                                       \
    X(TS_BOOT_WSL_MISSING, "wsl-not-ready", "WSL, which Docker Desktop needs, is not ready")       \
    X(TS_BOOT_NOBODY_LOGGED_ON, "nobody-logged-on",                                                \
      "nobody is logged on, and Docker Desktop runs only in somebody's session")                   \
    X(TS_BOOT_DESKTOP_NOT_STARTED, "desktop-not-started",                                          \
      "somebody is logged on, but Docker Desktop was not started")                                 \
    X(TS_BOOT_DESKTOP_STARTS, "desktop-starting",                                                  \
      "Docker Desktop runs, but its engine does not answer (yet)")
#define TS_BOOT_ENUM(symbol, name, meaning) symbol,
enum ts_boot_situation { TS_BOOT_SITUATIONS(TS_BOOT_ENUM) TS_BOOT_SITUATION_COUNT };

/* What keeps the engine from answering: the first cause, in the order of a boot. */
enum ts_boot_situation ts_boot_judge(const struct ts_boot_facts *facts);
const char *ts_boot_name(enum ts_boot_situation s);
const char *ts_boot_meaning(enum ts_boot_situation s);
/* What a person has to do; "" for nothing. */
const char *ts_boot_remedy(enum ts_boot_situation s);
/* The service whose start would help, or NULL. */
const char *ts_boot_service_to_start(enum ts_boot_situation s);
/* Would a configured start command help? */
bool ts_boot_command_helps(enum ts_boot_situation s);
/* Will the engine come back after a boot with nobody there? */
bool ts_boot_is_unattended(const struct ts_boot_facts *facts, bool has_start_command);

#endif
