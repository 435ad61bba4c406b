/* What the sender keeps: over its end, a full disk, a lost transaction and a reload. */
#include "sender_fixture.h"

#include <signal.h>
#include <sys/resource.h>

/* --- what survives */

static void test_letters_and_incidents_survive_the_process(void **state)
{
    (void)state;
    static const struct script down = {500, NULL, NULL, NULL, NULL, NULL};
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    ANSWER(down, down);
    post(TS_ALERT_INFO, "one");
    post(TS_ALERT_INFO, "two");
    run_until_settled(2);
    close_sender();
    ahead_ms += 5 * MINUTE_MS;
    ANSWER(works);
    open_sender();
    run_until_settled(3);
    assert_string_equal(titles_in(2), GREEN "one;" GREEN "two;");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0); /* told already */
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1);
    run_until_settled(5);
    assert_non_null(strstr(requests[3].body, "\"5 m"));
    expect_request(4, "PATCH", EDIT_URI, GREEN "Resolved: down;");
    expect_nothing_waits();
}

static void test_edit_that_waits_survives_the_process(void **state)
{
    (void)state;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    post(TS_ALERT_RESOLVED, "healthy");
    close_sender(); /* before anything went out */
    open_sender();
    run_until_settled(3);
    expect_request(1, "POST", POST_URI, GREEN "healthy;");
    expect_request(2, "PATCH", EDIT_URI, GREEN "Resolved: down;");
}

static void test_alert_posted_in_a_transaction_is_sent_once(void **state)
{
    (void)state;
    struct ts_error err;
    with_channels(true, false);
    assert_true(ts_store_begin(store, &err));
    post(TS_ALERT_OPEN, "kept");
    assert_true(ts_store_commit(store, &err));
    run_until_settled(1);
    expect_nothing_waits();

    assert_true(ts_store_begin(store, &err));
    const struct ts_alert a = alert_of(TS_ALERT_OPEN, "bot/health", "lost");
    (void)ts_sender_post(sender, &a);
    ts_store_rollback(store);
    run_until_settled(2);
    assert_string_equal(titles_in(1), YELLOW "lost;");
    expect_nothing_waits();
    pass(HOUR_MS); /* the keeper has written the incident again */
    run_until_settled(2);
    close_sender();
    open_sender();
    assert_int_equal(ts_sender_post(sender, &a), 0);
}

static void limit_files(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes == RLIM_INFINITY ? limit.rlim_max : bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
    (void)signal(SIGXFSZ, bytes == RLIM_INFINITY ? SIG_DFL : SIG_IGN);
}

static void test_alerts_go_out_once_while_the_disk_is_full(void **state)
{
    (void)state;
    with_channels(true, false);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "stored");
    run_until_settled(1);
    limit_files(0);
    post(TS_ALERT_OPEN, "from memory");
    pass(5000);
    run_until_settled(2);
    assert_int_equal(post(TS_ALERT_OPEN, "from memory"), 0);
    pass(5000);
    pass(HOUR_MS);
    run_until_settled(2); /* "stored" cannot be removed, and is not sent again */
    limit_files(RLIM_INFINITY);
    assert_string_equal(titles_in(1), GREEN "stored;" YELLOW "from memory;");
    assert_true(store_failures > 0);
    assert_false(ts_store_ok(store));
    assert_int_equal(ts_sender_status(sender, 0).pending, 0);
    pass(HOUR_MS);
    run_until_settled(2);
    assert_true(ts_store_ok(store));
    close_sender();
    open_sender();
    run_until_settled(2);
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1); /* it was kept in the end */
    run_until_settled(3);
    expect_nothing_waits();
}

static void test_memory_is_bounded_while_the_disk_is_full(void **state)
{
    (void)state;
    with_channels(false, true);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "stored");
    run_until_settled(1);
    limit_files(0);
    for (int i = 0; i < HELD_MAX; i++) {
        post(TS_ALERT_INFO, "held");
    }
    assert_null(strstr(told, "dropped"));
    post(TS_ALERT_INFO, "too many");
    limit_files(RLIM_INFINITY);
    assert_non_null(strstr(told, "dropped hook: too many"));
    assert_int_equal(ts_sender_status(sender, 0).pending, HELD_MAX + 1);
    pass(MINUTE_MS);
    run_until_settled(1 + (HELD_MAX + 1 + BATCH_MAX - 1) / BATCH_MAX);
    expect_nothing_waits();
}

static void test_sender_works_without_a_store(void **state)
{
    (void)state;
    struct ts_error err;
    add_channel("discord", TS_CHANNEL_DISCORD);
    sender = ts_sender_new(fixture_loop, http, NULL, &hooks, &err);
    assert_non_null(sender);
    assert_true(ts_sender_configure(sender, model, &err));
    post(TS_ALERT_OPEN, "down");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0);
    post(TS_ALERT_RESOLVED, "healthy");
    run_until_settled(1);
    assert_string_equal(titles_in(0), YELLOW "down;" GREEN "healthy;");
    expect_nothing_waits();
}

