/* The points of a validation that only look. Each tells exactly one remark. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/buf.h"
#include "base/json.h"
#include "base/parse.h"
#include "doctor/validate_internal.h"

#define START_LINES_MS 60000                 /* the operators' limit for the bot's first lines */
#define API_SILENT_MS  ((int64_t)10 * 60000) /* the bot asks every minute */
#define TEXT_BYTES     4096

/* A point that holds, or does not. unknown: it cannot be said. */
enum holds { HOLDS, HOLDS_NOT, HOLDS_UNKNOWN };

struct point {
    const char *id;
    const char *what; /* as a sentence that is true if it holds */
    const char *cure;
};

static void tell(struct ts_exam *x, const struct point *p, enum holds holds,
                 const struct ts_checkup_unit *unit, ts_wall since, const char *evidence)
{
    const struct ts_say say = {
        p->id,
        holds == HOLDS ? TS_GRADE_PASS : holds == HOLDS_NOT ? TS_GRADE_ERROR : TS_GRADE_UNKNOWN,
        unit,
        since,
        p->what,
        holds == HOLDS ? "" : p->cure};
    ts_exam_tell(x, &say, "%s", evidence);
}

static void tell_absent(struct ts_exam *x, const struct point *p, const char *who)
{
    char text[160];
    (void)snprintf(text, sizeof(text), "the project has no %s whose container can be seen", who);
    tell(x, p, HOLDS_UNKNOWN, NULL, (ts_wall){0}, text);
}

/* The unit of the role if its container was seen; else the point is told as unknown. */
static struct ts_checkup_unit *need(struct ts_exam *x, const struct point *p, enum ts_role role)
{
    struct ts_checkup_unit *u = ts_checkup_role(x->c, role);
    if (u == NULL || !u->seen) {
        tell_absent(x, p,
                    role == TS_ROLE_GATEWAY ? "gateway"
                    : role == TS_ROLE_BOT   ? "bot (guarded service)"
                                            : "health monitor");
        return NULL;
    }
    return u;
}

/* --- the stack */

static void point_containers(struct ts_exam *x, const struct point *p)
{
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    enum holds holds = x->c->unit_count > 0 ? HOLDS : HOLDS_NOT;
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        const struct ts_svc *s = ts_checkup_state(u);
        char since[TS_WALL_TEXT];
        char why[TS_DETAIL_MAX * 3];
        bool ready = s->phase == TS_PHASE_READY && ts_checkup_runs(u);
        bool over = s->phase == TS_PHASE_STOPPED && s->why == TS_WHY_COMPLETED;
        ts_wall_format(ts_doctor_since(u), since);
        ts_reason_text(s->why, s->detail, why, sizeof(why));
        (void)ts_buf_addf(&text, "%s%s (%s) %s since %s", i > 0 ? "; " : "", u->service,
                          u->has_container ? u->container.name : "no container",
                          ts_phase_name(s->phase), since);
        if (!ready && !over) {
            holds = HOLDS_NOT;
            (void)ts_buf_addf(&text, " (%s)", why);
        }
    }
    if (!x->d->link.up) {
        holds = HOLDS_UNKNOWN;
        (void)ts_buf_addf(&text, "; the engine does not answer: %s", x->d->link.detail);
    }
    tell(x, p, holds, NULL, (ts_wall){0}, text.len > 0 ? ts_buf_text(&text) : "no containers");
    ts_buf_done(&text);
}

/* The one network that all of them are on; "" if there is none. */
static const char *common_network(const struct ts_checkup *c)
{
    const struct ts_checkup_unit *first = &c->units[0];
    for (size_t n = 0; n < first->container.network_count; n++) {
        const char *name = first->container.networks[n].name;
        bool all = true;
        for (size_t i = 0; i < c->unit_count && all; i++) {
            bool on = false;
            for (size_t k = 0; k < c->units[i].container.network_count; k++) {
                on = on || strcmp(c->units[i].container.networks[k].name, name) == 0;
            }
            all = on;
        }
        if (all) {
            return name;
        }
    }
    return "";
}

