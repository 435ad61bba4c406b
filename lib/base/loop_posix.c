/* See loop.h. */
#include "base/loop.h"

bool ts_loop_prepare(struct ts_error *err)
{
    (void)err;
    return true;
}
