/* Detecting and writing the marks of other programs.
 *
 * Each kind is a pseudorandom function (peers.c), a rule which positions are scored, and a null
 * law. The PRF's values are turned into the 64-bit words of our own schemes (interop_words.c), so
 * that choosing a token is the scheme's own pick(). Positions count once by what their PRF depends
 * on; the law uses the share that the hash really has (4096 of 8191, not ½). Thread: a handle is
 * read-only after opening. */
#include "mark/interop_impl.h"

#include <math.h>
#include <string.h>

#include "base/mem.h"
#include "base/rng.h"
#include "mark/context.h"
#include "mark/peers.h"
#include "mark/stats.h"

enum { MIN_SCORED = 16, MAX_VOCAB = 1 << 22, FIXED_TABLE = 1000003 };

static const char *const names[] = {
#define ROW(name, text) text,
    XOE_INTEROP_TABLE(ROW)
#undef ROW
};

#define TEXTSEAL_WEAK                                                                              \
    "TextSeal's hash has 13 bits and is linear: other keys act alike (42 and 42 + 1336), so a "    \
    "small "                                                                                       \
    "p-value does not single out one key"
#define VLLM_WEAK                                                                                  \
    "Philox with a 64-bit key is no cryptographic function: treat p as valid only if nobody "      \
    "could study "                                                                                 \
    "text of this key"
#define SGLANG_WEAK                                                                                \
    "Murmur3 is no cryptographic function and keeps 32 bits of the context: the key can be "       \
    "computed from "                                                                               \
    "marked text"
#define HF_SYNTHID_WEAK                                                                            \
    "the hash is a linear congruence of which only the low bits count (16 for a table of 65536): " \
    "keys "                                                                                        \
    "can be computed from marked text and tables are public"
#define HF_GREEN_WEAK                                                                              \
    "the list depends on 32 bits of seed made from the context; with the default key 15485863 "    \
    "the list is "                                                                                 \
    "public and anyone can write or remove the mark"

const struct xoe_kind xoe_kinds[XOE_INTEROP_KINDS] = {
    [XOE_INTEROP_TEXTSEAL_GUMBEL] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_GUMBEL, TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_GREEN] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_GREEN, TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_DIPMARK] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_DIPMARK, TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_MORPHMARK] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_MORPHMARK, TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_SYNTHID] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_SYNTHID, TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_SYNTHID,
                                               TEXTSEAL_WEAK},
    [XOE_INTEROP_TEXTSEAL_DUAL] = {XOE_PEER_TEXTSEAL, XOE_SCHEME_DUAL, TEXTSEAL_WEAK},
    [XOE_INTEROP_VLLM_GUMBEL] = {XOE_PEER_VLLM, XOE_SCHEME_GUMBEL, VLLM_WEAK},
    [XOE_INTEROP_VLLM_DUAL] = {XOE_PEER_VLLM, XOE_SCHEME_DUAL, VLLM_WEAK},
    [XOE_INTEROP_SGLANG_GUMBEL] = {XOE_PEER_SGLANG, XOE_SCHEME_GUMBEL, SGLANG_WEAK},
    [XOE_INTEROP_SGLANG_DUAL] = {XOE_PEER_SGLANG, XOE_SCHEME_GUMBEL, SGLANG_WEAK},
    [XOE_INTEROP_HF_SYNTHID] = {XOE_PEER_HF_SYNTHID, XOE_SCHEME_SYNTHID, HF_SYNTHID_WEAK},
    [XOE_INTEROP_HF_GREEN] = {XOE_PEER_HF_GREEN, XOE_SCHEME_GREEN, HF_GREEN_WEAK},
    [XOE_INTEROP_HF_GREEN_SELFHASH] = {XOE_PEER_HF_SELFHASH, XOE_SCHEME_GREEN, HF_GREEN_WEAK},
};

const char *xoe_interop_name(xoe_interop_kind k)
{
    return (unsigned)k < XOE_INTEROP_KINDS ? names[k] : NULL;
}

xoe_err xoe_interop_parse(const char *name, xoe_interop_kind *out, xoe_error *e)
{
    for (int i = 0; name && i < XOE_INTEROP_KINDS; i++)
        if (strcmp(names[i], name) == 0) {
            *out = (xoe_interop_kind)i;
            return XOE_OK;
        }
    return xoe_error_param(
        e, XOE_EINVAL, "scheme",
        "unknown scheme \"%.40s\"; other programs' are textseal-…, vllm-…, sglang-…, "
        "hf-synthid, hf-greenlist",
        name ? name : "");
}

/* ---- opening ----------------------------------------------------------------------------------
 */

