/* Every scheme writes what the detector finds, scores what it promised, and, where it claims to
 * leave the text's distribution alone on average, does. */
#include "marktest.h"
#include "base/mem.h"
#include "mark/scheme.h"
#include "mark/stats.h"

static const xoe_scheme all[] = {XOE_SCHEME_GUMBEL,  XOE_SCHEME_GREEN,     XOE_SCHEME_SYNTHID,
                                 XOE_SCHEME_DIPMARK, XOE_SCHEME_MORPHMARK, XOE_SCHEME_WATERMAX,
                                 XOE_SCHEME_DUAL};
enum { N_ALL = sizeof all / sizeof all[0], N = 400 };

static xoe_mark_params params_of(xoe_scheme s)
{
    xoe_mark_params p = {.scheme = s};
    assert_int_equal(xoe_mark_params_resolve(&p, NULL), XOE_OK);
    return p;
}

static xoe_marker *open_marker(const xoe_mark_params *p, uint64_t key_n, uint32_t shift,
                               uint64_t payload)
{
    uint8_t key[32];
    xoe_marker *m;
    mt_key(key, key_n);
    assert_int_equal(xoe_marker_open(&m, p, key, shift, payload, NULL), XOE_OK);
    return m;
}

static void detect(const xoe_mark_params *p, uint64_t key_n, const int32_t *t, size_t n,
                   const xoe_detect_opts *o, xoe_verdict *v)
{
    uint8_t key[1][32];
    mt_key(key[0], key_n);
    assert_int_equal(xoe_detect_tokens(p, (const uint8_t(*)[32])key, 1, t, n, o, v, NULL), XOE_OK);
}

/* The best of 4 drafts of 8 tokens at a time. */
static void write_watermax(xoe_marker *m, int32_t *t, size_t n, xoe_rng *rng)
{
    int32_t draft[N], kept[N];
    for (size_t at = 0; at < n; at += 8) {
        double best = -INFINITY;
        for (int k = 0; k < 4; k++) {
            double gain;
            for (size_t i = 0; i < at; i++)
                draft[i] = t[i];
            for (size_t i = at; i < at + 8; i++) {
                xoe_cand c[50];
                xoe_pick pick;
                mt_cands(c, 50, 1.0, i ? draft[i - 1] : 17, 50000);
                xoe_marker_pick(m, c, 50, draft, i, mt_uniform, rng, &pick);
                draft[i] = c[pick.index].id;
            }
            assert_int_equal(xoe_marker_draft_gain(m, draft, at, 8, &gain, NULL, NULL), XOE_OK);
            if (gain > best) {
                best = gain;
                memcpy(kept, draft, sizeof kept);
            }
        }
        memcpy(t, kept, (at + 8) * sizeof *t);
    }
}

static void test_found(void **s)
{
    (void)s;
    for (int i = 0; i < N_ALL; i++) {
        int32_t t[N];
        xoe_verdict v;
        xoe_rng rng;
        xoe_mark_params p = params_of(all[i]);
        xoe_marker *m = open_marker(&p, 1, 0, 0);
        xoe_rng_seed(&rng, 1);
        if (all[i] == XOE_SCHEME_WATERMAX)
            write_watermax(m, t, N, &rng);
        else
            mt_write(m, t, N, 50, 1.0, &rng);
        xoe_marker_close(m);
        detect(&p, 1, t, N, NULL, &v);
        if (!v.detected || !v.can_carry)
            fail_msg("%s: log10 p %g", xoe_scheme_name(all[i]), v.log10_p);
        double chance = xoe_scheme_find(all[i])->chance(&p) / xoe_scheme_find(all[i])->unit(&p);
        assert_true(v.score > chance);
        assert_int_equal(isnan(v.green_fraction), !xoe_scheme_find(all[i])->has_green);
        xoe_verdict_clear(&v);
        detect(&p, 2, t, N, NULL, &v);
        assert_false(v.detected);
        xoe_verdict_clear(&v);
    }
}

