/* Windows only: who is at the other end of a pipe, and which groups may use it. Private to the
 * folder. Safe from any thread. */
#ifndef TS_CONTROL_PEER_WIN_H
#define TS_CONTROL_PEER_WIN_H

#include "base/win.h"
#include "control/peer.h"

/* Looks at the token of the pipe's client, by impersonating it for a moment. Not known: it forbids
 * even that, or looks different than when it connected. May ask the machine that holds the user's
 * account for the name: not from the loop. */
struct ts_peer ts_peer_of_pipe(HANDLE pipe);
/* ts_peer_of(fd) answers with this until the next one. From the loop's thread only. */
void ts_peer_announce(evutil_socket_t fd, const struct ts_peer *peer);
/* The SID of a group as ts_peer_group_id() numbered it, as text; "" if there is none. */
void ts_peer_group_sid(uint32_t gid, char out[TS_SID_TEXT]);

#endif
