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

void xoe_score_sums(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    const double *weights, xoe_scratch *t, double *sums)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    uint32_t k = (uint32_t)ops->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    uint32_t n_shifts = (uint32_t)p->n_shifts;
    memset(sums, 0, n_shifts * sizeof *sums);
    for (size_t at = 0; at < scored->n; at += XOE_SCORE_CHUNK) {
        size_t m = scored->n - at < XOE_SCORE_CHUNK ? scored->n - at : XOE_SCORE_CHUNK;
        xoe_prf_encrypt(prf, scored->contexts + at, t->context, m);
        for (uint32_t s = 0; s < n_shifts; s++) {
            if (s % 2 == 0) encrypt_tokens(prf, scored, at, m, s, tag, k, NULL, t);
            take_words(t, m * k, s);
            if (!weights) {
                sums[s] += ops->sum(p, t->words, m);
                continue;
            }
            for (size_t i = 0; i < m; i++)
                sums[s] += weights[at + i] * ops->score(p, t->words + i * k);
        }
    }
}

void xoe_score_evidence(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored, const double *probs, xoe_scratch *t,
                        xoe_evidence *evidence)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    uint32_t k = (uint32_t)ops->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    uint32_t n_shifts = (uint32_t)p->n_shifts;
    memset(evidence, 0, n_shifts * sizeof *evidence);
    for (size_t at = 0; at < scored->n; at += XOE_SCORE_CHUNK) {
        size_t m = scored->n - at < XOE_SCORE_CHUNK ? scored->n - at : XOE_SCORE_CHUNK;
        xoe_prf_encrypt(prf, scored->contexts + at, t->context, m);
        for (uint32_t s = 0; s < n_shifts; s++) {
            if (s % 2 == 0) encrypt_tokens(prf, scored, at, m, s, tag, k, NULL, t);
            take_words(t, m * k, s);
            for (size_t i = 0; i < m; i++)
                xoe_evidence_add(&evidence[s], ops->ratio(p, t->words + i * k, probs[at + i]));
        }
    }
}

void xoe_score_each(xoe_prf *prf, const xoe_mark_params *p, const xoe_scored *scored,
                    uint32_t shift, const uint32_t *variants, xoe_scratch *t, double *out)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    uint32_t k = (uint32_t)ops->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    for (size_t at = 0; at < scored->n; at += XOE_SCORE_CHUNK) {
        size_t m = scored->n - at < XOE_SCORE_CHUNK ? scored->n - at : XOE_SCORE_CHUNK;
        xoe_prf_encrypt(prf, scored->contexts + at, t->context, m);
        encrypt_tokens(prf, scored, at, m, shift, tag, k, variants, t);
        take_words(t, m * k, shift);
        for (size_t i = 0; i < m; i++)
            out[at + i] = ops->score(p, t->words + i * k);
    }
}
