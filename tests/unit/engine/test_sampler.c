/* The sampler on made-up logits: what truncation keeps, that draws follow the distribution with and
 * without a mark and in the tail, penalties, and the sums against exact ones. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/mem.h"
#include "engine/logits.h"
#include "engine/sampler.h"

enum { V = 5003, BIG = 150001 }; /* no multiples of a vector */

static void normal(float *x, int n, float sigma, uint64_t seed)
{
    xoe_rng r;
    xoe_rng_seed(&r, seed);
    for (int i = 0; i < n; i++) {
        double u = 1 - xoe_rng_uniform(&r), v = xoe_rng_uniform(&r);
        x[i] = sigma * (float)(sqrt(-2 * log(u)) * cos(6.283185307179586 * v));
    }
}

static xoe_sampling plain(void)
{
    xoe_sampling s = XOE_SAMPLING_INIT;
    s.has_seed = true;
    s.seed = 1;
    return s;
}

static xoe_sampler *sampler(const xoe_sampling *s, int n, xoe_marker *mark)
{
    xoe_sampler *p;
    assert_int_equal(xoe_sampler_open(&p, s, n, NULL, 0, NULL, mark, NULL), XOE_OK);
    return p;
}

static int by_logit(const void *a, const void *b)
{
    float x = ((const xoe_token_prob *)a)->logprob, y = ((const xoe_token_prob *)b)->logprob;
    return (x < y) - (x > y);
}

/* What top-k, then top-p, then min-p keep, by sorting in double. allowed: [n]. Returns how many. */
static int reference(const float *x, int n, const xoe_sampling *s, bool *allowed)
{
    xoe_token_prob *t = malloc((size_t)n * sizeof *t);
    double total = 0, cum = 0;
    int m = s->top_k > 0 && s->top_k < n ? s->top_k : n, kept = 0;
    for (int i = 0; i < n; i++)
        t[i] = (xoe_token_prob){i, x[i] / s->temperature};
    qsort(t, (size_t)n, sizeof *t, by_logit);
    double top = (double)t[0].logprob;
    for (int i = 0; i < m; i++)
        total += exp((double)t[i].logprob - top);
    memset(allowed, 0, (size_t)n * sizeof *allowed);
    for (int i = 0; i < m && (i == 0 || cum < (double)s->top_p * total); i++) {
        double p = exp((double)t[i].logprob - top);
        if (p < (double)s->min_p) break;
        allowed[t[i].id] = true;
        cum += p;
        kept++;
    }
    free(t);
    return kept;
}

static void test_truncation_keeps_what_it_should(void **state)
{
    (void)state;
    static const struct {
        float t, top_p, min_p;
        int top_k;
    } cases[] = {{1, 0.9f, 0, 0}, {0.7f, 0.95f, 0, 0}, {1, 1, 0, 20}, {1, 0.5f, 0, 40}, {1.5f, 1, 0.05f, 0},
                 {1, 0.8f, 0.1f, 100}, {1, 0, 0, 0}, {2, 0.99f, 0, 0}, {1, 1, 0.3f, 1}, {0.2f, 0.3f, 0, 0}};
    static float x[V], work[V];
    static bool allowed[V], seen[V];
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        xoe_sampling s = plain();
        s.temperature = cases[c].t;
        s.top_p = cases[c].top_p;
        s.min_p = cases[c].min_p;
        s.top_k = cases[c].top_k;
        normal(x, V, 2.5f, c + 1);
        int kept = reference(x, V, &s, allowed), found = 0, slack = 0;
        xoe_sampler *p = sampler(&s, V, NULL);
        memset(seen, 0, sizeof seen);
        for (int i = 0; i < 3000; i++) {
            memcpy(work, x, sizeof x);
            int32_t id = xoe_sampler_sample(p, work, NULL, 0).id;
            assert_in_range(id, 0, V - 1);
            slack += !allowed[id]; /* the last survivor of top-p may differ by the sums' rounding */
            found += !seen[id];
            seen[id] = true;
        }
        assert_true(slack <= 3);
        assert_true(found <= kept + 1);
        if (kept < 50) assert_int_equal(found, kept);
        xoe_sampler_close(p);
    }
}

/* χ² of observed counts against the softmax of x, entries with less than 5 expected in one cell. */
static double chi2(const int *count, const float *x, int n, int draws, int *cells)
{
    double total = 0, out = 0, rest_p = 0, rest_n = 0;
    for (int i = 0; i < n; i++)
        total += exp((double)x[i]);
    *cells = 1;
    for (int i = 0; i < n; i++) {
        double want = draws * exp((double)x[i]) / total;
        if (want < 5) {
            rest_p += want;
            rest_n += count[i];
            continue;
        }
        out += (count[i] - want) * (count[i] - want) / want;
        (*cells)++;
    }
    assert_true(rest_p > 5); /* the tail is part of the test */
    return out + (rest_n - rest_p) * (rest_n - rest_p) / rest_p;
}

