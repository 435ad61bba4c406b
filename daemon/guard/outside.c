/* Judging containers of another project: those that a migration replaces and may have to start
 * again, and those that a rollback puts back. */
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

static const struct ts_svc_spec *first_guarded(const struct ts_model *m)
{
    for (size_t i = 0; i < m->service_count; i++) {
        if (m->services[i].guarded) {
            return &m->services[i];
        }
    }
    return NULL;
}

static bool is_guarded_part(const struct ts_daemon *d, const struct ts_move_place *p,
                            const char *image)
{
    const struct ts_svc_spec *spec = ts_model_find(d->model, p->service);
    return spec != NULL && spec->guarded &&
           (strcmp(ts_json_str_or(p->now.snapshot, "Image", ""), image) == 0 ||
            strcmp(ts_json_str_or(p->next.snapshot, "Image", ""), image) == 0);
}

static bool has_guarded_image(const struct ts_daemon *d, const json_t *inspect)
{
    const char *image = ts_json_str_or(inspect, "Image", "");
    for (size_t i = 0; d->move != NULL && i < d->move->count && image[0] != '\0'; i++) {
        if (is_guarded_part(d, &d->move->places[i], image)) {
            return true;
        }
    }
    for (size_t i = 0; i < d->unit_count && image[0] != '\0'; i++) {
        if (ts_super_spec(d->super, i)->guarded &&
            strcmp(d->units[i]->container.image_id, image) == 0) {
            return true;
        }
    }
    return false;
}

const struct ts_svc_spec *ts_guard_spec_outside(const struct ts_daemon *d, const char *service,
                                                const json_t *inspect)
{
    const struct ts_svc_spec *own = ts_model_find(d->model, service);
    const struct ts_svc_spec *guarded = first_guarded(d->model);
    struct ts_box_facts box;
    if (own != NULL || guarded == NULL) {
        return own != NULL ? own : &d->model->defaults;
    }
    ts_guard_box(inspect, "", &box);
    bool like_a_bot = box.dry_run.is_set || box.oddity[0] != '\0' || !box.readable ||
                      has_guarded_image(d, inspect);
    return like_a_bot ? guarded : &d->model->defaults;
}

static void outside_facts(struct ts_daemon *d, const char *service, const json_t *inspect,
                          struct ts_guard_facts *ret)
{
    const struct ts_svc_spec *spec = ts_guard_spec_outside(d, service, inspect);
    ts_guard_facts(d, NULL, ret);
    ret->service = service;
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
