/* The sampler. A vocabulary has 150,000 entries and an answer needs a token every few milliseconds, so
 * the whole row is only passed over by vectorised loops (logits.c): the largest logit, the total mass,
 * and the candidates near the best one. The reach of "near" starts small and widens until the
 * candidates hold all that truncation would keep. Without truncation it stops when they hold all but
 * TAIL of the mass; the rest then stands among them as one candidate, of id −1, and when that is chosen
 * a token of the rest is drawn freely: the distribution is exact, and the mark, which pays a PRF call a
 * candidate, loses at most TAIL of its signal. No reach goes beyond CUT: what lies there has less than
 * n_vocab·e^−CUT (6e-6 at 150,000) of the best token's probability.
 *
 * Temperature comes first, then top-k, top-p and min-p, each on what the one before left, as in Hugging
 * Face and vLLM. A grammar is asked about the one token that was drawn; only if it refuses that, about
 * all candidates, and the draw is repeated among the legal ones (the outcome has the distribution of
 * the legal tokens either way). A mark must be written at the first draw, since the marker sees each
 * position of the answer exactly once: there the candidates are always masked first. */
#include "engine/sampler.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "engine/logits.h"

#define CUT 24.0f        /* nats, as are all reaches: logits divided by the temperature */
#define FIRST_REACH 8.0f
#define REACH_STEP 5.0f
#define TAIL 0.005       /* share of the mass that may stand as one candidate */
#define RISK 0.02        /* mass not yet shown to the grammar, to that of the legal candidates */
enum { REPEAT_LAST = 64 };

struct count {
    int32_t id;
    int n;
};

struct xoe_sampler {
    xoe_sampling s;
    xoe_logit_bias *bias;
    int32_t *avoid;
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
    xoe_cand *cands; /* [n_vocab + 1] survivors */
};

