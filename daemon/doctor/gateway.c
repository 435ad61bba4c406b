/* Checks of the gateway and of the way to it: credentials, ports, what the log says, its clock. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/parse.h"
#include "doctor/doctor.h"
#include "platform/files.h"

#define PORT_LIVE       4001 /* on the gateway container's own loopback … */
#define PORT_PAPER      4002
#define RELAY_LIVE      4003 /* … and where its relay offers them */
#define RELAY_PAPER     4004
#define GRACE_LEAST_MS  60000 /* a log-out that is cut off can block the next login for hours */
#define SKEW_WARNING_MS 3000  /* the gateway tells whole seconds */
#define SKEW_ERROR_MS   60000
#define PORT_TEXT_MAX   8

static struct ts_checkup_unit *gateway_of(struct ts_exam *x)
{
    struct ts_checkup_unit *u = ts_checkup_role(x->c, TS_ROLE_GATEWAY);
    return u != NULL && u->seen ? u : NULL;
}

static bool is_ready(const struct ts_checkup_unit *u)
{
    return ts_checkup_state(u)->phase == TS_PHASE_READY;
}

/* --- credentials: names only, never values */

void ts_check_credentials(struct ts_exam *x)
{
    static const char *const wrong_names[] = {"TWS_USERNAME", "TWS_USER", "TWS_USER_ID",
                                              "IBKR_USERNAME", "IB_USERNAME"};
    const struct ts_checkup_unit *u = gateway_of(x);
    bool user = u != NULL && ts_checkup_env_given(u, "TWS_USERID");
    bool own = u != NULL && ts_checkup_env(u, "CUSTOM_CONFIG") != NULL &&
               strcmp(ts_checkup_env(u, "CUSTOM_CONFIG"), "yes") == 0;
    if (u == NULL) {
        return;
    }
    for (size_t i = 0; !user && i < TS_ARRAY_LEN(wrong_names); i++) {
        if (ts_checkup_env_given(u, wrong_names[i])) {
            const struct ts_say say = {
                "user-variable",
                TS_GRADE_ERROR,
                u,
                {0},
                "the user name is given under a name that the gateway's image ignores silently",
                "call it TWS_USERID in the compose file, then tradestackctl up %f"};
            ts_exam_tell(x, &say, "%s is set in container %s, TWS_USERID is not", wrong_names[i],
                         u->container.name);
            return;
        }
    }
    if (own || is_ready(u)) {
        return; /* it keeps them elsewhere, or is logged in: it has them */
    }
    bool password =
        ts_checkup_env_given(u, "TWS_PASSWORD") || ts_checkup_env_given(u, "TWS_PASSWORD_FILE");
    if (!user || !password) {
        const struct ts_say say = {
            "credentials-missing",
            TS_GRADE_ERROR,
            u,
            {0},
            "the gateway has no complete login and is not logged in",
            "set IBKR_USERNAME and IBKR_PASSWORD (or IBKR_PASSWORD_FILE) in .env, then "
            "tradestackctl up %f"};
        ts_exam_tell(x, &say,
                     "in container %s: TWS_USERID is %s, TWS_PASSWORD and "
                     "TWS_PASSWORD_FILE are %s",
                     u->container.name, user ? "set" : "empty or not set",
                     password ? "set" : "both empty or not set");
    }
}

void ts_check_passwords(struct ts_exam *x)
{
    static const char *const pairs[][2] = {{"TWS_PASSWORD", "TWS_PASSWORD_FILE"},
                                           {"TWS_PASSWORD_PAPER", "TWS_PASSWORD_PAPER_FILE"}};
    const struct ts_checkup_unit *u = gateway_of(x);
    for (size_t i = 0; u != NULL && i < TS_ARRAY_LEN(pairs); i++) {
        if (ts_checkup_env_given(u, pairs[i][0]) && ts_checkup_env_given(u, pairs[i][1])) {
            const struct ts_say say = {
                "both-passwords",
                TS_GRADE_ERROR,
                u,
                {0},
                "the password is given twice; the gateway's image then refuses to start (status 1)",
                "keep one of IBKR_PASSWORD and IBKR_PASSWORD_FILE in .env, then "
                "tradestackctl up %f"};
            ts_exam_tell(x, &say, "%s and %s are both set in container %s", pairs[i][0],
                         pairs[i][1], u->container.name);
        }
    }
}

