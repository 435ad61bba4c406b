/* See guard.h. */
#include "guard/guard.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

#define LOG_SETTLED_MS 5000
#define UNGUARDED_MS   30000 /* containers are created one after the other */
#define LOOK_MAX_MS    60000 /* wall clocks are set: approvals are looked at this often */

void ts_guard_init(struct ts_guard *g)
{
    memset(g, 0, sizeof(*g));
    g->plan_failed = TS_NEVER;
    g->log_lost = TS_NEVER;
    g->blind_since = TS_NEVER;
}

/* --- a container's settings */

static const char *const watched_names[] = {"DRY_RUN", "TRADING_MODE"};

static void env_fact(const json_t *inspect, const char *name, struct ts_env_fact *ret,
                     bool *ret_readable)
{
    struct ts_error err;
    const char *value = NULL;
    *ret_readable = ts_container_env(inspect, name, &value, &err) && *ret_readable;
    ret->is_set = value != NULL;
    /* Cut or not, "true" must not be what is left of a longer value. */
    if (value != NULL && !ts_copy(ret->value, sizeof(ret->value), value)) {
        (void)snprintf(ret->value, sizeof(ret->value), "%.*s...", (int)sizeof(ret->value) - 4,
                       value);
    }
}

/* Does a program that is less strict than we are read this name as the other one? */
static bool resembles(const char *name, size_t n, const char *want)
{
    char plain[TS_NAME_MAX] = "";
    size_t k = 0;
    for (size_t i = 0; i < n && k < sizeof(plain) - 1; i++) {
        bool dash = name[i] == '-' || name[i] == '.';
        plain[k] = dash ? '_' : (char)toupper((unsigned char)name[i]);
        k += isspace((unsigned char)name[i]) ? 0 : 1;
    }
    plain[k] = '\0';
    return strcmp(plain, want) == 0;
}

static void look_for_doubles(const json_t *env, const char *want, struct ts_box_facts *ret)
{
    size_t count = 0;
    for (size_t i = 0; i < json_array_size(env); i++) {
        const char *entry = json_string_value(json_array_get(env, i));
        size_t n = entry == NULL ? 0 : strcspn(entry, "=");
        if (n == 0 || !resembles(entry, n, want)) {
            continue;
        }
        if (n != strlen(want) || strncmp(entry, want, n) != 0) {
            (void)snprintf(ret->oddity, sizeof(ret->oddity),
                           "the variable \"%.*s\" looks like %s and is not", (int)(n < 40 ? n : 40),
                           entry, want);
        } else if (++count > 1) {
            (void)snprintf(ret->oddity, sizeof(ret->oddity), "%s is set twice", want);
        }
    }
}

static bool mentions(const char *text, const char *word)
{
    size_t n = strlen(word);
    for (; text != NULL && *text != '\0'; text++) {
        if (strncasecmp(text, word, n) == 0) {
            return true;
        }
    }
    return false;
}

/* A command line that sets a variable itself would make the environment meaningless. */
static void look_at_command(const json_t *inspect, const char *want, struct ts_box_facts *ret)
{
    const json_t *args = ts_json_at(inspect, "Args");
    bool found = mentions(ts_json_str_or(inspect, "Path", ""), want);
    for (size_t i = 0; i < json_array_size(args) && !found; i++) {
        found = mentions(json_string_value(json_array_get(args, i)), want);
    }
    if (found) {
        (void)snprintf(ret->oddity, sizeof(ret->oddity), "its command line speaks of %s", want);
    }
}

/* Does the folder hold the path? */
static bool holds(const char *folder, const char *path)
{
    size_t n = strlen(folder);
    while (n > 1 && folder[n - 1] == '/') {
        n--;
    }
    return n == 1 || (strncmp(path, folder, n) == 0 && (path[n] == '/' || path[n] == '\0'));
}

/* Nobody but the container sees into a tmpfs: a gameplan there would count as none. */
static void look_for_hiding_places(const json_t *inspect, const char *gameplan,
                                   struct ts_box_facts *ret)
{
    const char *folder;
    json_t *v;
    size_t i;
    bool hidden = false;
    json_object_foreach(ts_json_at(inspect, "HostConfig.Tmpfs"), folder, v)
    {
        hidden = hidden || holds(folder, gameplan);
    }
    json_array_foreach(ts_json_at(inspect, "Mounts"), i, v)
    {
        hidden = hidden || (strcmp(ts_json_str_or(v, "Type", ""), "tmpfs") == 0 &&
                            holds(ts_json_str_or(v, "Destination", ""), gameplan));
    }
    if (hidden) {
        (void)snprintf(ret->oddity, sizeof(ret->oddity),
                       "%.80s lies in a tmpfs, where nobody could see a gameplan", gameplan);
    }
}

