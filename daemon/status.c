/* What status, watch and the service manager are shown. Says what was observed, since when, and
 * what comes next. */
#include <stdio.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

static json_t *text(const char *s)
{
    char clean[2 * TS_ALERT_TEXT];
    ts_alert_clean(clean, sizeof(clean), SIZE_MAX, s, false);
    return json_string(clean);
}

static json_t *time_of(ts_wall t)
{
    char out[TS_WALL_TEXT];
    ts_wall_format(t, out);
    return json_string(out);
}

static json_t *time_of_mono(struct ts_daemon *d, ts_mono t)
{
    return time_of((ts_wall){ts_loop_wall(d->loop).ms - ts_mono_diff(t, ts_loop_now(d->loop))});
}

static json_t *purposes_of(unsigned purposes)
{
    json_t *list = json_array();
    if ((purposes & TS_PURPOSE_STARTUP) != 0) {
        (void)json_array_append_new(list, json_string("startup"));
    }
    if ((purposes & TS_PURPOSE_LIVENESS) != 0) {
        (void)json_array_append_new(list, json_string("liveness"));
    }
    if ((purposes & TS_PURPOSE_READINESS) != 0) {
        (void)json_array_append_new(list, json_string("readiness"));
    }
    return list;
}

static json_t *probe_of(struct ts_daemon *d, const struct ts_svc *s,
                        const struct ts_probe_spec *spec, const struct ts_probe_state *p)
{
    static const char *const results[] = {"pending", "passing", "failing"};
    bool live = s->running;
    return json_pack("{s:s, s:s, s:o, s:s, s:s, s:o, s:o, s:I}", "name", spec->name, "kind",
                     ts_probe_kind_name(spec->kind), "purposes", purposes_of(spec->purposes),
                     "result", live ? results[p->verdict] : "pending", "reason",
                     live ? ts_probe_reason_name(p->reason) : "pending", "detail",
                     text(p->detail[0] != '\0' ? p->detail : ts_probe_reason_text(p->reason)),
                     "since", time_of_mono(d, p->since), "took_ms", (json_int_t)p->took_ms);
}

static const char *wanted_name(const struct ts_svc *s)
{
    return s->wanted == TS_WANTED_UP ? "up" : s->wanted == TS_WANTED_DOWN ? "down" : "none";
}

/* Why it is in its state, with what was seen. */
static void detail_of(struct ts_daemon *d, size_t i, char *out, size_t size)
{
    const struct ts_svc *s = ts_super_state(d->super, i);
    size_t dep = s->why == TS_WHY_DEPENDENCY
                     ? ts_plan_first_unready(ts_super_nodes(d->super), ts_super_states(d->super), i)
                     : SIZE_MAX;
    if (dep != SIZE_MAX) {
        (void)snprintf(out, size, "waits for %s, which is %s", d->units[dep]->service,
                       ts_phase_name(ts_super_state(d->super, dep)->phase));
    } else if (s->phase == TS_PHASE_STARTING && s->running) {
        const struct ts_svc_spec *spec = ts_super_spec(d->super, i);
        (void)snprintf(out, size, "%s", ts_why_text(s->why));
        for (size_t p = 0; p < spec->probe_count; p++) {
            if (s->probes[p].verdict != TS_VERDICT_PASS) {
                (void)snprintf(out, size, "probe %s: %s", spec->probes[p].name,
                               ts_probe_reason_text(s->probes[p].reason));
                break;
            }
        }
    } else {
        const struct ts_guard *g = &d->units[i]->guard;
        bool blind = s->why == TS_WHY_UNVERIFIED && s->detail[0] == '\0';
        ts_reason_text(s->why, blind ? g->last.text : s->detail, out, size);
    }
}

json_t *ts_status_service(struct ts_daemon *d, size_t i)
{
    const struct ts_svc *s = ts_super_state(d->super, i);
    const struct ts_svc_spec *spec = ts_super_spec(d->super, i);
    const struct ts_unit *u = d->units[i];
    char detail[TS_TEXT_MAX * 2];
    char next[TS_TEXT_MAX];
    detail_of(d, i, detail, sizeof(detail));
    ts_machine_next(spec, ts_super_env(d->super, i), s, ts_loop_now(d->loop), next, sizeof(next));
    json_t *deps = json_array();
    for (size_t k = 0; k < spec->dep_count; k++) {
        (void)json_array_append_new(deps, json_string(spec->deps[k]));
    }
    json_t *probes = json_array();
    for (size_t k = 0; k < spec->probe_count; k++) {
        (void)json_array_append_new(probes, probe_of(d, s, &spec->probes[k], &s->probes[k]));
    }
    return json_pack("{s:s, s:o, s:s, s:b, s:b, s:s, s:o, s:s, s:o, s:o, s:I, s:I, s:I, s:o, s:o, "
                     "s:o, s:o}",
                     "name", spec->name, "container", text(u->known ? u->container.name : ""),
                     "state", ts_phase_name(s->phase), "ready", s->phase == TS_PHASE_READY, "held",
                     (int)s->held, "wanted", wanted_name(s), "since",
                     time_of_mono(d, s->entered_at), "reason", ts_why_name(s->why), "detail",
                     text(detail), "next", text(next), "restarts", (json_int_t)s->restarts_total,
                     "attempt", (json_int_t)ts_machine_attempts(spec, s, ts_loop_now(d->loop)),
                     "attempts_max", (json_int_t)spec->budget, "depends_on", deps, "image",
                     text(u->known ? u->container.image : ""), "address",
                     text(u->watching ? u->address : ""), "probes", probes);
}

