/* Who is at the other end of a local socket. */
#ifndef TS_CONTROL_PEER_H
#define TS_CONTROL_PEER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_PEER_GROUPS_MAX 256

struct ts_peer {
    bool known;
    uint32_t uid;
    uint32_t gid;
    int32_t pid;
    uint32_t groups[TS_PEER_GROUPS_MAX]; /* supplementary; who has more counts as having none */
    size_t group_count;
};

/* Asks the kernel (SO_PEERCRED, SO_PEERGROUPS), which cannot be lied to. known is false if it does
 * not say. No name service is asked. */
struct ts_peer ts_peer_of(int fd);
/* Has the other end closed for good, not only its own direction? */
bool ts_peer_hung_up(int fd);
bool ts_peer_in_group(const struct ts_peer *peer, uint32_t gid);
/* The uid that this process runs as. */
uint32_t ts_peer_own_uid(void);
/* The user's name, from the machine's own list only: no name service can hold us up. "" if it has
 * none there. */
void ts_peer_user_name(uint32_t uid, char *out, size_t size);
/* A group's number by its name. False if there is no such group. May ask the name service: only at
 * start and reload. */
bool ts_peer_group_id(const char *name, uint32_t *ret_gid);

#endif
