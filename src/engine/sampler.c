/* The sampler. A vocabulary has 150,000 entries and an answer needs a token every few milliseconds,
 * so the whole vocabulary is passed over only twice, by loops that the compiler vectorises: once for
 * the largest logit, once to gather the candidates within CUT·T of it. What is left out has less than
 * n_vocab·e^−CUT (6e-6 at 150,000) of the best token's probability; the rest works on the few that
 * survive. Temperature comes first and truncation after it, as in Hugging Face and vLLM.
 *
 * With a grammar the candidates are masked before anything else, so the mark chooses among legal
 * tokens only. Invariant: the marker sees each position of the answer exactly once. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"

#define CUT 24.0f
enum { BLOCK = 16, REPEAT_LAST = 64 };

struct count {
    int32_t id;
    int n;
};

struct xoe_sampler {
    xoe_sampling s;
    xoe_logit_bias *bias;
    int n_vocab;
    const int32_t *suppress;
    size_t n_suppress;
    xoe_grammar *grammar;
    xoe_marker *mark;
    xoe_rng rng;
    struct count *counts; /* distinct tokens of the answer */
    size_t n_counts, cap_counts;
    int32_t recent[REPEAT_LAST];
    int n_recent;
    int32_t *ids;   /* [n_vocab] gathered candidates */
    float *vals;    /* [n_vocab] */
    xoe_cand *cands; /* [n_vocab] survivors */
};

xoe_err xoe_sampler_open(xoe_sampler **out, const xoe_sampling *s, int n_vocab, const int32_t *suppress,
                         size_t n_suppress, xoe_grammar *grammar, xoe_marker *mark, xoe_error *e)
{
    xoe_sampler *p = xoe_calloc(1, sizeof *p);
    *out = NULL;
    if (!p) {
        xoe_grammar_close(grammar);
        xoe_marker_close(mark);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a sampler");
    }
    size_t n = (size_t)n_vocab;
    p->s = *s;
    p->n_vocab = n_vocab;
    p->suppress = suppress;
    p->n_suppress = n_suppress;
    p->grammar = grammar;
    p->mark = mark;
    p->ids = xoe_malloc(n * sizeof *p->ids);
    p->vals = xoe_malloc(n * sizeof *p->vals);
    p->cands = xoe_malloc(n * sizeof *p->cands);
    p->bias = xoe_malloc(s->n_logit_bias * sizeof *p->bias);
    if (!p->ids || !p->vals || !p->cands || !p->bias) {
        xoe_sampler_close(p);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a sampler");
    }
    if (s->n_logit_bias) memcpy(p->bias, s->logit_bias, s->n_logit_bias * sizeof *p->bias);
    uint64_t seed = s->seed;
    if (!s->has_seed && xoe_random_bytes(&seed, sizeof seed)) {
        xoe_sampler_close(p);
        return xoe_error_set(e, XOE_EINTERNAL, "the system gives no randomness");
    }
    xoe_rng_seed(&p->rng, seed);
    *out = p;
    return XOE_OK;
}

void xoe_sampler_close(xoe_sampler *p)
{
    if (!p) return;
    xoe_grammar_close(p->grammar);
    xoe_marker_close(p->mark);
    xoe_free(p->ids);
    xoe_free(p->vals);
    xoe_free(p->cands);
    xoe_free(p->bias);
    xoe_free(p->counts);
    xoe_free(p);
}

static void remember(xoe_sampler *p, int32_t id)
{
    if (p->n_recent == REPEAT_LAST) {
        memmove(p->recent, p->recent + 1, (REPEAT_LAST - 1) * sizeof p->recent[0]);
        p->n_recent--;
    }
    p->recent[p->n_recent++] = id;
}

void xoe_sampler_seed_history(xoe_sampler *p, const int32_t *prompt, size_t n)
{
    for (size_t i = n > REPEAT_LAST ? n - REPEAT_LAST : 0; i < n; i++)
        remember(p, prompt[i]);
}

static void count_token(xoe_sampler *p, int32_t id)
{
    for (size_t i = 0; i < p->n_counts; i++)
        if (p->counts[i].id == id) {
            p->counts[i].n++;
            return;
        }
    if (p->n_counts == p->cap_counts) {
        size_t cap = p->cap_counts ? p->cap_counts * 2 : 128;
        struct count *c = xoe_realloc(p->counts, cap * sizeof *c);
        if (!c) return; /* a penalty less is better than an answer less */
        p->counts = c;
        p->cap_counts = cap;
    }
    p->counts[p->n_counts++] = (struct count){id, 1};
}

