/* The round trip: what a marker writes, the detector finds; what it did not write, it does not. */
#include "marktest.h"
#include <pthread.h>
#include "base/mem.h"
#include "mark/stats.h"

enum { N = 200 };

static void write_text(const xoe_mark_params *p, uint64_t key_n, uint32_t shift, int32_t *out,
                       size_t n)
{
    uint8_t key[32];
    xoe_marker *m;
    xoe_rng rng;
    mt_key(key, key_n);
    xoe_rng_seed(&rng, 9 + key_n);
    assert_int_equal(xoe_marker_open(&m, p, key, shift, 0, NULL), XOE_OK);
    mt_write(m, out, n, 50, 1.0, &rng);
    xoe_marker_close(m);
}

static void detect(const xoe_mark_params *p, uint64_t key_n, const int32_t *t, size_t n,
                   xoe_verdict *v)
{
    uint8_t key[1][32];
    mt_key(key[0], key_n);
    assert_int_equal(xoe_detect_tokens(p, (const uint8_t(*)[32])key, 1, t, n, NULL, v, NULL),
                     XOE_OK);
}

static void test_round_trip(void **s)
{
    (void)s;
    int32_t t[N];
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    for (uint32_t shift = 0; shift < 4; shift++) {
        xoe_verdict v;
        write_text(&p, 1, shift, t, N);
        detect(&p, 1, t, N, &v);
        assert_true(v.detected && v.can_carry);
        assert_int_equal(v.shift, shift);
        assert_true(v.log10_p < -20);
        assert_true(v.n_scored <= N - 3 && v.n_scored > 150);
        assert_true(isnan(v.token_scores[2]) && !isnan(v.token_scores[3]));
        double total = 0;
        for (int i = 0; i < N; i++)
            if (!isnan(v.token_scores[i])) total += (double)v.token_scores[i];
        mt_close(total / (double)v.n_scored, v.score, 1e-5, "mean score");
        double ln_p = xoe_ln_sidak(xoe_ln_gamma_tail(v.n_scored, total), 4);
        mt_close(v.log10_p, ln_p / XOE_LN10, 1e-4, "p from the token scores");
        xoe_verdict_clear(&v);
        detect(&p, 2, t, N, &v); /* another key */
        assert_false(v.detected);
        assert_true(v.can_carry);
        xoe_verdict_clear(&v);
    }
}

static void test_best_key(void **s)
{
    (void)s;
    enum { K = 50 };
    static uint8_t keys[K][32];
    xoe_mark_params p[K];
    int32_t t[N];
    xoe_verdict v, one;
    for (int i = 0; i < K; i++) {
        mt_key(keys[i], (uint64_t)i);
        p[i] = (xoe_mark_params)XOE_MARK_PARAMS_INIT;
        p[i].width = 1 + i % 4;
    }
    write_text(&p[37], 37, 2, t, N);
    assert_int_equal(xoe_detect_tokens(p, (const uint8_t(*)[32])keys, K, t, N, NULL, &v, NULL),
                     XOE_OK);
    assert_int_equal(v.key_index, 37);
    assert_int_equal(v.shift, 2);
    detect(&p[37], 37, t, N, &one);
    mt_close(v.log10_p - one.log10_p, log10(K), 1e-6, "price of many keys");
    xoe_verdict_clear(&v);
    for (int i = 0; i < K; i++)
        p[i].n_shifts = i == 37 ? 4 : XOE_MARK_SHIFTS_MAX;
    assert_int_equal(xoe_detect_tokens(p, (const uint8_t(*)[32])keys, K, t, N, NULL, &v, NULL), XOE_OK);
    assert_int_equal(v.key_index, 37);
    mt_close(v.log10_p - one.log10_p, log10(K), 1e-6, "shifts of other keys cost nothing");
    xoe_verdict_clear(&v);
    xoe_verdict_clear(&one);
}

/* A cut at both ends costs only the tokens cut and one context. */
static void test_cut(void **s)
{
    (void)s;
    int32_t t[N];
    xoe_verdict v;
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    write_text(&p, 3, 0, t, N);
    detect(&p, 3, t + 31, N - 60, &v);
    assert_true(v.log10_p < -12);
    xoe_verdict_clear(&v);
}

/* Repetition is scored once: a block x 5 says no more than the block. */
static void test_repetition(void **s)
{
    (void)s;
    int32_t t[40 * 5];
    xoe_verdict v, once;
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    for (int i = 0; i < 200; i++)
        t[i] = i % 40 * 13;
    detect(&p, 4, t, 200, &v);
    detect(&p, 4, t, 43, &once); /* the seams' contexts once more */
    assert_int_equal(v.n_scored, 40);
    mt_close(v.log10_p, once.log10_p, 1e-12, "repeated block");
    xoe_verdict_clear(&v);
    xoe_verdict_clear(&once);
}

static void test_too_short(void **s)
{
    (void)s;
    int32_t t[18] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18};
    xoe_verdict v;
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    detect(&p, 4, t, 18, &v);
    assert_false(v.can_carry);
    xoe_verdict_clear(&v);
    detect(&p, 4, t, 2, &v); /* no whole context at all */
    assert_false(v.can_carry || v.detected);
    assert_int_equal(v.n_scored, 0);
    assert_true(v.log10_p == 0 && v.p_value == 1);
    xoe_verdict_clear(&v);
}

