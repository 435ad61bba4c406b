/* Checks of what the stack stands on: engine, Compose, disk, state, alerts, settings, boot. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "base/usual.h"
#include "config/config.h"
#include "core/versions.h"
#include "doctor/doctor.h"
#include "move/move.h"
#include "platform/files.h"

#define DISK_WARNING_PCT 10
#define DISK_ERROR_PCT   2
#define DISK_WARNING_LOW ((int64_t)1 << 30) /* of a large disk, ten percent are no trouble */
#define DISK_ERROR_LOW   ((int64_t)64 << 20)
#define PROBE_KEY        "doctor.written"

void ts_check_engine(struct ts_exam *x)
{
    struct ts_daemon *d = x->d;
    char what[TS_REMARK_WHAT];
    if (d->link.up) {
        return;
    }
    bool old = strstr(d->link.detail, "the engine speaks up to API") != NULL;
    (void)snprintf(what, sizeof(what), "%s",
                   old ? "the container engine is too old"
                       : "the container engine does not answer");
    const struct ts_say say = {old ? "engine-old" : "engine-down",
                               TS_GRADE_ERROR,
                               NULL,
                               d->link.since,
                               what,
                               old ? "install Docker 20.10 or newer" : TS_USUAL_ENGINE_START};
    ts_exam_tell(x, &say, "%s: %s", ts_engine_address(d->engine), d->link.detail);
}

void ts_check_engine_version(struct ts_exam *x)
{
    const char *why;
    enum ts_grade grade = x->c->described && !x->c->details.is_podman
                              ? ts_version_judge_engine(x->c->details.version, &why)
                              : TS_GRADE_PASS;
    if (grade == TS_GRADE_WARNING || grade == TS_GRADE_ERROR) {
        const struct ts_say say = {"engine-old",
                                   grade,
                                   NULL,
                                   {0},
                                   "the container engine is old",
                                   "install Docker 20.10 or newer"};
        ts_exam_tell(x, &say, "version %s: %s", x->c->details.version, why);
    }
}

void ts_check_compose(struct ts_exam *x)
{
    const json_t *compose = ts_json_at(x->c->facts, "compose");
    const char *version = ts_json_str_or(compose, "version", "");
    const char *problem = ts_json_str_or(compose, "problem", "");
    const char *why;
    if (problem[0] != '\0') {
        const struct ts_say say = {"compose-missing",
                                   TS_GRADE_WARNING,
                                   NULL,
                                   {0},
                                   "there is no docker compose here; what runs does not need it, "
                                   "`tradestackctl up --file` "
                                   "does",
                                   "install the Compose plug-in (docker-compose-plugin)"};
        ts_exam_tell(x, &say, "docker compose version: %.300s", problem);
        return;
    }
    enum ts_grade grade =
        version[0] != '\0' ? ts_version_judge_compose(version, &why) : TS_GRADE_PASS;
    if (grade != TS_GRADE_PASS) {
        const struct ts_say say = {"compose-old",
                                   grade,
                                   NULL,
                                   {0},
                                   "docker compose is too old",
                                   "install Compose 2.17 or newer (docker-compose-plugin)"};
        ts_exam_tell(x, &say, "version %.40s: %s", version, why);
    }
}

/* --- disk and state */

static void check_disk(struct ts_exam *x, const char *path, const char *what)
{
    int64_t left = 0;
    int64_t total = 0;
    if (path[0] == '\0' || !ts_disk_space(path, &left, &total)) {
        return;
    }
    int64_t pct = total > 100 ? left / (total / 100) : 0;
    bool error = pct < DISK_ERROR_PCT && left < DISK_ERROR_LOW;
    bool warning = pct < DISK_WARNING_PCT && left < DISK_WARNING_LOW;
    if (error || warning) {
        const struct ts_say say = {
            "disk-full", error ? TS_GRADE_ERROR : TS_GRADE_WARNING, NULL, {0}, what, TS_USUAL_DISK};
        ts_exam_tell(x, &say, "%.200s: %lld MB of %lld MB are free (%lld %%)", path,
                     (long long)(left / 1000000), (long long)(total / 1000000), (long long)pct);
    }
}

