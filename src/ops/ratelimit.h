/* Token buckets a client, in a bounded table. Thread: one owner (the event loop). */
#ifndef XOE_OPS_RATELIMIT_H
#define XOE_OPS_RATELIMIT_H

#include <stdint.h>

typedef struct xoe_ratelimit xoe_ratelimit;

xoe_ratelimit *xoe_ratelimit_new(int per_minute); /* NULL: no memory; per_minute ≤ 0: never refuses */
void xoe_ratelimit_free(xoe_ratelimit *r);
/* The seconds (≥ 1) that `client` must wait for a token, or 0; takes none. */
int xoe_ratelimit_wait(xoe_ratelimit *r, uint64_t client, int64_t now_ms);
/* Take one token of `client` (a hash). Returns 0, or the seconds (≥ 1) to wait. */
int xoe_ratelimit_take(xoe_ratelimit *r, uint64_t client, int64_t now_ms);

#endif
