/* A bucket holds a minute's worth of requests at most and fills continuously. The table is a fixed
 * set-associative cache: a new client takes the oldest place of its set, so a flood of addresses cannot
 * grow it; a client pushed out starts with a full bucket, which errs on the generous side. */
#include "ops/ratelimit.h"

#include <math.h>
#include <stdbool.h>

#include "base/mem.h"

#define ROUNDING 1e-6 /* so that waiting the seconds told is enough */

enum { SETS = 1024, WAYS = 8 };

struct bucket {
    uint64_t client;
    double tokens;
    int64_t at_ms;
};

struct xoe_ratelimit {
    double per_ms, burst;
    struct bucket table[SETS][WAYS];
};

xoe_ratelimit *xoe_ratelimit_new(int per_minute)
{
    xoe_ratelimit *r = xoe_calloc(1, sizeof *r);
    if (r && per_minute > 0) {
        r->per_ms = per_minute / 60000.0;
        r->burst = per_minute;
    }
    return r;
}

void xoe_ratelimit_free(xoe_ratelimit *r)
{
    xoe_free(r);
}

static bool has_token(const struct bucket *b)
{
    return b->tokens >= 1 - ROUNDING;
}

/* The client's bucket as it is now. */
static struct bucket *bucket_of(xoe_ratelimit *r, uint64_t client, int64_t now_ms)
{
    if (client == 0) client = 1; /* 0 is a free place */
    struct bucket *set = r->table[client % SETS], *b = &set[0];
    for (int i = 0; i < WAYS; i++) {
        if (set[i].client == client) {
            b = &set[i];
            break;
        }
        if (set[i].at_ms < b->at_ms) b = &set[i];
    }
    if (b->client != client) *b = (struct bucket){client, r->burst, now_ms};
    if (now_ms > b->at_ms) {
        b->tokens += (double)(now_ms - b->at_ms) * r->per_ms;
        if (b->tokens > r->burst) b->tokens = r->burst;
        b->at_ms = now_ms;
    }
    return b;
}

int xoe_ratelimit_wait(xoe_ratelimit *r, uint64_t client, int64_t now_ms)
{
    if (r->per_ms == 0) return 0;
    const struct bucket *b = bucket_of(r, client, now_ms);
    return has_token(b) ? 0 : (int)ceil((1 - b->tokens) / r->per_ms / 1000 - ROUNDING);
}

int xoe_ratelimit_take(xoe_ratelimit *r, uint64_t client, int64_t now_ms)
{
    int wait = xoe_ratelimit_wait(r, client, now_ms);
    if (!wait && r->per_ms > 0) bucket_of(r, client, now_ms)->tokens -= 1;
    return wait;
}
