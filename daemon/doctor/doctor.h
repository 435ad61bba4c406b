/*
 * The trouble-shooting guide: checks over a checkup, each of which tells of what it finds. A check
 * that finds nothing says nothing. See checkup.h for the files.
 */
#ifndef TS_DAEMON_DOCTOR_H
#define TS_DAEMON_DOCTOR_H

#include "doctor/checkup.h"

/* A run of checks over a finished checkup. */
struct ts_exam {
    struct ts_checkup *c;
    struct ts_daemon *d;
    void (*each)(void *ctx, const struct ts_remark *remark);
    void *ctx;
    size_t told; /* remarks so far */
};

/* One remark; in what and cure "%s" stands for the service, "%c" for its container, "%f" for
 * "--file F --env-file E" of the compose file. */
struct ts_say {
    const char *id;
    enum ts_grade grade;
    const struct ts_checkup_unit *unit; /* NULL: it concerns no service, or all */
    ts_wall since;
    const char *what;
    const char *cure;
};

/* Tells it, with evidence; secrets of the containers are taken out of that. */
void ts_exam_tell(struct ts_exam *x, const struct ts_say *say, const char *evidence, ...)
    TS_PRINTF(3, 4);

/* Runs every check; returns how many there are. */
size_t ts_doctor_judge(struct ts_exam *x);

/* What decides about the next boot, good and bad, and last what will happen: for validate and
 * `doctor --boot`. Returns the worst grade. */
enum ts_grade ts_doctor_boot(struct ts_exam *x);

/* "gateway" of a wall time since which the machine is in its phase. */
ts_wall ts_doctor_since(const struct ts_checkup_unit *u);

/* --- stack.c */
void ts_check_seen(struct ts_exam *x);
void ts_check_states(struct ts_exam *x);
void ts_check_memory(struct ts_exam *x);
void ts_check_restarts(struct ts_exam *x);
void ts_check_probes(struct ts_exam *x);
void ts_check_safety(struct ts_exam *x);
void ts_check_images(struct ts_exam *x);
void ts_check_networks(struct ts_exam *x);
void ts_check_policies(struct ts_exam *x);
void ts_check_drift(struct ts_exam *x);
void ts_check_monitor(struct ts_exam *x);

/* --- gateway.c */
void ts_check_credentials(struct ts_exam *x);
void ts_check_passwords(struct ts_exam *x);
void ts_check_secret_files(struct ts_exam *x);
void ts_check_secret_variables(struct ts_exam *x);
void ts_check_port_held(struct ts_exam *x);
void ts_check_port_published(struct ts_exam *x);
void ts_check_bot_address(struct ts_exam *x);
void ts_check_gateway_settings(struct ts_exam *x);
void ts_check_log_signs(struct ts_exam *x);
void ts_check_exit_code(struct ts_exam *x);
void ts_check_clock(struct ts_exam *x);

/* --- host.c */
void ts_check_engine(struct ts_exam *x);
void ts_check_engine_version(struct ts_exam *x);
void ts_check_compose(struct ts_exam *x);
void ts_check_disk(struct ts_exam *x);
void ts_check_state_file(struct ts_exam *x);
void ts_check_trail(struct ts_exam *x);
void ts_check_channels(struct ts_exam *x);
void ts_check_settings(struct ts_exam *x);
void ts_check_guard(struct ts_exam *x);
void ts_check_released(struct ts_exam *x);
void ts_check_move(struct ts_exam *x);
void ts_check_rivals(struct ts_exam *x);
void ts_check_boot(struct ts_exam *x);

#endif
