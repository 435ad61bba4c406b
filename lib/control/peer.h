/* Who is at the other end of a local socket. */
#ifndef TS_CONTROL_PEER_H
#define TS_CONTROL_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <event2/util.h>

#define TS_PEER_GROUPS_MAX 256

struct ts_peer {
    bool known;
    bool is_admin; /* may do everything: root; on Windows an elevated administrator, the system */
    uint32_t uid;  /* Windows: a number made from the user's SID, the same on every machine */
    uint32_t gid;
    int32_t pid;
    uint32_t groups[TS_PEER_GROUPS_MAX]; /* supplementary; who has more counts as having none */
    size_t group_count;
};

/* Asks the kernel (Linux: SO_PEERCRED, SO_PEERGROUPS; Windows: the token of the pipe's client),
 * which cannot be lied to. known is false if it does not say. No name service is asked. On Windows
 * only while the listener hands the connection over. */
struct ts_peer ts_peer_of(evutil_socket_t fd);
/* Has the other end closed for good, not only its own direction? */
bool ts_peer_hung_up(evutil_socket_t fd);
bool ts_peer_in_group(const struct ts_peer *peer, uint32_t gid);
/* May do everything: an administrator, and the user that this process runs as. */
bool ts_peer_is_owner(const struct ts_peer *peer);
/* The user's name, from the machine's own list only: no name service can hold us up. "" if it has
 * none there. */
void ts_peer_user_name(uint32_t uid, char *out, size_t size);
/* A group's number by its name. False if there is no such group. May ask the name service: only at
 * start and reload. */
bool ts_peer_group_id(const char *name, uint32_t *ret_gid);

#endif
