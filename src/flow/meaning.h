/* Does a rewrite still say what its source says? Checks on the words themselves, and a cosine of
 * embeddings. Pure but for the embedding. Thread: safe.
 *
 * What this cannot see: two names that swap roles ("A sued B", "B sued A") and a verb turned round. */
#ifndef XOE_FLOW_MEANING_H
#define XOE_FLOW_MEANING_H

#include "xoe/engine.h"

/* The checks on words. Returns "" when all pass, else the first that failed (static text). */
const char *xoe_meaning_words(const char *source, size_t n_source, const char *rewrite, size_t n_rewrite);
/* Share of the source's word trigrams that stand in the rewrite too, 0 to 1. */
double xoe_copied_share(const char *source, size_t n_source, const char *rewrite, size_t n_rewrite);
/* Cosine of the two texts' embeddings; long texts by their beginning. NaN with an error. */
xoe_err xoe_meaning_cosine(xoe_engine *embedder, const char *a, size_t n_a, const char *b, size_t n_b, xoe_priority priority, double *out,
                           xoe_error *e);

#define XOE_MEANING_COSINE_MIN 0.80

#endif
