/* What the sender tells, to whom, and what it makes of the answers. */
#include "sender_fixture.h"

/* --- stories */

static void test_trouble_is_told_once_and_its_end_too(void **state)
{
    (void)state;
    with_channels(true, false);
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 1);
    assert_false(ts_sender_idle(sender));
    run_until_settled(1);
    expect_request(0, "POST", POST_URI, YELLOW "down;");
    assert_int_equal(post(TS_ALERT_OPEN, "down"), 0);
    pass(2 * MINUTE_MS);
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 1);
    run_until_settled(3);
    expect_request(1, "POST", POST_URI, GREEN "healthy;");
    expect_request(2, "PATCH", EDIT_URI, GREEN "Resolved: down;");
    assert_non_null(strstr(requests[1].body, "\"2 m"));
    assert_non_null(strstr(requests[2].body, "\"allowed_mentions\":{\"parse\":[]}"));
    assert_null(strstr(requests[2].body, "username"));
    assert_int_equal(post(TS_ALERT_RESOLVED, "healthy"), 0);
    assert_string_equal(told, "sent discord: down\nsent discord: healthy\n");
    expect_nothing_waits();
}

static void test_worse_is_told_anew(void **state)
{
    (void)state;
    with_channels(true, false);
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "down");
    (void)ts_sender_post(sender, &a);
    run_until_settled(1);
    a.severity = TS_SEVERITY_CRITICAL;
    assert_int_equal(ts_sender_post(sender, &a), 1);
    run_until_settled(2);
    expect_request(1, "POST", POST_URI, RED "down;");
}

static void test_progress_edits_on_discord_and_is_sent_to_a_webhook(void **state)
{
    (void)state;
    with_channels(true, true);
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "down");
    a.attempt = 1;
    (void)ts_sender_post(sender, &a);
    run_until_settled(2);
    a.attempt = 2;
    assert_int_equal(ts_sender_post(sender, &a), 2);
    run_until_settled(4);
    for (size_t i = 2; i < 4; i++) {
        bool edit = requests[i].method[1] == 'A';
        expect_request(i, edit ? "PATCH" : "POST", edit ? EDIT_URI : "/hook/" TOKEN,
                       edit ? YELLOW "down;" : "down;");
    }
    assert_string_not_equal(requests[2].method, requests[3].method);
}

static void test_edit_of_a_message_that_is_gone_does_no_harm(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {404, "application/json", NULL, NULL, "{\"code\":10008}", NULL},
        {400, "application/json", NULL, NULL, "{\"code\":30046}", NULL},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        size_t before = request_count;
        post(TS_ALERT_OPEN, "down");
        run_until_settled(before + 1);
        ANSWER(works, rows[i]);
        post(TS_ALERT_RESOLVED, "healthy");
        run_until_settled(before + 3);
        pass(HOUR_MS);
        run_until_settled(before + 3);
        expect_nothing_waits();
    }
}

static void test_failed_edit_is_tried_a_few_times(void **state)
{
    (void)state;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    static const struct script down = {503, NULL, NULL, NULL, NULL, NULL};
    ANSWER(works, down, down, down);
    post(TS_ALERT_RESOLVED, "healthy");
    for (size_t i = 3; i <= 5; i++) {
        run_until_settled(i);
        assert_string_equal(requests[i - 1].method, "PATCH");
        pass(HOUR_MS);
    }
    run_until_settled(5);
    post(TS_ALERT_INFO, "news");
    run_until_settled(6);
    expect_nothing_waits();
}

static void test_odd_message_ids_are_never_used(void **state)
{
    (void)state;
    static const char *const ids[] = {"\"../../x\"", "\"100?x\"",
                                      "17",          "null",
                                      "\"\"",        "\"123456789012345678901234567890123456\""};
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(ids); i++) {
        char body[100];
        size_t before = request_count;
        (void)snprintf(body, sizeof(body), "{\"id\":%s}", ids[i]);
        ANSWER({200, "application/json", NULL, NULL, body, NULL});
        post(TS_ALERT_OPEN, "down");
        run_until_settled(before + 1);
        post(TS_ALERT_RESOLVED, "healthy");
        run_until_settled(before + 2);
    }
}

