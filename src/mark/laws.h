/* Null laws that several schemes share, as the functions of xoe_scheme_ops.
 * exponential: score −ln(1 − u), sum Gamma(n, 1).
 * green: score 1 if u < share else 0, sum Binomial(n, share). */
#ifndef XOE_MARK_LAWS_H
#define XOE_MARK_LAWS_H

#include "mark/scheme.h"

double xoe_exponential_score(const xoe_mark_params *p, const uint64_t *words);
double xoe_exponential_sum(const xoe_mark_params *p, const uint64_t *words, size_t n);
double xoe_exponential_ln_tail(const xoe_mark_params *p, size_t n, double s);
double xoe_exponential_ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n,
                                        double s);

/* The green share of a scheme: gamma, or ½ for dipmark. */
double xoe_green_share(const xoe_mark_params *p);
static inline bool xoe_is_green(uint64_t word, double share)
{
    return xoe_prf_uniform(word) < share;
}
double xoe_green_score(const xoe_mark_params *p, const uint64_t *words);
double xoe_green_sum(const xoe_mark_params *p, const uint64_t *words, size_t n);
double xoe_green_ln_tail(const xoe_mark_params *p, size_t n, double s);
double xoe_green_ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n, double s);

/* The fields of xoe_scheme_ops that a law settles. */
#define XOE_EXPONENTIAL_LAW                                                                                         \
    .n_words = 1, .exponential = true, .score = xoe_exponential_score, .sum = xoe_exponential_sum,                  \
    .ln_tail = xoe_exponential_ln_tail, .ln_tail_weighted = xoe_exponential_ln_tail_weighted, .chance = xoe_one,    \
    .top = xoe_rich, .unit = xoe_one
#define XOE_GREEN_LAW                                                                                               \
    .n_words = 1, .has_green = true, .score = xoe_green_score, .sum = xoe_green_sum, .ln_tail = xoe_green_ln_tail,  \
    .ln_tail_weighted = xoe_green_ln_tail_weighted, .chance = xoe_green_share, .top = xoe_one, .unit = xoe_one

#endif
