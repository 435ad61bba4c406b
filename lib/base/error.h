/*
 * The one error type. The caller owns it, usually on its stack; nothing in it is allocated, so an
 * error can be reported when memory is gone and there is nothing to leak.
 *
 * Contract of every function that takes `struct ts_error *err` last: false (or NULL) means failed
 * and *err is set; success leaves *err untouched. err is never NULL.
 */
#ifndef TS_BASE_ERROR_H
#define TS_BASE_ERROR_H

#include <stdbool.h>
#include <stddef.h>

#include "base/macros.h"

/* What a program needs to know of a failure; the text is for people. */
enum ts_code {
    TS_E_NONE,
    TS_E_NOMEM,       /* out of memory */
    TS_E_INVALID,     /* the caller's or the user's input is wrong */
    TS_E_NOT_FOUND,   /* no such service, container, file, … */
    TS_E_CONFLICT,    /* it is in a state that does not allow this */
    TS_E_DENIED,      /* the caller may not do this */
    TS_E_TIMEOUT,     /* a deadline passed */
    TS_E_UNAVAILABLE, /* the other side cannot be reached now; trying later may help */
    TS_E_PROTOCOL,    /* the other side said something that its protocol does not allow */
    TS_E_LIMIT,       /* a named limit was exceeded */
    TS_E_CANCELLED,   /* we ended it ourselves */
    TS_E_SYSTEM,      /* the operating system refused; detail is errno */
    TS_CODE_COUNT
};

struct ts_error {
    enum ts_code code;
    int detail; /* errno, CURLcode or HTTP status, whatever the code came from; 0 if none */
    char msg[256];
};

/* Fills *err; the text is cut to fit. Always returns false, so that a failure is one line. */
bool ts_error_set(struct ts_error *err, enum ts_code code, const char *fmt, ...) TS_PRINTF(3, 4);

/* The same with a detail number. */
bool ts_error_set_detail(struct ts_error *err, enum ts_code code, int detail, const char *fmt, ...)
    TS_PRINTF(4, 5);

/* Like ts_error_set() with code TS_E_SYSTEM and ": <what errnum means>" behind the text. */
bool ts_error_errno(struct ts_error *err, int errnum, const char *fmt, ...) TS_PRINTF(3, 4);

/* Puts "<text>: " before the message that is there. Returns false. */
bool ts_error_wrap(struct ts_error *err, const char *fmt, ...) TS_PRINTF(2, 3);

/* Out of memory, with a message that needs none. Returns false. */
bool ts_error_nomem(struct ts_error *err);

/* What an errno means. strerror() is not thread-safe; error_*.c is the only place that does this.
 * The text is in buf, or lives as long as the program. */
const char *ts_errno_text(int errnum, char *buf, size_t size);

/* A stable lower-case name for the code ("timeout"). Never NULL. */
const char *ts_code_name(enum ts_code code);

#endif
