/* The detector: tokens and keys in, one verdict out.
 *
 * Null hypothesis: the text does not depend on the key. Then the PRF values at the scored positions
 * (context whole, first occurrence) are independent and uniform, whatever the text is, and so are
 * those of every other shift and key; the total score under one key and shift has the scheme's exact
 * law, and the smallest of all p-values is corrected exactly by Šidák. Contexts are hashed and
 * deduplicated once a width, not once a key. Thread: safe; everything lives in the call. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/context.h"
#include "mark/score.h"
#include "mark/stats.h"

enum {
    MIN_SCORED = 16, /* below this a text is too short whatever its score */
};
/* Mean score of text with about 5 bits a token, under gumbel: what "could carry" is measured by. */
static const double rich_score = 4.0;

struct text { /* one width's view of the text */
    xoe_scored scored;
    double *weights; /* [scored.n] or NULL */
    bool built;
};

struct detection {
    const int32_t *tokens;
    size_t n_tokens;
    const double *weights;
    xoe_prf prf;
    xoe_scratch *scratch;
    struct text texts[XOE_MARK_WIDTH_MAX + 1]; /* by width */
    double n_tests;
    /* the best so far */
    double ln_p, sum;
    size_t key;
    uint32_t shift;
    xoe_mark_params params;
};

static xoe_err text_of(struct detection *d, int width, struct text **out, xoe_error *e)
{
    struct text *t = *out = &d->texts[width];
    if (t->built) return XOE_OK;
    xoe_err rc = xoe_scored_build(&t->scored, d->tokens, d->n_tokens, width, &d->prf, e);
    if (rc != XOE_OK) return rc;
    t->built = true;
    if (!d->weights) return XOE_OK;
    t->weights = xoe_malloc(t->scored.n * sizeof *t->weights);
    if (!t->weights) return xoe_error_set(e, XOE_ENOMEM, "no memory for weights");
    for (size_t i = 0; i < t->scored.n; i++)
        t->weights[i] = d->weights[t->scored.pos[i]];
    return XOE_OK;
}

static double ln_tail(const xoe_mark_params *p, const struct text *t, double sum)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    return t->weights ? ops->ln_tail_weighted(p, t->weights, t->scored.n, sum)
                      : ops->ln_tail(p, t->scored.n, sum);
}

/* One key: its best shift against the best so far. */
static xoe_err try_key(struct detection *d, const xoe_mark_params *given, const uint8_t *key,
                       size_t index, xoe_error *e)
{
    double sums[XOE_MARK_SHIFTS_MAX];
    struct text *t;
    xoe_mark_params p = *given;
    xoe_err rc = xoe_mark_params_resolve(&p, e);
    if (rc != XOE_OK) return rc;
    if ((rc = xoe_prf_rekey(&d->prf, key, e)) != XOE_OK) return rc;
    if ((rc = text_of(d, p.width, &t, e)) != XOE_OK) return rc;
    xoe_score_sums(&d->prf, &p, &t->scored, t->weights, d->scratch, sums);
    uint32_t best = 0;
    for (uint32_t s = 1; s < (uint32_t)p.n_shifts; s++)
        if (sums[s] > sums[best]) best = s;
    d->n_tests += p.n_shifts;
    double ln_p = ln_tail(&p, t, sums[best]);
    if (index == 0 || ln_p < d->ln_p) {
        d->ln_p = ln_p;
        d->sum = sums[best];
        d->key = index;
        d->shift = best;
        d->params = p;
    }
    return XOE_OK;
}

/* Could a text of n scored tokens reach fpr at all? */
static bool can_carry(const xoe_mark_params *p, size_t n, double n_tests, double fpr)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    if (n < MIN_SCORED) return false;
    double top = isfinite(ops->top_score) ? ops->top_score : rich_score;
    return xoe_ln_sidak(ops->ln_tail(p, n, top * (double)n), n_tests) <= log(fpr);
}

static xoe_err token_scores(struct detection *d, const uint8_t *key, xoe_verdict *out, xoe_error *e)
{
    const struct text *t = &d->texts[d->params.width];
    double *scores = NULL;
    xoe_err rc = xoe_prf_rekey(&d->prf, key, e);
    if (rc != XOE_OK) return rc;
    out->token_scores = xoe_malloc(d->n_tokens * sizeof *out->token_scores);
    scores = xoe_malloc(t->scored.n * sizeof *scores);
    if (!out->token_scores || !scores) {
        xoe_free(scores);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for the scores of %zu tokens", d->n_tokens);
    }
    for (size_t i = 0; i < d->n_tokens; i++)
        out->token_scores[i] = NAN;
    xoe_score_each(&d->prf, &d->params, &t->scored, d->shift, d->scratch, scores);
    for (size_t i = 0; i < t->scored.n; i++)
        out->token_scores[t->scored.pos[i]] = (float)scores[i];
    xoe_free(scores);
    return XOE_OK;
}

