/*
 * The hottest paths, each so often that callgrind can count what one costs: hot_path.py compares
 * that with the numbers in hot_path.txt. On a clock of its own and without I/O, so that the count
 * is the same each time.
 *
 *   hot_path NAME TIMES
 *     turn     a probe's result becomes a turn of the supervisor over three services
 *     pong     a gateway's answer to a ping, and the next ping
 *     event    an event of the engine, from its bytes
 *     inspect  an inspect answer, from its bytes
 *     timer    a hundred timers are set again and run
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json.h"
#include "base/loop.h"
#include "engine/events.h"
#include "engine/inspect.h"
#include "ibapi/session.h"
#include "supervisor.h"

static void die(const char *what)
{
    (void)fprintf(stderr, "hot_path: %s\n", what);
    exit(1);
}

/* --- turn */

static void ignore_journal(void *ctx, const struct ts_transition *transitions, size_t n,
                           const size_t *changed, size_t m)
{
    (void)ctx;
    (void)transitions;
    (void)n;
    (void)changed;
    (void)m;
}

static void ignore_start(void *ctx, size_t service, uint32_t op_id)
{
    (void)ctx;
    (void)service;
    (void)op_id;
}

static void ignore_stop(void *ctx, size_t service, uint32_t op_id, int64_t grace_ms)
{
    (void)ctx;
    (void)service;
    (void)op_id;
    (void)grace_ms;
}

static void ignore_service(void *ctx, size_t service)
{
    (void)ctx;
    (void)service;
}

static void ignore_notice(void *ctx, size_t service, const struct ts_action *action)
{
    (void)ctx;
    (void)service;
    (void)action;
}

static void run_turn(size_t times)
{
    static struct ts_probe_spec probe = {.name = "p",
                                         .kind = TS_PROBE_TCP,
                                         .purposes = TS_PURPOSE_READINESS,
                                         .interval_ms = 1000,
                                         .timeout_ms = 1000,
                                         .rise = 1,
                                         .fall = 3};
    static struct ts_svc_spec specs[3];
    const struct ts_super_ports ports = {.journal = ignore_journal,
                                         .start = ignore_start,
                                         .stop = ignore_stop,
                                         .inspect = ignore_service,
                                         .notice = ignore_notice,
                                         .changed = ignore_service};
    struct ts_error err;
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(specs[i].name, sizeof(specs[i].name), "s%zu", i);
        specs[i].probe_count = 1;
        specs[i].probes = &probe;
        specs[i].ready_timeout_ms = 60000;
        specs[i].dep_count = i > 0 ? 1 : 0;
        (void)strcpy(specs[i].deps[0], "s0"); /* NOLINT: a constant that fits */
    }
    ts_mono now = {1000};
    struct ts_super *sup = ts_super_new(&ports);
    if (sup == NULL || !ts_super_set_services(sup, specs, 3, NULL, now, &err)) {
        die("no supervisor");
    }
    ts_super_set_engine_up(sup, true);
    for (size_t i = 0; i < 3; i++) {
        const struct ts_obs runs = {.kind = TS_OBS_CONTAINER, .exists = true, .running = true};
        ts_super_post(sup, i, &runs);
    }
    ts_super_turn(sup, now);
    const struct ts_obs ok = {.kind = TS_OBS_PROBE, .reason = TS_PR_OK, .took_ms = 1};
    for (size_t i = 0; i < times; i++) {
        now.ms += 333;
        ts_super_post(sup, i % 3, &ok);
        ts_super_turn(sup, now);
    }
    if (ts_super_state(sup, 2)->phase != TS_PHASE_READY) {
        die("the services are not ready");
    }
    ts_super_free(sup);
}

/* --- pong */

static void add_frame(struct ts_buf *to, const char *const *fields)
{
    size_t at = ts_ib_begin(to);
    for (; *fields != NULL; fields++) {
        (void)ts_buf_add(to, *fields, strlen(*fields) + 1);
    }
    ts_ib_end(to, at);
}

static void feed(struct ts_ib_session *s, const char *const *fields, ts_mono now,
                 struct ts_buf *out)
{
    struct ts_buf in = ts_buf_init(4096);
    add_frame(&in, fields);
    ts_ib_session_feed(s, in.data, in.len, now, out, NULL, NULL);
    ts_buf_done(&in);
    ts_buf_clear(out);
}

static void run_pong(size_t times)
{
    static const char *const hello[] = {"178", "20260101 00:00:00 UTC", NULL};
    static const char *const accounts[] = {"15", "1", "DU1234567", NULL};
    static const char *const next_id[] = {"9", "1", "1", NULL};
    static const char *const pong[] = {"49", "1", "1795618206", NULL};
    const struct ts_ib_conf conf = {.client_id = 1, .timeout_ms = 1000, .ping_ms = 1000};
    struct ts_ib_session s;
    struct ts_buf out = ts_buf_init(65536);
    ts_mono now = {1000};
    ts_ib_session_begin(&s, &conf, now, &out);
    feed(&s, hello, now, &out);
    feed(&s, accounts, now, &out);
    feed(&s, next_id, now, &out);
    for (size_t i = 0; i < times; i++) {
        feed(&s, pong, now, &out);
        now.ms += 1000;
        ts_ib_session_tick(&s, now, &out);
        ts_buf_clear(&out);
    }
    if (s.step != TS_IB_HELD) {
        die("no session is held");
    }
    ts_ib_session_done(&s);
    ts_buf_done(&out);
}

