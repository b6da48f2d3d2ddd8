/* Shared by the tests of src/mark: vectors, toy texts, a toy language model. */
#ifndef MARKTEST_H
#define MARKTEST_H

#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <math.h>
#include <cmocka.h>
#include <jansson.h>
#include "base/mem.h"
#include "base/rng.h"
#include "xoe/mark.h"

static inline json_t *mt_vectors(const char *name)
{
    char path[512];
    json_error_t je;
    snprintf(path, sizeof path, "%s/tests/vectors/mark/%s", XOE_SOURCE_DIR, name);
    json_t *j = json_load_file(path, 0, &je);
    if (!j) fail_msg("%s: %s", path, je.text);
    return j;
}
static inline double mt_num(const json_t *o, const char *k)
{
    json_t *v = json_object_get(o, k);
    if (!v) fail_msg("vector lacks %s", k);
    return json_number_value(v);
}
/* Integers of 2^63 and more are strings in the vectors. */
static inline uint64_t mt_u64(const json_t *v)
{
    return json_is_string(v) ? strtoull(json_string_value(v), NULL, 10)
                             : (uint64_t)json_integer_value(v);
}
static inline int mt_tokens(json_t *a, int32_t *out)
{
    size_t i;
    json_t *v;
    json_array_foreach(a, i, v) out[i] = (int32_t)json_integer_value(v);
    return (int)json_array_size(a);
}
static inline void mt_close(double got, double want, double rel, const char *what)
{
    double tol = rel * fabs(want) + 1e-300;
    if (!(fabs(got - want) <= tol) && got != want)
        fail_msg("%s: got %.17g, want %.17g (off by %.3g)", what, got, want, fabs(got - want));
}
/* The n-th allocation fails, for every n until none is left to fail: XOE_ENOMEM, nothing lost. Returns how many. */
static inline long mt_out_of_memory(const xoe_mark_params *p, const uint8_t (*keys)[32], size_t n_keys, const int32_t *t, size_t n_tokens,
                                    const xoe_detect_opts *o)
{
    for (long n = 1;; n++) {
        xoe_verdict v;
        long live = xoe_mem_live(), calls = xoe_mem_calls();
        xoe_mem_fail_at(n);
        xoe_err rc = xoe_detect_tokens(p, keys, n_keys, t, n_tokens, o, &v, NULL);
        xoe_mem_fail_at(0);
        if (xoe_mem_calls() - calls < n) {
            assert_int_equal(rc, XOE_OK);
            xoe_verdict_clear(&v);
            return n;
        }
        assert_int_equal(rc, XOE_ENOMEM);
        assert_int_equal(xoe_mem_live(), live);
    }
}
static inline double mt_uniform(void *rng)
{
    return xoe_rng_uniform(rng);
}

/* A toy model: n candidates with Zipf-like probabilities of exponent z, their ids scattered by the
 * last token, so that contexts differ and entropy is known. */
static inline void mt_cands(xoe_cand *c, int n, double z, int32_t last, int vocab)
{
    double total = 0;
    for (int i = 0; i < n; i++)
        total += pow(i + 1, -z);
    for (int i = 0; i < n; i++) {
        c[i].id = (int32_t)(((int64_t)last * 7919 + (int64_t)i * 104729) % vocab);
        c[i].p = (float)(pow(i + 1, -z) / total);
    }
}

/* n tokens written under a key by the toy model (or freely, m == NULL). Returns Σ expected. */
static inline double mt_write(xoe_marker *m, int32_t *out, size_t n, int n_cands, double z,
                              xoe_rng *rng)
{
    xoe_cand c[1024];
    double expected = 0;
    for (size_t i = 0; i < n; i++) {
        mt_cands(c, n_cands, z, i ? out[i - 1] : 17, 50000);
        if (m) {
            xoe_pick pick;
            xoe_marker_pick(m, c, (size_t)n_cands, out, i, mt_uniform, rng, &pick);
            out[i] = c[pick.index].id;
            if (pick.marked) expected += pick.expected;
        } else {
            double u = xoe_rng_uniform(rng);
            int j = 0;
            while (j < n_cands - 1 && (u -= (double)c[j].p) >= 0)
                j++;
            out[i] = c[j].id;
        }
    }
    return expected;
}

static inline void mt_key(uint8_t key[32], uint64_t n)
{
    xoe_rng r;
    xoe_rng_seed(&r, n * 77 + 5);
    for (int i = 0; i < 32; i++)
        key[i] = (uint8_t)xoe_rng_u64(&r);
}

#endif
