/* The control server and clients that end only their own side, which sockets can and pipes cannot.
 */
#include "control_fixture.h"

static struct visitor a;

static bool a_closed(struct scene *s)
{
    (void)s;
    return a.closed;
}

static bool gone_1(struct scene *s)
{
    return s->gone >= 1;
}

static void open_scene(struct scene *s)
{
    set_scene(s);
    start_server(s);
}

static void test_a_client_that_only_ends_its_own_side_gets_its_answers(void **state)
{
    (void)state;
    struct scene s;
    open_scene(&s);
    visit(&s, &a);
    SAY(&a, CALL("Big") "\0" CALL("Echo"));
    (void)shutdown(a.fd, SHUT_WR);
    run_until(&s, a_closed);
    assert_int_equal(a.messages, 2);
    leave(&a);
    end_scene(&s);
}

static void test_a_half_closed_client_that_waits_has_a_deadline(void **state)
{
    (void)state;
    struct scene s;
    set_scene(&s);
    s.conf.partial_ms = 20;
    start_server(&s);
    visit(&s, &a);
    SAY(&a, CALL("Wait"));
    (void)shutdown(a.fd, SHUT_WR);
    run_until(&s, gone_1);
    run_until(&s, a_closed);
    leave(&a);
    end_scene(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_a_client_that_only_ends_its_own_side_gets_its_answers),
        cmocka_unit_test(test_a_half_closed_client_that_waits_has_a_deadline),
    };
    return RUN_TESTS(tests);
}
