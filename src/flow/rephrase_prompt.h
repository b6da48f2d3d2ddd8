/* What the paraphraser is told. Thread: safe. */
#ifndef XOE_FLOW_REPHRASE_PROMPT_H
#define XOE_FLOW_REPHRASE_PROMPT_H

#include "xoe/engine.h"

/* What of a text the prompt is to show before its next chunk: the end of the paragraph so far, from a word's beginning. Borrowed. */
const char *xoe_rephrase_before(const char *text, size_t n, size_t *n_before);
/* The prompt to rephrase source[0, n). before: what stands before it in the result, for words that point back; may be
 * empty. last_reason: why the last rewrite was refused, as the report tells it; "": there was none, or it was good.
 * tokens: freed by xoe_tokens_free. Errors: XOE_EINVAL (not UTF-8), XOE_EUNSUPPORTED (no chat template), XOE_ENOMEM. */
xoe_err xoe_rephrase_prompt(const xoe_engine *en, const char *before, size_t n_before, const char *source, size_t n, const char *last_reason,
                            int32_t **tokens, size_t *n_tokens, xoe_error *e);

#endif