/* The gain that picks promise is the gain that the detector sees. */
static void test_expected(void **s)
{
    (void)s;
    for (int i = 0; i < N_ALL; i++) {
        xoe_mark_params p = params_of(all[i]);
        const xoe_scheme_ops *ops = xoe_scheme_find(all[i]);
        double expected = 0, seen = 0, squares = 0;
        size_t n = 0;
        for (uint64_t key = 0; key < 60; key++) {
            int32_t t[N];
            xoe_verdict v;
            xoe_rng rng;
            xoe_marker *m = open_marker(&p, key, 0, 0);
            xoe_rng_seed(&rng, key);
            expected += mt_write(m, t, N, 50, 1.2, &rng);
            xoe_marker_close(m);
            p.n_shifts = 1;
            detect(&p, key, t, N, NULL, &v);
            for (int k = 0; k < N; k++)
                if (!isnan(v.token_scores[k])) {
                    double gain = (double)v.token_scores[k] - ops->chance(&p);
                    seen += gain;
                    squares += gain * gain;
                    n++;
                }
            xoe_verdict_clear(&v);
        }
        double sd = sqrt(squares);
        if (fabs(seen - expected) > 4 * sd)
            fail_msg("%s: %g expected, %g seen, sd %g, n %zu",
                     ops->n_words == 2 ? "dual" : xoe_scheme_name(all[i]), expected, seen, sd, n);
        if (all[i] == XOE_SCHEME_GUMBEL) assert_true(fabs(seen / expected - 1) < 0.03);
    }
}

/* Over keys, each candidate is drawn at its own rate: chi-square at 1e-6. */
static void test_unbiased(void **s)
{
    (void)s;
    const xoe_scheme fair[] = {XOE_SCHEME_GUMBEL, XOE_SCHEME_SYNTHID, XOE_SCHEME_DIPMARK,
                               XOE_SCHEME_DUAL};
    const float prob[6] = {0.4f, 0.3f, 0.15f, 0.1f, 0.045f, 0.005f};
    enum { TRIALS = 40000 };
    for (int i = 0; i < 4; i++) {
        xoe_mark_params p = params_of(fair[i]);
        double count[6] = {0}, chi2 = 0;
        xoe_rng rng;
        xoe_rng_seed(&rng, 3);
        for (uint64_t key = 0; key < TRIALS / 100; key++) {
            xoe_marker *m = open_marker(&p, key, 0, 0);
            int32_t t[103] = {1, 2, 3};
            for (size_t k = 3; k < 103; k++) {
                xoe_cand c[6];
                xoe_pick pick;
                for (int j = 0; j < 6; j++)
                    c[j] = (xoe_cand){j * 11, prob[j]};
                t[k - 1] = (int32_t)(1000 + k); /* another context each time */
                xoe_marker_pick(m, c, 6, t, k, mt_uniform, &rng, &pick);
                assert_true(pick.marked);
                count[pick.index]++;
            }
            xoe_marker_close(m);
        }
        for (int j = 0; j < 6; j++)
            chi2 += pow(count[j] - TRIALS * (double)prob[j], 2) / (TRIALS * (double)prob[j]);
        if (chi2 > 35.9)
            fail_msg("%s: chi-square %g over 5 degrees", xoe_scheme_name(fair[i]), chi2);
    }
}

static void test_dual_alpha(void **s)
{
    (void)s;
    int32_t t[N], again[N];
    xoe_rng rng;
    xoe_verdict v;
    xoe_mark_params p = params_of(XOE_SCHEME_DUAL);
    p.alpha = 0.7;
    xoe_rng_seed(&rng, 4);
    xoe_marker *m = open_marker(&p, 1, 0, 0);
    mt_write(m, t, N, 50, 1.0, &rng);
    xoe_marker_close(m);
    m = open_marker(&p, 1, 0, 0);
    mt_write(m, again, N, 50, 1.0, &rng);
    xoe_marker_close(m);
    assert_true(memcmp(t, again, sizeof t) != 0); /* the same key, another text */
    detect(&p, 1, t, N, NULL, &v);
    assert_true(v.detected);
    xoe_verdict_clear(&v);
}

