/* The detector: tokens and keys in, one verdict out.
 *
 * Null hypothesis: the text does not depend on the key. Then the PRF values at the scored positions
 * (context whole, first occurrence) are independent and uniform, whatever the text is, and so are
 * those of every other shift and key. One test is made a key and shift; its p-value is exact or
 * conservative, the smallest of a key is corrected by Šidák for its shifts, and the smallest of those for the keys: a key with
 * many shifts pays for them alone. When spans are asked for, a test is
 * part whole text and part scan of windows (Bonferroni). Contexts are hashed and
 * deduplicated once a width, not once a key. Thread: safe; everything lives in the call. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/capacity.h"
#include "mark/gof.h"
#include "mark/score.h"
#include "mark/spans.h"
#include "mark/stats.h"

struct text { /* one width's view of the text */
    xoe_scored scored;
    double *weights; /* [scored.n] or NULL */
    double *probs;   /* [scored.n] or NULL */
    bool built;
};

struct finding { /* the best test so far */
    xoe_mark_params params;
    size_t key;
    uint32_t shift;
    xoe_decoded decoded;
    double ln_p, sum;
    double ln_p_of_key; /* corrected for the key's shifts */
};

struct detection {
    const int32_t *tokens;
    size_t n_tokens;
    const double *weights, *probs;
    bool spans;
    xoe_mark_test test;
    xoe_prf prf;
    xoe_scratch *scratch;
    double *prefix;                            /* [n_tokens + 1] running sums, or scores */
    double *ratios; /* with probs and spans: [XOE_EVIDENCE_SHARES][n_tokens + 1] running ln ratios */
    uint32_t *variants;                        /* [n_tokens] with a payload */
    struct text texts[XOE_MARK_WIDTH_MAX + 1]; /* by width */
    double n_tests; /* keys times the shifts of the best one: what its p-values are corrected for */
    struct finding best;
};

static xoe_err no_memory(const struct detection *d, xoe_error *e)
{
    return xoe_error_set(e, XOE_ENOMEM, "no memory to detect in %zu tokens", d->n_tokens);
}

static xoe_err text_of(struct detection *d, int width, struct text **out, xoe_error *e)
{
    struct text *t = *out = &d->texts[width];
    if (t->built) return XOE_OK;
    xoe_err rc = xoe_scored_build(&t->scored, d->tokens, d->n_tokens, width, &d->prf, e);
    if (rc != XOE_OK) return rc;
    t->built = true;
    if (!d->weights && !d->probs) return XOE_OK;
    t->weights = xoe_malloc(t->scored.n * sizeof *t->weights);
    if (d->probs) t->probs = xoe_malloc(t->scored.n * sizeof *t->probs);
    if (!t->weights || (d->probs && !t->probs)) return no_memory(d, e);
    for (size_t i = 0; i < t->scored.n; i++) {
        size_t at = t->scored.pos[i];
        if (d->probs) t->probs[i] = d->probs[at];
        t->weights[i] = d->probs ? xoe_evidence_weight(d->probs[at]) : d->weights[at];
    }
    return XOE_OK;
}

/* Running sums of the scores under one shift into d->prefix. */
static void run_sums(struct detection *d, const xoe_mark_params *p, const xoe_scored *scored,
                     uint32_t shift, const uint32_t *variants)
{
    d->prefix[0] = 0;
    xoe_score_each(&d->prf, p, scored, shift, variants, d->scratch, d->prefix + 1);
    for (size_t i = 0; i < scored->n; i++)
        d->prefix[i + 1] += d->prefix[i];
}

/* The whole text's part in a test with spans: ½, less when it is long, since then a part of it is likelier marked. */
static double whole_share(size_t n)
{
    return fmax(0.1, fmin(0.5, 256 / (double)n));
}

/* ln of what the scan's p-value is multiplied by: the other part, and payloads. */
static double ln_scan_price(const xoe_mark_params *p, size_t n)
{
    return p->payload_bits * log(2.0) - log1p(-whole_share(n));
}

