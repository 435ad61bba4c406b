#include "data.h"

#include "base/json.h"
#include "base/parse.h"
#include "engine/networks.h"
#include "engine/snapshot.h"

static const struct ts_restart_policy no_policy = {"no", 0};

static struct ts_create_plan plan_of(const json_t *inspect, const struct ts_snapshot_options *o)
{
    struct ts_create_plan plan;
    struct ts_error err;
    if (!ts_snapshot_plan(inspect, o, &plan, &err)) {
        fail_msg("%s", err.msg);
    }
    return plan;
}

static void expect_json(const json_t *root, const char *path, const char *want)
{
    json_t *have = ts_json_at(root, path);
    char *text =
        have == NULL ? NULL : json_dumps(have, JSON_COMPACT | JSON_ENCODE_ANY | JSON_SORT_KEYS);
    if (text == NULL ? want != NULL : want == NULL || strcmp(text, want) != 0) {
        fail_msg("%s: want %s, have %s", path, want == NULL ? "nothing" : want,
                 text == NULL ? "nothing" : text);
    }
    free(text);
}

static void test_a_real_container_becomes_its_create_request(void **state)
{
    (void)state;
    json_t *inspect = load_data("inspect_bot.json");
    const struct ts_snapshot_options options = {.policy = &no_policy};
    struct ts_create_plan plan = plan_of(inspect, &options);
    assert_string_equal(plan.name, "proj-bot-1");
    const json_t *b = plan.body;
    expect_json(b, "Image", "\"tiny:1\"");
    expect_json(b, "StopTimeout", "7");
    expect_json(b, "Env", "[\"DRY_RUN=1\",\"PATH=/bin\",\"A=image\"]");
    expect_json(b, "Healthcheck",
                "{\"Interval\":1000000000,\"Retries\":2,\"Test\":[\"CMD-SHELL\",\"exit 0\"]}");
    expect_json(b, "HostConfig.RestartPolicy", "{\"MaximumRetryCount\":0,\"Name\":\"no\"}");
    expect_json(b, "HostConfig.Binds", "[\"named:/data\",\"/srv/img:/ro:ro\"]");
    expect_json(b, "HostConfig.PortBindings",
                "{\"4002/tcp\":[{\"HostIp\":\"127.0.0.1\",\"HostPort\":\"14002\"}]}");
    expect_json(b, "HostConfig.Mounts",
                "[{\"Target\":\"/tmpfs\",\"Type\":\"tmpfs\"},"
                "{\"ReadOnly\":false,\"Source\":"
                "\"d7a52fa7b13f236d216b8e19338872aa847a2c43c9291e5458c1ce7620ee1f27\","
                "\"Target\":\"/anon\",\"Type\":\"volume\"}]");
    expect_json(b, "HostConfig.NetworkMode", "\"n1\"");
    expect_json(b, "HostConfig.CapDrop", "[\"ALL\"]");
    expect_json(b, "NetworkingConfig", "{\"EndpointsConfig\":{\"n1\":{\"Aliases\":[\"bot\"]}}}");
    assert_int_equal(json_object_size(ts_json_at(b, "Labels")), 9);
    assert_int_equal(plan.later_count, 1);
    assert_string_equal(plan.later[0].name, "n2");
    expect_json(plan.later[0].endpoint, "IPAMConfig.IPv4Address", "\"10.213.77.9\"");
    expect_json(plan.later[0].endpoint, "Aliases", "[\"b2\"]");
    /* what the engine made itself, or what is state */
    static const char *const gone[] = {"Hostname",
                                       "Id",
                                       "State",
                                       "Created",
                                       "MacAddress",
                                       "HostConfig.ContainerIDFile",
                                       "HostConfig.CapAdd",
                                       "NetworkSettings"};
    for (size_t i = 0; i < TS_ARRAY_LEN(gone); i++) {
        expect_json(b, gone[i], NULL);
    }
    ts_create_plan_done(&plan);
    ts_create_plan_done(&plan);
    json_decref(inspect);
}

static void test_options_replace_image_and_name_or_keep_the_policy(void **state)
{
    (void)state;
    json_t *inspect = load_data("inspect_bot.json");
    const struct ts_snapshot_options options = {.image = "sha256:12", .name = "other"};
    struct ts_create_plan plan = plan_of(inspect, &options);
    assert_string_equal(plan.name, "other");
    expect_json(plan.body, "Image", "\"sha256:12\"");
    expect_json(plan.body, "HostConfig.RestartPolicy.Name", "\"unless-stopped\"");
    ts_create_plan_done(&plan);
    json_decref(inspect);
}

/* Short made-up answers for what the recorded one does not have. */
static struct ts_create_plan plan_of_text(const char *config, const char *host, const char *rest)
{
    char text[4096];
    (void)snprintf(text, sizeof(text),
                   "{\"Id\":\"0123456789abcdef\",\"Name\":\"/x\",\"Config\":{\"Image\":\"i\"%s},"
                   "\"HostConfig\":{%s}%s}",
                   config, host, rest);
    struct ts_error err;
    json_t *inspect = ts_json_parse(text, strlen(text), &err);
    if (inspect == NULL) {
        fail_msg("%s", err.msg);
    }
    const struct ts_snapshot_options options = {0};
    struct ts_create_plan plan = plan_of(inspect, &options);
    json_decref(inspect);
    return plan;
}

