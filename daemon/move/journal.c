/* A move <-> JSON, as it lies in the store. What is read back was written by ourselves, perhaps by
 * an earlier version; what makes no sense is refused rather than guessed. */
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

static json_t *side_json(const struct ts_move_side *s)
{
    if (!s->is) {
        return json_null();
    }
    return json_pack("{s:b, s:b, s:b, s:s, s:s, s:s, s:s, s:I, s:I, s:O?}", "ours", (int)s->ours,
                     "ran", (int)s->ran, "kept", (int)s->kept, "id", s->id, "name", s->name,
                     "aside", s->aside, "policy", s->policy.name, "retries",
                     (json_int_t)s->policy.max_retries, "grace_s", (json_int_t)s->grace_s,
                     "snapshot", s->snapshot);
}

static json_t *part_json(const struct ts_move *m, size_t i)
{
    const struct ts_move_part *p = &m->parts[i];
    return json_pack("{s:s, s:b, s:b, s:b, s:o, s:o}", "service", m->places[i].service, "changes",
                     (int)p->changes, "starts", (int)p->starts, "guarded", (int)p->guarded, "now",
                     side_json(&m->places[i].now), "next", side_json(&m->places[i].next));
}

json_t *ts_move_plan_json(const struct ts_move *m)
{
    json_t *parts = json_array();
    json_t *steps = json_array();
    for (size_t i = 0; i < m->count; i++) {
        (void)json_array_append_new(parts, part_json(m, i));
    }
    for (size_t i = 0; i < m->plan.count; i++) {
        (void)json_array_append_new(steps,
                                    json_pack("[s, I]", ts_move_deed_name(m->plan.steps[i].deed),
                                              (json_int_t)m->plan.steps[i].part));
    }
    return json_pack("{s:s, s:s, s:s, s:s, s:b, s:o, s:o, s:O?}", "kind",
                     ts_move_kind_name(m->kind), "tag", m->tag, "backup", m->backup, "by", m->by,
                     "no_rollback", (int)m->no_rollback, "parts", parts, "steps", steps, "networks",
                     m->networks);
}

json_t *ts_move_state_json(const struct ts_move *m)
{
    json_t *down = json_array();
    json_t *left_out = json_array();
    for (size_t i = 0; i < m->count; i++) {
        if (m->places[i].left_down) {
            (void)json_array_append_new(down, json_integer((json_int_t)i));
        }
        (void)json_array_append_new(left_out, json_string(m->places[i].left_out));
    }
    return json_pack("{s:s, s:I, s:b, s:b, s:o, s:b, s:o, s:s, s:O?}", "way",
                     ts_move_way_name(m->state.way), "at", (json_int_t)m->state.at, "begun",
                     (int)m->state.begun, "incomplete", (int)m->state.incomplete, "left_out",
                     left_out, "kept", (int)m->kept, "left_down", down, "why", m->why, "log",
                     m->log);
}

static bool parse_side(const json_t *v, struct ts_move_side *ret)
{
    *ret = (struct ts_move_side){.is = json_is_object(v)};
    if (!ret->is) {
        return v == NULL || json_is_null(v);
    }
    ret->ours = ts_json_bool_or(v, "ours", false);
    ret->ran = ts_json_bool_or(v, "ran", false);
    ret->kept = ts_json_bool_or(v, "kept", false);
    ret->policy.max_retries = ts_json_i64_or(v, "retries", 0);
    ret->grace_s = ts_json_i64_or(v, "grace_s", 10);
    ret->snapshot = json_incref(ts_json_at(v, "snapshot"));
    return ts_copy(ret->id, sizeof(ret->id), ts_json_str_or(v, "id", "")) &&
           ts_copy(ret->name, sizeof(ret->name), ts_json_str_or(v, "name", "")) &&
           ts_copy(ret->aside, sizeof(ret->aside), ts_json_str_or(v, "aside", "")) &&
           ts_copy(ret->policy.name, sizeof(ret->policy.name), ts_json_str_or(v, "policy", "no"));
}

static bool parse_part(const json_t *v, struct ts_move *m, size_t at)
{
    struct ts_move_part *p = &m->parts[at];
    struct ts_move_place *place = &m->places[at];
    p->changes = ts_json_bool_or(v, "changes", false);
    p->starts = ts_json_bool_or(v, "starts", false);
    p->guarded = ts_json_bool_or(v, "guarded", true);
    bool ok = ts_copy(place->service, sizeof(place->service), ts_json_str_or(v, "service", "")) &&
              parse_side(ts_json_at(v, "now"), &place->now) &&
              parse_side(ts_json_at(v, "next"), &place->next);
    p->has_now = place->now.is;
    p->has_next = place->next.is;
    return ok;
}

