/* What a scheme is to the marker and the detector: one table of functions, one file a scheme. The
 * PRF gives n_words 64-bit words a (context, token, shift); a scheme turns the words of the
 * candidates into a choice, and the words of the tokens seen into a score with a known null law. */
#ifndef XOE_MARK_SCHEME_H
#define XOE_MARK_SCHEME_H

#include "mark/prf.h"

enum { XOE_WORDS_MAX = 2 };

/* What pick works with; each array has n entries. */
typedef struct xoe_step {
    const xoe_mark_params *params;
    double *p; /* the candidates' probabilities: finite, ≥ 0, sum 1; pick may change them */
    const uint64_t *words; /* [n][n_words] */
    uint32_t *order;       /* pick's own */
    size_t n;
    double (*uniform)(void *ud);
    void *ud;
} xoe_step;

typedef struct xoe_scheme_ops {
    xoe_scheme id;
    int n_words;
    bool has_green; /* the mean score is the share of green */
    bool exponential; /* score() is −ln(1 − u) of one word: goodness of fit can be tested */
    /* Choose a candidate; *expected: what the mark adds to the score, in units of score(), on
     * average. */
    size_t (*pick)(xoe_step *step, double *expected);
    /* Score of one token; of many, the sum. Under the null scores are independent. */
    double (*score)(const xoe_mark_params *p, const uint64_t *words);
    double (*sum)(const xoe_mark_params *p, const uint64_t *words, size_t n);
    /* ln P(sum of n null scores ≥ s), exact or an upper bound; the same with weights [n] ≥ 0. */
    double (*ln_tail)(const xoe_mark_params *p, size_t n, double s);
    double (*ln_tail_weighted)(const xoe_mark_params *p, const double *w, size_t n, double s);
    /* Likelihood of a token's words under the mark against chance, when a model gives the token about p: mean
     * 1 under the null for every p. NULL: no such law. */
    double (*ratio)(const xoe_mark_params *params, const uint64_t *words, double p);
    double (*chance)(const xoe_mark_params *p); /* mean of a null score */
    /* The best mean score that very good text could have, for "could carry". */
    double (*top)(const xoe_mark_params *p);
    /* What score() is divided by for people: mean score = Σ / (n × unit). */
    double (*unit)(const xoe_mark_params *p);
} xoe_scheme_ops;

extern const xoe_scheme_ops xoe_scheme_gumbel, xoe_scheme_green, xoe_scheme_synthid,
    xoe_scheme_dipmark, xoe_scheme_morphmark, xoe_scheme_watermax, xoe_scheme_dual;

/* NULL: unknown scheme. */
const xoe_scheme_ops *xoe_scheme_find(xoe_scheme id);

/* Draw from p by one uniform, as an unmarked sampler does. */
size_t xoe_draw(const double *p, size_t n, double u);

/* 1: unit() of scores that need none, chance() of exponential scores, top() of green ones. */
double xoe_one(const xoe_mark_params *p);
/* top() of exponential scores: the mean score of tokens of about 5 bits each under gumbel. */
double xoe_rich(const xoe_mark_params *p);

#endif
