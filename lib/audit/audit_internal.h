/* Shared by the files of this folder. */
#ifndef TS_AUDIT_INTERNAL_H
#define TS_AUDIT_INTERNAL_H

#include "audit/audit.h"
#include "base/buf.h"

#define TS_AUDIT_PATH 512

/* entry.c: one line */
/* The line with its end, and its hash. *out is emptied first. */
bool ts_audit_write_line(const struct ts_audit_entry *entry, const char *prev, struct ts_buf *out,
                         char hash[TS_SHA256_HEX], struct ts_error *err) TS_MUST_CHECK;
struct ts_audit_line {
    json_t *root;                /* owned */
    struct ts_audit_entry entry; /* borrows from root */
    const char *prev;
    bool sound; /* its own hash is right, and it is written as we write */
};
/* Reads n bytes without the line's end. False: no entry at all. */
bool ts_audit_read_line(const char *text, size_t n, struct ts_audit_line *ret) TS_MUST_CHECK;

/* chain.c: one line after the other */
struct ts_audit_chain {
    struct ts_audit_report report;
    int64_t last_seq; /* what the next line must follow, sound or not */
    char last_hash[TS_SHA256_HEX];
};
void ts_audit_chain_init(struct ts_audit_chain *c);
void ts_audit_chain_feed(struct ts_audit_chain *c, const char *text, size_t n, ts_audit_fn *each,
                         void *ctx);

/* files_*.c */
struct ts_audit_file {
    int fd;
    char path[TS_AUDIT_PATH];
    int64_t size;
    uint64_t dev;
    uint64_t ino;
};
bool ts_audit_file_open(struct ts_audit_file *f, const char *dir,
                        struct ts_error *err) TS_MUST_CHECK;
void ts_audit_file_close(struct ts_audit_file *f);
/* Is the file at the path still ours, as we left it? */
bool ts_audit_file_is_ours(const struct ts_audit_file *f, struct ts_error *err) TS_MUST_CHECK;
/* Appends and waits for the disk; all or nothing. */
bool ts_audit_file_append(struct ts_audit_file *f, const char *bytes, size_t n,
                          struct ts_error *err) TS_MUST_CHECK;
bool ts_audit_file_cut(struct ts_audit_file *f, int64_t size, struct ts_error *err) TS_MUST_CHECK;
/* Up to n bytes from a place. Fewer only at the end; -1 with *err. */
int64_t ts_audit_file_read(const struct ts_audit_file *f, int64_t at, char *out, size_t n,
                           struct ts_error *err);

#endif
