/* The writer of a mark: one marker an answer, one pick a token.
 *
 * A pick looks at the last `width` tokens of the answer. If the context is whole and new in this
 * answer, the scheme chooses by PRF words of the candidates; else the token is drawn freely from
 * the candidates' probabilities. The set of used contexts follows the answer itself: tokens that
 * came without a pick count, and an answer that was cut back is read anew. When memory for the
 * words is missing the token is drawn freely and reported as unmarked. Thread: one owner. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/context.h"
#include "mark/payload.h"
#include "mark/scheme.h"

enum { FIRST_CANDS = 1024, CHUNK = 256 };

struct xoe_marker {
    const xoe_scheme_ops *scheme;
    xoe_mark_params params;
    uint32_t shift, tag;
    uint64_t payload;
    xoe_prf prf;
    xoe_context_set used;
    size_t n_seen;   /* contexts before positions < n_seen are in `used` */
    double *p;       /* [cap]: a step's arrays */
    uint64_t *words; /* [cap][n_words] */
    uint32_t *order; /* [cap] */
    size_t cap;
};

static void drop_arrays(xoe_marker *m)
{
    if (m->cap) xoe_zero(m->words, m->cap * (size_t)m->scheme->n_words * sizeof *m->words);
    xoe_free(m->words);
    xoe_free(m->p);
    xoe_free(m->order);
    m->words = NULL;
    m->p = NULL;
    m->order = NULL;
    m->cap = 0;
}

static bool reserve(xoe_marker *m, size_t n)
{
    if (n <= m->cap) return true;
    size_t cap = m->cap ? m->cap : FIRST_CANDS;
    if (n > UINT32_MAX / 2) return false;
    while (cap < n)
        cap *= 2;
    drop_arrays(m);
    m->p = xoe_malloc(cap * sizeof *m->p);
    m->words = xoe_malloc(cap * (size_t)m->scheme->n_words * sizeof *m->words);
    m->order = xoe_malloc(cap * sizeof *m->order);
    if (m->p && m->words && m->order) m->cap = cap;
    return m->cap == cap;
}

xoe_err xoe_marker_open(xoe_marker **out, const xoe_mark_params *params,
                        const uint8_t key[XOE_MARK_KEY_BYTES], uint32_t shift, uint64_t payload,
                        xoe_error *e)
{
    *out = NULL;
    if (!params || !key) return xoe_error_set(e, XOE_EINVAL, "a marker needs parameters and a key");
    xoe_mark_params p = *params;
    xoe_err rc = xoe_mark_params_resolve(&p, e);
    if (rc != XOE_OK) return rc;
    if (shift >= (uint32_t)p.n_shifts)
        return xoe_error_param(e, XOE_EINVAL, "shift", "shift %u is not below n_shifts %d", shift,
                               p.n_shifts);
    if (p.payload_bits < 64 && payload >> p.payload_bits)
        return xoe_error_param(e, XOE_EINVAL, "payload", "the payload does not fit in %d bits",
                               p.payload_bits);
    xoe_marker *m = xoe_calloc(1, sizeof *m);
    if (!m) return xoe_error_set(e, XOE_ENOMEM, "no memory for a marker");
    m->scheme = xoe_scheme_find(p.scheme);
    m->params = p;
    m->shift = shift;
    m->payload = payload;
    m->tag = xoe_prf_tag(p.scheme, p.width);
    rc = xoe_prf_open(&m->prf, key, e);
    if (rc == XOE_OK && !reserve(m, FIRST_CANDS))
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a marker");
    if (rc != XOE_OK) {
        xoe_marker_close(m);
        return rc;
    }
    *out = m;
    return XOE_OK;
}

void xoe_marker_close(xoe_marker *m)
{
    if (!m) return;
    xoe_prf_close(&m->prf);
    xoe_context_set_free(&m->used);
    drop_arrays(m);
    xoe_free(m);
}

size_t xoe_draw(const double *p, size_t n, double u)
{
    size_t last = 0;
    for (size_t i = 0; i < n; i++) {
        if (!(p[i] > 0)) continue;
        last = i;
        u -= p[i];
        if (u < 0) break;
    }
    return last;
}

/* The same as xoe_draw over the candidates as they came: needs no memory. */
static size_t draw_free(const xoe_cand *cands, size_t n, double u)
{
    double total = 0;
    size_t last = 0;
    for (size_t i = 0; i < n; i++)
        if (cands[i].p > 0 && isfinite(cands[i].p)) total += (double)cands[i].p;
    u *= total;
    for (size_t i = 0; i < n; i++) {
        if (!(cands[i].p > 0) || !isfinite(cands[i].p)) continue;
        last = i;
        u -= (double)cands[i].p;
        if (u < 0) break;
    }
    return last;
}

/* Probabilities into m->p, made to sum to 1. False: there are none. */
static bool load(xoe_marker *m, const xoe_cand *cands, size_t n)
{
    double total = 0;
    for (size_t i = 0; i < n; i++) {
        m->p[i] = cands[i].p > 0 && isfinite(cands[i].p) ? (double)cands[i].p : 0;
        total += m->p[i];
    }
    if (!(total > 0)) return false;
    if (total != 1)
        for (size_t i = 0; i < n; i++)
            m->p[i] /= total;
    return true;
}

