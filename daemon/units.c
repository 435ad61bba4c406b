/* The project's services and their containers: which there are, and what an inspect says. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/parse.h"
#include "daemon.h"

/* A list leads to inspects; were a failed inspect to lead to a list at once, the two would chase
 * each other. */
#define GONE_RETRY_MS   1000
#define FAILED_RETRY_MS 5000
#define INSPECTS_MAX    16 /* under way at once; each is a connection, and work for the engine */

static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err);

void ts_unit_post(struct ts_unit *u, const struct ts_obs *obs)
{
    ts_super_post(u->daemon->super, u->index, obs);
    ts_daemon_kick(u->daemon);
}

struct ts_unit *ts_units_by_container(struct ts_daemon *d, const char *id)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        if (d->units[i]->id[0] != '\0' && strcmp(d->units[i]->id, id) == 0) {
            return d->units[i];
        }
    }
    return NULL;
}

bool ts_unit_is_described(const struct ts_unit *u)
{
    return u->known && u->id[0] != '\0' && strcmp(u->container.id, u->id) == 0;
}

static struct ts_unit *by_service(struct ts_daemon *d, const char *service)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        if (strcmp(d->units[i]->service, service) == 0) {
            return d->units[i];
        }
    }
    return NULL;
}

/* It has its answer, or is called off. */
static void end_inspect(struct ts_unit *u)
{
    struct ts_daemon *d = u->daemon;
    ts_engine_cancel(u->inspecting);
    d->inspects -= u->inspecting != NULL;
    u->inspecting = NULL;
}

static void free_unit(struct ts_unit *u)
{
    ts_watch_stop(u);
    ts_watch_forget(u);
    end_inspect(u);
    ts_engine_cancel(u->acting);
    ts_engine_cancel(u->guard.plan_op);
    ts_timer_free(u->log_retry);
    ts_container_done(&u->container);
    free(u);
}

void ts_units_free(struct ts_daemon *d)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        free_unit(d->units[i]);
    }
    free(d->units);
    d->units = NULL;
    d->unit_count = 0;
}

static struct ts_unit *add_unit(struct ts_daemon *d, const char *service)
{
    struct ts_unit **units = realloc(d->units, (d->unit_count + 1) * sizeof(struct ts_unit *));
    struct ts_unit *u = calloc(1, sizeof(*u));
    if (units != NULL) {
        d->units = units;
    }
    if (units == NULL || u == NULL) {
        free(u);
        return NULL;
    }
    u->daemon = d;
    u->index = d->unit_count;
    ts_guard_init(&u->guard);
    ts_copy_cut(u->service, sizeof(u->service), service);
    d->units[d->unit_count++] = u;
    ts_memory_recall_policy(u);
    return u;
}

/* The service's settings: its own section or the defaults, its dependencies from the engine. */
static void spec_of(const struct ts_daemon *d, const struct ts_unit *u, struct ts_svc_spec *ret)
{
    const struct ts_svc_spec *own = ts_model_find(d->model, u->service);
    *ret = own != NULL ? *own : d->model->defaults;
    ts_copy_cut(ret->name, sizeof(ret->name), u->service);
    if (!u->known) {
        return;
    }
    ret->dep_count = 0;
    static_assert(TS_CONTAINER_DEPS_MAX <= TS_MAX_DEPS, "no dependency is lost");
    for (size_t i = 0; i < u->container.dep_count; i++) {
        const struct ts_container_dep *dep = &u->container.deps[i];
        ts_copy_cut(ret->deps[ret->dep_count], TS_NAME_MAX, dep->service);
        ret->dep_restart[ret->dep_count] = dep->restart;
        ret->dep_count++;
    }
}

bool ts_units_rebuild(struct ts_daemon *d, struct ts_error *err)
{
    size_t n = d->unit_count;
    struct ts_svc_spec *specs = calloc(n + 1, sizeof(*specs));
    struct ts_svc *initial = calloc(n + 1, sizeof(*initial));
    bool ok = specs != NULL && initial != NULL;
    for (size_t i = 0; ok && i < n; i++) {
        spec_of(d, d->units[i], &specs[i]);
        if (ts_super_find(d->super, specs[i].name) == SIZE_MAX) {
            initial[i] = ts_memory_recall(d, specs[i].name);
        }
    }
    ok = ok ? ts_super_set_services(d->super, specs, n, initial, ts_loop_now(d->loop), err)
            : ts_error_nomem(err);
    free(specs);
    free(initial);
    return ok;
}

