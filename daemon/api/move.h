/* Shared by the files that exchange containers on an operator's word. */
#ifndef TS_DAEMON_API_MOVE_H
#define TS_DAEMON_API_MOVE_H

#include "api/api.h"
#include "move/move.h"

/* An order that is being prepared, and its client. */
struct ts_move_call {
    struct ts_move_call *next;
    struct ts_daemon *daemon;
    struct ts_call *call; /* NULL: the client has gone, and nothing was begun */
    json_t *parameters;
    enum ts_move_kind kind;
    char tag[TS_MOVE_TAG];
    json_t *captured; /* rollback: the backup's containers */
    json_t *networks; /* … and networks */
    struct ts_gather *gather;
    struct ts_move *move; /* planned, not begun */
    json_t *remove;       /* ids of containers that are not needed */
    struct ts_engine_op *op;
    void (*then)(struct ts_move_call *mc); /* when all of those are gone */
    struct ts_error error;
};

/* May an order be prepared at all? False: the call was answered. */
bool ts_api_move_may_begin(struct ts_daemon *d, struct ts_call *call);
/* NULL: the call was answered. */
struct ts_move_call *ts_api_move_new(struct ts_daemon *d, struct ts_call *call,
                                     const json_t *parameters);
/* Looks what there is, plans, keeps a backup, begins; answers the call. */
void ts_api_move_prepare(struct ts_move_call *mc, const struct ts_gather_order *order);
/* Removes what is in mc->remove, then goes on with mc->then. */
void ts_api_move_remove(struct ts_move_call *mc);
/* Ends the order; what is to be answered (NULL: nobody waits). */
struct ts_call *ts_api_move_release(struct ts_move_call *mc);
/* Ends it and answers with mc->error. */
void ts_api_move_fail(struct ts_move_call *mc);

/* --- move_follow.c */
/* The call is answered when the move is over. False: too many follow. */
bool ts_api_move_follow(struct ts_daemon *d, struct ts_call *call);
/* {"move": …} as it stands now. */
json_t *ts_api_move_outcome(struct ts_daemon *d);

#endif
