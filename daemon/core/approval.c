/* See approval.h. */
#include "core/approval.h"

#include <ctype.h>
#include <string.h>

static const char *const kind_names[TS_APPROVAL_KIND_COUNT] = {
#define ROW(symbol, name, text) [symbol] = name,
    TS_APPROVAL_KINDS(ROW)
#undef ROW
};
static const char *const kind_texts[TS_APPROVAL_KIND_COUNT] = {
#define ROW(symbol, name, text) [symbol] = text,
    TS_APPROVAL_KINDS(ROW)
#undef ROW
};
static const char *const state_names[TS_APPROVAL_STATE_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
    TS_APPROVAL_STATES(ROW)
#undef ROW
};

const char *ts_approval_kind_name(enum ts_approval_kind k)
{
    return (unsigned)k < TS_APPROVAL_KIND_COUNT ? kind_names[k] : "?";
}

const char *ts_approval_kind_text(enum ts_approval_kind k)
{
    return (unsigned)k < TS_APPROVAL_KIND_COUNT ? kind_texts[k] : "?";
}

bool ts_approval_kind_parse(const char *name, enum ts_approval_kind *ret)
{
    for (unsigned i = 0; i < TS_APPROVAL_KIND_COUNT; i++) {
        if (strcmp(kind_names[i], name) == 0) {
            *ret = (enum ts_approval_kind)i;
            return true;
        }
    }
    return false;
}

const char *ts_approval_state_name(enum ts_approval_state s)
{
    return (unsigned)s < TS_APPROVAL_STATE_COUNT ? state_names[s] : "?";
}

bool ts_approval_is_open(const struct ts_approval *a)
{
    return a->state == TS_APPROVAL_PENDING || a->state == TS_APPROVAL_VALID;
}

const char *ts_approval_subject(const struct ts_approval *a)
{
    return a->kind == TS_APPROVE_GAMEPLAN ? a->gameplan : a->account;
}

static bool is_account(const char *s)
{
    for (const char *c = s; *c != '\0'; c++) {
        if (!isupper((unsigned char)*c) && !isdigit((unsigned char)*c)) {
            return false;
        }
    }
    return s[0] != '\0';
}

static bool is_hash(const char *s)
{
    return strlen(s) == TS_PLAN_HASH - 1 && strspn(s, "0123456789abcdef") == TS_PLAN_HASH - 1;
}

const char *ts_approval_invalid(const struct ts_approval *a, ts_wall now)
{
    int64_t span = a->expires.ms - now.ms;
    if ((unsigned)a->kind >= TS_APPROVAL_KIND_COUNT || a->service[0] == '\0') {
        return "it names no service or nothing to approve";
    }
    if (a->kind == TS_APPROVE_GAMEPLAN && (!is_hash(a->gameplan) || a->account[0] != '\0')) {
        return "a gameplan is approved by its SHA-256, 64 hex digits, and by nothing else";
    }
    if (a->kind != TS_APPROVE_GAMEPLAN && (!is_account(a->account) || a->gameplan[0] != '\0')) {
        return "it must name the one account it is for, in capitals, like DU1234567";
    }
    if (span < TS_APPROVAL_SPAN_MIN || span > TS_APPROVAL_SPAN_MAX) {
        return "it must expire, in one minute at the soonest and in 30 days at the latest";
    }
    if (strspn(a->reason, " \t") == strlen(a->reason)) {
        return "it needs a reason";
    }
    return NULL;
}

bool ts_approval_covers(const struct ts_approval *list, size_t count, enum ts_approval_kind kind,
                        const char *service, const char *subject, ts_wall now)
{
    for (size_t i = 0; i < count; i++) {
        const struct ts_approval *a = &list[i];
        if (a->state == TS_APPROVAL_VALID && a->kind == kind && now.ms < a->expires.ms &&
            (service == NULL || strcmp(a->service, service) == 0) &&
            (subject == NULL || strcmp(ts_approval_subject(a), subject) == 0)) {
            return true;
        }
    }
    return false;
}