static bool parse_steps(const json_t *steps, struct ts_move *m)
{
    bool ok = json_array_size(steps) > 0 && json_array_size(steps) <= TS_MOVE_STEPS_MAX;
    for (size_t i = 0; ok && i < json_array_size(steps); i++) {
        const json_t *step = json_array_get(steps, i);
        struct ts_move_step *to = &m->plan.steps[m->plan.count++];
        const char *deed = json_string_value(json_array_get(step, 0));
        json_int_t part = json_integer_value(json_array_get(step, 1));
        to->part = (size_t)part;
        ok = deed != NULL && ts_move_deed_parse(deed, &to->deed) && part >= 0 &&
             (size_t)part < m->count;
    }
    return ok;
}

static bool parse_plan(const json_t *v, struct ts_move *m)
{
    const json_t *parts = ts_json_at(v, "parts");
    bool ok = ts_move_kind_parse(ts_json_str_or(v, "kind", ""), &m->kind) &&
              ts_copy(m->tag, sizeof(m->tag), ts_json_str_or(v, "tag", "")) && m->tag[0] != '\0' &&
              json_array_size(parts) > 0 && json_array_size(parts) <= TS_MOVE_PARTS_MAX;
    ts_copy_cut(m->backup, sizeof(m->backup), ts_json_str_or(v, "backup", ""));
    ts_copy_cut(m->by, sizeof(m->by), ts_json_str_or(v, "by", ""));
    m->no_rollback = ts_json_bool_or(v, "no_rollback", false);
    m->networks = json_incref(ts_json_at(v, "networks"));
    for (; ok && m->count < json_array_size(parts); m->count++) {
        ok = parse_part(json_array_get(parts, m->count), m, m->count);
    }
    return ok && parse_steps(ts_json_at(v, "steps"), m);
}

static bool parse_state(const json_t *v, struct ts_move *m)
{
    int64_t at = ts_json_i64_or(v, "at", -1);
    const json_t *down = ts_json_at(v, "left_down");
    for (size_t i = 0; i < json_array_size(down); i++) {
        json_int_t part = json_integer_value(json_array_get(down, i));
        if (part >= 0 && (size_t)part < m->count) {
            m->places[part].left_down = true;
        }
    }
    m->state.begun = ts_json_bool_or(v, "begun", false);
    m->state.incomplete = ts_json_bool_or(v, "incomplete", false);
    const json_t *left_out = ts_json_at(v, "left_out");
    if (m->state.incomplete && !json_is_array(left_out)) { /* an older daemon's journal */
        ts_copy_cut(m->places[0].left_out, sizeof(m->places[0].left_out),
                    "not all has become ready again");
    }
    for (size_t i = 0; i < m->count && i < json_array_size(left_out); i++) {
        const char *why = json_string_value(json_array_get(left_out, i));
        ts_copy_cut(m->places[i].left_out, sizeof(m->places[i].left_out), why != NULL ? why : "");
    }
    m->kept = ts_json_bool_or(v, "kept", false);
    m->state.at = (size_t)at;
    ts_copy_cut(m->why, sizeof(m->why), ts_json_str_or(v, "why", ""));
    m->log = json_incref(ts_json_at(v, "log"));
    return at >= 0 && (size_t)at < m->plan.count &&
           ts_move_way_parse(ts_json_str_or(v, "way", ""), &m->state.way);
}

struct ts_move *ts_move_parse(struct ts_daemon *d, const char *plan, const char *state,
                              struct ts_error *err)
{
    struct ts_move *m = calloc(1, sizeof(*m));
    if (m == NULL) {
        ts_error_nomem(err);
        return NULL;
    }
    m->daemon = d;
    json_t *p TS_CLEANUP(ts_json_drop) = ts_json_parse(plan, strlen(plan), err);
    json_t *s TS_CLEANUP(ts_json_drop) = ts_json_parse(state, strlen(state), err);
    m->state = ts_move_begin((ts_mono){0});
    if (p == NULL || s == NULL || !parse_plan(p, m) || !parse_state(s, m)) {
        ts_move_drop(m);
        ts_error_set(err, TS_E_PROTOCOL, "the journal of the last move makes no sense");
        return NULL;
    }
    return m;
}