static void draws_follow(bool marked)
{
    enum { N = 40000 };
    static float x[V], work[V];
    static int count[V];
    static int32_t answer[N];
    xoe_sampling s = plain();
    xoe_mark_params mp = XOE_MARK_PARAMS_INIT;
    uint8_t key[XOE_MARK_KEY_BYTES] = {9};
    xoe_marker *m = NULL;
    xoe_rng r;
    xoe_rng_seed(&r, 3);
    normal(x, V, 2, 11);
    for (int i = 0; i < 6; i++)
        x[i * 700] = 9.5f - (float)i;
    memset(count, 0, sizeof count);
    if (marked) {
        assert_int_equal(xoe_mark_params_resolve(&mp, NULL), XOE_OK);
        assert_int_equal(xoe_marker_open(&m, &mp, key, 0, 0, NULL), XOE_OK);
    }
    xoe_sampler *p = sampler(&s, V, m);
    int n_marked = 0;
    for (size_t i = 0; i < N; i++) {
        memcpy(work, x, sizeof x);
        xoe_sampled got = xoe_sampler_sample(p, work, answer, i);
        assert_in_range(got.id, 0, V - 1);
        answer[i] = (int32_t)xoe_rng_below(&r, 1 << 30); /* a new context each time */
        count[got.id]++;
        n_marked += got.marked;
    }
    int cells;
    double v = chi2(count, x, V, N, &cells);
    assert_true(cells > 100);
    /* mean cells − 1, deviation √(2·cells); five of them */
    assert_true(v < cells + 5 * sqrt(2.0 * cells));
    assert_int_equal(n_marked, marked ? N - 3 : 0);
    xoe_sampler_close(p);
}

static void test_draws_follow_the_distribution(void **state)
{
    (void)state;
    draws_follow(false);
}

static void test_marked_draws_follow_the_distribution(void **state)
{
    (void)state;
    draws_follow(true);
}

static void test_greedy_and_penalties(void **state)
{
    (void)state;
    float x[8] = {0, 3, 2.9f, 1, 0, 0, 0, 0}, work[8];
    xoe_sampling s = plain();
    s.temperature = 0;
    s.presence_penalty = 0.5f;
    xoe_logit_bias bias = {3, 1.95f};
    s.logit_bias = &bias;
    s.n_logit_bias = 1;
    xoe_sampler *p = sampler(&s, 8, NULL);
    int32_t want[] = {1, 3, 2}; /* 3.0, then 2.95 and 2.9 as the penalty bites */
    for (size_t i = 0; i < 3; i++) {
        memcpy(work, x, sizeof x);
        assert_int_equal(xoe_sampler_sample(p, work, want, i).id, want[i]);
    }
    xoe_sampler_close(p);
    s = plain();
    s.temperature = 0;
    s.repeat_penalty = 1.2f;
    p = sampler(&s, 8, NULL);
    xoe_sampler_seed_history(p, (int32_t[]){1, 1}, 2);
    memcpy(work, x, sizeof x);
    assert_int_equal(xoe_sampler_sample(p, work, NULL, 0).id, 2);
    assert_true(fabsf(work[1] - 2.5f) < 1e-6f); /* once, although it occurs twice */
    xoe_sampler_close(p);
    s = plain();
    s.temperature = 0;
    s.frequency_penalty = 0.06f;
    p = sampler(&s, 8, NULL);
    int32_t got[4];
    for (size_t i = 0; i < 4; i++) {
        memcpy(work, x, sizeof x);
        got[i] = xoe_sampler_sample(p, work, got, i).id;
    }
    assert_memory_equal(got, ((int32_t[]){1, 1, 2, 1}), sizeof got);
    xoe_sampler_close(p);
}

/* What would go on copying is lowered, once; what stands in another place of the answer is not. */
static void test_avoids_copying(void **state)
{
    (void)state;
    float x[8] = {0, 3, 2.9f, 2.8f, 0, 0, 0, 0}, work[8];
    const int32_t source[] = {5, 6, 1, 4, 5, 6, 1, 5, 6, 2, 5, 6, XOE_AVOID_GAP, 4, 6};
    xoe_sampling s = plain();
    s.temperature = 0;
    s.avoid = source;
    s.n_avoid = sizeof source / sizeof *source;
    s.avoid_width = 3;
    s.avoid_strength = 0.25f;
    xoe_sampler *p = sampler(&s, 8, NULL);
    memcpy(work, x, sizeof x);
    assert_int_equal(xoe_sampler_sample(p, work, (int32_t[]){7, 5, 6}, 3).id, 3); /* 2.75, 2.65 and 2.8 */
    assert_true(fabsf(work[1] - 2.75f) < 1e-6f && fabsf(work[2] - 2.65f) < 1e-6f);
    assert_memory_equal(work + 3, x + 3, 5 * sizeof *x);
    memcpy(work, x, sizeof x);
    assert_int_equal(xoe_sampler_sample(p, work, (int32_t[]){5, 6, 7}, 3).id, 1);
    assert_int_equal(xoe_sampler_sample(p, work, (int32_t[]){6}, 1).id, 1); /* too short to have copied */
    assert_memory_equal(work, x, sizeof x);
    xoe_sampler_close(p);
    s.avoid_strength = 0;
    p = sampler(&s, 8, NULL);
    assert_int_equal(xoe_sampler_sample(p, work, (int32_t[]){5, 6}, 2).id, 1);
    assert_memory_equal(work, x, sizeof x);
    xoe_sampler_close(p);
}

