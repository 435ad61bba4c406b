/*
 * What the engine knows of one container: its inspect answer turned into plain data. Pure.
 * Source of the fields: Engine API "ContainerInspect", Compose's labels (com.docker.compose.*).
 */
#ifndef TS_ENGINE_INSPECT_H
#define TS_ENGINE_INSPECT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"
#include "engine/engine.h"

#define TS_CONTAINER_SERVICE      64 /* a Compose service or project, NUL included */
#define TS_CONTAINER_PATH         512
#define TS_CONTAINER_FILES        1024 /* comma list of Compose files */
#define TS_CONTAINER_TEXT         256
#define TS_CONTAINER_OUTPUT       256 /* of the last health check, cut */
#define TS_CONTAINER_DEPS_MAX     16
#define TS_CONTAINER_PORTS_MAX    32
#define TS_CONTAINER_NETWORKS_MAX 8
#define TS_CONTAINER_NETWORK      128

/* State.Status; never State.Running, which is true while paused or restarting. */
enum ts_container_status {
    TS_CONTAINER_CREATED,
    TS_CONTAINER_RUNNING,
    TS_CONTAINER_PAUSED,
    TS_CONTAINER_RESTARTING, /* waits for the engine's own restart policy */
    TS_CONTAINER_REMOVING,
    TS_CONTAINER_EXITED,
    TS_CONTAINER_DEAD /* half removed */
};

enum ts_health {
    TS_HEALTH_NONE, /* has no health check */
    TS_HEALTH_STARTING,
    TS_HEALTH_HEALTHY,
    TS_HEALTH_UNHEALTHY
};

enum ts_dep_condition { TS_DEP_STARTED, TS_DEP_HEALTHY, TS_DEP_COMPLETED };

struct ts_container_dep {
    char service[TS_CONTAINER_SERVICE];
    enum ts_dep_condition condition;
    bool restart; /* Compose's `restart: true` */
};

struct ts_container_port { /* one published port */
    uint16_t container_port;
    char protocol[8]; /* "tcp", "udp", "sctp" */
    char host_ip[46]; /* "0.0.0.0", "::", "127.0.0.1"; "" as "0.0.0.0" */
    uint16_t host_port;
};

struct ts_container_network {
    char name[TS_CONTAINER_NETWORK];
    char ip[46]; /* IPv4, else IPv6, else "" (not running) */
};

struct ts_restart_policy {
    char name[16]; /* "no", "always", "unless-stopped", "on-failure" */
    int64_t max_retries;
};

struct ts_container {
    char id[TS_ENGINE_ID];
    char name[TS_ENGINE_NAME]; /* without the leading slash */
    char image[TS_ENGINE_NAME];
    char image_id[80]; /* "sha256:…" */
    /* Compose's labels; "" without them */
    char service[TS_CONTAINER_SERVICE];
    char project[TS_CONTAINER_SERVICE];
    char config_hash[80];
    const char *config_files;
    const char *env_files; /* --env-file of that time; "" if none was given */
    bool oneoff;           /* from `compose run` */
    int64_t number;        /* 1…; 0 if not said */
    const struct ts_container_dep *deps;
    size_t dep_count;

    ts_wall created;
    enum ts_container_status status;
    int64_t exit_code;
    bool oom_killed;
    int64_t pid;                   /* 0 when not running: kill(0) would hit ourselves, so check */
    char error[TS_CONTAINER_TEXT]; /* why the last start failed */
    ts_wall started_at;            /* 0: never */
    ts_wall finished_at;           /* 0: never */
    int64_t restart_count;         /* by the engine's policy */

    enum ts_health health;
    int64_t failing_streak;
    char health_output[TS_CONTAINER_OUTPUT]; /* of the last check; control characters as spaces */
    int64_t health_exit_code;                /* of the last check; -1 timed out */

    struct ts_restart_policy policy;
    int64_t stop_timeout_s; /* -1: not set, the engine's default (10) counts */
    bool tty;
    bool auto_remove;
    const struct ts_container_port *ports;
    size_t port_count;
    bool ports_cut; /* there are more */
    const struct ts_container_network *networks;
    size_t network_count;
    bool networks_cut; /* more, or one whose name does not fit */

    void *lists; /* what the pointers above point into: its own, as large as what it holds */
};

/* Reads an inspect answer; *ret is for ts_container_done(). TS_E_PROTOCOL: id, state or the
 * depends_on label are missing or make no sense; TS_E_LIMIT: a name or the dependency list is
 * longer than fits (never cut: a cut name would be another service, a lost dependency another
 * order). */
bool ts_container_parse(const json_t *inspect, struct ts_container *ret,
                        struct ts_error *err) TS_MUST_CHECK;
/* *ret is for ts_container_done(). TS_E_NOMEM. */
bool ts_container_copy(const struct ts_container *c, struct ts_container *ret,
                       struct ts_error *err) TS_MUST_CHECK;
/* Frees what it owns. One that is zeroed is fine. */
void ts_container_done(struct ts_container *c);

/*
 * An environment variable as the container's process sees it. Of repeated entries the last counts
 * (runc sets them in order), an entry without "=" sets nothing. *ret_value is borrowed and NULL
 * when not set. False with TS_E_PROTOCOL when the environment cannot be read: do not guess.
 */
bool ts_container_env(const json_t *inspect, const char *name, const char **ret_value,
                      struct ts_error *err) TS_MUST_CHECK;

/* "running", "healthy", …; from text false if unknown (Podman's own words are known too). */
const char *ts_container_status_name(enum ts_container_status status);
bool ts_container_status_parse(const char *text, enum ts_container_status *ret) TS_MUST_CHECK;
const char *ts_health_name(enum ts_health health);
bool ts_health_parse(const char *text, enum ts_health *ret) TS_MUST_CHECK;

#endif
