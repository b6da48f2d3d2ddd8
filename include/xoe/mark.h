/* Watermarks: keys, schemes, the sampler that writes a mark and the detector that finds it.
 * Pure functions over token ids; no model, no I/O. docs/watermark.md tells the statistics. */
#ifndef XOE_MARK_H
#define XOE_MARK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xoe/error.h"

#ifdef __cplusplus
extern "C" {
#endif

enum {
    XOE_MARK_KEY_BYTES = 32,
    XOE_MARK_WIDTH_MAX = 4,   /* context tokens; one AES block */
    XOE_MARK_SHIFTS_MAX = 1024, /* variants of a key */
};

/* X(NAME, value, "name on the wire") — never renumbered: stored in keyrings and audit rows. */
#define XOE_SCHEME_TABLE(X)                                                                        \
    X(GUMBEL, 1, "gumbel")                                                                         \
    X(GREEN, 2, "green")                                                                           \
    X(SYNTHID, 3, "synthid")                                                                       \
    X(DIPMARK, 4, "dipmark")                                                                       \
    X(MORPHMARK, 5, "morphmark")                                                                   \
    X(WATERMAX, 6, "watermax")                                                                     \
    X(DUAL, 7, "dual-gumbel")

typedef enum xoe_scheme {
#define XOE_SCHEME_ENUM(name, value, text) XOE_SCHEME_##name = (value),
    XOE_SCHEME_TABLE(XOE_SCHEME_ENUM)
#undef XOE_SCHEME_ENUM
} xoe_scheme;

XOE_API const char *xoe_scheme_name(xoe_scheme s); /* "gumbel"; NULL: unknown */
XOE_API xoe_err xoe_scheme_parse(const char *name, xoe_scheme *out, xoe_error *e);
/* Watermax: a pick changes nothing, the mark comes from choosing among drafts (xoe_marker_draft_gain). */
XOE_API bool xoe_scheme_needs_drafts(xoe_scheme s);

/* How a key marks. Kept with the key: writer and detector must agree. 0 means default. */
typedef struct xoe_mark_params {
    xoe_scheme scheme; /* default XOE_SCHEME_GUMBEL */
    int width;         /* context: tokens before the scored one, 1..4; default 3 */
    int n_shifts;      /* variants of the key, 1..1024: an answer carries a random one, a rephrased text the one that suits it; default 4 for gumbel and
                          synthid, whose choice the key decides; 1 for the others */
    double gamma;      /* green share (green, morphmark); default 0.25 */
    double delta;      /* logit bias (green); default 2.0 */
    double alpha;      /* dipmark reweight (≤ 0.5), dual-key mixing; default 0.45 / 0.5 */
    int depth;         /* synthid layers, 1..64; default 30 */
    int payload_bits;  /* 0: none; at most 64 */
} xoe_mark_params;

#define XOE_MARK_PARAMS_INIT                                                                       \
    {                                                                                              \
        XOE_SCHEME_GUMBEL, 0, 0, 0, 0, 0, 0, 0                                                     \
    }

/* Check and fill in defaults. Errors: XOE_EINVAL (names the field). */
XOE_API xoe_err xoe_mark_params_resolve(xoe_mark_params *p, xoe_error *e);

/* ---- writing ------------------------------------------------------------------------------- */

/* One candidate that survived truncation. */
typedef struct xoe_cand {
    int32_t id;
    float p; /* probability after all warpers; the candidates' p sum to 1 */
} xoe_cand;

typedef struct xoe_pick {
    size_t index;    /* into the candidates */
    bool marked;     /* false: sampled freely (context too short or already used in this answer) */
    double expected; /* gain in score over chance that this step carries on average; gumbel: H(1/p)
                        − 1 */
} xoe_pick;

/* State of one answer being written: key schedule, contexts used so far. Thread: one owner. */
typedef struct xoe_marker xoe_marker;

/* key: 32 bytes, copied and wiped on close. shift: 0 ≤ shift < n_shifts. payload: payload_bits low
 * bits. Errors: XOE_EINVAL, XOE_ENOMEM, XOE_EUNSUPPORTED. */
XOE_API xoe_err xoe_marker_open(xoe_marker **out, const xoe_mark_params *params,
                                const uint8_t key[XOE_MARK_KEY_BYTES], uint32_t shift,
                                uint64_t payload, xoe_error *e);
XOE_API void xoe_marker_close(xoe_marker *m);

/* Choose the next token. cands: [n] normalised, any order; answer: [n_answer] tokens of this answer
 * so far (the prompt is not part of it). uniform: source of free randomness in [0,1), seeded by the
 * request, so that a seed reproduces an answer exactly.
 * Source: Gumbel-max, Aaronson 2023: argmax ln(u_i)/p_i over the survivors. */
XOE_API void xoe_marker_pick(xoe_marker *m, const xoe_cand *cands, size_t n, const int32_t *answer,
                             size_t n_answer, double (*uniform)(void *ud), void *ud, xoe_pick *out);

/* What a draft would add to the score over chance: text holds [n_answer] tokens that are settled
 * and then [n_draft] of the draft. For watermax: write several drafts, keep the one that gains
 * most. scored: [n_draft] which of its tokens the detector will score, or NULL. May be called with
 * any scheme. Errors: XOE_ENOMEM. Source: Giboulot & Furon 2024 (2403.04808). */
XOE_API xoe_err xoe_marker_draft_gain(xoe_marker *m, const int32_t *text, size_t n_answer,
                                      size_t n_draft, double *gain, bool *scored, xoe_error *e);

/* H(1/p) − 1: what a token that the model gives probability p gains in score over chance on
 * average, under gumbel. 0 for a certain token. */
XOE_API double xoe_mark_gain(double p);

/* What the detector will say, on average: log10 of the p-value of a text of n_scored tokens whose
 * picks promised `gain` in all (Σ expected), when n_keys are tried. Errors: XOE_EINVAL. */
XOE_API xoe_err xoe_mark_predict(const xoe_mark_params *params, size_t n_scored, double gain,
                                 size_t n_keys, double *log10_p, xoe_error *e);

/* ---- finding ------------------------------------------------------------------------------- */

/* What is tested. Schemes other than gumbel and watermax, weights, probs and payloads have the sum only. */
typedef enum xoe_mark_test {
    XOE_TEST_SUM,  /* the sum of the scores: the default, and the strongest on edited text too */
    XOE_TEST_GOF,  /* goodness of fit: how many scores lie in the tails */
    XOE_TEST_BOTH, /* twice the better p-value */
} xoe_mark_test;

typedef struct xoe_detect_opts {
    double fpr; /* target false-positive rate; default 1e-3 */
    bool spans; /* look for marked spans inside unmarked text (by the best key) */
    const double
        *weights; /* [n_tokens] ≥ 0, independent of key; NULL: all 1; spans do not use them, but probs */
    const double
        *probs; /* [n_tokens] about what a model gives each token, 0: unknown; independent of key; NULL:
                   none. Instead of weights: makes tests of likelihood for gumbel and dual-gumbel, weights
                   for the others and for payloads. Valid however wrong they are. */
    xoe_mark_test test;
} xoe_detect_opts;

typedef struct xoe_span {
    size_t first, end; /* token range [first, end) */
    double log10_p;    /* that nothing in and around it is marked; corrected for all windows, shifts and keys tried, so
                          that it holds for all spans at once */
} xoe_span;

typedef struct xoe_verdict {
    bool detected;     /* p ≤ fpr */
    bool can_carry;    /* false: too few scorable tokens for this fpr whatever they are (fewer than
                          16, or too few for very good text to reach fpr): say "too short" */
    double log10_p;    /* one-sided, exact or conservative, corrected over shifts, keys, payloads
                          and, with spans, windows */
    double p_value;    /* 10^log10_p; 0 when below the range of a double */
    double confidence; /* fpr / (fpr + p) */
    double score; /* mean score a scored token; by chance 1 (gumbel, watermax, dual-gumbel), gamma
                     (green, morphmark), ½ (dipmark, synthid); a payload is the best of many */
    double green_fraction;      /* schemes with a green list; NaN otherwise */
    size_t n_tokens, n_scored;  /* scored: context complete and first occurrence */
    size_t key_index;           /* best key */
    uint32_t shift;             /* best shift */
    uint64_t payload;           /* best payload, when payload_bits > 0 */
    double payload_log10_error; /* chance that it is misread, given that the text is marked */
    xoe_span *spans;            /* [n_spans]; freed by xoe_verdict_clear */
    size_t n_spans;
    float *token_scores; /* [n_tokens] score under the best key and shift, NaN where not scored */
    const char
        *weak_key_note; /* static; other programs' marks: why their key is weak; NULL for ours */
} xoe_verdict;

/* Score tokens under several keys. params: [n_keys]; keys: [n_keys]. The p-value of the best key is
 * corrected by Šidák over shifts and keys. Errors: XOE_EINVAL (no tokens, no keys), XOE_ENOMEM.
 * Thread: safe. Source: exact tail, Three Bricks (2308.00113) eq. 4. */
XOE_API xoe_err xoe_detect_tokens(const xoe_mark_params *params,
                                  const uint8_t (*keys)[XOE_MARK_KEY_BYTES], size_t n_keys,
                                  const int32_t *tokens, size_t n_tokens,
                                  const xoe_detect_opts *opts, xoe_verdict *out, xoe_error *e);
XOE_API void xoe_verdict_clear(xoe_verdict *v);

#ifdef __cplusplus
}
#endif
#endif
