/*
 * The control socket: Varlink over a local stream socket, on the event loop.
 *
 * A client's calls are answered in order. A client that talks nonsense, too much, or does not read
 * its replies is cut off; nobody else notices. Handlers may answer at once or in a later turn.
 */
#ifndef TS_CONTROL_SERVER_H
#define TS_CONTROL_SERVER_H

#include <jansson.h>

#include "base/error.h"
#include "base/loop.h"
#include "control/peer.h"

#define TS_CONTROL_CLIENTS_MAX     64
#define TS_CONTROL_CLIENTS_SPARED  16          /* of them, kept free for root and our own user */
#define TS_CONTROL_CLIENTS_PER_UID 16          /* of any other user */
#define TS_CONTROL_INPUT_MAX       (128 << 10) /* bytes of calls waiting behind the present one */
#define TS_CONTROL_OUTPUT_MAX      (8 << 20)   /* bytes waiting for one client */
#define TS_CONTROL_OUTPUT_BUSY     (256 << 10) /* no further call is begun while more is unread */
#define TS_CONTROL_TURN_CALLS      16          /* calls of one client begun in one turn */
#define TS_CONTROL_PARTIAL_MS      10000       /* default of partial_ms */
#define TS_CONTROL_STALLED_MS      120000      /* default of stalled_ms */

struct ts_control;
struct ts_call;

enum ts_right {
    TS_RIGHT_READ,
    TS_RIGHT_OPERATE,
    TS_RIGHT_APPROVE, /* members of the approving group only: not root, not our own user */
    TS_RIGHT_WITHDRAW /* operate or approve: what makes things safer */
};

struct ts_control_method {
    const char *name; /* without the interface: "GetStatus" */
    enum ts_right right;
    /* Must answer the call now or later. parameters is an object, borrowed for the call; it fits
     * what the interface says of the method. */
    void (*handle)(void *ctx, struct ts_call *call, const json_t *parameters);
};

struct ts_control_conf {
    const char *path; /* of the socket, made with mode 0666 inside a directory that limits access;
                       * on Windows of the pipe, which only the groups below may open */
    int listen_fd;    /* a socket handed over instead, or -1 */
    /* Administrators (root) and our own user may do everything. */
    bool has_operate_gid;
    uint32_t operate_gid;
    bool has_approve_gid; /* else nobody may approve */
    uint32_t approve_gid;
    bool has_read_gid; /* else everybody may read */
    uint32_t read_gid;
    const struct ts_control_method *methods; /* borrowed */
    size_t method_count;
    const char *description; /* the interface's text; NULL: ours (interface.h); borrowed */
    int64_t partial_ms;      /* a call that began must be complete by then; 0: the default */
    int64_t stalled_ms;      /* a client reads nothing of what waits for it; 0: the default */
    /* A call was refused for lack of rights; for the log. May be NULL. */
    void (*on_refused)(void *ctx, const struct ts_peer *peer, const char *method);
    /* Who is behind a connection; NULL: ts_peer_of(). */
    struct ts_peer (*peer_of)(evutil_socket_t fd);
    void *ctx;
};

/*
 * Listens. A socket file left behind by a dead daemon is replaced; one that somebody answers on,
 * and anything that is no socket, is TS_E_CONFLICT. Also TS_E_SYSTEM, TS_E_NOMEM, and TS_E_INVALID:
 * the path is too long, or the description lacks a method.
 */
struct ts_control *ts_control_new(struct ts_loop *loop, const struct ts_control_conf *conf,
                                  struct ts_error *err) TS_MUST_CHECK;
/* Closes everything; calls under way see on_gone. Removes the socket file unless it was handed
 * over. NULL is fine. */
void ts_control_free(struct ts_control *c);
/* New group rules, for calls from now on. */
void ts_control_set_groups(struct ts_control *c, const struct ts_control_conf *conf);

const struct ts_peer *ts_call_peer(const struct ts_call *call);
bool ts_call_wants_more(const struct ts_call *call);

/* Each takes the JSON reference (NULL counts as {}). After reply and error the call is gone; the
 * client's next call begins in a later turn, never inside. A progress for a client that did not ask
 * for `more` is dropped. False: the client is being cut off (it does not read); on_gone follows. */
void ts_call_reply(struct ts_call *call, json_t *take_parameters);
bool ts_call_progress(struct ts_call *call, json_t *take_parameters);
/* error: a name of our interface ("NoSuchService") or a full one ("org.varlink.service.…"). */
void ts_call_error(struct ts_call *call, const char *error, json_t *take_parameters);
/* fn(ctx) runs once if the client goes before the answer; the call is gone when it returns. */
void ts_call_on_gone(struct ts_call *call, void (*fn)(void *ctx), void *ctx);

#endif
