/* The keyed pseudorandom function of our own schemes: AES-256 in a CBC-MAC of exactly two blocks.
 * Thread: one owner. */
#ifndef XOE_MARK_PRF_H
#define XOE_MARK_PRF_H

#include <endian.h>
#include <openssl/evp.h>
#include <stddef.h>
#include <stdint.h>
#include "xoe/mark.h"

typedef struct xoe_block {
    uint32_t w[4]; /* little endian */
} xoe_block;

typedef struct xoe_prf {
    EVP_CIPHER_CTX *ctx;
    EVP_CIPHER *cipher;
} xoe_prf;

/* Errors: XOE_ENOMEM. */
xoe_err xoe_prf_open(xoe_prf *prf, const uint8_t key[XOE_MARK_KEY_BYTES], xoe_error *e);
xoe_err xoe_prf_rekey(xoe_prf *prf, const uint8_t key[XOE_MARK_KEY_BYTES], xoe_error *e);
void xoe_prf_close(xoe_prf *prf); /* wipes the key schedule; takes a zeroed one */

/* out[i] = AES(in[i]); in may be out. */
void xoe_prf_encrypt(xoe_prf *prf, const xoe_block *in, xoe_block *out, size_t n);

/* The domain of a use: scheme and context width; blocks of different tags never coincide. */
static inline uint32_t xoe_prf_tag(xoe_scheme scheme, int width)
{
    return (uint32_t)scheme | (uint32_t)width << 8 | 1u << 16; /* 1: version of this layout */
}

/* First block: the context, oldest token first, missing slots all ones. */
static inline xoe_block xoe_prf_context(const int32_t *tokens, int width)
{
    xoe_block b = {{UINT32_MAX, UINT32_MAX, UINT32_MAX, UINT32_MAX}};
    for (int i = 0; i < width; i++)
        b.w[i] = htole32((uint32_t)tokens[i]);
    return b;
}

/* Second block, before encryption. Two shifts share a block: 2k takes its low half, 2k+1 its high.
 */
static inline xoe_block xoe_prf_token(const xoe_block *context, int32_t token, uint32_t shift,
                                      uint32_t tag, uint32_t layer)
{
    xoe_block b = {{context->w[0] ^ htole32((uint32_t)token), context->w[1] ^ htole32(shift >> 1),
                    context->w[2] ^ htole32(tag), context->w[3] ^ htole32(layer)}};
    return b;
}

static inline uint64_t xoe_prf_word(const xoe_block *out, uint32_t shift)
{
    const uint32_t *half = out->w + (shift & 1) * 2;
    return (uint64_t)le32toh(half[0]) | (uint64_t)le32toh(half[1]) << 32;
}

/* Uniform on the 2^52 midpoints of (0,1); u and 1 − u are exact doubles, neither is ever 0. */
static inline double xoe_prf_uniform(uint64_t word)
{
    return ((double)(word >> 12) + 0.5) * 0x1p-52;
}

#endif
