/* src/mark/stats.c against 400-digit references. */
#include "marktest.h"
#include "mark/stats.h"

static json_t *v;

static void test_gamma(void **s)
{
    (void)s;
    json_t *c;
    size_t i;
    json_array_foreach(json_object_get(v, "gamma_tail"), i, c) mt_close(
        xoe_ln_gamma_tail((size_t)mt_num(c, "n"), mt_num(c, "s")), mt_num(c, "ln"), 1e-11, "gamma");
    assert_true(i > 100);
    assert_true(xoe_ln_gamma_tail(5, 0) == 0);
    assert_true(xoe_ln_gamma_tail(5, NAN) == 0);
    assert_true(xoe_ln_gamma_tail(0, 1) == -INFINITY);
    assert_true(xoe_ln_gamma_tail(5, INFINITY) == -INFINITY);
    assert_true(xoe_ln_gamma_tail(200, 1e5) < -9e4); /* far below 1e-300 */
}

static void test_binom(void **s)
{
    (void)s;
    json_t *c;
    size_t i;
    json_array_foreach(json_object_get(v, "binom_tail"), i, c)
        mt_close(xoe_ln_binom_tail((size_t)mt_num(c, "n"), (size_t)mt_num(c, "k"), mt_num(c, "p")),
                 mt_num(c, "ln"), 1e-11, "binomial");
    assert_true(xoe_ln_binom_tail(10, 0, 0.5) == 0);
    assert_true(xoe_ln_binom_tail(10, 11, 0.5) == -INFINITY);
}

static void test_sidak(void **s)
{
    (void)s;
    json_t *c;
    size_t i;
    json_array_foreach(json_object_get(v, "sidak"), i, c)
        mt_close(xoe_ln_sidak(mt_num(c, "ln_p"), mt_num(c, "m")), mt_num(c, "ln"), 1e-11, "sidak");
    assert_true(xoe_ln_sidak(0, 5) == 0);
}

static void test_harmonic(void **s)
{
    (void)s;
    json_t *c;
    size_t i;
    json_array_foreach(json_object_get(v, "harmonic"), i, c)
        mt_close(xoe_harmonic(mt_num(c, "x")), mt_num(c, "h"), 1e-13, "harmonic");
}

/* A bound: never under the truth, and within a factor of 3.5 where the tail is far. */
static void test_hypoexp(void **s)
{
    (void)s;
    json_t *c, *w;
    size_t i, j;
    double weights[64];
    json_array_foreach(json_object_get(v, "hypoexp"), i, c)
    {
        json_t *a = json_object_get(c, "w");
        json_array_foreach(a, j, w) weights[j] = json_number_value(w);
        double got = xoe_ln_hypoexp_tail(weights, j, mt_num(c, "s")), want = mt_num(c, "ln");
        assert_true(got >= want && got <= 0);
        if (want < -5) assert_true(got - want < log(3.5));
    }
    for (int n = 1; n <= 400; n *= 3) /* equal weights: the exact gamma tail is known */
        for (double f = 1.01; f < 6; f *= 1.2) {
            double exact = xoe_ln_gamma_tail(2 * (size_t)n, f * 2 * n);
            double two = xoe_ln_hypoexp2_tail(0.5, 0.5, (size_t)n, f * n);
            for (j = 0; j < 2 * (size_t)n && j < 64; j++)
                weights[j] = 1;
            assert_true(two >= exact);
            if (exact < -5) assert_true(two - exact < log(3.5));
        }
}

static void test_bernoulli(void **s)
{
    (void)s;
    double w[200];
    for (int i = 0; i < 200; i++)
        w[i] = 1;
    for (size_t k = 51; k <= 200; k++) {
        double exact = xoe_ln_binom_tail(200, k, 0.25);
        double bound = xoe_ln_bernoulli_tail(w, 200, 1, 0.25, (double)k);
        assert_true(bound >= exact - 1e-9);
        if (k < 200) assert_true(bound - exact < 4);
    }
    assert_true(xoe_ln_bernoulli_tail(w, 200, 1, 0.25, 201) == -INFINITY);
    assert_true(xoe_ln_bernoulli_tail(w, 200, 1, 0.25, 50) == 0);
}

static int load(void **s)
{
    (void)s;
    v = mt_vectors("stats.json");
    return 0;
}
static int unload(void **s)
{
    (void)s;
    json_decref(v);
    return 0;
}

/* Clopper and Pearson: the ends are where the tails are half of what is left. */
static void test_interval(void **state)
{
    (void)state;
    static const size_t cases[][2] = {{100, 3}, {1000, 12}, {1000000, 7}, {10, 10}, {5, 0}};
    double low, high;
    xoe_binom_interval(100, 3, 0.95, &low, &high);
    mt_close(low, 0.006229972, 1e-6, "low of 3 in 100");
    mt_close(high, 0.08517605, 1e-6, "high of 3 in 100");
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        size_t n = cases[i][0], k = cases[i][1];
        xoe_binom_interval(n, k, 0.95, &low, &high);
        assert_true(low <= (double)k / (double)n && high >= (double)k / (double)n);
        if (k) mt_close(exp(xoe_ln_binom_tail(n, k, low)), 0.025, 1e-6, "tail at the low end");
        else assert_true(low == 0);
        if (k < n) mt_close(1 - exp(xoe_ln_binom_tail(n, k + 1, high)), 0.025, 1e-6, "tail at the high end");
        else assert_true(high == 1);
    }
    xoe_binom_interval(0, 0, 0.95, &low, &high);
    assert_true(low == 0 && high == 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_interval), cmocka_unit_test(test_gamma),   cmocka_unit_test(test_binom),
        cmocka_unit_test(test_sidak),   cmocka_unit_test(test_harmonic),
        cmocka_unit_test(test_hypoexp), cmocka_unit_test(test_bernoulli),
    };
    return cmocka_run_group_tests(tests, load, unload);
}
