/*
 * Windows only: what other threads (the service manager's, those that wait for pipes) have to tell
 * is told in the loop's thread. Items are handed over in order.
 */
#ifndef TS_BASE_POST_WIN_H
#define TS_BASE_POST_WIN_H

#include "base/loop.h"

struct ts_post;

/* take(ctx, item) is called from the loop for each item. NULL: TS_E_NOMEM, TS_E_SYSTEM. */
struct ts_post *ts_post_new(struct ts_loop *loop, void (*take)(void *ctx, void *item), void *ctx,
                            struct ts_error *err) TS_MUST_CHECK;
/* From the loop's thread, when no other thread sends any more. Items that wait are given to drop
 * (may be NULL). NULL is fine. */
void ts_post_free(struct ts_post *p, void (*drop)(void *item));
/* From any thread. False, item not taken: out of memory. */
bool ts_post_send(struct ts_post *p, void *item) TS_MUST_CHECK;

#endif
