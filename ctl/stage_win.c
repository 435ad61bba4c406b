/* No proxy between Compose and the engine on Windows yet: a changed file cannot be staged there. */
#include "stage.h"

struct ctl_stage *ctl_stage_open(const char *engine, const char *project, const char *suffix,
                                 struct ts_error *err)
{
    (void)engine;
    (void)project;
    (void)suffix;
    ts_error_set(err, TS_E_UNAVAILABLE,
                 "new containers cannot be made beside running ones on Windows yet");
    return NULL;
}

const char *ctl_stage_address(const struct ctl_stage *s)
{
    (void)s;
    return "";
}

void ctl_stage_close(struct ctl_stage *s)
{
    (void)s;
}
