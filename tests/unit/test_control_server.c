/* The control server: order, limits, and clients that leave. */
#include "control_fixture.h"

static struct visitor a;
static struct visitor b;

static bool a_closed(struct scene *s)
{
    (void)s;
    return a.closed;
}

static bool a_heard_4(struct scene *s)
{
    (void)s;
    return a.messages >= 4;
}

static bool a_heard_100(struct scene *s)
{
    (void)s;
    return a.messages >= 100;
}

static bool b_heard_1(struct scene *s)
{
    (void)s;
    return b.messages >= 1;
}

static bool handled_1(struct scene *s)
{
    return s->handled >= 1;
}

static bool handled_2(struct scene *s)
{
    return s->handled >= 2;
}

static bool gone_1(struct scene *s)
{
    return s->gone >= 1;
}

static bool is_waiting(struct scene *s)
{
    return s->waiting != NULL;
}

static void open_scene(struct scene *s)
{
    set_scene(s);
    start_server(s);
}

static void test_pipelined_calls_are_answered_in_order(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL_("Echo") "\"parameters\":{\"x\":1}}\0" CALL(
                "Nothing") "\0"
                           "{\"method\":\"org.varlink.service.GetInfo\"}\0" CALL_(
                               "Echo") "\"parameters\":{\"x\":2}}"); /* clang-format would part the
                                                                        messages */
    run_until(&s, a_heard_4);
    assert_string_equal(heard(&a, 0), "{\"parameters\":{\"echo\":1}}");
    ASSERT_HEARD(&a, 1, "org.varlink.service.MethodNotFound");
    ASSERT_HEARD(&a, 2, "\"interfaces\"");
    assert_string_equal(heard(&a, 3), "{\"parameters\":{\"echo\":2}}");
    leave(&a);
    end_scene(&s);
}

/* Who answers a call may go on to touch it: the next one must not have taken its place. */
static void test_the_next_call_never_begins_inside_an_answer(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL("Wait") "\0" CALL("Wait"));
    run_until(&s, is_waiting);
    assert_int_equal(s.handled, 1);
    ts_call_reply(s.waiting, NULL);
    ts_call_on_gone(s.waiting, NULL, NULL);
    assert_int_equal(s.handled, 1);
    run_until(&s, handled_2);
    (void)shutdown(a.fd, SHUT_RDWR);
    run_until(&s, gone_1);
    leave(&a);
    end_scene(&s);
    assert_int_equal(s.gone, 1);
}

static void test_no_client_has_a_turn_for_itself(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    for (int i = 0; i < 100; i++) {
        SAY(&a, CALL("Echo"));
    }
    run_until(&s, a_heard_100);
    assert_int_equal(s.handled, 100);
    assert_in_range(s.turn_most, 2, TS_CONTROL_TURN_CALLS);
    leave(&a);
    end_scene(&s);
}

static void test_more_brings_progress_and_oneway_no_answer(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL_("Echo") "\"oneway\":true,\"more\":true,\"parameters\":{\"x\":1}}\0" CALL_(
                "Nothing") "\"oneway\":true}\0" CALL_("Echo") "\"more\":true,\"parameters\":{\"x\":"
                                                              "2}}\0" CALL_("Echo") "\"parameters\""
                                                                                    ":{\"x\":3}}"
                                                                                    "\0" CALL("Noth"
                                                                                              "in"
                                                                                              "g"));
    run_until(&s, a_heard_4);
    assert_string_equal(heard(&a, 0), "{\"parameters\":{\"echo\":2},\"continues\":true}");
    assert_string_equal(heard(&a, 1), "{\"parameters\":{\"echo\":2}}");
    assert_string_equal(heard(&a, 2), "{\"parameters\":{\"echo\":3}}");
    assert_int_equal(s.handled, 3);
    leave(&a);
    end_scene(&s);
}

static void test_nonsense_costs_only_its_client_the_connection(void **state)
{
    (void)state;
    static const char *const rows[] = {"no varlink",
                                       "{}",
                                       "[]",
                                       "{\"method\":7}",
                                       CALL_("Echo") "\"parameters\":[1]}",
                                       CALL_("Echo") "\"more\":1}",
                                       "\xff"};
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct scene s;
        open_scene(&s);
        visit(&s, &a);
        visit(&s, &b);
        say(&a, rows[i], strlen(rows[i]) + 1);
        run_until(&s, a_closed);
        SAY(&b, CALL("Echo"));
        run_until(&s, b_heard_1);
        assert_int_equal(a.messages, 0);
        leave(&a);
        leave(&b);
        end_scene(&s);
    }
}

/* A call of exactly n bytes. */
static char *call_of(size_t n)
{
    static const char begin[] = "{\"method\":\"" TS_VARLINK_INTERFACE ".Echo\",\"z\":\"";
    char *text = malloc(n + 1);
    assert_non_null(text);
    memset(text, 'z', n);
    memcpy(text, begin, sizeof(begin) - 1);
    memcpy(text + n - 2, "\"}", 3);
    return text;
}