static uint32_t variant_of(xoe_marker *m, const xoe_block *context)
{
    return m->params.payload_bits ? xoe_payload_variant(&m->prf, &m->params, context, m->payload)
                                  : 0;
}

static void fill_words(xoe_marker *m, const xoe_block *context, uint32_t variant,
                       const xoe_cand *cands, size_t n)
{
    xoe_block block[CHUNK];
    uint32_t k = (uint32_t)m->scheme->n_words;
    size_t per = CHUNK / k;
    for (size_t at = 0; at < n; at += per) {
        size_t c = n - at < per ? n - at : per, j = 0;
        for (size_t i = 0; i < c; i++)
            for (uint32_t w = 0; w < k; w++)
                block[j++] = xoe_prf_token(context, cands[at + i].id, m->shift, m->tag,
                                           xoe_prf_layer(variant, w));
        xoe_prf_encrypt(&m->prf, block, block, j);
        for (size_t i = 0; i < j; i++)
            m->words[at * k + i] = xoe_prf_word(&block[i], m->shift);
    }
    xoe_zero(block, sizeof block);
}

static xoe_block encrypted_context(xoe_marker *m, const int32_t *tokens)
{
    xoe_block b = xoe_prf_context(tokens, m->params.width);
    xoe_prf_encrypt(&m->prf, &b, &b, 1);
    return b;
}

/* Bring `used` to exactly the contexts before positions < n. False: no memory (the rest is added
 * with the next call). */
static bool follow(xoe_marker *m, const int32_t *answer, size_t n)
{
    size_t w = (size_t)m->params.width;
    if (n < m->n_seen) { /* the answer was cut back */
        xoe_context_set_reset(&m->used);
        m->n_seen = 0;
    }
    for (size_t at = m->n_seen > w ? m->n_seen : w; at < n; at++) {
        xoe_block context = encrypted_context(m, answer + at - w);
        if (xoe_context_set_add(&m->used, &context) < 0) return false;
        m->n_seen = at + 1;
    }
    return true;
}

/* *context: what stands before position n_answer, encrypted. True: whole and new, and now used. */
static bool fresh(xoe_marker *m, const int32_t *answer, size_t n_answer, xoe_block *context)
{
    size_t w = (size_t)m->params.width;
    if (!follow(m, answer, n_answer) || n_answer < w) return false;
    *context = encrypted_context(m, answer + n_answer - w);
    int added = xoe_context_set_add(&m->used, context);
    if (added >= 0) m->n_seen = n_answer + 1;
    return added == 1;
}

void xoe_marker_pick(xoe_marker *m, const xoe_cand *cands, size_t n, const int32_t *answer,
                     size_t n_answer, double (*uniform)(void *ud), void *ud, xoe_pick *out)
{
    xoe_block context;
    *out = (xoe_pick){0};
    if (n == 0) return;
    if (fresh(m, answer, n_answer, &context) && reserve(m, n) && load(m, cands, n)) {
        fill_words(m, &context, variant_of(m, &context), cands, n);
        xoe_step step = {&m->params, m->p, m->words, m->order, n, uniform, ud};
        out->index = m->scheme->pick(&step, &out->expected);
        out->marked = true;
    } else {
        out->index = draw_free(cands, n, uniform(ud));
    }
    xoe_zero(&context, sizeof context);
}

xoe_err xoe_marker_draft_gain(xoe_marker *m, const int32_t *text, size_t n_answer, size_t n_draft,
                              double *gain, bool *scored, xoe_error *e)
{
    xoe_err rc = XOE_OK;
    size_t w = (size_t)m->params.width;
    uint32_t k = (uint32_t)m->scheme->n_words;
    xoe_context_set own = {0};
    uint64_t words[XOE_WORDS_MAX];
    *gain = 0;
    for (size_t i = 0; scored && i < n_draft; i++)
        scored[i] = false;
    if (!follow(m, text, n_answer)) goto no_memory;
    for (size_t at = n_answer > w ? n_answer : w; at < n_answer + n_draft; at++) {
        xoe_block context = encrypted_context(m, text + at - w), block;
        if (xoe_context_set_has(&m->used, &context)) continue;
        int added = xoe_context_set_add(&own, &context);
        if (added < 0) goto no_memory;
        if (added == 0) continue;
        uint32_t variant = variant_of(m, &context);
        for (uint32_t i = 0; i < k; i++) {
            block = xoe_prf_token(&context, text[at], m->shift, m->tag, xoe_prf_layer(variant, i));
            xoe_prf_encrypt(&m->prf, &block, &block, 1);
            words[i] = xoe_prf_word(&block, m->shift);
        }
        if (scored) scored[at - n_answer] = true;
        *gain += m->scheme->score(&m->params, words) - m->scheme->chance(&m->params);
    }
    goto out;
no_memory:
    rc = xoe_error_set(e, XOE_ENOMEM, "no memory to score a draft of %zu tokens", n_draft);
out:
    xoe_context_set_free(&own);
    xoe_zero(words, sizeof words);
    return rc;
}