/* Where a path inside the container lies on this machine; NULL: nothing is mounted there. */
static const char *mounted_from(const struct ts_checkup_unit *u, const char *path)
{
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(u->inspect, "Mounts"), i, v)
    {
        if (strcmp(ts_json_str_or(v, "Destination", ""), path) == 0) {
            return ts_json_str_or(v, "Source", "");
        }
    }
    return NULL;
}

static void check_password_file(struct ts_exam *x, const struct ts_checkup_unit *u)
{
    const char *path = ts_checkup_env(u, "TWS_PASSWORD_FILE");
    const char *source = mounted_from(u, path);
    unsigned mode = 0;
    char cure[TS_REMARK_CURE];
    (void)snprintf(cure, sizeof(cure), "chmod o-rwx %.300s (uid 1000 must be able to read it)",
                   source != NULL ? source : "");
    if (source != NULL && ts_file_mode(source, &mode) && (mode & 07U) != 0) {
        const struct ts_say say = {"secret-file-mode",
                                   TS_GRADE_WARNING,
                                   u,
                                   {0},
                                   "everybody on this machine may read the file with the password",
                                   cure};
        ts_exam_tell(x, &say, "%.200s has mode %04o", source, mode);
    }
}

/* Where Compose read the variables: its label names the files. */
static void check_env_file(struct ts_exam *x, const struct ts_checkup_unit *u)
{
    const json_t *labels = ts_json_at(u->inspect, "Config.Labels");
    const char *path =
        json_string_value(json_object_get(labels, "com.docker.compose.project.environment_file"));
    unsigned mode = 0;
    char cure[TS_REMARK_CURE];
    (void)snprintf(cure, sizeof(cure), "chmod 600 %.300s", path != NULL ? path : "");
    if (path != NULL && ts_checkup_env_given(u, "TWS_PASSWORD") && ts_file_mode(path, &mode) &&
        (mode & 07U) != 0) {
        const struct ts_say say = {"env-file-mode",
                                   TS_GRADE_WARNING,
                                   u,
                                   {0},
                                   "everybody on this machine may read the file that the password "
                                   "comes from",
                                   cure};
        ts_exam_tell(x, &say, "%.200s has mode %04o", path, mode);
    }
}

void ts_check_secret_files(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = gateway_of(x);
    if (u == NULL) {
        return;
    }
    if (ts_checkup_env_given(u, "TWS_PASSWORD_FILE")) {
        check_password_file(x, u);
    }
    check_env_file(x, u);
}

void ts_check_secret_variables(struct ts_exam *x)
{
    static const char *const names[] = {"DISCORD_WEBHOOK_URL", "WEBHOOK_URL"};
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        for (size_t k = 0; u->seen && k < TS_ARRAY_LEN(names); k++) {
            if (ts_checkup_env_given(u, names[k])) {
                const struct ts_say say = {
                    "secret-variable",
                    TS_GRADE_WARNING,
                    u,
                    {0},
                    "the webhook's address is in a variable of %s's container, where docker "
                    "inspect shows it; our own programs do not read it",
                    "put it into secrets/monitor/discord-webhook (mode 0600, uid 10001), take the "
                    "variable out, tradestackctl up %f"};
                ts_exam_tell(x, &say, "%s is set in container %s", names[k], u->container.name);
            }
        }
    }
}

/* --- ports */

/* The running container that publishes the host's port; NULL: none, or not known. */
static const json_t *publisher_of(const struct ts_exam *x, int64_t port, const char *not_id)
{
    size_t i;
    size_t k;
    json_t *v;
    json_t *p;
    json_array_foreach(x->c->running, i, v)
    {
        json_array_foreach(json_object_get(v, "Ports"), k, p)
        {
            if (ts_json_i64_or(p, "PublicPort", 0) == port &&
                strcmp(ts_json_str_or(v, "Id", ""), not_id) != 0) {
                return v;
            }
        }
    }
    return NULL;
}

static const json_t *listener_on(const struct ts_exam *x, int64_t port)
{
    size_t i;
    json_t *v;
    json_array_foreach(ts_json_at(x->c->facts, "listeners"), i, v)
    {
        if (ts_json_i64_or(v, "port", 0) == port) {
            return v;
        }
    }
    return NULL;
}

