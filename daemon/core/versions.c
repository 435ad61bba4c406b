/* See versions.h. */
#include "core/versions.h"

#include <string.h>

#include "base/macros.h"
#include "base/parse.h"

struct floor {
    struct ts_version below;
    enum ts_grade grade;
    const char *why;
};

/* Oldest first: the first that applies counts. */
static const struct floor engine_floors[] = {
    {{19, 3, 0}, TS_GRADE_ERROR, "it has no API 1.40, which tradestackd needs (Docker 19.03)"},
    {{20, 10, 0}, TS_GRADE_WARNING, "older than any that tradestackd was tried with (20.10)"},
};
static const struct floor compose_floors[] = {
    {{2, 0, 0}, TS_GRADE_ERROR, "Compose 1 does not write the labels that tradestackd reads"},
    {{2, 17, 0},
     TS_GRADE_WARNING,
     "older than 2.17, which brought `restart: true` for dependencies: that is ignored"},
};

/* A number of at most six digits. */
static const char *read_number(const char *at, int *ret)
{
    size_t n = strspn(at, "0123456789");
    int64_t value = 0;
    if (n == 0 || n > 6 || !ts_parse_i64n(at, n, 0, 999999, &value)) {
        return NULL;
    }
    *ret = (int)value;
    return at + n;
}

bool ts_version_parse(const char *text, struct ts_version *ret)
{
    struct ts_version v = {0};
    const char *at = read_number(text + (text[0] == 'v' ? 1 : 0), &v.major);
    at = at != NULL && *at == '.' ? read_number(at + 1, &v.minor) : NULL;
    if (at == NULL) {
        return false;
    }
    if (*at == '.') {
        (void)read_number(at + 1, &v.patch);
    }
    *ret = v;
    return true;
}

int ts_version_compare(struct ts_version a, struct ts_version b)
{
    return a.major != b.major   ? a.major - b.major
           : a.minor != b.minor ? a.minor - b.minor
                                : a.patch - b.patch;
}

static enum ts_grade judge(const char *text, const struct floor *floors, size_t count,
                           const char **ret_why)
{
    struct ts_version v;
    *ret_why = "";
    if (!ts_version_parse(text, &v)) {
        *ret_why = "this is no version";
        return TS_GRADE_UNKNOWN;
    }
    for (size_t i = 0; i < count; i++) {
        if (ts_version_compare(v, floors[i].below) < 0) {
            *ret_why = floors[i].why;
            return floors[i].grade;
        }
    }
    return TS_GRADE_PASS;
}

enum ts_grade ts_version_judge_engine(const char *text, const char **ret_why)
{
    return judge(text, engine_floors, TS_ARRAY_LEN(engine_floors), ret_why);
}

enum ts_grade ts_version_judge_compose(const char *text, const char **ret_why)
{
    return judge(text, compose_floors, TS_ARRAY_LEN(compose_floors), ret_why);
}
