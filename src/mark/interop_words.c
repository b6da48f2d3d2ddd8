/* The peers' pseudorandom values as scores of tokens and as words for our own pick().
 * Thread: pure functions of a read-only handle. */
#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "mark/interop_impl.h"
#include "mark/peers.h"

enum { SELFHASH_TOP = 40 }; /* candidates that Hugging Face looks at with selfhash */

/* The word whose u = (k + ½)·2^-52 is nearest below: the same order, the same side of a threshold.
 */
static uint64_t word_of(double u)
{
    return (uint64_t)(u * 0x1p52) << 12;
}

/* ---- uniform values ---------------------------------------------------------------------------
 */

static double textseal_u(const xoe_interop *h, const int32_t *window, int64_t token, int key)
{
    return (double)((float)xoe_textseal_hash(window, h->p.width, token, (int64_t)h->key[key]) /
                    (float)XOE_TEXTSEAL_M);
}

static double vllm_u(const xoe_interop *h, const int32_t *window, int32_t token, int key)
{
    xoe_philox context = xoe_vllm_context(h->key[key], window, h->p.width);
    return ((double)(xoe_vllm_word(h->key[key], &context, token) >> 8) + 1) / 16777217.0;
}

/* With two keys a coin of the context says which. */
static double sglang_u(const xoe_interop *h, const int32_t *window, int32_t token)
{
    uint32_t context = xoe_sglang_context(window, h->p.width);
    int key = h->p.kind == XOE_INTEROP_SGLANG_DUAL &&
              xoe_sglang_coin(h->key[0], h->key[1], context) >= (uint32_t)(h->p.alpha * 0x1p32);
    return ((double)xoe_sglang_word(h->key[key], context, token) + 0.5) * 0x1p-32;
}

static double uniform_value(const xoe_interop *h, const int32_t *window, int32_t token, int key)
{
    switch (xoe_kinds[h->p.kind].peer) {
    case XOE_PEER_TEXTSEAL:
        return textseal_u(h, window, token, key);
    case XOE_PEER_VLLM:
        return vllm_u(h, window, token, key);
    default:
        return sglang_u(h, window, token);
    }
}

/* ---- layers of a tournament -------------------------------------------------------------------
 */

static uint64_t layer_bits(const xoe_interop *h, const int32_t *window, int32_t token)
{
    uint64_t bits = 0, hash = 1;
    if (xoe_kinds[h->p.kind].peer == XOE_PEER_TEXTSEAL) {
        for (int d = 0; d < h->p.depth; d++)
            bits |= (uint64_t)(textseal_u(h, window, (int64_t)token + d, 0) < h->p.gamma) << d;
        return bits;
    }
    for (int i = 0; i < h->p.width; i++)
        hash = xoe_hf_hash(hash, window[i]);
    hash = xoe_hf_hash(hash, token);
    for (int d = 0; d < h->p.depth;
         d++) { /* a signed remainder with the divisor's sign, as torch's */
        int64_t key = (int64_t)xoe_hf_hash(hash, h->p.keys[d]), size = h->p.table_size,
                r = key % size;
        bits |= (uint64_t)h->table[r < 0 ? r + size : r] << d;
    }
    return bits;
}

/* ---- Hugging Face's green lists ---------------------------------------------------------------
 */

uint32_t xoe_hf_green_seed(const xoe_interop *h, const int32_t *tokens, size_t at, int32_t token)
{
    if (xoe_kinds[h->p.kind].peer == XOE_PEER_HF_GREEN) {
        /* key × token mod 2^64 − 1: the product's upper half is added to its lower, carry and all
         */
        uint64_t key = h->key[0], last = (uint32_t)tokens[at - 1], low = key * last;
        uint64_t high = ((key >> 32) * last + ((key & UINT32_MAX) * last >> 32)) >> 32;
        uint64_t seed = low + high;
        if (seed < low) seed++;
        return seed == UINT64_MAX ? 0 : (uint32_t)seed; /* torch keeps 32 bits */
    }
    /* min over the window of key·a·b in int64, a and b places in a fixed permutation */
    uint64_t b = (uint64_t)h->fixed[(uint32_t)token % h->n_fixed] + 1;
    int64_t least = INT64_MAX;
    for (size_t i = 0; i < (size_t)h->p.width; i++) {
        int32_t other = i == 0 ? token : tokens[at - i];
        int64_t seed =
            (int64_t)(h->key[0] * ((uint64_t)h->fixed[(uint32_t)other % h->n_fixed] + 1) * b);
        if (seed < least) least = seed;
    }
    return (uint32_t)(least < 0 ? (uint64_t)least - 1 : (uint64_t)least);
}

