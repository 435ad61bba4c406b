/* The control server: who may do what, how many may come, and what it says of itself. */
#include "control_fixture.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define OPERATORS 500
#define READERS   600
#define OTHER_UID 1000

static struct visitor v;

static bool heard_1(struct scene *s)
{
    (void)s;
    return v.messages >= 1;
}

static bool heard_all(struct scene *s)
{
    (void)s;
    return v.messages >= 6;
}

/* What the server answers to a call by next_peer: "" or a part of the error's name. */
static const char *answer_to(struct scene *s, const char *call, char *out, size_t size)
{
    visit(s, &v);
    say(&v, call, strlen(call) + 1);
    run_until(s, heard_1);
    TS_CLEANUP(ts_json_drop) json_t *reply = json_loads(heard(&v, 0), 0, NULL);
    assert_non_null(reply);
    const char *error = ts_json_str_or(reply, "error", "");
    const char *dot = strrchr(error, '.');
    (void)snprintf(out, size, "%s", dot != NULL ? dot + 1 : error);
    leave(&v);
    return out;
}

static const char read_call[] = CALL("Echo");
static const char change_call[] = CALL_("Change") "\"parameters\":{\"service\":\"a\"}}";

static void test_rights_follow_from_who_is_calling(void **state)
{
    (void)state;
    static const struct {
        const char *what;
        struct ts_peer peer;
        bool operate_group;
        bool read_group;
        bool reads;
        bool changes;
    } rows[] = {
        {"root", {.known = true, .uid = 0, .gid = 0}, true, true, true, true},
        {"root without groups set up", {.known = true, .uid = 0}, false, false, true, true},
        {"anybody, reading open", {.known = true, .uid = 7, .gid = 7}, true, false, true, false},
        {"anybody, reading closed", {.known = true, .uid = 7, .gid = 7}, true, true, false, false},
        {"operator by first group",
         {.known = true, .uid = 7, .gid = OPERATORS},
         true,
         true,
         true,
         true},
        {"operator by further group",
         {.known = true, .uid = 7, .gid = 7, .groups = {9, OPERATORS}, .group_count = 2},
         true,
         true,
         true,
         true},
        {"beyond the count of groups",
         {.known = true, .uid = 7, .gid = 7, .groups = {9, OPERATORS}, .group_count = 1},
         true,
         true,
         false,
         false},
        {"reader by further group",
         {.known = true, .uid = 7, .gid = 7, .groups = {READERS}, .group_count = 1},
         true,
         true,
         true,
         false},
        {"no operate group at all", {.known = true, .uid = 7, .gid = 0}, false, false, true, false},
        {"unknown, looks like root", {.known = false, .uid = 0}, true, true, false, false},
        {"unknown, looks like a reader",
         {.known = false, .uid = 7, .gid = READERS},
         true,
         true,
         false,
         false},
        {"unknown, reading open", {.known = false, .uid = 0}, true, false, true, false},
        {"unknown, looks like an operator",
         {.known = false, .uid = 7, .gid = OPERATORS},
         true,
         true,
         false,
         false},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct scene s;
        char got[64];
        set_scene(&s);
        s.conf.has_operate_gid = rows[i].operate_group;
        s.conf.operate_gid = OPERATORS;
        s.conf.has_read_gid = rows[i].read_group;
        s.conf.read_gid = READERS;
        start_server(&s);
        s.next_peer = rows[i].peer;
        if (strcmp(answer_to(&s, read_call, got, sizeof(got)), rows[i].reads ? "" : "NotAllowed") !=
            0) {
            fail_msg("%s reads: %s", rows[i].what, got);
        }
        if (strcmp(answer_to(&s, change_call, got, sizeof(got)),
                   rows[i].changes ? "" : "NotAllowed") != 0) {
            fail_msg("%s changes: %s", rows[i].what, got);
        }
        assert_int_equal(s.handled, rows[i].reads + rows[i].changes);
        assert_int_equal(s.refused, !rows[i].reads + !rows[i].changes);
        end_scene(&s);
    }
}

static void test_new_groups_count_from_the_next_call(void **state)
{
    (void)state;
    struct scene s;
    char got[64];
    set_scene(&s);
    start_server(&s);
    s.next_peer = (struct ts_peer){.known = true, .uid = 7, .gid = OPERATORS};
    assert_string_equal(answer_to(&s, change_call, got, sizeof(got)), "NotAllowed");
    const struct ts_control_conf conf = {.has_operate_gid = true, .operate_gid = OPERATORS};
    ts_control_set_groups(s.server, &conf);
    assert_string_equal(answer_to(&s, change_call, got, sizeof(got)), "");
    end_scene(&s);
}

