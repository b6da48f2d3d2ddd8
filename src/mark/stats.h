/* Tails of the null distributions, in natural logarithms: exact, or bounds that are proved. Valid
 * far below the range of a double's exponent. Pure functions; thread: any. docs/watermark.md has
 * the proofs. */
#ifndef XOE_MARK_STATS_H
#define XOE_MARK_STATS_H

#include <stddef.h>

#define XOE_LN10 2.302585092994045684018

/* ln(1 − e^x) for x ≤ 0, accurate at both ends; −inf at 0. */
double xoe_ln_1mexp(double x);
/* ln(e^a + e^b). */
double xoe_ln_add(double a, double b);

/* ln P(X ≥ s), X the sum of n independent Exp(1): the regularised upper gamma function Q(n, s). */
double xoe_ln_gamma_tail(size_t n, double s);
/* ln P(X ≥ k), X ~ Binomial(n, p); the whole probability of k counts (no mid-p). */
double xoe_ln_binom_tail(size_t n, size_t k, double p);
/* Interval for a rate of which k of n were seen, at a confidence (0.95): Clopper and Pearson 1934, exact,
 * which means covering at least as often as it says. k ≤ n. */
void xoe_binom_interval(size_t n, size_t k, double confidence, double *low, double *high);
/* An upper bound of ln P(Σ w_i E_i ≥ s), E_i independent Exp(1), w_i ≥ 0. Within a factor of about
 * 2.5 of the truth in the far tail. */
double xoe_ln_hypoexp_tail(const double *w, size_t n, double s);
/* The same for n variables of weight a and n of weight b; and for Σ w_i (a E_i + (1 − a) E'_i). */
double xoe_ln_hypoexp2_tail(double a, double b, size_t n, double s);
double xoe_ln_hypoexp_pair_tail(const double *w, size_t n, double a, double s);
/* An upper bound (Chernoff) of ln P(Σ w_i B_i ≥ s), B_i ~ Bernoulli(p) for m trials each, i.e. the
 * i-th summand is w_i × Binomial(m, p). */
double xoe_ln_bernoulli_tail(const double *w, size_t n, size_t m, double p, double s);

/* ln of the p-value of the smallest of m independent p-values: 1 − (1 − p)^m. */
double xoe_ln_sidak(double ln_p, double m);
/* Harmonic number of a real argument x ≥ 0: digamma(x + 1) + Euler's constant. */
double xoe_harmonic(double x);

#endif
