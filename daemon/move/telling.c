/* What is told of a move: to the log, to events and alerts, to whoever watches or asks. */
#include <stdio.h>
#include <string.h>

#include "api/api.h"
#include "base/buf.h"
#include "base/json.h"
#include "base/parse.h"
#include "daemon.h"

const char *ts_move_part_name(const struct ts_move *m, size_t part)
{
    const struct ts_move_place *p = &m->places[part];
    return p->service[0] != '\0' ? p->service : p->now.is ? p->now.name : p->next.name;
}

/* "gateway starts and becomes ready" */
static void step_text(const struct ts_move *m, char *out, size_t size)
{
    const struct ts_move_step *step = &m->plan.steps[m->state.at];
    bool back = m->state.way == TS_MOVE_BACK;
    const char *text = ts_move_deed_text(step->deed, back);
    bool about_all = step->deed == TS_MOVE_SETTLE;
    (void)snprintf(out, size, "%s%s%s", about_all ? "" : ts_move_part_name(m, step->part),
                   about_all || text[0] == '\0' ? "" : ": ", text);
}

void ts_move_line(const struct ts_daemon *d, char *out, size_t size)
{
    static const char *const going[TS_MOVE_WAY_COUNT] = {
        [TS_MOVE_FORWARD] = "going forward", [TS_MOVE_BACK] = "going back",
        [TS_MOVE_HALTED] = "halted",         [TS_MOVE_DONE] = "done",
        [TS_MOVE_RETURNED] = "gone back",
    };
    const struct ts_move *m = d->move;
    char step[160];
    if (m == NULL) {
        out[0] = '\0';
        return;
    }
    step_text(m, step, sizeof(step));
    if (ts_move_is_open(m->state.way)) {
        (void)snprintf(out, size, "%s, %s: %s (step %zu of %zu)", ts_move_kind_name(m->kind),
                       going[m->state.way], step, m->state.at + 1, m->plan.count);
    } else {
        (void)snprintf(out, size, "%s, %s", ts_move_kind_name(m->kind), going[m->state.way]);
    }
}

static const char *next_text(const struct ts_move *m)
{
    switch (m->state.way) {
    case TS_MOVE_FORWARD: return "to go back now: tradestackctl rollback";
    case TS_MOVE_BACK: return "the former containers come back";
    case TS_MOVE_HALTED:
        return "to go back: tradestackctl rollback; to keep it as it stands: tradestackctl migrate "
               "--accept";
    case TS_MOVE_DONE:
        return m->kept ? "to remove the former containers: tradestackctl migrate --accept; to go "
                         "back: tradestackctl rollback"
                       : "";
    case TS_MOVE_RETURNED:
    case TS_MOVE_WAY_COUNT: return "";
    }
    return "";
}

json_t *ts_move_json(struct ts_daemon *d)
{
    const struct ts_move *m = d->move;
    char began[TS_WALL_TEXT];
    char step[160] = "";
    char line[TS_MOVE_TEXT];
    if (m == NULL || (!ts_move_is_open(m->state.way) && !m->kept)) {
        return json_null();
    }
    ts_wall_format(m->began, began);
    step_text(m, step, sizeof(step));
    ts_move_line(d, line, sizeof(line));
    return json_pack("{s:s, s:s, s:s, s:s, s:s, s:s, s:I, s:I, s:s, s:b, s:s}", "kind",
                     ts_move_kind_name(m->kind), "way", ts_move_way_name(m->state.way), "summary",
                     line, "by", m->by, "began", began, "step", step, "at",
                     (json_int_t)m->state.at + 1, "steps", (json_int_t)m->plan.count, "reason",
                     m->why, "kept", (int)m->kept, "next", next_text(m));
}

