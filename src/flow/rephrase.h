/* Post-hoc marking: finished text in, a rewrite that carries the mark out, sentence group by sentence
 * group; each group is checked for meaning, retried, and left as it was when no rewrite is good.
 * Thread: a rephraser has one owner; many may run at once. */
#ifndef XOE_FLOW_REPHRASE_H
#define XOE_FLOW_REPHRASE_H

#include "flow/writing.h"
#include "trust/keyring.h"
#include "xoe/engine.h"

/* One try to rewrite a chunk, for measurements; all borrowed. */
typedef struct xoe_try_report {
    const char *source, *before, *rewrite; /* before: what the paraphraser was shown of the text before the chunk */
    size_t n_source, n_before, n_rewrite;
    bool ended;      /* not cut off */
    double log10_p;  /* of the mark in its tokens */
    double quality;  /* mean log-likelihood of a token */
} xoe_try_report;

typedef struct xoe_rephrase_opts {
    xoe_engine *paraphraser;
    xoe_engine *judge;      /* reads rewrites and likelihoods: the paraphraser's model without its adapter; NULL: the paraphraser */
    xoe_engine *embedder;   /* NULL: no cosine in the meaning check */
    xoe_key key;
    uint32_t shift;         /* of the key; xoe_rephraser_open chooses it by the text */
    double gain_a_token;    /* of score over chance, with which rounds of tries end; xoe_rephraser_open chooses it too, chunk by chunk */
    uint64_t seed;
    float temperature;      /* 0: 1.0 */
    float top_p;            /* 0: 0.8: the tail is where a small model slips */
    int max_tries;          /* a chunk, at most 16; 0: 8 */
    int chunk_tokens;       /* aim; 0: 30, about a sentence: what a small model rewrites without a slip */
    float avoid_strength;   /* pressure against copying the source, in logits; 0: 1.0; negative: none */
    bool measure;           /* perplexity of source and rewrite, for the report: two more passes over a chunk */
    xoe_draft_plan drafts;  /* for a watermax key */
    xoe_priority priority;
    int64_t deadline_mono_ms; /* 0: none. Chunks share the time before it; what there is no time for stays as it was */
    bool (*canceled)(void *ud); /* polled; NULL: never */
    void *ud;
    bool (*on_try)(const xoe_try_report *t, void *ud); /* before it is judged; false: refuse it unread; NULL: none */
    void *try_ud;
} xoe_rephrase_opts;

typedef enum xoe_chunk_outcome {
    XOE_CHUNK_REWRITTEN,
    XOE_CHUNK_FITS,          /* there are right rewrites, but as it was it carries more of the mark than they */
    XOE_CHUNK_KEPT_MEANING,  /* no rewrite passed the meaning check */
    XOE_CHUNK_KEPT_PROTECTED /* code, quotation, heading, table: never touched */
} xoe_chunk_outcome;

typedef struct xoe_chunk_report {
    size_t source_first, source_end, out_first, out_end; /* bytes in the source, in the result */
    xoe_chunk_outcome outcome;
    const char *reason;      /* static: why the last try was refused; "" where one was right */
    const char *method;      /* static: the evidence of the meaning check, see flow/meaning.h; "" where none was made */
    double meaning;          /* its score: log-odds over the threshold; NaN: refused before, or not made */
    double similarity;       /* cosine; NaN: no embedder */
    double length_ratio, log10_p;
    double copied;           /* share of the source's word trigrams in the rewrite; NaN: kept */
    double quality;          /* mean log-likelihood of a token of the rewrite under the unmarked paraphraser; NaN: kept */
    double source_nll, rewrite_nll; /* nats a token, without the prompt, by the same model; NaN: not measured, or kept */
    bool blended;            /* put together from several good rewrites (flow/rephrase_blend.h) */
    int tries;
    double ms, check_ms;     /* check_ms: of ms, in the meaning check */
} xoe_chunk_report;

typedef struct xoe_rephrase_result {
    char *text; size_t n;    /* the rewrite */
    xoe_chunk_report *chunks; size_t n_chunks;
    int n_prompt_tokens, n_predicted_tokens;
    uint32_t shift;          /* of the key, under which the text was made to score */
    double ms;
} xoe_rephrase_result;

/* "rewritten", "fits", "kept", "protected". */
const char *xoe_chunk_outcome_name(xoe_chunk_outcome o);

/* Microseconds that a byte of prose took in this process so far, tries and checks included; drafts: under keys that need
 * them (watermax). NaN: fewer than 1,000 bytes were rephrased. */
double xoe_rephrase_us_a_byte(bool drafts);

/* Perplexity of the rewrite over that of the source; NaN: not measured. */
double xoe_chunk_perplexity_change(const xoe_chunk_report *c);

typedef struct xoe_rephraser xoe_rephraser;
/* Pipelined: feed pieces of the source as they come; groups that are complete are rephrased on the
 * rephraser's own thread while the caller goes on. finish waits for all. */
xoe_err xoe_rephraser_open(xoe_rephraser **out, const xoe_rephrase_opts *opts,
                           void (*on_chunk)(const xoe_chunk_report *, const char *text, size_t n, void *ud),
                           void *ud, xoe_error *e);
xoe_err xoe_rephraser_feed(xoe_rephraser *r, const char *text, size_t n, xoe_error *e);
xoe_err xoe_rephraser_finish(xoe_rephraser *r, xoe_rephrase_result *out, xoe_error *e);
void xoe_rephraser_close(xoe_rephraser *r); /* cancels; takes NULL */
void xoe_rephrase_result_clear(xoe_rephrase_result *r);

#endif
