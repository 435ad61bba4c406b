/* What is to be exchanged for what, worked out from what the engine has. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

/* A container that was gathered. */
struct box {
    json_t *raw; /* borrowed */
    struct ts_container c;
    bool ours;
    bool staged; /* made for this move */
    bool taken;  /* has its part */
};

struct planning {
    struct ts_daemon *daemon;
    const struct ts_move_order *order;
    struct box *boxes;
    size_t count;
    struct ts_move *move;
    json_t *equal;
};

bool ts_move_is_aside(const char *name)
{
    return strstr(name, TS_MOVE_NEXT) != NULL || strstr(name, TS_MOVE_OLD) != NULL;
}

/* "ibkr-gateway.next-a1" -> "ibkr-gateway" */
static void plain_name(const char *name, char out[TS_ENGINE_NAME])
{
    const char *next = strstr(name, TS_MOVE_NEXT);
    const char *old = strstr(name, TS_MOVE_OLD);
    const char *end = next != NULL ? next : old;
    (void)snprintf(out, TS_ENGINE_NAME, "%.*s",
                   end == NULL ? TS_ENGINE_NAME - 1 : (int)(end - name), name);
}

static bool has_suffix(const char *name, const char *mark, const char *tag)
{
    const char *at = strstr(name, mark);
    return at != NULL && strcmp(at + strlen(mark), tag) == 0;
}

static bool is_running(const struct ts_container *c)
{
    return c->status == TS_CONTAINER_RUNNING || c->status == TS_CONTAINER_PAUSED ||
           c->status == TS_CONTAINER_RESTARTING;
}

static bool read_boxes(struct planning *p, json_t *what, struct ts_error *err)
{
    const json_t *list = ts_json_at(what, "containers");
    p->boxes = calloc(json_array_size(list) + 1, sizeof(*p->boxes));
    if (p->boxes == NULL) {
        return ts_error_nomem(err);
    }
    for (size_t i = 0; i < json_array_size(list); i++) {
        struct box *b = &p->boxes[p->count];
        b->raw = json_array_get(list, i);
        if (!ts_container_parse(b->raw, &b->c, err)) {
            return false;
        }
        b->ours = strcmp(b->c.project, p->daemon->model->project) == 0;
        b->staged = has_suffix(b->c.name, TS_MOVE_NEXT, p->order->tag);
        if (b->c.oneoff) {
            ts_container_done(&b->c);
        } else {
            p->count++;
        }
    }
    return true;
}

static void drop_boxes(struct planning *p)
{
    for (size_t i = 0; i < p->count; i++) {
        ts_container_done(&p->boxes[i].c);
    }
    free(p->boxes);
}

/* --- sides */

/* The policy that it has without us: of a unit's container the one that was taken over. */
static struct ts_restart_policy own_policy(const struct ts_daemon *d, const struct box *b)
{
    struct ts_restart_policy policy = b->c.policy;
    for (size_t i = 0; b->ours && i < d->unit_count; i++) {
        const struct ts_unit *u = d->units[i];
        if (strcmp(u->id, b->c.id) == 0 && u->old_policy[0] != '\0') {
            (void)snprintf(policy.name, sizeof(policy.name), "%s", u->old_policy);
            policy.max_retries = u->old_retries;
        }
    }
    return policy;
}

static bool name_side(struct ts_move_side *s, const char *name, const char *mark, const char *tag,
                      struct ts_error *err)
{
    int n = snprintf(s->aside, sizeof(s->aside), "%.200s%s%s", name, mark, tag);
    (void)snprintf(s->name, sizeof(s->name), "%s", name);
    return (n > 0 && strlen(name) <= 200) ||
           ts_error_set(err, TS_E_LIMIT, "the container name %.60s… is too long", name);
}

static bool fill_now(const struct planning *p, struct box *b, struct ts_move_side *ret,
                     struct ts_error *err)
{
    b->taken = true;
    *ret = (struct ts_move_side){
        .is = true,
        .ours = b->ours,
        .ran = is_running(&b->c),
        .policy = own_policy(p->daemon, b),
        .grace_s = b->c.stop_timeout_s,
        .snapshot = json_incref(b->raw),
    };
    (void)snprintf(ret->id, sizeof(ret->id), "%s", b->c.id);
    return name_side(ret, b->c.name, TS_MOVE_OLD, p->order->tag, err);
}