static void test_a_call_has_a_largest_size(void **state)
{
    (void)state;
    for (size_t over = 0; over < 2; over++) {
        struct scene s;
        open_scene(&s);
        visit(&s, &a);
        char *text = call_of(TS_VARLINK_REQUEST_MAX + over);
        say(&a, text, TS_VARLINK_REQUEST_MAX + over + 1);
        run_until(&s, over == 0 ? handled_1 : a_closed);
        assert_int_equal(s.handled, over == 0);
        free(text);
        leave(&a);
        end_scene(&s);
    }
}

static void test_too_many_calls_behind_a_waiting_one_are_refused(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL("Wait"));
    run_until(&s, is_waiting);
    struct ts_buf many = ts_buf_init(TS_CONTROL_INPUT_MAX * 2);
    while (many.len <= TS_CONTROL_INPUT_MAX) {
        (void)ts_buf_add(&many, CALL("Echo"), sizeof(CALL("Echo")));
    }
    say(&a, many.data, many.len);
    ts_buf_done(&many);
    run_until(&s, gone_1);
    assert_int_equal(s.handled, 1);
    leave(&a);
    end_scene(&s);
}

static void test_a_call_that_does_not_end_has_a_deadline(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    s.conf.partial_ms = 20;
    start_server(&s);
    visit(&s, &a);
    visit(&s, &b);
    say(&a, "{\"meth", 6);
    run_until(&s, a_closed);
    assert_false(b.closed); /* it says nothing, and may */
    leave(&a);
    leave(&b);
    end_scene(&s);
}

static void test_a_client_that_does_not_read_is_cut_off(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    s.flood_pieces = 64;
    visit_deaf(&s, &a);
    SAY(&a, CALL_("Flood") "\"more\":true}");
    run_until(&s, gone_1);
    assert_true(s.flood_ended);
    leave(&a);
    end_scene(&s);
    assert_int_equal(s.gone, 1);
}

static void test_a_client_that_reads_nothing_has_a_deadline(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    s.conf.stalled_ms = 20;
    start_server(&s);
    s.flood_pieces = 2; /* more than the socket holds, less than what is too much */
    visit_deaf(&s, &a);
    visit(&s, &b);
    SAY(&a, CALL_("Flood") "\"more\":true}");
    run_until(&s, gone_1);
    assert_false(s.flood_ended);
    assert_false(b.closed);
    leave(&a);
    leave(&b);
    end_scene(&s);
}

static void test_a_slow_reader_gets_all_it_asked_for(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit_deaf(&s, &a);
    visit(&s, &b);
    for (int i = 0; i < 100; i++) {
        SAY(&a, CALL("Big"));
    }
    SAY(&b, CALL("Echo"));
    run_until(&s, b_heard_1);
    assert_true(s.handled < 100); /* its answers wait in the socket, not in our memory */
    visitor_listen(&a);
    run_until(&s, a_heard_100);
    assert_int_equal(s.handled, 101);
    leave(&a);
    leave(&b);
    end_scene(&s);
}

static void test_a_client_that_leaves_is_told_to_its_handler_once(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL("Wait"));
    run_until(&s, is_waiting);
    (void)event_del(a.event);
    (void)evutil_closesocket(a.fd);
    a.fd = -1;
    run_until(&s, gone_1);
    leave(&a);
    end_scene(&s);
    assert_int_equal(s.gone, 1);
}

static void test_the_end_of_the_server_is_told_to_waiting_handlers(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL("Wait"));
    run_until(&s, is_waiting);
    ts_control_free(s.server);
    s.server = NULL;
    assert_int_equal(s.gone, 1);
    leave(&a);
    assert_true(os_local_is_gone(s.path));
    end_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pipelined_calls_are_answered_in_order),
        cmocka_unit_test(test_the_next_call_never_begins_inside_an_answer),
        cmocka_unit_test(test_no_client_has_a_turn_for_itself),
        cmocka_unit_test(test_more_brings_progress_and_oneway_no_answer),
        cmocka_unit_test(test_nonsense_costs_only_its_client_the_connection),
        cmocka_unit_test(test_a_call_has_a_largest_size),
        cmocka_unit_test(test_too_many_calls_behind_a_waiting_one_are_refused),
        cmocka_unit_test(test_a_call_that_does_not_end_has_a_deadline),
        cmocka_unit_test(test_a_client_that_does_not_read_is_cut_off),
        cmocka_unit_test(test_a_client_that_reads_nothing_has_a_deadline),
        cmocka_unit_test(test_a_slow_reader_gets_all_it_asked_for),
        cmocka_unit_test(test_a_client_that_leaves_is_told_to_its_handler_once),
        cmocka_unit_test(test_the_end_of_the_server_is_told_to_waiting_handlers),
    };
    return RUN_TESTS(tests);
}