static void test_a_storm_becomes_one_message(void **state)
{
    (void)state;
    with_channels(true, true);
    struct ts_alert worst = alert_of(TS_ALERT_OPEN, "k", "worst");
    worst.severity = TS_SEVERITY_CRITICAL;
    (void)ts_sender_post(sender, &worst);
    for (int i = 1; i <= 24; i++) {
        char title[16];
        (void)snprintf(title, sizeof(title), "n%d", i);
        post(TS_ALERT_INFO, title);
    }
    run_until_settled(4); /* one to Discord, 10 + 10 + 5 to the webhook */
    size_t hook = 0;
    for (size_t i = 0; i < 4; i++) {
        if (strstr(requests[i].uri, "webhooks") != NULL) {
            expect_request(i, "POST", POST_URI,
                           RED "worst;" GREEN "n16;" GREEN "n17;" GREEN "n18;" GREEN "n19;" GREEN
                               "n20;" GREEN "n21;" GREEN "n22;" GREEN "n23;" GREEN "n24;");
            assert_non_null(strstr(requests[i].body, "\xE2\x80\xA6 and 15 more events"));
            continue;
        }
        static const char *const batches[] = {"worst;n1;n2;n3;n4;n5;n6;n7;n8;n9;",
                                              "n10;n11;n12;n13;n14;n15;n16;n17;n18;n19;",
                                              "n20;n21;n22;n23;n24;"};
        expect_request(i, "POST", "/hook/" TOKEN, batches[hook++]);
    }
    assert_int_equal(hook, 3);
    expect_nothing_waits();
}

static void test_end_that_is_only_counted_is_shown_by_the_edit(void **state)
{
    (void)state;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    post(TS_ALERT_RESOLVED, "healthy");
    for (int i = 0; i < 20; i++) {
        char key[16];
        (void)snprintf(key, sizeof(key), "svc%d/health", i);
        struct ts_alert worse = alert_of(TS_ALERT_OPEN, key, "worse");
        (void)ts_sender_post(sender, &worse);
    }
    run_until_settled(3);
    assert_null(strstr(requests[1].body, "healthy"));
    assert_non_null(strstr(requests[1].body, "and 11 more events"));
    expect_request(2, "PATCH", EDIT_URI, GREEN "Resolved: down;");
}

static void test_urgent_alerts_pass_the_others(void **state)
{
    (void)state;
    with_channels(false, true);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    post(TS_ALERT_INFO, "two");
    struct ts_alert a = alert_of(TS_ALERT_OPEN, "k", "blocked");
    a.urgent = true;
    (void)ts_sender_post(sender, &a);
    pass(MINUTE_MS);
    run_until_settled(2);
    expect_request(1, "POST", "/hook/" TOKEN, "blocked;one;two;");
}

/* --- answers */

static void test_rate_limits_are_honoured(void **state)
{
    (void)state;
    static const struct {
        struct script script;
        int64_t wait_ms;
    } rows[] = {
        {{429, "application/json", "Retry-After", "9", "{\"retry_after\":2.5,\"global\":false}",
          NULL},
         2500},
        {{429, "application/json", "Retry-After", "7", "{\"message\":\"?\"}", NULL}, 7000},
        {{429, "text/html", "Retry-After", "3.25", "{\"retry_after\":0}", NULL}, 3250},
        {{429, NULL, NULL, NULL, NULL, NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":-1}", NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":\"1\"}", NULL}, 5000},
        {{429, "application/json", NULL, NULL, "{\"retry_after\":1e300}", NULL}, HOUR_MS},
        {{429, "text/plain", "Retry-After", "nan", "", NULL}, 5000},
        {{429, "text/plain", "Retry-After", "Wed, 21 Oct 2026 07:28:00 GMT", "", NULL}, 5000},
        {{429, "text/plain", "Retry-After", "99999", "", NULL}, HOUR_MS},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        size_t before = request_count;
        ANSWER(rows[i].script);
        post(TS_ALERT_INFO, "news");
        run_until_settled(before + 1);
        assert_in_range(retry_ms, rows[i].wait_ms, rows[i].wait_ms + 251);
        assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_DELAYED);
        assert_int_equal(ts_sender_status(sender, 0).pending, 1);
        pass(rows[i].wait_ms - 300);
        run_until_settled(before + 1);
        pass(600);
        run_until_settled(before + 2);
        expect_nothing_waits();
    }
}

static void test_last_allowed_message_is_followed_by_a_pause(void **state)
{
    (void)state;
    with_channels(true, false);
    const char *id = "{\"id\":\"100\"}";
    ANSWER({200, "application/json", "X-RateLimit-Remaining", "0", id, "4.5"},
           {200, "application/json", "X-RateLimit-Remaining", "1", id, "4.5"});
    post(TS_ALERT_INFO, "one");
    run_until_settled(1);
    expect_nothing_waits(); /* it is no trouble */
    post(TS_ALERT_INFO, "two");
    pass(4000);
    run_until_settled(1);
    assert_false(ts_sender_idle(sender));
    pass(600);
    run_until_settled(2);
    post(TS_ALERT_INFO, "three");
    run_until_settled(3);
}

