/* Engine: one loaded model, one worker thread that owns its llama.cpp context, a bounded queue of
 * jobs. Tokens come back as events. docs/ARCHITECTURE.md tells the scheduling. */
#ifndef XOE_ENGINE_H
#define XOE_ENGINE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include "xoe/error.h"
#include "xoe/mark.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct xoe_engine xoe_engine;
typedef struct xoe_job xoe_job;

typedef enum xoe_priority { XOE_PRIORITY_BATCH, XOE_PRIORITY_INTERACTIVE, XOE_PRIORITY_VOICE } xoe_priority;

/* A GGUF file with a low-rank adapter (LoRA), in memory. */
typedef struct xoe_adapter {
    const void *data;
    size_t n;
} xoe_adapter;

/* 0 means default everywhere. */
typedef struct xoe_engine_opts {
    size_t size;          /* sizeof(xoe_engine_opts) */
    const char *path;     /* GGUF file */
    const char *name;     /* as clients call it; default the file's stem */
    int n_slots;          /* answers at once; default 8 */
    int n_ctx_slot;       /* context tokens a slot; default min(4096, trained) */
    int n_batch;          /* tokens a decode call at most; default: the largest step */
    int n_prefill;        /* prompt tokens a step, the unit: seeded prompts use just so many, others by time; default 128 */
    int n_threads;        /* default: cores allowed to this process */
    int queue_max;        /* jobs waiting for a slot; default 64 */
    bool embeddings;      /* an embedding model (pooled) */
    bool vocab_only;      /* tokenizer only: no weights, no worker, no jobs */
    const xoe_engine *same_as;   /* an open engine of this file, whose weights and adapters serve this one too; NULL: read the file */
    const xoe_adapter *const *adapters; /* [n_adapters], at most 4, to read with the weights */
    int n_adapters;
    int adapter;                 /* the one that is in force for all jobs, counted from 1; 0: none */
} xoe_engine_opts;

#define XOE_ENGINE_OPTS_INIT {sizeof(xoe_engine_opts), 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

/* Errors: XOE_ENOTFOUND (no such file), XOE_EFORMAT (not a model, or an adapter of another one), XOE_ENOMEM, XOE_EINVAL.
 * Engines with the same weights may be closed in any order. */
XOE_API xoe_err xoe_engine_open(xoe_engine **out, const xoe_engine_opts *opts, xoe_error *e);
/* Cancels what runs, waits for the worker, frees. Takes NULL. No job may be open. */
XOE_API void xoe_engine_close(xoe_engine *en);

typedef struct xoe_engine_info {
    const char *name, *path, *desc; /* borrowed */
    const char *title;              /* as the file names the model; "": it does not. Borrowed */
    int n_vocab, n_ctx_slot, n_slots, n_embd, n_layers, n_threads;
    uint64_t n_params, n_bytes;
    int adapter; /* that is in force, as in the options */
    bool embeddings, has_chat_template;
} xoe_engine_info;
XOE_API void xoe_engine_get_info(const xoe_engine *en, xoe_engine_info *out);
/* The title that xoe_engine_info would tell, without opening the model: out "" where the file has none or cannot be read. */
XOE_API void xoe_model_title(const char *path, char *out, size_t cap);

typedef struct xoe_engine_stats {
    uint64_t prompt_tokens, prompt_tokens_cached, predicted_tokens, decode_calls, busy_slots_sum;
    uint64_t jobs_done, jobs_failed, jobs_canceled, jobs_refused;
    double prompt_s, predicted_s; /* time in decode calls, by what they did most */
    int processing, deferred;     /* now: jobs in slots, jobs waiting */
} xoe_engine_stats;
XOE_API void xoe_engine_get_stats(xoe_engine *en, xoe_engine_stats *out);

/* ---- tokens (thread: safe, on the caller's thread) ------------------------------------------- */

/* out: *n_out ids, freed with xoe_tokens_free. add_special: BOS/EOS as the model wants;
 * parse_special: "<|im_start|>" and the like become control tokens (only for templates, never for
 * text from a user that is to be detected). */
XOE_API xoe_err xoe_engine_tokenize(const xoe_engine *en, const char *text, size_t n, bool add_special,
                                    bool parse_special, int32_t **out, size_t *n_out, xoe_error *e);
