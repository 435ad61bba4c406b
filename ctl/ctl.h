/*
 * tradestackctl: parse, call, print. It computes nothing of its own: what it shows is what the
 * daemon said.
 *
 *   main.c      global options and the way to a command
 *   commands.c  the table of commands, and the simple ones
 *   talk.c      calls, and errors as people need them
 *   follow.c    commands that go on: start/stop with progress, logs, events
 *   examine.h   doctor and validate: examine.c shows, facts.c and machine_facts.h collect, report.c
 *   safety.c    the interlock: what it sees, approvals, the audit trail
 *   watch.c     the live status
 *   child.h     other programs, run and listened to
 *   compose.h   the real Compose, run to create containers
 *   stage.h     … beside those that run: a proxy between it and the engine
 *   move.h      what a changed file needs: staged, exchanged by the daemon, followed; the way back
 *   migrate.c   the same from an older Compose file; deprecate.h: that file's header
 *   plan.c      what such an exchange would do
 *   backups.c   what ran before it
 *   show.c      tables
 *   progress.c  steps that take time: done ones as lines, present ones as spinners
 *   text.c      text made fit for a terminal
 *   terminal_*.c  the terminal itself, and what interrupts
 */
#ifndef TS_CTL_CTL_H
#define TS_CTL_CTL_H

#include <stdbool.h>
#include <stdio.h>

#include <jansson.h>

#include "base/clock.h"
#include "control/client.h"

#define CTL_ANSWER_MS 15000 /* a daemon that lives answers within; its engine has 10 s */

/* What tradestackctl exits with; see tradestackctl(1). */
enum ctl_exit {
    CTL_OK = 0,
    CTL_FAILED = 1,
    CTL_USAGE = 2,
    CTL_NOT_READY = 3,
    CTL_NO_DAEMON = 4,
    CTL_FOUND_ERRORS = 5 /* doctor */
};

