/* One chunk: tries, checks, the best one. Internal to the rephraser. */
#ifndef XOE_FLOW_REPHRASE_CHUNK_H
#define XOE_FLOW_REPHRASE_CHUNK_H

#include "base/buf.h"
#include "flow/rephrase.h"

typedef struct xoe_chunk_usage {
    int n_prompt_tokens, n_predicted_tokens;
} xoe_chunk_usage;

/* Rewrite source[0, n) into out (appended; the source itself when no try is good). index: of the chunk, for
 * its seed. until_mono_ms: no round of tries but the first begins later; 0: none. Where the time of o is over, what is right so far
 * stays. report: outcome, reason, similarity, log10_p, tries, ms are filled.
 * Errors: XOE_ECANCELED, the engine's. */
xoe_err xoe_rephrase_chunk(const xoe_rephrase_opts *o, const char *source, size_t n, size_t index, int64_t until_mono_ms, xoe_buf *out, xoe_chunk_report *report,
                           xoe_chunk_usage *usage, xoe_error *e);

#endif
