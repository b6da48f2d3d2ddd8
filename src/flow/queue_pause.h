/* Work in no hurry waits while an engine's queue is full (XOE_EBUSY) instead of failing. Thread: safe. */
#ifndef XOE_FLOW_QUEUE_PAUSE_H
#define XOE_FLOW_QUEUE_PAUSE_H

#include <stdbool.h>
#include <stdint.h>

#include "xoe/error.h"

/* Sleeps 50 ms; XOE_OK: try again. Errors: XOE_EDEADLINE (0: none), XOE_ECANCELED (canceled may be NULL). */
xoe_err xoe_queue_pause(int64_t deadline_mono_ms, bool (*canceled)(void *ud), void *ud, xoe_error *e);

#endif
