/* See log_lines.h. */
#include "core/log_lines.h"

#include <assert.h>
#include <string.h>

#include "base/macros.h"
#include "base/parse.h"

#define LOGIN_OK "Login has completed"
#define BOT_OK   "connected successfully"

#define LOOK "tradestackctl logs %s"
#define CREDENTIALS                                                                                \
    "mend IBKR_USERNAME and IBKR_PASSWORD in .env, tradestackctl up %f, then tradestackctl "       \
    "reset %s"

static const struct ts_log_sign signs[] = {
    {"relay-refused", TS_ROLE_GATEWAY, "E connect(", "Connection refused", LOGIN_OK, 1,
     TS_GRADE_WARNING,
     "the image's relay was asked and found no API behind it: the gateway is not logged in (yet), "
     "or its API has gone",
     LOOK " (login lines), then tradestackctl restart %s"},
    {"relay-timeout", TS_ROLE_GATEWAY, "E connect(", "Connection timed out", LOGIN_OK, 1,
     TS_GRADE_ERROR,
     "the relay's connections to the API are not accepted any more: the API is stuck behind a full "
     "backlog",
     "tradestackctl restart %s"},
    {"relay-bind", TS_ROLE_GATEWAY, "Address already in use", NULL, NULL, 1, TS_GRADE_ERROR,
     "a port inside the gateway's container is taken: the relay cannot listen (two relays, or the "
     "host's network)",
     "tradestackctl restart %s"},
    {"login-failed", TS_ROLE_GATEWAY, "Login failed", NULL, LOGIN_OK, 1, TS_GRADE_ERROR,
     "IB refused the login: wrong user name or password; more tries can lock the account",
     CREDENTIALS},
    {"login-error", TS_ROLE_GATEWAY, "Login error message:", NULL, LOGIN_OK, 1, TS_GRADE_ERROR,
     "IB refused the login with a message", LOOK " shows the message; " CREDENTIALS},
    {"unrecognized-user", TS_ROLE_GATEWAY, "Unrecognized Username or Password", NULL, LOGIN_OK, 1,
     TS_GRADE_ERROR,
     "a dialog says that IB does not know the user: wrong credentials, or the known fault after an "
     "automatic restart, which only a cold login ends",
     "tradestackctl restart %s once; if it comes again, mend the credentials in .env"},
    {"locked-out", TS_ROLE_GATEWAY, "Too many failed login attempts", NULL, LOGIN_OK, 1,
     TS_GRADE_ERROR, "the account is locked for a time after failed logins; trying makes it longer",
     "wait as long as the line says, mend the credentials, then tradestackctl reset %s"},
    {"no-server", TS_ROLE_GATEWAY, "Connection to server failed", NULL, LOGIN_OK, 1, TS_GRADE_ERROR,
     "the gateway cannot reach IB's servers: no way out of this network, DNS, or an outage at IB",
     "check the machine's way out; IB's status page; it goes on by itself when they answer"},
    {"2fa-wait", TS_ROLE_GATEWAY, "Second Factor Authentication initiated", NULL, LOGIN_OK, 1,
     TS_GRADE_WARNING, "the login waits for the second factor (180 s)",
     "confirm it in IBKR Mobile; a paper user normally needs none"},
    {"2fa-missed", TS_ROLE_GATEWAY, "Re-login after second factor authentication timeout", NULL,
     LOGIN_OK, 1, TS_GRADE_ERROR,
     "nobody confirmed the second factor in time; an unanswered one counts as a failed login",
     "be at the phone, then tradestackctl restart %s"},
    {"2fa-closed", TS_ROLE_GATEWAY,
     "IBC closing because login has not completed after Second Factor", NULL, LOGIN_OK, 1,
     TS_GRADE_ERROR, "IBC ended because the second factor was not confirmed",
     "be at the phone, then tradestackctl restart %s"},
    {"session-clash", TS_ROLE_GATEWAY, "Existing session detected", NULL, LOGIN_OK, 1,
     TS_GRADE_WARNING,
     "somebody else is logged in with the same user (another gateway, TWS, the mobile app)",
     "end the other session, or give this gateway a user of its own"},
    {"session-lost", TS_ROLE_GATEWAY, "Re-login to session", NULL, LOGIN_OK, 1, TS_GRADE_WARNING,
     "another login took this gateway's session, and it logs in again",
     "end the other session, or give this gateway a user of its own"},
    {"both-passwords-log", TS_ROLE_GATEWAY, "are set (but are exclusive)", NULL, NULL, 1,
     TS_GRADE_ERROR, "the image refuses to start: TWS_PASSWORD and TWS_PASSWORD_FILE are both set",
     "keep one of IBKR_PASSWORD and IBKR_PASSWORD_FILE in .env, then tradestackctl up %f"},
    {"bad-trading-mode", TS_ROLE_GATEWAY, "Invalid TRADING_MODE", NULL, NULL, 1, TS_GRADE_ERROR,
     "the image refuses to start: TRADING_MODE is none of paper, live, both",
     "set TRADING_MODE=paper in .env, then tradestackctl up %f"},
    {"cold-restart", TS_ROLE_GATEWAY, "Cold restart in progress", NULL, LOGIN_OK, 3, TS_GRADE_ERROR,
     "IBC logs in again and again inside one run, without a limit of its own",
     "tradestackctl stop %s; find the cause: " LOOK},
    {"ibc-exit", TS_ROLE_GATEWAY, "IBC returned exit status", NULL, LOGIN_OK, 1, TS_GRADE_WARNING,
     "the gateway's program ended by itself", LOOK},
    {"cold-login", TS_ROLE_GATEWAY, "autorestart file not found: full authentication", NULL, NULL,
     1, TS_GRADE_NOTE, "this start needed a full login; the next automatic restart needs none", ""},
    {"java-heap", TS_ROLE_GATEWAY, "java.lang.OutOfMemoryError", NULL, NULL, 1, TS_GRADE_ERROR,
     "the gateway's Java has too little memory",
     "give it more (JAVA_HEAP_SIZE, default 768), then tradestackctl up %f"},
    {"display", TS_ROLE_GATEWAY, "cannot open display", NULL, LOGIN_OK, 1, TS_GRADE_ERROR,
     "the gateway's virtual display did not start", "tradestackctl restart %s"},
    {"display-error", TS_ROLE_GATEWAY, "Fatal server error", NULL, LOGIN_OK, 1, TS_GRADE_ERROR,
     "the gateway's virtual display (Xvfb) ended", "tradestackctl restart %s"},
    {"bot-timeout", TS_ROLE_BOT, "Gateway connection timeout", NULL, BOT_OK, 1, TS_GRADE_ERROR,
     "the gateway cannot be reached from the bot's container",
     "tradestackctl validate (points network and reach)"},
    {"bot-authentication", TS_ROLE_BOT, "Authentication failed", NULL, BOT_OK, 1, TS_GRADE_ERROR,
     "the bot says that the gateway is not logged in", "tradestackctl logs gateway"},
    {"bot-unreachable", TS_ROLE_BOT, "unreachable", "Port ", BOT_OK, 1, TS_GRADE_ERROR,
     "the bot cannot reach the gateway's port: wrong port or wrong network",
     "tradestackctl doctor (wrong-port, network); inside the network the port is 4004"},
    {"bot-lost", TS_ROLE_BOT, "Gateway connection lost", NULL, BOT_OK, 1, TS_GRADE_WARNING,
     "the bot has lost the gateway and has not found it again", "tradestackctl status; " LOOK},
    {"bot-refuses", TS_ROLE_BOT, "Refusing to run:", NULL, NULL, 1, TS_GRADE_ERROR,
     "the bot refuses its settings", LOOK " says which; mend .env, then tradestackctl up %f"},
    {"bot-traceback", TS_ROLE_BOT, "Traceback (most recent call last)", NULL, NULL, 1,
     TS_GRADE_WARNING, "the bot's program failed somewhere", LOOK},
    {"monitor-refused", TS_ROLE_MONITOR, "alert channel ", " refuses", NULL, 1, TS_GRADE_ERROR,
     "the health monitor's own alerts go nowhere: its webhook refuses",
     "mend the URL in secrets/monitor/discord-webhook, then tradestackctl restart %s"},
};

