/* Checks of the services: their state, safety, images, networks, and the file they come from. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/parse.h"
#include "doctor/doctor.h"

#define OFTEN 3 /* restarts within the budget's window that are worth a word */

static struct ts_checkup_unit *unit_at(struct ts_exam *x, size_t i)
{
    return i < x->c->unit_count ? &x->c->units[i] : NULL;
}

void ts_check_seen(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        if (x->d->link.up && u->has_container && (!u->seen || !u->log_read)) {
            const struct ts_say say = {"unseen",
                                       TS_GRADE_UNKNOWN,
                                       u,
                                       {0},
                                       u->seen
                                           ? "%s's log cannot be read, so its signs are not known"
                                           : "%s's container cannot be looked at",
                                       "tradestackctl status; is the engine busy? docker ps"};
            ts_exam_tell(x, &say, "%s", u->problem[0] != '\0' ? u->problem : "no answer in time");
        }
    }
}

/* --- the state that the machine is in */

static const struct state_row {
    enum ts_phase phase;
    enum ts_why why; /* TS_WHY_COUNT: any other */
    const char *id;  /* NULL: nothing to tell */
    enum ts_grade grade;
    const char *what;
    const char *cure;
} state_rows[] = {
    {TS_PHASE_ABSENT, TS_WHY_COUNT, "missing-container", TS_GRADE_ERROR,
     "%s has no container: it was removed, or never created",
     "tradestackctl up (makes it anew from its snapshot), or tradestackctl up --file "
     "docker-compose.yml"},
    {TS_PHASE_STOPPED, TS_WHY_COMPLETED, NULL, TS_GRADE_PASS, "", ""},
    {TS_PHASE_STOPPED, TS_WHY_NOT_STARTED, "not-started", TS_GRADE_WARNING,
     "%s does not run, because nobody has asked for it", "tradestackctl up"},
    {TS_PHASE_STOPPED, TS_WHY_COUNT, "stopped", TS_GRADE_WARNING,
     "%s is stopped, because an operator asked for that", "tradestackctl start %s"},
    {TS_PHASE_WAITING, TS_WHY_COUNT, "waiting", TS_GRADE_WARNING, "%s waits before it is started",
     "tradestackctl status says for what; that is mended first"},
    {TS_PHASE_STARTING, TS_WHY_COUNT, "starting", TS_GRADE_NOTE, "%s is starting and not ready yet",
     ""},
    {TS_PHASE_NOT_READY, TS_WHY_PAUSED, "paused", TS_GRADE_ERROR,
     "somebody paused %s's container: it answers nothing", "docker unpause %c"},
    {TS_PHASE_NOT_READY, TS_WHY_TWOFA, "second-factor", TS_GRADE_WARNING,
     "%s waits for the second factor", "confirm it in IBKR Mobile"},
    {TS_PHASE_NOT_READY, TS_WHY_COUNT, "not-ready", TS_GRADE_ERROR,
     "%s runs, but a probe says that it cannot be used", "tradestackctl logs %s"},
    {TS_PHASE_BACKOFF, TS_WHY_COUNT, "restarting", TS_GRADE_ERROR,
     "%s died and is started again after a pause", "tradestackctl logs %s"},
    {TS_PHASE_STOPPING, TS_WHY_COUNT, "stopping", TS_GRADE_NOTE, "%s is being stopped", ""},
    {TS_PHASE_FAILED, TS_WHY_BUDGET, "crash-loop", TS_GRADE_ERROR,
     "%s died again and again, and is not started any more",
     "tradestackctl logs %s; mend the cause; tradestackctl reset %s"},
    {TS_PHASE_FAILED, TS_WHY_LOGIN_FAILED, "logins-refused", TS_GRADE_ERROR,
     "IB refuses %s's logins; it was stopped before the account is locked",
     "mend IBKR_USERNAME and IBKR_PASSWORD in .env, tradestackctl up %f, tradestackctl reset "
     "%s"},
    {TS_PHASE_FAILED, TS_WHY_LOCKED_OUT, "account-locked", TS_GRADE_ERROR,
     "the account is locked after failed logins, and %s was stopped",
     "wait until IB lets it in again, mend the credentials, tradestackctl reset %s"},
    {TS_PHASE_FAILED, TS_WHY_START_FAILED, "start-failed", TS_GRADE_ERROR,
     "the engine cannot start %s", "mend what the engine says; tradestackctl reset %s"},
    {TS_PHASE_FAILED, TS_WHY_FATAL_CONFIG, "settings-refused", TS_GRADE_ERROR,
     "%s refuses its own settings",
     "tradestackctl logs %s; mend .env; tradestackctl up %f; tradestackctl reset %s"},
    {TS_PHASE_FAILED, TS_WHY_COUNT, "failed", TS_GRADE_ERROR, "%s has failed and is given up",
     "tradestackctl logs %s; mend the cause; tradestackctl reset %s"},
    {TS_PHASE_HELD, TS_WHY_PAUSED, "paused", TS_GRADE_ERROR,
     "somebody paused %s's container: it answers nothing", "docker unpause %c"},
    {TS_PHASE_HELD, TS_WHY_MANUAL_STOP, "stopped-by-hand", TS_GRADE_ERROR,
     "somebody stopped %s's container by hand, and that is respected", "tradestackctl start %s"},
    {TS_PHASE_HELD, TS_WHY_COUNT, "held", TS_GRADE_WARNING,
     "an operator holds %s: it is not looked after", "tradestackctl unhold %s"},
    {TS_PHASE_BLOCKED, TS_WHY_COUNT, "blocked", TS_GRADE_ERROR,
     "the safety rules keep %s from running", "tradestackctl safety"},
    {TS_PHASE_UNKNOWN, TS_WHY_COUNT, "not-known", TS_GRADE_UNKNOWN, "%s has not been looked at yet",
     "tradestackctl status, in a moment"},
};