/* Is `token` among the first n_green of the seed's permutation? Only its own place is followed
 * through the shuffle: no memory, n_green draws. */
static bool in_list(const xoe_interop *h, uint32_t seed, int32_t token)
{
    xoe_torch_rng r;
    size_t place = (uint32_t)token, n = (size_t)h->p.n_vocab;
    if (place >= n) return false;
    xoe_torch_seed(&r, seed);
    for (size_t i = 0; i < h->n_green; i++) {
        size_t j = i + xoe_torch_u32(&r) % (n - i);
        if (j == place) return true;
        if (i == place) place = j;
    }
    return false;
}

/* ---- scores -----------------------------------------------------------------------------------
 */

double xoe_interop_score(const xoe_interop *h, const int32_t *tokens, size_t at)
{
    int32_t window[XOE_INTEROP_WIDTH_MAX];
    double a = h->p.alpha;
    xoe_interop_window(h, tokens, at, window);
    switch (h->p.kind) {
    case XOE_INTEROP_TEXTSEAL_GUMBEL: /* 1 − r in single precision, as there */
        return -log((double)(1.0f - (float)uniform_value(h, window, tokens[at], 0)));
    case XOE_INTEROP_TEXTSEAL_DUAL:
    case XOE_INTEROP_VLLM_DUAL:
        return -a * log(1 - uniform_value(h, window, tokens[at], 0)) -
               (1 - a) * log(1 - uniform_value(h, window, tokens[at], 1));
    case XOE_INTEROP_VLLM_GUMBEL:
    case XOE_INTEROP_SGLANG_GUMBEL:
    case XOE_INTEROP_SGLANG_DUAL:
        return -log1p(-uniform_value(h, window, tokens[at], 0));
    case XOE_INTEROP_HF_GREEN:
    case XOE_INTEROP_HF_GREEN_SELFHASH:
        return in_list(h, xoe_hf_green_seed(h, tokens, at, tokens[at]), tokens[at]);
    case XOE_INTEROP_TEXTSEAL_SYNTHID:
    case XOE_INTEROP_HF_SYNTHID:
        return __builtin_popcountll(layer_bits(h, window, tokens[at]));
    case XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED: {
        uint64_t bits = layer_bits(h, window, tokens[at]);
        double total = 0;
        for (int d = 0; d < h->p.depth; d++)
            total += (double)(bits >> d & 1) * h->weights[d];
        return total;
    }
    default:
        return uniform_value(h, window, tokens[at], 0) < h->p.gamma;
    }
}

/* ---- writing ----------------------------------------------------------------------------------
 */

/* Rank of candidate i by falling probability, ties by place. */
static size_t rank_of(const double *p, size_t n, size_t i)
{
    size_t rank = 0;
    for (size_t j = 0; j < n; j++)
        rank += p[j] > p[i] || (p[j] == p[i] && j < i);
    return rank;
}

static xoe_err green_words(const xoe_interop *h, const xoe_cand *cands, const xoe_step *step,
                           const int32_t *answer, size_t n_answer, uint64_t *words, xoe_error *e)
{
    size_t n_vocab = (size_t)h->p.n_vocab;
    memset(words, 0xff, step->n * sizeof *words); /* u = 1: red */
    if (h->p.kind == XOE_INTEROP_HF_GREEN_SELFHASH) {
        for (size_t i = 0; i < step->n; i++)
            if (rank_of(step->p, step->n, i) < SELFHASH_TOP &&
                in_list(h, xoe_hf_green_seed(h, answer, n_answer, cands[i].id), cands[i].id))
                words[i] = 0;
        return XOE_OK;
    }
    xoe_torch_rng r;
    int32_t *perm = xoe_malloc(n_vocab * sizeof *perm);
    uint8_t *green = xoe_calloc(n_vocab, 1);
    if (!perm || !green) {
        xoe_free(perm);
        xoe_free(green);
        return xoe_error_set(e, XOE_ENOMEM, "no memory for a green list of %zu tokens", n_vocab);
    }
    xoe_torch_seed(&r, xoe_hf_green_seed(h, answer, n_answer, 0));
    xoe_torch_randperm(&r, perm, n_vocab, h->n_green);
    for (size_t i = 0; i < h->n_green; i++)
        green[perm[i]] = 1;
    for (size_t i = 0; i < step->n; i++)
        if ((uint32_t)cands[i].id < n_vocab && green[cands[i].id]) words[i] = 0;
    xoe_free(perm);
    xoe_free(green);
    return XOE_OK;
}