/* A misspelt or mistyped "service" must never come to mean all services. */
static void test_parameters_that_do_not_fit_reach_no_handler(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    start_server(&s);
    visit(&s, &v);
    SAY(&v, CALL("Change") "\0" CALL_("Change") "\"parameters\":{\"service\":7}}\0" CALL_("Change") "\"parameters\":{\"service\":\"a\",\"servcie\":\"b\"}}\0" CALL_(
                "Change") "\"parameters\":{\"service\":null}}\0" CALL_("Change") "\"parameters\":{"
                                                                                 "\"service\":"
                                                                                 "\"a\",\"wait\":"
                                                                                 "\"yes\"}}"
                                                                                 "\0" CALL_(
                                                                                     "Chang"
                                                                                     "e") "\"parame"
                                                                                          "ters\":{"
                                                                                          "\"servic"
                                                                                          "e\":"
                                                                                          "\"a\","
                                                                                          "\"wait\""
                                                                                          ":null}"
                                                                                          "}");
    run_until(&s, heard_all);
    static const char *const wrong[] = {"service", "service", "servcie", "service", "wait"};
    for (size_t i = 0; i < TS_ARRAY_LEN(wrong); i++) {
        char want[128];
        (void)snprintf(want, sizeof(want),
                       "{\"error\":\"org.varlink.service.InvalidParameter\",\"parameters\":"
                       "{\"parameter\":\"%s\"}}",
                       wrong[i]);
        assert_string_equal(heard(&v, i), want);
    }
    assert_string_equal(heard(&v, 5), "{\"parameters\":{}}");
    assert_int_equal(s.handled, 1);
    leave(&v);
    end_scene(&s);
}

static void test_the_service_describes_itself(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    start_server(&s);
    s.next_peer = (struct ts_peer){.known = true, .uid = 7, .gid = 7}; /* anybody may ask */
    s.conf.has_read_gid = true;
    ts_control_set_groups(s.server, &s.conf);
    visit(&s, &v);
    SAY(&v, "{\"method\":\"org.varlink.service.GetInfo\"}\0"
            "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
            "\"parameters\":{\"interface\":\"io.tradestack.Supervisor\"}}\0"
            "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
            "\"parameters\":{\"interface\":\"org.varlink.service\"}}\0"
            "{\"method\":\"org.varlink.service.GetInterfaceDescription\","
            "\"parameters\":{\"interface\":\"a.b\"}}\0"
            "{\"method\":\"org.varlink.service.GetInterfaceDescription\"}\0"
            "{\"method\":\"a.b.C\"}\0"
            "{\"method\":\"org.varlink.service.Nothing\"}\0"
            "{\"method\":\"nothing\"}");
    run_until(&s, heard_all);
    ASSERT_HEARD(&v, 0, "io.tradestack.Supervisor");
    ASSERT_HEARD(&v, 1, "interface io.tradestack.Supervisor\\nmethod Echo");
    ASSERT_HEARD(&v, 2, "interface org.varlink.service\\n");
    ASSERT_HEARD(&v, 3,
                 "org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b");
    ASSERT_HEARD(&v, 4, "org.varlink.service.InvalidParameter");
    ASSERT_HEARD(&v, 5,
                 "org.varlink.service.InterfaceNotFound\",\"parameters\":{\"interface\":\"a.b");
    leave(&v);
    end_scene(&s);
}

static void test_a_method_without_description_is_refused_at_start(void **state)
{
    (void)state;
    struct scene s;
    struct ts_error err;
    set_scene(&s);
    s.conf.description = NULL; /* ours, which has no Echo */
    assert_null(ts_control_new(s.loop, &s.conf, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_int_not_equal(access(s.path, F_OK), 0);
    end_scene(&s);
}

static struct visitor crowd[TS_CONTROL_CLIENTS_MAX + 1];

static size_t turned_away(size_t n)
{
    size_t count = 0;
    for (size_t i = 0; i < n; i++) {
        count += strstr(heard(&crowd[i], 0), "too many connections") != NULL;
    }
    return count;
}

static size_t crowd_size;

static bool crowd_answered(struct scene *s)
{
    size_t n = 0;
    (void)s;
    for (size_t i = 0; i < crowd_size; i++) {
        n += crowd[i].messages > 0;
    }
    return n == crowd_size;
}

/* n more visitors who say something, each answered or turned away. */
static void come(struct scene *s, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        visit(s, &crowd[crowd_size]);
        SAY(&crowd[crowd_size], CALL("Echo"));
        crowd_size++;
        run_until(s, crowd_answered);
    }
}

static void disperse(void)
{
    for (size_t i = 0; i < crowd_size; i++) {
        leave(&crowd[i]);
    }
    crowd_size = 0;
}

static void test_one_user_cannot_take_all_connections(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    start_server(&s);
    s.next_peer = (struct ts_peer){.known = true, .uid = OTHER_UID, .gid = 7};
    come(&s, TS_CONTROL_CLIENTS_PER_UID);
    assert_int_equal(turned_away(crowd_size), 0);
    come(&s, 1);
    assert_int_equal(turned_away(crowd_size), 1);
    s.next_peer.uid = OTHER_UID + 1;
    come(&s, 1);
    assert_int_equal(turned_away(crowd_size), 1);
    disperse();
    end_scene(&s);
}

static void test_all_users_together_leave_room_for_root(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    start_server(&s);
    const size_t open_to_all = TS_CONTROL_CLIENTS_MAX - TS_CONTROL_CLIENTS_SPARED;
    for (size_t i = 0; i < open_to_all; i++) {
        s.next_peer = (struct ts_peer){.known = true, .uid = (uint32_t)(OTHER_UID + i), .gid = 7};
        come(&s, 1);
    }
    assert_int_equal(turned_away(crowd_size), 0);
    s.next_peer.uid = OTHER_UID + 5000;
    come(&s, 1);
    assert_int_equal(turned_away(crowd_size), 1);
    s.next_peer.uid = 0;
    come(&s, TS_CONTROL_CLIENTS_SPARED);
    assert_int_equal(turned_away(crowd_size), 1);
    disperse();
    end_scene(&s);
}

static void test_the_kernel_says_who_is_calling(void **state)
{
    (void)state;
    int ends[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM, 0, ends), 0);
    struct ts_peer peer = ts_peer_of(ends[0]);
    assert_true(peer.known);
    assert_int_equal(peer.uid, getuid());
    assert_int_equal(peer.gid, getgid());
    assert_int_equal(peer.pid, getpid());
    assert_false(ts_peer_hung_up(ends[0]));
    (void)shutdown(ends[1], SHUT_WR);
    assert_false(ts_peer_hung_up(ends[0]));
    (void)close(ends[1]);
    assert_true(ts_peer_hung_up(ends[0]));
    (void)close(ends[0]);
    assert_false(ts_peer_of(-1).known);
}