static const char *name_of(const json_t *listed)
{
    const char *name = json_string_value(json_array_get(json_object_get(listed, "Names"), 0));
    return name == NULL ? "?" : name + (name[0] == '/');
}

static void tell_holder(struct ts_exam *x, const struct ts_checkup_unit *u, const char *port)
{
    int64_t number = 0;
    char cure[TS_REMARK_CURE];
    struct ts_say say = {"port-held",
                         TS_GRADE_ERROR,
                         u,
                         {0},
                         "another program holds the port that %s publishes, so it cannot start",
                         cure};
    if (!ts_parse_i64(port, 1, UINT16_MAX, &number)) {
        return;
    }
    const json_t *container = publisher_of(x, number, u->container.id);
    const json_t *process = listener_on(x, number);
    bool refused = strstr(u->container.error, port) != NULL &&
                   (strstr(u->container.error, "already allocated") != NULL ||
                    strstr(u->container.error, "in use") != NULL);
    if (container != NULL) {
        (void)snprintf(cure, sizeof(cure), "docker stop %.80s, then tradestackctl start %%s",
                       name_of(container));
        ts_exam_tell(x, &say, "port %s is held by container %.100s (image %.100s)", port,
                     name_of(container), ts_json_str_or(container, "Image", "?"));
    } else if (process != NULL) {
        int64_t pid = ts_json_i64_or(process, "pid", 0);
        (void)snprintf(cure, sizeof(cure),
                       "end it (ss -ltnp 'sport = :%s' shows it), then tradestackctl start %%s",
                       port);
        if (pid > 0) {
            ts_exam_tell(x, &say, "port %s is held by process %.60s (pid %lld) on %.45s", port,
                         ts_json_str_or(process, "process", "?"), (long long)pid,
                         ts_json_str_or(process, "address", "?"));
        } else {
            ts_exam_tell(x, &say,
                         "port %s is held by a process on %.45s; run doctor as root to "
                         "see which",
                         port, ts_json_str_or(process, "address", "?"));
        }
    } else if (refused) {
        (void)snprintf(cure, sizeof(cure), "ss -ltnp 'sport = :%s' on the engine's machine", port);
        ts_exam_tell(x, &say, "the engine said at the last start: %.250s", u->container.error);
    }
}

void ts_check_port_held(struct ts_exam *x)
{
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        const char *inside;
        json_t *bindings;
        json_object_foreach(ts_json_at(u->inspect, "HostConfig.PortBindings"), inside, bindings)
        {
            const char *port = ts_json_str_or(json_array_get(bindings, 0), "HostPort", "");
            if (u->seen && !ts_checkup_runs(u) && port[0] != '\0') {
                tell_holder(x, u, port);
            }
        }
    }
}

/* Is the port of the container published, or at least meant to be offered to others? */
static bool offers(const struct ts_checkup_unit *u, uint16_t port)
{
    char key[16];
    (void)snprintf(key, sizeof(key), "%u/tcp", (unsigned)port);
    return json_object_get(ts_json_at(u->inspect, "HostConfig.PortBindings"), key) != NULL ||
           json_object_get(ts_json_at(u->inspect, "Config.ExposedPorts"), key) != NULL;
}

/* Nothing but the gateway itself reaches its own loopback: publishing that port leads nowhere. */
static void check_published(struct ts_exam *x, const struct ts_checkup_unit *u, uint16_t own,
                            uint16_t relay)
{
    char key[16];
    (void)snprintf(key, sizeof(key), "%u/tcp", (unsigned)own);
    if (json_object_get(ts_json_at(u->inspect, "HostConfig.PortBindings"), key) != NULL &&
        !is_ready(u)) {
        const struct ts_say say = {
            "wrong-published-port",
            TS_GRADE_ERROR,
            u,
            {0},
            "the published port leads to the API's own port, which this image opens on the "
            "container's loopback only",
            "publish the relay's port in the compose file (127.0.0.1:4002:4004 for paper), then "
            "tradestackctl up %f"};
        ts_exam_tell(x, &say, "container %s publishes %u; its relay listens on %u",
                     u->container.name, (unsigned)own, (unsigned)relay);
    }
}

