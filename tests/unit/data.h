/* Files of tests/unit/data: answers recorded from real engines. */
#ifndef TS_TESTS_DATA_H
#define TS_TESTS_DATA_H

#include "unit.h"

#include <jansson.h>
#include <stdio.h>

/* The caller drops the reference. */
static inline json_t *load_data(const char *name)
{
    char path[1024];
    (void)snprintf(path, sizeof(path), "%s/%s", TS_TEST_DATA, name);
    json_error_t why;
    json_t *v = json_load_file(path, 0, &why);
    if (v == NULL) {
        fail_msg("%s: %s", path, why.text);
    }
    return v;
}

#endif
