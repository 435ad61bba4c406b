/*
 * What the log of a gateway, a bot or a health monitor says: signs of trouble, each with its cause
 * and cure, and marks of success. PURE: lines in, tallies out. Lines are matched by plain text.
 *
 * Source of the texts: gnzsnz/ib-gateway's run.sh and run_socat.sh, IBC 3.24, and the operators'
 * hand-off for the bot.
 */
#ifndef TS_CORE_LOG_LINES_H
#define TS_CORE_LOG_LINES_H

#include "core/remark.h"

#define TS_LOG_SIGNS_MAX 40
#define TS_LOG_SHOWN     200 /* bytes of a line that are kept */

enum ts_role { TS_ROLE_OTHER, TS_ROLE_GATEWAY, TS_ROLE_BOT, TS_ROLE_MONITOR };

struct ts_log_sign {
    const char *id;
    enum ts_role role;
    const char *text;     /* a line that holds this … */
    const char *also;     /* … and this shows it; NULL: the first is enough */
    const char *ended_by; /* a later line with this says that it is over; NULL: only a new run */
    uint32_t least;       /* fewer are no sign */
    enum ts_grade grade;
    const char *what; /* the cause, for people */
    const char *cure; /* "%s" stands for the service, "%f" for the compose file's options */
};

/* X(symbol, id, what) : lines that say how far a program has come. */
#define TS_LOG_MARKS(X)                                                                            \
    X(TS_MARK_DRY_RUN, "dry-run", "says DRY_RUN=true")                                             \
    X(TS_MARK_CONNECTED, "connected", "says that it is connected to the gateway")                  \
    X(TS_MARK_PAPER, "paper", "names a paper account")                                             \
    X(TS_MARK_STRATEGY, "strategy", "says strategy C, or that a gameplan was loaded")              \
    X(TS_MARK_API, "api", "speaks of answers from the gateway's API")                              \
    X(TS_MARK_LOGIN, "login", "says that the login has completed")

#define TS_LOG_MARK_ENUM(symbol, id, what) symbol,
enum ts_log_mark { TS_LOG_MARKS(TS_LOG_MARK_ENUM) TS_LOG_MARK_COUNT };

struct ts_log_tally {
    uint32_t count;
    ts_wall first;
    ts_wall last;
    char line[TS_LOG_SHOWN]; /* the last one, cut */
};

struct ts_log_view {
    enum ts_role role;
    struct ts_log_tally signs[TS_LOG_SIGNS_MAX]; /* by index in the table */
    struct ts_log_tally marks[TS_LOG_MARK_COUNT];
    uint32_t lines;
};

/* One line of the present run, without its end, in order. */
void ts_log_view_feed(struct ts_log_view *v, const char *line, ts_wall at);

/* The table of signs. */
const struct ts_log_sign *ts_log_signs(size_t *ret_count);
/* Is the sign (by index) to be told of? */
bool ts_log_view_shows(const struct ts_log_view *v, size_t sign);

const char *ts_log_mark_id(enum ts_log_mark m);
const char *ts_log_mark_what(enum ts_log_mark m);

/* What an exit status of the gateway's container means; NULL: nothing in particular. Source: IBC's
 * ErrorCodes.java, ibcstart.sh. */
const char *ts_gateway_exit_text(int code);

#endif