static void test_suppressed_and_hopeless(void **state)
{
    (void)state;
    float x[4] = {5, 4, NAN, -INFINITY};
    int32_t suppress[] = {0};
    xoe_sampling s = plain();
    xoe_sampler *p;
    assert_int_equal(xoe_sampler_open(&p, &s, 4, suppress, 1, NULL, NULL, NULL), XOE_OK);
    assert_int_equal(xoe_sampler_sample(p, x, NULL, 0).id, 1);
    float none[4] = {1, -INFINITY, NAN, -INFINITY};
    assert_int_equal(xoe_sampler_sample(p, none, NULL, 0).id, -1);
    xoe_sampler_close(p);
}

static void test_seed_reproduces(void **state)
{
    (void)state;
    static float x[V], work[V];
    int32_t a[50], b[50];
    normal(x, V, 2, 4);
    xoe_sampling s = plain();
    for (int round = 0; round < 3; round++) {
        s.seed = round < 2 ? 5 : 6;
        xoe_sampler *p = sampler(&s, V, NULL);
        for (size_t i = 0; i < 50; i++) {
            memcpy(work, x, sizeof x);
            (round ? b : a)[i] = xoe_sampler_sample(p, work, NULL, 0).id;
        }
        xoe_sampler_close(p);
        if (round == 1) assert_memory_equal(a, b, sizeof a);
        if (round == 2) assert_memory_not_equal(a, b, sizeof a);
    }
}

static void test_sums_are_exact(void **state)
{
    (void)state;
    float *x = malloc(BIG * sizeof *x), lp;
    for (int c = 0; c < 4; c++) {
        normal(x, BIG, c == 3 ? 60 : 3, (uint64_t)c + 20);
        float top = xoe_logits_max(x, BIG), inv_t = c == 1 ? 0.5f : 1;
        double sum = 0, one = 0, dot = 0;
        for (int i = 0; i < BIG; i++) {
            assert_true(x[i] <= top);
            double d = (double)x[i] - (double)top, w = exp(d);
            sum += exp(d * (double)inv_t);
            one += w;
            dot += w * d;
        }
        assert_true(fabs(xoe_logits_mass(x, BIG, top, inv_t) / sum - 1) < 2e-6);
        double h = (double)xoe_entropy(x, BIG, 77, &lp);
        assert_true(fabs(h - (log(one) - dot / one)) < 1e-4 * (1 + h));
        assert_true(fabs((double)lp - ((double)x[77] - (double)top - log(one))) < 1e-4);
        xoe_token_prob best[5];
        assert_true(fabs((double)(xoe_logprobs(x, BIG, 77, best, 5) - lp)) < 1e-4);
        assert_true(x[best[0].id] == top);
        for (int k = 1; k < 5; k++)
            assert_true(best[k - 1].logprob >= best[k].logprob);
        int above = 0;
        for (int i = 0; i < BIG; i++)
            above += x[i] > x[best[4].id];
        assert_int_equal(above, 4);
    }
    free(x);
}

static void test_no_memory_is_an_error(void **state)
{
    (void)state;
    xoe_sampling s = plain();
    long live = xoe_mem_live();
    for (long at = 1; at <= 5; at++) {
        xoe_sampler *p;
        xoe_mem_fail_at(at);
        assert_int_equal(xoe_sampler_open(&p, &s, 10, NULL, 0, NULL, NULL, NULL), XOE_ENOMEM);
        assert_null(p);
        assert_int_equal(xoe_mem_live(), live);
    }
    xoe_mem_fail_at(0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_truncation_keeps_what_it_should),
        cmocka_unit_test(test_draws_follow_the_distribution),
        cmocka_unit_test(test_marked_draws_follow_the_distribution),
        cmocka_unit_test(test_greedy_and_penalties),
        cmocka_unit_test(test_avoids_copying), cmocka_unit_test(test_suppressed_and_hopeless),
        cmocka_unit_test(test_seed_reproduces),
        cmocka_unit_test(test_sums_are_exact),
        cmocka_unit_test(test_no_memory_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