static void point_network(struct ts_exam *x, const struct point *p)
{
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    const char *common = x->c->unit_count > 0 ? common_network(x->c) : "";
    bool seen = true;
    (void)ts_buf_addf(&text, "%s%s", common[0] != '\0' ? "network " : "no network in common",
                      common);
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        seen = seen && u->seen;
        for (size_t k = 0; k < u->container.network_count; k++) {
            const struct ts_container_network *n = &u->container.networks[k];
            (void)ts_buf_addf(&text, "; %s %s", u->container.name,
                              n->ip[0] != '\0' ? n->ip : "has no address (it does not run)");
            if (strcmp(n->name, common) != 0) {
                (void)ts_buf_addf(&text, " on %s", n->name);
            }
        }
    }
    tell(x, p,
         !seen               ? HOLDS_UNKNOWN
         : common[0] != '\0' ? HOLDS
                             : HOLDS_NOT,
         NULL, (ts_wall){0}, ts_buf_text(&text));
    ts_buf_done(&text);
}

static void point_reach(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup *c = x->c;
    const struct ts_reach_result *r = &c->reach_result;
    char text[TS_REMARK_EVIDENCE];
    if (!r->ran) {
        tell(x, p, HOLDS_UNKNOWN, NULL, (ts_wall){0}, r->detail);
        return;
    }
    (void)snprintf(text, sizeof(text),
                   "from inside the bot's network: %.80s %s%.60s; port %u: %.30s, %.220s (%lld ms)",
                   c->reach_host, r->resolved[0] != '\0' ? "is " : "is not known", r->resolved,
                   (unsigned)c->reach_request.port, r->reason, r->detail, (long long)r->took_ms);
    tell(x, p, r->reached ? HOLDS : HOLDS_NOT, ts_checkup_role(x->c, TS_ROLE_BOT), (ts_wall){0},
         text);
}

/* --- the gateway */

static const struct ts_probe_state *api_probe(const struct ts_checkup_unit *u)
{
    const struct ts_svc_spec *spec = ts_checkup_spec(u);
    for (size_t i = 0; i < spec->probe_count; i++) {
        if (spec->probes[i].kind == TS_PROBE_IBAPI) {
            return &ts_checkup_state(u)->probes[i];
        }
    }
    return NULL;
}

static void tell_probe(struct ts_exam *x, const struct point *p, enum holds holds,
                       const struct ts_checkup_unit *u, const struct ts_probe_state *probe)
{
    char text[TS_REMARK_EVIDENCE];
    ts_wall since = {ts_loop_wall(x->d->loop).ms -
                     ts_mono_diff(probe->since, ts_loop_now(x->d->loop))};
    (void)snprintf(text, sizeof(text), "%s: %s%s%s (%lld ms)", ts_probe_reason_name(probe->reason),
                   ts_probe_reason_text(probe->reason), probe->detail[0] != '\0' ? ": " : "",
                   probe->detail, (long long)probe->took_ms);
    tell(x, p, holds, u, since, text);
}

static void point_api(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup_unit *u = need(x, p, TS_ROLE_GATEWAY);
    const struct ts_probe_state *probe = u != NULL ? api_probe(u) : NULL;
    if (probe == NULL) {
        return;
    }
    bool answers = ts_checkup_runs(u) &&
                   (ts_probe_reason_ready(probe->reason) || probe->reason == TS_PR_LIVE_ACCOUNT ||
                    probe->reason == TS_PR_UPSTREAM_DOWN || probe->reason == TS_PR_NOT_LOGGED_IN);
    tell_probe(x, p, answers ? HOLDS : HOLDS_NOT, u, probe);
}

static void point_authenticated(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup_unit *u = need(x, p, TS_ROLE_GATEWAY);
    const struct ts_probe_state *probe = u != NULL ? api_probe(u) : NULL;
    if (probe == NULL) {
        return;
    }
    bool in = ts_checkup_runs(u) && u->unit->guard.accounts_live &&
              (ts_probe_reason_ready(probe->reason) || probe->reason == TS_PR_LIVE_ACCOUNT);
    tell_probe(x, p, in ? HOLDS : HOLDS_NOT, u, probe);
}