static void test_payload(void **s)
{
    (void)s;
    const int bits[] = {1, 8, 16, 20, 32};
    int wrong = 0, n = 0;
    double promised = 0;
    for (int b = 0; b < 5; b++)
        for (uint64_t key = 0; key < 8; key++) {
            int32_t t[300];
            xoe_rng rng;
            xoe_verdict v;
            xoe_mark_params p = params_of(XOE_SCHEME_GUMBEL);
            p.payload_bits = bits[b];
            p.n_shifts = 2;
            xoe_rng_seed(&rng, key);
            uint64_t payload = xoe_rng_u64(&rng) >> (64 - bits[b]);
            xoe_marker *m = open_marker(&p, key, 1, payload);
            mt_write(m, t, 300, 50, 1.0, &rng);
            xoe_marker_close(m);
            detect(&p, key, t, 300, NULL, &v);
            assert_true(v.detected);
            assert_int_equal(v.shift, 1);
            wrong += v.payload != payload;
            promised += pow(10, v.payload_log10_error);
            n++;
            assert_true(v.payload_log10_error <= 0);
            xoe_verdict_clear(&v);
            detect(&p, key + 100, t, 300, NULL, &v);
            assert_false(v.detected && v.log10_p < -5);
            xoe_verdict_clear(&v);
        }
    assert_true(wrong <= 1 + 3 * promised);
    for (int i = 0; i < N_ALL; i++) { /* and under every scheme */
        int32_t t[N];
        xoe_rng rng;
        xoe_verdict v;
        xoe_mark_params p = params_of(all[i]);
        xoe_detect_opts o = {.spans = true};
        if (all[i] == XOE_SCHEME_WATERMAX || all[i] == XOE_SCHEME_MORPHMARK)
            continue; /* too faint here */
        p.payload_bits = 8;
        xoe_rng_seed(&rng, 5);
        xoe_marker *m = open_marker(&p, 9, 0, 0xA5);
        mt_write(m, t, N, 50, 0.7, &rng);
        xoe_marker_close(m);
        detect(&p, 9, t, N, &o, &v);
        if (v.payload != 0xA5)
            fail_msg("%s read %llx", xoe_scheme_name(all[i]), (unsigned long long)v.payload);
        xoe_verdict_clear(&v);
    }
}

/* 150 marked tokens inside 2,000: found, and where they are. */
static void test_spans(void **s)
{
    (void)s;
    static int32_t t[2000];
    double iou = 0;
    int found = 0;
    for (uint64_t key = 0; key < 20; key++) {
        xoe_rng rng;
        xoe_verdict v;
        xoe_detect_opts o = {.spans = true};
        xoe_mark_params p = params_of(XOE_SCHEME_GUMBEL);
        xoe_rng_seed(&rng, 50 + key);
        size_t at = 100 + xoe_rng_below(&rng, 1700), inside = 0;
        mt_write(NULL, t, 2000, 50, 1.0, &rng);
        xoe_marker *m = open_marker(&p, key, 3, 0);
        mt_write(m, t + at, 150, 50, 1.0, &rng);
        xoe_marker_close(m);
        detect(&p, key, t, 2000, &o, &v);
        found += v.detected;
        for (size_t i = 0; i < v.n_spans; i++) {
            size_t a = v.spans[i].first > at ? v.spans[i].first : at;
            size_t b = v.spans[i].end < at + 150 ? v.spans[i].end : at + 150;
            if (b > a) inside += b - a;
            assert_true(v.spans[i].log10_p <= -3);
            assert_true(v.spans[i].end <= 2000 && v.spans[i].first < v.spans[i].end);
            if (i) assert_true(v.spans[i].first >= v.spans[i - 1].end);
        }
        size_t covered = 0;
        for (size_t i = 0; i < v.n_spans; i++)
            covered += v.spans[i].end - v.spans[i].first;
        iou += (double)inside / (double)(150 + covered - inside);
        xoe_verdict_clear(&v);
    }
    assert_true(found >= 18);
    if (iou / 20 < 0.7) fail_msg("mean intersection over union %g", iou / 20);
}