static void test_another_containers_network_takes_no_settings_of_its_own(void **state)
{
    (void)state;
    struct ts_create_plan plan =
        plan_of_text(",\"Hostname\":\"h\",\"ExposedPorts\":{\"1/tcp\":{}},\"User\":\"u\"",
                     "\"NetworkMode\":\"container:abc\",\"PortBindings\":{\"1/tcp\":[]}", "");
    expect_json(plan.body, "Hostname", NULL);
    expect_json(plan.body, "ExposedPorts", NULL);
    expect_json(plan.body, "HostConfig.PortBindings", NULL);
    expect_json(plan.body, "User", "\"u\"");
    ts_create_plan_done(&plan);
}

static void test_a_chosen_host_name_is_kept_unless_the_hosts_is_shared(void **state)
{
    (void)state;
    struct ts_create_plan plan = plan_of_text(",\"Hostname\":\"chosen\"", "", "");
    expect_json(plan.body, "Hostname", "\"chosen\"");
    ts_create_plan_done(&plan);
    plan = plan_of_text(",\"Hostname\":\"box\"", "\"UTSMode\":\"host\"", "");
    expect_json(plan.body, "Hostname", NULL);
    ts_create_plan_done(&plan);
}

static void test_networks_follow_the_mode(void **state)
{
    (void)state;
    static const struct {
        const char *mode;
        const char *networks;
        const char *mode_after;
        const char *endpoints; /* NULL: none */
        const char *later;     /* NULL: none */
    } rows[] = {
        {"default", "\"bridge\":{}", "\"default\"", NULL, NULL},
        {"default", "\"bridge\":{},\"b\":{}", "\"default\"", NULL, "b"},
        {"default", "\"b\":{}", "\"b\"", NULL, NULL},
        {"host", "\"host\":{\"Aliases\":[\"a\"]}", "\"host\"", NULL, NULL},
        {"none", "\"none\":{}", "\"none\"", NULL, NULL},
        {"b", "\"a\":{},\"b\":{\"Aliases\":[\"x\",\"0123456789ab\"]}", "\"b\"",
         "{\"b\":{\"Aliases\":[\"x\"]}}", "a"},
        {"id-of-b", "\"a\":{},\"b\":{\"NetworkID\":\"id-of-b\",\"Aliases\":[\"x\"]}", "\"b\"",
         "{\"b\":{\"Aliases\":[\"x\"]}}", "a"},
        {"gone", "\"a\":{\"Aliases\":[\"x\"]}", "\"a\"", "{\"a\":{\"Aliases\":[\"x\"]}}", NULL},
        {"gone", "", "\"gone\"", NULL, NULL},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        char host[128];
        char rest[512];
        (void)snprintf(host, sizeof(host), "\"NetworkMode\":\"%s\"", rows[i].mode);
        (void)snprintf(rest, sizeof(rest), ",\"NetworkSettings\":{\"Networks\":{%s}}",
                       rows[i].networks);
        struct ts_create_plan plan = plan_of_text("", host, rest);
        expect_json(plan.body, "HostConfig.NetworkMode", rows[i].mode_after);
        expect_json(plan.body, "NetworkingConfig.EndpointsConfig", rows[i].endpoints);
        assert_int_equal(plan.later_count, rows[i].later == NULL ? 0 : 1);
        if (rows[i].later != NULL) {
            assert_string_equal(plan.later[0].name, rows[i].later);
        }
        ts_create_plan_done(&plan);
    }
}

static void test_volumes_are_kept_once(void **state)
{
    (void)state;
    static const struct {
        const char *host;
        const char *mounts;
    } rows[] = {
        {"\"Binds\":[\"n:/v:rw\"]", NULL},
        {"\"Binds\":[\"n:/v\"]", NULL},
        {"\"Binds\":[\"n:/v2\"]",
         "[{\"ReadOnly\":true,\"Source\":\"n\",\"Target\":\"/v\",\"Type\":\"volume\"}]"},
        {"\"Mounts\":[{\"Type\":\"volume\",\"Source\":\"n\",\"Target\":\"/v\"}]",
         "[{\"Source\":\"n\",\"Target\":\"/v\",\"Type\":\"volume\"}]"},
        {"\"Mounts\":[{\"Type\":\"volume\",\"Target\":\"/v\"}]",
         "[{\"Source\":\"n\",\"Target\":\"/v\",\"Type\":\"volume\"}]"},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_create_plan plan = plan_of_text(
            "", rows[i].host,
            ",\"Mounts\":[{\"Type\":\"volume\",\"Name\":\"n\",\"Destination\":\"/v\",\"RW\":false},"
            "{\"Type\":\"bind\",\"Source\":\"/b\",\"Destination\":\"/b\"}]");
        expect_json(plan.body, "HostConfig.Mounts", rows[i].mounts);
        ts_create_plan_done(&plan);
    }
}

