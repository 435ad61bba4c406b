/* See farms.h. */
#include "ibapi/farms.h"

#include <stdio.h>
#include <string.h>

#include "base/macros.h"
#include "ibapi/codec.h"

static const struct notice {
    int64_t code;
    enum ts_ib_farm_kind kind;
    enum ts_ib_farm_state state;
} notices[] = {
    {2103, TS_IB_FARM_MARKET, TS_IB_FARM_BROKEN},
    {2104, TS_IB_FARM_MARKET, TS_IB_FARM_OK},
    {2105, TS_IB_FARM_HISTORY, TS_IB_FARM_BROKEN},
    {2106, TS_IB_FARM_HISTORY, TS_IB_FARM_OK},
    {2107, TS_IB_FARM_HISTORY, TS_IB_FARM_IDLE},
    {2108, TS_IB_FARM_MARKET, TS_IB_FARM_IDLE},
    {2119, TS_IB_FARM_MARKET, TS_IB_FARM_CONNECTING},
    {2157, TS_IB_FARM_CONTRACTS, TS_IB_FARM_BROKEN},
    {2158, TS_IB_FARM_CONTRACTS, TS_IB_FARM_OK},
};

static const char *const kind_names[] = {[TS_IB_FARM_MARKET] = "market data",
                                         [TS_IB_FARM_HISTORY] = "history",
                                         [TS_IB_FARM_CONTRACTS] = "contracts"};

static const struct notice *find_notice(int64_t code)
{
    for (size_t i = 0; i < TS_ARRAY_LEN(notices); i++) {
        if (notices[i].code == code) {
            return &notices[i];
        }
    }
    return NULL;
}

/* What stands behind the last colon; without one, behind the last dot. A sentence is no name. */
static void find_name(const char *text, char ret[TS_IB_FARM_NAME_MAX])
{
    const char *mark = strrchr(text, ':');
    mark = mark != NULL ? mark : strrchr(text, '.');
    ts_ib_copy_printable(ret, TS_IB_FARM_NAME_MAX, mark != NULL ? mark + 1 : "");
    if (strchr(ret, ' ') != NULL) {
        ret[0] = '\0';
    }
}

bool ts_ib_farms_take(struct ts_ib_farms *f, int64_t code, const char *text)
{
    const struct notice *n = find_notice(code);
    char name[TS_IB_FARM_NAME_MAX];
    if (n == NULL) {
        return false;
    }
    find_name(text, name);
    size_t at = 0;
    while (at < f->count && (f->list[at].kind != n->kind || strcmp(f->list[at].name, name) != 0)) {
        at++;
    }
    if (at == TS_IB_FARMS_MAX) {
        return true;
    }
    if (at == f->count) {
        f->count++;
        f->list[at].kind = n->kind;
        memcpy(f->list[at].name, name, sizeof(name));
    }
    f->list[at].state = n->state;
    return true;
}

void ts_ib_farms_text(const struct ts_ib_farms *f, char *ret, size_t size)
{
    size_t used = 0;
    ret[0] = '\0';
    for (size_t i = 0; i < f->count; i++) {
        const struct ts_ib_farm *farm = &f->list[i];
        if (farm->state == TS_IB_FARM_BROKEN && used < size) {
            int n = snprintf(ret + used, size - used, "%s%s (%s)", used > 0 ? ", " : "broken: ",
                             farm->name[0] != '\0' ? farm->name : "a farm", kind_names[farm->kind]);
            used += n > 0 ? (size_t)n : 0;
        }
    }
}
