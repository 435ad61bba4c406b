/*
 * Varlink's framing (varlink.org, "Protocol"): one JSON object, then one NUL byte. Pure.
 * Messages may arrive split anywhere and several at once.
 */
#ifndef TS_CONTROL_FRAME_H
#define TS_CONTROL_FRAME_H

#include "base/buf.h"
#include "base/error.h"

struct ts_frames {
    struct ts_buf buf;
    size_t scanned;  /* bytes known to hold no NUL */
    size_t consumed; /* length of the message given out last, with its NUL */
};

/* For messages of at most max_bytes. */
struct ts_frames ts_frames_init(size_t max_bytes);
void ts_frames_done(struct ts_frames *f);
/* Adds received bytes. TS_E_LIMIT when what waits exceeds the limit; give the peer up then. */
bool ts_frames_feed(struct ts_frames *f, const void *bytes, size_t n,
                    struct ts_error *err) TS_MUST_CHECK;
/* The next whole message (without its NUL), or NULL. Valid until the next call of any function. */
const char *ts_frames_next(struct ts_frames *f, size_t *ret_len);

#endif
