/* Why an engine on Windows does not answer: judged from facts, so tested everywhere. */
#include "unit.h"

#include "base/macros.h"
#include "boot/situation.h"

#define DESKTOP .desktop = true, .helper = TS_BOOT_SERVICE_RUNNING

static void test_the_first_cause_is_named(void **state)
{
    (void)state;
    static const struct {
        struct ts_boot_facts facts;
        enum ts_boot_situation want;
    } rows[] = {
        {{.remote = true}, TS_BOOT_REMOTE},
        {{.pipe = true}, TS_BOOT_PIPE_THERE},
        {{.desktop = false}, TS_BOOT_NOT_INSTALLED},
        {{.docker = TS_BOOT_SERVICE_STOPPED}, TS_BOOT_SERVICE_IS_DOWN},
        {{.docker = TS_BOOT_SERVICE_DISABLED, .desktop = true}, TS_BOOT_SERVICE_IS_DOWN},
        {{.docker = TS_BOOT_SERVICE_RUNNING}, TS_BOOT_DESKTOP_STARTS},
        {{.desktop = true, .helper = TS_BOOT_SERVICE_STOPPED}, TS_BOOT_HELPER_IS_DOWN},
        {{.helper = TS_BOOT_SERVICE_DISABLED}, TS_BOOT_HELPER_IS_DOWN},
        {{DESKTOP}, TS_BOOT_NOBODY_LOGGED_ON},
        {{DESKTOP, .desktop_uses_wsl = true}, TS_BOOT_NOBODY_LOGGED_ON},
        {{DESKTOP, .logged_on = true, .desktop_uses_wsl = true}, TS_BOOT_WSL_MISSING},
        {{DESKTOP, .logged_on = true, .desktop_uses_wsl = true, .wsl = TS_BOOT_SERVICE_DISABLED},
         TS_BOOT_WSL_MISSING},
        {{DESKTOP, .logged_on = true, .desktop_uses_wsl = true, .wsl = TS_BOOT_SERVICE_RUNNING},
         TS_BOOT_DESKTOP_NOT_STARTED},
        {{DESKTOP, .logged_on = true}, TS_BOOT_DESKTOP_NOT_STARTED},
        {{DESKTOP, .logged_on = true, .desktop_runs = true}, TS_BOOT_DESKTOP_STARTS},
    };
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        if (ts_boot_judge(&rows[i].facts) != rows[i].want) {
            fail_msg("row %zu: %s instead of %s", i, ts_boot_name(ts_boot_judge(&rows[i].facts)),
                     ts_boot_name(rows[i].want));
        }
    }
}

static void test_each_situation_says_what_to_do(void **state)
{
    (void)state;
    for (int s = 0; s < TS_BOOT_SITUATION_COUNT; s++) {
        bool fine = s == TS_BOOT_REMOTE || s == TS_BOOT_PIPE_THERE;
        assert_true(strlen(ts_boot_meaning((enum ts_boot_situation)s)) > 10);
        assert_int_equal(ts_boot_remedy((enum ts_boot_situation)s)[0] == '\0', fine);
    }
    assert_string_equal(ts_boot_service_to_start(TS_BOOT_SERVICE_IS_DOWN), "docker");
    assert_string_equal(ts_boot_service_to_start(TS_BOOT_HELPER_IS_DOWN), "com.docker.service");
    assert_null(ts_boot_service_to_start(TS_BOOT_NOBODY_LOGGED_ON));
    assert_true(ts_boot_command_helps(TS_BOOT_NOBODY_LOGGED_ON));
    assert_false(ts_boot_command_helps(TS_BOOT_PIPE_THERE));
    assert_false(ts_boot_command_helps(TS_BOOT_HELPER_IS_DOWN));
}

static void test_what_comes_back_with_nobody_there(void **state)
{
    (void)state;
    const struct ts_boot_facts desktop = {.desktop = true, .logged_on = true, .desktop_runs = true};
    const struct ts_boot_facts autologon = {.desktop = true, .autologon = true};
    const struct ts_boot_facts manual = {.docker = TS_BOOT_SERVICE_RUNNING};
    const struct ts_boot_facts service = {.docker = TS_BOOT_SERVICE_RUNNING, .docker_auto = true};
    const struct ts_boot_facts remote = {.remote = true};
    assert_false(ts_boot_is_unattended(&desktop, false)); /* it runs now, and would not by itself */
    assert_true(ts_boot_is_unattended(&desktop, true));
    assert_true(ts_boot_is_unattended(&autologon, false));
    assert_false(ts_boot_is_unattended(&manual, false));
    assert_true(ts_boot_is_unattended(&service, false));
    assert_true(ts_boot_is_unattended(&remote, false));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_the_first_cause_is_named),
        cmocka_unit_test(test_each_situation_says_what_to_do),
        cmocka_unit_test(test_what_comes_back_with_nobody_there),
    };
    return RUN_TESTS(tests);
}
