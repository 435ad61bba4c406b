/*
 * One result of a check of doctor or validate: what was looked at, how it stands, by which
 * evidence, and the command that would mend it. Plain data.
 *
 * Evidence names settings, places and times; never the value of a secret.
 */
#ifndef TS_CORE_REMARK_H
#define TS_CORE_REMARK_H

#include "base/clock.h"
#include "model/model.h"

/* X(symbol, name), from good to bad. */
#define TS_GRADES(X)                                                                               \
    X(TS_GRADE_PASS, "pass")       /* it is as it should be */                                     \
    X(TS_GRADE_SKIPPED, "skipped") /* not asked for */                                             \
    X(TS_GRADE_NOTE, "note")       /* worth knowing */                                             \
    X(TS_GRADE_UNKNOWN, "unknown") /* could not be found out */                                    \
    X(TS_GRADE_WARNING, "warning") /* will cause trouble */                                        \
    X(TS_GRADE_ERROR, "error")     /* is trouble */

#define TS_GRADE_ENUM(symbol, name) symbol,
enum ts_grade { TS_GRADES(TS_GRADE_ENUM) TS_GRADE_COUNT };

#define TS_REMARK_ID       40
#define TS_REMARK_WHAT     240
#define TS_REMARK_EVIDENCE 600
#define TS_REMARK_CURE     400

struct ts_remark {
    char id[TS_REMARK_ID]; /* stable: "wrong-port" */
    enum ts_grade grade;
    char service[TS_NAME_MAX]; /* "" if it concerns none or all */
    char what[TS_REMARK_WHAT];
    char evidence[TS_REMARK_EVIDENCE];
    ts_wall since;             /* 0: not known, or it never was otherwise */
    char cure[TS_REMARK_CURE]; /* "" if there is nothing to do */
};

const char *ts_grade_name(enum ts_grade g);

#endif