static xoe_err check(const char *field, double x, double lo, double hi, xoe_error *e)
{
    if (x >= lo && x <= hi) return XOE_OK;
    return xoe_error_param(e, XOE_EINVAL, field, "%s is %g; it must be from %g to %g", field, x, lo,
                           hi);
}

static xoe_err resolve(xoe_interop_params *p, xoe_error *e)
{
    if ((unsigned)p->kind >= XOE_INTEROP_KINDS)
        return xoe_error_param(e, XOE_EINVAL, "scheme", "unknown scheme number %d", (int)p->kind);
    enum xoe_peer peer = xoe_kinds[p->kind].peer;
    bool green = peer == XOE_PEER_HF_GREEN || peer == XOE_PEER_HF_SELFHASH;
    int width_max = peer == XOE_PEER_TEXTSEAL ? XOE_TEXTSEAL_WIDTH_MAX : XOE_INTEROP_WIDTH_MAX;
    xoe_err rc;
    if (p->width == 0) p->width = peer == XOE_PEER_TEXTSEAL || green ? 1 : 4;
    if (p->gamma == 0) p->gamma = green ? 0.25 : 0.5;
    if (p->delta == 0) p->delta = 2.0;
    if (p->alpha == 0)
        p->alpha = p->kind == XOE_INTEROP_TEXTSEAL_DIPMARK ? 0.2
                   : peer == XOE_PEER_VLLM                 ? 0.9
                                                           : 0.5;
    if (p->depth == 0 && peer == XOE_PEER_TEXTSEAL) p->depth = 30;
    if (p->table_size == 0) p->table_size = 65536;
    if ((rc = check("width", p->width, 1, width_max, e)) != XOE_OK ||
        (rc = check("gamma", p->gamma, 0.001, 0.999, e)) != XOE_OK ||
        (rc = check("delta", p->delta, 0.001, 50, e)) != XOE_OK ||
        (rc = check("alpha", p->alpha, 0.001, 0.999, e)) != XOE_OK ||
        (rc = check("dedup", p->dedup, XOE_DEDUP_CONTEXT, XOE_DEDUP_NONE, e)) != XOE_OK ||
        (rc = check("table_size", p->table_size, 2, 1 << 24, e)) != XOE_OK)
        return rc;
    bool layers = peer == XOE_PEER_HF_SYNTHID || peer == XOE_PEER_TEXTSEAL;
    if ((rc = check("depth", p->depth, layers ? 1 : 0, XOE_INTEROP_DEPTH_MAX, e)) != XOE_OK)
        return rc;
    if (green && p->key == 0)
        return xoe_error_param(e, XOE_EINVAL, "key", "key 0 makes the same list everywhere");
    if (green) return check("n_vocab", p->n_vocab, 2, MAX_VOCAB, e);
    return XOE_OK;
}

static void set_share(xoe_interop *h)
{
    size_t green = 0;
    h->share = 0.5;
    switch (xoe_kinds[h->p.kind].peer) {
    case XOE_PEER_TEXTSEAL:
        for (int k = 0; k < XOE_TEXTSEAL_M; k++)
            green += (double)((float)k / (float)XOE_TEXTSEAL_M) < h->p.gamma;
        h->share = (double)green / XOE_TEXTSEAL_M;
        break;
    case XOE_PEER_HF_SYNTHID:
        for (uint32_t i = 0; i < h->p.table_size; i++)
            green += h->table[i];
        h->share = (double)green / h->p.table_size;
        break;
    case XOE_PEER_HF_GREEN:
    case XOE_PEER_HF_SELFHASH:
        h->n_green = (size_t)(h->p.n_vocab * h->p.gamma);
        h->share = (double)h->n_green / h->p.n_vocab;
        break;
    default:
        break;
    }
}

