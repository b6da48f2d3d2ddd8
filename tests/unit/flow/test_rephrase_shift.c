/* The choice of a shift: against trying out every shift and every set of edits, and what it buys: the p-value of the detector, corrected
 * for all shifts. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "flow/rephrase_shift.h"

enum { N = 60, EDITS = 5, SHIFTS = 32, BEFORE = 3, RANKS = 5 };

static uint8_t key[XOE_MARK_KEY_BYTES];

static xoe_mark_params params_of(int n_shifts)
{
    xoe_mark_params p = XOE_MARK_PARAMS_INIT;
    p.scheme = XOE_SCHEME_GUMBEL;
    p.width = 3;
    p.n_shifts = n_shifts;
    return p;
}

/* A text, and edits that lie `apart` tokens from each other, each of one token. */
struct made {
    int32_t source[BEFORE + N];
    int32_t edited[EDITS];
    size_t at[EDITS];
    xoe_variants part;
};

static void make(struct made *m, uint64_t seed, size_t apart)
{
    xoe_rng rng;
    xoe_rng_seed(&rng, seed);
    memset(m, 0, sizeof *m);
    for (size_t i = 0; i < BEFORE + N; i++)
        m->source[i] = (int32_t)xoe_rng_below(&rng, 50000);
    assert_int_equal(xoe_variants_add(&m->part, m->source, BEFORE, N, 0, 0), 0);
    for (size_t k = 0; k < EDITS; k++) {
        int32_t text[BEFORE + N];
        memcpy(text, m->source, sizeof text);
        m->at[k] = 2 + k * apart;
        m->edited[k] = text[BEFORE + m->at[k]] = (int32_t)xoe_rng_below(&rng, 50000);
        assert_int_equal(xoe_variants_add(&m->part, text, BEFORE, N, m->at[k], m->at[k] + 1), 0);
    }
}

static double gain_with(const struct made *m, unsigned set, xoe_marker *marker)
{
    int32_t text[BEFORE + N];
    double gain;
    memcpy(text, m->source, sizeof text);
    for (size_t k = 0; k < EDITS; k++)
        if (set >> k & 1) text[BEFORE + m->at[k]] = m->edited[k];
    assert_int_equal(xoe_marker_draft_gain(marker, text, BEFORE, N, &gain, NULL, NULL), XOE_OK);
    return gain;
}

/* Edits so far apart that none touches another's contexts add up exactly: nothing is better than what is chosen. */
static void test_is_the_best(void **state)
{
    (void)state;
    for (uint64_t seed = 1; seed <= 5; seed++) {
        struct made m;
        xoe_mark_params p = params_of(SHIFTS);
        uint32_t chosen[RANKS];
        size_t n_chosen;
        double all[SHIFTS];
        make(&m, seed, 8);
        assert_int_equal(xoe_rank_shifts(&p, key, &m.part, 1, RANKS, chosen, &n_chosen, NULL), XOE_OK);
        for (uint32_t s = 0; s < SHIFTS; s++) {
            xoe_marker *marker;
            double gain, own = -INFINITY;
            assert_int_equal(xoe_marker_open(&marker, &p, key, s, 0, NULL), XOE_OK);
            for (unsigned set = 0; set < 1u << EDITS; set++)
                own = fmax(own, gain_with(&m, set, marker));
            assert_int_equal(xoe_variants_gain(&m.part, marker, &gain, NULL), XOE_OK);
            assert_true(fabs(gain - own) < 1e-9);
            all[s] = own;
            xoe_marker_close(marker);
        }
        assert_int_equal(n_chosen, RANKS);
        for (uint32_t s = 0; s < SHIFTS; s++) { /* its rank is the number of those that are better */
            size_t rank = 0;
            for (uint32_t o = 0; o < SHIFTS; o++)
                rank += all[o] > all[s];
            if (rank < RANKS) assert_int_equal(chosen[rank], s);
        }
        xoe_variants_clear(&m.part);
    }
}

/* Edits that touch exclude each other; a wording that stands for itself is taken when it alone is better. */
static void test_excluded(void **state)
{
    (void)state;
    struct made m;
    xoe_mark_params p = params_of(1);
    xoe_marker *marker;
    double gain, source, alone, best = -INFINITY;
    uint32_t shifts[RANKS];
    size_t n_shifts;
    make(&m, 3, 1);
    assert_int_equal(xoe_marker_open(&marker, &p, key, 0, 0, NULL), XOE_OK);
    source = gain_with(&m, 0, marker);
    assert_int_equal(xoe_variants_gain(&m.part, marker, &gain, NULL), XOE_OK);
    for (unsigned k = 0; k < EDITS; k++)
        best = fmax(best, gain_with(&m, 1u << k, marker));
    double two = 0; /* at most two in a row of five that touch when next to each other: 0 and 2, 0 and 3 … */
    for (unsigned i = 0; i < EDITS; i++)
        for (unsigned k = i + 2; k < EDITS; k++)
            two = fmax(two, fmax(0, gain_with(&m, 1u << i, marker) - source) + fmax(0, gain_with(&m, 1u << k, marker) - source));
    assert_true(gain >= best - 1e-9 && gain >= source);
    assert_true(gain <= source + 1.5 * fmax(two, best - source) + 1e-9);
    int32_t lucky[BEFORE + 200];
    xoe_rng rng;
    xoe_rng_seed(&rng, 8);
    for (size_t i = 0; i < BEFORE + 200; i++)
        lucky[i] = (int32_t)xoe_rng_below(&rng, 50000);
    for (size_t n = 100; n <= 200; n++) { /* some prefix of random tokens scores more */
        assert_int_equal(xoe_marker_draft_gain(marker, lucky, BEFORE, n, &alone, NULL, NULL), XOE_OK);
        if (alone > gain) {
            assert_int_equal(xoe_variants_add(&m.part, lucky, BEFORE, n, 0, 0), 0);
            assert_int_equal(xoe_variants_gain(&m.part, marker, &gain, NULL), XOE_OK);
            assert_true(gain == alone);
            break;
        }
    }
    assert_int_equal(xoe_rank_shifts(&p, key, &m.part, 1, RANKS, shifts, &n_shifts, NULL), XOE_OK);
    assert_true(n_shifts == 1 && shifts[0] == 0); /* there is no choice */
    xoe_marker_close(marker);
    xoe_variants_clear(&m.part);
}