/* A token that came without a pick, and an answer cut back, keep writer and detector in step. */
static void test_in_step(void **s)
{
    (void)s;
    uint8_t key[32];
    xoe_marker *m;
    xoe_rng rng;
    xoe_cand c[50];
    int32_t t[N];
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    size_t n_marked = 0, i;
    xoe_verdict v;
    mt_key(key, 5);
    xoe_rng_seed(&rng, 1);
    assert_int_equal(xoe_marker_open(&m, &p, key, 1, 0, NULL), XOE_OK);
    for (i = 0; i < N; i++) {
        xoe_pick pick, again;
        mt_cands(c, 50, 1, i ? t[i - 1] : 1, 300);
        if (i % 7 == 6) { /* forced */
            t[i] = c[0].id;
            continue;
        }
        xoe_marker_pick(m, c, 50, t, i, mt_uniform, &rng, &pick);
        xoe_marker_pick(m, c, 50, t, i, mt_uniform, &rng,
                        &again); /* as after a grammar's refusal */
        if (pick.marked) assert_int_equal(pick.index, again.index);
        assert_int_equal(pick.marked, again.marked);
        n_marked += pick.marked;
        t[i] = c[pick.index].id;
    }
    xoe_marker_close(m);
    detect(&p, 5, t, N, &v);
    size_t n_scored_picks = 0;
    for (i = 0; i < N; i++)
        n_scored_picks += i % 7 != 6 && !isnan(v.token_scores[i]);
    assert_int_equal(n_scored_picks, n_marked);
    assert_true(v.detected);
    xoe_verdict_clear(&v);
}

static void test_errors(void **s)
{
    (void)s;
    uint8_t key[1][32] = {{0}};
    int32_t t[4] = {1, 2, 3, 4};
    xoe_verdict v;
    xoe_error e = XOE_ERROR_INIT;
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    const uint8_t(*k)[32] = (const uint8_t(*)[32])key;
    xoe_detect_opts o = {.fpr = 2};
    double w[4] = {1, 1, -1, 1};
    assert_int_equal(xoe_detect_tokens(&p, k, 0, t, 4, NULL, &v, &e), XOE_EINVAL);
    assert_int_equal(xoe_detect_tokens(&p, k, 1, t, 0, NULL, &v, &e), XOE_EINVAL);
    assert_int_equal(xoe_detect_tokens(&p, k, 1, t, 4, &o, &v, &e), XOE_EINVAL);
    assert_string_equal(e.param, "fpr");
    o = (xoe_detect_opts){.weights = w};
    assert_int_equal(xoe_detect_tokens(&p, k, 1, t, 4, &o, &v, &e), XOE_EINVAL);
    assert_string_equal(e.param, "weights");
    p.width = 5;
    assert_int_equal(xoe_detect_tokens(&p, k, 1, t, 4, NULL, &v, &e), XOE_EINVAL);
    assert_string_equal(e.param, "width");
    p.width = 0;
    xoe_marker *m;
    assert_int_equal(xoe_marker_open(&m, &p, key[0], 4, 0, &e), XOE_EINVAL);
    assert_string_equal(e.param, "shift");
    assert_int_equal(xoe_marker_open(&m, &p, key[0], 0, 1, &e), XOE_EINVAL);
    assert_string_equal(e.param, "payload");
    xoe_scheme sc;
    assert_int_equal(xoe_scheme_parse("gumbel", &sc, NULL), XOE_OK);
    assert_int_equal(sc, XOE_SCHEME_GUMBEL);
    assert_int_equal(xoe_scheme_parse("no-such", &sc, &e), XOE_EINVAL);
    assert_string_equal(xoe_scheme_name(XOE_SCHEME_DUAL), "dual-gumbel");
    assert_null(xoe_scheme_name((xoe_scheme)99));
}

/* One detector, many threads: everything lives in the call (ThreadSanitizer looks on). */
static void *detect_often(void *tokens)
{
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    for (int i = 0; i < 50; i++) {
        xoe_verdict v;
        detect(&p, 8, tokens, N, &v);
        if (!v.detected) return NULL;
        xoe_verdict_clear(&v);
    }
    return tokens;
}

static void test_threads(void **s)
{
    (void)s;
    int32_t t[N];
    pthread_t th[4];
    void *done;
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    write_text(&p, 8, 2, t, N);
    for (int i = 0; i < 4; i++)
        assert_int_equal(pthread_create(&th[i], NULL, detect_often, t), 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(pthread_join(th[i], &done), 0);
        assert_ptr_equal(done, t);
    }
}

/* Every allocation of ours fails once: an error, nothing leaked. */
static void test_no_memory(void **s)
{
    (void)s;
    uint8_t key[2][32];
    int32_t t[N];
    double w[N];
    xoe_mark_params p[2] = {XOE_MARK_PARAMS_INIT, XOE_MARK_PARAMS_INIT};
    xoe_detect_opts o = {.weights = w};
    p[1].width = 2;
    mt_key(key[0], 6);
    mt_key(key[1], 7);
    write_text(&p[0], 6, 0, t, N);
    for (int i = 0; i < N; i++)
        w[i] = 1 + i % 3;
    assert_true(mt_out_of_memory(p, (const uint8_t(*)[32])key, 2, t, N, &o) > 8);
    for (long n = 1; n < 10; n++) { /* a marker without memory draws freely and says so */
        long live = xoe_mem_live();
        xoe_marker *m;
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_marker_open(&m, p, key[0], 0, 0, NULL);
        if (rc == XOE_OK) {
            xoe_rng rng;
            xoe_rng_seed(&rng, 1);
            mt_write(m, t, 10, 50, 1, &rng);
            xoe_marker_close(m);
        }
        xoe_mem_fail_at(0);
        assert_int_equal(xoe_mem_live(), live);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip), cmocka_unit_test(test_best_key),
        cmocka_unit_test(test_cut),        cmocka_unit_test(test_repetition),
        cmocka_unit_test(test_too_short),  cmocka_unit_test(test_in_step),
        cmocka_unit_test(test_errors),     cmocka_unit_test(test_threads),
        cmocka_unit_test(test_no_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