/* --- event, inspect */

static const char event_text[] =
    "{\"status\":\"die\",\"id\":\"0123456789abcdef\",\"from\":\"tradestack-bot:latest\",\"Type\":"
    "\"container\",\"Action\":\"die\",\"Actor\":{\"ID\":\"0123456789abcdef\",\"Attributes\":{"
    "\"com.docker.compose.config-hash\":\"0123456789abcdef0123456789abcdef\","
    "\"com.docker.compose.container-number\":\"1\",\"com.docker.compose.depends_on\":"
    "\"gateway:service_started:false\",\"com.docker.compose.oneoff\":\"False\","
    "\"com.docker.compose.project\":\"docker\",\"com.docker.compose.service\":\"trading-bot\","
    "\"exitCode\":\"137\",\"image\":\"tradestack-bot:latest\",\"name\":\"trading-bot\"}},"
    "\"scope\":\"local\",\"time\":1795618206,\"timeNano\":1795618206123456789}";

static json_t *parse(const char *text, size_t n)
{
    struct ts_error err;
    json_t *v = ts_json_parse(text, n, &err);
    if (v == NULL) {
        die(err.msg);
    }
    return v;
}

static void run_event(size_t times)
{
    struct ts_error err;
    for (size_t i = 0; i < times; i++) {
        struct ts_engine_event event;
        bool known = false;
        json_t *v = parse(event_text, sizeof(event_text) - 1);
        if (!ts_event_parse(v, "docker", &event, &known, &err) || !known ||
            event.exit_code != 137) {
            die("the event is not understood");
        }
        json_decref(v);
    }
}

static void run_inspect(size_t times)
{
    static char text[65536];
    struct ts_error err;
    FILE *f = fopen(TS_TEST_DATA "/inspect_bot.json", "rb");
    size_t n = f == NULL ? 0 : fread(text, 1, sizeof(text), f);
    if (f == NULL || n == 0 || fclose(f) != 0) {
        die("no inspect_bot.json");
    }
    for (size_t i = 0; i < times; i++) {
        struct ts_container c;
        json_t *v = parse(text, n);
        if (!ts_container_parse(v, &c, &err)) {
            die(err.msg);
        }
        ts_container_done(&c);
        json_decref(v);
    }
}

/* --- timer */

static int64_t clock_ms = 1000;

static ts_mono own_mono(void *ctx)
{
    (void)ctx;
    return (ts_mono){clock_ms};
}

static ts_wall own_wall(void *ctx)
{
    (void)ctx;
    return (ts_wall){clock_ms};
}

static struct {
    struct ts_loop *loop;
    struct ts_timer *all[100];
    size_t turns;
} timers;

static void on_timer(void *ctx)
{
    (void)ctx;
}

static void on_turn(void *ctx)
{
    (void)ctx;
    for (size_t i = 0; i < 100; i++) {
        ts_timer_after(timers.all[i], 0);
    }
    clock_ms++;
    if (timers.turns-- == 0) {
        ts_loop_stop(timers.loop);
    }
}

static void run_timer(size_t times)
{
    static const struct ts_clock clock = {own_mono, own_wall, NULL};
    struct ts_error err;
    timers.loop = ts_loop_new(&clock, &err);
    for (size_t i = 0; timers.loop != NULL && i < 100; i++) {
        timers.all[i] = ts_timer_new(timers.loop, on_timer, NULL, &err);
        if (timers.all[i] == NULL) {
            die(err.msg);
        }
        ts_timer_after(timers.all[i], 0);
    }
    timers.turns = times;
    if (timers.loop == NULL || !ts_loop_run(timers.loop, on_turn, NULL, &err)) {
        die(err.msg);
    }
    for (size_t i = 0; i < 100; i++) {
        ts_timer_free(timers.all[i]);
    }
    ts_loop_free(timers.loop);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(size_t times);
    } paths[] = {{"turn", run_turn},
                 {"pong", run_pong},
                 {"event", run_event},
                 {"inspect", run_inspect},
                 {"timer", run_timer}};
    for (size_t i = 0; argc == 3 && i < sizeof(paths) / sizeof(paths[0]); i++) {
        if (strcmp(argv[1], paths[i].name) == 0) {
            paths[i].run((size_t)strtoul(argv[2], NULL, 10));
            return 0;
        }
    }
    (void)fputs("usage: hot_path turn|pong|event|inspect|timer TIMES\n", stderr);
    return 2;
}
