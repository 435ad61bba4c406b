/* The start of a guarded service in the audit trail: allowed, before it happens; or refused. */
#include "daemon.h"

bool ts_guard_allowed(struct ts_daemon *d, const struct ts_guarded_start *start,
                      struct ts_judgement *j)
{
    struct ts_error err;
    json_t *data = json_pack("{s:s, s:s}", "container", start->id, "image", start->image);
    json_t *rules = json_object();
    for (unsigned i = 0; i < TS_RULE_COUNT; i++) {
        (void)json_object_set_new(rules, ts_rule_name((enum ts_rule)i),
                                  json_string(ts_finding_name(j->rules[i].finding)));
    }
    (void)json_object_set_new(data, "rules", rules);
    const struct ts_trail_note note = {.event = "start",
                                       .service = start->service,
                                       .outcome = "allowed",
                                       .text = "every rule passes",
                                       .data = data,
                                       .first = true};
    bool ok = ts_trail_add(d, &note, NULL, &err);
    json_decref(data);
    if (!ok) {
        j->overall = TS_FINDING_UNKNOWN;
        j->why = TS_WHY_UNVERIFIED;
        ts_detail_copy(j->text, err.msg);
    }
    return ok;
}

void ts_guard_refused(struct ts_daemon *d, const struct ts_guarded_start *start,
                      const struct ts_judgement *j)
{
    struct ts_error ignored; /* it waits in the trail until it can be written */
    json_t *data = json_pack("{s:s, s:s}", "rule", start->latched ? "latch" : ts_rule_name(j->rule),
                             "container", start->id);
    const struct ts_trail_note note = {.event = "start",
                                       .service = start->service,
                                       .outcome = "refused",
                                       .text = j->text,
                                       .data = data};
    (void)ts_trail_add(d, &note, NULL, &ignored);
    json_decref(data);
}