static void fill(const struct detection *d, double fpr, xoe_verdict *v)
{
    const struct text *t = &d->texts[d->params.width];
    const xoe_scheme_ops *ops = xoe_scheme_find(d->params.scheme);
    double total_weight = 0, ln_p = xoe_ln_sidak(d->ln_p, d->n_tests);
    for (size_t i = 0; i < t->scored.n; i++) {
        double w = t->weights ? t->weights[i] : 1;
        total_weight += w;
        v->n_scored += w > 0;
    }
    v->n_tokens = d->n_tokens;
    v->key_index = d->key;
    v->shift = d->shift;
    v->log10_p = ln_p / XOE_LN10;
    v->p_value = exp(ln_p);
    v->confidence = fpr / (fpr + v->p_value);
    v->detected = ln_p <= log(fpr);
    v->can_carry = can_carry(&d->params, v->n_scored, d->n_tests, fpr);
    v->score = total_weight > 0 ? d->sum / total_weight : NAN;
    v->green_fraction = ops->has_green ? v->score : NAN;
}

static xoe_err check(const xoe_mark_params *params, const uint8_t (*keys)[XOE_MARK_KEY_BYTES],
                     size_t n_keys, const int32_t *tokens, size_t n_tokens, double fpr,
                     const double *weights, xoe_error *e)
{
    if (!params || !keys || n_keys == 0)
        return xoe_error_set(e, XOE_EINVAL, "detection needs at least one key");
    if (!tokens || n_tokens == 0)
        return xoe_error_set(e, XOE_EINVAL, "there are no tokens to look at");
    if (!(fpr > 0 && fpr < 1))
        return xoe_error_param(e, XOE_EINVAL, "fpr", "fpr is %g; it must be between 0 and 1", fpr);
    for (size_t i = 0; weights && i < n_tokens; i++)
        if (!(weights[i] >= 0 && weights[i] < INFINITY))
            return xoe_error_param(e, XOE_EINVAL, "weights",
                                   "weight %zu is %g; weights are finite and not negative", i,
                                   weights[i]);
    return XOE_OK;
}

xoe_err xoe_detect_tokens(const xoe_mark_params *params, const uint8_t (*keys)[XOE_MARK_KEY_BYTES],
                          size_t n_keys, const int32_t *tokens, size_t n_tokens,
                          const xoe_detect_opts *opts, xoe_verdict *out, xoe_error *e)
{
    struct detection d = {.tokens = tokens, .n_tokens = n_tokens};
    double fpr = opts && opts->fpr != 0 ? opts->fpr : 1e-3;
    *out = (xoe_verdict){.green_fraction = NAN, .score = NAN};
    d.weights = opts ? opts->weights : NULL;
    xoe_err rc = check(params, keys, n_keys, tokens, n_tokens, fpr, d.weights, e);
    if (rc != XOE_OK) return rc;
    if ((rc = xoe_prf_open(&d.prf, keys[0], e)) != XOE_OK) return rc;
    d.scratch = xoe_malloc(sizeof *d.scratch);
    if (!d.scratch) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to detect");
        goto out;
    }
    for (size_t i = 0; i < n_keys; i++)
        if ((rc = try_key(&d, &params[i], keys[i], i, e)) != XOE_OK) goto out;
    fill(&d, fpr, out);
    rc = token_scores(&d, keys[d.key], out, e);
out:
    for (int w = 0; w <= XOE_MARK_WIDTH_MAX; w++) {
        xoe_scored_free(&d.texts[w].scored);
        xoe_free(d.texts[w].weights);
    }
    if (d.scratch) xoe_zero(d.scratch, sizeof *d.scratch);
    xoe_free(d.scratch);
    xoe_prf_close(&d.prf);
    if (rc != XOE_OK) xoe_verdict_clear(out);
    return rc;
}

void xoe_verdict_clear(xoe_verdict *v)
{
    if (!v) return;
    xoe_free(v->spans);
    xoe_free(v->token_scores);
    *v = (xoe_verdict){0};
}