static void test_a_dead_server_s_socket_is_replaced(void **state)
{
    (void)state;
    struct scene s;
    char got[64];
    set_scene(&s);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, s.path, strlen(s.path) + 1);
    int fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    (void)close(fd); /* as kill -9 leaves it */
    start_server(&s);
    assert_string_equal(answer_to(&s, read_call, got, sizeof(got)), "");
    end_scene(&s);
}

static void test_a_living_server_s_socket_is_left_alone(void **state)
{
    (void)state;
    struct scene s;
    struct ts_error err;
    char got[64];
    set_scene(&s);
    start_server(&s);
    assert_null(ts_control_new(s.loop, &s.conf, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    assert_non_null(strstr(err.msg, s.path));
    assert_string_equal(answer_to(&s, read_call, got, sizeof(got)), "");
    end_scene(&s);
}

static void test_what_is_no_socket_is_never_removed(void **state)
{
    (void)state;
    struct scene s;
    struct ts_error err;
    set_scene(&s);
    int fd = open(s.path, O_CREAT | O_EXCL | O_WRONLY | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    assert_null(ts_control_new(s.loop, &s.conf, &err));
    assert_int_equal(err.code, TS_E_CONFLICT);
    assert_int_equal(unlink(s.path), 0);
    end_scene(&s);
}

static void test_a_path_that_is_too_long_is_refused(void **state)
{
    (void)state;
    struct scene s;
    struct ts_error err;
    char path[200];
    set_scene(&s);
    memset(path, 'p', sizeof(path));
    path[0] = '/';
    path[sizeof(path) - 1] = '\0';
    s.conf.path = path;
    assert_null(ts_control_new(s.loop, &s.conf, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    end_scene(&s);
}

static void test_a_socket_that_was_handed_over_is_used_and_stays(void **state)
{
    (void)state;
    struct scene s;
    char got[64];
    set_scene(&s);
    struct sockaddr_un addr = {.sun_family = AF_UNIX};
    memcpy(addr.sun_path, s.path, strlen(s.path) + 1);
    s.conf.listen_fd = socket(AF_UNIX, SOCK_STREAM, 0);
    assert_int_equal(bind(s.conf.listen_fd, (struct sockaddr *)&addr, sizeof(addr)), 0);
    assert_int_equal(listen(s.conf.listen_fd, 5), 0);
    start_server(&s);
    assert_string_equal(answer_to(&s, read_call, got, sizeof(got)), "");
    end_scene(&s);
    assert_int_equal(unlink(s.path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rights_follow_from_who_is_calling),
        cmocka_unit_test(test_new_groups_count_from_the_next_call),
        cmocka_unit_test(test_parameters_that_do_not_fit_reach_no_handler),
        cmocka_unit_test(test_the_service_describes_itself),
        cmocka_unit_test(test_a_method_without_description_is_refused_at_start),
        cmocka_unit_test(test_one_user_cannot_take_all_connections),
        cmocka_unit_test(test_all_users_together_leave_room_for_root),
        cmocka_unit_test(test_the_kernel_says_who_is_calling),
        cmocka_unit_test(test_a_dead_server_s_socket_is_replaced),
        cmocka_unit_test(test_a_living_server_s_socket_is_left_alone),
        cmocka_unit_test(test_what_is_no_socket_is_never_removed),
        cmocka_unit_test(test_a_path_that_is_too_long_is_refused),
        cmocka_unit_test(test_a_socket_that_was_handed_over_is_used_and_stays),
    };
    return RUN_TESTS(tests);
}
