/* xoshiro256** after Blackman & Vigna 2018; secrets come from the kernel. Thread: one owner a generator. */
#include "base/rng.h"

#include <sys/random.h>

static uint64_t splitmix64(uint64_t *x)
{
    uint64_t z = (*x += 0x9e3779b97f4a7c15u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

void xoe_rng_seed(xoe_rng *r, uint64_t seed)
{
    for (int i = 0; i < 4; i++)
        r->s[i] = splitmix64(&seed);
}

static uint64_t rotl(uint64_t x, int k)
{
    return (x << k) | (x >> (64 - k));
}

uint64_t xoe_rng_u64(xoe_rng *r)
{
    uint64_t *s = r->s, out = rotl(s[1] * 5, 7) * 9, t = s[1] << 17;
    s[2] ^= s[0];
    s[3] ^= s[1];
    s[1] ^= s[2];
    s[0] ^= s[3];
    s[2] ^= t;
    s[3] = rotl(s[3], 45);
    return out;
}

double xoe_rng_uniform(xoe_rng *r)
{
    return (double)(xoe_rng_u64(r) >> 11) * 0x1p-53;
}

uint64_t xoe_rng_below(xoe_rng *r, uint64_t bound)
{
    uint64_t limit = UINT64_MAX - UINT64_MAX % bound, x;
    do
        x = xoe_rng_u64(r);
    while (x >= limit);
    return x % bound;
}

int xoe_random_bytes(void *out, size_t n)
{
    unsigned char *p = out;
    while (n) {
        size_t want = n > 256 ? 256 : n;
        ssize_t got = getrandom(p, want, 0);
        if (got <= 0) return -1;
        p += got;
        n -= (size_t)got;
    }
    return 0;
}