/* What is scanned under one shift (and payload): into d->prefix, and d->ratios where there are any. */
static xoe_scan run_scan(struct detection *d, const xoe_mark_params *p, const struct text *t, uint32_t shift, const uint32_t *variants)
{
    xoe_scan scan = {.params = p, .n = t->scored.n, .sums = d->prefix, .stride = d->n_tokens + 1};
    run_sums(d, p, &t->scored, shift, variants);
    if (!d->ratios || variants || !xoe_scheme_find(p->scheme)->ratio) return scan;
    double *last = d->ratios + (XOE_EVIDENCE_SHARES - 1) * scan.stride; /* first holds the ratios themselves */
    xoe_score_ratios(&d->prf, p, &t->scored, shift, t->probs, d->scratch, last + 1);
    for (int k = 0; k < XOE_EVIDENCE_SHARES; k++) {
        double *run = d->ratios + (size_t)k * scan.stride;
        run[0] = 0;
        for (size_t i = 0; i < scan.n; i++)
            run[i + 1] = run[i] + xoe_evidence_ln_factor(k, last[i + 1]);
    }
    scan.ratios = d->ratios;
    return scan;
}

static double ln_tail(const xoe_mark_params *p, const struct text *t, double sum)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(p->scheme);
    return t->weights ? ops->ln_tail_weighted(p, t->weights, t->scored.n, sum)
                      : ops->ln_tail(p, t->scored.n, sum);
}

/* The p-value of one shift of one key, given the whole text's; with spans the scan joins. */
static double with_scan(struct detection *d, const struct finding *f, const struct text *t, const xoe_places *places)
{
    const xoe_mark_params *p = &f->params;
    if (!d->spans) return f->ln_p;
    if (places) xoe_payload_variants(p, places, f->decoded.payload, d->variants);
    xoe_scan scan = run_scan(d, p, t, f->shift, places ? d->variants : NULL);
    return fmin(0, fmin(f->ln_p - log(whole_share(scan.n)), xoe_scan_ln_p(&scan) + ln_scan_price(p, scan.n)));
}

/* Two tests where the model is at hand: the weighted sums' ln p, in place, becomes twice the better of that and the evidence's. */
static void join_evidence(struct detection *d, const xoe_mark_params *p, const struct text *t, double *ln_p)
{
    xoe_evidence evidence[XOE_MARK_SHIFTS_MAX];
    if (!t->probs || !xoe_scheme_find(p->scheme)->ratio) return;
    xoe_score_evidence(&d->prf, p, &t->scored, t->probs, d->scratch, evidence);
    for (int s = 0; s < p->n_shifts; s++)
        ln_p[s] = fmin(0, fmin(ln_p[s], xoe_evidence_ln_p(&evidence[s])) + log(2.0));
}

/* Goodness of fit beside or instead of the sums, whose ln p is changed in place. */
static void join_fit(struct detection *d, const xoe_mark_params *p, const struct text *t, double *ln_p)
{
    if (d->test == XOE_TEST_SUM || t->weights || !xoe_scheme_find(p->scheme)->exponential) return;
    for (int s = 0; s < p->n_shifts; s++) {
        xoe_score_each(&d->prf, p, &t->scored, (uint32_t)s, NULL, d->scratch, d->prefix + 1);
        double fit = xoe_gof_ln_p(d->prefix + 1, t->scored.n);
        ln_p[s] = d->test == XOE_TEST_GOF ? fit : fmin(0, fmin(ln_p[s], fit) + log(2.0));
    }
}

static xoe_err try_key(struct detection *d, const xoe_mark_params *given, const uint8_t *key,
                       size_t index, xoe_error *e)
{
    double sums[XOE_MARK_SHIFTS_MAX], ln_p[XOE_MARK_SHIFTS_MAX];
    xoe_decoded decoded[XOE_MARK_SHIFTS_MAX];
    xoe_places places = {0};
    struct text *t;
    struct finding f = {.params = *given, .key = index}, best = {.ln_p = INFINITY};
    xoe_err rc = xoe_mark_params_resolve(&f.params, e);
    if (rc != XOE_OK) return rc;
    bool payload = f.params.payload_bits > 0;
    if ((rc = xoe_prf_rekey(&d->prf, key, e)) != XOE_OK) return rc;
    if ((rc = text_of(d, f.params.width, &t, e)) != XOE_OK) return rc;
    if (payload) {
        rc = xoe_places_build(&places, &d->prf, &f.params, &t->scored, t->weights, d->scratch, e);
        if (rc != XOE_OK) return rc;
        xoe_payload_decode(&d->prf, &f.params, &places, d->scratch, decoded);
    } else {
        xoe_score_sums(&d->prf, &f.params, &t->scored, t->weights, d->scratch, sums);
        for (int s = 0; s < f.params.n_shifts; s++)
            ln_p[s] = ln_tail(&f.params, t, sums[s]);
        join_evidence(d, &f.params, t, ln_p);
        join_fit(d, &f.params, t, ln_p);
    }
    for (uint32_t s = 0; s < (uint32_t)f.params.n_shifts; s++) {
        f.shift = s;
        if (payload) {
            f.decoded = decoded[s];
            f.sum = decoded[s].sum;
            f.ln_p = decoded[s].ln_p;
        } else {
            f.sum = sums[s];
            f.ln_p = ln_p[s];
        }
        f.ln_p = with_scan(d, &f, t, payload ? &places : NULL);
        if (f.ln_p < best.ln_p) best = f;
    }
    best.ln_p_of_key = xoe_ln_sidak(best.ln_p, f.params.n_shifts);
    if (index == 0 || best.ln_p_of_key < d->best.ln_p_of_key) d->best = best;
    xoe_places_free(&places);
    return XOE_OK;
}

