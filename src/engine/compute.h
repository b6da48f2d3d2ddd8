/* One budget of cores for all compute of the process: never more runnable compute threads than
 * cores. Thread: safe. */
#ifndef XOE_ENGINE_COMPUTE_H
#define XOE_ENGINE_COMPUTE_H

#include "xoe/engine.h"

int xoe_compute_cores(void); /* cores that this process may use, at least 1 */
/* Take between 1 and `wanted` cores; blocks until one is free. Waiters are served by priority, and a
 * taker leaves one core for each other waiter or holder where it can. Returns the cores granted. */
int xoe_compute_acquire(int wanted, xoe_priority priority);
void xoe_compute_release(int granted);
int xoe_compute_waiting(void); /* how many block in xoe_compute_acquire now */
/* Tests: pretend there are n cores; 0 goes back to the truth. */
void xoe_compute_set_cores(int n);

#endif