static void test_legacy_links_are_written_as_create_wants_them(void **state)
{
    (void)state;
    struct ts_create_plan plan = plan_of_text("", "\"Links\":[\"/db:/x/sql\",\"plain:alias\"]", "");
    expect_json(plan.body, "HostConfig.Links", "[\"db:sql\",\"plain:alias\"]");
    ts_create_plan_done(&plan);
}

static void test_what_is_no_container_is_refused(void **state)
{
    (void)state;
    static const char *const rows[] = {
        "{}",
        "{\"Name\":\"/x\",\"Config\":{\"Image\":\"i\"}}",
        "{\"Name\":\"/x\",\"HostConfig\":{}}",
        "{\"Name\":\"/x\",\"Config\":{},\"HostConfig\":{}}",
        "{\"Name\":\"/x/../y\",\"Config\":{\"Image\":\"i\"},\"HostConfig\":{}}",
        "{\"Config\":{\"Image\":\"i\"},\"HostConfig\":{}}",
        "{\"Name\":\"/x\",\"Config\":[],\"HostConfig\":[]}",
    };
    const struct ts_snapshot_options options = {0};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err;
        struct ts_create_plan plan;
        json_t *inspect = ts_json_parse(rows[i], strlen(rows[i]), &err);
        assert_non_null(inspect);
        if (ts_snapshot_plan(inspect, &options, &plan, &err)) {
            fail_msg("%s was taken", rows[i]);
        }
        assert_non_null(strstr(err.msg, "snapshot"));
        json_decref(inspect);
    }
}

static void test_too_many_networks_are_refused(void **state)
{
    (void)state;
    json_t *networks = json_object();
    for (int i = 0; i < TS_PLAN_NETWORKS_MAX + 2; i++) {
        char name[8];
        (void)snprintf(name, sizeof(name), "n%d", i);
        assert_int_equal(json_object_set_new(networks, name, json_object()), 0);
    }
    json_t *inspect =
        json_pack("{s:s, s:{s:s}, s:{s:s}, s:{s:o}}", "Name", "/x", "Config", "Image", "i",
                  "HostConfig", "NetworkMode", "n0", "NetworkSettings", "Networks", networks);
    const struct ts_snapshot_options options = {0};
    struct ts_create_plan plan;
    struct ts_error err;
    assert_false(ts_snapshot_plan(inspect, &options, &plan, &err));
    assert_int_equal(err.code, TS_E_LIMIT);
    json_decref(inspect);
}

static void test_a_network_is_made_as_it_was_without_what_the_engine_added(void **state)
{
    (void)state;
    struct ts_error err;
    json_t *inspect =
        json_pack("{s:s, s:s, s:s, s:s, s:b, s:{s:s, s:[{s:s}]}, s:{s:s}, s:{s:{s:s}}, s:n}",
                  "Name", "docker_trading-network", "Id", "0123", "Created", "2026-11-24T00:00:00Z",
                  "Driver", "bridge", "Internal", 1, "IPAM", "Driver", "default", "Config",
                  "Subnet", "172.18.0.0/16", "Labels", "com.docker.compose.network",
                  "trading-network", "Containers", "abc", "Name", "bot", "Options");
    assert_non_null(inspect);
    json_t *body = ts_network_plan(inspect, &err);
    assert_non_null(body);
    expect_json(body, "Name", "\"docker_trading-network\"");
    expect_json(body, "Internal", "true");
    expect_json(body, "IPAM",
                "{\"Config\":[{\"Subnet\":\"172.18.0.0/16\"}],\"Driver\":\"default\"}");
    expect_json(body, "Labels", "{\"com.docker.compose.network\":\"trading-network\"}");
    expect_json(body, "CheckDuplicate", "true");
    expect_json(body, "Id", NULL);
    expect_json(body, "Containers", NULL);
    expect_json(body, "Options", NULL);
    json_decref(body);
    assert_int_equal(json_object_del(inspect, "Name"), 0);
    assert_null(ts_network_plan(inspect, &err));
    assert_int_equal(err.code, TS_E_PROTOCOL);
    json_decref(inspect);
    assert_true(ts_network_is_builtin("host"));
    assert_false(ts_network_is_builtin("docker_default"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_real_container_becomes_its_create_request),
        cmocka_unit_test(test_options_replace_image_and_name_or_keep_the_policy),
        cmocka_unit_test(test_another_containers_network_takes_no_settings_of_its_own),
        cmocka_unit_test(test_a_chosen_host_name_is_kept_unless_the_hosts_is_shared),
        cmocka_unit_test(test_networks_follow_the_mode),
        cmocka_unit_test(test_volumes_are_kept_once),
        cmocka_unit_test(test_legacy_links_are_written_as_create_wants_them),
        cmocka_unit_test(test_what_is_no_container_is_refused),
        cmocka_unit_test(test_too_many_networks_are_refused),
        cmocka_unit_test(test_a_network_is_made_as_it_was_without_what_the_engine_added),
    };
    return RUN_TESTS(tests);
}