/* --- configuration */

static void test_reload_sends_nothing_twice(void **state)
{
    (void)state;
    struct ts_error err;
    with_channels(true, false);
    ANSWER({0, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_requests(1);
    assert_true(ts_sender_configure(sender, model, &err));
    run_for(30);
    assert_int_equal(request_count, 1);
    evhttp_send_reply(hanging, 204, "ok", NULL);
    run_until_settled(1);
    expect_nothing_waits();
}

static void test_reload_with_another_url_sends_there(void **state)
{
    (void)state;
    struct ts_error err;
    char url[200];
    with_channels(false, true);
    ANSWER({404, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    limit_files(0);
    post(TS_ALERT_INFO, "in memory");
    limit_files(RLIM_INFINITY);
    (void)snprintf(url, sizeof(url), "http://127.0.0.1:%u/other/" TOKEN, (unsigned)http_port);
    write_url(&model->channels[0], url);
    assert_true(ts_sender_configure(sender, model, &err));
    run_until_settled(2);
    expect_request(1, "POST", "/other/" TOKEN, "one;in memory;");
    model->channel_count = 0;
    assert_true(ts_sender_configure(sender, model, &err));
    assert_int_equal(ts_sender_channel_count(sender), 0);
    assert_int_equal(post(TS_ALERT_INFO, "nobody"), 0);
}

static void test_faulty_channel_changes_nothing(void **state)
{
    (void)state;
    struct ts_error err = {0};
    with_channels(true, false);
    add_channel("second", TS_CHANNEL_DISCORD);
    write_url(&model->channels[1], "http://example.com/api/webhooks/1/" TOKEN);
    assert_false(ts_sender_configure(sender, model, &err));
    assert_int_equal(err.code, TS_E_INVALID);
    assert_non_null(strstr(err.msg, "second"));
    assert_null(strstr(err.msg, TOKEN));
    assert_int_equal(ts_sender_channel_count(sender), 1);

    assert_int_equal(unlink(model->channels[1].url_file), 0);
    assert_false(ts_sender_configure(sender, model, &err));
    model->channels[1].optional = true;
    assert_true(ts_sender_configure(sender, model, &err));
    assert_int_equal(ts_sender_channel_count(sender), 1);
    post(TS_ALERT_INFO, "still works");
    run_until_settled(1);
}

static void test_one_channel_can_be_addressed(void **state)
{
    (void)state;
    with_channels(true, true);
    const struct ts_alert a = alert_of(TS_ALERT_INFO, "", "test alert");
    assert_int_equal(ts_sender_post_to(sender, &a, "hook"), 1);
    assert_true(ts_sender_post_to(sender, &a, "nobody") == SIZE_MAX);
    run_until_settled(1);
    expect_request(0, "POST", "/hook/" TOKEN, "test alert;");
}

static void test_url_is_shown_nowhere(void **state)
{
    (void)state;
    static char echo[400];
    static const int statuses[] = {400, 500, 404};
    with_channels(true, false);
    /* The token lies where a cut of the text would go through it. */
    (void)snprintf(echo, sizeof(echo), "{\"message\":\"%0*d http:\\/\\/x\\/" TOKEN "\"}", 110, 0);
    for (size_t i = 0; i < TS_ARRAY_LEN(statuses); i++) {
        size_t before = request_count;
        ANSWER({statuses[i], "application/json", NULL, NULL, echo, NULL});
        post(TS_ALERT_INFO, "one");
        run_until_settled(before + 1);
        assert_null(strstr(ts_sender_status(sender, 0).detail, "aBcD"));
        pass(MINUTE_MS);
        run_for(20);
    }
    assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_REFUSED);
    assert_non_null(strstr(told, "refused discord"));
    assert_non_null(strstr(told, "repeats the URL"));
    assert_null(strstr(told, "aBcD"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENDER_TEST(test_letters_and_incidents_survive_the_process),
        SENDER_TEST(test_edit_that_waits_survives_the_process),
        SENDER_TEST(test_alert_posted_in_a_transaction_is_sent_once),
        SENDER_TEST(test_alerts_go_out_once_while_the_disk_is_full),
        SENDER_TEST(test_memory_is_bounded_while_the_disk_is_full),
        SENDER_TEST(test_sender_works_without_a_store),
        SENDER_TEST(test_reload_sends_nothing_twice),
        SENDER_TEST(test_reload_with_another_url_sends_there),
        SENDER_TEST(test_faulty_channel_changes_nothing),
        SENDER_TEST(test_one_channel_can_be_addressed),
        SENDER_TEST(test_url_is_shown_nowhere),
    };
    return RUN_TESTS(tests);
}
