/* Versions of the engine and of Compose: which are too old. PURE. */
#ifndef TS_CORE_VERSIONS_H
#define TS_CORE_VERSIONS_H

#include <stdbool.h>
#include <stddef.h>

#include "core/remark.h"

struct ts_version {
    int major;
    int minor;
    int patch;
};

/* "v2.32.4", "20.10.24+dfsg1", "2.17": the leading numbers; false if there are not two. */
bool ts_version_parse(const char *text, struct ts_version *ret);
/* Below 0, 0, above 0: a is older, the same, newer. */
int ts_version_compare(struct ts_version a, struct ts_version b);

/* PASS, WARNING or ERROR, UNKNOWN if the text is no version; *ret_why: for people, "" for PASS. */
enum ts_grade ts_version_judge_engine(const char *text, const char **ret_why);
enum ts_grade ts_version_judge_compose(const char *text, const char **ret_why);

#endif