void ts_guard_box(const json_t *inspect, const char *gameplan, struct ts_box_facts *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->seen = true;
    ret->readable = true;
    env_fact(inspect, "DRY_RUN", &ret->dry_run, &ret->readable);
    env_fact(inspect, "TRADING_MODE", &ret->mode, &ret->readable);
    for (size_t i = 0; i < TS_ARRAY_LEN(watched_names); i++) {
        look_for_doubles(ts_json_at(inspect, "Config.Env"), watched_names[i], ret);
        look_at_command(inspect, watched_names[i], ret);
    }
    if (gameplan[0] != '\0') {
        look_for_hiding_places(inspect, gameplan, ret);
    }
    ts_copy_cut(ret->log_driver, sizeof(ret->log_driver),
                ts_json_str_or(inspect, "HostConfig.LogConfig.Type", ""));
}

void ts_guard_saw(struct ts_unit *u, const json_t *inspect)
{
    const struct ts_svc_spec *spec = ts_super_spec(u->daemon->super, u->index);
    ts_guard_box(inspect, spec->guarded ? spec->gameplan : "", &u->guard.box);
    u->guard.box_at = ts_loop_wall(u->daemon->loop);
}

/* What a gateway said of itself in a run that is over holds no bot back; its new run speaks for
 * itself. A bot that was stopped for it stays latched. */
static void forget_lines_of(const struct ts_unit *u)
{
    for (size_t i = 0; i < u->daemon->unit_count; i++) {
        struct ts_guard *g = &u->daemon->units[i]->guard;
        if (strcmp(g->log_from, u->service) == 0) {
            g->log_line[0] = '\0';
        }
    }
}

void ts_guard_new_run(struct ts_unit *u)
{
    struct ts_guard *g = &u->guard;
    forget_lines_of(u);
    g->accounts[0] = '\0';
    g->accounts_cut = false;
    g->accounts_live = false;
    g->log_line[0] = '\0';
    g->log_lost = TS_NEVER;
    g->told_trip = false;
    g->told_suspend = false;
    g->plan_due = ts_loop_now(u->daemon->loop);
    ts_guard_touch(u->daemon);
}

/* --- accounts and log */

bool ts_guard_is_gateway(const struct ts_unit *u)
{
    return ts_model_is_gateway(ts_super_spec(u->daemon->super, u->index));
}

void ts_guard_saw_accounts(struct ts_unit *u, const struct ts_probe_result *result)
{
    struct ts_guard *g = &u->guard;
    struct ts_daemon *d = u->daemon;
    bool held = result->accounts[0] != '\0' &&
                (result->reason == TS_PR_OK || result->reason == TS_PR_LIVE_ACCOUNT ||
                 result->reason == TS_PR_UPSTREAM_DOWN);
    bool changed = held != g->accounts_live;
    if (!held && g->accounts_live) {
        g->accounts_lost = ts_loop_now(d->loop);
    }
    g->accounts_live = held;
    if (result->accounts[0] != '\0') {
        changed = changed || strcmp(g->accounts, result->accounts) != 0;
        ts_copy_cut(g->accounts, sizeof(g->accounts), result->accounts);
        g->accounts_cut = result->accounts_cut;
        g->accounts_at = ts_loop_wall(d->loop);
    }
    if (changed) {
        ts_guard_touch(d);
    }
}

void ts_guard_tripwire(struct ts_unit *u, const char *line)
{
    struct ts_daemon *d = u->daemon;
    bool guarded = ts_super_spec(d->super, u->index)->guarded;
    for (size_t i = 0; i < d->unit_count; i++) {
        struct ts_unit *it = d->units[i];
        /* What a gateway says concerns every bot. */
        bool meant = guarded ? it == u : ts_super_spec(d->super, i)->guarded;
        if (meant && it->guard.log_line[0] == '\0') {
            char text[TS_NAME_MAX + TS_DETAIL_MAX];
            (void)snprintf(text, sizeof(text), "%s%s%.150s", it == u ? "" : u->service,
                           it == u ? "" : ": ", line);
            ts_detail_copy(it->guard.log_line, text);
            ts_copy_cut(it->guard.log_from, sizeof(it->guard.log_from), u->service);
            it->guard.log_at = ts_loop_wall(d->loop);
            ts_guard_pronounce(it);
        }
    }
}

/* --- facts and verdict */