/* A one-off, what waits to take a place and what was set aside stand for no service. */
static bool stands(const struct ts_container_ref *ref)
{
    return !ref->oneoff && ref->service[0] != '\0' && !ts_move_is_aside(ref->name);
}

/* The container that stands for a service: the lowest number. */
static const struct ts_container_ref *best_ref(const struct ts_container_ref *list, size_t count,
                                               const char *service)
{
    const struct ts_container_ref *best = NULL;
    for (size_t i = 0; i < count; i++) {
        if (stands(&list[i]) && strcmp(list[i].service, service) == 0 &&
            (best == NULL || list[i].number < best->number)) {
            best = &list[i];
        }
    }
    return best;
}

/* While containers are exchanged, it is the exchange that says which one. */
static const struct ts_container_ref *ref_for(const struct ts_daemon *d,
                                              const struct ts_container_ref *list, size_t count,
                                              const char *service)
{
    const char *id;
    if (!ts_move_stands_for(d, service, &id)) {
        return best_ref(list, count, service);
    }
    for (size_t i = 0; i < count; i++) {
        if (strcmp(list[i].id, id) == 0) {
            return &list[i];
        }
    }
    return NULL;
}

static bool add_if_new(struct ts_daemon *d, const char *service, bool *ret_added)
{
    if (by_service(d, service) != NULL) {
        return true;
    }
    *ret_added = true;
    return add_unit(d, service) != NULL;
}

/* Services that the store says are to be up, though the engine has no container of them. */
static bool add_remembered(struct ts_daemon *d, bool *ret_added)
{
    for (size_t i = 0; i < d->model->service_count; i++) {
        const char *name = d->model->services[i].name;
        if (by_service(d, name) == NULL && ts_memory_recall(d, name).wanted == TS_WANTED_UP) {
            if (add_unit(d, name) == NULL) {
                return false;
            }
            *ret_added = true;
        }
    }
    return true;
}

/* Units for services not seen before. False: out of memory, with some of them added. */
static bool add_listed(struct ts_daemon *d, const struct ts_container_ref *list, size_t count,
                       bool *ret_added)
{
    /* Configured services first and in the file's order: that is how status shows them. */
    for (size_t i = 0; i < d->model->service_count; i++) {
        const char *name = d->model->services[i].name;
        if (best_ref(list, count, name) != NULL && !add_if_new(d, name, ret_added)) {
            return false;
        }
    }
    for (size_t i = 0; i < count; i++) {
        if (stands(&list[i]) && !add_if_new(d, list[i].service, ret_added)) {
            return false;
        }
    }
    return add_remembered(d, ret_added);
}

/* Another container stands for the service: what is asked about the old one tells nothing. */
static void set_container(struct ts_unit *u, const char *id)
{
    if (strcmp(u->id, id) != 0) {
        end_inspect(u);
        ts_engine_cancel(u->guard.plan_op);
        u->guard.plan_op = NULL;
        u->guard.plan = (struct ts_plan_facts){.state = TS_PLAN_UNKNOWN};
        (void)snprintf(u->id, sizeof(u->id), "%s", id);
    }
}

bool ts_units_apply_list(struct ts_daemon *d, const struct ts_container_ref *list, size_t count,
                         struct ts_error *err)
{
    bool added = false;
    size_t before = d->unit_count;
    bool ok = add_listed(d, list, count, &added) || ts_error_nomem(err);
    ok = ok && (!added || ts_units_rebuild(d, err));
    while (!ok && d->unit_count > before) { /* every unit has its service in the supervisor */
        free_unit(d->units[--d->unit_count]);
    }
    for (size_t i = 0; i < d->unit_count; i++) {
        const struct ts_container_ref *ref = ref_for(d, list, count, d->units[i]->service);
        set_container(d->units[i], ref == NULL ? "" : ref->id);
        d->units[i]->listed = ref == NULL ? TS_CONTAINER_EXITED : ref->status;
    }
    return ok;
}

