/* From text to verdict.
 *
 * Two readings are tested where they differ: the canonical form, and the canonical form with its white
 * space reflowed (text that was wrapped anew); the better one counts, its p doubled (Bonferroni). Tokens are
 * mapped back to the bytes of the text as given. Thread: safe; nothing is kept. */
#include "flow/detect.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/mem.h"
#include "base/text.h"
#include "flow/canon.h"
#include "flow/token_probs.h"
#include "flow/wanted.h"

/* ---- one reading ---- */

struct reading {
    xoe_canon canon;
    int32_t *tokens;
    size_t n_tokens;
    xoe_verdict v;
};

static void reading_free(struct reading *r)
{
    xoe_canon_clear(&r->canon);
    xoe_tokens_free(r->tokens);
    xoe_verdict_clear(&r->v);
}

/* What is left of a reading's verdict when it is only a share of the test, at target rate fpr. */
static void correct(xoe_verdict *v, double fpr, double share)
{
    v->log10_p = fmin(0, v->log10_p - log10(share));
    v->p_value = pow(10, v->log10_p);
    v->confidence = fpr / (fpr + v->p_value);
    v->detected = v->log10_p <= log10(fpr);
    for (size_t i = 0; i < v->n_spans; i++)
        v->spans[i].log10_p = fmin(0, v->spans[i].log10_p - log10(share));
}

static xoe_err read_tokens(struct reading *r, xoe_engine *en, const xoe_wanted *w, bool weights, const xoe_detect_opts *given, double share,
                           xoe_error *e)
{
    xoe_detect_opts o = *given;
    double *probs = NULL;
    xoe_err rc = xoe_engine_tokenize(en, r->canon.text, r->canon.n, false, false, &r->tokens, &r->n_tokens, e);
    if (rc != XOE_OK) return rc;
    if (r->n_tokens == 0) return xoe_error_param(e, XOE_EINVAL, "text", "there is no text to look at");
    if (weights) {
        probs = xoe_malloc(r->n_tokens * sizeof *probs);
        o.probs = probs;
        rc = probs ? xoe_token_probs(en, r->tokens, r->n_tokens, XOE_PRIORITY_BATCH, probs, e)
                   : xoe_error_set(e, XOE_ENOMEM, "no memory for %zu tokens", r->n_tokens);
    }
    o.fpr = given->fpr * share;
    if (rc == XOE_OK) rc = xoe_wanted_test(w, r->tokens, r->n_tokens, &o, &r->v, e);
    xoe_free(probs);
    if (rc == XOE_OK && share < 1) correct(&r->v, given->fpr, share);
    return rc;
}

/* Byte ranges of tokens in the canonical text, by adding up their lengths. */
static xoe_err locate(const struct reading *r, const xoe_engine *en, size_t **out, xoe_error *e)
{
    size_t *at = xoe_malloc((r->n_tokens + 1) * sizeof *at), pos = 0;
    if (!at) return xoe_error_set(e, XOE_ENOMEM, "no memory for %zu tokens", r->n_tokens);
    char piece[512];
    for (size_t i = 0; i < r->n_tokens; i++) {
        at[i] = pos < r->canon.n ? pos : r->canon.n;
        size_t len = xoe_engine_token_bytes(en, r->tokens[i], true, piece, sizeof piece);
        /* Some tokenizers put a space before the first word. */
        if (i == 0 && len && len <= sizeof piece && piece[0] == ' ' && r->canon.text[0] != ' ') len--;
        pos += len;
    }
    at[r->n_tokens] = r->canon.n;
    *out = at;
    return XOE_OK;
}

