/*
 * What only this side can see of the machine, for the daemon to judge: whether it brings the stack
 * back by itself after a boot, and which program holds which port. Facts, no findings. One
 * implementation file a platform.
 */
#ifndef TS_CTL_MACHINE_FACTS_H
#define TS_CTL_MACHINE_FACTS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define CTL_BOOT_FACTS_MAX 16
#define CTL_LISTENERS_MAX  256

enum ctl_answer { CTL_UNKNOWN, CTL_NO, CTL_YES };

/* One condition that must hold for the stack to come back: "the service starts at boot". */
struct ctl_boot_fact {
    char id[32]; /* lower case with dashes, stable: "daemon-at-boot" */
    enum ctl_answer holds;
    char what[120];     /* the condition as a sentence, true if it holds */
    char evidence[200]; /* what was asked and answered; never a secret */
    char cure[200];     /* a command that makes it hold; "" if it holds or nobody knows */
};

/* What the daemon says of its engine. */
struct ctl_boot_question {
    const char *engine_unit; /* the service that runs it, as the daemon names it; "" for none */
    const char *engine;      /* its address; "" if the daemon was not asked */
    bool has_start_command;  /* the daemon starts it by a command of the configuration */
};

/*
 * Fills at most `max` facts, in the order in which they matter at a boot, and returns how many.
 * Waits for other programs, each with a deadline. Never fails: what cannot be found out is
 * CTL_UNKNOWN.
 */
size_t ctl_boot_facts(const struct ctl_boot_question *q, struct ctl_boot_fact *ret, size_t max);

/* A program that listens on a TCP port of this machine. */
struct ctl_listener {
    uint16_t port;
    char address[46];
    int64_t pid;      /* 0: not visible to this user */
    char process[64]; /* its name; "" if not visible */
};

/* Fills at most `max` and returns how many; 0 where the system does not tell. */
size_t ctl_listeners(struct ctl_listener *ret, size_t max);

#endif