/* Token scores and spans, under the best key, shift and payload. */
static xoe_err localise(struct detection *d, const uint8_t *key, double fpr, xoe_verdict *v,
                        xoe_error *e)
{
    const struct finding *f = &d->best;
    const struct text *t = &d->texts[f->params.width];
    const xoe_scored *scored = &t->scored;
    xoe_places places = {0};
    xoe_part *parts = NULL;
    size_t n_parts = 0, w = (size_t)f->params.width;
    xoe_err rc = xoe_prf_rekey(&d->prf, key, e);
    if (rc != XOE_OK) return rc;
    if (f->params.payload_bits) {
        rc = xoe_places_build(&places, &d->prf, &f->params, scored, NULL, d->scratch, e);
        if (rc != XOE_OK) return rc;
        xoe_payload_variants(&f->params, &places, f->decoded.payload, d->variants);
    }
    xoe_scan scan = run_scan(d, &f->params, t, f->shift, f->params.payload_bits ? d->variants : NULL);
    v->token_scores = xoe_malloc(d->n_tokens * sizeof *v->token_scores);
    if (!v->token_scores) {
        rc = no_memory(d, e);
        goto out;
    }
    for (size_t i = 0; i < d->n_tokens; i++)
        v->token_scores[i] = NAN;
    for (size_t i = 0; i < scored->n; i++)
        v->token_scores[scored->pos[i]] = (float)(d->prefix[i + 1] - d->prefix[i]);
    if (!d->spans) goto out;
    double price = ln_scan_price(&f->params, scored->n);
    double limit = xoe_ln_1mexp(xoe_ln_1mexp(log(fpr)) / d->n_tests) - price; /* Šidák, inverted */
    if ((rc = xoe_spans_find(&scan, limit, &parts, &n_parts, e)) != XOE_OK) goto out;
    if (n_parts && !(v->spans = xoe_malloc(n_parts * sizeof *v->spans))) {
        rc = no_memory(d, e);
        goto out;
    }
    for (size_t i = 0; i < n_parts; i++) { /* the context of the first scored token belongs to it */
        size_t first = scored->pos[parts[i].first] - w;
        if (i && first < v->spans[i - 1].end) first = v->spans[i - 1].end;
        v->spans[i] =
            (xoe_span){first, scored->pos[parts[i].end - 1] + 1,
                       xoe_ln_sidak(fmin(0, parts[i].ln_p + price), d->n_tests) / XOE_LN10};
    }
    v->n_spans = n_parts;
out:
    xoe_free(parts);
    xoe_places_free(&places);
    return rc;
}

static void fill(const struct detection *d, double fpr, xoe_verdict *v)
{
    const struct finding *f = &d->best;
    const struct text *t = &d->texts[f->params.width];
    const xoe_scheme_ops *ops = xoe_scheme_find(f->params.scheme);
    double total_weight = 0, ln_p = xoe_ln_sidak(f->ln_p, d->n_tests);
    for (size_t i = 0; i < t->scored.n; i++) {
        double w = t->weights ? t->weights[i] : 1;
        total_weight += w;
        v->n_scored += w > 0;
    }
    v->n_tokens = d->n_tokens;
    v->key_index = f->key;
    v->shift = f->shift;
    v->log10_p = ln_p / XOE_LN10;
    v->p_value = exp(ln_p);
    v->confidence = fpr / (fpr + v->p_value);
    v->detected = ln_p <= log(fpr);
    v->can_carry = xoe_can_carry(&f->params, v->n_scored, d->n_tests, fpr);
    v->score = total_weight > 0 ? f->sum / (total_weight * ops->unit(&f->params)) : NAN;
    v->green_fraction = ops->has_green ? v->score : NAN;
    if (f->params.payload_bits) {
        v->payload = f->decoded.payload;
        v->payload_log10_error = f->decoded.ln_error / XOE_LN10;
    }
}

