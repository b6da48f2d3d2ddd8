/* The exponential and the green law. Thread: pure functions. */
#include "mark/laws.h"

#include <math.h>

#include "mark/stats.h"

double xoe_exponential_score(const xoe_mark_params *p, const uint64_t *words)
{
    (void)p;
    return -log(1 - xoe_prf_uniform(words[0]));
}

double xoe_exponential_sum(const xoe_mark_params *p, const uint64_t *words, size_t n)
{
    (void)p;
    double total = 0;
    while (n) { /* 16 factors of at least 2^-53 stay in the range of a double: one log for all */
        size_t m = n < 16 ? n : 16;
        double product = 1;
        for (size_t i = 0; i < m; i++)
            product *= 1 - xoe_prf_uniform(words[i]);
        total -= log(product);
        words += m;
        n -= m;
    }
    return total;
}

double xoe_exponential_ln_tail(const xoe_mark_params *p, size_t n, double s)
{
    (void)p;
    return xoe_ln_gamma_tail(n, s);
}

double xoe_exponential_ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n,
                                        double s)
{
    (void)p;
    return xoe_ln_hypoexp_tail(w, n, s);
}

double xoe_green_share(const xoe_mark_params *p)
{
    return p->scheme == XOE_SCHEME_DIPMARK ? 0.5 : p->gamma;
}

double xoe_green_score(const xoe_mark_params *p, const uint64_t *words)
{
    return xoe_is_green(words[0], xoe_green_share(p)) ? 1 : 0;
}

double xoe_green_sum(const xoe_mark_params *p, const uint64_t *words, size_t n)
{
    double share = xoe_green_share(p);
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += xoe_is_green(words[i], share);
    return (double)total;
}

/* The share of the 2^52 values of u below `share` differs from it by less than 2^-52, which the
 * p-value cannot show. */
double xoe_green_ln_tail(const xoe_mark_params *p, size_t n, double s)
{
    return xoe_ln_binom_tail(n, (size_t)ceil(s), xoe_green_share(p));
}

double xoe_green_ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n, double s)
{
    return xoe_ln_bernoulli_tail(w, n, 1, xoe_green_share(p), s);
}
