/*
 * tradestackctl: parse, call, print. It computes nothing of its own: what it shows is what the
 * daemon said.
 *
 *   main.c      global options and the way to a command
 *   commands.c  the table of commands, and the simple ones
 *   follow.c    commands that go on: start/stop with progress, logs, events, watch
 *   compose.c   the one command that runs another program: `up` with a Compose file
 *   show.c      tables, colours, spans
 */
#ifndef TS_CTL_CTL_H
#define TS_CTL_CTL_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "control/client.h"

/* What tradestackctl exits with; see tradestackctl(1). */
enum ctl_exit { CTL_OK = 0, CTL_FAILED = 1, CTL_USAGE = 2, CTL_NOT_READY = 3, CTL_NO_DAEMON = 4 };

struct ctl {
    const char *socket;
    bool json;
    bool color;
    int64_t timeout_ms; /* of a whole operation; 0: the command's own default */
    /* the command's own options */
    const char *file;
    const char *env_file;
    const char *project;
    const char *since;
    const char *config;
    const char *channel;
    int64_t tail; /* -1: not given */
    bool follow;
    bool wait;
    bool no_wait;
    int argc; /* what is left: the command's arguments */
    char **argv;
};

struct ctl_command {
    const char *name;
    const char *args;    /* "SERVICE" or "[SERVICE]" or "" */
    const char *options; /* letters of the option table that it takes */
    int args_min;
    int args_max;
    const char *help;
    int (*run)(struct ctl *ctl);
};

const struct ctl_command *ctl_commands(size_t *ret_count);
const struct ctl_command *ctl_find(const char *name);

/* --- talking to the daemon */
/* Connects, or says why not and gives NULL. */
struct ts_control_client *ctl_connect(struct ctl *ctl);
/* One call, one reply: its parameters (owned), or NULL after the error was printed; *ret_exit then
 * says what to exit with. */
json_t *ctl_call(struct ctl *ctl, const char *method, json_t *take_parameters, int *ret_exit);
/* Prints an error reply as: what failed, why, what to do. Returns the exit code. */
int ctl_print_reply_error(const struct ts_varlink_reply *reply, const char *what);
int ctl_print_error(const struct ctl *ctl, const struct ts_error *err);

/* --- follow.c */
int ctl_run_start(struct ctl *ctl);
int ctl_run_stop(struct ctl *ctl);
int ctl_run_restart(struct ctl *ctl);
int ctl_run_down(struct ctl *ctl);
int ctl_run_logs(struct ctl *ctl);
int ctl_run_events(struct ctl *ctl);
int ctl_run_watch(struct ctl *ctl);
/* Start, Stop or Restart with its steps shown as they come. service may be NULL. */
int ctl_operate(struct ctl *ctl, const char *method, const char *service, bool wait);

/* --- compose.c */
int ctl_run_up(struct ctl *ctl);

/* --- show.c */
enum ctl_tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };
/* The text in the tone's colour, if colours are on. Control characters are shown as "?". */
void ctl_put(const struct ctl *ctl, FILE *f, enum ctl_tone tone, const char *text);
void ctl_show_status(const struct ctl *ctl, const json_t *status);
void ctl_show_event(const struct ctl *ctl, const json_t *event);
/* "3 m 12 s" since an RFC 3339 time. */
void ctl_since(const char *at, char *out, size_t size);
void ctl_print_json(const json_t *value);
enum ctl_tone ctl_state_tone(const char *state);

#endif