xoe_err xoe_interop_open(xoe_interop **out, const xoe_interop_params *params, xoe_error *e)
{
    xoe_torch_rng rng;
    double total = 0;
    *out = NULL;
    xoe_interop *h = xoe_calloc(1, sizeof *h);
    if (!h) return xoe_error_set(e, XOE_ENOMEM, "no memory for a detector");
    h->p = *params;
    xoe_err rc = resolve(&h->p, e);
    if (rc != XOE_OK) goto fail;
    enum xoe_peer peer = xoe_kinds[h->p.kind].peer;
    h->key[0] = h->p.key;
    h->key[1] = h->p.key_b;
    if (h->p.kind == XOE_INTEROP_VLLM_DUAL) {
        h->key[0] = xoe_vllm_derive(h->p.key, "key_a");
        h->key[1] = xoe_vllm_derive(h->p.key, "key_b");
    }
    if (peer == XOE_PEER_HF_SYNTHID) {
        h->table = xoe_malloc(h->p.table_size);
        if (!h->table) goto no_memory;
        xoe_torch_seed(&rng, h->p.table_seed);
        for (uint32_t i = 0; i < h->p.table_size; i++)
            h->table[i] = xoe_torch_u32(&rng) % 2;
    }
    if (peer == XOE_PEER_HF_SELFHASH) {
        h->fixed = xoe_malloc(FIXED_TABLE * sizeof *h->fixed);
        if (!h->fixed) goto no_memory;
        xoe_torch_seed(&rng, h->p.key);
        xoe_torch_randperm(&rng, h->fixed, FIXED_TABLE, FIXED_TABLE);
        h->n_fixed = FIXED_TABLE;
    }
    for (int i = 0; i < h->p.depth; i++) { /* linear from 10 to 1, mean 1 */
        h->weights[i] = h->p.depth > 1 ? 10.0 - 9.0 * i / (h->p.depth - 1) : 10.0;
        total += h->weights[i];
    }
    for (int i = 0; i < h->p.depth; i++)
        h->weights[i] = (double)(float)(h->weights[i] * h->p.depth / total);
    set_share(h);
    if (!(h->share > 0 && h->share < 1)) {
        rc = xoe_error_param(e, XOE_EINVAL, "gamma", "gamma %g leaves no list in this vocabulary",
                             h->p.gamma);
        goto fail;
    }
    *out = h;
    return XOE_OK;
no_memory:
    rc = xoe_error_set(e, XOE_ENOMEM, "no memory for a detector");
fail:
    xoe_interop_close(h);
    return rc;
}

void xoe_interop_close(xoe_interop *h)
{
    if (!h) return;
    xoe_free(h->table);
    xoe_free(h->fixed);
    xoe_zero(h, sizeof *h);
    xoe_free(h);
}

/* ---- detection --------------------------------------------------------------------------------
 */

size_t xoe_interop_first(const xoe_interop *h)
{
    size_t w = (size_t)h->p.width;
    switch (xoe_kinds[h->p.kind].peer) {
    case XOE_PEER_TEXTSEAL:
        return w + 1; /* its detectors leave the first one out */
    case XOE_PEER_VLLM:
        return 0; /* what lacks before the text is −1 */
    case XOE_PEER_HF_SELFHASH:
        return w - 1; /* the window ends with the token itself */
    default:
        return w;
    }
}

void xoe_interop_window(const xoe_interop *h, const int32_t *tokens, size_t at, int32_t *window)
{
    size_t w = (size_t)h->p.width;
    for (size_t i = 0; i < w; i++)
        window[i] = at + i >= w ? tokens[at + i - w] : -1;
}

/* A block that is equal only for equal PRF inputs: a CBC-MAC, under a random key, of what the value
 * at this position depends on. Without deduplication, of the position itself. */
static xoe_block input_of(const xoe_interop *h, xoe_prf *prf, const int32_t *tokens, size_t at)
{
    int32_t in[XOE_INTEROP_WIDTH_MAX + 8] = {0};
    int n = 0;
    enum xoe_peer peer = xoe_kinds[h->p.kind].peer;
    in[n++] = (int32_t)h->p.dedup;
    if (h->p.dedup == XOE_DEDUP_NONE) {
        in[n++] = (int32_t)(uint32_t)at;
        in[n++] = (int32_t)(uint32_t)((uint64_t)at >> 32);
    } else if (peer == XOE_PEER_HF_GREEN || peer == XOE_PEER_HF_SELFHASH) {
        in[n++] = (int32_t)xoe_hf_green_seed(h, tokens, at, tokens[at]);
        in[n++] = tokens[at];
    } else {
        xoe_interop_window(h, tokens, at, in + n);
        n += h->p.width;
        if (h->p.dedup == XOE_DEDUP_PAIR) in[n++] = tokens[at];
    }
    xoe_block b = {{0, 0, 0, 0}};
    for (int i = 0; i < n; i += 4) {
        for (int j = 0; j < 4; j++)
            b.w[j] ^= (uint32_t)in[i + j];
        xoe_prf_encrypt(prf, &b, &b, 1);
    }
    return b;
}

