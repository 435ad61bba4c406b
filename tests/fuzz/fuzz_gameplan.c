/* A gameplan from a volume that anybody may have written to: refused, or exactly what is allowed.
 */
#include "fuzz.h"

#include <string.h>

#include "model/gameplan.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct ts_gameplan plan;
    struct ts_error err;
    if (!ts_gameplan_parse((const char *)data, size, &plan, &err)) {
        FUZZ_CHECK(err.code == TS_E_INVALID && err.msg[0] != '\0');
        return 0;
    }
    FUZZ_CHECK(size <= TS_GAMEPLAN_MAX && ts_sha256_is_hex(plan.sha256));
    FUZZ_CHECK(plan.strategy[0] >= 'A' && plan.strategy[0] <= 'Z' && plan.strategy[1] == '\0');
    FUZZ_CHECK(plan.symbol_count <= TS_GAMEPLAN_SYMBOLS_MAX);
    for (size_t i = 0; i < plan.symbol_count; i++) {
        FUZZ_CHECK(ts_gameplan_is_symbol(plan.symbols[i], strlen(plan.symbols[i])));
    }
    return 0;
}
