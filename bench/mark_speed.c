/* Speed of the mark, as JSON on standard output: detection in tokens a second on one core, 10,000
 * keys on 400 tokens, the sampler's own cost a token. Three samples each, all printed; a figure
 * counts only if the result was right. Usage: bench_mark_speed */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/clock.h"
#include "base/mem.h"
#include "base/rng.h"
#include "xoe/mark.h"

enum { SAMPLES = 3 };

static double seconds(void)
{
    return (double)xoe_clock_mono_ns() * 1e-9;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void report(const char *name, const char *unit, double *v, bool right, bool last)
{
    printf("  {\"name\": \"%s\", \"unit\": \"%s\", \"samples\": [%.4g, %.4g, %.4g], ", name, unit,
           v[0], v[1], v[2]);
    qsort(v, SAMPLES, sizeof *v, compare);
    printf("\"median\": %.4g, \"correct\": %s}%s\n", v[1], right ? "true" : "false",
           last ? "" : ",");
}

static double uniform(void *rng)
{
    return xoe_rng_uniform(rng);
}

/* Zipf text: what contexts repeat in. */
static int32_t *zipf_text(size_t n, xoe_rng *rng)
{
    int32_t *t = xoe_malloc(n * sizeof *t);
    XOE_ASSERT(t);
    for (size_t i = 0; i < n; i++)
        t[i] = (int32_t)exp(xoe_rng_uniform(rng) * 10.8);
    return t;
}

static void detect_one(size_t n, const char *name, bool spans, xoe_scheme scheme, xoe_rng *rng)
{
    uint8_t key[1][XOE_MARK_KEY_BYTES] = {{7}};
    xoe_mark_params p = {.scheme = scheme, .n_shifts = 4};
    xoe_detect_opts o = {.spans = spans};
    double rate[SAMPLES];
    bool right = true;
    int32_t *t = zipf_text(n, rng);
    for (int s = 0; s < SAMPLES; s++) {
        size_t done = 0;
        double start = seconds(), took;
        do {
            xoe_verdict v;
            XOE_ASSERT(xoe_detect_tokens(&p, (const uint8_t(*)[XOE_MARK_KEY_BYTES])key, 1, t, n, &o,
                                         &v, NULL) == XOE_OK);
            right = right && v.n_scored > n / 2 && v.log10_p > -6;
            xoe_verdict_clear(&v);
            done += n;
        } while ((took = seconds() - start) < 0.4);
        rate[s] = (double)done / took * 1e-6;
    }
    report(name, "M tokens/s", rate, right, false);
    xoe_free(t);
}

static void many_keys(xoe_rng *rng)
{
    enum { KEYS = 10000, N = 400 };
    static uint8_t keys[KEYS][XOE_MARK_KEY_BYTES];
    static xoe_mark_params p[KEYS];
    double took[SAMPLES];
    bool right = true;
    int32_t *t = zipf_text(N, rng);
    for (int k = 0; k < KEYS; k++) {
        p[k] = (xoe_mark_params)XOE_MARK_PARAMS_INIT;
        for (int i = 0; i < XOE_MARK_KEY_BYTES; i++)
            keys[k][i] = (uint8_t)xoe_rng_u64(rng);
    }
    for (int s = 0; s < SAMPLES; s++) {
        xoe_verdict v;
        double start = seconds();
        XOE_ASSERT(xoe_detect_tokens(p, (const uint8_t(*)[XOE_MARK_KEY_BYTES])keys, KEYS, t, N,
                                     NULL, &v, NULL) == XOE_OK);
        took[s] = seconds() - start;
        right = right && v.log10_p > -5;
        xoe_verdict_clear(&v);
    }
    report("10,000 keys, 400 tokens, 4 shifts each", "s", took, right, false);
    xoe_free(t);
}

static void pick(size_t n, xoe_scheme scheme, const char *name, bool last)
{
    uint8_t key[XOE_MARK_KEY_BYTES] = {9};
    xoe_mark_params p = {.scheme = scheme};
    xoe_cand *c = xoe_malloc(n * sizeof *c);
    int32_t answer[1100] = {1, 2, 3};
    double cost[SAMPLES], total = 0;
    bool right = true;
    xoe_rng rng;
    xoe_rng_seed(&rng, 1);
    XOE_ASSERT(c);
    for (size_t i = 0; i < n; i++)
        total += 1 / (double)(i + 1);
    for (size_t i = 0; i < n; i++)
        c[i] = (xoe_cand){(int32_t)i, (float)(1 / (double)(i + 1) / total)};
    int rounds = n > 10000 ? 100 : 1000;
    for (int s = 0; s < SAMPLES; s++) {
        xoe_marker *m;
        xoe_pick out;
        XOE_ASSERT(xoe_marker_open(&m, &p, key, 0, 0, NULL) == XOE_OK);
        answer[0] = 1000000 + s;
        double start = seconds();
        for (int i = 0; i < rounds; i++) {
            answer[i + 3] = 1000 + i;
            xoe_marker_pick(m, c, n, answer, (size_t)i + 3, uniform, &rng, &out);
            right = right && out.marked && out.index < n;
        }
        cost[s] = (seconds() - start) / rounds * 1e6;
        xoe_marker_close(m);
    }
    report(name, "us/token", cost, right, last);
    xoe_free(c);
}

int main(void)
{
    xoe_rng rng;
    xoe_rng_seed(&rng, 1);
    printf("[\n");
    detect_one(400, "detect gumbel, 400 tokens", false, XOE_SCHEME_GUMBEL, &rng);
    detect_one(10000, "detect gumbel, 10,000 tokens", false, XOE_SCHEME_GUMBEL, &rng);
    detect_one(1000000, "detect gumbel, 1,000,000 tokens", false, XOE_SCHEME_GUMBEL, &rng);
    detect_one(10000, "detect gumbel with spans, 10,000 tokens", true, XOE_SCHEME_GUMBEL, &rng);
    detect_one(10000, "detect green, 10,000 tokens", false, XOE_SCHEME_GREEN, &rng);
    detect_one(10000, "detect synthid, 10,000 tokens", false, XOE_SCHEME_SYNTHID, &rng);
    detect_one(10000, "detect dual-gumbel, 10,000 tokens", false, XOE_SCHEME_DUAL, &rng);
    many_keys(&rng);
    pick(50, XOE_SCHEME_GUMBEL, "pick gumbel, 50 candidates", false);
    pick(1000, XOE_SCHEME_GUMBEL, "pick gumbel, 1,000 candidates", false);
    pick(150000, XOE_SCHEME_GUMBEL, "pick gumbel, 150,000 candidates", false);
    pick(1000, XOE_SCHEME_GREEN, "pick green, 1,000 candidates", false);
    pick(1000, XOE_SCHEME_SYNTHID, "pick synthid, 1,000 candidates", false);
    pick(1000, XOE_SCHEME_DIPMARK, "pick dipmark, 1,000 candidates", false);
    pick(1000, XOE_SCHEME_DUAL, "pick dual-gumbel, 1,000 candidates", true);
    printf("]\n");
    return 0;
}
