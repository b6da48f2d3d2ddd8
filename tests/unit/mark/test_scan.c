/* The scan: its average is what it says, its law holds and is not slack, parts are found where they are. */
#include "marktest.h"
#include "base/mem.h"
#include "mark/spans.h"
#include "mark/stats.h"

static const xoe_mark_params gumbel = {.scheme = XOE_SCHEME_GUMBEL}, green = {.scheme = XOE_SCHEME_GREEN, .gamma = 0.25};

/* Running sums of n exponential scores; those in [from, to) have the given mean. */
static void text(double *sums, size_t n, size_t from, size_t to, double mean, xoe_rng *r)
{
    sums[0] = 0;
    for (size_t i = 0; i < n; i++)
        sums[i + 1] = sums[i] - log1p(-xoe_rng_uniform(r)) * (i >= from && i < to ? mean : 1);
}

static void test_windows(void **s)
{
    (void)s;
    static const xoe_scan_kind kinds[] = {XOE_SCAN_TAILS, XOE_SCAN_MIXTURE, XOE_SCAN_RATIOS};
    for (int k = 0; k < 3; k++) {
        size_t before = 0;
        xoe_windows w = {0};
        assert_false(xoe_windows_next(&w, kinds[k], XOE_SPAN_MIN - 1));
        while (xoe_windows_next(&w, kinds[k], 3000)) {
            assert_true(w.length > before && (double)w.length < 1.45 * (double)(before ? before : w.length));
            assert_true((w.count - 1) * w.step + w.length <= 3000 && w.count * w.step + w.length > 3000);
            assert_true(w.weight > 0 && w.weight <= 1 && w.tilt > 0 && w.tilt < 1);
            before = w.length;
        }
        assert_true(before > 2000);
    }
}

/* By the definition, window by window. */
static void test_average(void **s)
{
    (void)s;
    enum { N = 700 };
    double sums[N + 1], total = 0, weights = 0;
    xoe_rng r;
    xoe_rng_seed(&r, 4);
    text(sums, N, 200, 320, 2.2, &r);
    xoe_scan scan = {.params = &gumbel, .n = N, .sums = sums};
    for (xoe_windows w = {0}; xoe_windows_next(&w, XOE_SCAN_MIXTURE, N);)
        for (size_t i = 0; i < w.count; i++) {
            double sum = sums[i * w.step + w.length] - sums[i * w.step];
            double ratio = pow(1 - w.tilt, (double)w.length) * exp(w.tilt * sum);
            mt_close(xoe_scan_window(&scan, XOE_SCAN_MIXTURE, &w, i * w.step), log(ratio), 1e-9, "a window");
            weights += w.weight;
            if (ratio >= 1) total += w.weight * ratio;
        }
    mt_close(xoe_windows_ln_total(XOE_SCAN_MIXTURE, N), log(weights), 1e-12, "weights");
    mt_close(xoe_scan_evidence(&scan, XOE_SCAN_MIXTURE, 0, N), log(total / weights), 1e-9, "average");
    assert_true(xoe_scan_evidence(&scan, XOE_SCAN_MIXTURE, 150, 400) < log(total / weights));
    assert_true(xoe_scan_evidence(&scan, XOE_SCAN_MIXTURE, 150, 170) == -INFINITY); /* no window so short */
}

/* Evidence beyond the range of a double. */
static void test_much_evidence(void **s)
{
    (void)s;
    enum { N = 4000 };
    static double sums[N + 1];
    xoe_rng r;
    xoe_rng_seed(&r, 5);
    text(sums, N, 0, N, 6, &r);
    xoe_scan scan = {.params = &gumbel, .n = N, .sums = sums};
    double ln_e = xoe_scan_evidence(&scan, XOE_SCAN_MIXTURE, 0, N);
    assert_true(isfinite(ln_e) && ln_e > 1000);
    mt_close(xoe_scan_ln_p(&scan), -ln_e, 1e-12, "Markov's bound far out");
}

static void test_law_falls(void **s)
{
    (void)s;
    for (size_t n = 32; n <= XOE_SCAN_BLOCK; n = n * 5 / 4) {
        double before = 0;
        assert_true(xoe_scan_law_ln_p(n, -0.1) == 0 && xoe_scan_law_ln_p(n, -INFINITY) == 0);
        for (double x = 0; x < 60; x += 0.25) {
            double ln_p = xoe_scan_law_ln_p(n, x);
            assert_true(ln_p <= before && ln_p <= -x);
            before = ln_p;
        }
    }
}

