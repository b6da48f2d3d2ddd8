/* A job for an engine whose queue is full: the caller polls, since a place comes free within a decode step or two. */
#include "flow/queue_pause.h"

#include <time.h>

#include "base/clock.h"

xoe_err xoe_queue_pause(int64_t deadline_mono_ms, bool (*canceled)(void *ud), void *ud, xoe_error *e)
{
    struct timespec pause = {0, 50 * 1000000};
    if (canceled && canceled(ud)) return xoe_error_set(e, XOE_ECANCELED, "canceled");
    if (deadline_mono_ms && xoe_clock_mono_ms() > deadline_mono_ms) return xoe_error_set(e, XOE_EDEADLINE, "the time for rephrasing is over");
    nanosleep(&pause, NULL);
    return XOE_OK;
}