static void check_binding(struct ts_exam *x, const struct ts_checkup_unit *u, const char *inside,
                          const char *ip)
{
    if (ip[0] == '\0' || strcmp(ip, "0.0.0.0") == 0 || strcmp(ip, "::") == 0) {
        const struct ts_say say = {
            "port-open",
            TS_GRADE_WARNING,
            u,
            {0},
            "the gateway's API, which has no password, is offered to the whole network",
            "publish it on 127.0.0.1 only (\"127.0.0.1:4002:4004\" in the compose file), then "
            "tradestackctl up %f"};
        ts_exam_tell(x, &say, "%.20s of container %s is published on %s", inside, u->container.name,
                     ip[0] != '\0' ? ip : "all addresses");
    }
}

void ts_check_port_published(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = gateway_of(x);
    const char *inside;
    json_t *bindings;
    if (u == NULL) {
        return;
    }
    check_published(x, u, PORT_PAPER, RELAY_PAPER);
    check_published(x, u, PORT_LIVE, RELAY_LIVE);
    json_object_foreach(ts_json_at(u->inspect, "HostConfig.PortBindings"), inside, bindings)
    {
        size_t i;
        json_t *binding;
        json_array_foreach(bindings, i, binding)
        {
            check_binding(x, u, inside, ts_json_str_or(binding, "HostIp", ""));
        }
    }
}

/* Is the gateway called so in a network of its own? */
static bool is_called(const struct ts_checkup_unit *u, const char *host)
{
    static const char *const lists[] = {"Aliases", "DNSNames"};
    const char *network;
    json_t *v;
    if (strcmp(host, u->service) == 0 || strcmp(host, u->container.name) == 0) {
        return true;
    }
    json_object_foreach(ts_json_at(u->inspect, "NetworkSettings.Networks"), network, v)
    {
        size_t i;
        json_t *name;
        for (size_t k = 0; k < TS_ARRAY_LEN(lists); k++) {
            json_array_foreach(json_object_get(v, lists[k]), i, name)
            {
                if (json_is_string(name) && strcmp(json_string_value(name), host) == 0) {
                    return true;
                }
            }
        }
        if (strcmp(ts_json_str_or(v, "IPAddress", ""), host) == 0) {
            return true;
        }
    }
    return false;
}

static void check_bot_port(struct ts_exam *x, const struct ts_checkup_unit *bot,
                           const struct ts_checkup_unit *gateway)
{
    uint16_t port = ts_checkup_gateway_port(bot);
    bool own = port == PORT_LIVE || port == PORT_PAPER;
    uint16_t relay = port == PORT_LIVE ? RELAY_LIVE : RELAY_PAPER;
    if (own && offers(gateway, relay) && !offers(gateway, port)) {
        const struct ts_say say = {
            "wrong-port",
            TS_GRADE_ERROR,
            bot,
            {0},
            "%s is told the API's own port, which this gateway image opens on its container's "
            "loopback only; inside the network its relay listens",
            "set GATEWAY_RELAY_PORT=4004 in .env (4003 for live; the bot's GATEWAY_PORT), then "
            "tradestackctl up %f"};
        ts_exam_tell(x, &say, "GATEWAY_PORT=%u in container %s; container %s offers %u",
                     (unsigned)port, bot->container.name, gateway->container.name, (unsigned)relay);
    } else if (!offers(gateway, port)) {
        const struct ts_say say = {"wrong-port",
                                   TS_GRADE_ERROR,
                                   bot,
                                   {0},
                                   "%s is told a port that the gateway's container does not offer",
                                   "set the bot's GATEWAY_PORT to what the gateway offers (4004), "
                                   "then tradestackctl up %f"};
        ts_exam_tell(x, &say, "GATEWAY_PORT=%.20s in container %s",
                     ts_checkup_env_given(bot, "GATEWAY_PORT") ? ts_checkup_env(bot, "GATEWAY_PORT")
                                                               : "(not set: 4004)",
                     bot->container.name);
    }
}

void ts_check_bot_address(struct ts_exam *x)
{
    const struct ts_checkup_unit *bot = ts_checkup_role(x->c, TS_ROLE_BOT);
    const struct ts_checkup_unit *gateway = gateway_of(x);
    if (bot == NULL || !bot->seen || gateway == NULL) {
        return;
    }
    check_bot_port(x, bot, gateway);
    const char *host = ts_checkup_gateway_host(bot);
    if (!is_called(gateway, host)) {
        const struct ts_say say = {"wrong-host",
                                   TS_GRADE_ERROR,
                                   bot,
                                   {0},
                                   "%s looks for the gateway under a name that it does not have",
                                   "set GATEWAY_HOST=gateway (the service's name) for the bot, "
                                   "then tradestackctl up %f"};
        ts_exam_tell(x, &say,
                     "GATEWAY_HOST=%.100s in container %s; the gateway is service %s, "
                     "container %s",
                     host, bot->container.name, gateway->service, gateway->container.name);
    }
}

