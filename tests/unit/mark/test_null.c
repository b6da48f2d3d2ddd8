/* No false alarms beyond the nominal level, whatever the text repeats: the quick version of
 * bench/mark_null.c. And the counter-test: the same count does notice a detector that is wrong. */
#include "marktest.h"
#include "../../../bench/mark_null.h"

static void test_level(void **s)
{
    (void)s;
    double limit = log(1e-3 / (NULL_WAYS * NULL_KINDS * NULL_LEVELS));
    for (int w = 0; w < NULL_WAYS; w++) {
        const null_way *way = &null_ways[w];
        bool slow =
            way->params.payload_bits || way->keys > 1 || way->interop == 1 + XOE_INTEROP_HF_GREEN;
        size_t n = slow ? 20 : 500, alarms[NULL_LEVELS];
        for (int kind = 0; kind < NULL_KINDS; kind++) {
            assert_int_equal(null_count(way, kind, n, 1000 + (uint64_t)w, alarms), 0);
            for (int l = 0; l < NULL_LEVELS; l++)
                if (null_ln_excess(alarms[l], n, null_levels[l]) < limit)
                    fail_msg("%s on %s: %zu of %zu at %g", way->name, null_kind_names[kind],
                             alarms[l], n, null_levels[l]);
        }
    }
}

/* p-values of exact schemes are uniform, not merely small enough: Kolmogorov-Smirnov at 1e-6. */
static void test_uniform(void **s)
{
    (void)s;
    enum { N = 3000 };
    static double p[N];
    const int ways[] = {0, 5, 14}; /* gumbel, payload, dual at ½ */
    for (int w = 0; w < 3; w++) {
        size_t n = w == 1 ? 300 : N;
        int32_t t[NULL_TOKENS];
        xoe_rng r;
        xoe_rng_seed(&r, 5);
        null_text(1, t, NULL_TOKENS);
        for (size_t k = 0; k < n; k++) {
            xoe_verdict v;
            uint8_t key[1][32];
            for (int j = 0; j < 32; j++)
                key[0][j] = (uint8_t)xoe_rng_u64(&r);
            assert_int_equal(xoe_detect_tokens(&null_ways[ways[w]].params,
                                               (const uint8_t(*)[32])key, 1, t, NULL_TOKENS, NULL,
                                               &v, NULL),
                             XOE_OK);
            p[k] = v.p_value;
            xoe_verdict_clear(&v);
        }
        double worst = 0;
        for (size_t k = 0; k < n; k++) {
            size_t below = 0;
            for (size_t j = 0; j < n; j++)
                below += p[j] <= p[k];
            worst = fmax(worst, fabs((double)below / (double)n - p[k]));
        }
        if (worst > 2.7 / sqrt((double)n))
            fail_msg("%s: distance from uniform %g", null_ways[ways[w]].name, worst);
    }
}

/* Scoring a repeated block without deduplication, as peers do, is noticed by the same count. */
static void test_counter(void **s)
{
    (void)s;
    enum { N = 300 };
    xoe_rng r;
    size_t alarms = 0;
    xoe_rng_seed(&r, 3);
    for (int k = 0; k < N; k++) {
        double sum = 0;
        for (int i = 0; i < 80; i++)
            sum += -5 * log(1 - xoe_rng_uniform(&r));
        alarms += xoe_ln_gamma_tail(400, sum) <= log(1e-2);
    }
    assert_true(null_ln_excess(alarms, N, 1e-2) < log(1e-6));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_level),
        cmocka_unit_test(test_uniform),
        cmocka_unit_test(test_counter),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