static void post_absent(struct ts_unit *u)
{
    u->id[0] = '\0';
    ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_CONTAINER, .after_gap = u->after_gap});
    u->after_gap = false;
}

void ts_units_inspect(struct ts_unit *u)
{
    struct ts_error err;
    if (u->id[0] == '\0') {
        post_absent(u);
        return;
    }
    if (u->inspecting != NULL || u->daemon->inspects >= INSPECTS_MAX) {
        u->inspect_again = true;
        return;
    }
    u->inspect_again = false;
    u->inspect_epoch = u->epoch;
    u->inspecting = ts_container_inspect(u->daemon->engine, u->id, on_inspected, u, &err);
    u->daemon->inspects += u->inspecting != NULL;
}

/* Those whose turn it is now. While the engine is away there is none: its return inspects all. */
static void inspect_waiting(struct ts_daemon *d)
{
    for (size_t i = 0; d->link.up && i < d->unit_count && d->inspects < INSPECTS_MAX; i++) {
        d->next_inspect = (d->next_inspect + 1) % d->unit_count;
        struct ts_unit *u = d->units[d->next_inspect];
        if (u->inspect_again && u->inspecting == NULL) {
            ts_units_inspect(u);
        }
    }
}

void ts_units_inspect_all(struct ts_daemon *d, bool after_gap)
{
    for (size_t i = 0; i < d->unit_count; i++) {
        d->units[i]->after_gap = d->units[i]->after_gap || after_gap;
        ts_units_inspect(d->units[i]);
    }
}

/* Against what the supervisor goes by: a rebuild costs as much as there are services. */
static bool same_deps(const struct ts_unit *u, const struct ts_container *c)
{
    const struct ts_svc_spec *spec = ts_super_spec(u->daemon->super, u->index);
    if (spec->dep_count != c->dep_count) {
        return false;
    }
    for (size_t i = 0; i < c->dep_count; i++) {
        if (strcmp(spec->deps[i], c->deps[i].service) != 0 ||
            spec->dep_restart[i] != c->deps[i].restart) {
            return false;
        }
    }
    return true;
}

/* Without memory for it the look counts for nothing: the next list asks for another. */
static bool keep_container(struct ts_unit *u, const struct ts_container *c)
{
    struct ts_container copy;
    struct ts_error err;
    if (!ts_container_copy(c, &copy, &err)) {
        TS_LOG(u->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_FIELDS(TS_STR("service", u->service)),
               "%s: %s", u->service, err.msg);
        return false;
    }
    ts_container_done(&u->container);
    u->container = copy;
    u->known = true;
    u->fresh = true;
    return true;
}

void ts_units_apply_inspect(struct ts_unit *u, const struct ts_container *c, json_t *raw)
{
    struct ts_daemon *d = u->daemon;
    struct ts_error err;
    bool running = c->status == TS_CONTAINER_RUNNING || c->status == TS_CONTAINER_PAUSED;
    bool new_container = u->known && strcmp(u->container.id, c->id) != 0;
    bool new_run = u->known && u->container.started_at.ms != c->started_at.ms;
    bool first = !u->known;
    bool deps_changed = !same_deps(u, c);
    if (!keep_container(u, c)) {
        return;
    }
    if (deps_changed && !ts_units_rebuild(d, &err)) {
        TS_LOG(d->log, TS_MSG_ENGINE_CALL_FAILED, TS_FIELDS(TS_STR("service", u->service)),
               "%s: %s", u->service, err.msg);
    }
    if (first) {
        TS_LOG(d->log, TS_MSG_ADOPTED,
               TS_FIELDS(TS_STR("service", u->service), TS_STR("container", c->name),
                         TS_STR("container_id", c->id)),
               "%s: supervised as container %s (%s)", u->service, c->name,
               ts_container_status_name(c->status));
    }
    ts_guard_saw(u, raw);
    if (new_run || new_container) {
        ts_guard_new_run(u);
        u->snapshot_kept = false;
    }
    ts_restore_saw(u, raw);
    struct ts_obs obs = {
        .kind = TS_OBS_CONTAINER,
        .exists = c->status != TS_CONTAINER_REMOVING && c->status != TS_CONTAINER_DEAD,
        .running = running,
        .paused = c->status == TS_CONTAINER_PAUSED,
        .oom = c->oom_killed,
        .exit_code = (int)c->exit_code,
        .after_gap = u->after_gap,
        .new_run = new_run,
        .new_container = new_container,
        .never_ran = c->status == TS_CONTAINER_CREATED,
    };
    u->after_gap = false;
    ts_unit_post(u, &obs);
    ts_guard_pronounce(u); /* what runs without our having started it is judged like a start */
    ts_guard_touch(d);     /* and it may concern others */
    ts_watch_engine_health(u);
    ts_perform_take_policy(u);
}