/* --- safety: the interlock's verdicts on the bot */

static const struct rule_point {
    enum ts_rule rules[4];
    size_t count;
    struct point p;
} rule_points[] = {
    {{TS_RULE_ACCOUNT},
     1,
     {"paper-account", "the gateway serves paper accounts only", "tradestackctl safety"}},
    {{TS_RULE_DRY_RUN}, 1, {"dry-run", "the bot runs with DRY_RUN=true", "tradestackctl safety"}},
    {{TS_RULE_MODE, TS_RULE_GATEWAY},
     2,
     {"trading-mode", "TRADING_MODE is paper in bot and gateway", "tradestackctl safety"}},
    {{TS_RULE_CONFIG, TS_RULE_GAMEPLAN, TS_RULE_LOG, TS_RULE_TRAIL},
     4,
     {"safety",
      "settings said once, no gameplan that nobody approved, no word of live trading, a whole "
      "audit trail",
      "tradestackctl safety"}},
};

static void point_rules(struct ts_exam *x, const struct rule_point *rp)
{
    const struct ts_checkup_unit *bot = need(x, &rp->p, TS_ROLE_BOT);
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    struct ts_judgement j;
    enum holds holds = HOLDS;
    if (bot == NULL) {
        return;
    }
    ts_guard_judge(bot->unit, &j);
    for (size_t i = 0; i < rp->count; i++) {
        const struct ts_rule_result *r = &j.rules[rp->rules[i]];
        if (r->finding == TS_FINDING_FAIL) {
            holds = HOLDS_NOT;
        } else if (r->finding == TS_FINDING_UNKNOWN && holds == HOLDS) {
            holds = HOLDS_UNKNOWN;
        }
        (void)ts_buf_addf(&text, "%s%s: %s, %s", i > 0 ? "; " : "", ts_rule_name(rp->rules[i]),
                          ts_finding_name(r->finding), r->text);
    }
    tell(x, &rp->p, holds, bot, (ts_wall){0}, ts_buf_text(&text));
    ts_buf_done(&text);
}

/* --- the bot's log */

static void point_bot_start(struct ts_exam *x, const struct point *p)
{
    static const enum ts_log_mark marks[] = {TS_MARK_DRY_RUN, TS_MARK_CONNECTED, TS_MARK_PAPER,
                                             TS_MARK_STRATEGY};
    const struct ts_checkup_unit *bot = need(x, p, TS_ROLE_BOT);
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    enum holds holds = HOLDS;
    if (bot == NULL) {
        return;
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(marks); i++) {
        const struct ts_log_tally *t = &bot->start.marks[marks[i]];
        int64_t after = t->first.ms - bot->container.started_at.ms;
        (void)ts_buf_adds(&text, i > 0 ? "; " : "");
        if (t->count == 0) {
            holds = HOLDS_NOT;
            (void)ts_buf_addf(&text, "MISSING: it %s", ts_log_mark_what(marks[i]));
        } else {
            holds = after > START_LINES_MS ? HOLDS_NOT : holds;
            (void)ts_buf_addf(&text, "after %lld s%s \"%.110s\"", (long long)(after / 1000),
                              after > START_LINES_MS ? " (TOO LATE)" : "", t->line);
        }
    }
    holds = bot->start.lines == 0 && !bot->log_read ? HOLDS_UNKNOWN : holds;
    tell(x, p, holds, bot, bot->container.started_at, ts_buf_text(&text));
    ts_buf_done(&text);
}

