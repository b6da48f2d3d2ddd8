/* Marks that other programs write: TextSeal 0.0.5, vLLM 0.33, SGLang 0.5.23, Hugging Face
 * transformers 4.57. Their pseudorandom functions bit for bit (tests/vectors/mark), our statistics:
 * deduplicated, exact or conservative, no mid-p. None of their key hashes is cryptographic; the
 * verdict says so in weak_key_note. Formulae: docs/watermark.md. */
#ifndef XOE_MARK_INTEROP_H
#define XOE_MARK_INTEROP_H

#include "xoe/mark.h"

enum { XOE_INTEROP_WIDTH_MAX = 16, XOE_INTEROP_DEPTH_MAX = 64 };

/* X(NAME, "name on the wire") */
#define XOE_INTEROP_TABLE(X)                                                                       \
    X(TEXTSEAL_GUMBEL, "textseal-gumbelmax")                                                       \
    X(TEXTSEAL_GREEN, "textseal-greenlist")                                                        \
    X(TEXTSEAL_DIPMARK, "textseal-dipmark")                                                        \
    X(TEXTSEAL_MORPHMARK, "textseal-morphmark")                                                    \
    X(TEXTSEAL_SYNTHID, "textseal-synthid")                                                        \
    X(TEXTSEAL_SYNTHID_WEIGHTED, "textseal-synthid-weighted")                                      \
    X(TEXTSEAL_DUAL, "textseal-dual-key")                                                          \
    X(VLLM_GUMBEL, "vllm-gumbel")                                                                  \
    X(VLLM_DUAL, "vllm-dual-key-gumbel")                                                           \
    X(SGLANG_GUMBEL, "sglang-gumbel")                                                              \
    X(SGLANG_DUAL, "sglang-dual-key-gumbel")                                                       \
    X(HF_SYNTHID, "hf-synthid")                                                                    \
    X(HF_GREEN, "hf-greenlist")                                                                    \
    X(HF_GREEN_SELFHASH, "hf-greenlist-selfhash")

typedef enum xoe_interop_kind {
#define XOE_INTEROP_ENUM(name, text) XOE_INTEROP_##name,
    XOE_INTEROP_TABLE(XOE_INTEROP_ENUM)
#undef XOE_INTEROP_ENUM
        XOE_INTEROP_KINDS
} xoe_interop_kind;

const char *xoe_interop_name(xoe_interop_kind k); /* NULL: unknown */
xoe_err xoe_interop_parse(const char *name, xoe_interop_kind *out, xoe_error *e);

/* Which positions count once. The peers' own habit may be NONE: then p means nothing on text that
 * repeats itself, and the note says so. */
typedef enum xoe_dedup {
    XOE_DEDUP_CONTEXT, /* TextSeal's v1; for hf-greenlist the context and token, as its list needs
                        */
    XOE_DEDUP_PAIR,    /* context and token: TextSeal's v2 */
    XOE_DEDUP_NONE
} xoe_dedup;

/* 0 means the peer's default. */
typedef struct xoe_interop_params {
    xoe_interop_kind kind;
    uint64_t key;
    uint64_t key_b; /* dual keys; vllm-dual-key-gumbel derives both from `key` */
    int width; /* context tokens: textseal ngram 1, vllm and sglang 4, hf-synthid 4, hf-greenlist 1
                */
    double gamma; /* textseal 0.5, hf-greenlist 0.25 */
    double delta; /* 2.0 */
    double alpha; /* textseal-dipmark 0.2; weight of key A: textseal-dual-key 0.5, vllm 0.9, sglang
                     0.5 */
    int depth;    /* textseal-synthid 30; hf-synthid: the number of keys */
    int n_vocab;  /* hf-greenlist: the model's vocabulary */
    xoe_dedup dedup;
    int64_t keys[XOE_INTEROP_DEPTH_MAX]; /* hf-synthid: [depth] */
    uint32_t table_size;                 /* hf-synthid 65536 */
    uint64_t table_seed;                 /* hf-synthid 0 */
} xoe_interop_params;

/* Thread: read-only after opening, safe from many threads. */
typedef struct xoe_interop xoe_interop;

/* Errors: XOE_EINVAL (names the field), XOE_ENOMEM. */
xoe_err xoe_interop_open(xoe_interop **out, const xoe_interop_params *params, xoe_error *e);
void xoe_interop_close(xoe_interop *h); /* wipes; takes NULL */

/* Mean score of a token by chance, in the units of xoe_verdict.score. */
double xoe_interop_chance(const xoe_interop *h);

/* A verdict as xoe_detect_tokens gives it (no spans, payload or shift); *sum, if not NULL: the
 * total score as the peer counts it. Errors: XOE_EINVAL, XOE_ENOMEM. */
xoe_err xoe_interop_detect(const xoe_interop *h, const int32_t *tokens, size_t n_tokens, double fpr,
                           xoe_verdict *out, double *sum, xoe_error *e);

/* Write: what the peer would do with these candidates (probabilities after truncation, as its own
 * sampler applies the mark) after this answer. p_out: [n] the probabilities that it draws from, or
 * NULL. An answer shorter than the width is drawn freely. Errors: XOE_ENOMEM. */
xoe_err xoe_interop_pick(const xoe_interop *h, const xoe_cand *cands, size_t n,
                         const int32_t *answer, size_t n_answer, double (*uniform)(void *ud),
                         void *ud, xoe_pick *out, double *p_out, xoe_error *e);

#endif