void ts_check_disk(struct ts_exam *x)
{
    bool local = strncmp(ts_engine_address(x->d->engine), "unix:", 5) == 0;
    check_disk(x, x->d->model->state_dir,
               "the disk with tradestackd's state is nearly full: history, alerts and the audit "
               "trail stop when it is");
    if (local && x->c->described) {
        check_disk(
            x, x->c->details.root_dir,
            "the engine's disk is nearly full: containers cannot be made and fail at writing");
    }
}

void ts_check_state_file(struct ts_exam *x)
{
    struct ts_daemon *d = x->d;
    struct ts_error err;
    char now[TS_WALL_TEXT];
    ts_wall_format(ts_loop_wall(d->loop), now);
    if (!ts_store_meta_set(d->store, PROBE_KEY, now, &err)) {
        const struct ts_say say = {
            "state-unwritable",
            TS_GRADE_ERROR,
            NULL,
            {0},
            "the state file cannot be written: states, history and alerts are kept in memory and "
            "lost with the daemon",
            "df -h; mend the disk or its rights; it is written again by itself"};
        ts_exam_tell(x, &say, "%.150s/tradestack.db: %s", d->model->state_dir, err.msg);
    }
}

void ts_check_trail(struct ts_exam *x)
{
    struct ts_daemon *d = x->d;
    if (d->trail_state == TS_TRAIL_OK) {
        return;
    }
    bool damaged = d->trail_state == TS_TRAIL_DAMAGED;
    const struct ts_say say = {
        damaged ? "audit-damaged" : "audit-unwritable",
        TS_GRADE_ERROR,
        NULL,
        {0},
        damaged ? "the audit trail was changed, cut or exchanged: what is guarded does not run"
                : "the audit trail cannot be written: what is guarded is not started",
        damaged ? "tradestackctl audit verify; then the CRO: tradestackctl safety reset SERVICE "
                  "--reason TEXT"
                : "df -h; mend the disk or its rights"};
    ts_exam_tell(x, &say, "%s", d->trail_detail);
}

/* --- alerts */

static const struct channel_row {
    enum ts_code code; /* why the file was refused; NONE: it was not */
    int from;          /* HTTP status */
    int to;
    const char *id;
    enum ts_grade grade;
    const char *what;
    const char *cure;
} channel_rows[] = {
    {TS_E_DENIED, 0, 0, "webhook-file-mode", TS_GRADE_ERROR,
     "everybody may read the file with the webhook's address, so it is not used",
     "chmod 600 the file, then tradestackctl reload"},
    {TS_E_INVALID, 0, 0, "webhook-malformed", TS_GRADE_ERROR,
     "what stands in url_file is no address of such a webhook",
     "put https://discord.com/api/webhooks/… into url_file, then tradestackctl reload"},
    {TS_E_SYSTEM, 0, 0, "webhook-file", TS_GRADE_ERROR,
     "the file with the webhook's address cannot be read",
     "mend url_file in tradestackd.conf, or the file; then tradestackctl reload"},
    {TS_E_NONE, 404, 404, "webhook-gone", TS_GRADE_ERROR,
     "the webhook is gone (404): somebody deleted it, so nobody is told of anything",
     "make a new webhook in Discord, put its address into url_file, tradestackctl reload"},
    {TS_E_NONE, 410, 410, "webhook-gone", TS_GRADE_ERROR,
     "the webhook is gone (410), so nobody is told of anything",
     "put a new address into url_file, tradestackctl reload"},
    {TS_E_NONE, 401, 403, "webhook-denied", TS_GRADE_ERROR,
     "the webhook refuses us (401 or 403): its token is wrong",
     "copy the webhook's address anew into url_file, tradestackctl reload"},
    {TS_E_NONE, 429, 429, "webhook-rate-limited", TS_GRADE_WARNING,
     "the webhook takes no more for now (429): alerts come late",
     "nothing: they are sent when it allows; if it lasts, do others use the same webhook?"},
};

