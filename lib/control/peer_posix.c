/* See peer.h. */
#include "control/peer.h"

#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/parse.h"

struct ts_peer ts_peer_of(evutil_socket_t fd)
{
    struct ts_peer peer = {.known = false};
    struct ucred cred;
    socklen_t len = sizeof(cred);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERCRED, &cred, &len) != 0) {
        return peer;
    }
    peer.known = true;
    peer.uid = cred.uid;
    peer.is_admin = cred.uid == 0;
    peer.gid = cred.gid;
    peer.pid = cred.pid;
    gid_t groups[TS_PEER_GROUPS_MAX];
    len = sizeof(groups);
    if (getsockopt(fd, SOL_SOCKET, SO_PEERGROUPS, groups, &len) == 0) {
        peer.group_count = len / sizeof(groups[0]);
        for (size_t i = 0; i < peer.group_count; i++) {
            peer.groups[i] = groups[i];
        }
    }
    return peer;
}

bool ts_peer_hung_up(evutil_socket_t fd)
{
    struct pollfd p = {.fd = fd, .events = 0};
    return poll(&p, 1, 0) != 0; /* POLLHUP: both directions are closed; also any error */
}

bool ts_peer_in_group(const struct ts_peer *peer, uint32_t gid)
{
    if (peer->gid == gid) {
        return true;
    }
    for (size_t i = 0; i < peer->group_count; i++) {
        if (peer->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

bool ts_peer_is_owner(const struct ts_peer *peer)
{
    return peer->known && (peer->uid == 0 || peer->uid == geteuid());
}

void ts_peer_user_name(uint32_t uid, char *out, size_t size)
{
    struct passwd entry;
    struct passwd *found = NULL;
    char buf[4096];
    FILE *list = fopen("/etc/passwd", "re");
    out[0] = '\0';
    while (list != NULL && fgetpwent_r(list, &entry, buf, sizeof(buf), &found) == 0) {
        if (found->pw_uid == uid) {
            ts_copy_cut(out, size, found->pw_name);
            break;
        }
    }
    if (list != NULL) {
        (void)fclose(list);
    }
}

bool ts_peer_group_id(const char *name, uint32_t *ret_gid)
{
    struct group group;
    struct group *found = NULL;
    char buf[16384];
    if (getgrnam_r(name, &group, buf, sizeof(buf), &found) != 0 || found == NULL) {
        return false;
    }
    *ret_gid = found->gr_gid;
    return true;
}