/* Weights that know where entropy is make the p-value smaller; they never make it wrong. */
static void test_weights(void **s)
{
    (void)s;
    int32_t t[N];
    double w[N], plain = 0, weighted = 0;
    for (uint64_t key = 0; key < 20; key++) {
        xoe_rng rng;
        xoe_verdict v;
        xoe_mark_params p = params_of(XOE_SCHEME_GUMBEL);
        xoe_detect_opts o = {.weights = w};
        xoe_rng_seed(&rng, key);
        xoe_marker *m = open_marker(&p, key, 0, 0);
        for (size_t i = 0; i < N; i++) { /* two of three tokens carry nothing */
            xoe_cand c[50];
            xoe_pick pick;
            mt_cands(c, 50, i % 3 ? 9.0 : 0.8, i ? t[i - 1] : 1, 50000);
            xoe_marker_pick(m, c, 50, t, i, mt_uniform, &rng, &pick);
            t[i] = c[pick.index].id;
            w[i] = i % 3 ? 0.02 : 1;
        }
        xoe_marker_close(m);
        detect(&p, key, t, N, NULL, &v);
        plain += v.log10_p;
        xoe_verdict_clear(&v);
        detect(&p, key, t, N, &o, &v);
        weighted += v.log10_p;
        xoe_verdict_clear(&v);
    }
    assert_true(weighted < plain * 1.3);
    for (int i = 0; i < N_ALL; i++) { /* unit weights: a bound never under the exact tail */
        xoe_mark_params p = params_of(all[i]);
        const xoe_scheme_ops *ops = xoe_scheme_find(all[i]);
        for (int k = 0; k < N; k++)
            w[k] = 1;
        for (double f = 1.05; f < 3; f += 0.13) {
            double sum = floor(f * N * ops->chance(&p));
            if (ops->has_green && sum > N * ops->unit(&p)) continue;
            assert_true(ops->ln_tail_weighted(&p, w, N, sum) >= ops->ln_tail(&p, N, sum) - 1e-9);
        }
    }
}

/* The prediction before is what the detector says after; and weights by the model's own
 * probabilities are worth having. */
static void test_capacity(void **s)
{
    (void)s;
    double predicted = 0, seen = 0, weighted = 0, log10_p;
    for (uint64_t key = 0; key < 40; key++) {
        int32_t t[N];
        double w[N], gain = 0;
        size_t n = 0;
        xoe_rng rng;
        xoe_verdict v;
        xoe_mark_params p = params_of(XOE_SCHEME_GUMBEL);
        xoe_detect_opts o = {.weights = w};
        xoe_marker *m = open_marker(&p, key, 1, 0);
        xoe_rng_seed(&rng, key);
        for (size_t i = 0; i < N; i++) {
            xoe_cand c[50];
            xoe_pick pick;
            mt_cands(c, 50, i % 4 ? 4.0 : 1.0, i ? t[i - 1] : 1, 50000);
            xoe_marker_pick(m, c, 50, t, i, mt_uniform, &rng, &pick);
            t[i] = c[pick.index].id;
            w[i] = xoe_mark_gain((double)c[pick.index].p);
            if (pick.marked) {
                gain += pick.expected;
                n++;
                if (pick.expected > 0) mt_close(w[i], pick.expected, 1e-3, "gain");
            }
        }
        xoe_marker_close(m);
        assert_int_equal(xoe_mark_predict(&p, n, gain, 1, &log10_p, NULL), XOE_OK);
        predicted += log10_p;
        detect(&p, key, t, N, NULL, &v);
        assert_int_equal(v.n_scored, n);
        seen += v.log10_p;
        xoe_verdict_clear(&v);
        detect(&p, key, t, N, &o, &v);
        weighted += v.log10_p;
        xoe_verdict_clear(&v);
    }
    assert_true(fabs(seen / predicted - 1) < 0.15);
    if (weighted > 1.2 * seen)
        fail_msg("weighted %g, plain %g, predicted %g", weighted, seen, predicted);
    assert_true(xoe_mark_gain(1) == 0 && xoe_mark_gain(0) == 0);
    mt_close(xoe_mark_gain(0.5), 0.5, 1e-13, "H(2) - 1");
    print_message("%g weighted, %g plain, %g predicted\n", weighted / 40, seen / 40,
                  predicted / 40);
    xoe_mark_params p = params_of(XOE_SCHEME_GREEN);
    assert_int_equal(xoe_mark_predict(&p, 200, 1e9, 1, &log10_p, NULL), XOE_OK);
    mt_close(log10_p, 200 * log10(0.25), 1e-9, "all green");
    assert_int_equal(xoe_mark_predict(&p, 200, NAN, 1, &log10_p, NULL), XOE_EINVAL);
}

