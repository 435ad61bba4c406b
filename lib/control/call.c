/* One call: rights, built-in methods, dispatch, replies. */
#include <stdio.h>
#include <string.h>

#include <event2/bufferevent.h>

#include "control/interface.h"
#include "control/server_internal.h"

/* Puts the framed message, if it could be made, into the client's queue. False: it does not read.
 */
static bool send_buf(struct ts_client *client, struct ts_buf *out, bool made)
{
    bool ok = made && !client->doomed &&
              ts_client_unread(client) + out->len <= TS_CONTROL_OUTPUT_MAX &&
              bufferevent_write(client->bev, out->data, out->len) == 0;
    ts_buf_done(out);
    if (!ok) {
        ts_client_drop(client);
    }
    return ok;
}

static void finish(struct ts_call *call)
{
    call->active = false;
    call->gone = NULL;
    ts_client_next(call->client);
}

void ts_call_reply(struct ts_call *call, json_t *take_parameters)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REPLY_MAX);
    if (!call->oneway) {
        bool made = ts_varlink_add_reply(&out, take_parameters, false);
        (void)send_buf(call->client, &out, made);
    }
    json_decref(take_parameters);
    finish(call);
}

bool ts_call_progress(struct ts_call *call, json_t *take_parameters)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REPLY_MAX);
    bool ok = true;
    if (ts_call_wants_more(call)) {
        bool made = ts_varlink_add_reply(&out, take_parameters, true);
        ok = send_buf(call->client, &out, made);
    }
    json_decref(take_parameters);
    return ok;
}

void ts_call_error(struct ts_call *call, const char *error, json_t *take_parameters)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REPLY_MAX);
    char name[TS_VARLINK_METHOD_MAX];
    (void)snprintf(name, sizeof(name), "%s%s",
                   strchr(error, '.') != NULL ? "" : TS_VARLINK_INTERFACE ".", error);
    if (!call->oneway) {
        bool made = ts_varlink_add_error(&out, name, take_parameters);
        (void)send_buf(call->client, &out, made);
    }
    json_decref(take_parameters);
    finish(call);
}

void ts_call_on_gone(struct ts_call *call, void (*fn)(void *ctx), void *ctx)
{
    call->gone = fn;
    call->gone_ctx = ctx;
}

const struct ts_peer *ts_call_peer(const struct ts_call *call)
{
    return &call->client->peer;
}

bool ts_call_wants_more(const struct ts_call *call)
{
    return call->more && !call->oneway;
}

static bool may(const struct ts_control *c, const struct ts_peer *peer, enum ts_right right)
{
    const struct ts_control_conf *conf = &c->conf;
    bool approves =
        peer->known && conf->has_approve_gid && ts_peer_in_group(peer, conf->approve_gid);
    if (right == TS_RIGHT_APPROVE) {
        return approves;
    }
    if (ts_peer_is_owner(peer) || (right == TS_RIGHT_WITHDRAW && approves)) {
        return true;
    }
    bool operates =
        peer->known && conf->has_operate_gid && ts_peer_in_group(peer, conf->operate_gid);
    if (right == TS_RIGHT_OPERATE || right == TS_RIGHT_WITHDRAW || operates) {
        return operates;
    }
    return !conf->has_read_gid || approves ||
           (peer->known && ts_peer_in_group(peer, conf->read_gid));
}

/* org.varlink.service: what every Varlink service answers (varlink.org, "Service"). */
static void get_info(struct ts_call *call)
{
    ts_call_reply(call, json_pack("{s:s, s:s, s:s, s:s, s:[s,s]}", "vendor", "tradestack",
                                  "product", "tradestackd", "version", TS_VERSION, "url", "",
                                  "interfaces", TS_VARLINK_SERVICE, TS_VARLINK_INTERFACE));
}

static const char service_text[] =
    "# What every Varlink service answers\n"
    "interface org.varlink.service\n\n"
    "method GetInfo() -> (vendor: string, product: string, version: string, url: string, "
    "interfaces: []string)\n\n"
    "method GetInterfaceDescription(interface: string) -> (description: string)\n\n"
    "error InterfaceNotFound (interface: string)\n\n"
    "error MethodNotFound (method: string)\n\n"
    "error MethodNotImplemented (method: string)\n\n"
    "error InvalidParameter (parameter: string)\n";

static void invalid_parameter(struct ts_call *call, const char *name)
{
    ts_call_error(call, TS_VARLINK_SERVICE ".InvalidParameter",
                  json_pack("{s:s}", "parameter", name));
}