struct tally {
    size_t wanted;
    size_t ready;
    size_t blocked;
    size_t failed;
    size_t trouble; /* not ready, absent, back-off */
    size_t starting;
};

static struct tally count(struct ts_daemon *d)
{
    struct tally t = {0};
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (s->phase == TS_PHASE_BLOCKED) {
            t.blocked++;
        }
        if (s->phase == TS_PHASE_FAILED) {
            t.failed++;
        }
        if (s->wanted != TS_WANTED_UP) {
            continue;
        }
        t.wanted++;
        t.ready += s->phase == TS_PHASE_READY;
        t.starting += s->phase == TS_PHASE_STARTING || s->phase == TS_PHASE_WAITING ||
                      s->phase == TS_PHASE_UNKNOWN;
    }
    return t;
}

const char *ts_status_state(struct ts_daemon *d)
{
    struct tally t = count(d);
    if (d->unit_count == 0) {
        return d->link.up ? "empty" : "engine-down";
    }
    if (t.blocked > 0) {
        return "blocked";
    }
    if (t.failed > 0) {
        return "failed";
    }
    if (!d->link.up) {
        return "engine-down";
    }
    if (t.wanted == 0) {
        return "stopped";
    }
    if (t.ready == t.wanted) {
        return "ready";
    }
    return t.ready + t.starting == t.wanted ? "starting" : "degraded";
}

void ts_status_line(struct ts_daemon *d, char *out, size_t size)
{
    struct tally t = count(d);
    int n =
        snprintf(out, size, "%s: %zu of %zu services ready", ts_status_state(d), t.ready, t.wanted);
    for (size_t i = 0; i < d->unit_count && n > 0 && (size_t)n < size; i++) {
        const struct ts_svc *s = ts_super_state(d->super, i);
        if (s->phase != TS_PHASE_READY) {
            n += snprintf(out + n, size - (size_t)n, ", %s %s", d->units[i]->service,
                          ts_phase_name(s->phase));
        }
    }
    if (ts_move_is_on(d) && n > 0 && (size_t)n < size) {
        char move[TS_MOVE_TEXT];
        ts_move_line(d, move, sizeof(move));
        (void)snprintf(out + n, size - (size_t)n, "; %s", move);
    }
}

static json_t *channels_of(struct ts_daemon *d)
{
    static const char *const states[] = {"ok", "delayed", "refused"};
    json_t *list = json_array();
    for (size_t i = 0; i < ts_sender_channel_count(d->sender); i++) {
        struct ts_channel_status c = ts_sender_status(d->sender, i);
        (void)json_array_append_new(list,
                                    json_pack("{s:s, s:s, s:s, s:I, s:o}", "name", c.name, "kind",
                                              c.kind, "state", states[c.state], "pending",
                                              (json_int_t)c.pending, "detail", text(c.detail)));
    }
    return list;
}

json_t *ts_status_all(struct ts_daemon *d)
{
    char line[400];
    json_t *services = json_array();
    ts_status_line(d, line, sizeof(line));
    for (size_t i = 0; i < d->unit_count; i++) {
        (void)json_array_append_new(services, ts_status_service(d, i));
    }
    json_t *engine = json_pack("{s:s, s:b, s:o, s:o, s:o}", "address", ts_engine_address(d->engine),
                               "up", (int)d->link.up, "since", time_of(d->link.since), "version",
                               text(d->link.version), "detail", text(d->link.detail));
    json_t *store = json_pack("{s:b, s:s}", "ok", !d->store_told, "detail",
                              d->store_told ? "cannot be written; state is kept in memory" : "");
    return json_pack("{s:s, s:o, s:s, s:s, s:s, s:o, s:o, s:o, s:o, s:s, s:o, s:o}", "state",
                     ts_status_state(d), "summary", text(line), "project", d->model->project,
                     "mode", d->released ? "released" : "supervise", "version", TS_VERSION,
                     "started", time_of(d->started), "engine", engine, "store", store, "alerts",
                     channels_of(d), "window", d->window_name, "move", ts_move_json(d), "services",
                     services);
}
