/*
 * See peer.h and peer_win.h. Windows names users and groups by SIDs, which are longer than a uid:
 * a user's number is made from a digest of its SID, so that it is the same after every restart; a
 * group's number is its place in the list of groups that the configuration has named.
 */
#include "control/peer_win.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <sddl.h>

#include "base/digest.h"
#include "base/parse.h"

#define GROUPS_MAX 32
#define USERS_MAX  256
#define NAME_SIZE  128

static struct {
    SRWLOCK lock;
    char groups[GROUPS_MAX][TS_SID_TEXT]; /* gid 1 is groups[0] */
    size_t group_count;
    struct {
        uint32_t uid;
        char name[2 * NAME_SIZE];
    } users[USERS_MAX]; /* the last ones seen, in a ring */
    size_t user_count;
} known = {.lock = SRWLOCK_INIT};

static struct {
    evutil_socket_t fd;
    struct ts_peer peer;
} announced = {.fd = -1};

/* 32 bits of the SID's digest; 0 means "the system" elsewhere and is left out. */
static uint32_t uid_of(const char *sid)
{
    char hex[TS_SHA256_HEX];
    char head[9];
    if (!ts_sha256_hex(sid, strlen(sid), hex)) {
        return UINT32_MAX;
    }
    memcpy(head, hex, 8);
    head[8] = '\0';
    uint32_t uid = (uint32_t)strtoul(head, NULL, 16);
    return uid == 0 || uid == UINT32_MAX ? 1 : uid;
}

static void remember_user(uint32_t uid, PSID sid, const char *text)
{
    char name[NAME_SIZE];
    char domain[NAME_SIZE];
    DWORD name_size = sizeof(name);
    DWORD domain_size = sizeof(domain);
    SID_NAME_USE use;
    char full[2 * NAME_SIZE];
    if (LookupAccountSidA(NULL, sid, name, &name_size, domain, &domain_size, &use)) {
        (void)snprintf(full, sizeof(full), "%.*s\\%.*s", NAME_SIZE - 2, domain, NAME_SIZE - 2,
                       name);
    } else {
        ts_copy_cut(full, sizeof(full), text);
    }
    AcquireSRWLockExclusive(&known.lock);
    size_t at = 0;
    size_t count = known.user_count < USERS_MAX ? known.user_count : USERS_MAX;
    while (at < count && known.users[at].uid != uid) {
        at++;
    }
    if (at == count) {
        at = known.user_count++ % USERS_MAX;
    }
    known.users[at].uid = uid;
    memcpy(known.users[at].name, full, sizeof(full));
    ReleaseSRWLockExclusive(&known.lock);
}

static bool token_has(HANDLE token, const char *sid)
{
    PSID group = NULL;
    BOOL member = FALSE;
    if (ConvertStringSidToSidA(sid, &group)) {
        (void)(CheckTokenMembership(token, group, &member) || (member = FALSE));
        (void)LocalFree(group);
    }
    return member;
}

static void add_groups(HANDLE token, struct ts_peer *peer)
{
    char sids[GROUPS_MAX][TS_SID_TEXT];
    AcquireSRWLockShared(&known.lock);
    size_t count = known.group_count;
    memcpy(sids, known.groups, sizeof(sids));
    ReleaseSRWLockShared(&known.lock);
    for (size_t i = 0; i < count; i++) {
        if (token_has(token, sids[i])) {
            peer->groups[peer->group_count++] = (uint32_t)i + 1;
        }
    }
}

/* The token is one of impersonation, as CheckTokenMembership() wants it. */
static struct ts_peer peer_of_token(HANDLE token)
{
    struct ts_peer peer = {.known = false};
    char sid[TS_SID_TEXT];
    TOKEN_USER *user = ts_win_token_user(token);
    if (user != NULL && ts_win_sid_text(user->User.Sid, sid)) {
        peer.known = true;
        peer.uid = uid_of(sid);
        /* Deny-only membership, as of an administrator who has not elevated, does not count. */
        peer.is_admin = strcmp(sid, "S-1-5-18") == 0 || token_has(token, "S-1-5-32-544");
        remember_user(peer.uid, user->User.Sid, sid);
        add_groups(token, &peer);
    }
    free(user);
    return peer;
}