static xoe_err fill_places(const struct reading *r, const size_t *at, const char *text, const xoe_text_detect_opts *o, xoe_text_verdict *out, xoe_error *e)
{
    const size_t *src = r->canon.source;
    if (out->v.n_spans) {
        out->spans = xoe_calloc(out->v.n_spans, sizeof *out->spans);
        if (!out->spans) return xoe_error_set(e, XOE_ENOMEM, "no memory for spans");
        for (size_t i = 0; i < out->v.n_spans; i++) {
            xoe_text_span *s = &out->spans[i];
            s->first_byte = src[at[out->v.spans[i].first]];
            s->end_byte = src[at[out->v.spans[i].end]];
            s->first_char = xoe_utf8_count(text, s->first_byte);
            s->end_char = s->first_char + xoe_utf8_count(text + s->first_byte, s->end_byte - s->first_byte);
            s->log10_p = out->v.spans[i].log10_p;
        }
    }
    if (!o->tokens) return XOE_OK;
    out->tokens = xoe_calloc(r->n_tokens, sizeof *out->tokens);
    if (!out->tokens) return xoe_error_set(e, XOE_ENOMEM, "no memory for %zu tokens", r->n_tokens);
    out->n_tokens = r->n_tokens;
    for (size_t i = 0, chars = 0; i < r->n_tokens; i++) { /* tokens are in order: count on */
        size_t first = src[at[i]], end = src[at[i + 1]], len = xoe_utf8_count(text + first, end - first);
        size_t skipped = i ? first - out->tokens[i - 1].end_byte : first;
        chars += xoe_utf8_count(text + first - skipped, skipped);
        out->tokens[i] = (xoe_text_token){first, end, chars, chars + len, out->v.token_scores[i]};
        chars += len;
    }
    return XOE_OK;
}

static bool differ(const xoe_canon *a, const xoe_canon *b)
{
    return a->n != b->n || memcmp(a->text, b->text, a->n);
}

xoe_err xoe_detect_text(xoe_engine *tokenizer, xoe_keyring *ring, const char *text, size_t n, const xoe_text_detect_opts *opts,
                        xoe_text_verdict *out, xoe_error *e)
{
    static const xoe_text_detect_opts none;
    const xoe_text_detect_opts *o = opts ? opts : &none;
    xoe_detect_opts mo = {.fpr = o->fpr > 0 ? o->fpr : 1e-3, .spans = o->spans, .test = o->test};
    xoe_wanted wanted = {0};
    xoe_engine_info info;
    struct reading plain = {0}, flowed = {0}, *best = &plain;
    size_t *at = NULL;
    *out = (xoe_text_verdict){0};
    if (n == 0) return xoe_error_param(e, XOE_EINVAL, "text", "the text is empty");
    if (o->weights && o->scheme && o->scheme->other)
        return xoe_error_param(e, XOE_EUNSUPPORTED, "weights", "weights are for our own schemes, not for %s", xoe_named_scheme_name(o->scheme));
    xoe_engine_get_info(tokenizer, &info);
    xoe_err rc = o->scheme ? xoe_wanted_scheme(&wanted, o->scheme, info.n_vocab, e)
                           : xoe_wanted_keys(&wanted, ring, o->key_ids, o->n_key_ids, e);
    if (rc == XOE_OK) rc = xoe_canon_make(&plain.canon, text, n, e);
    if (rc == XOE_OK) rc = xoe_canon_reflow(&flowed.canon, &plain.canon, e);
    bool two = rc == XOE_OK && flowed.canon.n && differ(&flowed.canon, &plain.canon);
    if (rc == XOE_OK) rc = read_tokens(&plain, tokenizer, &wanted, o->weights, &mo, two ? 0.5 : 1, e);
    if (rc == XOE_OK && two) rc = read_tokens(&flowed, tokenizer, &wanted, o->weights, &mo, 0.5, e);
    if (rc == XOE_OK && two && flowed.v.log10_p < plain.v.log10_p) best = &flowed;
    if (rc == XOE_OK) rc = locate(best, tokenizer, &at, e);
    if (rc == XOE_OK) {
        out->v = best->v;
        best->v = (xoe_verdict){0};
        snprintf(out->key_id, sizeof out->key_id, "%s", xoe_wanted_id(&wanted, out->v.key_index));
        out->method = xoe_wanted_method(&wanted, out->v.key_index);
        out->chance = xoe_wanted_chance(&wanted, out->v.key_index);
        out->fpr = mo.fpr;
        out->weighted = o->weights;
        rc = fill_places(best, at, text, o, out, e);
    }
    if (rc != XOE_OK) xoe_text_verdict_clear(out);
    xoe_free(at);
    reading_free(&plain);
    reading_free(&flowed);
    xoe_wanted_free(&wanted);
    return rc;
}

void xoe_text_verdict_clear(xoe_text_verdict *v)
{
    if (!v) return;
    xoe_verdict_clear(&v->v);
    xoe_free(v->spans);
    xoe_free(v->tokens);
    *v = (xoe_text_verdict){0};
}