static_assert(sizeof(signs) / sizeof(signs[0]) <= TS_LOG_SIGNS_MAX, "the tallies are too few");

/* Any of these marks it, from a program of that role. */
static const struct {
    enum ts_log_mark mark;
    enum ts_role role;
    const char *text;
    const char *also;
} mark_rows[] = {
    {TS_MARK_DRY_RUN, TS_ROLE_BOT, "DRY_RUN=true", NULL},
    {TS_MARK_CONNECTED, TS_ROLE_BOT, "Gateway connected successfully", NULL},
    {TS_MARK_PAPER, TS_ROLE_BOT, "Account: ", "(Paper Trading)"},
    {TS_MARK_STRATEGY, TS_ROLE_BOT, "Strategy C", NULL},
    {TS_MARK_STRATEGY, TS_ROLE_BOT, "Gameplan loaded", NULL},
    {TS_MARK_API, TS_ROLE_BOT, "Market data", NULL},
    {TS_MARK_API, TS_ROLE_BOT, "market data", NULL},
    {TS_MARK_API, TS_ROLE_BOT, "Account summary", NULL},
    {TS_MARK_API, TS_ROLE_BOT, "Gateway API", NULL},
    {TS_MARK_LOGIN, TS_ROLE_GATEWAY, LOGIN_OK, NULL},
};

