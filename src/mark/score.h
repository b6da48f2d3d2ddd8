/* Scores of one key over the scored positions of a text. */
#ifndef XOE_MARK_SCORE_H
#define XOE_MARK_SCORE_H

#include "mark/context.h"
#include "mark/scheme.h"

enum { XOE_SCORE_CHUNK = 256 };

/* Scratch of one detection; holds key-derived values, wiped by its owner. */
typedef struct xoe_scratch {
    xoe_block context[XOE_SCORE_CHUNK];
    xoe_block token[XOE_SCORE_CHUNK * XOE_WORDS_MAX];
    uint64_t words[XOE_SCORE_CHUNK * XOE_WORDS_MAX];
} xoe_scratch;

/* sums[s]: total score under shift s, for all n_shifts. prf: keyed. weights: [scored->n] or NULL. */
void xoe_score_sums(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    const double *weights, xoe_scratch *t, double *sums);
/* out[i]: score of scored position i under one shift and variant. */
void xoe_score_each(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, uint32_t shift,
                    xoe_scratch *t, double *out);

#endif
