/* Evidence with the model at hand: mean 1 by chance, strong on marked text, never above its level. */
#include "marktest.h"
#include "base/mem.h"
#include "mark/evidence.h"
#include "mark/scheme.h"

/* ∫_0^1 f du through u = 1 − (1 − v)^4 … at both ends the integrand is smooth in v. */
static double mean_ratio(double p)
{
    enum { STEPS = 200000 };
    double total = 0;
    for (int i = 0; i < STEPS; i++) {
        double v = (i + 0.5) / STEPS, w = 1 - v;
        double u = 1 - w * w * w * w, jacobian = 4 * w * w * w;
        if (u > 0 && u < 1) total += xoe_gumbel_ratio(u, p) * jacobian;
    }
    return total / STEPS;
}

static void test_mean_is_one(void **s)
{
    (void)s;
    static const double ps[] = {1e-30, 1e-8, 1e-3, 0.03, 0.2, 0.5, 0.9, 0.999, 0.999999999, 1, 0};
    for (size_t i = 0; i < sizeof ps / sizeof ps[0]; i++)
        mt_close(mean_ratio(ps[i]), 1, 1e-4, "mean ratio");
}

static void test_shape(void **s)
{
    (void)s;
    double before = 0;
    for (int i = 1; i < 1000; i++) {
        double l = xoe_gumbel_ratio(i / 1000.0, 0.05);
        assert_true(l > before);
        before = l;
    }
    assert_true(xoe_gumbel_ratio(0x1p-53, 1e-9) > 0);
    assert_true(isfinite(xoe_gumbel_ratio(1 - 0x1p-53, 1e-300)));
    mt_close(xoe_gumbel_ratio(1 - 0x1p-53, 1e-9), 99 / log(100), 1e-9, "the limit at u = 1");
    assert_true(xoe_gumbel_ratio(0.99, 1) == 1 && xoe_gumbel_ratio(0.99, 0) == 1); /* certain, unknown */
    assert_true(xoe_evidence_weight(1) == 0 && xoe_evidence_weight(0) == 0);
    assert_true(xoe_evidence_weight(0.01) > xoe_evidence_weight(0.5) && xoe_evidence_weight(1e-9) < 1);
}

static void test_every_ratio_has_mean_one(void **s)
{
    (void)s;
    enum { N = 200000 };
    xoe_rng r;
    xoe_rng_seed(&r, 8);
    for (int scheme = 1; scheme <= 7; scheme++) {
        const xoe_scheme_ops *ops = xoe_scheme_find((xoe_scheme)scheme);
        xoe_mark_params p = {.scheme = (xoe_scheme)scheme, .alpha = 0.3};
        double total = 0, squares = 0;
        if (!ops->ratio) continue;
        assert_int_equal(xoe_mark_params_resolve(&p, NULL), XOE_OK);
        for (int i = 0; i < N; i++) {
            uint64_t words[XOE_WORDS_MAX] = {xoe_rng_u64(&r), xoe_rng_u64(&r)};
            double l = ops->ratio(&p, words, 0.1);
            total += l;
            squares += l * l;
        }
        double mean = total / N, error = sqrt((squares / N - mean * mean) / N);
        if (fabs(mean - 1) > 4.5 * error) fail_msg("scheme %d: mean ratio %g ± %g", scheme, mean, error);
    }
}

static void test_shares(void **s)
{
    (void)s;
    xoe_evidence e = {{0}};
    assert_true(xoe_evidence_ln_p(&e) == 0);
    for (int i = 0; i < 100; i++)
        xoe_evidence_add(&e, 4);
    double want = log(3) - 100 * log(0.1 + 0.9 * 4); /* the smallest share alone decides here */
    assert_true(fabs(xoe_evidence_ln_p(&e) - want) < 1e-6);
    for (int i = 0; i < 1000; i++)
        xoe_evidence_add(&e, 0.01); /* against: p is 1, not more */
    assert_true(xoe_evidence_ln_p(&e) == 0);
}

enum { N_TOKENS = 200, N_CANDS = 200 };

/* log10 p of a marked text, without and with the model; wrong: probabilities of no relation to the text. */
static void both(xoe_scheme scheme, uint64_t seed, bool wrong, double *plain, double *with_model)
{
    xoe_mark_params p = {.scheme = scheme};
    uint8_t key[1][32];
    xoe_marker *m;
    xoe_rng r;
    xoe_cand c[N_CANDS];
    int32_t t[N_TOKENS];
    double probs[N_TOKENS];
    xoe_verdict v;
    mt_key(key[0], seed);
    xoe_rng_seed(&r, seed);
    assert_int_equal(xoe_marker_open(&m, &p, key[0], 0, 0, NULL), XOE_OK);
    for (size_t i = 0; i < N_TOKENS; i++) { /* entropy differs from token to token, as in text */
        xoe_pick pick;
        mt_cands(c, N_CANDS, i % 3 ? 6 : 1.2, i ? t[i - 1] : 17, 50000);
        xoe_marker_pick(m, c, N_CANDS, t, i, mt_uniform, &r, &pick);
        t[i] = c[pick.index].id;
        probs[i] = wrong ? xoe_rng_uniform(&r) : (double)c[pick.index].p;
    }
    xoe_marker_close(m);
    xoe_detect_opts o = {.fpr = 1e-3};
    assert_int_equal(xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, N_TOKENS, &o, &v, NULL), XOE_OK);
    *plain = v.log10_p;
    xoe_verdict_clear(&v);
    o.probs = probs;
    assert_int_equal(xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, N_TOKENS, &o, &v, NULL), XOE_OK);
    *with_model = v.log10_p;
    xoe_verdict_clear(&v);
}