/* Candidates to choose from: c[0, n), p summing to 1. What is in the tail lies below `floor`. */
struct head {
    xoe_cand *c;
    size_t n;
    double tail; /* mass of the candidate of id −1, the last; 0: there is none */
    float top, floor;
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
    p->cands = xoe_malloc((n + 1) * sizeof *p->cands);
    p->bias = xoe_malloc(s->n_logit_bias * sizeof *p->bias);
    p->avoid = xoe_malloc(s->n_avoid * sizeof *p->avoid);
    if (!p->ids || !p->vals || !p->cands || !p->bias || !p->avoid) {
        xoe_sampler_close(p);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a sampler");
    }
    if (s->n_logit_bias) memcpy(p->bias, s->logit_bias, s->n_logit_bias * sizeof *p->bias);
    if (s->n_avoid) memcpy(p->avoid, s->avoid, s->n_avoid * sizeof *p->avoid);
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
    xoe_free(p->avoid);
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

xoe_err xoe_sampler_go_on(xoe_sampler *p, const int32_t *answer, size_t n, xoe_error *e)
{
    for (size_t i = 0; i < n; i++) {
        if (p->grammar && xoe_grammar_accept(p->grammar, answer[i]))
            return xoe_error_set(e, XOE_EINVAL, "the answer so far does not follow the grammar");
        count_token(p, answer[i]);
    }
    return XOE_OK;
}

/* Lower what would go on copying `avoid`, once a token however often the run of tokens stands there. */
static void push_off(const xoe_sampler *p, float *logits, const int32_t *answer, size_t n_answer)
{
    size_t n = p->s.n_avoid, before = p->s.avoid_width > 1 ? (size_t)p->s.avoid_width - 1 : 1;
    if (p->s.avoid_strength == 0 || n_answer < before) return;
    const int32_t *last = answer + n_answer - before;
    for (size_t i = before; i < n; i++) {
        if (p->avoid[i] == XOE_AVOID_GAP || memcmp(p->avoid + i - before, last, before * sizeof *last) != 0) continue;
        bool seen = false;
        for (size_t k = before; k < i && !seen; k++)
            seen = p->avoid[k] == p->avoid[i] && !memcmp(p->avoid + k - before, last, before * sizeof *last);
        if (!seen) logits[p->avoid[i]] -= p->s.avoid_strength;
    }
}

static void shape(xoe_sampler *p, float *logits, const int32_t *answer, size_t n_answer)
{
    const xoe_sampling *s = &p->s;
    for (size_t i = 0; i < p->n_suppress; i++)
        logits[p->suppress[i]] = -INFINITY;
    for (size_t i = 0; i < s->n_logit_bias; i++)
        logits[p->bias[i].id] += p->bias[i].bias;
    push_off(p, logits, answer, n_answer);
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
}

/* c[i] becomes e^((vals[i] − top)/T); returns their sum. */
static double weigh(xoe_sampler *p, size_t n, float top)
{
    float inv_t = 1 / p->s.temperature;
    double mass = 0;
    for (size_t i = 0; i < n; i++) {
        p->cands[i] = (xoe_cand){p->ids[i], expf((p->vals[i] - top) * inv_t)};
        mass += (double)p->cands[i].p;
    }
    return mass;
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

static bool truncates(const xoe_sampling *s)
{
    return s->top_p < 1 || s->top_k > 0 || s->min_p > 0;
}

/* Top-k, top-p, min-p over c, of which the whole mass is `total`. The survivors stand at the end of c,
 * best last; returns how many. *whole: no candidate outside c could have survived. */
static size_t truncate(const xoe_sampling *s, xoe_cand *c, size_t n, double total, bool *whole)
{
    size_t most = s->top_k > 0 && (size_t)s->top_k < n ? (size_t)s->top_k : n, kept = 0, heap = n;
    bool by_p = s->top_p < 1, by_k = s->top_k > 0;
    double cum = 0, stop = by_k ? INFINITY : (double)s->top_p * total, least = 0;
    *whole = by_k && n >= (size_t)s->top_k;
    for (size_t i = n / 2; i-- > 0;)
        sift(c, i, n);
    while (kept < most && (kept == 0 || cum < stop)) {
        xoe_cand best = c[0];
        if (kept == 0) least = (double)(s->min_p * best.p);
        if (!by_k && (double)best.p < least) break;
        heap--;
        c[0] = c[heap];
        c[heap] = best;
        sift(c, 0, heap);
        kept++;
        cum += (double)best.p;
    }
    if (!by_k) {
        *whole = cum >= stop || kept < n;
        return kept;
    }
    stop = by_p ? (double)s->top_p * cum : INFINITY; /* top-p of what top-k left */
    least = (double)(s->min_p * c[n - 1].p);
    size_t k = 0;
    for (cum = 0; k < kept && cum < stop && (double)c[n - 1 - k].p >= least; k++)
        cum += (double)c[n - 1 - k].p;
    return k ? k : 1;
}

/* Make the p of h sum to 1; mass: what they and the tail weigh now. */
static void normalise(struct head *h, double mass)
{
    for (size_t i = 0; i < h->n; i++)
        h->c[i].p = (float)((double)h->c[i].p / mass);
}

static void keep_survivors(xoe_sampler *p, struct head *h, size_t kept, size_t n)
{
    double mass = 0;
    h->c = p->cands + n - kept;
    h->n = kept;
    h->tail = 0;
    for (size_t i = 0; i < kept; i++)
        mass += (double)h->c[i].p;
    normalise(h, mass);
}

/* The head of the distribution, without a grammar. */
static struct head head_of(xoe_sampler *p, const float *logits, float top)
{
    const xoe_sampling *s = &p->s;
    struct head h = {.top = top};
    bool need_total = s->top_k <= 0 && (s->top_p < 1 || s->min_p <= 0);
    double total = need_total ? xoe_logits_mass(logits, p->n_vocab, top, 1 / s->temperature) : INFINITY;
    for (float reach = FIRST_REACH;; reach += REACH_STEP) {
        bool last = reach >= CUT, whole;
        if (last) reach = CUT;
        h.floor = top - reach * s->temperature;
        size_t n = xoe_logits_gather(logits, p->n_vocab, h.floor, p->ids, p->vals);
        double mass = weigh(p, n, top);
        if (truncates(s)) {
            size_t kept = truncate(s, p->cands, n, total, &whole);
            if (!whole && !last) continue;
            keep_survivors(p, &h, kept, n);
            return h;
        }
        if (mass < total * (1 - TAIL) && !last) continue;
        h.c = p->cands;
        h.n = n;
        h.tail = last ? 0 : total - mass;
        if (h.tail <= total * 1e-6) h.tail = 0; /* no more than the sums' error */
        if (h.tail > 0) {
            p->cands[h.n++] = (xoe_cand){-1, (float)h.tail};
            h.tail /= total;
        }
        normalise(&h, h.tail > 0 ? total : mass);
        return h;
    }
}

/* Gather what is within reach and drop what the grammar refuses; returns how many are left.
 * *seen: mass of all that was gathered, relative to top. */
static size_t gather_legal(xoe_sampler *p, const float *logits, float floor, float top, double *seen)
{
    size_t n = xoe_logits_gather(logits, p->n_vocab, floor, p->ids, p->vals), left = 0;
    *seen = p->s.temperature > 0 ? weigh(p, n, top) : 0;
    xoe_grammar_mask(p->grammar, p->ids, p->vals, n);
    for (size_t i = 0; i < n; i++)
        if (isfinite(p->vals[i])) {
            p->ids[left] = p->ids[i];
            p->vals[left++] = p->vals[i];
        }
    return left;
}

/* The head of the distribution of legal tokens; n == 0: there is none. At temperature 0 it is the
 * best one alone. */
static struct head legal_head(xoe_sampler *p, const float *logits, float top)
{
    bool greedy = p->s.temperature <= 0, whole;
    float t = greedy ? 1 : p->s.temperature;
    struct head h = {.c = p->cands};
    double total = greedy ? 0 : xoe_logits_mass(logits, p->n_vocab, top, 1 / t), seen;
    for (float reach = FIRST_REACH;; reach += REACH_STEP) {
        bool last = reach > CUT;
        size_t n = gather_legal(p, logits, last ? -3e38f : top - reach * t, top, &seen);
        if (n == 0) {
            if (last) return h;
            continue;
        }
        h.top = xoe_logits_max(p->vals, (int)n);
        if (greedy) {
            size_t best = 0;
            while (p->vals[best] < h.top)
                best++;
            p->cands[0] = (xoe_cand){p->ids[best], 1};
            h.n = 1;
            return h;
        }
        double mass = weigh(p, n, h.top);
        double rest = (total - seen) * exp((double)((top - h.top) / t)); /* not shown, relative to h.top */
        if (!last && rest > RISK * mass) continue;
        size_t kept = truncates(&p->s) ? truncate(&p->s, p->cands, n, mass, &whole) : n;
        keep_survivors(p, &h, kept, n);
        return h;
    }
}

static double uniform(void *ud)
{
    return xoe_rng_uniform(ud);
}

static int32_t draw_tail(xoe_sampler *p, const float *logits, const struct head *h)
{
    float inv_t = 1 / p->s.temperature;
    double mass = 0;
    for (int pass = 0; pass < 2; pass++) {
        double u = pass ? xoe_rng_uniform(&p->rng) * mass : 0, cum = 0;
        int32_t id = -1;
        for (int i = 0; i < p->n_vocab; i++) {
            if (!(logits[i] < h->floor) || !isfinite(logits[i])) continue;
            double w = exp((double)((logits[i] - h->top) * inv_t));
            if (w <= 0) continue;
            id = i;
            cum += w;
            if (pass && cum > u) break;
        }
        if (pass) return id;
        mass = cum;
    }
    return -1;
}

static xoe_sampled choose(xoe_sampler *p, const float *logits, const struct head *h, const int32_t *answer,
                          size_t n_answer)
{
    xoe_sampled out = {-1, false, 0};
    if (p->mark) {
        xoe_pick pick;
        xoe_marker_pick(p->mark, h->c, h->n, answer, n_answer, uniform, &p->rng, &pick);
        out = (xoe_sampled){h->c[pick.index].id, pick.marked, pick.expected};
    } else {
        double u = xoe_rng_uniform(&p->rng);
        size_t i = 0;
        while (i + 1 < h->n && (u -= (double)h->c[i].p) >= 0)
            i++;
        out.id = h->c[i].id;
    }
    if (out.id < 0) { /* its score is then that of chance */
        out.id = draw_tail(p, logits, h);
        out.expected = 0;
    }
    return out;
}

static xoe_sampled sample_legal(xoe_sampler *p, const float *logits, float top, const int32_t *answer,
                                size_t n_answer)
{
    struct head h = legal_head(p, logits, top);
    if (h.n == 0) return (xoe_sampled){-1, false, 0};
    if (p->s.temperature <= 0) return (xoe_sampled){h.c[0].id, false, 0};
    return choose(p, logits, &h, answer, n_answer);
}

static xoe_sampled sample_free(xoe_sampler *p, const float *logits, float top, const int32_t *answer,
                               size_t n_answer)
{
    if (p->s.temperature <= 0) {
        xoe_logits_gather(logits, p->n_vocab, top, p->ids, p->vals);
        return (xoe_sampled){p->ids[0], false, 0};
    }
    struct head h = head_of(p, logits, top);
    return choose(p, logits, &h, answer, n_answer);
}

xoe_sampled xoe_sampler_sample(xoe_sampler *p, float *logits, const int32_t *answer, size_t n_answer)
{
    xoe_sampled out = {-1, false, 0};
    shape(p, logits, answer, n_answer);
    float top = xoe_logits_max(logits, p->n_vocab);
    if (!isfinite(top)) return out;
    bool masked = p->grammar && p->mark;
    if (!masked) {
        out = sample_free(p, logits, top, answer, n_answer);
        float one = 0;
        masked = p->grammar && out.id >= 0 && xoe_grammar_mask(p->grammar, &out.id, &one, 1) == 0;
    }
    if (masked) out = sample_legal(p, logits, top, answer, n_answer);
    if (out.id < 0 || (p->grammar && xoe_grammar_accept(p->grammar, out.id))) return (xoe_sampled){-1, false, 0};
    remember(p, out.id);
    count_token(p, out.id);
    return out;
}
