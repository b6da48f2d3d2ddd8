/* Dual-key Gumbel: two PRF words a token; a free coin decides step by step whether the first
 * (probability alpha) or the second chooses, by Gumbel-max. The same prompt under the same key
 * then gives different texts, all of them marked, and candidates of n > 1 differ.
 *
 * Score: alpha·a + (1 − alpha)·b, a and b each −ln(1 − u). Null law: at alpha = ½ the sum is
 * ½·Gamma(2n, 1), exactly; else hypoexponential with a proved bound (xoe_ln_hypoexp2_tail).
 * Expected gain of a token drawn with probability p: (alpha² + (1 − alpha)²)(H(1/p) − 1).
 * Thread: pure functions. */
#include <math.h>

#include "mark/evidence.h"
#include "mark/gumbel.h"
#include "mark/laws.h"
#include "mark/stats.h"

static size_t pick(xoe_step *step, double *expected)
{
    double a = step->params->alpha;
    const uint64_t *words = step->words + (step->uniform(step->ud) < a ? 0 : 1);
    size_t best = xoe_gumbel_argmax(step->p, words, 2, step->n);
    *expected = (a * a + (1 - a) * (1 - a)) * (xoe_harmonic(1 / step->p[best]) - 1);
    return best;
}

static double score(const xoe_mark_params *p, const uint64_t *words)
{
    return -p->alpha * log(1 - xoe_prf_uniform(words[0])) -
           (1 - p->alpha) * log(1 - xoe_prf_uniform(words[1]));
}

static double sum(const xoe_mark_params *p, const uint64_t *words, size_t n)
{
    double total = 0;
    if (p->alpha == 0.5) return 0.5 * xoe_exponential_sum(p, words, 2 * n);
    for (size_t i = 0; i < n; i++)
        total += score(p, words + 2 * i);
    return total;
}

static double ln_tail(const xoe_mark_params *p, size_t n, double s)
{
    if (p->alpha == 0.5) return xoe_ln_gamma_tail(2 * n, 2 * s);
    return xoe_ln_hypoexp2_tail(p->alpha, 1 - p->alpha, n, s);
}

static double ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n, double s)
{
    return xoe_ln_hypoexp_pair_tail(w, n, p->alpha, s);
}

/* One of the two words decided; which, the coin knows. */
static double ratio(const xoe_mark_params *params, const uint64_t *words, double p)
{
    double a = params->alpha;
    return a * xoe_gumbel_ratio(xoe_prf_uniform(words[0]), p) + (1 - a) * xoe_gumbel_ratio(xoe_prf_uniform(words[1]), p);
}

const xoe_scheme_ops xoe_scheme_dual = {
    .id = XOE_SCHEME_DUAL,
    .n_words = 2,
    .pick = pick,
    .score = score,
    .sum = sum,
    .ln_tail = ln_tail,
    .ln_tail_weighted = ln_tail_weighted,
    .ratio = ratio,
    .chance = xoe_one,
    .top = xoe_rich,
    .unit = xoe_one,
};
