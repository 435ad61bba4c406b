/* One call: rights, built-in methods, dispatch, replies. */
#include <stdio.h>
#include <string.h>

#include <event2/buffer.h>
#include <event2/bufferevent.h>

#include "control/server_internal.h"

/* Puts the framed message into the client's queue. False: it does not read. */
static bool send_buf(struct ts_client *client, struct ts_buf *out)
{
    struct evbuffer *queue = bufferevent_get_output(client->bev);
    bool ok = !client->doomed && !out->failed &&
              evbuffer_get_length(queue) + out->len <= TS_CONTROL_OUTPUT_MAX &&
              bufferevent_write(client->bev, out->data, out->len) == 0;
    ts_buf_done(out);
    if (!ok) {
        ts_client_drop(client);
    }
    return ok;
}

static void finish(struct ts_call *call)
{
    struct ts_client *client = call->client;
    call->active = false;
    call->gone = NULL;
    if (!client->pumping && !client->doomed) {
        ts_client_pump(client);
    }
}

void ts_call_reply(struct ts_call *call, json_t *take_parameters)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REPLY_MAX);
    if (!call->oneway) {
        (void)ts_varlink_add_reply(&out, take_parameters, false);
        (void)send_buf(call->client, &out);
    }
    json_decref(take_parameters);
    finish(call);
}

bool ts_call_progress(struct ts_call *call, json_t *take_parameters)
{
    struct ts_buf out = ts_buf_init(TS_VARLINK_REPLY_MAX);
    bool ok = true;
    if (call->more && !call->oneway) {
        (void)ts_varlink_add_reply(&out, take_parameters, true);
        ok = send_buf(call->client, &out);
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
        (void)ts_varlink_add_error(&out, name, take_parameters);
        (void)send_buf(call->client, &out);
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
    if (peer->known && (peer->uid == 0 || peer->uid == ts_peer_own_uid())) {
        return true;
    }
    bool operates = peer->known && c->has_operate_gid && ts_peer_in_group(peer, c->operate_gid);
    if (right == TS_RIGHT_OPERATE || operates) {
        return operates;
    }
    return !c->has_read_gid || (peer->known && ts_peer_in_group(peer, c->read_gid));
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

static void get_description(struct ts_call *call, const json_t *parameters)
{
    const char *name = json_string_value(json_object_get(parameters, "interface"));
    const char *text = name == NULL                              ? NULL
                       : strcmp(name, TS_VARLINK_INTERFACE) == 0 ? ts_varlink_interface_text
                       : strcmp(name, TS_VARLINK_SERVICE) == 0   ? service_text
                                                                 : NULL;
    if (name == NULL) {
        ts_call_error(call, "org.varlink.service.InvalidParameter",
                      json_pack("{s:s}", "parameter", "interface"));
    } else if (text == NULL) {
        ts_call_error(call, "org.varlink.service.InterfaceNotFound",
                      json_pack("{s:s}", "interface", name));
    } else {
        ts_call_reply(call, json_pack("{s:s}", "description", text));
    }
}

static bool built_in(struct ts_call *call, const char *method, const json_t *parameters)
{
    if (strcmp(method, TS_VARLINK_SERVICE ".GetInfo") == 0) {
        get_info(call);
        return true;
    }
    if (strcmp(method, TS_VARLINK_SERVICE ".GetInterfaceDescription") == 0) {
        get_description(call, parameters);
        return true;
    }
    return false;
}

static void unknown_method(struct ts_call *call, const char *method)
{
    const char *dot = strrchr(method, '.');
    size_t len = dot == NULL ? strlen(method) : (size_t)(dot - method);
    bool ours =
        len == strlen(TS_VARLINK_INTERFACE) && strncmp(method, TS_VARLINK_INTERFACE, len) == 0;
    if (ours || strncmp(method, TS_VARLINK_SERVICE ".", sizeof(TS_VARLINK_SERVICE)) == 0) {
        ts_call_error(call, "org.varlink.service.MethodNotFound",
                      json_pack("{s:s}", "method", method));
    } else {
        ts_call_error(call, "org.varlink.service.InterfaceNotFound",
                      json_pack("{s:s%}", "interface", method, len));
    }
}

static const struct ts_control_method *find_method(const struct ts_control *c, const char *method)
{
    size_t prefix = strlen(TS_VARLINK_INTERFACE ".");
    if (strncmp(method, TS_VARLINK_INTERFACE ".", prefix) != 0) {
        return NULL;
    }
    for (size_t i = 0; i < c->method_count; i++) {
        if (strcmp(c->methods[i].name, method + prefix) == 0) {
            return &c->methods[i];
        }
    }
    return NULL;
}

static void dispatch(struct ts_call *call, const char *name, const json_t *parameters)
{
    struct ts_control *c = call->client->control;
    const struct ts_control_method *method = find_method(c, name);
    if (built_in(call, name, parameters)) {
        return;
    }
    if (method == NULL) {
        unknown_method(call, name);
        return;
    }
    if (!may(c, &call->client->peer, method->right)) {
        if (c->on_refused != NULL) {
            c->on_refused(c->ctx, &call->client->peer, method->name);
        }
        ts_call_error(
            call, "NotAllowed",
            json_pack("{s:s}", "need", method->right == TS_RIGHT_OPERATE ? "operate" : "read"));
        return;
    }
    method->handle(c->ctx, call, parameters);
}

void ts_call_begin(struct ts_client *client, const char *text, size_t len)
{
    struct ts_varlink_call parsed;
    struct ts_error err;
    if (!ts_varlink_parse_call(text, len, &parsed, &err)) {
        ts_client_drop(client);
        return;
    }
    client->call.active = true;
    client->call.more = parsed.more;
    client->call.oneway = parsed.oneway;
    client->call.gone = NULL;
    client->pumping = true;
    dispatch(&client->call, parsed.method, parsed.parameters);
    client->pumping = false;
    json_decref(parsed.parameters);
}
