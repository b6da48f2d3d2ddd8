/* SynthID-style tournament: depth layers, each with one random bit g a token; a layer is a duel of
 * two draws, won by the one with g = 1, whose result has probability p·(1 + g − G), G = Σ g·p
 * (Dathathri et al., Nature 634, 2024). Over keys each token keeps its own probability.
 *
 * One PRF word holds the bits of all layers (depth ≤ 64). Score: number of ones among the first
 * depth bits. Null law: Binomial(n·depth, ½), exactly. Expected gain of a layer: (1 − Σp²)/4 with
 * the p that enters it. Needs: entropy; after 30 layers little freedom is left, so variety comes
 * from shifts. Thread: pure functions. */
#include "mark/scheme.h"

#include <math.h>

#include "mark/stats.h"

static uint64_t layers(const xoe_mark_params *p)
{
    return p->depth >= 64 ? UINT64_MAX : (UINT64_C(1) << p->depth) - 1;
}

static size_t pick(xoe_step *step, double *expected)
{
    double gain = 0, total = 0;
    for (int layer = 0; layer < step->params->depth; layer++) {
        double ones = 0, squares = 0;
        for (size_t i = 0; i < step->n; i++) {
            ones += (step->words[i] >> layer & 1) ? step->p[i] : 0;
            squares += step->p[i] * step->p[i];
        }
        gain += (1 - squares) / 4;
        for (size_t i = 0; i < step->n; i++)
            step->p[i] *= (step->words[i] >> layer & 1) ? 2 - ones : 1 - ones;
    }
    for (size_t i = 0; i < step->n; i++) {
        if (step->p[i] < 0) step->p[i] = 0; /* 1 − G may round below zero */
        total += step->p[i];
    }
    *expected = gain > 0 ? gain : 0;
    return xoe_draw(step->p, step->n, step->uniform(step->ud) * total);
}

static double score(const xoe_mark_params *p, const uint64_t *words)
{
    return __builtin_popcountll(words[0] & layers(p));
}

static double sum(const xoe_mark_params *p, const uint64_t *words, size_t n)
{
    uint64_t mask = layers(p), total = 0;
    for (size_t i = 0; i < n; i++)
        total += (uint64_t)__builtin_popcountll(words[i] & mask);
    return (double)total;
}

static double ln_tail(const xoe_mark_params *p, size_t n, double s)
{
    return xoe_ln_binom_tail(n * (size_t)p->depth, (size_t)ceil(s), 0.5);
}

static double ln_tail_weighted(const xoe_mark_params *p, const double *w, size_t n, double s)
{
    return xoe_ln_bernoulli_tail(w, n, (size_t)p->depth, 0.5, s);
}

static double depth(const xoe_mark_params *p)
{
    return p->depth;
}

static double half_depth(const xoe_mark_params *p)
{
    return 0.5 * p->depth;
}

const xoe_scheme_ops xoe_scheme_synthid = {
    .id = XOE_SCHEME_SYNTHID,
    .n_words = 1,
    .has_green = true,
    .pick = pick,
    .score = score,
    .sum = sum,
    .ln_tail = ln_tail,
    .ln_tail_weighted = ln_tail_weighted,
    .chance = half_depth,
    .top = depth,
    .unit = depth,
};