static xoe_err fill_words(const xoe_interop *h, const xoe_cand *cands, const xoe_step *step,
                          const int32_t *answer, size_t n_answer, uint64_t *words, xoe_error *e)
{
    int32_t window[XOE_INTEROP_WIDTH_MAX];
    enum xoe_peer peer = xoe_kinds[h->p.kind].peer;
    xoe_scheme scheme = xoe_kinds[h->p.kind].scheme;
    if (peer == XOE_PEER_HF_GREEN || peer == XOE_PEER_HF_SELFHASH)
        return green_words(h, cands, step, answer, n_answer, words, e);
    xoe_interop_window(h, answer, n_answer, window);
    for (size_t i = 0; i < step->n; i++) {
        int32_t id = cands[i].id;
        if (scheme == XOE_SCHEME_SYNTHID) {
            words[i] = layer_bits(h, window, id);
        } else if (scheme == XOE_SCHEME_DUAL) {
            words[2 * i] = word_of(uniform_value(h, window, id, 0));
            words[2 * i + 1] = word_of(uniform_value(h, window, id, 1));
        } else {
            words[i] = word_of(uniform_value(h, window, id, 0));
        }
    }
    return XOE_OK;
}

/* Did the window before n_answer stand before an earlier position? */
static bool repeated(const xoe_interop *h, const int32_t *answer, size_t n_answer)
{
    size_t w = (size_t)h->p.width;
    for (size_t at = w; at < n_answer; at++)
        if (memcmp(answer + at - w, answer + n_answer - w, w * sizeof *answer) == 0) return true;
    return false;
}

xoe_err xoe_interop_pick(const xoe_interop *h, const xoe_cand *cands, size_t n,
                         const int32_t *answer, size_t n_answer, double (*uniform)(void *ud),
                         void *ud, xoe_pick *out, double *p_out, xoe_error *e)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(xoe_kinds[h->p.kind].scheme);
    bool pads = xoe_kinds[h->p.kind].peer == XOE_PEER_VLLM, whole = n_answer >= (size_t)h->p.width;
    bool once = xoe_kinds[h->p.kind].peer == XOE_PEER_HF_SYNTHID;
    xoe_mark_params params = {.scheme = xoe_kinds[h->p.kind].scheme,
                              .gamma = h->p.gamma,
                              .delta = h->p.delta,
                              .alpha = h->p.alpha,
                              .depth = h->p.depth};
    xoe_err rc = XOE_OK;
    *out = (xoe_pick){0};
    if (n == 0) return XOE_OK;
    double *p = xoe_malloc(n * sizeof *p), total = 0;
    uint64_t *words = xoe_malloc(n * (size_t)ops->n_words * sizeof *words);
    uint32_t *order = xoe_malloc(n * sizeof *order);
    if (!p || !words || !order) {
        rc = xoe_error_set(e, XOE_ENOMEM, "no memory for %zu candidates", n);
        goto out;
    }
    for (size_t i = 0; i < n; i++) {
        p[i] = cands[i].p > 0 && isfinite(cands[i].p) ? (double)cands[i].p : 0;
        total += p[i];
    }
    for (size_t i = 0; i < n && total > 0; i++)
        p[i] /= total;
    xoe_step step = {&params, p, words, order, n, uniform, ud};
    if (total > 0 && (whole || pads) && !(once && whole && repeated(h, answer, n_answer))) {
        if ((rc = fill_words(h, cands, &step, answer, n_answer, words, e)) != XOE_OK) goto out;
        out->index = ops->pick(&step, &out->expected);
        out->marked = true;
    } else {
        out->index = xoe_draw(p, n, uniform(ud));
    }
    for (size_t i = 0; i < n && p_out; i++)
        p_out[i] = p[i];
out:
    xoe_free(p);
    xoe_free(words);
    xoe_free(order);
    return rc;
}
