/* The law of the scan over exponential scores: how likely evidence is by chance, and whether the table in
 * src/mark/scan_law.c is on the safe side of it everywhere.
 *
 * E(x) is the average of likelihood ratios over the windows of n scores (windows with a ratio under 1 left out), so it
 * grows with n when it is not divided by the total weight: P(E_n·W_n ≥ z) ≤ P(E_m·W_m ≥ z) for n ≤ m. So lengths n
 * on a ladder and levels of ln E on a grid are enough: between two rungs the upper limit of the next longer text, between two
 * levels that of the lower level must hold.
 *
 * P(E ≥ e) is estimated by drawing from Q, the mixture of texts with one marked window: P(E ≥ e) = E_Q[1(E ≥ e) / q],
 * q = dQ/dP, itself an average of likelihood ratios. A third of Q has the very ratios of E, so q ≥ E/3 and what is averaged
 * lies in [0, 3/e]: an empirical Bernstein bound (Maurer & Pontil 2009, theorem 4) is a valid upper limit. All limits hold
 * together at 99.9 % (Bonferroni).
 *
 * Output: a JSON line a rung. Exits 1 when a limit exceeds the table.
 * Usage: bench_mark_scan [least n, 32] [most n, 8192] [samples, 100000] */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mark/scan.h"
#include "mark/stats.h"

enum { LEVELS = 513, PROPOSALS = 3, LENGTHS = 64, N_MAX = XOE_SCAN_BLOCK };
static const double level_step = 0.03125, confidence_left = 1e-3;
static const double edges[PROPOSALS] = {XOE_SCAN_EDGE_NATS, 17, 26}; /* of the proposals' tilts */

struct rung {
    size_t n;
    xoe_windows windows[LENGTHS];
    double tilts[LENGTHS][PROPOSALS], up_to[LENGTHS], total; /* weights, summed up */
    int n_lengths;
    double sum[LEVELS], squares[LEVELS]; /* of 1/q of the samples with ln E ≥ level */
};

static xoe_rng rng;

static double exponential(void)
{
    return -log1p(-xoe_rng_uniform(&rng));
}

/* The longest text with at most a tenth more windows (by weight) than the next longer one than `shorter`. */
static size_t next_rung(size_t shorter)
{
    size_t n = shorter + 1;
    double most = xoe_windows_ln_total(XOE_SCAN_MIXTURE, n) + log(1.1);
    while (n < N_MAX && xoe_windows_ln_total(XOE_SCAN_MIXTURE, n + 1) <= most)
        n++;
    return n;
}

static void prepare(struct rung *g, size_t n)
{
    *g = (struct rung){.n = n};
    for (xoe_windows w = {0}; xoe_windows_next(&w, XOE_SCAN_MIXTURE, n);) {
        g->windows[g->n_lengths] = w;
        for (int k = 0; k < PROPOSALS; k++)
            g->tilts[g->n_lengths][k] = xoe_scan_tilt(w.length, edges[k]);
        g->total += w.weight * (double)w.count;
        g->up_to[g->n_lengths++] = g->total;
    }
}

/* A text under Q, as running sums. */
static void draw(const struct rung *g, double *x)
{
    double u = xoe_rng_uniform(&rng) * g->total;
    int j = 0;
    while (g->up_to[j] <= u)
        j++;
    const xoe_windows *w = &g->windows[j];
    size_t first = w->step * xoe_rng_below(&rng, w->count), end = first + w->length;
    double tilt = g->tilts[j][xoe_rng_below(&rng, PROPOSALS)];
    x[0] = 0;
    for (size_t i = 0; i < g->n; i++)
        x[i + 1] = x[i] + exponential() / (i >= first && i < end ? 1 - tilt : 1);
}

/* ln dQ/dP. */
static double ln_density(const struct rung *g, const double *x)
{
    static const double scale = 300; /* keeps e^… in the range of a double; more is of no use */
    double total = 0;
    for (int j = 0; j < g->n_lengths; j++) {
        const xoe_windows *w = &g->windows[j];
        for (int k = 0; k < PROPOSALS; k++) {
            double tilt = g->tilts[j][k], base = (double)w->length * log1p(-tilt), of_length = 0;
            for (size_t at = 0; at + w->length <= g->n; at += w->step) {
                double ln_ratio = base + tilt * (x[at + w->length] - x[at]);
                if (ln_ratio > -8) of_length += exp(fmin(ln_ratio, 900) - scale); /* leaving some out: on the safe side */
            }
            total += w->weight * of_length;
        }
    }
    return log(total) + scale - log(g->total * PROPOSALS);
}