static bool is_paper(const void *ctx, const char *account)
{
    return ts_model_is_paper(ctx, account);
}

static bool lasted(const struct ts_daemon *d, ts_mono since, int64_t ms)
{
    return since.ms != TS_NEVER.ms && ts_mono_diff(since, ts_loop_now(d->loop)) >= ms;
}

static bool is_running(const struct ts_unit *u)
{
    return u->known && u->id[0] != '\0' &&
           (u->container.status == TS_CONTAINER_RUNNING ||
            u->container.status == TS_CONTAINER_PAUSED);
}

static void gateway_facts(const struct ts_unit *u, bool needed, struct ts_gateway_facts *ret)
{
    const struct ts_guard *g = &u->guard;
    const struct ts_daemon *d = u->daemon;
    memset(ret, 0, sizeof(*ret));
    ts_copy_cut(ret->name, sizeof(ret->name), u->service);
    ret->needed = needed;
    ret->box = g->box;
    ret->box.seen = ts_unit_is_described(u);
    ts_copy_cut(ret->accounts, sizeof(ret->accounts), g->accounts);
    ret->accounts_cut = g->accounts_cut;
    ret->accounts_fresh =
        g->accounts[0] != '\0' &&
        (g->accounts_live || !lasted(d, g->accounts_lost, d->model->blind_after_ms));
}

/* Which gateways the service depends on; all, if it names none. */
static void needed_gateways(struct ts_daemon *d, const struct ts_unit *u, bool *needed)
{
    bool any = false;
    memset(needed, 0, d->unit_count * sizeof(*needed));
    if (u != NULL) {
        needed[u->index] = true;
        ts_plan_close_over_deps(ts_super_nodes(d->super), d->unit_count, needed);
        needed[u->index] = false;
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        any = any || (needed[i] && ts_guard_is_gateway(d->units[i]));
    }
    for (size_t i = 0; i < d->unit_count && !any; i++) {
        needed[i] = true;
    }
}

static void add_gateways(struct ts_daemon *d, const struct ts_unit *u, struct ts_guard_facts *ret)
{
    bool needed[TS_MAX_SERVICES];
    needed_gateways(d, u, needed);
    for (size_t i = 0; i < d->unit_count; i++) {
        if (d->units[i] == u || !ts_guard_is_gateway(d->units[i])) {
            continue;
        }
        if (ret->gateway_count == TS_GATEWAYS_MAX) {
            ret->gateways_cut = true;
            return;
        }
        gateway_facts(d->units[i], needed[i], &ret->gateways[ret->gateway_count++]);
    }
}

void ts_guard_facts(struct ts_daemon *d, struct ts_unit *u, struct ts_guard_facts *ret)
{
    memset(ret, 0, sizeof(*ret));
    ret->service = u != NULL ? u->service : "";
    ret->guarded = true;
    ret->plan.state = TS_PLAN_UNWATCHED;
    ret->is_paper = is_paper;
    ret->paper_ctx = d->model;
    ret->approvals = d->approvals;
    ret->approval_count = d->approval_count;
    ret->now = ts_guard_now(d);
    ret->trail = d->trail_state;
    ts_copy_cut(ret->trail_detail, sizeof(ret->trail_detail), d->trail_detail);
    if (u == NULL || ts_super_spec(d->super, u->index)->guarded) {
        add_gateways(d, u, ret);
    }
}

static void unit_facts(struct ts_unit *u, struct ts_guard_facts *ret)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_guard *g = &u->guard;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    ts_guard_facts(d, u, ret);
    ret->guarded = spec->guarded;
    ret->own = g->box;
    ret->own.seen = ts_unit_is_described(u);
    if (spec->gameplan[0] != '\0') {
        ret->plan = g->plan.state == TS_PLAN_UNWATCHED
                        ? (struct ts_plan_facts){.state = TS_PLAN_UNKNOWN}
                        : g->plan;
    }
    ts_copy_cut(ret->log_line, sizeof(ret->log_line), g->log_line);
    ts_copy_cut(ret->log_from, sizeof(ret->log_from), g->log_line[0] != '\0' ? g->log_from : "");
    bool settled = u->log != NULL && lasted(d, g->log_opened, LOG_SETTLED_MS);
    if (settled || !is_running(u)) { /* it stays open, though nothing is said; or it has ended */
        u->guard.log_lost = TS_NEVER;
    }
    ret->log_lost = lasted(d, g->log_lost, d->model->blind_after_ms);
}