struct ctl {
    const char *socket;
    bool json;
    bool color;         /* of standard output */
    bool live;          /* standard output is a terminal on which lines can be redrawn */
    bool asks;          /* standard input and output are a terminal: somebody can be asked */
    int64_t timeout_ms; /* of a whole operation; 0: the command's own default */
    /* the command's own options */
    const char *file;
    const char *env_file;
    const char *project;
    const char *since;
    const char *config;
    const char *channel;
    const char *account;
    const char *gameplan; /* a file, or its SHA-256 */
    const char *reason;
    int64_t expires_ms; /* 0: not given */
    int64_t keep;       /* -1: not given */
    bool dry_run;
    bool yes;
    bool no_rollback;
    const char *from; /* Compose files */
    const char *to;
    bool accept;
    bool deprecate;
    bool all;
    const char *report;
    bool boot;
    bool send_alert;
    bool restart_test;
    bool cold_start_test;
    int64_t tail; /* -1: not given */
    bool follow;
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

/* --- text.c */
enum ctl_tone { TONE_PLAIN, TONE_GOOD, TONE_WARN, TONE_BAD, TONE_DIM };
/* Formats and prints in the tone's colour, if colours are on. What must not reach a terminal
 * (control characters of any kind, direction marks, broken UTF-8) is shown as "?", a tab as a
 * space. */
void ctl_put(const struct ctl *ctl, FILE *f, enum ctl_tone tone, const char *fmt, ...)
    TS_PRINTF(4, 5);
/* One cleaned line on standard error: what failed and why; what to do. */
void ctl_error(const char *fmt, ...) TS_PRINTF(1, 2);
void ctl_hint(const char *fmt, ...) TS_PRINTF(1, 2);
/* How many columns the text takes, taking every character as one. */
int ctl_columns(const char *text);
/* Many lines or one; always ASCII, so that nothing in it can steer a terminal. */
void ctl_print_json(const json_t *value);
void ctl_print_json_line(const json_t *value);

/* --- talk.c */
/* Connects, or says why not and gives NULL; *ret_exit then says what to exit with. */
struct ts_control_client *ctl_connect(struct ctl *ctl, int *ret_exit);
/* One call, one reply: its parameters (owned), or NULL after the error was printed; *ret_exit then
 * says what to exit with. */
json_t *ctl_call(struct ctl *ctl, const char *method, json_t *take_parameters, int *ret_exit);
/* Prints an error reply as: what failed, why, what to do. Returns the exit code. */
int ctl_print_reply_error(const struct ts_varlink_reply *reply, const char *what);
int ctl_print_error(const struct ctl *ctl, const struct ts_error *err);

/* --- follow.c */
struct ctl_follower {
    void (*each)(void *ctx, const struct ctl *ctl, const json_t *reply);
    void (*tick)(void *ctx, const struct ctl *ctl); /* about ten times a second; may be NULL */
    void (*end)(void *ctx, const struct ctl *ctl);  /* once, before any error; may be NULL */
    void *ctx;
};
/* Calls with `more` and hands every reply on, until the last. timeout_ms between two replies; 0:
 * none. Returns what to exit with; a signal ends it in order (see ctl_interrupted()). */
int ctl_follow(struct ctl *ctl, const char *method, json_t *take_parameters, const char *what,
               int64_t timeout_ms, const struct ctl_follower *follower);
/* Start, Stop or Restart with its steps shown as they come. service may be NULL. */
int ctl_operate(struct ctl *ctl, const char *method, const char *service);
int ctl_run_start(struct ctl *ctl);
int ctl_run_stop(struct ctl *ctl);
int ctl_run_restart(struct ctl *ctl);
int ctl_run_down(struct ctl *ctl);
int ctl_run_logs(struct ctl *ctl);
int ctl_run_events(struct ctl *ctl);

/* --- watch.c */
int ctl_run_watch(struct ctl *ctl);

/* --- move.c */
int ctl_run_up(struct ctl *ctl);
int ctl_run_rollback(struct ctl *ctl);

/* --- migrate.c */
int ctl_run_migrate(struct ctl *ctl);

/* --- backups.c */
int ctl_run_backups(struct ctl *ctl);

/* --- compose.c */
/* Points docker at the daemon's engine, wherever the user's own context points. */
void ctl_use_engine(const char *engine);

/* --- examine.c */
int ctl_run_doctor(struct ctl *ctl);
int ctl_run_validate(struct ctl *ctl);

/* --- safety.c */
int ctl_run_safety(struct ctl *ctl);
int ctl_run_approve(struct ctl *ctl);
int ctl_run_approvals(struct ctl *ctl);
int ctl_run_revoke(struct ctl *ctl);
int ctl_run_audit(struct ctl *ctl);

/* --- show.c */
void ctl_show_status(const struct ctl *ctl, FILE *f, const json_t *status);
void ctl_show_event(const struct ctl *ctl, const json_t *event);
/* What an exchange of containers would do. */
void ctl_show_plan(const struct ctl *ctl, const json_t *plan);
/* "3 m 12 s" since an RFC 3339 time. */
void ctl_since(const char *at, char *out, size_t size);
enum ctl_tone ctl_state_tone(const char *state);

/* --- progress.c */
#define CTL_STEPS_MAX 16 /* shown as living at once; further ones get a line of their own */

struct ctl_step {
    char service[64];
    char step[64];
    char detail[200];
    int64_t took_ms;
    bool done;
    bool ok;
};

struct ctl_progress {
    const struct ctl *ctl;
    struct ctl_step living[CTL_STEPS_MAX];
    ts_mono seen[CTL_STEPS_MAX]; /* when the daemon told took_ms */
    size_t count;
    size_t drawn; /* lines of the living on the screen */
    unsigned frame;
};

struct ctl_progress ctl_progress_init(const struct ctl *ctl);
/* A step began, goes on, or is done. */
void ctl_progress_step(struct ctl_progress *p, const struct ctl_step *step);
/* The daemon's word of one; with --json as it is. */
void ctl_show_step(struct ctl_progress *progress, const struct ctl *ctl, const json_t *step);
/* Turns the spinners; nothing off a terminal. */
void ctl_progress_tick(struct ctl_progress *p);
/* Takes the living ones off the screen. */
void ctl_progress_end(struct ctl_progress *p);
ts_mono ctl_now(void);

/* --- terminal_*.c */
/* From now on what would end us (SIGINT, SIGTERM; Ctrl-C) is only noted. */
void ctl_catch_interrupt(void);
bool ctl_interrupted(void);
/* Is standard output a terminal on which lines can be redrawn and coloured? */
bool ctl_terminal(void);
/* Is there somebody at standard input? */
bool ctl_has_keyboard(void);
/* The size of the terminal behind standard output, 24 by 80 if it does not say. */
void ctl_screen(size_t *ret_rows, size_t *ret_columns);
/* Text that is put together before it is shown. */
struct ctl_sheet {
    FILE *f; /* to be written to */
    char *text;
    size_t size;
};
bool ctl_sheet_open(struct ctl_sheet *s);
/* Its text; the caller frees it. NULL if out of memory. */
char *ctl_sheet_close(struct ctl_sheet *s);

#endif
