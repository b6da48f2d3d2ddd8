/* Thin over clock_gettime, so that nothing else calls it. Thread: safe. */
#include "base/clock.h"

#include <stdio.h>
#include <time.h>

int64_t xoe_clock_mono_ns(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_MONOTONIC, &ts);
    return (int64_t)ts.tv_sec * 1000000000 + ts.tv_nsec;
}

int64_t xoe_clock_mono_ms(void)
{
    return xoe_clock_mono_ns() / 1000000;
}

int64_t xoe_clock_wall_ms(void)
{
    struct timespec ts;
    clock_gettime(CLOCK_REALTIME, &ts);
    return (int64_t)ts.tv_sec * 1000 + ts.tv_nsec / 1000000;
}

void xoe_clock_rfc3339(int64_t wall_ms, char out[32])
{
    time_t t = (time_t)(wall_ms / 1000);
    struct tm tm;
    char s[20];
    gmtime_r(&t, &tm);
    strftime(s, sizeof s, "%Y-%m-%dT%H:%M:%S", &tm);
    snprintf(out, 32, "%.19s.%03uZ", s, (unsigned)(wall_ms % 1000) % 1000);
}
