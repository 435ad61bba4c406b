/* The look from inside runs in a Linux container, with that one's program: not here. */
#include <stdio.h>

#include "doctor/reach_probe.h"

bool ts_reach_probe(const char *host_port)
{
    (void)fprintf(stderr, "tradestackd: --reach %s: only in a Linux container\n", host_port);
    return false;
}
