/* Texts that no key wrote, as token ids, for the measurement of false alarms: Zipf, and the kinds
 * of repetition that mislead detectors without deduplication. Used by bench/mark_null.c and its
 * quick version in tests/unit/mark. */
#ifndef XOE_BENCH_MARK_NULL_H
#define XOE_BENCH_MARK_NULL_H

#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/rng.h"
#include "mark/interop.h"
#include "mark/stats.h"
#include "xoe/mark.h"

enum { NULL_TOKENS = 400, NULL_KINDS = 7, NULL_LEVELS = 4 };

static const char *const null_kind_names[NULL_KINDS] = {
    "zipf", "block x 5", "sentence x 50", "template", "list", "code-like", "licence text"};
static const double null_levels[NULL_LEVELS] = {1e-2, 1e-3, 1e-4, 1e-5};

static inline int32_t null_zipf(xoe_rng *r)
{
    return (int32_t)exp(xoe_rng_uniform(r) * 10.8);
}

/* Words of the project's licence, hashed to ids: text that people wrote. */
static inline void null_licence(int32_t *t, size_t n)
{
    uint32_t h = 0;
    size_t i = 0;
    FILE *f = fopen(XOE_SOURCE_DIR "/LICENSE", "r");
    for (int c; f && i < n && (c = fgetc(f)) != EOF;) {
        if (isalnum(c)) {
            h = h * 31 + (uint32_t)c;
        } else if (h) {
            t[i++] = (int32_t)(h % 50000);
            h = 0;
        }
    }
    if (f) fclose(f);
    for (; i < n; i++)
        t[i] = (int32_t)i;
}

static inline void null_text(int kind, int32_t *t, size_t n)
{
    xoe_rng r;
    xoe_rng_seed(&r, 100 + (uint64_t)kind);
    if (kind == 6) null_licence(t, n);
    for (size_t i = 0; i < n && kind < 6; i++)
        switch (kind) {
        case 0:
            t[i] = null_zipf(&r);
            break;
        case 1:
            t[i] = i < n / 5 ? null_zipf(&r) : t[i - n / 5];
            break;
        case 2:
            t[i] = i < n / 50 ? null_zipf(&r) : t[i - n / 50];
            break;
        case 3: /* a form with one field in eight filled in anew */
            t[i] = i < 40 ? null_zipf(&r) : i % 8 == 3 ? null_zipf(&r) : t[i - 40];
            break;
        case 4: /* "- item, item" from few words */
            t[i] = i % 4 == 0 ? 12 : (int32_t)(100 + xoe_rng_below(&r, 9));
            break;
        default: /* few symbols, much alike */
            t[i] = (int32_t)(1 + xoe_rng_below(&r, 30) * xoe_rng_below(&r, 2));
            break;
        }
}

/* One way of detecting. */
typedef struct null_way {
    const char *name;
    xoe_mark_params params;
    bool spans;
    int weights; /* 1: weights, 2: probabilities as of a model, −t: xoe_mark_test t */
    int keys;    /* a detection */
    int interop; /* 1 + kind: another program's mark, under random keys */
} null_way;

static const null_way null_ways[] = {
    {"gumbel", {.scheme = XOE_SCHEME_GUMBEL}, false, false, 1, 0},
    {"gumbel, width 1, 64 shifts",
     {.scheme = XOE_SCHEME_GUMBEL, .width = 1, .n_shifts = 64},
     false,
     false,
     1,
     0},
    {"gumbel, 50 keys, every third with 64 shifts", {.scheme = XOE_SCHEME_GUMBEL, .width = 2}, false, false, 50, 0},
    {"gumbel, spans", {.scheme = XOE_SCHEME_GUMBEL}, true, false, 1, 0},
    {"gumbel, weights", {.scheme = XOE_SCHEME_GUMBEL}, false, true, 1, 0},
    {"gumbel, 12-bit payload",
     {.scheme = XOE_SCHEME_GUMBEL, .n_shifts = 1, .payload_bits = 12},
     false,
     false,
     1,
     0},
    {"gumbel, 4-bit payload, spans",
     {.scheme = XOE_SCHEME_GUMBEL, .n_shifts = 2, .payload_bits = 4},
     true,
     false,
     1,
     0},
    {"gumbel, probabilities", {.scheme = XOE_SCHEME_GUMBEL}, false, 2, 1, 0},
    {"dual-gumbel, probabilities", {.scheme = XOE_SCHEME_DUAL}, false, 2, 1, 0},
    {"green, probabilities", {.scheme = XOE_SCHEME_GREEN}, false, 2, 1, 0},
    {"gumbel, probabilities, spans", {.scheme = XOE_SCHEME_GUMBEL}, true, 2, 1, 0},
    {"gumbel, goodness of fit", {.scheme = XOE_SCHEME_GUMBEL}, false, -XOE_TEST_GOF, 1, 0},
    {"gumbel, both tests, spans", {.scheme = XOE_SCHEME_GUMBEL}, true, -XOE_TEST_BOTH, 1, 0},
    {"green", {.scheme = XOE_SCHEME_GREEN}, false, false, 1, 0},
    {"green, spans", {.scheme = XOE_SCHEME_GREEN}, true, false, 1, 0},
    {"green, weights", {.scheme = XOE_SCHEME_GREEN}, false, true, 1, 0},
    {"synthid", {.scheme = XOE_SCHEME_SYNTHID}, false, false, 1, 0},
    {"dipmark", {.scheme = XOE_SCHEME_DIPMARK}, false, false, 1, 0},
    {"morphmark", {.scheme = XOE_SCHEME_MORPHMARK}, false, false, 1, 0},
    {"watermax", {.scheme = XOE_SCHEME_WATERMAX}, false, false, 1, 0},
    {"dual-gumbel", {.scheme = XOE_SCHEME_DUAL}, false, false, 1, 0},
    {"dual-gumbel, alpha 0.7, weights",
     {.scheme = XOE_SCHEME_DUAL, .alpha = 0.7},
     false,
     true,
     1,
     0},
    {"textseal-gumbelmax", {0}, false, false, 1, 1 + XOE_INTEROP_TEXTSEAL_GUMBEL},
    {"textseal-greenlist", {0}, false, false, 1, 1 + XOE_INTEROP_TEXTSEAL_GREEN},
    {"textseal-synthid", {0}, false, false, 1, 1 + XOE_INTEROP_TEXTSEAL_SYNTHID},
    {"textseal-synthid-weighted", {0}, false, false, 1, 1 + XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED},
    {"textseal-dual-key", {0}, false, false, 1, 1 + XOE_INTEROP_TEXTSEAL_DUAL},
    {"vllm-gumbel", {0}, false, false, 1, 1 + XOE_INTEROP_VLLM_GUMBEL},
    {"vllm-dual-key-gumbel", {0}, false, false, 1, 1 + XOE_INTEROP_VLLM_DUAL},
    {"sglang-gumbel", {0}, false, false, 1, 1 + XOE_INTEROP_SGLANG_GUMBEL},
    {"sglang-dual-key-gumbel", {0}, false, false, 1, 1 + XOE_INTEROP_SGLANG_DUAL},
    {"hf-synthid", {0}, false, false, 1, 1 + XOE_INTEROP_HF_SYNTHID},
    {"hf-greenlist", {0}, false, false, 1, 1 + XOE_INTEROP_HF_GREEN},
};
enum { NULL_WAYS = sizeof null_ways / sizeof null_ways[0], NULL_KEYS_MAX = 50 };

