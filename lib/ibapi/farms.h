/*
 * What the gateway told about IB's data farms, per farm. They come and go by themselves, and around
 * IB's resets they flap for seconds: worth showing, never a fault of the gateway. Pure.
 *
 * Source: IB's message codes 2103 to 2108, 2119, 2157, 2158; the farm's name ends the text
 * ("… connection is OK:usfarm", "… available upon demand.hkhmds").
 */
#ifndef TS_IBAPI_FARMS_H
#define TS_IBAPI_FARMS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define TS_IB_FARMS_MAX     32 /* more are not remembered */
#define TS_IB_FARM_NAME_MAX 24 /* bytes, NUL included; a longer name is cut */

enum ts_ib_farm_kind { TS_IB_FARM_MARKET, TS_IB_FARM_HISTORY, TS_IB_FARM_CONTRACTS };
enum ts_ib_farm_state { TS_IB_FARM_OK, TS_IB_FARM_IDLE, TS_IB_FARM_CONNECTING, TS_IB_FARM_BROKEN };

struct ts_ib_farm {
    char name[TS_IB_FARM_NAME_MAX]; /* printable ASCII; may be empty */
    enum ts_ib_farm_kind kind;
    enum ts_ib_farm_state state;
};

struct ts_ib_farms {
    struct ts_ib_farm list[TS_IB_FARMS_MAX];
    size_t count;
};

/* Takes a notice. False: its code is not about farms. */
bool ts_ib_farms_take(struct ts_ib_farms *f, int64_t code, const char *text);
/* "broken: usfarm (market data), ushmds (history)"; "" when none is. Cut to what fits. */
void ts_ib_farms_text(const struct ts_ib_farms *f, char *ret, size_t size);

#endif
