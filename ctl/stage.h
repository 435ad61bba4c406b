/*
 * Staging: new containers made by the real Compose beside the ones that run.
 *
 * Compose stops and removes what runs as soon as it sees that the file has changed. So it is given
 * another address of the engine: a proxy that passes everything on, but hides the project's
 * containers, so that there is nothing to replace, and lets each new one wait under another name.
 * Everything else about them (labels, hash, networks, volumes) is exactly as Compose makes it.
 *
 *   stage.c         what is hidden, renamed, refused: pure
 *   stage_posix.c   the proxy: a child process on a private socket
 */
#ifndef TS_CTL_STAGE_H
#define TS_CTL_STAGE_H

#include "base/buf.h"
#include "base/error.h"

#define CTL_STAGE_HEAD_MAX ((size_t)64 * 1024) /* bytes of a request's head */

enum ctl_stage_deed {
    CTL_STAGE_PASS,
    CTL_STAGE_HIDE,  /* answered here: there are no containers */
    CTL_STAGE_REFUSE /* answered here: would change what exists */
};

/*
 * Judges a request by its head (n bytes, up to and with the empty line) and writes to out what is
 * sent in its place: the head for the engine, or the whole answer for the client. project: whose
 * containers are hidden; suffix: what a new container's name ends in until it takes its place.
 * TS_E_PROTOCOL: this is no request of HTTP/1; TS_E_LIMIT.
 */
bool ctl_stage_judge(const char *head, size_t n, const char *project, const char *suffix,
                     struct ts_buf *out, enum ctl_stage_deed *ret,
                     struct ts_error *err) TS_MUST_CHECK;

struct ctl_stage;

/* Begins to listen, in a process of its own that ends with this one. engine: the engine's address,
 * unix:// or tcp://. TS_E_UNAVAILABLE: this system or address cannot be proxied; TS_E_SYSTEM. */
struct ctl_stage *ctl_stage_open(const char *engine, const char *project, const char *suffix,
                                 struct ts_error *err) TS_MUST_CHECK;
/* What DOCKER_HOST is to be. */
const char *ctl_stage_address(const struct ctl_stage *s);
/* Ends it and removes its socket. NULL is fine. */
void ctl_stage_close(struct ctl_stage *s);

#endif
