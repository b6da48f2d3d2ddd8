/* The peers' pseudorandom functions, each as its program computes it. Pure functions. */
#ifndef XOE_MARK_PEERS_H
#define XOE_MARK_PEERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* TextSeal: 0 … 8190, from a window (oldest first, at most 10 tokens), a token and a key. */
enum { XOE_TEXTSEAL_M = 8191, XOE_TEXTSEAL_WIDTH_MAX = 10 };
uint32_t xoe_textseal_hash(const int32_t *window, int width, int64_t token, int64_t key);

/* vLLM: Philox4x32-10 over the context (oldest first; −1 before the text), then the token; 32 bits.
 */
typedef struct xoe_philox {
    uint32_t w[4];
} xoe_philox;
xoe_philox xoe_vllm_context(uint64_t key, const int32_t *context, int width);
uint32_t xoe_vllm_word(uint64_t key, const xoe_philox *context, int32_t token);
/* domain: "key_a" or "key_b". */
uint64_t xoe_vllm_derive(uint64_t key, const char *domain);

/* SGLang: Murmur3 over 32-bit words. */
uint32_t xoe_murmur3(const uint32_t *words, int n);
uint32_t xoe_sglang_context(const int32_t *context, int width);
uint32_t xoe_sglang_word(uint64_t key, uint32_t context, int32_t token);
uint32_t xoe_sglang_coin(uint64_t key_a, uint64_t key_b, uint32_t context);

/* Hugging Face SynthID: an LCG over the context, the token, then one key a layer. */
uint64_t xoe_hf_hash(uint64_t hash, int64_t data);

/* torch's CPU generator, and what Hugging Face draws from it. */
typedef struct xoe_torch_rng {
    uint32_t state[624];
    int next;
} xoe_torch_rng;
void xoe_torch_seed(xoe_torch_rng *r, uint64_t seed);
uint32_t xoe_torch_u32(xoe_torch_rng *r);
/* The first n_first places of torch.randperm(n) into perm[n]; the rest of perm is what is left. */
void xoe_torch_randperm(xoe_torch_rng *r, int32_t *perm, size_t n, size_t n_first);

#endif