void ts_guard_judge(struct ts_unit *u, struct ts_judgement *ret)
{
    struct ts_guard_facts facts;
    unit_facts(u, &facts);
    ts_interlock_judge(&facts, ret);
    u->guard.last = *ret;
    u->guard.judged_at = ts_loop_wall(u->daemon->loop);
    u->guard.judged = true;
}

void ts_guard_cure(struct ts_unit *u, char *out, size_t size)
{
    struct ts_guard_facts facts;
    struct ts_judgement now;
    unit_facts(u, &facts);
    ts_interlock_judge(&facts, &now);
    out[0] = '\0';
    if (now.overall != TS_FINDING_PASS) {
        ts_interlock_cure(now.rule, &facts, out, size);
    }
}

void ts_guard_cure_rule(struct ts_unit *u, enum ts_rule rule, char *out, size_t size)
{
    struct ts_guard_facts facts;
    unit_facts(u, &facts);
    out[0] = '\0';
    ts_interlock_cure(rule, &facts, out, size);
}

/* --- what follows */

/* Written down before it is acted upon: a daemon that is killed in between still knows. */
static void trip(struct ts_unit *u, const struct ts_judgement *j)
{
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    struct ts_obs obs = {.kind = TS_OBS_TRIP, .why = j->why};
    ts_detail_copy(obs.detail, j->text);
    if (!u->guard.told_trip) {
        u->guard.told_trip = true;
        json_t *data = json_pack("{s:s, s:s, s:s}", "rule", ts_rule_name(j->rule), "reason",
                                 ts_why_name(j->why), "container", u->id);
        const struct ts_trail_note note = {.event = "trip",
                                           .service = u->service,
                                           .outcome = "stopped",
                                           .text = j->text,
                                           .data = data};
        (void)ts_trail_add(d, &note, NULL, &err); /* a stop waits for no disk */
        json_decref(data);
        ts_memory_event(d, u->service, "safety.trip", j->text);
        ts_strays_look(d); /* what is wrong for it is wrong for its copies */
    }
    ts_unit_post(u, &obs);
}

static void suspend(struct ts_unit *u, const struct ts_judgement *j)
{
    struct ts_error err;
    struct ts_obs obs = {.kind = TS_OBS_SUSPEND, .why = j->why};
    if (!u->guard.told_suspend) {
        u->guard.told_suspend = true;
        const struct ts_trail_note note = {
            .event = "suspend", .service = u->service, .outcome = "stopped", .text = j->text};
        (void)ts_trail_add(u->daemon, &note, NULL, &err);
    }
    ts_detail_copy(obs.detail, j->text);
    ts_unit_post(u, &obs); /* again, if a stop had no effect */
}

/* Not all can be seen: for a while that is patience, then the configured answer. */
static void endure_blindness(struct ts_unit *u, const struct ts_judgement *j)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    bool wanted = s->wanted == TS_WANTED_UP && !s->held;
    if (u->guard.blind_since.ms == TS_NEVER.ms) {
        u->guard.blind_since = ts_loop_now(d->loop);
    }
    if (!lasted(d, u->guard.blind_since, d->model->blind_after_ms)) {
        return;
    }
    if (is_running(u) && (!s->verified || d->model->when_blind == TS_BLIND_STOP)) {
        suspend(u, j);
    }
    if (!u->guard.told_blind && (wanted || is_running(u)) && d->link.up) {
        u->guard.told_blind = true;
        ts_notice_blind(d, u->index, j->text);
    }
}

static void end_blindness(struct ts_unit *u)
{
    u->guard.blind_since = TS_NEVER;
    if (u->guard.told_blind) {
        u->guard.told_blind = false;
        ts_notice_blind(u->daemon, u->index, NULL);
    }
}

void ts_guard_pronounce(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    const struct ts_svc_spec *spec = ts_super_spec(d->super, u->index);
    const struct ts_svc *s = ts_super_state(d->super, u->index);
    struct ts_judgement j;
    if (!u->known) {
        return;
    }
    ts_guard_judge(u, &j);
    ts_super_set_blind(d->super, u->index, spec->guarded && j.overall == TS_FINDING_UNKNOWN);
    if (j.overall != TS_FINDING_UNKNOWN) {
        end_blindness(u);
    } else if (spec->guarded) {
        endure_blindness(u, &j);
    }
    if (is_running(u) && j.overall == TS_FINDING_FAIL) {
        trip(u, &j);
    } else if (is_running(u) && j.overall == TS_FINDING_PASS && !s->verified) {
        ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_VERIFIED});
    }
}

/* A section that names no service of the project guards nothing: a renamed bot would go unwatched.
 */