static void shape(xoe_sampler *p, float *logits)
{
    const xoe_sampling *s = &p->s;
    for (size_t i = 0; i < p->n_suppress; i++)
        logits[p->suppress[i]] = -INFINITY;
    if (s->frequency_penalty != 0 || s->presence_penalty != 0)
        for (size_t i = 0; i < p->n_counts; i++)
            logits[p->counts[i].id] -=
                s->presence_penalty + s->frequency_penalty * (float)p->counts[i].n;
    if (s->repeat_penalty != 1 && s->repeat_penalty > 0)
        for (int i = 0; i < p->n_recent; i++) {
            float *x = &logits[p->recent[i]];
            bool seen = false;
            for (int j = 0; j < i && !seen; j++)
                seen = p->recent[j] == p->recent[i];
            if (!seen) *x = *x > 0 ? *x / s->repeat_penalty : *x * s->repeat_penalty;
        }
    for (size_t i = 0; i < s->n_logit_bias; i++)
        logits[p->bias[i].id] += p->bias[i].bias;
}

static float largest(const float *x, int n)
{
    float m[BLOCK], best = -INFINITY;
    int i = 0;
    for (int j = 0; j < BLOCK; j++)
        m[j] = -INFINITY;
    for (; i + BLOCK <= n; i += BLOCK)
        for (int j = 0; j < BLOCK; j++)
            m[j] = x[i + j] > m[j] ? x[i + j] : m[j];
    for (int j = 0; j < BLOCK; j++)
        best = m[j] > best ? m[j] : best;
    for (; i < n; i++)
        best = x[i] > best ? x[i] : best;
    return best;
}

/* ids and values of entries ≥ floor, in id order. */
static size_t gather(const float *x, int n, float floor_, int32_t *ids, float *vals)
{
    size_t out = 0;
    int i = 0;
    for (; i + BLOCK <= n; i += BLOCK) {
        int any = 0;
        for (int j = 0; j < BLOCK; j++)
            any |= x[i + j] >= floor_;
        if (!any) continue;
        for (int j = 0; j < BLOCK; j++)
            if (x[i + j] >= floor_) {
                ids[out] = i + j;
                vals[out++] = x[i + j];
            }
    }
    for (; i < n; i++)
        if (x[i] >= floor_) {
            ids[out] = i;
            vals[out++] = x[i];
        }
    return out;
}

/* Candidates that the grammar allows, near the best one; all of the vocabulary when none is near. */
static size_t legal(xoe_sampler *p, const float *logits, size_t n, float reach)
{
    for (int wide = 0; wide < 2; wide++) {
        if (wide) n = gather(logits, p->n_vocab, -3e38f, p->ids, p->vals);
        if (xoe_grammar_mask(p->grammar, p->ids, p->vals, n) == 0) continue;
        size_t left = 0;
        for (size_t i = 0; i < n; i++)
            if (isfinite(p->vals[i])) {
                p->ids[left] = p->ids[i];
                p->vals[left++] = p->vals[i];
            }
        float best = largest(p->vals, (int)left);
        if (!wide && best < largest(logits, p->n_vocab) - reach / 2) continue; /* may have missed some */
        return left;
    }
    return 0;
}

static void sift(xoe_cand *h, size_t i, size_t n)
{
    for (;;) {
        size_t c = 2 * i + 1;
        if (c >= n) return;
        if (c + 1 < n && h[c + 1].p > h[c].p) c++;
        if (h[i].p >= h[c].p) return;
        xoe_cand t = h[i];
        h[i] = h[c];
        h[c] = t;
        i = c;
    }
}

/* Keep the head of the distribution; returns the survivors, which stand at the end of c. */
static size_t truncate(const xoe_sampling *s, xoe_cand *c, size_t n, double total)
{
    size_t kept = 0, heap = n;
    double cum = 0, stop = (double)s->top_p * total, floor_ = 0;
    for (size_t i = n / 2; i-- > 0;)
        sift(c, i, n);
    while (heap) {
        xoe_cand best = c[0];
        if (kept == 0) floor_ = (double)s->min_p * best.p;
        if (kept && (best.p < floor_ || (s->top_k > 0 && kept >= (size_t)s->top_k))) break;
        heap--;
        c[0] = c[heap];
        c[heap] = best;
        sift(c, 0, heap);
        kept++;
        cum += best.p;
        if (cum >= stop) break;
    }
    return kept;
}