static xoe_err check(const xoe_mark_params *params, const uint8_t (*keys)[XOE_MARK_KEY_BYTES],
                     size_t n_keys, const int32_t *tokens, size_t n_tokens, double fpr,
                     const double *weights, const double *probs, xoe_error *e)
{
    if (!params || !keys || n_keys == 0)
        return xoe_error_set(e, XOE_EINVAL, "detection needs at least one key");
    if (!tokens || n_tokens == 0)
        return xoe_error_set(e, XOE_EINVAL, "there are no tokens to look at");
    if (n_tokens > UINT32_MAX / 2)
        return xoe_error_set(e, XOE_ETOOBIG,
                             "%zu tokens are too many at once; cut the text in parts", n_tokens);
    if (!(fpr > 0 && fpr < 1))
        return xoe_error_param(e, XOE_EINVAL, "fpr", "fpr is %g; it must be between 0 and 1", fpr);
    for (size_t i = 0; weights && i < n_tokens; i++)
        if (!(weights[i] >= 0 && weights[i] < INFINITY))
            return xoe_error_param(e, XOE_EINVAL, "weights",
                                   "weight %zu is %g; weights are finite and not negative", i,
                                   weights[i]);
    if (weights && probs)
        return xoe_error_param(e, XOE_EINVAL, "probs", "weights and probs exclude each other");
    for (size_t i = 0; probs && i < n_tokens; i++)
        if (!(probs[i] >= 0 && probs[i] <= 1))
            return xoe_error_param(e, XOE_EINVAL, "probs", "probability %zu is %g", i, probs[i]);
    return XOE_OK;
}

static xoe_err reserve(struct detection *d, xoe_error *e)
{
    d->scratch = xoe_malloc(sizeof *d->scratch);
    d->prefix = xoe_malloc((d->n_tokens + 1) * sizeof *d->prefix);
    d->variants = xoe_malloc(d->n_tokens * sizeof *d->variants);
    if (d->spans && d->probs && !(d->ratios = xoe_malloc(XOE_EVIDENCE_SHARES * (d->n_tokens + 1) * sizeof *d->ratios)))
        return no_memory(d, e);
    return d->scratch && d->prefix && d->variants ? XOE_OK : no_memory(d, e);
}

static void release(struct detection *d)
{
    for (int w = 0; w <= XOE_MARK_WIDTH_MAX; w++) {
        xoe_scored_free(&d->texts[w].scored);
        xoe_free(d->texts[w].weights);
        xoe_free(d->texts[w].probs);
    }
    if (d->scratch) xoe_zero(d->scratch, sizeof *d->scratch);
    xoe_free(d->scratch);
    xoe_free(d->prefix);
    xoe_free(d->ratios);
    xoe_free(d->variants);
    xoe_prf_close(&d->prf);
}

xoe_err xoe_detect_tokens(const xoe_mark_params *params, const uint8_t (*keys)[XOE_MARK_KEY_BYTES],
                          size_t n_keys, const int32_t *tokens, size_t n_tokens,
                          const xoe_detect_opts *opts, xoe_verdict *out, xoe_error *e)
{
    struct detection d = {.tokens = tokens, .n_tokens = n_tokens};
    double fpr = opts && opts->fpr != 0 ? opts->fpr : 1e-3;
    *out = (xoe_verdict){.green_fraction = NAN, .score = NAN};
    if (opts) {
        d.weights = opts->weights;
        d.probs = opts->probs;
        d.test = opts->test;
        d.spans = opts->spans;
    }
    xoe_err rc = check(params, keys, n_keys, tokens, n_tokens, fpr, d.weights, d.probs, e);
    if (rc != XOE_OK) return rc;
    if ((rc = xoe_prf_open(&d.prf, keys[0], e)) != XOE_OK) return rc;
    if ((rc = reserve(&d, e)) != XOE_OK) goto out;
    for (size_t i = 0; i < n_keys; i++)
        if ((rc = try_key(&d, &params[i], keys[i], i, e)) != XOE_OK) goto out;
    d.n_tests = (double)n_keys * d.best.params.n_shifts;
    fill(&d, fpr, out);
    rc = localise(&d, keys[d.best.key], fpr, out, e);
out:
    release(&d);
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