static void point_bot_api(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup_unit *bot = need(x, p, TS_ROLE_BOT);
    char text[TS_REMARK_EVIDENCE];
    char at[TS_WALL_TEXT];
    if (bot == NULL) {
        return;
    }
    const struct ts_log_tally *t = &bot->view.marks[TS_MARK_API];
    bool lately = ts_loop_wall(x->d->loop).ms - t->last.ms < API_SILENT_MS;
    ts_wall_format(t->last, at);
    if (t->count == 0) {
        (void)snprintf(text, sizeof(text),
                       "no line about market data, account or API in the last "
                       "%u lines of its log",
                       bot->view.lines);
    } else {
        (void)snprintf(text, sizeof(text), "%u lines, the last at %s: \"%s\"", t->count, at,
                       t->line);
    }
    tell(x, p,
         t->count > 0 && lately ? HOLDS
         : bot->log_read        ? HOLDS_NOT
                                : HOLDS_UNKNOWN,
         bot, t->last, text);
}

/* --- the monitor's log */

static void point_monitor(struct ts_exam *x, const struct point *p, const char *component)
{
    const struct ts_checkup_unit *u = need(x, p, TS_ROLE_MONITOR);
    char text[TS_REMARK_EVIDENCE];
    const struct ts_monitor_seen *seen = NULL;
    if (u == NULL) {
        return;
    }
    for (size_t i = 0; i < u->monitor_count; i++) {
        seen = strcmp(u->monitor[i].component, component) == 0 ? &u->monitor[i] : seen;
    }
    if (seen == NULL) {
        (void)snprintf(text, sizeof(text),
                       "no check of component \"%.60s\" in the last %u lines of "
                       "its log",
                       component, u->view.lines);
        tell(x, p, u->log_read ? HOLDS_NOT : HOLDS_UNKNOWN, u, (ts_wall){0}, text);
        return;
    }
    char at[TS_WALL_TEXT];
    ts_wall_format(seen->at, at);
    (void)snprintf(text, sizeof(text), "component %s: %s%s%s, said at %s", seen->component,
                   seen->status, seen->reason[0] != '\0' ? ", " : "", seen->reason, at);
    tell(x, p, strcmp(seen->status, "healthy") == 0 ? HOLDS : HOLDS_NOT, u, (ts_wall){0}, text);
}

static void point_monitor_gateway(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup_unit *u = ts_checkup_role(x->c, TS_ROLE_GATEWAY);
    point_monitor(x, p, u != NULL ? u->service : "gateway");
}

static void point_monitor_bot(struct ts_exam *x, const struct point *p)
{
    const struct ts_checkup_unit *u = ts_checkup_role(x->c, TS_ROLE_BOT);
    point_monitor(x, p, u != NULL ? u->service : "trading-bot");
}

/* --- signs of trouble in any log, and alerts */

static void point_logs(struct ts_exam *x, const struct point *p)
{
    size_t n;
    const struct ts_log_sign *signs = ts_log_signs(&n);
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    bool all_read = true;
    enum holds holds = HOLDS;
    uint32_t lines = 0;
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        all_read = all_read && u->log_read;
        lines += u->view.lines;
        for (size_t k = 0; k < n; k++) {
            if (signs[k].role == u->role && signs[k].grade == TS_GRADE_ERROR &&
                ts_log_view_shows(&u->view, k)) {
                holds = HOLDS_NOT;
                (void)ts_buf_addf(&text, "%s%s: %s (\"%.80s\")", text.len > 0 ? "; " : "",
                                  u->service, signs[k].id, u->view.signs[k].line);
            }
        }
    }
    if (holds == HOLDS) {
        (void)ts_buf_addf(&text, "%u lines of %zu logs read", lines, x->c->unit_count);
    }
    tell(x, p, holds == HOLDS && !all_read ? HOLDS_UNKNOWN : holds, NULL, (ts_wall){0},
         ts_buf_text(&text));
    ts_buf_done(&text);
}

