/* The machine's words: names of its enums and "what comes next". */
#include "core/machine.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"

const char *ts_phase_name(enum ts_phase p)
{
    static const char *const names[TS_PHASE_COUNT] = {
#define ROW(symbol, name, meaning) [symbol] = name,
        TS_PHASES(ROW)
#undef ROW
    };
    return (unsigned)p < TS_PHASE_COUNT ? names[p] : "unknown";
}

static const struct {
    const char *name;
    const char *text;
} whys[TS_WHY_COUNT] = {
#define ROW(symbol, name, text) [symbol] = {name, text},
    TS_WHYS(ROW)
#undef ROW
};

const char *ts_why_name(enum ts_why w)
{
    return (unsigned)w < TS_WHY_COUNT ? whys[w].name : "none";
}

const char *ts_why_text(enum ts_why w)
{
    return (unsigned)w < TS_WHY_COUNT ? whys[w].text : "";
}

void ts_reason_text(enum ts_why why, const char *detail, char *out, size_t size)
{
    bool by_detail = why == TS_WHY_INTERLOCK || why == TS_WHY_LIVE_ACCOUNT ||
                     why == TS_WHY_GAMEPLAN || why == TS_WHY_LOG_TRIP || why == TS_WHY_TRAIL;
    if (by_detail && detail[0] != '\0') {
        (void)snprintf(out, size, "%s", detail);
    } else {
        (void)snprintf(out, size, "%s%s%s", ts_why_text(why), detail[0] != '\0' ? ": " : "",
                       detail);
    }
}

enum ts_why ts_why_from_name(const char *name)
{
    for (unsigned i = 0; i < TS_WHY_COUNT; i++) {
        if (strcmp(whys[i].name, name) == 0) {
            return (enum ts_why)i;
        }
    }
    return TS_WHY_NONE;
}

const char *ts_notice_name(enum ts_notice n)
{
    static const char *const names[TS_NOTICE_COUNT] = {
#define ROW(symbol, name) [symbol] = name,
        TS_NOTICES(ROW)
#undef ROW
    };
    return (unsigned)n < TS_NOTICE_COUNT ? names[n] : "unknown";
}

static const char *span_until(ts_mono deadline, ts_mono now, char buf[TS_SPAN_TEXT])
{
    ts_span_format(deadline.ms == TS_NEVER.ms ? 0 : ts_mono_diff(now, deadline), buf);
    return buf;
}

static void next_not_ready(const struct ts_svc_spec *spec, const struct ts_env *env,
                           const struct ts_svc *s, ts_mono now, char *out, size_t size)
{
    char span[TS_SPAN_TEXT];
    if (s->paused) {
        (void)snprintf(out, size, "left alone until somebody unpauses it");
    } else if (s->why == TS_WHY_UNVERIFIED) {
        (void)snprintf(out, size, "counts as ready once tradestackctl safety shows no unknown");
    } else if (env->window_on) {
        (void)snprintf(out, size, "expected now; reported if it lasts %s longer",
                       span_until(env->window_end, now, span));
    } else if (s->twofa && !ts_mono_reached(s->twofa_until, now)) {
        (void)snprintf(out, size, "no restart for %s: confirm the login on the phone",
                       span_until(s->twofa_until, now, span));
    } else {
        ts_mono act = TS_NEVER;
        for (size_t i = 0; i < spec->probe_count; i++) {
            if (s->probes[i].dead && (spec->probes[i].purposes & TS_PURPOSE_LIVENESS) != 0) {
                act = ts_mono_min(act, ts_mono_add(s->probes[i].dead_since, spec->act_after_ms));
            }
        }
        if (act.ms == TS_NEVER.ms) {
            (void)snprintf(out, size, "watched; a restart would not help");
        } else if (s->held) {
            (void)snprintf(out, size, "no restart while held");
        } else if (!env->engine_up) {
            (void)snprintf(out, size, "restart as soon as the engine answers, unless it does");
        } else {
            (void)snprintf(out, size, "restart in %s unless it answers (attempt %u of %u)",
                           span_until(act, now, span), ts_machine_attempts(spec, s, now) + 1,
                           spec->budget);
        }
    }
}

static void next_waiting(const struct ts_svc_spec *spec, const struct ts_env *env,
                         const struct ts_svc *s, ts_mono now, char *out, size_t size)
{
    char span[TS_SPAN_TEXT];
    const char *text = !env->engine_up               ? "starts when the engine answers again"
                       : !env->deps_ready            ? "starts when its dependencies are ready"
                       : spec->guarded && env->blind ? "starts when the safety rules can be checked"
                                                     : "starts now";
    (void)snprintf(out, size, "%s", text);
    if (env->engine_up && env->deps_ready && !ts_mono_reached(s->backoff_until, now)) {
        (void)snprintf(out, size, "starts in %s", span_until(s->backoff_until, now, span));
    }
}

static void next_blocked(const struct ts_svc_spec *spec, const struct ts_svc *s, char *out,
                         size_t size)
{
    if (s->block == TS_BLOCK_TRIPPED) {
        (void)snprintf(out, size, "stays stopped until the CRO says: tradestackctl safety reset %s",
                       spec->name);
    } else {
        (void)snprintf(out, size, "mend it (tradestackctl safety), then: tradestackctl start %s",
                       spec->name);
    }
}

void ts_machine_next(const struct ts_svc_spec *spec, const struct ts_env *env,
                     const struct ts_svc *s, ts_mono now, char *out, size_t size)
{
    char span[TS_SPAN_TEXT];
    out[0] = '\0';
    switch (s->phase) {
    case TS_PHASE_UNKNOWN: (void)snprintf(out, size, "waits for the engine's answer"); break;
    case TS_PHASE_ABSENT:
        (void)snprintf(out, size, "create it: tradestackctl up --file docker-compose.yml");
        break;
    case TS_PHASE_STOPPED:
        if (s->wanted != TS_WANTED_UP) {
            (void)snprintf(out, size, "to start it: tradestackctl start %s", spec->name);
        }
        break;
    case TS_PHASE_WAITING: next_waiting(spec, env, s, now, out, size); break;
    case TS_PHASE_STARTING:
        if (s->deadline.ms != TS_NEVER.ms) {
            (void)snprintf(out, size, "given %s more to become ready",
                           span_until(s->deadline, now, span));
        }
        break;
    case TS_PHASE_READY: break;
    case TS_PHASE_NOT_READY: next_not_ready(spec, env, s, now, out, size); break;
    case TS_PHASE_BACKOFF:
        (void)snprintf(out, size, "restart in %s (attempt %u of %u)",
                       span_until(s->backoff_until, now, span), ts_machine_attempts(spec, s, now),
                       spec->budget);
        break;
    case TS_PHASE_STOPPING:
        (void)snprintf(out, size, "%s",
                       s->op == TS_OP_NONE     ? "stops when its dependents have stopped"
                       : s->restart_after_stop ? "starts again when stopped"
                                               : "then it stays stopped");
        break;
    case TS_PHASE_BLOCKED: next_blocked(spec, s, out, size); break;
    case TS_PHASE_FAILED:
        (void)snprintf(out, size, "mend the cause, then: tradestackctl reset %s", spec->name);
        break;
    case TS_PHASE_HELD:
        (void)snprintf(out, size, "to end this: tradestackctl %s %s",
                       s->hold_why == TS_WHY_HOLD ? "unhold" : "start", spec->name);
        break;
    case TS_PHASE_COUNT: break;
    }
}