static void sample(struct rung *g, size_t samples)
{
    xoe_mark_params p = {.scheme = XOE_SCHEME_GUMBEL};
    double *x = xoe_malloc((g->n + 1) * sizeof *x);
    XOE_ASSERT(x);
    xoe_scan s = {.params = &p, .n = g->n, .sums = x};
    for (size_t i = 0; i < samples; i++) {
        draw(g, x);
        double ln_e = xoe_scan_evidence(&s, XOE_SCAN_MIXTURE, 0, g->n), v = exp(-ln_density(g, x));
        if (!(ln_e >= 0)) continue;
        int l = (int)fmin(ln_e / level_step, LEVELS - 1);
        g->sum[l] += v;
        g->squares[l] += v * v;
    }
    for (int l = LEVELS - 1; l > 0; l--) {
        g->sum[l - 1] += g->sum[l];
        g->squares[l - 1] += g->squares[l];
    }
    xoe_free(x);
}

static double upper_limit(const struct rung *g, int level, size_t samples, double cells)
{
    double m = (double)samples, mean = g->sum[level] / m, ln_odds = log(2 * cells / confidence_left);
    double variance = fmax(0, (g->squares[level] - m * mean * mean) / (m - 1)), most = PROPOSALS * exp(-level * level_step);
    return mean + sqrt(2 * variance * ln_odds / m) + 7 * most * ln_odds / (3 * (m - 1));
}

/* The largest ln(limit / table) for texts of shorter < n ≤ g->n. */
static double worst_of(const struct rung *g, size_t shorter, size_t samples, double cells)
{
    double worst = -INFINITY, ln_total = log(g->total);
    for (size_t n = shorter + 1; n <= g->n; n += 1 + (g->n - shorter) / 32) {
        double own = xoe_windows_ln_total(XOE_SCAN_MIXTURE, n);
        for (int l = 0; l < LEVELS; l++) {
            double next = l + 1 < LEVELS ? (l + 1) * level_step + ln_total - own : 1e9;
            worst = fmax(worst, log(upper_limit(g, l, samples, cells)) - xoe_scan_law_ln_p(n, next < 700 ? next : XOE_SCAN_LAW_END));
        }
    }
    return worst;
}

int main(int argc, char **argv)
{
    static struct rung g;
    size_t least = argc > 1 ? strtoul(argv[1], NULL, 10) : 32, most = argc > 2 ? strtoul(argv[2], NULL, 10) : N_MAX;
    size_t samples = argc > 3 ? strtoul(argv[3], NULL, 10) : 100000, shorter = XOE_SPAN_MIN - 1;
    double rungs = 0, worst = -INFINITY;
    for (size_t n = XOE_SPAN_MIN - 1; n < N_MAX; n = next_rung(n))
        rungs++;
    for (size_t n; shorter < most && shorter < N_MAX; shorter = n) {
        n = next_rung(shorter);
        if (n < least) continue;
        xoe_rng_seed(&rng, n);
        prepare(&g, n);
        sample(&g, samples);
        double here = worst_of(&g, shorter, samples, rungs * LEVELS);
        worst = fmax(worst, here);
        printf("{\"n\": %zu, \"samples\": %zu, \"worst\": %.4f, \"ln_p\": [", n, samples, here);
        for (int l = 0; l < LEVELS; l += 32)
            printf("%s[%.3f, %.3f]", l ? ", " : "", log(g.sum[l] / (double)samples), log(upper_limit(&g, l, samples, rungs * LEVELS)));
        printf("]}\n");
        fflush(stdout);
    }
    printf("{\"worst\": %.4f, \"ok\": %s}\n", worst, worst <= 0 ? "true" : "false");
    return worst <= 0 ? 0 : 1;
}
