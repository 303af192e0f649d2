#include "platform/platform.h"

#include <time.h>

pl_err pl_clock_wall(int64_t *out_s)
{
    struct timespec ts;
    *out_s = 0;
    PL_REQUIRE(clock_gettime(CLOCK_REALTIME, &ts) == 0, CLOCK);
    *out_s = ts.tv_sec;
    return PL_OK;
}

int64_t pl_clock_mono_ns(void)
{
    struct timespec ts;
    int failed = clock_gettime(CLOCK_MONOTONIC, &ts);
    PL_ASSERT(!failed); /* cannot fail for this clock and a good pointer */
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t pl_clock_mono_ms(void) { return pl_clock_mono_ns() / 1000000; }