void ts_guard_listed(struct ts_daemon *d, size_t containers)
{
    bool any = containers == 0 || !d->model->require_guard;
    for (size_t i = 0; i < d->unit_count && !any; i++) {
        any = d->units[i]->id[0] != '\0' && ts_super_spec(d->super, i)->guarded;
    }
    if (any) {
        d->unguarded_since = TS_NEVER;
    } else if (d->unguarded_since.ms == TS_NEVER.ms) {
        d->unguarded_since = ts_loop_now(d->loop);
    }
    bool tell = lasted(d, d->unguarded_since, UNGUARDED_MS);
    if (tell != d->told_unguarded && (tell || any)) {
        d->told_unguarded = tell;
        ts_notice_unguarded(d, tell);
    }
}

/* --- time */

ts_wall ts_guard_now(struct ts_daemon *d)
{
    bool went_back = false;
    ts_wall now =
        ts_trusted_now(&d->trusted, ts_loop_wall(d->loop), ts_loop_now(d->loop), &went_back);
    d->clock_went_back = d->clock_went_back || went_back;
    return now;
}

static void sooner(ts_mono *next, ts_mono when)
{
    *next = ts_mono_min(*next, when);
}

/* When something of the unit is to be looked at again by time alone. */
static void next_of(struct ts_unit *u, ts_mono *next)
{
    const struct ts_guard *g = &u->guard;
    int64_t patience = u->daemon->model->blind_after_ms;
    if (ts_super_spec(u->daemon->super, u->index)->guarded) {
        if (g->plan_op == NULL && u->id[0] != '\0' && u->daemon->link.up) {
            sooner(next, g->plan_due);
        }
        if (g->blind_since.ms != TS_NEVER.ms && !g->told_suspend) {
            ts_mono due = ts_mono_add(g->blind_since, patience);
            sooner(next, due.ms > ts_loop_now(u->daemon->loop).ms ? due : TS_NEVER);
        }
        if (g->log_lost.ms != TS_NEVER.ms) {
            ts_mono due = ts_mono_add(g->log_lost, patience);
            sooner(next, due.ms > ts_loop_now(u->daemon->loop).ms ? due : TS_NEVER);
        }
    }
    if (g->accounts[0] != '\0' && !g->accounts_live) {
        ts_mono due = ts_mono_add(g->accounts_lost, patience);
        sooner(next, due.ms > ts_loop_now(u->daemon->loop).ms ? due : TS_NEVER);
    }
}

static void look(void *ctx)
{
    struct ts_daemon *d = ctx;
    ts_mono now = ts_loop_now(d->loop);
    ts_trail_retry(d);
    ts_wall expires = ts_approvals_look(d);
    for (size_t i = 0; i < d->unit_count; i++) {
        struct ts_unit *u = d->units[i];
        bool guarded = ts_super_spec(d->super, i)->guarded;
        if (guarded && u->id[0] != '\0' && d->link.up && ts_mono_reached(u->guard.plan_due, now)) {
            ts_plan_look(u);
        }
        ts_guard_pronounce(u);
    }
    ts_mono next = ts_mono_min(ts_mono_add(now, LOOK_MAX_MS), ts_trail_next(d));
    for (size_t i = 0; i < d->unit_count; i++) {
        next_of(d->units[i], &next);
    }
    if (expires.ms != 0) {
        int64_t left = expires.ms - ts_guard_now(d).ms;
        sooner(&next, ts_mono_add(now, left > 0 ? left : 1));
    }
    ts_timer_at(d->guard_timer, next);
}

void ts_guard_touch(struct ts_daemon *d)
{
    ts_timer_at(d->guard_timer, ts_loop_now(d->loop));
}

bool ts_guard_start(struct ts_daemon *d, struct ts_error *err)
{
    d->unguarded_since = TS_NEVER;
    d->guard_timer = ts_timer_new(d->loop, look, d, err);
    if (d->guard_timer == NULL) {
        return false;
    }
    /* Without a trail the gateway and the monitor are still looked after; what is guarded waits. */
    struct ts_error why;
    if (!ts_trail_open(d, &why)) {
        d->trail_state = TS_TRAIL_UNWRITABLE;
        ts_copy_cut(d->trail_detail, sizeof(d->trail_detail), why.msg);
        ts_notice_trail(d, why.msg);
    }
    ts_guard_settings(d);
    ts_guard_touch(d);
    return true;
}

void ts_guard_stop(struct ts_daemon *d)
{
    ts_strays_stop(d);
    ts_trail_close(d);
    free(d->approvals);
    d->approvals = NULL;
    d->approval_count = 0;
    ts_timer_free(d->guard_timer);
    d->guard_timer = NULL;
}
