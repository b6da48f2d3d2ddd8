/* Gumbel-max: the next token is argmax u_i^(1/p_i), so that over keys each token has exactly its
 * own probability (Aaronson 2023; exact tail: Fernandez et al., "Three Bricks", 2308.00113, eq. 4).
 *
 * Score of a token: −ln(1 − u). Null law: Exp(1), the sum Gamma(n, 1), exactly. A token drawn with
 * probability p scores H(1/p) on average. Needs: temperature > 0 and entropy; the choice is a
 * function of key, shift and context, so variety comes from shifts and the free first tokens.
 * Thread: pure functions. */
#include "mark/gumbel.h"

#include <math.h>

#include "mark/evidence.h"
#include "mark/laws.h"
#include "mark/stats.h"

size_t xoe_gumbel_argmax(const double *p, const uint64_t *words, size_t n_words, size_t n)
{
    size_t best = 0;
    double best_score = -INFINITY; /* ln u / p ≤ 0 */
    for (size_t i = 0; i < n; i++) {
        if (!(p[i] > 0)) continue;
        double u = xoe_prf_uniform(words[i * n_words]);
        if (u - 1 <= best_score * p[i]) continue; /* ln u ≤ u − 1: cannot win, no log needed */
        double score = log(u) / p[i];
        if (score > best_score) {
            best_score = score;
            best = i;
        }
    }
    return best;
}

static size_t pick(xoe_step *step, double *expected)
{
    size_t best = xoe_gumbel_argmax(step->p, step->words, 1, step->n);
    *expected = xoe_harmonic(1 / step->p[best]) - 1;
    return best;
}

static double ratio(const xoe_mark_params *params, const uint64_t *words, double p)
{
    (void)params;
    return xoe_gumbel_ratio(xoe_prf_uniform(words[0]), p);
}

const xoe_scheme_ops xoe_scheme_gumbel = {
    .id = XOE_SCHEME_GUMBEL,
    .pick = pick,
    XOE_EXPONENTIAL_LAW,
    .ratio = ratio,
};
