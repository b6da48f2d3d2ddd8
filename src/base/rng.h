/* Randomness. xoe_rng is for sampling (fast, seedable, reproducible; xoshiro256**, Blackman & Vigna
 * 2018, seeded by splitmix64); xoe_random_bytes is for secrets. Thread: one owner each. */
#ifndef XOE_BASE_RNG_H
#define XOE_BASE_RNG_H

#include <stddef.h>
#include <stdint.h>

typedef struct xoe_rng {
    uint64_t s[4];
} xoe_rng;

void xoe_rng_seed(xoe_rng *r, uint64_t seed);
uint64_t xoe_rng_u64(xoe_rng *r);
double xoe_rng_uniform(xoe_rng *r);                  /* [0,1), 53 bits */
uint64_t xoe_rng_below(xoe_rng *r, uint64_t bound);  /* [0,bound), unbiased; bound > 0 */

int xoe_random_bytes(void *out, size_t n); /* 0, or -1: the kernel gave none */

#endif