/* Odd candidates: not a number, zero, unnormalised, one, none. */
static void test_odd_candidates(void **s)
{
    (void)s;
    for (int i = 0; i < N_ALL; i++) {
        xoe_mark_params p = params_of(all[i]);
        xoe_rng rng;
        xoe_pick pick;
        int32_t t[40];
        xoe_rng_seed(&rng, 1);
        xoe_marker *m = open_marker(&p, 1, 0, 0);
        for (int32_t k = 0; k < 40; k++)
            t[k] = k;
        for (size_t k = 0; k < 40; k++) {
            xoe_cand c[4] = {{1, NAN}, {2, 0}, {3, 5.0f}, {4, -1}};
            xoe_marker_pick(m, c, 4, t, k, mt_uniform, &rng, &pick);
            assert_int_equal(pick.index, 2);
            assert_true(isfinite(pick.expected) && fabs(pick.expected) < 1e-9);
        }
        xoe_cand zero[2] = {{1, 0}, {2, INFINITY}};
        xoe_marker_pick(m, zero, 2, t, 3, mt_uniform, &rng, &pick);
        assert_false(pick.marked);
        assert_int_equal(pick.index, 0);
        xoe_marker_pick(m, zero, 0, t, 3, mt_uniform, &rng, &pick);
        assert_false(pick.marked);
        xoe_marker_close(m);
    }
}

/* Every allocation fails once, with everything switched on. */
static void test_no_memory(void **s)
{
    (void)s;
    uint8_t key[1][32];
    int32_t t[N];
    double w[N];
    xoe_rng rng;
    xoe_mark_params p = params_of(XOE_SCHEME_GUMBEL);
    xoe_detect_opts o = {.spans = true, .weights = w};
    long n;
    p.payload_bits = 4;
    p.n_shifts = 1;
    mt_key(key[0], 1);
    xoe_rng_seed(&rng, 1);
    xoe_marker *m = open_marker(&p, 1, 0, 3);
    mt_write(m, t, N, 50, 0.7, &rng);
    for (int i = 0; i < N; i++)
        w[i] = 1;
    for (n = 1;; n++) {
        xoe_verdict v;
        long live = xoe_mem_live(), calls = xoe_mem_calls();
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_detect_tokens(&p, (const uint8_t(*)[32])key, 1, t, N, &o, &v, NULL);
        xoe_mem_fail_at(0);
        if (xoe_mem_calls() - calls < n) {
            assert_int_equal(rc, XOE_OK);
            assert_true(v.n_spans > 0);
            xoe_verdict_clear(&v);
            break;
        }
        assert_int_equal(rc, XOE_ENOMEM);
        assert_int_equal(xoe_mem_live(), live);
    }
    assert_true(n > 20);
    double gain;
    long live = xoe_mem_live();
    xoe_mem_fail_at(1);
    assert_int_equal(xoe_marker_draft_gain(m, t, 100, 200, &gain, NULL, NULL), XOE_ENOMEM);
    xoe_mem_fail_at(0);
    assert_true(xoe_mem_live() <= live + 1); /* the marker may have taken its set of contexts */
    assert_int_equal(xoe_marker_draft_gain(m, t, 100, 200, &gain, NULL, NULL), XOE_OK);
    xoe_marker_close(m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_found),          cmocka_unit_test(test_expected),
        cmocka_unit_test(test_unbiased),       cmocka_unit_test(test_payload),
        cmocka_unit_test(test_dual_alpha),     cmocka_unit_test(test_spans),
        cmocka_unit_test(test_weights),        cmocka_unit_test(test_capacity),
        cmocka_unit_test(test_odd_candidates), cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
