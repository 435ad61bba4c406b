/*
 * Approvals: what the chief risk officer has allowed, for exactly what, until when. PURE.
 *
 * An approval covers one service and one thing: `live` and `dry-run-off` one account, `gameplan`
 * one file by its SHA-256. It ends by its expiry, by revocation, or by itself (void) once what it
 * was tied to has been seen and then changed. What has ended never comes back.
 */
#ifndef TS_CORE_APPROVAL_H
#define TS_CORE_APPROVAL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/clock.h"
#include "model/model.h"

#define TS_ACCOUNT_MAX       24  /* NUL included */
#define TS_PLAN_HASH         65  /* SHA-256 in hex, NUL included */
#define TS_REASON_MAX        160 /* NUL included */
#define TS_USER_MAX          33  /* NUL included */
#define TS_APPROVAL_SPAN_MIN INT64_C(60000)
#define TS_APPROVAL_SPAN_MAX (INT64_C(30) * 24 * 3600 * 1000)

/* X(symbol, name, what it allows) */
#define TS_APPROVAL_KINDS(X)                                                                       \
    X(TS_APPROVE_LIVE, "live", "TRADING_MODE=live with this account")                              \
    X(TS_APPROVE_DRY_RUN_OFF, "dry-run-off", "DRY_RUN=false with this account")                    \
    X(TS_APPROVE_GAMEPLAN, "gameplan", "this gameplan file")

#define TS_APPROVAL_ENUM(symbol, name, text) symbol,
enum ts_approval_kind { TS_APPROVAL_KINDS(TS_APPROVAL_ENUM) TS_APPROVAL_KIND_COUNT };

/* X(symbol, name) */
#define TS_APPROVAL_STATES(X)                                                                      \
    X(TS_APPROVAL_PENDING, "pending") /* waits for a second person */                              \
    X(TS_APPROVAL_VALID, "valid")                                                                  \
    X(TS_APPROVAL_EXPIRED, "expired")                                                              \
    X(TS_APPROVAL_REVOKED, "revoked")                                                              \
    X(TS_APPROVAL_VOID, "void") /* what it was tied to has changed */

#define TS_APPROVAL_STATE_ENUM(symbol, name) symbol,
enum ts_approval_state { TS_APPROVAL_STATES(TS_APPROVAL_STATE_ENUM) TS_APPROVAL_STATE_COUNT };

struct ts_approval {
    int64_t id; /* its number in the audit trail */
    enum ts_approval_kind kind;
    enum ts_approval_state state;
    char service[TS_NAME_MAX];
    char account[TS_ACCOUNT_MAX]; /* live, dry-run-off */
    char gameplan[TS_PLAN_HASH];  /* gameplan */
    ts_wall created;
    ts_wall expires;
    bool used;    /* what it is tied to has been seen: from now on a change voids it */
    bool doubted; /* read from a line that the state file does not know: it gives nothing */
    uint32_t uid;
    char user[TS_USER_MAX];
    char second_user[TS_USER_MAX]; /* who confirmed; "" if nobody (yet) */
    char reason[TS_REASON_MAX];
    char ended[TS_REASON_MAX]; /* why it is not valid any more; "" while it is */
};

const char *ts_approval_kind_name(enum ts_approval_kind k);
const char *ts_approval_kind_text(enum ts_approval_kind k);
bool ts_approval_kind_parse(const char *name, enum ts_approval_kind *ret);
const char *ts_approval_state_name(enum ts_approval_state s);
bool ts_approval_is_open(const struct ts_approval *a); /* pending or valid */

/* What it is tied to: the account or the hash. Borrowed. */
const char *ts_approval_subject(const struct ts_approval *a);

/* NULL if it can be granted at `now`, else what is wrong with it, for people. */
const char *ts_approval_invalid(const struct ts_approval *a, ts_wall now);

/* Does any of them allow this now? service NULL: for whichever; subject NULL: whatever it is tied
 * to. */
bool ts_approval_covers(const struct ts_approval *list, size_t count, enum ts_approval_kind kind,
                        const char *service, const char *subject, ts_wall now);

#endif
