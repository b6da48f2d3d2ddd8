/* Goodness of fit: valid at every n, finds marks, and is what `test` asks for. */
#include "marktest.h"
#include "mark/gof.h"
#include "mark/stats.h"

/* Above no level beyond binomial error, at several n; exhaustive laws would be too long. */
static void test_valid(void **s)
{
    (void)s;
    static const size_t lengths[] = {1, 5, 20, 200};
    static const double levels[] = {0.1, 1e-2, 1e-3};
    enum { RUNS = 20000 };
    double scores[200];
    xoe_rng r;
    xoe_rng_seed(&r, 3);
    for (size_t l = 0; l < 4; l++) {
        size_t alarms[3] = {0};
        for (int i = 0; i < RUNS; i++) {
            for (size_t k = 0; k < lengths[l]; k++)
                scores[k] = -log(1 - xoe_rng_uniform(&r));
            double ln_p = xoe_gof_ln_p(scores, lengths[l]);
            assert_true(ln_p <= 0);
            for (int a = 0; a < 3; a++)
                alarms[a] += ln_p <= log(levels[a]);
        }
        for (int a = 0; a < 3; a++)
            if (exp(xoe_ln_binom_tail(RUNS, alarms[a], levels[a])) < 1e-5) fail_msg("n %zu: %zu alarms at %g", lengths[l], alarms[a], levels[a]);
    }
    assert_true(xoe_gof_ln_p(scores, 0) == 0);
}

static void test_by_hand(void **s)
{
    (void)s;
    double scores[10] = {0}; /* all at the bottom: no evidence */
    assert_true(xoe_gof_ln_p(scores, 10) == 0);
    for (int i = 0; i < 10; i++)
        scores[i] = 100;
    mt_close(xoe_gof_ln_p(scores, 10), 10 * log(0.02) + log(5), 1e-12, "all in the last tail");
}

static double log10_p(xoe_scheme scheme, xoe_mark_test test, const double *probs)
{
    xoe_mark_params p = {.scheme = scheme};
    uint8_t key[1][32];
    xoe_marker *m;
    xoe_rng r;
    int32_t t[200];
    xoe_verdict v;
    xoe_detect_opts o = {.test = test, .probs = probs};
    mt_key(key[0], 9);
    xoe_rng_seed(&r, 9);
    assert_int_equal(xoe_marker_open(&m, &p, key[0], 0, 0, NULL), XOE_OK);
    mt_write(m, t, 200, 50, 1.2, &r);
    xoe_marker_close(m);
    assert_int_equal(xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, 200, &o, &v, NULL), XOE_OK);
    double out = v.log10_p;
    xoe_verdict_clear(&v);
    return out;
}

static void test_option(void **s)
{
    (void)s;
    double sum = log10_p(XOE_SCHEME_GUMBEL, XOE_TEST_SUM, NULL), gof = log10_p(XOE_SCHEME_GUMBEL, XOE_TEST_GOF, NULL),
           both = log10_p(XOE_SCHEME_GUMBEL, XOE_TEST_BOTH, NULL), probs[200] = {0};
    assert_true(gof < -5 && sum < gof);
    assert_true(fabs(both - (fmin(sum, gof) + log10(2))) < 1e-9);
    assert_true(log10_p(XOE_SCHEME_WATERMAX, XOE_TEST_GOF, NULL) != log10_p(XOE_SCHEME_WATERMAX, XOE_TEST_SUM, NULL));
    assert_true(log10_p(XOE_SCHEME_GREEN, XOE_TEST_GOF, NULL) == log10_p(XOE_SCHEME_GREEN, XOE_TEST_SUM, NULL));
    for (int i = 0; i < 200; i++)
        probs[i] = 0.1;
    assert_true(log10_p(XOE_SCHEME_GUMBEL, XOE_TEST_GOF, probs) == log10_p(XOE_SCHEME_GUMBEL, XOE_TEST_SUM, probs));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_valid),
        cmocka_unit_test(test_by_hand),
        cmocka_unit_test(test_option),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
