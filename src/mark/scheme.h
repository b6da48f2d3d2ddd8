/* What a scheme is to the marker and the detector: one table of functions, one file a scheme. The
 * PRF gives n_words 64-bit words a (context, token, shift); a scheme turns the words of the
 * candidates into a choice, and the words of the tokens seen into a score with a known null law. */
#ifndef XOE_MARK_SCHEME_H
#define XOE_MARK_SCHEME_H

#include "mark/prf.h"

enum { XOE_WORDS_MAX = 2 };

/* What pick works with. p: [n] the candidates' probabilities, cleaned (finite, ≥ 0, sum 1), which it
 * may change; words: [n][n_words]. */
typedef struct xoe_step {
    const xoe_mark_params *params;
    const xoe_cand *cands;
    double *p;
    const uint64_t *words;
    size_t n;
    double (*uniform)(void *ud);
    void *ud;
} xoe_step;

typedef struct xoe_scheme_ops {
    xoe_scheme id;
    int n_words;
    bool has_green;   /* the score is the number of green tokens */
    double top_score; /* of a token; INFINITY when unbounded */
    /* Choose a candidate; *expected: score it gains over chance, in units of score(). */
    size_t (*pick)(xoe_step *step, double *expected);
    /* Score of one token; of many, the sum. Under the null scores are independent. */
    double (*score)(const xoe_mark_params *p, const uint64_t *words);
    double (*sum)(const xoe_mark_params *p, const uint64_t *words, size_t n);
    /* ln P(sum of n null scores ≥ s), exact or an upper bound; the same with weights [n] ≥ 0. */
    double (*ln_tail)(const xoe_mark_params *p, size_t n, double s);
    double (*ln_tail_weighted)(const xoe_mark_params *p, const double *w, size_t n, double s);
} xoe_scheme_ops;

extern const xoe_scheme_ops xoe_scheme_gumbel;

/* NULL: unknown scheme. */
const xoe_scheme_ops *xoe_scheme_find(xoe_scheme id);

/* Draw from p by one uniform: what an unmarked sampler does. */
size_t xoe_draw(const double *p, size_t n, double u);

#endif
