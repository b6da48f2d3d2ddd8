/* What a chat model, unmarked, has to say about a rewrite: answers to yes-or-no questions as log-odds, and
 * likelihoods. Blocking; thread: safe. */
#ifndef XOE_FLOW_MEANING_MODEL_H
#define XOE_FLOW_MEANING_MODEL_H

#include "xoe/engine.h"

typedef enum xoe_question {
    XOE_ASK_SAME_MEANING, /* who does what to whom, numbers, direction, time, place; with examples */
    XOE_ASK_SAME_FACTS,   /* the bare question */
    XOE_N_QUESTIONS
} xoe_question;

/* The question as the model's own template writes it, up to where its answer begins. tokens: freed by xoe_tokens_free.
 * Errors: XOE_EINVAL (not UTF-8), XOE_EUNSUPPORTED (no chat template), XOE_ENOMEM. */
xoe_err xoe_meaning_question(const xoe_engine *model, xoe_question q, const char *source, size_t n_source, const char *rewrite, size_t n_rewrite,
                             int32_t **tokens, size_t *n_tokens, xoe_error *e);

/* *log_odds: ln P(Yes) − ln P(No) of the answer's first token. The instruction and the examples are the same
 * each time and stay in the engine's cache. deadline_mono_ms: 0: none.
 * Errors: XOE_EDEADLINE, XOE_EUNSUPPORTED (no chat template), the engine's. */
xoe_err xoe_meaning_ask(xoe_engine *model, xoe_question q, const char *source, size_t n_source, const char *rewrite, size_t n_rewrite,
                        xoe_priority priority, int64_t deadline_mono_ms, double *log_odds, xoe_error *e);

/* *nll: mean negative log-likelihood of a token of the text, nats, with nothing before it but a line end.
 * NaN for a text of less than two tokens; long texts by their beginning. Errors: the engine's. */
xoe_err xoe_text_nll(xoe_engine *model, const char *text, size_t n, xoe_priority priority, double *nll, xoe_error *e);

/* How likely `text` is as the paraphrase of `given`, as the prompt of flow/rephrase_prompt.h asks for one: *mean: ln of a token's
 * probability, on average; *surprises: how many of its tokens have less than e^-5. From a rewrite to its source this finds what
 * was lost or changed: the rewrite does not lead one to expect it.
 * Errors: XOE_EDEADLINE, XOE_ELIMIT (longer than the context), XOE_EUNSUPPORTED (no chat template), the engine's. */
xoe_err xoe_meaning_likelihood(xoe_engine *model, const char *given, size_t n, const char *text, size_t m, xoe_priority priority,
                               int64_t deadline_mono_ms, double *mean, double *surprises, xoe_error *e);

#endif