static void test_temporary_trouble_is_retried_ever_more_slowly(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {-1, NULL, NULL, NULL, NULL, NULL},
        {500, "application/json", NULL, NULL, "{\"message\":\"500\"}", NULL},
        {502, "text/html", NULL, NULL, "<html>", NULL},
        {302, NULL, "Location", "http://127.0.0.1:1/", NULL, NULL},
        {403, "text/html", NULL, NULL, "<html>error 1015", NULL}, /* a ban in front of Discord */
        {408, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
        {503, NULL, NULL, NULL, NULL, NULL},
    };
    with_channels(true, false);
    answer_with(rows, TS_ARRAY_LEN(rows));
    post(TS_ALERT_OPEN, "down");
    int64_t expected = 1000;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        run_until_settled(i + 1);
        assert_in_range(retry_ms, expected, expected + expected / 4);
        assert_int_equal(ts_sender_status(sender, 0).state, TS_CHANNEL_DELAYED);
        assert_true(ts_sender_idle(sender));
        expected = expected * 2 < 300000 ? expected * 2 : 300000;
        pass(retry_ms);
    }
    run_until_settled(TS_ARRAY_LEN(rows) + 1);
    expect_nothing_waits();
    for (size_t i = 0; i < request_count; i++) {
        assert_string_equal(titles_in(i), YELLOW "down;");
    }
}

static void test_service_that_is_away_is_waited_for(void **state)
{
    (void)state;
    with_channels(true, true);
    evhttp_free(http_server);
    for (int i = 0; i < 6; i++) {
        char title[8];
        (void)snprintf(title, sizeof(title), "n%d", i);
        post(TS_ALERT_INFO, title);
        run_for(20);
        pass(10 * MINUTE_MS);
    }
    run_for(20); /* the last try has failed before the server comes, not because time passes */
    assert_int_equal(request_count, 0);
    assert_null(strstr(told, "sent"));
    start_server();
    pass(10 * MINUTE_MS);
    run_until_settled(2);
    bool first_is_hook = strstr(requests[0].uri, "hook/") != NULL;
    expect_request(first_is_hook ? 0 : 1, "POST", "/hook/" TOKEN, "n0;n1;n2;n3;n4;n5;");
    assert_string_equal(titles_in(first_is_hook ? 1 : 0),
                        GREEN "n0;" GREEN "n1;" GREEN "n2;" GREEN "n3;" GREEN "n4;" GREEN "n5;");
    expect_nothing_waits();
}

static void test_hanging_service_holds_up_no_other_channel(void **state)
{
    (void)state;
    with_channels(true, true);
    ANSWER({0, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "one");
    run_until_requests(2);
    bool discord_hangs = strstr(requests[0].uri, "webhooks") != NULL;
    for (int i = 0; i < 2000 && strstr(told, "sent") == NULL; i++) {
        run_for(1);
    }
    assert_string_equal(told, discord_hangs ? "sent hook: one\n" : "sent discord: one\n");
    post(TS_ALERT_INFO, "two");
    run_until_requests(3);
    assert_false(ts_sender_idle(sender));
    evhttp_send_reply(hanging, 503, "late", NULL);
    run_until_settled(3);
    pass(2000);
    run_until_settled(4);
    assert_non_null(strstr(requests[3].body, "one"));
    assert_non_null(strstr(requests[3].body, "two"));
    expect_nothing_waits();
}

static void test_refusal_for_good_stops_the_channel(void **state)
{
    (void)state;
    static const struct script rows[] = {
        {401, "application/json", NULL, NULL, "{\"code\":50027}", NULL},
        {403, "application/json", NULL, NULL, "{\"code\":50013}", NULL},
        {404, "application/json", NULL, NULL, "{\"code\":10015}", NULL},
        {410, NULL, NULL, NULL, NULL, NULL},
    };
    with_channels(true, false);
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_error err;
        size_t before = request_count;
        ANSWER(rows[i]);
        post(TS_ALERT_INFO, "one");
        run_until_settled(before + 1);
        const struct ts_channel_status status = ts_sender_status(sender, 0);
        assert_int_equal(status.state, TS_CHANNEL_REFUSED);
        assert_int_equal(status.pending, 1);
        assert_non_null(strstr(status.detail, "url_file"));
        assert_non_null(strstr(told, "refused discord: HTTP status 4"));
        post(TS_ALERT_INFO, "two");
        pass(HOUR_MS);
        run_until_settled(before + 1);
        assert_true(ts_sender_idle(sender));
        /* A reload gives it a new chance, with all that was kept. */
        assert_true(ts_sender_configure(sender, model, &err));
        run_until_settled(before + 2);
        assert_string_equal(titles_in(before + 1), GREEN "one;" GREEN "two;");
        expect_nothing_waits();
    }
}