/* A container that exists and waits: made for this, or kept from before. */
static bool fill_next(struct box *b, struct ts_move_side *ret, struct ts_error *err)
{
    char name[TS_ENGINE_NAME];
    b->taken = true;
    *ret = (struct ts_move_side){.is = true,
                                 .ours = b->ours,
                                 .kept = !b->staged,
                                 .policy = b->c.policy,
                                 .grace_s = b->c.stop_timeout_s,
                                 .snapshot = json_incref(b->raw)};
    (void)snprintf(ret->id, sizeof(ret->id), "%s", b->c.id);
    plain_name(b->c.name, name);
    bool ok = name_side(ret, name, "", "", err);
    (void)snprintf(ret->aside, sizeof(ret->aside), "%s", b->c.name);
    return ok;
}

static struct ts_move_place *add_part(struct planning *p, const char *service, bool changes,
                                      struct ts_error *err)
{
    struct ts_move *m = p->move;
    if (m->count == TS_MOVE_PARTS_MAX) {
        ts_error_set(err, TS_E_LIMIT, "more than %d containers take part", TS_MOVE_PARTS_MAX);
        return NULL;
    }
    m->parts[m->count].changes = changes;
    struct ts_move_place *place = &m->places[m->count++];
    ts_copy_cut(place->service, sizeof(place->service), service);
    return place;
}

/* --- what stands for a service now */

/* Of our project; not what waits, not what was set aside. */
static struct box *current_of(struct planning *p, const char *service)
{
    struct box *best = NULL;
    for (size_t i = 0; i < p->count; i++) {
        struct box *b = &p->boxes[i];
        if (b->ours && !b->taken && !ts_move_is_aside(b->c.name) &&
            strcmp(b->c.service, service) == 0 && (best == NULL || b->c.number < best->c.number)) {
            best = b;
        }
    }
    return best;
}

/* Whoever has the name now. */
static struct box *holder_of(struct planning *p, const char *name)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!p->boxes[i].taken && strcmp(p->boxes[i].c.name, name) == 0) {
            return &p->boxes[i];
        }
    }
    return NULL;
}

/* What of another project gives way. */
static bool is_left(const struct planning *p, const struct box *b)
{
    return p->order->old_project[0] != '\0' && !b->ours &&
           strcmp(b->c.project, p->order->old_project) == 0 && !ts_move_is_aside(b->c.name);
}

static struct box *left_for(struct planning *p, const char *service)
{
    for (size_t i = 0; i < p->count; i++) {
        if (!p->boxes[i].taken && is_left(p, &p->boxes[i]) &&
            strcmp(p->boxes[i].c.service, service) == 0) {
            return &p->boxes[i];
        }
    }
    return NULL;
}

/* --- rollout and migration: from what was staged */

static const char *label(const struct box *b, const char *name)
{
    const char *text =
        json_string_value(json_object_get(ts_json_at(b->raw, "Config.Labels"), name));
    return text == NULL ? "" : text;
}

/* Compose's own idea of being up to date, and what its hash leaves out. */
static bool is_same(const struct box *a, const struct box *b)
{
    static const char depends_on[] = "com.docker.compose.depends_on";
    return a->c.config_hash[0] != '\0' && strcmp(a->c.config_hash, b->c.config_hash) == 0 &&
           strcmp(a->c.image_id, b->c.image_id) == 0 &&
           strcmp(label(a, depends_on), label(b, depends_on)) == 0;
}

static bool plan_staged(struct planning *p, struct box *staged, struct ts_error *err)
{
    char name[TS_ENGINE_NAME];
    plain_name(staged->c.name, name);
    struct box *now = current_of(p, staged->c.service);
    now = now != NULL ? now : left_for(p, staged->c.service);
    struct box *holder = now == NULL ? holder_of(p, name) : now;
    if (holder != NULL && !holder->ours && !is_left(p, holder)) {
        return ts_error_set(err, TS_E_CONFLICT,
                            "the name %.60s is taken by a container that is no part of this "
                            "(project %.40s); remove or rename it",
                            name, holder->c.project[0] != '\0' ? holder->c.project : "none");
    }
    bool same = holder != NULL && holder->ours && is_same(holder, staged);
    struct ts_move_place *place = add_part(p, staged->c.service, !same, err);
    if (place == NULL || (holder != NULL && !fill_now(p, holder, &place->now, err))) {
        return false;
    }
    if (same) {
        staged->taken = true;
        (void)json_array_append_new(p->equal, json_string(staged->c.id));
        return true;
    }
    return fill_next(staged, &place->next, err);
}

