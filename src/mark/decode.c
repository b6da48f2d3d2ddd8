/* Reading a payload back.
 *
 * For each symbol every value's variant of the PRF is scored over the symbol's own positions. Under
 * the null the scores of different values and symbols are independent, so the best value's p-value
 * is corrected exactly by Šidák, and the symbols' p-values are combined exactly by Fisher:
 * −Σ ln p_j is Gamma(J, 1). (Discrete laws and symbols without positions make the p-values larger
 * than uniform, so the result errs to the safe side.)
 * Given that the text is marked with some payload, symbol j is read wrongly only if one of the
 * m − 1 wrong values, which score by chance, beats the right one: Σ_j (m_j − 1)·P(chance ≥ best_j)
 * estimates that. Thread: pure functions but for the PRF's owner. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/payload.h"
#include "mark/score.h"
#include "mark/stats.h"

xoe_err xoe_places_build(xoe_places *out, xoe_prf *prf, const xoe_mark_params *p,
                         const xoe_scored *scored, const double *weights, xoe_scratch *t,
                         xoe_error *e)
{
    size_t n = scored->n, at, m, fill[XOE_SYMBOLS_MAX + 1] = {0};
    uint32_t tag = xoe_prf_tag(p->scheme, p->width);
    uint8_t *symbol = xoe_malloc(n);
    xoe_block *contexts = xoe_malloc(n * sizeof *contexts);
    *out = (xoe_places){0};
    out->contexts = xoe_malloc(n * sizeof *out->contexts);
    out->tokens = xoe_malloc(n * sizeof *out->tokens);
    out->scored = xoe_malloc(n * sizeof *out->scored);
    if (weights) out->weights = xoe_malloc(n * sizeof *out->weights);
    if (!symbol || !contexts || !out->contexts || !out->tokens || !out->scored ||
        (weights && !out->weights)) {
        xoe_free(symbol);
        xoe_free(contexts);
        xoe_places_free(out);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the payload of %zu tokens", n);
    }
    xoe_prf_encrypt(prf, scored->contexts, contexts, n);
    for (at = 0; at < n; at += m) {
        m = n - at < XOE_SCORE_CHUNK ? n - at : XOE_SCORE_CHUNK;
        for (size_t i = 0; i < m; i++)
            t->token[i] = xoe_payload_query(&contexts[at + i], tag);
        xoe_prf_encrypt(prf, t->token, t->token, m);
        for (size_t i = 0; i < m; i++) {
            symbol[at + i] = (uint8_t)xoe_payload_symbol(&t->token[i], p->payload_bits);
            out->start[symbol[at + i] + 1]++;
        }
    }
    for (int j = 0; j < XOE_SYMBOLS_MAX; j++)
        out->start[j + 1] += out->start[j];
    memcpy(fill, out->start, sizeof fill);
    for (size_t i = 0; i < n; i++) {
        size_t k = fill[symbol[i]]++;
        out->contexts[k] = contexts[i];
        out->tokens[k] = scored->tokens[i];
        out->scored[k] = (uint32_t)i;
        if (weights) out->weights[k] = weights[i];
    }
    xoe_zero(contexts, n * sizeof *contexts);
    xoe_free(contexts);
    xoe_free(symbol);
    return XOE_OK;
}

void xoe_places_free(xoe_places *pl)
{
    if (pl->contexts) xoe_zero(pl->contexts, pl->start[XOE_SYMBOLS_MAX] * sizeof *pl->contexts);
    xoe_free(pl->contexts);
    xoe_free(pl->tokens);
    xoe_free(pl->scored);
    xoe_free(pl->weights);
    *pl = (xoe_places){0};
}

/* Total score of a group under one variant, for shift and shift + 1. */
static void group_sums(xoe_prf *prf, const xoe_mark_params *p, const xoe_places *pl, int group,
                       uint32_t variant, uint32_t shift, xoe_scratch *t, double sums[2])
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    uint32_t k = (uint32_t)ops->n_words, tag = xoe_prf_tag(p->scheme, p->width);
    sums[0] = sums[1] = 0;
    for (size_t at = pl->start[group], end = pl->start[group + 1], m; at < end; at += m) {
        size_t j = 0;
        m = end - at < XOE_SCORE_CHUNK ? end - at : XOE_SCORE_CHUNK;
        for (size_t i = 0; i < m; i++)
            for (uint32_t w = 0; w < k; w++)
                t->token[j++] = xoe_prf_token(&pl->contexts[at + i], pl->tokens[at + i], shift, tag,
                                              xoe_prf_layer(variant, w));
        xoe_prf_encrypt(prf, t->token, t->token, j);
        for (uint32_t s = 0; s < 2; s++) {
            for (size_t i = 0; i < j; i++)
                t->words[i] = xoe_prf_word(&t->token[i], s);
            if (!pl->weights)
                sums[s] += ops->sum(p, t->words, m);
            else
                for (size_t i = 0; i < m; i++)
                    sums[s] += pl->weights[at + i] * ops->score(p, t->words + i * k);
        }
    }
}

