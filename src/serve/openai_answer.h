/* Shapes of answers: chat completions, text completions, their stream chunks, usage, logprobs, errors,
 * and what Xoe adds (original, watermarked, watermark_signal, is_watermarked, metadata).
 * Pure builders over jansson; each returns a new reference, NULL: no memory. docs/openapi.json says
 * what each field means. */
#ifndef XOE_SERVE_OPENAI_ANSWER_H
#define XOE_SERVE_OPENAI_ANSWER_H

#include <jansson.h>
#include "flow/completion.h"

/* What all chunks of one answer share. */
typedef struct xoe_answer_head {
    const char *id;          /* "chatcmpl-…", "cmpl-…" */
    int64_t created_s;
    const char *model;
    const char *fingerprint; /* "fp_…" */
    bool is_chat;
    const xoe_engine *engine; /* bytes of top_logprobs' tokens; NULL: they are left out */
} xoe_answer_head;

/* What the mark of an answer was meant to be. */
typedef struct xoe_answer_mark {
    xoe_mark_mode mode;
    const char *scheme;       /* "gumbel" */
    const char *warning;      /* "" or what is wrong with the paraphraser */
    double expected_factor;   /* rephrase: cost against an unmarked answer; 0: not known */
    const char *factor_basis; /* "measured" or "model size" */
    const char *job;          /* id of the job of an asynchronous rephrase; NULL: none */
} xoe_answer_mark;

enum { XOE_ANSWER_ID_MAX = 64 };
/* prefix + 24 random hex digits. */
void xoe_answer_id(const char *prefix, char out[XOE_ANSWER_ID_MAX]);
/* "fp_" + 10 hex digits of program version and model. */
void xoe_answer_fingerprint(const xoe_engine_info *info, char out[32]);

/* The whole answer. results: [n_results], one a prompt; choices are numbered through. */
json_t *xoe_answer_full(const xoe_answer_head *h, const xoe_completion_result *results, size_t n_results,
                        const xoe_answer_mark *mark);
json_t *xoe_answer_usage(const xoe_completion_result *results, size_t n_results);

/* Chunks. delta is taken over (chat) or text is used (completions). finish NULL: null. */
json_t *xoe_answer_chunk(const xoe_answer_head *h, int index, json_t *delta, const char *text, size_t n,
                         const xoe_logprob *logprobs, int n_logprobs, size_t text_offset, const char *finish);
/* The chunk with choices [] and the usage. */
json_t *xoe_answer_usage_chunk(const xoe_answer_head *h, const xoe_completion_result *results,
                               size_t n_results);
/* Add original, watermarked, watermark_signal, is_watermarked and metadata to an answer or chunk.
 * 0, or −1: no memory. */
int xoe_answer_add_mark(json_t *answer, const xoe_answer_head *h, const xoe_completion_result *results,
                        size_t n_results, const xoe_answer_mark *mark);

json_t *xoe_answer_logprobs_chat(const xoe_answer_head *h, const xoe_logprob *l, int n);
json_t *xoe_answer_logprobs_text(const xoe_answer_head *h, const xoe_logprob *l, int n, size_t offset);

/* −log10 p of our own detector on the text: 0 when there is no mark or no evidence. */
double xoe_answer_signal(const xoe_choice *c);
/* Chunk by chunk what the paraphraser did. */
json_t *xoe_answer_chunks(const xoe_rephrase_result *r);

/* {"error":{message,type,param,code}} */
json_t *xoe_answer_error(const xoe_error *e);
/* OpenAI's code of an error ("model_not_found", "context_length_exceeded", …); NULL: null. */
const char *xoe_answer_error_code(const xoe_error *e);

#endif
