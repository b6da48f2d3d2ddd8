/* Which shift of its key a text is to carry. A writer who changes a text may choose: detectors try all shifts, and are corrected for all,
 * whatever made the writer choose. Chosen is the one under which the best that can be made of the text, of what is known to be right,
 * scores most. Pure; thread: one owner. */
#ifndef XOE_FLOW_REPHRASE_SHIFT_H
#define XOE_FLOW_REPHRASE_SHIFT_H

#include "xoe/mark.h"

/* A part of the text in one wording. */
typedef struct xoe_variant {
    int32_t *tokens; /* [n_before] of what stands before the part, then its own */
    size_t n_before, n;
    size_t first, end; /* words of the source that it replaces; those that do not touch go together. Both 0: it stands for itself */
} xoe_variant;

/* All wordings of one part; the first is the source. Zeroed is empty. */
typedef struct xoe_variants {
    xoe_variant *v;
    size_t n, cap;
} xoe_variants;

/* tokens: copied, [n_before + n]. Returns 0; −1: no memory. */
int xoe_variants_add(xoe_variants *vs, const int32_t *tokens, size_t n_before, size_t n, size_t first, size_t end);
void xoe_variants_clear(xoe_variants *vs);

/* By how much the best of the part scores over chance: the source with all edits that gain something, the larger first, or a wording that
 * stands for itself. Edits are taken to add up. Errors: XOE_ENOMEM. */
xoe_err xoe_variants_gain(const xoe_variants *vs, xoe_marker *m, double *gain, xoe_error *e);
enum { XOE_SHIFT_RANKS_MAX = 32 };
/* The shifts under which these parts gain most together, the best first: shifts[*n_shifts ≤ n_ranks ≤ XOE_SHIFT_RANKS_MAX].
 * Errors: XOE_ENOMEM, XOE_EINVAL. */
xoe_err xoe_rank_shifts(const xoe_mark_params *params, const uint8_t key[XOE_MARK_KEY_BYTES], const xoe_variants *parts, size_t n_parts, size_t n_ranks,
                        uint32_t *shifts, size_t *n_shifts, xoe_error *e);

#endif