static void get_description(struct ts_call *call, const json_t *parameters)
{
    const char *name = json_string_value(json_object_get(parameters, "interface"));
    if (strcmp(name, TS_VARLINK_INTERFACE) == 0) {
        ts_call_reply(call,
                      json_pack("{s:s}", "description", call->client->control->conf.description));
    } else if (strcmp(name, TS_VARLINK_SERVICE) == 0) {
        ts_call_reply(call, json_pack("{s:s}", "description", service_text));
    } else {
        ts_call_error(call, TS_VARLINK_SERVICE ".InterfaceNotFound",
                      json_pack("{s:s}", "interface", name));
    }
}

/* Answers the call if it is one that every service answers. */
static bool built_in(struct ts_call *call, const char *name, json_t *parameters)
{
    size_t prefix = strlen(TS_VARLINK_SERVICE ".");
    const char *method = name + prefix;
    char wrong[TS_VARLINK_METHOD_MAX];
    if (strncmp(name, TS_VARLINK_SERVICE ".", prefix) != 0 ||
        !ts_interface_has(service_text, method)) {
        return false;
    }
    if (!ts_interface_accepts(service_text, method, parameters, wrong, sizeof(wrong))) {
        invalid_parameter(call, wrong);
    } else if (strcmp(method, "GetInfo") == 0) {
        get_info(call);
    } else {
        get_description(call, parameters);
    }
    return true;
}

static void unknown_method(struct ts_call *call, const char *method)
{
    const char *dot = strrchr(method, '.');
    size_t len = dot == NULL ? strlen(method) : (size_t)(dot - method);
    bool ours =
        len == strlen(TS_VARLINK_INTERFACE) && strncmp(method, TS_VARLINK_INTERFACE, len) == 0;
    if (ours || strncmp(method, TS_VARLINK_SERVICE ".", sizeof(TS_VARLINK_SERVICE)) == 0) {
        ts_call_error(call, TS_VARLINK_SERVICE ".MethodNotFound",
                      json_pack("{s:s}", "method", method));
    } else {
        ts_call_error(call, TS_VARLINK_SERVICE ".InterfaceNotFound",
                      json_pack("{s:s%}", "interface", method, len));
    }
}

static const struct ts_control_method *find_method(const struct ts_control *c, const char *method)
{
    size_t prefix = strlen(TS_VARLINK_INTERFACE ".");
    if (strncmp(method, TS_VARLINK_INTERFACE ".", prefix) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < c->conf.method_count; i++) {
        if (strcmp(c->conf.methods[i].name, method + prefix) == 0) {
            return &c->conf.methods[i];
        }
    }
    return NULL;
}

static void not_allowed(struct ts_call *call, const struct ts_control_method *method)
{
    const struct ts_control_conf *conf = &call->client->control->conf;
    if (conf->on_refused != NULL) {
        conf->on_refused(conf->ctx, &call->client->peer, method->name);
    }
    static const char *const needs[] = {[TS_RIGHT_READ] = "read",
                                        [TS_RIGHT_OPERATE] = "operate",
                                        [TS_RIGHT_APPROVE] = "approve",
                                        [TS_RIGHT_WITHDRAW] = "operate"};
    ts_call_error(call, "NotAllowed", json_pack("{s:s}", "need", needs[method->right]));
}

static void dispatch(struct ts_call *call, const char *name, json_t *parameters)
{
    const struct ts_control *c = call->client->control;
    const struct ts_control_method *method = find_method(c, name);
    char wrong[TS_VARLINK_METHOD_MAX];
    if (built_in(call, name, parameters)) {
        return;
    }
    if (method == NULL) {
        unknown_method(call, name);
    } else if (!may(c, &call->client->peer, method->right)) {
        not_allowed(call, method);
    } else if (!ts_interface_accepts(c->conf.description, method->name, parameters, wrong,
                                     sizeof(wrong))) {
        invalid_parameter(call, wrong);
    } else {
        method->handle(c->conf.ctx, call, parameters);
    }
}

void ts_call_begin(struct ts_client *client, const char *text, size_t len)
{
    struct ts_varlink_call parsed;
    struct ts_error err;
    if (len > TS_VARLINK_REQUEST_MAX || !ts_varlink_parse_call(text, len, &parsed, &err)) {
        ts_client_drop(client);
        return;
    }
    client->call.active = true;
    client->call.more = parsed.more;
    client->call.oneway = parsed.oneway;
    client->call.gone = NULL;
    dispatch(&client->call, parsed.method, parsed.parameters);
    json_decref(parsed.parameters);
}
