/* One chunk: tries, checks, the best one. Internal to the rephraser. */
#ifndef XOE_FLOW_REPHRASE_CHUNK_H
#define XOE_FLOW_REPHRASE_CHUNK_H

#include "base/buf.h"
#include "flow/rephrase.h"
#include "flow/rephrase_shift.h"

typedef struct xoe_chunk_usage {
    int n_prompt_tokens, n_predicted_tokens;
} xoe_chunk_usage;

typedef struct xoe_chunk xoe_chunk;

/* Of source[0, n), borrowed as o is. index: of the chunk, for its seed. report: the same at every call; what is known so far is filled in. */
xoe_err xoe_chunk_open(xoe_chunk **out, const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, xoe_chunk_report *report, xoe_error *e);
void xoe_chunk_close(xoe_chunk *c); /* takes NULL */
/* Single words and one round of tries before the key's shift is chosen, unless until_mono_ms (0: none) is over or the key needs drafts. before: what stands before
 * the chunk in the source. Errors: XOE_ECANCELED, the engine's. */
xoe_err xoe_chunk_explore(xoe_chunk *c, const char *before, size_t n_before, int64_t until_mono_ms, xoe_chunk_report *report, xoe_chunk_usage *usage,
                          xoe_error *e);
/* After explore: what can be made of it, for the choice. */
xoe_err xoe_chunk_variants(const xoe_chunk *c, xoe_variants *out, xoe_error *e);
/* What may come of it under the shift of this marker: half way from the best that is right to the best blend, as about every other blend is refused. */
xoe_err xoe_chunk_prospect(xoe_chunk *c, xoe_marker *marker, double *gain, xoe_error *e);
/* Under the shift of o: the best that can be made of it, or the source where nothing is right, to out (appended). No round of tries but the first begins
 * after until_mono_ms; where the time of o is over, what is right so far stays. Errors: XOE_ECANCELED, the engine's. */
xoe_err xoe_chunk_finish(xoe_chunk *c, xoe_buf *out, int64_t until_mono_ms, xoe_chunk_report *report, xoe_chunk_usage *usage, xoe_error *e);

#endif