struct ts_peer ts_peer_of_pipe(HANDLE pipe)
{
    struct ts_peer peer = {.known = false};
    HANDLE token = NULL;
    ULONG pid = 0;
    if (!ImpersonateNamedPipeClient(pipe)) {
        return peer;
    }
    bool ok = OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, TRUE, &token) != 0;
    if (!RevertToSelf()) {
        abort(); /* going on as somebody else is the one thing that must not happen */
    }
    if (ok) {
        peer = peer_of_token(token);
        (void)CloseHandle(token);
    }
    if (GetNamedPipeClientProcessId(pipe, &pid)) {
        peer.pid = (int32_t)pid;
    }
    return peer;
}

void ts_peer_announce(evutil_socket_t fd, const struct ts_peer *peer)
{
    announced.fd = fd;
    announced.peer = *peer;
}

struct ts_peer ts_peer_of(evutil_socket_t fd)
{
    return fd >= 0 && fd == announced.fd ? announced.peer : (struct ts_peer){.known = false};
}

/* A pipe has no half end: who closes it is gone. */
bool ts_peer_hung_up(evutil_socket_t fd)
{
    (void)fd;
    return true;
}

bool ts_peer_in_group(const struct ts_peer *peer, uint32_t gid)
{
    for (size_t i = 0; i < peer->group_count; i++) {
        if (peer->groups[i] == gid) {
            return true;
        }
    }
    return false;
}

bool ts_peer_is_owner(const struct ts_peer *peer)
{
    char own[TS_SID_TEXT];
    ts_win_own_sid(own);
    return peer->known && (peer->is_admin || (own[0] != '\0' && peer->uid == uid_of(own)));
}

void ts_peer_user_name(uint32_t uid, char *out, size_t size)
{
    out[0] = '\0';
    AcquireSRWLockShared(&known.lock);
    size_t count = known.user_count < USERS_MAX ? known.user_count : USERS_MAX;
    for (size_t i = 0; i < count; i++) {
        if (known.users[i].uid == uid) {
            ts_copy_cut(out, size, known.users[i].name);
            break;
        }
    }
    ReleaseSRWLockShared(&known.lock);
}

/* The number of a group's SID, a new one if it has none. 0: the list is full. */
static uint32_t number_of(const char *sid)
{
    AcquireSRWLockExclusive(&known.lock);
    size_t at = 0;
    while (at < known.group_count && strcmp(known.groups[at], sid) != 0) {
        at++;
    }
    bool fits = at < GROUPS_MAX;
    if (fits && at == known.group_count) {
        (void)snprintf(known.groups[at], TS_SID_TEXT, "%s", sid);
        known.group_count++;
    }
    ReleaseSRWLockExclusive(&known.lock);
    return fits ? (uint32_t)at + 1 : 0;
}

bool ts_peer_group_id(const char *name, uint32_t *ret_gid)
{
    union {
        SID sid;
        unsigned char bytes[SECURITY_MAX_SID_SIZE];
    } group;
    char domain[NAME_SIZE];
    char text[TS_SID_TEXT];
    DWORD size = sizeof(group);
    DWORD domain_size = sizeof(domain);
    SID_NAME_USE use;
    PSID parsed = NULL;
    bool found = false;
    if (ConvertStringSidToSidA(name, &parsed)) { /* "S-1-5-32-544": the same in every language */
        found = ts_win_sid_text(parsed, text);
        (void)LocalFree(parsed);
    } else if (LookupAccountNameA(NULL, name, &group, &size, domain, &domain_size, &use) &&
               (use == SidTypeGroup || use == SidTypeAlias || use == SidTypeWellKnownGroup)) {
        found = ts_win_sid_text(&group, text);
    }
    *ret_gid = found ? number_of(text) : 0;
    return *ret_gid != 0;
}

void ts_peer_group_sid(uint32_t gid, char out[TS_SID_TEXT])
{
    out[0] = '\0';
    AcquireSRWLockShared(&known.lock);
    if (gid >= 1 && gid <= known.group_count) {
        (void)snprintf(out, TS_SID_TEXT, "%s", known.groups[gid - 1]);
    }
    ReleaseSRWLockShared(&known.lock);
}
