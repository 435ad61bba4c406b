/* What logs say: each sign by the line that the image or IBC prints, what ends it, the marks. */
#include "unit.h"

#include "base/macros.h"
#include "core/log_lines.h"

static struct ts_log_view view_of(enum ts_role role)
{
    return (struct ts_log_view){.role = role};
}

static void feed(struct ts_log_view *v, const char *line, int64_t at)
{
    ts_log_view_feed(v, line, (ts_wall){at});
}

/* The index of a sign; fails for an unknown one. */
static size_t sign(const char *id)
{
    size_t n;
    const struct ts_log_sign *signs = ts_log_signs(&n);
    for (size_t i = 0; i < n; i++) {
        if (strcmp(signs[i].id, id) == 0) {
            return i;
        }
    }
    fail_msg("no sign %s", id);
    return 0;
}

static void test_each_sign_is_told_by_its_line(void **state)
{
    static const struct {
        const char *id;
        const char *line;
    } rows[] = {
        {"relay-refused", "2026/11/24 00:00:00 socat[7] E connect(5, AF=2 127.0.0.1:4002, 16): "
                          "Connection refused"},
        {"relay-timeout", "2026/11/24 00:00:00 socat[7] E connect(5, AF=2 127.0.0.1:4002, 16): "
                          "Connection timed out"},
        {"relay-bind", "socat[7] E bind(5, {AF=2 0.0.0.0:4004}, 16): Address already in use"},
        {"login-failed", "2026-11-24 03:21:31:123 IBC: Login failed"},
        {"login-error", "2026-11-24 03:21:31:123 IBC: Login error message: try later"},
        {"unrecognized-user", "IBC: Unrecognized Username or Password"},
        {"locked-out", "IBC: Too many failed login attempts. Please wait 4 minutes & 47 seconds"},
        {"no-server", "IBC: Connection to server failed"},
        {"2fa-wait", "IBC: Second Factor Authentication initiated"},
        {"2fa-missed", "IBC: Re-login after second factor authentication timeout in 5 second"},
        {"2fa-closed",
         "IBC: IBC closing because login has not completed after Second Factor Authentication"},
        {"session-clash", "IBC: Existing session detected"},
        {"session-lost", "IBC: Re-login to session"},
        {"both-passwords-log", ".> both ... are set (but are exclusive)"},
        {"bad-trading-mode", ".> Invalid TRADING_MODE: papr"},
        {"ibc-exit", "IBC returned exit status 76"},
        {"cold-login", "autorestart file not found: full authentication will be required"},
        {"java-heap", "java.lang.OutOfMemoryError: Java heap space"},
        {"display", "xterm: cannot open display: :1"},
        {"display-error", "Fatal server error:"},
        {"bot-timeout", "ERROR - Gateway connection timeout"},
        {"bot-authentication", "ERROR - Authentication failed"},
        {"bot-unreachable", "ERROR - Port 4002 unreachable"},
        {"bot-lost", "WARNING - Gateway connection lost: closed"},
        {"bot-refuses", "ERROR - Refusing to run: DRY_RUN is not set"},
        {"bot-traceback", "Traceback (most recent call last):"},
        {"monitor-refused", "alert channel discord refuses: HTTP status 404"},
    };
    size_t n;
    const struct ts_log_sign *signs = ts_log_signs(&n);
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        size_t at = sign(rows[i].id);
        struct ts_log_view v = view_of(signs[at].role);
        struct ts_log_view other =
            view_of(signs[at].role == TS_ROLE_BOT ? TS_ROLE_GATEWAY : TS_ROLE_BOT);
        feed(&v, "nothing of note", 1);
        assert_false(ts_log_view_shows(&v, at));
        feed(&v, rows[i].line, 2000);
        feed(&v, rows[i].line, 3000);
        assert_true(ts_log_view_shows(&v, at));
        assert_int_equal(v.signs[at].count, 2);
        assert_int_equal(v.signs[at].first.ms, 2000);
        assert_int_equal(v.signs[at].last.ms, 3000);
        assert_string_equal(v.signs[at].line, rows[i].line);
        /* Another program may say the same and mean something else. */
        feed(&other, rows[i].line, 2000);
        assert_false(ts_log_view_shows(&other, at));
    }
}