static const struct channel_row *row_of(const struct ts_channel_status *s)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(channel_rows); i++) {
        const struct channel_row *row = &channel_rows[i];
        if (s->refused_code != TS_E_NONE
                ? row->code == s->refused_code
                : s->http_status >= row->from && s->http_status <= row->to && row->from != 0) {
            return row;
        }
    }
    return NULL;
}

static void check_channel(struct ts_exam *x, const struct ts_channel_status *s)
{
    const struct channel_row *row = row_of(s);
    const struct ts_say other = {
        s->state == TS_CHANNEL_REFUSED ? "webhook-refused" : "webhook-unreached",
        s->state == TS_CHANNEL_REFUSED ? TS_GRADE_ERROR : TS_GRADE_WARNING,
        NULL,
        {0},
        s->state == TS_CHANNEL_REFUSED ? "an alert channel refuses for good"
                                       : "alerts cannot be delivered now and are tried again",
        "tradestackctl alert test; is there a way out of this machine?"};
    const struct ts_say known = {
        row != NULL ? row->id : "",   row != NULL ? row->grade : 0, NULL, {0},
        row != NULL ? row->what : "", row != NULL ? row->cure : ""};
    ts_exam_tell(x, row != NULL ? &known : &other, "channel %s (%s): %s; %lld alerts wait", s->name,
                 s->kind, s->detail, (long long)s->pending);
}

void ts_check_channels(struct ts_exam *x)
{
    size_t n = ts_sender_channel_count(x->d->sender);
    for (size_t i = 0; i < n; i++) {
        struct ts_channel_status s = ts_sender_status(x->d->sender, i);
        if (s.state != TS_CHANNEL_OK) {
            check_channel(x, &s);
        }
    }
    if (n == 0) {
        const struct ts_say say = {"no-channel",
                                   TS_GRADE_WARNING,
                                   NULL,
                                   {0},
                                   "no alert channel is set up: nobody is told of trouble",
                                   "put a Discord webhook's address into " TS_USUAL_WEBHOOK
                                   ", then " TS_USUAL_RESTART};
        ts_exam_tell(x, &say, "[channel …] in %s",
                     x->d->config_path != NULL ? x->d->config_path : "the built-in configuration");
    }
}

/* --- settings */

static void settings_broken(struct ts_exam *x, const struct ts_config_errors *errs)
{
    char text[700];
    const struct ts_say say = {
        "settings-broken",
        TS_GRADE_ERROR,
        NULL,
        {0},
        "the configuration file has errors: tradestackd goes on with the former one, and would not "
        "start again",
        "tradestackctl check --config FILE; mend it; tradestackctl reload"};
    ts_config_error_print(errs, 0, text, sizeof(text));
    ts_exam_tell(x, &say, "%.500s", text);
}

void ts_check_settings(struct ts_exam *x)
{
    struct ts_daemon *d = x->d;
    struct ts_config_errors *errs = calloc(1, sizeof(*errs));
    struct ts_config_changes *changes = calloc(1, sizeof(*changes));
    struct ts_model *now = errs == NULL || changes == NULL ? NULL
                           : d->config_path != NULL        ? ts_config_load(d->config_path, errs)
                                                           : ts_config_load_optional(NULL, errs);
    if (now == NULL && errs != NULL && errs->count > 0) {
        settings_broken(x, errs);
    } else if (now != NULL && ts_config_diff(d->model, now, changes) && changes->count > 0) {
        const struct ts_say say = {
            "settings-not-loaded",
            TS_GRADE_WARNING,
            NULL,
            {0},
            "the configuration file was changed, and tradestackd has not read it yet",
            "tradestackctl reload (keys marked * in the sample need " TS_USUAL_RESTART ")"};
        ts_exam_tell(x, &say, "%zu changes, the first: %.300s", changes->count,
                     changes->list[0].text);
    }
    ts_model_free(now);
    free(errs);
    free(changes);
}

