/*
 * A stream of JSON objects, one after another, cut into chunks anywhere: finds where each object
 * ends and hands it on parsed. White space and the record separator 0x1E (RFC 7464) may stand
 * between them. Pure.
 */
#ifndef TS_ENGINE_VALUES_H
#define TS_ENGINE_VALUES_H

#include <jansson.h>

#include "base/buf.h"
#include "base/error.h"

#define TS_VALUE_MAX ((size_t)256 * 1024) /* bytes of one object */

struct ts_values {
    struct ts_buf text; /* the object that is not complete yet */
    int depth;
    bool in_string;
    bool escaped;
    bool broken; /* after an error nothing more is taken */
};

struct ts_values ts_values_init(void);
void ts_values_done(struct ts_values *v);

/* Takes n bytes; on_value (value borrowed) runs for every object they complete, and returns false
 * to stop. False: TS_E_PROTOCOL (no JSON objects), TS_E_LIMIT, TS_E_NOMEM, or TS_E_CANCELLED when
 * on_value stopped it, after which v is not touched any more and may have been freed. */
bool ts_values_feed(struct ts_values *v, const char *bytes, size_t n,
                    bool (*on_value)(void *ctx, const json_t *value), void *ctx,
                    struct ts_error *err) TS_MUST_CHECK;

#endif