XOE_API void xoe_tokens_free(int32_t *tokens);
/* Bytes of one token (may be part of a character). Returns the length; copies at most cap. */
XOE_API size_t xoe_engine_token_bytes(const xoe_engine *en, int32_t id, bool special, char *out,
                                      size_t cap);
XOE_API bool xoe_engine_is_eog(const xoe_engine *en, int32_t id);

/* ---- generation ------------------------------------------------------------------------------ */

typedef struct xoe_logit_bias {
    int32_t id;
    float bias;
} xoe_logit_bias;

#define XOE_AVOID_GAP (-1)

/* Defaults are what XOE_SAMPLING_INIT says (OpenAI's). */
typedef struct xoe_sampling {
    float temperature; /* 0: the most likely token */
    float top_p;       /* 1: off */
    int top_k;         /* 0: off */
    float min_p;       /* 0: off */
    float frequency_penalty, presence_penalty; /* OpenAI's, over the answer so far */
    float repeat_penalty;                      /* llama.cpp's, over the last 64 tokens; 1: off */
    bool has_seed;
    uint64_t seed;
    const xoe_logit_bias *logit_bias;
    size_t n_logit_bias;
    /* GBNF; NULL: none. lazy: starts at one of the triggers. */
    const char *grammar;
    bool grammar_lazy;
    const char *const *grammar_trigger_patterns; /* regular expressions, full match from the start */
    size_t n_grammar_trigger_patterns;
    const int32_t *grammar_trigger_tokens;
    size_t n_grammar_trigger_tokens;
    const int32_t *grammar_prefill; /* tokens of the prompt's end that the grammar begins with */
    size_t n_grammar_prefill;
    const int32_t *preserved_tokens; /* control tokens that belong to the text (tool calls) */
    size_t n_preserved_tokens;
    /* Pressure against copying: a token that would complete `avoid_width` tokens in a row of this text has its
     * logit lowered by avoid_strength. XOE_AVOID_GAP stands for a place that may be copied. */
    const int32_t *avoid; /* [n_avoid] */
    size_t n_avoid;
    int avoid_width;      /* at least 2 where avoid is set */
    float avoid_strength; /* 0: off */
} xoe_sampling;

#define XOE_SAMPLING_INIT {1.0f, 1.0f, 0, 0.0f, 0.0f, 0.0f, 1.0f, false, 0, 0, 0, 0, false, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0}

typedef struct xoe_token_prob {
    int32_t id;
    float logprob; /* natural log, under the model's own distribution (temperature 1, no truncation) */
} xoe_token_prob;

typedef enum xoe_finish {
    XOE_FINISH_NONE,
    XOE_FINISH_STOP,     /* end-of-generation token */
    XOE_FINISH_LENGTH,   /* max_tokens or context full */
    XOE_FINISH_CANCELED, /* xoe_job_cancel */
    XOE_FINISH_DEADLINE,
    XOE_FINISH_ERROR
} xoe_finish;

typedef enum xoe_event_kind { XOE_EVENT_STARTED, XOE_EVENT_TOKEN, XOE_EVENT_DONE } xoe_event_kind;

typedef struct xoe_event {
    xoe_event_kind kind;
    /* STARTED: the prompt is in the cache */
    int n_prompt, n_cached;
    /* TOKEN */
    int32_t token;
    const char *bytes; /* the token's bytes, borrowed for the call; may be part of a character */
    size_t n_bytes;
    float logprob;                /* of the token, when n_probs ≥ 0 was asked for */
    const xoe_token_prob *top;    /* [n_top], borrowed for the call */
    int n_top;
    bool marked;                  /* this token carries the mark */
    double expected_score;        /* H(1/p) − 1, see xoe_pick */
    /* DONE */
    xoe_finish finish;
    int n_predicted;
    int n_drawn; /* n_predicted, and what was drawn and not kept (drafts, flow/writing.h) */
    double prompt_ms, predicted_ms, queued_ms;
    const xoe_error *error; /* finish == XOE_FINISH_ERROR */
} xoe_event;

/* Called on the worker thread, in order; DONE exactly once and last. Must not block or call
 * xoe_job_* / xoe_engine_close. */
typedef void (*xoe_event_cb)(const xoe_event *ev, void *ud);

