/* Calls to the daemon, and errors said as people need them: what failed, why, what to do. */
#include <string.h>

#include "base/json.h"
#include "base/usual.h"
#include "ctl.h"

int ctl_print_error(const struct ctl *ctl, const struct ts_error *err)
{
    ctl_error("%s", err->msg);
    if (err->code == TS_E_DENIED) {
        ctl_hint("you may not use this socket: run it as " TS_USUAL_ADMIN
                 ", or join the group that operates tradestack ([control] operate_group)");
    } else if (err->code == TS_E_UNAVAILABLE) {
        ctl_hint("is the daemon running? " TS_USUAL_SERVICE_STATUS "; its socket is %s "
                 "(--socket, TRADESTACK_SOCKET)",
                 ctl->socket);
    } else if (err->code == TS_E_TIMEOUT) {
        ctl_hint("it may be busy or stopped: " TS_USUAL_SERVICE_STATUS "; " TS_USUAL_SERVICE_LOG);
    } else if (err->code == TS_E_PROTOCOL) {
        ctl_hint("is it tradestackd that answers on %s? tradestackctl version", ctl->socket);
    }
    bool unreached =
        err->code == TS_E_UNAVAILABLE || err->code == TS_E_DENIED || err->code == TS_E_TIMEOUT;
    return unreached ? CTL_NO_DAEMON : CTL_FAILED;
}

static void hint_list(const json_t *list)
{
    size_t i;
    json_t *v;
    json_array_foreach(list, i, v)
    {
        ctl_hint("%s", json_is_string(v) ? json_string_value(v) : "?");
    }
}

static void no_such_service(const json_t *p, const char *what)
{
    (void)what;
    const json_t *known = json_object_get(p, "known");
    ctl_error("there is no service \"%s\"%s", ts_json_str_or(p, "service", ""),
              json_array_size(known) > 0 ? "; known:" : "");
    hint_list(known);
    if (json_array_size(known) == 0) {
        ctl_hint("the project has no containers; create them: tradestackctl up --file "
                 "docker-compose.yml");
    }
}

static void not_allowed(const json_t *p, const char *what)
{
    const char *need = ts_json_str_or(p, "need", "operate");
    ctl_error("%s: you need the %s right", what, need);
    if (strcmp(need, "approve") == 0) {
        ctl_hint(
            "only members of the group [safety] cro_group have it, and being root is not enough");
        return;
    }
    ctl_hint("run it as " TS_USUAL_ADMIN
             ", or join the group named by [control] %s_group in tradestackd.conf",
             need);
}

static void refused(const json_t *p, const char *what)
{
    const char *cure = ts_json_str_or(p, "cure", "");
    ctl_error("%s: refused: %s", what, ts_json_str_or(p, "reason", ""));
    if (cure[0] != '\0') {
        ctl_hint("next: %s", cure);
    }
}

static void bad_config(const json_t *p, const char *what)
{
    (void)what;
    ctl_error("the configuration has errors; nothing was changed:");
    hint_list(json_object_get(p, "errors"));
}

static void timed_out(const json_t *p, const char *what)
{
    ctl_error("%s: not there in time: %s", what, ts_json_str_or(p, "detail", ""));
    ctl_hint("the daemon goes on with it: tradestackctl watch");
}

static void older_daemon(const json_t *p, const char *what)
{
    ctl_error("%s: the daemon does not know %s", what,
              ts_json_str_or(p, "method", ts_json_str_or(p, "interface", "this")));
    ctl_hint("are both of the same version? tradestackctl version");
}

static void bad_parameter(const json_t *p, const char *what)
{
    const char *name = ts_json_str_or(p, "parameter", "");
    ctl_error("%s: the daemon does not take this %s", what, name[0] != '\0' ? name : "call");
    if (strcmp(name, "since") == 0) {
        ctl_hint("want a span back (2h) or a time (2026-11-24T00:00:00Z)");
    } else if (strcmp(name, "limit") == 0) {
        ctl_hint("want a number of events, 0 to 5000");
    } else {
        ctl_hint("are both of the same version? tradestackctl version");
    }
}

static void move_failed(const json_t *p, const char *what)
{
    const json_t *log = json_object_get(p, "log");
    bool halted = strcmp(ts_json_str_or(p, "outcome", ""), "halted") == 0;
    const char *left_out = ts_json_str_or(p, "left_out", "");
    ctl_error("%s: %s%s%s", what,
              halted ? "halted" : "did not succeed, and everything was put back",
              left_out[0] != '\0' ? ", but not all of it runs: " : "", left_out);
    ctl_hint("%s", ts_json_str_or(p, "reason", ""));
    if (json_array_size(log) > 0) {
        ctl_hint("the last lines of its log:");
        hint_list(log);
    }
    ctl_hint("next: %s", ts_json_str_or(p, "cure", ""));
}

int ctl_print_reply_error(const struct ts_varlink_reply *reply, const char *what)
{
    static const struct {
        const char *name; /* qualified where it is not of our interface */
        int exit;
        void (*print)(const json_t *parameters, const char *what);
    } rows[] = {
        {TS_VARLINK_INTERFACE ".NoSuchService", CTL_FAILED, no_such_service},
        {TS_VARLINK_INTERFACE ".NotAllowed", CTL_FAILED, not_allowed},
        {TS_VARLINK_INTERFACE ".Refused", CTL_FAILED, refused},
        {TS_VARLINK_INTERFACE ".BadConfig", CTL_FAILED, bad_config},
        {TS_VARLINK_INTERFACE ".MoveFailed", CTL_FAILED, move_failed},
        {TS_VARLINK_INTERFACE ".TimedOut", CTL_NOT_READY, timed_out},
        {TS_VARLINK_SERVICE ".MethodNotFound", CTL_FAILED, older_daemon},
        {TS_VARLINK_SERVICE ".InterfaceNotFound", CTL_FAILED, older_daemon},
        {TS_VARLINK_SERVICE ".InvalidParameter", CTL_FAILED, bad_parameter},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (strcmp(rows[i].name, reply->error) == 0) {
            rows[i].print(reply->parameters, what);
            return rows[i].exit;
        }
    }
    ctl_error("%s: %s", what, ts_json_str_or(reply->parameters, "reason", reply->error));
    return CTL_FAILED;
}

struct ts_control_client *ctl_connect(struct ctl *ctl, int *ret_exit)
{
    struct ts_error err;
    struct ts_control_client *c = ts_control_connect(ctl->socket, CTL_ANSWER_MS, &err);
    if (c == NULL) {
        *ret_exit = ctl_print_error(ctl, &err);
    }
    return c;
}

json_t *ctl_call(struct ctl *ctl, const char *method, json_t *take_parameters, int *ret_exit)
{
    struct ts_error err;
    struct ts_varlink_reply reply;
    TS_CLEANUP(ts_json_drop) json_t *parameters = take_parameters;
    struct ts_control_client *c = ctl_connect(ctl, ret_exit);
    if (c == NULL) {
        return NULL;
    }
    bool ok =
        ts_control_call(c, method, parameters, false, &err) &&
        ts_control_next(c, ctl->timeout_ms > 0 ? ctl->timeout_ms : CTL_ANSWER_MS, &reply, &err);
    ts_control_close(c);
    if (!ok) {
        *ret_exit = ctl_print_error(ctl, &err);
        return NULL;
    }
    if (reply.error[0] != '\0') {
        *ret_exit = ctl_print_reply_error(&reply, method);
        json_decref(reply.parameters);
        return NULL;
    }
    *ret_exit = CTL_OK;
    return reply.parameters;
}