static bool plan_from_staged(struct planning *p, struct ts_error *err)
{
    bool any = false;
    for (size_t i = 0; i < p->count; i++) {
        if (p->boxes[i].staged && p->boxes[i].ours && p->boxes[i].c.service[0] != '\0') {
            any = true;
            if (!plan_staged(p, &p->boxes[i], err)) {
                return false;
            }
        }
    }
    if (!any) {
        return ts_error_set(err, TS_E_INVALID, "no new containers with the mark %s were made",
                            p->order->tag);
    }
    for (size_t i = 0; i < p->count; i++) { /* what the file has no more, and what is left */
        struct box *b = &p->boxes[i];
        bool gives_way = (b->ours && !ts_move_is_aside(b->c.name)) || is_left(p, b);
        if (gives_way && !b->taken) {
            struct ts_move_place *place = add_part(p, b->c.service, true, err);
            if (place == NULL || !fill_now(p, b, &place->now, err)) {
                return false;
            }
        }
    }
    return true;
}

/* --- rollback: to what was captured */

static struct box *box_of(struct planning *p, const char *id)
{
    for (size_t i = 0; i < p->count; i++) {
        if (strcmp(p->boxes[i].c.id, id) == 0) {
            return &p->boxes[i];
        }
    }
    return NULL;
}

/* One container of the backup: {"ran", "ours", "policy", "retries", "inspect"}. */
static bool plan_captured(struct planning *p, const json_t *entry, struct ts_error *err)
{
    struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
    json_t *inspect = ts_json_at(entry, "inspect");
    if (!ts_container_parse(inspect, &c, err)) {
        return ts_error_wrap(err, "the backup");
    }
    struct box *there = box_of(p, c.id);
    bool ours = strcmp(c.project, p->daemon->model->project) == 0;
    struct box *now = there != NULL && !ts_move_is_aside(there->c.name) ? there : NULL;
    bool same = now != NULL;
    now = now == NULL && ours ? current_of(p, c.service) : now;
    now = now == NULL ? holder_of(p, c.name) : now;
    if (now != NULL && !same && strcmp(now->c.name, c.name) == 0) { /* made anew, and as it was */
        const struct box then = {.raw = inspect, .c = c};
        same = is_same(now, &then);
    }
    struct ts_move_place *place = add_part(p, c.service, !same, err);
    if (place == NULL || (now != NULL && !fill_now(p, now, &place->now, err))) {
        return false;
    }
    bool ran = ts_json_bool_or(entry, "ran", false);
    p->move->parts[p->move->count - 1].starts = ran;
    if (same) {
        /* It stands where it stood. What it did not do then it is not made to do now. */
        return true;
    }
    if (there != NULL && !fill_next(there, &place->next, err)) {
        return false;
    }
    if (there == NULL) {
        place->next = (struct ts_move_side){.is = true,
                                            .ours = ours,
                                            .grace_s = c.stop_timeout_s,
                                            .snapshot = json_incref(inspect)};
        if (!name_side(&place->next, c.name, TS_MOVE_NEXT, p->order->tag, err)) {
            return false;
        }
    }
    place->next.policy.max_retries = ts_json_i64_or(entry, "retries", 0);
    return ts_copy(place->next.policy.name, sizeof(place->next.policy.name),
                   ts_json_str_or(entry, "policy", "no")) ||
           ts_error_set(err, TS_E_PROTOCOL, "the backup: a restart policy makes no sense");
}

static bool plan_from_backup(struct planning *p, struct ts_error *err)
{
    size_t i;
    json_t *entry;
    json_array_foreach(p->order->captured, i, entry)
    {
        if (!plan_captured(p, entry, err)) {
            return false;
        }
    }
    for (size_t k = 0; k < p->count; k++) { /* what was not there then */
        struct box *b = &p->boxes[k];
        if (b->ours && !b->taken && !ts_move_is_aside(b->c.name)) {
            struct ts_move_place *place = add_part(p, b->c.service, true, err);
            if (place == NULL || !fill_now(p, b, &place->now, err)) {
                return false;
            }
        }
    }
    return true;
}

