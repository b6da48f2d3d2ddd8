/* Time, as functions that tests may replace. Thread: safe. */
#ifndef XOE_BASE_CLOCK_H
#define XOE_BASE_CLOCK_H

#include <stdint.h>

int64_t xoe_clock_mono_ns(void);   /* monotonic */
int64_t xoe_clock_mono_ms(void);
int64_t xoe_clock_wall_ms(void);   /* Unix time */
/* "2026-01-02T03:04:05.678Z" into out (at least 32 bytes). */
void xoe_clock_rfc3339(int64_t wall_ms, char out[32]);

#endif
