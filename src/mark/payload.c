/* Payload: symbols, their places and their variants of the PRF. Big symbols (8 bits) make the best
 * use of few tokens: every token of a symbol speaks for one of 256 values at once. The place of a
 * context does not depend on the shift. Thread: pure functions but for the PRF's owner. */
#include "mark/payload.h"

int xoe_payload_first_bit(int bits, int symbol, int *n_bits)
{
    int n = xoe_payload_symbols(bits), first = symbol * bits / n;
    *n_bits = (symbol + 1) * bits / n - first;
    return first;
}

xoe_block xoe_payload_query(const xoe_block *context, uint32_t tag)
{
    return xoe_prf_token(context, -1, 0, tag, UINT32_MAX);
}

int xoe_payload_symbol(const xoe_block *answer, int bits)
{
    uint64_t n = (uint64_t)xoe_payload_symbols(bits);
    return (int)((xoe_prf_word(answer, 0) >> 32) * n >> 32);
}

uint32_t xoe_payload_variant(xoe_prf *prf, const xoe_mark_params *p, const xoe_block *context,
                             uint64_t payload)
{
    int n_bits;
    xoe_block b = xoe_payload_query(context, xoe_prf_tag(p->scheme, p->width));
    xoe_prf_encrypt(prf, &b, &b, 1);
    int symbol = xoe_payload_symbol(&b, p->payload_bits);
    int first = xoe_payload_first_bit(p->payload_bits, symbol, &n_bits);
    return xoe_payload_variant_of(symbol, (uint32_t)(payload >> first & ((1u << n_bits) - 1)));
}