static void test_each_sign_has_cause_and_cure(void **state)
{
    size_t n;
    const struct ts_log_sign *signs = ts_log_signs(&n);
    (void)state;
    for (size_t i = 0; i < n; i++) {
        assert_true(strlen(signs[i].what) > 20 && strlen(signs[i].what) < TS_REMARK_WHAT);
        assert_true(strlen(signs[i].cure) < TS_REMARK_CURE);
        assert_true(signs[i].cure[0] != '\0' || signs[i].grade == TS_GRADE_NOTE);
        assert_true(signs[i].least > 0);
        for (size_t k = 0; k < i; k++) {
            assert_string_not_equal(signs[i].id, signs[k].id);
        }
    }
}

static void test_a_completed_login_ends_what_was_about_logging_in(void **state)
{
    struct ts_log_view v = view_of(TS_ROLE_GATEWAY);
    (void)state;
    feed(&v, "IBC: Login failed", 1);
    feed(&v, "java.lang.OutOfMemoryError", 2);
    feed(&v, "IBC: Login has completed", 3);
    assert_false(ts_log_view_shows(&v, sign("login-failed")));
    assert_true(ts_log_view_shows(&v, sign("java-heap"))); /* a login does not mend that */
    assert_int_equal(v.marks[TS_MARK_LOGIN].count, 1);
    feed(&v, "IBC: Login failed", 4); /* again, later */
    assert_true(ts_log_view_shows(&v, sign("login-failed")));
    assert_int_equal(v.signs[sign("login-failed")].first.ms, 4);
}

static void test_one_cold_restart_is_no_loop(void **state)
{
    struct ts_log_view v = view_of(TS_ROLE_GATEWAY);
    (void)state;
    feed(&v, "IBC: Cold restart in progress", 1);
    feed(&v, "IBC: Cold restart in progress", 2);
    assert_false(ts_log_view_shows(&v, sign("cold-restart")));
    feed(&v, "IBC: Cold restart in progress", 3);
    assert_true(ts_log_view_shows(&v, sign("cold-restart")));
}

static void test_the_bots_marks(void **state)
{
    struct ts_log_view v = view_of(TS_ROLE_BOT);
    (void)state;
    feed(&v, "INFO - Environment: DRY_RUN=true", 1);
    feed(&v, "INFO - Account: U1234567 (Live)", 2); /* no paper account */
    assert_int_equal(v.marks[TS_MARK_PAPER].count, 0);
    feed(&v, "INFO - IBKR Gateway connected successfully", 3);
    feed(&v, "INFO - Account: DU1234567 (Paper Trading)", 4);
    feed(&v, "INFO - Defaulting to Strategy C (Cash Preservation)", 5);
    feed(&v, "INFO - Market data SPY: 1", 6);
    for (unsigned i = 0; i < TS_LOG_MARK_COUNT; i++) {
        assert_int_equal(v.marks[i].count, i == TS_MARK_LOGIN ? 0 : 1);
        assert_true(ts_log_mark_id((enum ts_log_mark)i)[0] != '\0');
        assert_true(ts_log_mark_what((enum ts_log_mark)i)[0] != '\0');
    }
    struct ts_log_view planned = view_of(TS_ROLE_BOT);
    feed(&planned, "INFO - Gameplan loaded: strategy A", 1);
    assert_int_equal(planned.marks[TS_MARK_STRATEGY].count, 1);
}

static void test_a_long_line_is_cut_and_exit_codes_are_words(void **state)
{
    char line[TS_LOG_SHOWN * 3];
    struct ts_log_view v = view_of(TS_ROLE_GATEWAY);
    (void)state;
    memset(line, 'x', sizeof(line) - 1);
    memcpy(line, "Login failed", 12);
    line[sizeof(line) - 1] = '\0';
    feed(&v, line, 1);
    assert_true(strlen(v.signs[sign("login-failed")].line) < TS_LOG_SHOWN);
    assert_non_null(strstr(ts_gateway_exit_text(87), "second factor"));
    assert_null(ts_gateway_exit_text(0));
    assert_string_equal(ts_grade_name(TS_GRADE_ERROR), "error");
    assert_string_equal(ts_grade_name(TS_GRADE_COUNT), "unknown");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_each_sign_is_told_by_its_line),
        cmocka_unit_test(test_each_sign_has_cause_and_cure),
        cmocka_unit_test(test_a_completed_login_ends_what_was_about_logging_in),
        cmocka_unit_test(test_one_cold_restart_is_no_loop),
        cmocka_unit_test(test_the_bots_marks),
        cmocka_unit_test(test_a_long_line_is_cut_and_exit_codes_are_words),
    };
    return RUN_TESTS(tests);
}
