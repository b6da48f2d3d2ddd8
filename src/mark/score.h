/* Scores of one key over the scored positions of a text. */
#ifndef XOE_MARK_SCORE_H
#define XOE_MARK_SCORE_H

#include "mark/context.h"
#include "mark/evidence.h"
#include "mark/scheme.h"

enum { XOE_SCORE_CHUNK = 256 };

/* Scratch of one detection; holds key-derived values, wiped by its owner. */
typedef struct xoe_scratch {
    xoe_block context[XOE_SCORE_CHUNK];
    xoe_block token[XOE_SCORE_CHUNK * XOE_WORDS_MAX];
    uint64_t words[XOE_SCORE_CHUNK * XOE_WORDS_MAX];
} xoe_scratch;

/* sums[s]: total score under shift s, for all n_shifts. prf: keyed. weights: [scored->n] or NULL.
 */
void xoe_score_sums(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    const double *weights, xoe_scratch *t, double *sums);
/* evidence[s]: of all positions under shift s. probs: [scored->n]. Only for schemes with a ratio(). */
void xoe_score_evidence(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, const double *probs, xoe_scratch *t,
                        xoe_evidence *evidence);
/* out[i]: score of scored position i under one shift. variants: [scored->n] of the payload, or
 * NULL. */
void xoe_score_each(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    uint32_t shift, const uint32_t *variants, xoe_scratch *t, double *out);

/* out[i]: likelihood ratio of scored position i under one shift; probs: [scored->n]. For schemes with a ratio(). */
void xoe_score_ratios(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, uint32_t shift, const double *probs,
                      xoe_scratch *t, double *out);

/* What one shift's payload looks like. */
typedef struct xoe_decoded {
    uint64_t payload;
    double ln_p;     /* that any payload is there */
    double ln_error; /* that a wrong value of some symbol would score as high */
    double sum;      /* total score under the payload */
} xoe_decoded;

/* The scored positions by symbol, under one key. Zeroed is empty. */
typedef struct xoe_places {
    xoe_block *contexts; /* [n] encrypted, grouped by symbol */
    int32_t *tokens;     /* [n] */
    double *weights;     /* [n] or NULL */
    uint32_t *scored;    /* [n] index into the scored positions */
    size_t start[9];     /* group j is [start[j], start[j + 1]) */
} xoe_places;

/* Errors: XOE_ENOMEM. */
xoe_err xoe_places_build(xoe_places *out, xoe_prf *prf, const xoe_mark_params *p,
                         const xoe_scored *scored, const double *weights, xoe_scratch *t,
                         xoe_error *e);
void xoe_places_free(xoe_places *pl); /* wipes */
/* out: [n_shifts]. */
void xoe_payload_decode(xoe_prf *prf, const xoe_mark_params *p, const xoe_places *pl,
                        xoe_scratch *t, xoe_decoded *out);
/* variants[i] of scored position i under a payload. */
void xoe_payload_variants(const xoe_mark_params *p, const xoe_places *pl, uint64_t payload,
                          uint32_t *variants);

#endif
