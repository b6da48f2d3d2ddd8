/* Pseudorandom functions of TextSeal, vLLM, SGLang and Hugging Face, for interoperation only: none
 * of them hides its key from someone who sees marked text. Arithmetic wraps as theirs does. Thread:
 * pure functions. */
#include "mark/peers.h"

#include <endian.h>
#include <string.h>

#include "base/hash.h"

/* ---- TextSeal 0.0.5, common/watermark/pseudorandom.py ---------------------------------------- */

uint32_t xoe_textseal_hash(const int32_t *window, int width, int64_t token, int64_t key)
{
    static const uint64_t primes[XOE_TEXTSEAL_WIDTH_MAX] = {10000019, 10000247, 10000439, 10000643,
                                                            10000747, 10000867, 10000993, 10001213,
                                                            10001357, 10001501};
    uint64_t h = 100000007 * (uint64_t)token + 500001713 * (uint64_t)key;
    for (int i = 0; i < width; i++)
        h += primes[i] * (uint64_t)(int64_t)window[i];
    h *= UINT64_C(15485863) * 40499;
    int64_t s = (int64_t)h;
    s ^= s >> 13; /* arithmetic */
    int64_t r = s % XOE_TEXTSEAL_M;
    return (uint32_t)(r < 0 ? r + XOE_TEXTSEAL_M : r);
}

/* ---- vLLM 0.33, philox4x32-10-v1 (Salmon et al. 2011) ---------------------------------------- */

static xoe_philox philox(xoe_philox c, uint32_t k0, uint32_t k1)
{
    for (int round = 0; round < 10; round++) {
        uint64_t a = UINT64_C(0xD2511F53) * c.w[0], b = UINT64_C(0xCD9E8D57) * c.w[2];
        c = (xoe_philox){{(uint32_t)(b >> 32) ^ c.w[1] ^ k0, (uint32_t)b,
                          (uint32_t)(a >> 32) ^ c.w[3] ^ k1, (uint32_t)a}};
        k0 += 0x9E3779B9;
        k1 += 0xBB67AE85;
    }
    return c;
}

xoe_philox xoe_vllm_context(uint64_t key, const int32_t *context, int width)
{
    xoe_philox state = {{0x574D4358, (uint32_t)width, 0, 0}};
    for (int at = 0; at < width; at += 4) {
        for (int i = 0; i < 4; i++)
            state.w[i] ^= at + i < width ? (uint32_t)context[at + i] : UINT32_MAX - (uint32_t)i;
        state = philox(state, (uint32_t)key ^ (uint32_t)at, (uint32_t)(key >> 32));
    }
    return state;
}

uint32_t xoe_vllm_word(uint64_t key, const xoe_philox *context, int32_t token)
{
    xoe_philox c = {{(uint32_t)token >> 2, context->w[0], context->w[1], context->w[2]}};
    return philox(c, (uint32_t)key ^ context->w[3], (uint32_t)(key >> 32) ^ 0x574D544B)
        .w[token & 3];
}

uint64_t xoe_vllm_derive(uint64_t key, const char *domain)
{
    unsigned char message[16], digest[XOE_SHA256_BYTES];
    size_t n = strlen(domain);
    uint64_t big = htobe64(key), out;
    memcpy(message, domain, n);
    memcpy(message + n, &big, 8);
    xoe_sha256(message, n + 8, digest);
    memcpy(&out, digest, 8);
    return be64toh(out);
}

/* ---- SGLang 0.5.23 ----------------------------------------------------------------------------
 */

static uint32_t rotl(uint32_t x, int k)
{
    return x << k | x >> (32 - k);
}

uint32_t xoe_murmur3(const uint32_t *words, int n)
{
    uint32_t h = 0;
    for (int i = 0; i < n; i++)
        h = rotl(h ^ rotl(words[i] * 0xCC9E2D51, 15) * 0x1B873593, 13) * 5 + 0xE6546B64;
    h ^= 4 * (uint32_t)n;
    h = (h ^ h >> 16) * 0x85EBCA6B;
    h = (h ^ h >> 13) * 0xC2B2AE35;
    return h ^ h >> 16;
}

uint32_t xoe_sglang_context(const int32_t *context, int width)
{
    uint32_t words[16];
    for (int i = 0; i < width; i++)
        words[i] = (uint32_t)context[i];
    return xoe_murmur3(words, width);
}

uint32_t xoe_sglang_word(uint64_t key, uint32_t context, int32_t token)
{
    uint32_t words[4] = {(uint32_t)key, (uint32_t)(key >> 32), context, (uint32_t)token};
    return xoe_murmur3(words, 4);
}

uint32_t xoe_sglang_coin(uint64_t key_a, uint64_t key_b, uint32_t context)
{
    uint32_t words[5] = {(uint32_t)key_a, (uint32_t)(key_a >> 32), (uint32_t)key_b,
                         (uint32_t)(key_b >> 32), context};
    return xoe_murmur3(words, 5);
}

/* ---- Hugging Face transformers 4.57 -----------------------------------------------------------
 */

uint64_t xoe_hf_hash(uint64_t hash, int64_t data)
{
    return (hash + (uint64_t)data) * UINT64_C(6364136223846793005) + 1;
}

/* mt19937, Matsumoto & Nishimura 1998; torch keeps the low 32 bits of a seed. */
void xoe_torch_seed(xoe_torch_rng *r, uint64_t seed)
{
    r->state[0] = (uint32_t)seed;
    for (uint32_t i = 1; i < 624; i++)
        r->state[i] = 1812433253u * (r->state[i - 1] ^ r->state[i - 1] >> 30) + i;
    r->next = 624;
}

static void twist(uint32_t *s)
{
    for (int i = 0; i < 624; i++) {
        uint32_t y = (s[i] & 0x80000000u) | (s[(i + 1) % 624] & 0x7fffffffu);
        s[i] = s[(i + 397) % 624] ^ y >> 1 ^ (y & 1 ? 0x9908b0dfu : 0);
    }
}

uint32_t xoe_torch_u32(xoe_torch_rng *r)
{
    if (r->next == 624) {
        twist(r->state);
        r->next = 0;
    }
    uint32_t y = r->state[r->next++];
    y ^= y >> 11;
    y ^= y << 7 & 0x9d2c5680u;
    y ^= y << 15 & 0xefc60000u;
    return y ^ y >> 18;
}

void xoe_torch_randperm(xoe_torch_rng *r, int32_t *perm, size_t n, size_t n_first)
{
    for (size_t i = 0; i < n; i++)
        perm[i] = (int32_t)i;
    for (size_t i = 0; i < n_first && i + 1 < n; i++) {
        size_t j = i + xoe_torch_u32(r) % (n - i);
        int32_t t = perm[i];
        perm[i] = perm[j];
        perm[j] = t;
    }
}
