/* A payload inside the mark: its bits are cut into symbols of at most 8; each scored context
 * belongs to one symbol (chosen by the PRF) and the symbol's value selects the variant of the PRF
 * there. */
#ifndef XOE_MARK_PAYLOAD_H
#define XOE_MARK_PAYLOAD_H

#include "mark/prf.h"

enum { XOE_SYMBOLS_MAX = 8, XOE_SYMBOL_VALUES = 256 };

static inline int xoe_payload_symbols(int bits)
{
    return (bits + 7) / 8;
}
/* Symbol j covers the payload's bits [first, first + *n_bits), from the lowest. */
int xoe_payload_first_bit(int bits, int symbol, int *n_bits);

/* Which symbol a context (encrypted) belongs to: one more PRF block. */
xoe_block xoe_payload_query(const xoe_block *context, uint32_t tag);
int xoe_payload_symbol(const xoe_block *answer, int bits);

static inline uint32_t xoe_payload_variant_of(int symbol, uint32_t value)
{
    return 1 + ((uint32_t)symbol << 8 | value);
}
/* The variant that writes `payload` in this context. */
uint32_t xoe_payload_variant(xoe_prf *prf, const xoe_mark_params *p, const xoe_block *context,
                             uint64_t payload);

/* PRF layer of word w under a variant; variant 0: no payload. */
static inline uint32_t xoe_prf_layer(uint32_t variant, uint32_t w)
{
    return variant << 1 | w;
}

#endif