static const struct state_row *row_of(const struct ts_svc *s)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(state_rows); i++) {
        const struct state_row *row = &state_rows[i];
        enum ts_why why = s->paused ? TS_WHY_PAUSED : s->why;
        if (row->phase == s->phase && (row->why == why || row->why == TS_WHY_COUNT)) {
            return row;
        }
    }
    return NULL;
}

/* One that runs keeps its state while it is held. */
static void check_hold(struct ts_exam *x, const struct ts_checkup_unit *u)
{
    const struct ts_svc *s = ts_checkup_state(u);
    if (s->held && s->hold_why == TS_WHY_HOLD && s->phase != TS_PHASE_HELD && !x->d->released) {
        const struct ts_say say = {"held",
                                   TS_GRADE_WARNING,
                                   u,
                                   {0},
                                   "an operator holds %s: it is not looked after",
                                   "tradestackctl unhold %s"};
        ts_exam_tell(x, &say, "tradestackctl hold was the last word; it is %s",
                     ts_phase_name(s->phase));
    }
}

void ts_check_states(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        const struct ts_svc *s = ts_checkup_state(u);
        const struct state_row *row = row_of(s);
        char text[TS_DETAIL_MAX * 3];
        check_hold(x, u);
        if (row == NULL || row->id == NULL) {
            continue;
        }
        const struct ts_say say = {row->id,   row->grade, u, ts_doctor_since(u),
                                   row->what, row->cure};
        ts_reason_text(s->why, s->detail, text, sizeof(text));
        ts_exam_tell(x, &say, "%s: %s%s%s", ts_phase_name(s->phase), text,
                     u->container.error[0] != '\0' ? "; the engine: " : "", u->container.error);
    }
}

void ts_check_memory(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        const struct ts_svc *s = ts_checkup_state(u);
        if ((u->seen && u->container.oom_killed) || s->oom) {
            const struct ts_say say = {
                "out-of-memory",
                TS_GRADE_ERROR,
                u,
                u->container.finished_at,
                "the kernel killed %s because it used more memory than it may",
                "give it more (mem_limit in the compose file; JAVA_HEAP_SIZE for the gateway), "
                "then tradestackctl up %f"};
            ts_exam_tell(x, &say, "State.OOMKilled, exit status %lld, memory limit %lld MB",
                         (long long)u->container.exit_code,
                         (long long)ts_json_i64_or(u->inspect, "HostConfig.Memory", 0) / 1000000);
        }
    }
}

