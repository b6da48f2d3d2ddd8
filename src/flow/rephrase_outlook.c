/* What a chunk's texts score, now and under a shift that could be chosen. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "flow/rephrase_chunk_impl.h"

double xoe_chunk_gain_of(const char *s, size_t n, void *chunk)
{
    xoe_chunk *w = chunk;
    xoe_buf text;
    int32_t *tokens = NULL;
    size_t n_tokens = 0;
    double gain = 0;
    if (!w->marker) return 0;
    xoe_buf_init(&text, 1 << 20);
    xoe_buf_puts(&text, w->gap);
    if (!xoe_buf_add(&text, s, n) && xoe_engine_tokenize(w->o->paraphraser, text.data, text.len, false, false, &tokens, &n_tokens, NULL) == XOE_OK &&
        w->n_settled + n_tokens <= w->cap_settled) {
        memcpy(w->settled + w->n_settled, tokens, n_tokens * sizeof *tokens);
        if (xoe_marker_draft_gain(w->marker, w->settled, w->n_settled, n_tokens, &gain, NULL, NULL) != XOE_OK) gain = 0;
    }
    xoe_tokens_free(tokens);
    xoe_buf_free(&text);
    return gain;
}

static xoe_err add_variant(const xoe_chunk *w, const char *text, size_t n, size_t first, size_t end, xoe_variants *out, xoe_error *e)
{
    size_t n_before = w->n_settled < XOE_MARK_WIDTH_MAX ? w->n_settled : XOE_MARK_WIDTH_MAX, n_tokens = 0;
    int32_t *tokens = NULL, *all = NULL;
    xoe_buf whole;
    xoe_err rc = XOE_OK;
    if (n_before > (size_t)w->o->key.params.width) n_before = (size_t)w->o->key.params.width;
    xoe_buf_init(&whole, 1 << 20);
    xoe_buf_puts(&whole, w->gap);
    if (xoe_buf_add(&whole, text, n)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to choose a shift");
    if (rc == XOE_OK) rc = xoe_engine_tokenize(w->o->paraphraser, whole.data, whole.len, false, false, &tokens, &n_tokens, e);
    if (rc == XOE_OK) {
        all = xoe_malloc((n_before + n_tokens + 1) * sizeof *all);
        if (all && n_before) memcpy(all, w->settled + w->n_settled - n_before, n_before * sizeof *all);
        if (all && n_tokens) memcpy(all + n_before, tokens, n_tokens * sizeof *all);
        if (!all || xoe_variants_add(out, all, n_before, n_tokens, first, end)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to choose a shift");
    }
    xoe_free(all);
    xoe_tokens_free(tokens);
    xoe_buf_free(&whole);
    return rc;
}

xoe_err xoe_chunk_variants(const xoe_chunk *w, xoe_variants *out, xoe_error *e)
{
    const xoe_blend *b = &w->pool.blend;
    xoe_buf text;
    xoe_err rc = add_variant(w, w->source, w->n, 0, 0, out, e);
    xoe_buf_init(&text, 1 << 20);
    for (size_t i = 0; i < b->n_edits && rc == XOE_OK; i++) {
        xoe_blend_choice one = {0};
        one.on[i] = true;
        if (xoe_blend_write(b, &one, &text)) rc = xoe_error_set(e, XOE_ENOMEM, "no memory to choose a shift");
        if (rc == XOE_OK) rc = add_variant(w, text.data, text.len, b->edits[i].first, b->edits[i].end, out, e);
    }
    for (int i = 0; i < w->pool.n && rc == XOE_OK; i++)
        if (!w->pool.good[i].blends) rc = add_variant(w, w->pool.good[i].text.data, w->pool.good[i].text.len, 0, 0, out, e);
    xoe_buf_free(&text);
    return rc;
}

xoe_err xoe_chunk_prospect(xoe_chunk *w, xoe_marker *marker, double *gain, xoe_error *e)
{
    double none;
    xoe_buf text;
    xoe_err rc = xoe_marker_draft_gain(marker, w->settled, 0, 0, &none, NULL, e); /* what it has seen of other chunks is over */
    w->marker = marker;
    xoe_buf_init(&text, 1 << 20);
    double source = xoe_chunk_gain_of(w->source, w->n, w), right = source;
    xoe_pool_weigh(&w->pool, xoe_chunk_gain_of, w);
    if (w->pool.n) right = fmax(source, xoe_pool_best(&w->pool)->gain);
    *gain = (right + fmax(right, xoe_pool_blend(&w->pool, xoe_chunk_gain_of, w, &text))) / 2;
    xoe_buf_free(&text);
    w->marker = NULL;
    return rc;
}