/* Texts by chance: alarms at nominal rates, neither too many nor, as a bound that is slack would give, too few. */
static void test_level(void **s)
{
    (void)s;
    enum { TEXTS = 20000 };
    static const size_t lengths[] = {40, 200, 900};
    static double sums[901];
    xoe_rng r;
    xoe_rng_seed(&r, 6);
    for (int k = 0; k < 3; k++) {
        size_t at_2 = 0, at_3 = 0, texts = TEXTS / (k == 2 ? 2 : 1);
        xoe_scan scan = {.params = &gumbel, .n = lengths[k], .sums = sums};
        for (size_t i = 0; i < texts; i++) {
            text(sums, scan.n, 0, 0, 1, &r);
            double ln_p = xoe_scan_ln_p(&scan);
            at_2 += ln_p <= log(1e-2);
            at_3 += ln_p <= log(1e-3);
        }
        assert_true(xoe_ln_binom_tail(texts, at_2, 1e-2) > log(1e-6));
        assert_true(xoe_ln_binom_tail(texts, at_3, 1e-3) > log(1e-6));
        if ((double)at_2 < 0.5 * 1e-2 * (double)texts) fail_msg("n %zu: only %zu of %zu at 1e-2", scan.n, at_2, texts);
    }
}

static void one_part(const xoe_scan *scan, size_t from, size_t to)
{
    xoe_part *parts;
    size_t n;
    assert_int_equal(xoe_spans_find(scan, log(1e-3), &parts, &n, NULL), XOE_OK);
    if (n != 1) fail_msg("%zu parts", n);
    size_t low = parts[0].first > from ? parts[0].first : from, high = parts[0].end < to ? parts[0].end : to;
    assert_true(high > low + (to - from) * 7 / 10 && parts[0].end - parts[0].first < (to - from) * 13 / 10);
    assert_true(parts[0].ln_p <= log(1e-3) && parts[0].ln_p >= xoe_scan_ln_p(scan) - 1e-9);
    xoe_free(parts);
}

static void test_parts(void **s)
{
    (void)s;
    enum { N = 20000 };
    static double sums[N + 1];
    xoe_rng r;
    xoe_rng_seed(&r, 7);
    xoe_scan scan = {.params = &gumbel, .n = N, .sums = sums};
    assert_int_equal(xoe_scan_n_blocks(&scan), 3);
    size_t covered = 0;
    for (size_t b = 0; b < 3; b++) {
        xoe_scan block = xoe_scan_block(&scan, b);
        size_t first = (size_t)(block.sums - sums);
        assert_true(block.n <= XOE_SCAN_BLOCK && first <= covered);
        covered = first + block.n;
    }
    assert_int_equal(covered, N);
    static const size_t places[] = {0, 3000, 6100, 8000, 14000, N - 200}; /* at edges and across blocks */
    for (int i = 0; i < 6; i++) {
        text(sums, N, places[i], places[i] + 200, 2.5, &r);
        one_part(&scan, places[i], places[i] + 200);
    }
    scan.n = 1500;
    text(sums, scan.n, 700, 820, 2.5, &r);
    one_part(&scan, 700, 820);
    scan.n = XOE_SPAN_MIN - 1;
    assert_true(xoe_scan_ln_p(&scan) == 0);
    for (size_t i = 0; i < 2001; i++) /* another law: exact tails */
        sums[i] = i ? sums[i - 1] + (xoe_rng_uniform(&r) < (i > 900 && i <= 1050 ? 0.6 : 0.25)) : 0;
    scan.n = 2000;
    scan.params = &green;
    one_part(&scan, 900, 1050);
}

/* Two marked parts: both are found, nothing else, and a part near another does not live on its evidence. */
static void test_two_parts(void **s)
{
    (void)s;
    enum { N = 3000, TIMES = 200 };
    static double sums[N + 1];
    size_t elsewhere = 0, found = 0;
    xoe_rng r;
    xoe_rng_seed(&r, 8);
    xoe_scan scan = {.params = &gumbel, .n = N, .sums = sums};
    for (int i = 0; i < TIMES; i++) {
        sums[0] = 0;
        for (size_t k = 0; k < N; k++) {
            bool marked = (k >= 500 && k < 700) || (k >= 1000 && k < 1200);
            sums[k + 1] = sums[k] - log1p(-xoe_rng_uniform(&r)) * (marked ? 2.2 : 1);
        }
        xoe_part *parts;
        size_t n;
        assert_int_equal(xoe_spans_find(&scan, log(1e-2), &parts, &n, NULL), XOE_OK);
        for (size_t k = 0; k < n; k++) {
            bool first = parts[k].first < 700 && parts[k].end > 500, second = parts[k].first < 1200 && parts[k].end > 1000;
            found += (size_t)first + (size_t)second;
            elsewhere += !first && !second;
        }
        xoe_free(parts);
    }
    assert_true(found >= 2 * TIMES * 95 / 100);
    assert_true(xoe_ln_binom_tail(TIMES, elsewhere, 1e-2) > log(1e-4));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_windows),   cmocka_unit_test(test_average), cmocka_unit_test(test_much_evidence),
        cmocka_unit_test(test_law_falls), cmocka_unit_test(test_level),   cmocka_unit_test(test_parts),
        cmocka_unit_test(test_two_parts),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