static void point_channels(struct ts_exam *x, const struct point *p)
{
    static const char *const states[] = {"ok", "delayed", "refused"};
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    size_t n = ts_sender_channel_count(x->d->sender);
    enum holds holds = n > 0 ? HOLDS : HOLDS_NOT;
    for (size_t i = 0; i < n; i++) {
        struct ts_channel_status s = ts_sender_status(x->d->sender, i);
        holds = s.state == TS_CHANNEL_REFUSED ? HOLDS_NOT : holds;
        (void)ts_buf_addf(&text, "%s%s %s, %lld delivered, %lld wait%s%s", i > 0 ? "; " : "",
                          s.name, states[s.state], (long long)s.delivered, (long long)s.pending,
                          s.detail[0] != '\0' ? ": " : "", s.detail);
    }
    tell(x, p, holds, NULL, (ts_wall){0}, n > 0 ? ts_buf_text(&text) : "no channel is set up");
    ts_buf_done(&text);
}

static void point_boot_each(void *ctx, const struct ts_remark *remark)
{
    struct ts_buf *text = ctx;
    if (remark->grade != TS_GRADE_PASS || strcmp(remark->id, "next-boot") == 0) {
        (void)ts_buf_addf(text, "%s%s%s%s", text->len > 0 ? "; " : "", remark->what,
                          remark->evidence[0] != '\0' ? ": " : "", remark->evidence);
    }
}

/* What will happen is told; that it is not all is no failure of what runs now. */
static void point_boot(struct ts_exam *x, const struct point *p)
{
    struct ts_buf text = ts_buf_init(TEXT_BYTES);
    struct ts_exam inner = {.c = x->c, .d = x->d, .each = point_boot_each, .ctx = &text};
    enum ts_grade worst = ts_doctor_boot(&inner);
    const struct ts_say say = {p->id,
                               worst == TS_GRADE_PASS      ? TS_GRADE_PASS
                               : worst == TS_GRADE_WARNING ? TS_GRADE_WARNING
                                                           : TS_GRADE_NOTE,
                               NULL,
                               {0},
                               p->what,
                               worst == TS_GRADE_PASS ? "" : p->cure};
    ts_exam_tell(x, &say, "%s", ts_buf_text(&text));
    ts_buf_done(&text);
}

/* In the order of the operators' list. */
static const struct {
    struct point p;
    void (*look)(struct ts_exam *x, const struct point *p);
} points[] = {
    {{"containers", "every service is up and ready", "tradestackctl status; tradestackctl doctor"},
     point_containers},
    {{"network", "all containers are on one network", "tradestackctl doctor"}, point_network},
    {{"reach", "the bot's network knows the gateway by name, and its API answers there",
      "tradestackctl doctor (wrong-port, wrong-host, network)"},
     point_reach},
    {{"api", "the gateway answers at API level",
      "tradestackctl logs gateway; tradestackctl doctor"},
     point_api},
    {{"authenticated", "the gateway is logged in",
      "tradestackctl logs gateway; tradestackctl doctor"},
     point_authenticated},
};

static const struct {
    struct point p;
    void (*look)(struct ts_exam *x, const struct point *p);
} later_points[] = {
    {{"bot-start", "within 60 s of its start the bot said what it must",
      "tradestackctl logs trading-bot; tradestackctl doctor"},
     point_bot_start},
    {{"bot-api", "the bot gets answers from the gateway's API",
      "tradestackctl logs trading-bot; tradestackctl doctor"},
     point_bot_api},
    {{"monitor-gateway", "the health monitor finds the gateway healthy",
      "tradestackctl logs health-monitor"},
     point_monitor_gateway},
    {{"monitor-bot", "the health monitor finds the bot healthy",
      "tradestackctl logs health-monitor"},
     point_monitor_bot},
    {{"logs", "no log shows a sign of failure", "tradestackctl doctor names cause and cure"},
     point_logs},
    {{"channels", "alerts can go out", "tradestackctl doctor (webhook)"}, point_channels},
    {{"boot", "what will happen at the next boot", "tradestackctl doctor --boot"}, point_boot},
};

void ts_validate_points(struct ts_exam *x)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(points); i++) {
        points[i].look(x, &points[i].p);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(rule_points); i++) {
        point_rules(x, &rule_points[i]);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(later_points); i++) {
        later_points[i].look(x, &later_points[i].p);
    }
}
