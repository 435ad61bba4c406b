/* The last checkpoint: all that was started stays ready for a while. A migration is done only when
 * the operators' points hold as well: those that tell of failed authentication, an unreachable bot,
 * broken alerting. What only takes time is tried again. */
#include <stdio.h>
#include <string.h>

#include "daemon.h"
#include "doctor/validate.h"

#define SETTLE_MS 5000 /* all must stay ready so long */

/* A point that is as it was hoped for in a moment (the monitor's next look) is none of these. */
static bool matters(const struct ts_move *m, const struct ts_remark *point)
{
    static const char *const ids[] = {"containers", "network",       "reach",
                                      "api",        "authenticated", "bot-start"};
    if (strcmp(point->id, "channels") == 0) { /* none at all is no alerting that was broken */
        return ts_sender_channel_count(m->daemon->sender) > 0;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(ids); i++) {
        if (strcmp(point->id, ids[i]) == 0) {
            return true;
        }
    }
    return false;
}

static void each(void *ctx, const struct ts_remark *point)
{
    struct ts_move *m = ctx;
    if (point->grade != TS_GRADE_ERROR || !matters(m, point)) {
        return;
    }
    m->invalid = true;
    (void)snprintf(m->seen, sizeof(m->seen), "validation: %.120s: no: %.200s", point->what,
                   point->evidence);
}

static void done(void *ctx, size_t failed)
{
    struct ts_move *m = ctx;
    (void)failed;
    m->validation = NULL;
    if (m->invalid) {
        m->steady_since = TS_NEVER; /* again, after a further while of being ready */
        m->pending = true;
        ts_daemon_kick(m->daemon);
    } else {
        ts_move_see(m, TS_MOVE_REACHED, "");
    }
}

static void validate(struct ts_move *m)
{
    const struct ts_validate_options options = {.send_alert = false};
    const struct ts_validate_handler handler = {each, done, m};
    struct ts_error err;
    m->invalid = false;
    m->validation = ts_validate_run(m->daemon, &options, &handler, &err);
    m->pending = m->validation == NULL; /* another one is under way: after it */
}

static bool is_started(const struct ts_move *m, size_t part)
{
    for (size_t i = 0; i < m->plan.count; i++) {
        if (m->plan.steps[i].deed == TS_MOVE_START && m->plan.steps[i].part == part) {
            return true;
        }
    }
    return false;
}

/* How the part's service does while all is to stay ready. */
enum wellness { WELL, UNWELL, LOST };

static enum wellness look_after(struct ts_move *m, size_t part)
{
    const struct ts_move_place *p = &m->places[part];
    const struct ts_move_side *side = p->next.is ? &p->next : &p->now;
    const struct ts_unit *u = ts_move_unit(m, part, side);
    const struct ts_svc *s = u == NULL ? NULL : ts_super_state(m->daemon->super, u->index);
    if (!is_started(m, part) || !side->ours || p->left_down) {
        return WELL;
    }
    if (s != NULL && !m->restarts_known) {
        m->restarts[part] = s->restarts_total;
    }
    if (s != NULL && ts_move_is_up(s)) {
        return WELL;
    }
    m->blamed = part;
    if (s == NULL) {
        (void)snprintf(m->seen, sizeof(m->seen), "%s has no container any more",
                       ts_move_part_name(m, part));
        size_t i = ts_super_find(m->daemon->super, p->service);
        bool gone = i != SIZE_MAX && ts_super_state(m->daemon->super, i)->phase == TS_PHASE_ABSENT;
        return gone ? LOST : UNWELL;
    }
    ts_move_tell_unit(m, u);
    return ts_move_is_lost(s) || s->restarts_total - m->restarts[part] >= TS_MOVE_DIED_MAX ? LOST
                                                                                           : UNWELL;
}

void ts_move_settle(struct ts_move *m)
{
    ts_mono now = ts_loop_now(m->daemon->loop);
    enum wellness worst = WELL;
    for (size_t i = 0; i < m->count && worst != LOST; i++) {
        enum wellness it = look_after(m, i);
        worst = it > worst ? it : worst;
    }
    m->restarts_known = true;
    if (worst != WELL) {
        m->steady_since = TS_NEVER;
    } else if (m->steady_since.ms == TS_NEVER.ms) {
        m->steady_since = now;
    }
    if (worst == LOST) {
        ts_move_see(m, TS_MOVE_FAILED, m->seen);
    } else if (worst == WELL && ts_mono_diff(m->steady_since, now) >= SETTLE_MS) {
        if (m->kind == TS_MOVE_MIGRATE) {
            validate(m);
        } else {
            ts_move_see(m, TS_MOVE_REACHED, "");
        }
    } else {
        m->pending = true;
    }
}

void ts_move_validate_stop(struct ts_move *m)
{
    ts_validate_leave(m->validation);
    m->validation = NULL;
}
