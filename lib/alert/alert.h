/*
 * What an operator is told: one alert is one thing that happened to one service. Plain data, and
 * its JSON form, which is what the outbox keeps and what the generic webhook sends.
 */
#ifndef TS_ALERT_ALERT_H
#define TS_ALERT_ALERT_H

#include <jansson.h>
#include <stdint.h>

#include "base/clock.h"
#include "base/error.h"

enum ts_severity { TS_SEVERITY_OK, TS_SEVERITY_WARNING, TS_SEVERITY_CRITICAL };

enum ts_alert_kind {
    TS_ALERT_INFO,    /* told once, opens nothing */
    TS_ALERT_OPEN,    /* trouble under `key`; told once while it lasts */
    TS_ALERT_UPDATE,  /* the same trouble, one attempt further; made by the sender from an OPEN */
    TS_ALERT_RESOLVED /* the end of the trouble under `key`; dropped if none is open */
};

#define TS_ALERT_KEY   128
#define TS_ALERT_TITLE 160
#define TS_ALERT_TEXT  640

struct ts_alert {
    char key[TS_ALERT_KEY]; /* "gateway/health": which incident */
    char service[64];       /* "" for the stack or the daemon itself */
    char host[64];
    char project[64];
    enum ts_alert_kind kind;
    enum ts_severity severity;
    bool urgent;                /* before everything else in the queue */
    char title[TS_ALERT_TITLE]; /* "gateway died" */
    char what[TS_ALERT_TEXT];   /* what was observed */
    char doing[TS_ALERT_TEXT];  /* what is being done, or what to do */
    ts_wall at;
    ts_wall since;    /* when the trouble began */
    uint32_t attempt; /* 0: does not apply */
    uint32_t attempts_max;
    int64_t duration_ms; /* resolved: how long it took; a reminder: how long it lasts; else 0 */
};

/* A new object, or NULL if out of memory. Text that is not UTF-8 is mended. */
json_t *ts_alert_to_json(const struct ts_alert *a);
/* The same as compact text; malloc'ed, NULL if out of memory. */
char *ts_alert_to_text(const struct ts_alert *a);
/* TS_E_PROTOCOL if the object is none of ours. */
bool ts_alert_from_json(const json_t *o, struct ts_alert *ret, struct ts_error *err) TS_MUST_CHECK;

const char *ts_severity_name(enum ts_severity s);
/* "🟢", "🟡", "🔴" */
const char *ts_severity_sign(enum ts_severity s);
const char *ts_alert_kind_name(enum ts_alert_kind k);

/*
 * Copies src as valid UTF-8 of at most max_points code points and size - 1 bytes, control
 * characters and those that change the reading direction as spaces; a cut text ends in "…". With
 * `markdown`, characters that Discord would read as formatting are escaped.
 */
void ts_alert_clean(char *dst, size_t size, size_t max_points, const char *src, bool markdown);

#endif