void xoe_payload_decode(xoe_prf *prf, const xoe_mark_params *p, const xoe_places *pl,
                        xoe_scratch *t, xoe_decoded *out)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    int n_symbols = xoe_payload_symbols(p->payload_bits);
    for (uint32_t shift = 0; shift < (uint32_t)p->n_shifts; shift += 2) {
        double fisher[2] = {0, 0}, ln_error[2] = {-INFINITY, -INFINITY}, total[2] = {0, 0};
        uint64_t payload[2] = {0, 0};
        for (int j = 0; j < n_symbols; j++) {
            int n_bits, first = xoe_payload_first_bit(p->payload_bits, j, &n_bits);
            size_t n = pl->start[j + 1] - pl->start[j];
            double best[2] = {-INFINITY, -INFINITY}, values = (double)(1u << n_bits), sums[2];
            uint64_t value[2] = {0, 0};
            for (uint32_t v = 0; v < 1u << n_bits; v++) {
                group_sums(prf, p, pl, j, xoe_payload_variant_of(j, v), shift, t, sums);
                for (int s = 0; s < 2; s++)
                    if (sums[s] > best[s]) {
                        best[s] = sums[s];
                        value[s] = v;
                    }
            }
            for (int s = 0; s < 2; s++) {
                double ln_p = pl->weights
                                  ? ops->ln_tail_weighted(p, pl->weights + pl->start[j], n, best[s])
                                  : ops->ln_tail(p, n, best[s]);
                if (n == 0) ln_p = 0;
                fisher[s] -= xoe_ln_sidak(ln_p, values);
                ln_error[s] = xoe_ln_add(ln_error[s], ln_p + log(values - 1));
                total[s] += best[s];
                payload[s] |= value[s] << first;
            }
        }
        for (uint32_t s = 0; s < 2 && shift + s < (uint32_t)p->n_shifts; s++)
            out[shift + s] =
                (xoe_decoded){payload[s], xoe_ln_gamma_tail((size_t)n_symbols, fisher[s]),
                              fmin(ln_error[s], 0), total[s]};
    }
}

void xoe_payload_variants(const xoe_mark_params *p, const xoe_places *pl, uint64_t payload,
                          uint32_t *variants)
{
    int n_symbols = xoe_payload_symbols(p->payload_bits);
    for (int j = 0; j < n_symbols; j++) {
        int n_bits, first = xoe_payload_first_bit(p->payload_bits, j, &n_bits);
        uint32_t value = (uint32_t)(payload >> first & ((1u << n_bits) - 1));
        for (size_t k = pl->start[j]; k < pl->start[j + 1]; k++)
            variants[pl->scored[k]] = xoe_payload_variant_of(j, value);
    }
}
