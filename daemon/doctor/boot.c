/* What will happen at the next boot: will the stack come back by itself? */
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "doctor/doctor.h"

static bool comes_back(const struct ts_checkup_unit *u)
{
    const struct ts_svc *s = ts_checkup_state(u);
    return s->wanted == TS_WANTED_UP && !s->held && s->latch == TS_WHY_NONE;
}

/* What holds, only if all is wanted; what does not, always. */
static enum ts_grade boot_fact(struct ts_exam *x, const json_t *fact, bool all)
{
    const char *holds = ts_json_str_or(fact, "holds", "unknown");
    enum ts_grade grade = strcmp(holds, "yes") == 0  ? TS_GRADE_PASS
                          : strcmp(holds, "no") == 0 ? TS_GRADE_WARNING
                                                     : TS_GRADE_UNKNOWN;
    char what[TS_REMARK_WHAT];
    char cure[TS_REMARK_CURE];
    (void)snprintf(what, sizeof(what), "%s%.200s",
                   grade == TS_GRADE_PASS      ? ""
                   : grade == TS_GRADE_WARNING ? "not so: "
                                               : "not known whether ",
                   ts_json_str_or(fact, "what", "?"));
    (void)snprintf(cure, sizeof(cure), "%.380s", ts_json_str_or(fact, "cure", ""));
    if (all || grade == TS_GRADE_WARNING) {
        const struct ts_say say = {
            ts_json_str_or(fact, "id", "boot"), grade, NULL, {0}, what, cure};
        ts_exam_tell(x, &say, "%.400s", ts_json_str_or(fact, "evidence", ""));
    }
    return grade;
}

static enum ts_grade boot_service(struct ts_exam *x, const struct ts_checkup_unit *u, bool all)
{
    const struct ts_svc *s = ts_checkup_state(u);
    bool back = comes_back(u);
    if (back && !ts_restore_has_snapshot(x->d, u->service)) {
        const struct ts_say say = {
            "no-snapshot",
            TS_GRADE_WARNING,
            u,
            {0},
            "there is no snapshot of %s: if its container is pruned, it does not come back",
            "tradestackctl up %f; is the state file writable?"};
        ts_exam_tell(x, &say, "the state file has none");
        return TS_GRADE_WARNING;
    }
    if (all) {
        const struct ts_say say = {
            back ? "service-at-boot" : "service-stays-down",
            back ? TS_GRADE_PASS : TS_GRADE_WARNING,
            u,
            {0},
            back ? "%s is started at boot, or made anew from its snapshot and started"
                 : "%s stays as it is at boot: it is not wanted up",
            back ? "" : "tradestackctl start %s"};
        ts_exam_tell(x, &say, "wanted %s%s%s",
                     s->wanted == TS_WANTED_UP     ? "up"
                     : s->wanted == TS_WANTED_DOWN ? "down"
                                                   : "by nobody",
                     s->held ? ", held" : "", s->latch != TS_WHY_NONE ? ", given up" : "");
    }
    return back ? TS_GRADE_PASS : TS_GRADE_WARNING;
}

static enum ts_grade look(struct ts_exam *x, bool all)
{
    enum ts_grade worst = TS_GRADE_PASS;
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(x->c->facts, "boot"), i, v)
    {
        enum ts_grade g = boot_fact(x, v, all);
        worst = g > worst ? g : worst;
    }
    for (i = 0; i < x->c->unit_count; i++) {
        enum ts_grade g = boot_service(x, &x->c->units[i], all);
        worst = g > worst ? g : worst;
    }
    return worst;
}

void ts_check_boot(struct ts_exam *x)
{
    (void)look(x, false);
}

enum ts_grade ts_doctor_boot(struct ts_exam *x)
{
    enum ts_grade worst = look(x, true);
    size_t n = 0;
    for (size_t i = 0; i < x->c->unit_count; i++) {
        n += comes_back(&x->c->units[i]) ? 1U : 0U;
    }
    bool known = json_array_size(ts_json_at(x->c->facts, "boot")) > 0;
    if (x->d->released || !known) {
        worst = worst < TS_GRADE_UNKNOWN ? TS_GRADE_UNKNOWN : worst;
    }
    const struct ts_say say = {
        "next-boot",
        worst,
        NULL,
        {0},
        worst == TS_GRADE_PASS
            ? "after a boot the stack comes back by itself, in order, in safe mode"
        : known ? "after a boot the stack does not come back whole: see above"
                : "the machine's own part was not asked for",
        worst == TS_GRADE_PASS ? ""
        : known                ? "mend what stands above"
                               : "tradestackctl doctor --boot"};
    ts_exam_tell(x, &say, "%zu of %zu services are wanted up%s", n, x->c->unit_count,
                 x->d->released ? "; supervision is given up (tradestackctl up)" : "");
    return worst;
}
