/* See error.h. */
#include "base/error.h"

#include <string.h>

const char *ts_errno_text(int errnum, char *buf, size_t size)
{
    return strerror_r(errnum, buf, size);
}
