/* The way back of a migration starts containers of another project, which have no machine of ours.
 * They are judged all the same, and written down, as the start of a unit would be (perform.c): as
 * the engine has them, with the gameplan that they would find, and never past a latch. */
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
    const struct ts_svc_spec *own = ts_model_find(m->daemon->model, service_of(m));
    return own != NULL ? own : &m->daemon->model->defaults;
}

/* The gateways that it had beside it before the move. */
static void add_gateways(const struct ts_move *m, struct ts_guard_outside *ret)
{
    for (size_t i = 0; i < m->count; i++) {
        const struct ts_move_place *p = &m->places[i];
        const struct ts_svc_spec *spec = ts_model_find(m->daemon->model, p->service);
        if (spec == NULL || !ts_model_is_gateway(spec) || !p->now.is || p->now.ours) {
            continue;
        }
        if (ret->gateway_count == TS_GATEWAYS_MAX) {
            ret->gateways_cut = true;
        } else {
            ret->gateways[ret->gateway_count].service = p->service;
            ret->gateways[ret->gateway_count++].inspect = p->now.snapshot;
        }
    }
}

/* A service that broke a rule stays down until the CRO has looked, whichever container it has. */
static bool is_latched(const struct ts_move *m, struct ts_judgement *j)
{
    size_t i = ts_super_find(m->daemon->super, service_of(m));
    const struct ts_svc *s = i == SIZE_MAX ? NULL : ts_super_state(m->daemon->super, i);
    if (s == NULL || s->block != TS_BLOCK_TRIPPED) {
        return false;
    }
    j->overall = TS_FINDING_FAIL;
    (void)snprintf(j->text, sizeof(j->text), "it broke a safety rule: %.*s",
                   (int)(sizeof(j->text) - 32), s->latch_detail);
    return true;
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
    const struct ts_guarded_start what = {.service = outside.service,
                                          .id = ts_json_str_or(m->outside, "Id", ""),
                                          .image = ts_json_str_or(m->outside, "Image", "")};
    add_gateways(m, &outside);
    ts_guard_judge_outside(d, &outside, &j);
    bool ok = !is_latched(m, &j) && j.overall == TS_FINDING_PASS &&
              (!spec_of(m)->guarded || ts_guard_allowed(d, &what, &j));
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
    const struct ts_svc_spec *spec = spec_of(m);
    struct ts_error err;
    json_decref(m->outside);
    m->outside = json_incref(inspect);
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
