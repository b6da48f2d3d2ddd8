/* The judge: all evidence into one decision. Vetoes of the words come first, since they cost nothing; then
 * the embedding, then the model. What is counted or measured is weighed by a logistic regression; one table
 * of weights for each set of evidence at hand. tools/fit_meaning.py makes the tables from what bench_meaning
 * writes, on the half of the calibration pairs with even ids; the threshold is theirs too. */
#include "flow/meaning.h"

#include <math.h>
#include <string.h>

#include "base/clock.h"
#include "base/mem.h"
#include "flow/meaning_model.h"
#include "flow/meaning_probe.h"

const char *const xoe_meaning_feature_names[XOE_MEANING_N_FEATURES] = {"swapped", "turned", "intruded", "negations", "negated", "degrees", "added", "lost", "cosine", "ask_meaning", "ask_facts", "probe", "back", "surprises"};

#define COSINE_MIN 0.60 /* below it no good pair lies; above it the cosine tells next to nothing of damage */
#define PARAMS_MIN 1000000000u

static const xoe_meaning_weights tables[] = { /* without a model, with one that is asked */
    {1.2568, {[XOE_MEANING_SWAPPED] = -0.9811, [XOE_MEANING_TURNED] = -2.7078, [XOE_MEANING_INTRUDED] = -2.1250, [XOE_MEANING_NEGATED] = -1.2077}},
    {-0.1523, {[XOE_MEANING_SWAPPED] = -0.4733, [XOE_MEANING_TURNED] = -1.5414, [XOE_MEANING_INTRUDED] = -3.4502, [XOE_MEANING_NEGATED] = -0.5774,
               [XOE_MEANING_ASK_MEANING] = 0.8242, [XOE_MEANING_ASK_FACTS] = 1.2271}},
};

static xoe_err cosine(xoe_engine *embedder, const char *a, size_t n_a, const char *b, size_t n_b, xoe_priority priority, double *out, xoe_error *e)
{
    xoe_engine_info info;
    int32_t *t[2] = {NULL, NULL}, *all = NULL;
    size_t len[2];
    float *v = NULL;
    double dot = 0;
    *out = NAN;
    xoe_engine_get_info(embedder, &info);
    xoe_err rc = xoe_engine_tokenize(embedder, a, n_a, true, false, &t[0], &len[0], e);
    if (rc == XOE_OK) rc = xoe_engine_tokenize(embedder, b, n_b, true, false, &t[1], &len[1], e);
    if (rc != XOE_OK) goto out;
    for (int i = 0; i < 2; i++)
        if (len[i] > (size_t)info.n_ctx_slot) len[i] = (size_t)info.n_ctx_slot;
    all = xoe_malloc((len[0] + len[1]) * sizeof *all);
    v = xoe_malloc(2 * (size_t)info.n_embd * sizeof *v);
    if (!all || !v) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory to compare two texts");
        goto out;
    }
    memcpy(all, t[0], len[0] * sizeof *all);
    memcpy(all + len[0], t[1], len[1] * sizeof *all);
    rc = xoe_engine_embed(embedder, all, len, 2, priority, v, e);
    for (int i = 0; rc == XOE_OK && i < info.n_embd; i++)
        dot += (double)v[i] * (double)v[info.n_embd + i];
    if (rc == XOE_OK) *out = dot;
out:
    xoe_tokens_free(t[0]);
    xoe_tokens_free(t[1]);
    xoe_free(all);
    xoe_free(v);
    return rc;
}

static double score(const xoe_meaning_weights *w, const double *f)
{
    double sum = w->bias;
    for (int i = 0; i < XOE_MEANING_N_FEATURES; i++)
        if (w->w[i] != 0) sum += w->w[i] * f[i];
    return sum;
}

/* What to tell of a refusal by weight: the plainest of the evidence. */
static const char *plainest(const double *f, bool by_model)
{
    if (f[XOE_MEANING_TURNED] > 0) return "a word was turned into its opposite";
    if (f[XOE_MEANING_NEGATED] > 0) return "a negation changed";
    if (f[XOE_MEANING_INTRUDED] > 0) return "an opposite came in";
    if (f[XOE_MEANING_SWAPPED] > 1) return "two roles were swapped";
    return by_model ? "the model sees another meaning" : "the meaning is too far";
}

