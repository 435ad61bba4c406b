/*
 * The audit trail: who did what, when, and what came of it. One file, <state_dir>/audit.jsonl, one
 * JSON object a line, append-only. Each entry holds the hash of the one before it, so that one that
 * was changed, removed or moved is found. What can only be found with a head kept elsewhere
 * (ts_audit_head()) is that the last entries were cut off.
 *
 * A line is the compact JSON with sorted keys of: at, data (if there is some), event, hash,
 * outcome, prev, seq, service, text, and for what a person did pid, uid, user. hash is the SHA-256,
 * in hex, of the same text without the key "hash"; the first prev is 64 zeros.
 */
#ifndef TS_AUDIT_AUDIT_H
#define TS_AUDIT_AUDIT_H

#include <jansson.h>
#include <stdbool.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/digest.h"
#include "base/error.h"

#define TS_AUDIT_LINE_MAX (16 * 1024) /* bytes of one line, its end included */

struct ts_audit;

/* Pointers are borrowed in both directions. */
struct ts_audit_entry {
    int64_t seq; /* 1…; set by the trail */
    ts_wall at;
    const char *event;   /* "start", "trip", "approval.granted", "command" */
    const char *service; /* "" if none */
    const char *outcome; /* "allowed", "refused", "stopped", "done" */
    bool has_peer;       /* false: the daemon did it by itself */
    uint32_t uid;
    int64_t pid;
    const char *user;   /* "" if unknown */
    const char *text;   /* for people */
    const json_t *data; /* an object, or NULL */
    const char *hash;   /* of this entry; set by the trail */
};
typedef void ts_audit_fn(void *ctx, const struct ts_audit_entry *entry);

/* What a check of the whole chain found. */
struct ts_audit_report {
    bool sound;
    int64_t lines;    /* that were read, the wrong one included */
    int64_t head_seq; /* of the last sound entry; 0: none */
    char head_hash[TS_SHA256_HEX];
    int64_t bad_line;  /* the first that is wrong, from 1; 0: none */
    char problem[200]; /* "line 12 was changed"; "" if sound */
};

/*
 * Opens dir/audit.jsonl or makes it (mode 0600), checks all of it and hands every sound entry to
 * each (may be NULL), oldest first. A last line without an end, from a power cut in the middle of a
 * write, is no entry and is cut off. A broken chain is reported and opened all the same: what
 * follows is chained to what the last line says, so the break stays visible.
 * NULL: TS_E_DENIED (no regular file, or others may write it), TS_E_SYSTEM, TS_E_NOMEM.
 */
struct ts_audit *ts_audit_open(const char *dir, struct ts_audit_report *report, ts_audit_fn *each,
                               void *ctx, struct ts_error *err) TS_MUST_CHECK;
void ts_audit_close(struct ts_audit *a);

/*
 * Appends an entry; when this returns true it is on the disk. ret_seq may be NULL. After a failure
 * the trail is as before: TS_E_SYSTEM (a full disk), TS_E_LIMIT (too long), TS_E_CONFLICT: somebody
 * has replaced, removed or changed the file.
 */
bool ts_audit_append(struct ts_audit *a, const struct ts_audit_entry *entry, int64_t *ret_seq,
                     struct ts_error *err) TS_MUST_CHECK;
/* The sequence number (0: empty) and hash of the last entry. */
int64_t ts_audit_head(const struct ts_audit *a, char hash[TS_SHA256_HEX]);
/* The newest `limit` entries, oldest first, from the last 8 MiB. Lines that are none are left out.
 */
bool ts_audit_read(struct ts_audit *a, uint32_t limit, ts_audit_fn *each, void *ctx,
                   struct ts_error *err) TS_MUST_CHECK;

/* A check in pieces, so that a long trail stalls nobody; also of its end against the entry that was
 * written last. */
struct ts_audit_check;
struct ts_audit_check *ts_audit_check_new(const struct ts_audit *a,
                                          struct ts_error *err) TS_MUST_CHECK;
/* Checks some more. True: there is more to do. False: finished, *ret says what was found. */
bool ts_audit_check_step(struct ts_audit_check *c, struct ts_audit_report *ret);
void ts_audit_check_free(struct ts_audit_check *c);

/* Renames dir/audit.jsonl, which must not be open any more or is about to be closed, for whoever
 * wants to look at it; *ret_name gets its new name, or "nothing" if there was none. */
bool ts_audit_move_aside(const char *dir, ts_wall now, char *ret_name, size_t size,
                         struct ts_error *err) TS_MUST_CHECK;

#endif
