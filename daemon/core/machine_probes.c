/* What single tries add up to: rise and fall, startup before the others, alive apart from ready. */
#include "core/machine_internal.h"

#include "base/parse.h"

void ts_detail_copy(char dst[TS_DETAIL_MAX], const char *src)
{
    ts_copy_cut(dst, TS_DETAIL_MAX, src);
}

static void set_verdict(struct ts_probe_state *p, enum ts_verdict verdict, ts_mono now)
{
    if (p->verdict != verdict) {
        p->verdict = verdict;
        p->since = now;
    }
}

static void count_pass(struct ts_probe_state *p, const struct ts_probe_spec *spec, ts_mono now)
{
    p->fails = 0;
    p->dead_fails = 0;
    p->dead = false;
    if (p->passes < UINT32_MAX) {
        p->passes++;
    }
    if (p->passes >= spec->rise) {
        set_verdict(p, TS_VERDICT_PASS, now);
    }
}

static void count_fail(struct ts_probe_state *p, const struct ts_probe_spec *spec, ts_mono now)
{
    p->passes = 0;
    if (p->fails < UINT32_MAX) {
        p->fails++;
    }
    if (p->fails >= spec->fall) {
        set_verdict(p, TS_VERDICT_FAIL, now);
    }
    if (ts_probe_reason_alive(p->reason)) {
        p->dead_fails = 0;
        p->dead = false;
        return;
    }
    if (p->dead_fails == 0) {
        p->dead_since = now;
    }
    if (p->dead_fails < UINT32_MAX) {
        p->dead_fails++;
    }
    p->dead = p->dead_fails >= spec->fall;
}

static bool startup_passed(const struct ts_step *st)
{
    for (size_t i = 0; i < st->spec->probe_count; i++) {
        if ((st->spec->probes[i].purposes & TS_PURPOSE_STARTUP) != 0 &&
            st->s.probes[i].verdict != TS_VERDICT_PASS) {
            return false;
        }
    }
    return true;
}

void ts_step_apply_probe(struct ts_step *st)
{
    const struct ts_obs *obs = st->obs;
    if (obs->probe >= st->spec->probe_count || !st->s.running) {
        return;
    }
    const struct ts_probe_spec *spec = &st->spec->probes[obs->probe];
    struct ts_probe_state *p = &st->s.probes[obs->probe];
    p->reason = obs->reason;
    p->took_ms = obs->took_ms;
    ts_detail_copy(p->detail, obs->detail);
    if (ts_probe_reason_ready(obs->reason)) {
        count_pass(p, spec, st->now);
    } else if (p->verdict == TS_VERDICT_PASS || st->s.was_ready ||
               ts_mono_diff(st->s.started_at, st->now) >= spec->start_period_ms) {
        count_fail(p, spec, st->now);
    }
    if (!st->s.started_ok && startup_passed(st)) {
        st->s.started_ok = true;
    }
}

bool ts_step_all_ready(const struct ts_step *st)
{
    return st->s.running && !st->s.paused && st->s.started_ok &&
           !ts_machine_unverified(st->spec, &st->s) && ts_step_blocking_probe(st) == NULL;
}

const struct ts_probe_state *ts_step_dead_probe(const struct ts_step *st)
{
    const struct ts_probe_state *worst = NULL;
    for (size_t i = 0; i < st->spec->probe_count; i++) {
        const struct ts_probe_state *p = &st->s.probes[i];
        if ((st->spec->probes[i].purposes & TS_PURPOSE_LIVENESS) != 0 && p->dead &&
            (worst == NULL || p->dead_since.ms < worst->dead_since.ms)) {
            worst = p;
        }
    }
    return worst;
}

/* A readiness probe must have passed; any other must not have been lost. */
static bool stands_in_the_way(const struct ts_probe_spec *spec, const struct ts_probe_state *p)
{
    if ((spec->purposes & TS_PURPOSE_READINESS) != 0) {
        return p->verdict != TS_VERDICT_PASS;
    }
    if ((spec->purposes & TS_PURPOSE_LIVENESS) != 0) {
        return p->dead;
    }
    return false;
}

const struct ts_probe_state *ts_step_blocking_probe(const struct ts_step *st)
{
    for (size_t i = 0; i < st->spec->probe_count; i++) {
        if (stands_in_the_way(&st->spec->probes[i], &st->s.probes[i])) {
            return &st->s.probes[i];
        }
    }
    for (size_t i = 0; i < st->spec->probe_count; i++) {
        if (!st->s.started_ok && (st->spec->probes[i].purposes & TS_PURPOSE_STARTUP) != 0 &&
            st->s.probes[i].verdict != TS_VERDICT_PASS) {
            return &st->s.probes[i];
        }
    }
    return NULL;
}