static double ln_tail(const xoe_interop *h, size_t n, double s)
{
    double a = h->p.alpha;
    switch (h->p.kind) {
    case XOE_INTEROP_VLLM_GUMBEL: /* 2^24 values j/(2^24 + 1): at most Exp(1) + ln(1 + 2^-24) each
                                   */
        return xoe_ln_gamma_tail(n, s - (double)n * 0x1p-24);
    case XOE_INTEROP_TEXTSEAL_GUMBEL:
    case XOE_INTEROP_SGLANG_GUMBEL:
    case XOE_INTEROP_SGLANG_DUAL:
        return xoe_ln_gamma_tail(n, s);
    case XOE_INTEROP_TEXTSEAL_DUAL:
    case XOE_INTEROP_VLLM_DUAL:
        s -= (double)n * 0x1p-24;
        return a == 0.5 ? xoe_ln_gamma_tail(2 * n, 2 * s) : xoe_ln_hypoexp2_tail(a, 1 - a, n, s);
    case XOE_INTEROP_TEXTSEAL_SYNTHID_WEIGHTED:
        return xoe_ln_bernoulli_tail(h->weights, (size_t)h->p.depth, n, h->share, s);
    case XOE_INTEROP_TEXTSEAL_SYNTHID:
    case XOE_INTEROP_HF_SYNTHID:
        return xoe_ln_binom_tail(n * (size_t)h->p.depth, (size_t)ceil(s), h->share);
    default:
        return xoe_ln_binom_tail(n, (size_t)ceil(s), h->share);
    }
}

double xoe_interop_chance(const xoe_interop *h)
{
    xoe_scheme scheme = xoe_kinds[h->p.kind].scheme;
    return scheme == XOE_SCHEME_GUMBEL || scheme == XOE_SCHEME_DUAL ? 1 : h->share;
}

static double top_score(const xoe_interop *h)
{
    const xoe_scheme_ops *ops = xoe_scheme_find(xoe_kinds[h->p.kind].scheme);
    xoe_mark_params p = {.depth = h->p.depth};
    return ops->top(&p);
}

xoe_err xoe_interop_detect(const xoe_interop *h, const int32_t *tokens, size_t n_tokens, double fpr,
                           xoe_verdict *out, double *sum, xoe_error *e)
{
    uint8_t key[XOE_MARK_KEY_BYTES];
    xoe_prf prf = {0};
    xoe_context_set seen = {0};
    const struct xoe_kind *kind = &xoe_kinds[h->p.kind];
    const xoe_scheme_ops *ops = xoe_scheme_find(kind->scheme);
    double total = 0, unit = kind->scheme == XOE_SCHEME_SYNTHID ? h->p.depth : 1;
    xoe_err rc = XOE_OK;
    *out = (xoe_verdict){.score = NAN, .green_fraction = NAN, .weak_key_note = kind->weak};
    if (!tokens || n_tokens == 0)
        return xoe_error_set(e, XOE_EINVAL, "there are no tokens to look at");
    if (fpr == 0) fpr = 1e-3;
    if (!(fpr > 0 && fpr < 1))
        return xoe_error_param(e, XOE_EINVAL, "fpr", "fpr is %g; it must be between 0 and 1", fpr);
    if (xoe_random_bytes(key, sizeof key) != 0)
        return xoe_error_set(e, XOE_EINTERNAL, "the system gives no randomness");
    if ((rc = xoe_prf_open(&prf, key, e)) != XOE_OK) goto out;
    out->token_scores = xoe_malloc(n_tokens * sizeof *out->token_scores);
    if (!out->token_scores) goto no_memory;
    for (size_t i = 0; i < n_tokens; i++)
        out->token_scores[i] = NAN;
    for (size_t at = xoe_interop_first(h); at < n_tokens; at++) {
        if (kind->peer == XOE_PEER_HF_GREEN && tokens[at - 1] == 0)
            continue; /* seed 0 whatever the key */
        xoe_block input = input_of(h, &prf, tokens, at);
        int added = xoe_context_set_add(&seen, &input);
        if (added < 0) goto no_memory;
        if (added == 0) continue;
        double score = xoe_interop_score(h, tokens, at);
        out->token_scores[at] = (float)score;
        total += score;
        out->n_scored++;
    }
    double n = (double)out->n_scored, ln_p = out->n_scored ? ln_tail(h, out->n_scored, total) : 0;
    out->n_tokens = n_tokens;
    out->log10_p = ln_p / XOE_LN10;
    out->p_value = exp(ln_p);
    out->confidence = fpr / (fpr + out->p_value);
    out->detected = ln_p <= log(fpr);
    out->can_carry =
        out->n_scored >= MIN_SCORED && ln_tail(h, out->n_scored, n * top_score(h)) <= log(fpr);
    if (n > 0) out->score = total / (n * unit);
    if (ops->has_green) out->green_fraction = out->score;
    if (sum) *sum = total;
    goto out;
no_memory:
    rc = xoe_error_set(e, XOE_ENOMEM, "no memory to detect in %zu tokens", n_tokens);
out:
    xoe_context_set_free(&seen);
    xoe_prf_close(&prf);
    if (rc != XOE_OK) xoe_verdict_clear(out);
    return rc;
}
