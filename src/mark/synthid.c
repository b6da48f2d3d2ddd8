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

struct sums {
    double all, ones, squares; /* Σp, Σ g·p, Σ p² */
};

/* Play one layer with the sums of what enters it, and take the sums of what leaves it for the next.
 * No branch and four chains of additions, so that the processor overlaps them. */
static struct sums play(xoe_step *step, int layer, double ones)
{
    struct sums s[4] = {{0, 0, 0}};
    for (size_t i = 0; i < step->n; i++) {
        uint64_t bits = step->words[i] >> layer;
        double p = step->p[i] * (1 + (double)(bits & 1) - ones);
        struct sums *c = &s[i & 3];
        step->p[i] = p = p > 0 ? p : 0; /* 1 − G may round below zero */
        c->all += p;
        c->ones += p * (double)(bits >> 1 & 1);
        c->squares += p * p;
    }
    return (struct sums){s[0].all + s[1].all + s[2].all + s[3].all,
                         s[0].ones + s[1].ones + s[2].ones + s[3].ones,
                         s[0].squares + s[1].squares + s[2].squares + s[3].squares};
}

static size_t pick(xoe_step *step, double *expected)
{
    double gain = 0;
    struct sums now = {1, 0, 0};
    for (size_t i = 0; i < step->n; i++) {
        now.ones += step->p[i] * (double)(step->words[i] & 1);
        now.squares += step->p[i] * step->p[i];
    }
    for (int layer = 0; layer < step->params->depth; layer++) {
        gain += (1 - now.squares) / 4;
        now = play(step, layer, now.ones);
    }
    *expected = gain > 0 ? gain : 0;
    return xoe_draw(step->p, step->n, step->uniform(step->ud) * now.all);
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