void ts_check_guard(struct ts_exam *x)
{
    bool any = false;
    for (size_t i = 0; i < x->c->unit_count; i++) {
        any = any || ts_checkup_spec(&x->c->units[i])->guarded;
    }
    if (x->c->unit_count == 0 && x->d->link.up) {
        const struct ts_say say = {
            "no-containers",      TS_GRADE_ERROR, NULL, {0}, "the project has no containers",
            "tradestackctl up %f"};
        ts_exam_tell(x, &say, "project %s on %s", x->d->model->project,
                     ts_engine_address(x->d->engine));
    } else if (!any && x->c->unit_count > 0) {
        const struct ts_say say = {
            "no-guard",
            TS_GRADE_ERROR,
            NULL,
            {0},
            "none of the project's services is guarded: nothing keeps the bot from trading",
            "guarded = yes in [service NAME] of tradestackd.conf, with the name that the compose "
            "file gives the bot; then tradestackctl reload"};
        ts_exam_tell(x, &say,
                     "project %s has %zu services, and no section with guarded = yes names "
                     "one of them",
                     x->d->model->project, x->c->unit_count);
    }
}

void ts_check_released(struct ts_exam *x)
{
    if (x->d->released) {
        const struct ts_say say = {"released",
                                   TS_GRADE_WARNING,
                                   NULL,
                                   {0},
                                   "supervision was given up: nothing is restarted or kept safe",
                                   "tradestackctl up"};
        ts_exam_tell(x, &say, "tradestackctl release was the last word");
    }
}

/* A move that halted has left the stack between two states. */
void ts_check_move(struct ts_exam *x)
{
    json_t *move = ts_move_json(x->d);
    bool halted = strcmp(ts_json_str_or(move, "way", ""), "halted") == 0;
    const char *next = ts_json_str_or(move, "next", "");
    char cure[TS_REMARK_CURE];
    (void)snprintf(cure, sizeof(cure), "%s", next[0] != '\0' ? next : "tradestackctl status");
    if (json_is_object(move)) {
        const struct ts_say say = {halted ? "move-halted" : "move",
                                   halted ? TS_GRADE_ERROR : TS_GRADE_NOTE,
                                   NULL,
                                   {0},
                                   halted ? "a move of the stack failed and halted where it was"
                                          : "a move of the stack is under way, or not accepted yet",
                                   cure};
        ts_exam_tell(x, &say, "%s%s%s", ts_json_str_or(move, "summary", ""), halted ? ": " : "",
                     halted ? ts_json_str_or(move, "reason", "") : "");
    }
    json_decref(move);
}

/* Two programs that restart the same containers fight. */
void ts_check_rivals(struct ts_exam *x)
{
    static const char *const names[] = {"autoheal", "watchtower", "ouroboros", "docker-monit"};
    size_t i;
    json_t *v;
    json_array_foreach(x->c->running, i, v)
    {
        const char *image = ts_json_str_or(v, "Image", "");
        for (size_t k = 0; k < TS_ARRAY_LEN(names); k++) {
            if (strstr(image, names[k]) != NULL) {
                const struct ts_say say = {
                    "rival",
                    TS_GRADE_WARNING,
                    NULL,
                    {0},
                    "another program that restarts or replaces containers runs on this engine",
                    "stop it, or keep it from the stack's containers"};
                const char *name =
                    json_string_value(json_array_get(json_object_get(v, "Names"), 0));
                ts_exam_tell(x, &say, "container %.100s, image %.100s",
                             name != NULL ? name + (name[0] == '/') : "?", image);
            }
        }
    }
}