/* A step began, or (done) is over. */
void ts_move_tell_step(struct ts_move *m, bool done, bool ok, const char *detail)
{
    char text[200];
    const struct ts_move_step *step = &m->plan.steps[m->state.at];
    const char *name = step->deed == TS_MOVE_SETTLE ? "stack" : ts_move_part_name(m, step->part);
    bool back = m->state.way == TS_MOVE_BACK;
    const char *deed = ts_move_deed_text(step->deed, back);
    if (deed[0] == '\0') { /* nothing to be undone */
        return;
    }
    (void)snprintf(text, sizeof(text), "%s%s", back ? "back: " : "", deed);
    ts_api_move_step(m, name, text, done, ok, detail);
    if (!done) {
        char line[TS_MOVE_TEXT];
        ts_move_line(m->daemon, line, sizeof(line));
        TS_LOG(m->daemon->log, TS_MSG_MOVE,
               TS_FIELDS(TS_STR("tag", m->tag), TS_STR("deed", ts_move_deed_name(step->deed)),
                         TS_STR("way", ts_move_way_name(m->state.way))),
               "%s", line);
        ts_memory_event(m->daemon, m->places[step->part].service, "move.step", line);
    }
}

void ts_move_explain_turn(struct ts_move *m, const struct ts_move_state *before, bool late)
{
    char expected[160];
    char limit[TS_SPAN_TEXT];
    enum ts_move_way way = m->state.way;
    m->state.way = before->way;
    ts_move_expected(m, expected, sizeof(expected));
    ts_span_format(ts_move_limit_ms(m), limit);
    m->state.way = way;
    if (m->sight == TS_MOVE_TURN && m->sighted) {
        (void)snprintf(m->why, sizeof(m->why), "an operator asked for it");
    } else {
        (void)snprintf(m->why, sizeof(m->why), "expected: %.130s%s%s%s; seen: %.180s", expected,
                       late ? " (within " : "", late ? limit : "", late ? ")" : "",
                       m->seen[0] != '\0' ? m->seen : "nothing of it");
    }
}

void ts_move_tell_turn(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    char text[TS_MOVE_TEXT + 80];
    bool halted = m->state.way == TS_MOVE_HALTED;
    (void)snprintf(text, sizeof(text), "%s %s: %s", ts_move_kind_name(m->kind),
                   halted ? "halts" : "goes back", m->why);
    TS_LOG(d->log, TS_MSG_MOVE_FAILED, TS_FIELDS(TS_STR("tag", m->tag)), "%s", text);
    ts_memory_event(d, "", halted ? "move.halted" : "move.back", text);
    ts_notice_move(d, m->state.way, text);
}

static bool any_left_down(const struct ts_move *m)
{
    for (size_t i = 0; i < m->count; i++) {
        if (m->places[i].left_down) {
            return true;
        }
    }
    return false;
}

void ts_move_left_out(const struct ts_move *m, char *out, size_t size)
{
    struct ts_buf text = ts_buf_init(size);
    for (size_t i = 0; i < m->count; i++) {
        const char *name = ts_move_part_name(m, i);
        const char *why = m->places[i].left_out;
        bool named = strncmp(why, name, strlen(name)) == 0;
        if (why[0] != '\0') {
            (void)ts_buf_addf(&text, "%s%s%s%s", text.len > 0 ? "; " : "", named ? "" : name,
                              named ? "" : ": ", why);
        }
    }
    ts_copy_cut(out, size, ts_buf_text(&text));
    ts_buf_done(&text);
}

void ts_move_tell_end(struct ts_move *m)
{
    struct ts_daemon *d = m->daemon;
    char text[TS_MOVE_TEXT * 2];
    char left_out[TS_MOVE_TEXT];
    ts_move_left_out(m, left_out, sizeof(left_out));
    bool done = m->state.way == TS_MOVE_DONE;
    (void)snprintf(text, sizeof(text), "%s %s%s%s%s", ts_move_kind_name(m->kind),
                   done ? "done: all is ready" : "gone back: all is as it was",
                   left_out[0] != '\0' ? ", but not all of it runs: " : "", left_out,
                   any_left_down(m) ? ", but for what an operator has stopped meanwhile" : "");
    TS_LOG(d->log, done ? TS_MSG_MOVE : TS_MSG_MOVE_FAILED, TS_FIELDS(TS_STR("tag", m->tag)), "%s",
           text);
    ts_memory_event(d, "", done ? "move.done" : "move.returned", text);
    ts_notice_move(d, m->state.way, text);
}