/* --- settings that lead to trouble later */

void ts_check_gateway_settings(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = gateway_of(x);
    const char *action = u != NULL ? ts_checkup_env(u, "EXISTING_SESSION_DETECTED_ACTION") : NULL;
    if (u == NULL) {
        return;
    }
    int64_t grace = ts_checkup_spec(u)->stop_grace_ms;
    if (action != NULL && strcmp(action, "manual") == 0) {
        const struct ts_say say = {
            "session-action",
            TS_GRADE_WARNING,
            u,
            {0},
            "when somebody else logs in, the gateway waits for a person at its screen",
            "set EXISTING_SESSION_DETECTED_ACTION=primary in .env, then tradestackctl up %f"};
        ts_exam_tell(x, &say, "EXISTING_SESSION_DETECTED_ACTION=manual in container %s",
                     u->container.name);
    }
    if (grace < GRACE_LEAST_MS) {
        const struct ts_say say = {
            "stop-grace",
            TS_GRADE_WARNING,
            u,
            {0},
            "the gateway is killed before its log-out can end; the session stays behind at IB and "
            "blocks the next login, at times for hours",
            "stop_grace = 90s in [service %s] of tradestackd.conf, then tradestackctl reload"};
        ts_exam_tell(x, &say, "stop_grace is %lld s; 60 to 90 s are needed",
                     (long long)(grace / 1000));
    }
}

/* --- what the logs say */

void ts_check_log_signs(struct ts_exam *x)
{
    size_t n;
    const struct ts_log_sign *signs = ts_log_signs(&n);
    for (size_t i = 0; i < x->c->unit_count; i++) {
        const struct ts_checkup_unit *u = &x->c->units[i];
        for (size_t k = 0; k < n; k++) {
            const struct ts_log_tally *t = &u->view.signs[k];
            char first[TS_WALL_TEXT];
            if (signs[k].role != u->role || !ts_log_view_shows(&u->view, k)) {
                continue;
            }
            const struct ts_say say = {signs[k].id, signs[k].grade, u,
                                       t->first,    signs[k].what,  signs[k].cure};
            ts_wall_format(t->first, first);
            ts_exam_tell(x, &say, "in its log since %s, %u time%s, last: \"%s\"", first, t->count,
                         t->count == 1 ? "" : "s", t->line);
        }
    }
}

void ts_check_exit_code(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = gateway_of(x);
    int code = u != NULL ? (int)u->container.exit_code : 0;
    const char *text = ts_gateway_exit_text(code);
    if (u == NULL || u->container.status != TS_CONTAINER_EXITED || code == 0 || text == NULL) {
        return;
    }
    const struct ts_say say = {"exit-status",
                               TS_GRADE_ERROR,
                               u,
                               u->container.finished_at,
                               "the gateway's last run ended by itself, and says why",
                               "tradestackctl logs %s"};
    ts_exam_tell(x, &say, "exit status %d: %s", code, text);
}

/* --- its clock */

void ts_check_clock(struct ts_exam *x)
{
    const struct ts_checkup_unit *u = gateway_of(x);
    if (u == NULL || !u->unit->skew_known || !ts_checkup_runs(u)) {
        return;
    }
    int64_t skew = u->unit->skew_ms;
    int64_t size = skew < 0 ? -skew : skew;
    char span[TS_SPAN_TEXT];
    if (size < SKEW_WARNING_MS) {
        return;
    }
    const struct ts_say say = {
        "clock-skew",
        size >= SKEW_ERROR_MS ? TS_GRADE_ERROR : TS_GRADE_WARNING,
        u,
        u->unit->skew_at,
        "this machine's clock and the gateway's differ: certificates, windows and the times in "
        "logs are wrong",
        "timedatectl set-ntp true (timedatectl shows whether it is synchronized)"};
    ts_span_format(size, span);
    ts_exam_tell(x, &say, "the gateway's clock is %s %s ours", span,
                 skew > 0 ? "ahead of" : "behind");
}
