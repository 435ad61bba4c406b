/* Shared by the files of a validation. */
#ifndef TS_DAEMON_VALIDATE_INTERNAL_H
#define TS_DAEMON_VALIDATE_INTERNAL_H

#include "doctor/doctor.h"
#include "doctor/validate.h"

enum ts_validate_step {
    TS_VALIDATE_LOOK,     /* the checkup is under way */
    TS_VALIDATE_ALERT,    /* the test alert is on its way */
    TS_VALIDATE_STOPPING, /* restart and cold start: all are being stopped … */
    TS_VALIDATE_REMOVING, /* … cold start: their containers removed … */
    TS_VALIDATE_STARTING, /* … and all started again */
    TS_VALIDATE_OVER
};

struct ts_validation {
    struct ts_daemon *daemon;
    struct ts_validate_options options; /* facts: the checkup's */
    struct ts_validate_handler handler; /* each and done NULL: who asked has gone */
    struct ts_checkup *checkup;
    struct ts_exam exam; /* over the checkup; its last points come from the acting tests */
    enum ts_validate_step step;
    bool cold; /* the present test is the cold start */
    struct ts_timer *tick;
    ts_mono began;    /* the present test */
    ts_mono deadline; /* the present step */
    size_t failed;

    /* alert */
    int64_t delivered[TS_MAX_CHANNELS];
    size_t channel_count;

    /* restart, cold start: the services that were up */
    struct ts_cycled {
        char service[TS_NAME_MAX];
        char id[TS_ENGINE_ID]; /* its container's before */
        ts_wall started;       /* its run's before */
        struct ts_engine_op *removing;
        struct ts_validation *validation;
    } cycled[TS_CHECKUP_UNITS_MAX];
    size_t cycled_count;
    char trouble[TS_REMARK_EVIDENCE];
};

/* --- validate.c */
/* The present test has come to its end: the next, or the end of all. */
void ts_validate_next(struct ts_validation *v);

/* --- validate_points.c: all points that only look */
void ts_validate_points(struct ts_exam *x);

/* --- validate_tests.c */
/* Each tells the point at once and is over (false), or has begun. */
bool ts_validate_begin_alert(struct ts_validation *v);
bool ts_validate_begin_cycle(struct ts_validation *v, bool cold);
/* The tick: looks whether the present step is over. */
void ts_validate_look(struct ts_validation *v);

#endif
