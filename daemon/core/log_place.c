/* See log_place.h. */
#include "core/log_place.h"

#include <stdbool.h>

#define NANO_OF_MS    INT64_C(1000000)
#define UNORDERED     (1000 * NANO_OF_MS) /* two streams of one container are stamped apart */
#define LAST_WORDS_MS 20                  /* a start takes an engine over 100 ms */
#define FIRST_WORDS_MS                                                                             \
    1000 /* may be said before the engine notes the start: it does so when all is set up */

int64_t ts_log_place_after(int64_t place, int64_t line)
{
    bool was_set_back = line != 0 && line < place - UNORDERED;
    return line > place || was_set_back ? line : place;
}

int64_t ts_log_place_resume(int64_t place, int64_t begin, ts_wall now)
{
    if (place == 0) {
        return begin;
    }
    int64_t latest = now.ms * NANO_OF_MS;
    return place < latest ? place : latest;
}

/*
 * Behind the end of the run before, and behind what was read already. Not at the start as the
 * engine tells it, which is noted when the program may have said something. The end is not exact
 * either: last words are stamped when the engine reads them, which may be after the exit was noted.
 * No engine starts a container within that margin. An end behind the start is one by another clock.
 */
int64_t ts_log_place_begin(int64_t place, ts_wall started, ts_wall finished, ts_wall now)
{
    int64_t begin = (finished.ms + LAST_WORDS_MS) * NANO_OF_MS;
    if (started.ms != 0 && finished.ms > started.ms) {
        begin = (started.ms - FIRST_WORDS_MS) * NANO_OF_MS;
    }
    return place > begin && place <= now.ms * NANO_OF_MS ? place : begin;
}