void ts_check_restarts(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        const struct ts_svc_spec *spec = ts_checkup_spec(u);
        const struct ts_svc *s = ts_checkup_state(u);
        uint32_t n = ts_machine_attempts(spec, s, ts_loop_now(x->d->loop));
        char span[TS_SPAN_TEXT];
        if (n >= OFTEN && s->phase != TS_PHASE_FAILED) {
            const struct ts_say say = {"restarts-often",
                                       TS_GRADE_WARNING,
                                       u,
                                       {0},
                                       "%s had to be restarted several times lately",
                                       "tradestackctl events --since 1d; tradestackctl logs %s"};
            ts_span_format(spec->budget_window_ms, span);
            ts_exam_tell(x, &say, "%u restarts within %s; %u are allowed", n, span, spec->budget);
        }
    }
}

/* What a failing probe means, beyond its own words. */
static const char *cure_of_probe(enum ts_probe_reason reason)
{
    switch (reason) {
    case TS_PR_CLOSED:
    case TS_PR_NOT_LOGGED_IN:
        return "tradestackctl logs %s: has the login completed? does it wait for something?";
    case TS_PR_SILENT: return "tradestackctl restart %s (the API hangs)";
    case TS_PR_UPSTREAM_DOWN: return "nothing here: IB's servers are away; see IB's status page";
    case TS_PR_CLIENT_ID:
        return "another program uses our client id: set client_id in [probe %s/…] and reload";
    case TS_PR_LIVE_ACCOUNT: return "log the gateway in with the paper user; tradestackctl safety";
    case TS_PR_NO_ADDRESS: return "publish the port in the compose file, or set host in the probe";
    default: return "tradestackctl logs %s";
    }
}

void ts_check_probes(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        const struct ts_svc_spec *spec = ts_checkup_spec(u);
        const struct ts_svc *s = ts_checkup_state(u);
        for (size_t p = 0; ts_machine_watches(s) && p < spec->probe_count; p++) {
            const struct ts_probe_state *state = &s->probes[p];
            if (state->verdict != TS_VERDICT_FAIL || ts_probe_reason_ready(state->reason)) {
                continue;
            }
            ts_wall since = {ts_loop_wall(x->d->loop).ms -
                             ts_mono_diff(state->since, ts_loop_now(x->d->loop))};
            const struct ts_say say = {
                "probe-failing", TS_GRADE_ERROR,        u,
                since,           "a probe of %s fails", cure_of_probe(state->reason)};
            ts_exam_tell(x, &say, "probe %s (%s), %s: %s%s%s", spec->probes[p].name,
                         ts_probe_kind_name(spec->probes[p].kind),
                         ts_probe_reason_name(state->reason), ts_probe_reason_text(state->reason),
                         state->detail[0] != '\0' ? ": " : "", state->detail);
        }
    }
}

/* --- safety: the interlock's own verdicts */

void ts_check_safety(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; (u = unit_at(x, i)) != NULL; i++) {
        struct ts_judgement j;
        char cure[TS_REMARK_CURE];
        if (!u->unit->known || u->unit->id[0] == '\0') {
            continue;
        }
        ts_guard_judge(u->unit, &j);
        for (unsigned r = 0; r < TS_RULE_COUNT; r++) {
            char id[TS_REMARK_ID];
            bool fails = j.rules[r].finding == TS_FINDING_FAIL;
            bool unknown = j.rules[r].finding == TS_FINDING_UNKNOWN && ts_checkup_runs(u) &&
                           ts_checkup_spec(u)->guarded;
            (void)snprintf(id, sizeof(id), "safety-%s", ts_rule_name((enum ts_rule)r));
            ts_guard_cure_rule(u->unit, (enum ts_rule)r, cure, sizeof(cure));
            const struct ts_say say = {id,
                                       fails ? TS_GRADE_ERROR : TS_GRADE_WARNING,
                                       u,
                                       {0},
                                       fails ? "%s breaks a safety rule"
                                             : "a safety rule of %s cannot be judged now",
                                       cure[0] != '\0' ? cure : "tradestackctl safety"};
            if (fails || unknown) {
                ts_exam_tell(x, &say, "%s (required: %s)", j.rules[r].text,
                             ts_rule_text((enum ts_rule)r));
            }
        }
    }
}

/* --- images */

static const json_t *image_with_id(const json_t *images, const char *id)
{
    size_t i;
    json_t *v;
    json_array_foreach(images, i, v)
    {
        if (strcmp(ts_json_str_or(v, "Id", ""), id) == 0) {
            return v;
        }
    }
    return NULL;
}