/* Without edits the choice buys nothing: what the best of many shifts scores, the correction takes. With edits it buys decades. */
static void test_what_it_buys(void **state)
{
    (void)state;
    enum { TEXTS = 60, LONG = 200, PLACES = 24 };
    const uint8_t(*keys)[XOE_MARK_KEY_BYTES] = (const uint8_t(*)[XOE_MARK_KEY_BYTES])key;
    double mean[2][2] = {{0}}; /* [edits or none][1 or 64 shifts] of log10 p */
    for (int edits = 0; edits < 2; edits++)
        for (int many = 0; many < 2; many++)
            for (int k = 0; k < TEXTS; k++) {
                xoe_mark_params p = params_of(many ? 64 : 1);
                xoe_variants part = {0};
                xoe_marker *marker;
                xoe_verdict v;
                xoe_rng rng;
                int32_t text[LONG], other[PLACES];
                uint32_t shift;
                size_t n_shifts;
                xoe_rng_seed(&rng, 100 + (uint64_t)k);
                for (int i = 0; i < LONG; i++)
                    text[i] = (int32_t)xoe_rng_below(&rng, 50000);
                assert_int_equal(xoe_variants_add(&part, text, 0, LONG, 0, 0), 0);
                for (int i = 0; i < PLACES && edits; i++) {
                    int32_t keep = text[i * 8];
                    other[i] = text[i * 8] = (int32_t)xoe_rng_below(&rng, 50000);
                    assert_int_equal(xoe_variants_add(&part, text, 0, LONG, (size_t)i * 8, (size_t)i * 8 + 1), 0);
                    text[i * 8] = keep;
                }
                assert_int_equal(xoe_rank_shifts(&p, key, &part, 1, 1, &shift, &n_shifts, NULL), XOE_OK);
                assert_int_equal(xoe_marker_open(&marker, &p, key, shift, 0, NULL), XOE_OK);
                for (int i = 0; i < PLACES && edits; i++) {
                    int32_t keep = text[i * 8];
                    double without, with;
                    assert_int_equal(xoe_marker_draft_gain(marker, text, 0, LONG, &without, NULL, NULL), XOE_OK);
                    text[i * 8] = other[i];
                    assert_int_equal(xoe_marker_draft_gain(marker, text, 0, LONG, &with, NULL, NULL), XOE_OK);
                    if (with < without) text[i * 8] = keep;
                }
                assert_int_equal(xoe_detect_tokens(&p, keys, 1, text, LONG, NULL, &v, NULL), XOE_OK);
                mean[edits][many] += v.log10_p / TEXTS;
                xoe_verdict_clear(&v);
                xoe_marker_close(marker);
                xoe_variants_clear(&part);
            }
    print_message("mean log10 p: %.2f and %.2f without edits, %.2f and %.2f with\n", mean[0][0], mean[0][1], mean[1][0], mean[1][1]);
    assert_true(fabs(mean[0][0] + 0.43) < 0.2 && fabs(mean[0][1] + 0.43) < 0.2); /* as of a uniform p */
    assert_true(mean[1][1] < mean[1][0] - 0.6);
}

static void test_no_memory(void **state)
{
    (void)state;
    struct made m;
    xoe_mark_params p = params_of(SHIFTS);
    uint32_t shift;
    size_t n_shifts;
    make(&m, 1, 8);
    long live = xoe_mem_live();
    for (int n = 1; n < 40; n++) {
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_rank_shifts(&p, key, &m.part, 1, 1, &shift, &n_shifts, NULL);
        xoe_mem_fail_at(0);
        assert_true(rc == XOE_OK || rc == XOE_ENOMEM);
        assert_int_equal(xoe_mem_live(), live);
    }
    xoe_variants_clear(&m.part);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_is_the_best), cmocka_unit_test(test_excluded), cmocka_unit_test(test_what_it_buys),
                                       cmocka_unit_test(test_no_memory)};
    memset(key, 7, sizeof key);
    return cmocka_run_group_tests(tests, NULL, NULL);
}
