/* Versions: read, compared, judged. */
#include "unit.h"

#include "base/macros.h"
#include "core/versions.h"

static void test_versions_are_read_as_programs_write_them(void **state)
{
    static const struct {
        const char *text;
        struct ts_version v;
    } rows[] = {
        {"v2.32.4", {2, 32, 4}},  {"20.10.24+dfsg1", {20, 10, 24}},
        {"2.17", {2, 17, 0}},     {"1.29.2, build 5be", {1, 29, 2}},
        {"2.26.1-4", {2, 26, 1}}, {"28.0.0-rc.1", {28, 0, 0}},
        {"2.20.x", {2, 20, 0}},
    };
    static const char *const bad[] = {"",   "v",    "dev",        "2",   "2.",
                                      ".1", "-1.2", "99999999.1", " 2.1"};
    (void)state;
    for (size_t i = 0; i < TS_ARRAY_LEN(rows); i++) {
        struct ts_version v = {9, 9, 9};
        assert_true(ts_version_parse(rows[i].text, &v));
        assert_int_equal(ts_version_compare(v, rows[i].v), 0);
    }
    for (size_t i = 0; i < TS_ARRAY_LEN(bad); i++) {
        struct ts_version v = {9, 9, 9};
        assert_false(ts_version_parse(bad[i], &v));
        assert_int_equal(v.major, 9); /* untouched */
    }
}

static void test_versions_are_compared_by_number(void **state)
{
    (void)state;
    assert_true(ts_version_compare((struct ts_version){2, 9, 0}, (struct ts_version){2, 17, 0}) <
                0);
    assert_true(ts_version_compare((struct ts_version){20, 10, 1}, (struct ts_version){20, 9, 9}) >
                0);
    assert_true(ts_version_compare((struct ts_version){2, 17, 1}, (struct ts_version){2, 17, 2}) <
                0);
}

static void test_too_old_is_told_with_its_reason(void **state)
{
    const char *why = NULL;
    (void)state;
    assert_int_equal(ts_version_judge_engine("18.09.1", &why), TS_GRADE_ERROR);
    assert_true(why[0] != '\0');
    assert_int_equal(ts_version_judge_engine("19.03.15", &why), TS_GRADE_WARNING);
    assert_int_equal(ts_version_judge_engine("20.10.24+dfsg1", &why), TS_GRADE_PASS);
    assert_string_equal(why, "");
    assert_int_equal(ts_version_judge_engine("what", &why), TS_GRADE_UNKNOWN);
    assert_int_equal(ts_version_judge_compose("1.29.2", &why), TS_GRADE_ERROR);
    assert_int_equal(ts_version_judge_compose("v2.16.0", &why), TS_GRADE_WARNING);
    assert_int_equal(ts_version_judge_compose("2.17.0", &why), TS_GRADE_PASS);
    assert_int_equal(ts_version_judge_compose("v2.32.4", &why), TS_GRADE_PASS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_versions_are_read_as_programs_write_them),
        cmocka_unit_test(test_versions_are_compared_by_number),
        cmocka_unit_test(test_too_old_is_told_with_its_reason),
    };
    return RUN_TESTS(tests);
}