/* Everything is copied at submit. */
typedef struct xoe_gen_request {
    size_t size;
    const int32_t *prompt; /* [n_prompt] */
    size_t n_prompt;
    xoe_sampling sampling;
    int max_tokens;        /* 0: as many as the context holds */
    int n_probs;           /* −1: no logprobs; 0: of the chosen token; k: and the k best */
    const xoe_mark_params *mark; /* NULL: no mark */
    const uint8_t *mark_key;     /* 32 bytes */
    uint32_t mark_shift;
    uint64_t mark_payload;
    xoe_priority priority;
    int64_t deadline_mono_ms; /* xoe_clock_mono_ms() time; 0: none */
    xoe_event_cb on_event;
    void *ud;
    bool reuse_prefix; /* with a seed: reuse cached prefixes all the same; exact only up to rounding */
    /* With a seed: jobs of one family (0: none) reuse prefixes that the family itself computed, and no others. A family
     * that computes the same pieces in the same order is exact. */
    uint64_t family;
    size_t n_written;  /* the prompt's last tokens belong to the answer: penalties, grammar, avoid and mark go on from them */
} xoe_gen_request;

/* Queue a generation. Errors: XOE_EBUSY (queue full), XOE_ELIMIT (prompt longer than the context;
 * the message gives both numbers), XOE_EINVAL (empty prompt, bad grammar, token out of range),
 * XOE_EUNSUPPORTED (a mark that drafts carry, see xoe_scheme_needs_drafts). */
XOE_API xoe_err xoe_engine_generate(xoe_engine *en, const xoe_gen_request *req, xoe_job **out,
                                    xoe_error *e);
/* Ask to stop: the slot is free within one decode step; DONE follows. Thread: any. */
XOE_API void xoe_job_cancel(xoe_job *job);
/* Wait until DONE was delivered, then free. Takes NULL. Not from a callback. */
XOE_API void xoe_job_close(xoe_job *job);

/* ---- scoring and embedding (blocking; thread: any) ------------------------------------------- */

/* Log-probability of tokens[i] given those before, for n_prefix ≤ i < n_tokens.
 * logprobs: [n_tokens − n_prefix] natural logs; entropies: the same length, nats, or NULL.
 * Errors: XOE_EBUSY, XOE_ELIMIT, XOE_EINVAL. */
XOE_API xoe_err xoe_engine_score(xoe_engine *en, const int32_t *tokens, size_t n_tokens,
                                 size_t n_prefix, xoe_priority priority, float *logprobs,
                                 float *entropies, xoe_error *e);
/* As xoe_engine_score, and what else could stand there: top: [n_tokens − n_prefix][n_top], best first, natural logs. */
XOE_API xoe_err xoe_engine_score_top(xoe_engine *en, const int32_t *tokens, size_t n_tokens,
                                     size_t n_prefix, xoe_priority priority, float *logprobs,
                                     xoe_token_prob *top, int n_top, xoe_error *e);
/* What a model makes of a text: the residual stream after block `layer` (from 0) at the last token, out: [n_embd].
 * The first n_keep tokens are those that come again: they stay in the cache, as those of generations do; the rest
 * is computed as far as the block, and forgotten. Errors: as above; XOE_EINVAL also where there is no such block. */
XOE_API xoe_err xoe_engine_read(xoe_engine *en, const int32_t *tokens, size_t n_tokens, size_t n_keep, int layer,
                                xoe_priority priority, float *out, xoe_error *e);
/* Unit-length embeddings, out: [n_texts][n_embd]; n_tokens_out: tokens used, or NULL.
 * tokens: text i has lens[i] ids, all in one array. Errors as above. */
XOE_API xoe_err xoe_engine_embed(xoe_engine *en, const int32_t *tokens, const size_t *lens,
                                 size_t n_texts, xoe_priority priority, float *out, xoe_error *e);

/* ---- model files ------------------------------------------------------------------------------ */

/* Write `out` as a requantised copy of `in` ("q8_0", "q4_0"). Errors: XOE_EINVAL, XOE_EIO. */
XOE_API xoe_err xoe_model_requantize(const char *in, const char *out, const char *type, xoe_error *e);

#ifdef __cplusplus
}
#endif
#endif