static void count(struct ts_log_tally *t, const char *line, ts_wall at)
{
    if (t->count == 0) {
        t->first = at;
    }
    t->count++;
    t->last = at;
    ts_copy_cut(t->line, sizeof(t->line), line);
}

static bool holds(const char *line, const char *text, const char *also)
{
    return strstr(line, text) != NULL && (also == NULL || strstr(line, also) != NULL);
}

void ts_log_view_feed(struct ts_log_view *v, const char *line, ts_wall at)
{
    v->lines++;
    for (size_t i = 0; i < TS_ARRAY_LEN(signs); i++) {
        const struct ts_log_sign *s = &signs[i];
        if (s->role != v->role) {
            continue;
        }
        if (s->ended_by != NULL && strstr(line, s->ended_by) != NULL) {
            v->signs[i] = (struct ts_log_tally){.count = 0};
        } else if (holds(line, s->text, s->also)) {
            count(&v->signs[i], line, at);
        }
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(mark_rows); i++) {
        if (mark_rows[i].role == v->role && holds(line, mark_rows[i].text, mark_rows[i].also)) {
            count(&v->marks[mark_rows[i].mark], line, at);
        }
    }
}

const struct ts_log_sign *ts_log_signs(size_t *ret_count)
{
    *ret_count = TS_ARRAY_LEN(signs);
    return signs;
}

bool ts_log_view_shows(const struct ts_log_view *v, size_t sign)
{
    return v->signs[sign].count >= signs[sign].least;
}

const char *ts_log_mark_id(enum ts_log_mark m)
{
    static const char *const ids[] = {
#define ROW(symbol, id, what) [symbol] = id,
        TS_LOG_MARKS(ROW)
#undef ROW
    };
    return (unsigned)m < TS_LOG_MARK_COUNT ? ids[m] : "";
}

const char *ts_log_mark_what(enum ts_log_mark m)
{
    static const char *const texts[] = {
#define ROW(symbol, id, what) [symbol] = what,
        TS_LOG_MARKS(ROW)
#undef ROW
    };
    return (unsigned)m < TS_LOG_MARK_COUNT ? texts[m] : "";
}

const char *ts_gateway_exit_text(int code)
{
    static const struct {
        int code;
        const char *text;
    } rows[] = {
        {1, "refused its settings, or Java was not found"},
        {4, "the configured gateway version is not installed"},
        {6, "IBC's settings file is missing"},
        {76, "an unhandled error in IBC"},
        {77, "IBC did not find a control in the gateway's window"},
        {79, "IBC's settings file is missing"},
        {80, "a trading mode that IBC does not know"},
        {81, "a setting that IBC does not accept"},
        {86, "IBC found the gateway in a state that it does not know"},
        {87, "nobody confirmed the second factor in time"},
        {88, "the login dialog never appeared"},
        {137, "killed (SIGKILL)"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (rows[i].code == code) {
            return rows[i].text;
        }
    }
    return NULL;
}