static double uniform(void *ud)
{
    return xoe_rng_uniform(ud);
}

static xoe_sampled choose(xoe_sampler *p, size_t n, const int32_t *answer, size_t n_answer)
{
    xoe_sampled out = {-1, false, 0};
    const xoe_sampling *s = &p->s;
    size_t best = 0;
    for (size_t i = 1; i < n; i++)
        if (p->vals[i] > p->vals[best]) best = i;
    if (s->temperature <= 0) {
        out.id = p->ids[best];
        return out;
    }
    double total = 0;
    float top = p->vals[best], inv_t = 1 / s->temperature;
    for (size_t i = 0; i < n; i++) {
        p->cands[i] = (xoe_cand){p->ids[i], expf((p->vals[i] - top) * inv_t)};
        total += p->cands[i].p;
    }
    xoe_cand *c = p->cands;
    if (s->top_p < 1 || s->top_k > 0 || s->min_p > 0) {
        size_t kept = truncate(s, c, n, total);
        c += n - kept;
        n = kept;
        total = 0;
        for (size_t i = 0; i < n; i++)
            total += c[i].p;
    }
    for (size_t i = 0; i < n; i++)
        c[i].p = (float)(c[i].p / total);
    if (p->mark) {
        xoe_pick pick;
        xoe_marker_pick(p->mark, c, n, answer, n_answer, uniform, &p->rng, &pick);
        out = (xoe_sampled){c[pick.index].id, pick.marked, pick.expected};
    } else {
        double u = xoe_rng_uniform(&p->rng);
        size_t i = 0;
        while (i + 1 < n && (u -= c[i].p) >= 0)
            i++;
        out.id = c[i].id;
    }
    return out;
}

xoe_sampled xoe_sampler_sample(xoe_sampler *p, float *logits, const int32_t *answer, size_t n_answer)
{
    float t = p->s.temperature > 0 ? p->s.temperature : 1, reach = CUT * t;
    shape(p, logits);
    size_t n = gather(logits, p->n_vocab, largest(logits, p->n_vocab) - reach, p->ids, p->vals);
    if (p->grammar) n = legal(p, logits, n, reach);
    if (n == 0) return (xoe_sampled){-1, false, 0};
    xoe_sampled out = choose(p, n, answer, n_answer);
    if (p->grammar && xoe_grammar_accept(p->grammar, out.id)) return (xoe_sampled){-1, false, 0};
    remember(p, out.id);
    count_token(p, out.id);
    return out;
}

/* ln Σ e^(x − max), in float blocks that vectorise badly but run only when asked for. */
static double ln_sum(const float *x, int n, float top)
{
    double sum = 0;
    for (int i = 0; i < n; i++)
        if (x[i] > top - 40) sum += exp((double)(x[i] - top));
    return log(sum);
}

float xoe_logprobs(const float *logits, int n_vocab, int32_t id, xoe_token_prob *top, int k)
{
    float best = largest(logits, n_vocab);
    double norm = (double)best + ln_sum(logits, n_vocab, best);
    int n = 0;
    for (int i = 0; i < n_vocab && k > 0; i++) {
        float lp = (float)((double)logits[i] - norm);
        if (n == k && lp <= top[n - 1].logprob) continue;
        int at = n < k ? n++ : n - 1;
        while (at > 0 && top[at - 1].logprob < lp) {
            top[at] = top[at - 1];
            at--;
        }
        top[at] = (xoe_token_prob){i, lp};
    }
    return (float)((double)logits[id] - norm);
}

float xoe_entropy(const float *logits, int n_vocab, int32_t id, float *logprob_of_id)
{
    float best = largest(logits, n_vocab);
    double sum = 0, dot = 0;
    for (int i = 0; i < n_vocab; i++) {
        double d = (double)(logits[i] - best);
        if (d < -40) continue;
        double w = exp(d);
        sum += w;
        dot += w * d;
    }
    *logprob_of_id = (float)((double)(logits[id] - best) - log(sum));
    return (float)(log(sum) - dot / sum);
}