/* One detection of another program's mark under a random key. */
static inline int null_interop(int kind, const int32_t *t, size_t n, xoe_rng *r, double *log10_p)
{
    xoe_interop *h;
    xoe_verdict v;
    xoe_interop_params p = {.kind = (xoe_interop_kind)kind,
                            .key = xoe_rng_u64(r),
                            .key_b = xoe_rng_u64(r),
                            .depth = 30,
                            .n_vocab = 5000};
    for (int i = 0; i < 30; i++)
        p.keys[i] = (int64_t)xoe_rng_u64(r);
    if (xoe_interop_open(&h, &p, NULL) != XOE_OK) return -1;
    xoe_err rc = xoe_interop_detect(h, t, n, 0, &v, NULL, NULL);
    xoe_interop_close(h);
    if (rc != XOE_OK) return -1;
    *log10_p = v.log10_p;
    xoe_verdict_clear(&v);
    return 0;
}

/* Alarms at each level over n detections of one text under fresh keys. Returns 0, or −1 on error.
 */
static inline int null_count(const null_way *way, int kind, size_t n, uint64_t seed,
                             size_t alarms[NULL_LEVELS])
{
    static uint8_t keys[NULL_KEYS_MAX][XOE_MARK_KEY_BYTES];
    static xoe_mark_params params[NULL_KEYS_MAX];
    int32_t t[NULL_TOKENS];
    double weights[NULL_TOKENS], probs[NULL_TOKENS];
    xoe_rng r;
    xoe_rng_seed(&r, seed);
    null_text(kind, t, NULL_TOKENS);
    for (int i = 0; i < NULL_TOKENS; i++) {
        weights[i] = (double)(t[i] % 7) / 7;
        probs[i] = exp(-(double)(t[i] % 11));
    }
    memset(alarms, 0, NULL_LEVELS * sizeof *alarms);
    for (size_t k = 0; k < n; k++) {
        xoe_verdict v;
        double log10_p = 0;
        xoe_detect_opts o = {.spans = way->spans, .weights = way->weights == 1 ? weights : NULL,
                             .probs = way->weights == 2 ? probs : NULL,
                             .test = way->weights < 0 ? (xoe_mark_test)-way->weights : XOE_TEST_SUM};
        for (int i = 0; i < way->keys && !way->interop; i++) {
            params[i] = way->params;
            if (i % 3 == 2) params[i].n_shifts = 64;
            for (int j = 0; j < XOE_MARK_KEY_BYTES; j++)
                keys[i][j] = (uint8_t)xoe_rng_u64(&r);
        }
        if (way->interop) {
            if (null_interop(way->interop - 1, t, NULL_TOKENS, &r, &log10_p) != 0) return -1;
        } else {
            if (xoe_detect_tokens(params, (const uint8_t(*)[XOE_MARK_KEY_BYTES])keys,
                                  (size_t)way->keys, t, NULL_TOKENS, &o, &v, NULL) != XOE_OK)
                return -1;
            log10_p = v.log10_p;
            xoe_verdict_clear(&v);
        }
        for (int l = 0; l < NULL_LEVELS; l++)
            alarms[l] += log10_p <= log10(null_levels[l]);
    }
    return 0;
}

/* ln P(as many alarms or more, if the true rate were the nominal one). */
static inline double null_ln_excess(size_t alarms, size_t n, double level)
{
    return xoe_ln_binom_tail(n, alarms, level);
}

#endif
