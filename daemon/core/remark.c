/* See remark.h. */
#include "core/remark.h"

const char *ts_grade_name(enum ts_grade g)
{
    static const char *const names[] = {
#define ROW(symbol, name) [symbol] = name,
        TS_GRADES(ROW)
#undef ROW
    };
    return (unsigned)g < TS_GRADE_COUNT ? names[g] : "unknown";
}