/* A container that was never understood was never verified. */
static void judge_unreadable(struct ts_unit *u, const struct ts_error *err)
{
    bool runs = u->listed == TS_CONTAINER_RUNNING || u->listed == TS_CONTAINER_PAUSED;
    if (runs && ts_strays_is_unreadable(err) && !ts_unit_is_described(u) &&
        ts_super_spec(u->daemon->super, u->index)->guarded) {
        ts_strays_unreadable(u->daemon, u->id, u->service, err);
    }
}

/*
 * The inspect of a container that has just ended is answered only once the engine has written the
 * end to its disk, 3 to 15 ms later; a start asked for meanwhile waits for just that, and no
 * longer. Not believed: an end of an earlier run that is told late, one within our own start or
 * stop, and one that the engine's own restart policy may be about to undo.
 */
bool ts_units_is_history(const struct ts_unit *u, const struct ts_engine_event *event)
{
    return u->known && strcmp(u->container.id, event->id) == 0 &&
           event->time_nano / 1000000 < u->container.started_at.ms;
}

bool ts_units_has_ended_since(const struct ts_unit *u, const struct ts_engine_event *event)
{
    return u->known && strcmp(u->container.id, event->id) == 0 &&
           u->container.status == TS_CONTAINER_EXITED &&
           event->time_nano / 1000000 <= u->container.finished_at.ms;
}

void ts_units_ended(struct ts_unit *u, const struct ts_engine_event *event)
{
    struct ts_container *c = &u->container;
    bool runs = u->known && strcmp(c->id, event->id) == 0 && c->status == TS_CONTAINER_RUNNING;
    bool undone = strcmp(c->policy.name, "no") != 0 && c->policy.name[0] != '\0';
    if (!runs || ts_units_is_history(u, event) || event->exit_code < 0 || u->after_gap ||
        u->acting != NULL || u->policy_pending || undone) {
        return;
    }
    c->status = TS_CONTAINER_EXITED;
    c->exit_code = event->exit_code;
    c->oom_killed = u->oom_told;
    c->finished_at.ms = event->time_nano / 1000000;
    u->fresh = true;
    ts_unit_post(u, &(struct ts_obs){.kind = TS_OBS_CONTAINER,
                                     .exists = true,
                                     .oom = c->oom_killed,
                                     .exit_code = (int)c->exit_code});
}

static void take_inspect(struct ts_unit *u, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    if (err != NULL && err->code == TS_E_NOT_FOUND) {
        post_absent(u);
        ts_engine_watch_resync_in(u->daemon, GONE_RETRY_MS);
        return;
    }
    if (err != NULL) {
        TS_LOG(u->daemon->log, TS_MSG_ENGINE_CALL_FAILED, TS_FIELDS(TS_STR("service", u->service)),
               "%s: inspect failed: %s", u->service, err->msg);
        judge_unreadable(u, err);
        if (err->code == TS_E_TIMEOUT) {
            ts_engine_watch_resync(u->daemon); /* is it this container, or the engine? */
        } else {
            ts_engine_watch_resync_in(u->daemon, FAILED_RETRY_MS);
        }
        return;
    }
    bool stale = u->inspect_epoch != u->epoch;
    if (!stale) {
        ts_units_apply_inspect(u, c, raw);
    }
    if (stale || u->inspect_again) {
        ts_units_inspect(u);
    }
}

static void on_inspected(void *ctx, const struct ts_container *c, json_t *raw,
                         const struct ts_error *err)
{
    struct ts_unit *u = ctx;
    struct ts_daemon *d = u->daemon;
    end_inspect(u);
    take_inspect(u, c, raw, err);
    inspect_waiting(d);
}