static void test_bad_alert_is_found_and_dropped_alone(void **state)
{
    (void)state;
    static const struct script bad = {
        400, "application/json", NULL, NULL, "{\"code\":50035,\"message\":\"Invalid Form Body\"}",
        NULL};
    with_channels(true, false);
    ANSWER(bad, works, bad, works);
    post(TS_ALERT_INFO, "one");
    post(TS_ALERT_INFO, "two");
    post(TS_ALERT_INFO, "three");
    run_until_settled(4);
    assert_string_equal(titles_in(0), GREEN "one;" GREEN "two;" GREEN "three;");
    assert_string_equal(titles_in(1), GREEN "one;");
    assert_string_equal(titles_in(2), GREEN "two;");
    assert_string_equal(titles_in(3), GREEN "three;");
    assert_string_equal(told, "sent discord: one\ndropped discord: two\nbecause discord: HTTP "
                              "status 400: {\"code\":50035,\"message\":\"Invalid Form Body\"}\n"
                              "sent discord: three\n");
    expect_nothing_waits();
    post(TS_ALERT_INFO, "four");
    post(TS_ALERT_INFO, "five");
    run_until_settled(5); /* together again */
}

static void test_alert_that_is_too_old_is_given_up(void **state)
{
    (void)state;
    with_channels(true, false);
    ANSWER({500, NULL, NULL, NULL, NULL, NULL});
    post(TS_ALERT_INFO, "old");
    run_until_settled(1);
    pass(25 * HOUR_MS);
    run_until_settled(1);
    assert_non_null(strstr(told, "dropped discord: old"));
    post(TS_ALERT_INFO, "new");
    run_until_settled(2);
    assert_string_equal(titles_in(1), GREEN "new;");
    expect_nothing_waits();
}

static void test_open_incident_is_told_again_by_the_sender(void **state)
{
    (void)state;
    model->reminder_ms = HOUR_MS;
    with_channels(true, false);
    post(TS_ALERT_OPEN, "down");
    run_until_settled(1);
    pass(HOUR_MS - 60000);
    run_until_settled(1);
    pass(60000);
    run_until_settled(2);
    expect_request(1, "POST", POST_URI, YELLOW "Still: down;");
    assert_non_null(strstr(requests[1].body, "\"Lasts\""));
    pass(1000);
    run_until_settled(2);
    pass(HOUR_MS);
    run_until_settled(3);
    expect_request(2, "POST", POST_URI, YELLOW "Still: down;");
    post(TS_ALERT_RESOLVED, "healthy");
    pass(2 * HOUR_MS);
    pass(1000);
    run_until_requests(4);
    expect_request(3, "POST", POST_URI, GREEN "healthy;");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        SENDER_TEST(test_trouble_is_told_once_and_its_end_too),
        SENDER_TEST(test_worse_is_told_anew),
        SENDER_TEST(test_progress_edits_on_discord_and_is_sent_to_a_webhook),
        SENDER_TEST(test_edit_of_a_message_that_is_gone_does_no_harm),
        SENDER_TEST(test_failed_edit_is_tried_a_few_times),
        SENDER_TEST(test_odd_message_ids_are_never_used),
        SENDER_TEST(test_a_storm_becomes_one_message),
        SENDER_TEST(test_end_that_is_only_counted_is_shown_by_the_edit),
        SENDER_TEST(test_urgent_alerts_pass_the_others),
        SENDER_TEST(test_rate_limits_are_honoured),
        SENDER_TEST(test_last_allowed_message_is_followed_by_a_pause),
        SENDER_TEST(test_temporary_trouble_is_retried_ever_more_slowly),
        SENDER_TEST(test_service_that_is_away_is_waited_for),
        SENDER_TEST(test_hanging_service_holds_up_no_other_channel),
        SENDER_TEST(test_refusal_for_good_stops_the_channel),
        SENDER_TEST(test_bad_alert_is_found_and_dropped_alone),
        SENDER_TEST(test_alert_that_is_too_old_is_given_up),
        SENDER_TEST(test_open_incident_is_told_again_by_the_sender),
    };
    return RUN_TESTS(tests);
}
