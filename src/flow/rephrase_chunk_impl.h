/* A chunk from within: shared by flow/rephrase_chunk.c and flow/rephrase_outlook.c alone. */
#ifndef XOE_FLOW_REPHRASE_CHUNK_IMPL_H
#define XOE_FLOW_REPHRASE_CHUNK_IMPL_H

#include "flow/rephrase_chunk.h"
#include "flow/rephrase_pool.h"
#include "flow/rephrase_search.h"

/* The source, what stands before it in the result (while it is explored, in the source), its tokens, and what came of it so far. */
struct xoe_chunk {
    const xoe_rephrase_opts *o;
    const char *source, *before;
    size_t n, n_before;
    int32_t *tokens, *avoid; /* [n_tokens]; avoid: as xoe_try_avoid makes it */
    size_t n_tokens;
    uint64_t seed;
    xoe_marker *marker;      /* NULL: not before the shift is chosen */
    int32_t *settled;        /* [n_settled], and room for a chunk: the tokens of what stands before it */
    size_t n_settled, cap_settled;
    char gap[16];            /* white space before it */
    xoe_pool pool;           /* what was found right */
    xoe_buf best;            /* what stays; empty: none yet */
    double best_gain;        /* of it; while it is empty, of the source */
    int n_checks;            /* in this round */
    bool has_words;          /* single words were looked for */
    xoe_search search;       /* all edits that were seen, and where among them the best text stands */
    int64_t until_mono_ms;   /* then its share of the time is over; 0: there is no end */
};

/* By how much the tokens of this text, after those of the result so far, score over chance under the writer's own shift; chunk: xoe_chunk *. */
double xoe_chunk_gain_of(const char *text, size_t n, void *chunk);

#endif
