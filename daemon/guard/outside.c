/* Judging containers of another project, which a migration replaces and may have to start again. */
#include "base/parse.h"
#include "daemon.h"

static const struct ts_svc_spec *spec_of(const struct ts_daemon *d, const char *service)
{
    const struct ts_svc_spec *own = ts_model_find(d->model, service);
    return own != NULL ? own : &d->model->defaults;
}

static void outside_facts(struct ts_daemon *d, const char *service, const json_t *inspect,
                          struct ts_guard_facts *ret)
{
    const struct ts_svc_spec *spec = spec_of(d, service);
    ts_guard_facts(d, NULL, ret);
    ret->guarded = spec->guarded;
    ts_guard_box(inspect, spec->guarded ? spec->gameplan : "", &ret->own);
}

void ts_guard_judge_planned(struct ts_daemon *d, const char *service, const json_t *inspect,
                            struct ts_judgement *ret)
{
    struct ts_guard_facts facts;
    outside_facts(d, service, inspect, &facts);
    ts_interlock_judge(&facts, ret);
}

void ts_guard_judge_outside(struct ts_daemon *d, const struct ts_guard_outside *outside,
                            struct ts_judgement *ret)
{
    struct ts_guard_facts facts;
    outside_facts(d, outside->service, outside->inspect, &facts);
    facts.plan = outside->plan;
    facts.approval_count = 0;
    facts.gateway_count = outside->gateway_count;
    facts.gateways_cut = outside->gateways_cut;
    for (size_t i = 0; i < outside->gateway_count; i++) {
        struct ts_gateway_facts *g = &facts.gateways[i];
        *g = (struct ts_gateway_facts){.needed = false};
        ts_copy_cut(g->name, sizeof(g->name), outside->gateways[i].service);
        ts_guard_box(outside->gateways[i].inspect, "", &g->box);
    }
    ts_interlock_judge(&facts, ret);
}
