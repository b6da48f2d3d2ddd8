/* The inner loop of detection: contexts are encrypted once a key, tokens once a pair of shifts, in
 * chunks that stay in the first-level cache. Thread: pure functions but for the PRF's owner. */
#include "mark/score.h"

#include <string.h>

#include "mark/payload.h"

/* Token blocks of chunk [at, at + m) under a pair of shifts, encrypted, into t->token. */
static void encrypt_tokens(xoe_prf *prf, const xoe_scored *scored, size_t at, size_t m,
                           uint32_t shift, uint32_t tag, uint32_t n_words, const uint32_t *variants,
                           xoe_scratch *t)
{
    size_t j = 0;
    for (size_t i = 0; i < m; i++)
        for (uint32_t w = 0; w < n_words; w++)
            t->token[j++] = xoe_prf_token(&t->context[i], scored->tokens[at + i], shift, tag,
                                          xoe_prf_layer(variants ? variants[at + i] : 0, w));
    xoe_prf_encrypt(prf, t->token, t->token, j);
}

static void take_words(xoe_scratch *t, size_t n, uint32_t shift)
{
    for (size_t i = 0; i < n; i++)
        t->words[i] = xoe_prf_word(&t->token[i], shift);
}

/* Visit the words of every scored token, [m * n_words] of chunk [at, at + m), under each shift. */
static void each_chunk(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, xoe_scratch *t,
                       void (*visit)(size_t at, size_t m, uint32_t shift, const uint64_t *words, void *ud), void *ud)
{
    uint32_t k = (uint32_t)xoe_scheme_find(p->scheme)->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    for (size_t at = 0; at < scored->n; at += XOE_SCORE_CHUNK) {
        size_t m = scored->n - at < XOE_SCORE_CHUNK ? scored->n - at : XOE_SCORE_CHUNK;
        xoe_prf_encrypt(prf, scored->contexts + at, t->context, m);
        for (uint32_t s = 0; s < (uint32_t)p->n_shifts; s++) {
            if (s % 2 == 0) encrypt_tokens(prf, scored, at, m, s, tag, k, NULL, t);
            take_words(t, m * k, s);
            visit(at, m, s, t->words, ud);
        }
    }
}

struct sums {
    const xoe_mark_params *params;
    const xoe_scheme_ops *ops;
    const double *per_token; /* weights or probabilities; NULL: weights of 1 */
    double *sums;
    xoe_evidence *evidence;
};

static void add_sums(size_t at, size_t m, uint32_t shift, const uint64_t *words, void *ud)
{
    const struct sums *x = ud;
    if (!x->per_token) {
        x->sums[shift] += x->ops->sum(x->params, words, m);
        return;
    }
    for (size_t i = 0; i < m; i++)
        x->sums[shift] += x->per_token[at + i] * x->ops->score(x->params, words + i * (size_t)x->ops->n_words);
}

static void add_evidence(size_t at, size_t m, uint32_t shift, const uint64_t *words, void *ud)
{
    const struct sums *x = ud;
    for (size_t i = 0; i < m; i++)
        xoe_evidence_add(&x->evidence[shift], x->ops->ratio(x->params, words + i * (size_t)x->ops->n_words, x->per_token[at + i]));
}

void xoe_score_sums(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    const double *weights, xoe_scratch *t, double *sums)
{
    struct sums x = {.params = p, .ops = xoe_scheme_find(p->scheme), .per_token = weights, .sums = sums};
    memset(sums, 0, (size_t)p->n_shifts * sizeof *sums);
    each_chunk(prf, p, scored, t, add_sums, &x);
}

void xoe_score_evidence(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, const double *probs, xoe_scratch *t,
                        xoe_evidence *evidence)
{
    struct sums x = {.params = p, .ops = xoe_scheme_find(p->scheme), .per_token = probs, .evidence = evidence};
    memset(evidence, 0, (size_t)p->n_shifts * sizeof *evidence);
    each_chunk(prf, p, scored, t, add_evidence, &x);
}

/* Scores, or ratios where there are probs, under one shift. */
static void one_shift(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, uint32_t shift, const uint32_t *variants,
                      const double *probs, xoe_scratch *t, double *out)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    uint32_t k = (uint32_t)ops->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    for (size_t at = 0; at < scored->n; at += XOE_SCORE_CHUNK) {
        size_t m = scored->n - at < XOE_SCORE_CHUNK ? scored->n - at : XOE_SCORE_CHUNK;
        xoe_prf_encrypt(prf, scored->contexts + at, t->context, m);
        encrypt_tokens(prf, scored, at, m, shift, tag, k, variants, t);
        take_words(t, m * k, shift);
        for (size_t i = 0; i < m; i++)
            out[at + i] = probs ? ops->ratio(p, t->words + i * k, probs[at + i]) : ops->score(p, t->words + i * k);
    }
}

void xoe_score_each(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    uint32_t shift, const uint32_t *variants, xoe_scratch *t, double *out)
{
    one_shift(prf, p, scored, shift, variants, NULL, t, out);
}

void xoe_score_ratios(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, uint32_t shift, const double *probs,
                      xoe_scratch *t, double *out)
{
    one_shift(prf, p, scored, shift, NULL, probs, t, out);
}
