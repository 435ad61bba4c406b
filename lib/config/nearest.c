/* "Did you mean …": edit distance with swapped neighbours counted once. */
#include <string.h>

#include "config/build_internal.h"

#define NAME_MAX_COMPARED 63

static size_t least(size_t a, size_t b)
{
    return a < b ? a : b;
}

static size_t distance(const char *a, const char *b)
{
    size_t rows[3][NAME_MAX_COMPARED + 1];
    size_t *before = rows[0];
    size_t *last = rows[1];
    size_t *now = rows[2];
    size_t len_a = strlen(a);
    size_t len_b = strlen(b);
    if (len_a > NAME_MAX_COMPARED || len_b > NAME_MAX_COMPARED) {
        return SIZE_MAX;
    }
    memset(rows, 0, sizeof(rows));
    for (size_t j = 0; j <= len_b; j++) {
        last[j] = j;
    }
    for (size_t i = 1; i <= len_a; i++) {
        now[0] = i;
        for (size_t j = 1; j <= len_b; j++) {
            size_t swap = a[i - 1] == b[j - 1] ? 0 : 1;
            now[j] = least(last[j - 1] + swap, least(last[j], now[j - 1]) + 1);
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1]) {
                now[j] = least(now[j], before[j - 2] + 1);
            }
        }
        size_t *oldest = before;
        before = last;
        last = now;
        now = oldest;
    }
    return last[len_b];
}

const char *ts_config_nearest(const char *name, const char *(*next)(void *ctx, size_t i), void *ctx)
{
    const char *best = NULL;
    size_t best_distance = 1 + strlen(name) / 4;
    const char *candidate;
    for (size_t i = 0; (candidate = next(ctx, i)) != NULL; i++) {
        size_t d = distance(name, candidate);
        if (d <= best_distance && (best == NULL || d < best_distance)) {
            best = candidate;
            best_distance = d;
        }
    }
    return best;
}