/* --- the parts' order */

/* The parts that a side's container needs, by Compose's label. */
static size_t find_deps(const struct ts_move *m, size_t at, const struct ts_move_side *s,
                        size_t deps[TS_MAX_DEPS])
{
    struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
    struct ts_error ignored;
    size_t n = 0;
    if (!s->is || s->snapshot == NULL || !ts_container_parse(s->snapshot, &c, &ignored)) {
        return 0;
    }
    for (size_t d = 0; d < c.dep_count; d++) {
        for (size_t i = 0; i < m->count && n < TS_MAX_DEPS; i++) {
            if (i != at && strcmp(m->places[i].service, c.deps[d].service) == 0) {
                deps[n++] = i;
            }
        }
    }
    return n;
}

static void add_deps(struct ts_move *m, size_t at)
{
    struct ts_move_part *part = &m->parts[at];
    const struct ts_move_place *p = &m->places[at];
    part->dep_count = find_deps(m, at, p->next.is ? &p->next : &p->now, part->deps);
    part->now_dep_count = find_deps(m, at, &p->now, part->now_deps);
}

static bool is_guarded(const struct ts_daemon *d, const char *service)
{
    const struct ts_svc_spec *spec = ts_model_find(d->model, service);
    return (spec != NULL ? spec : &d->model->defaults)->guarded;
}

static const struct ts_svc *state_of(const struct ts_daemon *d, const char *service)
{
    size_t i = ts_super_find(d->super, service);
    return i == SIZE_MAX ? NULL : ts_super_state(d->super, i);
}

static void finish_parts(struct planning *p)
{
    struct ts_move *m = p->move;
    for (size_t i = 0; i < m->count; i++) {
        struct ts_move_part *part = &m->parts[i];
        part->has_now = m->places[i].now.is;
        part->has_next = m->places[i].next.is;
        part->guarded = is_guarded(p->daemon, m->places[i].service);
        if (p->order->kind != TS_MOVE_ROLLBACK) { /* as `up` does: all is to run */
            part->starts = part->has_next || !part->changes;
        }
        add_deps(m, i);
    }
}

static const char *stop_reason(const struct ts_svc *s)
{
    if (s->held && s->hold_why == TS_WHY_HOLD) {
        return "is held by an operator: tradestackctl unhold";
    }
    if (s->block == TS_BLOCK_TRIPPED) {
        return "broke a safety rule and waits for the CRO: tradestackctl safety reset";
    }
    return NULL;
}

/* What an operator or the interlock keeps as it is must not be stopped, started or exchanged. */
static bool check_parts(const struct planning *p, struct ts_error *err)
{
    const struct ts_move *m = p->move;
    for (size_t i = 0; i < m->plan.count; i++) {
        const char *service = m->places[m->plan.steps[i].part].service;
        const struct ts_svc *s = state_of(p->daemon, service);
        const char *why = s == NULL || p->daemon->released ? NULL : stop_reason(s);
        if (why != NULL && m->plan.steps[i].deed != TS_MOVE_SETTLE) {
            return ts_error_set(err, TS_E_CONFLICT, "%s %s %s", service, why, service);
        }
    }
    return true;
}

/* Something is to be exchanged, or (to a backup) to run again or no more. */
static bool has_changes(const struct ts_move *m)
{
    for (size_t i = 0; i < m->count; i++) {
        bool differs = m->kind == TS_MOVE_ROLLBACK && m->parts[i].starts != m->places[i].now.ran;
        if (m->parts[i].changes || differs) {
            return true;
        }
    }
    return false;
}

static bool lay_out(struct planning *p, struct ts_error *err)
{
    struct ts_move *m = p->move;
    const struct ts_move_options options = {
        .stops_all_first = m->kind != TS_MOVE_ROLLOUT,
        .cleans = m->kind != TS_MOVE_MIGRATE,
    };
    finish_parts(p);
    if (!has_changes(m)) {
        return ts_error_set(err, TS_E_NOT_FOUND, "nothing is to be exchanged");
    }
    if (!ts_move_lay_out(m->parts, m->count, &options, &m->plan)) {
        return ts_error_set(err, TS_E_INVALID,
                            "the services depend on each other in a circle, or there are too many");
    }
    return check_parts(p, err);
}

