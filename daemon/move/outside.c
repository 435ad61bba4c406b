/* The way back of a migration, and a rollback to what was before it, start containers of another
 * project, which have no machine of ours. They are judged all the same, and written down, as the
 * start of a unit would be (perform.c): as the engine has them, with the gameplan that they would
 * find, and never past a latch. */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "daemon.h"

static size_t part_of(const struct ts_move *m)
{
    return m->plan.steps[m->state.at].part;
}

static const char *service_of(const struct ts_move *m)
{
    return m->places[part_of(m)].service;
}

static const struct ts_svc_spec *spec_of(const struct ts_move *m)
{
    return ts_guard_spec_outside(m->daemon, service_of(m), m->outside);
}

/* Of the part, what stands beside it when it runs. */
static const struct ts_move_side *side_beside(const struct ts_move *m, size_t part)
{
    const struct ts_move_place *p = &m->places[part];
    bool is_back = m->state.way == TS_MOVE_BACK;
    const struct ts_move_side *side = is_back || !p->next.is ? &p->now : &p->next;
    return side->is ? side : NULL;
}

/* By its section; of one that the configuration does not know, by a mode of its own. */
static bool is_gateway(const struct ts_move *m, size_t part, const struct ts_move_side *side)
{
    const struct ts_svc_spec *spec = ts_model_find(m->daemon->model, m->places[part].service);
    struct ts_box_facts box;
    ts_guard_box(side->snapshot, "", &box);
    return spec != NULL ? ts_model_is_gateway(spec) : box.mode.is_set;
}

/* The gateways that it has beside it there. */
static void add_gateways(const struct ts_move *m, struct ts_guard_outside *ret)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct ts_move_side *side = side_beside(m, i);
        if (side == NULL || i == part_of(m) || !is_gateway(m, i, side)) {
            continue;
        }
        if (ret->gateway_count == TS_GATEWAYS_MAX) {
            ret->gateways_cut = true;
        } else {
            ret->gateways[ret->gateway_count].service = m->places[i].service;
            ret->gateways[ret->gateway_count++].inspect = side->snapshot;
        }
    }
}

static bool is_tripped(const struct ts_move *m, const char *service, char detail[TS_DETAIL_MAX])
{
    size_t i = ts_super_find(m->daemon->super, service);
    const struct ts_svc s =
        i != SIZE_MAX ? *ts_super_state(m->daemon->super, i) : ts_memory_recall(m->daemon, service);
    ts_detail_copy(detail, s.latch_detail);
    return s.block == TS_BLOCK_TRIPPED;
}

/* A service that broke a rule stays down until the CRO has looked, whichever container it has; also
 * after a restart of the daemon, while nothing stands for it. Of a bot that the configuration does
 * not know, any guarded service's trip counts. */
static bool is_latched(const struct ts_move *m, struct ts_judgement *j)
{
    const struct ts_model *model = m->daemon->model;
    bool known = ts_model_find(model, service_of(m)) != NULL;
    bool guarded = spec_of(m)->guarded;
    char detail[TS_DETAIL_MAX];
    bool latched = known && is_tripped(m, service_of(m), detail);
    for (size_t i = 0; i < model->service_count && !known && guarded && !latched; i++) {
        latched = model->services[i].guarded && is_tripped(m, model->services[i].name, detail);
    }
    if (latched) {
        char text[TS_DETAIL_MAX * 2];
        (void)snprintf(text, sizeof(text), "it broke a safety rule: %s", detail);
        ts_detail_copy(j->text, text);
        j->overall = TS_FINDING_FAIL;
    }
    return latched;
}

static void refuse(struct ts_move *m, const struct ts_judgement *j)
{
    char text[TS_MOVE_TEXT];
    (void)snprintf(text, sizeof(text), "the safety rules refuse it: %s; it stays stopped", j->text);
    m->down_outside = false; /* it is where it belongs: the way back goes on without it */
    ts_move_see(m, TS_MOVE_FAILED, text);
}

static void start(struct ts_move *m, struct ts_plan_facts plan)
{
    struct ts_daemon *d = m->daemon;
    struct ts_judgement j;
    struct ts_error err;
    struct ts_guard_outside outside = {
        .service = service_of(m), .inspect = m->outside, .plan = plan};
    struct ts_guarded_start what = {.service = outside.service,
                                    .id = ts_json_str_or(m->outside, "Id", ""),
                                    .image = ts_json_str_or(m->outside, "Image", "")};
    add_gateways(m, &outside);
    ts_guard_judge_outside(d, &outside, &j);
    what.latched = is_latched(m, &j);
    bool ok =
        j.overall == TS_FINDING_PASS && (!spec_of(m)->guarded || ts_guard_allowed(d, &what, &j));
    if (ok) {
        m->op = ts_container_start(d->engine, what.id, ts_move_acted, m, &err);
        if (m->op == NULL) {
            ts_move_not_done(m, &err);
        }
    } else if (j.overall == TS_FINDING_FAIL) {
        ts_guard_refused(d, &what, &j);
        refuse(m, &j);
    } else {
        ts_move_see(m, TS_MOVE_TROUBLE, j.text);
    }
}

static void on_plan(void *ctx, const struct ts_container_file *file, const struct ts_error *err)
{
    struct ts_move *m = ctx;
    m->op = NULL;
    start(m, err != NULL ? ts_plan_unread(err) : ts_plan_facts(file));
}

void ts_move_start_outside(struct ts_move *m, json_t *inspect)
{
    struct ts_error err;
    json_decref(m->outside);
    m->outside = json_incref(inspect);
    const struct ts_svc_spec *spec = spec_of(m);
    if (!spec->guarded || spec->gameplan[0] == '\0') {
        start(m, (struct ts_plan_facts){.state = TS_PLAN_UNWATCHED});
        return;
    }
    m->op = ts_container_read_file(m->daemon->engine, ts_json_str_or(inspect, "Id", ""),
                                   spec->gameplan, on_plan, m, &err);
    if (m->op == NULL) {
        on_plan(m, NULL, &err);
    }
}
