/* Single words of a text that could be others. The paraphraser is made to copy the source, and what else it would have written at the beginning of
 * a word is put there; where the source then goes on as if nothing had happened, the word fits. One reading of the source, and a few tokens
 * for each word that is tried: a hundredth of what a rewrite costs. Whether it means the same is for the judge. Thread: safe. */
#ifndef XOE_FLOW_REPHRASE_WORDS_H
#define XOE_FLOW_REPHRASE_WORDS_H

#include "flow/rephrase.h"

enum { XOE_WORD_CHOICES_MAX = 24, XOE_WORD_BYTES = 48 };

/* Bytes [first, end) of the source become this word. */
typedef struct xoe_word_choice {
    size_t first, end;
    char text[XOE_WORD_BYTES];
    double loss; /* nats: by how much the source so changed is less likely as a rewrite of itself than copied */
} xoe_word_choice;

/* Those that fit, the least loss first; out: [XOE_WORD_CHOICES_MAX]. tokens: the source's. before: as for xoe_rephrase_prompt. Ends early, with what it has, at
 * until_mono_ms (0: none). *quality: mean log-likelihood of a token of the source as a rewrite of itself. Errors: XOE_ECANCELED, the engine's. */
xoe_err xoe_words_find(const xoe_rephrase_opts *o, const char *before, size_t n_before, const char *source, size_t n, const int32_t *tokens,
                       size_t n_tokens, int64_t until_mono_ms, xoe_word_choice *out, size_t *n_out, double *quality, xoe_error *e);

#endif