static const json_t *image_with_tag(const json_t *images, const char *name)
{
    char full[TS_ENGINE_NAME + 8];
    const char *slash = strrchr(name, '/');
    bool tagged = strchr(slash != NULL ? slash : name, ':') != NULL;
    size_t i;
    size_t k;
    json_t *v;
    json_t *tag;
    (void)snprintf(full, sizeof(full), "%s%s", name, tagged ? "" : ":latest");
    json_array_foreach(images, i, v)
    {
        json_array_foreach(json_object_get(v, "RepoTags"), k, tag)
        {
            if (json_is_string(tag) && strcmp(json_string_value(tag), full) == 0) {
                return v;
            }
        }
    }
    return NULL;
}

static void check_image(struct ts_exam *x, const struct ts_checkup_unit *u)
{
    const char *name = u->container.image;
    bool named = strncmp(name, "sha256:", 7) != 0 && strchr(name, '@') == NULL;
    const json_t *tagged = named ? image_with_tag(x->c->images, name) : NULL;
    if (image_with_id(x->c->images, u->container.image_id) == NULL) {
        const struct ts_say say = {
            "image-missing",
            TS_GRADE_ERROR,
            u,
            {0},
            "the image that %s's container was made from is gone: it cannot be made anew, nor be "
            "started on some engines",
            "docker pull the image, or stack/images/build.sh; then tradestackctl up %f"};
        ts_exam_tell(x, &say, "the engine has no image %.19s (%s)", u->container.image_id, name);
    } else if (named && tagged == NULL) {
        const struct ts_say say = {
            "image-untagged",
            TS_GRADE_WARNING,
            u,
            {0},
            "the name of %s's image is not known to the engine any more: the next "
            "`tradestackctl up --file` must find it anew",
            "docker pull the image, or stack/images/build.sh"};
        ts_exam_tell(x, &say, "no image is called %s; the container uses %.19s", name,
                     u->container.image_id);
    } else if (named && strcmp(ts_json_str_or(tagged, "Id", ""), u->container.image_id) != 0) {
        const struct ts_say say = {"image-moved",
                                   TS_GRADE_NOTE,
                                   u,
                                   {0},
                                   "%s runs from an older image than its name means by now",
                                   "tradestackctl up %f takes the new one"};
        ts_exam_tell(x, &say, "%s is %.19s, the container uses %.19s", name,
                     ts_json_str_or(tagged, "Id", ""), u->container.image_id);
    }
}

void ts_check_images(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; x->c->images != NULL && (u = unit_at(x, i)) != NULL; i++) {
        if (u->seen && u->container.image_id[0] != '\0') {
            check_image(x, u);
        }
    }
}

/* --- networks */

static bool share_a_network(const struct ts_checkup_unit *a, const struct ts_checkup_unit *b)
{
    for (size_t i = 0; i < a->container.network_count; i++) {
        for (size_t k = 0; k < b->container.network_count; k++) {
            if (strcmp(a->container.networks[i].name, b->container.networks[k].name) == 0) {
                return true;
            }
        }
    }
    return false;
}

static void list_networks(const struct ts_checkup_unit *u, struct ts_buf *out)
{
    (void)ts_buf_addf(out, "%s%s is on", out->len > 0 ? "; " : "", u->service);
    for (size_t i = 0; i < u->container.network_count; i++) {
        (void)ts_buf_addf(out, "%s %s", i > 0 ? "," : "", u->container.networks[i].name);
    }
    if (u->container.network_count == 0) {
        (void)ts_buf_adds(out, " no network");
    }
}

void ts_check_networks(struct ts_exam *x)
{
    const struct ts_checkup_unit *gateway = ts_checkup_role(x->c, TS_ROLE_GATEWAY);
    const struct ts_checkup_unit *u;
    for (size_t i = 0; gateway != NULL && gateway->seen && (u = unit_at(x, i)) != NULL; i++) {
        bool needs_it = u->role == TS_ROLE_BOT || u->role == TS_ROLE_MONITOR;
        struct ts_buf text = ts_buf_init(1024);
        if (!needs_it || !u->seen || share_a_network(u, gateway)) {
            continue;
        }
        const struct ts_say say = {
            "network",
            u->role == TS_ROLE_BOT ? TS_GRADE_ERROR : TS_GRADE_WARNING,
            u,
            {0},
            "%s and the gateway have no network in common, so it cannot reach it",
            "give both the same `networks:` in the compose file, tradestackctl up %f; for "
            "now: docker network connect"};
        list_networks(u, &text);
        list_networks(gateway, &text);
        ts_exam_tell(x, &say, "%s", ts_buf_text(&text));
        ts_buf_done(&text);
    }
}