/* The weights were fitted to a model of 1.5 billion parameters; what smaller ones answer is near chance. */
static bool is_fit_to_judge(const xoe_engine *model)
{
    xoe_engine_info info;
    xoe_engine_get_info(model, &info);
    return info.has_chat_template && info.n_params >= PARAMS_MIN;
}

static void words_into(const xoe_meaning_words_report *r, double *f)
{
    f[XOE_MEANING_SWAPPED] = r->swapped;
    f[XOE_MEANING_TURNED] = r->turned;
    f[XOE_MEANING_INTRUDED] = r->intruded;
    f[XOE_MEANING_NEGATIONS] = r->negations;
    f[XOE_MEANING_NEGATED] = r->negated;
    f[XOE_MEANING_DEGREES] = r->degrees;
    f[XOE_MEANING_ADDED] = r->added;
    f[XOE_MEANING_LOST] = r->lost;
}

/* The probe, then the likelihood of the source. That can only speak against a rewrite (a mean of logarithms and a count, with weights
 * of these signs), so it is not measured where the best that it could say, 0 and 0, would not do. */
static xoe_err by_probe(const xoe_meaning_opts *o, const xoe_meaning_probe *p, const char *source, size_t n, const char *rewrite, size_t m, double *f, xoe_error *e)
{
    f[XOE_MEANING_BACK] = f[XOE_MEANING_SURPRISES] = 0;
    xoe_err rc = xoe_meaning_probe_ask(o->model, p, source, n, rewrite, m, o->priority, o->deadline_mono_ms, &f[XOE_MEANING_PROBE], e);
    if (rc == XOE_OK && score(&p->weights, f) >= o->margin)
        rc = xoe_meaning_likelihood(o->model, rewrite, m, source, n, o->priority, o->deadline_mono_ms, &f[XOE_MEANING_BACK], &f[XOE_MEANING_SURPRISES], e);
    return rc;
}

xoe_err xoe_meaning_check(const xoe_meaning_opts *o, const char *source, size_t n, const char *rewrite, size_t m, xoe_meaning *out, xoe_error *e)
{
    static const char *const methods[3][2] = {{"words", "words+cosine"}, {"words+model", "words+cosine+model"}, {"words+probe", "words+cosine+probe"}};
    int64_t t0 = xoe_clock_mono_ns();
    xoe_meaning_words_report r;
    xoe_err rc = XOE_OK;
    const xoe_meaning_probe *probe = o->model ? xoe_meaning_probe_find(o->model) : NULL;
    bool by_cosine = o->embedder, by_model = !probe && o->model && is_fit_to_judge(o->model);
    *out = (xoe_meaning){.method = "words", .similarity = NAN, .score = NAN};
    double *f = out->features;
    for (int i = 0; i < XOE_MEANING_N_FEATURES; i++)
        f[i] = NAN;
    xoe_meaning_words(source, n, rewrite, m, &r);
    words_into(&r, f);
    out->reason = r.veto;
    if (*r.veto) goto out;
    if (by_cosine) rc = cosine(o->embedder, source, n, rewrite, m, o->priority, &f[XOE_MEANING_COSINE], e);
    out->similarity = f[XOE_MEANING_COSINE];
    if (rc == XOE_OK && by_cosine && out->similarity < COSINE_MIN) {
        out->reason = "the meaning is too far";
        goto out;
    }
    for (int q = 0; q < XOE_N_QUESTIONS && rc == XOE_OK && by_model; q++)
        rc = xoe_meaning_ask(o->model, (xoe_question)q, source, n, rewrite, m, o->priority, o->deadline_mono_ms, &f[XOE_MEANING_ASK_MEANING + q], e);
    if (rc == XOE_OK && probe) rc = by_probe(o, probe, source, n, rewrite, m, f, e);
    if (rc == XOE_ELIMIT) { /* longer than the model's context: do without it */
        by_model = false;
        probe = NULL;
        rc = XOE_OK;
    }
    if (rc != XOE_OK) goto out;
    out->method = methods[probe ? 2 : by_model][by_cosine];
    out->score = score(probe ? &probe->weights : &tables[by_model], f);
    if (out->score < o->margin) out->reason = plainest(f, by_model || probe);
out:
    out->ms = (double)(xoe_clock_mono_ns() - t0) * 1e-6;
    return rc;
}
