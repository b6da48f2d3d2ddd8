/* Gumbel-max: the next token is argmax u_i^(1/p_i), so each token has its own probability over keys
 * and the text of one key is not distorted on average (Aaronson 2023; exact tail: Fernandez et al.,
 * "Three Bricks", 2308.00113, eq. 4).
 *
 * Score of a token: −ln(1 − u). Null law: Exp(1), the sum Gamma(n, 1), exactly. A token drawn with
 * probability p scores H(1/p) on average. Needs: temperature > 0 and entropy; the choice is a
 * function of key, shift and context, so variety comes from shifts and the free first tokens.
 * Thread: pure functions. */
#include "mark/scheme.h"

#include <math.h>

#include "mark/stats.h"

static size_t pick(xoe_step *step, double *expected)
{
    size_t best = 0;
    double best_score = -INFINITY; /* ln u / p ≤ 0 */
    for (size_t i = 0; i < step->n; i++) {
        double p = step->p[i];
        if (!(p > 0)) continue;
        double u = xoe_prf_uniform(step->words[i]);
        if (u - 1 <= best_score * p) continue; /* ln u ≤ u − 1: cannot win, no logarithm needed */
        double score = log(u) / p;
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    *expected = xoe_harmonic(1 / step->p[best]) - 1;
    return best;
}

static double score(const xoe_mark_params *p, const uint64_t *words)
{
    (void)p;
    return -log(1 - xoe_prf_uniform(words[0]));
}

static double sum(const xoe_mark_params *p, const uint64_t *words, size_t n)
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

static double ln_tail(const xoe_mark_params *p, size_t n, double s)
{
    (void)p;
    return xoe_ln_gamma_tail(n, s);
}

static double ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n, double s)
{
    (void)p;
    return xoe_ln_hypoexp_tail(w, n, s);
}

const xoe_scheme_ops xoe_scheme_gumbel = {
    XOE_SCHEME_GUMBEL, 1, false, INFINITY, pick, score, sum, ln_tail, ln_tail_weighted,
};