/* --- restart policies, drift */

void ts_check_policies(struct ts_exam *x)
{
    const struct ts_checkup_unit *u;
    for (size_t i = 0; !x->d->released && (u = unit_at(x, i)) != NULL; i++) {
        const char *policy = u->container.policy.name;
        if (u->seen && policy[0] != '\0' && strcmp(policy, "no") != 0) {
            const struct ts_say say = {
                "restart-policy",
                TS_GRADE_WARNING,
                u,
                {0},
                "the engine would restart %s by itself, uncounted and past the safety rules",
                "docker update --restart=no %c (tradestackd does so at its next look)"};
            ts_exam_tell(x, &say, "container %s has restart policy %s", u->container.name, policy);
        }
    }
}

/* A service of the file: has it a container, and is that made from it? */
static void check_service_of_file(struct ts_exam *x, const char *service, const char *hash,
                                  const char *names)
{
    const struct ts_checkup_unit *u = ts_checkup_service(x->c, service);
    if (u == NULL || !u->has_container) {
        const struct ts_say say = {"not-created",
                                   TS_GRADE_WARNING,
                                   u,
                                   {0},
                                   "the compose file has a service that has no container",
                                   "tradestackctl up --file and that file"};
        ts_exam_tell(x, &say, "service %.60s of %.200s", service, names);
    } else if (u->seen && u->container.config_hash[0] != '\0' &&
               strcmp(u->container.config_hash, hash) != 0) {
        const struct ts_say say = {
            "drift",
            TS_GRADE_WARNING,
            u,
            {0},
            "%s's container is not what the compose file and its variables say now",
            "tradestackctl up %f makes it so; or undo the change"};
        ts_exam_tell(x, &say, "Compose's hash of %.160s is %.12s, the container's %.12s", names,
                     hash, u->container.config_hash);
    }
}

void ts_check_drift(struct ts_exam *x)
{
    const json_t *files = ts_json_at(x->c->facts, "files");
    json_t *hashes = ts_json_at(files, "hashes");
    const char *names = ts_json_str_or(files, "names", "the compose file");
    const char *problem = ts_json_str_or(files, "problem", "");
    const struct ts_checkup_unit *u;
    const char *service;
    json_t *hash;
    if (problem[0] != '\0') {
        const struct ts_say say = {
            "file-unreadable",
            TS_GRADE_WARNING,
            NULL,
            {0},
            "the compose file cannot be compared with what runs; `tradestackctl up --file` would "
            "fail too",
            "mend the file, or name it: tradestackctl doctor %f"};
        ts_exam_tell(x, &say, "%.160s: %.300s", names, problem);
    }
    json_object_foreach(hashes, service, hash)
    {
        if (json_is_string(hash)) {
            check_service_of_file(x, service, json_string_value(hash), names);
        }
    }
    for (size_t i = 0; json_object_size(hashes) > 0 && (u = unit_at(x, i)) != NULL; i++) {
        if (u->has_container && json_object_get(hashes, u->service) == NULL) {
            const struct ts_say say = {
                "orphan",
                TS_GRADE_WARNING,
                u,
                {0},
                "%s has a container, but the compose file has no such "
                "service",
                "tradestackctl up --file removes it, or name the right file"};
            ts_exam_tell(x, &say, "%.200s", names);
        }
    }
}

/* --- what the health monitor sees */

void ts_check_monitor(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = ts_checkup_role(x->c, TS_ROLE_MONITOR);
    for (size_t i = 0; u != NULL && ts_checkup_runs(u) && i < u->monitor_count; i++) {
        const struct ts_monitor_seen *seen = &u->monitor[i];
        if (strcmp(seen->status, "unhealthy") == 0) {
            char at[TS_WALL_TEXT];
            const struct ts_say say = {"monitor-sees-trouble",
                                       TS_GRADE_WARNING,
                                       u,
                                       seen->at,
                                       "the health monitor, which looks from inside the network, "
                                       "finds something unhealthy",
                                       "tradestackctl status; tradestackctl logs %s"};
            ts_wall_format(seen->at, at);
            ts_exam_tell(x, &say, "component %s: unhealthy (%s), said at %s", seen->component,
                         seen->reason, at);
        }
    }
}