static void test_power(void **s)
{
    (void)s;
    static const xoe_scheme schemes[] = {XOE_SCHEME_GUMBEL, XOE_SCHEME_DUAL, XOE_SCHEME_GREEN, XOE_SCHEME_SYNTHID};
    for (size_t k = 0; k < sizeof schemes / sizeof schemes[0]; k++) {
        double plain = 0, with_model = 0, plain_of_wrong = 0, wrong = 0, a, b;
        for (uint64_t i = 0; i < 20; i++) {
            both(schemes[k], 50 + i, false, &a, &b);
            plain += a / 20;
            with_model += b / 20;
            both(schemes[k], 50 + i, true, &a, &b);
            plain_of_wrong += a / 20;
            wrong += b / 20;
        }
        double factor = schemes[k] == XOE_SCHEME_GUMBEL ? 1.6 : 1.05;
        if (!(with_model < factor * plain)) fail_msg("scheme %d: %.2f with the model, %.2f without", (int)schemes[k], with_model, plain);
        if (!(wrong < 0.3 * plain_of_wrong)) fail_msg("scheme %d: a wrong model hides the mark: %.2f of %.2f", (int)schemes[k], wrong, plain_of_wrong);
    }
}

/* 70 marked tokens of little entropy inside 1,500: with the model they are found, and where they are. */
static void test_spans(void **s)
{
    (void)s;
    enum { ALL = 1500, FIRST = 600, MARKED = 70, TEXTS = 20 };
    static int32_t t[ALL];
    static double probs[ALL];
    double iou = 0;
    int found = 0, without = 0;
    for (uint64_t seed = 0; seed < TEXTS; seed++) {
        xoe_mark_params p = {.scheme = XOE_SCHEME_GUMBEL};
        uint8_t key[1][32];
        xoe_marker *m;
        xoe_rng r;
        xoe_verdict v;
        mt_key(key[0], 300 + seed);
        xoe_rng_seed(&r, seed);
        assert_int_equal(xoe_marker_open(&m, &p, key[0], 1, 0, NULL), XOE_OK);
        for (size_t i = 0; i < ALL; i++) {
            xoe_cand c[N_CANDS];
            xoe_pick pick;
            mt_cands(c, N_CANDS, i % 6 ? 4 : 1.2, i ? t[i - 1] : 17, 50000);
            if (i >= FIRST && i < FIRST + MARKED)
                xoe_marker_pick(m, c, N_CANDS, t + FIRST, i - FIRST, mt_uniform, &r, &pick);
            else
                pick.index = xoe_rng_below(&r, N_CANDS);
            t[i] = c[pick.index].id;
            probs[i] = (double)c[pick.index].p;
        }
        xoe_marker_close(m);
        xoe_detect_opts o = {.spans = true};
        assert_int_equal(xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, ALL, &o, &v, NULL), XOE_OK);
        without += v.detected;
        xoe_verdict_clear(&v);
        o.probs = probs;
        assert_int_equal(xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, ALL, &o, &v, NULL), XOE_OK);
        found += v.detected;
        for (size_t i = 0; i < v.n_spans; i++) {
            size_t a = v.spans[i].first > FIRST ? v.spans[i].first : FIRST, b = v.spans[i].end < FIRST + MARKED ? v.spans[i].end : FIRST + MARKED;
            assert_true(v.spans[i].log10_p <= -3 && v.spans[i].log10_p >= v.log10_p - 1e-9);
            if (b > a) iou += (double)(b - a) / (double)(MARKED + v.spans[i].end - v.spans[i].first - (b - a)) / TEXTS;
        }
        xoe_verdict_clear(&v);
    }
    if (!(found >= 17 && without < found - 3)) fail_msg("%d of %d found, %d without the model", found, TEXTS, without);
    if (iou < 0.7) fail_msg("mean intersection over union %g", iou);
}

static void test_no_memory(void **s)
{
    (void)s;
    enum { N = 300 };
    const xoe_mark_params p = {0};
    const uint8_t key[1][32] = {{1}};
    int32_t t[N];
    double probs[N];
    xoe_detect_opts o = {.spans = true, .probs = probs, .fpr = 0.9}; /* so that parts are looked for */
    for (int i = 0; i < N; i++) {
        t[i] = i * i;
        probs[i] = 0.1;
    }
    assert_true(mt_out_of_memory(&p, key, 1, t, N, &o) > 8);
}

static void test_refused(void **s)
{
    (void)s;
    const xoe_mark_params p = {0};
    const uint8_t key[1][32] = {{1}};
    const int32_t t[3] = {1, 2, 3};
    xoe_verdict v;
    static const double ok[3] = {0.5, 0, 1}, bad[][3] = {{0.5, -0.1, 1}, {0.5, 1.01, 1}, {0.5, NAN, 1}};
    xoe_detect_opts o = {.probs = ok, .weights = ok};
    assert_int_equal(xoe_detect_tokens(&p, key, 1, t, 3, &o, &v, NULL), XOE_EINVAL);
    o.weights = NULL;
    assert_int_equal(xoe_detect_tokens(&p, key, 1, t, 3, &o, &v, NULL), XOE_OK);
    xoe_verdict_clear(&v);
    for (int i = 0; i < 3; i++) {
        o.probs = bad[i];
        assert_int_equal(xoe_detect_tokens(&p, key, 1, t, 3, &o, &v, NULL), XOE_EINVAL);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_mean_is_one), cmocka_unit_test(test_shape), cmocka_unit_test(test_every_ratio_has_mean_one),
        cmocka_unit_test(test_shares),      cmocka_unit_test(test_power), cmocka_unit_test(test_spans),
        cmocka_unit_test(test_no_memory),   cmocka_unit_test(test_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
