/* No migration on Windows yet (stage_win.c), so there is no old file to be marked. */
#include "deprecate.h"

bool ctl_deprecate(const char *path, const char *replaced_by, const char *reason, bool *ret_changed,
                   struct ts_error *err)
{
    (void)replaced_by;
    (void)reason;
    *ret_changed = false;
    return ts_error_set(err, TS_E_UNAVAILABLE, "%.150s is not marked: not on Windows yet", path);
}