struct ts_move *ts_move_plan(struct ts_daemon *d, const struct ts_move_order *order, json_t *what,
                             json_t **ret_equal, struct ts_error *err)
{
    struct planning p = {.daemon = d, .order = order, .equal = json_array()};
    struct ts_move *m = calloc(1, sizeof(*m));
    *ret_equal = p.equal;
    if (m == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    m->daemon = d;
    m->kind = order->kind;
    m->no_rollback = order->no_rollback;
    m->networks = json_incref(ts_json_at(what, "networks"));
    ts_copy_cut(m->tag, sizeof(m->tag), order->tag);
    p.move = m;
    bool ok =
        read_boxes(&p, what, err) &&
        (order->kind == TS_MOVE_ROLLBACK ? plan_from_backup(&p, err) : plan_from_staged(&p, err)) &&
        lay_out(&p, err);
    drop_boxes(&p);
    if (!ok) {
        ts_move_drop(m);
        return NULL;
    }
    return m;
}

/* --- for people and programs */

/* One that does not run has no ports yet: those that were asked for. */
static void add_bindings(const json_t *inspect, json_t *list)
{
    const char *port;
    json_t *bindings;
    json_object_foreach(ts_json_at(inspect, "HostConfig.PortBindings"), port, bindings)
    {
        for (size_t i = 0; i < json_array_size(bindings); i++) {
            const json_t *b = json_array_get(bindings, i);
            (void)json_array_append_new(list,
                                        json_sprintf("%s:%s->%s", ts_json_str_or(b, "HostIp", ""),
                                                     ts_json_str_or(b, "HostPort", ""), port));
        }
    }
}

static json_t *ports_of(const struct ts_container *c, const json_t *inspect)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->port_count; i++) {
        char text[96];
        (void)snprintf(text, sizeof(text), "%s:%u->%u/%s", c->ports[i].host_ip,
                       c->ports[i].host_port, c->ports[i].container_port, c->ports[i].protocol);
        (void)json_array_append_new(list, json_string(text));
    }
    if (c->port_count == 0) {
        add_bindings(inspect, list);
    }
    return list;
}

static json_t *networks_of(const struct ts_container *c)
{
    json_t *list = json_array();
    for (size_t i = 0; i < c->network_count; i++) {
        (void)json_array_append_new(list, json_string(c->networks[i].name));
    }
    return list;
}

static json_t *describe_side(const struct ts_move_side *s)
{
    struct ts_container c TS_CLEANUP(ts_container_done) = {.dep_count = 0};
    struct ts_error ignored;
    if (!s->is) {
        return json_null();
    }
    if (s->snapshot == NULL || !ts_container_parse(s->snapshot, &c, &ignored)) {
        memset(&c, 0, sizeof(c));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o}", "container", s->name, "aside", s->aside,
                     "project", c.project, "image", c.image, "running", (int)s->ran, "ports",
                     ports_of(&c, s->snapshot), "networks", networks_of(&c));
}

json_t *ts_move_describe(const struct ts_move *m)
{
    json_t *parts = json_array();
    json_t *steps = json_array();
    for (size_t i = 0; i < m->count; i++) {
        (void)json_array_append_new(
            parts,
            json_pack("{s:s, s:b, s:b, s:o, s:o}", "service", m->places[i].service, "changes",
                      (int)m->parts[i].changes, "starts", (int)m->parts[i].starts, "now",
                      describe_side(&m->places[i].now), "next", describe_side(&m->places[i].next)));
    }
    for (size_t i = 0; i < m->plan.count; i++) {
        const struct ts_move_step *step = &m->plan.steps[i];
        (void)json_array_append_new(
            steps, json_pack("{s:s, s:s, s:s}", "deed", ts_move_deed_name(step->deed), "service",
                             step->deed == TS_MOVE_SETTLE ? "" : ts_move_part_name(m, step->part),
                             "text", ts_move_deed_text(step->deed, false)));
    }
    return json_pack("{s:s, s:I, s:o, s:o}", "kind", ts_move_kind_name(m->kind), "downtime_ms",
                     (json_int_t)ts_move_downtime_ms(m), "parts", parts, "steps", steps);
}
